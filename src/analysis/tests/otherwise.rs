//! A part of a run, and another TTFT.

use super::*;
use crate::analysis::{Cut, Otherwise};
use crate::schema::objective::Objective;
use crate::schema::report_settings::TtftOf;
use crate::schema::summary::RequestCounts;

/// Two slots, each playing requests of 200 ms with a token each 50 ms, for 20 rounds.
fn load() -> Vec<RequestRecord> {
    (0..40).map(|index| completed(index, index / 2 * 200, &[(50, 1), (100, 1), (150, 1), (199, 1)])).collect()
}

fn summed(
    input: SummaryInput,
    records: &[RequestRecord],
    cut: Option<(u64, u64)>,
    ttft: TtftOf,
) -> RunSummary {
    let cut = cut.map(|(from_ms, to_ms)| Cut { from_us: from_ms * MS, to_us: to_ms * MS });
    let mut sum = Otherwise::new(input, cut, ttft);
    for record in records {
        sum.add(record);
    }
    sum.finish(Finish { issued: Some(records.len() as u64), ..finish(3_800) }).unwrap().0
}

#[test]
fn without_a_cut_and_with_the_usual_ttft_nothing_changes() {
    let finish = Finish { issued: Some(40), ..finish(3_800) };
    assert_eq!(summed(closed(), &load(), None, TtftOf::FirstToken), summarize(closed(), &load(), finish));
}

#[test]
fn a_part_holds_the_requests_sent_in_it_and_the_tokens_that_arrived_in_it() {
    let run = summed(closed(), &load(), Some((1_100, 2_100)), TtftOf::FirstToken);
    // Sent at 1.2 to 2.0 s, whole with their latency.
    assert_eq!((run.requests.issued, run.requests.completed), (10, 10));
    assert_eq!(distribution(&run, "e2e_ms").count, 10);
    // 6 tokens of those sent at 1.0, 8 of each pair from 1.2 to 1.8, 2 of those sent at 2.0 s.
    assert_eq!(scalar(&run, "output_tps"), 40.0);
    assert_eq!(run.output_tokens_by_second, [40]);
    // Pairs that ended at 1.199 to 1.999 s; first tokens at 1.25 to 2.05 s.
    assert_eq!(scalar(&run, "rps"), 10.0);
    assert_eq!(scalar(&run, "prompt_tps"), 100.0);
    assert_eq!((run.duration_s, run.steady.is_none()), (1.0, true));
    assert_eq!(run.started_at, closed().started_at + jiff::SignedDuration::from_millis(1_100));
}

#[test]
fn failures_of_a_part_are_those_of_the_requests_sent_in_it() {
    let mut records = load();
    records[12] = failed(records[12].clone(), FailureKind::Truncated);
    records[30] = failed(records[30].clone(), FailureKind::Truncated);
    let run = summed(closed(), &records, Some((1_000, 2_000)), TtftOf::FirstToken);
    let RequestCounts { issued, failed, .. } = run.requests;
    assert_eq!((issued, failed, scalar(&run, "error_rate_pct")), (10, 1, 10.0));
    // Tokens of a request that failed later arrived nevertheless; it completed nothing.
    assert_eq!((scalar(&run, "output_tps"), scalar(&run, "rps")), (40.0, 9.0));
}

#[test]
fn where_events_do_not_say_when_tokens_came_a_part_has_no_output_rate() {
    let mut records = load();
    for record in &mut records {
        record.tokens.output = Some(8);
        record.tokens.delivered = Some(8);
    }
    let run = summed(closed(), &records, Some((1_000, 2_000)), TtftOf::FirstToken);
    assert!(!run.metrics.contains_key("output_tps") && !run.metrics.contains_key("total_tps"));
    assert_eq!((scalar(&run, "prompt_tps"), scalar(&run, "rps")), (100.0, 10.0));
}

#[test]
fn goodput_of_a_part_counts_the_good_requests_sent_in_it() {
    let mut input = closed();
    input.objectives = vec![Objective {
        metric: "e2e_ms".to_owned(),
        statistic: crate::schema::figure::Statistic::P99,
        limit: 198.0,
    }];
    let mut records = load();
    for record in records.iter_mut().skip(12).take(3) {
        record.last_token_us = record.last_token_us.map(|at_us| at_us - 50 * MS);
    }
    let run = summed(input, &records, Some((1_000, 2_000)), TtftOf::FirstToken);
    assert_eq!(scalar(&run, "goodput_rps"), 3.0);
}

#[test]
fn ttft_is_what_was_asked_for_and_no_other_latency_changes() {
    let mut records = load();
    for record in &mut records {
        record.first_event_us = record.sent_us.map(|at_us| at_us + 10 * MS);
        record.first_answer_us = record.sent_us.map(|at_us| at_us + 100 * MS);
    }
    let usual = summed(closed(), &records, None, TtftOf::FirstToken);
    for (ttft, expected) in [(TtftOf::FirstEvent, 10.0), (TtftOf::FirstAnswerToken, 100.0)] {
        let run = summed(closed(), &records, None, ttft);
        assert_eq!(distribution(&run, "ttft_ms").p50, expected);
        assert_eq!(run.metrics["tpot_ms"], usual.metrics["tpot_ms"]);
    }
    let run = summed(closed(), &records, None, TtftOf::FromDue);
    assert!(!run.metrics.contains_key("ttft_ms"), "nothing is due in a closed loop");
    let open_load = [due(completed(0, 30, &[(50, 1), (60, 1)]), 10 * MS, 20 * MS, 0)];
    let run = summed(open(), &open_load, None, TtftOf::FromDue);
    assert_eq!(distribution(&run, "ttft_ms").p50, 70.0);
}

#[test]
fn objectives_of_ttft_are_held_against_the_ttft_that_was_asked_for() {
    let mut input = closed();
    input.objectives = vec![Objective {
        metric: "ttft_ms".to_owned(),
        statistic: crate::schema::figure::Statistic::P99,
        limit: 60.0,
    }];
    let mut records = load();
    for record in &mut records {
        record.first_answer_us = record.sent_us.map(|at_us| at_us + 100 * MS);
    }
    assert!(summed(input.clone(), &records, None, TtftOf::FirstToken).objectives[0].met);
    let run = summed(input, &records, None, TtftOf::FirstAnswerToken);
    assert!(!run.objectives[0].met && !run.metrics.contains_key("goodput_rps"));
}
