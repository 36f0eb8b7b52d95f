//! The course of a run: whether it drifts from its beginning to its end, and how far its means may be trusted by what
//! the run itself shows.
//!
//! Neighbouring requests resemble each other, so all here is over blocks at least as long as the autocorrelation time.
//! Trend: Mann and Kendall's rank test on block means, with Theil and Sen's slope. Band: overlapping batch means
//! (Meketon & Schmeiser 1984), which is descriptive: the next launch is no part of it.

use std::collections::BTreeMap;

use crate::schema::caveat::Caveat;
use crate::schema::figure;
use crate::schema::record::RequestRecord;
use crate::schema::summary::{MetricValue, SteadyState};
use crate::schema::verdict::Interval;

use super::bins::Bins;
use super::side::median;
use super::student::normal_tail;

/// Fewer values than this have no course.
const VALUES_LEAST: usize = 20;
/// Fewer blocks than this say nothing of a trend.
const BLOCKS_LEAST: usize = 8;
/// A trend is one where chance gives it less often than so.
const TREND_LEVEL: f64 = 0.01;
/// And where it moves the figure by so much from the beginning of the run to its end, %.
const TREND_PCT: f64 = 5.0;
/// The band reaches so many standard errors to either side.
const BAND_ERRORS: f64 = 2.0;

/// Latencies of completed requests in the order in which they were issued.
#[derive(Debug, Default)]
pub(super) struct Course {
    ttft: Bins,
    e2e: Bins,
}

/// What the course of a run says.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Trends, the figure of each with its change from beginning to end, %.
    pub(super) drifts: Vec<Caveat>,
    /// Descriptive bands by column.
    pub(super) bands: BTreeMap<String, Interval>,
}

impl Course {
    /// Adds a completed request.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let since_sent = |at_us: Option<u64>| Some(at_us?.saturating_sub(record.sent_us?));
        if let Some(us) = since_sent(record.first_token_us) {
            self.ttft.add(record.index, us);
        }
        if let Some(us) = since_sent(record.last_token_us) {
            self.e2e.add(record.index, us);
        }
    }

    /// Adds the requests of another part of the run.
    pub(super) fn merge(&mut self, other: Course) {
        self.ttft.merge(other.ttft);
        self.e2e.merge(other.e2e);
    }

    /// Trends and bands. The first `ramp` requests of a closed loop find an empty server, and are left out.
    pub(super) fn tell(
        &self,
        ramp: u64,
        metrics: &BTreeMap<String, MetricValue>,
        tokens_by_second: &[u64],
        steady: Option<&SteadyState>,
    ) -> Told {
        let mut told = Told::default();
        let rate = steady.map(|steady| whole_seconds(tokens_by_second, steady)).unwrap_or_default();
        let series = [
            (figure::OUTPUT_TPS, figure::OUTPUT_TPS.to_owned(), rate),
            (figure::TTFT, format!("{}_mean", figure::TTFT), self.ttft.means(ramp)),
            (figure::E2E, format!("{}_mean", figure::E2E), self.e2e.means(ramp)),
        ];
        for (metric, column, values) in series {
            let Some(blocks) = Blocks::of(&values) else { continue };
            told.drifts.extend(
                blocks.trend_pct().map(|change_pct| Caveat::Drift { metric: metric.to_owned(), change_pct }),
            );
            let value = metrics.get(metric).map(|value| match value {
                MetricValue::Scalar(number) => *number,
                MetricValue::Distribution(distribution) => distribution.mean,
            });
            let band = value.zip(blocks.relative_error()).map(|(value, error)| Interval {
                low: (value * (1.0 - BAND_ERRORS * error)).max(0.0),
                high: value * (1.0 + BAND_ERRORS * error),
            });
            told.bands.extend(band.map(|band| (column, band)));
        }
        told
    }
}

