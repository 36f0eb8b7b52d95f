//! What is printed into goes away: the run goes on, and its exit code is its own.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::common::*;

fn simulator() -> Simulator {
    Simulator::start("vllm", &["--ttft", "2ms", "--itl", "2ms"])
}

fn bench(place: &Place, url: &str, more: &[&str]) -> Command {
    place.command(
        &[&["bench", "--url", url, "--model", "smollm2", "--warmup", "0", "--concurrency", "2"], more]
            .concat(),
    )
}

/// The exit code; fails where it does not end in time.
fn wait(mut child: Child, most: Duration) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < most {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("does not end within {most:?}");
}

/// Nothing can be written: a full disk, a pipe whose reader is gone, a pipe whose reader sleeps.
fn dead_ends() -> Vec<(&'static str, OwnedFd, Option<std::io::PipeReader>)> {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (gone, broken) = std::io::pipe().unwrap();
    drop(gone);
    let (asleep, mut filled) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&filled, true).unwrap();
    while filled.write_all(&[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&filled, false).unwrap();
    vec![
        ("/dev/full", full.into(), None),
        ("a broken pipe", broken.into(), None),
        ("a pipe that is full", filled.into(), Some(asleep)),
    ]
}

#[test]
fn a_run_whose_output_cannot_be_written_ends_as_it_would_and_is_saved() {
    let simulator = simulator();
    for (name, end, _asleep) in dead_ends() {
        let place = Place::new();
        let refused = || place.command(&["bench", "--url", "http://me:pw@h"]);
        let commands = [
            (bench(&place, &simulator.url(), &["--requests", "4", "--rounds", "2", "-v"]), 0),
            (bench(&place, &simulator.url(), &["--dry-run"]), 0),
            (place.command(&["doctor"]), 0),
            (place.command(&["report", "results"]), 0),
            (refused(), 2),
        ];
        for (mut command, code) in commands {
            let stream = || Stdio::from(end.try_clone().unwrap());
            let child = command.stdout(stream()).stderr(stream()).spawn().unwrap();
            assert_eq!(wait(child, Duration::from_secs(60)), Some(code), "{name}: {command:?}");
        }
        let exits: Vec<String> = place.summary_rows().iter().map(|row| row["exit"].clone()).collect();
        assert_eq!(exits, ["ok", "ok"], "{name}");
    }
}

#[test]
fn a_terminal_that_is_gone_saves_what_was_measured_however_often_it_says_so() {
    let place = Place::new();
    let simulator = simulator();
    let (stdout, stderr) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
    let mut command = bench(&place, &simulator.url(), &["--duration", "10m"]);
    let child = command.stdout(stdout.1).stderr(stderr.1).spawn().unwrap();
    drop(command);
    wait_for("records", || place.records("server") > 20);
    drop((stdout.0, stderr.0));
    // The kernel says it, and then the shell.
    signal(child.id(), Signal::HUP);
    signal(child.id(), Signal::HUP);
    std::thread::sleep(Duration::from_millis(5));
    signal(child.id(), Signal::HUP);
    assert_eq!(wait(child, Duration::from_secs(10)), Some(130));
    assert_eq!(place.run_json("server")["summary"]["partial"], "interrupted");
    assert_eq!(place.summary_rows()[0]["exit"], "partial");
}

#[test]
fn nohup_holds() {
    let place = Place::new();
    let simulator = simulator();
    let script = format!(
        "trap '' HUP; exec '{}' bench --url {} --model smollm2 --warmup 0 --concurrency 2 --duration 6s",
        env!("CARGO_BIN_EXE_harness"),
        simulator.url()
    );
    let mut command = place.command_of("/bin/sh".as_ref(), &["-c", &script]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("records", || place.records("server") > 20);
    signal(child.id(), Signal::HUP);
    assert_eq!(wait(child, Duration::from_secs(30)), Some(0));
    assert_eq!(place.summary_rows()[0]["exit"], "ok");
}

#[test]
fn the_second_ctrl_c_is_heard_while_nothing_else_is() {
    let place = Place::new();
    let simulator = simulator();
    std::fs::create_dir(place.path("results")).unwrap();
    let mut command = bench(&place, &simulator.url(), &["--duration", "10m"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("records", || place.records("server") > 20);
    // The run cannot be closed: its records are a pipe by now, which nobody reads.
    let records = place.results("server_2", "_records.jsonl").remove(0);
    let pipe = records.with_extension("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from(0o600)).unwrap();
    std::fs::rename(&pipe, &records).unwrap();
    signal(child.id(), Signal::INT);
    std::thread::sleep(Duration::from_secs(1));
    signal(child.id(), Signal::INT);
    let since = Instant::now();
    assert_eq!(wait(child, Duration::from_secs(5)), Some(130));
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}
