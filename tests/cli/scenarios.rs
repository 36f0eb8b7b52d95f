//! `sweep --scenarios`, `--compare` and `--concurrent-tests`: named loads against the pretend engine.

use std::collections::BTreeMap;

use rustix::process::Signal;

use super::common::*;

const FAST: [&str; 6] = ["--ttft", "2ms", "--itl", "1ms", "--output-tokens", "64"];

const TWO_SCENARIOS: &str = "\
defaults: {warmup: 0}
scenarios:
  - {name: chat, concurrency: [1, 2], requests: 4, prompt: Name a colour., max_tokens: 3}
  - {name: code, concurrency: [1, 2], requests: 6, dataset: code.jsonl}
";

fn place_with_scenarios() -> Place {
    let place = Place::new();
    place.write("scenarios.yaml", TWO_SCENARIOS);
    place.write("code.jsonl", "{\"prompt\": \"Write a loop.\", \"max_tokens\": 5}\n");
    place
}

/// Requests and output tokens that were planned for them, as the server saw them.
fn planned(server: &Simulator) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for truth in server.truth() {
        *counts.entry(truth["planned_tokens"].as_u64().unwrap()).or_default() += 1;
    }
    counts
}

#[test]
fn each_scenario_sends_its_own_prompts_at_its_own_length_and_is_one_curve() {
    let place = place_with_scenarios();
    let server = Simulator::start("vllm", &FAST);
    let url = server.url();
    let ran = place.run(&["sweep", "--url", &url, "--scenarios", "scenarios.yaml"]).expect(0);
    assert_eq!(planned(&server), BTreeMap::from([(3, 8), (5, 12)]), "4 and 6 requests at two loads each");
    let rows = place.summary_rows();
    let row = |row: &BTreeMap<String, String>| {
        [&row["point"], &row["dataset"], &row["concurrency"], &row["requests_completed"]]
            .map(String::clone)
            .join(" ")
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    assert_eq!(rows, ["1 chat 1 4", "2 chat 2 4", "3 code 1 6", "4 code 2 6"]);
    assert!(ran.stdout.contains("chat, concurrency 2") || ran.stdout.contains("chat,"), "{}", ran.stdout);
    let chart =
        std::fs::read_to_string(place.result("sweep_", "").join("plots/output_tps_by_load.svg")).unwrap();
    assert!(chart.contains("chat") && chart.contains("code"), "a curve a scenario");
    let report = std::fs::read_to_string(place.result("sweep_", "").join("report.md")).unwrap();
    assert!(report.contains("a prompt of its own, at most 3 tokens"), "{report}");
}

#[test]
fn scenarios_that_were_stopped_are_resumed_without_repeating_and_a_changed_file_is_refused() {
    let place = place_with_scenarios();
    place.write("scenarios.yaml", &TWO_SCENARIOS.replace("requests: 6", "requests: 300"));
    let server = Simulator::start("vllm", &FAST);
    let url = server.url();
    let mut running = place.start(&["sweep", "--url", &url, "--scenarios", "scenarios.yaml"]);
    running.wait_for_stderr("\n2 of 4 runs");
    running.signal(Signal::INT);
    running.wait().expect(130);
    let folder = place.result("sweep_", "").display().to_string();
    let prompts = place.read("code.jsonl");
    place.write("code.jsonl", "{\"prompt\": \"Write a poem.\"}\n");
    place
        .run(&["sweep", "--resume", &folder])
        .expect(2)
        .says(&["is not the one that the plan was made with"]);
    place.write("code.jsonl", &prompts);
    // The file of scenarios is not needed any more: the plan holds what it said.
    std::fs::remove_file(place.path("scenarios.yaml")).unwrap();
    server.post("/truth/reset", "");
    place.run(&["sweep", "--resume", &folder]).expect(0);
    assert_eq!(planned(&server).get(&3), None, "the two runs of the first scenario are not played again");
    let points: Vec<String> = place.summary_rows().iter().map(|row| row["point"].clone()).collect();
    let mut sorted = points.clone();
    sorted.sort();
    assert_eq!(sorted, ["1", "2", "3", "4"]);
    assert!(place.summary_rows().iter().all(|row| row["exit"] == "ok"));
}

#[test]
fn the_config_of_the_vllm_tools_measures_the_server_that_it_names_with_its_key_which_no_file_holds() {
    let place = Place::new();
    let server = Simulator::start("vllm", &FAST);
    let config = serde_json::json!({
        "server": {"url": format!("{}/v1/chat/completions", server.url()), "model": "smollm2",
                   "auth_token": "token-of-the-config", "timeout": 60},
        "benchmark": {"max_concurrent_requests": 4, "default_prompt": "Hello.", "default_completions": 3},
        "test_scenarios": [
            {"name": "Small Load", "completions": [2, 8], "prompt": "Write a poem."},
            {"name": "Default Load"},
        ],
    });
    place.write("benchmark_config.json", &config.to_string());
    let args = ["sweep", "--scenarios", "benchmark_config.json", "--warmup", "0", "--max-tokens", "4"];
    place.run(&args).expect(0).says(&["server.auth_token is sent as the key"]);
    let rows = place.summary_rows();
    let row =
        |row: &BTreeMap<String, String>| format!("{} {}", row["concurrency"], row["requests_completed"]);
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), ["2 2", "4 8", "3 3"]);
    let found = std::process::Command::new("grep")
        .args(["-rl", "token-of-the-config", &place.text("results")])
        .output()
        .unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn lists_of_requests_and_of_requests_in_flight_are_a_row_each() {
    let place = Place::new();
    let server = Simulator::start("vllm", &FAST);
    let url = server.url();
    let common = ["sweep", "--url", &url, "--warmup", "0", "--max-tokens", "2"];
    let ran = place.run(&[&common[..], &["--compare", "5,10,20", "--concurrency", "8"]].concat()).expect(0);
    assert!(ran.stdout.contains("concurrency 8"), "{}", ran.stdout);
    place.run(&[&common[..], &["--requests", "6", "--concurrent-tests", "1,3"]].concat()).expect(0);
    let rows = place.summary_rows();
    let row =
        |row: &BTreeMap<String, String>| format!("{} {}", row["concurrency"], row["requests_completed"]);
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), ["5 5", "8 10", "8 20", "1 6", "3 6"]);
    let chart = place.results("sweep_", "").into_iter().next().unwrap().join("plots/output_tps_by_load.svg");
    assert!(std::fs::read_to_string(chart).unwrap().contains("length of the run"));
}

#[test]
fn a_key_goes_before_the_default_of_its_flag_however_spelt_and_no_load_stands_twice() {
    let place = Place::new();
    let loads = |file: &str, more: &[&str]| {
        std::fs::write(place.path("s.yaml"), file).unwrap();
        let sweep = ["sweep", "--backend", "vllm", "--simulate", "--scenarios", "s.yaml", "--dry-run"];
        let ran = place.run(&[&sweep[..], more].concat()).expect(0);
        serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["loads"].as_array().unwrap().len()
    };
    let spelt = "defaults: {rate: [1, 2], requests: 10}\nscenarios:\n  - {name: a, rates: [8]}\n";
    assert_eq!(loads(spelt, &[]), 1);
    let counts = "scenarios:\n  - {name: a, concurrency: 1, requests: [10, 20]}\n";
    assert_eq!((loads(counts, &[]), loads(counts, &["--requests", "5"])), (2, 1));
}
