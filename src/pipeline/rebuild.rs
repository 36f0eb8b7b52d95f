//! Every report again, from the records: what `harness report` does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::results;
use crate::schema::comparison::FailedTarget;
use crate::schema::plan::Plan;
use crate::schema::refusal::refuse;

use super::derive::{Derived, derive};
use super::event::{Event, Listener};
use super::missing::missing;
use super::reports;

/// Rebuilds the files of every run that `paths` name, and of the comparisons that they belong to. A run
/// that the file of all runs does not hold yet, because the harness died, is appended.
/// True where a run failed, was partial, or could not be read.
///
/// # Errors
/// Nothing to rebuild, or an output that cannot be written.
pub fn rebuild(paths: &[PathBuf], listen: Listener<'_>) -> anyhow::Result<bool> {
    let Found { by_run_id, mut folders, mut trouble } = find(paths, listen)?;
    if by_run_id.is_empty() && folders.is_empty() {
        return refuse(
            format!("no run in {}", shown(paths)),
            "give a results directory or a run's records file",
        );
    }
    for (run_id, runs) in &by_run_id {
        for (place, run) in runs.iter().enumerate() {
            trouble |= run.file.summary.partial.is_some() || run.file.summary.requests.failed > 0;
            let closed = (place + 1, run.file.plan.run_count());
            listen(Event::RunClosed { run: &run.file, path: &run.files.json(), closed });
            reports::append_missing_run(run, listen)?;
        }
        let Some(first) = runs.first() else { continue };
        if first.file.plan.output.folder && !is_whole(run_id, runs)? {
            let folder = first.files.directory().join(run_id);
            listen(Event::Note(&format!(
                "{run_id} has further runs: give {} to make the comparison again",
                folder.display()
            )));
        } else if first.file.plan.output.folder {
            // The results may have been moved since they were written.
            let folder = first.files.directory().join(run_id);
            rebuild_folder(&folder, &first.file.plan, runs, listen)?;
            folders.retain(|other| !same(other, &folder));
        }
    }
    for folder in &folders {
        trouble = true;
        listen(Event::Trouble(&format!(
            "{}: no backend got as far as a request, so there is nothing to rebuild",
            folder.display()
        )));
    }
    Ok(trouble)
}

/// True where these are all runs of the plan that lie beside them: a comparison is not made of some of its runs.
fn is_whole(run_id: &str, runs: &[Derived]) -> anyhow::Result<bool> {
    let Some(first) = runs.first() else { return Ok(false) };
    let wanted: BTreeSet<PathBuf> = runs.iter().map(|run| run.files.json()).collect();
    let beside = results::runs_in(first.files.directory())?.runs;
    let mut own = beside.iter().filter(|run| run.run_id == run_id && run.records.is_some());
    Ok(own.all(|run| wanted.contains(&run.files.json())))
}

/// What the paths hold.
struct Found {
    by_run_id: BTreeMap<String, Vec<Derived>>,
    /// Directories of comparisons.
    folders: Vec<PathBuf>,
    /// Something could not be read.
    trouble: bool,
}

fn find(paths: &[PathBuf], listen: Listener<'_>) -> anyhow::Result<Found> {
    let mut found = Found { by_run_id: BTreeMap::new(), folders: Vec::new(), trouble: false };
    let mut seen = BTreeSet::new();
    for path in paths {
        let there = results::find_runs(path)?;
        for unreadable in &there.unreadable {
            found.trouble = true;
            let why = format!("warning: {}: {}", unreadable.path.display(), unreadable.why);
            listen(Event::Trouble(&why));
        }
        if path.join("plan.json").is_file() {
            found.folders.push(path.clone());
        }
        for run in there.runs.into_iter().filter(|run| seen.insert(run.files.json())) {
            if run.records.is_none() {
                let stays = format!("{}: its records are gone, so it stays as it is", run.files.stem());
                listen(Event::Note(&stays));
                continue;
            }
            let derived = derive(&run.files)?;
            found.by_run_id.entry(run.run_id).or_default().push(derived);
        }
    }
    Ok(found)
}

fn rebuild_folder(folder: &Path, plan: &Plan, runs: &[Derived], listen: Listener<'_>) -> anyhow::Result<()> {
    let failed = failed_targets(folder, plan, runs);
    let comparison = reports::compared(plan, runs, &failed);
    let Some(environment) = runs.first().map(|run| &run.file.environment) else { return Ok(()) };
    reports::write_folder(folder, plan, environment, comparison.clone(), runs)?;
    listen(Event::Compared { comparison: &comparison, folder: Some(folder) });
    Ok(())
}

/// What failed by the comparison's file, where the harness lived to write it, but for launches whose runs
/// were all played since; and every other target that lacks runs.
fn failed_targets(folder: &Path, plan: &Plan, runs: &[Derived]) -> Vec<FailedTarget> {
    let known = results::read_comparison(&folder.join("comparison.json"))
        .map(|file| file.comparison.failed)
        .unwrap_or_default();
    let of_launch = plan.loads.len() * plan.repeats as usize;
    let is_played = |failed: &FailedTarget| {
        let own = |run: &&Derived| run.key().label == failed.label && run.key().round == failed.round;
        runs.iter().filter(own).count() == of_launch
    };
    let mut failed = known;
    failed.retain(|failed| !is_played(failed));
    let played = runs.iter().map(|run| run.key().clone()).collect();
    let missing = missing(plan, &played, &failed, "the harness ended before its turn");
    failed.extend(missing);
    failed
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
