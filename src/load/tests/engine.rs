//! The engine against a tiny server in this process: counts, dues, slots, drain, stop, replay.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::load::*;
use crate::schema::live::LiveCounters;
use crate::schema::plan::{HttpSettings, LoadPoint, Sampling};
use crate::schema::record::{FailureKind, Outcome, RequestRecord};
use crate::schema::target::{BodyFields, Capabilities, ProtocolName};
use crate::schema::traffic::{Arrivals, Ramp, Traffic, Until, Warmup};
use crate::schema::unit::{Phase, Unit, Units};
use crate::schema::workers::Share;

/// What the server does with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Behaviour {
    /// So many tokens with so long between them.
    Stream { tokens: u32, gap: Duration },
    /// A head and one token, then nothing.
    Stall,
    /// One answer, then the connection is closed when the next request has come.
    CloseOnSecond,
    /// An answer that promises to keep the connection, which is then closed.
    CloseUnannounced,
    /// An answer that says that the connection will be closed, which it then is.
    CloseAnnounced,
    /// The connection is closed instead of an answer.
    Close,
    /// 503 with a message.
    Refuse,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicU64,
    open: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
}

impl Counts {
    fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::SeqCst)
    }
}

pub(crate) async fn serve(behaviour: Behaviour) -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counts = Arc::new(Counts::default());
    let shared = counts.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let shared = shared.clone();
            tokio::spawn(async move {
                shared.open.fetch_add(1, Ordering::SeqCst);
                let _ = converse(stream, behaviour, &shared).await;
                shared.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (url, counts)
}

async fn converse(mut stream: TcpStream, behaviour: Behaviour, counts: &Counts) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answered = 0;
    while read_request(&mut stream).await? {
        counts.requests.fetch_add(1, Ordering::SeqCst);
        let now = counts.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let result = answer(&mut stream, behaviour, answered).await;
        counts.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !result? {
            return Ok(());
        }
        answered += 1;
    }
    Ok(())
}

pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<bool> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if bytes.len() >= end + 4 + length.unwrap().parse::<usize>().unwrap() {
                return Ok(true);
            }
        }
    }
}

pub(crate) const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

