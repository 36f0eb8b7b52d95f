//! Parts of runs, told apart by turn, model or endpoint, as rows.

use super::number::{NONE, compact, count, one_line};
use super::sweep::load_name;
use crate::schema::comparison::Comparison;
use crate::schema::distribution::Distribution;
use crate::schema::slice::{Slice, SliceBy};
use crate::schema::summary::RunSummary;

/// A table of words and numbers, for every page.
pub struct TextTable {
    /// `By turn`
    pub title: String,
    /// Heads; those of numbers begin at `numbers`.
    pub heads: Vec<String>,
    /// Cells in the order of the heads.
    pub rows: Vec<Vec<String>>,
    /// The first column of numbers.
    pub numbers: usize,
}

/// What is said of the figures below the tables.
pub const NOTE: &str = "Latencies in ms, of completed requests; rates over the whole run. History: the share of the \
prompt tokens that repeats the conversation before it. Of several runs of one load, means.";

/// The tables; none where no run has parts.
pub fn tables(comparison: &Comparison) -> Vec<TextTable> {
    SliceBy::ALL.into_iter().filter_map(|by| table(comparison, by)).collect()
}

/// `By turn`
fn title(by: SliceBy) -> String {
    format!("By {}", by.name().to_lowercase())
}

fn table(comparison: &Comparison, by: SliceBy) -> Option<TextTable> {
    let groups = groups(&comparison.runs);
    let has_parts = |runs: &[&RunSummary]| runs.iter().any(|run| of(run, by).next().is_some());
    if !groups.iter().any(|runs| has_parts(runs)) {
        return None;
    }
    let loads = comparison.loads.len() > 1;
    let labels = groups.iter().any(|runs| runs[0].key.label != groups[0][0].key.label);
    let mut heads: Vec<String> = Vec::new();
    heads.extend(loads.then(|| "Load".to_owned()));
    heads.extend(labels.then(|| "Backend".to_owned()));
    heads.push(by.name().to_owned());
    let numbers = heads.len();
    heads.extend(figures(by).iter().map(|(name, _)| (*name).to_owned()));
    let mut rows = Vec::new();
    for runs in &groups {
        for name in names(runs, by) {
            let parts: Vec<&Slice> =
                runs.iter().flat_map(|run| of(run, by)).filter(|slice| slice.name == name).collect();
            let key = &runs[0].key;
            let mut cells: Vec<String> = Vec::new();
            cells.extend(loads.then(|| load_name(comparison, key.point)));
            cells.extend(labels.then(|| key.label.clone()));
            cells.push(name);
            cells.extend(figures(by).iter().map(|(_, cell)| cell(&parts)));
            rows.push(cells);
        }
    }
    Some(TextTable { title: title(by), heads, rows, numbers })
}

