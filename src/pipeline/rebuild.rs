//! Every report again, from the records: what `harness report` does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::progress::Progress;
use crate::report::terminal::Style;
use crate::results;
use crate::schema::comparison::FailedTarget;
use crate::schema::plan::{CommandKind, Plan};
use crate::schema::refusal::refuse;

use super::derive::{Derived, derive};
use super::reports;

/// Rebuilds the files of every run that `paths` name, and of the comparisons that they belong to. A run
/// that the file of all runs does not hold yet, because the harness died, is appended.
/// True where a run failed, was partial, or could not be read.
///
/// # Errors
/// Nothing to rebuild, or an output that cannot be written.
pub fn rebuild(paths: &[PathBuf], style: Style, progress: &Progress) -> anyhow::Result<bool> {
    let mut by_run_id: BTreeMap<String, Vec<Derived>> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut trouble = false;
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths {
        let found = results::find_runs(path)?;
        for unreadable in &found.unreadable {
            trouble = true;
            progress.error(&format!("warning: {}: {}", unreadable.path.display(), unreadable.why));
        }
        if path.join("plan.json").is_file() {
            folders.push(path.clone());
        }
        for run in found.runs.into_iter().filter(|run| seen.insert(run.files.json())) {
            if run.records.is_none() {
                progress.say(&format!("{}: its records are gone, so it stays as it is", run.files.stem()));
                continue;
            }
            let derived = derive(&run.files)?;
            by_run_id.entry(run.run_id).or_default().push(derived);
        }
    }
    if by_run_id.is_empty() && folders.is_empty() {
        return refuse(
            format!("no run in {}", shown(paths)),
            "give a results directory or a run's records file",
        );
    }
    for (run_id, runs) in &by_run_id {
        for run in runs {
            trouble |= run.file.summary.partial.is_some() || run.file.summary.requests.failed > 0;
            reports::print_run(&run.file, style);
            let output = run.files.directory();
            let file = reports::summary_file(&run.file.plan);
            if !results::summary_holds(output, file, run_id, &run.file.summary.label)? {
                reports::append_run(&run.file, output, progress)?;
            }
        }
        let Some(first) = runs.first() else { continue };
        if first.file.plan.command == CommandKind::Compare {
            let folder = first.files.directory().join(run_id);
            rebuild_folder(&folder, &first.file.plan, runs, style, progress)?;
            folders.retain(|other| !same(other, &folder));
        }
    }
    for folder in &folders {
        trouble = true;
        progress.error(&format!(
            "{}: no backend got as far as a request, so there is nothing to rebuild",
            folder.display()
        ));
    }
    Ok(trouble)
}

fn rebuild_folder(
    folder: &Path,
    plan: &Plan,
    runs: &[Derived],
    style: Style,
    progress: &Progress,
) -> anyhow::Result<()> {
    let failed = failed_targets(folder, plan, runs);
    let comparison = reports::compared(plan, runs, &failed);
    let Some(environment) = runs.first().map(|run| &run.file.environment) else { return Ok(()) };
    reports::write_folder(folder, plan, environment, comparison.clone(), runs)?;
    reports::print_comparison(&comparison, style);
    progress.say(&format!("files: {}", folder.display()));
    Ok(())
}

/// Targets without records: with the error that the comparison's file holds, where the harness lived to
/// write it.
fn failed_targets(folder: &Path, plan: &Plan, runs: &[Derived]) -> Vec<FailedTarget> {
    let known = results::read_comparison(&folder.join("comparison.json"))
        .map(|file| file.comparison.failed)
        .unwrap_or_default();
    let has_run = |label: &str| runs.iter().any(|run| run.file.summary.label == label);
    let without = plan.targets.iter().filter(|target| !has_run(&target.label));
    without
        .map(|target| {
            let known = known.iter().find(|failed| failed.label == target.label);
            known.cloned().unwrap_or_else(|| FailedTarget {
                label: target.label.clone(),
                error: "not measured: the harness ended before its turn".into(),
                hint: String::new(),
            })
        })
        .collect()
}

fn same(left: &Path, right: &Path) -> bool {
    match (left.canonicalize(), right.canonicalize()) {
        (Ok(left), Ok(right)) => left == right,
        (Ok(_) | Err(_), _) => false,
    }
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
