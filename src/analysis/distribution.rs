//! Values of one metric → a [`Distribution`]: exact to a million values, an HDR histogram beyond.

use hdrhistogram::Histogram;

use crate::schema::request_figures::milliseconds;
use crate::schema::summary::Distribution;

use super::ecdf::ecdf;
use super::exact_sums::ExactSums;

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

/// What is kept of values beyond the limit: the histogram for percentiles, the sums exactly.
#[derive(Debug, Clone)]
pub(super) struct StandIn {
    histogram: Histogram<u64>,
    sums: ExactSums,
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
    #[inline]
    pub fn add(&mut self, value_ms: f64) {
        match &mut self.store {
            Store::Exact(values) if values.len() < self.exact_values => values.push(value_ms),
            Store::Exact(_) => self.add_times(value_ms, 1),
            Store::Histogram(stand_in) => stand_in.add(value_ms, 1),
        }
    }

    /// Adds a value so many times, ms.
    pub fn add_times(&mut self, value_ms: f64, times: u64) {
        if let Store::Exact(values) = &self.store
            && values.len() as u64 + times > self.exact_values as u64
        {
            self.stand_in();
        }
        match &mut self.store {
            Store::Exact(values) => values.extend((0..times).map(|_| value_ms)),
            Store::Histogram(stand_in) => stand_in.add(value_ms, times),
        }
    }

    /// Adds the values of another.
    pub fn merge(&mut self, other: Samples) {
        match other.store {
            Store::Exact(more) => {
                if let Store::Exact(values) = &mut self.store
                    && values.len() + more.len() > self.exact_values
                {
                    self.stand_in();
                }
                match &mut self.store {
                    Store::Exact(values) if values.is_empty() => *values = more,
                    Store::Exact(values) => values.extend(more),
                    Store::Histogram(stand_in) => more.iter().for_each(|value| stand_in.add(*value, 1)),
                }
            }
            Store::Histogram(more) => {
                self.stand_in();
                match &mut self.store {
                    Store::Histogram(stand_in) => stand_in.merge(&more),
                    // A histogram that cannot be made was not made before either.
                    Store::Exact(_) => {}
                }
            }
        }
    }

    /// Puts the values in order, so that the sums too are the same whatever the order of the records: what is left
    /// to do at the end is less where a part of a run does it itself.
    pub fn settle(&mut self) {
        match &mut self.store {
            Store::Exact(values) => sort(values),
            Store::Histogram(_) => {}
        }
    }

    fn stand_in(&mut self) {
        if let Store::Exact(values) = &self.store
            && let Some(mut stand_in) = StandIn::new()
        {
            values.iter().for_each(|value| stand_in.add(*value, 1));
            self.store = Store::Histogram(Box::new(stand_in));
        }
    }

    /// How many values are above a bound, ms; where the histogram took over, to 0.1 % of the bound.
    pub fn above(&self, bound_ms: f64) -> u64 {
        match &self.store {
            Store::Exact(values) => values.iter().filter(|value| **value > bound_ms).count() as u64,
            Store::Histogram(stand_in) => stand_in.above(bound_ms),
        }
    }

    /// The mean; none without a value.
    pub fn mean(self) -> Option<f64> {
        self.distribution().map(|distribution| distribution.mean)
    }

    /// The distribution; none without a value. Percentiles interpolate linearly between the order
    /// statistics around (count − 1)·q (numpy's default); the standard deviation is the sample's.
    pub fn distribution(mut self) -> Option<Distribution> {
        self.settle();
        match &self.store {
            Store::Exact(sorted) => exact(sorted),
            Store::Histogram(stand_in) => stand_in.distribution(),
        }
    }

