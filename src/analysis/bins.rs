//! A value a request in the order of issue, in bounded memory: sums over equal spans of requests.

/// Most bins that a series of requests is kept in; twice as wide ones where there are more.
const MOST_BINS: usize = 128;

/// Sums over equal spans of requests: whole numbers, so that the order of the records changes nothing.
#[derive(Debug)]
pub(super) struct Bins {
    width: u64,
    bins: Vec<(u64, u64)>,
}

impl Default for Bins {
    fn default() -> Self {
        Bins { width: 1, bins: Vec::new() }
    }
}

impl Bins {
    /// Adds the value of a request, µs.
    pub(super) fn add(&mut self, index: u64, us: u64) {
        while index / self.width >= MOST_BINS as u64 {
            self.widen();
        }
        let bin = (index / self.width) as usize;
        if bin >= self.bins.len() {
            self.bins.resize(bin + 1, (0, 0));
        }
        if let Some((sum, count)) = self.bins.get_mut(bin) {
            *sum = sum.saturating_add(us);
            *count += 1;
        }
    }

    fn widen(&mut self) {
        self.width *= 2;
        let pairs = self.bins.chunks(2);
        self.bins =
            pairs.map(|pair| pair.iter().fold((0, 0), |(sum, count), (s, c)| (sum + s, count + c))).collect();
    }

    /// Adds the values of another part of the run.
    pub(super) fn merge(&mut self, mut other: Bins) {
        while self.width < other.width {
            self.widen();
        }
        while other.width < self.width {
            other.widen();
        }
        if self.bins.len() < other.bins.len() {
            self.bins.resize(other.bins.len(), (0, 0));
        }
        for ((sum, count), (more, requests)) in self.bins.iter_mut().zip(other.bins) {
            *sum = sum.saturating_add(more);
            *count += requests;
        }
    }

    /// The means of the bins behind the first `ramp` requests; those that are not half full are left out.
    pub(super) fn means(&self, ramp: u64) -> Vec<f64> {
        let first = ramp.div_ceil(self.width) as usize;
        let full = |(_, count): &&(u64, u64)| *count * 2 > self.width;
        self.bins.iter().skip(first).filter(full).map(|(sum, count)| *sum as f64 / *count as f64).collect()
    }

    /// The mean over the bins that hold the first `count` requests, µs; none where none has a value.
    pub(super) fn mean_of_first(&self, count: u64) -> Option<f64> {
        mean_of(self.bins.iter().take(count.div_ceil(self.width).max(1) as usize))
    }

    /// The same of the last.
    pub(super) fn mean_of_last(&self, count: u64) -> Option<f64> {
        mean_of(self.bins.iter().rev().take(count.div_ceil(self.width).max(1) as usize))
    }
}

fn mean_of<'a>(bins: impl Iterator<Item = &'a (u64, u64)>) -> Option<f64> {
    let (sum, count) = bins
        .fold((0u64, 0u64), |(sum, count), (more, requests)| (sum.saturating_add(*more), count + requests));
    (count > 0).then(|| sum as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_widen_and_lose_nothing_whatever_the_order() {
        let mut bins = Bins::default();
        for index in (0..1000).rev() {
            bins.add(index, index);
        }
        assert!(bins.bins.len() <= MOST_BINS);
        assert_eq!(
            bins.bins.iter().fold((0, 0), |(s, c), (sum, count)| (s + sum, c + count)),
            (499_500, 1000)
        );
        assert!(bins.means(0).is_sorted());
        assert_eq!((bins.mean_of_first(8), bins.mean_of_last(8)), (Some(3.5), Some(995.5)));
    }
}
