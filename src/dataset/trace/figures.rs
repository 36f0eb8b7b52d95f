//! What is in a trace, counted: lengths, how arrivals cluster, and what shows a counterfeit or a log's tick.

use std::collections::HashSet;
use std::path::Path;

use super::order::steps_back;
use super::read::Found;
use super::replay::read_file;
use super::ticks::{Clock, clock};
use crate::schema::trace::{TraceFormat, TraceOptions, TraceRow};
use crate::schema::trace_stats::{BlockStats, Dispersion, EvenRun, Lengths, TraceStats};

/// Windows in which arrivals are counted, s.
const WINDOWS_S: [u64; 3] = [1, 10, 60];
/// More even than this, over so many windows, is no number of independent users.
const EVEN: f64 = 0.5;
/// More clustered than this is more than chance.
const CLUSTERED: f64 = 1.5;
const LEAST_WINDOWS: u64 = 30;

/// A trace with its figures: what a picture needs too.
#[derive(Debug)]
pub struct TraceCounted {
    /// The figures.
    pub stats: TraceStats,
    /// Arrivals after the first, s, in order.
    pub arrivals_s: Vec<f64>,
    /// Prompt tokens of rows that were answered.
    pub input_tokens: Vec<u64>,
    /// Answer tokens of them.
    pub output_tokens: Vec<u64>,
}

/// Reads a trace and counts what is in it. Steps back are counted, not refused.
///
/// # Errors
/// The file is no trace, or a row cannot be used; one line with its cure.
pub fn trace_stats(path: &Path, options: &TraceOptions) -> anyhow::Result<TraceCounted> {
    let (found, sha256) = read_file(path, options)?;
    Ok(counted(found, path, sha256))
}

/// What is in the rows of a file.
pub(super) fn counted(found: Found, path: &Path, sha256: String) -> TraceCounted {
    let rows = found.rows.rows;
    let mut times: Vec<u64> = rows.iter().map(|row| row.at_us).collect();
    times.sort_unstable();
    let first = times.first().copied().unwrap_or(0);
    let span_us = times.last().map_or(0, |last| last - first);
    let clock = clock(&times);
    let [input, answered_input] =
        [false, true].map(|answered| lengths(&rows, answered, |row| row.input_tokens));
    let [output, answered_output] =
        [false, true].map(|answered| lengths(&rows, answered, |row| row.output_tokens));
    let sessions: HashSet<u32> = rows.iter().filter_map(|row| row.session).collect();
    let mut stats = TraceStats {
        path: path.display().to_string(),
        sha256,
        format: found.format,
        rows: rows.len() as u64,
        failed: rows.iter().filter(|row| row.failed).count() as u64,
        bad: found.bad,
        input: Lengths::of(input),
        output: Lengths::of(output),
        answered_input: Lengths::of(answered_input.clone()),
        answered_output: Lengths::of(answered_output.clone()),
        span_s: span_us as f64 / 1e6,
        rate_per_s: (span_us > 0).then(|| rows.len() as f64 / (span_us as f64 / 1e6)),
        dispersion: WINDOWS_S.iter().map(|window_s| dispersion(&times, *window_s, true)).collect(),
        ties: rows.len() as u64 - clock.instants,
        instants: clock.instants,
        resolution_s: clock.resolution_us as f64 / 1e6,
        ticks: clock.ticks,
        even: clock.even,
        steps_back: steps_back(&rows).count() as u64,
        first_step_back: steps_back(&rows).next().map(|step| step.index as u64),
        sessions: sessions.len() as u64,
        blocks: blocks(&rows, found.format),
        verdicts: Vec::new(),
    };
    stats.verdicts = verdicts(&stats, &clock);
    let arrivals_s = times.iter().map(|at| (at - first) as f64 / 1e6).collect();
    TraceCounted { stats, arrivals_s, input_tokens: answered_input, output_tokens: answered_output }
}

