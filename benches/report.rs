//! What `harness report` costs: whole processes over runs of a known size, written here and never played.
//!
//! ```text
//! cargo bench --bench report                     three sizes, this build
//! HARNESS_OLD=path cargo bench --bench report    beside it another build, which reads files of version 1
//! HARNESS_PYTHON=path …                          beside it pandas, reading the same run's _requests.csv
//! HARNESS_SIZES=200000x128 HARNESS_TIMES=5 …     other sizes, other repeats
//! ```
//!
//! The programs run in turn, each size so many times; the least wall time of each is shown, since other work on the
//! machine can only add to it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod whole_process;

use std::collections::BinaryHeap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use harness::results::{RecordReader, RecordWriter};
use harness::schema::files::{EngineFigures, RecordsFooter, RecordsHeader};
use harness::schema::record::{Chunk, Chunks, Outcome, RequestRecord, StampKind, TokenCounts, TokenSource};
use harness::schema::traffic::{Ramp, Traffic, Until};
use harness::schema::unit::Phase;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use whole_process::{Cost, cost};

const SLOTS: u64 = 64;
const KEPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/version_1/vllm-simulated_20261128_004413_records.jsonl.zst"
);
const PANDAS: &str = "
import sys, pandas
rows = pandas.read_csv(sys.argv[1])
done = rows[(rows.phase == 'measured') & (rows.outcome == 'completed')]
print(done[['ttft_ms', 'e2e_ms', 'tpot_ms']].quantile([.5, .75, .9, .95, .99, .999]))
";

fn main() {
    let sizes = std::env::var("HARNESS_SIZES").unwrap_or("200000x128,1000000x8,1000000x128".to_owned());
    let times: usize = std::env::var("HARNESS_TIMES").map_or(3, |times| times.parse().unwrap());
    let old = std::env::var_os("HARNESS_OLD");
    let python = std::env::var_os("HARNESS_PYTHON");
    println!(
        "{:<14} {:>8} {:>12} {:>9} {:>9} {:>10}",
        "requests", "program", "records", "wall", "CPU", "peak"
    );
    for size in sizes.split(',') {
        let (requests, tokens) = size.split_once('x').unwrap();
        measure(requests.parse().unwrap(), tokens.parse().unwrap(), times, old.as_ref(), python.as_ref());
    }
}

