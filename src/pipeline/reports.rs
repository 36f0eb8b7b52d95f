//! Runs → what people see: blocks and tables on stdout, a row in the file of all runs, a comparison's directory.

use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;

use crate::analysis::{ComparisonInput, compare};
use crate::progress::Progress;
use crate::report::chart::{self, CHARTS, Chart, ChartContext, ChartInput};
use crate::report::csv;
use crate::report::markdown;
use crate::report::terminal::{self, Style};
use crate::results;
use crate::schema::SCHEMA_VERSION;
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::environment::Environment;
use crate::schema::files::{ComparisonFile, RunFile};
use crate::schema::plan::Plan;

use super::derive::Derived;

/// Prints a run's block.
pub fn print_run(run: &RunFile, style: Style) {
    print(&terminal::run_block(&run.summary, style));
}

/// Prints all runs side by side.
pub fn print_comparison(comparison: &Comparison, style: Style) {
    print(&terminal::comparison_table(comparison, style));
}

/// Prints what is to be doubted of runs that are compared with nothing.
pub fn print_caveats(comparison: &Comparison, style: Style) {
    let alone = Comparison { caveats: Vec::new(), ..comparison.clone() };
    let text = terminal::caveat_list(&alone, style);
    if !text.is_empty() {
        print(&text);
    }
}

#[expect(clippy::print_stdout, reason = "results go to stdout, and this is where they do")]
fn print(text: &str) {
    println!("{}", text.trim_end());
}

/// Where the rows of a plan go: those of pretend engines never beside measured ones.
pub fn summary_file(plan: &Plan) -> &'static str {
    if plan.simulated { results::SIMULATED_FILE } else { results::SUMMARY_FILE }
}

/// Appends a run's row to the file of all runs.
pub fn append_run(run: &RunFile, output: &Path, progress: &Progress) -> anyhow::Result<()> {
    append(&run.plan, csv::summary_row(&run.plan, &run.summary), output, progress)
}

/// Appends the row of a backend that gave no result.
pub fn append_failure(plan: &Plan, failed: &FailedTarget, progress: &Progress) -> anyhow::Result<()> {
    append(plan, csv::failed_row(plan, failed, Timestamp::now()), &plan.output, progress)
}

fn append(plan: &Plan, row: Vec<String>, output: &Path, progress: &Progress) -> anyhow::Result<()> {
    let file = summary_file(plan);
    let done = results::append_summary(output, file, &csv::summary_header(), &[row], Timestamp::now())?;
    if let Some(renamed) = done.renamed {
        progress.say(&format!(
            "{file} has other columns than this version writes: it is now {}",
            renamed.display()
        ));
    }
    if let Some(aside) = done.moved_aside {
        progress.say(&format!("{file} ended in a half-written line: that is now in {}", aside.display()));
    }
    Ok(())
}

/// Puts runs side by side.
pub fn compared(plan: &Plan, runs: &[Derived], failed: &[FailedTarget]) -> Comparison {
    let summaries = runs.iter().map(|run| run.file.summary.clone()).collect();
    compare(ComparisonInput::of_plan(plan, failed), summaries)
}

/// Writes a comparison's directory: `comparison.json`, `summary.csv`, `report.md`, `plots/`.
pub fn write_folder(
    folder: &Path,
    plan: &Plan,
    environment: &Environment,
    comparison: Comparison,
    runs: &[Derived],
) -> anyhow::Result<()> {
    let mut rows: Vec<Vec<String>> = comparison.runs.iter().map(|run| csv::summary_row(plan, run)).collect();
    rows.extend(comparison.failed.iter().map(|failed| csv::failed_row(plan, failed, plan.created_at)));
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
    let ttft: Vec<(String, Vec<f64>)> =
        runs.iter().map(|run| (run.file.summary.label.clone(), run.ttft_ms.clone())).collect();
    let input = ChartInput { comparison, ttft_ms: &ttft, context: &context };
    CHARTS.iter().map(|listed| chart::draw(&(listed.spec)(&input))).collect()
}

/// Where a comparison's directory lies.
pub fn folder(plan: &Plan) -> PathBuf {
    plan.output.join(&plan.run_id)
}
