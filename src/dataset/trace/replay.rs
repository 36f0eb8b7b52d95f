//! A trace → what is played: rows within the window, their due times, their prompts.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::lines::TraceError;
use super::order::{StepBack, put_in_order};
use super::read::{Asked, Found, Summed, format_of, read};
use super::text::{Parts, salt};
use super::ticks::{Clock, clock, spread};
use crate::dataset::packed::unpacked;
use crate::dataset::texts::TextMaker;
use crate::schema::plan::DatasetSource;
use crate::schema::refusal::{refusal, refuse};
use crate::schema::text::shell_word;
use crate::schema::trace::{Ticks, TraceArrivals, TraceFormat, TraceOptions, TraceRow, TraceSource};
use crate::schema::unit::{Body, Turn, Unit, Units};

/// A clock that is finer than this has no tick over which anything could be spread, µs.
const FINEST_TICK_US: u64 = 1_000;
/// The stretch of a peak, µs.
const BUSIEST_US: u64 = 10_000_000;
/// As much of a file as its first line takes, for all but the longest prompts.
const FIRST_BYTES: u64 = 1 << 20;

/// A trace that is ready to be played.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Where it comes from, as the plan keeps it.
    pub source: DatasetSource,
    /// What to tell the user before it is played, a line each.
    pub notes: Vec<String>,
    rows: Arc<[TraceRow]>,
    due_us: Arc<[u64]>,
    ticks: Option<Ticks>,
    parts: Arc<Parts>,
    prompts: Arc<HashMap<u32, String>>,
}

/// The format of a file, by its beginning; none where it is no trace that is known.
///
/// # Errors
/// It cannot be read.
pub fn trace_format(path: &Path) -> std::io::Result<Option<TraceFormat>> {
    let mut first = Vec::new();
    unpacked(File::open(path)?)?.1.take(FIRST_BYTES).read_to_end(&mut first)?;
    Ok(format_of(&first))
}

/// Reads a file, packed or not, and the sum of its bytes as they lie on the disk.
pub(super) fn read_file(path: &Path, options: &TraceOptions) -> anyhow::Result<(Found, String)> {
    let shown = path.display();
    let refused = |error: TraceError| refused(&shown.to_string(), error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return refuse(format!("the trace {shown} does not exist"), "check the path");
        }
        Err(error) => return Err(refused(error.into())),
    };
    let mut summed = Summed::new(BufReader::with_capacity(1 << 18, file));
    let asked =
        Asked { format: options.format, columns: options.columns.as_ref(), skip_bad: options.skip_bad };
    let (_, content) = unpacked(&mut summed).map_err(|error| refused(error.into()))?;
    let found = read(BufReader::with_capacity(1 << 18, content), asked).map_err(refused)?;
    let sha256 = summed.finish().map_err(|error| refused(error.into()))?;
    Ok((found, sha256))
}

fn refused(shown: &str, error: TraceError) -> anyhow::Error {
    let known = TraceFormat::ALL.map(TraceFormat::name).join(", ");
    let cure = match &error {
        TraceError::Unknown(_) => {
            "name its columns: --columns time=…,input=…,output=…[,time_unit=s|ms|us|ns]".to_owned()
        }
        TraceError::Other(..) => format!("leave --trace-format out, or give another of {known}"),
        TraceError::Twice(_) => "name the one that is not meant otherwise, in its first line".to_owned(),
        TraceError::List => format!("jq -c '.[]' {} > lines.jsonl", shell_word(shown)),
        TraceError::Row { .. } => "correct that line, or leave such rows out with --skip-bad".to_owned(),
        TraceError::Empty => "check that it is whole".to_owned(),
        TraceError::Io(_) => "check the path and its permissions".to_owned(),
    };
    match error {
        TraceError::Row { line, what } => refusal(format!("{shown}, line {line}: {what}"), cure),
        TraceError::Io(why) => anyhow::Error::new(why).context(format!("cannot read the trace {shown}")),
        TraceError::Unknown(_)
        | TraceError::Other(..)
        | TraceError::Twice(_)
        | TraceError::List
        | TraceError::Empty => refusal(format!("{shown}: {error}"), cure),
    }
}

/// Reads a trace and makes what is played of it. `seed` is that of the arrivals: it spreads ticks.
///
/// # Errors
/// The file is no trace, a row cannot be used or steps back, or nothing is left to play; one line with its cure.
pub fn replay(path: &Path, options: &TraceOptions, seed: u64) -> anyhow::Result<Replay> {
    let (found, sha256) = read_file(path, options)?;
    made(found, (path, sha256), options, seed)
}

