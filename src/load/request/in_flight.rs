//! One request from its slot to its record, whatever carries it: its turn, its due time, its answer so far.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;

use crate::schema::live::LiveCounters;
use crate::schema::record::{FailureKind, LateAck, Outcome, RequestRecord};
use crate::schema::unit::Phase;

use crate::load::clock::{RealtimeOffset, RunClock};
use crate::load::http::http2_connections::Http2Connections;
use crate::load::http::tail::Tail;
use crate::load::protocol::terms::clip;
use crate::load::request::answer::Answer;
use crate::load::request::outcome::Ending;
use crate::load::request::seen::Expect;
use crate::load::schedule::pacer::{Ticket, Tickets};
use crate::load::socket::acks::{self, Acks, SendsOn};
use crate::load::socket::dial::Dialer;
use crate::load::socket::pool::Pool;
use crate::load::socket::stamped::Connection;
use crate::load::socket::wait_bounds;

/// A request whose connection closes without a byte of an answer is sent again within this time of its send, µs.
const REPLAY_WITHIN_US: u64 = 1_000_000;

/// The last bytes of an answer that leave together come within this time, µs.
const END_WITHIN_US: u64 = 1_000;

/// What the requests of one worker share.
pub(crate) struct Client {
    pub(crate) clock: RunClock,
    pub(crate) offset: RealtimeOffset,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) sends_on: Arc<SendsOn>,
    pub(crate) pool: Pool,
    /// Where HTTP/2 was asked for; the pool is not used then.
    pub(crate) http2: Option<Http2Connections>,
    pub(crate) live: Arc<LiveCounters>,
    /// Method and path of all requests, for a message.
    pub(crate) asked: String,
}

/// A request that is to be played.
pub(crate) struct Assignment {
    /// With its index, phase, due and ready times.
    pub(crate) record: RequestRecord,
    pub(crate) message: Arc<[u8]>,
    pub(crate) expect: Expect,
    /// When a slot was free for it, µs.
    pub(crate) slot_free_us: u64,
    /// The whole request may take so long, µs.
    pub(crate) timeout_us: u64,
    /// The acknowledgement of its answer's first bytes is put off by so much, to see whether the server waits for
    /// it, ms. Never in the measured phase.
    pub(crate) hold_ack_ms: Option<u16>,
}

/// A request that was played.
pub(crate) struct Ended {
    pub(crate) record: RequestRecord,
    /// The answer's text, where it is needed for a further turn.
    pub(crate) text: Option<String>,
}

/// A request being played.
pub(crate) struct InFlight<'a> {
    pub(crate) client: &'a Client,
    pub(crate) record: RequestRecord,
    pub(crate) message: Arc<[u8]>,
    expect: Expect,
    slot_free_us: u64,
    /// How long its slot waited for the connection, µs. A slot that began late does not count.
    connect_wait_us: u64,
    /// Over HTTP/1.1, the connection that carries it.
    pub(crate) connection: Option<Connection>,
    pub(crate) connect_failure: Option<String>,
    ticket: Option<Arc<Ticket>>,
    pub(crate) answer: Option<Answer>,
    /// As of its assignment, until it is over.
    hold_ack_ms: Option<u16>,
    /// In the warm-up, what is seen of its answer while that is not acknowledged.
    pub(crate) unacknowledged: Unacknowledged,
    issued: bool,
    in_flight: bool,
}

/// What a request sees while bytes after its first token are not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unacknowledged {
    /// Nothing that tells.
    Unseen,
    /// The first token is there, and acknowledged; this end had sent so many segments then.
    First { segments_sent: u32 },
    /// More came at this time, µs, and was not acknowledged.
    Second { at_us: u64 },
    /// Still more came at this time, µs, before any acknowledgement was due.
    Third { at_us: u64 },
}

