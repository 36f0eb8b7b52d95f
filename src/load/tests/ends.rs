//! Where an answer ends, and what its connection does then: over sockets, TLS and HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use h2::Reason;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::load::Job;
use crate::load::tests::answers::assert_failed;
use crate::load::tests::engine::{
    HEAD, Outcomes, chunk, closed, is_completed, is_failed, job, limit, read_request, run, until,
};
use crate::load::tests::server::{Counts, DONE, End, FINISH, Reply, Server, TOKEN};
use crate::load::tests::tls::Authority;
use crate::schema::record::{FailureKind, MissingSign};

const LAST_CHUNK: &str = "0\r\n\r\n";

/// What a server does with each request: waits, bytes, and whether it goes on after them.
#[derive(Clone)]
struct Script {
    parts: Vec<(Duration, String)>,
    then: Then,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// The next request is read.
    Next,
    /// Nothing comes any more, and the connection stays open.
    Hold,
    Close,
    /// It is closed with bytes of the client unread or in flight: a reset.
    Reset,
}

/// An answer of two tokens and its `[DONE]`, in two writes.
fn answer() -> Vec<(Duration, String)> {
    let token = chunk(r#"{"choices":[{"text":"a"}]}"#);
    let finish =
        chunk(r#"{"choices":[{"text":"","finish_reason":"length"}],"usage":{"completion_tokens":2}}"#);
    let gap = Duration::from_millis(2);
    vec![(Duration::ZERO, format!("{HEAD}{token}")), (gap, format!("{token}{finish}{}", chunk("[DONE]")))]
}

async fn play<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, script: &Script) -> std::io::Result<()> {
    while read_request(&mut stream).await? {
        for (wait, bytes) in &script.parts {
            tokio::time::sleep(*wait).await;
            stream.write_all(bytes.as_bytes()).await?;
            stream.flush().await?;
        }
        match script.then {
            Then::Next => {}
            Then::Close | Then::Reset => return Ok(()),
            Then::Hold => {
                let _ = stream.read(&mut [0]).await;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The URL and the connections that were taken.
async fn serve(script: Script) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tcp.set_nodelay(true).unwrap();
            let script = script.clone();
            tokio::spawn(async move {
                let _ = play(&mut tcp, &script).await;
                if script.then == Then::Reset {
                    tcp.set_zero_linger().unwrap();
                }
            });
        }
    });
    (url, connections)
}

/// Two slots on one thread.
async fn two_at_a_time(url: &str, requests: u64) -> Outcomes {
    let mut job = job(url, closed());
    limit(&mut job.load, Some(2));
    job.load.until = until(requests);
    job.client_threads = 1;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    outcomes
}

#[tokio::test]
async fn done_frees_the_slot_whatever_the_connection_does_then() {
    for then in [Then::Hold, Then::Close, Then::Reset] {
        let (url, _) = serve(Script { parts: answer(), then }).await;
        let began = Instant::now();
        let outcomes = two_at_a_time(&url, 12).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(outcomes.count(is_completed), 12);
        for record in outcomes.measured() {
            assert_eq!((record.missing_sign, record.tokens.output), (None, Some(2)));
            // The last token and [DONE] came together.
            assert_eq!(Some(record.end_us), record.last_token_us, "the end is that of [DONE]");
        }
    }
}

#[tokio::test]
async fn a_last_chunk_that_comes_later_keeps_its_connection_for_another_request() {
    for wait in [Duration::from_micros(1), Duration::from_millis(15)] {
        let mut parts = answer();
        parts.push((wait, LAST_CHUNK.to_owned()));
        let (url, connections) = serve(Script { parts, then: Then::Next }).await;
        let outcomes = two_at_a_time(&url, 40).await;
        assert_eq!(outcomes.count(is_completed), 40);
        assert!(outcomes.measured().iter().all(|record| !record.replayed));
        let opened = connections.load(Ordering::SeqCst);
        assert!(opened <= 16, "{opened} connections for 40 requests, {wait:?}");
    }
}

#[tokio::test]
async fn a_connection_with_bytes_behind_its_response_is_not_used_again() {
    let mut parts = answer();
    parts.push((Duration::from_micros(200), format!("{LAST_CHUNK}HTTP/1.1 408 Timeout\r\n\r\n")));
    let (url, connections) = serve(Script { parts, then: Then::Next }).await;
    let outcomes = two_at_a_time(&url, 10).await;
    assert_eq!(outcomes.count(is_completed), 10);
    assert_eq!(connections.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn an_answer_far_beyond_its_limit_is_cut() {
    let token = chunk(r#"{"choices":[{"text":"a"}]}"#).repeat(1_000);
    let parts = [vec![(Duration::ZERO, HEAD.to_owned())], vec![(Duration::ZERO, token); 200]].concat();
    let (url, _) = serve(Script { parts, then: Then::Hold }).await;
    let outcomes = two_at_a_time(&url, 2).await;
    assert_eq!(outcomes.count(is_failed(FailureKind::Endless)), 2);
    for record in outcomes.measured() {
        assert_failed(record, FailureKind::Endless, "3 tokens were asked for");
        assert!(record.chunks.len() > 100_000 && record.chunks.len() < 110_000, "{}", record.chunks.len());
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_that_names_the_new_address() {
    let head = "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://me:secret@other.test/v1/completions/\r\n\
                content-length: 9\r\n\r\n<p>moved\n";
    let (url, connections) =
        serve(Script { parts: vec![(Duration::ZERO, head.to_owned())], then: Then::Next }).await;
    let outcomes = two_at_a_time(&url, 6).await;
    for record in outcomes.measured() {
        let why = "POST /v1/completions: 307 redirects to https://other.test/v1/completions/";
        assert_failed(record, FailureKind::Status, why);
        assert_eq!(record.status, Some(307));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2, "they live on");
}

/// A server whose TLS ends without a close_notify.
async fn cut_tls(script: Script) -> (Job, tempfile::NamedTempFile) {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let acceptor = TlsAcceptor::from(Arc::new(authority.server("127.0.0.1")));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, script) = (acceptor.clone(), script.clone());
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(tcp).await {
                    let _ = play(&mut stream, &script).await;
                }
            });
        }
    });
    let file = authority.file();
    let mut job = job(&url, closed());
    job.http.ca_file = Some(file.path().to_owned());
    (job, file)
}

