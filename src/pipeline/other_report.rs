//! A report that is made otherwise than the results' own: over a part of each run, with another TTFT or baseline, or of
//! several results at once. It goes into a directory of its own, and what was measured stays as it is.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::analysis::{Cut, Finish, Otherwise, SummaryInput};
use crate::directories::is_disk_full;
use crate::results::{self, FoundRun, RecordReader};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::curves::RunCurves;
use crate::schema::environment::Environment;
use crate::schema::figure;
use crate::schema::files::RecordsHeader;
use crate::schema::plan::Plan;
use crate::schema::refusal::{Refusal, refuse, shown};
use crate::schema::report_settings::{ReportSettings, TtftOf, WindowOf};
use crate::schema::summary::RunSummary;

use super::derive::{Derived, of_json, run_file};
use super::event::{Event, Listener};
use super::kept::keep;
use super::merged_plan::MergedPlan;
use super::reports;
use super::sensed::Sensed;

/// Makes a report of the runs that `paths` name, side by side, in `output`.
/// True where a run failed, was partial, or could not be read, or where a file could not be written.
///
/// # Errors
/// No run, a directory that holds something else, a label that there is not, and settings that a run cannot serve:
/// no steady state, a window outside it, a stamp that it does not hold.
pub fn report_otherwise(
    paths: &[PathBuf],
    settings: &ReportSettings,
    output: &Path,
    listen: Listener<'_>,
) -> anyhow::Result<bool> {
    refuse_reports(paths)?;
    check_output(output)?;
    let mut making = Making { settings, listen, runs: Vec::new(), failed: Vec::new(), trouble: false };
    let mut plans: Vec<(Plan, Environment)> = Vec::new();
    for found in making.find(paths)? {
        if let Some(derived) = making.run(&found)?
            && !plans.iter().any(|(plan, _)| plan.run_id == derived.file.plan.run_id)
        {
            plans.push((derived.file.plan.clone(), derived.file.environment.clone()));
        }
    }
    let Some(mut merged) = MergedPlan::of(&plans, Timestamp::now()) else {
        return refuse(format!("no run in {}", names(paths)), "give results directories or files of runs");
    };
    if let Some(baseline) = &settings.baseline {
        check_label(baseline, &merged.plan)?;
        merged.plan.baseline = Some(baseline.clone());
    }
    making.write(&merged, output)
}

/// What is being made.
struct Making<'a> {
    settings: &'a ReportSettings,
    listen: Listener<'a>,
    runs: Vec<Derived>,
    /// With the run id of their plan.
    failed: Vec<(String, FailedTarget)>,
    trouble: bool,
}

