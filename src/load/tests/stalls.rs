//! A client thread that is kept from its work: what is then late is booked as the client's own, and no stamp pretends otherwise.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::{mpsc as commands, oneshot};

use crate::load::cancel::Cancel;
use crate::load::clock::{RealtimeOffset, RunClock};
use crate::load::job::{Job, base_url};
use crate::load::phase::{PhaseKind, PhaseRun};
use crate::load::player::Player;
use crate::load::request::in_flight::Client;
use crate::load::request::messages::{Messages, Requests};
use crate::load::schedule::pacer::Pacer;
use crate::load::schedule::slots::Slots;
use crate::load::socket::dial::Dialer;
use crate::load::socket::pool::Pool;
use crate::load::socket::wait_bounds;
use crate::load::tests::engine::{self, Behaviour, job, open, serve, until};
use crate::load::worker::{Command, LOOK_AHEAD_US, Worker, work};
use crate::schema::live::LiveCounters;
use crate::schema::record::{Outcome, RequestRecord, StampKind};
use crate::schema::traffic::Arrivals;
use crate::schema::unit::Phase;
use crate::schema::workers::Share;

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

/// When a token was written: just before the system call and just after it, µs.
#[cfg(target_os = "linux")]
type TrueWrite = (u64, u64);

/// A server that answers one request with so many tokens, so long apart, and then tells when it wrote each. The
/// end of the stream is in the last token's write, as real servers have it.
#[cfg(target_os = "linux")]
fn serve_truly(clock: RunClock, tokens: u64, gap: Duration) -> (String, mpsc::Receiver<Vec<TrueWrite>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        // Our own requests are short, and come whole.
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        let start_us = clock.now_us();
        stream.write_all(engine::HEAD.as_bytes()).unwrap();
        let token = engine::chunk(r#"{"choices":[{"index":0,"text":"a","finish_reason":null}]}"#);
        let usage = format!(
            r#"{{"choices":[{{"text":"","finish_reason":"length"}}],"usage":{{"prompt_tokens":3,"completion_tokens":{tokens}}}}}"#
        );
        let end = format!("{}{}0\r\n\r\n", engine::chunk(&usage), engine::chunk("[DONE]"));
        let mut writes = Vec::new();
        for number in 1..=tokens {
            let due_us = start_us + number * gap.as_micros() as u64;
            std::thread::sleep(Duration::from_micros(due_us.saturating_sub(clock.now_us())));
            let text = if number == tokens { format!("{token}{end}") } else { token.clone() };
            let before_us = clock.now_us();
            stream.write_all(text.as_bytes()).unwrap();
            writes.push((before_us, clock.now_us()));
        }
        // The attempt may have been given up.
        let _ = tell.send(writes);
    });
    (url, told)
}

/// Plays `job` on this thread, and keeps the thread busy from the one time to the other (µs after the
/// first due time). The records in order, and the first due time; none where the machine was too
/// busy for the stall to begin in time.
fn play_stalled(job: &Job, cap: Option<u32>, stall: (i64, i64)) -> Option<(Vec<RequestRecord>, u64)> {
    play_stalled_by(RunClock::start(), job, cap, vec![stall])
}

