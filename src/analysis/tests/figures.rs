//! Every metric against its formula, on records that fit on a page.

use super::*;
use crate::schema::figure;

/// Two requests: A sent at 0, tokens at 100, 120, 140, 160 ms; B sent at 50, tokens at +200, +250 ms.
fn two() -> [RequestRecord; 2] {
    [completed(0, 0, &[(100, 1), (120, 1), (140, 1), (160, 1)]), completed(1, 50, &[(200, 1), (250, 1)])]
}

#[test]
fn every_latency_follows_its_formula() {
    let run = summarize(closed(), &two(), Finish::default());
    let mean = |name| distribution(&run, name).mean;
    close(mean(figure::TTFT), (100.0 + 200.0) / 2.0);
    close(mean(figure::E2E), (160.0 + 250.0) / 2.0);
    close(mean(figure::TPOT), (60.0 / 3.0 + 50.0 / 1.0) / 2.0);
    close(mean(figure::ITL), (20.0 + 20.0 + 20.0 + 50.0) / 4.0);
    close(mean(figure::CHUNK_GAP), (20.0 + 20.0 + 20.0 + 50.0) / 4.0);
    close(mean(figure::NTPOT), (160.0 / 4.0 + 250.0 / 2.0) / 2.0);
    close(scalar(&run, figure::USER_TPS), (3.0 / 0.060 + 1.0 / 0.050) / 2.0);
    assert_eq!(distribution(&run, figure::ITL).count, 4);
    assert!(!run.metrics.contains_key(figure::TTFT_FROM_DUE), "a closed loop has no due times");
}

#[test]
fn every_rate_has_the_same_window_below_it_as_above() {
    let run = summarize(closed(), &two(), Finish::default());
    // First sent at 0, last end at 50 + 250 ms.
    close(run.duration_s, 0.300);
    close(scalar(&run, figure::OUTPUT_TPS), 6.0 / 0.300);
    close(scalar(&run, figure::PROMPT_TPS), 20.0 / 0.300);
    close(scalar(&run, figure::TOTAL_TPS), 26.0 / 0.300);
    close(scalar(&run, figure::RPS), 2.0 / 0.300);
    close(scalar(&run, figure::ERROR_RATE), 0.0);
    assert_eq!((run.tokens.prompt, run.tokens.output, run.tokens.delivered), (20, 6, 6));
    assert_eq!(run.tokens.sources.get(&TokenSource::Usage), Some(&2));
}

#[test]
fn latency_from_due_counts_what_a_user_waits() {
    let record = due(completed(0, 130, &[(100, 1), (150, 1)]), 100 * MS, 20 * MS, 10 * MS);
    let run = summarize(open(), &[record], Finish::default());
    close(distribution(&run, figure::TTFT).p50, 100.0);
    close(distribution(&run, figure::TTFT_FROM_DUE).p50, 130.0);
    close(distribution(&run, figure::E2E_FROM_DUE).p50, 180.0);
    close(run.duration_s, 0.180);
    assert_eq!(run.started_at, "2026-02-01T14:30:00.1Z".parse().unwrap());
}

#[test]
fn an_eos_that_is_counted_and_not_shown_is_no_token_of_the_decode() {
    let mut record = completed(0, 0, &[(100, 1), (120, 1), (140, 1)]);
    record.tokens.output = Some(4);
    let run = summarize(closed(), &[record], Finish::default());
    close(distribution(&run, figure::TPOT).p50, 40.0 / 2.0);
    close(distribution(&run, figure::NTPOT).p50, 140.0 / 3.0);
    close(scalar(&run, figure::USER_TPS), 2.0 / 0.040);
    close(scalar(&run, figure::OUTPUT_TPS), 4.0 / 0.140);
    assert_eq!((run.tokens.output, run.tokens.delivered), (4, 3));
}

#[test]
fn a_single_token_has_no_time_per_output_token() {
    let run = summarize(closed(), &[completed(0, 0, &[(100, 1)])], Finish::default());
    for absent in [figure::TPOT, figure::ITL, figure::CHUNK_GAP, figure::USER_TPS] {
        assert!(!run.metrics.contains_key(absent), "{absent}");
    }
    close(distribution(&run, figure::NTPOT).p50, 100.0);
}

#[test]
fn a_gap_before_k_tokens_is_k_gaps_and_the_first_chunk_has_none() {
    // 3 tokens at once, 40 ms, 4 tokens, 30 ms, 1 token.
    let run = summarize(closed(), &[completed(0, 0, &[(100, 3), (140, 4), (170, 1)])], Finish::default());
    let itl = distribution(&run, figure::ITL);
    assert_eq!(itl.count, 5);
    close(itl.mean, (4.0 * 10.0 + 30.0) / 5.0);
    close(itl.p50, 10.0);
    close(itl.max, 30.0);
    let gap = distribution(&run, figure::CHUNK_GAP);
    assert_eq!(gap.count, 2);
    close(gap.p50, 35.0);
    assert_eq!(run.tokens_per_chunk, [(1, 1), (3, 1), (4, 1)].into());
}

#[test]
fn the_gap_before_a_chunk_without_a_new_token_goes_to_the_next_token() {
    let run = summarize(closed(), &[completed(0, 0, &[(100, 1), (110, 0), (140, 2)])], Finish::default());
    let itl = distribution(&run, figure::ITL);
    assert_eq!(itl.count, 2);
    close(itl.min, 20.0);
    close(itl.max, 20.0);
    assert_eq!(distribution(&run, figure::CHUNK_GAP).count, 2);
}

