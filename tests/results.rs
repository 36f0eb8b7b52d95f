//! Files of results: names, records that outlive a crash, the summary of all runs under contention.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use harness::analysis::{Finish, Summarizer, SummaryInput};
use harness::report::csv::{REQUEST_COLUMNS, RequestsCsv, failed_row, summary_header, summary_row};
use harness::results::{
    AtomicFile, CRASHED, RecordReader, RecordWriter, RunFiles, append_summary, check_writable, find_runs,
    read_comparison, read_run, take_directory, write_atomic, write_json,
};
use harness::schema::SCHEMA_VERSION;
use harness::schema::backend::{Model, Origin, Protocol, ServerMetrics, Target};
use harness::schema::comparison::{
    Comparison, ComparisonFile, EngineFigures, FailedTarget, RecordsFooter, RecordsHeader, RunFile,
};
use harness::schema::environment::Environment;
use harness::schema::metric;
use harness::schema::plan::{
    CommandKind, DatasetSource, Endpoint, LoadPlan, Plan, Sampling, SharedSettings, Traffic, Warmup, Wire,
};
use harness::schema::record::{
    Chunk, FailureKind, Outcome, RequestRecord, StampKind, TokenCounts, TokenSource,
};
use harness::schema::request::Phase;
use harness::schema::summary::{MetricValue, RunSummary};
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
        protocol: Protocol {
            request_model: "tiny".into(),
            ignore_eos: true,
            min_tokens: true,
            stream_options: true,
            continuous_usage: true,
            eos_in_usage: true,
            done_marker: true,
            body: serde_json::Map::new(),
        },
        metrics: ServerMetrics::default(),
        not_level: Vec::new(),
        origin: Origin::Url("http://127.0.0.1:8000".into()),
    }
}

fn plan(run_id: &str) -> Plan {
    Plan {
        schema_version: SCHEMA_VERSION,
        run_id: run_id.into(),
        command: CommandKind::Compare,
        created_at: at(),
        targets: vec![target("vllm"), target("tuned")],
        skipped: Vec::new(),
        dataset: DatasetSource {
            name: "benchmark_dataset".into(),
            path: "built-in".into(),
            sha256: "00".into(),
            prompts: 18,
        },
        load: LoadPlan {
            traffic: Traffic::Closed,
            concurrency: Some(20),
            requests: Some(3),
            duration_s: None,
            warmup: Warmup::Requests(0),
            ramp_s: None,
            timeout_s: 600.0,
            drain_s: 30.0,
            seed: 1,
            client_threads: 1,
        },
        sampling: Sampling { temperature: 0.0, max_tokens: None, ignore_eos: false, exact_itl: false },
        wire: Wire {
            endpoint: Endpoint::Chat,
            path: "/v1/chat/completions".into(),
            headers: Vec::new(),
            api_key_env: None,
            ca_file: None,
            insecure: false,
        },
        shared: SharedSettings { context_length: 4096, max_batch: 32, gpus: None },
        startup_timeout_s: 1800.0,
        output: "results".into(),
        strict: false,
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
    }
}

fn header(run_id: &str, label: &str) -> RecordsHeader {
    RecordsHeader {
        schema_version: SCHEMA_VERSION,
        kind: "records".into(),
        plan: plan(run_id),
        environment: environment(),
        label: label.into(),
        engine_version: Some("0.2".into()),
        started_at: at(),
        ready_s: Some(12.0),
        launched: vec!["vllm".into(), "serve".into()],
    }
}

