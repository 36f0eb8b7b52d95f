//! Each fault of the pretend engine, on each wire: the kind that it ends in, which requests, and nobody else.

use serde_json::Value;

use super::accounts::{Truth, endings};
use super::common::{Place, Simulator};
use super::on_each_wire;
use super::played::{Played, Record};

/// Tokens of every answer.
const TOKENS: u64 = 8;
const PACE: [&str; 6] = ["--ttft", "3ms", "--itl", "1ms", "--output-tokens", "50"];
const LOAD: [&str; 6] = ["--max-tokens", "8", "--ignore-eos", "--warmup", "0", "--quiet"];

/// What a request that arrived as this line of the truth says must have ended in.
fn due_ending(engine: &str, line: &Value) -> &'static str {
    match line["fault"].as_str() {
        None | Some("long") => "completed",
        Some("reset" | "cut" | "truncate") => "truncated",
        Some("garbage" | "badjson") => "protocol",
        Some("error") => "error_event",
        // The length of an answer cannot be forced there.
        Some("short") if engine == "tgi" => "completed",
        Some("short") => "short_output",
        // One stall lasts for ever, one for a moment.
        Some("stall") if line["number"] == ENDLESS => "timeout",
        Some("stall") => "completed",
        Some(status) => {
            assert!(status.parse::<u16>().is_ok(), "{line}");
            "status"
        }
    }
}

/// The request that stalls for ever.
const ENDLESS: u64 = 17;

fn check_each(engine: &str, played: &Played, truth: &Truth) {
    played.check_against(truth);
    for record in &played.records {
        let arrivals = truth.arrivals_of(record);
        // Only a connection that was closed before any byte of an answer is tried again, once.
        if let [first, _] = arrivals {
            assert_eq!(first["fault"], "reset", "{record:?}");
        }
        let line = truth.last_of(record);
        assert_eq!(record.ending(), due_ending(engine, line), "{engine}: {record:?}\n{line}");
        check_details(record, line);
    }
}

fn check_details(record: &Record, line: &Value) {
    let fault = line["fault"].as_str().unwrap_or_default();
    let tokens = match fault {
        "short" => 3,
        "long" => TOKENS + 3,
        _ => TOKENS,
    };
    match record.ending() {
        "completed" | "short_output" => assert_eq!(record.tokens.output, Some(tokens), "{record:?}"),
        "status" => {
            assert_eq!(record.status.map(|status| status.to_string()).as_deref(), Some(fault), "{record:?}");
            assert!(record.detail.contains(&format!(": {fault}")), "{record:?}");
        }
        _ => assert!(!record.detail.is_empty(), "{record:?}"),
    }
    // What came before it went wrong is kept, and is all that the server wrote.
    if ["cut", "truncate", "garbage", "error"].contains(&fault) {
        assert_eq!(record.seen(), line["tokens"].as_u64().unwrap(), "{record:?}\n{line}");
    }
}

/// At once, for the most of each is waiting.
fn every_kind(engine: &str) {
    std::thread::scope(|scope| {
        for endpoint in ["chat", "completions"] {
            scope.spawn(move || every_kind_at(engine, endpoint));
        }
    });
}

/// Each kind once or twice among forty requests of four streams.
fn every_kind_at(engine: &str, endpoint: &str) {
    let place = Place::marked();
    let faults = [
        "reset:at=3",
        "429:at=5",
        "503:at=7",
        "500:at=9",
        "cut:at=11,tokens=3",
        "cut:at=12,tokens=0",
        "truncate:at=13,tokens=3",
        "truncate:at=14,tokens=0",
        "stall:at=15,tokens=3,for=300ms",
        "stall:at=17,tokens=3",
        "garbage:at=19,tokens=3",
        "garbage:at=20,tokens=0",
        "badjson:at=21,tokens=3",
        "short:at=23,tokens=3",
        "long:at=25,tokens=3",
        "error:at=27,tokens=3",
        "error:at=28,tokens=0",
    ];
    let faults: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
    let simulator = Simulator::start(engine, &[&PACE[..], &faults].concat());
    let load = ["--requests", "40", "--concurrency", "4", "--timeout", "4s", "--endpoint", endpoint];
    let played = place.bench(engine, &simulator, &[&LOAD[..], &load].concat());
    assert_eq!(played.ended.code, Some(1), "{}", played.ended.stderr);
    let truth = Truth::of(&simulator, &played);
    check_each(engine, &played, &truth);

    let short = u64::from(engine != "tgi");
    let mut expected = vec![
        ("completed", 40 - 13 - short),
        ("error_event", 2),
        ("protocol", 3),
        ("status", 3),
        ("timeout", 1),
        ("truncated", 4),
    ];
    expected.extend((short > 0).then_some(("short_output", short)));
    // The request that was reset had an open connection of the pool: it came through on another.
    assert_eq!(played.records.iter().filter(|record| record.replayed).count(), 1);
    assert_eq!(played.summary["client"]["reconnects"], 1);
    assert_eq!(endings(&played.records), expected.into_iter().collect(), "{engine}");
    place.assert_nothing_lives();
}

