//! The files of a plan's runs, as they lie in the results directory: what is copied to a bucket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::bucket::{Item, Sort};
use crate::results::{self, FoundRun, RunFiles, SIMULATED_FILE, SUMMARY_FILE};
use crate::schema::refusal::refuse;

/// Folders within folders that are looked into: plots/ and lpg/.
const DEEPEST: usize = 4;

/// The files of the plan `run_id` whose results lie in `directory`: those of its runs, its directory, its servers'
/// logs, and a copy of the file of all runs. Hidden files and links are left out, and runs that still go on.
///
/// # Errors
/// The directory cannot be read.
pub fn run_tree(directory: &Path, run_id: &str, labels: &[String]) -> anyhow::Result<Vec<Item>> {
    let runs = results::runs_in(directory)?.runs;
    let runs: Vec<&FoundRun> = runs.iter().filter(|run| run.run_id == run_id).collect();
    tree_of(directory, run_id, &runs, labels)
}

/// The same of each plan whose runs the paths name, by run id.
///
/// # Errors
/// There is no run, or a directory that cannot be read.
pub fn run_trees(paths: &[PathBuf]) -> anyhow::Result<Vec<(String, Vec<Item>)>> {
    let mut named: BTreeMap<(PathBuf, String), ()> = BTreeMap::new();
    for path in paths {
        for run in results::find_runs(path)?.runs {
            named.insert((run.files.directory().to_owned(), run.run_id), ());
        }
    }
    if named.is_empty() {
        return refuse("there is no run to upload", "give a results directory or a file of a run");
    }
    let trees = named.into_keys().map(|(directory, run_id)| {
        let items = run_tree(&directory, &run_id, &[])?;
        Ok((run_id, items))
    });
    trees.collect()
}

/// All files of a directory that holds a report of its own.
///
/// # Errors
/// It cannot be read.
pub fn directory_tree(directory: &Path) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    walk(directory, "", DEEPEST, &mut items)?;
    Ok(items)
}

fn tree_of(
    directory: &Path,
    run_id: &str,
    runs: &[&FoundRun],
    labels: &[String],
) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    for run in runs.iter().filter(|run| !run.living) {
        items.extend(of_run(&run.files));
    }
    let folder = directory.join(run_id);
    if folder.join("plan.json").is_file() {
        walk(&folder, &format!("{run_id}/"), DEEPEST, &mut items)?;
    }
    let labels = labels.iter().chain(runs.iter().map(|run| &run.key.label));
    let logs: Vec<String> = labels.map(|label| format!("{run_id}_{}", results::file_name(label))).collect();
    // As a plan names its runs.
    let table = if run_id.contains("_simulated_") { SIMULATED_FILE } else { SUMMARY_FILE };
    for (name, path) in files_of(directory)? {
        if logs.iter().any(|log| is_log(&name, log)) {
            items.push(Item { path, key: name, sort: Sort::Made });
        } else if !items.is_empty() && name == table {
            items.push(Item { path, key: name, sort: Sort::Table });
        }
    }
    items.sort_by(|one, other| one.key.cmp(&other.key));
    items.dedup();
    Ok(items)
}

fn of_run(files: &RunFiles) -> Vec<Item> {
    let measured = [files.records(), files.closed_records(), files.samples(), files.closed_samples()];
    let item = |path: PathBuf| {
        let sort = if measured.contains(&path) { Sort::Measured } else { Sort::Made };
        let key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Item { path, key, sort }
    };
    files.existing().map(item).collect()
}

/// `{begin}.log`, also with `_2` behind the beginning, or the name of what was started beside the server.
fn is_log(name: &str, begin: &str) -> bool {
    let rest = name.strip_prefix(begin).and_then(|rest| rest.strip_suffix(".log"));
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    rest.is_some_and(|rest| match rest.strip_prefix('_') {
        Some(number) => is_number(number.split('.').next().unwrap_or_default()),
        None => rest.is_empty() || rest.starts_with('.'),
    })
}

fn walk(directory: &Path, below: &str, deepest: usize, items: &mut Vec<Item>) -> anyhow::Result<()> {
    for (name, path) in files_of(directory)? {
        let key = format!("{below}{name}");
        // What was planned, and on what machine, is written once.
        let sort = if deepest == DEEPEST && ["plan.json", "environment.json"].contains(&name.as_str()) {
            Sort::Measured
        } else {
            Sort::Made
        };
        items.push(Item { path, key, sort });
    }
    for (name, path) in entries_of(directory, true)? {
        if deepest > 0 {
            walk(&path, &format!("{below}{name}/"), deepest - 1, items)?;
        }
    }
    Ok(())
}

fn files_of(directory: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    entries_of(directory, false)
}

/// Directories, or regular files, that are not hidden and whose name is text.
fn entries_of(directory: &Path, directories: bool) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let is_wanted = |entry: &std::fs::DirEntry| {
        entry.file_type().is_ok_and(|kind| if directories { kind.is_dir() } else { kind.is_file() })
    };
    let named = entries.flatten().filter(is_wanted).filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
        Some((name, entry.path()))
    });
    let mut named: Vec<(String, PathBuf)> = named.collect();
    named.sort();
    Ok(named)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_that_of_its_own_run_and_of_no_other() {
        let begin = "run_20260201_143000_vllm";
        for own in ["run_20260201_143000_vllm.log", "run_20260201_143000_vllm_2.log"] {
            assert!(is_log(own, begin), "{own}");
        }
        assert!(is_log("run_20260201_143000_vllm.nginx.log", begin));
        for other in ["run_20260201_143000_vllm_next.log", "run_20260201_143000_vllm.json", "vllm.log"] {
            assert!(!is_log(other, begin), "{other}");
        }
    }

    #[test]
    fn a_tree_has_whole_files_and_neither_hidden_ones_nor_links() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for name in [
            "compare_1/plan.json",
            "compare_1/plots/a.png",
            "compare_1/.part",
            "benchmark_summary.csv",
            "x.json",
        ] {
            write(name);
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("compare_1/link")).unwrap();
        let items = tree_of(folder.path(), "compare_1", &[], &[]).unwrap();
        let keys: Vec<(&str, Sort)> = items.iter().map(|item| (item.key.as_str(), item.sort)).collect();
        assert_eq!(
            keys,
            [
                ("benchmark_summary.csv", Sort::Table),
                ("compare_1/plan.json", Sort::Measured),
                ("compare_1/plots/a.png", Sort::Made),
            ]
        );
        assert!(tree_of(folder.path(), "bench_1", &[], &[]).unwrap().is_empty(), "no run, no table");
    }
}