fn record(index: u64, outcome: Outcome) -> RequestRecord {
    let sent_us = 1_000 * index;
    let chunk =
        |after_us, tokens, merged_bound_us| Chunk { at_us: sent_us + after_us, tokens, merged_bound_us };
    RequestRecord {
        index,
        prompt_id: format!("ask, \"{index}\" é"),
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
        reader_lag_max_us: 12,
        stamps: StampKind::Kernel,
        replayed: false,
        tokens: TokenCounts {
            prompt: Some(7),
            output: Some(5),
            delivered: Some(4),
            cached: None,
            source: TokenSource::Usage,
        },
        max_tokens: 64,
        forced_length: false,
        status: Some(200),
        finish_reason: Some("stop".into()),
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
    let files = RunFiles::take(directory, label, at()).unwrap();
    let mut writer = RecordWriter::create(&files, &header(run_id, label)).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.tick().unwrap();
    writer
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

// Names

#[test]
fn a_name_that_is_taken_gets_the_next_number() {
    let directory = TempDir::new().unwrap();
    let stems: Vec<String> =
        (0..3).map(|_| RunFiles::take(directory.path(), "vllm", at()).unwrap().stem().to_owned()).collect();
    assert_eq!(stems, ["vllm_20260201_143000", "vllm_20260201_143000_2", "vllm_20260201_143000_3"]);
    let first = take_directory(directory.path(), "compare", at()).unwrap();
    let second = take_directory(directory.path(), "compare", at()).unwrap();
    assert!(first.ends_with("compare_20260201_143000") && second.ends_with("compare_20260201_143000_2"));
}

#[test]
fn a_closed_run_keeps_its_name() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &three());
    writer.close(EngineFigures::default(), None, None).unwrap();
    let next = RunFiles::take(directory.path(), "vllm", at()).unwrap();
    assert_eq!(next.stem(), "vllm_20260201_143000_2");
}

#[test]
fn names_taken_at_once_are_all_different() {
    let directory = TempDir::new().unwrap();
    let take = || RunFiles::take(directory.path(), "vllm", at()).unwrap().stem().to_owned();
    let stems: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(stems.len(), 16);
}

#[test]
fn a_label_that_is_no_file_name_stays_in_the_directory() {
    let directory = TempDir::new().unwrap();
    let files = RunFiles::take(directory.path(), "../a b/c", at()).unwrap();
    assert_eq!(files.stem(), "_._a_b_c_20260201_143000");
    assert!(files.records().exists());
}

#[test]
fn unwritable_output_names_the_directory_and_the_cure() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = format!("{:#}", check_writable(&file.join("results")).unwrap_err());
    assert!(error.contains("file/results") && error.contains("--output DIR"), "{error}");
    let fine = directory.path().join("a/b");
    check_writable(&fine).unwrap();
    assert!(names(&fine).is_empty(), "the probe leaves nothing");
}

// Records

#[test]
fn records_survive_the_file_open_and_closed() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &three());
    let open = writer.files().records();
    let (records, footer) = read(&open);
    assert_eq!(records, three());
    assert_eq!(footer.partial.as_deref(), Some(CRASHED));
    let engine = EngineFigures { cpu_s: 1.5, threads: 2, ..EngineFigures::default() };
    let closed = writer.close(engine, Some("interrupted".into()), None).unwrap();
    assert!(!open.exists());
    assert_eq!(names(directory.path()), ["vllm_20260201_143000_records.jsonl.zst"]);
    let reader = RecordReader::open(&closed).unwrap();
    assert_eq!(reader.header(), &header("x", "vllm"));
    let (records, footer) = read(&closed);
    assert_eq!(records, three());
    assert_eq!((footer.records, footer.engine), (3, engine));
    assert_eq!(footer.partial.as_deref(), Some("interrupted"));
}

#[test]
fn a_tick_puts_on_disk_what_waits() {
    let directory = TempDir::new().unwrap();
    let mut writer = open_run(directory.path(), "x", "vllm", &[]);
    let path = writer.files().records();
    writer.write(&record(0, Outcome::Completed)).unwrap();
    writer.tick().unwrap();
    assert_eq!(read(&path).0.len(), 1);
    assert_eq!(writer.records(), 1);
}

#[test]
fn a_record_that_follows_a_second_later_flushes_both_without_a_tick() {
    let directory = TempDir::new().unwrap();
    let mut writer = open_run(directory.path(), "x", "vllm", &[]);
    let path = writer.files().records();
    writer.write(&record(0, Outcome::Completed)).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_001));
    writer.write(&record(1, Outcome::Completed)).unwrap();
    assert_eq!(read(&path).0.len(), 2);
}