#[tokio::test]
async fn tls_without_its_close_notify_costs_the_connection_and_not_the_answer() {
    let (job, _file) = cut_tls(Script { parts: answer(), then: Then::Close }).await;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 20);
    // The end of such a body is that of the connection.
    let events = "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\"}]}\n\n";
    let body = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{events}");
    let (job, _file) = cut_tls(Script { parts: vec![(Duration::ZERO, body)], then: Then::Close }).await;
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 20);
    let sign = |record: &&crate::schema::record::RequestRecord| record.missing_sign;
    assert!(outcomes.measured().iter().all(|record| sign(record) == Some(MissingSign::DoneMarker)));
}

#[tokio::test]
async fn over_http_2_done_ends_the_answer_too_and_the_connection_lives_on() {
    for end in [End::Never, End::Reset(Reason::INTERNAL_ERROR), End::Whole] {
        let events: &[&str] =
            if end == End::Whole { &[TOKEN, FINISH, DONE, ""] } else { &[TOKEN, FINISH, DONE] };
        let server = Server::answering(Reply { end, ..Reply::stream(events) });
        let mut job = job(&server.serve().await, closed());
        job.http.http2 = true;
        job.client_threads = 1;
        let began = Instant::now();
        let outcomes = run(job).await;
        outcomes.check_accounts();
        assert_eq!(outcomes.count(is_completed), 20, "{end:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(Counts::get(&server.counts.connections), 1);
        if end == End::Whole {
            assert_eq!(Counts::get(&server.counts.cancelled), 0, "what ends by itself is not reset");
        }
    }
}

#[tokio::test]
async fn over_http_2_a_redirect_names_the_new_address_too() {
    let reply = Reply { location: Some("/v1/completions/".to_owned()), ..Reply::json(308, "{}") };
    let mut job = job(&Server::answering(reply).serve().await, closed());
    job.http.http2 = true;
    let outcomes = run(job).await;
    for record in outcomes.measured() {
        assert_failed(record, FailureKind::Status, "POST /v1/completions: 308 redirects to /v1/completions/");
    }
}