/// What is played of the rows of a file.
pub(super) fn made(
    found: Found,
    (path, sha256): (&Path, String),
    options: &TraceOptions,
    seed: u64,
) -> anyhow::Result<Replay> {
    let shown = path.display().to_string();
    let options = TraceOptions { format: Some(found.format), ..options.clone() };
    let mut rows = found.rows.rows;
    let total = rows.len() as u64;
    let moved =
        put_in_order(&mut rows, options.on_step_back).map_err(|step| step_back_error(&shown, total, step))?;
    let first_us = rows.first().map_or(0, |row| row.at_us);
    let span_us = rows.last().map_or(0, |row| row.at_us) - first_us;
    rows.iter_mut().for_each(|row| row.at_us -= first_us);
    let answered: Vec<u64> = rows.iter().filter(|row| !row.failed).map(|row| row.at_us).collect();
    let clock = clock(&answered);
    let parts = match (found.format.block_tokens(), found.format) {
        (Some(tokens), _) => Parts::Blocks(tokens),
        (None, TraceFormat::RagPulse) => Parts::components(&rows),
        (None, _) => Parts::None,
    };
    let mut source = TraceSource {
        rows: total,
        failed: 0,
        bad: found.bad,
        outside: 0,
        inputs_cut: 0,
        outputs_cut: 0,
        tokenizer: None,
        moved_s: moved.iter().map(|us| *us as f64 / 1e6).collect(),
        options,
    };
    let mut prompts = found.rows.prompts;
    let rows = played(rows, &mut source, &mut prompts);
    if rows.is_empty() {
        return refuse(
            format!("{shown}: no request is left to play: {}", left_out(&source, span_us)),
            "check --window against what harness dataset stats says of the file",
        );
    }
    let due_us = due(&rows, &source.options, &clock, seed).map_err(|why| {
        refusal(format!("--spread-ticks spreads nothing of {shown}: {why}"), "leave it out")
    })?;
    let ticks = clock.ticks.filter(|_| !source.options.spread_ticks).map(|ticks| of_played(ticks, &rows));
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut replay = Replay {
        source: DatasetSource {
            sha256,
            path: shown,
            trace: Some(source),
            ..DatasetSource::in_memory(&name, rows.len())
        },
        notes: Vec::new(),
        rows: rows.into(),
        due_us: due_us.into(),
        ticks,
        parts: parts.into(),
        prompts: prompts.into(),
    };
    replay.notes = replay.tell(&clock, found.first_bad.as_deref());
    Ok(replay)
}

fn step_back_error(shown: &str, rows: u64, step: StepBack) -> anyhow::Error {
    let seconds = |us: u64| us as f64 / 1e6;
    let StepBack { index, line, from_us, to_us } = step;
    refusal(
        format!(
            "{shown}, line {line}: row {index} of {rows} (from 0) steps back, from {} s to {} s",
            seconds(from_us),
            seconds(to_us)
        ),
        "--on-step-back append plays what follows as a further part after it; --on-step-back sort lays the parts \
         on top of each other by their times",
    )
}

/// The rows within the window that were answered, their lengths cut; what became of the others is counted.
fn played(
    rows: Vec<TraceRow>,
    source: &mut TraceSource,
    prompts: &mut HashMap<u32, String>,
) -> Vec<TraceRow> {
    let TraceOptions { from_s, to_s, max_input_tokens, max_output_tokens, .. } = source.options;
    let from_us = (from_s * 1e6).round() as u64;
    let to_us = to_s.map_or(u64::MAX, |to_s| (to_s * 1e6).round() as u64);
    let mut left = Vec::with_capacity(rows.len());
    for mut row in rows {
        if !(from_us..to_us).contains(&row.at_us) {
            source.outside += 1;
            continue;
        }
        if row.failed {
            source.failed += 1;
            continue;
        }
        row.at_us -= from_us;
        if let Some(most) = max_input_tokens.filter(|most| row.input_tokens > *most) {
            row.input_tokens = most;
            // Text of the new length takes the place of the file's own.
            prompts.remove(&row.index);
            source.inputs_cut += 1;
        }
        if let Some(most) = max_output_tokens.filter(|most| row.output_tokens > *most) {
            row.output_tokens = most;
            source.outputs_cut += 1;
        }
        left.push(row);
    }
    left
}

fn left_out(source: &TraceSource, span_us: u64) -> String {
    format!(
        "of {} rows over {:.1} s, {} are outside the window and {} have no answer",
        source.rows,
        span_us as f64 / 1e6,
        source.outside,
        source.failed
    )
}

/// Due times of rows in order, µs.
fn due(rows: &[TraceRow], options: &TraceOptions, clock: &Clock, seed: u64) -> Result<Vec<u64>, String> {
    let mut times: Vec<u64> = rows.iter().map(|row| row.at_us).collect();
    if options.spread_ticks {
        let step_us = match clock.ticks {
            Some(ticks) => (ticks.step_s * 1e6) as u64,
            None if clock.resolution_us >= FINEST_TICK_US => clock.resolution_us,
            None => return Err("its clock does not tick".to_owned()),
        };
        spread(&mut times, step_us, seed);
    }
    Ok(times.into_iter().map(|at_us| (at_us as f64 / options.speed).round() as u64).collect())
}