#[test]
fn a_file_cut_at_any_byte_of_its_last_record_gives_the_records_before_it() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &three()).files().records();
    let whole = std::fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let cut_path = directory.path().join("cut_records.jsonl");
    for cut in last..=whole.len() {
        std::fs::write(&cut_path, &whole[..cut]).unwrap();
        let (records, footer) = read(&cut_path);
        // The line is complete with its closing brace; its newline adds nothing.
        let expected = if cut >= whole.len() - 1 { 3 } else { 2 };
        assert_eq!(records, three()[..expected], "cut at {cut} of {}", whole.len());
        assert_eq!((footer.records as usize, footer.partial.as_deref()), (expected, Some(CRASHED)));
    }
}

#[test]
fn a_file_cut_at_any_byte_of_its_footer_is_partial() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &three()).files().records();
    let mut whole = std::fs::read(&path).unwrap();
    let start = whole.len();
    let footer = RecordsFooter {
        kind: "end".into(),
        partial: None,
        records: 3,
        engine: EngineFigures::default(),
        server: None,
    };
    whole.extend(serde_json::to_vec(&footer).unwrap());
    let cut_path = directory.path().join("cut_records.jsonl");
    for cut in start..=whole.len() {
        std::fs::write(&cut_path, &whole[..cut]).unwrap();
        let (records, found) = read(&cut_path);
        assert_eq!(records.len(), 3);
        let partial = if cut == whole.len() { None } else { Some(CRASHED) };
        assert_eq!(found.partial.as_deref(), partial, "cut at {cut} of {}", whole.len());
    }
}

#[test]
fn a_file_cut_in_its_header_says_that_it_has_none() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &[]).files().records();
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 1, whole.len() / 2, whole.len() - 2] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let error = read_error(&path);
        assert!(error.contains("vllm_20260201_143000_records.jsonl"), "{error}");
    }
}

#[test]
fn a_broken_line_in_the_middle_names_the_file_and_the_line() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &three()).files().records();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let half = &lines[2][..lines[2].len() / 2];
    lines[2] = half;
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = read_error(&path);
    assert!(error.contains("_records.jsonl:3: neither a record nor the end"), "{error}");
}

#[test]
fn an_end_that_counted_other_records_is_an_error() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &three());
    let closed = writer.close(EngineFigures::default(), None, None).unwrap();
    let plain = zstd::decode_all(std::fs::File::open(&closed).unwrap()).unwrap();
    let text = String::from_utf8(plain).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(2);
    let path = directory.path().join("lost_records.jsonl");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = read_error(&path);
    assert!(error.contains("holds 2 records, but its end says 3"), "{error}");
    lines.push(lines[1]);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = read_error(&path);
    assert!(error.contains(":5: a record after the end"), "{error}");
}

#[test]
fn a_damaged_compressed_file_is_an_error_and_no_short_run() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &vec![record(0, Outcome::Completed); 500]);
    let closed = writer.close(EngineFigures::default(), None, None).unwrap();
    let bytes = std::fs::read(&closed).unwrap();
    std::fs::write(&closed, &bytes[..bytes.len() - 20]).unwrap();
    let error = read_error(&closed);
    assert!(error.contains("_records.jsonl.zst"), "{error}");
}

#[test]
fn a_summary_from_disk_is_the_one_that_was_made_live() {
    let directory = TempDir::new().unwrap();
    let records = three();
    let writer = open_run(directory.path(), "compare_x", "vllm", &records);
    let closed = writer.close(EngineFigures::default(), None, None).unwrap();
    let mut reader = RecordReader::open(&closed).unwrap();
    let mut summarizer = Summarizer::new(SummaryInput::from_header(reader.header()).unwrap());
    for record in reader.by_ref() {
        summarizer.add(&record.unwrap());
    }
    let footer = reader.finish();
    let finish =
        Finish { engine: footer.engine, partial: footer.partial, server: footer.server, issued: Some(3) };
    assert_eq!(summarizer.finish(finish).unwrap(), summary(&records, None));
}

