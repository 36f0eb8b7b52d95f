//! `--resume`: whatever stopped a plan, what is left of it is played, and each run stands once.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::common::*;
use super::plans::{BRIEF, Key, assert_whole, comparison, key, key_of_row, keys, pretend, simulated_rows};

/// Two backends, three rounds, two repeats: twelve runs.
pub const LABELS: [&str; 2] = ["a", "b"];
const MANY: [&str; 4] = ["--rounds", "3", "--repeats", "2"];

fn start(place: &Place) -> Running {
    let args = pretend("compare", &LABELS, &[&BRIEF[..], &MANY].concat());
    place.start(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

pub fn resume(place: &Place, more: &[&str]) -> Ran {
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
fn a_plan_that_is_still_being_played_is_not_resumed() {
    let place = Place::new();
    let folder = whole(&place, &[]);
    let held = fs::File::open(place.folder("plan.json")).unwrap();
    held.lock().unwrap();
    place.run(&["compare", "--resume", &folder]).expect(2).says(&["is still being played", "hint: "]);
    drop(held);
    place.run(&["compare", "--resume", &folder]).expect(0);
}

#[test]
fn a_results_directory_may_be_called_as_a_comparison_is_and_be_reached_by_a_link() {
    let place = Place::new();
    let more = ["--repeats", "2", "--output", "bench_today"];
    let args = pretend("compare", &["a"], &[&BRIEF[..], &more].concat());
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    let name = fs::read_dir(place.path("bench_today"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.starts_with("compare_") && place.path("bench_today").join(name).is_dir())
        .unwrap();
    std::os::unix::fs::symlink(place.path("bench_today").join(&name), place.path("latest")).unwrap();
    for folder in [format!("bench_today/{name}"), "latest".to_owned()] {
        place.run(&["compare", "--resume", &folder]).expect(0).says(&["0 left of 2 runs"]);
    }
    place.run(&["report", "bench_today"]).expect(0);
}

#[test]
fn one_run_of_several_does_not_become_the_comparison() {
    let place = Place::new();
    whole(&place, &[]);
    let before = comparison(&place, "compare_");
    let records = place.result("a-simulated_p1_r1_n1_", "_records.jsonl.zst");
    place.run(&["report", records.to_str().unwrap()]).expect(0).says(&["has further runs"]);
    assert_eq!(comparison(&place, "compare_"), before);
}

#[test]
fn a_closed_pipe_ends_the_printing_and_not_the_plan() {
    let place = Place::new();
    let args = pretend("compare", &["a"], &[&BRIEF[..], &["--repeats", "2"]].concat());
    let mut command = place.command(&args.iter().map(String::as_str).collect::<Vec<_>>());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(comparison(&place, "compare_")["runs"].as_array().unwrap().len(), 2);
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

/// Stops a plan of two runs after the first, and resumes it with the command that began it.
fn resumed_after_the_first(place: &Place, args: &[&str], title: &str) -> Ran {
    let mut running = place.start(args);
    running.wait_for_stderr("\n1 of 2 runs");
    running.signal(Signal::INT);
    running.wait().expect(130);
    let folder = place.result(title, "").display().to_string();
    let mut command = place.command(&[args[0], "--resume", &folder]);
    // What the environment sets for new plans changes nothing of this one.
    command.env("HARNESS_CONCURRENCY", "7").env("HARNESS_SEED", "9");
    Running::of(command).wait().expect(0).says(&["plan: ", "files: "])
}

#[test]
fn a_sweep_and_a_run_are_resumed_as_a_comparison_is() {
    let cases: [(&str, &str, &[&str]); 2] = [
        ("sweep", "sweep_", &["--concurrency", "1,2"]),
        ("run", "run_", &["--repeats", "2", "--concurrency", "2"]),
    ];
    for (command, title, more) in cases {
        let place = Place::new();
        // Long enough for a signal to find the second run.
        let load = ["--requests", "200", "--warmup", "1", "--max-tokens", "4"];
        let args = pretend(command, &["a"], &[&load[..], more].concat());
        resumed_after_the_first(&place, &args.iter().map(String::as_str).collect::<Vec<_>>(), title);
        let (points, repeats) = if command == "sweep" { (2, 1) } else { (1, 2) };
        assert_whole(&place, title, &keys(&["a"], points, 1, repeats));
        let seeds: BTreeSet<u64> =
            place.headers().iter().map(|header| header["plan"]["seed"].as_u64().unwrap()).collect();
        assert_eq!(seeds, BTreeSet::from([0]));
    }
}

#[test]
fn a_sweep_over_a_server_that_runs_is_resumed_too() {
    let place = Place::new();
    let server = Simulator::start("vllm", &["--ttft", "5ms", "--itl", "1ms", "--output-tokens", "4"]);
    let load = ["--rates", "inf,50", "--requests", "100", "--warmup", "0", "--max-tokens", "4"];
    let url = server.url();
    resumed_after_the_first(&place, &[&["sweep", "--url", &url][..], &load].concat(), "sweep_");
    let said: BTreeSet<Key> = place.summary_rows().iter().map(key_of_row).collect();
    let expected = [1, 2].map(|point| ("server".to_owned(), point, 1, 1));
    assert_eq!((said, place.summary_rows().len()), (BTreeSet::from(expected), 2));
    assert!(place.summary_rows().iter().all(|row| row["exit"] == "ok" && row["requests_completed"] == "100"));
}
