//! `--slo`, `--price-per-hour`, and the search for the highest load that meets the objectives.

use rustix::process::Signal;
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

/// A pretend engine of some hundred requests a second, whose prompts wait for a place among four.
const SEARCH: [&str; 17] = [
    "sweep",
    "--backend",
    "vllm",
    "--simulate",
    "--find-max-rate",
    "--slo",
    "e2e_p50=20ms",
    "--precision",
    "40%",
    "--requests",
    "30",
    "--max-tokens",
    "4",
    "--scrape-interval",
    "0",
    "--quiet",
    "--extra-args",
];
const BATCHING: &str = "vllm=--prefill-rate 60000 --decode-step 1ms --max-batch 4";

fn comparison(place: &Place) -> Value {
    let folder = std::fs::read_dir(place.path("results")).unwrap().map(|entry| entry.unwrap().path());
    let folder = folder.into_iter().find(|path| path.is_dir()).unwrap();
    json(&folder.join("comparison.json"))
}

#[test]
fn the_highest_rate_is_found_with_its_interval_and_report_makes_the_same_of_the_records() {
    let place = Place::new();
    let ran = place.run(&[&SEARCH[..], &[BATCHING]].concat()).expect(0);
    prints(&ran, &["Highest rate with E2E p50 ≤ 20 ms and error rate ≤ 1 %", "rps (", "runs,"]);
    let first = comparison(&place);
    let limit = &first["comparison"]["limits"][0];
    let number = |name: &str| limit[name].as_f64().unwrap();
    assert!(number("low") < number("value") && number("value") < number("high"), "{limit}");
    assert_eq!(limit["of"], "rate");
    let loads = first["plan"]["loads"].as_array().unwrap();
    assert_eq!(loads.len(), limit["runs"].as_array().unwrap().len());
    assert_eq!(loads[0]["traffic"]["arrivals"]["pattern"], "all_at_once", "a burst gives the first guess");
    place.run(&["report", "results"]);
    assert_eq!(comparison(&place)["comparison"]["limits"][0], *limit);
    place.assert_nothing_lives();
}

#[test]
fn a_search_that_is_stopped_goes_on_to_its_end() {
    let place = Place::new();
    let loud: Vec<&str> = SEARCH.iter().copied().filter(|word| *word != "--quiet").collect();
    let mut running = place.start(&[&loud[..], &[BATCHING]].concat());
    running.wait_for_stderr("2 of at most 25 runs");
    running.signal(Signal::INT);
    running.wait().expect(130).says(&["plan: the highest rate that meets the objectives, at most 25 runs"]);
    let stopped = comparison(&place);
    let limit = &stopped["comparison"]["limits"][0];
    assert!(limit["unfinished"].as_str().unwrap().contains("stopped"), "{limit}");
    let folder = place.result("sweep_", "").display().to_string();
    place.run(&["sweep", "--resume", &folder]).expect(0);
    let limit = &comparison(&place)["comparison"]["limits"][0];
    assert!(limit["unfinished"].is_null(), "{limit}");
    let (low, high) = (limit["low"].as_f64().unwrap(), limit["high"].as_f64().unwrap());
    assert!(high / low <= 1.4f64.powi(2) * 1.001, "{limit}");
    let keys = limit["runs"].as_array().unwrap();
    let points: Vec<u64> = keys.iter().map(|key| key["point"].as_u64().unwrap()).collect();
    assert_eq!(points, (1..=points.len() as u64).collect::<Vec<_>>(), "what was cut short is played again");
    place.assert_nothing_lives();
}

#[test]
fn a_search_without_an_objective_or_with_rounds_is_refused() {
    let place = Place::new();
    let search = ["sweep", "--backend", "vllm", "--simulate", "--find-max-rate"];
    for (flags, said) in [
        (&[][..], "needs to know what is to be met"),
        (&["--slo", "ttft_p90=1s", "--rounds", "2"], "--rounds and --repeats would do nothing"),
        (&["--slo", "ttft_p90=1s", "--duration", "5s"], "--duration would do nothing"),
        (&["--slo", "ttft_p90=1s", "--precision", "5"], "write 5%"),
        (&["--slo", "ttft_p90=1s", "--rate", "1,2"], "finds its own loads"),
    ] {
        place.run(&[&search[..], flags].concat()).expect(2).says(&[said]);
    }
}
