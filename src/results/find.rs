//! What a path given to `harness report` holds: runs, by their raw records or their JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use crate::schema::plan::RunKey;

use super::lock::is_held;
use super::name::RunFiles;
use super::read::{read_plan, read_run};
use super::record_reader::RecordReader;

use crate::schema::refusal::{OrRefuse, refuse};

/// One run on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRun {
    /// The names of its files.
    pub files: RunFiles,
    /// The run id of its plan: runs of one comparison share it.
    pub run_id: String,
    /// Which run of its plan.
    pub key: RunKey,
    /// When it began.
    pub started_at: Timestamp,
    /// Its raw records, from which everything can be made again; the compressed file where both are there.
    pub records: Option<PathBuf>,
    /// Its JSON.
    pub json: Option<PathBuf>,
    /// Another process holds its records: the run still goes on.
    pub living: bool,
}

/// A file that looks like a run's and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub path: PathBuf,
    /// Why, one line.
    pub why: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundRuns {
    /// Runs, in the order of their start.
    pub runs: Vec<FoundRun>,
    /// Files that hold no run: one of them loses no other.
    pub unreadable: Vec<Unreadable>,
}

/// Finds the runs that a path names: a results directory (every run in it), a comparison's directory
/// (its runs, which lie beside it), or one run by its JSON, CSV or records file.
///
/// # Errors
/// There is nothing at the path, or a file there that is no run's.
pub fn find_runs(path: &Path) -> Result<FoundRuns> {
    let kind = std::fs::metadata(path).or_refuse(
        || format!("cannot read {}", path.display()),
        "give a results directory, or a file of a run",
    )?;
    if kind.is_file() {
        return one_run(path);
    }
    match run_id_of(path) {
        None => runs_in(path),
        Some(run_id) => {
            let path = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
            let mut found = runs_in(&path)?;
            if let Some(parent) = path.parent() {
                let beside = runs_in(parent)?;
                found.runs.extend(beside.runs);
                found.unreadable.extend(beside.unreadable);
            }
            found.runs.retain(|run| run.run_id == run_id);
            Ok(found)
        }
    }
}

/// The run id of a comparison's directory: its plan's, or its name where it crashed before it had one.
pub(super) fn run_id_of(directory: &Path) -> Option<String> {
    let plan = read_plan(&directory.join("plan.json")).ok().map(|plan| plan.run_id);
    plan.or_else(|| {
        let name = directory.file_name()?.to_str()?;
        ["compare_", "sweep_", "run_", "bench_"]
            .iter()
            .any(|title| name.starts_with(title) && holds_a_time(name))
            .then(|| name.to_owned())
    })
}

fn one_run(path: &Path) -> Result<FoundRuns> {
    let Some(files) = RunFiles::of(path) else {
        return refuse(
            format!("{}: no file of a run", path.display()),
            "give a results directory, a comparison's directory, or a run's .json or _records.jsonl",
        );
    };
    let mut found = FoundRuns::default();
    look_at(&files, &mut found);
    match (found.runs.is_empty(), found.unreadable.first()) {
        (true, Some(unreadable)) => bail!("{}", unreadable.why),
        (true, None) | (false, _) => Ok(found),
    }
}

/// The runs whose files lie in a directory, whatever it is called.
///
/// # Errors
/// It cannot be read.
pub fn runs_in(directory: &Path) -> Result<FoundRuns> {
    let cannot_read = || format!("cannot read {}", directory.display());
    let mut by_stem = BTreeMap::new();
    for entry in std::fs::read_dir(directory).with_context(cannot_read)? {
        let path = entry.with_context(cannot_read)?.path();
        if let Some(files) = RunFiles::of(&path)
            && looks_like_a_run(&files)
        {
            by_stem.insert(files.stem().to_owned(), files);
        }
    }
    let mut found = FoundRuns::default();
    for files in by_stem.into_values() {
        look_at(&files, &mut found);
    }
    found.runs.sort_by(|left, right| {
        (left.started_at, left.files.stem()).cmp(&(right.started_at, right.files.stem()))
    });
    Ok(found)
}

/// Other JSON lies there too (`plan.json`, `environment.json`): a run's stem holds its time.
fn looks_like_a_run(files: &RunFiles) -> bool {
    holds_a_time(files.stem())
}

/// A name that this program made holds a time: `20260201_143000`.
fn holds_a_time(name: &str) -> bool {
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = name.split('_').collect();
    parts.windows(2).any(|pair| matches!(pair, [day, time] if digits(day, 8) && digits(time, 6)))
}

/// The run that the files are of: by its records, or, where they are gone or their header cannot be read, by its JSON.
fn look_at(files: &RunFiles, found: &mut FoundRuns) {
    let living = is_held(&files.records());
    let json = Some(files.json()).filter(|path| path.exists());
    let all_records = [files.closed_records(), files.records()].into_iter().filter(|path| path.exists());
    let of_records = |path: &PathBuf| -> Result<FoundRun> {
        let reader = RecordReader::open(path)?;
        let header = reader.header();
        Ok(FoundRun {
            files: files.clone(),
            run_id: header.plan.run_id.clone(),
            key: header.key.clone(),
            started_at: header.started_at,
            records: Some(path.clone()),
            json: json.clone(),
            living,
        })
    };
    for path in all_records {
        match of_records(&path) {
            Ok(run) => return found.runs.push(run),
            Err(error) => found.unreadable.push(Unreadable { path, why: format!("{error:#}") }),
        }
    }
    let Some(path) = json else {
        if found.unreadable.last().is_none_or(|last| RunFiles::of(&last.path).as_ref() != Some(files)) {
            let why = format!("{}: neither its records nor its .json is there", files.stem());
            found.unreadable.push(Unreadable { path: files.json(), why });
        }
        return;
    };
    match read_run(&path) {
        Ok(run) => found.runs.push(FoundRun {
            files: files.clone(),
            run_id: run.plan.run_id,
            key: run.summary.key,
            started_at: run.summary.started_at,
            records: None,
            json: Some(path),
            living,
        }),
        Err(error) => found.unreadable.push(Unreadable { path, why: format!("{error:#}") }),
    }
}
