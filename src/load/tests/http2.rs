//! HTTP/2: many streams on one connection, what servers do to them, and the same records as over HTTP/1.1.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::load::http::http1::{Part, ResponseParser};
use crate::load::tests::answers::assert_failed;
use crate::load::tests::engine::{closed, is_completed, is_failed, limit, open, run, run_and_stop, until};
use crate::load::tests::server::{
    Counts, DONE, Deed, End, FINISH, Raw, Reply, Server, TOKEN, data, goaway, head, last_data,
};
use crate::load::tests::tls::{Authority, ask, assert_refused, https};
use crate::load::{Job, check_reachable, parse_answer, probe};
use crate::schema::record::{FailureKind, Outcome, RequestRecord, StampKind};
use crate::schema::traffic::{Arrivals, Traffic, Until};

fn job(url: &str, traffic: Traffic) -> Job {
    let mut job = crate::load::tests::engine::job(url, traffic);
    job.http.http2 = true;
    job
}

/// One after another on one thread.
fn single(url: &str, requests: u64) -> Job {
    let mut job = job(url, closed());
    limit(&mut job.load, Some(1));
    job.load.until = until(requests);
    job.client_threads = 1;
    job
}

/// The only record of a server that does this.
async fn one(reply: Reply) -> RequestRecord {
    let url = Server::answering(reply).serve().await;
    let outcomes = run(single(&url, 1)).await;
    outcomes.check_accounts();
    outcomes.measured()[0].clone()
}

#[tokio::test]
async fn the_streams_of_a_thread_share_one_connection_that_is_open_before_the_clock_starts() {
    let server = Server::answering(Reply { gap: Duration::from_millis(20), ..Reply::whole() });
    let url = server.serve().await;
    let outcomes = run(job(&url, closed())).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 20);
    assert_eq!(Counts::get(&server.counts.connections), 2, "one for each thread");
    assert_eq!(Counts::get(&server.counts.most), 4);
    assert_eq!(Counts::get(&server.counts.requests), 20);
    assert!(server.counts.all_closed().await);
    for record in outcomes.measured() {
        assert_eq!((record.connect_us, record.replayed, record.status), (None, false, Some(200)));
        assert_eq!((record.chunks.len(), record.tokens.output, record.tokens.prompt), (2, Some(2), Some(3)));
        assert_eq!(record.stamps, StampKind::Read, "the reader runs ahead");
        assert!(record.headers_us >= record.sent_us && record.end_us >= record.last_token_us.unwrap());
    }
}

#[tokio::test]
async fn an_open_loop_sends_no_stream_before_it_is_due() {
    let server = Server::answering(Reply { gap: Duration::from_millis(15), ..Reply::whole() });
    let url = server.serve().await;
    let mut job = job(&url, open(Arrivals::Poisson { rate: 200.0 }));
    limit(&mut job.load, None);
    job.load.until = until(60);
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 60);
    assert!(outcomes.measured().iter().all(|record| record.due_us.is_some()));
    assert!(outcomes.measured().iter().all(|record| record.sent_us >= record.due_us));
    assert_eq!(Counts::get(&server.counts.connections), 2);
}

#[tokio::test]
async fn within_tls_http2_is_agreed_on_and_spoken() {
    let authority = Authority::new();
    let mut config = authority.server("127.0.0.1");
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let server = Server { tls: Some(Arc::new(config)), ..Server::answering(Reply::whole()) };
    let url = server.serve().await;
    let file = authority.file();
    for traffic in [closed(), open(Arrivals::Poisson { rate: 200.0 })] {
        let mut job = job(&url, traffic.clone());
        job.http.ca_file = Some(file.path().to_owned());
        let outcomes = run(job).await;
        outcomes.check_accounts();
        assert_eq!(outcomes.count(is_completed), 20);
        assert!(outcomes.measured().iter().all(|record| record.stamps == StampKind::Read));
    }
    assert_eq!(Counts::get(&server.counts.connections), 4);
}

