//! About how long a plan still takes: by its own bounds, by its closed runs, by earlier runs on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::results::PastRun;
use crate::schema::plan::{LoadPoint, Plan, RunKey};
use crate::schema::traffic::{Arrivals, Traffic, Warmup};

use super::visits::Visit;

/// What is left of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    /// Its time.
    pub time: Duration,
    /// Everything is in it; else some launches or runs are not known yet.
    pub whole: bool,
}

/// Keeps what is known of the time that launches and runs take.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    plan: Plan,
    /// Seconds of a run of a label at a point.
    run_s: BTreeMap<(String, u32), f64>,
    /// Seconds from launch to readiness of a label; 0 for a server that already runs.
    ready_s: BTreeMap<String, f64>,
    left: Vec<Waiting>,
}

/// A visit of which something is left.
#[derive(Debug, Clone, PartialEq)]
struct Waiting {
    visit: Visit,
    /// Its server stands: only its runs take time yet.
    stands: bool,
}

impl Forecast {
    /// Knows the plan's own bounds and what earlier runs of the same label, model and load took: a run of
    /// R requests is taken to need R times the seconds a request of the newest such run.
    pub fn new(plan: &Plan, past: &[PastRun]) -> Self {
        let mut forecast = Forecast {
            plan: plan.clone(),
            run_s: BTreeMap::new(),
            ready_s: BTreeMap::new(),
            left: Vec::new(),
        };
        for target in &plan.targets {
            let of_target = |run: &&PastRun| run.label == target.label && run.model == target.model.name;
            for (place, load) in plan.loads.iter().enumerate() {
                let newest = past.iter().rev().filter(of_target).find(|run| is_like(run, load));
                let past_s = newest.and_then(|run| run_seconds(run, load));
                if let Some(seconds) = planned_seconds(load).or(past_s) {
                    forecast.run_s.insert((target.label.clone(), place as u32 + 1), seconds);
                }
            }
            let ready_s =
                match (&plan.launching, past.iter().rev().filter(of_target).find_map(|run| run.ready_s)) {
                    (None, _) => Some(0.0),
                    (Some(_), known) => known,
                };
            if let Some(seconds) = ready_s {
                forecast.ready_s.insert(target.label.clone(), seconds);
            }
        }
        forecast
    }

    /// These visits are to be played.
    pub fn begin(&mut self, visits: &[Visit]) {
        self.left = visits.iter().map(|visit| Waiting { visit: visit.clone(), stands: false }).collect();
    }

    /// The launch of a label's next visit took so long.
    pub fn launched(&mut self, label: &str, after: Duration) {
        self.ready_s.insert(label.to_owned(), after.as_secs_f64());
        if let Some(next) = self.next(label).and_then(|place| self.left.get_mut(place)) {
            next.stands = true;
        }
    }

    /// A run is over; its measured phase took so many seconds.
    pub fn closed(&mut self, key: &RunKey, duration_s: f64) {
        let warmup_s = self.plan.load(key.point).map_or(0.0, warmup_seconds);
        self.run_s.insert((key.label.clone(), key.point), warmup_s + duration_s);
        for waiting in &mut self.left {
            waiting.visit.runs.retain(|left| left != key);
        }
        self.left.retain(|waiting| !waiting.visit.runs.is_empty());
    }

    /// The label's next visit failed: what is left of it is not played.
    pub fn failed(&mut self, label: &str) {
        if let Some(place) = self.next(label) {
            self.left.remove(place);
        }
    }

    fn next(&self, label: &str) -> Option<usize> {
        self.left.iter().position(|waiting| waiting.visit.label == label)
    }

    /// What is left; none where nothing of it is known.
    pub fn left(&self) -> Option<Left> {
        let mut seconds = 0.0;
        let (mut known, mut unknown) = (0, 0);
        let mut add = |part: Option<f64>| match part {
            Some(part) => {
                known += 1;
                seconds += part;
            }
            None => unknown += 1,
        };
        for Waiting { visit, stands } in &self.left {
            if !stands {
                add(self.ready_s.get(&visit.label).copied());
            }
            for key in &visit.runs {
                add(self.run_s.get(&(key.label.clone(), key.point)).copied());
            }
        }
        (known > 0).then(|| Left {
            time: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
            whole: unknown == 0,
        })
    }
}

/// A load that a duration ends: that long, and its warm-up where that is a time too.
fn planned_seconds(load: &LoadPoint) -> Option<f64> {
    load.until.duration_s().map(|seconds| seconds + warmup_seconds(load))
}

/// A warm-up that is a time; one of requests is short beside the run.
fn warmup_seconds(load: &LoadPoint) -> f64 {
    match load.warmup {
        Warmup::DurationS(seconds) => seconds,
        Warmup::Requests(_) => 0.0,
    }
}

fn is_like(run: &PastRun, load: &LoadPoint) -> bool {
    run.concurrency == load.concurrency() && run.rate == rate(load)
}

/// As the file of all runs holds it: infinite where all requests are due at once.
fn rate(load: &LoadPoint) -> Option<f64> {
    match &load.traffic {
        Traffic::Closed { .. } => None,
        Traffic::Open { arrivals: Arrivals::AllAtOnce, .. } => Some(f64::INFINITY),
        Traffic::Open { arrivals, .. } => arrivals.mean_rate(),
    }
}

