//! Worker 0 and others in one process, over loopback, with clocks days apart.

#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::clock::monotonic;
use super::*;
use crate::schema::files::RecordsHeader;
use crate::schema::live_counts::LiveCounts;
use crate::schema::refusal::cures;
use crate::schema::workers::Share;

const DAY_NS: i64 = 86_400_000_000_000;

fn free_address() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

fn place(worker: u32, of: u32, address: &str) -> Place {
    Place {
        share: Share { worker, of },
        meeting: Meeting::Address(address.to_owned()),
        names: Vec::new(),
        timeout: Duration::from_secs(10),
        token: None,
        goes_on: false,
    }
}

fn identity(seed: u32) -> Identity {
    let plan = json!({ "seed": seed, "dataset": { "sha256": "aa" } });
    Identity {
        version: "1".into(),
        build: "b".into(),
        plan_sha256: token::sha256_hex(plan.to_string().as_bytes()),
        dataset_sha256: "aa".into(),
        plan,
    }
}

/// The machine's clock, moved.
fn apart(by_ns: i64) -> Now {
    let now = monotonic();
    std::sync::Arc::new(move || now() + by_ns)
}

fn follower(place: Place, identity: Identity, now: Now) -> JoinHandle<anyhow::Result<Follower>> {
    std::thread::spawn(move || Follower::join(&place, identity, "there".to_owned(), now))
}

fn leader(place: Place) -> anyhow::Result<Leader> {
    Leader::gather(place, &identity(1), false, monotonic(), &|_| {})
}