impl Making<'_> {
    /// Every run once, result by result in the order given.
    fn find(&mut self, paths: &[PathBuf]) -> anyhow::Result<Vec<FoundRun>> {
        let mut all: Vec<FoundRun> = Vec::new();
        for path in paths {
            let path = match path.parent() {
                Some(folder) if path.ends_with("comparison.json") => folder,
                Some(_) | None => path,
            };
            let found = results::find_runs(path)?;
            for unreadable in &found.unreadable {
                self.tell(&format!("warning: {}", unreadable.why));
            }
            for run in found.runs {
                if run.living {
                    (self.listen)(Event::Note(&format!(
                        "{}: still being played, so it is left out",
                        run.files.stem()
                    )));
                } else if !all.iter().any(|known| known.files == run.files) {
                    all.push(run);
                }
            }
        }
        self.known_failures(&all);
        Ok(all)
    }

    /// Launches that gave no run, as the comparisons beside the runs know them.
    fn known_failures(&mut self, runs: &[FoundRun]) {
        let mut seen: Vec<PathBuf> = Vec::new();
        for run in runs {
            let path = run.files.directory().join(&run.run_id).join("comparison.json");
            if seen.contains(&path) {
                continue;
            }
            let known =
                results::read_comparison(&path).map(|file| file.comparison.failed).unwrap_or_default();
            self.failed.extend(known.into_iter().map(|failed| (run.run_id.clone(), failed)));
            seen.push(path);
        }
    }

    fn tell(&mut self, trouble: &str) {
        self.trouble = true;
        (self.listen)(Event::Trouble(trouble));
    }

    /// One run; none where it cannot be made again, which is told.
    fn run(&mut self, found: &FoundRun) -> anyhow::Result<Option<&Derived>> {
        let made = match &found.records {
            Some(records) => made_of_records(found, records, self.settings),
            None if self.settings.window == WindowOf::Whole && self.settings.ttft == TtftOf::FirstToken => {
                of_json(&found.files).map(|run| Made { run, damage: None })
            }
            None => Err(anyhow::anyhow!(
                "{}: its records are gone, and other figures than those in its .json are made of them",
                found.files.stem()
            )),
        };
        match made {
            Ok(Made { run, damage }) => {
                if let Some(damage) = damage {
                    self.tell(&format!("warning: {}", shown(&damage)));
                }
                run.note.iter().for_each(|note| (self.listen)(Event::Note(note)));
                self.trouble |= run.file.summary.partial.is_some() || run.file.summary.requests.failed > 0;
                self.runs.push(run);
                Ok(self.runs.last())
            }
            Err(error) if is_disk_full(&error) || error.is::<Refusal>() => Err(error),
            Err(error) => {
                self.tell(&format!("warning: {}", shown(&error)));
                let failed = FailedTarget {
                    label: found.key.label.clone(),
                    round: found.key.round,
                    error: format!("cannot be made again: {error:#}"),
                    hint: String::new(),
                };
                self.failed.push((found.run_id.clone(), failed));
                Ok(None)
            }
        }
    }

    /// Puts the runs side by side and writes the report.
    fn write(mut self, merged: &MergedPlan, output: &Path) -> anyhow::Result<bool> {
        let plan = &merged.plan;
        for run in &mut self.runs {
            run.file.summary.key = merged.key(&run.file.plan.run_id, &run.file.summary.key);
            run.file.plan = plan.clone();
        }
        self.runs.sort_by_key(|run| run.file.summary.started_at);
        for run in &self.runs {
            let closed = (self.runs.len(), self.runs.len());
            (self.listen)(Event::RunClosed { run: &run.file, path: &run.files.json(), closed });
        }
        let failed: Vec<FailedTarget> = self
            .failed
            .iter()
            .map(|(run_id, failed)| FailedTarget {
                label: merged.label(run_id, &failed.label),
                ..failed.clone()
            })
            .collect();
        let mut comparison = reports::compared(plan, &self.runs, &failed);
        self.mark(&mut comparison, merged);
        results::check_directory(output)?;
        results::write_atomic(&output.join(MARK), MARK_TEXT.as_bytes())?;
        let Some(first) = self.runs.first() else { return Ok(true) };
        // An earlier report of the same name was of another plan.
        results::write_json(&output.join("plan.json"), plan)?;
        let written =
            reports::write_folder(output, plan, &first.file.environment, comparison.clone(), &self.runs);
        (self.listen)(Event::Compared { comparison: &comparison, folder: Some(output) });
        for error in written.err().into_iter().flatten() {
            self.tell(&format!("error: {}", shown(&error)));
        }
        Ok(self.trouble)
    }

    /// Says in the comparison how it was made, and takes from pairs that are none what only pairs have.
    fn mark(&self, comparison: &mut Comparison, merged: &MergedPlan) {
        let ReportSettings { baseline: _, window, ttft } = *self.settings;
        let otherwise = window != WindowOf::Whole || ttft != TtftOf::FirstToken;
        let made = otherwise.then_some(Caveat::MadeOtherwise { window, ttft });
        comparison.caveats.splice(..0, made.into_iter().chain(merged.caveat()));
        for pair in &mut comparison.pairs {
            if !merged.are_paired(&pair.label, &pair.baseline) {
                pair.ratios.clear();
                pair.not_comparable.push("NOT PAIRED: measured at another time".to_owned());
            }
        }
    }
}

/// A run made again.
struct Made {
    run: Derived,
    /// What could not be read of its records.
    damage: Option<anyhow::Error>,
}

fn made_of_records(found: &FoundRun, records: &Path, settings: &ReportSettings) -> anyhow::Result<Made> {
    let sensed = Sensed::read(&found.files);
    let cut = match settings.window {
        WindowOf::Whole => None,
        WindowOf::Steady | WindowOf::Between { .. } => {
            let (header, whole, ..) = summed(records, None, None, TtftOf::FirstToken)?;
            Some(cut(found.files.stem(), &header, &whole, settings.window)?)
        }
    };
    let (header, summary, curves, damage) = summed(records, sensed.as_ref(), cut, settings.ttft)?;
    let stem = found.files.stem();
    if cut.is_some() && summary.requests.issued == 0 {
        return refuse(
            format!("{stem}: no request was sent in {}", settings.window),
            "give another --window",
        );
    }
    if !curves.ecdf.contains_key(figure::TTFT)
        && settings.ttft != TtftOf::FirstToken
        && summary.requests.completed > 0
    {
        let formula = settings.ttft.formula();
        return refuse(
            format!("{stem}: no completed request holds the stamps of TTFT = {formula}"),
            "leave --ttft out, or leave this result out",
        );
    }
    let as_measured = cut.is_none() && settings.ttft == TtftOf::FirstToken;
    let mut file = run_file(sensed.as_ref(), header, summary, curves, as_measured);
    let note = keep(&found.files, sensed.as_ref(), &mut file);
    file.phases = None;
    Ok(Made { run: Derived { files: found.files.clone(), file, note }, damage })
}

