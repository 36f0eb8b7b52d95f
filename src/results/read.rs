//! JSON results, read back.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::schema::SCHEMA_VERSION;
use crate::schema::environment::Environment;
use crate::schema::files::{ComparisonFile, RunFile};
use crate::schema::plan::Plan;

use super::bounded::LARGEST_JSON;
use super::name::{check_label, check_run_id};
use super::version_1;

/// Reads `{backend}_{YYYYMMDD_HHMMSS}.json`.
///
/// # Errors
/// No such file, another kind of file, or one of a later version of this program.
pub fn read_run(path: &Path) -> Result<RunFile> {
    let run: RunFile = read_kind(path, "run")?;
    check_run_id(&run.plan.run_id).with_context(|| path.display().to_string())?;
    check_label(&run.summary.key.label).with_context(|| path.display().to_string())?;
    Ok(run)
}

/// Reads `comparison.json`.
///
/// # Errors
/// As [`read_run`]'s.
pub fn read_comparison(path: &Path) -> Result<ComparisonFile> {
    read_kind(path, "comparison")
}

/// Reads `plan.json` of a comparison's directory.
///
/// # Errors
/// As [`read_run`]'s.
pub fn read_plan(path: &Path) -> Result<Plan> {
    let plan: Plan = read_json(path)?;
    check_run_id(&plan.run_id).with_context(|| path.display().to_string())?;
    Ok(plan)
}

/// Reads `environment.json` of a comparison's directory.
///
/// # Errors
/// As [`read_run`]'s.
pub fn read_environment(path: &Path) -> Result<Environment> {
    read_json(path)
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema_version: Option<u32>,
    #[serde(default)]
    kind: Option<String>,
}

fn read_kind<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<T> {
    // The head first: a file of another kind would fail with the name of some missing key.
    let head: Head = read_json(path)?;
    match (head.kind.as_deref(), head.schema_version) {
        (Some(found), Some(version)) if found == kind && version <= SCHEMA_VERSION => read_json(path),
        (Some(found), Some(version)) if found == kind => {
            bail!(
                "{}: written by a later version (schema {version}, this one reads {SCHEMA_VERSION})",
                path.display()
            )
        }
        (Some(found), _) => bail!("{}: holds a {found}, not a {kind}", path.display()),
        (None, _) => bail!("{}: no result of this program", path.display()),
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let cannot_read = || format!("cannot read {}", path.display());
    let is = std::fs::metadata(path).with_context(cannot_read)?;
    if !is.is_file() || is.len() > LARGEST_JSON {
        bail!("{}: no regular file of at most {} MiB", path.display(), LARGEST_JSON >> 20);
    }
    let file = File::open(path).with_context(cannot_read)?;
    let mut value: Value = serde_json::from_reader(BufReader::new(file)).with_context(cannot_read)?;
    version_1::upgrade(&mut value);
    serde_json::from_value(value).with_context(cannot_read)
}
