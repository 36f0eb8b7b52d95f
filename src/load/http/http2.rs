//! One request as a stream of an HTTP/2 connection: handed over, its frames taken, at most one replay.
//!
//! The connection is a task of its own, which reads ahead of the streams: an arrival bears the return of
//! the read that brought its frame, and no stamp of the kernel.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};

use crate::schema::gateway::Gateway;
use crate::schema::live::LiveCounters;
use crate::schema::unit::Phase;

use crate::load::http::http1::{Aside, Head, content, redirect};
use crate::load::http::http2_connections::{Http2Connections, Http2Stream};
use crate::load::request::answer::{Answer, Progress};
use crate::load::request::in_flight::InFlight;
use crate::load::request::outcome::Ending;
use crate::load::request::seen::Arrival;
use crate::load::schedule::pacer::Tickets;
use crate::load::socket::acks::Acks;

/// A stream whose answer is over may take so long to end.
const TAIL_LIMIT: Duration = Duration::from_secs(1);

/// How a stream broke.
struct Break {
    ending: Ending,
    /// The server has not begun with the request, as far as it says.
    untouched: bool,
    /// The connection went, for whatever cause.
    connection_lost: bool,
}

/// Plays a request: a place on a connection, the due time, the answer. Where this is dropped before its
/// end the stream is reset (CANCEL), and the connection lives on.
pub(crate) async fn converse(
    request: &mut InFlight<'_>,
    connections: &Http2Connections,
    tickets: Option<&Tickets>,
) -> Ending {
    let mut place = match enter(request, connections).await {
        Ok(place) => place,
        Err(ending) => return ending,
    };
    request.book_slot();
    request.wait_until_due(tickets, None).await;
    request.mark_sent();
    loop {
        request.await_answer();
        let broken = match exchange(request, connections, &place).await {
            Ok((ending, rest)) => {
                if let Some(rest) = rest {
                    tokio::spawn(see_out(place, rest));
                }
                return ending;
            }
            Err(broken) => broken,
        };
        let begun = request.answer.as_ref().is_some_and(Answer::has_begun);
        // As for HTTP/1.1, what was opened for this request alone was not closed for idling.
        let repeatable = broken.untouched || (broken.connection_lost && place.connect_us.is_none());
        if begun || !repeatable || !request.may_be_replayed() {
            return broken.ending;
        }
        drop(place);
        place = match enter(request, connections).await {
            Ok(place) => place,
            Err(_) => {
                // The server is gone, and not only a connection: the request was sent, and broke.
                request.connect_failure = None;
                return broken.ending;
            }
        };
        // `sent_us` stays that of the first send.
        request.record.replayed = true;
    }
}

async fn enter(request: &mut InFlight<'_>, connections: &Http2Connections) -> Result<Http2Stream, Ending> {
    let client = request.client;
    if let Some(place) = connections.room(&client.clock) {
        return Ok(place);
    }
    let from_us = client.clock.now_us();
    match connections.enter(&client.dialer, &client.clock).await {
        Ok(place) => {
            request.record.connect_us = place.connect_us.or(request.record.connect_us);
            request.book_connect_wait(from_us);
            Ok(place)
        }
        Err(error) => Err(request.fail_to_connect(&error).await),
    }
}

/// Gives a stream whose answer is over the time to end by itself. A reset instead, for each answer, would look to a
/// server like an attack.
async fn see_out(place: Http2Stream, mut rest: RecvStream) {
    let stream = rest.stream_id().as_u32();
    let to_end = async {
        while let Some(Ok(frame)) = rest.data().await {
            let _ = rest.flow_control().release_capacity(frame.len());
        }
    };
    let _ = tokio::time::timeout(TAIL_LIMIT, to_end).await;
    // Of frames that nobody took.
    place.reads().take(stream);
}

/// Sends the request and takes its answer; beside its end what is left of a stream that goes on after it.
async fn exchange(
    request: &mut InFlight<'_>,
    connections: &Http2Connections,
    place: &Http2Stream,
) -> Result<(Ending, Option<RecvStream>), Break> {
    if !place.is_alone() {
        request.end_hold(false);
    }
    place.prepare_acks(request.acks());
    let response = send(request, connections, place).map_err(|error| broken(&error, false))?;
    let stream = response.stream_id().as_u32();
    let mut receiver =
        Receiver { part: Part::Head(response), stream, place, frames: Vec::new(), took: false };
    let ending = receive(request, &mut receiver).await?;
    Ok((ending, receiver.rest()))
}