fn header() -> RecordsHeader {
    serde_json::from_value(json!({
        "schema_version": 2, "kind": "records",
        "plan": crate::schema::plan::Plan::of(jiff::Timestamp::now(), Vec::new(), Vec::new()),
        "environment": {
            "taken_at": "2026-02-01T14:30:00Z", "harness_version": "0", "os": "Linux", "hostname": "here",
            "cpu": "some", "cores": 1, "memory_bytes": 1, "open_files": [1, 1], "gpus": []
        },
        "label": "a", "point": 1, "round": 1, "repeat": 1, "started_at": "2026-02-01T14:30:00Z",
    }))
    .unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn until(follower: &mut Follower, wanted: impl Fn(&Order) -> bool) -> Order {
    loop {
        let order = follower.next().await.unwrap();
        if wanted(&order) {
            return order;
        }
    }
}

#[test]
fn workers_whose_clocks_are_days_apart_begin_at_one_instant_and_their_records_come_whole() {
    let address = free_address();
    let shifts = [3 * DAY_NS, -40 * DAY_NS];
    let joins: Vec<_> = shifts
        .iter()
        .enumerate()
        .map(|(k, shift)| follower(place(k as u32 + 1, 3, &address), identity(1), apart(*shift)))
        .collect();
    let leader = leader(place(0, 3, &address)).unwrap();
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes: Vec<u8> = (0..300_000u32).map(|k| (k * 7) as u8).collect();
    let theirs: Vec<_> = joins
        .into_iter()
        .zip(shifts)
        .map(|(join, shift)| {
            let path = elsewhere.path().join(format!("there{shift}"));
            std::fs::write(&path, &bytes).unwrap();
            std::thread::spawn(move || block_on(plays(join.join().unwrap().unwrap(), shift, path)))
        })
        .collect();
    let header = header();
    let (zero_ns, start_us, came, missing) = block_on(async {
        let outgoing = Outgoing { run: 1, header: &header, of: 3, url: "http://x" };
        leader.begin(outgoing, "hash").await.unwrap();
        let zero_ns = monotonic()();
        let start_us = leader.start(1, zero_ns).await.unwrap();
        assert!((1_990_000..4_000_000).contains(&start_us), "{start_us}");
        let overs = leader.overs().await;
        assert_eq!(
            overs.iter().map(|(worker, over)| (*worker, over.output_tokens)).collect::<Vec<_>>(),
            [(1, 7), (2, 7)]
        );
        assert_eq!(leader.live().completed, 10, "of both");
        let (came, missing) =
            leader.collect(1, None, |worker| folder.path().join(format!("w{worker}"))).await;
        leader.end(false).await;
        (zero_ns, start_us, came, missing)
    });
    assert_eq!((came.len(), missing), (2, Vec::new()));
    came.iter().for_each(|path| assert!(std::fs::read(path).unwrap() == bytes, "{path:?}"));
    let start_ns = zero_ns + start_us as i64 * 1_000;
    for theirs in theirs {
        let (at_ns, map, off_us) = theirs.join().unwrap();
        let off_ns = (at_ns - start_ns).abs();
        assert!(off_ns as f64 / 1e3 <= map.bound_us(), "{off_ns} ns off, bound {} µs", map.bound_us());
        assert!(off_us <= map.bound_us(), "{off_us} µs off: {map:?}");
    }
}

/// A worker that plays nothing: the start on the machine's own clock, its map, and how far the map is off, µs.
async fn plays(
    mut follower: Follower,
    shift: i64,
    path: PathBuf,
) -> (i64, crate::schema::workers::ClockMap, f64) {
    let said = follower.speaker();
    let Order::Play(part) = until(&mut follower, |order| matches!(order, Order::Play(_))).await else {
        panic!()
    };
    assert_eq!(
        (part.run, part.of, part.url.as_str(), part.header.key.label.as_str()),
        (1, 3, "http://x", "a")
    );
    said.set(1, "hash".to_owned());
    until(&mut follower, |order| matches!(order, Order::Warm { .. })).await;
    let zero_ns = monotonic()() + shift;
    said.ready(1, zero_ns);
    let start = until(&mut follower, |order| matches!(order, Order::Start { .. })).await;
    let Order::Start { at_ns, zero_ns: first_zero_ns, .. } = start else { panic!() };
    said.live(1, LiveCounts { completed: 5, ..LiveCounts::default() });
    said.over(1, Over { output_tokens: 7, ..Over::default() });
    until(&mut follower, |order| matches!(order, Order::Close { .. })).await;
    said.offer(1, &path).unwrap();
    until(&mut follower, |order| matches!(order, Order::Send { .. })).await;
    said.send_file(&path).unwrap();
    until(&mut follower, |order| matches!(order, Order::Have { .. })).await;
    until(&mut follower, |order| matches!(order, Order::End { interrupted: false })).await;
    let map = follower.clock_map(zero_ns, first_zero_ns);
    // Its own time 1 s on the run clock, and the same moment by worker 0's.
    let truly = (zero_ns - shift + 1_000_000_000 - first_zero_ns) as f64 / 1e3;
    let off_us = (map.to_first_us(1_000_000) as f64 - truly).abs();
    said.close();
    (at_ns - shift, map, off_us)
}

#[test]
fn a_worker_with_another_plan_is_refused_by_name_and_so_are_the_others() {
    let address = free_address();
    let good = follower(place(1, 3, &address), identity(1), monotonic());
    std::thread::sleep(Duration::from_millis(50));
    let other = follower(place(2, 3, &address), identity(2), monotonic());
    let refused = leader(place(0, 3, &address)).err().unwrap();
    assert_eq!(refused.to_string(), "worker 2 of 3 (there) has another plan: seed is 2, not 1");
    assert!(cures(&refused)[0].contains("the same flags"), "{refused:#}");
    for join in [good, other] {
        let told = join.join().unwrap().err().unwrap();
        assert!(told.to_string().contains("worker 2 of 3 (there) has another plan"), "{told:#}");
    }
}

#[test]
fn a_schedule_that_differs_ends_the_run_before_anything_is_sent() {
    let address = free_address();
    let join = follower(place(1, 2, &address), identity(1), monotonic());
    let leader = leader(place(0, 2, &address)).unwrap();
    let theirs = std::thread::spawn(move || {
        let mut follower = join.join().unwrap().unwrap();
        block_on(async {
            until(&mut follower, |order| matches!(order, Order::Play(_))).await;
            follower.speaker().set(1, "another".to_owned());
            let order = until(&mut follower, |order| matches!(order, Order::Stop | Order::Warm { .. })).await;
            assert!(matches!(order, Order::Stop), "{order:?}");
        });
    });
    let header = header();
    let outgoing = Outgoing { run: 1, header: &header, of: 2, url: "http://x" };
    let refused = block_on(leader.begin(outgoing, "hash")).unwrap_err();
    assert!(refused.to_string().starts_with("worker 1 of 2 (there) makes another schedule"), "{refused:#}");
    theirs.join().unwrap();
}

#[test]
fn a_worker_without_the_token_is_turned_away_and_the_others_are_waited_for() {
    let address = free_address();
    let with = |worker, token: Option<&str>| Place {
        token: token.map(str::to_owned),
        timeout: Duration::from_millis(1_500),
        ..place(worker, 2, &address)
    };
    let stranger = follower(with(1, Some("guess")), identity(1), monotonic());
    let refused = leader(with(0, Some("secret"))).err().unwrap();
    assert!(refused.to_string().contains("worker 1 of 2 has not joined within 1.5 s"), "{refused:#}");
    assert!(stranger.join().unwrap().err().unwrap().to_string().contains("HARNESS_JOIN_TOKEN"));
}

#[test]
fn missing_workers_are_named_and_a_number_that_is_given_twice_is_refused() {
    let address = free_address();
    let short = |worker| Place { timeout: Duration::from_millis(300), ..place(worker, 4, &address) };
    let there = follower(short(2), identity(1), monotonic());
    let refused = leader(short(0)).err().unwrap();
    assert!(refused.to_string().contains("workers 1, 3 of 4 have not joined"), "{refused:#}");
    assert!(there.join().unwrap().is_err());
    let address = free_address();
    let twins = [1, 1].map(|worker| follower(place(worker, 3, &address), identity(1), monotonic()));
    let refused = leader(place(0, 3, &address)).err().unwrap();
    assert_eq!(refused.to_string(), "two workers say that they are worker 1 of 3");
    twins.into_iter().for_each(|twin| assert!(twin.join().unwrap().is_err()));
}

#[test]
fn the_end_of_a_worker_is_seen_at_once_and_that_of_worker_0_too() {
    let address = free_address();
    let joins = [1, 2].map(|worker| follower(place(worker, 3, &address), identity(1), monotonic()));
    let leader = leader(place(0, 3, &address)).unwrap();
    let [first, second] = joins.map(|join| join.join().unwrap().unwrap());
    first.speaker().close();
    let lost = block_on(leader.lost());
    assert!(
        lost.starts_with("worker 1 of 3 lost before the load began: a third of the load was not offered"),
        "{lost}"
    );
    assert_eq!(leader.losses(), [lost]);
    drop(leader);
    let mut second = second;
    let order = block_on(second.next());
    assert!(order.as_ref().is_err_and(|why| why.contains("closed")), "{order:?}");
}

#[test]
fn a_worker_that_ends_while_the_others_are_waited_for_may_come_again() {
    let address = free_address();
    let (told, heard) = std::sync::mpsc::channel();
    let at_0 = place(0, 3, &address);
    let leading = std::thread::spawn(move || {
        Leader::gather(at_0, &identity(1), false, monotonic(), &|what| told.send(what).unwrap())
    });
    let short = Place { timeout: Duration::from_secs(2), ..place(1, 3, &address) };
    // It says who it is, and ends.
    let mut stream = loop {
        match std::net::TcpStream::connect(&address) {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let hello = message::FromFollower::Hello {
        index: 1,
        of: 3,
        token: None,
        host: "there".into(),
        identity: Box::new(identity(1)),
    };
    frame::write(&mut stream, &frame::Frame::Message(serde_json::to_vec(&hello).unwrap())).unwrap();
    assert!(heard.recv().unwrap().starts_with("worker 1 of 3 has joined"));
    drop(stream);
    assert!(heard.recv().unwrap().contains("left before all had joined"));
    let joins = [short, place(2, 3, &address)].map(|place| follower(place, identity(1), monotonic()));
    let leader = leading.join().unwrap().unwrap();
    joins.into_iter().for_each(|join| drop(join.join().unwrap().unwrap()));
    assert_eq!(leader.of(), 3);
}

#[test]
fn a_worker_that_could_not_play_its_share_is_waited_for_no_longer() {
    let address = free_address();
    let join = follower(place(1, 2, &address), identity(1), monotonic());
    let leader = leader(place(0, 2, &address)).unwrap();
    let theirs = std::thread::spawn(move || {
        let mut follower = join.join().unwrap().unwrap();
        block_on(async {
            for (run, cut) in [(1, "no thread can be started"), (2, "interrupted")] {
                until(&mut follower, |order| matches!(order, Order::Play(_))).await;
                follower.speaker().set(run, "hash".to_owned());
                until(&mut follower, |order| matches!(order, Order::Warm { .. })).await;
                if run == 2 {
                    follower.speaker().ready(run, 0);
                    until(&mut follower, |order| matches!(order, Order::Stop)).await;
                }
                follower.speaker().over(run, Over { cut: Some(cut.to_owned()), ..Over::default() });
                until(&mut follower, |order| matches!(order, Order::Stop | Order::End { .. })).await;
            }
        });
    });
    let header = header();
    let outgoing = |run| Outgoing { run, header: &header, of: 2, url: "http://x" };
    block_on(async {
        leader.begin(outgoing(1), "hash").await.unwrap();
        // It never becomes ready.
        let error = leader.start(1, 0).await.unwrap_err();
        let why = "worker 1 of 2 could not go on: no thread can be started";
        assert!(error.to_string().starts_with(why), "{error:#}");
        assert_eq!(leader.losses(), [why]);
        assert!(leader.are_there(), "it may play the next");
        leader.begin(outgoing(2), "hash").await.unwrap();
        leader.start(2, 0).await.unwrap();
        leader.stop();
        leader.overs().await;
        assert_eq!(leader.losses(), Vec::<String>::new(), "it did as it was told");
        leader.end(true).await;
    });
    theirs.join().unwrap();
}

#[test]
fn workers_meet_by_a_file_where_no_address_is_known_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".join-77");
    let by_file = |worker| Place {
        meeting: Meeting::File(path.clone()),
        names: vec!["no.such.host.invalid".to_owned()],
        ..place(worker, 3, "")
    };
    // One is there before worker 0, and finds what an earlier try left.
    std::fs::write(&path, r#"{"machine": null, "here": "", "elsewhere": ["127.0.0.1:1"]}"#).unwrap();
    let early = follower(by_file(2), identity(1), monotonic());
    std::thread::sleep(Duration::from_millis(50));
    let leading = {
        let at_0 = by_file(0);
        std::thread::spawn(move || leader(at_0))
    };
    let late = follower(by_file(1), identity(1), monotonic());
    let leader = leading.join().unwrap().unwrap();
    [early, late].into_iter().for_each(|join| drop(join.join().unwrap().unwrap()));
    assert_eq!(leader.of(), 3);
    assert!(!path.exists(), "nobody is waited for any more");
}

#[test]
fn a_file_that_nobody_wrote_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".join-77");
    let short = Duration::from_millis(300);
    let alone = Place { meeting: Meeting::File(path), timeout: short, ..place(1, 2, "") };
    let refused = follower(alone, identity(1), monotonic()).join().unwrap().err().unwrap();
    assert!(refused.to_string().contains(".join-77 (No such file"), "{refused:#}");
    assert!(cures(&refused)[0].contains("all workers share"), "{refused:#}");
}
