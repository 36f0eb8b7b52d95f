//! Names in results/: UTC, the same everywhere, and never one that is taken.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use tempfile::TempPath;

use crate::schema::plan::file_stamp;

/// The longest name that comes from a file, bytes: what a file's name may have.
const LONGEST_NAME: usize = 200;

/// Checks that a run id leads nowhere: it becomes part of a path, and a file that holds one may be anybody's.
///
/// # Errors
/// It is no plain name.
pub fn check_run_id(run_id: &str) -> Result<()> {
    let is_plain = !run_id.starts_with('.') && !run_id.contains(['/', '\\']);
    if is_plain && is_short_text(run_id) { Ok(()) } else { refused("run id", run_id) }
}

/// Checks a label from a file: it stands in every row and picture.
///
/// # Errors
/// It is empty, holds control characters, or is longer than a file's name.
pub fn check_label(label: &str) -> Result<()> {
    if is_short_text(label) { Ok(()) } else { refused("label", label) }
}

fn is_short_text(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

fn refused(what: &str, name: &str) -> Result<()> {
    let shown: String = name.chars().take(40).collect();
    bail!("the {what} {shown:?} is no plain name")
}

/// Makes an empty file that was not there: `{stem}{end}`, or with `_2`, `_3` … behind the stem.
///
/// # Errors
/// The file cannot be made.
pub fn take_file(directory: &Path, stem: &str, end: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let stem = file_name(stem);
    for name in numbered(&stem) {
        let path = directory.join(format!("{name}{end}"));
        if create_new(&path)? {
            return Ok(path);
        }
    }
    unreachable_name(&stem)
}

/// What the names of a run's files end in.
const ENDS: [&str; 7] = [
    "_records.jsonl.zst",
    "_records.jsonl",
    "_samples.jsonl.zst",
    "_samples.jsonl",
    "_requests.csv",
    "_gpu.csv",
    ".json",
];

/// The files of one run: they share a stem such as `vllm_20260201_143000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFiles {
    directory: PathBuf,
    stem: String,
}

impl RunFiles {
    /// Gives a records file that is written already, under a name that is none, a stem that no run has: of many
    /// processes each gets its own, and the name never stands without its file.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn take(directory: &Path, label: &str, at: Timestamp, mut records: TempPath) -> Result<Self> {
        let stem = format!("{}_{}", file_name(label), file_stamp(at));
        for name in numbered(&stem) {
            let files = RunFiles { directory: directory.to_owned(), stem: name };
            match records.persist_noclobber(files.records()) {
                // Closing a run makes the .zst before it removes the .jsonl, so one of them is seen.
                Ok(()) if files.closed_records().exists() || files.json().exists() => {
                    records = TempPath::try_from_path(files.records())
                        .with_context(|| format!("cannot write {}", files.records().display()))?;
                }
                Ok(()) => return Ok(files),
                Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => records = failed.path,
                Err(failed) => {
                    return Err(failed.error)
                        .with_context(|| format!("cannot write {}", files.records().display()));
                }
            }
        }
        unreachable_name(&stem)
    }

    /// The files that belong to one of them: `x_20260201_143000.json`, `…_records.jsonl`, `….zst`.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let stem = ENDS.iter().find_map(|end| name.strip_suffix(end))?;
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Some(RunFiles { directory, stem: stem.to_owned() })
    }

    /// Those of this stem, whatever of them is there.
    pub fn named(directory: PathBuf, stem: String) -> Self {
        RunFiles { directory, stem }
    }

    /// `vllm_20260201_143000`
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// The directory that holds them.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The run, whole.
    pub fn json(&self) -> PathBuf {
        self.ending(".json")
    }

    /// One row a request.
    pub fn requests_csv(&self) -> PathBuf {
        self.ending("_requests.csv")
    }

    /// One row a sample and GPU.
    pub fn gpu_csv(&self) -> PathBuf {
        self.ending("_gpu.csv")
    }

    /// The raw records while the run goes, and after a crash.
    pub fn records(&self) -> PathBuf {
        self.ending("_records.jsonl")
    }

    /// The raw records of a run that was closed.
    pub fn closed_records(&self) -> PathBuf {
        self.ending("_records.jsonl.zst")
    }

    /// What was sensed while the run went, and after a crash.
    pub fn samples(&self) -> PathBuf {
        self.ending("_samples.jsonl")
    }

    /// What was sensed during a run that was closed.
    pub fn closed_samples(&self) -> PathBuf {
        self.ending("_samples.jsonl.zst")
    }

    /// Moves every file of the run into another directory, which is there.
    ///
    /// # Errors
    /// A file cannot be moved.
    pub fn move_to(&self, directory: &Path) -> Result<()> {
        let own = ENDS.iter().map(|end| self.ending(end)).filter(|path| path.exists());
        let parts = self.parts()?.into_iter().map(|part| part.path);
        for path in own.chain(parts) {
            let Some(name) = path.file_name() else { continue };
            let target = directory.join(name);
            std::fs::rename(&path, &target)
                .with_context(|| format!("cannot move {} to {}", path.display(), target.display()))?;
        }
        Ok(())
    }

    /// Those of them that are there.
    pub fn existing(&self) -> impl Iterator<Item = PathBuf> + '_ {
        ENDS.into_iter().map(|end| self.ending(end)).filter(|path| path.is_file())
    }

    pub(super) fn ending(&self, end: &str) -> PathBuf {
        self.directory.join(format!("{}{end}", self.stem))
    }
}

/// Makes an empty file; false where the name is taken.
pub(super) fn create_new(path: &Path) -> Result<bool> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// `stem`, `stem_2`, `stem_3` …
pub(super) fn numbered(stem: &str) -> impl Iterator<Item = String> + '_ {
    (1u32..=u32::MAX).map(move |number| match number {
        1 => stem.to_owned(),
        _ => format!("{stem}_{number}"),
    })
}

pub(super) fn unreachable_name<T>(stem: &str) -> Result<T> {
    anyhow::bail!("every name from {stem} on is taken")
}

/// A label as part of a file's name: what is no letter, digit, `.`, `-` or `_` becomes `_`.
pub fn file_name(label: &str) -> String {
    let kept = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_');
    let name: String = label.chars().map(|letter| if kept(letter) { letter } else { '_' }).collect();
    // A leading dot would hide the file.
    match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => name,
    }
}
