//! How many were there over time (in flight, in a queue): two additions a request, whatever its length.

/// Narrowest bins; they double as a run goes on.
const NARROWEST_US: u64 = 1_000;
/// 1 ms bins for the first minute, 128 ms ones in a run of two hours.
const MOST_BINS: u64 = 65_536;

/// Time spent in each bin since the run's start, kept as its change from bin to bin.
#[derive(Debug)]
pub(super) struct Presence {
    width_us: u64,
    changes_us: Vec<i64>,
    most_bins: u64,
}

impl Default for Presence {
    fn default() -> Self {
        Presence::with_most_bins(MOST_BINS)
    }
}

impl Presence {
    pub(super) fn with_most_bins(most_bins: u64) -> Self {
        Presence { width_us: NARROWEST_US, changes_us: Vec::new(), most_bins }
    }

    /// One was there from a moment to another, µs from the run's start.
    pub(super) fn add(&mut self, from_us: u64, to_us: u64) {
        if to_us <= from_us {
            return;
        }
        while to_us / self.width_us >= self.most_bins {
            self.widen();
        }
        self.change(from_us, 1);
        self.change(to_us, -1);
    }

    /// From a moment on one more, or one less: the rest of its own bin, and all of every later one.
    fn change(&mut self, at_us: u64, by: i64) {
        let bin = (at_us / self.width_us) as usize;
        let before_us = (at_us % self.width_us) as i64;
        if bin + 2 > self.changes_us.len() {
            self.changes_us.resize(bin + 2, 0);
        }
        if let [own, next] = &mut self.changes_us[bin..bin + 2] {
            *own += by * (self.width_us as i64 - before_us);
            *next += by * before_us;
        }
    }

    /// Adds the stays of another.
    pub(super) fn merge(&mut self, mut other: Presence) {
        while self.width_us < other.width_us {
            self.widen();
        }
        while other.width_us < self.width_us {
            other.widen();
        }
        if self.changes_us.len() < other.changes_us.len() {
            self.changes_us.resize(other.changes_us.len(), 0);
        }
        self.changes_us.iter_mut().zip(other.changes_us).for_each(|(held, more)| *held += more);
    }

    fn widen(&mut self) {
        let mut pairs: Vec<u64> = self.bins().chunks(2).map(|pair| pair.iter().sum()).collect();
        // Nobody is there behind the last bin.
        pairs.push(0);
        self.width_us *= 2;
        let before = [0].into_iter().chain(pairs.iter().copied());
        self.changes_us = pairs.iter().zip(before).map(|(own, before)| *own as i64 - before as i64).collect();
    }

    /// Width of the bins, µs.
    pub(super) fn width_us(&self) -> u64 {
        self.width_us
    }

    /// Time spent in each bin, all together, µs.
    pub(super) fn bins(&self) -> Vec<u64> {
        let mut sum = 0;
        let bins = self.changes_us.iter().map(|change| {
            sum += change;
            u64::try_from(sum).unwrap_or(0)
        });
        bins.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_fills_its_bins_whatever_their_width() {
        let mut presence = Presence::with_most_bins(8);
        presence.add(500, 2_250);
        presence.add(1_000, 2_000);
        presence.add(3_000, 3_000);
        assert_eq!(presence.bins(), [500, 2_000, 250, 0]);
        presence.add(6_500, 9_000);
        assert_eq!((presence.width_us(), presence.bins()), (2_000, vec![2_500, 250, 0, 1_500, 1_000, 0]));
        let spent: u64 = presence.bins().iter().sum();
        assert_eq!(spent, 1_750 + 1_000 + 2_500);
    }
}
