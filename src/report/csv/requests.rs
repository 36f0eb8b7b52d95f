//! `_requests.csv`: one row a request.

use std::io::Write;

use super::cell::{number, optional, plain};
use super::column::{Column, column, head, row};
use crate::schema::figure;
use crate::schema::record::{FailureKind, Outcome, RequestRecord};
use crate::schema::request_figures::milliseconds;
use crate::schema::text::cell;
use crate::schema::unit::Phase;

/// Names of the columns of `_requests.csv`, in order.
pub fn requests_header() -> Vec<String> {
    head(&columns())
}

/// `due_ms` to `sent_ms` count from the run's start; what came after the request was sent counts from
/// `sent_ms` (from the run's start where it never was). A request that was not completed has no latency
/// (`ttft_ms`, `first_answer_ms`, `e2e_ms`, `tpot_ms`), so that nobody averages one; its raw times are in the
/// records.
fn columns() -> Vec<Column<'static, RequestRecord>> {
    vec![
        told("index", |record| record.index.to_string()),
        told("prompt_id", |record| record.prompt_id.to_string()),
        told("phase", |record| phase(record.phase).to_owned()),
        told("outcome", |record| outcome(&record.outcome).to_owned()),
        told("kind", |record| plain(failure(&record.outcome).map(|(kind, _)| kind.name()))),
        told("detail", |record| plain(failure(&record.outcome).map(|(_, detail)| detail))),
        told("status", |record| plain(record.status)),
        told("finish_reason", |record| plain(record.finish_reason.as_deref())),
        told("due_ms", |record| optional(record.due_us.map(milliseconds))),
        told("ready_ms", |record| number(milliseconds(record.ready_us))),
        told("slot_ms", |record| optional(record.slot_us.map(milliseconds))),
        told("sent_ms", |record| optional(record.sent_us.map(milliseconds))),
        after_sent("headers_ms", |record| record.headers_us),
        after_sent("first_event_ms", |record| record.first_event_us),
        latency("ttft_ms", RequestRecord::ttft_ms),
        latency("first_answer_ms", RequestRecord::first_answer_ms),
        latency("e2e_ms", RequestRecord::e2e_ms),
        after_sent("end_ms", |record| Some(record.end_us)),
        latency("tpot_ms", RequestRecord::tpot_ms),
        told("chunks", |record| record.chunks.len().to_string()),
        told("merged_events", |record| record.merged_events().to_string()),
        told("prompt_tokens", |record| plain(record.counts().prompt)),
        told("output_tokens", |record| plain(record.counts().output)),
        told("delivered_tokens", |record| plain(record.counts().delivered)),
        told("cached_tokens", |record| plain(record.tokens.cached)),
        told("token_source", |record| record.counts().source.name().to_owned()),
        told("max_tokens", |record| record.max_tokens.to_string()),
        told("connect_ms", |record| optional(record.connect_ms())),
        told("reader_lag_ms_max", |record| number(record.reader_lag_ms())),
        told("replayed", |record| record.replayed.to_string()),
    ]
}

/// A column as its cell says it.
fn told(name: &str, cell: fn(&RequestRecord) -> String) -> Column<'static, RequestRecord> {
    column(name, cell)
}

fn after_sent(name: &str, at_us: fn(&RequestRecord) -> Option<u64>) -> Column<'static, RequestRecord> {
    column(name, move |record| optional(at_us(record).map(|at_us| record.since_sent_ms(at_us))))
}

/// Of a completed request, warm-up or measured.
fn latency(name: &str, of: fn(&RequestRecord) -> Option<f64>) -> Column<'static, RequestRecord> {
    column(name, move |record| optional(of(record).filter(|_| record.outcome == Outcome::Completed)))
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

/// Writes `_requests.csv`, one record at a time.
pub struct RequestsCsv<W: Write> {
    writer: ::csv::Writer<W>,
    columns: Vec<Column<'static, RequestRecord>>,
    /// The column of the pace, where that is withheld.
    left_empty: Option<usize>,
}

impl<W: Write> RequestsCsv<W> {
    /// Starts with the header. `pace_is_known`: the run does not withhold its paces, and so do its rows not.
    ///
    /// # Errors
    /// The sink's.
    pub fn new(sink: W, pace_is_known: bool) -> std::io::Result<Self> {
        let mut writer = ::csv::Writer::from_writer(sink);
        let columns = columns();
        writer.write_record(head(&columns))?;
        let pace = head(&columns).iter().position(|name| name == figure::TPOT);
        Ok(RequestsCsv { writer, columns, left_empty: pace.filter(|_| !pace_is_known) })
    }

    /// Adds a request's row.
    ///
    /// # Errors
    /// The sink's.
    pub fn add(&mut self, record: &RequestRecord) -> std::io::Result<()> {
        let shown = |(place, text): (usize, String)| match self.left_empty == Some(place) {
            true => String::new(),
            false => cell(&text).into_owned(),
        };
        Ok(self.writer.write_record(row(&self.columns, record).enumerate().map(shown))?)
    }

    /// Gives the sink back, everything written to it.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(self) -> std::io::Result<W> {
        self.writer.into_inner().map_err(::csv::IntoInnerError::into_error)
    }
}
