//! Each caveat on both sides of its rule.

use super::*;
use crate::schema::caveat::Caveat;
use crate::schema::figure;
use crate::schema::record::MissingSign;
use crate::schema::summary::{MissingCounters, ServerCounts};
use crate::schema::workers::WorkerStats;

/// A hundred clean requests: no caveat applies.
fn hundred() -> Vec<RequestRecord> {
    (0..100).map(|index| completed(index, index * 100, &[(50, 1), (60, 1), (70, 1), (80, 1)])).collect()
}

fn codes(run: &RunSummary) -> Vec<&'static str> {
    run.caveats.iter().map(Caveat::code).collect()
}

fn of(records: &[RequestRecord]) -> Vec<&'static str> {
    codes(&summarize(closed(), records, Finish::default()))
}

#[test]
fn a_clean_run_has_no_caveat() {
    assert!(of(&hundred()).is_empty());
}

#[test]
fn few_samples_are_fewer_than_a_hundred_completed() {
    assert_eq!(of(&hundred()[1..]), ["few_samples"]);
}

#[test]
fn failures_count_above_one_percent() {
    let mut records = hundred();
    records.push(failed(completed(100, 0, &[]), FailureKind::Connect));
    assert!(of(&records).is_empty(), "1 of 101");
    records.push(failed(completed(101, 0, &[]), FailureKind::Status));
    assert_eq!(of(&records), ["failures"]);
}

#[test]
fn tokens_that_the_server_did_not_count_are_an_estimate() {
    let mut records = hundred();
    records[1].tokens.source = TokenSource::Chunks;
    let run = summarize(closed(), &records, Finish::default());
    assert_eq!(run.caveats, [Caveat::TokensEstimated { requests: 1, completed: 100 }]);
}

#[test]
fn answers_without_a_sign_of_their_end_and_events_passed_over_are_counted() {
    let mut records = hundred();
    records[0].missing_sign = Some(MissingSign::DoneMarker);
    records[1].missing_sign = Some(MissingSign::DoneMarker);
    records[2].missing_sign = Some(MissingSign::FinishReason);
    records[3].passed_over = 4;
    records[4].passed_over = 1;
    let run = summarize(closed(), &records, Finish::default());
    assert_eq!(
        run.caveats,
        [
            Caveat::SignMissing { done_marker: 2, finish_reason: 1 },
            Caveat::PassedOver { events: 5, requests: 2 }
        ]
    );
    assert!(!run.caveats.iter().any(Caveat::is_invalid));
}

#[test]
fn paces_are_withheld_where_events_and_tokens_differ_by_over_one_percent() {
    let mut records = hundred();
    let told = |record: &mut RequestRecord, tokens| {
        record.tokens.output = Some(tokens);
        record.tokens.delivered = Some(tokens);
        record.finish_reason = Some("length".into());
    };
    // 400 tokens in chunks. One request says 2 more and one 2 fewer: 4 of 400, not 0, and not above 1 %.
    told(&mut records[0], 6);
    told(&mut records[1], 2);
    let run = summarize(closed(), &records, Finish::default());
    assert!(codes(&run).is_empty());
    assert!(figure::PACES.iter().all(|pace| run.metrics.contains_key(*pace)));
    told(&mut records[2], 5);
    let run = summarize(closed(), &records, Finish::default());
    let [Caveat::PaceWithheld { difference_pct, low_ms, high_ms }] = run.caveats[..] else {
        panic!("{:?}", run.caveats)
    };
    close(difference_pct, 100.0 * 5.0 / 401.0);
    // 100 windows of 30 ms; of 2 told and 4 events there are at least 1 and at most 3 steps.
    close(low_ms.unwrap(), 3_000.0 / (97.0 * 3.0 + 5.0 + 3.0 + 4.0));
    close(high_ms.unwrap(), 3_000.0 / (97.0 * 3.0 + 3.0 + 1.0 + 3.0));
    assert!(figure::PACES.iter().all(|pace| !run.metrics.contains_key(*pace)));
    assert_eq!(distribution(&run, figure::CHUNK_GAP).count, 300, "the raw gaps stay");
}

#[test]
fn merged_events_count_above_one_percent() {
    let merge = |count: usize| {
        let mut records = hundred();
        for record in records.iter_mut().take(count) {
            let merged = record
                .chunks
                .iter()
                .enumerate()
                .map(|(place, chunk)| Chunk { merged_bound_us: (place == 0).then_some(400), ..chunk });
            record.chunks = merged.collect();
        }
        of(&records)
    };
    assert!(merge(4).is_empty(), "4 of 400");
    assert_eq!(merge(5), ["merged_events"]);
}

#[test]
fn a_run_that_did_not_reach_its_end_says_why() {
    let finish = Finish { partial: Some("interrupted".into()), ..Finish::default() };
    let run = summarize(closed(), &hundred(), finish);
    assert_eq!(run.caveats, [Caveat::Partial { reason: "interrupted".into() }]);
    assert_eq!(run.partial.as_deref(), Some("interrupted"));
}

fn with_server(records: &[RequestRecord], prompt: f64, generated: f64) -> RunSummary {
    let server = ServerCounts {
        prompt_tokens: prompt,
        client_prompt_tokens: 1_000.0,
        generated_tokens: generated,
        client_generated_tokens: 400.0,
        cached_tokens: None,
        missing: MissingCounters::default(),
    };
    summarize(closed(), records, Finish { server: Some(server), ..Finish::default() })
}

