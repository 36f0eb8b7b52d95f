//! `report --output`: another report of the same records, which leaves what was measured as it is.

use std::fs;

use serde_json::Value;

use super::common::*;
use super::plans::{BRIEF, pretend};

fn play(place: &Place, labels: &[&str]) {
    let args = pretend("compare", labels, &BRIEF);
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
}

fn report(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["report", "results"][..], more].concat())
}

fn labels(comparison: &Value) -> Vec<&str> {
    let mut labels: Vec<&str> = comparison["comparison"]["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["label"].as_str().unwrap())
        .collect();
    labels.sort_unstable();
    labels
}

#[test]
fn another_report_says_how_it_was_made_and_leaves_the_first_as_it_is() {
    let place = Place::new();
    play(&place, &["a", "b"]);
    let before = place.read_folder("comparison.json");
    let settings = ["--window", "0s..1h", "--ttft", "first-event", "--baseline", "b-simulated"];
    let ran = report(&place, &[&["--output", "other"][..], &settings].concat()).expect(0);
    let said = "Made otherwise than usual: of each run 0 s to 3600 s; TTFT is first_event − sent.";
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(one_line(&ran.stdout).contains(said), "{}", ran.stdout);
    assert!(
        one_line(&place.read("other/report.md"))
            .contains("Made otherwise than usual: of each run 0 s to 3600 s")
    );
    let other = json(&place.path("other/comparison.json"));
    assert_eq!(other["comparison"]["caveats"][0]["code"], "made_otherwise");
    assert_eq!(other["plan"]["baseline"], "b-simulated");
    assert_eq!(other["comparison"]["runs"][0]["requests"]["completed"], 4);
    assert!(place.path("other/plots").is_dir() && place.path("other/summary.csv").exists());
    assert_eq!(place.read_folder("comparison.json"), before);
    assert_eq!(rows(&place.path("results/simulated_summary.csv")).len(), 2);
    // The same directory is made anew; a directory of something else stays.
    report(&place, &["--output", "other"]).expect(0);
    let codes = json(&place.path("other/comparison.json"))["comparison"]["caveats"].to_string();
    assert!(!codes.contains("made_otherwise"), "{codes}");
    place.run(&["report", "other"]).expect(2).says(&["was made by harness report --output"]);
    report(&place, &["--output", "results"]).expect(2).says(&["holds something else", "hint: "]);
}

#[test]
fn what_a_run_cannot_serve_is_refused_by_name_and_leaves_no_directory() {
    let place = Place::new();
    play(&place, &["a"]);
    for (settings, said) in [
        (["--window", "steady"], "it has no steady state"),
        (["--window", "10m.."], "so nothing of it lies in 600 s to the end"),
        (["--ttft", "from-due"], "no completed request holds the stamps of TTFT = first_token − due"),
        (["--baseline", "vllm"], "there is no vllm here"),
    ] {
        report(&place, &[&["--output", "other"][..], &settings].concat()).expect(2).says(&[said]);
        report(&place, &settings).expect(2).says(&["--output"]);
        assert!(!place.path("other").exists(), "{settings:?}");
    }
    report(&place, &["--output", "other", "--window", "1m..5s"]).expect(2).says(&["ends before it begins"]);
    fs::create_dir(place.path("empty")).unwrap();
    place.run(&["report", "empty", "--output", "other"]).expect(2).says(&["no run in empty"]);
}

#[test]
fn several_results_stand_side_by_side_and_are_not_paired() {
    let place = Place::new();
    play(&place, &["a", "b"]);
    fs::rename(place.path("results"), place.path("monday")).unwrap();
    play(&place, &["a"]);
    let ran = place.run(&["report", "monday", "results", "--output", "both"]).expect(0);
    assert!(ran.stdout.contains("NOT PAIRED"), "{}", ran.stdout);
    let both = json(&place.path("both/comparison.json"));
    assert_eq!(labels(&both), ["a-simulated", "a-simulated_2", "b-simulated"]);
    assert_eq!(both["comparison"]["caveats"][0]["code"], "not_paired");
    let pairs = both["comparison"]["pairs"].as_array().cloned().unwrap_or_default();
    for pair in pairs.iter().filter(|pair| pair.to_string().contains("_2")) {
        assert!(pair["ratios"].as_object().unwrap().is_empty(), "{pair}");
        assert!(pair["not_comparable"].to_string().contains("NOT PAIRED"), "{pair}");
    }
    let rounds: Vec<&Value> =
        both["comparison"]["runs"].as_array().unwrap().iter().map(|run| &run["round"]).collect();
    assert_eq!(rounds, [1, 1, 2], "a round of another result is another round");
    assert_eq!(both["plan"]["loads"].as_array().unwrap().len(), 1, "the same load is one point");
}

#[test]
fn an_interrupted_run_and_one_whose_records_are_gone_are_reported_as_far_as_they_go() {
    let place = Place::new();
    play(&place, &["a", "b"]);
    let records = place.result("a-simulated", "_records.jsonl.zst");
    let text = lines(&records);
    fs::remove_file(&records).unwrap();
    let open = records.to_str().unwrap().strip_suffix(".zst").unwrap();
    fs::write(open, text[..text.len() - 2].join("\n") + "\n").unwrap();
    fs::remove_file(place.result("b-simulated", "_records.jsonl.zst")).unwrap();
    report(&place, &["--output", "plain"]).expect(1);
    let plain = json(&place.path("plain/comparison.json"));
    assert_eq!(labels(&plain), ["a-simulated", "b-simulated"]);
    let partial =
        plain["comparison"]["runs"].as_array().unwrap().iter().filter(|run| run["partial"].is_string());
    assert_eq!(partial.count(), 1);
    report(&place, &["--output", "cut", "--window", "0s..1h"]).expect(1).says(&["its records are gone"]);
    let cut = json(&place.path("cut/comparison.json"));
    assert_eq!(labels(&cut), ["a-simulated"]);
    assert_eq!(cut["comparison"]["failed"][0]["label"], "b-simulated");
}

#[test]
fn where_results_go_by_the_environment_sends_no_report_elsewhere() {
    let place = Place::new();
    play(&place, &["a"]);
    let mut command = place.command(&["report", "results"]);
    command.env("HARNESS_OUTPUT", "elsewhere").env("HARNESS_BASELINE", "x");
    Running::of(command).wait().expect(0);
    assert!(!place.path("elsewhere").exists());
}
