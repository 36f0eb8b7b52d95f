//! A client's error, from records and truths whose error is known.

use std::num::{NonZeroU32, NonZeroU64};

use rand::SeedableRng;
use rand_distr::{Distribution as _, Exp};

use super::*;
use crate::analysis::exactness::beyond_calibration;
use crate::analysis::{Pairing, TrueRequest, TrueWrite, exact_up_to, gap_figures, is_exact};
use crate::schema::calibration::{CalibrationLoad, ExactUpTo, Exactness};
use crate::schema::caveat::Caveat;
use crate::schema::client_threads::ClientThreads;
use crate::schema::files::EngineFigures;
use crate::schema::plan::LoadPoint;
use crate::schema::traffic::{Arrivals, Ramp, Until, Warmup};

/// CLOCK_MONOTONIC at the records' µs 0.
const ZERO_NS: u64 = 7_000_000_000;
const CLOSED: CalibrationLoad = CalibrationLoad::Closed { streams: 2, tokens_per_s: 50.0 };

/// What a server saw of the request that was sent at `sent_ms`, with writes so many µs after its arrival.
fn truth(index: u64, sent_ms: u64, way_us: u64, writes_us: &[u64]) -> TrueRequest {
    let arrival_ns = ZERO_NS + (sent_ms * MS + way_us) * 1000;
    TrueRequest {
        mark: format!("p{index}"),
        arrival_ns,
        writes: writes_us.iter().map(|us| write(arrival_ns + us * 1000, 0)).collect(),
        tokens: writes_us.len() as u64,
    }
}

fn write(before_ns: u64, took_us: u64) -> TrueWrite {
    TrueWrite { before_ns, after_ns: before_ns + took_us * 1000 }
}

fn paired(load: CalibrationLoad, truth: Vec<TrueRequest>, records: &[RequestRecord]) -> Exactness {
    let mut pairing = Pairing::new(truth, ZERO_NS);
    records.iter().for_each(|record| pairing.add(record));
    pairing.finish(load, &EngineFigures { cpu_s: 0.002, ..EngineFigures::default() })
}

#[test]
fn a_delay_of_the_client_is_seen_to_the_microsecond_and_under_its_own_name() {
    // 20 µs on the way; the first token is stamped 5 ms late, the second on time again.
    let truth = vec![truth(0, 100, 20, &[50_000, 70_000, 90_000])];
    let record = completed(0, 100, &[(55, 1), (70, 1), (90, 1)]);
    let found = paired(CLOSED, truth, &[record]);
    close(found.ttft.unwrap().mean_ms, 5.0);
    let itl = found.itl.unwrap();
    assert_eq!(itl.count, 2);
    // One gap 5 ms short, one right.
    close(itl.mean_ms, -2.5);
    close(itl.p50_ms, 2.5);
    close(itl.max_ms, 5.0);
    close(found.arrival_minus_sent_ms.unwrap().mean, 0.020);
    // Stamps at 55, 70 and 90 ms against writes at 50.02, 70.02 and 90.02 ms after `sent`.
    close(found.stamp_minus_write_ms.unwrap().max, 4.98);
    assert_eq!((found.issued, found.paired, found.paired_for_itl, found.tokens), (1, 1, 1, 3));
    close(found.cpu_us_per_token.unwrap(), 2000.0 / 3.0);
}

#[test]
fn what_the_time_of_a_write_can_explain_is_not_surely_the_clients() {
    // Stamps 3 ms and 1 ms after the begin of writes that took 2 ms each; the request was no time on its way.
    let mut truth = truth(0, 100, 0, &[50_000, 70_000]);
    for write in &mut truth.writes {
        write.after_ns += 2_000_000;
    }
    let found = paired(CLOSED, vec![truth], &[completed(0, 100, &[(53, 1), (71, 1)])]);
    let (ttft, itl) = (found.ttft.unwrap(), found.itl.unwrap());
    close(ttft.p99_ms, 3.0);
    close(ttft.beyond_writes_p99_ms, 1.0);
    // The first stamp is 1 to 3 ms late, the second 0 to 1 ms: the gap may be right.
    close(itl.mean_ms, -2.0);
    close(itl.beyond_writes_p99_ms, 0.0);
    close(found.write_ms.unwrap().p99, 2.0);
}

#[test]
fn a_gap_that_no_moment_of_its_writes_explains_is_surely_wrong() {
    // The first stamp 0 to 0.5 ms late, the second 4 to 4.5 ms, and the other way round.
    for (first, second) in [(50, 74), (54, 70)] {
        let mut truth = truth(0, 100, 0, &[50_000, 70_000]);
        for write in &mut truth.writes {
            write.before_ns -= 500_000;
        }
        let found = paired(CLOSED, vec![truth], &[completed(0, 100, &[(first, 1), (second, 1)])]);
        close(found.itl.unwrap().p99_ms, 4.0);
        close(found.itl.unwrap().beyond_writes_p99_ms, 3.5);
    }
}