fn measure(requests: u64, tokens: u64, times: usize, old: Option<&OsString>, python: Option<&OsString>) {
    let folder = match std::env::var_os("HARNESS_KEEP") {
        Some(folder) => PathBuf::from(folder).join(format!("{requests}x{tokens}")),
        None => tempfile::Builder::new().prefix("harness-report-").tempdir().unwrap().keep(),
    };
    let (new_run, old_run) = (folder.join("new"), folder.join("old"));
    let new_records = made(&new_run, || write_new(&new_run, requests, tokens));
    let mut programs = vec![(
        "new",
        env!("CARGO_BIN_EXE_harness").into(),
        vec!["report".into(), new_run.clone().into_os_string()],
        new_records,
    )];
    if let Some(old) = old {
        let records = made(&old_run, || write_old(&old_run, requests, tokens));
        programs.push(("old", old.clone(), vec!["report".into(), old_run.clone().into_os_string()], records));
    }
    if let Some(python) = python {
        let rows = new_run.join("bench_20260201_143000_requests.csv");
        programs.push((
            "pandas",
            python.clone(),
            vec!["-c".into(), PANDAS.into(), rows.clone().into_os_string()],
            rows,
        ));
    }
    let mut least = vec![Cost { wall_s: f64::INFINITY, cpu_s: 0.0, peak_mb: 0.0 }; programs.len()];
    for _ in 0..times {
        for (least, (_, program, arguments, _)) in least.iter_mut().zip(&programs) {
            let cost = cost(program, arguments);
            if cost.wall_s < least.wall_s {
                *least = cost;
            }
        }
    }
    for (cost, (name, _, _, records)) in least.iter().zip(&programs) {
        let megabytes = std::fs::metadata(records).unwrap().len() as f64 / 1e6;
        println!(
            "{:<14} {name:>8} {megabytes:>9.1} MB {:>7.2} s {:>7.2} s {:>7.0} MB",
            format!("{requests}x{tokens}"),
            cost.wall_s,
            cost.cpu_s,
            cost.peak_mb,
        );
        if *name != "new" {
            println!("{:<14} {:>8} {:>5.3} of its wall time", "", "", least[0].wall_s / cost.wall_s);
        }
    }
    if std::env::var_os("HARNESS_KEEP").is_none() {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// The records in a folder, written where they are not there yet.
fn made(folder: &Path, write: impl FnOnce() -> PathBuf) -> PathBuf {
    let held = std::fs::read_dir(folder).ok().into_iter().flatten().map(|entry| entry.unwrap().path());
    match held.into_iter().find(|path| path.to_string_lossy().ends_with(".jsonl.zst")) {
        Some(path) => path,
        None => write(),
    }
}

fn write_new(folder: &Path, requests: u64, tokens: u64) -> PathBuf {
    let mut header = kept_header();
    header.plan.loads[0].traffic =
        Traffic::Closed { slots: u32::try_from(SLOTS).unwrap().try_into().unwrap(), ramp: Ramp::Automatic };
    header.plan.loads[0].until = Until::after_requests(requests.try_into().unwrap());
    header.plan.output.folder = true;
    header.plan.simulated = true;
    let comparison = folder.join(&header.plan.run_id);
    std::fs::create_dir_all(&comparison).unwrap();
    std::fs::write(comparison.join("plan.json"), serde_json::to_vec(&header.plan).unwrap()).unwrap();
    let mut writer = RecordWriter::create(folder, "bench", &header).unwrap();
    let mut records = Run::new(tokens);
    for _ in 0..requests {
        writer.write(&records.next_record()).unwrap();
    }
    writer.close(records.engine(requests), None, None).unwrap().path
}

/// The run as version 1 has it: a header of that version, records without what they did not hold then.
fn write_old(folder: &Path, requests: u64, tokens: u64) -> PathBuf {
    let kept = zstd::decode_all(std::fs::File::open(KEPT).unwrap()).unwrap();
    let first = kept.split(|byte| *byte == b'\n').next().unwrap();
    let mut header: serde_json::Value = serde_json::from_slice(first).unwrap();
    header["plan"]["targets"].as_array_mut().unwrap().truncate(1);
    header["plan"]["load"]["concurrency"] = SLOTS.into();
    header["plan"]["load"]["requests"] = requests.into();
    let comparison = folder.join(header["plan"]["run_id"].as_str().unwrap());
    std::fs::create_dir_all(&comparison).unwrap();
    std::fs::write(comparison.join("plan.json"), serde_json::to_vec(&header["plan"]).unwrap()).unwrap();
    let path = folder.join("bench_20260201_143000_records.jsonl.zst");
    let mut lines = zstd::Encoder::new(std::fs::File::create(&path).unwrap(), 3).unwrap();
    lines.include_checksum(true).unwrap();
    writeln!(lines, "{header}").unwrap();
    let mut records = Run::new(tokens);
    for _ in 0..requests {
        let line = serde_json::to_string(&records.next_record()).unwrap();
        writeln!(lines, "{}", without(&without(&line, "\"unit\":"), "\"category\":")).unwrap();
    }
    let footer = RecordsFooter {
        kind: "end".into(),
        partial: None,
        records: requests,
        engine: records.engine(requests),
        server: None,
        clock: None,
        workers: Vec::new(),
    };
    writeln!(lines, "{}", serde_json::to_string(&footer).unwrap()).unwrap();
    lines.finish().unwrap();
    path
}

/// A line of JSON without one key.
fn without(line: &str, key: &str) -> String {
    let (before, after) = line.split_once(key).unwrap();
    format!("{before}{}", after.split_once(',').unwrap().1)
}

fn kept_header() -> RecordsHeader {
    let mut header = RecordReader::open(Path::new(KEPT)).unwrap().header().clone();
    header.plan.targets.truncate(1);
    header.started_at = "2026-02-01T14:30:00Z".parse().unwrap();
    header
}

/// A closed loop over a server that answers all slots at once, a record at a time in the order of their ends.
struct Run {
    random: ChaCha8Rng,
    tokens: u64,
    index: u64,
    ready: Vec<u64>,
    ended: BinaryHeap<std::cmp::Reverse<(u64, u64)>>,
    waiting: std::collections::HashMap<u64, RequestRecord>,
    last_end_us: u64,
}

impl Run {
    fn new(tokens: u64) -> Self {
        Run {
            random: ChaCha8Rng::seed_from_u64(7),
            tokens,
            index: 0,
            ready: (0..SLOTS).map(|slot| 1_000 + slot * 20).collect(),
            ended: BinaryHeap::new(),
            waiting: std::collections::HashMap::new(),
            last_end_us: 0,
        }
    }

    fn next_record(&mut self) -> RequestRecord {
        while let Some(ready_us) = self.ready.pop() {
            let record = self.record(ready_us);
            self.ended.push(std::cmp::Reverse((record.end_us, record.index)));
            self.waiting.insert(record.index, record);
        }
        let std::cmp::Reverse((end_us, index)) = self.ended.pop().unwrap();
        self.ready.push(end_us);
        self.last_end_us = end_us;
        self.waiting.remove(&index).unwrap()
    }

    /// Sums of uniform numbers stand for the bell of real gaps; one event of a hundred is merged.
    fn record(&mut self, ready_us: u64) -> RequestRecord {
        let index = self.index;
        self.index += 1;
        let random = &mut self.random;
        let sent_us = ready_us + random.random_range(8..40);
        let headers_us = sent_us + random.random_range(80..300);
        let first_us = sent_us + (0..3).map(|_| random.random_range(8_000..30_000)).sum::<u64>();
        let mut at_us = first_us;
        let chunks: Chunks = (0..self.tokens)
            .map(|place| {
                if place > 0 {
                    at_us += (0..3).map(|_| random.random_range(2_500..4_500)).sum::<u64>();
                }
                let merged_bound_us = random.random_ratio(1, 100).then(|| random.random_range(10..90));
                Chunk { at_us, tokens: 1, merged_bound_us }
            })
            .collect();
        let tokens = u32::try_from(self.tokens).unwrap();
        RequestRecord {
            index,
            unit: index,
            turn: 0,
            history_tokens: None,
            prompt_id: format!("prompt-{}", index % 500).into(),
            category: ["chat", "code", "summarisation", "questions", "translation"][(index % 5) as usize]
                .into(),
            phase: Phase::Measured,
            due_us: None,
            ready_us,
            slot_us: Some(ready_us),
            sent_us: Some(sent_us),
            headers_us: Some(headers_us),
            first_event_us: Some(first_us),
            first_token_us: Some(first_us),
            first_answer_us: Some(first_us),
            chunks,
            last_token_us: Some(at_us),
            end_us: at_us + random.random_range(20..90),
            connect_us: None,
            late_ack: None,
            reader_lag_max_us: random.random_range(20..900),
            stamps: StampKind::Kernel,
            replayed: false,
            tokens: TokenCounts {
                prompt: Some(40 + (index % 500) as u32),
                output: Some(tokens),
                delivered: Some(tokens),
                source: TokenSource::Usage,
                ..TokenCounts::default()
            },
            max_tokens: tokens,
            forced_length: false,
            status: Some(200),
            finish_reason: Some("length".into()),
            gateway: None,
            server_times: None,
            missing_sign: None,
            passed_over: 0,
            outcome: Outcome::Completed,
        }
    }

    fn engine(&self, requests: u64) -> EngineFigures {
        EngineFigures {
            measured_from_us: 1_000,
            measured_to_us: self.last_end_us,
            ramp_to_us: 2_000,
            issue_end_us: self.last_end_us - 100_000,
            issued: Some(requests),
            cpu_s: 10.0,
            busy_share: 0.2,
            threads: 1,
        }
    }
}