/// Header, summary and curves of records, and what could not be read of them.
type Summed = (RecordsHeader, RunSummary, RunCurves, Option<anyhow::Error>);

fn summed(records: &Path, sensed: Option<&Sensed>, cut: Option<Cut>, ttft: TtftOf) -> anyhow::Result<Summed> {
    let mut reader = RecordReader::open(records)?;
    let header = reader.header().clone();
    let mut sum = Otherwise::new(SummaryInput::from_header(&header)?, cut, ttft);
    let (mut damage, mut read) = (None, 0u64);
    loop {
        match reader.next_record() {
            Ok(Some(record)) => sum.add(&record),
            Ok(None) => break,
            Err(error) => {
                damage = Some(error.context("what stands before it is counted"));
                break;
            }
        }
        read += 1;
    }
    let footer = reader.finish();
    let window = sum.window_us();
    let damaged = damage.as_ref().map(|_| format!("its records cannot be read after {read} requests"));
    let (summary, curves) = sum.finish(Finish {
        issued: footer.engine.issued,
        engine: footer.engine,
        partial: damaged.or(footer.partial),
        server: footer.server,
        workers: footer.workers,
        gpu: sensed.zip(window).and_then(|(sensed, window)| sensed.gpu_figures(window)),
    })?;
    Ok((header, summary, curves, damage))
}

/// The part of a run that a window is.
fn cut(stem: &str, header: &RecordsHeader, whole: &RunSummary, window: WindowOf) -> anyhow::Result<Cut> {
    let start_us = u64::try_from(whole.started_at.duration_since(header.started_at).as_micros()).unwrap_or(0);
    let at_us = |seconds: f64| start_us.saturating_add((seconds * 1e6) as u64);
    // The run's last end is a part of it.
    let end_us = at_us(whole.duration_s) + 1;
    let (from_s, to_s) = match (window, &whole.steady) {
        (WindowOf::Whole, _) => return Ok(Cut { from_us: start_us, to_us: end_us }),
        (WindowOf::Steady, Some(steady)) => (steady.from_s, Some(steady.to_s)),
        (WindowOf::Steady, None) => {
            return refuse(
                format!(
                    "{stem}: it has no steady state (too short, too few requests, or its tokens cannot be placed)"
                ),
                "give a window: --window 10s..60s",
            );
        }
        (WindowOf::Between { from_s, to_s }, _) => (from_s, to_s),
    };
    let cut = Cut { from_us: at_us(from_s), to_us: to_s.map_or(end_us, at_us).min(end_us) };
    if cut.from_us >= cut.to_us {
        return refuse(
            format!("{stem}: it lasted {:.1} s, so nothing of it lies in {window}", whole.duration_s),
            "give another --window",
        );
    }
    Ok(cut)
}

/// Refuses a directory that holds a report made here: no run lies in it, and it is made again by its own command.
///
/// # Errors
/// One of the paths is such a directory.
pub(super) fn refuse_reports(paths: &[PathBuf]) -> anyhow::Result<()> {
    match paths.iter().find(|path| path.join(MARK).is_file()) {
        None => Ok(()),
        Some(path) => refuse(
            format!("{} was made by harness report --output", path.display()),
            "give the results that it was made of, with --output and its settings",
        ),
    }
}

/// A directory that is not there, is empty, or holds an earlier report of this kind.
fn check_output(output: &Path) -> anyhow::Result<()> {
    let is_ours = output.join("plan.json").is_file() && output.join(MARK).is_file();
    let is_empty = || std::fs::read_dir(output).is_ok_and(|mut entries| entries.next().is_none());
    if !output.exists() || is_ours || is_empty() {
        return Ok(());
    }
    refuse(
        format!("--output {} holds something else", output.display()),
        "name a directory that is not there yet",
    )
}

/// Marks a directory whose reports may be replaced.
const MARK: &str = "made_by_harness_report";
const MARK_TEXT: &str = "Made by `harness report --output`: it is replaced when that is run again.\n";

fn check_label(label: &str, plan: &Plan) -> anyhow::Result<()> {
    let labels: Vec<&str> = plan.targets.iter().map(|target| target.label.as_str()).collect();
    if labels.contains(&label) {
        return Ok(());
    }
    refuse(format!("--baseline: there is no {label} here"), format!("one of {}", labels.join(", ")))
}

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