// JSON

#[test]
fn a_run_and_a_comparison_are_read_back_whole() {
    let directory = TempDir::new().unwrap();
    let run = RunFile {
        schema_version: SCHEMA_VERSION,
        kind: "run".into(),
        plan: plan("compare_x"),
        environment: environment(),
        summary: summary(&three(), Some("interrupted")),
        launched: Vec::new(),
    };
    let run_path = directory.path().join("run.json");
    write_json(&run_path, &run).unwrap();
    assert_eq!(read_run(&run_path).unwrap(), run);
    let comparison = ComparisonFile {
        schema_version: SCHEMA_VERSION,
        kind: "comparison".into(),
        plan: plan("compare_x"),
        environment: environment(),
        comparison: Comparison {
            run_id: "compare_x".into(),
            runs: vec![run.summary],
            best: BTreeMap::new(),
            failed: Vec::new(),
            skipped: Vec::new(),
            caveats: Vec::new(),
        },
    };
    let path = directory.path().join("comparison.json");
    write_json(&path, &comparison).unwrap();
    assert_eq!(read_comparison(&path).unwrap(), comparison);
    let error = format!("{:#}", read_run(&path).unwrap_err());
    assert!(error.ends_with("comparison.json: holds a comparison, not a run"), "{error}");
    write_atomic(&path, b"{}").unwrap();
    let error = format!("{:#}", read_run(&path).unwrap_err());
    assert!(error.ends_with("comparison.json: no result of this program"), "{error}");
}

#[test]
fn a_file_that_was_not_committed_leaves_the_old_one_and_no_trace() {
    use std::io::Write;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.json");
    write_atomic(&path, b"old").unwrap();
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    drop(file);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(names(directory.path()), ["a.json"]);
}

// Finding

#[test]
fn every_kind_of_path_finds_its_runs() {
    let results = TempDir::new().unwrap();
    let here = results.path();
    let compare = take_directory(here, "compare", at()).unwrap();
    write_json(&compare.join("plan.json"), &plan("compare_20260201_143000")).unwrap();
    let crashed = open_run(here, "compare_20260201_143000", "vllm", &three());
    let closed = open_run(here, "compare_20260201_143000", "tuned", &three());
    let closed = closed.close(EngineFigures::default(), None, None).unwrap();
    open_run(here, "bench_other", "other", &three());
    std::fs::write(here.join("torn_20260201_143000_records.jsonl"), "{\"sch").unwrap();
    std::fs::write(here.join("notes.json"), "{}").unwrap();

    let labels = |path: &Path| -> Vec<String> {
        find_runs(path).unwrap().runs.into_iter().map(|run| run.label).collect()
    };
    assert_eq!(labels(here), ["other", "tuned", "vllm"]);
    assert_eq!(labels(&compare), ["tuned", "vllm"]);
    assert_eq!(labels(&crashed.files().records()), ["vllm"]);
    assert_eq!(labels(&closed), ["tuned"]);
    let torn = find_runs(here).unwrap().unreadable;
    assert_eq!(torn.len(), 1);
    assert!(torn[0].path.ends_with("torn_20260201_143000_records.jsonl"), "{torn:?}");
    let found = find_runs(&closed).unwrap().runs.remove(0);
    assert_eq!((found.records, found.json), (Some(closed), None));
    for nothing in ["nowhere", "notes.txt"] {
        std::fs::write(here.join("notes.txt"), "").unwrap();
        assert!(find_runs(&here.join(nothing)).is_err(), "{nothing}");
    }
}

#[test]
fn a_run_whose_records_are_gone_is_found_by_its_json() {
    let results = TempDir::new().unwrap();
    let run = RunFile {
        schema_version: SCHEMA_VERSION,
        kind: "run".into(),
        plan: plan("compare_x"),
        environment: environment(),
        summary: summary(&three(), None),
        launched: Vec::new(),
    };
    let path = results.path().join("vllm_20260201_143000.json");
    write_json(&path, &run).unwrap();
    let found = find_runs(results.path()).unwrap();
    assert_eq!(found.runs.len(), 1);
    assert_eq!((&found.runs[0].records, &found.runs[0].json), (&None, &Some(path)));
    assert_eq!(found.runs[0].run_id, "compare_x");
}

