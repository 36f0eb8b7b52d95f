//! What the picture shows, as plain state: fed by events and by snapshots, drawn by [`super::draw`].

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::launch::LaunchEvent;
use crate::pipeline::{Event, Visit};
use crate::schema::environment::Environment;
use crate::schema::figure;
use crate::schema::figure::Statistic;
use crate::schema::live_snapshot::LiveSnapshot;
use crate::schema::plan::{Plan, RunKey};
use crate::schema::summary::RunSummary;
use crate::schema::text::plain;

use super::run_now::RunNow;
use crate::commands::course::{Course, which_run};

/// Lines of talk that are kept.
const MOST_LINES: usize = 300;

/// All that is known of a plan that is played.
#[derive(Debug, Clone)]
pub struct Board {
    // Copied for each picture: what is large is shared.
    plan: Arc<Plan>,
    course: Arc<Course>,
    /// The machine that it is played on.
    pub environment: Arc<Environment>,
    /// When what is left was known anew.
    told: Duration,
    /// Since the picture began.
    pub now: Duration,
    /// A stop was asked for.
    pub stopping: bool,
    /// What is compared, and which backends are not here.
    pub rows: Vec<Row>,
    /// Runs that are closed, and runs of the plan.
    pub runs: (usize, usize),
    /// The run that is played, or was played last.
    pub run: Option<RunNow>,
    /// Talk, oldest first.
    pub lines: VecDeque<(Duration, String)>,
    /// Where the newest server's log lies.
    pub log: Option<PathBuf>,
}

/// One backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its label.
    pub label: String,
    /// What it does.
    pub state: State,
    /// Runs that are closed, and runs of the plan; none where nobody knows how many there will be.
    pub runs: (usize, Option<usize>),
    /// Figures of its newest run.
    pub headline: Option<Headline>,
    /// Runs that launches without a result would have had, and why the last of them gave none.
    pub missed: (usize, Option<String>),
}

impl Row {
    /// A launch gave no result, or not all of its runs, of which a launch has so many.
    fn miss(&mut self, why: String, runs_a_launch: usize) {
        let over = self.runs.0 + self.missed.0;
        let of_launch = runs_a_launch.max(1);
        self.missed = ((over / of_launch + 1) * of_launch - self.runs.0, Some(why.clone()));
        self.state = State::Failed(why);
    }
}

/// What a backend does; times are since the picture began.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Its turn has not come.
    Waiting,
    /// It is launched.
    Launching {
        /// Since when.
        since: Duration,
        /// How far it is.
        step: String,
    },
    /// It is asked for its first token.
    Probing {
        /// Since when it is launched.
        since: Duration,
    },
    /// It answers, and no load is played.
    Ready {
        /// Since when.
        since: Duration,
    },
    /// A load is played; see [`Board::run`].
    Loaded,
    /// What was measured is written.
    Saving,
    /// It is stopped.
    Stopping {
        /// Since when.
        since: Duration,
    },
    /// All its runs are over.
    Done,
    /// It gave no result, or not all.
    Failed(String),
    /// It is not installed.
    Absent(String),
}

/// Headline figures of a run; what it has not is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Headline {
    /// Output tokens a second.
    pub output_tps: Option<f64>,
    /// ms
    pub ttft_p50: Option<f64>,
    /// ms
    pub ttft_p99: Option<f64>,
    /// ms
    pub tpot_p50: Option<f64>,
    /// Requests that failed.
    pub failed: u64,
}

impl Headline {
    fn of(run: &RunSummary) -> Self {
        let value = |metric: &str, statistic: Statistic| {
            let withheld = metric == figure::TPOT && run.withholds_pace();
            run.metrics.get(metric).filter(|_| !withheld).and_then(|value| statistic.of(value))
        };
        Headline {
            output_tps: value(figure::OUTPUT_TPS, Statistic::Value),
            ttft_p50: value(figure::TTFT, Statistic::P50),
            ttft_p99: value(figure::TTFT, Statistic::P99),
            tpot_p50: value(figure::TPOT, Statistic::P50),
            failed: run.requests.failed,
        }
    }
}

