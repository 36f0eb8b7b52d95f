//! Every report again, from the records: what `harness report` does. What is good is made again, what is not is
//! named, and a run that still goes on is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::analysis::curves_of_figures;
use crate::directories::is_disk_full;
use crate::results::{self, FoundRun, Unreadable};
use crate::schema::comparison::FailedTarget;
use crate::schema::files::{ComparisonFile, RunFile};
use crate::schema::plan::Plan;
use crate::schema::refusal::{refuse, shown};
use crate::schema::summary::RunSummary;

use super::closed::grown;
use super::derive::{self, Derived};
use super::event::{Event, Listener};
use super::merge_found::merge_found;
use super::missing::missing;
use super::reports;
use super::rows::Rows;
use super::sure;
use super::try_hold;

/// Rebuilds the files of every run that `paths` name, and of the comparisons that they belong to. The row of each
/// run is put right in the file of all runs.
/// True where a run failed, was partial, or could not be read, or where a file could not be written.
///
/// # Errors
/// Nothing to rebuild, or a disk that takes no files.
pub fn rebuild(paths: &[PathBuf], listen: Listener<'_>) -> anyhow::Result<bool> {
    super::other_report::refuse_reports(paths)?;
    let (paths, unmerged) = merge_found(paths, listen)?;
    let Found { by_run_id, folders, trouble } = find(&paths, listen)?;
    let trouble = trouble | unmerged;
    if by_run_id.is_empty() && folders.is_empty() && !trouble {
        return refuse(
            format!("no run in {}", names(&paths)),
            "give a results directory or a run's records file",
        );
    }
    let unreadable = trouble;
    let mut again = Again { listen, rows: Rows::new(listen, None), folders, unreadable, trouble };
    for (run_id, runs) in &by_run_id {
        again.plan(run_id, runs)?;
    }
    for folder in &again.folders {
        again.trouble = true;
        listen(Event::Trouble(&format!(
            "{}: no backend got as far as a request, so there is nothing to rebuild",
            folder.display()
        )));
    }
    Ok(again.rows.finish() | again.trouble)
}

/// What is made again.
struct Again<'a> {
    listen: Listener<'a>,
    rows: Rows<'a>,
    /// Directories of comparisons of which no run was found yet.
    folders: Vec<PathBuf>,
    /// Some file holds a run that cannot be told.
    unreadable: bool,
    trouble: bool,
}

impl Again<'_> {
    /// The runs of one plan, and their comparison.
    fn plan(&mut self, run_id: &str, found: &[FoundRun]) -> anyhow::Result<()> {
        let Some(first) = found.first() else { return Ok(()) };
        // The results may have been moved since they were written.
        let folder = first.files.directory().join(run_id);
        let is_there = folder.join("plan.json").is_file();
        let held = if is_there { try_hold(&folder)? } else { None };
        if is_there && held.is_none() {
            self.leave_alone(&folder.display().to_string());
            self.folders.retain(|other| !same(other, &folder));
            return Ok(());
        }
        let (living, over): (Vec<_>, Vec<_>) = found.iter().partition(|run| run.living);
        for run in &living {
            self.leave_alone(run.files.stem());
        }
        results::check_directory(first.files.directory())?;
        let mut runs = Vec::new();
        let mut failed = Vec::new();
        for run in over {
            match self.run(run) {
                Ok(derived) => runs.push(derived),
                Err(error) if is_disk_full(&error) => return Err(error),
                Err(error) => failed.push(self.failed(run, &error)),
            }
        }
        let Some(first) = runs.first() else { return Ok(()) };
        if !first.file.plan.output.folder || !living.is_empty() {
            return Ok(());
        }
        if !is_whole(run_id, found)? {
            (self.listen)(Event::Note(&format!(
                "{run_id} has further runs: give {} to make the comparison again",
                folder.display()
            )));
            return Ok(());
        }
        self.comparison(&folder, runs, failed);
        self.folders.retain(|other| !same(other, &folder));
        Ok(())
    }

    fn leave_alone(&self, what: &str) {
        let goes_on = format!("{what}: still being played by another harness, so it is left alone");
        (self.listen)(Event::Note(&goes_on));
    }

    /// One run from its records, or, where they are gone, from its JSON.
    fn run(&mut self, found: &FoundRun) -> anyhow::Result<Derived> {
        let run = match &found.records {
            Some(records) => {
                let (run, damage) = derive::derive_again(&found.files, records)?;
                if let Some(damage) = damage {
                    self.trouble = true;
                    (self.listen)(Event::Trouble(&format!("warning: {}", shown(&damage))));
                }
                run.note.iter().for_each(|note| (self.listen)(Event::Note(note)));
                run
            }
            None => {
                let [open, closed] = [found.files.records(), found.files.closed_records()];
                let why = if open.exists() || closed.exists() { "cannot be read" } else { "are gone" };
                let stays = format!("{}: its records {why}, so it stays as it is", found.files.stem());
                (self.listen)(Event::Note(&stays));
                derive::of_json(&found.files)?
            }
        };
        self.trouble |= run.file.summary.partial.is_some() || run.file.summary.requests.failed > 0;
        let closed = (run.file.plan.run_count(), run.file.plan.run_count());
        (self.listen)(Event::RunClosed { run: &run.file, path: &run.files.json(), closed });
        self.rows.put_run(&run);
        Ok(run)
    }

    fn failed(&mut self, run: &FoundRun, error: &anyhow::Error) -> FailedTarget {
        self.trouble = true;
        (self.listen)(Event::Trouble(&format!("warning: {}", shown(error))));
        FailedTarget {
            label: run.key.label.clone(),
            round: run.key.round,
            error: format!("cannot be made again: {error:#}"),
            hint: String::new(),
        }
    }

    fn comparison(&mut self, folder: &Path, mut runs: Vec<Derived>, failed: Vec<FailedTarget>) {
        let known = results::read_comparison(&folder.join("comparison.json")).ok();
        for gone in known.iter().flat_map(|known| only_in(known, &runs)).collect::<Vec<_>>() {
            let key = gone.key();
            (self.listen)(Event::Note(&format!(
                "{}: the files of round {}, point {}, repeat {} are gone, so it stays as the comparison has it",
                key.label, key.round, key.point, key.repeat
            )));
            runs.push(gone);
        }
        runs.sort_by_key(|run| run.file.summary.started_at);
        let runs = runs.as_slice();
        let Some(Derived { file, .. }) = runs.first() else { return };
        let known = known.map(|known| known.comparison.failed).unwrap_or_default();
        let plan = grown(&file.plan, runs);
        let failed = failed_targets(known, plan, runs, failed, self.unreadable);
        let comparison = reports::compared(plan, runs, &failed);
        let written = reports::write_folder(folder, plan, &file.environment, comparison.clone(), runs);
        (self.listen)(Event::Compared { comparison: &comparison, folder: Some(folder) });
        for error in written.err().into_iter().flatten() {
            self.trouble = true;
            (self.listen)(Event::Trouble(&format!("error: {}", shown(&error))));
        }
    }
}