#[test]
fn the_servers_count_must_agree_to_the_token() {
    assert!(codes(&with_server(&hundred(), 1_000.0, 400.2)).is_empty());
    let run = with_server(&hundred(), 1_000.0, 401.0);
    assert_eq!(
        run.caveats,
        [Caveat::ServerCountsDiffer { what: "generated: server 401, client 400".into() }]
    );
    let run = with_server(&hundred(), 999.0, 399.0);
    let what = "prompt: server 999, client 1000; generated: server 399, client 400";
    assert_eq!(run.caveats, [Caveat::ServerCountsDiffer { what: what.into() }]);
}

#[test]
fn a_counter_that_is_not_there_is_not_zero() {
    let missing = |prompt: f64, generated: f64| {
        let server = ServerCounts {
            prompt_tokens: prompt,
            client_prompt_tokens: 1_000.0,
            generated_tokens: generated,
            client_generated_tokens: 400.0,
            cached_tokens: None,
            missing: MissingCounters { generated: vec!["tokens_sum".into()], ..MissingCounters::default() },
        };
        summarize(closed(), &hundred(), Finish { server: Some(server), ..Finish::default() })
    };
    let run = missing(1_000.0, 0.0);
    assert_eq!(run.caveats, [Caveat::NoSuchCounter { names: vec!["tokens_sum".into()] }]);
    assert!(run.caveats[0].is_invalid());
    assert_eq!(codes(&missing(999.0, 0.0)), ["no_such_counter", "server_counts_differ"]);
    // One of several that an engine shows only after its first use.
    assert!(codes(&missing(1_000.0, 400.0)).is_empty());
}

#[test]
fn beside_a_request_whose_count_nobody_was_told_only_too_few_is_a_contradiction() {
    let mut records = hundred();
    records.push(cancelled(completed(100, 0, &[(50, 1)])));
    assert!(codes(&with_server(&records, 1_010.0, 405.0)).is_empty());
    assert_eq!(codes(&with_server(&records, 1_010.0, 399.0)), ["server_counts_differ"]);
}

#[test]
fn prefix_cache_hits_count_above_one_percent_by_usage_or_by_counter() {
    let mut records = hundred();
    records[0].tokens.cached = Some(10);
    assert!(of(&records).is_empty(), "10 of 1000");
    records[1].tokens.cached = Some(1);
    let run = summarize(closed(), &records, Finish::default());
    assert_eq!(run.caveats, [Caveat::PrefixCacheHits { share_pct: 1.1 }]);
    let server = ServerCounts { prompt_tokens: 200.0, cached_tokens: Some(50.0), ..ServerCounts::default() };
    let server = ServerCounts { client_prompt_tokens: 200.0, ..server };
    let run = summarize(closed(), &hundred(), Finish { server: Some(server), ..Finish::default() });
    assert_eq!(run.caveats, [Caveat::PrefixCacheHits { share_pct: 25.0 }]);
}

#[test]
fn length_not_forced_is_said_of_answers_that_were_seen_to_end_early() {
    let mut asked = closed();
    asked.ignore_eos = true;
    let full = |records: &mut Vec<RequestRecord>| records.iter_mut().for_each(|record| record.max_tokens = 4);
    let mut records = hundred();
    full(&mut records);
    records.push(dropped(100, 0));
    assert!(codes(&summarize(asked.clone(), &records, Finish::default())).is_empty(), "4 of 4 tokens each");
    for (record, finish) in records.iter_mut().zip(["stop", "stop", "stop", "length"]) {
        record.max_tokens = 9;
        record.finish_reason = Some(finish.to_owned());
    }
    let run = summarize(asked, &records, Finish::default());
    assert_eq!(run.caveats, [Caveat::LengthNotForced { short: 3, completed: 100 }]);
    assert!(codes(&summarize(closed(), &records, Finish::default())).is_empty(), "nobody asked for it");
    let old: Caveat = serde_json::from_str(r#"{"code": "length_not_forced"}"#).unwrap();
    assert_eq!(old, Caveat::LengthNotForced { short: 0, completed: 0 });
}

#[test]
fn a_worker_that_was_lost_jumped_or_stood_still_is_told_of_once() {
    let worker = |worker| WorkerStats { worker, issued: 33, clock_error_us: 20.0, ..WorkerStats::default() };
    let mut workers: Vec<WorkerStats> = (0..3).map(worker).collect();
    let of = |workers: &[WorkerStats], partial: Option<&str>| {
        let finish =
            Finish { workers: workers.to_vec(), partial: partial.map(str::to_owned), ..Finish::default() };
        summarize(closed(), &hundred(), finish)
    };
    assert_eq!(codes(&of(&workers, None)), [""; 0]);
    workers[0].clock_error_us = 1e6;
    assert_eq!(codes(&of(&workers, None)), ["clock_error"]);
    // Nothing that it sent stands anywhere.
    workers[0].issued = 0;
    assert_eq!(codes(&of(&workers, None)), [""; 0]);
    workers[1].clock_step_us = 1_500.0;
    workers[2].clock_step_us = 12_000.0;
    workers[2].silence_s = 5.0;
    let run = of(&workers, None);
    let step = Caveat::ClockStep { worker: 2, step_ms: 12.0 };
    assert_eq!(run.caveats, [step, Caveat::WorkerStill { worker: 2, seconds: 5.0 }]);
    assert!(run.caveats.iter().all(Caveat::is_invalid));
    assert!(!Caveat::ClockStep { worker: 1, step_ms: 1.5 }.is_invalid());
    workers[1].lost = Some("lost at 12.3 s".to_owned());
    let what = "worker 1 of 3 lost at 12.3 s: a third of the load was not offered";
    assert_eq!(of(&workers, Some(what)).caveats[0], Caveat::WorkerLost { what: what.to_owned() });
    assert!(!codes(&of(&workers, Some(what))).contains(&"partial"), "it is said once");
}