impl Board {
    /// Nothing is played yet.
    pub fn new(plan: &Plan, environment: &Environment, course: Course) -> Self {
        let each = plan.search.is_none().then(|| plan.run_count() / plan.targets.len().max(1));
        let row = |label: &str, state: State| Row {
            label: plain(label).into_owned(),
            state,
            runs: (0, each),
            headline: None,
            missed: (0, None),
        };
        let targets = plan.targets.iter().map(|target| row(&target.label, State::Waiting));
        let absent = plan.skipped.iter().map(|skipped| {
            row(
                &skipped.label,
                State::Absent(plain(&format!("{} ({})", skipped.reason, skipped.hint)).into()),
            )
        });
        Board {
            rows: targets.chain(absent).collect(),
            plan: Arc::new(plan.clone()),
            course: Arc::new(course),
            environment: Arc::new(environment.clone()),
            told: Duration::ZERO,
            now: Duration::ZERO,
            stopping: false,
            runs: (0, plan.run_count()),
            run: None,
            lines: VecDeque::new(),
            log: None,
        }
    }

    /// Takes an event in; what is said beside it comes by [`Board::say`].
    pub fn event(&mut self, event: &Event<'_>) {
        if Arc::make_mut(&mut self.course).hear(event) {
            self.told = self.now;
        }
        let since = self.now;
        match event {
            Event::Planned { plan, visits } => self.planned(plan, visits),
            Event::Starting { label, log } => self.starting(label, log),
            Event::Launching { label, event } => self.launching(label, event),
            Event::Ready { label, .. } => self.set(label, State::Ready { since }),
            Event::Loading { key, load, .. } => {
                self.run = Some(RunNow::new(key, load, which_run(&self.plan, key), since));
                self.set(&key.label, State::Loaded);
            }
            Event::Loaded => {
                if let Some(run) = &mut self.run {
                    run.ended = Some(since);
                    let label = run.key.label.clone();
                    self.set(&label, State::Saving);
                }
            }
            Event::RunClosed { run, closed, .. } => {
                self.closed(&run.summary.key, Headline::of(&run.summary), *closed);
            }
            Event::Stopping { label } => self.set(label, State::Stopping { since }),
            Event::Stopped { label, .. } => self.stopped(label),
            Event::Failed { label, failure } => {
                let rounds = self.plan.rounds.max(1) as usize;
                if let Some(row) = self.row(label) {
                    row.miss(plain(&failure.what).into_owned(), row.runs.1.unwrap_or(0) / rounds);
                }
            }
            Event::Trouble(_)
            | Event::Note(_)
            | Event::Detail(_)
            | Event::Looked { .. }
            | Event::Compared { .. } => {}
        }
    }

    /// Takes in what is known of the run that is played, or is being saved.
    pub fn observe(&mut self, snapshot: LiveSnapshot) {
        match &mut self.run {
            Some(run) if run.ended.is_some() => run.count(snapshot),
            Some(run) => run.observe(self.now, snapshot),
            None => {}
        }
    }

    /// Keeps what is said.
    pub fn say(&mut self, text: &str) {
        for line in text.lines() {
            if self.lines.len() == MOST_LINES {
                self.lines.pop_front();
            }
            self.lines.push_back((self.now, plain(line).into_owned()));
        }
    }

    /// `compare  Qwen3-8B · concurrency 8`: what is done, to what, how.
    pub fn title(&self) -> (&str, String) {
        let models: Vec<&str> = self.plan.targets.iter().map(|target| target.model.name.as_str()).collect();
        let model = match models.split_first() {
            Some((first, others)) if others.iter().all(|other| other == first) => short_model(first),
            Some((_, _)) => "several models".to_owned(),
            None => String::new(),
        };
        let load = match self.plan.loads.as_slice() {
            [load] if self.plan.search.is_none() => {
                load.name.clone().unwrap_or_else(|| load.traffic.to_string())
            }
            loads if self.plan.search.is_none() => format!("{} loads", loads.len()),
            _ => "search".to_owned(),
        };
        let what = if self.plan.simulated { "simulated engines".to_owned() } else { model };
        (&self.plan.title, plain(&format!("{what} · {load}")).into_owned())
    }

