//! Engines that fail under load: every failure is counted by its kind and gives no latency.

use std::collections::BTreeMap;

use serde_json::Value;

use super::common::*;

/// Pretend engines: `a`, with a fault, and a good `b`.
const PRETEND: &str = "a=vllm,b=vllm";

fn with_options(place: &Place, options: &str, more: &[&str]) -> Ran {
    let [bad, good] = [("a", options), ("b", "")]
        .map(|(label, more)| format!("{label}=--ttft 5ms --itl 1ms --output-tokens 50 {more}"));
    // Without a probe set, so that the first request is that of readiness.
    let options = ["--simulate", "--fairness", "off", "--extra-args", &bad, "--extra-args", &good];
    place.compare(PRETEND, &[&options[..], more].concat())
}

/// Compares `a`, which fails with this fault after its probe and two warm-up requests, with a good `b`.
/// `N` in it is the number of each measured request.
fn with_fault(place: &Place, fault: &str, traffic: &[&str]) -> Ran {
    let faults: String =
        (4..=15).map(|number| format!("--fault {fault} ").replace('N', &number.to_string())).collect();
    with_options(place, &faults, traffic)
}

/// The rows of all runs.
fn summary_rows(place: &Place) -> Vec<BTreeMap<String, String>> {
    rows(&place.path("results/simulated_summary.csv"))
}

/// So many of the twelve measured requests of `a` failed in this way, in every output.
fn failed_so(place: &Place, ran: Ran, kind: &str, failed: u64) -> Value {
    let ran = ran.expect(1);
    let run = place.run_json("a-simulated");
    let requests = &run["summary"]["requests"];
    let expected = serde_json::json!({
        "issued": 12, "completed": 12 - failed, "failed": failed, "cancelled": 0, "dropped": 0,
        "failures": { kind: failed },
    });
    assert_eq!(*requests, expected);
    let metrics = &run["summary"]["metrics"];
    assert_eq!(metrics["ttft_ms"]["count"].as_u64().unwrap_or(0), 12 - failed, "{metrics}");
    assert_eq!(metrics["e2e_ms"]["count"].as_u64().unwrap_or(0), 12 - failed, "{metrics}");
    assert!(run["summary"]["caveats"].to_string().contains("\"failures\""), "{}", run["summary"]["caveats"]);
    let csv = place.result("a-simulated_2", "_requests.csv");
    let rows = rows(&csv);
    let bad: Vec<_> = rows.iter().filter(|row| row["kind"] == kind).collect();
    assert_eq!(bad.len() as u64, failed, "{}", csv.display());
    assert!(bad.iter().all(|row| row["ttft_ms"].is_empty() && row["e2e_ms"].is_empty()));
    assert_eq!(summary_rows(place)[0]["requests_failed"], failed.to_string());
    assert!(ran.stdout.contains(kind), "{}", ran.stdout);
    assert_eq!(place.run_json("b-simulated")["summary"]["requests"]["completed"], 12);
    place.assert_gone("a-simulated");
    run
}

#[test]
fn error_events_are_counted() {
    let place = Place::new();
    let ran = with_fault(&place, "error:at=N,tokens=3", &QUICK);
    failed_so(&place, ran, "error_event", 12);
}

#[test]
fn a_share_of_503_is_counted_and_the_others_complete() {
    let place = Place::new();
    let ran = with_fault(&place, "503:every=4", &QUICK);
    failed_so(&place, ran, "status", 3);
}

#[test]
fn streams_that_break_are_truncated() {
    for fault in ["cut", "truncate"] {
        let place = Place::new();
        let ran = with_fault(&place, &format!("{fault}:at=N,tokens=3"), &QUICK);
        failed_so(&place, ran, "truncated", 12);
    }
}

#[test]
fn a_forced_length_that_is_not_reached_is_a_short_output() {
    let place = Place::new();
    let ran = with_fault(&place, "short:at=N,tokens=4", &[&QUICK[..], &["--ignore-eos"]].concat());
    failed_so(&place, ran, "short_output", 12);
}

#[test]
fn a_stream_that_stalls_times_out() {
    let place = Place::new();
    // All twelve at once: the run takes one timeout. It also bounds the good requests, so it is long.
    let traffic = ["--requests", "12", "--concurrency", "12", "--warmup", "2", "--max-tokens", "8"];
    let ran = with_fault(&place, "stall:at=N,tokens=3", &[&traffic[..], &["--timeout", "4s"]].concat());
    failed_so(&place, ran, "timeout", 12);
}

#[test]
fn strict_makes_a_result_that_is_not_valid_a_failure_and_only_that() {
    let place = Place::new();
    // The engine counts requests where tokens are expected: a caveat, and no request fails.
    place.change_definition("[\"fake:generation_tokens_total\"]", "[\"fake:requests_total\"]");
    place.compare("a=fake.yaml", &QUICK).expect(0);
    let run = place.run_json("a");
    assert!(run["summary"]["caveats"].to_string().contains("server_counts_differ"), "{}", run["summary"]);
    place.compare("b=fake.yaml", &[&QUICK[..], &["--strict"]].concat()).expect(1);

    let place = Place::new();
    let ran = place.compare("a=fake.yaml", &[&QUICK[..], &["--strict", "--set", "a.itl_ms=20"]].concat());
    let caveats = place.run_json("a")["summary"]["caveats"].to_string();
    // On a machine that is too busy to read in time the result is not valid, and strict says so.
    let is_late = caveats.contains("merged_events") || caveats.contains("client_limited");
    ran.expect(i32::from(is_late));
}

#[test]
fn an_engine_that_dies_in_mid_run_leaves_a_partial_result_and_the_other_whole() {
    let place = Place::new();
    let ran = with_options(&place, "--crash-after 8", &QUICK).expect(1);
    let run = place.run_json("a-simulated");
    let partial = run["summary"]["partial"].as_str().unwrap();
    assert!(partial.contains("exit code 1"), "{partial}");
    let completed = run["summary"]["requests"]["completed"].as_u64().unwrap();
    assert!((1..12).contains(&completed), "{completed}");
    assert!(run["summary"]["caveats"].to_string().contains("partial"), "{}", run["summary"]["caveats"]);
    assert!(ran.stdout.contains("exit code 1"), "{}", ran.stdout);
    assert!(place.log("a-simulated").contains("simulated crash amid a request"));
    let rows = summary_rows(&place);
    let said: Vec<_> = rows.iter().map(|row| (row["backend"].as_str(), row["exit"].as_str())).collect();
    assert_eq!(said, [("a-simulated", "partial"), ("b-simulated", "ok")]);
    assert_eq!(place.run_json("b-simulated")["summary"]["requests"]["completed"], 12);
    place.assert_gone("a-simulated");
}
