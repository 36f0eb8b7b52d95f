//! Servers that are launched and go wrong: slow, never ready, dead, deaf or not alone. Each run ends, nothing of them lives.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::accounts::{endings, number};
use super::common::{Place, Ran, json};
use super::on_each_wire;
use super::played::{Played, Record};

const LOAD: [&str; 4] = ["--max-tokens", "8", "--warmup", "0"];
const TWELVE: [&str; 4] = ["--requests", "12", "--concurrency", "3"];

/// `harness run` of a pretend engine with these flags, to its end.
fn run(place: &Place, engine: &str, flags: &str, more: &[&str]) -> Ran {
    place.start(&arguments(engine, flags, more).iter().map(String::as_str).collect::<Vec<_>>()).wait()
}

fn arguments(engine: &str, flags: &str, more: &[&str]) -> Vec<String> {
    let fixed = ["run", "--simulate", "--backend", engine, "--backends-dir", "backends", "--verbose"];
    let prompts = ["--dataset", "prompts.jsonl"];
    let extra = format!("--extra-args={engine}=--ttft 3ms --itl 1ms --jitter 0 --output-tokens 50 {flags}");
    let all = fixed.iter().chain(&prompts).chain(&LOAD).chain(more).map(|text| (*text).to_owned());
    all.chain([extra]).collect()
}

fn result(place: &Place, engine: &str, ended: Ran) -> Played {
    let played = Played::read(place, &format!("{engine}-simulated"), ended);
    played.check_identity();
    played
}

/// No result but the row that says so, and nothing that lives.
fn check_failed(place: &Place, ended: &Ran, says: &str) {
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(says), "'{says}': {}", ended.stderr);
    let rows = fs::read_to_string(place.path("results/simulated_summary.csv")).unwrap();
    assert!(rows.lines().count() == 2 && rows.trim_end().ends_with(",failed"), "{rows}");
    place.assert_nothing_lives();
}

#[test]
fn a_slow_start_is_waited_for() {
    on_each_wire(|engine| {
        let place = Place::marked();
        let ended = run(&place, engine, "--start-delay 700ms", &TWELVE);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let played = result(&place, engine, ended);
        assert_eq!(endings(&played.records), [("completed", 12)].into());
        assert!(played.summary["ready_s"].as_f64().unwrap() >= 0.7, "{}", played.summary["ready_s"]);
        place.assert_nothing_lives();
    });
}

#[test]
fn a_start_without_an_end_is_given_up_after_its_time() {
    on_each_wire(|engine| {
        let place = Place::marked();
        let ended = run(&place, engine, "--never-ready", &["--startup-timeout", "2s"]);
        check_failed(&place, &ended, "not ready within 2 s");
    });
}

#[test]
fn a_server_that_dies_while_it_loads_is_not_waited_for() {
    on_each_wire(|engine| {
        let place = Place::marked();
        let started = Instant::now();
        let ended = run(&place, engine, "--die-loading --start-delay 300ms", &["--startup-timeout", "10m"]);
        check_failed(&place, &ended, "exit code 1");
        assert!(started.elapsed() < Duration::from_secs(60), "{engine}");
    });
}

#[test]
fn a_crash_in_mid_run_leaves_what_was_measured_and_ends_the_run() {
    on_each_wire(|engine| {
        let place = Place::marked();
        // The readiness probe is the first request, and no probe set comes behind it.
        let more = ["--requests", "500", "--concurrency", "1", "--fairness", "off"];
        let ended = run(&place, engine, "--crash-after 6", &more);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let played = result(&place, engine, ended);
        let all: Vec<&str> = played.records.iter().map(Record::ending).collect();
        assert_eq!(all[..5], ["completed"; 5]);
        // On a busy machine the news of its death may come before the end of its last answer is read.
        assert!(["truncated", "cancelled"].contains(&all[5]), "{all:?}");
        // Until the news of its death comes, and no longer.
        // One may have begun while a dying process still had its connection open.
        assert!(
            all[6..].iter().all(|ending| ["connect", "dropped", "truncated"].contains(ending)),
            "{all:?}"
        );
        assert!(all[6..].iter().filter(|ending| **ending == "truncated").count() <= 1, "{all:?}");
        assert!(all.len() < 500, "{engine}");
        let partial = played.summary["partial"].as_str().unwrap();
        assert!(partial.contains("exit code 1"), "{partial}");
        place.assert_nothing_lives();
    });
}

