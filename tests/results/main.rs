//! Files of results: names, records that outlive a crash, the summary of all runs under contention.
#![allow(clippy::unwrap_used)]

mod finding;
mod json;
mod keeping;
mod names;
mod parts;
mod records;
mod rows;
mod summary_csv;
mod treated;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use harness::analysis::{Finish, Summarizer, SummaryInput};
use harness::report::csv::{RequestLines, SummaryRow, requests_header, summary_header, summary_row};
use harness::results::{
    AtomicFile, CRASHED, Patience, Put, RecordReader, RecordWriter, RunFiles, SUMMARY_FILE, Standing,
    TakenId, check_writable, find_runs, put_rows, read_comparison, read_run, take_directory, write_atomic,
    write_json,
};
use harness::schema::SCHEMA_VERSION;
use harness::schema::comparison::{Comparison, FailedTarget};
use harness::schema::curves::RunCurves;
use harness::schema::environment::Environment;
use harness::schema::figure;
use harness::schema::files::{ComparisonFile, EngineFigures, RecordsFooter, RecordsHeader, RunFile};
use harness::schema::plan::{DatasetSource, Launching, LoadPoint, Output, Plan, RunKey};
use harness::schema::record::{
    Chunk, FailureKind, Outcome, RequestRecord, StampKind, TokenCounts, TokenSource,
};
use harness::schema::summary::{MetricValue, RunSummary};
use harness::schema::target::{BodyFields, Capabilities, Model, Origin, ServerMetrics, Target};
use harness::schema::traffic::{Ramp, Traffic, Until, Warmup};
use harness::schema::unit::Phase;
use jiff::Timestamp;
use tempfile::TempDir;

fn at() -> Timestamp {
    "2026-02-01T14:30:00Z".parse().unwrap()
}

fn target(label: &str) -> Target {
    Target {
        label: label.into(),
        engine: "vllm".into(),
        title: "vLLM".into(),
        version: Some("0.1".into()),
        model: Model { name: "tiny".into(), source: "tiny".into(), precision: "BF16".into() },
        capabilities: Capabilities {
            request_model: "tiny".into(),
            ignore_eos: true,
            min_tokens: true,
            stream_options: true,
            continuous_usage: true,
            eos_in_usage: true,
            done_marker: true,
            force_length: serde_json::Map::new(),
            body: serde_json::Map::new(),
            fields: BodyFields::default(),
        },
        metrics: ServerMetrics::default(),
        not_level: Vec::new(),
        origin: Origin::Url("http://127.0.0.1:8000".into()),
        more_urls: Vec::new(),
    }
}

fn plan(run_id: &str) -> Plan {
    let closed = Traffic::Closed { slots: 20.try_into().unwrap(), ramp: Ramp::Automatic };
    let load = LoadPoint {
        warmup: Warmup::Requests(0),
        ..LoadPoint::of(closed, Until::after_requests(3.try_into().unwrap()))
    };
    Plan {
        run_id: run_id.into(),
        dataset: DatasetSource {
            name: "benchmark_dataset".into(),
            path: "built-in".into(),
            sha256: "00".into(),
            prompts: 18,
            passed_over: Vec::new(),
            reading: None,
            synthetic: None,
            renewed: false,
            trace: None,
        },
        seed: 1,
        launching: Some(Launching::default()),
        output: Output::of("results", true),
        ..Plan::of(at(), vec![target("vllm"), target("tuned")], vec![load])
    }
}

fn environment() -> Environment {
    Environment {
        taken_at: at(),
        harness_version: "0.1.0".into(),
        os: "Linux".into(),
        hostname: "here".into(),
        cpu: "some".into(),
        cores: 2,
        memory_bytes: 1 << 33,
        open_files: (1024, 4096),
        driver: None,
        gpus: Vec::new(),
        exact_up_to: None,
        limits: None,
    }
}

