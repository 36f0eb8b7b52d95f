//! Runs of the same traffic → their [`Comparison`]: the best of each metric, and what stands against comparing.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, FailedTarget, Group, Over};
use crate::schema::figure::{Metric, metric};
use crate::schema::plan::Plan;
use crate::schema::summary::RunSummary;
use crate::schema::target::Target;

use super::fairness::answers::LENGTHS_PCT;
use super::fairness::{fairness, reasons};
use super::first_round;
use super::gpu_level;
use super::groups::groups;
use super::search::{knees, limits};
use super::side::{sides, takes_part};
use super::verdicts::{Judged, judge};

/// The precision of a model that does not say.
const UNKNOWN: &str = "unknown";

/// What a comparison is made of.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonInput<'a> {
    /// The plan that was played.
    pub plan: &'a Plan,
    /// Backends that gave no result.
    pub failed: &'a [FailedTarget],
}

/// Puts runs side by side, in the order of play.
pub fn compare(input: ComparisonInput<'_>, runs: Vec<RunSummary>) -> Comparison {
    let plan = input.plan;
    let judged = judged(input, &runs);
    let mut groups = groups(plan, &runs, &judged);
    keep_comparable_bests(plan, &runs, &mut groups);
    drop_saturated_bests(&runs, &mut groups);
    Comparison {
        run_id: plan.run_id.clone(),
        loads: plan.loads.clone(),
        caveats: caveats(plan, &groups, &runs),
        baseline: judged.baseline,
        pairs: judged.pairs,
        rule: judged.rule,
        fairness: fairness(plan, &runs),
        limits: limits(plan, &runs),
        knees: knees(plan, &runs),
        groups,
        failed: input.failed.to_vec(),
        skipped: plan.skipped.clone(),
        runs,
    }
}

/// A group that may not be held against every other one which has the figure is the best of nothing. Groups that did
/// not do the work take no part in it.
fn keep_comparable_bests(plan: &Plan, runs: &[RunSummary], groups: &mut [Group]) {
    let is_sound = |group: &&Group| runs.iter().any(|run| group.runs.contains(&run.key) && takes_part(run));
    let others: Vec<(String, u32, BTreeSet<String>)> = groups
        .iter()
        .filter(is_sound)
        .map(|group| (group.label.clone(), group.point, group.estimates.keys().cloned().collect()))
        .collect();
    for group in groups.iter_mut().filter(|group| !group.best.is_empty()) {
        let apart = others.iter().filter(|(label, point, _)| {
            *point == group.point
                && *label != group.label
                && !reasons(plan, runs, &group.label, label, *point).is_empty()
        });
        for (_, _, figures) in apart {
            group.best.retain(|name, statistic| {
                metric(name).is_none_or(|metric| !figures.contains(&metric.column(*statistic)))
            });
        }
    }
}

/// Beside a queue that grows a latency is as long as the run made it: the best of nothing. Others may still be better
/// than it, which it is the worse for.
fn drop_saturated_bests(runs: &[RunSummary], groups: &mut [Group]) {
    for group in groups.iter_mut().filter(|group| !group.best.is_empty()) {
        if runs.iter().any(|run| group.runs.contains(&run.key) && run.is_saturated()) {
            group.best.retain(|name, _| !metric(name).is_some_and(Metric::holds_queue));
        }
    }
}

/// The baseline and the verdicts.
pub(super) fn judged(input: ComparisonInput<'_>, runs: &[RunSummary]) -> Judged {
    let plan = input.plan;
    let barred = |label: &str, baseline: &str, point: u32| reasons(plan, runs, label, baseline, point);
    judge(plan, &sides(plan, runs), &barred)
}

fn caveats(plan: &Plan, groups: &[Group], runs: &[RunSummary]) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    if !groups.is_empty() && groups.iter().all(|group| group.over == Over::Run) {
        caveats.push(Caveat::SingleRun);
    }
    caveats.extend(precision(runs));
    // Points differ in their requests, so that only runs of one point have to agree.
    let points: BTreeSet<u32> = groups.iter().map(|group| group.point).collect();
    let at = |point: &u32| runs.iter().filter(|run| run.key.point == *point).collect::<Vec<_>>();
    caveats.extend(points.iter().find_map(|point| prompt_tokens(&at(point))));
    caveats.extend(points.iter().find_map(|point| lengths(&at(point))));
    caveats.extend(not_level(&plan.targets, runs));
    caveats.extend(gpu_level::caveats(runs));
    caveats.extend(sides(plan, runs).iter().filter_map(first_round::caveat));
    caveats
}

/// Known precisions differ; one that is not known is shown with them.
fn precision(runs: &[RunSummary]) -> Option<Caveat> {
    let known = runs.iter().map(|run| run.precision.to_ascii_lowercase()).filter(|name| name != UNKNOWN);
    if known.collect::<BTreeSet<_>>().len() < 2 {
        return None;
    }
    let by_label = runs.iter().map(|run| (run.key.label.clone(), run.precision.clone())).collect();
    Some(Caveat::PrecisionDiffers { by_label })
}

/// Mean output tokens a completed request differ by over 2 %. Delivered tokens are compared: whether an
/// engine counts the end-of-sequence token makes no answer longer.
fn lengths(runs: &[&RunSummary]) -> Option<Caveat> {
    let mut totals: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.requests.completed > 0) {
        let (delivered, completed) = totals.entry(run.key.label.clone()).or_default();
        *delivered += run.tokens.delivered;
        *completed += run.requests.completed;
    }
    let mean = |(delivered, completed): (u64, u64)| delivered as f64 / completed as f64;
    let by_label: BTreeMap<String, f64> =
        totals.into_iter().map(|(label, total)| (label, mean(total))).collect();
    let shortest = by_label.values().copied().reduce(f64::min)?;
    let longest = by_label.values().copied().reduce(f64::max)?;
    let unequal = longest > shortest * (1.0 + LENGTHS_PCT / 100.0);
    unequal.then_some(Caveat::LengthsUnequal { by_label })
}

/// Some prompt that all runs counted has different token counts; totals over the prompts they share.
fn prompt_tokens(runs: &[&RunSummary]) -> Option<Caveat> {
    let counting: Vec<&RunSummary> =
        runs.iter().copied().filter(|run| !run.prompt_tokens_by_id.is_empty()).collect();
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
        by_label: counting.iter().map(|run| (run.key.label.clone(), total(run))).collect(),
    })
}

fn not_level(targets: &[Target], runs: &[RunSummary]) -> Vec<Caveat> {
    let ran = |target: &&Target| runs.iter().any(|run| run.key.label == target.label);
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
