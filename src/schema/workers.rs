//! A load that several machines play together: who plays what of it, and how their clocks hang together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one of several workers plays: of anything that is numbered from 0, each `of`-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// Which worker, from 0.
    pub worker: u32,
    /// How many there are, 1 or more.
    pub of: u32,
}

impl Share {
    /// One machine plays all.
    pub const ALL: Share = Share { worker: 0, of: 1 };

    /// The number is played by this worker.
    pub fn has(self, number: u64) -> bool {
        number % u64::from(self.of.max(1)) == u64::from(self.worker)
    }

    /// How many of `total` numbers, from 0 on, are this worker's: the remainder goes to the first.
    pub fn part_of(self, total: u64) -> u64 {
        let of = u64::from(self.of.max(1));
        total / of + u64::from(u64::from(self.worker) < total % of)
    }
}

impl Default for Share {
    fn default() -> Self {
        Share::ALL
    }
}

/// Stands in the header of a worker's records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerPart {
    /// What it plays.
    pub share: Share,
    /// Name of its machine.
    pub host: String,
}

/// How a worker's run clock is brought onto that of worker 0: stands in the footer of its records.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClockMap {
    /// In order of time, at least one; between two of them the offset is on a line, before the first and after the
    /// last it stays as it was there.
    pub points: Vec<ClockPoint>,
    /// The largest step that was seen between an offset and the line through those before it, µs.
    #[serde(default)]
    pub largest_step_us: f64,
    /// The longest time that the worker did not answer or stood still, s; half a second or more.
    #[serde(default)]
    pub longest_silence_s: f64,
}

/// What was known of a worker's clock at one time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockPoint {
    /// When, µs on the worker's own run clock.
    pub at_us: i64,
    /// To be added to its times to get those of worker 0, µs.
    pub offset_us: f64,
    /// The offset is off by no more, µs: half the shortest round trip.
    pub bound_us: f64,
}

impl ClockMap {
    /// A time of the worker on worker 0's run clock, µs.
    pub fn to_first_us(&self, at_us: i64) -> i64 {
        at_us + self.offset_us(at_us).round() as i64
    }

    /// What is added to a time of the worker, µs; 0 where nothing is known.
    pub fn offset_us(&self, at_us: i64) -> f64 {
        let after = self.points.partition_point(|point| point.at_us <= at_us);
        match (after.checked_sub(1).and_then(|before| self.points.get(before)), self.points.get(after)) {
            (Some(before), Some(next)) => {
                let along = (at_us - before.at_us) as f64 / (next.at_us - before.at_us) as f64;
                before.offset_us + along * (next.offset_us - before.offset_us)
            }
            (Some(only), None) | (None, Some(only)) => only.offset_us,
            (None, None) => 0.0,
        }
    }

    /// The largest bound, µs; 0 where nothing is known.
    pub fn bound_us(&self) -> f64 {
        self.points.iter().map(|point| point.bound_us).fold(0.0, f64::max)
    }
}

/// What one worker did of a run that several played.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WorkerStats {
    /// Which, from 0.
    pub worker: u32,
    /// Name of its machine.
    pub host: String,
    /// Measured requests that it issued.
    pub issued: u64,
    /// Its send delay, p99, ms; none of a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_delay_p99_ms: Option<f64>,
    /// CPU seconds of its load threads in the measured phase.
    pub cpu_s: f64,
    /// Its load threads.
    pub threads: u32,
    /// To be added to its run clock to get that of worker 0, µs, when the measured phase began.
    pub clock_offset_us: f64,
    /// The offset is off by no more, µs.
    pub clock_error_us: f64,
    /// The largest step of its clock against the line through the minute before, µs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_step_us: f64,
    /// The longest time that it did not answer or stood still, s.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silence_s: f64,
    /// Why it made the number and not the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_limited: Option<String>,
    /// It was lost: when and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole_and_have_nothing_twice() {
        for of in 1..=16 {
            let shares: Vec<Share> = (0..of).map(|worker| Share { worker, of }).collect();
            for total in 0..50 {
                let players = |number| shares.iter().filter(|share| share.has(number)).count();
                assert!((0..total).all(|number| players(number) == 1));
                for share in &shares {
                    let has = (0..total).filter(|number| share.has(*number)).count() as u64;
                    assert_eq!(share.part_of(total), has, "{share:?} of {total}");
                }
            }
        }
    }

    #[test]
    fn an_offset_lies_on_the_line_between_what_was_known_before_and_after() {
        let point = |at_us, offset_us| ClockPoint { at_us, offset_us, bound_us: 20.0 };
        let map = ClockMap {
            points: vec![point(0, 100.0), point(1_000, 200.0)],
            largest_step_us: 0.0,
            longest_silence_s: 0.0,
        };
        assert_eq!([-50, 0, 500, 1_000, 9_000].map(|at| map.to_first_us(at)), [50, 100, 650, 1_200, 9_200]);
        assert_eq!((map.bound_us(), ClockMap::default().to_first_us(7)), (20.0, 7));
    }
}