#[tokio::test]
async fn a_server_that_does_not_agree_on_http2_within_tls_is_refused_with_the_cure() {
    let authority = Authority::new();
    let file = authority.file();
    for protocols in [vec![], vec![b"http/1.1".to_vec()]] {
        let mut config = authority.server("127.0.0.1");
        config.alpn_protocols = protocols;
        let mut job = https(&crate::load::tests::tls::serve(config).await);
        job.http.ca_file = Some(file.path().to_owned());
        assert_eq!(ask(&job).await.outcome, Outcome::Completed, "it speaks HTTP/1.1");
        job.http.http2 = true;
        assert_refused(&ask(&job).await, "does not speak HTTP/2");
        assert_refused(&ask(&job).await, "leave --http2 out");
        let error = check_reachable(&job.base_url, &job.http).await.unwrap_err().to_string();
        assert!(error.contains("leave --http2 out"), "{error}");
    }
}

#[tokio::test]
async fn a_server_of_http_1_alone_is_refused_with_the_cure_and_nothing_is_sent_over_http_1() {
    for answer in ["HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", ""] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let _ = tcp.write_all(answer.as_bytes()).await;
            }
        });
        let job = single(&url, 3);
        let outcomes = run(job.clone()).await;
        outcomes.check_accounts();
        assert_eq!(outcomes.count(is_failed(FailureKind::Connect)), 3);
        for record in outcomes.measured() {
            assert_refused(record, "does not speak HTTP/2");
            assert_refused(record, "leave --http2 out");
        }
        let error = check_reachable(&job.base_url, &job.http).await.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1 does not speak HTTP/2"), "{error}");
    }
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
        outcomes.measured().into_iter().for_each(|record| assert_refused(record, "refused"));
    }
}

#[tokio::test]
async fn a_further_connection_is_opened_only_where_the_servers_limit_of_streams_asks_for_it() {
    let slow = Reply { gap: Duration::from_millis(20), ..Reply::whole() };
    let server = Server { most_streams: Some(2), ..Server::answering(slow) };
    let url = server.serve().await;
    let mut job = job(&url, closed());
    limit(&mut job.load, Some(6));
    job.client_threads = 1;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 20);
    assert_eq!(Counts::get(&server.counts.connections), 3);
    assert_eq!(Counts::get(&server.counts.most_on_one), 2);
    assert_eq!(Counts::get(&server.counts.most), 6);
    assert!(outcomes.measured().iter().all(|record| record.connect_us.is_none() && !record.replayed));
}

#[tokio::test]
async fn a_connection_whose_end_is_announced_is_followed_by_another_whose_opening_is_a_wait() {
    let server = Server::new(|_| Deed::AnswerAndLeave(Reply::whole()));
    let url = server.serve().await;
    let outcomes = run(single(&url, 6)).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 6);
    assert!(Counts::get(&server.counts.connections) >= 3);
    let opened: Vec<_> = outcomes.measured().into_iter().filter(|record| !record.replayed).collect();
    assert!(opened.iter().any(|record| record.connect_us.is_some()));
    for record in opened {
        let Some(connect_us) = record.connect_us else { continue };
        assert!(record.slot_us.unwrap() >= record.ready_us + connect_us, "connecting is a wait: {record:?}");
        assert!(record.sent_us >= record.slot_us, "and over before the request is sent: {record:?}");
    }
}

#[tokio::test]
async fn a_request_that_goaway_left_out_is_replayed_once_from_the_first_send() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = |stream| {
        [
            head(stream),
            data(stream, TOKEN),
            data(stream, TOKEN),
            last_data(stream, &format!("{FINISH}{DONE}")),
        ]
        .concat()
    };
    let server = tokio::spawn(async move {
        let mut first = Raw::accept(&listener).await;
        let stream = first.request().await.unwrap();
        first.write(&answer(stream)).await;
        assert_eq!(first.request().await, Some(3));
        first.write(&goaway(1)).await;
        let mut second = Raw::accept(&listener).await;
        let mut answered = 0;
        while let Some(stream) = second.request().await {
            second.write(&answer(stream)).await;
            answered += 1;
        }
        answered
    });
    let outcomes = run(single(&url, 3)).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 3);
    let replayed: Vec<bool> = outcomes.measured().iter().map(|record| record.replayed).collect();
    assert_eq!(replayed, [false, true, false]);
    let second = outcomes.measured()[1];
    let connected_us = second.connect_us.unwrap();
    assert!(second.first_token_us.unwrap() - second.sent_us.unwrap() >= connected_us, "{second:?}");
    assert_eq!(server.await.unwrap(), 2);
}