    /// The distribution, and its function in points; none without a value.
    pub fn distribution_and_ecdf(mut self) -> Option<(Distribution, Vec<(f64, f64)>)> {
        self.settle();
        match &self.store {
            Store::Exact(sorted) => {
                let at = |rank: u64| {
                    let value = sorted.get(rank as usize).copied().unwrap_or(0.0);
                    (value, sorted.partition_point(|other| *other <= value) as u64)
                };
                Some((exact(sorted)?, ecdf(sorted.len() as u64, at)))
            }
            Store::Histogram(stand_in) => stand_in.distribution_and_ecdf(),
        }
    }
}

/// Values in a few parts that are in order already, as parts of a run leave them, are only merged: the library's sort
/// finds the parts. Else whole µs are sorted by their digits.
fn sort(values: &mut [f64]) {
    let parts = values.windows(2).filter(|pair| pair[0].total_cmp(&pair[1]).is_gt()).take(MOST_PARTS).count();
    if parts == 0 {
        return;
    }
    let unsorted = if parts < MOST_PARTS { None } else { whole_us(values) };
    match unsorted {
        Some(mut us) => {
            sort_whole(&mut us);
            values.iter_mut().zip(us).for_each(|(value, us)| *value = milliseconds(u64::from(us)));
        }
        None => values.sort_by(f64::total_cmp),
    }
}

/// The values in µs, where each is a whole number of them.
fn whole_us(values: &[f64]) -> Option<Vec<u32>> {
    let mut all = Vec::with_capacity(values.len());
    for value in values {
        // The product is off by far less than a half; what is no number, or below 0, becomes 0.
        let us = (value * US_PER_MS + 0.5) as u64;
        let is_it = us <= u64::from(u32::MAX) && milliseconds(us) == *value && !value.is_sign_negative();
        if !is_it {
            return None;
        }
        all.push(us as u32);
    }
    Some(all)
}

const US_PER_MS: f64 = 1e3;
/// Of so many parts in order, or more, values are sorted anew.
const MOST_PARTS: usize = 9;
const DIGIT_BITS: u32 = 11;

/// Sorts by one digit of 11 bits after the other, the lowest first (LSD radix sort; Knuth, TAOCP 3, 5.2.5).
fn sort_whole(values: &mut Vec<u32>) {
    let most = values.iter().copied().max().unwrap_or(0);
    let mut other = vec![0; values.len()];
    let mut shift = 0;
    while shift < u32::BITS && most >> shift > 0 {
        let digit = |value: u32| (value >> shift) as usize & ((1 << DIGIT_BITS) - 1);
        let mut places = [0_usize; 1 << DIGIT_BITS];
        values.iter().for_each(|value| places[digit(*value)] += 1);
        let mut before = 0;
        for place in &mut places {
            before += std::mem::replace(place, before);
        }
        for value in values.iter() {
            let place = &mut places[digit(*value)];
            other[*place] = *value;
            *place += 1;
        }
        std::mem::swap(values, &mut other);
        shift += DIGIT_BITS;
    }
}

fn exact(values: &[f64]) -> Option<Distribution> {
    let (min, max) = (*values.first()?, *values.last()?);
    let count = values.len() as f64;
    // Rounding may put the mean of equal values beside them.
    let mean = (values.iter().sum::<f64>() / count).clamp(min, max);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let moments = Moments::of(values.len() as u64, mean, squares);
    let at = |rank: u64| values.get(rank as usize).copied().unwrap_or(max);
    Some(shape(&moments, min, max, at, 0.0))
}

/// Fills in the percentiles; `at` gives the value of a rank, 0 for the smallest.
pub(super) fn shape(
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
        std: moments.std,
        min,
        max,
        relative_error,
        ..Distribution::of_percentiles(moments.count, percentile)
    }
}

impl StandIn {
    /// None only for digits above 5; the values would then stay exact.
    pub(super) fn new() -> Option<Self> {
        let histogram = Histogram::new(HISTOGRAM_DIGITS).ok()?;
        Some(StandIn { histogram, sums: ExactSums::default(), min: f64::INFINITY, max: f64::NEG_INFINITY })
    }

