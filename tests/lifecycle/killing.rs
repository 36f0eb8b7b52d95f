//! Death of the guard, of the harness, and of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::backend::guard::{Guard, kill_family};
use harness::backend::launch::port;
use harness::backend::launch::{LaunchEvent, LaunchRequest, launch};
use harness::backend::leftovers;
use harness::backend::process::{self, Process};
use rustix::process::Signal;
use tokio::sync::watch;

use super::bench::*;

#[tokio::test]
async fn when_the_guard_is_killed_its_servers_die_and_the_harness_learns_of_it() {
    let bench = Bench::new().await;
    let spec = bench.spec_with_helpers(&["--ignore-sigterm"]);
    let mut server = bench.launch(&spec).await.unwrap();
    let mut processes = bench.helpers();
    processes.push(Process::of(server.pid).unwrap());
    assert!(bench.guard.process().signal(Signal::KILL));
    bench.guard.died().await;
    assert!(!processes.iter().any(Process::is_alive), "{processes:?}");
    assert!(server.exited().await.how.to_string().contains("guard"));
    let port = server.port;
    let stopped = server.stop().await;
    assert!(stopped.gone && stopped.port_free, "{stopped:?}");
    assert!(port::check_free(port).is_ok());
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.what.contains("guard process has died"), "{error}");
    assert_eq!(error.hint, None);
}

#[tokio::test]
async fn the_guard_outlives_the_signals_of_a_terminal() {
    let bench = Bench::new().await;
    let server = bench.launch(&bench.spec(&[])).await.unwrap();
    for signal in [Signal::INT, Signal::HUP, Signal::TERM] {
        assert!(bench.guard.process().signal(signal));
    }
    assert!(Process::of(server.pid).unwrap().is_alive());
    let stat = process::stat(bench.guard.process().pid).unwrap();
    assert_eq!(stat.session, bench.guard.process().pid, "a session of its own");
    assert!(server.stop().await.graceful, "it still obeys, and its server hears SIGTERM");
}

/// Not a test by itself: the harness that the tests below kill. Runs only where they start it.
#[tokio::test]
async fn a_harness_to_be_killed() {
    let Some(directory) = std::env::var_os("LIFECYCLE_HARNESS").map(PathBuf::from) else { return };
    let exe = Path::new(env!("CARGO_BIN_EXE_harness"));
    let guard = Guard::start_with(exe, Some(&directory.join("state"))).await.unwrap();
    let phase = std::env::var("LIFECYCLE_PHASE").unwrap();
    let loading: &[&str] = match phase.as_str() {
        "loading" => &["--startup-mode", "503", "--never-ready"],
        _ => &[],
    };
    let mut spec = spec_with_helpers(&directory.join("pids"), &[&["--ignore-sigterm"], loading].concat());
    spec.stop.grace_s = 3600.0;
    if std::env::var_os("LIFECYCLE_TOKEN").is_some() {
        spec = in_docker(spec);
    }
    let note = |what: &str| {
        let text = format!("{} {what}", guard.process().pid);
        fs::write(directory.join("note.new"), text).unwrap();
        fs::rename(directory.join("note.new"), directory.join("note")).unwrap();
    };
    let log = directory.join("server.log");
    let request =
        LaunchRequest { label: "fake", run_id: "r", spec: &spec, log: &log, startup_timeout: PATIENCE };
    let (_keep, stop) = watch::channel(false);
    let on_event = |event| match event {
        LaunchEvent::Starting { pid } if phase == "starting" => note(&pid.to_string()),
        LaunchEvent::Loading { log_last_line }
            if phase == "loading" && log_last_line == "Loading weights" =>
        {
            note("loading")
        }
        _ => {}
    };
    let server = launch(&guard, request, token, on_event, stop).await.unwrap();
    if phase == "stopping" {
        note("stopping");
        server.stop().await;
    } else {
        note("running");
    }
    std::future::pending::<()>().await;
}

