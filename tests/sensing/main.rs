//! What a run senses of its server: the real binary against the pretend engine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod machine;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use harness::results::{ReadSamples, read_samples};
use harness::schema::sample::Source;
use harness::schema::series::server::{
    SERVER_GENERATED_TOKENS, SERVER_KV_CACHE_USE, SERVER_PROMPT_TOKENS, SERVER_RUNNING, SERVER_WAITING,
};
use serde_json::Value;

mod gpus;

const PATIENCE: Duration = Duration::from_secs(120);

/// A pretend engine, ended when it is dropped.
struct Engine {
    child: Child,
    url: String,
}

impl Engine {
    fn start(engine: &str, args: &[&str]) -> Engine {
        let mut child = Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(["simulate", "--engine", engine])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Engine { child, url }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args(args).current_dir(self.0.path()).env_clear();
        command.env("HOME", self.0.path()).env("PATH", self.0.path()).stdin(Stdio::null());
        // Whatever GPUs the tester's machine has are not read.
        command.env("HARNESS_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().unwrap();
        assert!(
            output.status.code().is_some_and(|code| code < 2),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// A closed loop of four against a pretend engine, two seconds and more; of what is sensed its page alone.
    fn bench(&self, engine: &Engine, label: &str, more: &[&str]) -> Output {
        let load = ["--concurrency", "4", "--duration", "2s", "--max-tokens", "20", "--warmup", "2"];
        let load = [&load[..], &["--host-interval", "0"]].concat();
        self.run(&[&["bench", "--url", &engine.url, "--backend", label][..], &load, more].concat())
    }

    fn ending(&self, end: &str) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.0.path().join("results")).ok()?;
        entries.map(|entry| entry.unwrap().path()).find(|path| path.to_str().unwrap().ends_with(end))
    }

    fn samples(&self) -> ReadSamples {
        read_samples(&self.ending("_samples.jsonl.zst").unwrap()).unwrap()
    }

    fn json(&self) -> Value {
        json(&self.ending(".json").unwrap())
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const QUICK: [&str; 4] = ["--ttft", "20ms", "--itl", "5ms"];

#[test]
fn each_engine_s_page_is_read_at_its_times_and_shows_the_load() {
    for engine in ["vllm", "sglang", "llamacpp", "tgi"] {
        let (place, server) = (Place::new(), Engine::start(engine, &QUICK));
        place.bench(&server, engine, &["--scrape-interval", "100ms"]);
        let read = place.samples();
        assert_eq!(
            (read.header.key.label.as_str(), read.header.interval_s, read.broken),
            (engine, 0.1, None)
        );
        assert!(read.samples.iter().all(|sample| sample.source == Source::Server));
        let of = |name: &str| -> Vec<f64> {
            read.samples.iter().filter_map(|sample| sample.values.get(name).copied()).collect()
        };
        let running = of(SERVER_RUNNING);
        assert!(running.iter().all(|count| *count <= 4.0), "{engine}: {running:?}");
        assert!(
            running.iter().filter(|count| **count >= 3.0).count() * 2 > running.len(),
            "{engine}: {running:?}"
        );
        assert!(of(SERVER_WAITING).iter().all(|count| *count == 0.0), "{engine}");
        let use_shown = of(SERVER_KV_CACHE_USE);
        assert_eq!(!use_shown.is_empty(), matches!(engine, "vllm" | "sglang"), "{engine}");
        assert!(use_shown.iter().all(|share| (0.0..1.0).contains(share)), "{engine}: {use_shown:?}");
        for name in [SERVER_PROMPT_TOKENS, SERVER_GENERATED_TOKENS] {
            let tokens = of(name);
            assert!(tokens.is_sorted() && tokens.last() > tokens.first(), "{engine}: {name}: {tokens:?}");
        }
        let tally = &read.footer.unwrap().sensors[0];
        assert_eq!((tally.samples, tally.failed), (read.samples.len() as u64, 0), "{engine}");
        // The last is read behind the load, whenever that is.
        let [.., last, _] = read.samples.as_slice() else { panic!("{:?}", read.samples) };
        assert_eq!(
            last.at_us / 100_000 + 1,
            (tally.samples - 1 + tally.skipped) as i64,
            "{engine}: every time is read or counted"
        );
    }
}

#[test]
fn a_queue_at_the_server_shows() {
    let (place, server) = (Place::new(), Engine::start("vllm", &["--max-batch", "1", "--ttft", "20ms"]));
    place.bench(&server, "vllm", &["--scrape-interval", "100ms"]);
    let samples = place.samples().samples;
    let waiting: Vec<f64> = samples.iter().map(|sample| sample.values[SERVER_WAITING]).collect();
    assert!(waiting.contains(&3.0) && waiting.iter().all(|count| *count <= 3.0), "{waiting:?}");
    assert!(samples.iter().all(|sample| sample.values[SERVER_RUNNING] <= 1.0), "{samples:?}");
    let summary = &place.json()["summary"];
    let (served, client) = (&summary["served"], &summary["metrics"]["ttft_ms"]);
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} in {served}"));
    // The two of the warm-up may be among the server's.
    let more = number(&served["times"]["ttft"]["count"]) - number(&summary["requests"]["completed"]);
    assert!((0.0..=2.0).contains(&more), "{served}");
    let mean = |time: &str| number(&served["times"][time]["mean_ms"]);
    assert!(mean("queue") > 2.0 * 20.0 && mean("queue") < mean("ttft"), "{served}");
    assert!(mean("ttft") < number(&client["mean"]) * 1.05 + 1.0 && mean("e2e") > mean("ttft"), "{served}");
    assert_eq!((number(&served["waiting"]["max"]), number(&served["preemptions"])), (3.0, 0.0), "{served}");
    assert!(number(&served["from_s"]) < 0.0 && number(&served["to_s"]) > 2.0, "{served}");
}

#[test]
fn report_makes_the_same_json_again_from_the_samples() {
    let (place, server) = (Place::new(), Engine::start("vllm", &QUICK));
    place.bench(&server, "vllm", &["--scrape-interval", "200ms"]);
    let run = place.json();
    assert_eq!(run["plan"]["scrape_interval_s"], 0.2);
    let running = run["server"]["series"][SERVER_RUNNING].as_array().unwrap();
    assert_eq!(running.len() as u64, run["server"]["samples"].as_u64().unwrap());
    assert!(running.len() > 3 && running[1][0].as_f64().unwrap() >= 0.2, "{running:?}");
    assert_eq!((&run["server"]["failed"], &run["server"]["trouble"]), (&0.into(), &Value::Null));
    std::fs::remove_file(place.ending(".json").unwrap()).unwrap();
    place.run(&["report", "results"]);
    assert_eq!(place.json(), run);
}

#[test]
fn kill_9_leaves_samples_that_can_be_read_and_reported() {
    let (place, server) = (Place::new(), Engine::start("vllm", &QUICK));
    let args = [
        "bench",
        "--url",
        &server.url,
        "--backend",
        "vllm",
        "--duration",
        "10m",
        "--scrape-interval",
        "100ms",
        "--host-interval",
        "0",
    ];
    let mut harness = place.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    let held = || {
        let path = place.ending("_samples.jsonl")?;
        read_samples(&path).ok().map(|read| read.samples.len())
    };
    while held().unwrap_or(0) < 6 {
        assert!(began.elapsed() < PATIENCE && harness.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    harness.kill().unwrap();
    harness.wait().unwrap();
    // The kernel may have taken half of the last line.
    let path = place.ending("_samples.jsonl").unwrap();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"at_us\":99,\"took");
    std::fs::write(&path, &text).unwrap();
    let read = read_samples(&path).unwrap();
    assert!(read.samples.len() >= 6 && read.footer.is_none() && read.broken.is_none());
    place.run(&["report", "results"]);
    let run = place.json();
    assert_eq!(run["server"]["samples"], read.samples.len());
    assert_eq!(run["server"]["skipped"], Value::Null);
    assert!(run["summary"]["partial"].is_string());
}

#[test]
fn nothing_is_read_of_a_page_that_is_not_known_nor_with_an_interval_of_0() {
    let server = Engine::start("vllm", &QUICK);
    for (label, more) in [("mine", &[][..]), ("vllm", &["--scrape-interval", "0"])] {
        let place = Place::new();
        place.bench(&server, label, more);
        assert_eq!(place.json()["server"], Value::Null);
        assert!(place.ending("_samples.jsonl.zst").is_none() && place.ending("_samples.jsonl").is_none());
    }
}

#[test]
fn a_page_that_is_not_there_costs_its_series_and_is_said_once() {
    let (place, server) = (Place::new(), Engine::start("vllm", &QUICK));
    // SGLang's names on vLLM's page.
    let output = place.bench(&server, "sglang", &["--scrape-interval", "100ms"]);
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.matches("readings of the server's metrics page failed").count(), 1, "{said}");
    let run = place.json();
    assert_eq!((&run["server"]["samples"], &run["server"]["series"]), (&0.into(), &serde_json::json!({})));
    assert!(run["server"]["trouble"].as_str().unwrap().contains("none of the names"), "{run}");
    assert!(run["summary"]["requests"]["completed"].as_u64().unwrap() > 0);
}
