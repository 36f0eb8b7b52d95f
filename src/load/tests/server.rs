//! HTTP/2 servers for the tests: one made with h2, one that writes its frames by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

pub(crate) const TOKEN: &str =
    "data: {\"choices\":[{\"index\":0,\"text\":\"\u{e9}\",\"finish_reason\":null}]}\n\n";
pub(crate) const FINISH: &str = "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}],\
                                 \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// An answer as a server gives it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    /// Each a frame of its own.
    pub(crate) frames: Vec<Bytes>,
    /// Before each frame.
    pub(crate) gap: Duration,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// END_STREAM.
    Whole,
    Reset(Reason),
    /// Nothing more comes.
    Never,
}

impl Reply {
    pub(crate) fn stream(events: &[&str]) -> Reply {
        Reply {
            status: 200,
            content_type: Some("text/event-stream".to_owned()),
            frames: events.iter().map(|event| Bytes::copy_from_slice(event.as_bytes())).collect(),
            gap: Duration::ZERO,
            end: End::Whole,
        }
    }

    /// Two tokens, 2 ms apart.
    pub(crate) fn whole() -> Reply {
        Reply { gap: Duration::from_millis(2), ..Reply::stream(&[TOKEN, TOKEN, FINISH, DONE]) }
    }

    pub(crate) fn json(status: u16, body: &'static str) -> Reply {
        Reply { status, content_type: Some("application/json".to_owned()), ..Reply::stream(&[body]) }
    }
}

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Answer(Reply),
    /// RST_STREAM instead of an answer.
    Reset(Reason),
    /// An answer, and the connection is ended: GOAWAY, once what is in flight is over.
    AnswerAndLeave(Reply),
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    /// Streams that the client reset with CANCEL.
    pub(crate) cancelled: AtomicU64,
    open: AtomicU64,
    in_flight: AtomicU64,
    /// The most at once, on one connection.
    pub(crate) most_on_one: AtomicU64,
    pub(crate) most: AtomicU64,
}

