//! One streamed request on a connection of its own: readiness, and the probe set before a run.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::schema::live::LiveCounters;
use crate::schema::plan::HttpSettings;
use crate::schema::record::{FailureKind, Outcome, RequestRecord};
use crate::schema::unit::{Phase, Unit};

use crate::load::cancel::Cancel;
use crate::load::clock::{RealtimeOffset, RunClock};
use crate::load::exchange;
use crate::load::http::http2_connections::Http2Connections;
use crate::load::job::{Job, base_url};
use crate::load::protocol::Protocol;
use crate::load::request::blank_record::blank_record;
use crate::load::request::in_flight::{Assignment, Client, Ended};
use crate::load::request::messages::Messages;
use crate::load::request::seen::{Expect, expect};
use crate::load::socket::dial::Dialer;
use crate::load::socket::pool::Pool;

/// A server takes a connection within this time, or there is none.
const CHECK_LIMIT: Duration = Duration::from_secs(15);

/// Sends the first turn of `unit` on a fresh connection, which the client closes afterwards: a close of the server's
/// would send at once what waits for an acknowledgement. µs 0 of its record is the
/// call. What cannot even be sent comes back as a failure to connect, with the cause. The acknowledgement of the
/// answer's first bytes is put off by `hold_ack_ms` (below 40), to see whether the server waits for it.
pub async fn probe(job: &Job, unit: &Unit, timeout: Duration, hold_ack_ms: Option<u16>) -> RequestRecord {
    send(job, unit, timeout, hold_ack_ms, false).await.record
}

/// The same as [`probe`], acknowledged as usual; the answer's text beside its record, as the server wrote it.
pub async fn ask(job: &Job, unit: &Unit, timeout: Duration) -> (RequestRecord, Option<String>) {
    let ended = send(job, unit, timeout, None, true).await;
    (ended.record, ended.text)
}

async fn send(job: &Job, unit: &Unit, timeout: Duration, hold_ack_ms: Option<u16>, keep_text: bool) -> Ended {
    let max_tokens = unit.turns.first().map_or(0, |turn| turn.max_tokens);
    let protocol = Protocol::of(&job.http).unwrap_or(Protocol::OpenaiChat);
    let spoken = (protocol, job.http.stream);
    let expect = Expect { keep_text, ..expect(spoken, &job.capabilities, &job.sampling, max_tokens) };
    let record = blank_record(0, unit, Phase::Warmup, expect);
    let unsent = record.clone();
    let prepared = async {
        let url = base_url(&job.base_url)?;
        let key = job.api_key.as_deref();
        let messages = Messages::new(&url, &job.http, key, &job.capabilities, &job.sampling)?;
        let http2 = messages.http2_head().map(Http2Connections::new);
        let message = messages.first(unit).context("there is nothing to send")?;
        let asked = messages.asked().to_owned();
        Ok::<_, anyhow::Error>((Dialer::new(&url, &job.http).await?, message, http2, asked))
    };
    let failed = |detail: String| {
        let outcome = Outcome::Failed { kind: FailureKind::Connect, detail };
        Ended { record: RequestRecord { outcome, ..unsent.clone() }, text: None }
    };
    let (dialer, message, http2, asked) = match tokio::time::timeout(timeout, prepared).await {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(error)) => return failed(format!("{error:#}")),
        Err(_) => return failed("the host's name could not be looked up within the timeout".to_owned()),
    };
    let clock = RunClock::start();
    let client = Client {
        clock,
        offset: RealtimeOffset::measure(&clock),
        dialer: Arc::new(dialer),
        sends_on: Arc::default(),
        pool: Pool::default(),
        asked,
        http2,
        live: Arc::new(LiveCounters::default()),
    };
    let timeout_us = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX / 2);
    let assignment = Assignment { record, message, expect, slot_free_us: 0, timeout_us, hold_ack_ms };
    let ended = exchange::play(&client, assignment, None, &Cancel::default()).await;
    ended.unwrap_or_else(|| failed("cancelled".to_owned()))
}

/// Opens a connection to see that a server is there, TLS included, and that it speaks HTTP/2 where that is asked
/// for; and closes it: no request is sent. An error names the host, and says what is the matter.
pub async fn check_reachable(base_url_text: &str, wire: &HttpSettings) -> anyhow::Result<()> {
    let url = base_url(base_url_text)?;
    let opened = async {
        let dialer = Dialer::new(&url, wire).await?;
        if wire.http2 {
            let connections = Http2Connections::new(http::Request::new(()));
            connections.open_for(1, &dialer, &RunClock::start()).await?;
        } else {
            let refused = || format!("no connection to {}", dialer.host());
            dialer.connect().await.with_context(refused)?;
        }
        Ok(())
    };
    let opened = tokio::time::timeout(CHECK_LIMIT, opened).await;
    let host = url.host_str().unwrap_or(base_url_text);
    opened.with_context(|| format!("no connection to {host} within {} s", CHECK_LIMIT.as_secs()))?
}
