//! The examples do what they say: each is run as a user would run it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};

use common::{Place, Ran, Running, Simulator};

/// The built example. `cargo test` builds it; `cargo test --test examples` alone does not.
fn example(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_harness")).parent().unwrap().join("examples").join(name);
    assert!(path.is_file(), "{} is not built: cargo build --examples", path.display());
    path
}

fn run(place: &Place, name: &str, args: &[&str]) -> Ran {
    Running::of(place.command_of(&example(name), args)).wait()
}

/// The number behind these words.
#[track_caller]
fn number(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in:\n{text}"));
    let word = line.split_whitespace().next().unwrap();
    word.parse().unwrap_or_else(|_| panic!("{name} is no number in:\n{text}"))
}

#[test]
fn bench_url_measures_a_server_of_known_times() {
    let place = Place::new();
    let server = Simulator::start("vllm", &["--ttft", "80ms", "--itl", "5ms", "--output-tokens", "32"]);
    let ran = run(&place, "bench_url", &[&server.url()]).expect(0);
    assert_eq!(number(&ran.stdout, "completed"), 16.0, "{}", ran.stdout);
    let (p50, p99) = (number(&ran.stdout, "TTFT p50"), number(&ran.stdout, "TTFT p99"));
    // A server cannot answer before its time; how late it is on a busy machine is no matter here.
    assert!(80.0 <= p50 && p50 <= p99 && p50 < 1_000.0, "{}", ran.stdout);
    // Four streams, each of 32 tokens in 80 ms + 31 × 5 ms at the least.
    let most = 4.0 * 32.0 / (0.080 + 31.0 * 0.005);
    let tps = number(&ran.stdout, "output TPS");
    assert!(most / 10.0 < tps && tps <= most, "{tps} of {most}\n{}", ran.stdout);
    assert_eq!(place.results("server_2", ".json").len(), 1);
    place.assert_nothing_lives();
}

#[test]
fn bench_url_says_where_nothing_answers() {
    let place = Place::new();
    let ran = run(&place, "bench_url", &["http://127.0.0.1:1"]).expect(1);
    ran.says(&["http://127.0.0.1:1/v1/models does not answer: Connection refused"]);
}

#[test]
fn compare_two_launches_two_engines_shows_them_and_leaves_nothing() {
    let place = Place::new();
    let ran = run(&place, "compare_two", &["--simulate", "vllm", "sglang"]).expect(0);
    let events: u32 = ran.stdout.split(' ').next().unwrap().parse().unwrap();
    // Two launches, each with its readiness, load, files and end.
    assert!(events >= 2 * 6 + 2, "{}", ran.stdout);
    for text in [" events, 2 runs closed", "COMPARISON OF SIMULATED ENGINES", "vllm-", "sglang-", "TTFT p50"]
    {
        assert!(ran.stdout.contains(text), "no {text} in:\n{}", ran.stdout);
    }
    assert_eq!(ran.stdout.matches("16/16").count(), 2, "{}", ran.stdout);
    assert_eq!(place.results("vllm-simulated_2", ".json").len(), 1);
    place.assert_nothing_lives();
}

#[test]
fn compare_two_without_its_guard_program_launches_nothing() {
    let place = Place::new();
    let mut command = place.command_of(&example("compare_two"), &["--simulate", "vllm", "sglang"]);
    command.env("HARNESS", place.path("none"));
    Running::of(command).wait().expect(1).says(&["cannot start the guard", "none"]);
    place.assert_nothing_lives();
}
