//! The calibration in the data directory: what later runs are held against, and when a new one takes its place.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::analysis::calibrated_limit;
use crate::directories;
use crate::report::calibration::limit_words;
use crate::results;
use crate::schema::calibration::{Calibration, ExactUpTo};
use crate::schema::environment::Environment;

/// The file below the data directory.
const FILE: &str = "calibration.json";

/// Where it lies.
///
/// # Errors
/// There is no home to put it in.
pub fn path() -> anyhow::Result<PathBuf> {
    Ok(directories::data_dir()?.join(FILE))
}

/// The limit of this machine's calibration; none where there is no file, or one of another machine or
/// another version.
pub fn limit(environment: &Environment) -> Option<ExactUpTo> {
    calibrated_limit(&read(&path().ok()?)?, environment)
}

fn read(file: &Path) -> Option<Calibration> {
    serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

/// Puts a calibration into its place; what was done, and what later runs will say, in words.
///
/// # Errors
/// The file cannot be written.
pub fn save(file: &Path, calibration: &Calibration) -> anyhow::Result<String> {
    let replaced = read(file).map(|old| format!(" in place of {}", one(&old))).unwrap_or_default();
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    results::write_json(file, calibration)?;
    Ok(format!("saved in {}{replaced}: {}", file.display(), consequence(calibration.limit)))
}

/// What later runs will say where this calibration is not saved, in words.
pub fn leave(file: &Path, environment: &Environment) -> String {
    let why = "not saved, since --loads is but a part of the grid (--save saves it all the same)";
    let valid = read(file).and_then(|old| calibrated_limit(&old, environment).map(|limit| (old, limit)));
    match valid {
        Some((old, limit)) => format!("{why}: {} stays in force: {}", one(&old), consequence(limit)),
        None => format!(
            "{why}: this machine has no calibration, so later runs say nothing of it; harness calibrate makes one"
        ),
    }
}

fn one(calibration: &Calibration) -> String {
    format!("the calibration of {} UTC", calibration.taken_at.strftime("%Y-%m-%d %H:%M"))
}

fn consequence(limit: ExactUpTo) -> String {
    let unknown = match (limit.streams, limit.rate) {
        (None, _) => "; none of a closed loop does, since none was played",
        (_, None) => "; the rate of an open loop is not judged, since none was played",
        (Some(_), Some(_)) => "",
    };
    format!(
        "it is exact {}, and a run beyond that carries the caveat beyond_calibration{unknown}",
        limit_words(limit)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_played_is_not_judged_and_the_message_says_so() {
        let closed = ExactUpTo { streams: Some(250), tokens_per_s: Some(12_500.0), ..ExactUpTo::default() };
        let text = consequence(closed);
        assert!(text.contains("exact up to 250 streams and 12500 tok/s, and a run beyond"), "{text}");
        assert!(text.ends_with("the rate of an open loop is not judged, since none was played"), "{text}");
        let open = ExactUpTo { rate: Some(40.0), ..ExactUpTo::default() };
        assert!(consequence(open).contains("exact up to 40 requests/s, and"), "{}", consequence(open));
        assert!(consequence(open).ends_with("none of a closed loop does, since none was played"));
    }
}
