//! How old the value of an energy counter is, which changes every 100 ms only.

use std::time::{Duration, Instant};

/// Half of the time between two changes of the counter (100 ms, ../shared/measuring.md's H200): the mean age of a value
/// that is read at any time.
const MEAN_AGE: Duration = Duration::from_millis(50);

/// What was seen of a counter.
#[derive(Debug, Default)]
pub(super) struct EnergyAge {
    last: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    joules: f64,
    read_at: Instant,
    changed_at: Option<Instant>,
}

impl EnergyAge {
    /// Age of a value that is read now, s: the counter changed between two readings, most likely halfway. None until
    /// a change was seen.
    pub(super) fn read(&mut self, joules: f64, now: Instant) -> Option<f64> {
        let changed_at = match self.last {
            None => None,
            Some(last) if last.joules == joules => last.changed_at,
            Some(last) => now.checked_sub((now.saturating_duration_since(last.read_at) / 2).min(MEAN_AGE)),
        };
        self.last = Some(Seen { joules, read_at: now, changed_at });
        changed_at.map(|changed_at| now.saturating_duration_since(changed_at).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ages_from_halfway_between_the_readings_that_saw_it_change() {
        let mut age = EnergyAge::default();
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        assert_eq!(age.read(5.0, at(0)), None);
        assert_eq!(age.read(5.0, at(20)), None);
        assert_eq!(age.read(9.0, at(40)), Some(0.01));
        assert_eq!(age.read(9.0, at(60)), Some(0.03));
        // Seen every second, it changed a twentieth of a second ago on average.
        assert_eq!(age.read(50.0, at(1060)), Some(0.05));
    }
}
