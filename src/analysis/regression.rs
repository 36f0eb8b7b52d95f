//! Is a result worse than an earlier one? Rounds of different times are no pairs, so each side is a sample of its own.
//!
//! The interval is Welch's t on the logarithms of the rounds' values, with the degrees of freedom of Satterthwaite
//! (Welch 1947, Biometrika 34, 28–35; Satterthwaite 1946, Biometrics Bulletin 2, 110–114): the two sides may spread
//! differently and have different numbers of rounds. p values are corrected over all rows by Holm.

use std::collections::BTreeMap;

use crate::schema::check::{Change, CheckRow, CheckVerdict, OverRounds};
use crate::schema::figure::{Better, ERROR_RATE};
use crate::schema::figure_name::Figure;
use crate::schema::summary::RunSummary;

use super::side::{median, takes_part};
use super::student::{holm, t_quantile, t_two_sided_p};

/// Fewer rounds a side show nothing.
const ROUNDS_NEEDED: usize = 3;
/// A change is real below this p value.
const LEVEL: f64 = 0.05;
/// What would be shown in so many of all tries counts as detectable.
const POWER: f64 = 0.8;
/// Standard errors below this are the rounding of equal values.
const NO_SPREAD: f64 = 1e-12;

/// A figure may be worse by so much.
#[derive(Debug, Clone, Copy)]
pub struct MaxRegression {
    /// Which figure.
    pub figure: Figure,
    /// By how much, %; of a figure in %: percentage points.
    pub pct: f64,
}

/// A run, with the run id of its plan: rounds of several plans are told apart.
#[derive(Debug, Clone, Copy)]
pub struct Played<'a> {
    /// The plan's run id.
    pub run_id: &'a str,
    /// The run.
    pub run: &'a RunSummary,
}

/// The runs of one label at one load on both sides.
#[derive(Debug, Clone)]
pub struct Matched<'a> {
    /// The label in the result.
    pub label: String,
    /// The label in the baseline.
    pub baseline_label: String,
    /// The load in words.
    pub load: String,
    /// The baseline's runs.
    pub baseline: Vec<Played<'a>>,
    /// The result's runs.
    pub now: Vec<Played<'a>>,
}

/// Every figure of every match, with its verdict.
pub fn regressions(matched: &[Matched<'_>], limits: &[MaxRegression]) -> Vec<CheckRow> {
    let mut rows: Vec<CheckRow> =
        matched.iter().flat_map(|matched| limits.iter().map(|limit| row(matched, limit))).collect();
    let known: Vec<f64> = rows.iter().filter_map(|row| row.change?.p).collect();
    let mut corrected = holm(&known).into_iter();
    for row in &mut rows {
        if let Some(change) = row.change.as_mut().filter(|change| change.p.is_some()) {
            change.p = corrected.next();
        }
        row.verdict = verdict(row);
    }
    rows
}

/// Runs that did not do the same work and are left out of all figures but the error rate.
pub fn left_out<'a>(runs: &[Played<'a>]) -> Vec<&'a RunSummary> {
    runs.iter().map(|played| played.run).filter(|run| !takes_part(run)).collect()
}

fn row(matched: &Matched<'_>, limit: &MaxRegression) -> CheckRow {
    let figure = limit.figure;
    let baseline = Sample::of(figure, &matched.baseline);
    let now = Sample::of(figure, &matched.now);
    let change = baseline.as_ref().zip(now.as_ref()).map(|(baseline, now)| baseline.to(now, figure));
    CheckRow {
        label: matched.label.clone(),
        baseline_label: matched.baseline_label.clone(),
        load: matched.load.clone(),
        figure: figure.column(),
        better: figure.metric.better,
        baseline: baseline.as_ref().map(Sample::over_rounds),
        now: now.as_ref().map(Sample::over_rounds),
        limit_pct: limit.pct,
        change,
        verdict: CheckVerdict::NoValue,
    }
}

fn verdict(row: &CheckRow) -> CheckVerdict {
    let Some(change) = row.change else { return CheckVerdict::NoValue };
    let Some(p) = change.p else { return CheckVerdict::CannotTell };
    let worse_pct = match row.better {
        Better::Lower => change.pct,
        Better::Higher => -change.pct,
    };
    match (worse_pct > row.limit_pct, p <= LEVEL) {
        (true, true) => CheckVerdict::Regression,
        (true, false) => CheckVerdict::NotShown,
        (false, true) if worse_pct < 0.0 => CheckVerdict::Better,
        (false, _) => CheckVerdict::WithinLimit,
    }
}

