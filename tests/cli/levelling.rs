//! Servers that did not get the same work: said in every output, and no best between them.

use serde_json::Value;

use super::common::*;

/// Two pretend engines with options of their own.
fn pretend(place: &Place, a: &str, b: &str, more: &[&str]) -> Ran {
    let [a, b] = [("a", a), ("b", b)].map(|(label, own)| format!("{label}=--ttft 5ms --itl 1ms {own}"));
    let traffic = ["--requests", "8", "--concurrency", "4", "--warmup", "1"];
    let options = ["--simulate", "--extra-args", &a, "--extra-args", &b];
    place.compare("a=vllm,b=vllm", &[&options[..], &traffic, more].concat())
}

fn comparison(place: &Place) -> Value {
    json(&place.folder("comparison.json"))["comparison"].clone()
}

fn row(comparison: &Value, what: &str) -> Value {
    let rows = comparison["fairness"]["rows"].as_array().unwrap();
    rows.iter().find(|row| row["what"] == what).unwrap_or_else(|| panic!("no row {what}: {rows:?}")).clone()
}

/// Some group of it is the best in something.
fn has_a_best(comparison: &Value) -> bool {
    let groups = comparison["groups"].as_array().unwrap();
    groups.iter().any(|group| group["best"].as_object().is_some_and(|best| !best.is_empty()))
}

#[test]
fn answers_of_other_lengths_are_not_comparable_in_every_output() {
    let place = Place::new();
    let ran = pretend(&place, "--output-tokens 10", "--output-tokens 20", &[]).expect(0);
    let comparison = comparison(&place);
    assert_eq!(row(&comparison, "output length")["finding"], "not_comparable");
    assert!(!has_a_best(&comparison), "{}", comparison["groups"]);
    assert!(ran.stdout.contains("NOT COMPARABLE: output length"), "{}", ran.stdout);
    let level = ran.stdout.lines().find(|line| line.starts_with("  - level: ")).unwrap();
    assert!(level.contains("context, batch limit"), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    let report = std::fs::read_to_string(place.folder("report.md")).unwrap();
    assert!(report.contains("| **NOT COMPARABLE** |") && report.contains("| prompt tokens |"), "{report}");
    let html = std::fs::read_to_string(place.folder("report.html")).unwrap();
    assert!(html.contains("output length: answers of b-simulated have 20.0 tokens on average"));
    let pair = &comparison["pairs"][0];
    assert!(pair["not_comparable"][0].as_str().unwrap().starts_with("output length: "), "{pair}");
    assert_eq!(pair["ratios"], serde_json::json!({}));
    let said = ran.stdout.matches("tokens on").count() + ran.stdout.matches("mean output tokens").count();
    assert_eq!(said, 1, "once, and not as a caveat too: {}", ran.stdout);
    assert!(!ran.stdout.contains("Answers differ in length"), "{}", ran.stdout);
}

#[test]
fn another_template_is_told_by_the_probe_set_and_report_tells_it_again() {
    let place = Place::new();
    let lengths = "--output-tokens 10";
    let ran = pretend(&place, lengths, &format!("{lengths} --prompt-tokens-extra 7"), &[]).expect(0);
    let before = comparison(&place);
    let found = row(&before, "prompt tokens");
    let why = found["why"].as_str().unwrap();
    assert_eq!(found["finding"], "differs", "{found}");
    assert!(why.contains("b-simulated has 7 more in each, which looks like another chat template"), "{why}");
    assert!(ran.stdout.contains("differs: prompt tokens"), "{}", ran.stdout);
    for label in ["a-simulated", "b-simulated"] {
        let summary = &place.run_json(label)["summary"];
        assert_eq!(summary["probes"].as_array().unwrap().len(), 6);
        assert_eq!(summary["server"]["prompt_tokens"], summary["server"]["client_prompt_tokens"]);
        assert!(!summary["caveats"].to_string().contains("server_counts"), "{}", summary["caveats"]);
    }
    place.run(&["report", "results"]).expect(0);
    assert_eq!(comparison(&place)["fairness"], before["fairness"]);
}

#[test]
fn what_a_strict_plan_does_with_servers_that_are_not_level_is_exit_code_1_and_off_forbids_nothing() {
    let lengths = ["--output-tokens 10", "--output-tokens 20"];
    let strict = Place::new();
    pretend(&strict, lengths[0], lengths[1], &["--fairness", "strict"]).expect(1);
    assert_eq!(json(&strict.folder("comparison.json"))["plan"]["fairness"], "strict");
    let off = Place::new();
    pretend(&off, lengths[0], lengths[1], &["--fairness", "off"]).expect(0);
    let comparison = comparison(&off);
    assert_eq!(row(&comparison, "output length")["finding"], "differs");
    assert!(has_a_best(&comparison), "{}", comparison["groups"]);
    assert_eq!(off.run_json("a-simulated")["summary"]["probes"], Value::Null, "nothing was asked");
}

#[test]
fn a_probe_that_fails_costs_its_own_row_and_not_the_backend() {
    let place = Place::new();
    // The first request is that of readiness.
    let faults: String = (2..=7).map(|number| format!(" --fault 500:at={number}")).collect();
    pretend(&place, "--output-tokens 10", &format!("--output-tokens 10{faults}"), &[]).expect(0);
    let comparison = comparison(&place);
    assert_eq!(row(&comparison, "greedy completion")["finding"], "unknown");
    assert_eq!(row(&comparison, "prompt tokens")["finding"], "level", "the load's own prompts tell");
    let run = place.run_json("b-simulated");
    assert_eq!(run["summary"]["requests"]["completed"], 8);
    let failed = run["summary"]["probes"][0]["failed"].as_str().unwrap();
    assert!(failed.contains("500"), "{failed}");
    let server = &run["summary"]["server"];
    assert_eq!(server["generated_tokens"], server["client_generated_tokens"]);
}