/// The seconds that lie wholly in the steady state.
fn whole_seconds(tokens_by_second: &[u64], steady: &SteadyState) -> Vec<f64> {
    let from = steady.from_s.ceil().max(0.0) as usize;
    let to = (steady.to_s.floor().max(0.0) as usize).min(tokens_by_second.len());
    tokens_by_second.get(from..to).unwrap_or_default().iter().map(|tokens| *tokens as f64).collect()
}

/// A series with the length of block that makes its means independent.
struct Blocks<'a> {
    values: &'a [f64],
    length: usize,
    slope: f64,
}

impl<'a> Blocks<'a> {
    /// None of a series that is too short for its autocorrelation.
    fn of(values: &'a [f64]) -> Option<Self> {
        if values.len() < VALUES_LEAST {
            return None;
        }
        let slope = theil_sen(values)?;
        let level: Vec<f64> =
            values.iter().enumerate().map(|(place, value)| value - slope * place as f64).collect();
        let length = autocorrelation_time(&level).ceil() as usize;
        (values.len() / length.max(1) >= BLOCKS_LEAST).then_some(Blocks {
            values,
            length: length.max(1),
            slope,
        })
    }

    /// What the trend changes from the beginning to the end, % of the median; none where there is no trend.
    fn trend_pct(&self) -> Option<f64> {
        let means: Vec<f64> = self.values.chunks_exact(self.length).map(mean).collect();
        let middle = median(self.values.to_vec()).filter(|middle| *middle > 0.0)?;
        let change_pct = 100.0 * self.slope * (self.values.len() - 1) as f64 / middle;
        (mann_kendall_p(&means) < TREND_LEVEL && change_pct.abs() >= TREND_PCT).then_some(change_pct)
    }

    /// The standard error of the mean over the mean.
    fn relative_error(&self) -> Option<f64> {
        let (n, b) = (self.values.len() as f64, self.length as f64);
        let overall = mean(self.values);
        let squares: f64 =
            self.values.windows(self.length).map(|block| (mean(block) - overall).powi(2)).sum();
        let variance = b * squares / ((n - b + 1.0) * (n - b));
        (overall > 0.0).then(|| variance.sqrt() / overall)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The median of the slopes between all pairs, a step.
fn theil_sen(values: &[f64]) -> Option<f64> {
    // Of a long series some pairs are enough.
    let stride = values.len().div_ceil(200);
    let points: Vec<(f64, f64)> =
        values.iter().enumerate().step_by(stride).map(|(place, value)| (place as f64, *value)).collect();
    let slopes = points.iter().enumerate().flat_map(|(place, (x0, y0))| {
        points.iter().skip(place + 1).map(move |(x1, y1)| (y1 - y0) / (x1 - x0))
    });
    median(slopes.collect())
}

/// 1 + 2 Σ ρ, up to the first lag at which the correlation is gone, in steps; 1 at least.
fn autocorrelation_time(values: &[f64]) -> f64 {
    let middle = mean(values);
    let apart = |lag: usize| -> f64 {
        values.iter().zip(values.iter().skip(lag)).map(|(a, b)| (a - middle) * (b - middle)).sum()
    };
    let variance = apart(0);
    if variance <= 0.0 {
        return 1.0;
    }
    // Below this a correlation is what chance gives to independent values.
    let noise = 2.0 / (values.len() as f64).sqrt();
    let lags = (1..values.len() / 4).map(|lag| apart(lag) / variance).take_while(|rho| *rho > noise);
    1.0 + 2.0 * lags.sum::<f64>()
}

/// Of all pairs of values, those that rise less those that fall: each value is held against those before it, counted by
/// their rank in a tree of sums (Fenwick 1994).
fn rises_less_falls(values: &[f64]) -> i64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut sums = vec![0_i64; values.len() + 1];
    let mut score = 0;
    for (before, value) in values.iter().enumerate() {
        let up_to = |rank: usize, sums: &[i64]| -> i64 {
            let steps = std::iter::successors(Some(rank), |rank| Some(rank & rank.wrapping_sub(1)));
            steps.take_while(|rank| *rank > 0).map(|rank| sums[rank]).sum()
        };
        let below = sorted.partition_point(|other| other < value);
        let not_above = sorted.partition_point(|other| other <= value);
        score += up_to(below, &sums) - (before as i64 - up_to(not_above, &sums));
        let mut rank = below + 1;
        while let Some(sum) = sums.get_mut(rank) {
            *sum += 1;
            rank += rank & rank.wrapping_neg();
        }
    }
    score
}

/// Two-sided p value of Mann and Kendall's test, by its normal approximation with the correction for continuity.
fn mann_kendall_p(values: &[f64]) -> f64 {
    let score = rises_less_falls(values) as f64;
    let n = values.len() as f64;
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    if variance <= 0.0 {
        return 1.0;
    }
    (2.0 * normal_tail((score.abs() - 1.0).max(0.0) / variance.sqrt())).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    fn noise(seed: u64, count: usize, correlation: f64, trend: f64) -> Vec<f64> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut level = 0.0;
        (0..count)
            .map(|place| {
                let step: f64 = StandardNormal.sample(&mut random);
                level = correlation * level + step;
                100.0 + 5.0 * level + trend * place as f64 / count as f64
            })
            .collect()
    }

