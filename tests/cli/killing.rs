//! `kill -9` of the harness in each phase, and of its guard: nothing lives, and what was measured is there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::common::*;

/// The promise: everything is gone so long after the death of the harness.
const GONE: Duration = Duration::from_secs(5);
/// Records that may be lost, 1 s, and as much again for a client that a busy machine let wait.
const LOST_S: f64 = 2.0;

/// A server that must be killed: deaf, with a grandchild in a session of its own and a child on its port.
const STUBBORN: &str = "--ignore-sigterm --orphan-child --hold-port";

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn kill_and_look(place: &Place, running: Running, label: &str) {
    assert!(place.processes().len() >= 2, "harness and guard at the least");
    running.kill();
    let took = place.wait_until_nothing_lives();
    assert!(took < GONE, "{took:?}");
    if port_in(&place.log(label)).is_some() {
        place.assert_gone(label);
    }
    let state = place.path("home/.local/state/harness/servers");
    assert_eq!(std::fs::read_dir(state).unwrap().count(), 0, "the state file is gone too");
}

#[test]
fn while_a_server_starts_it_leaves_nothing() {
    let place = Place::new();
    let mut running = place.start_compare("a=fake.yaml", &["--extra-args", &format!("a={STUBBORN}")]);
    running.wait_for_stderr("a: starting");
    kill_and_look(&place, running, "a");
}

#[test]
fn while_the_second_server_loads_it_leaves_nothing_and_the_first_result_is_rebuilt() {
    let place = Place::new();
    let options = format!("b={STUBBORN} --never-ready --startup-mode 503");
    let mut running = place.start_compare(TWO, &[&QUICK[..], &["--extra-args", &options]].concat());
    running.wait_for("b loading", || place.log("b").contains("Loading weights"));
    kill_and_look(&place, running, "b");
    assert_eq!(place.run_json("a")["summary"]["requests"]["completed"], 12);
    assert_eq!(place.summary_rows().len(), 1, "written when its run was over");
    // The comparison that was not reached is made now; a backend that was not measured is a failure.
    let ran = place.run(&["report", "results"]).expect(0);
    assert!(ran.stdout.contains("=== RESULTS FOR a ==="), "{}", ran.stdout);
    let comparison = json(&place.folder("comparison.json"));
    assert_eq!(comparison["comparison"]["runs"][0]["label"], "a");
    assert_eq!(comparison["comparison"]["failed"][0]["label"], "b");
    assert_eq!(place.summary_rows().len(), 1);
}