    /// `run 4 of 9`.
    pub fn place(&self) -> String {
        let (closed, all) = self.runs;
        let playing = self.run.as_ref().is_some_and(|run| run.ended.is_none());
        let most = if self.course.at_most { "at most " } else { "" };
        match (self.plan.search.is_some(), playing) {
            (true, _) => format!("run {}", closed + usize::from(playing)),
            (false, _) if all < 2 => String::new(),
            (false, true) => format!("run {} of {most}{all}", (closed + 1).min(all)),
            (false, false) => format!("{closed} of {most}{all} runs done"),
        }
    }

    /// `round 2 of 3`; none where there is but one.
    pub fn round(&self) -> Option<String> {
        let run = self.run.as_ref().filter(|_| self.plan.rounds > 1)?;
        Some(format!("round {} of {}", run.key.round, self.plan.rounds))
    }

    /// `about 12 min left`, of what was known at the last event less what has passed since.
    pub fn left(&self) -> Option<String> {
        let since = self.now.saturating_sub(self.told);
        self.course.left(since).map(|words| format!("{words} left"))
    }

    /// Errors and warnings among the lines of talk.
    pub fn doubts(&self) -> usize {
        self.lines.iter().filter(|(_, line)| is_doubt(line)).count()
    }

    fn planned(&mut self, plan: &Plan, visits: &[Visit]) {
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for visit in visits {
            *left.entry(visit.label.as_str()).or_default() += visit.runs.len();
        }
        for (row, target) in self.rows.iter_mut().zip(&plan.targets) {
            let Some(all) = row.runs.1 else { continue };
            row.runs.0 = all.saturating_sub(left.get(target.label.as_str()).copied().unwrap_or(0));
            if row.runs.0 == all {
                row.state = State::Done;
            }
        }
        self.runs.0 = self.rows.iter().map(|row| row.runs.0).sum();
    }

    fn starting(&mut self, label: &str, log: &Path) {
        self.log = Some(log.to_owned());
        self.set(label, State::Launching { since: self.now, step: "starting".to_owned() });
    }

    fn launching(&mut self, label: &str, event: &LaunchEvent) {
        let since = match self.row(label).map(|row| &row.state) {
            Some(State::Launching { since, .. } | State::Probing { since }) => *since,
            Some(_) | None => self.now,
        };
        let step = match event {
            LaunchEvent::MemoryHeld { what } => format!("waiting: {what}"),
            LaunchEvent::Starting { pid } => format!("pid {pid}"),
            LaunchEvent::Loading { log_last_line } => log_last_line.clone(),
            LaunchEvent::Waiting { what } => format!("healthy, waiting: {what}"),
            LaunchEvent::Probing => return self.set(label, State::Probing { since }),
            // Told again with its command.
            LaunchEvent::Ready { .. } => return,
        };
        self.set(label, State::Launching { since, step: plain(&step).into_owned() });
    }

    /// A run's files are whole.
    pub(super) fn closed(&mut self, key: &RunKey, headline: Headline, closed: (usize, usize)) {
        self.runs = closed;
        let launched =
            self.plan.targets.iter().any(|target| target.label == key.label && target.is_launched());
        let since = self.now;
        if let Some(row) = self.row(&key.label) {
            row.runs.0 += 1;
            row.headline = Some(headline);
            let last = row.runs.1.is_some_and(|all| row.runs.0 >= all);
            row.state = if last && !launched { State::Done } else { State::Ready { since } };
        }
    }

    fn stopped(&mut self, label: &str) {
        let stopping = self.stopping;
        if let Some(row) = self.row(label) {
            let over = row.runs.0 + row.missed.0;
            row.state = match (row.runs.1, &row.missed.1) {
                (Some(all), _) if over < all && !stopping => State::Waiting,
                // What another launch gave does not undo it.
                (_, Some(why)) => State::Failed(why.clone()),
                (_, None) => State::Done,
            };
        }
    }

    fn row(&mut self, label: &str) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.label == *plain(label))
    }

    fn set(&mut self, label: &str, state: State) {
        if let Some(row) = self.row(label) {
            row.state = state;
        }
    }
}

/// A warning or worse.
fn is_doubt(line: &str) -> bool {
    line.starts_with("error:") || line.starts_with("warning:")
}

/// A model without the directories that it lies in.
fn short_model(name: &str) -> String {
    name.trim_end_matches('/').rsplit('/').next().unwrap_or(name).to_owned()
}