#[test]
fn records_are_paired_by_their_mark_and_not_by_their_order() {
    let truth = vec![truth(1, 200, 0, &[30_000]), truth(0, 100, 0, &[50_000])];
    let found = paired(CLOSED, truth, &[completed(0, 100, &[(50, 1)]), completed(1, 200, &[(30, 1)])]);
    close(found.ttft.unwrap().max_ms, 0.0);
}

#[test]
fn what_has_no_counterpart_is_counted_and_enters_no_figure() {
    let truths = vec![truth(0, 0, 0, &[50_000, 70_000]), truth(2, 0, 0, &[1_000])];
    let records = [
        completed(0, 0, &[(50, 2)]),
        completed(1, 0, &[(999, 1)]),
        failed(completed(2, 0, &[(999, 1)]), FailureKind::Truncated),
        dropped(3, 0),
    ];
    let found = paired(CLOSED, truths, &records);
    // One event for two writes: its TTFT can be held against the truth, its gaps cannot.
    assert_eq!((found.issued, found.paired, found.paired_for_itl), (4, 1, 0));
    close(found.ttft.unwrap().max_ms, 0.0);
    assert_eq!(found.itl, None);
    assert!(!is_exact(&found));
}

#[test]
fn an_open_loop_is_late_by_the_arrival_minus_the_due_time() {
    let load = CalibrationLoad::Open { rate: 10.0 };
    let records = [due(completed(0, 103, &[(50, 1)]), 100 * MS, 0, 3 * MS)];
    let found = paired(load, vec![truth(0, 103, 100, &[50_000])], &records);
    close(found.arrival_minus_due_ms.unwrap().mean, 3.1);
    close(found.send_delay_ms.unwrap().mean, 3.0);
}

#[test]
fn a_poisson_process_has_a_variation_and_a_dispersion_of_one() {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let gap_ns = Exp::new(1e-6).unwrap();
    let mut at = 0.0;
    let mut arrivals: Vec<u64> = (0..200_000)
        .map(|_| {
            let gap: f64 = gap_ns.sample(&mut random);
            at += gap;
            at as u64
        })
        .collect();
    let found = gap_figures(&mut arrivals).unwrap();
    assert!((found.variation - 1.0).abs() < 0.02, "{found:?}");
    assert!((found.dispersion - 1.0).abs() < 0.05, "{found:?}");
    assert!(found.lag_1.abs() < 0.02, "{found:?}");
}

#[test]
fn pairs_of_arrivals_show_in_every_gap_figure() {
    // Two at once, then 20 ms nothing: gaps 0, 20, 0, 20, …; windows 2, 0, 2, 0, …
    let mut arrivals: Vec<u64> = (0..1000).map(|number| number / 2 * 20_000_000).collect();
    let found = gap_figures(&mut arrivals).unwrap();
    assert!((found.variation - 1.0).abs() < 0.01, "{found:?}");
    assert!((found.dispersion - 1.0).abs() < 0.01, "{found:?}");
    assert!(found.lag_1 < -0.99, "{found:?}");
    // Evenly: no variation, no dispersion.
    let mut even: Vec<u64> = (0..1000).map(|number| number * 10_000_000).collect();
    let found = gap_figures(&mut even).unwrap();
    close(found.variation, 0.0);
    close(found.dispersion, 0.0);
}

fn exact(load: CalibrationLoad, late_us: u64) -> Exactness {
    let record = completed(0, 1_000, &[(50, 1), (70, 1)]);
    let record = match load {
        CalibrationLoad::Closed { .. } => record,
        CalibrationLoad::Open { .. } => due(record, 1_000 * MS, 0, 0),
    };
    // The server wrote earlier than the client says.
    paired(load, vec![truth(0, 1_000, 0, &[50_000 - late_us, 70_000])], &[record])
}

