//! What an earlier try of a plan left on disk: its closed runs stay, and what was cut short makes room.

use std::path::Path;

use anyhow::{Context, Result};

use crate::results::{self, Patience, RecordReader, RunFiles};
use crate::schema::plan::{Plan, RunKey};
use crate::schema::unit::Phase;

use super::rows;

/// Runs of a plan that are whole on disk.
#[derive(Debug, Clone, Default)]
pub struct ClosedOnDisk {
    /// Their files, in the order of play.
    pub files: Vec<RunFiles>,
    /// Their keys, likewise.
    pub keys: Vec<RunKey>,
    /// Files of runs that were cut short, which are to be played again.
    pub cut_short: Vec<RunFiles>,
}

/// Looks for the runs of a plan. A run is closed where its records bear an end that was reached.
///
/// # Errors
/// The directory of the results cannot be read.
pub fn closed_on_disk(plan: &Plan) -> Result<ClosedOnDisk> {
    let mut closed = ClosedOnDisk::default();
    for run in results::runs_in(&plan.output.directory)?.runs {
        if run.run_id != plan.run_id {
            continue;
        }
        let whole = match &run.records {
            Some(records) => {
                *records == run.files.closed_records() && reached_its_end(records).unwrap_or(false)
            }
            // Records that were deleted to save space: the JSON says how the run ended.
            None => results::read_run(&run.files.json()).is_ok_and(|run| run.summary.partial.is_none()),
        };
        if whole && !closed.keys.contains(&run.key) {
            closed.files.push(run.files);
            closed.keys.push(run.key);
        } else {
            closed.cut_short.push(run.files);
        }
    }
    // What workers left of a run that was never merged: no run is made of it beside the one that is played again.
    for parts in results::find_parts(&plan.output.directory)?.0 {
        let is_known = |files: &RunFiles| parts.parts.iter().any(|part| part.files == *files);
        if parts.run_id == plan.run_id && !closed.files.iter().chain(&closed.cut_short).any(is_known) {
            closed.cut_short.extend(parts.parts.first().map(|part| part.files.clone()));
        }
    }
    Ok(closed)
}

/// Moves what was cut short into `{folder}/cut_short`, and takes every row of the plan's other runs out of the
/// file of all runs: they are played again, and each key stands once. `say` is told of a lock that is waited for.
///
/// # Errors
/// A file cannot be moved, or the file of all runs not be locked or replaced.
pub fn make_room(closed: &ClosedOnDisk, plan: &Plan, folder: &Path, say: &dyn Fn(&str)) -> Result<()> {
    if !closed.cut_short.is_empty() {
        let aside = folder.join("cut_short");
        std::fs::create_dir_all(&aside).with_context(|| format!("cannot make {}", aside.display()))?;
        for files in &closed.cut_short {
            files.move_to(&aside)?;
        }
    }
    let (directory, file) = (&plan.output.directory, rows::summary_file(plan));
    let patience = Patience { say, ..Patience::SILENT };
    results::keep_rows(directory, file, &plan.run_id, &closed.keys, patience)
}

/// True where the records end as planned: not in a crash, not before their time, and none of them lost. What
/// cannot be read is played again.
fn reached_its_end(records: &Path) -> Result<bool> {
    let mut reader = RecordReader::open(records)?;
    let mut measured = 0;
    while let Some(record) = reader.next_record()? {
        measured += u64::from(record.phase == Phase::Measured);
    }
    let end = reader.finish();
    Ok(end.partial.is_none() && end.engine.issued.is_none_or(|issued| issued == measured))
}
