//! What late reading may have done to the figures, and when it makes the client the limit.

use super::*;
use crate::schema::summary::ClientStats;

/// An answer of 128 tokens that come 20 ms apart from 50 ms on. The tokens that `merged` names were read together with
/// the next one, whose stamp they bear, and may have come by `bound_us` earlier.
fn answer(index: u64, bound_us: u32, merged: impl Fn(u64) -> bool) -> RequestRecord {
    let stamp = |number: u64| 50 + 20 * (number + u64::from(merged(number)));
    let tokens: Vec<(u64, u32)> = (0..128).map(|number| (stamp(number), 1)).collect();
    let mut record = completed(index, 1_000, &tokens);
    let chunks = record.chunks.iter().zip(0..);
    record.chunks = chunks
        .map(|(chunk, number)| Chunk { merged_bound_us: merged(number).then_some(bound_us), ..chunk })
        .collect();
    record
}

fn client(records: &[RequestRecord], threads: u32) -> ClientStats {
    let engine = EngineFigures {
        measured_to_us: 10_000_000,
        cpu_s: 0.8 * 10.0 * f64::from(threads),
        busy_share: 0.85,
        threads,
        ..EngineFigures::default()
    };
    summarize(closed(), records, Finish { engine, ..Finish::default() }).client
}

/// 10,000 streams of 50 tok/s on four threads, in small: one request in eight waited for its first token until the
/// second was there, and one event in nine was read with the next.
fn overloaded(lag_us: u32) -> Vec<RequestRecord> {
    let record = |index| {
        let first = index % 8 == 0;
        let mut record = answer(index, 19_500, |number| if number == 0 { first } else { number % 9 == 0 });
        record.reader_lag_max_us = lag_us;
        record
    };
    (0..400).map(record).collect()
}

#[test]
fn a_client_that_found_first_tokens_late_is_the_limit_though_no_thread_was_busy_for_nine_tenths() {
    let stats = client(&overloaded(21_000), 4);
    assert!((stats.merged_events - 0.11).abs() < 0.005, "{}", stats.merged_events);
    assert_eq!(
        stats.client_limited.unwrap(),
        "TTFT mean may be up to 2.44 ms too high, TTFT p99 up to 19.50 ms: 11.0 % of events were read together \
         (4 client threads; give the client more cores)"
    );
    let crashed = Finish::default();
    let why = summarize(closed(), &overloaded(21_000), crashed).client.client_limited.unwrap();
    assert!(why.ends_with("read together (give the client more cores)"), "nobody knows the threads: {why}");
}

#[test]
fn a_figure_is_off_only_beyond_a_millisecond_and_its_own_hundredth() {
    // All first tokens by 1 ms and less: the floor.
    let all = |bound_us, count: u64| -> Vec<RequestRecord> {
        (0..count)
            .map(|index| answer(index, bound_us, |number| number == 0))
            .map(|record| RequestRecord { reader_lag_max_us: 50_000, ..record })
            .collect()
    };
    assert_eq!(client(&all(1_000, 200), 1).client_limited, None);
    let why = client(&all(1_500, 200), 1).client_limited.unwrap();
    assert!(why.starts_with("TTFT mean may be up to 1.50 ms too high, TTFT p50 up to 1.50 ms"), "{why}");
    assert!(why.contains("(1 client thread; "), "{why}");
    // Of a slow server's TTFT that is nothing.
    let mut slow = all(1_500, 200);
    for record in &mut slow {
        record.sent_us = record.sent_us.map(|sent_us| sent_us - 500 * MS);
    }
    assert_eq!(client(&slow, 1).client_limited, None);
    // One request of 200, and one of a few.
    let one = |count| {
        let mut records: Vec<RequestRecord> = (1..count).map(|index| answer(index, 0, |_| false)).collect();
        records.extend(all(19_500, 1));
        client(&records, 1).client_limited
    };
    assert_eq!(one(200), None, "neither mean nor p99 is moved");
    assert_eq!(one(30), None, "of thirty the p99 is one request, and a moment's delay");
}

#[test]
fn a_server_that_sends_tokens_together_is_no_limit_of_the_client() {
    // Four at a time: the reader slept, so that the bounds are its waking.
    let bursts = |bound_us, lag_us, stamps| -> Vec<RequestRecord> {
        let record = |index| {
            let tokens: Vec<(u64, u32)> = (0..128).map(|number| (50 + 80 * (number / 4), 1)).collect();
            let mut record = completed(index, 1_000, &tokens);
            let chunks = record.chunks.iter().zip(0..);
            let bound = |number| (number % 4 != 3).then_some(bound_us);
            record.chunks =
                chunks.map(|(chunk, number)| Chunk { merged_bound_us: bound(number), ..chunk }).collect();
            record.reader_lag_max_us = lag_us;
            record.stamps = stamps;
            record
        };
        (0..200).map(record).collect()
    };
    assert_eq!(client(&bursts(80, 90, StampKind::Kernel), 1).client_limited, None);
    // Where the scheduler's account is hidden, bounds reach back to the read before; but no reader was late.
    assert_eq!(client(&bursts(48_000, 90, StampKind::Kernel), 1).client_limited, None);
    assert!(client(&bursts(48_000, 40_000, StampKind::Kernel), 1).client_limited.is_some(), "this one was");
    assert_eq!(client(&bursts(80, 0, StampKind::Read), 1).client_limited, None);
}

#[test]
fn gaps_that_a_late_reader_stretched_are_told_as_ttft_is() {
    // Every tenth gap was stamped 80 ms long, the one behind it nothing; it may have been 20 and 80.
    let record = |index| {
        let mut at_ms = 50;
        let tokens: Vec<(u64, u32)> = (0..120)
            .map(|number| {
                at_ms += if number % 10 == 5 { 80 } else { 20 };
                (at_ms, 1)
            })
            .collect();
        let mut record = completed(index, 1_000, &tokens);
        let chunks = record.chunks.iter().zip(0..);
        let bound = |number| (number % 10 == 5).then_some(60_000);
        record.chunks =
            chunks.map(|(chunk, number)| Chunk { merged_bound_us: bound(number), ..chunk }).collect();
        record.reader_lag_max_us = 30_000;
        record
    };
    let records: Vec<RequestRecord> = (0..4).map(record).collect();
    assert_eq!(client(&records, 1).client_limited, None, "the same gaps in another order");
    let short = |index| {
        let mut record = record(index);
        // The last one: nothing follows that would be longer.
        record.chunks = record.chunks.iter().take(6).collect();
        record.last_token_us = Some(record.chunks.last_us());
        record.tokens.output = Some(6);
        record.tokens.delivered = Some(6);
        record
    };
    let records: Vec<RequestRecord> = (0..40).map(short).collect();
    let why = client(&records, 1).client_limited.unwrap();
    assert!(why.starts_with("ITL mean may be up to 12.00 ms off, ITL p99 up to 30.00 ms"), "{why}");
}

#[test]
fn parts_of_a_run_say_what_the_whole_says() {
    let records = overloaded(21_000);
    let whole = summarize(closed(), &records, Finish::default());
    let mut first = Summarizer::new(closed());
    let mut second = first.part();
    records.iter().enumerate().for_each(
        |(place, record)| {
            if place % 3 == 0 { second.add(record) } else { first.add(record) }
        },
    );
    second.settle();
    first.merge(second);
    assert_eq!(first.finish(Finish::default()).unwrap().client, whole.client);
}
