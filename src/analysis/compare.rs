//! Runs of the same traffic → their [`Comparison`]: the best of each metric, and what stands against comparing.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Best, Comparison, FailedTarget};
use crate::schema::figure::{Better, METRICS, Metric, Shape, Statistic};
use crate::schema::plan::{Plan, Skipped};
use crate::schema::summary::RunSummary;
use crate::schema::target::Target;

/// Mean output lengths may differ by so much, %.
const LENGTHS_PCT: f64 = 2.0;
/// The precision of a model that does not say.
const UNKNOWN: &str = "unknown";

/// What a comparison is made of.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonInput<'a> {
    /// The plan's run id.
    pub run_id: &'a str,
    /// The plan's targets: which of them are not level.
    pub targets: &'a [Target],
    /// Backends that gave no result.
    pub failed: &'a [FailedTarget],
    /// Backends that are not here.
    pub skipped: &'a [Skipped],
}

impl<'a> ComparisonInput<'a> {
    /// The input as a plan holds it.
    pub fn of_plan(plan: &'a Plan, failed: &'a [FailedTarget]) -> Self {
        ComparisonInput { run_id: &plan.run_id, targets: &plan.targets, failed, skipped: &plan.skipped }
    }
}

/// Puts runs side by side, in the order of play.
pub fn compare(input: ComparisonInput<'_>, runs: Vec<RunSummary>) -> Comparison {
    Comparison {
        run_id: input.run_id.to_owned(),
        best: METRICS
            .iter()
            .filter_map(|metric| Some((metric.name.to_owned(), best(metric, &runs)?)))
            .collect(),
        caveats: caveats(input.targets, &runs),
        failed: input.failed.to_vec(),
        skipped: input.skipped.to_vec(),
        runs,
    }
}

/// The best run of a metric: a distribution by its median, a scalar by its value. A run that completed
/// nothing, did not reach its end or failed over 1 % of its requests did not do the same work and takes
/// no part; with fewer than two others, or two that are equal, there is no best.
fn best(metric: &Metric, runs: &[RunSummary]) -> Option<Best> {
    let statistic = compared(metric);
    let values: Vec<(&str, f64)> = runs
        .iter()
        .filter(|run| takes_part(run))
        .filter_map(|run| Some((run.label.as_str(), statistic.of(run.metrics.get(metric.name)?)?)))
        .collect();
    if values.len() < 2 {
        return None;
    }
    let better = |left: f64, right: f64| match metric.better {
        Better::Lower => left < right,
        Better::Higher => left > right,
    };
    let (label, _) = values.iter().enumerate().find_map(|(place, (label, value))| {
        let mut others = values.iter().enumerate().filter(|(other, _)| *other != place);
        others.all(|(_, (_, other))| better(*value, *other)).then_some((label, value))
    })?;
    Some(Best { label: (*label).to_owned(), statistic })
}

fn takes_part(run: &RunSummary) -> bool {
    let fails = run.caveats.iter().any(|caveat| matches!(caveat, Caveat::Failures { .. }));
    run.requests.completed > 0 && run.partial.is_none() && !fails
}

/// The statistic by which runs are compared.
fn compared(metric: &Metric) -> Statistic {
    match metric.shape() {
        Shape::Scalar => Statistic::Value,
        Shape::Distribution => Statistic::P50,
    }
}

fn caveats(targets: &[Target], runs: &[RunSummary]) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    if !runs.is_empty() {
        caveats.push(Caveat::SingleRun);
    }
    caveats.extend(precision(runs));
    caveats.extend(prompt_tokens(runs));
    caveats.extend(lengths(runs));
    caveats.extend(not_level(targets, runs));
    caveats
}

/// Known precisions differ; one that is not known is shown with them.
fn precision(runs: &[RunSummary]) -> Option<Caveat> {
    let known = runs.iter().map(|run| run.precision.to_ascii_lowercase()).filter(|name| name != UNKNOWN);
    if known.collect::<BTreeSet<_>>().len() < 2 {
        return None;
    }
    let by_label = runs.iter().map(|run| (run.label.clone(), run.precision.clone())).collect();
    Some(Caveat::PrecisionDiffers { by_label })
}

/// Mean output tokens a completed request differ by over 2 %. Delivered tokens are compared: whether an
/// engine counts the end-of-sequence token makes no answer longer.
fn lengths(runs: &[RunSummary]) -> Option<Caveat> {
    let by_label: BTreeMap<String, f64> = runs
        .iter()
        .filter(|run| run.requests.completed > 0)
        .map(|run| (run.label.clone(), run.tokens.delivered as f64 / run.requests.completed as f64))
        .collect();
    let shortest = by_label.values().copied().reduce(f64::min)?;
    let longest = by_label.values().copied().reduce(f64::max)?;
    let unequal = longest > shortest * (1.0 + LENGTHS_PCT / 100.0);
    unequal.then_some(Caveat::LengthsUnequal { by_label })
}

/// Some prompt that all runs counted has different token counts; totals over the prompts they share.
fn prompt_tokens(runs: &[RunSummary]) -> Option<Caveat> {
    let counting: Vec<&RunSummary> = runs.iter().filter(|run| !run.prompt_tokens_by_id.is_empty()).collect();
    let (first, others) = counting.split_first()?;
    let shared: Vec<&String> = first
        .prompt_tokens_by_id
        .keys()
        .filter(|id| others.iter().all(|run| run.prompt_tokens_by_id.contains_key(*id)))
        .collect();
    let of = |run: &RunSummary, id: &String| run.prompt_tokens_by_id.get(id).copied().unwrap_or(0);
    let differ = shared.iter().any(|id| others.iter().any(|run| of(run, id) != of(first, id)));
    let total = |run: &RunSummary| shared.iter().map(|id| u64::from(of(run, id))).sum();
    differ.then(|| Caveat::PromptTokensDiffer {
        by_label: counting.iter().map(|run| (run.label.clone(), total(run))).collect(),
    })
}

fn not_level(targets: &[Target], runs: &[RunSummary]) -> Vec<Caveat> {
    let ran = |target: &&Target| runs.iter().any(|run| run.label == target.label);
    targets
        .iter()
        .filter(ran)
        .flat_map(|target| {
            target.not_level.iter().map(|setting| Caveat::NotLevel {
                label: target.label.clone(),
                what: format!("{} instead of {} {}", setting.own, setting.setting, setting.shared),
            })
        })
        .collect()
}