#[test]
fn a_failed_request_enters_no_latency_and_every_rate() {
    let [a, b] = two();
    let late = failed(completed(2, 60, &[(900, 1), (940, 1)]), FailureKind::Truncated);
    let run = summarize(closed(), &[a, b, late], Finish::default());
    close(distribution(&run, figure::TTFT).max, 200.0);
    assert_eq!(distribution(&run, figure::ITL).count, 4);
    // Its end bounds the window, its tokens are not output.
    close(run.duration_s, 1.0);
    close(scalar(&run, figure::OUTPUT_TPS), 6.0);
    close(scalar(&run, figure::RPS), 2.0);
    close(scalar(&run, figure::ERROR_RATE), 100.0 / 3.0);
    assert_eq!(run.requests.failures, [(FailureKind::Truncated, 1)].into());
}

#[test]
fn a_cancelled_request_ends_by_our_own_cut_and_bounds_no_window() {
    let [a, b] = two();
    let cut = cancelled(completed(2, 60, &[(900, 1), (940, 1)]));
    let run = summarize(closed(), &[a, b, cut, dropped(3, 70)], Finish::default());
    close(run.duration_s, 0.300);
    close(distribution(&run, figure::TTFT).max, 200.0);
    assert_eq!((run.tokens.output, run.tokens.delivered), (6, 6));
    assert_eq!(run.requests.issued, 4);
    assert_eq!((run.requests.completed, run.requests.cancelled, run.requests.dropped), (2, 1, 1));
    close(scalar(&run, figure::ERROR_RATE), 0.0);
}

#[test]
fn warm_up_is_counted_apart_and_enters_nothing() {
    let [a, b] = two();
    let mut warm = completed(0, 0, &[(9_000, 1), (9_500, 7)]);
    warm.phase = Phase::Warmup;
    warm.stamps = StampKind::Read;
    let alone = summarize(closed(), &[a.clone(), b.clone()], Finish::default());
    let mut with = summarize(closed(), &[warm, a, b], Finish::default());
    assert_eq!((with.warmup.issued, with.warmup.completed), (1, 1));
    with.warmup = alone.warmup.clone();
    assert_eq!(with, alone);
}

#[test]
fn a_token_rate_is_left_out_where_a_count_is_missing() {
    let [a, mut b] = two();
    b.tokens.prompt = None;
    let run = summarize(closed(), &[a, b], Finish::default());
    assert!(!run.metrics.contains_key(figure::PROMPT_TPS));
    assert!(!run.metrics.contains_key(figure::TOTAL_TPS));
    close(scalar(&run, figure::OUTPUT_TPS), 6.0 / 0.300);
    assert_eq!(run.prompt_tokens_by_id, [("p0".to_owned(), 10)].into());
}

#[test]
fn however_many_prompts_there_are_a_thousand_ids_are_kept_and_always_the_same() {
    let record = |index: u64| {
        let mut record = completed(index, 0, &[(100, 1), (200, 1)]);
        record.prompt_id = format!("p{:05}", index % 2_500).into();
        record.tokens.prompt = Some(1 + index as u32 % 2_500 + u32::from(index >= 2_500) * 2);
        record
    };
    // Each prompt twice, the second time counted with 2 tokens more: a mean of both is 1 more than the first.
    let forwards: Vec<RequestRecord> = (0..5_000).map(record).collect();
    let backwards: Vec<RequestRecord> = forwards.iter().rev().cloned().collect();
    let scattered: Vec<RequestRecord> = (0..5_000).map(|k| record(k * 1_741 % 5_000)).collect();
    let kept: std::collections::BTreeMap<String, u32> =
        (0..1_000u32).map(|k| (format!("p{k:05}"), k + 2)).collect();
    for records in [forwards, backwards, scattered] {
        let run = summarize(closed(), &records, Finish::default());
        assert_eq!(run.prompt_tokens_by_id, kept);
        assert_eq!(run.tokens.prompt, 5_000 / 2 * 2_499 + 2_500 * 2 + 5_000, "the sum is over all of them");
    }
}

#[test]
fn tokens_arrive_in_their_second_whosever_they_are() {
    let records = [
        completed(0, 1_500, &[(100, 1), (1_000, 2)]),
        failed(completed(1, 1_600, &[(300, 5)]), FailureKind::Timeout),
        cancelled(completed(2, 1_700, &[(2_000, 1)])),
    ];
    let run = summarize(closed(), &records, Finish::default());
    // Seconds count from the first sent request, 1.5 s: 1.6 → 0, 2.5 → 1, 1.9 → 0, 3.7 → 2.
    assert_eq!(run.output_tokens_by_second, [6, 2, 1]);
    close(run.duration_s, 1.0);
}

#[test]
fn a_lost_request_is_an_error() {
    let mut summarizer = Summarizer::new(closed());
    two().iter().for_each(|record| summarizer.add(record));
    let error = summarizer.finish(Finish { issued: Some(3), ..Finish::default() }).unwrap_err();
    assert!(error.to_string().contains("3 requests were issued, but the records hold 2"), "{error}");
}

#[test]
fn a_run_without_a_record_has_no_figure_and_does_not_fail() {
    let run = summarize(closed(), &[], Finish { issued: Some(0), ..Finish::default() });
    assert!(run.metrics.is_empty(), "{:?}", run.metrics);
    close(run.duration_s, 0.0);
    assert!(run.output_tokens_by_second.is_empty());
}
