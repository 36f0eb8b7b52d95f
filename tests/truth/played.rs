//! The real binary with prompts that carry marks and engines that are told them, and a run as its files tell it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::common::*;

/// Prompts, each with an id of its own, which is the mark of its request in the server's book.
const PROMPTS: usize = 2_000;
const PROTOCOL: &str = "\nprotocol:\n";
const MARK: &str = "  body: {user: \"{prompt_id}\"}\n";

impl Place {
    /// With marked prompts, and the four engines told to hand on the marks.
    pub fn marked() -> Self {
        let place = Self::new();
        let prompts = (0..PROMPTS).map(|number| {
            format!("{{\"id\": \"m{number}\", \"category\": \"c\", \"prompt\": \"Number {number}.\"}}\n")
        });
        place.write("prompts.jsonl", &prompts.collect::<String>());
        fs::create_dir(place.path("backends")).unwrap();
        for engine in super::ENGINES {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("backends/{engine}.yaml"));
            let text = fs::read_to_string(own).unwrap();
            assert!(text.contains(PROTOCOL));
            let marked = text.replace(PROTOCOL, &format!("{PROTOCOL}{MARK}"));
            fs::write(place.engine(engine), marked).unwrap();
        }
        // The orphan of the pretend engine is one.
        std::os::unix::fs::symlink("/bin/sleep", place.path("bin/sleep")).unwrap();
        place
    }

    fn engine(&self, engine: &str) -> PathBuf {
        self.path("backends").join(format!("{engine}.yaml"))
    }

    /// Changes one line of an engine's definition, found by its key.
    pub fn change_engine(&self, engine: &str, key: &str, line: &str) {
        let text = fs::read_to_string(self.engine(engine)).unwrap();
        let lines = text.lines().map(|old| if old.trim_start().starts_with(key) { line } else { old });
        let changed: String = lines.map(|line| format!("{line}\n")).collect();
        assert_ne!(changed, text, "{key}");
        fs::write(self.engine(engine), changed).unwrap();
    }

    /// A bench of a server that runs, whose prompts carry their marks.
    pub fn start_bench(&self, engine: &str, url: &str, args: &[&str]) -> Running {
        let fixed = ["bench", "--url", url, "--backend", engine, "--backends-dir", "backends"];
        self.start(&[&fixed[..], &["--dataset", "prompts.jsonl"], args].concat())
    }

    /// The same to its end.
    pub fn bench(&self, engine: &str, simulator: &Simulator, args: &[&str]) -> Played {
        let ended = self.start_bench(engine, &simulator.url(), args).wait();
        Played::read(self, engine, ended)
    }
}

/// One line of the records, read with types of the test's own.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    pub index: u64,
    pub prompt_id: String,
    pub phase: String,
    pub outcome: String,
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub detail: String,
    pub due_us: Option<u64>,
    pub sent_us: Option<u64>,
    pub status: Option<u16>,
    #[serde(default)]
    pub replayed: bool,
    pub tokens: Tokens,
    pub reader_lag_max_us: i64,
    /// Gaps, or lists of gap, tokens and bound.
    #[serde(default)]
    chunks: Vec<Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Tokens {
    pub prompt: Option<u64>,
    pub output: Option<u64>,
    pub source: String,
}

impl Record {
    /// `completed`, `dropped`, …, or the kind of a failure.
    pub fn ending(&self) -> &str {
        if self.outcome == "failed" { &self.kind } else { &self.outcome }
    }

    /// When each event came, and by how much earlier it may have come where that is not sure, µs.
    pub fn arrivals(&self) -> Vec<(i64, Option<i64>)> {
        let mut at_us = 0;
        let arrival = |chunk: &Value| {
            at_us += chunk.as_i64().unwrap_or_else(|| chunk[0].as_i64().unwrap());
            (at_us, chunk.get(2).and_then(Value::as_i64))
        };
        self.chunks.iter().map(arrival).collect()
    }

    /// Tokens that came.
    pub fn seen(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.get(1).and_then(Value::as_u64).unwrap_or(1)).sum()
    }
}

/// A run as its files tell it.
#[derive(Debug)]
pub struct Played {
    pub ended: Ran,
    pub header: Value,
    /// Measured ones, by index.
    pub records: Vec<Record>,
    pub warmup: Vec<Record>,
    pub footer: Value,
    pub summary: Value,
    /// The rows of the requests' CSV file.
    pub rows: Vec<BTreeMap<String, String>>,
}

impl Played {
    pub fn read(place: &Place, label: &str, ended: Ran) -> Played {
        let start = format!("{label}_2");
        let mut lines = lines(&place.result(&start, "_records.jsonl.zst"));
        let header = serde_json::from_str(&lines.remove(0)).unwrap();
        let footer = serde_json::from_str(&lines.pop().unwrap()).unwrap();
        let all = lines.iter().map(|line| serde_json::from_str(line).unwrap());
        let (mut records, warmup): (Vec<Record>, Vec<Record>) =
            all.partition(|record: &Record| record.phase == "measured");
        records.sort_by_key(|record| record.index);
        let run = json(&place.result(&start, ".json"));
        let rows = rows(&place.result(&start, "_requests.csv"));
        Played { ended, header, records, warmup, footer, summary: run["summary"].clone(), rows }
    }
}
