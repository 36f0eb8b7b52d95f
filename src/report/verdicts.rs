//! The table of verdicts, said once for the terminal, Markdown and HTML, and how ratios look.

use super::fairness;
use super::number::compact;
use crate::schema::comparison::{Comparison, Estimate};
use crate::schema::figure::{self, Metric, Shape, Statistic};
use crate::schema::summary::RunSummary;
use crate::schema::verdict::{Interval, Pair, Ratio, VERDICT_FIGURES, Verdict};

/// The heads of the table.
pub const HEAD: [&str; 5] = ["", "figure", "ratio [95 %]", "verdict", "seen from"];

/// One figure of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    /// Who is held against the baseline.
    pub label: String,
    /// `TTFT p50`
    pub figure: String,
    /// `1.80× [1.71, 1.90]`; empty where the two are not comparable.
    pub ratio: String,
    /// `faster`, `slower`, `indistinguishable`; why the two are not comparable.
    pub verdict: String,
    /// The smallest difference that would have been seen, `4 %`.
    pub detectable: String,
    /// The verdict; none where the two are not comparable.
    pub is: Option<Verdict>,
}

impl VerdictRow {
    /// In the order of [`HEAD`].
    pub fn cells(&self) -> [&str; 5] {
        [&self.label, &self.figure, &self.ratio, &self.verdict, &self.detectable]
    }
}

/// The rows of a point: each pair, each figure that carries a verdict. Empty where there is none, as below three rounds.
pub fn rows(comparison: &Comparison, point: u32) -> Vec<VerdictRow> {
    let of_point = comparison.pairs.iter().filter(|pair| pair.point == point);
    of_point
        .flat_map(|pair| if pair.not_comparable.is_empty() { of_pair(pair) } else { vec![barred(pair)] })
        .collect()
}

fn of_pair(pair: &Pair) -> Vec<VerdictRow> {
    let figures = VERDICT_FIGURES.iter();
    let row = |(name, statistic): &(&str, Statistic)| {
        let metric = figure::metric(name)?;
        let ratio = pair.ratios.get(&metric.column(*statistic))?;
        let verdict = ratio.verdict?;
        Some(VerdictRow {
            label: pair.label.clone(),
            figure: title(metric, *statistic),
            ratio: times(*ratio),
            verdict: word(verdict).to_owned(),
            detectable: ratio.detectable_pct.map(percent_up).unwrap_or_default(),
            is: Some(verdict),
        })
    };
    figures.filter_map(row).collect()
}

fn barred(pair: &Pair) -> VerdictRow {
    VerdictRow {
        label: pair.label.clone(),
        figure: String::new(),
        ratio: String::new(),
        verdict: format!("NOT COMPARABLE: {}", fairness::in_brief(&pair.not_comparable)),
        detectable: String::new(),
        is: None,
    }
}

/// What the table says and what its numbers are, in a few sentences; none without a verdict.
pub fn legend(comparison: &Comparison) -> Option<String> {
    let (rule, baseline) = (comparison.rule?, comparison.baseline.as_ref()?);
    let chosen = if rule.baseline_chosen { ", the best by output TPS" } else { "" };
    let looks = match rule.until_sure {
        Some(_) => {
            " Intervals and verdicts are those of a rule that may look after each round (group-sequential)."
        }
        None => "",
    };
    let comparisons = match rule.corrected_for {
        1 => "1 comparison".to_owned(),
        many => format!("{many} comparisons"),
    };
    Some(format!(
        "Ratio: over {baseline}{chosen}; one a round, Student's t on logarithms. Faster is better: more tokens, less \
         time. An interval holds 95 % by itself; verdicts are corrected for {comparisons} (Holm), so that the chance of a false \
         one is at most 5 %. Seen from: the smallest difference that these rounds show in four of five tries.{looks}"
    ))
}

/// What is said before [`bands`].
pub const BANDS_HEAD: &str =
    "Within each run, by moving blocks (descriptive: another launch may differ, no verdict):";

