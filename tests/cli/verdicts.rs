//! Verdicts end to end: rounds until they are sure, a named baseline, and a comparison that is a pure function of its
//! records. The pretend engine stands in.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use super::common::*;
use super::plans::{BRIEF, comparison, pretend};
use super::resuming::{LABELS, resume};

/// `a` is as quick as it can be, `b` takes four times as long for a token.
fn unlike(more: &[&str]) -> Vec<String> {
    let mut args = pretend("compare", &LABELS, &[&BRIEF[..], more].concat());
    let place = args.iter().position(|arg| arg.starts_with("b=--ttft")).unwrap();
    args[place] = "b=--ttft 40ms --itl 20ms --output-tokens 4".to_owned();
    args
}

fn run(place: &Place, args: &[String]) -> Ran {
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What is derived of a comparison, whole.
fn derived(folder: &Path) -> Vec<(&'static str, String)> {
    ["comparison.json", "report.md", "summary.csv"]
        .map(|name| (name, fs::read_to_string(folder.join(name)).unwrap()))
        .into()
}

fn assert_same(left: &[(&str, String)], right: &[(&str, String)]) {
    for ((name, left), (_, right)) in left.iter().zip(right) {
        let differ = left.lines().zip(right.lines()).find(|(left, right)| left != right);
        assert_eq!(differ, None, "{name}");
        assert_eq!(left.len(), right.len(), "{name}");
    }
}

#[test]
fn an_interrupted_comparison_that_is_resumed_is_byte_for_byte_that_of_its_records() {
    let place = Place::new();
    let args = pretend("compare", &LABELS, &[&BRIEF[..], &["--rounds", "5"]].concat());
    let mut running = place.start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    running.wait_for_stderr("\n4 of 10 runs");
    running.signal(Signal::INT);
    running.wait().expect(130);
    resume(&place, &[]).expect(0);
    let folder = place.result("compare_", "");
    let resumed = derived(&folder);
    // Nothing but the records and the plan is left, as if nobody had interrupted anything.
    for (name, _) in &resumed {
        fs::remove_file(folder.join(name)).unwrap();
    }
    place.run(&["report", "results"]).expect(0);
    assert_same(&resumed, &derived(&folder));
}

#[test]
fn a_whole_comparison_is_the_same_when_its_last_rounds_were_away_and_came_back() {
    let place = Place::new();
    let args = pretend("compare", &LABELS, &[&BRIEF[..], &["--rounds", "5"]].concat());
    run(&place, &args).expect(0);
    let folder = place.result("compare_", "");
    let whole = derived(&folder);
    let aside = place.path("aside");
    fs::create_dir(&aside).unwrap();
    let late: Vec<_> = ["_r4_", "_r5_"]
        .into_iter()
        .flat_map(|round| {
            place.results("", "").into_iter().filter(move |path| path.to_string_lossy().contains(round))
        })
        .collect();
    assert!(late.len() >= 8, "{late:?}");
    for path in &late {
        fs::rename(path, aside.join(path.file_name().unwrap())).unwrap();
    }
    fs::remove_file(folder.join("comparison.json")).unwrap();
    // Three rounds of five: something is missing, which is no success.
    place.run(&["report", "results"]);
    let of_three = comparison(&place, "compare_");
    assert_eq!(of_three["groups"][0]["estimates"]["output_tps"]["n"], 3);
    for path in &late {
        fs::rename(aside.join(path.file_name().unwrap()), path).unwrap();
    }
    resume(&place, &[]).expect(0);
    assert_same(&whole, &derived(&folder));
}

#[test]
fn rounds_end_as_soon_as_they_are_sure_and_say_so() {
    let place = Place::new();
    let args = unlike(&["--until-sure", "5%", "--rounds-max", "12"]);
    let ran = run(&place, &args).expect(0);
    let comparison = comparison(&place, "compare_");
    let state = &comparison["rule"]["until_sure"];
    assert_eq!(
        (&state["sure"], &state["rounds_max"], &state["within_pct"]),
        (&true.into(), &12.into(), &5.0.into())
    );
    let rounds = state["rounds"].as_u64().unwrap();
    assert!((3..12).contains(&rounds), "{rounds}");
    assert_eq!(comparison["runs"].as_array().unwrap().len() as u64, 2 * rounds);
    assert_eq!(comparison["failed"], serde_json::json!([]), "rounds that were not needed are not missing");
    let tps = &comparison["pairs"][0]["ratios"]["output_tps"];
    assert_eq!(
        (&comparison["pairs"][0]["label"], &tps["verdict"]),
        (&"b-simulated".into(), &"slower".into())
    );
    let ran = ran.says(&["no further round is needed", "plan: at most 24 runs"]);
    let stdout = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(stdout.contains(&format!("{rounds} of at most 12 rounds were played")), "{stdout}");
    // Everything is known by now: to go on is to play nothing.
    let again = resume(&place, &[]).expect(0);
    assert!(!again.stderr.contains("ready in"), "{}", again.stderr);
    let again: Value = self::comparison(&place, "compare_");
    assert_eq!(again, comparison);
}

#[test]
fn rounds_until_sure_that_were_interrupted_go_on_to_the_same_end() {
    let place = Place::new();
    let args = unlike(&["--until-sure", "5%", "--rounds-max", "12"]);
    let mut running = place.start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    running.wait_for_stderr("\n3 of at most 24 runs");
    running.signal(Signal::INT);
    running.wait().expect(130);
    resume(&place, &[]).expect(0).says(&["no further round is needed"]);
    let resumed = derived(&place.result("compare_", ""));
    place.run(&["report", "results"]).expect(0);
    assert_same(&resumed, &derived(&place.result("compare_", "")));
}

#[test]
fn the_baseline_is_the_one_that_is_named_and_it_must_be_there() {
    let place = Place::new();
    let mut args = unlike(&["--rounds", "3", "--baseline", "b-simulated"]);
    let ran = run(&place, &args).expect(0);
    let comparison = comparison(&place, "compare_");
    assert_eq!(comparison["baseline"], "b-simulated");
    assert_eq!(comparison["pairs"][0]["ratios"]["output_tps"]["verdict"], "faster");
    assert!(ran.stdout.contains("a-simulated serves"), "{}", ran.stdout);
    *args.last_mut().unwrap() = "c".to_owned();
    let refused = run(&place, &args).expect(2);
    assert!(refused.stderr.contains("--baseline c: no such backend"), "{}", refused.stderr);
}

#[test]
fn until_sure_needs_two_backends_and_no_fixed_number_of_rounds() {
    let place = Place::new();
    let alone = pretend("run", &["a"], &[&BRIEF[..], &["--until-sure", "5%"]].concat());
    assert!(run(&place, &alone).expect(2).stderr.contains("two backends"));
    let both = unlike(&["--until-sure", "5%", "--rounds", "3"]);
    run(&place, &both).expect(2);
    let none = unlike(&["--until-sure", "0"]);
    run(&place, &none).expect(2);
}