    #[test]
    fn a_run_that_does_not_drift_is_seldom_said_to_even_where_neighbours_resemble_each_other() {
        for correlation in [0.0, 0.5] {
            let drifts = (0..400).filter(|seed| {
                let values = noise(*seed, 120, correlation, 0.0);
                Blocks::of(&values).is_some_and(|blocks| blocks.trend_pct().is_some())
            });
            let drifts = drifts.count();
            assert!(drifts <= 12, "correlation {correlation}: {drifts} of 400");
        }
    }

    #[test]
    fn a_rise_by_a_fifth_is_a_drift_and_its_size_is_told() {
        let found: Vec<f64> =
            (0..50).filter_map(|seed| Blocks::of(&noise(seed, 120, 0.2, 20.0))?.trend_pct()).collect();
        assert!(found.len() >= 48, "{} of 50", found.len());
        let mean = mean(&found);
        assert!((15.0..22.0).contains(&mean), "{mean}");
    }

    #[test]
    fn the_band_grows_with_the_resemblance_of_neighbours_and_holds_the_mean_of_the_process() {
        for correlation in [0.0, 0.6] {
            let held = (0..400).filter(|seed| {
                let values = noise(*seed, 120, correlation, 0.0);
                let Some(blocks) = Blocks::of(&values) else { return true };
                let error = blocks.relative_error().unwrap_or(0.0) * BAND_ERRORS;
                (mean(&values) / 100.0 - 1.0).abs() <= error * 1.05
            });
            let held = held.count();
            assert!(held >= 330, "correlation {correlation}: {held} of 400");
        }
    }

    #[test]
    fn rises_and_falls_are_those_of_all_pairs() {
        for (seed, steps) in [(1, 1.0), (2, 0.1), (3, 0.01)] {
            let values: Vec<f64> =
                noise(seed, 150, 0.3, 4.0).into_iter().map(|value| (value * steps).round()).collect();
            let pairs = (0..values.len()).flat_map(|to| (0..to).map(move |from| (from, to)));
            let sign = |(from, to): (usize, usize)| match values[to].total_cmp(&values[from]) {
                std::cmp::Ordering::Greater => 1,
                std::cmp::Ordering::Less => -1,
                std::cmp::Ordering::Equal => 0,
            };
            assert_eq!(rises_less_falls(&values), pairs.map(sign).sum::<i64>());
        }
        assert_eq!((rises_less_falls(&[]), rises_less_falls(&[1.0, 2.0, 2.0])), (0, 2));
    }

    #[test]
    fn a_short_series_and_one_that_stays_equal_have_no_trend() {
        assert!(
            Blocks::of(&[1.0; 19]).is_none()
                && Blocks::of(&[1.0; 40]).is_some_and(|b| b.trend_pct().is_none())
        );
    }
}
