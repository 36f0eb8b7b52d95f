//! Runs and requests as CSV rows: names from the table of metrics, numbers plain, times in UTC.

use std::io::Write;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use crate::schema::caveat::Caveat;
use crate::schema::comparison::FailedTarget;
use crate::schema::figure::{METRICS, Metric, Shape};
use crate::schema::plan::Plan;
use crate::schema::record::{Outcome, RequestRecord, StampKind};
use crate::schema::summary::{ClientStats, Distribution, MetricValue, RunSummary};
use crate::schema::target::Target;
use crate::schema::unit::Phase;

/// Columns of a distribution, in order: `ttft_ms_mean`, `ttft_ms_std`, …
const STATISTICS: [&str; 10] = ["mean", "std", "min", "p50", "p75", "p90", "p95", "p99", "p999", "max"];

const BEFORE_METRICS: [&str; 18] = [
    "timestamp",
    "run_id",
    "backend",
    "engine_version",
    "model",
    "precision",
    "dataset",
    "endpoint",
    "http_version",
    "concurrency",
    "rate",
    "requests_issued",
    "requests_completed",
    "requests_failed",
    "requests_cancelled",
    "requests_dropped",
    "duration_s",
    "steady_output_tps",
];

/// Those of a distribution of the client.
const CLIENT_STATISTICS: [&str; 3] = ["p50", "p99", "max"];

const CLIENT_DISTRIBUTIONS: [&str; 3] = ["slot_wait_ms", "send_delay_ms", "reader_lag_ms"];

const AFTER_METRICS: [&str; 12] = [
    "late_sends",
    "dropped_sends",
    "achieved_rate",
    "merged_events",
    "kernel_stamps",
    "read_stamps",
    "reconnects",
    "client_cpu_s",
    "client_cpu_share",
    "client_limited",
    "caveats",
    "exit",
];

/// Columns of `benchmark_summary.csv` and of a comparison's `summary.csv`.
pub fn summary_header() -> Vec<String> {
    let before = BEFORE_METRICS.iter().map(|name| (*name).to_owned());
    let client = CLIENT_DISTRIBUTIONS
        .iter()
        .flat_map(|name| CLIENT_STATISTICS.iter().map(move |statistic| format!("{name}_{statistic}")));
    let after = AFTER_METRICS.iter().map(|name| (*name).to_owned());
    before.chain(METRICS.iter().flat_map(metric_columns)).chain(client).chain(after).collect()
}

fn metric_columns(metric: &Metric) -> Vec<String> {
    match metric.shape {
        Shape::Scalar => vec![metric.name.to_owned()],
        Shape::Distribution => STATISTICS.iter().map(|name| format!("{}_{name}", metric.name)).collect(),
    }
}

/// The row of a run. `exit` is `ok`, `partial` where the run did not reach its end, or `failed` where it
/// completed no request.
pub fn summary_row(plan: &Plan, run: &RunSummary) -> Vec<String> {
    let facts = TargetFacts {
        label: &run.label,
        version: run.engine_version.as_deref(),
        model: &run.model,
        precision: &run.precision,
    };
    let requests = &run.requests;
    let mut row = plan_cells(plan, run.started_at, facts);
    for count in [requests.issued, requests.completed, requests.failed, requests.cancelled, requests.dropped]
    {
        row.push(count.to_string());
    }
    row.push(number(run.duration_s));
    row.push(optional(run.steady.as_ref().map(|steady| steady.output_tps)));
    for metric in METRICS {
        metric_cells(&mut row, metric, run.metrics.get(metric.name));
    }
    client_cells(&mut row, &run.client);
    row.push(run.caveats.iter().map(Caveat::code).collect::<Vec<_>>().join(";"));
    row.push(exit(run).to_owned());
    row
}