fn run_seconds(run: &PastRun, load: &LoadPoint) -> Option<f64> {
    let requests = load.until.requests()? as f64;
    (run.issued > 0).then(|| requests * run.duration_s / run.issued as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pipeline::fixture;
    use crate::pipeline::visits::visits;
    use crate::schema::plan::{Launching, SharedSettings};
    use crate::schema::traffic::Until;

    fn launching() -> Launching {
        let shared = SharedSettings { context_length: 4096, max_batch: 32, gpus: None };
        Launching { shared, startup_timeout_s: 60.0 }
    }

    fn past(issued: u64, duration_s: f64, ready_s: Option<f64>) -> PastRun {
        PastRun {
            label: "a".into(),
            model: "m".into(),
            concurrency: Some(2),
            rate: None,
            issued,
            duration_s,
            ready_s,
        }
    }

    fn begun(plan: &Plan, past: &[PastRun]) -> Forecast {
        let mut forecast = Forecast::new(plan, past);
        forecast.begin(&visits(plan, &BTreeSet::new()));
        forecast
    }

    fn left(seconds: f64, whole: bool) -> Option<Left> {
        Some(Left { time: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX), whole })
    }

    #[test]
    fn a_plan_that_nobody_has_played_before_has_no_forecast() {
        let plan = Plan { launching: Some(launching()), ..fixture::plan(&["a", "b"], 1, 2, 1) };
        assert_eq!(begun(&plan, &[]).left(), None);
    }

    #[test]
    fn a_duration_bounds_a_run_with_its_warm_up_where_that_is_a_time() {
        let mut plan = fixture::plan(&["a"], 1, 1, 3);
        plan.loads[0].until = Until::new(None, Some(30.0)).unwrap();
        assert_eq!(begun(&plan, &[]).left(), left(90.0, true), "a server that runs needs no launch");
        plan.loads[0].warmup = Warmup::DurationS(5.0);
        assert_eq!(begun(&plan, &[]).left(), left(105.0, true));
        plan.launching = Some(launching());
        assert_eq!(begun(&plan, &[]).left(), left(105.0, false), "the launch is not known");
    }

    #[test]
    fn the_newest_earlier_run_is_scaled_to_the_requests_of_the_plan() {
        let plan = Plan { launching: Some(launching()), ..fixture::plan(&["a"], 1, 1, 1) };
        let earlier = [past(4, 100.0, Some(90.0)), past(8, 6.0, Some(7.0))];
        // 4 requests of the plan at 6/8 s each, behind a launch of 7 s.
        assert_eq!(begun(&plan, &earlier).left(), left(3.0 + 7.0, true));
    }

    #[test]
    fn an_earlier_run_of_another_label_model_or_load_says_nothing() {
        let plan = fixture::plan(&["a"], 1, 1, 1);
        let others = [
            PastRun { label: "b".into(), ..past(4, 6.0, None) },
            PastRun { model: "other".into(), ..past(4, 6.0, None) },
            PastRun { concurrency: Some(3), ..past(4, 6.0, None) },
            PastRun { rate: Some(1.0), ..past(4, 6.0, None) },
            past(0, 6.0, None),
        ];
        let of_runs = |past: &[PastRun]| begun(&plan, past).left();
        assert_eq!(of_runs(&others), left(0.0, false));
        assert_eq!(of_runs(&[past(4, 6.0, None)]), left(6.0, true));
    }

    #[test]
    fn requests_that_are_all_due_at_once_are_no_closed_loop_of_as_many_slots() {
        let mut plan = fixture::plan(&["a"], 1, 1, 1);
        let cap = plan.loads[0].concurrency().and_then(std::num::NonZeroU32::new);
        plan.loads[0].traffic = Traffic::Open { arrivals: Arrivals::AllAtOnce, cap };
        assert_eq!(begun(&plan, &[past(4, 6.0, None)]).left(), left(0.0, false));
        let at_once = PastRun { rate: Some(f64::INFINITY), ..past(4, 5.0, None) };
        assert_eq!(begun(&plan, &[at_once]).left(), left(5.0, true));
    }

    #[test]
    fn closed_runs_and_launches_tell_of_those_that_are_left() {
        let plan = Plan { launching: Some(launching()), ..fixture::plan(&["a"], 1, 2, 2) };
        let mut forecast = begun(&plan, &[]);
        forecast.launched("a", Duration::from_secs(10));
        assert_eq!(forecast.left(), left(10.0, false), "the launch of the second round");
        let key = |round, repeat| RunKey { label: "a".into(), point: 1, round, repeat };
        forecast.closed(&key(1, 1), 3.0);
        assert_eq!(forecast.left(), left(3.0 + 10.0 + 3.0 + 3.0, true));
        forecast.closed(&key(1, 2), 4.0);
        assert_eq!(forecast.left(), left(10.0 + 4.0 + 4.0, true));
        forecast.launched("a", Duration::from_secs(12));
        assert_eq!(forecast.left(), left(8.0, true));
        forecast.failed("a");
        assert_eq!(forecast.left(), None, "nothing is left of a visit that failed");
    }

    #[test]
    fn a_resumed_visit_is_launched_again_though_some_of_its_runs_are_closed() {
        let plan = Plan { launching: Some(launching()), ..fixture::plan(&["a"], 1, 1, 2) };
        let mut forecast = Forecast::new(&plan, &[past(4, 6.0, Some(7.0))]);
        forecast.begin(&visits(&plan, &BTreeSet::from([RunKey::first("a")])));
        assert_eq!(forecast.left(), left(6.0 + 7.0, true));
    }
}