#[test]
fn a_deaf_server_is_killed_after_its_grace_and_its_numbers_stand() {
    on_each_wire(|engine| {
        let place = Place::marked();
        place.change_engine(engine, "grace_s:", "  grace_s: 1");
        let ended = run(&place, engine, "--ignore-sigterm", &TWELVE);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stderr.contains("killed in"), "{}", ended.stderr);
        assert_eq!(endings(&result(&place, engine, ended).records), [("completed", 12)].into());
        place.assert_nothing_lives();
    });
}

#[test]
fn an_orphan_is_found_and_ended_whatever_became_of_its_server() {
    for (engine, flags, code) in [
        ("vllm", "--orphan 10m", 0),
        ("sglang", "--orphan 10m --crash-after 6", 1),
        ("llamacpp", "--orphan 10m --ignore-sigterm", 0),
        ("tgi", "--orphan 10m --die-loading --start-delay 300ms", 1),
    ] {
        let place = Place::marked();
        place.change_engine(engine, "grace_s:", "  grace_s: 1");
        let ended = run(&place, engine, flags, &TWELVE);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        place.assert_nothing_lives();
    }
}

#[test]
fn of_four_that_go_wrong_in_four_ways_each_is_told_and_none_spoils_another() {
    let place = Place::marked();
    let fixed = [
        "compare",
        "--simulate",
        "--backend",
        "all",
        "--backends-dir",
        "backends",
        "--startup-timeout",
        "4s",
        // The readiness probe is the first request, and no probe set comes behind it.
        "--fairness",
        "off",
    ];
    let prompts = ["--dataset", "prompts.jsonl", "--concurrency", "1", "--requests", "12"];
    let faults = [
        ("vllm", "--crash-after 6"),
        ("sglang", "--never-ready"),
        ("llamacpp", "--fault 503:at=4 --fault cut:at=6"),
        ("tgi", "--die-loading --start-delay 200ms"),
    ];
    let faults = faults.map(|(engine, flags)| format!("--extra-args={engine}=--ttft 3ms --itl 1ms {flags}"));
    let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
    let ended = place.start(&[&fixed[..], &prompts, &LOAD, &faults].concat()).wait();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let file = place.folder("comparison.json");
    let file = json(&file);
    let told = |list: &str| -> Vec<&str> {
        let all = file["comparison"][list].as_array().unwrap();
        all.iter().map(|one| one["label"].as_str().unwrap()).collect()
    };
    assert_eq!(told("runs"), ["vllm-simulated", "llamacpp-simulated"]);
    assert_eq!(told("failed"), ["sglang-simulated", "tgi-simulated"]);
    let sound = result(&place, "llamacpp", ended);
    assert_eq!(endings(&sound.records), [("completed", 10), ("status", 1), ("truncated", 1)].into());
    let kinds = [sound.records[2].ending(), sound.records[4].ending()];
    assert_eq!(kinds, ["status", "truncated"], "the probe was the first request");
    place.assert_nothing_lives();
}

#[test]
fn ctrl_c_with_a_deaf_server_and_an_orphan_saves_the_records_and_leaves_nothing() {
    let place = Place::marked();
    place.change_engine("vllm", "grace_s:", "  grace_s: 1");
    let flags = "--ignore-sigterm --orphan 10m --fault stall:at=9,tokens=2";
    let more = ["--requests", "100000", "--concurrency", "4"];
    let args = arguments("vllm", flags, &more);
    let mut running = place.start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    running.wait_for("the orphan", || place.command_lines().iter().any(|line| line.starts_with("sleep ")));
    // On disk every half second, so some have ended.
    running.wait_for_records(&place, "vllm-simulated", 19);
    running.signal(Signal::INT);
    let ended = running.wait();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let played = result(&place, "vllm", ended);
    let all = endings(&played.records);
    // The one that stalls, at the least.
    assert!(all["cancelled"] >= 1 && all["completed"] >= 15, "{all:?}");
    assert_eq!(number(&played.summary["requests"]["failed"]), 0);
    place.assert_nothing_lives();
}
