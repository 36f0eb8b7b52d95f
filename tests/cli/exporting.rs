//! `report --export lpg-json`: what Google's analyze.py reads.

use std::collections::BTreeSet;

use serde_json::Value;

use super::common::*;

const STATISTICS: [&str; 7] = ["avg", "median", "sd", "min", "max", "p90", "p99"];
const SETS: [&str; 7] = [
    "per_token_latency_ms",
    "TTFT_ms",
    "ITL_ms",
    "latency_ms",
    "normalized_time_per_output_token_ms",
    "input_len",
    "output_len",
];
const NUMBERS: [&str; 13] = [
    "num_prompts_attempted",
    "num_prompts_succeeded",
    "request_rate",
    "queries_per_second",
    "server_metrics",
    "benchmark_time",
    "throughput_rps",
    "throughput",
    "total_output_token",
    "total_input_tokens",
    "input_tokens_per_sec",
    "total_tokens",
    "tokens_per_sec",
];
const ERRORS: [&str; 6] = [
    "ClientConnectorError",
    "TimeoutError",
    "ContentTypeError",
    "ClientOSError",
    "ServerDisconnectedError",
    "unknown_error",
];

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn exported(place: &Place) -> Vec<(String, Value)> {
    let mut files: Vec<_> =
        std::fs::read_dir(place.path("lpg")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), json(path))).collect()
}

#[test]
fn a_run_is_written_with_the_keys_and_meanings_of_that_tool() {
    let place = Place::new();
    let server = Simulator::start("vllm", &["--ttft", "20ms", "--itl", "2ms", "--output-tokens", "11"]);
    let url = server.url();
    let args =
        ["bench", "--url", &url, "--backend", "vllm", "--rate", "50", "--requests", "12", "--warmup", "2"];
    place.run(&[&args[..], &["--ignore-eos", "--max-tokens", "11"]].concat()).expect(0);
    place.run(&["report", "results", "--export", "lpg-json", "--output", "lpg"]).expect(0);
    let [(name, file)] = exported(&place).try_into().unwrap();
    let at = name.strip_prefix("benchmark-vllm-50.0qps-").and_then(|rest| rest.strip_suffix("-smollm2.json"));
    assert_eq!(file["dimensions"]["date"], at.unwrap());
    let statistics = |of: &str| STATISTICS.map(|statistic| format!("{statistic}_{of}")).to_vec();
    let metrics: BTreeSet<String> = SETS
        .iter()
        .flat_map(|set| statistics(set))
        .chain(NUMBERS.iter().chain(&ERRORS).map(|name| (*name).to_owned()))
        .collect();
    assert_eq!(keys(&file["metrics"]), metrics);
    assert_eq!(keys(&file), ["config", "dimensions", "metrics", "summary_stats"].map(str::to_owned).into());
    let config = ["model", "model_server", "num_models", "start_time"].map(str::to_owned);
    assert_eq!(keys(&file["config"]), config.into());
    let dimensions = file["dimensions"].as_object().unwrap();
    assert!(dimensions.values().all(Value::is_string));
    assert!(["date", "backend", "model_id", "tokenizer_id"].iter().all(|key| dimensions.contains_key(*key)));
    let stats = &file["summary_stats"]["stats"][0];
    let of_stats = [
        "request_rate",
        "request_latency",
        "input_length",
        "output_length",
        "tpot",
        "throughput",
        "model_server_metrics",
    ];
    assert_eq!(keys(stats), of_stats.map(str::to_owned).into());

    let run = &place.run_json("vllm")["summary"];
    let metrics = &file["metrics"];
    let number = |value: &Value| value.as_f64().unwrap();
    let near = |left: f64, right: f64| {
        assert!((left - right).abs() <= 1e-6 * right.abs().max(1.0), "{left} {right}")
    };
    assert_eq!((number(&metrics["num_prompts_attempted"]), number(&metrics["request_rate"])), (12.0, 50.0));
    near(number(&metrics["avg_TTFT_ms"]), number(&run["metrics"]["ttft_ms"]["mean"]));
    near(number(&metrics["avg_latency_ms"]), number(&run["metrics"]["e2e_ms"]["mean"]));
    near(number(&metrics["throughput"]), number(&run["metrics"]["output_tps"]));
    assert_eq!(number(&metrics["avg_output_len"]), 11.0);
    // Each answer has eleven tokens, so the mean of latency ÷ tokens is that of the latencies ÷ 11.
    near(number(&stats["tpot"]["mean"]), number(&metrics["avg_latency_ms"]) / 11.0);
    assert!(
        number(&stats["tpot"]["mean"]) > number(&run["metrics"]["tpot_ms"]["mean"]),
        "the first token is in it"
    );
}

#[test]
fn each_load_is_a_file_of_its_own_and_failures_bear_that_tools_names() {
    let place = Place::new();
    let server = Simulator::start("vllm", &["--ttft", "2ms", "--itl", "1ms", "--fault", "500:at=2"]);
    let url = server.url();
    let args = [
        "sweep",
        "--url",
        &url,
        "--concurrency",
        "1,2",
        "--requests",
        "4",
        "--warmup",
        "0",
        "--max-tokens",
        "4",
    ];
    place.run(&args).expect(1);
    let folder = place.result("sweep_", "").display().to_string();
    for _ in 0..2 {
        place.run(&["report", &folder, "--export", "lpg-json", "--output", "lpg"]).expect(0);
    }
    let files = exported(&place);
    assert_eq!(files.len(), 2, "the same export replaces its files");
    assert!(files.iter().all(|(name, _)| name.contains("-infqps-")));
    let failed: u64 = files.iter().map(|(_, file)| file["metrics"]["unknown_error"].as_u64().unwrap()).sum();
    assert_eq!(failed, 1);
    let rate = files[0].1["metrics"]["request_rate"].as_f64().unwrap();
    assert!(rate.is_finite() && rate > 0.0, "JSON knows no infinity");
}