#[test]
fn the_limit_is_the_highest_load_below_which_all_are_exact() {
    let streams = |streams| CalibrationLoad::Closed { streams, tokens_per_s: 50.0 };
    let rate = |rate| CalibrationLoad::Open { rate };
    let loads = [
        exact(streams(1000), 0),
        exact(streams(250), 900),
        exact(streams(500), 1_100),
        exact(streams(50), 0),
        exact(rate(100.0), 0),
        exact(rate(1000.0), 2_000),
    ];
    // 1,000 streams may have been luck: 500 were not exact.
    let limit = ExactUpTo {
        streams: Some(250),
        tokens_per_s: Some(12_500.0),
        rate: Some(100.0),
        ..ExactUpTo::default()
    };
    assert_eq!(exact_up_to(&loads), limit);
    let of_threads = |load: &Exactness, threads| Exactness { threads, ..load.clone() };
    let played = [of_threads(&loads[1], 2), of_threads(&loads[2], 7), of_threads(&loads[3], 1)];
    assert_eq!(exact_up_to(&played).threads_played, Some(2), "what was not exact says nothing");
    let none_exact =
        ExactUpTo { streams: Some(0), tokens_per_s: Some(0.0), rate: None, ..ExactUpTo::default() };
    assert_eq!(exact_up_to(&loads[2..3]), none_exact);
    assert_eq!(exact_up_to(&loads[4..5]), ExactUpTo { rate: Some(100.0), ..ExactUpTo::default() });
}

fn load(traffic: Traffic) -> LoadPoint {
    LoadPoint {
        name: None,
        asks: None,
        traffic,
        until: Until::after_requests(NonZeroU64::MIN),
        warmup: Warmup::Requests(0),
        drain_s: 30.0,
        timeout_s: 60.0,
    }
}

const ONE: ClientThreads = ClientThreads::Number(1);

fn closed_of(slots: u32) -> Traffic {
    Traffic::Closed { slots: slots.try_into().unwrap(), ramp: Ramp::Automatic }
}

#[test]
fn a_load_beyond_the_calibration_is_doubted_and_one_within_it_is_not() {
    let limit = ExactUpTo {
        streams: Some(250),
        tokens_per_s: Some(12_500.0),
        rate: Some(100.0),
        ..ExactUpTo::default()
    };
    let mut run = summarize(closed(), &[completed(0, 0, &[(10, 1)])], finish(1));
    run.output_tokens_by_second = vec![12_000, 12_500, 99_999];
    let doubt = |traffic, run: &RunSummary| match beyond_calibration(&load(traffic), ONE, Some(limit), run) {
        Some(Caveat::BeyondCalibration { what }) => what,
        None => String::new(),
        other => panic!("{other:?}"),
    };
    // The last second was cut short: its count is no rate.
    assert_eq!(doubt(closed_of(250), &run), "");
    assert_eq!(doubt(closed_of(251), &run), "251 in flight, exact up to 250");
    let poisson =
        |cap| Traffic::Open { arrivals: Arrivals::Poisson { rate: 101.0 }, cap: NonZeroU32::new(cap) };
    assert_eq!(doubt(poisson(5_000), &run), "101 requests/s, exact up to 100");
    let only_open = ExactUpTo { streams: None, tokens_per_s: None, rate: Some(1.0), ..ExactUpTo::default() };
    let of_four = Some(ExactUpTo { client_threads: Some(ClientThreads::Number(4)), ..limit });
    let fewer = beyond_calibration(&load(closed_of(1)), ONE, of_four, &run);
    assert!(
        matches!(fewer, Some(Caveat::BeyondCalibration { what }) if what == "--client-threads 1, calibrated with 4")
    );
    let unknown = beyond_calibration(&load(closed_of(9_999)), ONE, Some(only_open), &run);
    assert_eq!(unknown, None, "no closed loop was calibrated: of it nothing is known");
    run.output_tokens_by_second = vec![20_000, 0];
    assert_eq!(doubt(closed_of(2), &run), "20000 tok/s, exact up to 12500");
    assert_eq!(beyond_calibration(&load(poisson(0)), ONE, None, &run), None, "never calibrated");
}

#[test]
fn threads_by_themselves_are_as_good_as_those_of_a_calibration_with_auto_alone() {
    let doubt = |calibrated, asked, played| {
        let limit =
            ExactUpTo { client_threads: Some(calibrated), threads_played: Some(3), ..Default::default() };
        let mut run = summarize(closed(), &[completed(0, 0, &[(10, 1)])], finish(1));
        run.client.threads = played;
        match beyond_calibration(&load(closed_of(1)), asked, Some(limit), &run) {
            Some(Caveat::BeyondCalibration { what }) => what,
            None => String::new(),
            other => panic!("{other:?}"),
        }
    };
    let (auto, number) = (ClientThreads::Auto, ClientThreads::Number);
    assert_eq!(doubt(auto, auto, 1), "", "a light load takes one, as it did when it was calibrated");
    assert_eq!(doubt(auto, number(3), 3), "");
    assert_eq!(doubt(auto, number(2), 2), "--client-threads 2, calibrated with up to 3");
    assert_eq!(doubt(number(4), auto, 4), "");
    assert_eq!(doubt(number(4), auto, 1), "--client-threads auto (1 here), calibrated with 4");
    assert_eq!(doubt(number(4), auto, 0), "", "a crash left no word of them");
}
