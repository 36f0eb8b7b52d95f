//! The file of all runs → groups of runs over time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::analysis::{TrendValues, trend as changes};
use crate::results::{self, SIMULATED_FILE, SummaryRecord};
use crate::schema::SCHEMA_VERSION;
use crate::schema::figure_name::Figure;
use crate::schema::trend::{RunApart, TrendFile, TrendGroup, TrendKey, TrendPoint};

/// Reads the file and those that it was before its columns changed. Of several rows of one run the last counts.
///
/// # Errors
/// A file cannot be read, or is none of this program's.
pub fn trend(
    path: &Path,
    figures: &[Figure],
    wanted: &dyn Fn(&SummaryRecord) -> bool,
) -> anyhow::Result<TrendFile> {
    let columns: Vec<String> = figures.iter().map(Figure::column).collect();
    let paths = results::with_older_files(path)?;
    let mut rows: BTreeMap<(String, String, [u32; 3]), SummaryRecord> = BTreeMap::new();
    let mut passed_over = 0;
    for path in &paths {
        let read = results::summary_records(path, &columns)?;
        passed_over += read.passed_over;
        for row in read.rows.into_iter().filter(|row| wanted(row)) {
            rows.insert((row.run_id.clone(), row.backend.clone(), row.key), row);
        }
    }
    let mut groups: BTreeMap<TrendKey, Vec<SummaryRecord>> = BTreeMap::new();
    for row in rows.into_values() {
        groups.entry(key(&row)).or_default().push(row);
    }
    Ok(TrendFile {
        schema_version: SCHEMA_VERSION,
        kind: "trend".to_owned(),
        paths: paths.iter().map(|path| path.display().to_string()).collect(),
        simulated: path.file_name().is_some_and(|name| name == SIMULATED_FILE),
        groups: groups.into_iter().map(|(of, rows)| group(of, rows, figures, &columns)).collect(),
        figures: columns,
        passed_over,
    })
}

fn key(row: &SummaryRecord) -> TrendKey {
    let load = match (row.rate.as_str(), row.concurrency.as_str()) {
        ("", "") => "a load that is not told".to_owned(),
        ("", concurrency) => format!("concurrency {concurrency}"),
        ("inf", "") => "all at once".to_owned(),
        ("inf", cap) => format!("all at once, at most {cap} in flight"),
        (rate, "") => format!("{rate}/s"),
        (rate, cap) => format!("{rate}/s, at most {cap} in flight"),
    };
    TrendKey {
        backend: row.backend.clone(),
        model: row.model.clone(),
        precision: row.precision.clone(),
        dataset: row.dataset.clone(),
        endpoint: row.endpoint.clone(),
        load,
    }
}

/// Why a run enters no figure; none where it does.
fn apart(row: &SummaryRecord) -> Option<String> {
    // Rows of before that was kept have no word of it.
    if !row.exit.is_empty() && row.exit != "ok" {
        return Some(row.exit.clone());
    }
    row.caveats.split(';').find(|code| *code == "failures").map(str::to_owned)
}

fn group(of: TrendKey, rows: Vec<SummaryRecord>, figures: &[Figure], columns: &[String]) -> TrendGroup {
    let mut left_out = Vec::new();
    let mut by_plan: BTreeMap<String, Vec<SummaryRecord>> = BTreeMap::new();
    for row in rows {
        match apart(&row) {
            Some(why) => left_out.push(RunApart { at: row.at, run_id: row.run_id, why }),
            None => by_plan.entry(row.run_id.clone()).or_default().push(row),
        }
    }
    left_out.sort_by_key(|run| run.at);
    let mut plans: Vec<Vec<SummaryRecord>> = by_plan.into_values().collect();
    for rows in &mut plans {
        rows.sort_by_key(|row| row.at);
    }
    plans.sort_by_key(|rows| rows.first().map(|row| row.at));
    let values: Vec<TrendValues> = plans
        .iter()
        .map(|rows| {
            figures.iter().enumerate().map(|(place, figure)| over_rounds(rows, place, *figure)).collect()
        })
        .collect();
    let found = changes(figures, &values);
    let points = plans.iter().zip(found).filter_map(|(rows, found)| {
        let first = rows.first()?;
        let rounds: BTreeSet<u32> = rows.iter().map(|row| row.key[1]).collect();
        let figures = columns.iter().cloned().zip(found);
        Some(TrendPoint {
            at: first.at,
            run_id: first.run_id.clone(),
            rounds: rounds.len() as u32,
            engine_version: first.engine_version.clone(),
            figures: figures.filter_map(|(name, figure)| Some((name, figure?))).collect(),
        })
    });
    TrendGroup { of, points: points.collect(), apart: left_out }
}

/// One value of a plan's rounds: the mean over rounds of the mean over a round's repeats, on logarithms unless the figure
/// is itself in %.
fn over_rounds(rows: &[SummaryRecord], place: usize, figure: Figure) -> Option<f64> {
    let is_share = figure.metric.unit == "%";
    let mut by_round: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for row in rows {
        let value = row.values.get(place).copied().flatten();
        let value = value.filter(|value| is_share || *value > 0.0);
        by_round
            .entry(row.key[1])
            .or_default()
            .extend(value.map(|value| if is_share { value } else { value.ln() }));
    }
    let mean =
        |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let rounds: Vec<f64> = by_round.values().filter_map(|values| mean(values)).collect();
    mean(&rounds).map(|mean| if is_share { mean } else { mean.exp() })
}
