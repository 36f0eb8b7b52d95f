//! A client that is kept from its work (stopped, and continued after 50 ms): its stamps against the server's true writes.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::ENGINES;
use super::accounts::{Truth, number};
use super::common::{Place, Running, Simulator, monotonic_ns};
use super::played::Played;

const STOP: Duration = Duration::from_millis(50);
/// A stamp may be off by so much, µs: what the issue allows.
const EXACT_US: i64 = 200;
/// What lies between two readings of two clocks, µs.
const CLOCKS_US: i64 = 2_000;

/// One stop, CLOCK_MONOTONIC ns: told, seen by every thread, over.
#[derive(Debug, Clone, Copy)]
struct Stop {
    told_ns: u64,
    seen_ns: u64,
    over_ns: u64,
}

impl Stop {
    fn of(running: &Running) -> Stop {
        let told_ns = monotonic_ns();
        running.signal(Signal::STOP);
        while !running.is_stopped() {
            assert!(monotonic_ns() < told_ns + 10_000_000_000, "it does not stop");
            std::thread::yield_now();
        }
        let seen_ns = monotonic_ns();
        std::thread::sleep(STOP);
        let over_ns = monotonic_ns();
        running.signal(Signal::CONT);
        Stop { told_ns, seen_ns, over_ns }
    }

    /// Written while it slept for certain. As it falls asleep it may be in the middle of a read.
    fn holds(&self, write_ns: u64) -> bool {
        (self.seen_ns..self.over_ns).contains(&write_ns)
    }

    fn is_falling_asleep(&self, write_ns: u64) -> bool {
        (self.told_ns.saturating_sub(1_000_000)..self.seen_ns).contains(&write_ns)
    }
}

/// Plays one answer and stops the client a few times in it, each time with a token due in the middle.
fn play(engine: &str, itl_ms: u64, tokens: u64) -> (Played, Truth, Vec<Stop>) {
    let place = Place::marked();
    let itl = format!("{itl_ms}ms");
    let simulator = Simulator::start(engine, &["--ttft", "200ms", "--itl", &itl, "--output-tokens", "900"]);
    let tokens_text = tokens.to_string();
    let load =
        ["--requests", "1", "--concurrency", "1", "--warmup", "0", "--quiet", "--max-tokens", &tokens_text];
    let running = place.start_bench(engine, &simulator.url(), &load);
    let arrival_ns = number(&simulator.truth_when(|lines| lines.len() == 1)[0]["arrival_mono_ns"]);
    let mut stops = Vec::new();
    for middle_ms in (0..4).map(|round| 200 + 300 * round).take_while(|ms| *ms < 200 + itl_ms * tokens) {
        let from_ns = arrival_ns + middle_ms * 1_000_000 - STOP.as_nanos() as u64 / 2;
        std::thread::sleep(Duration::from_nanos(from_ns.saturating_sub(monotonic_ns())));
        stops.push(Stop::of(&running));
    }
    let played = Played::read(&place, engine, running.wait());
    assert_eq!(played.ended.code, Some(0), "{}", played.ended.stderr);
    let truth = Truth::of(&simulator, &played);
    played.check_against(&truth);
    (played, truth, stops)
}

/// What was seen of the stops; an error names the stamp that lies.
#[derive(Debug, Default)]
struct Seen {
    inside: usize,
    marked_inside: usize,
}

