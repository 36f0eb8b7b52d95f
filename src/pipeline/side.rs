//! One result as `harness check` takes it: a comparison, a run, or a directory of runs.

use std::path::Path;

use crate::analysis::Played;
use crate::results;
use crate::schema::comparison::FailedTarget;
use crate::schema::environment::Environment;
use crate::schema::plan::{LoadPoint, Plan};
use crate::schema::refusal::refuse;
use crate::schema::summary::RunSummary;
use crate::schema::target::Target;

/// The runs of a result.
pub struct Side {
    parts: Vec<Part>,
    failed: Vec<FailedTarget>,
    /// A directory of results, which may hold more than one measurement.
    pub is_directory: bool,
}

/// The runs of one plan, or one of them.
pub struct Part {
    /// The plan.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// Its runs.
    pub runs: Vec<RunSummary>,
}

impl Side {
    /// Reads a comparison's directory or file, a file of a run, or a directory of runs.
    ///
    /// # Errors
    /// There is no run at the path, or one that cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Side> {
        let inside = path.join("comparison.json");
        let is_comparison = path.file_name().is_some_and(|name| name == "comparison.json");
        if inside.is_file() || is_comparison {
            let file = results::read_comparison(if is_comparison { path } else { &inside })?;
            let mut comparison = file.comparison;
            let failed = std::mem::take(&mut comparison.failed);
            let part = Part { plan: file.plan, environment: file.environment, runs: comparison.runs };
            let is_empty = part.runs.is_empty();
            return if is_empty {
                nothing(path)
            } else {
                Ok(Side { parts: vec![part], failed, is_directory: false })
            };
        }
        let found = results::find_runs(path)?;
        if let Some(unreadable) = found.unreadable.first() {
            return refuse(unreadable.why.clone(), "mend it or move it away");
        }
        let mut parts = Vec::new();
        for run in found.runs.iter().filter(|run| !run.living) {
            let Some(json) = &run.json else {
                return refuse(
                    format!("{}: there are its records alone", run.files.stem()),
                    format!("harness report {}", path.display()),
                );
            };
            let file = results::read_run(json)?;
            parts.push(Part { plan: file.plan, environment: file.environment, runs: vec![file.summary] });
        }
        if parts.is_empty() {
            return nothing(path);
        }
        Ok(Side {
            parts,
            failed: Vec::new(),
            is_directory: path.is_dir() && !path.join("plan.json").is_file(),
        })
    }

    /// Labels with a run, each once, in their order.
    pub fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        for run in self.parts.iter().flat_map(|part| &part.runs) {
            if !labels.contains(&run.key.label) {
                labels.push(run.key.label.clone());
            }
        }
        labels
    }

    /// Run ids, each once.
    pub fn run_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.parts.iter().map(|part| part.plan.run_id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// Why a label gave no result, where that is known.
    pub fn failure_of(&self, label: &str) -> Option<&str> {
        self.failed.iter().find(|failed| failed.label == label).map(|failed| failed.error.as_str())
    }

    /// The runs of a label by what was asked of it.
    pub fn cells(&self, label: &str) -> Vec<Cell<'_>> {
        let mut cells: Vec<Cell<'_>> = Vec::new();
        for part in &self.parts {
            for run in part.runs.iter().filter(|run| run.key.label == label) {
                let Some(load) = part.plan.load(run.key.point) else { continue };
                let new = Cell { load, runs: vec![(part, run)] };
                match cells.iter_mut().find(|cell| cell.same_work(&new)) {
                    Some(cell) => cell.runs.extend(new.runs),
                    None => cells.push(new),
                }
            }
        }
        cells
    }
}

fn nothing(path: &Path) -> anyhow::Result<Side> {
    refuse(
        format!("no run in {}", path.display()),
        "give a comparison's directory, a run's .json, or a directory of results",
    )
}

/// Runs of one label that did the same work.
pub struct Cell<'a> {
    load: &'a LoadPoint,
    runs: Vec<(&'a Part, &'a RunSummary)>,
}

impl<'a> Cell<'a> {
    /// The same model, prompts, load and sampling.
    pub fn same_work(&self, other: &Cell<'_>) -> bool {
        let work = |cell: &Cell<'a>| cell.runs.first().map(|(part, run)| (&part.plan, *run));
        let other_work = other.runs.first().map(|(part, run)| (&part.plan, *run));
        match (work(self), other_work) {
            (Some((plan, run)), Some((other_plan, other_run))) => {
                run.model == other_run.model
                    && plan.dataset.sha256 == other_plan.dataset.sha256
                    && plan.sampling == other_plan.sampling
                    && same_load(self.load, other.load)
            }
            (Some(_) | None, _) => false,
        }
    }

    /// The label.
    pub fn label(&self) -> &str {
        self.runs.first().map_or("", |(_, run)| &run.key.label)
    }

    /// The load in words: `concurrency 8, 100 requests`.
    pub fn load(&self) -> String {
        load_words(self.load)
    }

    /// The runs with the ids of their plans.
    pub fn played(&self) -> Vec<Played<'a>> {
        self.runs.iter().map(|(part, run)| Played { run_id: &part.plan.run_id, run }).collect()
    }

    /// What a fact is in these runs: each value once, in the order of the alphabet.
    pub fn fact(&self, of: impl Fn(&Part, &RunSummary, Option<&Target>) -> String) -> String {
        let mut values: Vec<String> = self
            .runs
            .iter()
            .map(|(part, run)| {
                let target = part.plan.targets.iter().find(|target| target.label == run.key.label);
                of(part, run, target)
            })
            .collect();
        values.sort();
        values.dedup();
        values.join(" and ")
    }

    /// Its load.
    pub fn point(&self) -> &LoadPoint {
        self.load
    }
}

/// Whatever it is called.
fn same_load(left: &LoadPoint, right: &LoadPoint) -> bool {
    let unnamed = |load: &LoadPoint| LoadPoint { name: None, ..load.clone() };
    unnamed(left) == unnamed(right)
}

fn load_words(load: &LoadPoint) -> String {
    let requests = load.until.requests().map(|requests| format!(", {requests} requests"));
    let seconds = load.until.duration_s().map(|seconds| format!(", {seconds} s"));
    let name = load.name.as_ref().map(|name| format!("{name}: "));
    [name, Some(load.traffic.to_string()), requests, seconds].into_iter().flatten().collect()
}