pub(crate) fn chunk(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

async fn answer(stream: &mut TcpStream, behaviour: Behaviour, answered: u32) -> std::io::Result<bool> {
    let token = chunk(r#"{"choices":[{"index":0,"text":"a","finish_reason":null}]}"#);
    let (tokens, gap) = match behaviour {
        Behaviour::Stream { tokens, gap } => (tokens, gap),
        Behaviour::CloseUnannounced | Behaviour::CloseAnnounced => (2, Duration::ZERO),
        Behaviour::CloseOnSecond if answered == 0 => (2, Duration::ZERO),
        Behaviour::CloseOnSecond | Behaviour::Close => return Ok(false),
        Behaviour::Refuse => {
            let body = r#"{"error":{"message":"too busy"}}"#;
            let length = body.len();
            let head = format!(
                "HTTP/1.1 503 Busy\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await?;
            return Ok(true);
        }
        Behaviour::Stall => {
            stream.write_all(format!("{HEAD}{token}").as_bytes()).await?;
            let mut end = [0];
            let _ = stream.read(&mut end).await;
            return Ok(false);
        }
    };
    let closes = behaviour == Behaviour::CloseAnnounced;
    let head =
        if closes { HEAD.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n") } else { HEAD.to_owned() };
    stream.write_all(head.as_bytes()).await?;
    for _ in 0..tokens {
        tokio::time::sleep(gap).await;
        stream.write_all(token.as_bytes()).await?;
    }
    let usage = format!(
        r#"{{"choices":[{{"text":"","finish_reason":"length"}}],"usage":{{"prompt_tokens":3,"completion_tokens":{tokens}}}}}"#
    );
    stream.write_all(format!("{}{}0\r\n\r\n", chunk(&usage), chunk("[DONE]")).as_bytes()).await?;
    Ok(!closes && behaviour != Behaviour::CloseUnannounced)
}

fn quick() -> Behaviour {
    Behaviour::Stream { tokens: 3, gap: Duration::from_millis(2) }
}

/// A closed loop of four slots, without a ramp.
pub(crate) fn closed() -> Traffic {
    Traffic::Closed { slots: 4.try_into().unwrap(), ramp: Ramp::DurationS(0.0) }
}

/// An open loop with at most four in flight.
pub(crate) fn open(arrivals: Arrivals) -> Traffic {
    Traffic::Open { arrivals, cap: NonZeroU32::new(4) }
}

pub(crate) fn until(requests: u64) -> Until {
    Until::after_requests(requests.try_into().unwrap())
}

/// Sets the slots (none: one), or the cap.
pub(crate) fn limit(load: &mut LoadPoint, most: impl Into<Option<u32>>) {
    let most = most.into().and_then(NonZeroU32::new);
    match &mut load.traffic {
        Traffic::Closed { slots, .. } => *slots = most.unwrap_or(NonZeroU32::MIN),
        Traffic::Open { cap, .. } => *cap = most,
    }
}

pub(crate) fn job(url: &str, traffic: Traffic) -> Job {
    let units = |name: &'static str| {
        let unit = move |k: u64| Some(Unit::single(format!("{name}{}", k % 4), "hello \"é\"\n", 3));
        Units::repeating(4, true, unit)
    };
    Job {
        base_url: url.to_owned(),
        more_urls: Vec::new(),
        http: HttpSettings {
            protocol: ProtocolName::OpenaiCompletions,
            path: default_path(ProtocolName::OpenaiCompletions).to_owned(),
            ..HttpSettings::default()
        },
        api_key: None,
        capabilities: Capabilities {
            request_model: "m".to_owned(),
            ignore_eos: true,
            min_tokens: true,
            stream_options: true,
            continuous_usage: false,
            eos_in_usage: true,
            done_marker: true,
            force_length: serde_json::Map::new(),
            body: serde_json::Map::new(),
            fields: BodyFields::default(),
        },
        load: LoadPoint {
            traffic,
            name: None,
            asks: None,
            until: until(20),
            warmup: Warmup::Requests(0),
            timeout_s: 30.0,
            drain_s: 30.0,
        },
        seed: 7,
        client_threads: 2,
        most_client_threads: 2,
        sampling: Sampling { temperature: 0.0, max_tokens: None, ignore_eos: false, exact_itl: false },
        units: units("m"),
        warmup: units("w"),
    }
}

pub(crate) struct Outcomes {
    records: Vec<RequestRecord>,
    live: Arc<LiveCounters>,
    pub(crate) played: Played,
}

impl Outcomes {
    /// Measured records in order of their index.
    pub(crate) fn measured(&self) -> Vec<&RequestRecord> {
        let mut all: Vec<_> = self.records.iter().filter(|record| record.phase == Phase::Measured).collect();
        all.sort_by_key(|record| record.index);
        all
    }

    /// Warm-up records.
    pub(crate) fn warmup(&self) -> impl Iterator<Item = &RequestRecord> {
        self.records.iter().filter(|record| record.phase == Phase::Warmup)
    }

    pub(crate) fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.measured().iter().filter(|record| is(&record.outcome)).count()
    }

    /// One record each, as many as were issued; indices are 0, 1, 2 …, without a gap unless the run was
    /// stopped: then each thread ends its own share of an open loop.
    pub(crate) fn check_accounts(&self) {
        let indices: Vec<u64> = self.measured().iter().map(|record| record.index).collect();
        assert!(indices.is_sorted_by(|a, b| a < b), "{indices:?}");
        if !self.played.stopped {
            assert_eq!(indices, (0..indices.len() as u64).collect::<Vec<_>>());
        }
        assert_eq!(LiveCounters::get(&self.live.issued), indices.len() as u64);
        assert_eq!(LiveCounters::get(&self.live.in_flight), 0);
        for record in self.measured() {
            let stamps = [
                Some(record.ready_us),
                record.slot_us,
                record.sent_us,
                record.headers_us,
                record.first_token_us,
                record.last_token_us,
            ];
            let stamps: Vec<u64> = stamps.into_iter().flatten().collect();
            assert!(stamps.is_sorted(), "{record:?}");
        }
    }
}

pub(crate) async fn run(job: Job) -> Outcomes {
    run_and_stop(job, None).await
}

pub(crate) async fn run_and_stop(job: Job, stop_after: Option<Duration>) -> Outcomes {
    let (records, received) = mpsc::channel();
    let live = Arc::new(LiveCounters::default());
    let (stopper, stop) = watch::channel(false);
    if let Some(after) = stop_after {
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _ = stopper.send(true);
        });
    }
    let played = play(job, RunClock::start(), records, live.clone(), stop).await.unwrap();
    Outcomes { records: received.iter().collect(), live, played }
}

pub(crate) fn is_failed(kind: FailureKind) -> impl Fn(&Outcome) -> bool {
    move |outcome| matches!(outcome, Outcome::Failed { kind: is, .. } if *is == kind)
}

