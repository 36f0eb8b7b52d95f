//! Run ids: none is given twice in one directory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use crate::schema::plan::file_stamp;

use super::bounded::{LONGEST_ROW, read_line};
use super::name::{create_new, file_name, numbered};
use super::record_reader::RecordReader;
use super::summary_csv::{SIMULATED_FILE, SUMMARY_FILE};

/// The mark of a process that was killed is taken away by the next that comes later than this.
const MARK_AGE: Duration = Duration::from_secs(60);
const MARK: &str = ".harness-taken-";

/// A run id that no other run of a directory has. Its mark, a hidden file, is there until this is dropped: a run
/// without a directory of its own leaves nothing else before its first record.
#[derive(Debug)]
pub struct TakenId {
    /// `bench_20260201_143000`, or with `_2`, `_3` … behind it.
    pub run_id: String,
    mark: PathBuf,
}

impl TakenId {
    /// Takes the run id of a plan that was made at this time.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn take(directory: &Path, prefix: &str, at: Timestamp) -> Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        remove_old_marks(directory);
        let stem = format!("{}_{}", file_name(prefix), file_stamp(at));
        for run_id in numbered(&stem) {
            let mark = directory.join(format!("{MARK}{run_id}"));
            if !create_new(&mark)? {
                continue;
            }
            let taken = TakenId { run_id, mark };
            if !is_used(directory, &taken.run_id, at) {
                return Ok(taken);
            }
        }
        bail!("every name from {stem} on is taken")
    }
}

impl Drop for TakenId {
    fn drop(&mut self) {
        // One that stays is taken away by a later run.
        let _ = std::fs::remove_file(&self.mark);
    }
}

/// A run that is over has no mark any more: its directory, its row or its records tell of it. Who began in the
/// same second and is over has records of that second.
fn is_used(directory: &Path, run_id: &str, at: Timestamp) -> bool {
    let of_second = file_stamp(at);
    let has_records = || {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let of_then = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.contains(&of_second) && name.contains("_records.jsonl")
        };
        let header =
            |path: PathBuf| RecordReader::open(&path).ok().map(|reader| reader.header().plan.run_id.clone());
        paths.filter(of_then).filter_map(header).any(|found| found == run_id)
    };
    let has_row = |file| row_holds(&directory.join(file), run_id);
    directory.join(run_id).exists() || has_row(SUMMARY_FILE) || has_row(SIMULATED_FILE) || has_records()
}

fn row_holds(path: &Path, run_id: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    if !file.metadata().is_ok_and(|is| is.is_file()) {
        return false;
    }
    let mut lines = std::io::BufReader::new(file);
    let wanted = format!(",{run_id},");
    let mut line = Vec::new();
    while read_line(&mut lines, &mut line, LONGEST_ROW).is_ok_and(|read| read > 0) {
        if line.windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
            return true;
        }
        line.clear();
    }
    false
}

fn remove_old_marks(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_mark = entry.file_name().to_string_lossy().starts_with(MARK);
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_mark && age().is_some_and(|age| age > MARK_AGE) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Makes a directory that was not there: `compare_20260201_143000`, or with `_2`, `_3` … behind it.
/// Its name is the run id.
///
/// # Errors
/// The directory cannot be made.
pub fn take_directory(parent: &Path, prefix: &str, at: Timestamp) -> Result<PathBuf> {
    let taken = TakenId::take(parent, prefix, at)?;
    let path = parent.join(&taken.run_id);
    std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}
