//! Servers that leave Nagle's algorithm on: their first token comes when it was made, whatever carries it; and they are
//! told from servers that do not.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::load::tests::engine::{
    HEAD, Outcomes, chunk, closed, is_completed, job, limit, read_request, run, until,
};
use crate::load::tests::server::{DONE, FINISH, Reply, Server, TOKEN};
use crate::load::tests::tls::Authority;
use crate::schema::record::LateAck;
use crate::schema::traffic::Warmup;

/// Head to first token, and between tokens.
const GAP: Duration = Duration::from_millis(10);
/// The delayed acknowledgement's 40 ms lie above it, what a busy machine adds below, ms.
const NOT_HELD_MS: f64 = 30.0;
const REQUESTS: u64 = 8;

/// A server of HTTP/1.1 that writes the head and each event by themselves: its address; none where it cannot be had.
async fn http1(host: &str, nagle: bool, tls: Option<ServerConfig>, sizes: [usize; 2]) -> Option<String> {
    let listener = TcpListener::bind(format!("{host}:0")).await.ok()?;
    let address = listener.local_addr().unwrap().to_string();
    let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(!nagle).unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                match acceptor {
                    None => converse(tcp, sizes).await,
                    Some(acceptor) => {
                        if let Ok(tls) = acceptor.accept(tcp).await {
                            converse(tls, sizes).await;
                        }
                    }
                }
            });
        }
    });
    Some(address)
}

