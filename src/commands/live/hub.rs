//! What goes on, gathered from the events of a plan, for whoever asks at any time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pipeline::{Event, LiveFigures, Visit};
use crate::schema::comparison::FailedTarget;
use crate::schema::environment::Environment;
use crate::schema::live_page::{BackendState, LiveBackend, LivePage, LiveRun};
use crate::schema::live_snapshot::LiveSnapshot;
use crate::schema::plan::{LoadPoint, Plan, RunKey};

/// Loads that a page shows: the one that is played and those before it, so that one that is over before it was scraped
/// is seen, and a page has a bound.
const SHOWN_RUNS: usize = 8;

/// What is known by now, shared.
#[derive(Debug)]
pub struct Hub(Mutex<State>);

#[derive(Debug)]
struct State {
    page: LivePage,
    /// Runs of each backend that are still to be played.
    left: BTreeMap<String, usize>,
    /// Where a plan may end before all of them, nobody knows which is the last.
    may_end_early: bool,
    runs: VecDeque<Run>,
}

/// A load of one backend in one round.
#[derive(Debug)]
struct Run {
    label: String,
    model: String,
    point: u32,
    round: u32,
    load: String,
    /// Its repeats that are over.
    before: LiveSnapshot,
    /// The repeat that is played, or was the last.
    figures: LiveFigures,
    loading: bool,
}

impl Hub {
    /// Before anything happened.
    pub fn new(environment: &Environment) -> Hub {
        let page = LivePage { version: environment.harness_version.clone(), ..LivePage::default() };
        Hub(Mutex::new(State { page, left: BTreeMap::new(), may_end_early: false, runs: VecDeque::new() }))
    }

    /// Takes an event in.
    pub fn event(&self, event: &Event<'_>) {
        let mut state = self.state();
        match event {
            Event::Planned { plan, visits } => state.planned(plan, visits),
            Event::Launching { label, .. } => state.set(label, BackendState::Launching),
            Event::Ready { label, .. } => state.set(label, BackendState::Ready),
            Event::Loading { key, load, figures, .. } => state.loading(key, load, figures),
            Event::Loaded => state.loaded(),
            Event::RunClosed { run, .. } => state.closed(&run.summary.key.label),
            Event::Stopped { label, .. } => state.stopped(label),
            // Whoever stops it has not seen it fail.
            Event::Failed { failure, .. } if failure.is_interruption() => {}
            Event::Failed { label, .. } => state.failed(label),
            Event::Compared { comparison, .. } => state.ended(&comparison.failed),
            Event::Starting { .. }
            | Event::Stopping { .. }
            | Event::Trouble(_)
            | Event::Note(_)
            | Event::Detail(_)
            | Event::Looked { .. } => {}
        }
    }

    /// What is known now.
    pub fn page(&self) -> LivePage {
        let state = self.state();
        LivePage { runs: state.runs.iter().map(Run::now).collect(), ..state.page.clone() }
    }

    /// What a thread that panicked left is still worth showing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn now(&self) -> LiveRun {
        let mut known = self.figures.snapshot();
        known.join(&self.before);
        LiveRun {
            label: self.label.clone(),
            model: self.model.clone(),
            point: self.point,
            round: self.round,
            load: self.load.clone(),
            loading: self.loading,
            known: Arc::new(known),
        }
    }
}

impl State {
    fn planned(&mut self, plan: &Plan, visits: &[Visit]) {
        self.page.run_id.clone_from(&plan.run_id);
        self.page.title.clone_from(&plan.title);
        self.page.workers = plan.workers;
        self.may_end_early = plan.until_sure_pct.is_some() || plan.search.is_some();
        for visit in visits {
            *self.left.entry(visit.label.clone()).or_default() += visit.runs.len();
        }
        let backend = |target: &crate::schema::target::Target| LiveBackend {
            label: target.label.clone(),
            model: target.model.name.clone(),
            engine: target.engine.clone(),
            state: if self.left.contains_key(&target.label) {
                BackendState::Waiting
            } else {
                BackendState::Done
            },
            closed: 0,
            failed: 0,
        };
        self.page.backends = plan.targets.iter().map(backend).collect();
    }

    fn backend(&mut self, label: &str) -> Option<&mut LiveBackend> {
        self.page.backends.iter_mut().find(|backend| backend.label == label)
    }

    fn set(&mut self, label: &str, state: BackendState) {
        if let Some(backend) = self.backend(label) {
            backend.state = state;
        }
    }

    fn loading(&mut self, key: &RunKey, load: &LoadPoint, figures: &LiveFigures) {
        figures.keep_latencies();
        self.set(&key.label, BackendState::Loading);
        let is_same =
            |run: &Run| (run.label.as_str(), run.point, run.round) == (&key.label, key.point, key.round);
        // A further repeat of a load that is shown goes on counting.
        let before = match self.runs.iter().position(is_same).and_then(|place| self.runs.remove(place)) {
            Some(earlier) => LiveSnapshot::clone(&earlier.now().known),
            None => LiveSnapshot::default(),
        };
        let model = self.backend(&key.label).map(|backend| backend.model.clone()).unwrap_or_default();
        self.runs.push_back(Run {
            label: key.label.clone(),
            model,
            point: key.point,
            round: key.round,
            load: load.name.clone().unwrap_or_else(|| load.traffic.to_string()),
            before,
            figures: figures.clone(),
            loading: true,
        });
        while self.runs.len() > SHOWN_RUNS {
            self.runs.pop_front();
        }
    }

    fn loaded(&mut self) {
        let Some(run) = self.runs.back_mut() else { return };
        run.loading = false;
        let label = run.label.clone();
        self.set(&label, BackendState::Ready);
    }

    fn closed(&mut self, label: &str) {
        let left = self.left.get_mut(label).map_or(0, |left| {
            *left = left.saturating_sub(1);
            *left
        });
        let done = left == 0 && !self.may_end_early;
        let Some(backend) = self.backend(label) else { return };
        backend.closed += 1;
        if done && backend.state != BackendState::Failed {
            backend.state = BackendState::Done;
        }
    }

    fn stopped(&mut self, label: &str) {
        if let Some(backend) = self.backend(label)
            && !matches!(backend.state, BackendState::Failed | BackendState::Done)
        {
            backend.state = BackendState::Waiting;
        }
    }

    fn failed(&mut self, label: &str) {
        if let Some(backend) = self.backend(label) {
            backend.state = BackendState::Failed;
            backend.failed += 1;
        }
    }

    /// Of what was not all measured a comparison tells more than failed: it waits on, for a resume.
    fn ended(&mut self, not_all: &[FailedTarget]) {
        for backend in &mut self.page.backends {
            let told = not_all.iter().filter(|target| target.label == backend.label).count() as u64;
            if backend.state != BackendState::Failed {
                backend.state =
                    if told > backend.failed { BackendState::Waiting } else { BackendState::Done };
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "hub_tests.rs"]
mod tests;