/// Takes the answer's frames, with the acknowledgement held back where that is to be tried.
async fn receive(request: &mut InFlight<'_>, receiver: &mut Receiver<'_>) -> Result<Ending, Break> {
    // In a box: a measured request carries nothing of it.
    if request.acks() == Acks::Delayed
        && let Some(end) = Box::pin(receive_unacknowledged(request, receiver)).await
    {
        return end;
    }
    read(request, receiver, false).await.unwrap_or(Ok(Ending::Read))
}

/// Takes the answer's first frames, and what comes next, or does not, while they are not acknowledged.
async fn receive_unacknowledged(
    request: &mut InFlight<'_>,
    receiver: &mut Receiver<'_>,
) -> Option<Result<Ending, Break>> {
    let first = read(request, receiver, true).await;
    if first.is_some() {
        return first;
    }
    let until = request.begin_hold()?;
    let came = tokio::select! {
        biased;
        end = read(request, receiver, true) => Some(end),
        () = tokio::time::sleep_until(until.into()) => None,
    };
    request.end_hold(came.is_none());
    receiver.place.set_acks(Acks::Quick);
    if !receiver.place.is_alone() {
        // Another stream's bytes may have borne the acknowledgement.
        request.record.late_ack = None;
    }
    came.flatten()
}

/// Takes frames to the answer's end, or what one wake-up brings: none where that was not its end.
async fn read(
    request: &mut InFlight<'_>,
    receiver: &mut Receiver<'_>,
    once: bool,
) -> Option<Result<Ending, Break>> {
    let acks = request.acks();
    let Some(answer) = &mut request.answer else { return Some(Ok(Ending::Read)) };
    let late = &mut request.record.late_ack;
    let measured = (request.record.phase == Phase::Measured).then_some(&*request.client.live);
    poll_fn(|context| {
        let polled = receiver.poll(context, answer, measured);
        if receiver.took
            && let Some(late) = late
            && late.next_us.is_none()
        {
            late.next_us = Some(answer.newest_us());
        }
        match polled {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if receiver.took && once => Poll::Ready(None),
            Poll::Pending => {
                // Until the first token, as for HTTP/1.1.
                if receiver.took && acks == Acks::Quick && answer.events() == 0 {
                    receiver.place.set_acks(Acks::Quick);
                }
                Poll::Pending
            }
        }
    })
    .await
}

/// Hands head and body to h2, which writes them when the connection's task runs next: at once, unless the
/// socket or the server's window is full.
fn send(
    request: &InFlight<'_>,
    connections: &Http2Connections,
    place: &Http2Stream,
) -> Result<ResponseFuture, h2::Error> {
    let mut head = connections.head().clone();
    head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(request.message.len()));
    let (response, mut stream) = place.sender().send_request(head, false)?;
    stream.send_data(Bytes::from_owner(request.message.clone()), true)?;
    Ok(response)
}

/// Takes the frames of one stream.
struct Receiver<'a> {
    part: Part,
    stream: u32,
    place: &'a Http2Stream,
    /// Pieces of the body that were found in one wake-up.
    frames: Vec<Bytes>,
    /// Something of the answer was found in the last wake-up.
    took: bool,
}

/// What is to come next.
enum Part {
    Head(ResponseFuture),
    Body(RecvStream),
    /// The stream has ended, or is of no use.
    Nothing,
}