#[test]
fn every_kind_of_fault_ends_as_what_it_is_on_the_wire_of_vllm() {
    every_kind("vllm");
}

#[test]
fn every_kind_of_fault_ends_as_what_it_is_on_the_wire_of_sglang() {
    every_kind("sglang");
}

#[test]
fn every_kind_of_fault_ends_as_what_it_is_on_the_wire_of_llamacpp() {
    every_kind("llamacpp");
}

#[test]
fn every_kind_of_fault_ends_as_what_it_is_on_the_wire_of_tgi() {
    every_kind("tgi");
}

const SHARES: [&str; 16] = [
    "--seed",
    "7",
    "--fault",
    "reset:0.04",
    "--fault",
    "429:0.08",
    "--fault",
    "500:0.04",
    "--fault",
    "cut:0.08,tokens=3",
    "--fault",
    "garbage:0.04,tokens=2",
    "--fault",
    "error:0.08,tokens=2",
    "--fault",
    "truncate:0.04,tokens=5",
];

/// What each request that arrived got, in the order of arrival.
fn pattern(truth: &Truth) -> Vec<Value> {
    let mut lines: Vec<&Value> = truth.arrivals.values().flatten().collect();
    lines.sort_by_key(|line| line["number"].as_u64());
    lines.iter().map(|line| line["fault"].clone()).collect()
}

#[test]
fn faults_by_share_hit_the_same_requests_under_one_seed_whoever_sends_them() {
    let mut patterns: Vec<Vec<Value>> = Vec::new();
    for (engine, threads, streams) in [("vllm", "1", "1"), ("sglang", "4", "16")] {
        let place = Place::marked();
        let simulator = Simulator::start(engine, &[&PACE[..], &SHARES].concat());
        let load = ["--requests", "100", "--concurrency", streams, "--client-threads", threads];
        let played = place.bench(engine, &simulator, &[&LOAD[..], &load].concat());
        assert_eq!(played.ended.code, Some(1), "{}", played.ended.stderr);
        let truth = Truth::of(&simulator, &played);
        check_each(engine, &played, &truth);
        patterns.push(pattern(&truth));
    }
    // A request that is reset is sent again, which is one arrival more.
    let common = patterns[0].len().min(patterns[1].len());
    assert!(common >= 100, "{common}");
    assert_eq!(patterns[0][..common], patterns[1][..common]);
    for kind in ["reset", "429", "500", "cut", "garbage", "error", "truncate"] {
        assert!(patterns[0].iter().any(|fault| fault == kind), "{kind} never came");
    }
}

#[test]
fn a_server_that_resets_every_connection_fails_every_request_once() {
    on_each_wire(|engine| {
        let place = Place::marked();
        let simulator = Simulator::start(engine, &[&PACE[..], &["--fault", "reset:1"]].concat());
        let load = ["--requests", "9", "--concurrency", "3"];
        let played = place.bench(engine, &simulator, &[&LOAD[..], &load].concat());
        assert_eq!(played.ended.code, Some(1), "{}", played.ended.stderr);
        let truth = Truth::of(&simulator, &played);
        played.check_against(&truth);
        assert_eq!(endings(&played.records), [("truncated", 9)].into(), "{engine}");
        let replayed = played.records.iter().filter(|record| record.replayed).count();
        let arrivals: usize = truth.arrivals.values().map(Vec::len).sum();
        // Those over the connections that were opened ahead; no later one was open before its request.
        assert_eq!((replayed, arrivals), (3, 12), "{engine}");
    });
}

