//! The client's own figures, and when it made the number.

use super::*;
use crate::schema::caveat::Caveat;
use crate::schema::summary::ClientStats;

/// An open loop of 200 requests, one each 10 ms, whose TTFT is 50 ms; `late` gives each its slot wait and
/// send delay, µs.
fn open_loop(ttft_ms: u64, late: impl Fn(u64) -> (u64, u64)) -> Vec<RequestRecord> {
    (0..200)
        .map(|index| {
            let (slot_wait_us, send_delay_us) = late(index);
            let due_us = index * 10 * MS;
            let mut record = completed(index, 0, &[(ttft_ms, 1), (ttft_ms + 10, 1)]);
            let shift = due_us + slot_wait_us + send_delay_us;
            record.chunks =
                record.chunks.iter().map(|chunk| Chunk { at_us: chunk.at_us + shift, ..chunk }).collect();
            record.sent_us = Some(shift);
            record.first_token_us = record.first_token_us.map(|at| at + shift);
            record.last_token_us = record.last_token_us.map(|at| at + shift);
            record.end_us += shift;
            due(record, due_us, slot_wait_us, send_delay_us)
        })
        .collect()
}

fn client(records: &[RequestRecord]) -> ClientStats {
    summarize(open(), records, Finish::default()).client
}

#[test]
fn waiting_for_a_slot_and_the_clients_lateness_are_told_apart() {
    let stats = client(&open_loop(50, |_| (3_000, 200)));
    close(stats.slot_wait_ms.unwrap().p50, 3.0);
    close(stats.send_delay_ms.unwrap().p50, 0.2);
    assert_eq!(stats.client_limited, None);
}

#[test]
fn a_closed_loop_has_no_send_delay() {
    let stats = summarize(closed(), &[completed(0, 0, &[(10, 1)])], Finish::default()).client;
    assert_eq!((stats.send_delay_ms, stats.achieved_rate), (None, None));
    close(stats.slot_wait_ms.unwrap().p50, 0.0);
}

#[test]
fn a_send_delay_counts_above_a_millisecond_and_above_a_hundredth_of_ttft() {
    let late = |ttft_ms, delay_us| client(&open_loop(ttft_ms, |_| (0, delay_us))).client_limited;
    assert_eq!(late(50, 1_000), None);
    let reason = late(50, 1_001).unwrap();
    assert!(reason.contains("send delay p99"), "{reason}");
    assert_eq!(late(500, 5_000), None);
    assert!(late(500, 5_001).is_some());
}

#[test]
fn late_sends_are_those_above_the_bound_of_the_verdict_and_dropped_ones_were_never_sent() {
    // Of 200 requests one in four is late by 1.5 ms: too much beside a TTFT of 50 ms, not beside one of 200.
    let late = |ttft_ms| {
        let mut records = open_loop(ttft_ms, |index| (0, if index % 4 == 0 { 1_500 } else { 1_000 }));
        records.extend([dropped(200, 1), dropped(201, 2)]);
        client(&records)
    };
    let stats = late(50);
    assert_eq!((stats.late_sends, stats.dropped_sends), (50, 2));
    close(stats.send_delay_limit_ms, 1.0);
    assert_eq!(stats.send_delay_ms.unwrap().count, 200);
    let patient = late(200);
    close(patient.send_delay_limit_ms, 2.0);
    assert_eq!((patient.late_sends, patient.dropped_sends), (0, 2));
}

#[test]
fn a_request_that_no_answer_came_to_has_no_stamps() {
    let mut silent = failed(completed(1, 0, &[]), FailureKind::Timeout);
    silent.headers_us = None;
    silent.stamps = StampKind::Read;
    let run = summarize(closed(), &[completed(0, 0, &[(10, 1)]), silent], Finish::default());
    assert_eq!(run.client.stamps, [(StampKind::Kernel, 1)].into());
    assert!(!run.caveats.iter().any(|caveat| matches!(caveat, Caveat::ReadStamps { .. })));
}

