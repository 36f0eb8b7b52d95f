//! Runs → files: a row in the file of all runs, a comparison's directory.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;

use crate::analysis::{ComparisonInput, compare};
use crate::report::chart::{self, Chart, ChartContext, ChartInput};
use crate::report::csv::{self, SummaryRow};
use crate::report::markdown;
use crate::results;
use crate::schema::SCHEMA_VERSION;
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::environment::Environment;
use crate::schema::files::ComparisonFile;
use crate::schema::plan::Plan;

use super::derive::Derived;
use super::event::{Event, Listener};

/// Where the rows of a plan go: those of pretend engines never beside measured ones.
pub fn summary_file(plan: &Plan) -> &'static str {
    if plan.simulated { results::SIMULATED_FILE } else { results::SUMMARY_FILE }
}

/// Appends a run's row to the file of all runs beside its own files.
pub fn append_run(run: &Derived, listen: Listener<'_>) -> anyhow::Result<()> {
    append(SummaryRow::of_run(&run.file.plan, &run.file.summary), run.files.directory(), listen)
}

/// Appends a run's row where the file of all runs does not hold it, because the harness died.
pub fn append_missing_run(run: &Derived, listen: Listener<'_>) -> anyhow::Result<()> {
    let plan = &run.file.plan;
    let directory = run.files.directory();
    if results::summary_holds(directory, summary_file(plan), &plan.run_id, run.key())? {
        return Ok(());
    }
    append_run(run, listen)
}

/// Appends the row of a launch that gave no result.
pub fn append_failure(plan: &Plan, failed: &FailedTarget, listen: Listener<'_>) -> anyhow::Result<()> {
    append(SummaryRow::of_failure(plan, failed, Timestamp::now()), &plan.output.directory, listen)
}

fn append(row: SummaryRow<'_>, directory: &Path, listen: Listener<'_>) -> anyhow::Result<()> {
    let file = summary_file(row.plan);
    let row = csv::summary_row(&row);
    let done = results::append_summary(directory, file, &csv::summary_header(), &[row], Timestamp::now())?;
    if let Some(renamed) = done.renamed {
        listen(Event::Note(&format!(
            "{file} has other columns than this version writes: it is now {}",
            renamed.display()
        )));
    }
    if let Some(aside) = done.moved_aside {
        listen(Event::Note(&format!(
            "{file} ended in a half-written line: that is now in {}",
            aside.display()
        )));
    }
    Ok(())
}

/// Puts runs side by side.
pub fn compared(plan: &Plan, runs: &[Derived], failed: &[FailedTarget]) -> Comparison {
    let summaries = runs.iter().map(|run| run.file.summary.clone()).collect();
    compare(ComparisonInput { plan, failed }, summaries)
}

/// Writes a comparison's directory: `comparison.json`, `summary.csv`, `report.md`, `plots/`.
pub fn write_folder(
    folder: &Path,
    plan: &Plan,
    environment: &Environment,
    comparison: Comparison,
    runs: &[Derived],
) -> anyhow::Result<()> {
    let measured = comparison.runs.iter().map(|run| SummaryRow::of_run(plan, run));
    let failed = comparison.failed.iter().map(|failed| SummaryRow::of_failure(plan, failed, plan.created_at));
    let rows: Vec<Vec<String>> = measured.chain(failed).map(|row| csv::summary_row(&row)).collect();
    results::write_table(&folder.join("summary.csv"), &csv::summary_header(), &rows)?;
    let plots = folder.join("plots");
    std::fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    for chart in charts(plan, &comparison, runs)? {
        results::write_atomic(&plots.join(format!("{}.png", chart.name)), &chart.png)?;
        results::write_atomic(&plots.join(format!("{}.svg", chart.name)), chart.svg.as_bytes())?;
    }
    let file = ComparisonFile {
        schema_version: SCHEMA_VERSION,
        kind: "comparison".into(),
        plan: plan.clone(),
        environment: environment.clone(),
        comparison,
    };
    results::write_atomic(&folder.join("report.md"), markdown::report_md(&file).as_bytes())?;
    results::write_json(&folder.join("comparison.json"), &file)
}

fn charts(plan: &Plan, comparison: &Comparison, runs: &[Derived]) -> anyhow::Result<Vec<Chart>> {
    let context = ChartContext::new(plan, comparison);
    let mut ttft: Vec<(String, Vec<f64>)> = Vec::new();
    for run in runs {
        let label = &run.key().label;
        match ttft.iter_mut().find(|(known, _)| known == label) {
            Some((_, values)) => values.extend(&run.ttft_ms),
            None => ttft.push((label.clone(), run.ttft_ms.clone())),
        }
    }
    let input = ChartInput { comparison, ttft_ms: &ttft, context: &context };
    chart::listed(comparison).iter().map(|listed| chart::draw(&(listed.spec)(&input))).collect()
}
