//! Values of one metric → a [`Distribution`]: exact to a million values, an HDR histogram beyond.

use hdrhistogram::Histogram;

use crate::schema::summary::Distribution;

use super::ecdf::ecdf;

/// Values that a metric keeps exactly; with more of them a histogram takes over, so that memory is bounded.
const EXACT_VALUES: usize = 1_000_000;
/// Three significant digits: the histogram's bound on the relative error of a percentile.
const HISTOGRAM_RELATIVE_ERROR: f64 = 0.001;
const HISTOGRAM_DIGITS: u8 = 3;
/// The histogram counts picoseconds, so that even the share of one token in a 1 µs gap keeps three digits.
const PICOSECONDS_PER_MS: f64 = 1e9;

/// Values of one metric in ms, collected one by one.
#[derive(Debug)]
pub struct Samples {
    store: Store,
    exact_values: usize,
}

#[derive(Debug)]
enum Store {
    Exact(Vec<f64>),
    Histogram(Box<StandIn>),
}

/// What is kept of values beyond the limit: the histogram for percentiles, the moments exactly.
#[derive(Debug)]
struct StandIn {
    histogram: Histogram<u64>,
    moments: Moments,
    min: f64,
    max: f64,
}

impl Default for Samples {
    fn default() -> Self {
        Samples::exact_up_to(EXACT_VALUES)
    }
}

impl Samples {
    /// Samples that keep so many values exactly before the histogram takes over.
    pub fn exact_up_to(exact_values: usize) -> Self {
        Samples { store: Store::Exact(Vec::new()), exact_values }
    }

    /// Adds one value, ms.
    pub fn add(&mut self, value_ms: f64) {
        self.add_times(value_ms, 1);
    }

    /// Adds a value so many times, ms: the k equal gaps of a chunk of k tokens.
    pub fn add_times(&mut self, value_ms: f64, times: u64) {
        if let Store::Exact(values) = &self.store
            && values.len() as u64 + times > self.exact_values as u64
            && let Some(stand_in) = StandIn::of(values)
        {
            self.store = Store::Histogram(Box::new(stand_in));
        }
        match &mut self.store {
            Store::Exact(values) => values.extend((0..times).map(|_| value_ms)),
            Store::Histogram(stand_in) => stand_in.add(value_ms, times),
        }
    }

    /// How many values are above a bound, ms; where the histogram took over, to 0.1 % of the bound.
    pub fn above(&self, bound_ms: f64) -> u64 {
        match &self.store {
            Store::Exact(values) => values.iter().filter(|value| **value > bound_ms).count() as u64,
            Store::Histogram(stand_in) => stand_in.above(bound_ms),
        }
    }

    /// The distribution; none without a value. Percentiles interpolate linearly between the order
    /// statistics around (count − 1)·q (numpy's default); the standard deviation is the sample's.
    pub fn distribution(mut self) -> Option<Distribution> {
        self.sort();
        match &self.store {
            Store::Exact(sorted) => exact(sorted),
            Store::Histogram(stand_in) => stand_in.distribution(),
        }
    }

    /// The distribution, and its function in points; none without a value.
    pub fn distribution_and_ecdf(mut self) -> Option<(Distribution, Vec<(f64, f64)>)> {
        self.sort();
        match &self.store {
            Store::Exact(sorted) => {
                let at = |rank: u64| {
                    let value = sorted.get(rank as usize).copied().unwrap_or(0.0);
                    (value, sorted.partition_point(|other| *other <= value) as u64)
                };
                Some((exact(sorted)?, ecdf(sorted.len() as u64, at)))
            }
            Store::Histogram(stand_in) => {
                Some((stand_in.distribution()?, ecdf(stand_in.moments.count, stand_in.ranked())))
            }
        }
    }

    /// Sorted first, so that the sums too are the same whatever the order of the records.
    fn sort(&mut self) {
        if let Store::Exact(values) = &mut self.store {
            values.sort_unstable_by(f64::total_cmp);
        }
    }
}

