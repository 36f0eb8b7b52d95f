//! Were the servers given the same work under the same settings? The levelling table, and why a pair gets no ratio.
//!
//! Each row says what each label has and what follows. The thresholds that forbid a ratio stand beside their rows:
//! other models; weights of more than twice the bits; prompt tokens or mean output lengths over 10 % apart; prefix
//! cache hits over 10 percentage points apart; a label none of whose runs is whole with at most 1 % of failures; a
//! pretend engine beside a real one. Between two labels of one engine neither precision nor prefix cache forbids it:
//! there the user compares them on purpose.

pub(super) mod answers;
mod facts;
mod gpus;
mod gpus_at_launch;
mod model;
mod observed;
mod prompts;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::fairness::{Fairness, FairnessMode, FairnessRow, Finding};
use crate::schema::plan::Plan;
use crate::schema::summary::RunSummary;

use facts::{Check, Facts, Held};

/// What stands for a thing that is not known.
const UNKNOWN: &str = "unknown";

/// The levelling table of some runs; none without a run.
pub(super) fn fairness(plan: &Plan, runs: &[RunSummary]) -> Option<Fairness> {
    let points: BTreeSet<u32> = runs.iter().map(|run| run.key.point).collect();
    let by_point: Vec<(u32, Vec<Facts<'_>>)> =
        points.iter().map(|point| (*point, facts_at(plan, runs, *point))).collect();
    let rows: Vec<FairnessRow> = checks().filter_map(|check| row(plan, check, &by_point)).collect();
    (!rows.is_empty()).then_some(Fairness { rows })
}

/// Why a label and a baseline get no ratio at a point; empty where they do, and where the plan asks for no fairness.
pub fn reasons(plan: &Plan, runs: &[RunSummary], label: &str, baseline: &str, point: u32) -> Vec<String> {
    let of = |label| Facts::of(plan, runs, label, point);
    let (Some(own), Some(others)) = (of(label), of(baseline)) else { return Vec::new() };
    let held = checks().map(|check| (check.what, hold(plan, check, &own, &others)));
    held.filter(|(_, held)| held.finding == Finding::NotComparable)
        // What to do about it stands in the table.
        .map(|(what, held)| format!("{what}: {}", held.why.split(". ").next().unwrap_or_default()))
        .collect()
}

fn checks() -> impl Iterator<Item = &'static Check> {
    settings::SETTINGS.iter().chain(&observed::OBSERVED).chain(&gpus::GPUS).chain(&gpus_at_launch::ROWS)
}

fn facts_at<'a>(plan: &'a Plan, runs: &'a [RunSummary], point: u32) -> Vec<Facts<'a>> {
    let mut labels: Vec<&str> = plan.targets.iter().map(|target| target.label.as_str()).collect();
    let further = runs.iter().map(|run| run.key.label.as_str());
    for label in further {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.into_iter().filter_map(|label| Facts::of(plan, runs, label, point)).collect()
}

/// With fairness off nothing forbids a ratio.
fn hold(plan: &Plan, check: &Check, one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let held = (check.hold)(one, other);
    match (plan.fairness, held.finding) {
        (FairnessMode::Off, Finding::NotComparable) => Held::differs(held.why),
        (FairnessMode::Off | FairnessMode::Warn | FairnessMode::Strict, _) => held,
    }
}

/// A row, from the point at which its labels are furthest from level.
fn row(plan: &Plan, check: &Check, by_point: &[(u32, Vec<Facts<'_>>)]) -> Option<FairnessRow> {
    let worst = by_point.iter().map(|(point, facts)| (*point, facts, worst(plan, check, facts)));
    // The first of equals.
    let (point, facts, (finding, mut whys)) =
        worst.reduce(|known, next| if next.2.0 > known.2.0 { next } else { known })?;
    let words: BTreeMap<String, Option<String>> =
        facts.iter().map(|facts| (facts.label.to_owned(), (check.words)(facts))).collect();
    let says_nothing = words.values().all(|words| words.as_deref() == check.usual);
    if says_nothing {
        return None;
    }
    if by_point.len() > 1 && finding > Finding::Level && differs_by_point(check, by_point) {
        whys.push(format!("at load {point} of {}", plan.loads.len()));
    }
    let by_label =
        words.into_iter().map(|(label, words)| (label, words.unwrap_or_else(|| UNKNOWN.to_owned())));
    Some(FairnessRow {
        what: check.what.to_owned(),
        by_label: by_label.collect(),
        finding,
        why: whys.join("; "),
    })
}

/// The worst finding over all pairs of labels, with why, each said once.
fn worst(plan: &Plan, check: &Check, facts: &[Facts<'_>]) -> (Finding, Vec<String>) {
    let mut worst = (Finding::Level, Vec::new());
    for (place, one) in facts.iter().enumerate() {
        for other in facts.iter().skip(place + 1) {
            let held = hold(plan, check, one, other);
            if held.finding > worst.0 {
                worst = (held.finding, Vec::new());
            }
            if held.finding == worst.0 && !held.why.is_empty() && !worst.1.contains(&held.why) {
                worst.1.push(held.why);
            }
        }
    }
    worst
}

/// What a label has is another thing at another point.
fn differs_by_point(check: &Check, by_point: &[(u32, Vec<Facts<'_>>)]) -> bool {
    let words = |facts: &Vec<Facts<'_>>| facts.iter().map(check.words).collect::<Vec<_>>();
    by_point.iter().any(|(_, facts)| by_point.first().is_some_and(|(_, first)| words(facts) != words(first)))
}