#[test]
fn read_stamps_among_kernel_ones_are_a_doubt() {
    let mut records: Vec<RequestRecord> = (0..8).map(|index| completed(index, 0, &[(10, 1)])).collect();
    records[3].stamps = StampKind::Read;
    let run = summarize(closed(), &records, Finish::default());
    assert!(run.caveats.contains(&Caveat::ReadStamps { read: 1, answered: 8 }), "{:?}", run.caveats);
    assert_eq!(run.client.reader_lag_ms.unwrap().count, 7);
}

#[test]
fn a_rate_that_the_client_did_not_reach_is_its_own_fault_only_without_slot_waits() {
    // Each request a little later than the last: 200 requests take 1.5 % longer than planned.
    let behind = |index| index * 150;
    let own = client(&open_loop(10_000, |index| (0, behind(index))));
    close(own.achieved_rate.unwrap(), 10_000.0 / 10_150.0);
    let reason = own.client_limited.unwrap();
    assert!(reason.contains("98.5 % of the planned rate"), "{reason}");
    let capped = client(&open_loop(10_000, |index| (behind(index), 0)));
    close(capped.achieved_rate.unwrap(), 10_000.0 / 10_150.0);
    assert_eq!(capped.client_limited, None);
}

#[test]
fn load_threads_that_never_rest_limit_a_closed_loop_too() {
    let busy = |cpu_s, busy_share| {
        let engine = EngineFigures {
            busy_share,
            measured_from_us: 1_000_000,
            measured_to_us: 3_000_000,
            cpu_s,
            threads: 2,
            ..EngineFigures::default()
        };
        let finish = Finish { engine, ..Finish::default() };
        summarize(closed(), &[completed(0, 1_000, &[(10, 1)])], finish)
    };
    let fine = busy(3.6, 0.9);
    close(fine.client.cpu_share, 0.9);
    assert_eq!(fine.client.client_limited, None);
    let limited = busy(3.7, 0.0);
    assert!(limited.client.client_limited.is_some());
    // One of two threads was, until the last request was issued; then came a long drain.
    let drained = busy(0.5, 0.95);
    close(drained.client.cpu_share, 0.125);
    assert!(drained.client.client_limited.is_some_and(|why| why.contains("95 %")));
    assert!(limited.caveats.iter().any(|caveat| matches!(caveat, Caveat::ClientLimited { .. })));
}

#[test]
fn stamps_lags_and_replays_are_counted_of_requests_that_were_sent() {
    let mut kernel = completed(0, 0, &[(10, 1), (20, 1)]);
    kernel.reader_lag_max_us = 2_500;
    kernel.connect_us = Some(700);
    kernel.chunks = kernel.chunks.iter().map(|c| Chunk { merged_bound_us: Some(101), ..c }).take(1).collect();
    let mut read = failed(completed(1, 0, &[(10, 1), (20, 1), (30, 1)]), FailureKind::Truncated);
    read.stamps = StampKind::Read;
    read.replayed = true;
    let stats = summarize(closed(), &[kernel, read, dropped(2, 0)], Finish::default()).client;
    assert_eq!(stats.stamps, [(StampKind::Kernel, 1), (StampKind::Read, 1)].into());
    let lag = stats.reader_lag_ms.unwrap();
    assert_eq!((lag.count, lag.max), (1, 2.5));
    close(stats.connect_ms.unwrap().max, 0.7);
    assert_eq!(stats.reconnects, 1);
    close(stats.merged_events, 0.25);
}

#[test]
fn a_merged_stamp_that_is_late_by_a_tenth_of_a_millisecond_at_most_is_not_counted() {
    let bounds = [Some(100), Some(101), Some(60_000), None];
    let mut record = completed(0, 0, &[(10, 1), (20, 1), (30, 1), (40, 1)]);
    let chunks = record.chunks.iter().zip(bounds);
    record.chunks = chunks.map(|(chunk, merged_bound_us)| Chunk { merged_bound_us, ..chunk }).collect();
    close(summarize(closed(), &[record], Finish::default()).client.merged_events, 0.5);
}
