//! One load played by several: whatever their number, what they play together is what one would.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::{Barrier, watch};
use tokio::task::{LocalSet, spawn_local};

use crate::load::part::{Stripe, check_share};
use crate::load::phase::ClosedLoop;
use crate::load::schedule::arrivals::due_times_of;
use crate::load::tests::engine::{Behaviour, closed, job, limit, open, serve, until};
use crate::load::*;
use crate::schema::files::EngineFigures;
use crate::schema::live::LiveCounters;
use crate::schema::plan::LoadPoint;
use crate::schema::rate_course::{Curve, Gaps, Piece};
use crate::schema::record::{Outcome, RequestRecord};
use crate::schema::trace::TraceArrivals;
use crate::schema::traffic::{Arrivals, Traffic, Until, Warmup};
use crate::schema::unit::{Phase, Unit, Units};
use crate::schema::workers::Share;

/// All that is numbered, by who plays it: of so many workers, with so many threads each.
fn stripes(of: u32, threads: u64) -> impl Iterator<Item = Stripe> {
    (0..of).flat_map(move |worker| {
        (0..threads).map(move |thread| Stripe { share: Share { worker, of }, thread, threads })
    })
}

fn patterns() -> Vec<Arrivals> {
    let size = NonZeroU32::new(5).unwrap();
    let step = |rate, gaps| Piece::steady(0.7, rate, gaps);
    let ramp =
        |curve| Piece { for_s: 2.0, from_rate_per_s: 20.0, to_rate_per_s: 300.0, curve, gaps: Gaps::Poisson };
    vec![
        Arrivals::Poisson { rate: 200.0 },
        Arrivals::Gamma { rate: 200.0, burstiness: 0.3 },
        Arrivals::Constant { rate: 333.0 },
        Arrivals::Bursts { size, every_s: 0.02 },
        Arrivals::AllAtOnce,
        Arrivals::Pieces { pieces: vec![step(50.0, Gaps::Constant), step(400.0, Gaps::Bursts { size })] },
        Arrivals::Pieces { pieces: vec![ramp(Curve::Linear)] },
        Arrivals::Pieces {
            pieces: vec![ramp(Curve::Exponential), step(9.0, Gaps::Gamma { burstiness: 4.0 })],
        },
        Arrivals::Trace(TraceArrivals {
            name: "log".into(),
            requests: 300,
            rate_per_s: Some(428.0),
            peak_per_s: Some(428.0),
            at_once: 3,
            speed: 1.0,
            ticks: None,
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_shares_of_every_pattern_are_the_single_schedule_and_nothing_twice(
        seed: u64, requests in 1_u64..400, bounded_by_time: bool, threads in 1_u64..4,
    ) {
        // Some on one instant, as logs have them.
        let listed: Arc<[u64]> = (0..300).map(|k| k / 3 * 7_001).collect();
        for arrivals in patterns() {
            let seconds = (bounded_by_time && arrivals != Arrivals::AllAtOnce).then_some(1.5);
            let bound = seconds.is_none().then(|| NonZeroU64::new(requests)).flatten();
            let until = Until::new(bound, seconds).unwrap();
            let load = LoadPoint::of(Traffic::Open { arrivals, cap: None }, until);
            let single: Vec<(u64, u64)> = due_times_of(&load, seed, Some(&listed)).unwrap().collect();
            prop_assert!(!single.is_empty());
            for of in 1..=16 {
                let mut together: Vec<(u64, u64)> = stripes(of, threads)
                    .flat_map(|stripe| {
                        let all = due_times_of(&load, seed, Some(&listed)).unwrap();
                        all.filter(move |(index, _)| stripe.has(*index))
                    })
                    .collect();
                together.sort_unstable();
                prop_assert_eq!(&together, &single, "{} workers of {} threads", of, threads);
            }
        }
    }

    #[test]
    fn what_a_slot_plays_in_which_order_is_the_same_on_any_number_of_machines(
        slots in 1_u64..40, requests in 1_u64..300, threads in 1_u64..4,
    ) {
        let closed = ClosedLoop {
            slots,
            requests,
            next: Default::default(),
            tickets: None,
            ramp_us: 0,
            ramp_shrinks: false,
            first_end: watch::channel(None).0,
            ramp_to_us: Default::default(),
        };
        let played = |of: u32| -> BTreeSet<(u64, u64)> {
            let slots_of = |stripe: Stripe| (0..slots).filter(move |slot| stripe.has(*slot));
            let of_slot = |share, slot| (0..).map(move |turn| (slot, turn)).map(|(slot, turn)| {
                (slot, closed.take(share, slot, turn))
            }).take_while(|(_, k)| *k < requests).collect::<Vec<_>>();
            let all: Vec<_> = stripes(of, threads)
                .flat_map(|stripe| slots_of(stripe).flat_map(move |slot| of_slot(stripe.share, slot)))
                .collect();
            let set: BTreeSet<_> = all.iter().copied().collect();
            assert_eq!(set.len(), all.len(), "nothing twice");
            set
        };
        let two = played(2);
        prop_assert_eq!(two.iter().map(|(_, k)| *k).collect::<BTreeSet<_>>(), (0..requests).collect());
        for of in 3..=16 {
            prop_assert_eq!(&played(of), &two);
        }
    }
}

#[test]
fn a_cap_is_shared_whole_and_one_that_leaves_a_worker_none_is_refused() {
    let open = |cap| Traffic::Open { arrivals: Arrivals::AllAtOnce, cap: NonZeroU32::new(cap) };
    for of in 1..=16 {
        let parts: u64 = (0..of).map(|worker| Share { worker, of }.part_of(21)).sum();
        assert_eq!(parts, 21);
        assert!(check_share(&open(21), Share { worker: 0, of }).is_ok());
    }
    let why = check_share(&open(3), Share { worker: 0, of: 4 }).unwrap_err().to_string();
    assert_eq!(why, "a cap of 3 requests in flight cannot be shared by 4 workers");
}

#[test]
fn a_hash_tells_another_seed_law_bound_text_or_length_and_nothing_else() {
    let first = job("http://127.0.0.1:1", open(Arrivals::Poisson { rate: 9.0 }));
    let hash = schedule_hash(&first);
    assert_eq!(hash.len(), 64);
    let elsewhere = Job { base_url: "http://10.0.0.1:1".into(), client_threads: 7, ..first.clone() };
    assert_eq!(schedule_hash(&elsewhere), hash, "where it is played says nothing of the schedule");
    let mut others = vec![Job { seed: first.seed + 1, ..first.clone() }];
    others.push(job("http://127.0.0.1:1", open(Arrivals::Poisson { rate: 9.1 })));
    let mut longer = first.clone();
    longer.load.until = until(21);
    let unit = |text: &'static str, tokens| {
        Units::made_by(true, move |k| {
            Some(Unit::single(format!("{k}"), if k == 199 { text } else { "x" }, tokens))
        })
    };
    others.push(longer);
    others.extend([unit("x", 3), unit("y", 3), unit("x", 4)].map(|units| Job { units, ..first.clone() }));
    let hashes: BTreeSet<String> = others.iter().map(schedule_hash).chain([hash]).collect();
    assert_eq!(hashes.len(), 7);
}

/// What workers of a run give, each on a clock of its own, and when each began, by the first one's.
async fn together(job: Job, of: u32) -> Vec<(Vec<RequestRecord>, EngineFigures, u64)> {
    LocalSet::new().run_until(play_together(job, of)).await
}

async fn play_together(job: Job, of: u32) -> Vec<(Vec<RequestRecord>, EngineFigures, u64)> {
    let (ready, at) = (Arc::new(Barrier::new(of as usize)), Arc::new(Mutex::new(None::<Instant>)));
    let mut playing = Vec::new();
    let mut zero = None;
    for worker in 0..of {
        let clock = RunClock::start();
        let ahead = clock.instant(0) - *zero.get_or_insert(clock.instant(0));
        let (ready, at, job) = (ready.clone(), at.clone(), job.clone());
        playing.push(spawn_local(async move {
            let start: CommonStart = Box::new(move || {
                Box::pin(async move {
                    ready.wait().await;
                    let soon = Instant::now() + Duration::from_millis(400);
                    let at = *at.lock().unwrap().get_or_insert(soon);
                    Ok((at - clock.instant(0)).as_micros() as u64)
                })
            });
            let (records, received) = mpsc::channel();
            let (_stopper, stop) = watch::channel(false);
            let part = Part { share: Share { worker, of }, start };
            let played = play_part(job, part, clock, records, Arc::new(LiveCounters::default()), stop).await;
            let figures = played.unwrap().figures;
            let began_us = figures.measured_from_us + ahead.as_micros() as u64;
            (received.iter().collect(), figures, began_us)
        }));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let mut parts = Vec::new();
    for part in playing {
        parts.push(part.await.unwrap());
    }
    parts
}

#[tokio::test]
async fn workers_begin_together_and_play_each_request_once_at_its_own_time() {
    let (url, _) = serve(Behaviour::Stream { tokens: 2, gap: Duration::from_millis(1) }).await;
    let mut job = job(&url, open(Arrivals::Poisson { rate: 400.0 }));
    (job.load.until, job.load.warmup) = (until(60), Warmup::Requests(7));
    limit(&mut job.load, 40);
    let schedule: Vec<u64> = due_times(&job.load, job.seed).unwrap().map(|(_, due_us)| due_us).collect();
    let parts = together(job, 3).await;
    let began: Vec<u64> = parts.iter().map(|(_, _, began_us)| *began_us).collect();
    assert!(began.iter().max().unwrap() - began.iter().min().unwrap() <= 2, "{began:?}");
    let mut played = Vec::new();
    for (worker, (records, figures, _)) in parts.iter().enumerate() {
        let measured = records.iter().filter(|record| record.phase == Phase::Measured);
        played.extend(measured.map(|record| {
            assert_eq!((record.index % 3, &record.outcome), (worker as u64, &Outcome::Completed));
            (record.index, record.due_us.unwrap() - figures.measured_from_us)
        }));
        assert_eq!(figures.issued, Some(20));
    }
    played.sort_unstable();
    assert_eq!(played, (0..).zip(schedule).collect::<Vec<_>>());
    let warmup =
        parts.iter().flat_map(|(records, ..)| records).filter(|record| record.phase == Phase::Warmup);
    let mut warmup: Vec<u64> = warmup.map(|record| record.index).collect();
    warmup.sort_unstable();
    assert_eq!(warmup, (0..7).collect::<Vec<_>>());
}

#[tokio::test]
async fn conversations_of_workers_stay_whole_and_no_two_requests_have_one_index() {
    let (url, _) = serve(Behaviour::Stream { tokens: 2, gap: Duration::ZERO }).await;
    let mut job = job(&url, closed());
    let turn = Unit::single("talk", "x", 2).turns[0].clone();
    let talk = Unit { turns: vec![turn; 3], ..Unit::single("talk", "x", 2) };
    job.units = Units::one(talk);
    (job.load.until, job.load.warmup) = (until(10), Warmup::Requests(0));
    let parts = together(job, 3).await;
    let mut all = BTreeSet::new();
    for (worker, (records, ..)) in parts.iter().enumerate() {
        for record in records {
            // Four slots, of which the first and the last are worker 0's.
            assert_eq!((record.unit % 4 % 3, record.index % 3), (worker as u64, worker as u64));
            assert!(all.insert((record.unit, record.turn)));
        }
    }
    assert_eq!(all, (0..10).flat_map(|unit| (0..3).map(move |turn| (unit, turn))).collect());
    let indices: BTreeSet<u64> = parts.iter().flat_map(|(records, ..)| records).map(|r| r.index).collect();
    assert_eq!(indices.len(), 30);
}

#[tokio::test]
async fn a_common_start_that_fails_ends_the_run_before_its_first_measured_request() {
    let (url, _) = serve(Behaviour::Stream { tokens: 2, gap: Duration::ZERO }).await;
    let (records, received) = mpsc::channel();
    let (_stopper, stop) = watch::channel(false);
    let start: CommonStart = Box::new(|| Box::pin(async { anyhow::bail!("worker 3 is missing") }));
    let part = Part { share: Share { worker: 1, of: 4 }, start };
    let live = Arc::new(LiveCounters::default());
    let played = play_part(job(&url, closed()), part, RunClock::start(), records, live, stop).await;
    assert_eq!(played.unwrap_err().to_string(), "worker 3 is missing");
    assert!(received.iter().all(|record| record.phase == Phase::Warmup));
}
