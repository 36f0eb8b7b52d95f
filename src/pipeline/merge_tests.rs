//! Records of workers, split and lost in every way, merged again.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::derive::{Derived, derive};
use super::merge::merge_parts;
use super::{Event, fixture, rebuild};
use crate::results::{self, PartFile, RecordWriter, RunFiles};
use crate::schema::SCHEMA_VERSION;
use crate::schema::caveat::Caveat;
use crate::schema::files::{EngineFigures, RecordsHeader};
use crate::schema::plan::RunKey;
use crate::schema::record::{
    Chunk, FailureKind, Outcome, RequestRecord, StampKind, TokenCounts, TokenSource,
};
use crate::schema::summary::ServerCounts;
use crate::schema::traffic::{Arrivals, Ramp, Traffic, Until};
use crate::schema::unit::Phase;
use crate::schema::workers::{ClockMap, ClockPoint, Share, WorkerPart};

/// The measured phase begins here, µs.
const FROM_US: u64 = 3_000_000;
/// And no request ends later.
const TO_US: u64 = 60_000_000;
const DAY_US: u64 = 86_400_000_000;

fn header(traffic: Traffic, workers: u32) -> RecordsHeader {
    let mut plan = fixture::plan(&["vllm"], 1, 1, 1);
    plan.loads[0].traffic = traffic;
    plan.loads[0].until = Until::new(None, Some(30.0)).unwrap();
    (plan.workers, plan.output.folder) = (workers, false);
    let environment = serde_json::from_value(serde_json::json!({
        "taken_at": "2026-02-01T14:30:00Z", "harness_version": "0", "os": "Linux", "hostname": "here",
        "cpu": "some", "cores": 1, "memory_bytes": 1, "open_files": [1, 1], "gpus": []
    }));
    RecordsHeader {
        schema_version: SCHEMA_VERSION,
        kind: "records".into(),
        plan,
        environment: environment.unwrap(),
        key: RunKey::first("vllm"),
        engine_version: None,
        started_at: "2026-02-01T14:30:00Z".parse().unwrap(),
        monotonic_zero_ns: Some(77),
        ready_s: None,
        launched: Vec::new(),
        late_acks: Vec::new(),
        probes: Vec::new(),
        launch: None,
        gpus_before: None,
        worker: None,
    }
}

/// A request that came at a time, of so many kinds.
fn request(random: &mut ChaCha8Rng, is_open: bool, came_us: u64) -> RequestRecord {
    let sent_us = came_us + random.random_range(0..200);
    let first_us = sent_us + random.random_range(5_000..300_000);
    let tokens = random.random_range(1..40_u32);
    let mut chunks = Vec::new();
    let mut at_us = first_us;
    for _ in 0..tokens {
        let merged_bound_us = random.random_bool(0.01).then_some(300);
        chunks.push(Chunk { at_us, tokens: 1, merged_bound_us });
        at_us += random.random_range(1_000..30_000);
    }
    let last_us = chunks.last().unwrap().at_us;
    let mut record = RequestRecord {
        index: 0,
        unit: 0,
        turn: 0,
        history_tokens: None,
        prompt_id: format!("p{}", random.random_range(0..9)).into(),
        category: "chat".into(),
        phase: Phase::Measured,
        due_us: is_open.then_some(came_us),
        ready_us: came_us,
        slot_us: Some(came_us),
        sent_us: Some(sent_us),
        headers_us: Some(first_us - 1_000),
        first_event_us: Some(first_us),
        first_token_us: Some(first_us),
        first_answer_us: Some(first_us),
        chunks: chunks.into_iter().collect(),
        last_token_us: Some(last_us),
        end_us: last_us + 100,
        connect_us: None,
        late_ack: None,
        reader_lag_max_us: random.random_range(0..90),
        stamps: StampKind::Kernel,
        replayed: false,
        tokens: TokenCounts {
            prompt: Some(random.random_range(5..2_000)),
            output: Some(tokens),
            delivered: Some(tokens),
            source: TokenSource::Usage,
            ..TokenCounts::default()
        },
        max_tokens: 64,
        forced_length: false,
        status: Some(200),
        finish_reason: Some("stop".into()),
        gateway: None,
        missing_sign: None,
        passed_over: 0,
        server_times: None,
        outcome: Outcome::Completed,
    };
    if random.random_bool(0.03) {
        let kind = if random.random_bool(0.5) { FailureKind::Status } else { FailureKind::Truncated };
        record.outcome = Outcome::Failed { kind, detail: format!("it broke at {last_us}") };
    }
    record
}