impl Counts {
    pub(crate) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::SeqCst)
    }

    /// The server notices closed connections and streams a moment later.
    pub(crate) async fn settle(&self, is: impl Fn(&Counts) -> bool) -> bool {
        for _ in 0..500 {
            if is(self) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    pub(crate) async fn all_closed(&self) -> bool {
        self.settle(|counts| Counts::get(&counts.open) == 0).await
    }
}

/// A server made with h2.
#[derive(Clone)]
pub(crate) struct Server {
    /// What is done with the request of this number, from 0 on.
    pub(crate) deed: Arc<dyn Fn(u64) -> Deed + Send + Sync>,
    pub(crate) most_streams: Option<u32>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Nagle's algorithm stays on.
    pub(crate) nagle: bool,
    pub(crate) counts: Arc<Counts>,
}

impl Server {
    pub(crate) fn new(deed: impl Fn(u64) -> Deed + Send + Sync + 'static) -> Server {
        Server { deed: Arc::new(deed), most_streams: None, tls: None, nagle: false, counts: Arc::default() }
    }

    pub(crate) fn answering(reply: Reply) -> Server {
        Server::new(move |_| Deed::Answer(reply.clone()))
    }

    /// The URL.
    pub(crate) async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let server = self.clone();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(!server.nagle).unwrap();
                let server = server.clone();
                tokio::spawn(async move {
                    server.counts.connections.fetch_add(1, Ordering::SeqCst);
                    server.counts.open.fetch_add(1, Ordering::SeqCst);
                    match server.tls.clone() {
                        None => server.connection(tcp).await,
                        Some(config) => {
                            if let Ok(tls) = TlsAcceptor::from(config).accept(tcp).await {
                                server.connection(tls).await;
                            }
                        }
                    }
                    server.counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        url
    }

    async fn connection(&self, io: impl AsyncRead + AsyncWrite + Unpin) {
        let mut builder = h2::server::Builder::new();
        if let Some(most) = self.most_streams {
            builder.max_concurrent_streams(most);
        }
        let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else { return };
        let here = Arc::new(AtomicU64::new(0));
        while let Some(Ok((request, respond))) = connection.accept().await {
            let number = self.counts.requests.fetch_add(1, Ordering::SeqCst);
            let deed = (self.deed)(number);
            if matches!(deed, Deed::AnswerAndLeave(_)) {
                connection.graceful_shutdown();
            }
            let (counts, here) = (self.counts.clone(), here.clone());
            tokio::spawn(async move {
                counts.most_on_one.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let now = counts.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
                counts.most.fetch_max(now, Ordering::SeqCst);
                if do_it(deed, request, respond, || {
                    here.fetch_sub(1, Ordering::SeqCst);
                    counts.in_flight.fetch_sub(1, Ordering::SeqCst);
                })
                .await
                    == Some(Reason::CANCEL)
                {
                    counts.cancelled.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    }
}

/// Why the client reset the stream, where it did. `over` is called just before the stream ends.
async fn do_it(
    deed: Deed,
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    over: impl FnOnce(),
) -> Option<Reason> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/completions"));
    assert!(request.headers().get("host").is_none() && request.uri().authority().is_some());
    let length: usize = request.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = request.into_body();
    let mut taken = Vec::new();
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).unwrap();
        taken.extend_from_slice(&piece);
    }
    assert_eq!(taken.len(), length);
    assert!(serde_json::from_slice::<serde_json::Value>(&taken).unwrap()["stream"] == true);
    let reply = match deed {
        Deed::Answer(reply) | Deed::AnswerAndLeave(reply) => reply,
        Deed::Reset(reason) => {
            over();
            respond.send_reset(reason);
            return None;
        }
    };
    let mut head = Response::builder().status(reply.status);
    if let Some(content_type) = &reply.content_type {
        head = head.header("content-type", content_type);
    }
    let mut stream = respond.send_response(head.body(()).unwrap(), false).ok()?;
    let last = reply.frames.len().saturating_sub(1);
    for (at, frame) in reply.frames.iter().enumerate() {
        if at == last && reply.end == End::Whole {
            break;
        }
        if let Some(reason) = send(&mut stream, frame, reply.gap).await {
            over();
            return Some(reason);
        }
    }
    match reply.end {
        End::Whole => {
            over();
            let _ = stream.send_data(reply.frames.last().cloned().unwrap_or_default(), true);
            None
        }
        End::Reset(reason) => {
            // What was sent is to leave before.
            tokio::time::sleep(Duration::from_millis(20)).await;
            over();
            stream.send_reset(reason);
            None
        }
        End::Never => {
            let reason = std::future::poll_fn(|context| stream.poll_reset(context)).await;
            over();
            reason.ok()
        }
    }
}

async fn send(stream: &mut SendStream<Bytes>, frame: &Bytes, gap: Duration) -> Option<Reason> {
    tokio::select! {
        reason = std::future::poll_fn(|context| stream.poll_reset(context)) => return reason.ok(),
        () = tokio::time::sleep(gap) => {}
    }
    let _ = stream.send_data(frame.clone(), false);
    None
}

/// Kinds of frames.
pub(crate) const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), body].concat()
}

/// A connection of a server that writes its frames by hand.
pub(crate) struct Raw {
    tcp: TcpStream,
}

impl Raw {
    /// Takes a connection and greets with no settings.
    pub(crate) async fn accept(listener: &TcpListener) -> Raw {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut raw = Raw { tcp };
        let mut preface = [0; 24];
        raw.tcp.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        raw.write(&frame(SETTINGS, 0, 0, b"")).await;
        raw
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.tcp.write_all(bytes).await;
    }

    /// Reads to the end of the next request: its stream; none where the connection ends first.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        loop {
            let mut header = [0; 9];
            self.tcp.read_exact(&mut header).await.ok()?;
            let [high, middle, low, kind, flags, stream @ ..] = header;
            let mut body = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
            self.tcp.read_exact(&mut body).await.ok()?;
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                return Some(u32::from_be_bytes(stream));
            }
        }
    }
}

/// The head of an event stream.
pub(crate) fn head(stream: u32) -> Vec<u8> {
    let mut fields = vec![0x88, 0x0f, 0x10, 17];
    fields.extend_from_slice(b"text/event-stream");
    frame(HEADERS, END_HEADERS, stream, &fields)
}

pub(crate) fn data(stream: u32, text: &str) -> Vec<u8> {
    frame(DATA, 0, stream, text.as_bytes())
}

pub(crate) fn last_data(stream: u32, text: &str) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, text.as_bytes())
}

/// The connection ends; streams after `last` were not looked at.
pub(crate) fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), 0u32.to_be_bytes()].concat())
}