/// In the order of [`CLIENT_DISTRIBUTIONS`], then of [`AFTER_METRICS`] up to `client_limited`.
fn client_cells(row: &mut Vec<String>, client: &ClientStats) {
    for held in [&client.slot_wait_ms, &client.send_delay_ms, &client.reader_lag_ms] {
        let cells = held.as_ref().map(|held| [held.p50, held.p99, held.max].map(number));
        row.extend(cells.unwrap_or_default());
    }
    let stamps = |kind| client.stamps.get(&kind).copied().unwrap_or(0).to_string();
    row.push(client.late_sends.to_string());
    row.push(client.dropped_sends.to_string());
    row.push(optional(client.achieved_rate));
    row.push(number(client.merged_events));
    row.push(stamps(StampKind::Kernel));
    row.push(stamps(StampKind::Read));
    row.push(client.reconnects.to_string());
    // After a crash nobody knows.
    let known = client.threads > 0;
    row.push(optional(known.then_some(client.cpu_s)));
    row.push(optional(known.then_some(client.cpu_share)));
    row.push(client.client_limited.clone().unwrap_or_default());
}

/// The row of a backend that gave no result: no metric, exit `failed`.
pub fn failed_row(plan: &Plan, failed: &FailedTarget, at: Timestamp) -> Vec<String> {
    let target: Option<&Target> = plan.targets.iter().find(|target| target.label == failed.label);
    let facts = TargetFacts {
        label: &failed.label,
        version: target.and_then(|target| target.version.as_deref()),
        model: target.map_or("", |target| &target.model.name),
        precision: target.map_or("", |target| &target.model.precision),
    };
    let mut row = plan_cells(plan, at, facts);
    row.resize(summary_header().len().saturating_sub(1), String::new());
    row.push("failed".to_owned());
    row
}

#[derive(Clone, Copy)]
struct TargetFacts<'a> {
    label: &'a str,
    version: Option<&'a str>,
    model: &'a str,
    precision: &'a str,
}

fn plan_cells(plan: &Plan, at: Timestamp, facts: TargetFacts<'_>) -> Vec<String> {
    vec![
        time(at),
        plan.run_id.clone(),
        facts.label.to_owned(),
        facts.version.unwrap_or_default().to_owned(),
        facts.model.to_owned(),
        facts.precision.to_owned(),
        plan.dataset.name.clone(),
        plan.http.protocol.endpoint().to_owned(),
        if plan.http.http2 { "2" } else { "1.1" }.to_owned(),
        plan.load.concurrency().map(|slots| slots.to_string()).unwrap_or_default(),
        optional(plan.load.rate()),
    ]
}

fn metric_cells(row: &mut Vec<String>, metric: &Metric, value: Option<&MetricValue>) {
    match (metric.shape, value) {
        (Shape::Scalar, Some(MetricValue::Scalar(value))) => row.push(number(*value)),
        (Shape::Distribution, Some(MetricValue::Distribution(held))) => row.extend(statistics(held)),
        (Shape::Scalar, Some(MetricValue::Distribution(_)) | None) => row.push(String::new()),
        (Shape::Distribution, Some(MetricValue::Scalar(_)) | None) => {
            row.extend(STATISTICS.iter().map(|_| String::new()));
        }
    }
}

/// In the order of [`STATISTICS`].
fn statistics(held: &Distribution) -> [String; STATISTICS.len()] {
    [
        number(held.mean),
        number(held.std),
        number(held.min),
        number(held.p50),
        number(held.p75),
        number(held.p90),
        number(held.p95),
        number(held.p99),
        optional(held.p999),
        number(held.max),
    ]
}

fn exit(run: &RunSummary) -> &'static str {
    if run.requests.completed == 0 {
        "failed"
    } else if run.partial.is_some() {
        "partial"
    } else {
        "ok"
    }
}

