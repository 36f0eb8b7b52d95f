//! Whether a run is called saturated, over a model of a server whose limit is known, some seeds of benches/search.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// The benchmark uses more of both than these tests do.
#[allow(dead_code)]
#[path = "../benches/search/saturation.rs"]
mod saturation;
#[allow(dead_code)]
#[path = "../benches/search/server.rs"]
mod server;

use harness::schema::caveat::Caveat;
use harness::schema::record::Outcome;

use saturation::{saturated, summary};
use server::{Random, SERVER, Server};

/// Requests a second that the server carries, by a burst of 100,000.
fn capacity() -> f64 {
    let (burst, took_s) = SERVER.play(f64::INFINITY, 20_000, &mut Random(1));
    burst.len() as f64 / took_s
}

#[test]
fn a_server_that_keeps_up_is_not_called_saturated_however_full_it_is() {
    let most = capacity();
    for (share, requests) in [(0.1, 60), (0.5, 60), (0.8, 100), (0.9, 200), (0.95, 400)] {
        let called = saturated(&SERVER, share * most, requests, 60);
        assert!(called <= 1, "{requests} requests at {share}: {called} of 60");
    }
}

#[test]
fn a_server_that_is_offered_too_much_is_called_saturated_and_told_by_how_much() {
    let most = capacity();
    for (share, requests) in [(1.5, 200), (3.0, 100), (10.0, 100)] {
        let called = saturated(&SERVER, share * most, requests, 30);
        assert!(called >= 28, "{requests} requests at {share}: {called} of 30");
    }
    let rate = 1.5 * most;
    let (times, _) = SERVER.play(rate, 2000, &mut Random::of_seed(3));
    let run = summary(&times, rate);
    let flow = run.flow.unwrap();
    assert!((flow.achieved_rps / most - 1.0).abs() < 0.03, "{flow:?}");
    assert!((flow.offered_rps / rate - 1.0).abs() < 0.06, "{flow:?}");
    assert_eq!(flow.growth_rps, flow.offered_rps - flow.achieved_rps);
    let told = Caveat::Saturated { offered_rps: flow.offered_rps, achieved_rps: flow.achieved_rps };
    assert!(run.caveats.contains(&told), "{:?}", run.caveats);
}

/// Long answers of very different length, all at once: the last to end are the longest, which is no queue.
#[test]
fn neither_the_ramp_nor_the_drain_of_long_answers_is_a_queue() {
    let unlimited = Server { max_batch: 10_000, step_per_sequence_s: 0.0, outputs: (1.0, 1000.0), ..SERVER };
    for (rate, requests) in [(2.0, 60), (10.0, 60), (10.0, 200), (40.0, 200), (40.0, 1000)] {
        let called = saturated(&unlimited, rate, requests, 60);
        assert!(called <= 2, "{requests} requests at {rate}: {called} of 60");
    }
}

/// A client that sends ever later than requests are due makes no queue at the server.
#[test]
fn a_client_that_falls_behind_is_not_a_saturated_server() {
    let server = Server { max_batch: 10_000, ..SERVER };
    let (times, _) = server.play(4.0, 400, &mut Random::of_seed(1));
    let run = summary(&times, 4.0);
    assert!(!run.is_saturated());
    let late: Vec<server::Times> =
        times.iter().map(|times| server::Times { due: times.due / 2.0, ..*times }).collect();
    // The same answers, requests due twice as fast and sent when they were sent.
    let called = |own: bool| {
        let mut summarizer = saturation::summarizer(8.0);
        for (index, (due, sent)) in sorted(&late).into_iter().zip(sorted(&times)).enumerate() {
            let mut record = saturation::record(index as u64, &due);
            if own {
                record.sent_us = Some((sent.due * 1e6) as u64);
            }
            summarizer.add(&record);
        }
        summarizer.finish(Default::default()).unwrap()
    };
    assert!(called(false).is_saturated(), "had they been sent at once, the server would be behind");
    let run = called(true);
    assert!(!run.is_saturated(), "{:?}", run.flow);
    assert!(run.client.client_limited.is_some());
}

fn sorted(times: &[server::Times]) -> Vec<server::Times> {
    let mut sorted = times.to_vec();
    sorted.sort_by(|one, other| one.due.total_cmp(&other.due));
    sorted
}

/// What the client cancelled at the end of its drain never ended: it is no faster for that.
#[test]
fn requests_that_were_cut_off_at_the_end_do_not_hide_a_queue() {
    let rate = 2.0 * capacity();
    let (times, _) = SERVER.play(rate, 600, &mut Random::of_seed(5));
    let times = sorted(&times);
    let cut_s = times.last().unwrap().due + 1.0;
    let mut summarizer = saturation::summarizer(rate);
    let mut cancelled = 0;
    for (index, times) in times.iter().enumerate() {
        let mut record = saturation::record(index as u64, times);
        if times.end > cut_s {
            record.outcome = Outcome::Cancelled;
            record.end_us = (cut_s * 1e6) as u64;
            cancelled += 1;
        }
        summarizer.add(&record);
    }
    let run = summarizer.finish(Default::default()).unwrap();
    assert!(cancelled > 100 && run.is_saturated(), "{cancelled} {:?}", run.flow);
}
