//! Runs in the form of another tool, from their records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::report::lpg::{self, LpgRequest, LpgRun};
use crate::results::{self, FoundRun, RecordReader};
use crate::schema::refusal::{refuse, shown};

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
    std::fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let mut written = 0;
    for run in &found {
        match export_one(run, output, &mut taken) {
            Ok(()) => written += 1,
            Err(error) => {
                trouble = true;
                listen(Event::Trouble(&format!("warning: {}: {}", run.files.stem(), shown(&error))));
            }
        }
    }
    listen(Event::Note(&format!("{written} runs written to {} for analyze.py", output.display())));
    Ok(trouble)
}

fn export_one(found: &FoundRun, output: &Path, taken: &mut BTreeMap<String, u32>) -> anyhow::Result<()> {
    let json = found.files.json();
    let file = results::read_run(&json).context("make its .json first: harness report RESULTS")?;
    let Some(records) = &found.records else { anyhow::bail!("its records are gone") };
    let mut requests = Vec::new();
    for record in RecordReader::open(records)? {
        let record = record?;
        if let (true, Some(latency_ms)) = (record.counts_for_latency(), record.e2e_ms()) {
            let counts = record.counts();
            requests.push(LpgRequest {
                prompt_tokens: counts.prompt,
                output_tokens: counts.output,
                latency_ms,
                ttft_ms: record.ttft_ms(),
            });
        }
    }
    let name = lpg::file_name(&file.plan, &file.summary);
    let count = taken.entry(name.clone()).or_default();
    *count += 1;
    let name = if *count == 1 { name } else { name.replacen(".json", &format!("_{count}.json"), 1) };
    let value = lpg::lpg_json(&LpgRun { plan: &file.plan, run: &file.summary, requests: &requests });
    results::write_json(&output.join(name), &value)
}
