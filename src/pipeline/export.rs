//! Runs in the form of another tool, from their records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::report::lpg::{self, LpgPart, LpgRequest, LpgRun};
use crate::results::{self, FoundRun, RecordReader};
use crate::schema::figure;
use crate::schema::files::RunFile;
use crate::schema::plan::Plan;
use crate::schema::record::{Outcome, RequestRecord};
use crate::schema::refusal::{refuse, shown};
use crate::schema::summary::MetricValue;
use crate::schema::unit::Phase;

use super::event::{Event, Listener};

/// Writes each run that `paths` name into `output`, as Google's inference-benchmark would. A file of the same name is
/// replaced. True where a run could not be written.
///
/// # Errors
/// No run, or a directory that cannot be written.
pub fn export_lpg(paths: &[PathBuf], output: &Path, listen: Listener<'_>) -> anyhow::Result<bool> {
    super::other_report::refuse_reports(paths)?;
    let mut found: Vec<FoundRun> = Vec::new();
    let mut trouble = false;
    for path in paths {
        let there = results::find_runs(path)?;
        for unreadable in &there.unreadable {
            trouble = true;
            listen(Event::Trouble(&format!("warning: {}", unreadable.why)));
        }
        found.extend(there.runs);
    }
    let mut seen: Vec<PathBuf> = Vec::new();
    found.retain(|run| {
        !run.living && !seen.contains(&run.files.json()) && {
            seen.push(run.files.json());
            true
        }
    });
    if found.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return refuse(
            format!("no run in {}", names.join(", ")),
            "give a results directory or a file of a run",
        );
    }
    let exported = export(&found, output, listen)?;
    Ok(trouble | exported.trouble)
}

/// What came of an export.
#[derive(Debug, Default)]
pub struct Exported {
    /// Files that were written.
    pub files: Vec<PathBuf>,
    /// A run could not be written.
    pub trouble: bool,
}

/// Writes the runs of a plan that was played, into `lpg/` of its directory, or of the results directory where it has
/// none.
///
/// # Errors
/// A directory that cannot be written.
pub fn export_plan(plan: &Plan, listen: Listener<'_>) -> anyhow::Result<Exported> {
    let mut found = results::runs_in(&plan.output.directory)?.runs;
    found.retain(|run| run.run_id == plan.run_id && !run.living);
    if found.is_empty() {
        return Ok(Exported::default());
    }
    let beside = plan.folder().unwrap_or_else(|| plan.output.directory.clone());
    export(&found, &beside.join("lpg"), listen)
}

fn export(found: &[FoundRun], output: &Path, listen: Listener<'_>) -> anyhow::Result<Exported> {
    let mut exported = Exported::default();
    std::fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let mut written = 0;
    for run in found {
        match export_one(run, output, &mut taken) {
            Ok(files) => {
                written += 1;
                exported.files.extend(files);
            }
            Err(error) => {
                exported.trouble = true;
                listen(Event::Trouble(&format!("warning: {}: {}", run.files.stem(), shown(&error))));
            }
        }
    }
    listen(Event::Note(&format!("{written} runs written to {} for analyze.py", output.display())));
    Ok(exported)
}

fn export_one(
    found: &FoundRun,
    output: &Path,
    taken: &mut BTreeMap<String, u32>,
) -> anyhow::Result<Vec<PathBuf>> {
    let json = found.files.json();
    let file = results::read_run(&json).context("make its .json first: harness report RESULTS")?;
    let Some(records) = &found.records else { anyhow::bail!("its records are gone") };
    let mut parts = Parts::of(&file);
    for record in RecordReader::open(records)? {
        parts.add(&record?);
    }
    let mut files = Vec::new();
    for part in &parts.all {
        let of = LpgRun { plan: &file.plan, run: &file.summary, part };
        let name = lpg::file_name(&of);
        let count = taken.entry(name.clone()).or_default();
        *count += 1;
        let name = if *count == 1 { name } else { name.replacen(".json", &format!("_{count}.json"), 1) };
        let path = output.join(name);
        results::write_json(&path, &lpg::lpg_json(&of))?;
        files.push(path);
    }
    Ok(files)
}

/// The whole of a run, and each of its models where there are several.
struct Parts<'a> {
    plan: &'a Plan,
    all: Vec<LpgPart>,
}

impl<'a> Parts<'a> {
    fn of(file: &'a RunFile) -> Parts<'a> {
        let itl_ms = match file.summary.metrics.get(figure::ITL) {
            Some(MetricValue::Distribution(held)) => Some(held.clone()),
            Some(MetricValue::Scalar(_)) | None => None,
        };
        let models = file.plan.split.as_ref().map(|split| split.models.as_slice()).unwrap_or_default();
        let model = if models.is_empty() { &file.summary.model } else { lpg::WEIGHTED };
        let whole = LpgPart { model: model.to_owned(), itl_ms, ..LpgPart::default() };
        let own = models.iter().map(|share| LpgPart { model: share.model.clone(), ..LpgPart::default() });
        Parts { plan: &file.plan, all: std::iter::once(whole).chain(own).collect() }
    }

    /// Counts a request in the whole and in its model.
    fn add(&mut self, record: &RequestRecord) {
        if record.phase != Phase::Measured {
            return;
        }
        let split = self.plan.split.as_ref();
        let model = split.and_then(|split| split.model(self.plan.seeds, record.unit));
        for (place, part) in self.all.iter_mut().enumerate() {
            if place == 0 || model == Some(part.model.as_str()) {
                add(part, record);
            }
        }
    }
}

fn add(part: &mut LpgPart, record: &RequestRecord) {
    part.issued += 1;
    match &record.outcome {
        Outcome::Failed { kind, .. } => *part.failures.entry(*kind).or_default() += 1,
        Outcome::Completed => {
            let counts = record.counts();
            part.completed.extend(record.e2e_ms().map(|latency_ms| LpgRequest {
                prompt_tokens: counts.prompt,
                output_tokens: counts.output,
                latency_ms,
                ttft_ms: record.ttft_ms(),
            }));
        }
        Outcome::Cancelled | Outcome::Dropped => {}
    }
}