#[test]
fn under_load_it_leaves_nothing_and_loses_at_most_a_second_of_records() {
    let place = Place::new();
    let options = format!("a={STUBBORN} --served-file {}", place.text("served"));
    let traffic = ["--duration", "10m", "--concurrency", "4", "--warmup", "2", "--max-tokens", "8"];
    let slower = ["--set", "a.itl_ms=10", "--extra-args", &options];
    let mut running = place.start_compare("a=fake.yaml", &[&traffic[..], &slower].concat());
    let served = || -> Vec<f64> {
        let text = std::fs::read_to_string(place.path("served")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    // A good share is older than what may be lost.
    running.wait_for("a load of some seconds", || {
        served().first().is_some_and(|first| now_s() - first > 2.0 * LOST_S) && served().len() > 50
    });
    let killed_s = now_s();
    kill_and_look(&place, running, "a");
    assert!(place.runs().is_empty() && !place.path("results/benchmark_summary.csv").exists());

    let headers = place.headers();
    assert!(headers.len() == 1 && headers[0]["kind"] == "records", "{headers:?}");

    let ran = place.run(&["report", "results"]).expect(1);
    assert!(ran.stdout.contains("=== RESULTS FOR a (partial"), "{}", ran.stdout);
    let run = place.run_json("a");
    let summary = &run["summary"];
    assert!(summary["partial"].is_string(), "{}", summary["partial"]);
    assert!(summary["caveats"].to_string().contains("partial"));
    let count = |part: &str| summary[part]["completed"].as_u64().unwrap() as usize;
    let kept = count("requests") + count("warmup");
    let due = served().iter().filter(|at| **at < killed_s - LOST_S).count();
    // The probe was served and is no record.
    assert!(
        due > 20 && kept + 1 >= due && kept < served().len(),
        "{kept} kept, {due} due, {} served",
        served().len()
    );
    let again = place.run(&["report", "results"]).expect(1);
    assert_eq!(again.stdout, ran.stdout, "the same figures from the same records");
    let rows = place.summary_rows();
    let said: Vec<_> = rows.iter().map(|row| (row["backend"].as_str(), row["exit"].as_str())).collect();
    assert_eq!(said, [("a", "partial")], "report adds the row once");
    assert_eq!(rows[0]["requests_completed"], count("requests").to_string());
    assert!(json(&place.folder("comparison.json"))["comparison"]["runs"][0]["partial"].is_string());
}

#[test]
fn while_a_server_is_being_stopped_it_leaves_nothing_and_every_record_is_kept() {
    let place = Place::new();
    place.change_definition("grace_s: 2", "grace_s: 600");
    let mut running = place
        .start_compare("a=fake.yaml", &[&QUICK[..], &["--extra-args", &format!("a={STUBBORN}")]].concat());
    running.wait_for("the stop", || place.log("a").contains("SIGTERM received; ignored"));
    kill_and_look(&place, running, "a");
    // A run is closed before its server is stopped: it is whole, and so is its row.
    let before = place.run_json("a");
    let exits = || place.summary_rows().iter().map(|row| row["exit"].clone()).collect::<Vec<_>>();
    assert_eq!(exits(), ["ok"]);
    place.run(&["report", "results"]).expect(0);
    let run = place.run_json("a");
    assert_eq!(run["summary"]["requests"]["completed"], 12);
    assert!(run["summary"]["partial"].is_null());
    assert_eq!(run["summary"], before["summary"]);
    assert_eq!(exits(), ["ok"]);
}

#[test]
fn when_the_guard_is_killed_the_harness_stops_and_says_so() {
    let place = Place::new();
    let traffic = ["--duration", "10m", "--concurrency", "4", "--warmup", "2", "--max-tokens", "8"];
    let mut running =
        place.start_compare(TWO, &[&traffic[..], &["--extra-args", &format!("a={STUBBORN}")]].concat());
    running.wait_for_records(&place, "a", 20);
    let harness = running.pid();
    let is_guard =
        |pid: &u32| *pid != harness && command_line(*pid).starts_with(env!("CARGO_BIN_EXE_harness"));
    let guards: Vec<u32> = place.processes().into_iter().filter(is_guard).collect();
    assert_eq!(guards.len(), 1);
    signal(guards[0], Signal::KILL);
    let ran = running.wait().expect(1).says(&[
        "error: a: the guard process died",
        "error: b: b cannot be started",
        "hint: ",
    ]);
    assert!(!ran.stderr.contains("b: starting"), "{}", ran.stderr);
    place.assert_gone("a");
    let run = place.run_json("a");
    assert!(run["summary"]["partial"].as_str().unwrap().contains("guard"), "{}", run["summary"]["partial"]);
    let rows = place.summary_rows();
    let said: Vec<_> = rows.iter().map(|row| (row["backend"].as_str(), row["exit"].as_str())).collect();
    assert_eq!(said, [("a", "partial"), ("b", "failed")]);
    assert!(run["summary"]["requests"]["completed"].as_u64().unwrap() > 0);
}

#[test]
fn leftovers_of_harness_and_guard_killed_together_are_shown_by_doctor_and_ended_by_the_next_run() {
    let place = Place::new();
    let mut running = place.start_compare(
        "a=fake.yaml",
        &["--extra-args", &format!("a={STUBBORN} --never-ready --startup-mode 503")],
    );
    running.wait_for("a loading", || place.log("a").contains("Loading weights"));
    let harness = running.pid();
    let is_ours = |pid: &u32| command_line(*pid).starts_with(env!("CARGO_BIN_EXE_harness"));
    let guard = place.processes().into_iter().find(|pid| is_ours(pid) && *pid != harness).unwrap();
    let servers: Vec<u32> = place.processes().into_iter().filter(|pid| !is_ours(pid)).collect();
    // Stopped first, so that it cannot act on the death of the harness.
    signal(guard, Signal::STOP);
    running.kill();
    signal(guard, Signal::KILL);
    wait_for("the end of the guard", || !is_alive(guard));
    assert!(servers.len() >= 3 && servers.iter().all(|pid| is_alive(*pid)));
    let doctor = place.run(&["doctor"]).expect(0);
    assert!(doctor.stdout.contains("left over from an earlier run: a "), "{}", doctor.stdout);
    assert!(servers.iter().all(|pid| is_alive(*pid)), "doctor only looks");
    let run = ["run", "--backend", "b=fake.yaml", "--model", "model"];
    place
        .run(&[&run[..], &QUICK].concat())
        .expect(0)
        .says(&["ending a server left over from an earlier run"]);
    place.assert_nothing_lives();
}
