//! Events over the run in narrow bins: bounded memory, and window edges that are known only at the end.

use super::curve_points::Binned;

/// Narrowest bins; they grow tenfold, so that every width divides a second (up to one of them).
const NARROWEST_US: u64 = 1_000;
const MOST_BINS: u64 = 4_000_000;
const SECOND_US: u64 = 1_000_000;

/// Counts over time since the run's start: 1 ms bins for the first hour, wider ones in a longer run.
#[derive(Debug)]
pub(super) struct Timeline {
    width_us: u64,
    bins: Vec<u32>,
    most_bins: u64,
}

/// What lies in the whole bins between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inside {
    /// First bin's start, µs from the run's start.
    pub(super) from_us: u64,
    /// Last bin's end.
    pub(super) to_us: u64,
    /// Events in these bins.
    pub(super) count: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Timeline::with_most_bins(MOST_BINS)
    }
}

impl Timeline {
    pub(super) fn with_most_bins(most_bins: u64) -> Self {
        Timeline { width_us: NARROWEST_US, bins: Vec::new(), most_bins }
    }

    /// Adds so many events at a moment, µs from the run's start.
    #[inline]
    pub(super) fn add(&mut self, at_us: u64, count: u32) {
        let bin = self.bin(at_us);
        match self.bins.get_mut(bin) {
            Some(held) => *held = held.saturating_add(count),
            None => self.add_beyond(at_us, count),
        }
    }

    /// To divide by a number that the compiler knows takes a fraction of the time, and nearly every run has one of these.
    #[inline]
    fn bin(&self, at_us: u64) -> usize {
        let bin = match self.width_us {
            1_000 => at_us / 1_000,
            10_000 => at_us / 10_000,
            100_000 => at_us / 100_000,
            width_us => at_us / width_us,
        };
        bin as usize
    }

    /// Adds events behind the last bin.
    #[cold]
    fn add_beyond(&mut self, at_us: u64, count: u32) {
        while self.bin(at_us) as u64 >= self.most_bins {
            self.widen();
        }
        let bin = self.bin(at_us);
        if bin >= self.bins.len() {
            self.bins.resize(bin + 1, 0);
        }
        if let Some(held) = self.bins.get_mut(bin) {
            *held = held.saturating_add(count);
        }
    }

    /// Adds the events of another.
    pub(super) fn merge(&mut self, mut other: Timeline) {
        while self.width_us < other.width_us {
            self.widen();
        }
        while other.width_us < self.width_us {
            other.widen();
        }
        if self.bins.len() < other.bins.len() {
            self.bins.resize(other.bins.len(), 0);
        }
        self.bins.iter_mut().zip(&other.bins).for_each(|(held, more)| *held = held.saturating_add(*more));
    }

    fn widen(&mut self) {
        self.width_us *= 10;
        self.bins = self
            .bins
            .chunks(10)
            .map(|ten| ten.iter().fold(0, |sum: u32, count| sum.saturating_add(*count)))
            .collect();
    }

    /// All of it, from µs 0 on.
    pub(super) fn binned(&self) -> Binned<'_, u32> {
        Binned { width_us: self.width_us, amounts: &self.bins }
    }

    /// The events between two moments, whose edges are moved inwards to whole bins: count and
    /// duration are of the same window.
    pub(super) fn inside(&self, from_us: u64, to_us: u64) -> Inside {
        let from = from_us.div_ceil(self.width_us);
        let to = (to_us / self.width_us).max(from);
        let held = self.bins.len() as u64;
        let bins = self.bins.get(from.min(held) as usize..to.min(held) as usize).unwrap_or_default();
        Inside {
            from_us: from * self.width_us,
            to_us: to * self.width_us,
            count: bins.iter().copied().map(u64::from).sum(),
        }
    }

    /// Events in all.
    pub(super) fn total(&self) -> u64 {
        self.bins.iter().copied().map(u64::from).sum()
    }

    /// When the events of these places came, from 0 and rising, seconds from the run's start: of several in one bin
    /// each has its share of it. Places behind the last event are left out.
    pub(super) fn moments_s(&self, places: &[u64]) -> Vec<f64> {
        let mut moments = Vec::with_capacity(places.len());
        let mut wanted = places.iter().copied().peekable();
        let mut before = 0;
        for (bin, count) in self.bins.iter().enumerate().filter(|(_, count)| **count > 0) {
            let held = u64::from(*count);
            while let Some(place) = wanted.next_if(|place| *place < before + held) {
                let share = ((place - before) as f64 + 0.5) / held as f64;
                moments.push((bin as f64 + share) * self.width_us as f64 / 1e6);
            }
            before += held;
        }
        moments
    }

    /// Events by second since `from_us`, up to `to_us` or the last event, whichever is later; the
    /// seconds begin with the bin that holds `from_us`, so they are off by less than a bin's width.
    pub(super) fn by_second(&self, from_us: u64, to_us: u64) -> Vec<u64> {
        let first_bin = from_us / self.width_us;
        let mut seconds = vec![0; to_us.saturating_sub(from_us).div_ceil(SECOND_US) as usize];
        for (bin, count) in self.bins.iter().enumerate().skip(first_bin as usize) {
            if *count == 0 {
                continue;
            }
            let second = ((bin as u64 - first_bin) * self.width_us / SECOND_US) as usize;
            if second >= seconds.len() {
                seconds.resize(second + 1, 0);
            }
            if let Some(held) = seconds.get_mut(second) {
                *held += u64::from(*count);
            }
        }
        seconds
    }
}
