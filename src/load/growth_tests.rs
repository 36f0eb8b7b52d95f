use super::*;
use crate::schema::record::{Chunk, Chunks};
use crate::schema::traffic::{Arrivals, Ramp, Until};

fn closed(slots: u32) -> Traffic {
    Traffic::Closed { slots: slots.try_into().unwrap(), ramp: Ramp::Automatic }
}

fn open(rate: f64, cap: u32) -> Traffic {
    Traffic::Open { arrivals: Arrivals::Poisson { rate }, cap: cap.try_into().ok() }
}

fn of(traffic: Traffic) -> LoadPoint {
    LoadPoint::of(traffic, Until::new(None, Some(60.0)).unwrap())
}

#[test]
fn a_plan_that_tells_its_streams_tells_its_threads() {
    let threads = |traffic, most| threads_for(&of(traffic), 1, most);
    assert_eq!([1, 1_500, 1_501, 10_000].map(|slots| threads(closed(slots), 15)), [1, 1, 2, 7]);
    assert_eq!(
        [0, 1, 3].map(|most| threads(closed(10_000), most)),
        [1, 1, 3],
        "never more than there are cores for"
    );
    assert_eq!(threads(open(5_000.0, 6_000), 15), 4);
    assert_eq!(threads(open(5.0, 6_000), 15), 1, "five a second never become six thousand");
    assert_eq!(threads(open(5_000.0, 0), 15), 1, "nobody knows yet how long an answer lasts");
    let at_once = |cap| Traffic::Open { arrivals: Arrivals::AllAtOnce, cap };
    let burst = |cap| LoadPoint::of(at_once(cap), Until::after_requests(10_000.try_into().unwrap()));
    assert_eq!(threads_for(&burst(None), 1, 15), 7, "all of them will be in flight");
    assert_eq!(threads_for(&burst(2_000.try_into().ok()), 1, 15), 2);
    let size = 4_000.try_into().unwrap();
    let bursts = Traffic::Open { arrivals: Arrivals::Bursts { size, every_s: 60.0 }, cap: None };
    assert_eq!(threads(bursts, 15), 3, "a burst is in flight together");
    assert_eq!(threads_for(&of(closed(10_000)), 4, 15), 2, "four machines share them");
    let few = LoadPoint::of(closed(10_000), Until::after_requests(100.try_into().unwrap()));
    assert_eq!(threads_for(&few, 1, 15), 1, "no more are in flight than there are");
}

/// A warm-up of so many streams, each 2 s of events 20 ms apart, on one thread.
fn shown(streams: u64, busy: f64) -> Shown {
    let warmed = Warmed {
        requests: streams,
        stream_us: streams * 2_000_000,
        events: streams * 100,
        ..Warmed::default()
    };
    Shown { threads: 1, wall_us: 2_000_000, busiest_s: 2.0 * busy, warmed }
}

#[test]
fn the_busiest_thread_of_a_warm_up_says_how_many_the_measured_load_takes() {
    let grown = |shown, ahead, most| grown(&shown, Some(ahead), most);
    assert_eq!(grown(shown(1_000, 0.5), 1_000.0, 8), None, "half of its time is as wanted");
    let found = grown(shown(1_000, 0.83), 1_000.0, 8).unwrap();
    assert_eq!((found.threads, found.short), (2, false));
    assert_eq!(found.to_string(), "2 client threads: the warm-up kept one busy for 83 %");
    // A warm-up of half the load.
    let found = grown(shown(500, 0.4), 1_000.0, 8).unwrap();
    assert_eq!(found.threads, 2);
    assert!(
        found.to_string().ends_with("busy for 40 %, which would become 80 % at the measured load"),
        "{found}"
    );
    assert_eq!(grown(shown(1_000, 0.83), 1_000.0, 1), None, "there are no cores for more");
    let found = grown(shown(1_000, 1.0), 3_000.0, 4).unwrap();
    assert_eq!((found.threads, found.short), (4, true));
    assert!(found.to_string().ends_with("had this machine the cores"), "{found}");
    let idle = Shown { threads: 2, ..shown(20, 0.1) };
    assert_eq!(
        grown(idle, 1_000.0, 8),
        None,
        "twenty streams that wake it one by one say nothing of a thousand"
    );
    let short = Shown { wall_us: 400_000, busiest_s: 0.4, ..shown(10, 0.0) };
    assert_eq!(grown(short, 100.0, 8), None, "nor does a moment");
}

