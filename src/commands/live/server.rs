//! The page that Prometheus scrapes: small and patient with nobody, so that no scraper holds up a run.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, VARY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use crate::report::prometheus::{self, Format};
use crate::schema::refusal::{OrRefuse, refuse};

use super::hub::Hub;

/// The host of an address that names none.
const HOST: &str = "127.0.0.1";
/// Connections at a time; a further one is closed at once.
const CONNECTIONS: usize = 16;
/// Time that a connection may take, from its begin to its end.
const CONNECTION: Duration = Duration::from_secs(10);
/// Time that a request's head may take.
const HEAD: Duration = Duration::from_secs(5);
/// A request's head that is longer is none, bytes: the least that hyper takes.
const LONGEST_HEAD: usize = 8 << 10;
/// Pause after a connection could not be taken, as where no file is left to open.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes the address of `--prometheus-listen`.
///
/// # Errors
/// It is none, or somebody has it.
pub fn listen(address: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let addresses = addresses(address)?;
    let cure = "give another port with --prometheus-listen, or 0 for a free one";
    let listener = TcpListener::bind(&*addresses)
        .or_refuse(|| format!("--prometheus-listen {address}: the port cannot be taken"), cure)?;
    listener.set_nonblocking(true)?;
    let taken = listener.local_addr().context("the port that was taken cannot be told")?;
    Ok((listener, taken))
}

/// Whether nobody can know the port before it is taken.
pub fn takes_a_free_port(address: &str) -> bool {
    address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()) == Some(0)
}

/// `9400`, `:9400`, `127.0.0.1:9400`, `[::1]:9400`, `localhost:9400`.
fn addresses(text: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    let found = match port {
        Ok(port) => (HOST, port).to_socket_addrs(),
        Err(_) => text.to_socket_addrs(),
    };
    match found.map(Iterator::collect) {
        Ok(addresses) => Ok(addresses),
        Err(_) => refuse(
            format!("--prometheus-listen {text}: not an address to listen on"),
            "give a port, or HOST:PORT such as 127.0.0.1:9400",
        ),
    }
}

/// Answers for as long as it is polled.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(listener: TcpListener, hub: Arc<Hub>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let hub = hub.clone();
        tokio::spawn(async move {
            let answer =
                service_fn(move |request| std::future::ready(Ok::<_, Infallible>(answer(&request, &hub))));
            let mut protocol = http1::Builder::new();
            protocol
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(LONGEST_HEAD)
                .keep_alive(false);
            let connection = protocol.serve_connection(TokioIo::new(stream), answer);
            // Who breaks off, or takes too long, is nobody's trouble but its own.
            let _ = tokio::time::timeout(CONNECTION, connection).await;
            drop(place);
        });
    }
}

/// A request's answer. Its body, if it has one, is not read.
fn answer(request: &Request<Incoming>, hub: &Hub) -> Response<Full<Bytes>> {
    let is_page = request.uri().path() == "/metrics";
    match request.method() {
        &Method::GET | &Method::HEAD if is_page => {
            let accept: Vec<_> =
                request.headers().get_all(ACCEPT).iter().filter_map(|a| a.to_str().ok()).collect();
            let format = Format::accepted(&accept.join(","));
            let body = prometheus::page(&hub.page(), format);
            let mut response = plain(StatusCode::OK, body);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
            headers.insert(VARY, HeaderValue::from_static("accept"));
            response
        }
        _ if is_page => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        _ => plain(StatusCode::NOT_FOUND, "the metrics are at /metrics\n"),
    }
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "server_tests.rs"]
mod tests;
