//! `--simulate`: everything runs without an engine or a model, and every output says that it is no
//! measurement. The real binary, with nothing on its PATH.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const REAL_SUMMARY: &str = "timestamp,run_id,backend\n2026-01-01T00:00:00Z,run_1,vllm\n";

struct Try {
    home: tempfile::TempDir,
}

impl Try {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn results(&self) -> PathBuf {
        self.home.path().join("results")
    }

    /// Runs the binary where no engine can be found.
    fn harness(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", self.home.path())
            .output()
            .unwrap()
    }

    /// Runs it with a load of a second or less.
    fn play(&self, arguments: &[&str]) -> Output {
        let load = ["--concurrency", "4", "--requests", "6", "--warmup", "1", "--max-tokens", "6"];
        self.harness(&[arguments, &load].concat())
    }

    /// Every file below the results, by its path there.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut directories = vec![self.results()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    files.push(path.strip_prefix(self.results()).unwrap().display().to_string());
                }
            }
        }
        files.sort();
        files
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.results().join(name)).unwrap()
    }

    /// The only file with this end.
    fn ending(&self, end: &str) -> String {
        let found: Vec<String> = self.files().into_iter().filter(|name| name.ends_with(end)).collect();
        assert_eq!(found.len(), 1, "{end}: {found:?}");
        self.file(&found[0])
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn rows(text: &str, column: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let place = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
    reader.records().map(|row| row.unwrap()[place].to_owned()).collect()
}

const ALL: [&str; 4] = ["vllm-simulated", "sglang-simulated", "llamacpp-simulated", "tgi-simulated"];

#[test]
fn all_four_engines_are_compared_without_any_and_every_output_says_simulated() {
    let here = Try::new();
    fs::create_dir(here.results()).unwrap();
    fs::write(here.results().join("benchmark_summary.csv"), REAL_SUMMARY).unwrap();
    let output = here.play(&["compare", "--backend", "all", "--simulate"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let text = stdout(&output);
    for label in ALL {
        assert!(text.contains(&format!("=== RESULTS FOR {label} ===")), "{text}");
    }
    assert!(
        text.contains("COMPARISON OF SIMULATED ENGINES") && text.contains("SIMULATED: a pretend"),
        "{text}"
    );

    // What was measured before stands as it did.
    assert_eq!(here.file("benchmark_summary.csv"), REAL_SUMMARY);
    let summary = here.file("simulated_summary.csv");
    assert_eq!(rows(&summary, "backend"), ALL);
    assert!(rows(&summary, "caveats").iter().all(|cell| cell.starts_with("simulated")), "{summary}");
    for name in here.files().iter().filter(|name| *name != "benchmark_summary.csv") {
        assert!(name.contains("simulated"), "{name}");
    }

    let report = here.ending("report.md");
    assert!(report.starts_with("# Simulated:") && report.contains("**Simulated.**"), "{report}");
    for name in here.files().iter().filter(|name| name.ends_with(".svg")) {
        assert!(here.file(name).contains("SIMULATED"), "{name}");
    }
    let comparison: Value = serde_json::from_str(&here.ending("comparison.json")).unwrap();
    assert_eq!(comparison["plan"]["simulated"], true);
    let runs = comparison["comparison"]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    for run in runs {
        assert_eq!(run["requests"]["completed"], 6, "{run}");
        assert_eq!(run["caveats"][0]["code"], "simulated", "{run}");
        // The pretend engines count for themselves, and agree.
        let server = &run["server"];
        assert_eq!(server["generated_tokens"], server["client_generated_tokens"], "{run}");
        assert!(server["generated_tokens"].as_f64().unwrap() >= 36.0, "{run}");
    }
}

#[test]
fn reports_made_again_stay_apart_from_what_was_measured() {
    let here = Try::new();
    let output = here.play(&["run", "--backend", "sglang", "--simulate"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let before = rows(&here.file("simulated_summary.csv"), "run_id");
    fs::remove_file(here.results().join("simulated_summary.csv")).unwrap();

    let again = here.harness(&["report", "results"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(!here.results().join("benchmark_summary.csv").exists());
    let summary = here.file("simulated_summary.csv");
    assert_eq!(rows(&summary, "run_id"), before);
    assert!(before[0].starts_with("run_simulated_"), "{before:?}");
    assert!(rows(&summary, "caveats")[0].starts_with("simulated"), "{summary}");
}

#[test]
fn extra_arguments_set_the_pace_of_the_pretend_engine() {
    let here = Try::new();
    let output = here.play(&[
        "run",
        "--backend",
        "vllm",
        "--simulate",
        "--extra-args",
        "vllm=--ttft 120ms --itl 1ms --jitter 0",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let ttft: f64 = rows(&here.file("simulated_summary.csv"), "ttft_ms_min")[0].parse().unwrap();
    // The readiness of a busy machine may delay it; nothing makes it shorter.
    assert!(ttft >= 119.0, "{ttft}");
}

#[test]
fn a_fault_on_demand_ends_as_a_failure_of_its_kind() {
    let here = Try::new();
    let extra = "llamacpp=--fault 503:at=4";
    let output = here.play(&["run", "--backend", "llamacpp", "--simulate", "--extra-args", extra]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("Failed:         1 (status 1)"), "{}", stdout(&output));
}

#[test]
fn what_a_pretend_engine_has_no_use_for_is_said() {
    let here = Try::new();
    let set = ["--set", "vllm.dtype=auto", "--env", "vllm.FOO=1", "--model", "org/big-model"];
    let arguments = ["run", "--backend", "base=vllm", "--simulate", "--dry-run"];
    let output = here.harness(&[&arguments[..], &set].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("--set base.dtype changes nothing") && said.contains("--env base.FOO"), "{said}");
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["simulated"], true);
    let target = &plan["targets"][0];
    assert_eq!((&target["label"], &target["model"]["name"]), (&"base-simulated".into(), &"big-model".into()));
}

#[test]
fn what_cannot_be_simulated_is_refused_before_anything_starts() {
    let here = Try::new();
    let mine = here.home.path().join("mine.yaml");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("backends/vllm.yaml"), &mine).unwrap();
    for (arguments, wanted) in [
        (&["--backend", "vllm", "--launcher", "docker"][..], "--simulate starts no image"),
        (&["--backend", "./mine.yaml"], "no engine like 'mine' can be simulated"),
        (&["--backend", "vllm", "--set", "vllm.nonsense=1"], "has no such parameter"),
        (&["--backend", "vllm", "--extra-args", "vllm=--tfft 3ms"], "unexpected argument '--tfft'"),
        (&["--backend", "vllm", "--extra-args", "vllm=--fault fire:1"], "--fault"),
        (&["--backend", "vllm", "--extra-args", "vllm=--port 80"], "--port is set by --simulate itself"),
    ] {
        let output = here.harness(&[&["run", "--simulate"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains(wanted) && said.contains("hint:"), "{arguments:?}: {said}");
    }
    assert!(!here.results().exists());
}