// The summary of all runs

const HEADER: [&str; 3] = ["backend", "value", "exit"];

fn row(backend: &str, value: usize) -> Vec<String> {
    vec![backend.to_owned(), value.to_string(), "ok".to_owned()]
}

fn lines(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("benchmark_summary.csv")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn rows_are_appended_below_one_header() {
    let directory = TempDir::new().unwrap();
    let odd = vec!["a,\"b\"\nc".to_owned(), "1".to_owned(), String::new()];
    append_summary(directory.path(), &HEADER, &[row("vllm", 1), odd], at()).unwrap();
    let done = append_summary(directory.path(), &HEADER, &[row("sglang", 2)], at()).unwrap();
    assert_eq!((done.renamed, done.moved_aside), (None, None));
    assert_eq!(
        lines(directory.path()),
        ["backend,value,exit", "vllm,1,ok", "\"a,\"\"b\"\" c\",1,", "sglang,2,ok"]
    );
    assert_eq!(names(directory.path()), ["benchmark_summary.csv"]);
}

#[test]
fn a_half_written_last_line_is_moved_aside_wherever_it_was_cut() {
    for cut in 1.."vllm,1,ok".len() + 1 {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("benchmark_summary.csv");
        std::fs::write(&path, format!("backend,value,exit\nold,0,ok\n{}", &"vllm,1,ok"[..cut])).unwrap();
        let done = append_summary(directory.path(), &HEADER, &[row("new", 2)], at()).unwrap();
        assert_eq!(lines(directory.path()), ["backend,value,exit", "old,0,ok", "new,2,ok"]);
        let aside = std::fs::read_to_string(done.moved_aside.unwrap()).unwrap();
        assert_eq!(aside.trim_end(), &"vllm,1,ok"[..cut]);
    }
}

#[test]
fn a_half_written_header_makes_room_for_a_whole_one() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("benchmark_summary.csv"), "backend,va").unwrap();
    let done = append_summary(directory.path(), &HEADER, &[row("new", 2)], at()).unwrap();
    assert_eq!(lines(directory.path()), ["backend,value,exit", "new,2,ok"]);
    assert!(done.moved_aside.is_some() && done.renamed.is_none());
}

#[test]
fn a_half_line_longer_than_a_block_is_found_whole() {
    let directory = TempDir::new().unwrap();
    let half = "x".repeat(200_000);
    let path = directory.path().join("benchmark_summary.csv");
    std::fs::write(&path, format!("backend,value,exit\nold,0,ok\n{half}")).unwrap();
    let done = append_summary(directory.path(), &HEADER, &[row("new", 2)], at()).unwrap();
    assert_eq!(lines(directory.path()).len(), 3);
    assert_eq!(std::fs::read_to_string(done.moved_aside.unwrap()).unwrap().len(), half.len() + 1);
}

#[test]
fn a_file_with_other_columns_is_renamed_and_said_so() {
    let directory = TempDir::new().unwrap();
    append_summary(directory.path(), &["backend", "old"], &[vec!["a".into(), "1".into()]], at()).unwrap();
    let done = append_summary(directory.path(), &HEADER, &[row("new", 2)], at()).unwrap();
    let first = directory.path().join("benchmark_summary_until_20260201_143000.csv");
    assert_eq!(done.renamed.as_ref(), Some(&first));
    assert_eq!(std::fs::read_to_string(&first).unwrap(), "backend,old\na,1\n");
    assert_eq!(lines(directory.path()), ["backend,value,exit", "new,2,ok"]);
    let done = append_summary(directory.path(), &["backend"], &[vec!["newer".into()]], at()).unwrap();
    let second = directory.path().join("benchmark_summary_until_20260201_143000_2.csv");
    assert_eq!(done.renamed.as_ref(), Some(&second), "an older one is not overwritten");
    assert_eq!(lines(directory.path()), ["backend", "newer"]);
    assert!(first.exists() && second.exists());
}

