//! Sides of a comparison → pairs with ratios and verdicts.
//!
//! Each round gives one log ratio a figure; Student's t over the rounds gives interval and p value; Holm corrects the p
//! values of all figures, pairs and loads that carry a verdict. Where the baseline was not named it is the best by output
//! TPS, which is a look at the data: then every pair stands in the correction, whoever became the baseline.

use std::collections::BTreeMap;

use crate::schema::figure::{self, Better, METRICS, Metric, Statistic};
use crate::schema::plan::Plan;
use crate::schema::verdict::{Pair, Ratio, UntilSure, VERDICT_FIGURES, Verdict, VerdictRule};

use super::ratio::Spread;
use super::rule::{LEVEL, Rule};
use super::side::Side;
use super::student::holm;

/// Why no ratio is given of two labels at a load; empty where they are comparable.
pub(super) type Barred<'a> = &'a dyn Fn(&str, &str, u32) -> Vec<String>;

/// What came of holding the sides of a plan against each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Judged {
    pub(super) baseline: Option<String>,
    pub(super) pairs: Vec<Pair>,
    pub(super) rule: Option<VerdictRule>,
    tests: Vec<Tested>,
}

/// One figure of two labels at one load that carries a verdict.
#[derive(Debug, Clone)]
struct Tested {
    point: u32,
    label: String,
    other: String,
    metric: &'static Metric,
    column: String,
    /// Of the logarithms of label over other.
    spread: Spread,
    /// After the correction.
    p: f64,
    /// The overall level at which it was, or would have been, rejected.
    level: f64,
}

