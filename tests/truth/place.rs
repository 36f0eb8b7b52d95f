//! Where the real binary is run, with prompts that carry marks and engines that are told them, and what it leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;

use super::raw::Simulator;

/// Longest time that anything may take: a hang, not a measurement.
const PATIENCE: Duration = Duration::from_secs(90);
/// Prompts, each with an id of its own, which is the mark of its request in the server's book.
const PROMPTS: usize = 2_000;
const PROTOCOL: &str = "\nprotocol:\n";
const MARK: &str = "  body: {user: \"{prompt_id}\"}\n";

/// A directory of the test's own.
pub struct Place {
    home: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { home: tempfile::tempdir().unwrap() };
        let prompts = (0..PROMPTS).map(|number| {
            format!("{{\"id\": \"m{number}\", \"category\": \"c\", \"prompt\": \"Number {number}.\"}}\n")
        });
        fs::write(place.path("prompts.jsonl"), prompts.collect::<String>()).unwrap();
        fs::create_dir(place.path("backends")).unwrap();
        for engine in super::ENGINES {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("backends/{engine}.yaml"));
            let text = fs::read_to_string(own).unwrap();
            assert!(text.contains(PROTOCOL));
            let marked = text.replace(PROTOCOL, &format!("{PROTOCOL}{MARK}"));
            fs::write(place.definition(engine), marked).unwrap();
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn definition(&self, engine: &str) -> PathBuf {
        self.path("backends").join(format!("{engine}.yaml"))
    }

    /// Changes one line of an engine's definition, found by its key.
    pub fn change_definition(&self, engine: &str, key: &str, line: &str) {
        let text = fs::read_to_string(self.definition(engine)).unwrap();
        let lines = text.lines().map(|old| if old.trim_start().starts_with(key) { line } else { old });
        let changed: String = lines.map(|line| format!("{line}\n")).collect();
        assert_ne!(changed, text, "{key}");
        fs::write(self.definition(engine), changed).unwrap();
    }

    /// `harness ARGS…`, with nothing of the tester's environment.
    pub fn start(&self, args: &[&str]) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(args)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.path("stderr")).unwrap())
            .spawn()
            .unwrap();
        Running { child, started: Instant::now(), home: self.path("") }
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

    /// The only file in `results/` whose name begins and ends so.
    pub fn result(&self, start: &str, end: &str) -> PathBuf {
        let entries = fs::read_dir(self.path("results")).unwrap().map(|entry| entry.unwrap().path());
        let found: Vec<PathBuf> = entries
            .filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy();
                name.starts_with(start) && name.ends_with(end)
            })
            .collect();
        assert_eq!(found.len(), 1, "{start}…{end}: {found:?}; {}", self.said());
        found.into_iter().next().unwrap()
    }

    pub fn said(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    /// Everything that lives and has this home in its environment, in whatever session.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let mark = format!("HOME={}\0", self.home.path().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&mark) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }

    pub fn assert_nothing_lives(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Drop for Place {
    /// A test that fails leaves nothing either.
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            signal(pid, Signal::KILL);
        }
    }
}

impl Simulator {
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

pub fn signal(pid: u32, number: Signal) {
    // It may have ended by itself.
    let _ = kill_process(Pid::from_raw(pid as i32).unwrap(), number);
}

#[track_caller]
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A harness that runs.
pub struct Running {
    child: Child,
    started: Instant,
    home: PathBuf,
}

impl Running {
    pub fn signal(&self, number: Signal) {
        signal(self.child.id(), number);
    }

    /// Every thread of it is.
    pub fn is_stopped(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().flatten();
        let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
        stats.into_iter().all(|stat| stat.rsplit(')').next().unwrap().trim_start().starts_with('T'))
    }

    /// Its end, which comes.
    pub fn wait(mut self) -> Ended {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let stderr = fs::read_to_string(self.home.join("stderr")).unwrap();
                return Ended { code: status.code(), stderr };
            }
            if self.started.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("it hangs: {}", fs::read_to_string(self.home.join("stderr")).unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A harness that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stderr: String,
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
    pub ended: Ended,
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
    pub fn read(place: &Place, label: &str, ended: Ended) -> Played {
        let start = format!("{label}_2");
        let records = fs::File::open(place.result(&start, "_records.jsonl.zst")).unwrap();
        let text = String::from_utf8(zstd::decode_all(records).unwrap()).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let header = serde_json::from_str(lines.remove(0)).unwrap();
        let footer = serde_json::from_str(lines.pop().unwrap()).unwrap();
        let all = lines.iter().map(|line| serde_json::from_str(line).unwrap());
        let (mut records, warmup): (Vec<Record>, Vec<Record>) =
            all.partition(|record: &Record| record.phase == "measured");
        records.sort_by_key(|record| record.index);
        let run: Value = serde_json::from_slice(&fs::read(place.result(&start, ".json")).unwrap()).unwrap();
        let mut rows = csv::Reader::from_path(place.result(&start, "_requests.csv")).unwrap();
        Played {
            ended,
            header,
            records,
            warmup,
            footer,
            summary: run["summary"].clone(),
            rows: rows.deserialize().map(Result::unwrap).collect(),
        }
    }
}
