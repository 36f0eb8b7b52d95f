//! A result held against an earlier one: what `harness check` does, but for the printing.

use std::path::Path;

use crate::analysis::{Matched, MaxRegression, left_out, regressions};
use crate::schema::SCHEMA_VERSION;
use crate::schema::check::{CheckFile, CheckOutcome, CheckVerdict, CheckedResult, Difference};
use crate::schema::figure::Statistic;
use crate::schema::refusal::refuse;
use crate::schema::summary::MetricValue;

use super::facts::{differences, may_differ};
use super::side::{Cell, Side};

/// What is to be checked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The result: a directory or a file.
    pub result: &'a Path,
    /// What it is held against.
    pub baseline: &'a Path,
    /// How much worse each figure may be.
    pub limits: &'a [MaxRegression],
    /// Which labels; all where none is named.
    pub labels: &'a [LabelPair],
    /// Go on where the two are no measurement of the same thing.
    pub force: bool,
}

/// A label of the result, and the baseline's label that it is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelPair {
    /// In the result.
    pub now: String,
    /// In the baseline.
    pub baseline: String,
}

/// Checks a result.
///
/// # Errors
/// A side holds no run, or a named label; or, unless that is forced, the two are no measurement of the same thing.
pub fn check(asked: Asked<'_>) -> anyhow::Result<CheckFile> {
    let (baseline, now) = (Side::read(asked.baseline)?, Side::read(asked.result)?);
    let pairs = label_pairs(&asked, &baseline, &now)?;
    let mut matching = Matching::default();
    for pair in &pairs {
        matching.label(pair, &baseline, &now);
    }
    if matching.matched.is_empty() {
        return refuse(
            format!(
                "nothing to check: {}",
                matching.not_checked.first().map_or("no label is in both results", String::as_str)
            ),
            "name the label of the result and that of the baseline: --label NOW=BASELINE",
        );
    }
    if !asked.force && !matching.differences.is_empty() {
        return refuse(different(&matching.differences), "hold like against like, or add --force");
    }
    // A directory of results may hold whatever was measured there; a comparison is one thing.
    if asked.labels.is_empty() && !baseline.is_directory {
        matching.missing(&baseline, &now, &pairs);
    }
    Ok(finish(&asked, &baseline, &now, matching))
}

fn different(differences: &[Difference]) -> String {
    let lines = differences.iter().map(|of| format!("\n  {}: {} then, {} now", of.what, of.baseline, of.now));
    format!("the two results do not measure the same thing:{}", lines.collect::<String>())
}

fn finish(asked: &Asked<'_>, baseline: &Side, now: &Side, matching: Matching<'_>) -> CheckFile {
    let rows = regressions(&matching.matched, asked.limits);
    let Matching { matched, differences, changes, mut not_checked, mut notes } = matching;
    for matched in &matched {
        for (side, runs) in [("baseline", &matched.baseline), ("result", &matched.now)] {
            notes.extend(left_out(runs).into_iter().map(|run| {
                let why = run.partial.clone().unwrap_or_else(|| "over 1 % of its requests failed".to_owned());
                let (label, round) = (&run.key.label, run.key.round);
                format!("{side}: {label}, round {round} is left out: {why}")
            }));
        }
    }
    notes.extend(few_requests(&matched, asked.limits));
    for row in rows.iter().filter(|row| row.verdict == CheckVerdict::NoValue) {
        let side = if row.baseline.is_none() { "the baseline" } else { "the result" };
        not_checked.push(format!("{} of {}, {}: {side} has no value", row.figure, row.label, row.load));
    }
    let regressed = rows.iter().any(|row| row.verdict == CheckVerdict::Regression);
    let outcome = match (regressed, not_checked.is_empty()) {
        (true, _) => CheckOutcome::Regressed,
        (false, true) => CheckOutcome::Passed,
        (false, false) => CheckOutcome::NotChecked,
    };
    let of = |path: &Path, side: &Side| CheckedResult {
        path: path.display().to_string(),
        run_ids: side.run_ids(),
    };
    CheckFile {
        schema_version: SCHEMA_VERSION,
        kind: "check".to_owned(),
        result: of(asked.result, now),
        baseline: of(asked.baseline, baseline),
        rows,
        differences,
        changes,
        not_checked,
        notes,
        outcome,
    }
}

/// A p99 of so few requests is little more than the slowest of them.
const VALUES_FOR_P99: u64 = 100;