pub(crate) fn is_completed(outcome: &Outcome) -> bool {
    *outcome == Outcome::Completed
}

/// The server notices closed connections a moment later.
async fn all_closed(counts: &Counts) -> bool {
    for _ in 0..500 {
        if Counts::get(&counts.open) == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_closed_loop_keeps_its_concurrency_in_flight_and_reuses_connections() {
    let (url, counts) = serve(Behaviour::Stream { tokens: 3, gap: Duration::from_millis(20) }).await;
    let outcomes = run(job(&url, closed())).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 20);
    assert_eq!(Counts::get(&counts.most_in_flight), 4);
    assert_eq!(Counts::get(&counts.requests), 20);
    assert_eq!(Counts::get(&counts.connections), 4);
    assert!(all_closed(&counts).await);
    let record = outcomes.measured()[5];
    assert_eq!((&*record.prompt_id, record.due_us, record.chunks.len()), ("m1", None, 3));
    assert_eq!(
        (record.tokens.prompt, record.tokens.output, record.tokens.delivered),
        (Some(3), Some(3), Some(3))
    );
    assert!(outcomes.played.figures.threads == 2 && outcomes.played.figures.cpu_s >= 0.0);
}

#[tokio::test]
async fn warm_up_is_played_first_from_its_own_requests() {
    let (url, counts) = serve(quick()).await;
    let mut job = job(&url, closed());
    job.load.warmup = Warmup::Requests(5);
    let outcomes = run(job).await;
    outcomes.check_accounts();
    let warmup: Vec<_> = outcomes.records.iter().filter(|record| record.phase == Phase::Warmup).collect();
    assert_eq!(warmup.len(), 5);
    assert!(warmup.iter().all(|record| record.prompt_id.starts_with('w')));
    assert!(warmup.iter().all(|record| record.end_us < outcomes.played.figures.measured_from_us));
    assert_eq!(LiveCounters::get(&outcomes.live.warmup_done), 5);
    assert_eq!(Counts::get(&counts.requests), 25);
}

#[tokio::test]
async fn an_open_loop_sends_at_the_due_times_whatever_the_number_of_threads() {
    let mut dues = Vec::new();
    for threads in [1, 3] {
        let (url, counts) = serve(Behaviour::Stream { tokens: 2, gap: Duration::from_millis(30) }).await;
        let mut job = job(&url, open(Arrivals::Poisson { rate: 200.0 }));
        limit(&mut job.load, None);
        job.load.until = until(60);
        job.client_threads = threads;
        let outcomes = run(job).await;
        outcomes.check_accounts();
        assert_eq!(outcomes.count(is_completed), 60);
        assert_eq!(Counts::get(&counts.requests), 60);
        let from_us = outcomes.played.figures.measured_from_us;
        assert!(outcomes.measured().iter().all(|record| record.sent_us >= record.due_us));
        dues.push(
            outcomes.measured().iter().map(|record| record.due_us.unwrap() - from_us).collect::<Vec<_>>(),
        );
    }
    assert_eq!(dues[0], dues[1]);
}

#[tokio::test]
async fn a_cap_shows_as_slot_wait_and_is_kept() {
    let (url, counts) = serve(Behaviour::Stream { tokens: 2, gap: Duration::from_millis(20) }).await;
    let mut job = job(&url, open(Arrivals::Constant { rate: 500.0 }));
    limit(&mut job.load, Some(2));
    job.load.until = until(12);
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 12);
    assert_eq!(Counts::get(&counts.most_in_flight), 2);
    let waits: Vec<u64> =
        outcomes.measured().iter().map(|record| record.slot_us.unwrap() - record.ready_us).collect();
    // Twelve answers of 40 ms and more, two at a time: the last ones wait for four rounds at least.
    assert!(waits[11] > 100_000, "{waits:?}");
}

#[tokio::test]
async fn what_never_got_a_slot_is_dropped_and_what_outlives_the_drain_is_cancelled() {
    let (url, _) = serve(Behaviour::Stall).await;
    let mut job = job(&url, open(Arrivals::Constant { rate: 100.0 }));
    limit(&mut job.load, Some(3));
    job.load.until = Until::new(None, Some(0.3)).unwrap();
    job.load.drain_s = 0.2;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.measured().len(), 30);
    assert_eq!(outcomes.count(|outcome| *outcome == Outcome::Cancelled), 3);
    assert_eq!(outcomes.count(|outcome| *outcome == Outcome::Dropped), 27);
}