/// Runs of one label at one point, in the order of the first of each.
fn groups(runs: &[RunSummary]) -> Vec<Vec<&RunSummary>> {
    let mut groups: Vec<Vec<&RunSummary>> = Vec::new();
    for run in runs {
        let same = |group: &&mut Vec<&RunSummary>| {
            (&group[0].key.label, group[0].key.point) == (&run.key.label, run.key.point)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    groups
}

fn of(run: &RunSummary, by: SliceBy) -> impl Iterator<Item = &Slice> {
    run.slices.iter().filter(move |slice| slice.by == by)
}

fn names(runs: &[&RunSummary], by: SliceBy) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for slice in runs.iter().flat_map(|run| of(run, by)) {
        if !names.contains(&slice.name) {
            names.push(slice.name.clone());
        }
    }
    names
}

/// A figure's head and what it shows of the parts of several runs.
type Figure = (&'static str, fn(&[&Slice]) -> String);

fn figures(by: SliceBy) -> &'static [Figure] {
    const ALL: [Figure; 8] = [
        ("Completed", |parts| sum(parts, |slice| slice.requests.completed)),
        ("Failed", |parts| sum(parts, |slice| slice.requests.failed)),
        ("TTFT p50", |parts| mean(parts, |slice| p50(slice.ttft_ms.as_ref()))),
        ("TTFT p99", |parts| mean(parts, |slice| p99(slice.ttft_ms.as_ref()))),
        ("TPOT p50", |parts| mean(parts, |slice| p50(slice.tpot_ms.as_ref()))),
        ("E2E p50", |parts| mean(parts, |slice| p50(slice.e2e_ms.as_ref()))),
        ("Output tok/s", |parts| mean(parts, |slice| Some(slice.output_tps))),
        ("History", |parts| match mean(parts, |slice| slice.history_pct) {
            none if none == NONE => none,
            share => format!("{share} %"),
        }),
    ];
    match by {
        SliceBy::Turn => &ALL,
        SliceBy::Model | SliceBy::Endpoint => &ALL[..7],
    }
}

fn sum(parts: &[&Slice], of: fn(&Slice) -> u64) -> String {
    count(parts.iter().map(|slice| of(slice)).sum())
}

fn mean(parts: &[&Slice], of: fn(&Slice) -> Option<f64>) -> String {
    let values: Vec<f64> = parts.iter().filter_map(|slice| of(slice)).collect();
    if values.is_empty() {
        NONE.to_owned()
    } else {
        compact(values.iter().sum::<f64>() / values.len() as f64)
    }
}

fn p50(distribution: Option<&Distribution>) -> Option<f64> {
    distribution.map(|held| held.p50)
}

fn p99(distribution: Option<&Distribution>) -> Option<f64> {
    distribution.map(|held| held.p99)
}

/// The parts of one run, a line each, as a block on the terminal shows them: name and text.
pub fn block_lines(run: &RunSummary) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for by in SliceBy::ALL {
        for (place, slice) in of(run, by).enumerate() {
            let head = match (place, by) {
                (0, SliceBy::Turn) => "By turn",
                (0, SliceBy::Model) => "By model",
                (0, SliceBy::Endpoint) => "By endpoint",
                (_, _) => "",
            };
            lines.push((head, line(slice)));
        }
    }
    lines
}

/// `2: 20 done, TTFT p50 34.1 p99 40.2 ms, TPOT 8.1 ms, 45.2 tok/s, 61 % history`
fn line(slice: &Slice) -> String {
    let one = [slice];
    let ms = |of: fn(&Slice) -> Option<f64>| mean(&one, of);
    let failed =
        if slice.requests.failed > 0 { format!(", {} failed", slice.requests.failed) } else { String::new() };
    let history =
        slice.history_pct.map(|share| format!(", {} % history", compact(share))).unwrap_or_default();
    format!(
        "{}: {} done{failed}, TTFT p50 {} p99 {} ms, TPOT {} ms, {} tok/s{history}",
        one_line(&slice.name),
        slice.requests.completed,
        ms(|slice| p50(slice.ttft_ms.as_ref())),
        ms(|slice| p99(slice.ttft_ms.as_ref())),
        ms(|slice| p50(slice.tpot_ms.as_ref())),
        compact(slice.output_tps),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::schema::summary::RequestCounts;

    fn slice(by: SliceBy, name: &str, tps: f64) -> Slice {
        Slice {
            by,
            name: name.to_owned(),
            requests: RequestCounts { issued: 9, completed: 9, ..RequestCounts::default() },
            prompt_tokens: 100,
            output_tokens: 50,
            history_pct: (name == "2").then_some(61.0),
            output_tps: tps,
            rps: 1.0,
            ttft_ms: None,
            tpot_ms: None,
            e2e_ms: None,
        }
    }

    #[test]
    fn parts_of_several_runs_are_told_by_their_names_and_means() {
        let mut run = fixture::run("a", 1.0);
        run.slices = vec![slice(SliceBy::Turn, "1", 10.0), slice(SliceBy::Turn, "2", 5.0)];
        let mut again = run.clone();
        again.key.round = 2;
        again.slices[0].output_tps = 20.0;
        let comparison = fixture::comparison(vec![run.clone(), again]);
        let [table] = tables(&comparison).try_into().ok().unwrap();
        assert_eq!((table.title.as_str(), table.numbers), ("By turn", 1));
        assert_eq!(table.heads.last().unwrap(), "History");
        assert_eq!(table.rows[0], ["1", "18", "0", "–", "–", "–", "–", "15.0", "–"]);
        assert_eq!(table.rows[1].last().unwrap(), "61.0 %");
        let lines = block_lines(&run);
        assert_eq!(lines[0].0, "By turn");
        assert_eq!(
            lines[1],
            ("", "2: 9 done, TTFT p50 – p99 – ms, TPOT – ms, 5.00 tok/s, 61.0 % history".into())
        );
        assert!(tables(&fixture::comparison(vec![fixture::run("a", 1.0)])).is_empty());
    }
}