impl Receiver<'_> {
    /// Takes all that is there: to the answer it is one read.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        answer: &mut Answer,
        measured: Option<&LiveCounters>,
    ) -> Poll<Result<Ending, Break>> {
        let mut head = None;
        self.frames.clear();
        let ended = loop {
            match &mut self.part {
                Part::Head(response) => match Pin::new(response).poll(context) {
                    Poll::Pending => break None,
                    Poll::Ready(Ok(response)) => {
                        let (parts, body) = response.into_parts();
                        let status = parts.status.as_u16();
                        let location = parts.headers.get(LOCATION);
                        let location = location.and_then(|location| redirect(status, location.as_bytes()));
                        let mut aside = Aside { location, ..Aside::default() };
                        for (name, value) in &parts.headers {
                            aside
                                .times
                                .note_header(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
                        }
                        head = Some((read_head(status, &parts.headers), aside.kept()));
                        self.part = Part::Body(body);
                    }
                    Poll::Ready(Err(error)) => break Some(Err(error)),
                },
                Part::Body(body) => match body.poll_data(context) {
                    Poll::Pending => break None,
                    Poll::Ready(Some(Ok(frame))) => {
                        // It fails only for more than has come.
                        let _ = body.flow_control().release_capacity(frame.len());
                        self.frames.push(frame);
                    }
                    Poll::Ready(Some(Err(error))) => break Some(Err(error)),
                    Poll::Ready(None) => break Some(Ok(())),
                },
                Part::Nothing => break Some(Ok(())),
            }
        };
        self.took = head.is_some() || !self.frames.is_empty() || matches!(ended, Some(Ok(())));
        if self.took {
            let events = answer.events();
            let frames = self.frames.iter().map(|frame| &**frame);
            let progress = answer.read_frames(head, frames, self.arrival(answer.newest_us()));
            if let Some(live) = measured {
                LiveCounters::add(&live.chunks, (answer.events() - events) as u64);
            }
            if progress == Progress::Stop || ended.is_some() {
                self.part = Part::Nothing;
            }
            if progress != Progress::More {
                return Poll::Ready(Ok(Ending::Read));
            }
        }
        match ended {
            None => Poll::Pending,
            Some(Ok(())) => {
                answer.eof();
                Poll::Ready(Ok(Ending::Read))
            }
            Some(Err(error)) if error.is_library() => {
                answer.refuse(format!("the answer is not HTTP/2: {error}"));
                Poll::Ready(Ok(Ending::Read))
            }
            Some(Err(error)) => Poll::Ready(Err(broken(&error, answer.has_begun()))),
        }
    }

    /// The stream, where it goes on after its answer.
    fn rest(&mut self) -> Option<RecvStream> {
        match std::mem::replace(&mut self.part, Part::Nothing) {
            Part::Body(body) if !body.is_end_stream() => Some(body),
            Part::Head(_) | Part::Body(_) | Part::Nothing => None,
        }
    }

    /// The stamp is that of what the connection's read ended with: of this stream's last frame, or of
    /// another's that came with it.
    fn arrival(&self, previous_us: u64) -> Arrival {
        let reading = self.place.reads().take(self.stream);
        Arrival {
            at_us: reading.at_us.max(previous_us),
            lag_us: 0,
            kernel: false,
            beyond: !reading.newest,
            earliest_us: reading.earliest_us,
        }
    }
}

impl Drop for Receiver<'_> {
    fn drop(&mut self) {
        // Of frames that nobody will take.
        self.place.reads().take(self.stream);
    }
}

fn read_head(status: u16, headers: &HeaderMap) -> Head {
    let value = |name| {
        let value: &HeaderValue = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase())
    };
    Head {
        status,
        content: value(CONTENT_TYPE).map(|value| content(&value)).unwrap_or_default(),
        encoded: value(CONTENT_ENCODING).is_some_and(|value| value != "identity"),
        keep_alive: true,
        gateway: headers.iter().fold(None, |known, (name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            Gateway::prefer(known, Gateway::of_header(name.as_str(), &value))
        }),
    }
}

/// What an error means for the request; `begun`: some of the response had come.
fn broken(error: &h2::Error, begun: bool) -> Break {
    let place = if begun { "in" } else { "before" };
    let reason = error.reason();
    let name = reason.map(|reason| format!("{reason:?}")).unwrap_or_default();
    let how = if error.is_reset() && reason == Some(Reason::HTTP_1_1_REQUIRED) {
        "the server wants HTTP/1.1 for this request; leave --http2 out".to_owned()
    } else if error.is_reset() {
        format!("the server reset the stream {place} the response ({name})")
    } else if error.is_go_away() && error.is_remote() {
        format!("the server ended the connection {place} the response (GOAWAY {name})")
    } else if error.is_io() {
        format!("the server closed the connection {place} the response")
    } else {
        error.to_string()
    };
    let refused = error.is_reset() && reason == Some(Reason::REFUSED_STREAM);
    let untouched = error.is_remote() && (refused || error.is_go_away());
    Break { ending: Ending::Broken(how), untouched, connection_lost: error.is_io() }
}