/// The baseline, every other label's ratios against it, and their verdicts.
pub(super) fn judge(plan: &Plan, sides: &[Side<'_>], barred: Barred<'_>) -> Judged {
    let rule = Rule::of(plan);
    let mut labels: Vec<&str> = Vec::new();
    for side in sides.iter().filter(|side| !side.is_empty()) {
        if !labels.contains(&side.label) {
            labels.push(side.label);
        }
    }
    let named = plan.baseline.as_deref().filter(|named| labels.contains(named));
    let (Some(baseline), true) = (named.or_else(|| best(&labels, sides)), labels.len() > 1) else {
        return Judged::default();
    };
    let mut tests = tests(&labels, sides, named, &rule, barred);
    correct(&mut tests);
    let verdicts = (!tests.is_empty()).then_some(VerdictRule {
        corrected_for: tests.len() as u32,
        baseline_chosen: named.is_none(),
        until_sure: None,
    });
    let mut judged = Judged { baseline: Some(baseline.to_owned()), pairs: Vec::new(), rule: verdicts, tests };
    judged.pairs = pairs(baseline, sides, &judged, &rule, barred);
    if let (Some(within_pct), Some(verdicts)) = (plan.until_sure_pct, &mut judged.rule) {
        let rounds = judged.tests.iter().map(|test| test.spread.rounds).max().unwrap_or(0);
        let sure = super::standing::all_sure(&judged.pairs, within_pct);
        verdicts.until_sure = Some(UntilSure { within_pct, rounds, rounds_max: plan.rounds, sure });
    }
    judged
}

impl Judged {
    /// A label is shown to be better than another one in a figure; none where that was not asked of these rounds.
    pub(super) fn leads(&self, point: u32, label: &str, other: &str, column: &str) -> Option<bool> {
        let (test, spread) = self.test(point, label, other, column)?;
        Some(verdict(test.metric.better, spread, test.p) == Verdict::Faster)
    }

    /// The test of two labels, and its ratio seen from the first.
    fn test(&self, point: u32, label: &str, other: &str, column: &str) -> Option<(&Tested, Spread)> {
        self.tests.iter().filter(|test| test.point == point && test.column == column).find_map(|test| match (
            test.label == label && test.other == other,
            test.label == other && test.other == label,
        ) {
            (true, _) => Some((test, test.spread)),
            (_, true) => Some((test, test.spread.turned())),
            (false, false) => None,
        })
    }
}

/// The label with the highest output TPS: by its geometric mean over the loads that all labels have; the first of
/// equals, and where no label has that figure.
fn best<'a>(labels: &[&'a str], sides: &[Side<'_>]) -> Option<&'a str> {
    let metric = figure::metric(figure::OUTPUT_TPS)?;
    let mut by_point: BTreeMap<u32, BTreeMap<&str, f64>> = BTreeMap::new();
    for side in sides {
        let values: Vec<f64> = side.values(metric, Statistic::Value).into_values().collect();
        if let Some(value) = super::side::median(values).filter(|value| *value > 0.0) {
            by_point.entry(side.point).or_default().insert(side.label, value.ln());
        }
    }
    by_point.retain(|_, values| values.len() == labels.len());
    let total = |label: &str| -> f64 { by_point.values().filter_map(|values| values.get(label)).sum() };
    labels.iter().copied().reduce(|best, label| if total(label) > total(best) { label } else { best })
}

fn tests(
    labels: &[&str],
    sides: &[Side<'_>],
    named: Option<&str>,
    rule: &Rule,
    barred: Barred<'_>,
) -> Vec<Tested> {
    let mut tests = Vec::new();
    for (place, label) in labels.iter().enumerate() {
        for other in labels.iter().skip(place + 1) {
            let asked = named.is_none_or(|named| named == *label || named == *other);
            if !asked {
                continue;
            }
            let comparable = |side: &&Side<'_>| barred(label, other, side.point).is_empty();
            for side in sides.iter().filter(|side| side.label == *label).filter(comparable) {
                let of_other =
                    sides.iter().find(|candidate| candidate.label == *other && candidate.point == side.point);
                let figures = VERDICT_FIGURES.iter();
                tests.extend(figures.filter_map(|figure| tested(side, of_other?, *figure, rule)));
            }
        }
    }
    tests
}

/// A figure that both sides have in three rounds or more, and whose percentile their requests carry.
fn tested(
    side: &Side<'_>,
    other: &Side<'_>,
    (name, statistic): (&str, Statistic),
    rule: &Rule,
) -> Option<Tested> {
    let metric = figure::metric(name)?;
    if !side.carries(metric, statistic) || !other.carries(metric, statistic) {
        return None;
    }
    // How long the runs were decides by how much.
    if metric.holds_queue() && side.is_saturated() && other.is_saturated() {
        return None;
    }
    let spread = Spread::of_log_ratios(&side.values(metric, statistic), &other.values(metric, statistic))?;
    Some(Tested {
        point: side.point,
        label: side.label.to_owned(),
        other: other.label.to_owned(),
        metric,
        column: metric.column(statistic),
        spread,
        p: rule.overall_p(spread.rounds, spread.p()?),
        level: LEVEL,
    })
}

/// Holm's correction. The level of a figure is that of its step: what is rejected leaves the others a larger share.
fn correct(tests: &mut [Tested]) {
    let adjusted = holm(&tests.iter().map(|test| test.p).collect::<Vec<f64>>());
    let rejected = adjusted.iter().filter(|p| **p <= LEVEL).count();
    let raw: Vec<f64> = tests.iter().map(|test| test.p).collect();
    for (test, adjusted) in tests.iter_mut().zip(adjusted) {
        let before = raw.iter().filter(|p| **p < test.p).count().min(rejected);
        test.level = LEVEL / (raw.len() - before).max(1) as f64;
        test.p = adjusted;
    }
}

fn verdict(better: Better, spread: Spread, p: f64) -> Verdict {
    if p > LEVEL {
        return Verdict::Indistinguishable;
    }
    match (better, spread.mean > 0.0) {
        (Better::Higher, true) | (Better::Lower, false) => Verdict::Faster,
        (Better::Higher, false) | (Better::Lower, true) => Verdict::Slower,
    }
}

fn pairs(baseline: &str, sides: &[Side<'_>], judged: &Judged, rule: &Rule, barred: Barred<'_>) -> Vec<Pair> {
    let against = |side: &Side<'_>| {
        sides
            .iter()
            .find(|base| base.label == baseline && base.point == side.point)
            .filter(|base| !base.is_empty())
    };
    let others = sides.iter().filter(|side| side.label != baseline && !side.is_empty());
    let pair = |side: &Side<'_>, base: &Side<'_>| {
        let not_comparable = barred(side.label, baseline, side.point);
        let ratios = match not_comparable.is_empty() {
            true => ratios(side, base, judged, rule),
            false => BTreeMap::new(),
        };
        Pair {
            label: side.label.to_owned(),
            baseline: baseline.to_owned(),
            point: side.point,
            not_comparable,
            ratios,
        }
    };
    others.filter_map(|side| Some(pair(side, against(side)?))).collect()
}

/// The ratio of every figure that both have.
fn ratios(side: &Side<'_>, base: &Side<'_>, judged: &Judged, rule: &Rule) -> BTreeMap<String, Ratio> {
    let mut ratios = BTreeMap::new();
    for metric in METRICS {
        for statistic in metric.statistics() {
            let column = metric.column(*statistic);
            let own = side.values(metric, *statistic);
            if let Some(spread) = Spread::of_log_ratios(&own, &base.values(metric, *statistic)) {
                let test = judged.test(side.point, side.label, base.label, &column).map(|(test, _)| test);
                ratios.extend(ratio(spread, test, rule).map(|ratio| (column, ratio)));
            }
        }
    }
    ratios
}

fn ratio(spread: Spread, test: Option<&Tested>, rule: &Rule) -> Option<Ratio> {
    let value = spread.mean.exp();
    let level = |overall: f64| rule.level(spread.rounds, overall);
    let interval = level(LEVEL).and_then(|level| spread.ratio_interval(level));
    let own = test.and_then(|test| level(test.level));
    let more = match rule {
        Rule::Fixed => own.and_then(|level| spread.more_rounds(level)),
        Rule::Sequential(_) => None,
    };
    (value > 0.0 && value.is_finite()).then(|| Ratio {
        value,
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
        rounds: spread.rounds,
        p: test.map(|test| test.p),
        verdict: test.map(|test| verdict(test.metric.better, spread, test.p)),
        detectable_pct: own.and_then(|level| spread.detectable_pct(level)),
        more_rounds: more,
    })
}
