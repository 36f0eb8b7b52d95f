//! One request over HTTP/1.1: a connection, the send, stamped reads, at most one replay.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::{Poll, ready};

use crate::schema::live::LiveCounters;
use crate::schema::unit::Phase;

use crate::load::request::answer::{Answer, Progress};
use crate::load::request::in_flight::{Client, InFlight, Unacknowledged};
use crate::load::request::outcome::Ending;
use crate::load::request::seen::Arrival;
use crate::load::schedule::pacer::Tickets;
use crate::load::socket::acks::Acks;
use crate::load::socket::stamped::{Connection, Received};
use crate::load::socket::wait_bounds;

/// Larger than what a stream leaves waiting: a read that fills it has no certain stamp.
const BUFFER_BYTES: usize = 64 << 10;
/// How far a kernel stamp may be off after conversion, µs. Further off means that the wall clock was
/// stepped; then the read's own time is used.
const STAMP_SLACK_US: i64 = 1_000;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// Plays a request: a connection, the due time, the answer.
pub(crate) async fn converse(request: &mut InFlight<'_>, tickets: Option<&Tickets>) -> Ending {
    let client = request.client;
    let from_us = client.clock.now_us();
    request.connection = client.pool.take(from_us);
    if request.connection.is_none()
        && let Err(ending) = Box::pin(wait_for_connection(request, from_us)).await
    {
        return ending;
    }
    request.book_slot();
    let socket = request.connection.as_ref().and_then(Connection::socket);
    let written = request.wait_until_due(tickets, socket).await;
    request.mark_sent();
    send_now(request, written).await;
    loop {
        let ending = receive(request).await;
        let unanswered =
            matches!(ending, Ending::Broken(_)) && !request.answer.as_ref().is_some_and(Answer::has_begun);
        let pooled =
            request.connection.as_ref().and_then(|connection| Some((connection, connection.pooled_at_us?)));
        let Some((connection, pooled_at_us)) = pooled else { return ending };
        if !unanswered || !request.may_be_replayed() {
            return ending;
        }
        let sent_us = request.record.sent_us.unwrap_or(0);
        client.pool.saw_closed(connection, sent_us.saturating_sub(pooled_at_us));
        if Box::pin(connect(request, client.clock.now_us())).await.is_err() {
            // The server is gone, and not only an idle connection: the request was sent, and broke.
            request.connect_failure = None;
            return ending;
        }
        // The server closed the connection while it lay idle. `sent_us` stays that of the first send.
        request.record.replayed = true;
        send_now(request, 0).await;
    }
}

/// No connection lies idle: one whose response ends now, or a new one. Awaited in a box, which is gone before the
/// answer comes: with room for a TLS handshake it is larger than all the rest of the request.
async fn wait_for_connection(request: &mut InFlight<'_>, from_us: u64) -> Result<(), Ending> {
    request.connection = request.client.pool.take_tail(from_us).await;
    if request.connection.is_some() {
        request.book_connect_wait(from_us);
        return Ok(());
    }
    connect(request, from_us).await
}

/// Opens a connection, which was looked for since `wanted_us`.
async fn connect(request: &mut InFlight<'_>, wanted_us: u64) -> Result<(), Ending> {
    request.connection = None;
    let from_us = request.client.clock.now_us();
    match request.client.dialer.connect().await {
        Ok(connection) => {
            request.record.connect_us = Some(request.book_connect_wait(wanted_us) - from_us);
            request.connection = Some(connection);
            Ok(())
        }
        Err(error) => Err(request.fail_to_connect(&error).await),
    }
}

/// Writes the message from `written` on. A failure shows in the read that follows.
async fn send_now(request: &mut InFlight<'_>, written: usize) {
    request.await_answer();
    let acks = request.acks();
    let rest = request.message.get(written..).unwrap_or(&[]);
    if let Some(connection) = &mut request.connection {
        // Before the write: the answer of a fast server is there before the next call.
        if acks == Acks::Delayed {
            connection.set_acks(acks);
        }
        if !rest.is_empty() {
            // In a box, as connecting is: while an answer streams a request carries nothing of its send.
            let _ = Box::pin(connection.write_all(rest)).await;
        }
        // After the write, which may have made the kernel put acknowledgements off.
        if acks == Acks::Quick {
            connection.set_acks(acks);
        }
    }
}

/// Reads the answer to its end.
async fn receive(request: &mut InFlight<'_>) -> Ending {
    // In a box: a measured request carries nothing of it.
    if request.acks() == Acks::Delayed
        && let Some(ending) = Box::pin(receive_unacknowledged(request)).await
    {
        return ending;
    }
    read(request, false).await.unwrap_or(Ending::Read)
}