/// Of at least so many bytes are the head and a comment that follows it.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, [head, comment]: [usize; 2]) {
    let filler = "x".repeat(head.saturating_sub(HEAD.len()));
    let head = HEAD.replace("\r\n\r\n", &format!("\r\nx-filler: {filler}\r\n\r\n"));
    let comment = format!(": {}\n\n", "y".repeat(comment));
    while read_request(&mut stream).await.unwrap_or(false) {
        let token = chunk(r#"{"choices":[{"index":0,"text":"a","finish_reason":null}]}"#);
        let finish = chunk(
            r#"{"choices":[{"text":"","finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":3}}"#,
        );
        let opening = format!("{:x}\r\n{comment}\r\n", comment.len());
        let last = format!("{finish}{}0\r\n\r\n", chunk("[DONE]"));
        let writes = [(head.as_str(), 0), (&opening, 0), (&token, 1), (&token, 1), (&token, 1), (&last, 1)];
        for (bytes, gaps) in writes {
            tokio::time::sleep(GAP * gaps).await;
            if stream.write_all(bytes.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}

async fn http2(nagle: bool, mut tls: Option<ServerConfig>) -> String {
    if let Some(config) = &mut tls {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    let reply = Reply { gap: GAP, ..Reply::stream(&[TOKEN, TOKEN, FINISH, DONE]) };
    Server { nagle, tls: tls.map(Arc::new), ..Server::answering(reply) }.serve().await
}

/// One request after another, after a warm-up of two.
async fn play(url: &str, http2: bool) -> Outcomes {
    let mut job = job(url, closed());
    limit(&mut job.load, Some(1));
    job.load.until = until(REQUESTS);
    job.load.warmup = Warmup::Requests(2);
    job.client_threads = 1;
    job.http.http2 = http2;
    job.http.insecure = url.starts_with("https");
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed) as u64, REQUESTS, "{url}: {:?}", outcomes.measured()[0].outcome);
    outcomes
}

fn median_ttft_ms(outcomes: &Outcomes) -> f64 {
    let mut all: Vec<f64> = outcomes.measured().iter().filter_map(|record| record.ttft_ms()).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[tokio::test]
async fn a_first_token_waits_for_no_acknowledgement_of_ours() {
    let certified = || Some(Authority::new().server("127.0.0.1"));
    let mut urls = Vec::new();
    for (host, sizes) in [("127.0.0.1", [0, 0]), ("[::1]", [0, 0]), ("127.0.0.1", [700, 690])] {
        // A machine without IPv6 has no such address.
        urls.extend(http1(host, true, None, sizes).await.map(|address| (format!("http://{address}"), false)));
    }
    let over_tls = http1("127.0.0.1", true, certified(), [0, 0]).await.unwrap();
    urls.push((format!("https://{over_tls}"), false));
    urls.push((http2(true, None).await, true));
    urls.push((http2(true, certified()).await, true));
    for (url, http2) in urls {
        let ttft_ms = median_ttft_ms(&play(&url, http2).await);
        assert!((9.0..NOT_HELD_MS).contains(&ttft_ms), "{url}, HTTP/2 {http2}: {ttft_ms} ms");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_warm_up_tells_who_waits_for_an_acknowledgement() {
    for nagle in [true, false] {
        let address = http1("127.0.0.1", nagle, None, [0, 0]).await.unwrap();
        for (url, is_http2) in [(format!("http://{address}"), false), (http2(nagle, None).await, true)] {
            let outcomes = play(&url, is_http2).await;
            assert!(outcomes.measured().iter().all(|record| record.late_ack.is_none()));
            let lates: Vec<LateAck> =
                outcomes.warmup().filter_map(|record| record.late_ack.as_deref()).copied().collect();
            assert_eq!(lates.len(), 2, "HTTP/2 {is_http2}");
            // A busy machine may make one of the two late.
            let waited = |late: &LateAck| {
                late.ack_us.zip(late.next_us).is_some_and(|(ack_us, next_us)| next_us < ack_us + 5_000)
            };
            assert_eq!(lates.iter().any(waited), nagle, "HTTP/2 {is_http2}: {lates:?}");
            assert_eq!(lates.iter().any(|late| late.ack_us.is_none()), !nagle, "{lates:?}");
        }
    }
}

const LONG_ANSWER: u32 = 40;

/// A server whose answers have [`LONG_ANSWER`] tokens, 5 ms apart: its address, and the segments that came during each
/// answer after its first token.
#[cfg(target_os = "linux")]
async fn counting(nagle: bool) -> (String, tokio::sync::mpsc::UnboundedReceiver<u32>) {
    use crate::load::socket::acks::tcp_info;

    /// Where `struct tcp_info` has `tcpi_segs_in` (linux/tcp.h).
    const SEGMENTS_IN: usize = 140;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (counts, received) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(!nagle).unwrap();
            let counts = counts.clone();
            tokio::spawn(async move {
                let token = chunk(r#"{"choices":[{"index":0,"text":"a","finish_reason":null}]}"#);
                let finish = r#"{"choices":[{"text":"","finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":40}}"#;
                let end = format!("{}{}0\r\n\r\n", chunk(finish), chunk("[DONE]"));
                while read_request(&mut tcp).await.unwrap_or(false) {
                    tcp.write_all(HEAD.as_bytes()).await.unwrap();
                    let mut before = 0;
                    for k in 0..LONG_ANSWER {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        if k == 1 {
                            before = tcp_info(&tcp, SEGMENTS_IN).unwrap();
                        }
                        tcp.write_all(token.as_bytes()).await.unwrap();
                    }
                    counts.send(tcp_info(&tcp, SEGMENTS_IN).unwrap() - before).unwrap();
                    tcp.write_all(end.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (address, received)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn later_tokens_are_acknowledged_singly_only_where_a_server_may_wait_for_it() {
    for nagle in [true, false] {
        let mut seen = Vec::new();
        // A machine that stalls brings a wide gap or an acknowledgement more: a fault of ours is there each time.
        let is_right = |(each, widest_us): &(f64, u64)| {
            (if nagle { *each > 0.7 } else { *each < 0.65 }) && (*widest_us as f64) < NOT_HELD_MS * 1e3
        };
        while !seen.last().is_some_and(is_right) {
            assert!(seen.len() < 3, "Nagle {nagle}, segments a token and the widest gap, µs: {seen:?}");
            seen.push(acknowledged(nagle).await);
        }
    }
}

/// Segments that the client sends for each token, and the widest gap between two tokens, µs.
#[cfg(target_os = "linux")]
async fn acknowledged(nagle: bool) -> (f64, u64) {
    let (address, mut counts) = counting(nagle).await;
    let outcomes = play(&format!("http://{address}"), false).await;
    let segments: Vec<u32> = std::iter::from_fn(|| counts.try_recv().ok()).skip(2).collect();
    assert_eq!(segments.len() as u64, REQUESTS);
    let each = f64::from(segments.iter().sum::<u32>()) / REQUESTS as f64 / f64::from(LONG_ANSWER);
    let gaps = outcomes.measured().into_iter().flat_map(|record| {
        let times: Vec<u64> = record.chunks.iter().map(|chunk| chunk.at_us).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    });
    (each, gaps.max().unwrap())
}