/// The same by a clock that others know, with several stalls.
fn play_stalled_by(
    clock: RunClock,
    job: &Job,
    cap: Option<u32>,
    stalls: Vec<(i64, i64)>,
) -> Option<(Vec<RequestRecord>, u64)> {
    let runtime = wait_bounds::runtime(clock).unwrap();
    let (records, received) = mpsc::channel();
    let due_us = clock.now_us() + FIRST_DUE_US;
    let stalled_in_time = runtime.block_on(async {
        let worker = worker(job, clock, records).await;
        let (pacer, tickets) = Pacer::start(clock).unwrap();
        let phase = Arc::new(phase(
            job,
            due_us,
            PhaseKind::Open { slots: cap.map(Slots::new), tickets, ahead_us: LOOK_AHEAD_US },
        ));
        let (commands, queue) = commands::unbounded_channel();
        let (reply, played) = oneshot::channel();
        let (connecting, connected) = oneshot::channel();
        assert!(commands.send(Command::Connect(1, Duration::from_secs(2), connecting)).is_ok());
        assert!(commands.send(Command::Play(phase, reply)).is_ok());
        let stall = tokio::spawn(async move {
            let mut in_time = true;
            for (from_us, to_us) in stalls {
                let [from_us, to_us] = [from_us, to_us].map(|at_us| due_us.saturating_add_signed(at_us));
                tokio::time::sleep_until(clock.instant(from_us).into()).await;
                in_time &= clock.now_us() - from_us < 10_000;
                std::thread::sleep(Duration::from_micros(to_us.saturating_sub(clock.now_us())));
            }
            in_time
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
    let player = Player {
        others: Vec::new(),
        client: Client {
            clock,
            offset: RealtimeOffset::measure(&clock),
            dialer: Arc::new(Dialer::new(&base_url(&job.base_url).unwrap(), &job.http).await.unwrap()),
            sends_on: Arc::default(),
            pool: Pool::default(),
            asked: String::new(),
            http2: None,
            live: Arc::new(LiveCounters::default()),
        },
        sampling: job.sampling,
        capabilities: job.capabilities.clone(),
        timeout_us: 30_000_000,
        records,
        last_issue: Default::default(),
        warmed: Default::default(),
    };
    Worker { number: 0, load: job.load.clone(), seed: job.seed, player: Arc::new(player) }
}

fn phase(job: &Job, from_us: u64, kind: PhaseKind) -> PhaseRun {
    let url = base_url(&job.base_url).unwrap();
    let messages = Messages::new(&url, &job.http, None, &job.capabilities, &job.sampling).unwrap();
    PhaseRun {
        threads: 1,
        phase: Phase::Measured,
        share: Share::ALL,
        requests: Requests::new(Arc::new(messages), Vec::new(), job.units.clone()),
        cancel: Cancel::default(),
        from_us,
        until_us: None,
        drain_until_us: None,
        kind,
        next_index: AtomicU64::new(0),
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
    let mut job = job(url, open(Arrivals::Constant { rate }));
    job.load.until = until(requests);
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

/// Plays one answer of `tokens` tokens with stalls of 50 ms, the middle of each so long (ms) after the request
/// was due. The record, and the true times of its tokens.
#[cfg(target_os = "linux")]
fn stalled_answer(tokens: u64, gap_ms: u64, middles_ms: &[i64]) -> Option<(RequestRecord, Vec<TrueWrite>)> {
    let clock = RunClock::start();
    let (url, told) = serve_truly(clock, tokens, Duration::from_millis(gap_ms));
    let stalls = middles_ms.iter().map(|ms| (ms * 1000 - 25_000, ms * 1000 + 25_000)).collect();
    let (mut records, due_us) = play_stalled_by(clock, &open_job(&url, 1, 1.0), None, stalls)?;
    let writes = told.recv().unwrap();
    // The server kept its times well enough for the stalls to meet its tokens.
    let in_time =
        writes.iter().zip(1..).all(|(write, number)| write.1 < due_us + number * gap_ms * 1000 + 10_000);
    in_time.then(|| (records.remove(0), writes))
}

/// The error of a stamp, µs, against the time in which its token was truly written; where it is marked, against
/// the time that its bound leaves.
#[cfg(target_os = "linux")]
fn error_us(chunk: &crate::schema::record::Chunk, write: &TrueWrite) -> u64 {
    let earliest_us = chunk.at_us - u64::from(chunk.merged_bound_us.unwrap_or(0));
    write.0.saturating_sub(chunk.at_us).max(earliest_us.saturating_sub(write.1))
}

#[cfg(target_os = "linux")]
#[test]
fn tokens_100_ms_apart_keep_their_stamps_in_any_stall_which_is_reader_lag() {
    attempts(|| {
        // A stall about the third token, between the fourth and the fifth, and about the sixth and last.
        let (record, writes) = stalled_answer(6, 100, &[300, 450, 600])?;
        assert_eq!((record.chunks.len(), writes.len(), record.stamps), (6, 6, StampKind::Kernel));
        let moved_us = |(chunk, write): (crate::schema::record::Chunk, &TrueWrite)| {
            write.0.saturating_sub(chunk.at_us).max(chunk.at_us.saturating_sub(write.1))
        };
        let worst_us = record.chunks.iter().zip(&writes).map(moved_us).max()?;
        // All but the last, whose end comes with it.
        let unmarked = record.chunks.iter().filter(|chunk| chunk.merged_bound_us.is_none()).count();
        (worst_us <= 200 && unmarked >= 5 && record.reader_lag_max_us >= 10_000).then_some(())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn tokens_that_a_stall_gathers_are_each_marked_with_a_bound_that_reaches_their_true_time() {
    for gap_ms in [2, 10] {
        attempts(|| {
            let (record, writes) = stalled_answer(200 / gap_ms, gap_ms, &[100])?;
            assert_eq!((record.chunks.len(), writes.len()), (writes.len(), (200 / gap_ms) as usize));
            let pairs = || record.chunks.iter().zip(&writes);
            let worst_us = pairs().map(|(chunk, write)| error_us(&chunk, write)).max()?;
            // Those that were moved at all: the error above holds each of them to its mark.
            let moved = pairs().filter(|(chunk, write)| chunk.at_us > write.1 + 200).count();
            let longest_us = record.chunks.iter().filter_map(|chunk| chunk.merged_bound_us).max()?;
            let gathered = usize::try_from(30 / gap_ms).ok()?;
            let seen = moved >= gathered && longest_us >= 30_000 && record.reader_lag_max_us > 0;
            (worst_us <= 200 && seen).then_some(())
        });
    }
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
    assert!(best.is_empty() || !wait_bounds::has_account(), "{best:?}");
}

/// What is on the heap beside it, buffers above all, has room within the 2,600 bytes that a live request may take.
const TASK_LIMIT_BYTES: usize = 1_700;

#[tokio::test]
async fn the_task_of_a_unit_of_one_turn_is_small() {
    let job = job("http://127.0.0.1:9", open(Arrivals::Constant { rate: 1.0 }));
    let (records, _received) = mpsc::channel();
    let clock = RunClock::start();
    let player = worker(&job, clock, records).await.player;
    let (pacer, tickets) = Pacer::start(clock).unwrap();
    let open = PhaseKind::Open { slots: None, tickets: tickets.clone(), ahead_us: LOOK_AHEAD_US };
    let phase = Arc::new(phase(&job, 0, open));
    let begun = player.begin(&phase, 0, Some(0), 0).unwrap();
    let task = player.unit(phase, begun, Some((tickets, None)));
    let bytes = size_of_val(&task);
    assert!(bytes <= TASK_LIMIT_BYTES, "{bytes} bytes");
    drop(task);
    pacer.join();
}
