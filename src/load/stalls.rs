//! A client thread that is kept from its work: what is then late is booked as the client's own, and no stamp pretends otherwise.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::{mpsc as commands, oneshot};

use super::cancel::Cancel;
use super::clock::{RealtimeOffset, RunClock};
use super::dial::Dialer;
use super::exchange::Line;
use super::messages::{Messages, Script};
use super::pacer::Pacer;
use super::play::{Job, base_url};
use super::polls;
use super::pool::Pool;
use super::slots::Slots;
use super::tests::{Behaviour, job, serve};
use super::worker::{Command, PhaseKind, PhaseRun, Worker, work};
use crate::schema::live::LiveCounters;
use crate::schema::plan::Traffic;
use crate::schema::record::{Outcome, RequestRecord, StampKind};
use crate::schema::request::Phase;

/// The first request is due so long after the start, µs.
const FIRST_DUE_US: u64 = 150_000;

/// A server on a thread of its own, which the stalls do not touch.
fn serve_apart(behaviour: Behaviour) -> String {
    let (address, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            address.send(serve(behaviour).await.0).unwrap();
            std::future::pending::<()>().await;
        });
    });
    answer.recv().unwrap()
}

/// Plays `job` on this thread, and keeps the thread busy from the one time to the other (µs after the
/// first due time). The records in order, and the first due time; none where the machine was too
/// busy for the stall to begin in time.
fn play_stalled(job: &Job, cap: Option<u32>, stall: (i64, i64)) -> Option<(Vec<RequestRecord>, u64)> {
    let clock = RunClock::start();
    let runtime = polls::runtime(clock).unwrap();
    let (records, received) = mpsc::channel();
    let due_us = clock.now_us() + FIRST_DUE_US;
    let stalled_in_time = runtime.block_on(async {
        let worker = worker(job, clock, records).await;
        let (pacer, tickets) = Pacer::start(clock).unwrap();
        let phase = Arc::new(phase(job, due_us, PhaseKind::Open { slots: cap.map(Slots::new), tickets }));
        let (commands, queue) = commands::unbounded_channel();
        let (reply, played) = oneshot::channel();
        let (connecting, connected) = oneshot::channel();
        assert!(commands.send(Command::Connect(1, connecting)).is_ok());
        assert!(commands.send(Command::Play(phase, reply)).is_ok());
        let stall = tokio::spawn(async move {
            let [from_us, to_us] = [stall.0, stall.1].map(|at_us| due_us.saturating_add_signed(at_us));
            tokio::time::sleep_until(clock.instant(from_us).into()).await;
            let late_us = clock.now_us() - from_us;
            std::thread::sleep(Duration::from_micros(to_us.saturating_sub(clock.now_us())));
            late_us < 10_000
        });
        let worker = tokio::spawn(work(worker, queue));
        connected.await.unwrap();
        played.await.unwrap();
        drop(commands);
        worker.await.unwrap();
        pacer.join();
        stall.await.unwrap()
    });
    let mut records: Vec<RequestRecord> = received.iter().collect();
    records.sort_by_key(|record| record.index);
    stalled_in_time.then_some((records, due_us))
}

async fn worker(job: &Job, clock: RunClock, records: mpsc::Sender<RequestRecord>) -> Worker {
    Worker {
        number: 0,
        threads: 1,
        line: Line {
            clock,
            offset: RealtimeOffset::measure(&clock),
            dialer: Arc::new(Dialer::new(&base_url(&job.base_url).unwrap(), &job.wire).await.unwrap()),
            pool: Pool::default(),
            http2: None,
            live: Arc::new(LiveCounters::default()),
        },
        plan: job.load.clone(),
        sampling: job.sampling,
        protocol: job.protocol.clone(),
        records,
    }
}

fn phase(job: &Job, from_us: u64, kind: PhaseKind) -> PhaseRun {
    let url = base_url(&job.base_url).unwrap();
    let messages = Messages::new(&url, &job.wire, None, &job.protocol, &job.sampling, false).unwrap();
    PhaseRun {
        phase: Phase::Measured,
        script: Script::new(Arc::new(messages), job.requests.clone()),
        cancel: Cancel::default(),
        from_us,
        until_us: None,
        drain_until_us: None,
        kind,
        last_issue_us: AtomicU64::new(0),
        first_e2e_us: AtomicU64::new(0),
    }
}

/// The first attempt that went as planned: on a machine that others use too a stall may begin late, or
/// the server be stalled as well. Where none does, what was expected does not happen.
fn attempts<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    (0..10).find_map(|_| attempt()).expect("what was expected did not happen in ten attempts")
}

fn due(record: &RequestRecord) -> u64 {
    record.due_us.unwrap()
}

fn was_sent_before(records: &[RequestRecord], at_us: u64) -> bool {
    records[0].sent_us < Some(at_us)
}