#[tokio::test]
async fn a_duration_ends_a_closed_loop_and_drains_it() {
    let (url, _) = serve(Behaviour::Stream { tokens: 2, gap: Duration::from_millis(40) }).await;
    let mut job = job(&url, closed());
    job.load.until = Until::new(None, Some(0.3)).unwrap();
    let outcomes = run(job).await;
    outcomes.check_accounts();
    let until_us = outcomes.played.figures.measured_from_us + 300_000;
    assert!(outcomes.count(is_completed) >= 4);
    assert_eq!(outcomes.count(is_completed), outcomes.measured().len());
    assert!(outcomes.measured().iter().all(|record| record.ready_us <= until_us));
}

#[tokio::test]
async fn a_stopped_run_yields_one_record_for_each_issued_request() {
    for traffic in [closed(), open(Arrivals::Poisson { rate: 100.0 })] {
        for concurrency in [Some(4), None] {
            let (url, counts) = serve(Behaviour::Stall).await;
            let mut job = job(&url, traffic.clone());
            limit(&mut job.load, concurrency);
            job.load.until = until(100_000);
            let outcomes = run_and_stop(job, Some(Duration::from_millis(300))).await;
            outcomes.check_accounts();
            assert!(outcomes.played.stopped);
            assert!(outcomes.count(|outcome| *outcome == Outcome::Cancelled) >= 1);
            let sent = outcomes.measured().iter().filter(|record| record.sent_us.is_some()).count() as u64;
            assert!(all_closed(&counts).await);
            assert_eq!(Counts::get(&counts.requests), sent);
        }
    }
}

#[tokio::test]
async fn requests_are_counted_as_issued_when_they_start_and_not_by_their_records() {
    let (url, _) = serve(Behaviour::Stall).await;
    let (records, received) = mpsc::channel();
    let live = Arc::new(LiveCounters::default());
    let (stopper, stop) = watch::channel(false);
    let look = async {
        while LiveCounters::get(&live.issued) < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(received.try_recv().is_err(), "no record was made yet");
        stopper.send(true).unwrap();
    };
    let playing = play(job(&url, closed()), RunClock::start(), records, live.clone(), stop);
    let (played, ()) = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(playing, look) })
        .await
        .expect("four are in flight for ever");
    assert_eq!(played.unwrap().figures.issued, Some(4));
    assert_eq!(received.iter().count(), 4);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_a_timeout_with_what_came() {
    let (url, _) = serve(Behaviour::Stall).await;
    let mut job = job(&url, closed());
    job.load.until = until(4);
    job.load.timeout_s = 0.3;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_failed(FailureKind::Timeout)), 4);
    assert!(outcomes.measured().iter().all(|record| record.chunks.len() == 1 && record.status == Some(200)));
}

#[tokio::test]
async fn a_closed_kept_alive_connection_is_replayed_once_from_the_first_send() {
    let (url, counts) = serve(Behaviour::CloseOnSecond).await;
    let mut job = job(&url, closed());
    limit(&mut job.load, Some(1));
    job.load.until = until(3);
    job.client_threads = 1;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 3);
    let replayed: Vec<bool> = outcomes.measured().iter().map(|record| record.replayed).collect();
    // The server closes at once, which is learnt from the first time.
    assert_eq!(replayed, [false, true, false]);
    assert_eq!(Counts::get(&counts.requests), 4);
    assert!(outcomes.measured()[1].connect_us.is_some());
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_not_raced_again() {
    let (url, counts) = serve(Behaviour::CloseUnannounced).await;
    let mut job = job(&url, closed());
    limit(&mut job.load, Some(1));
    job.client_threads = 1;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 20);
    let replayed = outcomes.measured().iter().filter(|record| record.replayed).count() as u64;
    assert!(replayed <= 1, "{replayed} replayed");
    assert_eq!(Counts::get(&counts.connections), 20);
}

#[tokio::test]
async fn a_connection_whose_end_is_announced_is_not_used_again() {
    let (url, counts) = serve(Behaviour::CloseAnnounced).await;
    let outcomes = run(job(&url, closed())).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 20);
    assert!(outcomes.measured().iter().all(|record| !record.replayed));
    assert_eq!(Counts::get(&counts.connections), 20);
    for record in outcomes.measured() {
        let Some(connect_us) = record.connect_us else { continue };
        assert!(record.slot_us.unwrap() >= record.ready_us + connect_us, "connecting is a wait: {record:?}");
        assert!(record.sent_us >= record.slot_us, "and over before the request is sent: {record:?}");
    }
}