/// Says where a p99 is asked for and a run has too few requests for one.
fn few_requests(matched: &[Matched<'_>], limits: &[MaxRegression]) -> Option<String> {
    let metrics = limits.iter().filter(|limit| limit.figure.statistic == Statistic::P99);
    let runs = || matched.iter().flat_map(|matched| matched.baseline.iter().chain(&matched.now));
    let counts = metrics.flat_map(|limit| {
        runs().filter_map(|played| match played.run.metrics.get(limit.figure.metric.name) {
            Some(MetricValue::Distribution(values)) => Some(values.count),
            Some(MetricValue::Scalar(_)) | None => None,
        })
    });
    let least = counts.min().filter(|least| *least < VALUES_FOR_P99)?;
    Some(format!(
        "a run has {least} values, of which a p99 is little more than the largest (--requests {VALUES_FOR_P99})"
    ))
}

/// Which labels are held against which: those that were named, the only one of each side, or those of one name.
fn label_pairs(asked: &Asked<'_>, baseline: &Side, now: &Side) -> anyhow::Result<Vec<LabelPair>> {
    let (then_labels, now_labels) = (baseline.labels(), now.labels());
    for pair in asked.labels {
        for (label, labels, path) in
            [(&pair.now, &now_labels, asked.result), (&pair.baseline, &then_labels, asked.baseline)]
        {
            if !labels.contains(label) {
                return refuse(
                    format!("no label {label} in {}", path.display()),
                    format!("it has {}", labels.join(", ")),
                );
            }
        }
    }
    if !asked.labels.is_empty() {
        return Ok(asked.labels.to_vec());
    }
    if let ([now], [baseline]) = (now_labels.as_slice(), then_labels.as_slice()) {
        return Ok(vec![LabelPair { now: now.clone(), baseline: baseline.clone() }]);
    }
    let both = now_labels.into_iter().filter(|label| then_labels.contains(label));
    Ok(both.map(|label| LabelPair { baseline: label.clone(), now: label }).collect())
}

/// What is found while the two sides are laid beside each other.
#[derive(Default)]
struct Matching<'a> {
    matched: Vec<Matched<'a>>,
    differences: Vec<Difference>,
    changes: Vec<Difference>,
    not_checked: Vec<String>,
    notes: Vec<String>,
}

impl<'a> Matching<'a> {
    /// The loads of one label. Loads that are the same on both sides belong together; one that is left on each side
    /// does too, and what differs is told.
    fn label(&mut self, pair: &LabelPair, baseline: &'a Side, now: &'a Side) {
        let mut then_cells: Vec<Cell<'a>> = baseline.cells(&pair.baseline);
        let mut left = Vec::new();
        for cell in now.cells(&pair.now) {
            match then_cells.iter().position(|then| then.same_work(&cell)) {
                Some(place) => {
                    let then = then_cells.remove(place);
                    self.cells(pair, &then, &cell);
                }
                None => left.push(cell),
            }
        }
        if let ([then], [cell]) = (then_cells.as_slice(), left.as_slice()) {
            return self.cells(pair, then, cell);
        }
        let says =
            |cell: &Cell<'_>, side: &str| format!("{}, {}: in the {side} alone", cell.label(), cell.load());
        let missing = then_cells.iter().map(|cell| says(cell, "baseline"));
        if baseline.is_directory {
            self.notes.extend(missing);
        } else {
            self.not_checked.extend(missing);
        }
        self.notes.extend(left.iter().map(|cell| says(cell, "result")));
    }

    fn cells(&mut self, pair: &LabelPair, then: &Cell<'a>, now: &Cell<'a>) {
        self.differences.extend(differences(then, now));
        let changes: Vec<Difference> =
            may_differ(then, now).into_iter().filter(|change| !self.changes.contains(change)).collect();
        self.changes.extend(changes);
        self.matched.push(Matched {
            label: pair.now.clone(),
            baseline_label: pair.baseline.clone(),
            load: now.load(),
            baseline: then.played(),
            now: now.played(),
        });
    }

    /// Labels that the baseline alone has: a server that no longer starts must not pass for one that is well.
    fn missing(&mut self, baseline: &Side, now: &Side, pairs: &[LabelPair]) {
        let is_paired = |label: &String| pairs.iter().any(|pair| pair.baseline == *label);
        for label in baseline.labels().iter().filter(|label| !is_paired(label)) {
            let why = now.failure_of(label).map_or_else(String::new, |error| format!(": {error}"));
            self.not_checked.push(format!("{label}: in the baseline alone{why}"));
        }
        let is_new = |label: &String| !pairs.iter().any(|pair| pair.now == *label);
        let new = now.labels().into_iter().filter(is_new);
        self.notes.extend(new.map(|label| format!("{label}: in the result alone")));
    }
}