#[tokio::test]
async fn a_refused_stream_is_replayed_once_and_its_connection_lives_on() {
    let server = Server::new(|number| match number % 2 {
        0 => Deed::Reset(Reason::REFUSED_STREAM),
        _ => Deed::Answer(Reply::whole()),
    });
    let url = server.serve().await;
    let outcomes = run(single(&url, 4)).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 4);
    assert!(outcomes.measured().iter().all(|record| record.replayed));
    let always = Server::new(|_| Deed::Reset(Reason::REFUSED_STREAM));
    let url = always.serve().await;
    let outcomes = run(single(&url, 4)).await;
    outcomes.check_accounts();
    for record in outcomes.measured() {
        assert_failed(record, FailureKind::Truncated, "before the response (REFUSED_STREAM)");
    }
    for (server, requests) in [(server, 8), (always, 8)] {
        assert_eq!(Counts::get(&server.counts.requests), requests);
        assert_eq!(Counts::get(&server.counts.connections), 1);
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_is_a_failure_with_what_came_and_no_replay() {
    let midway = Reply { end: End::Reset(Reason::INTERNAL_ERROR), ..Reply::stream(&[TOKEN]) };
    let deeds = [Deed::Answer(midway), Deed::Reset(Reason::INTERNAL_ERROR), Deed::Answer(Reply::whole())];
    let server = Server::new(move |number| deeds[number as usize].clone());
    let url = server.serve().await;
    let outcomes = run(single(&url, 3)).await;
    outcomes.check_accounts();
    let records = outcomes.measured();
    assert_failed(records[0], FailureKind::Truncated, "in the response (INTERNAL_ERROR)");
    assert_eq!((records[0].chunks.len(), records[0].status), (1, Some(200)));
    assert_failed(records[1], FailureKind::Truncated, "before the response (INTERNAL_ERROR)");
    assert_eq!(records[2].outcome, Outcome::Completed);
    assert!(records.iter().all(|record| !record.replayed));
    assert_eq!(Counts::get(&server.counts.connections), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_fails_the_answers_that_had_begun_and_replays_the_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut first = Raw::accept(&listener).await;
        let begun = first.request().await.unwrap();
        first.request().await.unwrap();
        first.write(&[head(begun), data(begun, TOKEN)].concat()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(first);
        // The replay comes over a fresh connection, which breaks too.
        Raw::accept(&listener).await.request().await;
    });
    let mut job = single(&url, 2);
    limit(&mut job.load, Some(2));
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_failed(FailureKind::Truncated)), 2);
    let mut records = outcomes.measured();
    records.sort_by_key(|record| record.chunks.len());
    assert_failed(records[1], FailureKind::Truncated, "closed the connection in the response");
    assert_failed(records[0], FailureKind::Truncated, "closed the connection before the response");
    assert_eq!((records[0].replayed, records[1].replayed), (true, false));
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_told_as_over_http_1() {
    let error_event = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
    let wrong_type = Reply { content_type: Some("text/html".into()), ..Reply::stream(&["<p>hello</p>"]) };
    let cases = [
        (Reply::json(503, r#"{"error":{"message":"too busy"}}"#), FailureKind::Status, "503 too busy"),
        (Reply::stream(&[TOKEN, error_event, DONE]), FailureKind::ErrorEvent, "out of memory"),
        (Reply::stream(&[TOKEN, "error: no room\n\n", DONE]), FailureKind::ErrorEvent, "no room"),
        (Reply::stream(&[TOKEN, DONE]), FailureKind::Truncated, "without a finish_reason"),
        (
            Reply::stream(&[TOKEN, "data: {\n\n", FINISH, DONE]),
            FailureKind::Protocol,
            "not the protocol's JSON",
        ),
        (Reply::json(200, "{}"), FailureKind::Protocol, "one JSON body"),
        (wrong_type, FailureKind::Protocol, "not an event stream"),
        (Reply::stream(&[]), FailureKind::Truncated, "without a finish_reason"),
    ];
    for (reply, kind, contains) in cases {
        assert_failed(&one(reply).await, kind, contains);
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cancelled_and_its_connection_lives_on() {
    let server = Server::answering(Reply { end: End::Never, ..Reply::stream(&[TOKEN]) });
    let url = server.serve().await;
    let mut job = single(&url, 3);
    job.load.timeout_s = 1.5;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_failed(FailureKind::Timeout)), 3);
    assert!(outcomes.measured().iter().all(|record| record.chunks.len() == 1 && record.status == Some(200)));
    assert_eq!(Counts::get(&server.counts.connections), 1);
    // The last may go with the connection.
    assert!(server.counts.settle(|counts| Counts::get(&counts.cancelled) >= 2).await);
}

#[tokio::test]
async fn a_stopped_run_yields_one_record_for_each_issued_request() {
    for traffic in [closed(), open(Arrivals::Poisson { rate: 100.0 })] {
        for concurrency in [Some(4), None] {
            let server = Server::answering(Reply { end: End::Never, ..Reply::stream(&[TOKEN]) });
            let url = server.serve().await;
            let mut job = job(&url, traffic.clone());
            limit(&mut job.load, concurrency);
            job.load.until = until(100_000);
            let outcomes = run_and_stop(job, Some(Duration::from_millis(300))).await;
            outcomes.check_accounts();
            assert!(outcomes.count(|outcome| *outcome == Outcome::Cancelled) >= 1);
            assert_eq!(outcomes.count(is_completed), 0);
            assert!(server.counts.all_closed().await);
            let sent = outcomes.measured().iter().filter(|record| record.sent_us.is_some()).count() as u64;
            // A stream may have been handed over, and reset before it was written.
            assert!(Counts::get(&server.counts.requests) <= sent);
        }
    }
}

#[tokio::test]
async fn what_never_got_a_slot_is_dropped_and_what_outlives_the_drain_is_cancelled() {
    let url = Server::answering(Reply { end: End::Never, ..Reply::stream(&[TOKEN]) }).serve().await;
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
async fn a_probe_uses_a_connection_of_its_own_and_closes_it() {
    let server = Server::answering(Reply::whole());
    let url = server.serve().await;
    let job = job(&url, closed());
    let record = probe(&job, &job.units.unit(0).unwrap(), Duration::from_secs(30), None).await;
    assert_eq!((record.outcome, record.tokens.prompt), (Outcome::Completed, Some(3)));
    assert!(record.connect_us.is_some());
    assert!(server.counts.all_closed().await);
    check_reachable(&url, &job.http).await.unwrap();
    assert!(server.counts.all_closed().await);
    assert_eq!((Counts::get(&server.counts.connections), Counts::get(&server.counts.requests)), (2, 1));
}

#[tokio::test]
async fn events_that_are_found_together_are_merged_and_the_newest_alone_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut raw = Raw::accept(&listener).await;
        while let Some(stream) = raw.request().await {
            raw.write(&head(stream)).await;
            let two_frames = [data(stream, TOKEN), data(stream, TOKEN)].concat();
            let in_one_frame = data(stream, &format!("{TOKEN}{TOKEN}"));
            // Behind an event come bytes that are not its own.
            let comment = data(stream, ": nothing\n\n");
            let not_last = [&data(stream, TOKEN), &comment[..4]].concat();
            for bytes in [two_frames, in_one_frame, data(stream, TOKEN), not_last] {
                tokio::time::sleep(Duration::from_millis(30)).await;
                raw.write(&bytes).await;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
            raw.write(&comment[4..]).await;
            raw.write(&last_data(stream, &format!("{FINISH}{DONE}"))).await;
        }
    });
    let outcomes = run(single(&url, 10)).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 10);
    let merged: Vec<Vec<bool>> = outcomes
        .measured()
        .iter()
        .map(|record| record.chunks.iter().map(|chunk| chunk.merged_bound_us.is_some()).collect())
        .collect();
    for merged in &merged {
        assert!(merged[0] && merged[2] && merged[5], "{merged:?}");
    }
    // A client that is kept from its core may find more together, but not each time.
    assert!(merged.contains(&vec![true, false, true, false, false, true]), "{merged:?}");
}

