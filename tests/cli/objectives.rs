//! `--slo`, `--price-per-hour`, and the search for the highest load that meets the objectives.

use serde_json::Value;

use super::common::*;

/// Eight requests, one after the other, of which each takes about 30 ms to its first token.
const TRAFFIC: [&str; 8] = ["--warmup", "0", "--requests", "8", "--concurrency", "1", "--max-tokens", "4"];

/// What stdout holds, however its lines are broken.
#[track_caller]
fn prints(ran: &Ran, texts: &[&str]) {
    let stdout = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in texts {
        assert!(stdout.contains(text), "'{text}' is not in stdout:\n{}", ran.stdout);
    }
}

fn bench(place: &Place, slo: &str) -> Ran {
    let engine = Simulator::start("vllm", &["--ttft", "30ms", "--itl", "1ms"]);
    place.run(&[&["bench", "--url", &engine.url(), "--slo", slo][..], &TRAFFIC].concat())
}

#[test]
fn a_run_that_meets_its_objectives_is_all_well_and_its_goodput_is_its_throughput() {
    let place = Place::new();
    let ran = bench(&place, "ttft_p99=20s,e2e_mean=20s");
    prints(
        &ran.expect(0),
        &["met: TTFT p99 is", "wanted ≤ 20000 ms", "met: error rate is 0 %", "100 % of all"],
    );
    let summary = &place.run_json("server")["summary"];
    assert_eq!(summary["metrics"]["goodput_pct"], 100.0);
    assert_eq!(summary["metrics"]["goodput_rps"], summary["metrics"]["rps"]);
    let met: Vec<&Value> =
        summary["objectives"].as_array().unwrap().iter().map(|judged| &judged["met"]).collect();
    assert_eq!(met, [true, true, true]);
    assert!(!place.summary_rows()[0]["goodput_rps"].is_empty());
}

#[test]
fn a_run_that_misses_an_objective_says_which_and_makes_the_exit_code_1() {
    let place = Place::new();
    let ran = bench(&place, "ttft_p50=5ms,e2e_p99=20s");
    prints(
        &ran.expect(1).says(&["server: objective missed: TTFT p50 is", "wanted ≤ 5 ms"]),
        &["MISSED: TTFT p50 is"],
    );
    assert_eq!(place.run_json("server")["summary"]["metrics"]["goodput_pct"], 0.0);
}

#[test]
fn what_is_no_objective_or_no_price_is_refused_before_anything_is_sent() {
    let place = Place::new();
    for (flags, said) in [
        (["--slo", "latency_p99=1s"], "metrics: ttft, e2e, tpot"),
        (["--slo", "ttft_p99=500"], "write 500ms or 10s"),
        (["--price-per-hour", "other=2"], "known are server"),
    ] {
        let engine = Engine::start(&[]);
        let argv = [&["bench", "--url", &engine.url][..], &flags, &TRAFFIC].concat();
        place.run(&argv).expect(2).says(&[said]);
        assert_eq!(engine.asked("POST /v1/chat/completions"), 0);
    }
}

#[test]
fn a_price_gives_the_cost_of_a_million_tokens() {
    let place = Place::new();
    let engine = Engine::start(&[]);
    let argv = [&["bench", "--url", &engine.url, "--price-per-hour", "3.6"][..], &TRAFFIC].concat();
    prints(&place.run(&argv).expect(0), &["per million output tokens"]);
    let summary = &place.run_json("server")["summary"];
    let number = |name: &str| summary["metrics"][name].as_f64().unwrap();
    let cost = number("cost_per_million_output_tokens") * number("output_tps");
    assert!((cost - 0.001 * 1e6).abs() < 1e-3, "{cost}");
}
