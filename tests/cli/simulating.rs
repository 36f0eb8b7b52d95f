//! `--simulate`: everything runs without an engine or a model, and every output says that it is no
//! measurement. The real binary, with nothing on its PATH.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::common::*;

const REAL_SUMMARY: &str = "timestamp,run_id,backend\n2026-01-01T00:00:00Z,run_1,vllm\n";

/// Runs it with a load of a second or less.
fn play(place: &Place, arguments: &[&str]) -> Ran {
    let load = ["--concurrency", "4", "--requests", "6", "--warmup", "1", "--max-tokens", "6"];
    place.run(&[arguments, &load].concat())
}

/// Every file below the results, by its path there.
fn files(place: &Place) -> Vec<String> {
    let results = place.path("results");
    let mut files = Vec::new();
    let mut directories = vec![results.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path.strip_prefix(&results).unwrap().display().to_string());
            }
        }
    }
    files.sort();
    files
}

fn file(place: &Place, name: &str) -> String {
    place.read(&format!("results/{name}"))
}

/// The only file with this end.
fn ending(place: &Place, end: &str) -> String {
    let found: Vec<String> = files(place).into_iter().filter(|name| name.ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{end}: {found:?}");
    file(place, &found[0])
}

/// A column of the summary of everything simulated.
fn column(place: &Place, name: &str) -> Vec<String> {
    let rows = rows(&place.path("results/simulated_summary.csv"));
    rows.into_iter().map(|mut row| row.remove(name).unwrap()).collect()
}

const ALL: [&str; 4] = ["vllm-simulated", "sglang-simulated", "llamacpp-simulated", "tgi-simulated"];

#[test]
fn all_four_engines_are_compared_without_any_and_every_output_says_simulated() {
    let place = Place::new();
    fs::create_dir(place.path("results")).unwrap();
    place.write("results/benchmark_summary.csv", REAL_SUMMARY);
    let ran = play(&place, &["compare", "--backend", "all", "--simulate"]).expect(0);

    let text = ran.stdout;
    for label in ALL {
        assert!(text.contains(&format!("=== RESULTS FOR {label} ===")), "{text}");
    }
    assert!(
        text.contains("COMPARISON OF SIMULATED ENGINES") && text.contains("SIMULATED: a pretend"),
        "{text}"
    );

    // What was measured before stands as it did.
    assert_eq!(file(&place, "benchmark_summary.csv"), REAL_SUMMARY);
    let summary = file(&place, "simulated_summary.csv");
    assert_eq!(column(&place, "backend"), ALL);
    assert!(column(&place, "caveats").iter().all(|cell| cell.starts_with("simulated")), "{summary}");
    for name in files(&place).iter().filter(|name| *name != "benchmark_summary.csv") {
        assert!(name.contains("simulated"), "{name}");
    }

    let report = ending(&place, "report.md");
    assert!(report.starts_with("# Simulated:") && report.contains("**Simulated.**"), "{report}");
    for name in files(&place).iter().filter(|name| name.ends_with(".svg")) {
        assert!(file(&place, name).contains("SIMULATED"), "{name}");
    }
    let comparison: Value = serde_json::from_str(&ending(&place, "comparison.json")).unwrap();
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
    let place = Place::new();
    play(&place, &["run", "--backend", "sglang", "--simulate"]).expect(0);
    let before = column(&place, "run_id");
    fs::remove_file(place.path("results/simulated_summary.csv")).unwrap();

    place.run(&["report", "results"]).expect(0);
    assert!(!place.path("results/benchmark_summary.csv").exists());
    let summary = file(&place, "simulated_summary.csv");
    assert_eq!(column(&place, "run_id"), before);
    assert!(before[0].starts_with("run_simulated_"), "{before:?}");
    assert!(column(&place, "caveats")[0].starts_with("simulated"), "{summary}");
}

#[test]
fn extra_arguments_set_the_pace_of_the_pretend_engine() {
    let place = Place::new();
    let pace = "vllm=--ttft 120ms --itl 1ms --jitter 0";
    play(&place, &["run", "--backend", "vllm", "--simulate", "--extra-args", pace]).expect(0);
    let ttft: f64 = column(&place, "ttft_ms_min")[0].parse().unwrap();
    // The readiness of a busy machine may delay it; nothing makes it shorter.
    assert!(ttft >= 119.0, "{ttft}");
}

#[test]
fn a_fault_on_demand_ends_as_a_failure_of_its_kind() {
    let place = Place::new();
    let extra = "llamacpp=--fault 503:at=10";
    let ran = play(&place, &["run", "--backend", "llamacpp", "--simulate", "--extra-args", extra]).expect(1);
    assert!(ran.stdout.contains("Failed:         1 (status 1)"), "{}", ran.stdout);
}

#[test]
fn what_a_pretend_engine_has_no_use_for_is_said() {
    let place = Place::new();
    let set = ["--set", "vllm.dtype=auto", "--env", "vllm.FOO=1", "--model", "org/big-model"];
    let arguments = ["run", "--backend", "base=vllm", "--simulate", "--dry-run"];
    let ran = place.run(&[&arguments[..], &set].concat()).expect(0);
    let said = ran.stderr;
    assert!(said.contains("--set base.dtype changes nothing") && said.contains("--env base.FOO"), "{said}");
    let plan: Value = serde_json::from_slice(ran.stdout.as_bytes()).unwrap();
    assert_eq!(plan["simulated"], true);
    let target = &plan["targets"][0];
    assert_eq!((&target["label"], &target["model"]["name"]), (&"base-simulated".into(), &"big-model".into()));
}

#[test]
fn what_cannot_be_simulated_is_refused_before_anything_starts() {
    let place = Place::new();
    let mine = place.path("mine.yaml");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("backends/vllm.yaml"), &mine).unwrap();
    for (arguments, wanted) in [
        (&["--backend", "vllm", "--launcher", "docker"][..], "--simulate starts no image"),
        (&["--backend", "./mine.yaml"], "no engine like 'mine' can be simulated"),
        (&["--backend", "vllm", "--set", "vllm.nonsense=1"], "has no such parameter"),
        (&["--backend", "vllm", "--extra-args", "vllm=--tfft 3ms"], "unexpected argument '--tfft'"),
        (&["--backend", "vllm", "--extra-args", "vllm=--fault fire:1"], "--fault"),
        (&["--backend", "vllm", "--extra-args", "vllm=--port 80"], "--port is set by --simulate itself"),
    ] {
        let ran = place.run(&[&["run", "--simulate"], arguments].concat()).expect(2);
        let said = ran.stderr;
        assert!(said.contains(wanted) && said.contains("hint:"), "{arguments:?}: {said}");
    }
    assert!(!place.path("results").exists());
}