/// A figure's values over rounds, on the scale on which they are compared.
struct Sample {
    values: Vec<f64>,
    scale: Scale,
}

/// How a figure is compared.
#[derive(Clone, Copy)]
enum Scale {
    /// By its ratio: logarithms.
    Ratio,
    /// By its difference: a share in % may be 0.
    Points,
}

impl Sample {
    /// One value a round, the median of its repeats; none without any, and where one has no logarithm.
    fn of(figure: Figure, runs: &[Played<'_>]) -> Option<Sample> {
        let scale = if figure.metric.unit == "%" { Scale::Points } else { Scale::Ratio };
        // A run that failed is what the error rate is about.
        let counts = |run: &RunSummary| figure.metric.name == ERROR_RATE || takes_part(run);
        let mut by_round: BTreeMap<(&str, u32), Vec<f64>> = BTreeMap::new();
        for Played { run_id, run } in runs.iter().filter(|played| counts(played.run)) {
            let value = run.metrics.get(figure.metric.name).and_then(|value| figure.statistic.of(value));
            let value = value.filter(|value| value.is_finite());
            by_round.entry((*run_id, run.key.round)).or_default().extend(value);
        }
        let scaled = |value: f64| match scale {
            Scale::Ratio => (value > 0.0).then(|| value.ln()),
            Scale::Points => Some(value),
        };
        let values: Vec<f64> =
            by_round.into_values().filter_map(median).map(scaled).collect::<Option<_>>()?;
        (!values.is_empty()).then_some(Sample { values, scale })
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// Variance of the mean.
    fn variance_of_mean(&self) -> f64 {
        let (n, mean) = (self.values.len() as f64, self.mean());
        self.values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0) / n
    }

    fn over_rounds(&self) -> OverRounds {
        let value = match self.scale {
            Scale::Ratio => self.mean().exp(),
            Scale::Points => self.mean(),
        };
        OverRounds { value, rounds: self.values.len() as u32 }
    }

    /// The change from this sample to another.
    fn to(&self, now: &Sample, figure: Figure) -> Change {
        let difference = now.mean() - self.mean();
        let pct = |difference: f64| match self.scale {
            Scale::Ratio => 100.0 * difference.exp_m1(),
            Scale::Points => difference,
        };
        let alone =
            Change { pct: pct(difference), low_pct: None, high_pct: None, p: None, detectable_pct: None };
        if self.values.len().min(now.values.len()) < ROUNDS_NEEDED {
            return alone;
        }
        let Some(welch) = Welch::of(self, now) else { return alone };
        let worse = match figure.metric.better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
        };
        Change {
            low_pct: Some(pct(difference - welch.half_width)),
            high_pct: Some(pct(difference + welch.half_width)),
            p: Some(welch.p(difference)),
            detectable_pct: Some(pct(worse * welch.detectable).abs()),
            ..alone
        }
    }
}

/// Welch's t of two samples.
struct Welch {
    standard_error: f64,
    df: f64,
    /// Of the 95 % interval of the difference.
    half_width: f64,
    /// The smallest difference that would be shown in four of five tries.
    detectable: f64,
}

impl Welch {
    fn of(left: &Sample, right: &Sample) -> Option<Welch> {
        let of = |sample: &Sample| (sample.variance_of_mean(), sample.values.len() as f64 - 1.0);
        let ((left, left_df), (right, right_df)) = (of(left), of(right));
        let standard_error = (left + right).sqrt();
        if standard_error < NO_SPREAD {
            return Some(Welch { standard_error, df: left_df + right_df, half_width: 0.0, detectable: 0.0 });
        }
        let df = (left + right).powi(2) / (left.powi(2) / left_df + right.powi(2) / right_df);
        let quantile = t_quantile(1.0 - LEVEL / 2.0, df)?;
        let half_width = quantile * standard_error;
        let detectable = half_width + t_quantile(POWER, df)? * standard_error;
        Some(Welch { standard_error, df, half_width, detectable })
    }

    fn p(&self, difference: f64) -> f64 {
        if self.standard_error < NO_SPREAD {
            return f64::from(difference.abs() < NO_SPREAD);
        }
        t_two_sided_p(difference / self.standard_error, self.df).unwrap_or(1.0)
    }
}
