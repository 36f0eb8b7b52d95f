//! What a path given to `harness report` holds: runs, by their raw records or their JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use crate::schema::plan::RunKey;

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
fn run_id_of(directory: &Path) -> Option<String> {
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
    let run = look_at(&files)?;
    Ok(FoundRuns { runs: vec![run], unreadable: Vec::new() })
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
        match look_at(&files) {
            Ok(run) => found.runs.push(run),
            Err(error) => {
                let path = existing(&files).unwrap_or_else(|| files.json());
                found.unreadable.push(Unreadable { path, why: format!("{error:#}") });
            }
        }
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

fn existing(files: &RunFiles) -> Option<PathBuf> {
    [files.closed_records(), files.records(), files.json()].into_iter().find(|path| path.exists())
}

fn look_at(files: &RunFiles) -> Result<FoundRun> {
    let records = [files.closed_records(), files.records()].into_iter().find(|path| path.exists());
    let json = Some(files.json()).filter(|path| path.exists());
    let files = files.clone();
    if let Some(path) = &records {
        let reader = RecordReader::open(path)?;
        let header = reader.header();
        return Ok(FoundRun {
            files,
            run_id: header.plan.run_id.clone(),
            key: header.key.clone(),
            started_at: header.started_at,
            records,
            json,
        });
    }
    let Some(path) = json else {
        bail!("{}: neither its records nor its .json is there", files.stem());
    };
    let run = read_run(&path)?;
    Ok(FoundRun {
        files,
        run_id: run.plan.run_id,
        key: run.summary.key,
        started_at: run.summary.started_at,
        records,
        json: Some(path),
    })
}