impl Unacknowledged {
    /// More came at `at_us`; this end has sent `segments_sent` segments by now.
    pub(crate) fn next(self, at_us: u64, segments_sent: impl FnOnce() -> Option<u32>) -> Unacknowledged {
        match self {
            Unacknowledged::First { segments_sent: before } if segments_sent() == Some(before) => {
                Unacknowledged::Second { at_us }
            }
            Unacknowledged::Second { at_us: before_us } if at_us < before_us + acks::PUT_OFF_US => {
                Unacknowledged::Third { at_us }
            }
            Unacknowledged::First { .. } | Unacknowledged::Second { .. } | Unacknowledged::Unseen => {
                Unacknowledged::Unseen
            }
            Unacknowledged::Third { .. } => self,
        }
    }
}

impl<'a> InFlight<'a> {
    pub(crate) fn new(client: &'a Client, assignment: Assignment) -> InFlight<'a> {
        let Assignment { record, message, expect, slot_free_us, timeout_us: _, hold_ack_ms } = assignment;
        InFlight {
            client,
            record,
            message,
            expect,
            slot_free_us,
            connect_wait_us: 0,
            connection: None,
            connect_failure: None,
            ticket: None,
            answer: None,
            hold_ack_ms: hold_ack_ms.filter(|_| acks::CHOSEN),
            unacknowledged: Unacknowledged::Unseen,
            issued: false,
            in_flight: false,
        }
    }

    /// Its turn may have come already: it is then counted before anything can go wrong.
    pub(crate) fn issue_if_ready(&mut self) {
        if self.record.ready_us <= self.client.clock.now_us() {
            self.issue();
        }
    }

    /// Waits for its answer from now on: what was read before belongs to a send that failed.
    pub(crate) fn await_answer(&mut self) {
        self.answer = Some(Answer::new(self.expect, self.record.sent_us.unwrap_or(0)));
    }

    /// How its answer is acknowledged now.
    pub(crate) fn acks(&self) -> Acks {
        if self.hold_ack_ms.is_some() { Acks::Delayed } else { Acks::Quick }
    }

    /// Its answer has begun: when that is to be acknowledged, where it is put off.
    pub(crate) fn begin_hold(&mut self) -> Option<Instant> {
        let begun_us = self.answer.as_ref()?.newest_us();
        let until_us = begun_us + u64::from(self.hold_ack_ms?) * 1000;
        self.record.late_ack = Some(Box::new(LateAck { begun_us, ..LateAck::default() }));
        Some(self.client.clock.instant(until_us))
    }

    /// Played like any other from here on. `acknowledge`: its answer's beginning is acknowledged now, and not because
    /// more came.
    pub(crate) fn end_hold(&mut self, acknowledge: bool) {
        self.hold_ack_ms = None;
        if acknowledge && let Some(late) = &mut self.record.late_ack {
            late.ack_us = Some(self.client.clock.now_us());
        }
    }

    /// Once, and soon: a connection that was closed for lying idle shows it at once. What a server gives up
    /// later it had taken, and that is a failure.
    pub(crate) fn may_be_replayed(&self) -> bool {
        let sent_us = self.record.sent_us.unwrap_or(0);
        !self.record.replayed && self.client.clock.now_us().saturating_sub(sent_us) < REPLAY_WITHIN_US
    }

    /// A connection that was asked for at `from_us` is there: now, µs.
    pub(crate) fn book_connect_wait(&mut self, from_us: u64) -> u64 {
        let now_us = self.client.clock.now_us();
        self.connect_wait_us = now_us.saturating_sub(from_us.max(self.slot_free_us));
        now_us
    }

    /// Prepared ahead of its due time, a request fails no earlier than it is due.
    pub(crate) async fn fail_to_connect(&mut self, error: &std::io::Error) -> Ending {
        tokio::time::sleep_until(self.client.clock.instant(self.record.ready_us).into()).await;
        self.connect_failure = Some(error.to_string());
        Ending::Broken(String::new())
    }

    /// The request has its slot, and its connection.
    pub(crate) fn book_slot(&mut self) {
        self.record.slot_us = Some(self.slot_free_us + self.connect_wait_us);
    }

    /// Waits for the due time, and where there is a `socket` has the pacer write there: the bytes written.
    pub(crate) async fn wait_until_due(
        &mut self,
        tickets: Option<&Tickets>,
        socket: Option<Arc<TcpStream>>,
    ) -> usize {
        let mut written = 0;
        let due_us = self.record.due_us.unwrap_or(0);
        if let Some(tickets) = tickets
            && due_us > self.client.clock.now_us()
        {
            let direct = socket.is_some();
            let ticket = Ticket::new(due_us, socket.map(|socket| (socket, self.message.clone())));
            self.ticket = Some(ticket.clone());
            if tickets.send(ticket.clone()).is_ok() {
                let (done_us, bytes) = ticket.done().await;
                wait_bounds::found();
                written = bytes;
                if direct {
                    self.record.sent_us = Some(done_us);
                }
            }
            self.ticket = None;
        }
        written
    }

    /// It is sent now, unless the pacer has done so.
    pub(crate) fn mark_sent(&mut self) {
        if self.record.sent_us.is_none() {
            self.record.sent_us = Some(self.client.clock.now_us());
        }
        self.issue();
        if self.record.phase == Phase::Measured {
            self.in_flight = true;
            LiveCounters::add(&self.client.live.in_flight, 1);
        }
    }

    /// Its turn has come. It is counted now, once, and not when its record is made: a record that is lost
    /// must be missed.
    fn issue(&mut self) {
        if self.record.phase == Phase::Measured && !std::mem::replace(&mut self.issued, true) {
            LiveCounters::add(&self.client.live.issued, 1);
        }
    }

    /// Makes the record, and gives the connection back where it may carry another request.
    pub(crate) fn close(mut self, ending: Ending) -> Option<Ended> {
        let now_us = self.client.clock.now_us();
        if let Some(ticket) = self.ticket.take() {
            self.record.sent_us = ticket.revoke();
        }
        if self.record.sent_us.is_none() && ending == Ending::Cancelled && self.record.ready_us > now_us {
            return None;
        }
        self.issue();
        if self.in_flight {
            self.client.live.in_flight.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
        self.record.end_us = now_us;
        let answer = self.answer.take();
        let mut text = None;
        if let (Ending::Read, Some(answer)) = (&ending, &answer) {
            if answer.has_begun() {
                self.record.end_us = answer.newest_us();
            }
            if let Some(mut connection) = self.connection.take() {
                connection.used = true;
                if answer.connection_is_reusable() {
                    self.client.pool.put(connection, now_us);
                } else if let Some(rest) = answer.rest() {
                    self.client.pool.put_tail(Tail::new(connection, rest, now_us));
                }
            }
        }
        if self.record.late_ack.as_ref().is_some_and(|late| came_with_the_end(late, self.record.end_us)) {
            self.record.late_ack = None;
        }
        if let Unacknowledged::Third { at_us } = self.unacknowledged
            && self.record.end_us > at_us + END_WITHIN_US
        {
            self.client.sends_on.saw();
        }
        let sent = self.record.sent_us.is_some();
        match (self.connect_failure.take(), answer) {
            (Some(error), _) => self.record.outcome = failed_to_connect(&error),
            (None, Some(answer)) => text = answer.finish(ending, &self.client.asked, &mut self.record),
            (None, None) => self.record.outcome = without_answer(&ending, sent),
        }
        Some(Ended { record: self.record, text })
    }
}

/// A server that closes the connection sends at once what waits: such bytes show nothing of acknowledgements.
fn came_with_the_end(late: &LateAck, end_us: u64) -> bool {
    late.ack_us.is_none() && late.next_us.is_none_or(|next_us| end_us <= next_us + END_WITHIN_US)
}

fn failed_to_connect(error: &str) -> Outcome {
    Outcome::Failed { kind: FailureKind::Connect, detail: clip(error) }
}

/// How a request ended that never got as far as waiting for an answer.
fn without_answer(ending: &Ending, sent: bool) -> Outcome {
    match ending {
        Ending::Cancelled if sent => Outcome::Cancelled,
        Ending::Cancelled => Outcome::Dropped,
        Ending::TimedOut | Ending::Read | Ending::Broken(_) => {
            failed_to_connect("not connected within the timeout")
        }
    }
}