fn open_job(url: &str, requests: u64, rate: f64) -> Job {
    let mut job = job(url, Traffic::Constant { rate });
    job.load.requests = Some(requests);
    job
}

#[test]
fn a_due_time_that_passes_while_the_client_sleeps_is_send_delay_and_no_wait_for_a_slot() {
    let url = serve_apart(Behaviour::Stream { tokens: 2, gap: Duration::from_millis(1) });
    let (records, due_us) = attempts(|| play_stalled(&open_job(&url, 1, 1.0), Some(4), (-15_000, 20_000)));
    let record = &records[0];
    assert_eq!(record.outcome, Outcome::Completed);
    assert_eq!((record.due_us, record.slot_us), (Some(due_us), Some(due_us)), "a slot was free");
    assert!(record.sent_us.unwrap() >= due_us + 20_000, "{record:?}");
}

#[test]
fn a_slot_is_waited_for_until_the_answer_before_it_ends_and_not_until_the_client_notices() {
    let url = serve_apart(Behaviour::Stream { tokens: 2, gap: Duration::from_millis(20) });
    // The second is due 1 ms after the first, which takes 40 ms.
    let (records, due_us) = attempts(|| {
        let played = play_stalled(&open_job(&url, 2, 1000.0), Some(1), (10_000, 150_000));
        // With the kernel's stamp the first ends long before the client looks.
        let ended =
            |record: &RequestRecord| cfg!(not(target_os = "linux")) || record.end_us < due(record) + 145_000;
        played.filter(|(records, due_us)| was_sent_before(records, due_us + 10_000) && ended(&records[0]))
    });
    let (first, second) = (&records[0], &records[1]);
    assert_eq!((&first.outcome, &second.outcome), (&Outcome::Completed, &Outcome::Completed));
    assert_eq!(first.slot_us, Some(due_us));
    assert_eq!(second.slot_us, Some(first.end_us));
    assert!(second.sent_us.unwrap() >= due_us + 150_000, "{second:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn events_that_a_late_reader_finds_together_are_marked_with_how_late_their_stamps_may_be() {
    let url = serve_apart(Behaviour::Stream { tokens: 30, gap: Duration::from_millis(5) });
    let long = |record: &RequestRecord| {
        record.chunks.iter().filter(|chunk| chunk.merged_bound_us > Some(20_000)).count()
    };
    let (records, due_us) = attempts(|| {
        let played = play_stalled(&open_job(&url, 1, 1.0), None, (30_000, 110_000));
        played.filter(|(records, due_us)| was_sent_before(records, due_us + 20_000) && long(&records[0]) >= 2)
    });
    let record = &records[0];
    assert_eq!((record.chunks.len(), record.stamps), (30, StampKind::Kernel));
    let newest = record.chunks.iter().find(|chunk| chunk.merged_bound_us > Some(20_000)).unwrap();
    let earliest_us = newest.at_us - u64::from(newest.merged_bound_us.unwrap());
    assert!(earliest_us <= due_us + 60_000, "the bound reaches back to before the stall: {record:?}");
    assert!(record.reader_lag_max_us > 0, "{record:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_stall_between_two_events_moves_no_stamp_and_shows_as_reader_lag() {
    let url = serve_apart(Behaviour::Stream { tokens: 3, gap: Duration::from_millis(200) });
    // The first event comes at 200 ms, and is found at 300 ms.
    let (records, due_us) = attempts(|| {
        let played = play_stalled(&open_job(&url, 1, 1.0), None, (150_000, 300_000));
        let found_late = |record: &RequestRecord| record.reader_lag_max_us > 20_000;
        played
            .filter(|(records, due_us)| was_sent_before(records, due_us + 20_000) && found_late(&records[0]))
    });
    let record = &records[0];
    assert!(record.first_token_us.unwrap() < due_us + 300_000, "{record:?}");
    assert_eq!(record.chunks.iter().next().unwrap().merged_bound_us, None);
}

/// A server writes the end of a stream right behind its last token, and both are found in one read.
#[cfg(target_os = "linux")]
#[test]
fn the_last_event_of_a_short_answer_is_bounded_by_the_clients_own_waking() {
    let url = serve_apart(Behaviour::Stream { tokens: 4, gap: Duration::from_millis(20) });
    let mut best = Vec::new();
    for _ in 0..20 {
        let Some((records, _)) = play_stalled(&open_job(&url, 4, 100.0), None, (1_000, 1_000)) else {
            continue;
        };
        best.extend(records.iter().flat_map(|record| record.chunks.iter()).filter_map(|c| c.merged_bound_us));
        if best.iter().any(|bound_us| *bound_us < 2_000) {
            return;
        }
    }
    // Where the scheduler hides its account, or nothing merged, there is nothing to see.
    assert!(best.is_empty() || !polls::has_account(), "{best:?}");
}
