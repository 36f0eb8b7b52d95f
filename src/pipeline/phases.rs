//! A run's phases, by the load engine's figures and the first thing that was sensed.

use crate::schema::files::EngineFigures;
use crate::schema::gpu_before::LaunchTimes;
use crate::schema::phases::Phases;

/// By the load engine's figures; none where a crash left no word of them. `first_sensed_s` is the first moment of which a
/// sensor tells, seconds from the run's start: without one before the run there is no launch to mark.
pub fn phases(
    engine: &EngineFigures,
    first_sensed_s: Option<f64>,
    launch: Option<LaunchTimes>,
) -> Option<Phases> {
    let seconds = |us: u64| us as f64 / 1e6;
    let launch = launch.filter(|_| first_sensed_s.is_some_and(|from| from < 0.0));
    (engine.measured_to_us > engine.measured_from_us).then(|| Phases {
        launch: launch.map(|launch| (launch.started_us as f64 / 1e6, launch.ready_us as f64 / 1e6)),
        measured_from_s: seconds(engine.measured_from_us),
        issue_end_s: seconds(engine.issue_end_us.clamp(engine.measured_from_us, engine.measured_to_us)),
        measured_to_s: seconds(engine.measured_to_us),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::phases::Phase;

    #[test]
    fn phases_follow_each_other_and_a_crash_has_none() {
        let engine = EngineFigures {
            measured_from_us: 2_000_000,
            issue_end_us: 9_000_000,
            measured_to_us: 10_500_000,
            ..EngineFigures::default()
        };
        let launch = LaunchTimes { started_us: -30_000_000, ready_us: -5_000_000 };
        let spans = phases(&engine, Some(-30.0), Some(launch)).map(|phases: Phases| phases.spans());
        let wanted = vec![
            (Phase::Launch, -30.0, -5.0),
            (Phase::WarmUp, 0.0, 2.0),
            (Phase::Measured, 2.0, 9.0),
            (Phase::Drain, 9.0, 10.5),
        ];
        assert_eq!(spans, Some(wanted));
        let later = phases(&engine, Some(0.1), Some(launch));
        assert_eq!(later.and_then(|phases| phases.launch), None, "nothing was sensed before the run");
        assert_eq!(phases(&EngineFigures::default(), None, None), None);
    }
}
