use super::*;

/// A completed request sent at 0 whose single tokens come at these times, ms, and of which the server told so many.
fn answered(at_ms: &[u64], told: u32) -> RequestRecord {
    let first_us = at_ms[0] * 1000;
    let mut before_us = 0;
    let gaps: Vec<u64> = at_ms
        .iter()
        .map(|at_ms| {
            let gap_us = at_ms * 1000 - before_us;
            before_us = at_ms * 1000;
            gap_us
        })
        .collect();
    let record = serde_json::json!({
        "index": 0, "prompt_id": "a", "phase": "measured", "ready_us": 0, "sent_us": 0, "headers_us": 1,
        "first_token_us": first_us, "last_token_us": before_us, "end_us": before_us, "chunks": gaps,
        "stamps": "kernel", "max_tokens": 128, "status": 200, "finish_reason": "length", "outcome": "completed",
        "tokens": {"prompt": 7, "output": told, "delivered": told, "source": "usage"},
    });
    serde_json::from_value(record).unwrap()
}

fn failed(kind: FailureKind) -> RequestRecord {
    let outcome = Outcome::Failed { kind, detail: String::new() };
    RequestRecord { outcome, ..answered(&[5, 6], 2) }
}

#[test]
fn a_run_that_nobody_watches_has_its_counts_and_no_latencies() {
    let live = Arc::new(LiveCounters::default());
    let figures = LiveFigures::new(live.clone());
    LiveCounters::add(&live.issued, 5);
    LiveCounters::add(&live.in_flight, 1);
    figures.add(&answered(&[100, 110], 2));
    figures.add(&failed(FailureKind::Timeout));
    figures.add(&RequestRecord { outcome: Outcome::Cancelled, ..answered(&[100, 110], 2) });
    figures.add(&RequestRecord { outcome: Outcome::Dropped, ..answered(&[100, 110], 2) });
    figures.add(&RequestRecord { phase: Phase::Warmup, ..answered(&[900, 910], 2) });
    let now = figures.snapshot();
    assert_eq!(
        (
            now.counts.issued,
            now.counts.in_flight,
            now.counts.ended(),
            now.counts.completed,
            now.counts.failed()
        ),
        (5, 1, 4, 1, 1)
    );
    assert_eq!(
        (now.counts.cancelled, now.counts.dropped, now.counts.prompt_tokens, now.counts.output_tokens),
        (1, 1, 7, 2)
    );
    assert_eq!(now.counts.failures, BTreeMap::from([(FailureKind::Timeout, 1)]));
    assert_eq!(now.latencies, None);
    assert_eq!(figures.ttft_p50_ms(), Some(100.0), "of completed requests, as in the summary");
}

#[test]
fn what_other_workers_count_is_added_and_what_they_told_before_is_not() {
    let figures = LiveFigures::default();
    figures.add(&answered(&[100, 110], 2));
    for completed in [3, 5] {
        let failures = BTreeMap::from([(FailureKind::Timeout, 2)]);
        figures.know_others(LiveCounts { completed, output_tokens: 10, failures, ..LiveCounts::default() });
    }
    let now = figures.snapshot();
    assert_eq!((now.counts.completed, now.counts.failed(), now.counts.output_tokens), (6, 2, 12));
    assert_eq!(now.counts.completed, 6);
}

#[test]
fn latencies_are_those_of_completed_requests() {
    let figures = LiveFigures::default();
    figures.keep_latencies();
    figures.add(&answered(&[100, 110, 130], 3));
    figures.add(&failed(FailureKind::Truncated));
    let now = figures.snapshot();
    let latencies = now.latencies.unwrap();
    let of = |latency: &crate::schema::live_snapshot::LiveLatency| {
        (latency.histogram.count(), (latency.histogram.sum_s() * 1e6).round())
    };
    assert_eq!(of(&latencies.ttft), (1, 100_000.0));
    assert_eq!(of(&latencies.e2e), (1, 130_000.0));
    assert_eq!(of(&latencies.itl), (2, 30_000.0));
    assert_eq!(of(&latencies.tpot), (1, 15_000.0));
    let run = latencies.itl.run.unwrap();
    assert!((run.max_ms - 20.0).abs() < 0.2 && (run.p50_ms - 10.0).abs() < 0.1, "{run:?}");
    assert_eq!((run.count, latencies.itl.recent), (2, latencies.itl.run));
    assert_eq!((now.recent_completed, now.pace_withheld), (1, false));
}