/// Holds each stamp against the write of its token.
fn look(played: &Played, truth: &Truth, stops: &[Stop]) -> Result<Seen, String> {
    let record = &played.records[0];
    let zero_ns = number(&played.header["monotonic_zero_ns"]);
    let writes = truth.last_of(record)["writes"].as_array().unwrap();
    assert_eq!(record.arrivals().len(), writes.len());
    let mut seen = Seen::default();
    let (mut oldest_late_us, mut newest_late_us) = (0, i64::MAX);
    for ((at_us, bound_us), write) in record.arrivals().into_iter().zip(writes) {
        let [before_ns, after_ns] = [1, 2].map(|column: usize| number(&write[column]));
        if stops.iter().any(|stop| stop.is_falling_asleep(before_ns) || stop.is_falling_asleep(after_ns)) {
            continue;
        }
        let run_us = |ns: u64| (ns as i64 - zero_ns as i64) / 1000;
        let (from_us, to_us) = (run_us(before_ns) - EXACT_US, run_us(after_ns) + EXACT_US);
        // It came between the bound and the stamp.
        if at_us < from_us || at_us - bound_us.unwrap_or(0) > to_us {
            return Err(format!("written from {from_us} to {to_us}, stamp {at_us}, bound {bound_us:?}"));
        }
        if let Some(stop) = stops.iter().find(|stop| stop.holds(before_ns)) {
            seen.inside += 1;
            seen.marked_inside += usize::from(bound_us.is_some());
            let late_us = run_us(stop.over_ns) - run_us(before_ns);
            (oldest_late_us, newest_late_us) = (oldest_late_us.max(late_us), newest_late_us.min(late_us));
        }
    }
    // Lag counts from the newest of what a read finds; how much longer the oldest lay there is its bound.
    let lag_us = record.reader_lag_max_us;
    let bound_us = record.arrivals().into_iter().filter_map(|(_, bound_us)| bound_us).max().unwrap_or(0);
    if seen.inside > 0
        && (lag_us < newest_late_us - CLOCKS_US || lag_us + bound_us < oldest_late_us - CLOCKS_US)
    {
        return Err(format!(
            "late by {newest_late_us} to {oldest_late_us} µs, reader lag {lag_us}, bound {bound_us}"
        ));
    }
    Ok(seen)
}

/// The first of a few plays that went as planned: where others use the machine too a stop may come late, or
/// a virtual machine take the core away, which no account shows.
fn attempts(engine: &str, itl_ms: u64, tokens: u64, is_enough: impl Fn(&Seen, &Played, &Truth) -> bool) {
    let (mut said, mut lies) = (Vec::new(), 0);
    for _ in 0..5 {
        let (played, truth, stops) = play(engine, itl_ms, tokens);
        match look(&played, &truth, &stops) {
            Ok(seen) if is_enough(&seen, &played, &truth) => return,
            Ok(seen) => said.push(format!("{seen:?}")),
            Err(lie) => {
                said.push(lie);
                lies += 1;
            }
        }
        assert!(lies < 2, "{engine}, {itl_ms} ms between tokens: {said:#?}");
    }
    panic!("{engine}, {itl_ms} ms between tokens: {said:#?}");
}

/// The largest distance of a stamp from its token's write, µs.
fn worst_us(played: &Played, truth: &Truth) -> i64 {
    let zero_ns = number(&played.header["monotonic_zero_ns"]);
    let record = &played.records[0];
    let writes = truth.last_of(record)["writes"].as_array().unwrap();
    let late = |(at_us, write): (i64, &Value)| at_us - (number(&write[2]) as i64 - zero_ns as i64) / 1000;
    record.arrivals().into_iter().map(|(at_us, _)| at_us).zip(writes).map(late).max().unwrap()
}

#[test]
fn a_stop_between_distant_tokens_moves_no_stamp_and_shows_as_reader_lag() {
    for engine in ENGINES {
        attempts(engine, 100, 10, |seen, played, truth| {
            seen.inside >= 2 && worst_us(played, truth) <= EXACT_US
        });
    }
}

#[test]
fn tokens_that_are_found_together_after_a_stop_are_marked_with_a_bound_that_holds() {
    for engine in ENGINES {
        // Five come in a stop; only the last of them has a stamp of its own.
        attempts(engine, 10, 60, |seen, _, _| seen.inside >= 4 && seen.marked_inside >= 2);
    }
}