/// What a run is made of: kinds of load whose records look different.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Open,
    Closed,
    Talks,
}

fn traffic(kind: Kind) -> Traffic {
    match kind {
        Kind::Open | Kind::Talks => Traffic::Open { arrivals: Arrivals::Poisson { rate: 9.0 }, cap: None },
        Kind::Closed => Traffic::Closed { slots: 5.try_into().unwrap(), ramp: Ramp::Automatic },
    }
}

/// A whole run's records, in order of their index.
fn records(kind: Kind, seed: u64) -> Vec<RequestRecord> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Vec::new();
    let mut came_us = FROM_US;
    for unit in 0..random.random_range(30..90) {
        came_us += random.random_range(0..200_000);
        let mut at_us = came_us;
        for turn in 0..if kind == Kind::Talks { random.random_range(1..4) } else { 1 } {
            let mut one = request(&mut random, kind != Kind::Closed && turn == 0, at_us);
            (one.unit, one.turn) = (unit, turn);
            at_us = one.end_us + 1_000;
            all.push(one);
        }
    }
    all.sort_by_key(|one| (one.came_us(), one.unit, one.turn));
    (0..).zip(&mut all).for_each(|(index, one)| one.index = index);
    if kind != Kind::Talks {
        assert!(all.iter().all(|one| one.index == one.unit));
    }
    all
}

fn engine(issued: usize, threads: u32, cpu_s: f64) -> EngineFigures {
    EngineFigures {
        measured_from_us: FROM_US,
        measured_to_us: TO_US,
        ramp_to_us: FROM_US,
        issue_end_us: FROM_US + 20_000_000,
        issued: Some(issued as u64),
        cpu_s,
        busy_share: 0.25,
        threads,
    }
}

fn single(directory: &Path, header: &RecordsHeader, records: &[RequestRecord]) -> Derived {
    let mut writer = RecordWriter::create(directory, "single", header).unwrap();
    records.iter().for_each(|record| writer.write(record).unwrap());
    let files = writer.files().clone();
    let workers = header.plan.workers;
    writer.close(engine(records.len(), workers, f64::from(workers) * 0.25), None, None).unwrap();
    derive(&files).unwrap()
}

/// One worker's file: its clock shows `ahead_us` more than worker 0's.
fn part(
    directory: &Path,
    header: &RecordsHeader,
    (worker, ahead_us): (u32, u64),
    records: &[RequestRecord],
) -> RecordWriter {
    let share = Share { worker, of: header.plan.workers };
    let mut header =
        RecordsHeader { worker: Some(WorkerPart { share, host: format!("node{worker}") }), ..header.clone() };
    // What is a worker's own, and must not matter.
    if worker > 0 {
        header.plan.command = vec![format!("--worker {worker}")];
        header.plan.output.directory = format!("elsewhere{worker}").into();
    }
    let mut writer = RecordWriter::create_part(directory, "run", worker, &header).unwrap();
    for record in records {
        let mut record = record.clone();
        record.shift(ahead_us as i64);
        writer.write(&record).unwrap();
    }
    writer
}

fn close(writer: RecordWriter, issued: usize, ahead_us: u64) -> PathBuf {
    let on_own = |us: u64| us + ahead_us;
    let engine = engine(issued, 1, 0.25);
    let engine = EngineFigures {
        measured_from_us: on_own(engine.measured_from_us),
        measured_to_us: on_own(engine.measured_to_us),
        ramp_to_us: on_own(engine.ramp_to_us),
        issue_end_us: on_own(engine.issue_end_us),
        ..engine
    };
    let at = |at_us, by| ClockPoint { at_us, offset_us: by - ahead_us as f64, bound_us: 20.0 };
    let points = vec![at(0, 0.3), at(ahead_us as i64 + 9_000_000, -0.3)];
    let clock = ClockMap { points, ..ClockMap::default() };
    writer.close_part(engine, None, None, Some(clock)).unwrap().path
}