/// What blocks within each run show of its means, a line a run: `vllm: output TPS 340 (330–350)`. Only of one load, and
/// where there is no verdict.
pub fn bands(comparison: &Comparison) -> Vec<String> {
    if comparison.rule.is_some() || comparison.loads.len() > 1 {
        return Vec::new();
    }
    let many_rounds = comparison.runs.iter().any(|run| run.key.round > 1 || run.key.repeat > 1);
    comparison
        .runs
        .iter()
        .filter_map(|run| {
            let parts: Vec<String> =
                BANDS.iter().filter_map(|(name, statistic)| band(run, name, *statistic)).collect();
            let which = if many_rounds {
                format!(" round {} repeat {}", run.key.round, run.key.repeat)
            } else {
                String::new()
            };
            (!parts.is_empty()).then(|| format!("{}{which}: {}", run.key.label, parts.join(", ")))
        })
        .collect()
}

/// The means that have a band.
const BANDS: &[(&str, Statistic)] = &[
    (figure::OUTPUT_TPS, Statistic::Value),
    (figure::TTFT, Statistic::Mean),
    (figure::E2E, Statistic::Mean),
];

fn band(run: &RunSummary, name: &str, statistic: Statistic) -> Option<String> {
    let metric = figure::metric(name)?;
    let Interval { low, high } = run.bands.get(&metric.column(statistic))?;
    let value = run.metrics.get(name).and_then(|value| statistic.of(value))?;
    let (value, low, high) = (compact(value), compact(*low), compact(*high));
    Some(format!("{} {value} ({low}–{high}) {}", title(metric, statistic), metric.unit))
}

/// `TTFT p50`, `output TPS`.
pub fn title(metric: &Metric, statistic: Statistic) -> String {
    match metric.shape() {
        Shape::Scalar => metric.title.to_owned(),
        Shape::Distribution => format!("{} {}", metric.title, statistic.name()),
    }
}

/// The word of a verdict.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Indistinguishable => "indistinguishable",
    }
}

/// `1.80× [1.71, 1.90]`; without an interval where there is none.
pub fn times(ratio: Ratio) -> String {
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => format!("{}× [{}, {}]", compact(ratio.value), compact(low), compact(high)),
        (_, _) => format!("{}×", compact(ratio.value)),
    }
}

/// Two digits, rounded up: a bound is not made smaller by its writing. `4.2 %`, `13 %`, `0.1 %` at least, and from a
/// factor of two on `2.1×`, `97×`.
pub fn percent_up(percent: f64) -> String {
    let tenths = |value: f64| (value * 10.0 - 1e-6).ceil() / 10.0;
    let factor = 1.0 + percent / 100.0;
    match tenths(percent) {
        large if large >= 100.0 && factor >= 10.0 => format!("{:.0}×", (factor - 1e-6).ceil()),
        large if large >= 100.0 => format!("{}×", tenths(factor)),
        small if small < 0.1 => "0.1 %".to_owned(),
        fine if fine < 10.0 => format!("{fine} %"),
        _ => format!("{:.0} %", (percent - 1e-6).ceil()),
    }
}

/// Values with their intervals.
pub struct Words;

impl Words {
    /// `342 [330, 351]`
    pub fn of_estimate(estimate: &Estimate) -> String {
        match estimate.interval {
            Some(Interval { low, high }) => Words::limit(estimate.value, Some(low), Some(high)),
            None => compact(estimate.value),
        }
    }

    /// `14.2 [13.6, 14.9]`; `14.2 or more` where no load was too high.
    pub fn limit(value: f64, low: Option<f64>, high: Option<f64>) -> String {
        match (low, high) {
            (Some(low), Some(high)) => format!("{} [{}, {}]", compact(value), compact(low), compact(high)),
            (_, None) => format!("{} or more", compact(value)),
            (None, Some(_)) => compact(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_rounded_up_and_a_large_one_is_a_factor() {
        let shown = [0.02, 4.11, 12.2, 99.2, 101.0, 565.0, 9550.0].map(percent_up);
        assert_eq!(shown, ["0.1 %", "4.2 %", "13 %", "100 %", "2.1×", "6.7×", "97×"]);
    }
}
