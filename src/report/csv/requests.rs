//! `_requests.csv`: one row a request.

use super::cell::{put_count, put_milliseconds, put_number, put_text, put_word};
use crate::schema::figure;
use crate::schema::record::{FailureKind, Outcome};
use crate::schema::request_figures::Figured;
use crate::schema::unit::Phase;

/// A column's name with the cell that it has in a row.
struct Column {
    name: &'static str,
    cell: Cell,
}

/// What a cell holds; it is empty where there is none.
enum Cell {
    Text(for<'a> fn(&Figured<'a>) -> Option<&'a str>),
    /// One of our own.
    Word(fn(&Figured<'_>) -> Option<&'static str>),
    Count(fn(&Figured<'_>) -> Option<u64>),
    /// µs, shown as ms.
    Time(fn(&Figured<'_>) -> Option<u64>),
    Number(fn(&Figured<'_>) -> Option<f64>),
}

use Cell::{Count, Number, Text, Time, Word};

/// `due_ms` to `sent_ms` count from the run's start; what came after the request was sent counts from
/// `sent_ms` (from the run's start where it never was). A request that was not completed has no latency
/// (`ttft_ms`, `first_answer_ms`, `e2e_ms`, `tpot_ms`), so that nobody averages one; its raw times are in the
/// records.
const COLUMNS: [Column; 34] = [
    column("index", Count(|row| Some(row.record.index))),
    column("prompt_id", Text(|row| Some(&row.record.prompt_id))),
    column("phase", Word(|row| Some(phase(row.record.phase)))),
    column("outcome", Word(|row| Some(outcome(&row.record.outcome)))),
    column("kind", Word(|row| failure(&row.record.outcome).map(|(kind, _)| kind.name()))),
    column("detail", Text(|row| failure(&row.record.outcome).map(|(_, detail)| detail))),
    column("status", Count(|row| row.record.status.map(u64::from))),
    column("finish_reason", Text(|row| row.record.finish_reason.as_deref())),
    column("due_ms", Time(|row| row.record.due_us)),
    column("ready_ms", Time(|row| Some(row.record.ready_us))),
    column("slot_ms", Time(|row| row.record.slot_us)),
    column("sent_ms", Time(|row| row.record.sent_us)),
    column("headers_ms", Time(|row| after_sent(row, row.record.headers_us))),
    column("first_event_ms", Time(|row| after_sent(row, row.record.first_event_us))),
    column("ttft_ms", Time(|row| latency(row, row.record.ttft_us()))),
    column("first_answer_ms", Time(|row| latency(row, row.record.time_to_first_answer_us()))),
    column("e2e_ms", Time(|row| latency(row, row.record.e2e_us()))),
    column("end_ms", Time(|row| after_sent(row, Some(row.record.end_us)))),
    column(figure::TPOT, Number(|row| latency(row, row.pace.tpot_ms()))),
    column("chunks", Count(|row| Some(row.record.chunks.len() as u64))),
    column("merged_events", Count(|row| Some(row.record.merged_events()))),
    column("prompt_tokens", Count(|row| row.counts.prompt.map(u64::from))),
    column("output_tokens", Count(|row| row.counts.output.map(u64::from))),
    column("delivered_tokens", Count(|row| row.counts.delivered.map(u64::from))),
    column("cached_tokens", Count(|row| row.record.tokens.cached.map(u64::from))),
    column("token_source", Word(|row| Some(row.counts.source.name()))),
    column("max_tokens", Count(|row| Some(u64::from(row.record.max_tokens)))),
    column("connect_ms", Time(|row| row.record.connect_us)),
    column("reader_lag_ms_max", Time(|row| Some(u64::from(row.record.reader_lag_max_us)))),
    column("replayed", Word(|row| Some(if row.record.replayed { "true" } else { "false" }))),
    column(figure::SERVER_QUEUE, Time(|row| row.record.server_times.as_ref()?.queue_us)),
    column(figure::SERVER_PREFILL, Time(|row| row.record.server_times.as_ref()?.prefill_us)),
    column(figure::SERVER_DECODE, Time(|row| row.record.server_times.as_ref()?.decode_us)),
    column("server_inference_ms", Time(|row| row.record.server_times.as_ref()?.inference_us)),
];

const fn column(name: &'static str, cell: Cell) -> Column {
    Column { name, cell }
}

fn after_sent(row: &Figured<'_>, at_us: Option<u64>) -> Option<u64> {
    at_us.map(|at_us| row.record.since_sent_us(at_us))
}

/// Of a completed request, warm-up or measured.
fn latency<T>(row: &Figured<'_>, of: Option<T>) -> Option<T> {
    of.filter(|_| row.record.outcome == Outcome::Completed)
}

/// Names of the columns of `_requests.csv`, in order.
pub fn requests_header() -> Vec<String> {
    COLUMNS.iter().map(|column| column.name.to_owned()).collect()
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Warmup => "warmup",
        Phase::Measured => "measured",
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Failed { .. } => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::Dropped => "dropped",
    }
}

fn failure(outcome: &Outcome) -> Option<(FailureKind, &str)> {
    match outcome {
        Outcome::Failed { kind, detail } => Some((*kind, detail)),
        Outcome::Completed | Outcome::Cancelled | Outcome::Dropped => None,
    }
}

/// Makes the lines of `_requests.csv`.
#[derive(Debug, Clone, Copy)]
pub struct RequestLines {
    pace_is_known: bool,
}

impl RequestLines {
    /// `pace_is_known`: the run does not withhold its paces, and so do its rows not.
    pub fn new(pace_is_known: bool) -> Self {
        RequestLines { pace_is_known }
    }

    /// The first line.
    pub fn head() -> Vec<u8> {
        (requests_header().join(",") + "\n").into_bytes()
    }

    /// Adds a request's line.
    pub fn add(&self, row: &Figured<'_>, lines: &mut Vec<u8>) {
        for (place, column) in COLUMNS.iter().enumerate() {
            if place > 0 {
                lines.push(b',');
            }
            match &column.cell {
                Text(of) => of(row).into_iter().for_each(|text| put_text(lines, text)),
                Word(of) => of(row).into_iter().for_each(|word| put_word(lines, word)),
                Count(of) => of(row).into_iter().for_each(|count| put_count(lines, count)),
                Time(of) => of(row).into_iter().for_each(|us| put_milliseconds(lines, us)),
                Number(of) if self.pace_is_known => {
                    of(row).into_iter().for_each(|number| put_number(lines, number));
                }
                // The pace is the one number that no stamp is.
                Number(_) => {}
            }
        }
        lines.push(b'\n');
    }
}
