//! The records of one worker of a run that several played: `{stem}_records.w03.jsonl`, as whole and as safe as those
//! of a run, and never taken for a run of their own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;
use tempfile::TempPath;

use crate::schema::plan::{RunKey, file_stamp};

use super::find::{Unreadable, run_id_of};
use super::lock::is_held;
use super::name::{RunFiles, file_name, numbered, unreachable_name};
use super::record_reader::RecordReader;

/// What stands before a worker's number.
const BEFORE_WORKER: &str = "_records.w";
/// What a part's name ends in: closed, and while it is written.
const ENDS: [&str; 2] = [".jsonl.zst", ".jsonl"];

/// The records file of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The files of the run that it is a part of.
    pub files: RunFiles,
    /// Which worker wrote it, from 0.
    pub worker: u32,
}

/// The parts of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundParts {
    /// The run id of its plan.
    pub run_id: String,
    /// Which run of its plan.
    pub key: RunKey,
    /// In order of their workers; of each the compressed file where both are there.
    pub parts: Vec<PartFile>,
    /// Another process holds one of them: the run still goes on.
    pub living: bool,
}

impl PartFile {
    /// By its name: `x_20260201_143000_records.w03.jsonl`, `….zst`; none where it is another.
    pub fn of(path: &Path) -> Option<PartFile> {
        let name = path.file_name()?.to_str()?;
        let name = ENDS.iter().find_map(|end| name.strip_suffix(end))?;
        let (stem, worker) = name.rsplit_once(BEFORE_WORKER)?;
        let is_number = (2..=9).contains(&worker.len()) && worker.bytes().all(|byte| byte.is_ascii_digit());
        let worker = is_number.then(|| worker.parse().ok()).flatten()?;
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Some(PartFile { path: path.to_owned(), files: RunFiles::named(directory, stem.to_owned()), worker })
    }
}

impl RunFiles {
    /// The raw records of one worker while the run goes, and after a crash.
    pub fn part(&self, worker: u32) -> PathBuf {
        self.ending(&format!("{BEFORE_WORKER}{worker:02}.jsonl"))
    }

    /// The raw records of one worker of a run that was closed.
    pub fn closed_part(&self, worker: u32) -> PathBuf {
        self.ending(&format!("{BEFORE_WORKER}{worker:02}.jsonl.zst"))
    }

    /// The parts of this run that lie there.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn parts(&self) -> Result<Vec<PartFile>> {
        let mut parts = part_files_in(self.directory())?;
        parts.retain(|part| part.files.stem() == self.stem());
        Ok(parts)
    }

    /// Gives a worker's records file that is written already its name, which no other run has: that of the run, with
    /// the worker's number in it.
    pub(super) fn take_part(
        directory: &Path,
        (label, worker): (&str, u32),
        at: Timestamp,
        mut records: TempPath,
    ) -> Result<(Self, PathBuf)> {
        let stem = format!("{}_{}", file_name(label), file_stamp(at));
        for name in numbered(&stem) {
            let files = RunFiles::named(directory.to_owned(), name);
            let path = files.part(worker);
            let others = [files.closed_part(worker), files.records(), files.closed_records(), files.json()];
            if others.iter().any(|other| other.exists()) {
                continue;
            }
            match records.persist_noclobber(&path) {
                Ok(()) => return Ok((files, path)),
                Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => records = failed.path,
                Err(failed) => {
                    return Err(failed.error).with_context(|| format!("cannot write {}", path.display()));
                }
            }
        }
        unreachable_name(&stem)
    }
}

/// The parts in a directory, in order of their names; of each the compressed file where both are there.
fn part_files_in(directory: &Path) -> Result<Vec<PartFile>> {
    let cannot_read = || format!("cannot read {}", directory.display());
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(cannot_read)? {
        parts.extend(PartFile::of(&entry.with_context(cannot_read)?.path()));
    }
    Ok(parts)
}

/// The parts of runs that a path names: one part with the others of its run that lie beside it, or all that lie in a
/// directory, or beside a comparison's.
///
/// # Errors
/// A directory cannot be read.
pub fn find_parts(path: &Path) -> Result<(Vec<FoundParts>, Vec<Unreadable>)> {
    if path.is_dir() {
        let Some(run_id) = run_id_of(path) else { return grouped(part_files_in(path)?) };
        let path = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
        let mut parts = part_files_in(&path)?;
        parts.extend(path.parent().map(part_files_in).transpose()?.unwrap_or_default());
        let (mut found, unreadable) = grouped(parts)?;
        found.retain(|parts| parts.run_id == run_id);
        return Ok((found, unreadable));
    }
    let Some(given) = PartFile::of(path) else { return Ok((Vec::new(), Vec::new())) };
    let directory = Some(given.files.directory()).filter(|name| !name.as_os_str().is_empty());
    let (mut found, mut unreadable) = grouped(part_files_in(directory.unwrap_or(Path::new(".")))?)?;
    let own = |part: &PartFile| (part.files.stem(), part.worker) == (given.files.stem(), given.worker);
    found.retain(|run| run.parts.iter().any(own));
    unreadable.retain(|other| other.path.file_name() == path.file_name());
    Ok((found, unreadable))
}

/// Parts by the run that they are of. Of a worker that wrote it twice, the compressed file.
fn grouped(mut parts: Vec<PartFile>) -> Result<(Vec<FoundParts>, Vec<Unreadable>)> {
    let is_closed = |part: &PartFile| part.path.extension().is_some_and(|end| end == "zst");
    parts.sort_by_cached_key(|part| (part.files.stem().to_owned(), part.worker, !is_closed(part)));
    parts.dedup_by(|next, held| (next.files.stem(), next.worker) == (held.files.stem(), held.worker));
    let (mut found, mut unreadable) = (Vec::<FoundParts>::new(), Vec::new());
    for part in parts {
        let reader = match RecordReader::open(&part.path) {
            Ok(reader) => reader,
            Err(error) => {
                unreadable.push(Unreadable { path: part.path, why: format!("{error:#}") });
                continue;
            }
        };
        let header = reader.header();
        let living = is_held(&part.files.part(part.worker));
        let of_run = |run: &&mut FoundParts| run.run_id == header.plan.run_id && run.key == header.key;
        match found.iter_mut().find(of_run) {
            Some(run) => {
                run.living |= living;
                run.parts.push(part);
            }
            None => found.push(FoundParts {
                run_id: header.plan.run_id.clone(),
                key: header.key.clone(),
                parts: vec![part],
                living,
            }),
        }
    }
    found.iter_mut().for_each(|run| run.parts.sort_by_key(|part| part.worker));
    Ok((found, unreadable))
}
