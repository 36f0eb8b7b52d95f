//! `harness calibrate` with the real binary on a tiny grid: its structure and its pairing, never its figures,
//! which are those of whatever else this machine does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest wait for anything: a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

struct Here {
    home: tempfile::TempDir,
}

impl Here {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args(arguments).current_dir(self.home.path()).env_clear();
        command.env("HOME", self.home.path()).env("PATH", "").env("HARNESS_DATA_DIR", self.data());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn calibration(&self) -> Value {
        serde_json::from_slice(&fs::read(self.data().join("calibration.json")).unwrap()).unwrap()
    }

    /// Processes with this test's home in their environment.
    fn processes(&self) -> Vec<String> {
        let home = format!("HOME={}\0", self.home.path().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&home) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push(String::from_utf8_lossy(&line).replace('\0', " "));
            }
        }
        found
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&[String]) -> bool) {
        let started = Instant::now();
        while !holds(&self.processes()) {
            assert!(started.elapsed() < PATIENCE, "{what}: {:?}", self.processes());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_request_and_token_is_held_against_the_servers_own_truth() {
    let here = Here::new();
    let output = here.run(&["calibrate", "--loads", "3x40,40/s", "--save", "--duration", "300ms"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let calibration = here.calibration();
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

    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        table.contains("THIS CLIENT'S OWN ERROR") && table.contains("The error stays under 1 ms"),
        "{table}"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    here.wait_until("something lives", <[String]>::is_empty);
}

/// What a run of four requests in flight says on stdout, on one line.
fn run_of_four(here: &Here) -> String {
    let run = ["run", "--backend", "vllm", "--simulate", "--requests", "4", "--max-tokens", "2"];
    let output = here.run(&[&run[..], &["--warmup", "0", "--concurrency", "4"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_run_beyond_the_calibrated_load_says_so_and_what_to_do_and_one_within_it_does_not() {
    let here = Here::new();
    assert!(!run_of_four(&here).contains("calibrate"), "never calibrated");

    let calibrate = ["calibrate", "--loads", "2x20", "--save", "--duration", "100ms"];
    assert_eq!(here.run(&calibrate).status.code(), Some(0));
    // Whatever this busy machine made of it, it is not exact for 4.
    let text = run_of_four(&here);
    let limit = here.calibration()["limit"]["streams"].clone();
    assert!(text.contains(&format!("4 in flight, exact up to {limit}")), "{text}");
    assert!(text.contains("Lower the load, or run harness calibrate again"), "{text}");

    let change = |change: fn(&mut Value)| {
        let mut calibration = here.calibration();
        change(&mut calibration);
        fs::write(here.data().join("calibration.json"), calibration.to_string()).unwrap();
    };
    change(|exact| exact["limit"] = json!({"streams": 4, "tokens_per_s": 1e6, "rate": 10.0}));
    assert!(!run_of_four(&here).contains("calibrate"), "within it");
    // Loops that were not played say nothing about this one.
    change(|open| open["limit"] = json!({"rate": 10.0}));
    assert!(!run_of_four(&here).contains("calibrate"), "no closed loop was played");
    // Nor does the same file from another machine.
    change(|foreign| {
        foreign["limit"] = json!({"streams": 1, "tokens_per_s": 1.0});
        foreign["hostname"] = json!("somewhere-else");
    });
    assert!(!run_of_four(&here).contains("calibrate"), "another machine");
}

#[test]
fn a_part_of_the_grid_takes_no_place_unless_it_is_asked_to() {
    let here = Here::new();
    let look = |more: &[&str]| {
        let calibrate = ["calibrate", "--loads", "1x20", "--duration", "100ms"];
        let output = here.run(&[&calibrate[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    let said = look(&[]);
    assert!(said.contains("not saved") && said.contains("this machine has no calibration"), "{said}");
    assert!(!here.data().join("calibration.json").exists());

    let said = look(&["--save"]);
    assert!(said.contains("saved in ") && said.contains("carries the caveat beyond_calibration"), "{said}");
    let saved = here.calibration();
    let said = look(&[]);
    assert!(said.contains("not saved") && said.contains("stays in force"), "{said}");
    assert_eq!(here.calibration(), saved);
    let said = look(&["--save"]);
    assert!(said.contains(" in place of the calibration of "), "{said}");
    assert_ne!(here.calibration()["taken_at"], saved["taken_at"]);

    assert_eq!(here.run(&["calibrate", "--save"]).status.code(), Some(2), "the whole grid is saved anyway");
}

#[test]
fn an_interrupt_ends_it_without_a_trace() {
    let here = Here::new();
    let child: Child = here.command(&["calibrate", "--loads", "2x50", "--duration", "60s"]).spawn().unwrap();
    here.wait_until("the pretend engine never came", |all| {
        all.iter().any(|line| line.contains(" simulate "))
    });
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(!here.data().join("calibration.json").exists());
    here.wait_until("something lives", <[String]>::is_empty);
}

#[test]
fn a_load_that_cannot_be_read_is_refused() {
    let here = Here::new();
    let output = here.run(&["calibrate", "--loads", "many"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--loads 'many' is no load\nhint: write 250x50"), "{}", stderr(&output));
}