#[test]
fn a_gap_that_several_tokens_share_counts_once_for_each() {
    let figures = LiveFigures::default();
    figures.keep_latencies();
    let mut record = answered(&[100, 130], 4);
    record.chunks = serde_json::from_value(serde_json::json!([100_000, [30_000, 3]])).unwrap();
    figures.add(&record);
    let itl = figures.snapshot().latencies.unwrap().itl.histogram;
    assert_eq!((itl.count(), (itl.sum_s() * 1e6).round()), (3, 30_000.0));
}

#[test]
fn a_pace_that_the_summary_would_withhold_is_said_to_be_and_has_no_percentiles() {
    let figures = LiveFigures::default();
    figures.keep_latencies();
    figures.add(&answered(&[100, 110, 120], 60));
    let now = figures.snapshot();
    let latencies = now.latencies.unwrap();
    assert!(now.pace_withheld);
    assert_eq!((latencies.itl.run, latencies.tpot.recent), (None, None));
    assert!(latencies.ttft.run.is_some() && latencies.e2e.recent.is_some());
}

#[test]
fn what_is_called_recent_forgets_and_the_run_does_not() {
    let mut latencies = Latencies::default();
    let record = answered(&[100, 110], 2);
    let request = Figured::of(&record);
    latencies.add(&request, 0);
    latencies.add(&request, 5);
    let count = |now_s| {
        let ttft = latencies.shown(now_s, false).ttft;
        (ttft.run.unwrap().count, ttft.recent.map_or(0, |recent| recent.count))
    };
    assert_eq!(
        [count(5), count(9), count(10), count(14), count(15)],
        [(2, 2), (2, 2), (2, 1), (2, 1), (2, 0)]
    );
}

fn sample(device: Option<u32>, at_us: i64) -> Sample {
    Sample {
        at_us,
        took_us: 1,
        source: Source::Gpu,
        device,
        histograms: BTreeMap::new(),
        values: BTreeMap::from([("gpu_power_w".to_owned(), at_us as f64)]),
    }
}

#[test]
fn what_the_newest_sample_of_a_gpu_does_not_tell_is_an_earlier_ones() {
    let of = |source, device, values: &[(&str, f64)]| Sample {
        device,
        source,
        at_us: 0,
        took_us: 0,
        histograms: BTreeMap::new(),
        values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    };
    let figures = LiveFigures::default();
    let zero = Instant::now();
    let at = |seconds| zero + Duration::from_secs(seconds);
    figures.sense_at(&of(Source::Gpu, Some(0), &[("power", 1.0), ("memory", 7.0)]), at(0));
    figures.sense_at(&of(Source::Gpu, Some(0), &[("power", 2.0)]), at(1));
    figures.sense_at(&of(Source::Gpu, Some(0), &[("power", 3.0)]), at(2));
    figures.sense_at(&of(Source::Server, None, &[("a", 1.0), ("b", 1.0)]), at(0));
    figures.sense_at(&of(Source::Server, None, &[("a", 2.0)]), at(1));
    let values = |now| -> Vec<BTreeMap<String, f64>> {
        figures.known().sensed_at(now).into_iter().map(|sample| sample.values).collect()
    };
    let named = |values: &[(&str, f64)]| -> BTreeMap<String, f64> {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    };
    assert_eq!(values(at(3)), [named(&[("a", 2.0)]), named(&[("memory", 7.0), ("power", 3.0)])]);
    assert_eq!(values(at(11))[1], named(&[("power", 3.0)]), "it is too old");
}

#[test]
fn a_sensor_that_has_stopped_is_shown_no_more_and_one_that_is_rarely_read_is() {
    let figures = LiveFigures::default();
    let at = |s: u64| Instant::now() + Duration::from_secs(s);
    figures.sense_at(&sample(Some(0), 1), at(0));
    figures.sense_at(&sample(Some(0), 2), at(1));
    figures.sense_at(&sample(Some(1), 1), at(0));
    figures.sense_at(&sample(Some(1), 2), at(30));
    let shown = |s| figures.known().sensed_at(at(s)).iter().map(|one| one.device).collect::<Vec<_>>();
    assert_eq!(shown(9), [Some(0), Some(1)]);
    assert_eq!(shown(60), [Some(1)]);
    assert!(shown(150).is_empty());
}

#[test]
fn the_newest_sample_of_each_device_is_kept() {
    let figures = LiveFigures::default();
    for (device, at_us) in [(Some(0), 1), (Some(1), 2), (Some(0), 3)] {
        figures.sense(&sample(device, at_us));
    }
    assert_eq!(figures.snapshot().sensed, [sample(Some(0), 3), sample(Some(1), 2)]);
}
