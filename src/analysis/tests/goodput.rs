//! Objectives held against requests and runs, on requests that can be checked on paper.

use super::*;
use crate::schema::caveat::Caveat;
use crate::schema::figure::{self, Statistic};
use crate::schema::objective::Objective;

fn objective(metric: &str, statistic: Statistic, limit: f64) -> Objective {
    Objective { metric: metric.to_owned(), statistic, limit }
}

fn wanting(objectives: Vec<Objective>) -> SummaryInput {
    SummaryInput { objectives, ..closed() }
}

/// TTFT of so many ms, then a token every 10 ms.
fn answered(index: u64, ttft_ms: u64, tokens: u64) -> RequestRecord {
    let chunks: Vec<(u64, u32)> = (0..tokens).map(|token| (ttft_ms + 10 * token, 1)).collect();
    completed(index, 100 * index, &chunks)
}

fn goodput(objectives: Vec<Objective>, records: &[RequestRecord]) -> (f64, f64) {
    let run = summarize(wanting(objectives), records, finish(1_000));
    (scalar(&run, figure::GOODPUT_PCT), scalar(&run, figure::GOODPUT_RPS) * run.duration_s)
}

#[test]
fn a_request_counts_where_it_meets_every_objective_and_failed_ones_are_in_the_denominator() {
    let wanted =
        vec![objective(figure::TTFT, Statistic::P99, 50.0), objective(figure::E2E, Statistic::P99, 80.0)];
    let records = [
        answered(0, 50, 4),
        answered(1, 51, 3),
        answered(2, 40, 6),
        failed(answered(3, 10, 3), FailureKind::Truncated),
        cancelled(answered(4, 10, 3)),
    ];
    // The first alone: TTFT 50 and E2E 80; then TTFT 51, E2E 90, a failure, and one that was cut off.
    let (share, good) = goodput(wanted, &records);
    close(share, 20.0);
    close(good, 1.0);
}

#[test]
fn an_answer_of_one_token_has_no_pace_to_miss_and_an_answer_without_a_token_no_ttft_to_meet() {
    let tpot = || vec![objective(figure::TPOT, Statistic::P99, 5.0)];
    close(goodput(tpot(), &[answered(0, 50, 1), answered(1, 50, 3)]).0, 50.0);
    let ttft = || vec![objective(figure::TTFT, Statistic::P99, 100.0)];
    let mut empty = answered(1, 0, 0);
    empty.tokens.output = Some(1);
    close(goodput(ttft(), &[answered(0, 50, 3), empty]).0, 50.0);
}

#[test]
fn of_the_gaps_of_a_request_the_same_statistic_counts_as_of_those_of_the_run() {
    let stuttering = completed(0, 0, &[(10, 1), (20, 1), (30, 1), (40, 1), (140, 1)]);
    let of = |statistic| vec![objective(figure::ITL, statistic, 50.0)];
    close(goodput(of(Statistic::P50), std::slice::from_ref(&stuttering)).0, 100.0);
    close(goodput(of(Statistic::Max), std::slice::from_ref(&stuttering)).0, 0.0);
    // Of four gaps there is no p99.9: the largest stands in.
    close(goodput(of(Statistic::P999), &[stuttering]).0, 0.0);
}

#[test]
fn goodput_is_withheld_with_the_pace_that_an_objective_is_about_and_absent_without_objectives() {
    // 100 of 110 tokens came before the first shown event.
    let hidden = |index| {
        let mut record = answered(index, 50, 10);
        (record.tokens.output, record.tokens.delivered) = (Some(110), Some(110));
        record
    };
    let records: Vec<RequestRecord> = (0..4).map(hidden).collect();
    let run = |objectives| summarize(wanting(objectives), &records, finish(1_000));
    let tpot = run(vec![objective(figure::TPOT, Statistic::P99, 50.0)]);
    assert!(tpot.caveats.iter().any(|caveat| matches!(caveat, Caveat::PaceWithheld { .. })));
    assert!(!tpot.metrics.contains_key(figure::GOODPUT_RPS));
    assert_eq!(
        tpot.missed().map(|missed| missed.value).collect::<Vec<_>>(),
        [None],
        "nobody can say it was met"
    );
    let ttft = run(vec![objective(figure::TTFT, Statistic::P99, 50.0)]);
    close(scalar(&ttft, figure::GOODPUT_PCT), 100.0);
    assert_eq!(ttft.missed().count(), 0, "a statistic may be as large as its limit");
    let none = run(Vec::new());
    assert!(!none.metrics.contains_key(figure::GOODPUT_PCT) && none.objectives.is_empty());
}

#[test]
fn a_run_is_held_against_its_statistics_and_its_error_rate() {
    let wanted = vec![
        objective(figure::TTFT, Statistic::Mean, 60.0),
        objective(figure::ERROR_RATE, Statistic::Value, 20.0),
    ];
    let broken = failed(answered(2, 10, 3), FailureKind::Status);
    let run = summarize(wanting(wanted), &[answered(0, 50, 2), answered(1, 72, 2), broken], finish(1_000));
    let judged: Vec<(f64, bool)> =
        run.objectives.iter().map(|judged| (judged.value.unwrap().round(), judged.met)).collect();
    assert_eq!(judged, [(61.0, false), (33.0, false)]);
}

#[test]
fn a_price_gives_the_cost_of_a_million_tokens() {
    let input = SummaryInput { price_per_hour: Some(3.6), ..closed() };
    // 10 tokens of output and 10 of the prompt in 140 ms, at 0.001 a second.
    let run = summarize(input, &[answered(0, 50, 10)], finish(1_000));
    close(scalar(&run, figure::OUTPUT_COST), 0.14 * 0.001 * 1e6 / 10.0);
    close(scalar(&run, figure::TOTAL_COST), 0.14 * 0.001 * 1e6 / 20.0);
    assert!(
        !summarize(closed(), &[answered(0, 50, 10)], finish(1_000)).metrics.contains_key(figure::OUTPUT_COST)
    );
}