#[test]
fn events_that_are_to_come_take_threads_whatever_the_warm_up_took() {
    // 20 streams of 50/s were idle work; 4,000 of them are 200,000 events a second.
    let found = grown(&shown(20, 0.05), Some(4_000.0), 8).unwrap();
    assert_eq!(found.threads, 3);
    assert_eq!(found.to_string(), "3 client threads: by the warm-up 200000 events a second are to come");
    assert_eq!(grown(&shown(20, 0.05), None, 8), None, "nobody knows how many are to come");
    let ahead = |traffic, e2e_us| streams_ahead(&of(traffic), e2e_us);
    assert_eq!(ahead(closed(300), None), Some(300.0));
    assert_eq!(ahead(open(100.0, 0), Some(2e6)), Some(200.0));
    assert_eq!(ahead(open(100.0, 150), Some(2e6)), Some(150.0));
    assert_eq!(ahead(open(100.0, 0), None), None);
}

/// An answer sent at 1 s, with events 10 ms apart; those from `merged_from` on are merged.
fn answer(events: u64, merged_from: u64, lag_us: u32) -> RequestRecord {
    let bound = |number| (number >= merged_from).then_some(5_000);
    let chunk =
        |number| Chunk { at_us: 1_010_000 + number * 10_000, tokens: 1, merged_bound_us: bound(number) };
    let chunks: Chunks = (0..events).map(chunk).collect();
    let blank = serde_json::json!({
        "index": 0, "prompt_id": "w", "phase": "warmup", "ready_us": 0, "end_us": 0, "stamps": "kernel",
        "tokens": {"source": "usage"}, "max_tokens": 0, "outcome": "completed",
    });
    let mut record: RequestRecord = serde_json::from_value(blank).unwrap();
    record.sent_us = Some(1_000_000);
    record.last_token_us = Some(chunks.last_us());
    record.reader_lag_max_us = lag_us;
    record.chunks = chunks;
    record
}

fn late(records: &[RequestRecord], first_end_us: Option<u64>) -> Shown {
    let mut warmed = Warmed::default();
    records.iter().for_each(|record| warmed.add(record, first_end_us));
    Shown { threads: 2, wall_us: 2_000_000, busiest_s: 0.0, warmed }
}

#[test]
fn merged_events_and_a_late_reader_call_for_twice_as_many_but_not_in_the_burst_of_a_first_wave() {
    let burst: Vec<RequestRecord> = (0..60).map(|_| answer(10, 10, 50_000)).collect();
    assert_eq!(grown(&late(&burst, None), None, 8), None, "all were sent at once");
    let found = grown(&late(&burst, Some(900_000)), None, 8).unwrap();
    assert_eq!((found.threads, found.why), (4, Why::Lag(50.0)));
    let merged: Vec<RequestRecord> = (0..60).map(|_| answer(10, 9, 0)).collect();
    let found = grown(&late(&merged, None), None, 3).unwrap();
    assert_eq!((found.threads, found.short), (3, true));
    assert!(found.to_string().contains("events were merged"), "{found}");
    let read: Vec<RequestRecord> =
        merged.iter().map(|record| RequestRecord { stamps: StampKind::Read, ..record.clone() }).collect();
    assert_eq!(
        grown(&late(&read, None), None, 8),
        None,
        "streams of one connection are found together by nature"
    );
    let few = grown(&late(&merged[..3], None), None, 8);
    assert_eq!(few, None, "a few events say nothing");
}
