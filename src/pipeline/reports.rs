//! Runs → a comparison and its directory.

use std::path::Path;

use anyhow::Context;

use crate::analysis::{ComparisonInput, compare};
use crate::report::chart::{self, ChartContext, ChartInput, ChartSpec, DrawnRun};
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
    let charts = charts(&file, runs);
    let steps: [&(dyn Fn() -> anyhow::Result<()> + Sync); 5] = [
        &|| results::write_table(&folder.join("summary.csv"), &csv::summary_header(), &rows),
        &|| write_plots(&folder.join("plots"), &charts),
        &|| results::write_atomic(&folder.join("report.md"), markdown::report_md(&file, &charts).as_bytes()),
        &|| write_page(&folder.join("report.html"), &file, &charts),
        &|| results::write_json(&folder.join("comparison.json"), &file),
    ];
    // Each waits for the disk now and then, while another works.
    let errors: Vec<anyhow::Error> = std::thread::scope(|scope| {
        let done: Vec<_> = steps.into_iter().map(|step| scope.spawn(step)).collect();
        let done =
            done.into_iter().map(|step| step.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done.filter_map(Result::err).collect()
    });
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

/// The pictures of these charts, and no other ones: what an earlier report drew and this one has no data for, goes.
fn write_plots(plots: &Path, charts: &[ChartSpec]) -> anyhow::Result<()> {
    std::fs::create_dir_all(plots).with_context(|| format!("cannot make {}", plots.display()))?;
    chart::draw_all(charts, |chart| {
        results::write_atomic(&plots.join(format!("{}.png", chart.name)), &chart.png)?;
        results::write_atomic(&plots.join(format!("{}.svg", chart.name)), chart.svg.as_bytes())
    })?;
    for name in chart::names().filter(|name| !charts.iter().any(|chart| chart.name == *name)) {
        for end in ["png", "svg"] {
            remove(&plots.join(format!("{name}.{end}")))?;
        }
    }
    Ok(())
}

fn write_page(path: &Path, file: &ComparisonFile, charts: &[ChartSpec]) -> anyhow::Result<()> {
    let page = html::report_html(&PageInput { file, charts })?;
    results::write_atomic(path, page.as_bytes())
}

/// Removes a file that may be there.
fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The charts of a comparison that have data.
fn charts(file: &ComparisonFile, runs: &[Derived]) -> Vec<ChartSpec> {
    let context = ChartContext::new(&file.plan, &file.comparison);
    let runs: Vec<DrawnRun<'_>> = runs.iter().map(|run| DrawnRun::of_file(&run.file)).collect();
    chart::specs(&ChartInput { comparison: &file.comparison, runs: &runs, context: &context })
}