#[test]
fn a_byte_order_mark_from_a_spreadsheet_is_no_other_column() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("benchmark_summary.csv");
    std::fs::write(&path, "\u{feff}backend,value,exit\r\nold,0,ok\r\n").unwrap();
    let done = append_summary(directory.path(), &HEADER, &[row("new", 2)], at()).unwrap();
    assert_eq!(done.renamed, None);
    assert_eq!(lines(directory.path()).len(), 3);
}

const APPEND_TO: &str = "HARNESS_TEST_APPEND_TO";
const ROWS_EACH: usize = 40;

/// Not a test of its own: the body of the processes that the next two start.
#[test]
fn appending_process() {
    let Ok(task) = std::env::var(APPEND_TO) else { return };
    let (header, directory) = task.split_once('|').unwrap();
    let columns: Vec<&str> = header.split(',').collect();
    for value in 0..ROWS_EACH {
        let row = row(&format!("process-{}", std::process::id()), value);
        append_summary(Path::new(directory), &columns, &[row], at()).unwrap();
    }
}

fn start_appending(directory: &Path, header: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "appending_process", "--nocapture"])
        .env(APPEND_TO, format!("{header}|{}", directory.display()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(children: Vec<Child>) -> Vec<u32> {
    children
        .into_iter()
        .map(|mut child| {
            assert!(child.wait().unwrap().success());
            child.id()
        })
        .collect()
}

#[test]
fn sixteen_processes_append_every_row_below_one_header() {
    let directory = TempDir::new().unwrap();
    let children = (0..16).map(|_| start_appending(directory.path(), "backend,value,exit")).collect();
    let pids = wait_for(children);
    let mut found = lines(directory.path());
    assert_eq!(found.remove(0), "backend,value,exit");
    let mut expected: Vec<String> = pids
        .iter()
        .flat_map(|pid| (0..ROWS_EACH).map(move |value| format!("process-{pid},{value},ok")))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(names(directory.path()), ["benchmark_summary.csv"]);
}

#[test]
fn processes_of_two_versions_rename_the_file_under_each_other_and_lose_no_row() {
    let directory = TempDir::new().unwrap();
    let children = (0..8)
        .map(|child| {
            start_appending(directory.path(), ["backend,value,exit", "backend,other,exit"][child % 2])
        })
        .collect();
    wait_for(children);
    let mut rows = 0;
    for name in names(directory.path()) {
        assert!(name.starts_with("benchmark_summary") && !name.contains("broken"), "{name}");
        let text = std::fs::read_to_string(directory.path().join(&name)).unwrap();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().ends_with(",exit"), "{name}");
        for line in lines {
            assert!(line.starts_with("process-") && line.ends_with(",ok"), "{name}: {line}");
            rows += 1;
        }
    }
    assert_eq!(rows, 8 * ROWS_EACH);
}

// Rows

fn cells(header: &[String], row: &[String]) -> BTreeMap<String, String> {
    assert_eq!(header.len(), row.len(), "as many cells as columns");
    header.iter().cloned().zip(row.iter().cloned()).collect()
}

#[test]
fn a_summary_row_has_a_cell_for_every_column() {
    let run = summary(&three(), Some("interrupted"));
    let row = cells(&summary_header(), &summary_row(&plan("compare_x"), &run));
    let expect = [
        ("timestamp", "2026-02-01T14:30:00.000Z"),
        ("run_id", "compare_x"),
        ("backend", "vllm"),
        ("engine_version", "0.2"),
        ("dataset", "benchmark_dataset"),
        ("endpoint", "chat"),
        ("concurrency", "20"),
        ("rate", ""),
        ("requests_issued", "3"),
        ("requests_completed", "1"),
        ("requests_failed", "1"),
        ("requests_cancelled", "1"),
        ("requests_dropped", "0"),
        ("ttft_ms_p99", "0.5"),
        ("tpot_ms_mean", "0.666667"),
        ("ttft_ms_p999", ""),
        ("ttft_from_due_ms_p50", ""),
        ("error_rate_pct", "33.333333"),
        ("caveats", "partial;failures;merged_events;few_samples"),
        ("exit", "partial"),
    ];
    for (column, value) in expect {
        assert_eq!(row.get(column).map(String::as_str), Some(value), "{column}");
    }
    // 1 completed request of 5 tokens from 0 to the failed one's end at 3.6 ms.
    assert_eq!(row["output_tps"], "1388.888889");
}

#[test]
fn a_backend_without_a_result_has_a_row_without_a_figure() {
    let failed = FailedTarget { label: "tuned".into(), error: "out of memory".into(), hint: "less".into() };
    let row = cells(&summary_header(), &failed_row(&plan("compare_x"), &failed, at()));
    assert_eq!((row["backend"].as_str(), row["exit"].as_str()), ("tuned", "failed"));
    assert_eq!(row["model"], "tiny");
    for metric in ["output_tps", "ttft_ms_p50", "requests_issued", "caveats"] {
        assert_eq!(row[metric], "", "{metric}");
    }
    let mut none = three();
    none.remove(0);
    let row = cells(&summary_header(), &summary_row(&plan("x"), &summary(&none, None)));
    assert_eq!(row["exit"], "failed", "nothing completed");
}

#[test]
fn every_column_is_named_once() {
    let header = summary_header();
    let once: std::collections::BTreeSet<&String> = header.iter().collect();
    assert_eq!(once.len(), header.len());
    for column in ["output_tps", "rps", "error_rate_pct", "ttft_ms_mean", "itl_ms_p99", "e2e_ms_p95"] {
        assert!(header.iter().any(|name| name == column), "{column}");
    }
}

#[test]
fn a_request_is_a_row_and_says_the_same_as_the_summary() {
    let mut writer = RequestsCsv::new(Vec::new()).unwrap();
    let records = three();
    records.iter().for_each(|record| writer.add(record).unwrap());
    let bytes = writer.finish().unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, REQUEST_COLUMNS);
    let rows: Vec<BTreeMap<String, String>> = reader
        .records()
        .map(|row| cells(&header, &row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()))
        .collect();
    assert_eq!(rows.len(), 3);
    let expect = [
        ("prompt_id", "ask, \"1\" é"),
        ("outcome", "failed"),
        ("kind", "truncated"),
        ("detail", "closed, in the\nmiddle"),
        ("sent_ms", "1"),
        ("due_ms", ""),
        ("headers_ms", "0.4"),
        ("ttft_ms", "0.5"),
        ("e2e_ms", "2.5"),
        ("end_ms", "2.6"),
        ("chunks", "3"),
        ("merged_events", "1"),
        ("output_tokens", "5"),
        ("delivered_tokens", "4"),
        ("token_source", "usage"),
        ("reader_lag_ms_max", "0.012"),
        ("replayed", "false"),
    ];
    for (column, value) in expect {
        assert_eq!(rows[1][column], value, "{column}");
    }
    let run = summary(&records, None);
    for (column, name) in [("ttft_ms", metric::TTFT), ("e2e_ms", metric::E2E), ("tpot_ms", metric::TPOT)] {
        let Some(MetricValue::Distribution(held)) = run.metrics.get(name) else { panic!("{name}") };
        let cell: f64 = rows[0][column].parse().unwrap();
        assert!((cell - held.mean).abs() < 1e-6, "{column}: {cell} and {}", held.mean);
    }
}

#[test]
fn paths_of_a_run_share_its_stem() {
    let files = RunFiles::of(Path::new("results/vllm_20260201_143000_records.jsonl.zst")).unwrap();
    assert_eq!(files.json(), PathBuf::from("results/vllm_20260201_143000.json"));
    assert_eq!(files.requests_csv(), PathBuf::from("results/vllm_20260201_143000_requests.csv"));
    assert_eq!(RunFiles::of(Path::new("results/report.html")), None);
}
