//! `harness calibrate` with the real binary on a tiny grid: its structure and its pairing, never its figures,
//! which are those of whatever else this machine does.

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::common::*;

/// Where calibrations are kept.
const DATA: &str = "data";

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command(arguments);
    command.env("HARNESS_DATA_DIR", place.path(DATA));
    command
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    Running::of(command(place, arguments)).wait()
}

fn file(place: &Place) -> std::path::PathBuf {
    place.path(DATA).join("calibration.json")
}

fn calibration(place: &Place) -> Value {
    json(&file(place))
}

#[test]
fn every_request_and_token_is_held_against_the_servers_own_truth() {
    let place = Place::new();
    let ran = run(&place, &["calibrate", "--loads", "3x40,40/s", "--save", "--duration", "300ms"]).expect(0);

    let calibration = calibration(&place);
    let [closed, open] = calibration["loads"].as_array().unwrap().as_slice() else { panic!("{calibration}") };
    assert_eq!(closed["load"], json!({"loop": "closed", "streams": 3, "tokens_per_s": 40.0}));
    // 3 streams × 2 rounds × 50 tokens; 40/s × 0.3 s × 8 tokens.
    assert_eq!(
        (&closed["issued"], &closed["paired"], &closed["tokens"]),
        (&json!(6), &json!(6), &json!(300))
    );
    assert_eq!((&open["issued"], &open["paired"], &open["tokens"]), (&json!(12), &json!(12), &json!(96)));
    assert_eq!(closed["ttft"]["count"], 6);
    assert!(open["arrival_minus_due_ms"]["count"] == 12 && closed["arrival_minus_due_ms"].is_null());
    assert!(open["gaps"]["variation"].as_f64().unwrap() > 0.0 && closed["gaps"].is_null());
    for load in [closed, open] {
        // One clock on both sides: nothing arrives before it was sent, nothing is read before it was written.
        // The client's stamps are cut off to whole µs, the server's clock is read just before its write.
        for name in ["arrival_minus_sent_ms", "stamp_minus_write_ms"] {
            assert!(load[name]["min"].as_f64().unwrap() > -0.1, "{name}: {load}");
        }
        assert!(load["cpu_us_per_token"].as_f64().unwrap() > 0.0, "{load}");
        // A system call takes its time, and what it may explain makes no error larger.
        assert_eq!(load["write_ms"]["count"], load["tokens"]);
        assert!(load["write_ms"]["min"].as_f64().unwrap() > 0.0, "{load}");
        for error in [&load["ttft"], &load["itl"]] {
            let [whole, beyond] =
                ["p99_ms", "beyond_writes_p99_ms"].map(|name| error[name].as_f64().unwrap());
            assert!(0.0 <= beyond && beyond <= whole, "{error}");
        }
    }

    let table = ran.stdout;
    assert!(
        table.contains("THIS CLIENT'S OWN ERROR") && table.contains("The error stays under 1 ms"),
        "{table}"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    place.wait_until_nothing_lives();
}

/// What a run of four requests in flight says on stdout, on one line.
fn run_of_four(place: &Place) -> String {
    let four = ["run", "--backend", "vllm", "--simulate", "--requests", "4", "--max-tokens", "2"];
    let ran = run(place, &[&four[..], &["--warmup", "0", "--concurrency", "4"]].concat()).expect(0);
    ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_run_beyond_the_calibrated_load_says_so_and_what_to_do_and_one_within_it_does_not() {
    let place = Place::new();
    assert!(!run_of_four(&place).contains("calibrate"), "never calibrated");

    let calibrate = ["calibrate", "--loads", "2x20", "--save", "--duration", "100ms"];
    run(&place, &calibrate).expect(0);
    // Whatever this busy machine made of it, it is not exact for 4.
    let text = run_of_four(&place);
    let limit = calibration(&place)["limit"]["streams"].clone();
    assert!(text.contains(&format!("4 in flight, exact up to {limit}")), "{text}");
    assert!(text.contains("Lower the load, or run harness calibrate again"), "{text}");

    let change = |change: fn(&mut Value)| {
        let mut calibration = calibration(&place);
        change(&mut calibration);
        fs::write(file(&place), calibration.to_string()).unwrap();
    };
    change(|exact| exact["limit"] = json!({"streams": 4, "tokens_per_s": 1e6, "rate": 10.0}));
    assert!(!run_of_four(&place).contains("calibrate"), "within it");
    // Loops that were not played say nothing about this one.
    change(|open| open["limit"] = json!({"rate": 10.0}));
    assert!(!run_of_four(&place).contains("calibrate"), "no closed loop was played");
    // Nor does the same file from another machine.
    change(|foreign| {
        foreign["limit"] = json!({"streams": 1, "tokens_per_s": 1.0});
        foreign["hostname"] = json!("somewhere-else");
    });
    assert!(!run_of_four(&place).contains("calibrate"), "another machine");
}

#[test]
fn a_part_of_the_grid_takes_no_place_unless_it_is_asked_to() {
    let place = Place::new();
    let look = |more: &[&str]| {
        let calibrate = ["calibrate", "--loads", "1x20", "--duration", "100ms"];
        let ran = run(&place, &[&calibrate[..], more].concat()).expect(0);
        ran.stderr
    };
    let said = look(&[]);
    assert!(said.contains("not saved") && said.contains("this machine has no calibration"), "{said}");
    assert!(!file(&place).exists());

    let said = look(&["--save"]);
    assert!(said.contains("saved in ") && said.contains("carries the caveat beyond_calibration"), "{said}");
    let saved = calibration(&place);
    let said = look(&[]);
    assert!(said.contains("not saved") && said.contains("stays in force"), "{said}");
    assert_eq!(calibration(&place), saved);
    let said = look(&["--save"]);
    assert!(said.contains(" in place of the calibration of "), "{said}");
    assert_ne!(calibration(&place)["taken_at"], saved["taken_at"]);

    // The whole grid is saved anyway.
    run(&place, &["calibrate", "--save"]).expect(2);
}

#[test]
fn an_interrupt_ends_it_without_a_trace() {
    let place = Place::new();
    let mut running = Running::of(command(&place, &["calibrate", "--loads", "2x50", "--duration", "60s"]));
    running.wait_for("the pretend engine", || {
        place.command_lines().iter().any(|line| line.contains(" simulate "))
    });
    running.signal(Signal::INT);
    running.wait().expect(130);
    assert!(!file(&place).exists());
    place.wait_until_nothing_lives();
}

#[test]
fn a_load_that_cannot_be_read_is_refused() {
    let place = Place::new();
    run(&place, &["calibrate", "--loads", "many"])
        .expect(2)
        .says(&["--loads 'many' is no load\nhint: write 250x50"]);
}