/// Ticks of the rows that are played.
fn of_played(ticks: Ticks, rows: &[TraceRow]) -> Ticks {
    let mut instants: Vec<u64> = rows.iter().map(|row| row.at_us).collect();
    instants.dedup();
    Ticks { instants: instants.len() as u64, rows: rows.len() as u64, ..ticks }
}

/// Requests per second of the busiest stretch; `due_us` in order.
fn busiest(due_us: &[u64]) -> f64 {
    let span_us = due_us.last().zip(due_us.first()).map_or(0, |(last, first)| last - first);
    let stretch_us = BUSIEST_US.min(span_us).max(1);
    let within =
        |(place, from): (usize, &u64)| due_us[place..].partition_point(|due_us| due_us - from < stretch_us);
    let most = due_us.iter().enumerate().map(within).max().unwrap_or(0);
    most as f64 / (stretch_us as f64 / 1e6)
}

impl Replay {
    /// Requests that can be played.
    pub fn requests(&self) -> usize {
        self.rows.len()
    }

    /// How its options and its rows stand in the plan.
    pub fn trace(&self) -> Option<&TraceSource> {
        self.source.trace.as_ref()
    }

    /// The arrivals of its first `requests`, those before `duration_s`.
    pub fn arrivals(&self, requests: Option<u64>, duration_s: Option<f64>) -> TraceArrivals {
        let within = duration_s.map_or(self.due_us.len(), |duration_s| {
            self.due_us.partition_point(|due_us| (*due_us as f64) < duration_s * 1e6)
        });
        let count =
            within.min(requests.and_then(|requests| usize::try_from(requests).ok()).unwrap_or(within));
        let of = &self.due_us[..count];
        let span_s = of.last().zip(of.first()).map_or(0.0, |(last, first)| (last - first) as f64 / 1e6);
        TraceArrivals {
            name: self.source.name.clone(),
            requests: count as u64,
            rate_per_s: (span_s > 0.0).then(|| count as f64 / span_s),
            peak_per_s: (span_s > 0.0).then(|| busiest(of)),
            at_once: of.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap_or(0) as u64,
            speed: self.trace().map_or(1.0, |trace| trace.options.speed),
            ticks: self.ticks,
        }
    }

    /// Its units: the k-th is the k-th row, with its time. Texts are made from the seed; with `renewed` those of another
    /// pass are others, so that no prefix cache answers for the engine: within a pass rows share what they shared.
    pub fn units(
        &self,
        max_tokens_override: Option<u32>,
        (seed, renewed): (u64, bool),
        maker: Arc<TextMaker>,
    ) -> Units {
        let (rows, parts, prompts) = (self.rows.clone(), self.parts.clone(), self.prompts.clone());
        let unit = move |pass: u64, k: u64| {
            let row = rows.get(usize::try_from(k).ok()?)?;
            let salt = salt(seed, if renewed { pass } else { 0 });
            let own = prompts.get(&row.index).cloned();
            let prompt_tokens = own.is_none().then_some(row.input_tokens.max(1));
            let text = own.unwrap_or_else(|| parts.prompt(row, &maker, salt));
            let max_tokens = max_tokens_override.unwrap_or(row.output_tokens);
            let turn = Turn { body: Body::Text(text), max_tokens, pause_s: 0.0, prompt_tokens };
            Some(Unit { turns: vec![turn], ..Unit::single(row.index.to_string(), "", max_tokens) })
        };
        Units::by_pass(true, unit).due_at(self.due_us.clone())
    }

    /// What is to be said before it is played.
    fn tell(&self, clock: &Clock, first_bad: Option<&str>) -> Vec<String> {
        let Some(trace) = self.trace() else { return Vec::new() };
        let path = &self.source.path;
        let arrivals = self.arrivals(None, None);
        let title = trace.options.format.map_or("trace", TraceFormat::title);
        let mut lines = vec![format!(
            "{path}: {title}, {} of {} rows, mean {:.3}/s as played",
            self.rows.len(),
            trace.rows,
            arrivals.rate_per_s.unwrap_or_default()
        )];
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                lines.push(format!("trace: {count} {what}"));
            }
        };
        say(trace.failed, "rows without an answer (failed requests) are left out");
        say(
            trace.bad,
            &format!("rows cannot be read and are left out; the first: {}", first_bad.unwrap_or("")),
        );
        say(trace.inputs_cut, "prompts are cut to --max-input-tokens");
        say(trace.outputs_cut, "answers are cut to --max-output-tokens");
        say(trace.moved_s.len() as u64, "further parts are played after the first (--on-step-back append)");
        if let Some(ticks) = &arrivals.ticks {
            lines.push(format!(
                "trace: {} requests sit on {} instants {} s apart: a log's tick, so these are bursts that never \
                 happened; --spread-ticks spreads them over it",
                ticks.rows, ticks.instants, ticks.step_s
            ));
        } else if trace.options.spread_ticks {
            let step_s = clock.ticks.map_or(clock.resolution_us as f64 / 1e6, |ticks| ticks.step_s);
            lines
                .push(format!("trace: requests of a tick are spread at random over its {step_s} s (--seed)"));
        }
        lines
    }
}