/// A length of each row, or of those that were answered.
fn lengths(rows: &[TraceRow], answered: bool, length: fn(&TraceRow) -> u32) -> Vec<u64> {
    rows.iter().filter(|row| !(answered && row.failed)).map(|row| u64::from(length(row))).collect()
}

/// Arrivals in windows laid from the first one on; `times` in order, µs. The last window is only partly covered:
/// `whole` leaves it out.
pub(super) fn dispersion(times: &[u64], window_s: u64, whole: bool) -> Dispersion {
    let none = Dispersion { window_s: window_s as f64, windows: 0, index: None, most: 0, empty: 0 };
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return none };
    let window_us = window_s * 1_000_000;
    let windows = (last - first) / window_us + u64::from(!whole);
    let (mut counted, mut squares, mut most, mut taken) = (0u64, 0f64, 0u64, 0u64);
    let mut from = 0;
    while let Some(at) = times.get(from) {
        let window = (at - first) / window_us;
        if window >= windows {
            break;
        }
        let until = from + times[from..].partition_point(|at| (at - first) / window_us == window);
        let count = (until - from) as u64;
        counted += count;
        squares += (count as f64).powi(2);
        most = most.max(count);
        taken += 1;
        from = until;
    }
    let mean = counted as f64 / windows.max(1) as f64;
    let index = (counted > 0).then(|| (squares / windows as f64 - mean * mean) / mean);
    Dispersion { index, windows, most, empty: windows - taken, ..none }
}

/// What rows share; none where they have no parts.
fn blocks(rows: &[TraceRow], format: TraceFormat) -> Option<BlockStats> {
    let mut known: HashSet<u64> = HashSet::new();
    let (mut blocks, mut hit) = (0u64, 0u64);
    for row in rows {
        blocks += row.blocks.len() as u64;
        hit += row.blocks.iter().take_while(|id| known.contains(id)).count() as u64;
        known.extend(row.blocks.iter());
    }
    (blocks > 0).then(|| BlockStats {
        tokens: format.block_tokens(),
        blocks,
        distinct: known.len() as u64,
        hit,
    })
}

/// What the figures mean, a sentence each.
fn verdicts(stats: &TraceStats, clock: &Clock) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(ticks) = clock.ticks {
        said.push(format!(
            "arrivals sit on {} instants {} s apart: a log's tick, not arrivals; play it with --spread-ticks",
            ticks.instants, ticks.step_s
        ));
    }
    if let Some(EvenRun { gap_s, rows }) = clock.even {
        said.push(if rows == stats.rows {
            format!("every row comes {gap_s} s after the one before it: made up?")
        } else {
            format!("{rows} rows one after the other come {gap_s} s apart: made up?")
        });
    }
    if stats.steps_back > 0 {
        let at = stats.first_step_back.unwrap_or_default();
        said.push(format!(
            "times step back {}, first at row {at} (from 0): several parts in one file? --on-step-back append plays them \
             one after another, sort lays them on top of each other",
            if stats.steps_back == 1 { "once".to_owned() } else { format!("{} times", stats.steps_back) }
        ));
    }
    if stats.failed > 0 {
        said.push(format!("{} rows have no answer (failed requests): replay leaves them out", stats.failed));
    }
    // On a tick, and in a step back, the index is one of the log and not of users.
    let told = stats.dispersion.iter().find(|told| told.windows >= LEAST_WINDOWS);
    let index = told.and_then(|told| told.index).filter(|_| clock.ticks.is_none() && stats.steps_back == 0);
    match (told, index) {
        (Some(told), Some(index)) if index > CLUSTERED => said.push(format!(
            "arrivals cluster: variance over mean is {index:.1} at {} s, of independent users it is 1",
            told.window_s
        )),
        (Some(told), Some(index)) if index < EVEN && clock.even.is_none() => said.push(format!(
            "arrivals are more even than independent users make them: variance over mean is {index:.2} at {} s",
            told.window_s
        )),
        (Some(_) | None, _) => {}
    }
    said
}