/// Records dealt out by `worker_of`, each worker's on a clock of its own.
fn dealt(
    directory: &Path,
    header: &RecordsHeader,
    records: &[RequestRecord],
    worker_of: impl Fn(&RequestRecord) -> u32,
) -> Vec<PathBuf> {
    (0..header.plan.workers)
        .map(|worker| {
            let own: Vec<_> = records.iter().filter(|record| worker_of(record) == worker).cloned().collect();
            let ahead_us = u64::from(worker) * DAY_US + u64::from(worker) * 123_457;
            close(part(directory, header, (worker, ahead_us), &own), own.len(), ahead_us)
        })
        .collect()
}

fn stem() -> &'static str {
    "run_20260201_143000"
}

/// A run's file without what tells of its workers.
fn without_workers(run: &Derived) -> String {
    let mut file = run.file.clone();
    file.summary.workers.clear();
    serde_json::to_string(&file).unwrap()
}

/// They are, to the byte; else what stands around the first difference.
fn check_same(left: &str, right: &str) {
    let first = left.bytes().zip(right.bytes()).position(|(left, right)| left != right);
    if let Some(first) = first.or((left.len() != right.len()).then_some(left.len().min(right.len()))) {
        let around = |text: &str| text.chars().skip(first.saturating_sub(80)).take(120).collect::<String>();
        panic!("{}\nand\n{}", around(left), around(right));
    }
}