    pub(super) fn add(&mut self, value_ms: f64, times: u64) {
        if times == 0 {
            return;
        }
        let picoseconds = rounded(value_ms * PICOSECONDS_PER_MS);
        if self.histogram.record_n(picoseconds, times).is_err() {
            self.histogram.saturating_record_n(picoseconds, times);
        }
        self.sums.add(picoseconds, times);
        self.min = self.min.min(value_ms);
        self.max = self.max.max(value_ms);
    }

    pub(super) fn merge(&mut self, other: &StandIn) {
        // Fails only for values that do not fit, and these grow as the first histogram did.
        for step in other.histogram.iter_recorded() {
            let (value, times) = (step.value_iterated_to(), step.count_at_value());
            if self.histogram.record_n(value, times).is_err() {
                self.histogram.saturating_record_n(value, times);
            }
        }
        self.sums.merge(other.sums);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn above(&self, bound_ms: f64) -> u64 {
        let bound = (bound_ms * PICOSECONDS_PER_MS).round() as u64;
        self.sums.count() - self.histogram.count_between(0, bound)
    }

    pub(super) fn distribution(&self) -> Option<Distribution> {
        if self.sums.count() == 0 {
            return None;
        }
        let at = self.ranked();
        let mean = (self.sums.mean() / PICOSECONDS_PER_MS).clamp(self.min, self.max);
        let moments = Moments { count: self.sums.count(), mean, std: self.sums.std() / PICOSECONDS_PER_MS };
        Some(shape(&moments, self.min, self.max, |rank| at(rank).0, HISTOGRAM_RELATIVE_ERROR))
    }

    /// The distribution, and its function in points; none without a value.
    pub(super) fn distribution_and_ecdf(&self) -> Option<(Distribution, Vec<(f64, f64)>)> {
        Some((self.distribution()?, ecdf(self.sums.count(), self.ranked())))
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
            let (up_to, value) = buckets.get(bucket).copied().unwrap_or((self.sums.count(), self.max));
            (value.clamp(self.min, self.max), up_to)
        }
    }
}

/// To the nearest whole number, halves up; 0 of what is below. Without an instruction of its own, which not every x86-64
/// has, `round` is a call.
fn rounded(value: f64) -> u64 {
    let whole = value as u64;
    whole.saturating_add(u64::from(value - whole as f64 >= 0.5))
}

/// What a distribution has beside its percentiles.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    count: u64,
    mean: f64,
    std: f64,
}

impl Moments {
    /// From the sum of the squared distances to the mean.
    pub(super) fn of(count: u64, mean: f64, squares: f64) -> Moments {
        Moments { count, mean, std: if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_rounded_as_the_library_rounds_it(
            value in prop_oneof![any::<f64>(), -9.0..9.0, (-9i64..1 << 54).prop_map(|halves| halves as f64 / 2.0)]
        ) {
            prop_assert_eq!(rounded(value), value.round() as u64);
        }

        #[test]
        fn parts_in_order_are_merged_into_one(
            parts in proptest::collection::vec(proptest::collection::vec(0u32..1 << 20, 0..60), 0..12),
        ) {
            let in_order = |mut part: Vec<u32>| {
                part.sort_unstable();
                part
            };
            let values = parts.into_iter().flat_map(in_order);
            let mut values: Vec<f64> = values.map(|us| milliseconds(u64::from(us))).collect();
            let mut expected = values.clone();
            expected.sort_by(f64::total_cmp);
            sort(&mut values);
            prop_assert_eq!(values, expected);
        }

        #[test]
        fn sorting_by_digits_is_sorting(
            us in proptest::collection::vec(prop_oneof![0u32..100, 0u32..1 << 23, any::<u32>()], 0..300),
            shares in any::<bool>(),
        ) {
            let by = if shares { 3.0 } else { 1.0 };
            let mut values: Vec<f64> = us.iter().map(|us| milliseconds(u64::from(*us)) / by).collect();
            let mut expected = values.clone();
            expected.sort_by(f64::total_cmp);
            sort(&mut values);
            prop_assert_eq!(values, expected);
        }
    }
}
