//! Ctrl-C, SIGTERM and SIGHUP: once saves and stops, twice ends at once.

use rustix::process::Signal;

use super::common::*;

const ENDLESS: [&str; 8] = ["--duration", "10m", "--concurrency", "4", "--warmup", "2", "--max-tokens", "8"];

fn under_load(place: &Place, options: &str) -> Running {
    let options = format!("a={options}");
    let more = if options == "a=" { vec![] } else { vec!["--extra-args", &options] };
    let mut running = place.start_compare(TWO, &[&ENDLESS[..], &more].concat());
    // So long that some records are on disk.
    running.wait_for_records(place, "a", 20);
    running
}

fn interrupted_once(number: Signal) {
    let place = Place::new();
    let running = under_load(&place, "");
    running.signal(number);
    let ran = running.wait().expect(130).says(&["interrupted: saving what was measured"]);
    assert!(!ran.stderr.contains("b: starting"), "{}", ran.stderr);
    place.assert_gone("a");
    assert!(ran.stdout.contains("=== RESULTS FOR a (partial: interrupted) ==="), "{}", ran.stdout);
    let run = place.run_json("a");
    assert_eq!(run["summary"]["partial"], "interrupted");
    let requests = &run["summary"]["requests"];
    let count = |name: &str| requests[name].as_u64().unwrap();
    assert!(count("completed") > 0 && count("failed") == 0, "{requests}");
    assert_eq!(count("issued"), count("completed") + count("cancelled") + count("dropped"));
    let rows = place.summary_rows();
    let said: Vec<_> = rows.iter().map(|row| (row["backend"].as_str(), row["exit"].as_str())).collect();
    assert_eq!(said, [("a", "partial")]);
    assert!(place.folder("comparison.json").exists() && place.folder("report.md").exists());
    // SIGTERM reached the server: it was asked, and not killed.
    assert!(place.log("a").contains("SIGTERM received; shutting down"));
}

#[test]
fn ctrl_c_saves_what_was_measured_and_stops_the_servers() {
    interrupted_once(Signal::INT);
}

#[test]
fn sigterm_saves_what_was_measured_and_stops_the_servers() {
    interrupted_once(Signal::TERM);
}

#[test]
fn sighup_saves_what_was_measured_and_stops_the_servers() {
    interrupted_once(Signal::HUP);
}

#[test]
fn ctrl_c_twice_ends_at_once_whatever_the_server_does() {
    let place = Place::new();
    place.change_definition("grace_s: 2", "grace_s: 600");
    let mut running = under_load(&place, "--ignore-sigterm --orphan-child --hold-port");
    running.signal(Signal::INT);
    running.wait_for("the first SIGTERM", || place.log("a").contains("SIGTERM received; ignored"));
    running.signal(Signal::INT);
    running.wait().expect(130);
    // The guard outlives us by the moment that it needs.
    let took = place.wait_until_nothing_lives();
    assert!(took.as_secs() < 5, "{took:?}");
    place.assert_gone("a");
    place.run(&["report", "results"]).expect(1);
    assert!(place.run_json("a")["summary"]["requests"]["completed"].as_u64().unwrap() > 0);
}

#[test]
fn ctrl_c_while_a_server_loads_ends_it_and_keeps_the_first_result() {
    let place = Place::new();
    let slow = ["--extra-args", "b=--never-ready --startup-mode 503"];
    let mut running = place.start_compare(TWO, &[&QUICK[..], &slow].concat());
    running.wait_for("b loading", || place.log("b").contains("Loading weights"));
    running.signal(Signal::INT);
    running.wait().expect(130);
    place.assert_gone("b");
    assert_eq!(place.run_json("a")["summary"]["requests"]["completed"], 12);
    let comparison = json(&place.folder("comparison.json"));
    assert_eq!(comparison["comparison"]["runs"][0]["label"], "a");
}

#[test]
fn a_run_that_is_held_lies_whole_on_disk_and_ends_at_once_by_sigterm_with_its_own_exit_code() {
    let place = Place::new();
    let simulator = Simulator::start("vllm", &["--ttft", "1ms", "--itl", "1ms"]);
    let url = simulator.url();
    let load = ["--requests", "4", "--concurrency", "2", "--warmup", "0", "--max-tokens", "4"];
    let mut running = place.start(&[&["bench", "--url", &url, "--hold", "10m"], &load[..]].concat());
    running.wait_for_stderr("holding for 600 s");
    assert_eq!(place.run_json("server")["summary"]["requests"]["completed"], 4);
    running.signal(Signal::TERM);
    let ran = running.wait().expect(0);
    assert!(!ran.stderr.contains("interrupted"), "{}", ran.stderr);
}
