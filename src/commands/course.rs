//! How far a plan is, and how long what is left of it may take.

use std::time::Duration;

use crate::pipeline::Event;
use crate::pipeline::forecast::{Forecast, Left};
use crate::schema::plan::{Plan, RunKey};

/// Follows a plan from event to event.
#[derive(Debug, Clone)]
pub struct Course {
    /// How long what is left may take; none before a plan begins, and where nobody can know.
    forecast: Option<Forecast>,
    /// More than one run stands to be played, so each says how many are left.
    pub several: bool,
    /// Rounds end when they are enough: numbers of runs and times are the most that it can take.
    pub at_most: bool,
}

impl Course {
    /// Nothing is played yet. `forecast` knows what earlier runs took.
    pub fn new(forecast: Option<Forecast>) -> Self {
        Course { forecast, several: false, at_most: false }
    }

    /// Takes an event in; true: what is left is known anew.
    pub fn hear(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Planned { plan, visits } => {
                self.several = plan.most_runs() > 1;
                self.at_most = plan.until_sure_pct.is_some() || plan.search.is_some();
                // How many runs a search takes, and at which loads, nobody knows.
                if plan.search.is_some() {
                    self.forecast = None;
                }
                if let Some(forecast) = &mut self.forecast {
                    forecast.begin(visits);
                }
            }
            Event::Ready { label, after, .. } => {
                if let Some(forecast) = &mut self.forecast {
                    forecast.launched(label, *after);
                }
            }
            Event::RunClosed { run, .. } => {
                if let Some(forecast) = &mut self.forecast {
                    forecast.closed(&run.summary.key, run.summary.duration_s);
                }
            }
            Event::Failed { label, .. } => {
                if let Some(forecast) = &mut self.forecast {
                    forecast.failed(label);
                }
            }
            Event::Starting { .. }
            | Event::Launching { .. }
            | Event::Loading { .. }
            | Event::Loaded
            | Event::Stopping { .. }
            | Event::Stopped { .. }
            | Event::Trouble(_)
            | Event::Note(_)
            | Event::Detail(_)
            | Event::Looked { .. }
            | Event::Compared { .. } => return false,
        }
        true
    }

    /// Somebody may know how long it takes.
    pub fn is_forecast(&self) -> bool {
        self.forecast.is_some()
    }

    /// `about 12 min`: what was left at the last event that told of it, less the time since; none where nothing is known,
    /// or nothing of it is left.
    pub fn left(&self, since: Duration) -> Option<String> {
        let left = self.forecast.as_ref()?.left()?;
        let time = left.time.checked_sub(since)?;
        time_words(Left { time, ..left }, self.at_most)
    }
}

/// Which run of several it is, in words: `concurrency 4, round 2`; empty for the only one of its backend.
pub fn which_run(plan: &Plan, key: &RunKey) -> String {
    let load = (key.point as usize).checked_sub(1).and_then(|place| plan.loads.get(place));
    let load = load.filter(|_| plan.loads.len() > 1);
    let load = load.map(|load| load.name.clone().unwrap_or_else(|| load.traffic.to_string()));
    let round = (plan.rounds > 1).then(|| format!("round {}", key.round));
    let repeat = (plan.repeats > 1).then(|| format!("repeat {}", key.repeat));
    [load, round, repeat].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `about 12 min`, `at least 40 s`; where rounds may be enough before, `at most about 12 min`, and nothing of a part.
fn time_words(left: Left, at_most: bool) -> Option<String> {
    let seconds = left.time.as_secs_f64();
    let words = match seconds {
        under if under < 90.0 => format!("{:.0} s", seconds.ceil()),
        under if under < 5400.0 => format!("{:.0} min", (seconds / 60.0).ceil()),
        _ => format!("{:.1} h", seconds / 3600.0),
    };
    match (left.whole, at_most) {
        (true, true) => Some(format!("at most about {words}")),
        (true, false) => Some(format!("about {words}")),
        (false, true) => None,
        (false, false) => Some(format!("at least {words}")),
    }
}
