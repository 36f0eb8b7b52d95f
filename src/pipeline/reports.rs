//! Runs → a comparison and its directory.

use std::path::Path;

use anyhow::Context;

use crate::analysis::{ComparisonInput, compare};
use crate::report::chart::{self, ChartContext, ChartInput, ChartSpec};
use crate::report::csv::{self, SummaryRow};
use crate::report::html::{self, PageInput};
use crate::report::markdown;
use crate::results;
use crate::schema::SCHEMA_VERSION;
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::environment::Environment;
use crate::schema::files::ComparisonFile;
use crate::schema::plan::Plan;

use super::derive::Derived;

/// Puts runs side by side.
pub fn compared(plan: &Plan, runs: &[Derived], failed: &[FailedTarget]) -> Comparison {
    let summaries = runs.iter().map(|run| run.file.summary.clone()).collect();
    compare(ComparisonInput { plan, failed }, summaries)
}

/// Writes a comparison's directory: `summary.csv`, `plots/`, `report.md`, `report.html`, `comparison.json`; and the plan and the
/// machine, where the directory was deleted. A file that cannot be written costs no other.
///
/// # Errors
/// Those of all files that could not be written.
pub fn write_folder(
    folder: &Path,
    plan: &Plan,
    environment: &Environment,
    comparison: Comparison,
    runs: &[Derived],
) -> Result<(), Vec<anyhow::Error>> {
    let measured = comparison.runs.iter().map(|run| SummaryRow::of_run(plan, run));
    let failed = comparison.failed.iter().map(|failed| SummaryRow::of_failure(plan, failed, plan.created_at));
    let rows: Vec<Vec<String>> = measured.chain(failed).map(|row| csv::summary_row(&row)).collect();
    ensure_folder(folder, plan, environment).map_err(|error| vec![error])?;
    // A plan that was interrupted and went on later, maybe from another directory, is of the machine as it was first
    // looked at and lies where it was planned, whoever writes it.
    let planned = results::read_plan(&folder.join("plan.json")).ok();
    let output = planned.map_or_else(|| plan.output.clone(), |planned| planned.output);
    let first_look = results::read_environment(&folder.join("environment.json")).ok();
    let environment = first_look.as_ref().unwrap_or(environment);
    let file = ComparisonFile {
        schema_version: SCHEMA_VERSION,
        kind: "comparison".into(),
        plan: Plan { output, ..plan.clone() },
        environment: environment.clone(),
        comparison,
    };
    let specs = specs(&file.plan, &file.comparison, runs);
    let steps: [&dyn Fn() -> anyhow::Result<()>; 5] = [
        &|| results::write_table(&folder.join("summary.csv"), &csv::summary_header(), &rows),
        &|| write_plots(&folder.join("plots"), &specs),
        &|| results::write_atomic(&folder.join("report.md"), markdown::report_md(&file).as_bytes()),
        &|| write_page(&folder.join("report.html"), &file, &specs),
        &|| results::write_json(&folder.join("comparison.json"), &file),
    ];
    let errors: Vec<anyhow::Error> = steps.into_iter().filter_map(|step| step().err()).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn ensure_folder(folder: &Path, plan: &Plan, environment: &Environment) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (plan_path, environment_path) = (folder.join("plan.json"), folder.join("environment.json"));
    if !plan_path.exists() {
        results::write_json(&plan_path, plan)?;
    }
    if !environment_path.exists() {
        results::write_json(&environment_path, environment)?;
    }
    Ok(())
}

fn write_plots(plots: &Path, specs: &[ChartSpec]) -> anyhow::Result<()> {
    std::fs::create_dir_all(plots).with_context(|| format!("cannot make {}", plots.display()))?;
    for spec in specs {
        let chart = chart::draw(spec)?;
        results::write_atomic(&plots.join(format!("{}.png", chart.name)), &chart.png)?;
        results::write_atomic(&plots.join(format!("{}.svg", chart.name)), chart.svg.as_bytes())?;
    }
    Ok(())
}

fn write_page(path: &Path, file: &ComparisonFile, charts: &[ChartSpec]) -> anyhow::Result<()> {
    let page = html::report_html(&PageInput { file, charts })?;
    results::write_atomic(path, page.as_bytes())
}

fn specs(plan: &Plan, comparison: &Comparison, runs: &[Derived]) -> Vec<ChartSpec> {
    let context = ChartContext::new(plan, comparison);
    let mut ttft: Vec<(String, Vec<f64>)> = Vec::new();
    for run in runs.iter().filter(|run| !run.ttft_ms.is_empty()) {
        let label = &run.key().label;
        match ttft.iter_mut().find(|(known, _)| known == label) {
            Some((_, values)) => values.extend(&run.ttft_ms),
            None => ttft.push((label.clone(), run.ttft_ms.clone())),
        }
    }
    let input = ChartInput { comparison, ttft_ms: &ttft, context: &context };
    chart::listed(comparison).iter().map(|listed| (listed.spec)(&input)).collect()
}