/// A capture of a real server, as HTTP/1.1 brought it.
struct Capture {
    name: String,
    bytes: Vec<u8>,
}

fn captures() -> Vec<Capture> {
    let marker = b"<<< RESPONSE (raw bytes)\n";
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire");
    let mut captures: Vec<Capture> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem()?.to_str()?.to_owned();
            let text = std::fs::read(&path).unwrap();
            let at = text.windows(marker.len()).position(|window| window == marker)?;
            Some(Capture { name, bytes: text[at + marker.len()..].to_vec() })
        })
        .collect();
    captures.sort_by(|a, b| a.name.cmp(&b.name));
    captures
}

/// What a gateway makes of it.
fn translated(capture: &Capture) -> Reply {
    let mut parser = ResponseParser::default();
    let (mut input, mut body) = (capture.bytes.as_slice(), Vec::new());
    while let Some(part) = parser.next(&mut input).unwrap() {
        if let Part::Body(piece) = part {
            body.extend_from_slice(piece);
        }
    }
    let whole = parser.ended_without_more() || parser.eof();
    let head = String::from_utf8_lossy(&capture.bytes);
    let mut lines = head.lines().take_while(|line| !line.is_empty());
    let content_type = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-type").then(|| value.to_owned())
    });
    Reply {
        status: parser.head().status,
        content_type,
        frames: body.chunks(700).map(Bytes::copy_from_slice).collect(),
        end: if whole { End::Whole } else { End::Reset(Reason::INTERNAL_ERROR) },
        ..Reply::stream(&[])
    }
}