fn header(run_id: &str, label: &str) -> RecordsHeader {
    RecordsHeader {
        schema_version: SCHEMA_VERSION,
        kind: "records".into(),
        plan: plan(run_id),
        environment: environment(),
        key: RunKey::first(label),
        engine_version: Some("0.2".into()),
        started_at: at(),
        monotonic_zero_ns: None,
        ready_s: Some(12.0),
        launched: vec!["vllm".into(), "serve".into()],
        late_acks: Vec::new(),
        probes: Vec::new(),
        launch: None,
        gpus_before: None,
        worker: None,
    }
}

fn record(index: u64, outcome: Outcome) -> RequestRecord {
    let sent_us = 1_000 * index;
    let chunk =
        |after_us, tokens, merged_bound_us| Chunk { at_us: sent_us + after_us, tokens, merged_bound_us };
    RequestRecord {
        index,
        unit: index,
        turn: 0,
        history_tokens: None,
        prompt_id: format!("ask, \"{index}\" é").into(),
        category: "chat".into(),
        phase: Phase::Measured,
        due_us: None,
        ready_us: sent_us,
        slot_us: Some(sent_us),
        sent_us: Some(sent_us),
        headers_us: Some(sent_us + 400),
        first_event_us: Some(sent_us + 450),
        first_token_us: Some(sent_us + 500),
        first_answer_us: Some(sent_us + 500),
        chunks: [chunk(500, 1, None), chunk(1_700, 2, Some(30)), chunk(2_500, 1, None)].into_iter().collect(),
        last_token_us: Some(sent_us + 2_500),
        end_us: sent_us + 2_600,
        connect_us: None,
        late_ack: None,
        reader_lag_max_us: 12,
        stamps: StampKind::Kernel,
        replayed: false,
        tokens: TokenCounts {
            prompt: Some(7),
            output: Some(5),
            delivered: Some(4),
            asked: None,
            cached: None,
            reasoning: None,
            by_event: false,
            unusable: false,
            source: TokenSource::Usage,
        },
        max_tokens: 64,
        forced_length: false,
        status: Some(200),
        finish_reason: Some("stop".into()),
        gateway: None,
        server_times: None,
        missing_sign: None,
        passed_over: 0,
        outcome,
    }
}

fn broken() -> Outcome {
    Outcome::Failed { kind: FailureKind::Truncated, detail: "closed, in the\nmiddle".into() }
}

fn three() -> Vec<RequestRecord> {
    vec![record(0, Outcome::Completed), record(1, broken()), record(2, Outcome::Cancelled)]
}

/// A run on disk that was not closed: header and records, no footer.
fn open_run(directory: &Path, run_id: &str, label: &str, records: &[RequestRecord]) -> RecordWriter {
    let mut writer = RecordWriter::create(directory, label, &header(run_id, label)).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.tick().unwrap();
    writer
}

/// Puts rows into the summary of all runs.
fn put<S: AsRef<str>>(directory: &Path, header: &[S], rows: &[Vec<String>]) -> Put {
    put_rows(directory, SUMMARY_FILE, header, rows, at(), Standing::Replaced, Patience::SILENT).unwrap()
}

fn read(path: &Path) -> (Vec<RequestRecord>, RecordsFooter) {
    let mut reader = RecordReader::open(path).unwrap();
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    (records, reader.finish())
}

fn read_error(path: &Path) -> String {
    match RecordReader::open(path) {
        Err(error) => format!("{error:#}"),
        Ok(reader) => format!("{:#}", reader.collect::<Result<Vec<_>, _>>().unwrap_err()),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn summary(records: &[RequestRecord], partial: Option<&str>) -> RunSummary {
    let mut summarizer = Summarizer::new(SummaryInput::from_header(&header("compare_x", "vllm")).unwrap());
    records.iter().for_each(|record| summarizer.add(record));
    summarizer.finish(Finish { partial: partial.map(str::to_owned), ..Finish::default() }).unwrap()
}