#[test]
fn above_its_limit_a_server_refuses_in_its_own_words_and_the_others_are_served() {
    for (engine, ending) in
        [("vllm", "status"), ("sglang", "error_event"), ("tgi", "error_event"), ("llamacpp", "completed")]
    {
        let place = Place::marked();
        let limit = ["--ttft", "150ms", "--itl", "5ms", "--output-tokens", "50", "--max-in-flight", "2"];
        let simulator = Simulator::start(engine, &limit);
        let load = ["--requests", "24", "--concurrency", "6", "--ramp", "0s"];
        let played = place.bench(engine, &simulator, &[&LOAD[..], &load].concat());
        let truth = Truth::of(&simulator, &played);
        played.check_against(&truth);
        let mut refused = 0;
        for record in &played.records {
            let line = truth.last_of(record);
            let is_refused = line["outcome"] == "refused";
            refused += u64::from(is_refused);
            assert_eq!(
                record.ending(),
                if is_refused { ending } else { "completed" },
                "{engine}: {record:?}"
            );
        }
        // llama-server's queue has no limit.
        assert_eq!(refused == 0, engine == "llamacpp", "{engine}: {refused}");
        assert_eq!(played.ended.code, Some(i32::from(refused > 0)), "{}", played.ended.stderr);
        assert!(refused < 24, "{engine}: two at a time were served");
    }
}

#[test]
fn connections_that_are_refused_are_failures_to_connect_and_reach_nobody() {
    on_each_wire(|engine| {
        let place = Place::marked();
        // The only connection lives until the fourth request cuts it; there is no other after it.
        let faults = ["--refuse-after", "4", "--fault", "cut:at=4,tokens=2"];
        let simulator = Simulator::start(engine, &[&PACE[..], &faults].concat());
        let played = place.bench(
            engine,
            &simulator,
            &[&LOAD[..], &["--requests", "9", "--concurrency", "1"]].concat(),
        );
        assert_eq!(played.ended.code, Some(1), "{}", played.ended.stderr);
        let all: Vec<&str> = played.records.iter().map(Record::ending).collect();
        assert_eq!(all[..4], ["completed", "completed", "completed", "truncated"], "{engine}");
        assert_eq!(all[4..], ["connect"; 5], "{engine}");
        played.check_identity();
        // Nobody can ask it any more what it saw: the listener is closed.
        assert!(played.records[4..].iter().all(|record| record.sent_us.is_none()), "{engine}");
    });
}

#[test]
fn a_crash_amid_an_answer_breaks_what_was_in_flight_and_the_rest_finds_nobody() {
    on_each_wire(|engine| {
        for streams in [1, 4] {
            let place = Place::marked();
            // Most of an answer is the wait for its first byte, in which the crash finds the other streams.
            let crash = ["--ttft", "60ms", "--itl", "5ms", "--output-tokens", "50", "--crash-after", "6"];
            let mut simulator = Simulator::start(engine, &crash);
            let streams_text = streams.to_string();
            let load = ["--requests", "16", "--concurrency", &streams_text];
            let played = place.bench(engine, &simulator, &[&LOAD[..], &load].concat());
            assert_eq!(played.ended.code, Some(1), "{}", played.ended.stderr);
            assert_eq!(simulator.wait().0, Some(1));
            played.check_identity();
            let found = endings(&played.records);
            let count = |ending: &str| found.get(ending).copied().unwrap_or(0);
            assert_eq!(count("completed") + count("truncated") + count("connect"), 16, "{engine}: {found:?}");
            // The seventh was amid its answer, with the other streams beside it, some before their first byte;
            // and one may have begun while a dying process still had its connection open.
            assert!((1..=2 * streams).contains(&count("truncated")), "{engine}: {found:?}");
            if streams == 1 {
                assert_eq!(count("completed"), 6, "{engine}: {found:?}");
            }
            for record in &played.records {
                // A request that was sent was not refused, whatever became of its server then.
                assert_eq!(record.kind == "connect", record.sent_us.is_none(), "{engine}: {record:?}");
            }
        }
    });
}