fn rows(files: &RunFiles) -> Vec<String> {
    let mut rows: Vec<String> =
        std::fs::read_to_string(files.requests_csv()).unwrap().lines().map(str::to_owned).collect();
    rows[1..].sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn one_runs_records_split_at_random_and_merged_give_the_summary_to_the_byte(
        seed: u64, workers in 1_u32..=16,
        kind in prop::sample::select(vec![Kind::Open, Kind::Closed, Kind::Talks]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let header = header(traffic(kind), workers);
        let records = records(kind, seed);
        let alone = single(folder.path(), &header, &records);
        let places: Vec<u32> = {
            let mut random = ChaCha8Rng::seed_from_u64(!seed);
            records.iter().map(|_| random.random_range(0..workers)).collect()
        };
        let parts = dealt(folder.path(), &header, &records, |record| places[record.index as usize]);
        let merged = derive(&merge_parts(&parts, folder.path(), stem()).unwrap()).unwrap();
        check_same(&without_workers(&merged), &without_workers(&alone));
        prop_assert_eq!(rows(&merged.files), rows(&alone.files));
        let told = &merged.file.summary.workers;
        prop_assert_eq!(told.len() as u32, workers);
        prop_assert_eq!(told.iter().map(|worker| worker.issued).sum::<u64>(), records.len() as u64);
        prop_assert!(told.iter().all(|worker| worker.threads == 1 && worker.clock_error_us == 20.0));
        prop_assert!((told.last().unwrap().clock_offset_us + f64::from(workers - 1) * (DAY_US + 123_457) as f64).abs() < 1.0);
    }

    #[test]
    fn workers_that_count_conversations_each_for_itself_give_the_indices_of_one(seed: u64, workers in 2_u32..9) {
        let folder = tempfile::tempdir().unwrap();
        let header = header(traffic(Kind::Talks), workers);
        let whole = records(Kind::Talks, seed);
        let alone = single(folder.path(), &header, &whole);
        let mut counts = vec![0; workers as usize];
        let own: Vec<RequestRecord> = whole.iter().map(|record| {
            let worker = record.unit % u64::from(workers);
            let count = &mut counts[worker as usize];
            let index = *count * u64::from(workers) + worker;
            *count += 1;
            RequestRecord { index, ..record.clone() }
        }).collect();
        let parts = dealt(folder.path(), &header, &own, |record| (record.unit % u64::from(workers)) as u32);
        let merged = derive(&merge_parts(&parts, folder.path(), stem()).unwrap()).unwrap();
        check_same(&without_workers(&merged), &without_workers(&alone));
        prop_assert_eq!(rows(&merged.files), rows(&alone.files));
    }
}

fn striped(record: &RequestRecord) -> u32 {
    (record.unit % 4) as u32
}

fn refused(parts: &[PathBuf], into: &Path) -> String {
    format!("{:#}", merge_parts(parts, into, stem()).unwrap_err())
}

#[test]
fn a_worker_that_was_killed_leaves_a_run_that_says_so_with_all_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut header = header(traffic(Kind::Open), 4);
    header.plan.seed = 5;
    let mut whole = records(Kind::Open, 1);
    // As the law has it, so that a lost clock is told by the due times.
    let dues = crate::load::due_times(&header.plan.loads[0], 5).unwrap();
    for (record, (_, due_us)) in whole.iter_mut().zip(dues) {
        let by_us = (FROM_US + due_us) as i64 - record.came_us() as i64;
        record.shift(by_us);
    }
    let mut parts = dealt(folder.path(), &header, &whole, striped);
    std::fs::remove_file(parts.remove(2)).unwrap();
    let own: Vec<_> = whole.iter().filter(|record| striped(record) == 2).take(10).cloned().collect();
    let mut killed = part(folder.path(), &header, (2, 7 * DAY_US), &own);
    killed.tick().unwrap();
    parts.push(killed.files().part(2));
    drop(killed);
    let files = merge_parts(&parts, folder.path(), stem()).unwrap();
    let run = derive(&files).unwrap().file.summary;
    let at_s = (own.iter().map(|record| record.end_us).max().unwrap() - FROM_US) as f64 / 1e6;
    let why = format!("worker 2 of 4 lost at {at_s:.1} s: a quarter of the load was not offered");
    assert_eq!(run.partial.as_deref(), Some(why.as_str()));
    assert!(
        run.caveats.iter().any(|caveat| matches!(caveat, Caveat::WorkerLost { .. }) && caveat.is_invalid())
    );
    let there = whole.iter().filter(|record| striped(record) != 2).count() + 10;
    assert_eq!(run.requests.issued, there as u64);
    let words = format!("lost; its records end at {at_s:.1} s");
    assert_eq!(run.workers[2].lost.as_deref(), Some(words.as_str()));
    // Its clock was days apart, and its requests stand where they were due.
    let merged = results::RecordReader::open(&files.closed_records()).unwrap().map(Result::unwrap);
    let merged: Vec<RequestRecord> = merged.collect();
    assert!(merged.is_sorted_by_key(|record| (record.due_us, record.index)));
    assert!(own.iter().all(|record| merged.contains(record)));
    // Without a word of it, what is there is a part of a run too.
    let rest: Vec<PathBuf> = parts.iter().take(3).cloned().collect();
    let rest = derive(&merge_parts(&rest, folder.path(), stem()).unwrap()).unwrap().file.summary;
    let why = "worker 2 of 4: its records are not there: a quarter of the load is not in the records";
    assert_eq!(rest.partial.as_deref(), Some(why));
    assert_eq!((rest.workers.len(), rest.workers[2].issued), (4, 0));
}

#[test]
fn parts_that_are_not_of_one_run_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let own = header(traffic(Kind::Open), 4);
    let whole = records(Kind::Open, 2);
    let parts = dealt(folder.path(), &own, &whole, striped);
    let elsewhere = folder.path().join("elsewhere");
    let mut other = own.clone();
    other.plan.seed += 1;
    let others = dealt(&elsewhere, &other, &whole, striped);
    let mixed = [parts[0].clone(), others[1].clone()];
    assert!(refused(&mixed, folder.path()).ends_with("are not of one run: their plans differ in seed"));
    let twice = [parts[0].clone(), others[0].clone()];
    assert!(refused(&twice, folder.path()).ends_with("both are worker 0's"));
    let alone = single(folder.path(), &own, &whole);
    let of_all = [alone.files.closed_records()];
    assert!(refused(&of_all, folder.path()).contains("the records of a whole run"));
    // One request went lost between the workers, and one was played by two.
    let short: Vec<_> = whole.iter().filter(|record| record.index != 6).cloned().collect();
    let parts = dealt(&folder.path().join("short"), &own, &short, striped);
    assert!(refused(&parts, folder.path()).contains("requests 6 are in no worker's records"));
    let again: Vec<_> = whole.iter().chain([&whole[9]]).cloned().collect();
    let parts = dealt(&folder.path().join("again"), &own, &again, striped);
    assert!(refused(&parts, folder.path()).contains("requests 9 (workers 1, 1) are in the records twice"));
}

