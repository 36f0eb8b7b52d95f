//! The steady state: which part of a run it is, and when there is none.

use super::*;
use crate::analysis::{Cut, Otherwise};
use crate::schema::report_settings::TtftOf;
use crate::schema::summary::SteadyState;

/// Two slots, each playing requests of 200 ms with a token each 50 ms, from 0 for so many rounds.
fn steady_load(rounds: u64) -> Vec<RequestRecord> {
    (0..2 * rounds)
        .map(|index| completed(index, index / 2 * 200, &[(50, 1), (100, 1), (150, 1), (199, 1)]))
        .collect()
}

#[test]
fn a_closed_loop_is_steady_from_the_first_waves_tokens_until_nothing_more_is_issued() {
    let run = summarize(closed(), &steady_load(20), finish(3_800));
    let SteadyState { from_s, to_s, output_tps, rps } = run.steady.unwrap();
    // The first two requests have their first tokens at 50 ms; each 200 ms bring 8 tokens, 2 requests.
    // Requests that are issued at 3.8 s and later are the drain.
    close(from_s, 0.050);
    close(to_s, 3.8);
    // 19 rounds of 8 tokens ended by 3.8 s; all tokens arrived at 50 ms or later.
    close(output_tps, 19.0 * 8.0 / 3.75);
    close(rps, 19.0 * 2.0 / 3.75);
}

#[test]
fn the_ramp_is_cut_off_where_it_is_longer_than_the_first_wave() {
    let mut at_end = finish(3_800);
    at_end.engine.ramp_to_us = 1_000_000;
    let steady = summarize(closed(), &steady_load(20), at_end).steady.unwrap();
    close(steady.from_s, 1.0);
    close(steady.output_tps, 14.0 * 8.0 / 2.8);
}

#[test]
fn tokens_count_in_the_steady_state_whosever_they_are() {
    let mut records = steady_load(20);
    let whole = summarize(closed(), &records, finish(3_800)).steady.unwrap();
    records[5] = failed(records[5].clone(), FailureKind::Truncated);
    records[6] = cancelled(records[6].clone());
    let with = summarize(closed(), &records, finish(3_800)).steady.unwrap();
    close(with.output_tps, whole.output_tps);
    close(with.rps, whole.rps * 36.0 / 38.0);
}

#[test]
fn an_open_loop_is_steady_from_one_p90_of_e2e_to_the_last_due_time() {
    let records: Vec<RequestRecord> = (0..100)
        .map(|index| due(completed(index, index * 50, &[(100, 1), (200, 1)]), index * 50 * MS, 0, 0))
        .collect();
    let steady = summarize(open(), &records, Finish::default()).steady.unwrap();
    close(steady.from_s, 0.200);
    close(steady.to_s, 4.95);
    // In [200, 4950) ms: first tokens of requests 2 … 96, last tokens of requests 0 … 94.
    close(steady.output_tps, (95.0 + 95.0) / 4.75);
}

#[test]
fn a_short_run_has_no_steady_state() {
    let short = |rounds, issue_end_ms| summarize(closed(), &steady_load(rounds), finish(issue_end_ms)).steady;
    assert_eq!(short(5, 800), None);
    // Ten times the E2E of 199 ms behind the first tokens is enough, a ms less is not.
    assert_eq!(short(12, 2_039), None);
    assert!(short(12, 2_040).is_some());
}

#[test]
fn a_long_window_with_few_requests_has_no_steady_state() {
    let records: Vec<RequestRecord> =
        (0..8).map(|index| completed(index, index * 1_000, &[(50, 1), (900, 1)])).collect();
    assert_eq!(summarize(closed(), &records, finish(7_900)).steady, None);
}

#[test]
fn there_is_no_steady_state_where_chunks_do_not_say_their_tokens() {
    let mut records = steady_load(20);
    for record in &mut records {
        record.tokens.delivered = Some(8);
        record.tokens.output = Some(8);
    }
    assert_eq!(summarize(closed(), &records, finish(3_800)).steady, None);
}

#[test]
fn after_a_crash_the_last_request_stands_in_for_the_engines_word() {
    let steady = summarize(closed(), &steady_load(20), Finish::default()).steady.unwrap();
    close(steady.to_s, 3.8);
}

#[test]
fn the_window_of_the_gpus_is_that_of_every_other_figure() {
    // The engine begins before the first request is due, and waits for one that is stuck.
    let mut stuck = due(completed(1, 700, &[(50, 1)]), 700 * MS, 0, 0);
    stuck.end_us = 30_000 * MS;
    let records = [due(completed(0, 400, &[(50, 1), (600, 1)]), 400 * MS, 0, 0), cancelled(stuck)];
    let mut summarizer = Summarizer::new(open());
    records.iter().for_each(|record| summarizer.add(record));
    let window = summarizer.window_us();
    assert_eq!(window, Some((400 * MS, 1_000 * MS)));
    let run = summarizer.finish(finish(30_000)).unwrap();
    let from_us = run.started_at.duration_since(open().started_at).as_micros() as u64;
    assert_eq!(window, Some((from_us, from_us + (run.duration_s * 1e6).round() as u64)));

    let mut otherwise = Otherwise::new(open(), None, TtftOf::FirstEvent);
    records.iter().for_each(|record| otherwise.add(record));
    assert_eq!(otherwise.window_us(), window);
    let cut = Cut { from_us: 500 * MS, to_us: 900 * MS };
    assert_eq!(Otherwise::new(open(), Some(cut), TtftOf::FirstToken).window_us(), Some((500 * MS, 900 * MS)));
    assert_eq!(Summarizer::new(open()).window_us(), None);
}
