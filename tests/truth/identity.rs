//! issued = completed + failed + cancelled + dropped, for every traffic, bound and way to end, against the server's book.

use rustix::process::Signal;

use super::accounts::{Truth, endings, number};
use super::common::{Place, Simulator};
use super::played::Played;

const PACE: [&str; 6] = ["--ttft", "3ms", "--itl", "1ms", "--output-tokens", "50"];
const SLOW: [&str; 6] = ["--ttft", "100ms", "--itl", "10ms", "--output-tokens", "50"];
/// Two tokens, then nothing more.
const ENDLESS: [&str; 8] =
    ["--ttft", "3ms", "--itl", "1ms", "--output-tokens", "50", "--fault", "stall:1,tokens=2"];
const THREADS: [&str; 3] = ["1", "2", "4"];

/// A run of answers of 8 tokens, both of whose books agree.
fn played(engine: &str, pace: &[&str], load: &[&str]) -> Played {
    let place = Place::marked();
    let simulator = Simulator::start(engine, pace);
    let played = place.bench(engine, &simulator, &[&["--max-tokens", "8", "--quiet"], load].concat());
    played.check_against(&Truth::of(&simulator, &played));
    place.assert_nothing_lives();
    played
}

fn expect(played: &Played, code: i32, expected: &[(&str, u64)]) {
    assert_eq!(endings(&played.records), expected.iter().copied().collect());
    assert_eq!(played.ended.code, Some(code), "{}", played.ended.stderr);
}

#[test]
fn a_closed_loop_by_requests_completes_them_all_with_and_without_a_warm_up() {
    for (engine, threads, warmup) in [("vllm", "1", 0), ("sglang", "2", 7), ("tgi", "4", 3)] {
        let warmup_text = warmup.to_string();
        let load = ["--requests", "30", "--concurrency", "5", "--client-threads", threads];
        let played = played(engine, &PACE, &[&load[..], &["--warmup", &warmup_text]].concat());
        expect(&played, 0, &[("completed", 30)]);
        assert_eq!(played.warmup.len(), warmup);
    }
}

#[test]
fn a_warm_up_that_fails_is_counted_apart() {
    let faults = ["--fault", "503:at=2", "--fault", "cut:at=4"];
    let load = ["--requests", "12", "--concurrency", "3", "--warmup", "6"];
    let played = played("llamacpp", &[&PACE[..], &faults].concat(), &load);
    expect(&played, 0, &[("completed", 12)]);
    assert_eq!(endings(&played.warmup), [("completed", 4), ("status", 1), ("truncated", 1)].into());
}

#[test]
fn a_closed_loop_by_time_ends_in_its_drain_and_cancels_what_outlives_it() {
    for threads in THREADS {
        let load = ["--duration", "1s", "--concurrency", "5", "--warmup", "0", "--client-threads", threads];
        let drained = played("sglang", &SLOW, &[&load[..], &["--drain", "60s", "--ramp", "0s"]].concat());
        let issued = number(&drained.summary["requests"]["issued"]);
        expect(&drained, 0, &[("completed", issued)]);
        assert!(issued >= 5, "{issued}");
        // Each slot holds one for ever.
        let cut = played("vllm", &ENDLESS, &[&load[..], &["--drain", "100ms", "--ramp", "0s"]].concat());
        expect(&cut, 1, &[("cancelled", 5)]);
        assert!(cut.records.iter().all(|record| record.seen() <= 2));
    }
}