#[tokio::test]
async fn a_fresh_connection_that_closes_is_not_replayed() {
    let (url, counts) = serve(Behaviour::Close).await;
    let mut job = job(&url, closed());
    limit(&mut job.load, Some(1));
    job.load.until = until(4);
    job.client_threads = 1;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_failed(FailureKind::Truncated)), 4);
    // The first went over the connection opened ahead; the others over one opened for them.
    let replayed: Vec<bool> = outcomes.measured().iter().map(|record| record.replayed).collect();
    assert_eq!(replayed, [true, false, false, false]);
    assert_eq!(Counts::get(&counts.requests), 5);
}

#[tokio::test]
async fn a_status_is_a_failure_with_the_servers_message_and_the_connection_lives_on() {
    let (url, counts) = serve(Behaviour::Refuse).await;
    let outcomes = run(job(&url, closed())).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_failed(FailureKind::Status)), 20);
    let busy = Outcome::Failed {
        kind: FailureKind::Status,
        detail: "POST /v1/completions: 503 too busy".to_owned(),
    };
    assert_eq!(outcomes.measured()[0].outcome, busy);
    assert_eq!(Counts::get(&counts.connections), 4);
}

#[tokio::test]
async fn a_server_that_is_not_there_gives_a_connect_failure_each() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for traffic in [closed(), open(Arrivals::Constant { rate: 100.0 })] {
        let mut job = job(&url, traffic.clone());
        job.load.until = until(8);
        let outcomes = run(job).await;
        outcomes.check_accounts();
        assert_eq!(outcomes.count(is_failed(FailureKind::Connect)), 8);
        assert!(outcomes.measured().iter().all(|record| record.sent_us.is_none()));
    }
}

#[tokio::test]
async fn a_probe_uses_a_connection_of_its_own_and_closes_it() {
    let (url, counts) = serve(quick()).await;
    let job = job(&url, closed());
    let record = probe(&job, &job.units.unit(0).unwrap(), Duration::from_secs(30), None).await;
    assert_eq!(record.outcome, Outcome::Completed);
    assert_eq!(record.tokens.prompt, Some(3));
    assert!(all_closed(&counts).await);
    assert_eq!(Counts::get(&counts.connections), 1);
}

#[tokio::test]
async fn a_probe_that_cannot_be_sent_says_why() {
    let mut job = job("ftp://127.0.0.1:1", closed());
    let record = probe(&job, &job.units.unit(0).unwrap(), Duration::from_secs(30), None).await;
    assert!(is_failed(FailureKind::Connect)(&record.outcome), "{:?}", record.outcome);
    job.base_url = "no url".to_owned();
    let record = probe(&job, &job.units.unit(0).unwrap(), Duration::from_secs(30), None).await;
    assert!(is_failed(FailureKind::Connect)(&record.outcome), "{:?}", record.outcome);
}

#[test]
fn open_files_follow_the_traffic() {
    let needed = |load: &LoadPoint| open_files_needed(load, Share::ALL);
    let mut plan = job("http://h", closed()).load;
    plan.until = Until::new(None, Some(60.0)).unwrap();
    assert_eq!(needed(&plan), 104);
    plan.traffic = open(Arrivals::Poisson { rate: 50.0 });
    assert_eq!(needed(&plan), 104, "the cap");
    limit(&mut plan, None);
    assert_eq!(needed(&plan), 600);
    plan.until = until(7);
    assert_eq!(needed(&plan), 107);
    plan.until = until(9_000);
    plan.traffic = Traffic::Open { arrivals: Arrivals::AllAtOnce, cap: None };
    assert_eq!(needed(&plan), 9_100);
    // Of four machines each holds the connections of its own share, and one to each of the others.
    assert_eq!(open_files_needed(&plan, Share { worker: 3, of: 4 }), 2_250 + 100 + 3);
}

#[tokio::test]
async fn requests_that_are_all_due_at_once_are_sent_together() {
    for cap in [None, Some(3)] {
        let (url, counts) = serve(Behaviour::Stream { tokens: 2, gap: Duration::from_millis(100) }).await;
        let mut job = job(&url, open(Arrivals::AllAtOnce));
        limit(&mut job.load, cap);
        job.load.until = until(12);
        let outcomes = run(job).await;
        outcomes.check_accounts();
        assert_eq!(outcomes.count(is_completed), 12);
        let from_us = outcomes.played.figures.measured_from_us;
        assert!(outcomes.measured().iter().all(|record| record.due_us == Some(from_us)));
        assert_eq!(Counts::get(&counts.most_in_flight), u64::from(cap.unwrap_or(12)));
    }
}
