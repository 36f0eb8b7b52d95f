//! The results directory as people treat it: full, locked, in another's hands, or of a name that is no text.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use super::common::*;
use super::reporting::{bench, bench_args, server};

const SUMMARY: &str = "results/benchmark_summary.csv";
const PRETEND: &str = "a=vllm,b=vllm";

/// The same with no file above so many bytes: what a full disk does to a file that grows.
fn with_little_room(mut command: Command, bytes: u64) -> Command {
    let limit = move || {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        setrlimit(Resource::Fsize, limit).map_err(Into::into)
    };
    // Safety: one system call.
    unsafe { command.pre_exec(limit) };
    command
}

/// Backend and exit of each row.
fn exits(place: &Place, file: &str) -> Vec<(String, String)> {
    let rows = rows(&place.path(file)).into_iter();
    rows.map(|mut row| (row.remove("backend").unwrap(), row.remove("exit").unwrap())).collect()
}

#[test]
fn when_the_disk_is_full_the_load_ends_soon_and_report_makes_the_row_of_what_was_saved() {
    let place = Place::new();
    let server = server();
    let url = server.url();
    let load = ["bench", "--url", &url, "--model", "smollm2", "--duration", "10m", "--concurrency", "16"];
    let command = place.command(&[&load[..], &["--warmup", "0"]].concat());
    let started = Instant::now();
    let ran = Running::of(with_little_room(command, 150_000)).wait().expect(1);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let ran = ran.says(&[
        "_records.jsonl: File too large",
        " requests are saved)",
        "hint: make room, then: harness report results",
    ]);
    let (_, saved) = ran.stderr.split_once("could not be written (").unwrap();
    let saved = saved.split(' ').next().unwrap();
    assert!(saved.parse::<u64>().unwrap() > 20, "{saved}");
    assert_eq!(exits(&place, SUMMARY), [("server".to_owned(), "failed".to_owned())]);
    place.run(&["report", "results"]).expect(1);
    let rows = place.summary_rows();
    assert_eq!(rows.len(), 1, "the row of the launch became the run's");
    assert_eq!((rows[0]["exit"].as_str(), rows[0]["requests_issued"].as_str()), ("partial", saved));
    assert!(!rows[0]["output_tps"].is_empty());
}

#[test]
fn when_the_disk_is_full_no_further_backend_is_started() {
    let place = Place::new();
    let traffic = ["--simulate", "--duration", "10m", "--concurrency", "16", "--warmup", "0"];
    let fast = ["--extra-args", "a=--ttft 2ms --itl 1ms --output-tokens 20"];
    let command = place.command(&[&["compare", "--backend", PRETEND][..], &traffic, &fast].concat());
    let ran = Running::of(with_little_room(command, 120_000)).wait().expect(1);
    assert!(!ran.stderr.contains("b-simulated: starting"), "{}", ran.stderr);
    assert!(ran.stdout.contains("File too large"), "{}", ran.stdout);
    place.assert_nothing_lives();
    place.run(&["report", "results"]).expect(1);
    let rows = exits(&place, "results/simulated_summary.csv");
    assert_eq!(rows, [("a-simulated".to_owned(), "partial".to_owned())]);
}

#[test]
fn pictures_that_cannot_be_written_cost_no_run_and_no_comparison() {
    let place = Place::new();
    let args = [&["compare", "--simulate", "--backend", PRETEND][..], &QUICK].concat();
    let ran = Running::of(with_little_room(place.command(&args), 70_000)).wait().expect(1);
    ran.says(&["error: cannot write results/compare_", ".png: File too large", "harness report results"]);
    assert_eq!(place.runs().len(), 2);
    assert!(place.folder("comparison.json").exists() && place.folder("report.md").exists());
    assert!(place.results("", "").iter().all(|path| !path.to_string_lossy().contains(".part")));
    place.run(&["report", "results"]).expect(0);
    assert!(place.folder("plots/comparison.png").exists());
}

#[test]
fn a_disk_without_room_is_known_before_anything_is_launched() {
    let place = Place::new();
    let args = [&["compare", "--simulate", "--backend", PRETEND][..], &QUICK].concat();
    let ran = Running::of(with_little_room(place.command(&args), 10_000)).wait().expect(2);
    assert!(!ran.stderr.contains("starting"), "{}", ran.stderr);
    ran.says(&["error: cannot write results to results", "hint: "]);
}

