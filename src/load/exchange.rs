//! One request from its slot to its record: connection, send, stamped reads, at most one replay.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::net::TcpStream;

use crate::schema::live::LiveCounters;
use crate::schema::record::{FailureKind, Outcome, RequestRecord};
use crate::schema::unit::Phase;

use crate::load::cancel::Cancel;
use crate::load::clock::{RealtimeOffset, RunClock};
use crate::load::http::http2;
use crate::load::http::http2_connections::Multiplex;
use crate::load::protocol::openai::clip;
use crate::load::request::answer::{Answer, Arrival, Ending, Expect, Progress};
use crate::load::schedule::pacer::{Ticket, Tickets};
use crate::load::socket::dial::Dialer;
use crate::load::socket::pool::Pool;
use crate::load::socket::stamped::{Connection, Received};
use crate::load::socket::wait_bounds;

/// Larger than what a stream leaves waiting: a read that fills it has no certain stamp.
const BUFFER_BYTES: usize = 64 << 10;
/// A converted kernel stamp may lie so far outside the bounds that it must be within; beyond, the
/// wall clock was stepped, and the read is stamped instead.
const STAMP_SLACK_US: i64 = 1_000;
/// A request whose connection closes without a byte of an answer is replayed within this time of its send, µs.
const REPLAY_WITHIN_US: u64 = 1_000_000;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// What the requests of one worker share.
pub(crate) struct Line {
    pub(crate) clock: RunClock,
    pub(crate) offset: RealtimeOffset,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) pool: Pool,
    /// Where HTTP/2 was asked for; the pool is not used then.
    pub(crate) http2: Option<Multiplex>,
    pub(crate) live: Arc<LiveCounters>,
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
}

impl Line {
    /// Plays a request to its end. With `tickets` it is sent at its due time by the pacer, else at once.
    /// None where it was cancelled before it was due. Not an `async fn`: that would keep the assignment
    /// beside the talk made from it, for each of maybe 100,000 requests.
    pub(crate) fn play(
        &self,
        assignment: Assignment,
        tickets: Option<&Tickets>,
        cancel: &Cancel,
    ) -> impl Future<Output = Option<RequestRecord>> {
        let start_us = assignment.slot_free_us.max(self.clock.now_us());
        let deadline = self.clock.instant(start_us.saturating_add(assignment.timeout_us));
        let mut talk = Talk::new(self, assignment);
        async move {
            let ending = tokio::select! {
                biased;
                ending = talk.converse(tickets) => ending,
                () = tokio::time::sleep_until(deadline.into()) => Ending::TimedOut,
                () = cancel.wait() => Ending::Cancelled,
            };
            talk.close(ending)
        }
    }

    fn arrival(&self, received: Received, earliest_us: u64) -> Arrival {
        let now_us = self.clock.now_us();
        let beyond = received.beyond || received.length == BUFFER_BYTES;
        let mut ready_us = wait_bounds::bytes_came();
        if let Some(realtime_ns) = received.realtime_ns {
            let mut stamp_us = self.offset.to_run_us(realtime_ns);
            if stamp_us < ready_us as i64 {
                // The wall clock was set back, or the thread was woken before its account says so.
                self.offset.refresh(&self.clock);
                stamp_us = self.offset.to_run_us(realtime_ns);
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
            self.offset.refresh(&self.clock);
        }
        Arrival { at_us: now_us, lag_us: 0, kernel: false, beyond, earliest_us: ready_us }
    }
}

/// A request being played.
pub(super) struct Talk<'a> {
    pub(super) line: &'a Line,
    pub(super) record: RequestRecord,
    pub(super) message: Arc<[u8]>,
    pub(super) expect: Expect,
    slot_free_us: u64,
    /// How much of the time to connect the slot had to wait for, µs. That it began late is not in it.
    connect_wait_us: u64,
    connection: Option<Connection>,
    pub(super) connect_failure: Option<String>,
    ticket: Option<Arc<Ticket>>,
    pub(super) answer: Option<Answer>,
    issued: bool,
    in_flight: bool,
}