/// At most six decimals (a nanosecond in ms), and no trailing zeros.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// RFC 3339 to the millisecond, UTC.
fn time(at: Timestamp) -> String {
    let rounded = at.round(Unit::Millisecond).unwrap_or(at);
    rounded.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Columns of `_requests.csv`. `due_ms` to `sent_ms` count from the run's start; what came after the
/// request was sent counts from `sent_ms` (from the run's start where it never was). A request that was not
/// completed has no latency (`ttft_ms`, `first_answer_ms`, `e2e_ms`, `tpot_ms`), so that nobody averages one;
/// its raw times are in the records.
pub const REQUEST_COLUMNS: [&str; 30] = [
    "index",
    "prompt_id",
    "phase",
    "outcome",
    "kind",
    "detail",
    "status",
    "finish_reason",
    "due_ms",
    "ready_ms",
    "slot_ms",
    "sent_ms",
    "headers_ms",
    "first_event_ms",
    "ttft_ms",
    "first_answer_ms",
    "e2e_ms",
    "end_ms",
    "tpot_ms",
    "chunks",
    "merged_events",
    "prompt_tokens",
    "output_tokens",
    "delivered_tokens",
    "cached_tokens",
    "token_source",
    "max_tokens",
    "connect_ms",
    "reader_lag_ms_max",
    "replayed",
];

/// Writes `_requests.csv`, one record at a time.
pub struct RequestsCsv<W: Write> {
    writer: ::csv::Writer<W>,
}

impl<W: Write> RequestsCsv<W> {
    /// Starts with the header.
    ///
    /// # Errors
    /// The sink's.
    pub fn new(sink: W) -> std::io::Result<Self> {
        let mut writer = ::csv::Writer::from_writer(sink);
        writer.write_record(REQUEST_COLUMNS)?;
        Ok(RequestsCsv { writer })
    }

    /// Adds a request's row.
    ///
    /// # Errors
    /// The sink's.
    pub fn add(&mut self, record: &RequestRecord) -> std::io::Result<()> {
        Ok(self.writer.write_record(request_row(record))?)
    }

    /// Gives the sink back, everything written to it.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(self) -> std::io::Result<W> {
        self.writer.into_inner().map_err(::csv::IntoInnerError::into_error)
    }
}

/// The cells of one request, in the order of [`REQUEST_COLUMNS`].
pub fn request_row(record: &RequestRecord) -> [String; REQUEST_COLUMNS.len()] {
    let (outcome, kind, detail) = match &record.outcome {
        Outcome::Completed => ("completed", "", ""),
        Outcome::Failed { kind, detail } => ("failed", kind.name(), detail.as_str()),
        Outcome::Cancelled => ("cancelled", "", ""),
        Outcome::Dropped => ("dropped", "", ""),
    };
    let phase = match record.phase {
        Phase::Warmup => "warmup",
        Phase::Measured => "measured",
    };
    let sent_us = record.sent_us.unwrap_or(0);
    let after_sent = |at_us: Option<u64>| optional(at_us.map(|at| milliseconds(at.saturating_sub(sent_us))));
    let is_completed = record.outcome == Outcome::Completed;
    let latency = |at_us: Option<u64>| after_sent(at_us.filter(|_| is_completed));
    let from_start = |at_us: Option<u64>| optional(at_us.map(milliseconds));
    let count = |count: Option<u32>| count.map(|count| count.to_string()).unwrap_or_default();
    let merged = record.chunks.iter().filter(|chunk| chunk.is_merged()).count();
    [
        record.index.to_string(),
        record.prompt_id.clone(),
        phase.to_owned(),
        outcome.to_owned(),
        kind.to_owned(),
        detail.to_owned(),
        record.status.map(|status| status.to_string()).unwrap_or_default(),
        record.finish_reason.clone().unwrap_or_default(),
        from_start(record.due_us),
        from_start(Some(record.ready_us)),
        from_start(record.slot_us),
        from_start(record.sent_us),
        after_sent(record.headers_us),
        after_sent(record.first_event_us),
        latency(record.first_token_us),
        latency(record.first_answer_us),
        latency(record.last_token_us),
        after_sent(Some(record.end_us)),
        optional(tpot_ms(record).filter(|_| is_completed)),
        record.chunks.len().to_string(),
        merged.to_string(),
        count(record.tokens.prompt),
        count(record.tokens.output),
        count(record.tokens.delivered),
        count(record.tokens.cached),
        record.tokens.source.name().to_owned(),
        record.max_tokens.to_string(),
        from_start(record.connect_us),
        number(milliseconds(u64::from(record.reader_lag_max_us))),
        record.replayed.to_string(),
    ]
}

fn milliseconds(us: u64) -> f64 {
    us as f64 / 1e3
}

/// (last_token − first_token) / (n − 1), as the table of metrics has it; none for n < 2.
fn tpot_ms(record: &RequestRecord) -> Option<f64> {
    let n = record.tokens.delivered.filter(|n| *n >= 2)?;
    let decode_us = record.last_token_us?.saturating_sub(record.first_token_us?);
    Some(milliseconds(decode_us) / f64::from(n - 1))
}