#[test]
fn an_output_that_cannot_be_written_is_known_before_anything_is_launched() {
    type Make = fn(&Place);
    let make: [(&str, Make); 6] = [
        ("a summary that is a directory", |place| {
            fs::create_dir_all(place.path("results/simulated_summary.csv")).unwrap();
        }),
        ("a summary that is a pipe", |place| {
            fs::create_dir(place.path("results")).unwrap();
            let pipe = place.path("results/simulated_summary.csv");
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }),
        ("a summary that is a link to nothing", |place| {
            fs::create_dir(place.path("results")).unwrap();
            let link = place.path("results/simulated_summary.csv");
            std::os::unix::fs::symlink("/nonexistent/x", link).unwrap();
        }),
        ("a file", |place| place.write("results", "")),
        ("a link to nothing", |place| {
            std::os::unix::fs::symlink("/nonexistent/x", place.path("results")).unwrap();
        }),
        ("below a file", |place| {
            place.write("file", "");
            std::os::unix::fs::symlink("file/results", place.path("results")).unwrap();
        }),
    ];
    for (what, make) in make {
        let place = Place::new();
        make(&place);
        let args = [&["compare", "--simulate", "--backend", PRETEND][..], &QUICK].concat();
        let ran = place.run(&args).expect(2);
        assert!(!ran.stderr.contains("starting"), "{what}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("error: cannot ") && ran.stderr.contains("hint: "),
            "{what}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_summary_that_goes_bad_meanwhile_costs_a_row_and_no_backend() {
    let place = Place::new();
    let args = [&["compare", "--simulate", "--backend", PRETEND][..], &QUICK].concat();
    let mut running = place.start(&args);
    running.wait_for_stderr("a-simulated: starting");
    fs::create_dir(place.path("results/simulated_summary.csv")).unwrap();
    let ran = running.wait().expect(1);
    ran.says(&[
        "error: 2 rows could not be put into results/simulated_summary.csv",
        "harness report results",
    ]);
    assert_eq!(place.runs().len(), 2);
    assert!(place.folder("comparison.json").exists());
    fs::remove_dir(place.path("results/simulated_summary.csv")).unwrap();
    place.run(&["report", "results"]).expect(0);
    assert_eq!(exits(&place, "results/simulated_summary.csv").len(), 2);
}

#[test]
fn a_lock_that_is_never_given_is_said_and_ctrl_c_ends_the_wait_with_the_run_saved() {
    let place = Place::new();
    let server = server();
    bench(&place, &server, &[]).expect(0);
    let held = fs::File::open(place.path(SUMMARY)).unwrap();
    held.lock().unwrap();
    let mut running = place.start(&bench_args(&server.url(), &[]));
    running.wait_for_stderr("waiting for the lock of results/benchmark_summary.csv");
    running.signal(Signal::INT);
    running.wait().expect(130).says(&["1 row could not be put", "harness report results"]);
    assert_eq!(place.runs().len(), 2);
    drop(held);
    place.run(&["report", "results"]).expect(0);
    assert_eq!(place.summary_rows().len(), 2);
}

#[test]
fn ctrl_c_twice_ends_at_once_also_while_a_run_is_being_closed() {
    let place = Place::new();
    let server = server();
    bench(&place, &server, &[]).expect(0);
    let held = fs::File::open(place.path(SUMMARY)).unwrap();
    held.lock().unwrap();
    let mut running = place.start(&bench_args(&server.url(), &[]));
    // Its records are closed, and it waits on the thread that closes runs.
    running.wait_for("the run's JSON", || place.results("server", ".json").len() == 2);
    running.signal(Signal::INT);
    running.wait_for_stderr("interrupted");
    running.signal(Signal::INT);
    let started = Instant::now();
    running.wait().expect(130);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(place.runs().len(), 2);
}

#[test]
fn a_lock_that_is_given_after_a_while_costs_nothing() {
    let place = Place::new();
    let server = server();
    bench(&place, &server, &[]).expect(0);
    let held = fs::File::open(place.path(SUMMARY)).unwrap();
    held.lock().unwrap();
    let mut running = place.start(&bench_args(&server.url(), &[]));
    running.wait_for_stderr("waiting for the lock");
    drop(held);
    running.wait().expect(0);
    assert_eq!(place.summary_rows().len(), 2);
}

#[test]
fn runs_that_begin_in_one_second_have_run_ids_and_rows_of_their_own() {
    let place = Place::new();
    let server = server();
    let url = server.url();
    let args = bench_args(&url, &[]);
    let together: Vec<Running> = (0..6).map(|_| place.start(&args)).collect();
    for running in together {
        running.wait().expect(0);
    }
    let mut ids: Vec<String> =
        place.summary_rows().into_iter().map(|mut row| row.remove("run_id").unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    place.run(&["report", "results"]).expect(0);
    assert_eq!(place.summary_rows().len(), 6);
    let hidden = fs::read_dir(place.path("results")).unwrap();
    let hidden = hidden.filter(|entry| entry.as_ref().unwrap().file_name().as_bytes().starts_with(b"."));
    assert_eq!(hidden.count(), 0, "no mark is left");
}

#[test]
fn a_name_that_is_no_text_works_or_is_refused_before_anything_is_launched() {
    let place = Place::new();
    let name = OsStr::from_bytes(b"caf\xe9");
    let odd = place.path("x").with_file_name(name);
    fs::create_dir(&odd).unwrap();
    let server = server();
    let run = |command: &[&str], here: bool, output: bool| {
        let mut command = place.command(command);
        if here {
            command.current_dir(&odd);
        }
        if output {
            command.arg("--output").arg(name);
        } else {
            command.arg("--output").arg(place.path("results"));
        }
        Running::of(command).wait()
    };
    let url = server.url();
    let bench = bench_args(&url, &[]);
    let launch = [&["run", "--simulate", "--backend", "vllm"][..], &QUICK].concat();
    let sweep = [&["sweep", "--simulate", "--backend", "vllm"][..], &QUICK].concat();
    let not_text = "is not UTF-8";
    run(&bench, true, false).expect(0);
    for (command, here, output) in
        [(&bench[..], false, true), (&launch, false, true), (&launch, true, false), (&sweep, true, false)]
    {
        let ran = run(command, here, output).expect(2).says(&[not_text, "hint: "]);
        assert!(!ran.stderr.contains("starting"), "{}", ran.stderr);
    }
    let mut report = place.command(&["report", "."]);
    fs::rename(place.path("results"), odd.join("results")).unwrap();
    Running::of({
        report.current_dir(odd.join("results"));
        report
    })
    .wait()
    .expect(0);
    let mut doctor = place.command(&["doctor"]);
    doctor.current_dir(&odd);
    Running::of(doctor).wait().expect(0);
}