/// All of a record that does not depend on how its bytes came.
fn facts(record: &RequestRecord) -> String {
    let tokens: Vec<u32> = record.chunks.iter().map(|chunk| chunk.tokens).collect();
    let outcome = match &record.outcome {
        Outcome::Failed { kind: FailureKind::Truncated, detail } if !detail.contains("the stream ended") => {
            "broken off".to_owned()
        }
        other => format!("{other:?}"),
    };
    let oddities = (record.missing_sign, record.passed_over);
    format!(
        "{tokens:?} {:?} {:?} {:?} {outcome} {oddities:?}",
        record.status, record.tokens, record.finish_reason
    )
}

#[tokio::test]
async fn every_capture_of_a_real_server_gives_the_same_record_as_over_http_1() {
    let captures = captures();
    assert!(captures.len() > 60, "{}", captures.len());
    let replies: Vec<Reply> = captures.iter().map(translated).collect();
    let server = Server::new(move |number| Deed::Answer(replies[number as usize].clone()));
    let url = server.serve().await;
    let mut job = single(&url, captures.len() as u64);
    job.sampling.ignore_eos = true;
    let outcomes = run(job.clone()).await;
    outcomes.check_accounts();
    for (capture, record) in captures.iter().zip(outcomes.measured()) {
        let as_http_1 =
            parse_answer(&job.http, &job.capabilities, &job.sampling, 3, [capture.bytes.as_slice()]);
        assert_eq!(facts(record), facts(&as_http_1), "{}", capture.name);
    }
    assert_eq!(Counts::get(&server.counts.requests), captures.len() as u64);
    assert_eq!(server.counts.connections.load(Ordering::SeqCst), 1);
}