/// True where these are all runs of the plan that lie beside them: a comparison is not made of some of its runs.
fn is_whole(run_id: &str, found: &[FoundRun]) -> anyhow::Result<bool> {
    let Some(first) = found.first() else { return Ok(false) };
    let wanted: BTreeSet<PathBuf> = found.iter().map(|run| run.files.json()).collect();
    let beside = results::runs_in(first.files.directory())?.runs;
    let mut own = beside.iter().filter(|run| run.run_id == run_id);
    Ok(own.all(|run| wanted.contains(&run.files.json())))
}

/// What the paths hold.
struct Found {
    by_run_id: BTreeMap<String, Vec<FoundRun>>,
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
            listen(Event::Trouble(&format!("warning: {}{}", unreadable.why, removed(unreadable))));
        }
        if path.join("plan.json").is_file() {
            found.folders.push(path.clone());
        }
        for run in there.runs.into_iter().filter(|run| seen.insert(run.files.json())) {
            found.by_run_id.entry(run.run_id.clone()).or_default().push(run);
        }
    }
    Ok(found)
}

/// A records file without a byte holds nothing that could be lost, and would be named for ever.
fn removed(unreadable: &Unreadable) -> &'static str {
    let path = &unreadable.path;
    let is_records = path.to_string_lossy().ends_with("_records.jsonl");
    let is_empty = std::fs::symlink_metadata(path).is_ok_and(|is| is.is_file() && is.len() == 0);
    if is_records && is_empty && std::fs::remove_file(path).is_ok() { "; removed" } else { "" }
}

/// Runs that a comparison holds and of which no file is left.
fn only_in(known: &ComparisonFile, runs: &[Derived]) -> Vec<Derived> {
    let Some(first) = runs.first().filter(|run| run.file.plan.run_id == known.plan.run_id) else {
        return Vec::new();
    };
    let is_gone = |run: &&RunSummary| !runs.iter().any(|other| *other.key() == run.key);
    let gone = known.comparison.runs.iter().filter(is_gone);
    gone.map(|run| Derived {
        note: None,
        files: first.files.clone(),
        file: RunFile {
            summary: run.clone(),
            server: None,
            gpus: Vec::new(),
            server_processes: None,
            client: None,
            host: None,
            phases: None,
            curves: curves_of_figures(run, Vec::new()),
            ..first.file.clone()
        },
    })
    .collect()
}

/// What failed by the comparison's file, where the harness lived to write it, but for launches whose runs
/// were all played since; runs that could not be made again; and every other target that lacks runs.
fn failed_targets(
    known: Vec<FailedTarget>,
    plan: &Plan,
    runs: &[Derived],
    lost: Vec<FailedTarget>,
    unreadable: bool,
) -> Vec<FailedTarget> {
    let of_launch = plan.loads.len() * plan.repeats as usize;
    let is_played = |failed: &FailedTarget| {
        let own = |run: &&Derived| run.key().label == failed.label && run.key().round == failed.round;
        plan.search.is_none() && runs.iter().filter(own).count() == of_launch
    };
    let is_lost = |failed: &FailedTarget| {
        lost.iter().any(|lost| (&lost.label, lost.round) == (&failed.label, failed.round))
    };
    let mut failed = known;
    failed.retain(|failed| !is_played(failed) && !is_lost(failed));
    failed.extend(lost.iter().cloned());
    let played = runs.iter().map(|run| run.key().clone()).collect();
    let why = if unreadable { "no file of it can be read" } else { "the harness ended before its turn" };
    let summaries: Vec<RunSummary> = runs.iter().map(|run| run.file.summary.clone()).collect();
    let missing = missing(&sure::as_played(plan, &summaries, &failed), &played, &failed, why);
    failed.extend(missing);
    failed
}

fn same(left: &Path, right: &Path) -> bool {
    match (left.canonicalize(), right.canonicalize()) {
        (Ok(left), Ok(right)) => left == right,
        (Ok(_) | Err(_), _) => false,
    }
}

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
