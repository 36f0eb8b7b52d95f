//! `--resume`: whatever stopped a plan, what is left of it is played, and each run stands once.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::common::*;
use super::plans::{BRIEF, Key, assert_whole, comparison, key, key_of_row, keys, pretend, simulated_rows};

/// Two backends, three rounds, two repeats: twelve runs.
const LABELS: [&str; 2] = ["a", "b"];
const MANY: [&str; 4] = ["--rounds", "3", "--repeats", "2"];

fn start(place: &Place) -> Running {
    let args = pretend("compare", &LABELS, &[&BRIEF[..], &MANY].concat());
    place.start(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn resume(place: &Place, more: &[&str]) -> Ran {
    let folder = place.result("compare_", "").display().to_string();
    place.run(&[&["compare", "--resume", &folder][..], more].concat())
}

/// Keys of the runs that reached their end, by the last line of their records.
fn closed(place: &Place) -> BTreeSet<Key> {
    let files = place.results("", "_records.jsonl.zst");
    let whole = files.iter().filter(|path| {
        let footer: Value = serde_json::from_str(lines(path).last().unwrap()).unwrap();
        footer["kind"] == "end" && footer["partial"].is_null()
    });
    whole.map(|path| key(&header(path))).collect()
}

/// Stops a plan with `number` once `when` holds, and resumes it.
fn stopped_and_resumed(number: Signal, when: impl FnOnce(&Place, &mut Running)) {
    let place = Place::new();
    let mut running = start(&place);
    when(&place, &mut running);
    if number == Signal::KILL {
        running.kill();
        place.wait_until_nothing_lives();
    } else {
        running.signal(number);
        running.wait().expect(130);
    }
    place.assert_nothing_lives();
    let all = keys(&LABELS, 1, 3, 2);
    let before = closed(&place);
    assert!(before.len() < all.len(), "it was stopped in its midst");

    // What is left, without playing it.
    let shown: Value = serde_json::from_str(&resume(&place, &["--dry-run"]).expect(0).stdout).unwrap();
    let mut left = BTreeSet::new();
    for visit in shown["visits"].as_array().unwrap() {
        for run in visit["runs"].as_array().unwrap() {
            let number = |value: &Value| value.as_u64().unwrap();
            let label = visit["label"].as_str().unwrap().to_owned();
            left.insert((label, number(&run["point"]), number(&visit["round"]), number(&run["repeat"])));
        }
    }
    let rest: BTreeSet<Key> = all.iter().filter(|key| !before.contains(*key)).cloned().collect();
    assert_eq!(left, rest);
    assert_eq!(closed(&place), before, "--dry-run plays nothing");

    let ran = resume(&place, &[]).expect(0);
    assert!(ran.stderr.contains(&format!("plan: {} left of 12 runs", rest.len())) || before.is_empty());
    assert_whole(&place, "compare_", &all);
    let comparison = comparison(&place, "compare_");
    for group in comparison["groups"].as_array().unwrap() {
        assert_eq!((&group["over"], &group["estimates"]["output_tps"]["n"]), (&"rounds".into(), &3.into()));
    }
    let ids: BTreeSet<String> =
        simulated_rows(&place).into_iter().map(|mut row| row.remove("run_id").unwrap()).collect();
    assert_eq!(ids.len(), 1, "one plan, one run id");
    place.assert_nothing_lives();
}

/// So many runs are closed, and a moment of the next has passed.
fn after(runs: usize, moment_ms: u64) -> impl FnOnce(&Place, &mut Running) {
    move |_: &Place, running: &mut Running| {
        running.wait_for_stderr(&format!("\n{runs} of 12 runs"));
        std::thread::sleep(Duration::from_millis(moment_ms));
    }
}

/// The n-th launch of a backend has begun.
fn in_launch(label: &'static str, nth: usize) -> impl FnOnce(&Place, &mut Running) {
    move |_: &Place, running: &mut Running| {
        let starting = format!("{label}-simulated: starting");
        running.wait_for_stderr_times(&starting, nth);
    }
}

#[test]
fn after_ctrl_c_between_two_runs_or_within_one() {
    stopped_and_resumed(Signal::INT, after(3, 0));
    stopped_and_resumed(Signal::INT, after(6, 15));
}

#[test]
fn after_ctrl_c_in_a_launch() {
    stopped_and_resumed(Signal::INT, in_launch("b", 2));
}

#[test]
fn after_kill_9_between_two_runs_or_within_one() {
    stopped_and_resumed(Signal::KILL, after(1, 0));
    stopped_and_resumed(Signal::KILL, after(5, 10));
    stopped_and_resumed(Signal::KILL, after(7, 40));
}

#[test]
fn after_kill_9_in_a_launch() {
    stopped_and_resumed(Signal::KILL, in_launch("b", 1));
}

#[test]
fn after_kill_9_within_the_first_run_of_all() {
    stopped_and_resumed(Signal::KILL, |place, running| {
        running.wait_for("the first records", || {
            !place.results("a-simulated_p1_r1_n1", "_records.jsonl").is_empty()
        });
    });
}

/// A plan of one backend with two repeats that was played to its end.
fn whole(place: &Place, more: &[&str]) -> String {
    let args = pretend("compare", &["a"], &[&BRIEF[..], &["--repeats", "2"], more].concat());
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    place.result("compare_", "").display().to_string()
}

#[test]
fn a_plan_that_is_all_closed_plays_nothing_and_makes_its_comparison_again() {
    let place = Place::new();
    let folder = whole(&place, &[]);
    let rows_before = place.read("results/simulated_summary.csv");
    let first = comparison(&place, "compare_");
    fs::remove_file(place.folder("comparison.json")).unwrap();
    let ran =
        place.run(&["compare", "--resume", &folder]).expect(0).says(&["plan: 0 left of 2 runs", "files: "]);
    assert!(!ran.stderr.contains("starting"), "{}", ran.stderr);
    assert!(ran.stdout.contains("TTFT p50"), "{}", ran.stdout);
    assert_eq!(comparison(&place, "compare_"), first);
    assert_eq!(place.read("results/simulated_summary.csv"), rows_before);
    // A row that could not be written any more is appended now, and the others stay.
    let lines: Vec<&str> = rows_before.lines().collect();
    place.write("results/simulated_summary.csv", &format!("{}\n{}\n", lines[0], lines[2]));
    place.run(&["compare", "--resume", &folder]).expect(0);
    assert_eq!(
        simulated_rows(&place).iter().map(key_of_row).collect::<BTreeSet<_>>(),
        keys(&["a"], 1, 1, 2).into_iter().collect()
    );
    assert_eq!(simulated_rows(&place).len(), 2);
}

#[test]
fn what_cannot_be_resumed_is_refused_with_its_cure() {
    let place = Place::new();
    place.write("own.jsonl", "{\"id\": \"a\", \"prompt\": \"one two three\"}\n");
    let folder = whole(&place, &["--dataset", "own.jsonl", "--header", "X-Team: blue"]);
    let before = place.read("results/simulated_summary.csv");
    let refused = |folder: &str, more: &[&str], texts: &[&str]| {
        let ran = place.run(&[&["compare", "--resume", folder][..], more].concat()).expect(2).says(texts);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.lines().count() == 2, "{}", ran.stderr);
        assert_eq!((ran.stdout.as_str(), place.read("results/simulated_summary.csv")), ("", before.clone()));
    };
    let blue = ["--header", "x-team: blue"];
    refused(
        "results/nowhere",
        &blue,
        &["error: cannot resume results/nowhere", "hint: give the directory that"],
    );
    refused("results", &blue, &["error: cannot resume results", "hint: give the directory that"]);
    refused(
        &folder,
        &[],
        &[
            "error: the plan sends the header X-Team, whose value no file holds",
            "hint: give it again: --header",
        ],
    );
    refused(
        &folder,
        &["--concurrency", "4", "--header", "x-team: blue"],
        &[
            "error: --concurrency has no effect with --resume: the plan is ",
            "plan.json",
            "hint: leave --concurrency out",
        ],
    );
    place.run(&["compare", "--resume", &folder, "--backend", "a"]).expect(2).says(&["error: ", "--backend"]);
    place.run(&[&["compare", "--resume", &folder][..], &blue].concat()).expect(0);
    let elsewhere = place.text("results/mine");
    fs::rename(&folder, &elsewhere).unwrap();
    refused(&elsewhere, &blue, &["was called compare_simulated_2", "hint: give it that name again"]);
    fs::rename(&elsewhere, &folder).unwrap();
    place.write("own.jsonl", "{\"id\": \"a\", \"prompt\": \"one two four\"}\n");
    refused(
        &folder,
        &blue,
        &[
            "error: the dataset own.jsonl is not the one that the plan was made with",
            "hint: put the old file back",
        ],
    );
    place.assert_nothing_lives();
}

/// An engine whose second start fails, and no other.
fn flaky(place: &Place) -> [String; 2] {
    let [python, script] = engine_command();
    let (first, second) = (place.text("first"), place.text("second"));
    let start = format!("exec '{python}' '{script}' \"$@\"");
    place.program(
        "flaky-engine",
        &format!(
            "#!/bin/sh\ncase \"$1\" in --version) {start} ;; esac\n\
             if [ -e '{first}' ] && [ ! -e '{second}' ]; then : > '{second}'; set -- \"$@\" --die-while-loading 3; fi\n\
             : > '{first}'\n{start}\n"
        ),
    );
    ["--set".to_owned(), format!("a.binary_path={}", place.text("bin/flaky-engine"))]
}

#[test]
fn a_launch_that_fails_in_one_round_loses_no_other_and_is_played_again_by_resume() {
    let place = Place::new();
    let flaky = flaky(&place);
    let flaky: Vec<&str> = flaky.iter().map(String::as_str).collect();
    let ran = place.compare(TWO, &[&BRIEF[..], &["--rounds", "3"], &flaky].concat()).expect(1);
    assert!(ran.stderr.contains("error: a: "), "{}", ran.stderr);
    let said = || {
        let rows = place.summary_rows();
        let row = |row: &std::collections::BTreeMap<String, String>| {
            format!("{}{} {}", row["backend"], row["round"], row["exit"])
        };
        rows.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(said(), ["a1 ok", "b1 ok", "b2 ok", "a2 failed", "a3 ok", "b3 ok"]);
    let first = comparison(&place, "compare_");
    let failed = first["failed"].as_array().unwrap();
    assert_eq!((failed.len(), &failed[0]["label"], &failed[0]["round"]), (1, &"a".into(), &2.into()));
    let rounds = |comparison: &Value| {
        let groups = comparison["groups"].as_array().unwrap();
        groups.iter().map(|group| group["estimates"]["output_tps"]["n"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(rounds(&first), [2, 3]);
    assert!(place.read_folder("report.md").contains("exit code 3"), "{}", place.read_folder("report.md"));

    let ran = resume(&place, &[]).expect(0).says(&["plan: 1 left of 6 runs", "a: ready in"]);
    assert!(!ran.stderr.contains("b: starting"), "{}", ran.stderr);
    assert_eq!(said(), ["a1 ok", "b1 ok", "b2 ok", "a3 ok", "b3 ok", "a2 ok"]);
    let again = comparison(&place, "compare_");
    assert_eq!((rounds(&again), &again["failed"]), (vec![3, 3], &serde_json::json!([])));
    place.assert_nothing_lives();
}

#[test]
fn a_server_that_dies_amid_its_runs_fails_with_the_rest_of_them_and_the_next_turn_comes() {
    let place = Place::new();
    // Probe, and a warm-up and four requests a run: the second run is cut short.
    let mut args = pretend("compare", &LABELS, &[&BRIEF[..], &["--repeats", "3"]].concat());
    for arg in &mut args {
        if arg.starts_with("a=--ttft") {
            arg.push_str(" --crash-after 8");
        }
    }
    let ran = place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(1);
    let why = "exit code 1; 1 more of its runs could not be played";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    let rows = simulated_rows(&place);
    let said: Vec<_> =
        rows.iter().map(|row| (&row["backend"][..1], row["repeat"].as_str(), row["exit"].as_str())).collect();
    let b = [("b", "1", "ok"), ("b", "2", "ok"), ("b", "3", "ok")];
    assert_eq!(said[0], ("a", "1", "ok"));
    assert!(said[1] == ("a", "2", "partial") || said[1] == ("a", "2", "failed"), "{said:?}");
    assert_eq!(said[2], ("a", "", "failed"));
    assert_eq!(said[3..], b);
    let comparison = comparison(&place, "compare_");
    let failed = &comparison["failed"][0];
    assert_eq!((&failed["label"], &failed["round"]), (&"a-simulated".into(), &1.into()));
    assert!(failed["error"].as_str().unwrap().contains(why), "{failed}");
    assert_eq!(comparison["runs"].as_array().unwrap().len(), 5);
    place.assert_nothing_lives();
}
