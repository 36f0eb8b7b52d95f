//! Launches and servers that fail in one of several rounds: what was measured stays, and the next turn comes.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::common::*;
use super::plans::{BRIEF, comparison, pretend, simulated_rows};
use super::resuming::{LABELS, resume};

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
        let row =
            |row: &BTreeMap<String, String>| format!("{}{} {}", row["backend"], row["round"], row["exit"]);
        rows.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(said(), ["a1 ok", "b1 ok", "b2 ok", "a2 failed", "b3 ok", "a3 ok"]);
    let first = comparison(&place, "compare_");
    let failed = first["failed"].as_array().unwrap();
    assert_eq!((failed.len(), &failed[0]["label"], &failed[0]["round"]), (1, &"a".into(), &2.into()));
    let rounds = |comparison: &Value| {
        let groups = comparison["groups"].as_array().unwrap();
        groups.iter().map(|group| group["estimates"]["output_tps"]["n"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(rounds(&first), [2, 3]);
    assert!(place.read_folder("report.md").contains("exit code 3"), "{}", place.read_folder("report.md"));

    let old = place.read_folder("comparison.json");
    let ran = resume(&place, &[]).expect(0).says(&["plan: 1 left of 6 runs", "a: ready in"]);
    assert!(!ran.stderr.contains("b: starting"), "{}", ran.stderr);
    assert_eq!(said(), ["a1 ok", "b1 ok", "b2 ok", "b3 ok", "a3 ok", "a2 ok"]);
    let again = comparison(&place, "compare_");
    assert_eq!((rounds(&again), &again["failed"]), (vec![3, 3], &serde_json::json!([])));
    // Where the harness was killed before it wrote the comparison, the old one does not outlive the new runs.
    fs::write(place.folder("comparison.json"), &old).unwrap();
    place.run(&["report", "results"]).expect(0);
    assert_eq!(comparison(&place, "compare_")["failed"], serde_json::json!([]));
    place.assert_nothing_lives();
}

#[test]
fn a_server_that_dies_amid_its_runs_fails_with_the_rest_of_them_and_the_next_turn_comes() {
    let place = Place::new();
    // Probe, the probe set, and a warm-up and four requests a run: the second run is cut short.
    let mut args = pretend("compare", &LABELS, &[&BRIEF[..], &["--repeats", "3"]].concat());
    for arg in &mut args {
        if arg.starts_with("a=--ttft") {
            arg.push_str(" --crash-after 14");
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