#[test]
fn the_tokens_that_the_server_counted_are_held_against_those_of_all_workers() {
    let folder = tempfile::tempdir().unwrap();
    let header = header(traffic(Kind::Closed), 2);
    let whole: Vec<_> = records(Kind::Closed, 3).into_iter().take(10).collect();
    let of = |worker: u64| {
        whole.iter().filter(move |record| record.index % 2 == worker).cloned().collect::<Vec<_>>()
    };
    let tokens = |of: &[RequestRecord]| {
        let counted = of.iter().filter(|record| record.outcome == Outcome::Completed);
        counted.map(|record| f64::from(record.tokens.output.unwrap())).sum::<f64>()
    };
    let counts = ServerCounts {
        generated_tokens: tokens(&whole),
        client_generated_tokens: tokens(&of(0)),
        ..ServerCounts::default()
    };
    let first = part(folder.path(), &header, (0, 0), &of(0));
    let first = first.close_part(engine(of(0).len(), 1, 0.1), None, Some(counts), None).unwrap().path;
    let second = close(part(folder.path(), &header, (1, 9), &of(1)), of(1).len(), 9);
    let merged = |parts: &[PathBuf]| {
        derive(&merge_parts(parts, folder.path(), stem()).unwrap()).unwrap().file.summary.server
    };
    let server = merged(&[first.clone(), second]).unwrap();
    assert_eq!(server.client_generated_tokens, server.generated_tokens);
    // The server counted what the other one was answered too, and nobody else did.
    assert!(merged(&[first]).is_none());
}

#[test]
fn a_directory_of_parts_and_their_paths_are_merged_after_the_fact_once_and_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let header = header(traffic(Kind::Open), 4);
    let parts = dealt(folder.path(), &header, &records(Kind::Open, 4), striped);
    assert!(results::find_runs(folder.path()).unwrap().runs.is_empty(), "no part is a run of its own");
    let told = std::sync::Mutex::new(Vec::new());
    let listen = |event: Event<'_>| {
        if let Event::Note(text) | Event::Trouble(text) = event {
            told.lock().unwrap().push(text.to_owned());
        }
    };
    let json = folder.path().join(format!("{}.json", stem()));
    let made = |paths: &[PathBuf]| {
        let _ = std::fs::remove_file(&json);
        rebuild(paths, &listen).unwrap();
        std::fs::read(&json).unwrap()
    };
    let of_folder = made(&[folder.path().to_owned()]);
    let again = made(&[folder.path().to_owned()]);
    assert_eq!(told.lock().unwrap().len(), 1, "{told:?}: the second time the merged run is there");
    // One of them names its run: the others lie beside it.
    assert!(of_folder == again && of_folder == made(&parts) && of_folder == made(&parts[3..]));
    assert!(of_folder == made(&[folder.path().join("*w*.jsonl*")]));
    let found = results::find_runs(folder.path()).unwrap();
    assert_eq!((found.runs.len(), found.unreadable.len()), (1, 0));
    // Copies of them elsewhere say nothing new.
    let copies = folder.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    let copied: Vec<PathBuf> = parts.iter().map(|path| copies.join(path.file_name().unwrap())).collect();
    for (from, to) in parts.iter().zip(&copied) {
        std::fs::copy(from, to).unwrap();
    }
    assert_eq!(made(&[parts, copied].concat()), of_folder);
}

#[test]
fn a_part_that_is_still_written_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let header = header(traffic(Kind::Open), 2);
    let _living = part(folder.path(), &header, (1, 0), &records(Kind::Open, 5));
    let (found, _) = results::find_parts(folder.path()).unwrap();
    assert!(found.len() == 1 && found[0].living);
    assert_eq!(PartFile::of(&found[0].parts[0].path).unwrap().worker, 1);
    let why = rebuild(&[folder.path().to_owned()], &|_| {}).unwrap_err();
    assert!(why.to_string().starts_with("no run in"));
}
