//! `--trace`: what was seen somewhere is played again, and `dataset stats` tells what is in it.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use super::common::*;
use super::plans::pretend;

fn slice(name: &str) -> String {
    format!("{}/tests/data/workloads/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Three seconds of the slice of Azure's conversations, with short answers.
const BRIEF: [&str; 8] =
    ["--window", "..3s", "--max-output-tokens", "4", "--max-input-tokens", "400", "--warmup", "0"];

fn bench(place: &Place, simulator: &Simulator, trace: &str, more: &[&str]) -> Ran {
    let url = simulator.url();
    let args = ["bench", "--url", &url, "--model", "smollm2", "--trace", trace];
    place.run(&[&args[..], more].concat())
}

/// Times of the slice's first rows, µs after the first.
fn azure_times_us() -> Vec<u64> {
    let text = fs::read_to_string(slice("azure-llm-2023-conv.csv")).unwrap();
    let times = text.lines().skip(1).map(|line| {
        let time = line.split(',').next().unwrap().split(' ').nth(1).unwrap();
        let mut parts = time.split(':');
        let mut next = || parts.next().unwrap().parse::<f64>().unwrap();
        ((next() * 3600.0 + next() * 60.0 + next()) * 1e6).round() as u64
    });
    let times: Vec<u64> = times.collect();
    times.iter().map(|at| at - times[0]).collect()
}

/// Due times of the only run's records.
fn dues_us(place: &Place, label: &str) -> Vec<u64> {
    dues_of(&place.result(&format!("{label}_2"), "_records.jsonl.zst"))
}

/// Due times of a run's records, µs after the first, in the order of their rows.
fn dues_of(records: &Path) -> Vec<u64> {
    let mut dues: Vec<(u64, u64)> = lines(records)
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["phase"] == "measured")
        .map(|record| (record["index"].as_u64().unwrap(), record["due_us"].as_u64().unwrap()))
        .collect();
    dues.sort_unstable();
    dues.iter().map(|(_, due)| due - dues[0].1).collect()
}

#[test]
fn a_trace_reaches_the_server_when_it_says_whatever_the_number_of_threads() {
    let expected: Vec<u64> = azure_times_us().into_iter().take_while(|at| *at < 3_000_000).collect();
    for threads in ["1", "2", "4"] {
        let place = Place::new();
        let simulator = Simulator::start("vllm", &["--ttft", "1ms", "--itl", "1ms"]);
        let more = [&BRIEF[..], &["--client-threads", threads]].concat();
        bench(&place, &simulator, &slice("azure-llm-2023-conv.csv"), &more)
            .expect(0)
            .says(&["Azure LLM inference trace"]);
        assert_eq!(dues_us(&place, "server"), expected, "{threads} threads");
        let arrived: Vec<u64> = simulator
            .truth()
            .iter()
            .map(|request| request["arrival_mono_ns"].as_u64().unwrap() / 1_000)
            .collect();
        assert_eq!(arrived.len(), expected.len());
        let first = arrived[0] - expected[0];
        let mut late: Vec<u64> =
            arrived.iter().zip(&expected).map(|(at, due)| at.abs_diff(first + due)).collect();
        late.sort_unstable();
        // The machine may be busy: half of them are on time, and none is another one's.
        assert!(late[late.len() / 2] < 20_000, "{threads} threads: {late:?}");
        let run = place.run_json("server");
        let arrivals = &run["plan"]["loads"][0]["traffic"]["arrivals"];
        assert_eq!((&arrivals["pattern"], &arrivals["requests"]), (&"trace".into(), &expected.len().into()));
        assert_eq!(run["plan"]["dataset"]["trace"]["rows"], 2_000);
    }
}

#[test]
fn twice_the_speed_takes_half_the_time() {
    let place = Place::new();
    let simulator = Simulator::start("vllm", &["--ttft", "1ms", "--itl", "1ms"]);
    let more = [&BRIEF[..], &["--speed", "2"]].concat();
    bench(&place, &simulator, &slice("azure-llm-2023-conv.csv"), &more).expect(0);
    let expected = azure_times_us()
        .into_iter()
        .take_while(|at| *at < 3_000_000)
        .map(|at| (at as f64 / 2.0).round() as u64);
    assert_eq!(dues_us(&place, "server"), expected.collect::<Vec<u64>>());
}

#[test]
fn a_trace_that_ticks_is_told_before_the_run_and_as_its_caveat_unless_it_is_spread() {
    let simulator = Simulator::start("vllm", &["--ttft", "1ms", "--itl", "1ms"]);
    let trace = slice("mooncake-conversation.jsonl");
    for (more, told) in [(&[][..], true), (&["--spread-ticks"], false)] {
        let place = Place::new();
        let more = [&BRIEF[2..], &["--window", "..10s", "--speed", "5"], more].concat();
        let ran = bench(&place, &simulator, &trace, &more).expect(0);
        assert_eq!(ran.stderr.contains("bursts that never happened"), told, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("spread at random over its 3 s"), !told, "{}", ran.stderr);
        let run = place.run_json("server");
        let caveats = run["summary"]["caveats"].as_array().unwrap();
        let ticks = caveats.iter().find(|caveat| caveat["code"] == "trace_ticks");
        assert_eq!(ticks.is_some(), told);
        if let Some(ticks) = ticks {
            assert_eq!((&ticks["step_s"], &ticks["instants"]), (&3.0.into(), &4.into()));
        }
    }
}

#[test]
fn a_cap_holds_and_the_wait_of_a_burst_is_slot_wait() {
    let place = Place::new();
    let simulator = Simulator::start("vllm", &["--ttft", "20ms", "--itl", "5ms"]);
    let more = [&BRIEF[2..], &["--window", "..4s", "--concurrency", "2"]].concat();
    bench(&place, &simulator, &slice("mooncake-conversation.jsonl"), &more).expect(0);
    let run = place.run_json("server");
    let wait = &run["summary"]["client"]["slot_wait_ms"];
    assert!(wait["max"].as_f64().unwrap() > 20.0, "{wait}");
}

#[test]
fn a_trace_that_is_resumed_has_the_same_times_and_another_file_is_refused() {
    let place = Place::new();
    fs::copy(slice("azure-llm-2023-conv.csv"), place.path("trace.csv")).unwrap();
    let more = [&["--trace", "trace.csv", "--rounds", "2"][..], &BRIEF].concat();
    let args = pretend("compare", &["a", "b"], &more);
    let mut running = place.start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    running.wait_for_stdout("=== RESULTS");
    running.signal(Signal::TERM);
    running.wait().expect(130);
    let folder = place.result("compare_", "").display().to_string();
    place.run(&["compare", "--resume", &folder]).expect(0);
    let expected: Vec<u64> = azure_times_us().into_iter().take_while(|at| *at < 3_000_000).collect();
    let files = place.results("", "_records.jsonl.zst");
    let whole = files.iter().map(|file| dues_of(file)).filter(|dues| *dues == expected).count();
    assert_eq!(whole, 4, "two backends, two rounds: {files:?}");
    let text = fs::read_to_string(place.path("trace.csv")).unwrap();
    fs::write(place.path("trace.csv"), text.replacen(",374,44", ",374,45", 1)).unwrap();
    let refused = place.run(&["compare", "--resume", &folder]).expect(2);
    assert!(
        refused.stderr.contains("trace.csv is not the one that the plan was made with"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_a_trace_cannot_be_played_with_is_refused_by_name_with_a_cure() {
    let place = Place::new();
    let azure = slice("azure-llm-2023-conv.csv");
    let rag = slice("ragpulse.jsonl");
    let base = ["bench", "--url", "http://127.0.0.1:9", "--model", "m", "--dry-run"];
    for (more, said) in [
        (&["--trace", &azure, "--rate", "2"][..], "--trace and --rate do not go together"),
        (&["--trace", &azure, "--dataset", "x.jsonl"], "--trace and --dataset do not go together"),
        (&["--trace", &azure, "--steps", "1@5s"], "--trace and --steps do not go together"),
        (&["--trace", &azure, "--requests", "2001"], "more than the trace has: 2000 are left to play"),
        (&["--trace", &azure, "--spread-ticks"], "its clock does not tick"),
        (&["--trace", &azure, "--trace-format", "burstgpt"], "it is no BurstGPT trace"),
        (&["--trace", &azure, "--speed", "0"], "--speed 0 is out of its range"),
        (&["--trace", &azure, "--window", "2h.."], "no request is left to play"),
        (&["--trace", &rag], "row 720 of 755 (from 0) steps back"),
        (&["--trace", "absent.csv"], "the trace absent.csv does not exist"),
        (&["--speed", "2"], "--speed is for a trace"),
        (&["--skip-bad"], "--skip-bad is for a trace"),
        (&["--trace", &azure, "--columns", "time=a"], "--columns must name time, input and output"),
    ] {
        let ran = place.run(&[&base[..], more].concat()).expect(2);
        assert!(ran.stderr.contains(said) && ran.stderr.contains("hint: "), "{more:?}: {}", ran.stderr);
    }
    let append = place.run(&[&base[..], &["--trace", &rag, "--on-step-back", "append"]].concat()).expect(0);
    let plan: Value = serde_json::from_str(&append.stdout).unwrap();
    assert_eq!(plan["dataset"]["trace"]["moved_s"], serde_json::json!([604_453.0]));
    assert_eq!(plan["loads"][0]["until"]["requests"], 755);
}

#[test]
fn stats_tell_what_is_in_a_trace_and_in_prompts_within_eighty_columns() {
    let place = Place::new();
    for name in ["azure-llm-2023-code.csv", "burstgpt-1.csv", "mooncake-conversation.jsonl", "ragpulse.jsonl"]
    {
        let ran = place.run(&["dataset", "stats", &slice(name)]).expect(0);
        let widest = ran.stdout.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80, "{}", ran.stdout);
        assert!(ran.stdout.contains("in 60 s") && ran.stdout.contains("input tokens"), "{}", ran.stdout);
    }
    let json = place.run(&["dataset", "stats", &slice("burstgpt-1.csv"), "--json"]).expect(0).stdout;
    let stats: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&stats["holds"], &stats["rows"], &stats["failed"]),
        (&"trace".into(), &400.into(), &17.into())
    );
    let built_in = place.run(&["dataset", "stats"]).expect(0).stdout;
    assert!(built_in.contains("categories") && built_in.contains("characters"), "{built_in}");
    place.write("twice.jsonl", "{\"prompt\": \"One two.\"}\n{\"prompt\": \"One two.\"}\n");
    let json = place.run(&["dataset", "stats", "twice.jsonl", "--json"]).expect(0).stdout;
    let stats: Value = serde_json::from_str(&json).unwrap();
    let told =
        (&stats["prompts"], &stats["duplicates"], &stats["words"]["total"], &stats["characters"]["max"]);
    assert_eq!(told, (&2.into(), &1.into(), &4.into(), &8.into()));
}

#[test]
fn a_picture_of_a_trace_is_drawn_where_its_name_tells_the_form() {
    let place = Place::new();
    let mooncake = slice("mooncake-conversation.jsonl");
    place.run(&["dataset", "stats", &mooncake, "--picture", "trace.png"]).expect(0);
    place.run(&["dataset", "stats", &mooncake, "--picture", "trace.svg"]).expect(0);
    assert!(fs::read(place.path("trace.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(place.read("trace.svg").contains("tick, not arrivals"));
    let refused = place.run(&["dataset", "stats", &mooncake, "--picture", "trace.gif"]).expect(2);
    assert!(refused.stderr.contains("end it in .png or .svg"), "{}", refused.stderr);
}