impl<'a> Talk<'a> {
    fn new(line: &'a Line, assignment: Assignment) -> Talk<'a> {
        let Assignment { record, message, expect, slot_free_us, timeout_us: _ } = assignment;
        Talk {
            line,
            record,
            message,
            expect,
            slot_free_us,
            connect_wait_us: 0,
            connection: None,
            connect_failure: None,
            ticket: None,
            answer: None,
            issued: false,
            in_flight: false,
        }
    }

    async fn converse(&mut self, tickets: Option<&Tickets>) -> Ending {
        if self.record.ready_us <= self.line.clock.now_us() {
            self.issue();
        }
        if let Some(via) = &self.line.http2 {
            // Boxed: a request over HTTP/1.1 carries nothing of it.
            return Box::pin(http2::converse(self, via, tickets)).await;
        }
        self.connection = self.line.pool.take(self.line.clock.now_us());
        if self.connection.is_none()
            && let Err(ending) = self.connect().await
        {
            return ending;
        }
        self.book_slot();
        let socket = self.connection.as_ref().and_then(Connection::socket);
        let written = self.wait_until_due(tickets, socket).await;
        self.mark_sent();
        self.send_now(written).await;
        loop {
            let ending = self.receive().await;
            let unanswered =
                matches!(ending, Ending::Broken(_)) && !self.answer.as_ref().is_some_and(Answer::has_begun);
            let pooled =
                self.connection.as_ref().and_then(|connection| Some((connection, connection.pooled_at_us?)));
            let Some((connection, pooled_at_us)) = pooled else { return ending };
            if !unanswered || !self.may_be_replayed() {
                return ending;
            }
            let sent_us = self.record.sent_us.unwrap_or(0);
            self.line.pool.saw_closed(connection, sent_us.saturating_sub(pooled_at_us));
            if self.connect().await.is_err() {
                // The server is gone, and not only an idle connection: the request was sent, and broke.
                self.connect_failure = None;
                return ending;
            }
            // The server closed the connection while it lay idle. `sent_us` stays that of the first send.
            self.record.replayed = true;
            self.send_now(0).await;
        }
    }

    /// Once, and soon: a connection that was closed for lying idle shows it at once. What a server gives up
    /// later it had taken, and that is a failure.
    pub(super) fn may_be_replayed(&self) -> bool {
        let sent_us = self.record.sent_us.unwrap_or(0);
        !self.record.replayed && self.line.clock.now_us().saturating_sub(sent_us) < REPLAY_WITHIN_US
    }

    async fn connect(&mut self) -> Result<(), Ending> {
        self.connection = None;
        let from_us = self.line.clock.now_us();
        // In a box of its own: with room for a TLS handshake it is larger than all the rest of the request.
        let connected = Box::pin(self.line.dialer.connect()).await;
        match connected {
            Ok(connection) => {
                self.record.connect_us = Some(self.book_connect_wait(from_us) - from_us);
                self.connection = Some(connection);
                Ok(())
            }
            Err(error) => Err(self.fail_to_connect(&error).await),
        }
    }

    /// A connection that was asked for at `from_us` is there: now, µs.
    pub(super) fn book_connect_wait(&mut self, from_us: u64) -> u64 {
        let now_us = self.line.clock.now_us();
        self.connect_wait_us = now_us.saturating_sub(from_us.max(self.slot_free_us));
        now_us
    }

    /// Prepared ahead of its due time, a request fails no earlier than it is due.
    pub(super) async fn fail_to_connect(&mut self, error: &std::io::Error) -> Ending {
        tokio::time::sleep_until(self.line.clock.instant(self.record.ready_us).into()).await;
        self.connect_failure = Some(error.to_string());
        Ending::Broken(String::new())
    }

    /// The request has its slot, and its connection.
    pub(super) fn book_slot(&mut self) {
        self.record.slot_us = Some(self.slot_free_us + self.connect_wait_us);
    }

    /// Waits for the due time, and where there is a `socket` has the pacer write there: the bytes written.
    pub(super) async fn wait_until_due(
        &mut self,
        tickets: Option<&Tickets>,
        socket: Option<Arc<TcpStream>>,
    ) -> usize {
        let mut written = 0;
        let due_us = self.record.due_us.unwrap_or(0);
        if let Some(tickets) = tickets
            && due_us > self.line.clock.now_us()
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
    pub(super) fn mark_sent(&mut self) {
        if self.record.sent_us.is_none() {
            self.record.sent_us = Some(self.line.clock.now_us());
        }
        self.issue();
        if self.record.phase == Phase::Measured {
            self.in_flight = true;
            LiveCounters::add(&self.line.live.in_flight, 1);
        }
    }

    /// Its turn has come. It is counted now, once, and not when its record is made: a record that is lost
    /// must be missed.
    fn issue(&mut self) {
        if self.record.phase == Phase::Measured && !std::mem::replace(&mut self.issued, true) {
            LiveCounters::add(&self.line.live.issued, 1);
        }
    }

    /// Writes the message from `written` on. A failure shows in the read that follows.
    async fn send_now(&mut self, written: usize) {
        self.answer = Some(Answer::new(self.expect, self.record.sent_us.unwrap_or(0)));
        let rest = self.message.get(written..).unwrap_or(&[]);
        if let Some(connection) = &mut self.connection
            && !rest.is_empty()
        {
            let _ = connection.write_all(rest).await;
        }
    }

    async fn receive(&mut self) -> Ending {
        let line = self.line;
        let (Some(connection), Some(answer)) = (&mut self.connection, &mut self.answer) else {
            return Ending::Broken("no connection".to_owned());
        };
        let measured = self.record.phase == Phase::Measured;
        poll_fn(|context| {
            BUFFER.with_borrow_mut(|buffer| {
                loop {
                    let received = match ready!(connection.poll_read(context, buffer)) {
                        Ok(Received { length: 0, .. }) if answer.eof() => return Poll::Ready(Ending::Read),
                        Ok(Received { length: 0, .. }) => {
                            let how = if answer.has_begun() { "in" } else { "before" };
                            return Poll::Ready(Ending::Broken(format!(
                                "the server closed the connection {how} the response"
                            )));
                        }
                        Ok(received) => received,
                        Err(error) => return Poll::Ready(Ending::Broken(error.to_string())),
                    };
                    let arrival = line.arrival(received, answer.newest_us());
                    let events = answer.events();
                    let progress = answer.read(&buffer[..received.length], arrival);
                    if measured && answer.events() > events {
                        LiveCounters::add(&line.live.chunks, (answer.events() - events) as u64);
                    }
                    match progress {
                        Progress::More => {}
                        Progress::End | Progress::Stop => return Poll::Ready(Ending::Read),
                    }
                }
            })
        })
        .await
    }

    /// Makes the record, and gives the connection back where it may carry another request.
    fn close(mut self, ending: Ending) -> Option<RequestRecord> {
        let now_us = self.line.clock.now_us();
        if let Some(ticket) = self.ticket.take() {
            self.record.sent_us = ticket.revoke();
        }
        if self.record.sent_us.is_none() && ending == Ending::Cancelled && self.record.ready_us > now_us {
            return None;
        }
        self.issue();
        if self.in_flight {
            self.line.live.in_flight.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
        self.record.end_us = now_us;
        let answer = self.answer.take();
        if let (Ending::Read, Some(answer)) = (&ending, &answer) {
            if answer.has_begun() {
                self.record.end_us = answer.newest_us();
            }
            if let Some(mut connection) = self.connection.take()
                && answer.connection_is_reusable()
            {
                connection.used = true;
                self.line.pool.put(connection, now_us);
            }
        }
        let sent = self.record.sent_us.is_some();
        match (self.connect_failure.take(), answer) {
            (Some(error), _) => self.record.outcome = failed_to_connect(&error),
            (None, Some(answer)) => answer.finish(ending, &mut self.record),
            (None, None) => self.record.outcome = without_answer(&ending, sent),
        }
        Some(self.record)
    }
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