#[test]
fn an_open_loop_by_requests_is_the_same_for_any_number_of_threads() {
    let mut schedules = Vec::new();
    for (engine, threads) in ["vllm", "llamacpp", "tgi"].into_iter().zip(THREADS) {
        let load = ["--rate", "150", "--requests", "45", "--warmup", "4", "--seed", "5"];
        let played = played(engine, &PACE, &[&load[..], &["--client-threads", threads]].concat());
        expect(&played, 0, &[("completed", 45)]);
        let from_us = number(&played.footer["engine"]["measured_from_us"]);
        let due = |due_us: Option<u64>| due_us.unwrap() - from_us;
        let records = played.records.iter();
        schedules.push(
            records
                .map(|record| (record.index, due(record.due_us), record.prompt_id.clone()))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(schedules[0], schedules[1]);
    assert_eq!(schedules[0], schedules[2]);
}

#[test]
fn an_open_loop_by_time_cancels_exactly_what_stalls() {
    for threads in THREADS {
        let faults = ["--fault", "stall:0.4,tokens=2", "--seed", "3"];
        let load = ["--rate", "100", "--arrival", "constant", "--duration", "500ms", "--warmup", "0"];
        let ends = ["--drain", "2s", "--client-threads", threads];
        let played = played("vllm", &[&PACE[..], &faults].concat(), &[&load[..], &ends].concat());
        let all = endings(&played.records);
        assert_eq!((all["completed"] + all["cancelled"], all.len()), (50, 2), "{all:?}");
        let stalled = played.records.iter().filter(|record| record.seen() == 2).count() as u64;
        assert!(all["cancelled"] == stalled && stalled >= 10, "{all:?}");
    }
}

#[test]
fn a_cap_that_is_too_low_drops_what_never_got_a_slot_and_nobody_sees_it() {
    for threads in THREADS {
        let load = ["--rate", "100", "--arrival", "constant", "--duration", "400ms", "--warmup", "0"];
        let more = ["--concurrency", "3", "--client-threads", threads];
        let stuck = played("vllm", &ENDLESS, &[&load[..], &more, &["--drain", "100ms"]].concat());
        // Nothing measured is no success.
        expect(&stuck, 1, &[("cancelled", 3), ("dropped", 37)]);
        let slow = played("tgi", &SLOW, &[&load[..], &more, &["--drain", "60s"]].concat());
        let all = endings(&slow.records);
        assert_eq!(all["completed"] + all["dropped"], 40, "{all:?}");
        assert!(all["completed"] >= 3 && all["dropped"] > 0, "{all:?}");
    }
}

#[test]
fn a_stall_under_a_cap_times_out_and_gives_its_slot_back() {
    for (engine, traffic) in [("vllm", &["--rate", "500"][..]), ("llamacpp", &[])] {
        let faults = ["--fault", "stall:at=3,tokens=2", "--fault", "reset:at=6"];
        let load = ["--requests", "10", "--concurrency", "1", "--timeout", "2s", "--warmup", "0"];
        let played = played(engine, &[&PACE[..], &faults].concat(), &[&load[..], traffic].concat());
        expect(&played, 1, &[("completed", 9), ("timeout", 1)]);
        assert_eq!(played.records[2].ending(), "timeout");
    }
}

#[test]
fn a_warm_up_by_time_is_whole_before_the_first_measured_request() {
    let load = ["--warmup", "300ms", "--concurrency", "3", "--rate", "100", "--requests", "20"];
    let played = played("tgi", &PACE, &load);
    expect(&played, 0, &[("completed", 20)]);
    assert!(endings(&played.warmup)["completed"] >= 3);
    let first_us = played.records.iter().filter_map(|record| record.sent_us).min();
    assert!(played.warmup.iter().all(|record| record.sent_us < first_us));
}

#[test]
fn a_cap_without_a_time_makes_them_wait_and_drops_none() {
    let load = ["--rate", "500", "--requests", "20", "--concurrency", "2", "--warmup", "0"];
    expect(
        &played("sglang", &PACE, &[&load[..], &["--client-threads", "2"]].concat()),
        0,
        &[("completed", 20)],
    );
}

#[test]
fn answers_that_end_by_themselves_are_counted_as_the_server_counts_them() {
    // An end of sequence is a token to vLLM and SGLang, and none that is shown.
    for engine in super::ENGINES {
        let place = Place::marked();
        let pace = ["--ttft", "3ms", "--itl", "1ms", "--output-tokens", "2-12"];
        let simulator = Simulator::start(engine, &pace);
        let load =
            ["--requests", "24", "--concurrency", "4", "--warmup", "0", "--max-tokens", "9", "--quiet"];
        let played = place.bench(engine, &simulator, &load);
        assert_eq!(played.ended.code, Some(0), "{}", played.ended.stderr);
        played.check_identity();
        let truth = Truth::of(&simulator, &played);
        let output = |index: usize| played.records[index].tokens.output;
        assert!((1..24).any(|index| output(index) != output(0)), "lengths differ");
        for record in &played.records {
            assert_eq!(
                record.tokens.output,
                Some(number(&truth.last_of(record)["tokens"])),
                "{engine}: {record:?}"
            );
        }
        let server = &played.summary["server"];
        assert_eq!(server["generated_tokens"], server["client_generated_tokens"], "{engine}");
    }
}

/// Ctrl-C once the server has seen so many requests: what the files say then.
fn interrupted(engine: &str, pace: &[&str], load: &[&str], seen: u64) -> Played {
    let place = Place::marked();
    let simulator = Simulator::start(engine, pace);
    let args = [&["--max-tokens", "8", "--quiet", "--drain", "60s"], load].concat();
    let mut running = place.start_bench(engine, &simulator.url(), &args);
    running.wait_for("the load", || number(&simulator.get("/truth/summary").json()["requests"]) >= seen);
    running.signal(Signal::INT);
    let ended = running.wait();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let played = Played::read(&place, engine, ended);
    played.check_against(&Truth::of(&simulator, &played));
    assert_eq!(played.summary["partial"], "interrupted");
    place.assert_nothing_lives();
    played
}

#[test]
fn ctrl_c_cancels_what_is_in_flight_in_every_traffic() {
    let closed = ["--concurrency", "4", "--requests", "1000", "--warmup", "0"];
    let open = ["--rate", "100", "--requests", "1000", "--warmup", "0"];
    let capped = ["--rate", "200", "--requests", "1000", "--concurrency", "4", "--warmup", "0"];
    for (engine, threads) in ["vllm", "sglang", "tgi"].into_iter().zip(THREADS) {
        let threads = ["--client-threads", threads];
        for load in [&closed[..], &open, &capped] {
            let played = interrupted(engine, &SLOW, &[load, &threads].concat(), 10);
            let all = endings(&played.records);
            assert!(all.contains_key("completed") || all["cancelled"] >= 4, "{all:?}");
            assert!(load != capped || all.contains_key("dropped"), "{all:?}");
            assert!(!played.records.iter().any(|record| record.outcome == "failed"), "{all:?}");
        }
    }
}

#[test]
fn ctrl_c_while_a_request_stalls_does_not_wait_for_it() {
    let load = ["--concurrency", "3", "--requests", "1000", "--warmup", "0", "--ramp", "0s"];
    let played = interrupted("llamacpp", &ENDLESS, &load, 3);
    assert_eq!(endings(&played.records), [("cancelled", 3)].into());
}

#[test]
fn ctrl_c_in_the_warm_up_issues_nothing() {
    let load = ["--concurrency", "3", "--requests", "10", "--warmup", "500"];
    let played = interrupted("vllm", &SLOW, &load, 5);
    assert!(played.records.is_empty(), "{:?}", played.records);
    assert!(endings(&played.warmup)["cancelled"] >= 1);
}