struct Harness {
    child: std::process::Child,
    place: Place,
    guard: Process,
}

impl Drop for Harness {
    /// A test that fails leaves nothing either.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        kill_family(&[], self.guard, PATIENCE);
    }
}

/// Starts a harness process of our own and waits until it has come to this phase.
fn harness_in_phase(phase: &str) -> Harness {
    start_harness(phase, &|_| {})
}

fn start_harness(phase: &str, change: &dyn Fn(&mut Command)) -> Harness {
    let place = Place::new();
    let path = path_with_docker(&place.path("bin"));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "killing::a_harness_to_be_killed", "--nocapture"])
        .env("LIFECYCLE_HARNESS", place.path(""))
        .env("LIFECYCLE_PHASE", phase)
        .env("PATH", path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    change(&mut command);
    let child = command.spawn().unwrap();
    let note = place.path("note");
    wait_for("the phase", || note.exists());
    let text = fs::read_to_string(note).unwrap();
    let guard = Process::of(text.split(' ').next().unwrap().parse().unwrap()).unwrap();
    Harness { child, place, guard }
}

/// `kill -9` in this phase; everything must be gone within 5 s.
fn kill_harness_in_phase(phase: &str) {
    let mut harness = harness_in_phase(phase);
    let mut processes = below(harness.guard);
    if phase != "starting" {
        processes.extend(helpers(&harness.place.path("pids")));
        processes.sort();
        processes.dedup();
        assert_eq!(processes.len(), 3, "server, child, and the orphan in its own session");
    }
    processes.push(harness.guard);
    harness.child.kill().unwrap();
    harness.child.wait().unwrap();
    let took = wait_until_gone(&processes);
    assert!(took < Duration::from_secs(5), "{phase}: {took:?}");
    assert!(below(harness.guard).is_empty());
    let state = harness.place.path("state/harness/servers");
    assert_eq!(fs::read_dir(state).unwrap().count(), 0, "the state file is gone too");
}

#[test]
fn kill_9_of_the_harness_while_a_server_starts_leaves_nothing() {
    kill_harness_in_phase("starting");
}

#[test]
fn kill_9_of_the_harness_while_a_server_loads_leaves_nothing() {
    kill_harness_in_phase("loading");
}

#[test]
fn kill_9_of_the_harness_while_a_server_runs_leaves_nothing() {
    kill_harness_in_phase("running");
}

#[test]
fn kill_9_of_the_harness_while_a_server_is_being_stopped_leaves_nothing() {
    kill_harness_in_phase("stopping");
}

#[test]
fn harness_and_guard_killed_together_are_found_at_the_next_start() {
    let mut harness = harness_in_phase("running");
    let processes = helpers(&harness.place.path("pids"));
    let state = harness.place.path("state/harness/servers");
    // Stopped first, so that neither can act on the death of the other.
    assert!(harness.guard.signal(Signal::STOP));
    harness.child.kill().unwrap();
    harness.child.wait().unwrap();
    assert!(leftovers::find_in(&state).is_empty(), "while the guard lives it is its business");
    assert!(harness.guard.signal(Signal::KILL));
    wait_until_gone(&[harness.guard]);
    let found = leftovers::find_in(&state);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].processes.len(), 3, "{}", found[0]);
    assert!(processes.iter().all(|process| found[0].processes.contains(process)));
    leftovers::stop(&found[0]).unwrap();
    wait_until_gone(&processes);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn kill_9_of_the_harness_removes_the_container() {
    let mut harness = start_harness("running", &|command| {
        command.env("LIFECYCLE_TOKEN", "hidden-value");
    });
    let mut processes = below(harness.guard);
    processes.push(harness.guard);
    let bin = harness.place.path("bin");
    assert_eq!(containers(&bin), 1);
    harness.child.kill().unwrap();
    harness.child.wait().unwrap();
    let took = wait_until_gone(&processes);
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(containers(&bin), 0, "the container is removed");
}
