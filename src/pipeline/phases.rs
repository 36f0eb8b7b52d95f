//! A run's phases, by the load engine's figures and the times of the launch.

use crate::schema::files::EngineFigures;
use crate::schema::gpu_before::LaunchTimes;
use crate::schema::phases::Phases;

/// Its phases; none where a crash left no word of them.
pub fn phases(engine: &EngineFigures, launch: Option<LaunchTimes>) -> Option<Phases> {
    let seconds = |us: u64| us as f64 / 1e6;
    let below = |us: i64| us.min(0) as f64 / 1e6;
    (engine.measured_to_us > engine.measured_from_us).then(|| Phases {
        launch: launch.map(|launch| (below(launch.started_us), below(launch.ready_us))),
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
        let spans = phases(&engine, Some(launch)).map(|phases| phases.spans());
        let wanted = vec![
            (Phase::Launch, -30.0, -5.0),
            (Phase::WarmUp, 0.0, 2.0),
            (Phase::Measured, 2.0, 9.0),
            (Phase::Drain, 9.0, 10.5),
        ];
        assert_eq!(spans, Some(wanted));
        assert_eq!(phases(&engine, None).and_then(|phases| phases.launch), None, "a server that ran before");
        assert_eq!(phases(&EngineFigures::default(), None), None);
    }
}
