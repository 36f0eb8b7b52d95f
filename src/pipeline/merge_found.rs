//! The parts that paths hold, merged after the fact: what reads runs finds one then.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::directories::is_disk_full;
use crate::results::{self, FoundParts, PartFile};
use crate::schema::refusal::shown;

use super::event::{Event, Listener};
use super::merge::merge_parts;

/// How the name of a compressed file ends.
const COMPRESSED: &str = ".zst";

/// Merges the parts of runs that several workers played and nobody merged: those that are named, with the others of their
/// run beside them, and those in a directory that holds no whole run of them. Gives the paths that hold runs then, and
/// whether something could not be read or merged.
///
/// # Errors
/// A directory cannot be read, or a disk that takes no files.
pub fn merge_found(paths: &[PathBuf], listen: Listener<'_>) -> anyhow::Result<(Vec<PathBuf>, bool)> {
    let (mut hold_runs, mut trouble) = (Vec::new(), false);
    let (mut named, mut in_folders) = (Vec::new(), Vec::new());
    for path in &expanded(paths)? {
        let is_part = path.is_file() && PartFile::of(path).is_some();
        let found = if path.exists() { results::find_parts(path)? } else { Default::default() };
        let (parts, unreadable) = found;
        for unreadable in unreadable {
            trouble = true;
            listen(Event::Trouble(&format!("warning: {}", unreadable.why)));
        }
        if is_part {
            parts.into_iter().for_each(|parts| join(&mut named, parts));
            continue;
        }
        hold_runs.push(path.clone());
        if parts.is_empty() {
            continue;
        }
        let runs = results::find_runs(path)?.runs;
        let is_merged = |parts: &FoundParts| {
            runs.iter().any(|run| (&run.run_id, &run.key) == (&parts.run_id, &parts.key))
        };
        parts.into_iter().filter(|parts| !is_merged(parts)).for_each(|parts| join(&mut in_folders, parts));
    }
    for (found, are_named) in [(named, true), (in_folders, false)] {
        for run in found {
            match merge(&run, listen) {
                // A directory finds it.
                Ok(Some(records)) if are_named => hold_runs.push(records),
                Ok(Some(_) | None) => {}
                Err(error) if is_disk_full(&error) => return Err(error),
                Err(error) => {
                    trouble = true;
                    listen(Event::Trouble(&format!("warning: {}", shown(&error))));
                }
            }
        }
    }
    Ok((hold_runs, trouble))
}

/// The paths, those of a pattern in quotes (`results/*w*.jsonl*`) in its place; one that nothing fits stays as it is.
fn expanded(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        let pattern = path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains('*'));
        let mut fit = Vec::new();
        if let (Some(pattern), false) = (pattern, path.exists()) {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            for entry in std::fs::read_dir(directory.unwrap_or(Path::new("."))).into_iter().flatten() {
                let path = entry?.path();
                if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| fits(pattern, name)) {
                    fit.push(path);
                }
            }
        }
        fit.sort();
        if fit.is_empty() { all.push(path.clone()) } else { all.append(&mut fit) }
    }
    Ok(all)
}

/// A name fits a pattern, whether its file is compressed or not: what a run writes as `.jsonl` is `.jsonl.zst` at its end.
fn fits(pattern: &str, name: &str) -> bool {
    let plain = name.strip_suffix(COMPRESSED).filter(|_| !pattern.ends_with(COMPRESSED));
    fits_as_it_is(pattern, name) || plain.is_some_and(|plain| fits_as_it_is(pattern, plain))
}

/// A name fits a pattern whose `*` stands for any text.
fn fits_as_it_is(pattern: &str, name: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(before) else { return false };
    (0..=name.len()).filter_map(|skipped| name.get(skipped..)).any(|behind| fits_as_it_is(rest, behind))
}

/// Adds parts to those of their run. A copy of one that is there already says nothing new.
fn join(found: &mut Vec<FoundParts>, parts: FoundParts) {
    let of_run = |run: &&mut FoundParts| (&run.run_id, &run.key) == (&parts.run_id, &parts.key);
    let Some(known) = found.iter_mut().find(of_run) else { return found.push(parts) };
    known.living |= parts.living;
    for part in parts.parts {
        let is_copy = |held: &PartFile| held.worker == part.worker && are_same(&held.path, &part.path);
        if !known.parts.iter().any(is_copy) {
            known.parts.push(part);
        }
    }
    known.parts.sort_by_key(|part| part.worker);
}

/// The records of a run that was merged; none where it still goes on.
fn merge(run: &FoundParts, listen: Listener<'_>) -> anyhow::Result<Option<PathBuf>> {
    let Some(first) = run.parts.first() else { return Ok(None) };
    let stem = first.files.stem();
    if run.living {
        listen(Event::Note(&format!("{stem}: still being played by another harness, so it is left alone")));
        return Ok(None);
    }
    let paths: Vec<PathBuf> = run.parts.iter().map(|part| part.path.clone()).collect();
    let files = merge_parts(&paths, first.files.directory(), stem)?;
    listen(Event::Note(&format!("{stem}: merged the records of {} workers", paths.len())));
    Ok(Some(files.closed_records()))
}

/// Two paths hold the same bytes.
fn are_same(left: &Path, right: &Path) -> bool {
    let open =
        |path: &Path| Some((std::fs::metadata(path).ok()?.len(), BufReader::new(File::open(path).ok()?)));
    let (Some((left_bytes, left)), Some((right_bytes, right))) = (open(left), open(right)) else {
        return false;
    };
    left_bytes == right_bytes
        && left.bytes().zip(right.bytes()).all(|pair| matches!(pair, (Ok(left), Ok(right)) if left == right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_names_as_a_shells_would() {
        let fit = |name| fits("*w*.jsonl*", name);
        assert!(fit("vllm_20260201_143000_records.w03.jsonl.zst") && fit("x.w00.jsonl"));
        assert!(!fit("vllm_20260201_143000_samples.jsonl.zst") && !fit("w.json"));
        assert!(fits("*w*.jsonl", "x_records.w03.jsonl.zst") && !fits("*.jsonl.zst", "x.jsonl"));
        assert!(fits("a", "a") && !fits("a", "ab") && fits("*", "") && fits("a*b*c", "a_b_b_c"));
    }
}
