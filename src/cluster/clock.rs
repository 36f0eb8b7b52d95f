//! How two clocks stand to each other: pings of four stamps.

use std::sync::Arc;

/// A clock that only goes forward, ns from a zero of its own. Passed in, so that tests have clocks days apart.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// CLOCK_MONOTONIC of this machine.
pub fn monotonic() -> Now {
    Arc::new(|| {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        now.tv_sec * 1_000_000_000 + now.tv_nsec
    })
}

/// One ping: when it left and came back by worker 0's clock, when it came and was answered by the other's, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps {
    /// Sent, on worker 0's clock.
    pub t0: i64,
    /// Received, on the other's.
    pub t1: i64,
    /// Answered, on the other's.
    pub t2: i64,
    /// Received, on worker 0's.
    pub t3: i64,
}

/// What a few pings told of a worker's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// When, ns on the worker's clock.
    pub at_ns: i64,
    /// To be added to its clock to get that of worker 0, ns.
    pub offset_ns: i64,
    /// The offset is off by no more, ns.
    pub bound_ns: i64,
}

impl Stamps {
    /// Time under way, both ways together, ns.
    pub fn round_trip_ns(&self) -> i64 {
        ((self.t3 - self.t0) - (self.t2 - self.t1)).max(0)
    }

    /// The offset of worker 0's clock against the other's. It is exact where both ways take equally long, and whatever
    /// each takes it is off by half the round trip at most: ((t0 − t1) + (t3 − t2)) / 2, the formula of NTP (RFC 5905).
    pub fn measured(&self) -> Measured {
        let twice = i128::from(self.t0) - i128::from(self.t1) + i128::from(self.t3) - i128::from(self.t2);
        Measured { at_ns: self.t2, offset_ns: (twice / 2) as i64, bound_ns: self.round_trip_ns() / 2 + 1 }
    }
}

/// The ping that was under way the shortest: what delays one makes the others no worse.
pub fn best(pings: &[Stamps]) -> Option<Measured> {
    pings.iter().min_by_key(|ping| ping.round_trip_ns()).map(Stamps::measured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_NS: i64 = 86_400_000_000_000;

    /// A ping between clocks that are `offset` apart, with so long on the way there, at the other, and back.
    fn ping(t0: i64, offset: i64, (there, held, back): (i64, i64, i64)) -> Stamps {
        let t1 = t0 + there - offset;
        Stamps { t0, t1, t2: t1 + held, t3: t0 + there + held + back }
    }

    #[test]
    fn the_ping_that_was_under_way_the_shortest_is_believed() {
        let slow = ping(0, 5_000, (900_000, 10, 20_000));
        let quick = ping(1_000_000, 5_000, (20_000, 700_000, 20_000));
        assert_eq!(best(&[slow, quick]).map(|best| best.offset_ns), Some(5_000));
        assert_eq!(best(&[]), None);
    }

    proptest! {
        /// However far apart the clocks are and however unlike the two ways: the offset lies within its bound.
        #[test]
        fn an_offset_is_off_by_half_the_round_trip_at_most(
            offset in -30 * DAY_NS..30 * DAY_NS,
            ways in proptest::collection::vec((0i64..50_000_000, 0i64..1_000_000, 0i64..50_000_000), 1..64),
        ) {
            let pings: Vec<Stamps> =
                ways.iter().enumerate().map(|(k, ways)| ping(k as i64 * 200_000_000, offset, *ways)).collect();
            let best = best(&pings).unwrap();
            prop_assert!((best.offset_ns - offset).abs() <= best.bound_ns, "{best:?}");
            let shortest = ways.iter().map(|(there, _, back)| there + back).min().unwrap();
            prop_assert_eq!(best.bound_ns, shortest / 2 + 1);
        }
    }
}