fn exact(values: &[f64]) -> Option<Distribution> {
    let (min, max) = (*values.first()?, *values.last()?);
    let count = values.len() as f64;
    // Rounding may put the mean of equal values beside them.
    let mean = (values.iter().sum::<f64>() / count).clamp(min, max);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let moments = Moments { count: values.len() as u64, mean, squares };
    let at = |rank: u64| values.get(rank as usize).copied().unwrap_or(max);
    Some(shape(&moments, min, max, at, 0.0))
}

/// Fills in the percentiles; `at` gives the value of a rank, 0 for the smallest.
fn shape(
    moments: &Moments,
    min: f64,
    max: f64,
    at: impl Fn(u64) -> f64,
    relative_error: f64,
) -> Distribution {
    let percentile = |q: f64| {
        let rank = (moments.count - 1) as f64 * q;
        let (below, above) = (at(rank.floor() as u64), at(rank.ceil() as u64));
        below + (above - below) * rank.fract()
    };
    Distribution {
        count: moments.count,
        mean: moments.mean,
        std: moments.std(),
        min,
        max,
        relative_error,
        ..Distribution::of_percentiles(moments.count, percentile)
    }
}

impl StandIn {
    fn of(values: &[f64]) -> Option<Self> {
        // Fails only for digits above 5; the values would then stay exact.
        let histogram = Histogram::new(HISTOGRAM_DIGITS).ok()?;
        let mut stand_in =
            StandIn { histogram, moments: Moments::default(), min: f64::INFINITY, max: f64::NEG_INFINITY };
        for value in values {
            stand_in.add(*value, 1);
        }
        Some(stand_in)
    }

    fn add(&mut self, value_ms: f64, times: u64) {
        if times == 0 {
            return;
        }
        let picoseconds = (value_ms * PICOSECONDS_PER_MS).round() as u64;
        if self.histogram.record_n(picoseconds, times).is_err() {
            self.histogram.saturating_record_n(picoseconds, times);
        }
        self.moments.add(value_ms, times);
        self.min = self.min.min(value_ms);
        self.max = self.max.max(value_ms);
    }

    fn above(&self, bound_ms: f64) -> u64 {
        let bound = (bound_ms * PICOSECONDS_PER_MS).round() as u64;
        self.moments.count - self.histogram.count_between(0, bound)
    }

    fn distribution(&self) -> Option<Distribution> {
        if self.moments.count == 0 {
            return None;
        }
        let at = self.ranked();
        Some(shape(&self.moments, self.min, self.max, |rank| at(rank).0, HISTOGRAM_RELATIVE_ERROR))
    }

    /// The value of a rank, 0 for the smallest, with the number of values at or below it.
    fn ranked(&self) -> impl Fn(u64) -> (f64, u64) + '_ {
        // Values at or below each bucket, so that a rank finds its bucket by bisection.
        let mut up_to = 0;
        let buckets: Vec<(u64, f64)> = self
            .histogram
            .iter_recorded()
            .map(|step| {
                up_to += step.count_since_last_iteration();
                let middle = self.histogram.median_equivalent(step.value_iterated_to());
                (up_to, middle as f64 / PICOSECONDS_PER_MS)
            })
            .collect();
        move |rank| {
            let bucket = buckets.partition_point(|(up_to, _)| *up_to <= rank);
            let (up_to, value) = buckets.get(bucket).copied().unwrap_or((self.moments.count, self.max));
            (value.clamp(self.min, self.max), up_to)
        }
    }
}

/// Mean and sample standard deviation in one pass (Welford, weighted): no cancellation of large sums.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds a value so many times.
    pub(super) fn add(&mut self, value: f64, times: u64) {
        if times == 0 {
            return;
        }
        self.count += times;
        let distance = value - self.mean;
        self.mean += distance * times as f64 / self.count as f64;
        self.squares += times as f64 * distance * (value - self.mean);
    }

    /// The mean; none without a value.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    fn std(&self) -> f64 {
        if self.count > 1 { (self.squares / (self.count - 1) as f64).max(0.0).sqrt() } else { 0.0 }
    }
}