/// Reads the answer's first bytes, and what comes next, or does not, while they are not acknowledged.
async fn receive_unacknowledged(request: &mut InFlight<'_>) -> Option<Ending> {
    let first = read(request, true).await;
    if first.is_some() {
        return first;
    }
    let until = request.begin_hold()?;
    let came = tokio::select! {
        biased;
        ending = read(request, true) => Some(ending),
        () = tokio::time::sleep_until(until.into()) => None,
    };
    request.end_hold(came.is_none());
    if let Some(connection) = &request.connection {
        connection.set_acks(Acks::Quick);
        if request.answer.as_ref().is_some_and(|answer| answer.events() > 0) {
            request.unacknowledged = acknowledge_less(request.client, connection, false);
        }
    }
    came.flatten()
}

/// Reads to the answer's end, or `once`: none where that was not its end.
async fn read(request: &mut InFlight<'_>, once: bool) -> Option<Ending> {
    let client = request.client;
    let acks = request.acks();
    let (Some(connection), Some(answer)) = (&mut request.connection, &mut request.answer) else {
        return Some(Ending::Broken("no connection".to_owned()));
    };
    let late = &mut request.record.late_ack;
    let unacknowledged = &mut request.unacknowledged;
    let measured = request.record.phase == Phase::Measured;
    poll_fn(|context| {
        BUFFER.with_borrow_mut(|buffer| {
            loop {
                let received = match ready!(connection.poll_read(context, buffer)) {
                    Ok(Received { length: 0, .. }) if answer.eof() => return Poll::Ready(Some(Ending::Read)),
                    // TLS that ends without its close_notify, where the connection's end is the body's.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof && answer.eof() => {
                        return Poll::Ready(Some(Ending::Read));
                    }
                    Ok(Received { length: 0, .. }) => {
                        let how = if answer.has_begun() { "in" } else { "before" };
                        return Poll::Ready(Some(Ending::Broken(format!(
                            "the server closed the connection {how} the response"
                        ))));
                    }
                    Ok(received) => received,
                    Err(error) => return Poll::Ready(Some(Ending::Broken(error.to_string()))),
                };
                let arrival = arrival(client, received, answer.newest_us());
                if let Some(late) = late
                    && late.next_us.is_none()
                {
                    late.next_us = Some(arrival.at_us);
                }
                let events = answer.events();
                let progress = answer.read(&buffer[..received.length], arrival);
                if measured && answer.events() > events {
                    LiveCounters::add(&client.live.chunks, (answer.events() - events) as u64);
                }
                match progress {
                    Progress::More if once => return Poll::Ready(None),
                    // Until the first token: two segments of one size are enough for the kernel to wait again.
                    Progress::More if acks == Acks::Quick && answer.events() == 0 => {
                        connection.set_acks(Acks::Quick);
                    }
                    Progress::More if events == 0 && answer.events() > 0 => {
                        *unacknowledged = acknowledge_less(client, connection, measured);
                    }
                    Progress::More => {
                        *unacknowledged = unacknowledged.next(arrival.at_us, || connection.segments_sent());
                    }
                    Progress::End | Progress::Over | Progress::Stop => {
                        return Poll::Ready(Some(Ending::Read));
                    }
                }
            }
        })
    })
    .await
}

/// The first token is there: from here on the kernel may put acknowledgements off, where the server does not wait for
/// them. The warm-up finds out whether it does.
fn acknowledge_less(client: &Client, connection: &Connection, measured: bool) -> Unacknowledged {
    if !measured || client.sends_on.is_sure() {
        connection.set_acks(Acks::Delayed);
    }
    match connection.segments_sent().filter(|_| !measured) {
        Some(segments_sent) => Unacknowledged::First { segments_sent },
        None => Unacknowledged::Unseen,
    }
}

/// When bytes came: the kernel's stamp where it can be true, else the return of the read.
fn arrival(client: &Client, received: Received, earliest_us: u64) -> Arrival {
    let now_us = client.clock.now_us();
    let beyond = received.beyond || received.length == BUFFER_BYTES;
    let mut ready_us = wait_bounds::bytes_came(received.realtime_ns.is_some());
    if let Some(realtime_ns) = received.realtime_ns {
        let mut stamp_us = client.offset.to_run_us(realtime_ns);
        if stamp_us < ready_us as i64 {
            // The wall clock was set back, or the thread was woken before its account says so.
            client.offset.refresh(&client.clock);
            stamp_us = client.offset.to_run_us(realtime_ns);
            if stamp_us < ready_us as i64 {
                ready_us = wait_bounds::refute();
                // Nothing that the waits say of this read is true then.
                ready_us = if stamp_us < ready_us as i64 { 0 } else { ready_us };
            }
        }
        let plausible = earliest_us as i64 - STAMP_SLACK_US..=now_us as i64 + STAMP_SLACK_US;
        if plausible.contains(&stamp_us) {
            let at_us = (stamp_us.max(0) as u64).clamp(earliest_us.min(now_us), now_us);
            let lag_us = u32::try_from(now_us - at_us).unwrap_or(u32::MAX);
            return Arrival { at_us, lag_us, kernel: true, beyond, earliest_us: ready_us };
        }
        client.offset.refresh(&client.clock);
    }
    Arrival { at_us: now_us, lag_us: 0, kernel: false, beyond, earliest_us: ready_us }
}
