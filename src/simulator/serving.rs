//! From bytes to answers: requests taken, queued, generated step by step, ended.

use std::time::Duration;

use super::connection::{Connection, Stamp};
use super::counters::Ending;
use super::dialect::{Facts, HeadTime, Page, Refused, Stream};
use super::emit::send_head;
use super::faults::{self, FaultKind};
use super::http::{Parsed, Reply, Request, parse};
use super::parsed_request::{ParsedRequest, Refusal};
use super::random::Random;
use super::server::{Alarm, Place, Server};
use super::settings::Engine;
use super::system;
use super::tokens::Active;
use super::truth::Truth;

/// An idle connection lives this long at least, whatever the engine.
const LEAST_IDLE: Duration = Duration::from_millis(100);

fn now_s() -> i64 {
    (system::realtime_ns() / 1_000_000_000) as i64
}

impl Server {
    /// After anything was done on a connection: end what is over, take the next request, close or put back.
    pub(super) fn settle(&mut self, place: Place, mut connection: Box<Connection>) {
        loop {
            if connection.broken {
                self.end_active(&mut connection, Some((Ending::Abort, "cancelled")));
                self.drop_connection(place, connection);
                self.end_when_quiet();
                return;
            }
            if let Some(active) = &connection.active {
                if active.ended.is_none() || !connection.is_flushed() {
                    break;
                }
                connection.close |= active.close;
                self.end_active(&mut connection, None);
                connection.answers += 1;
                if let Some(time) = self.dialect.keep_alive() {
                    let time_ns = time.max(LEAST_IDLE).as_nanos() as u64;
                    self.at(system::monotonic_ns() + time_ns, Alarm::Idle(place, connection.answers));
                }
            }
            if !connection.is_flushed() || connection.later.is_some() {
                break;
            }
            if connection.close {
                self.drop_connection(place, connection);
                self.end_when_quiet();
                return;
            }
            if !self.next_request(place, &mut connection) {
                break;
            }
        }
        self.watch(place, &mut connection);
        self.put(place, connection);
    }

    /// Take one request from the input, if a whole one is there.
    fn next_request(&mut self, place: Place, connection: &mut Connection) -> bool {
        if connection.input.is_empty() {
            return false;
        }
        match parse(&connection.input) {
            Parsed::Partial { expects_continue } => {
                if expects_continue && !connection.continued {
                    connection.continued = true;
                    connection.write(b"HTTP/1.1 100 Continue\r\n\r\n", None);
                }
                false
            }
            Parsed::Broken => {
                connection.write(
                    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                    None,
                );
                connection.close = true;
                true
            }
            Parsed::Whole(request, used) => {
                let (Some(first), Some(last)) = (connection.first, connection.last) else { return false };
                connection.take_input(used);
                self.handle(place, connection, &request, first, last);
                true
            }
        }
    }

    fn handle(
        &mut self,
        place: Place,
        connection: &mut Connection,
        request: &Request,
        first: Stamp,
        last: Stamp,
    ) {
        connection.close |= request.close;
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/truth") => {
                let lines = self.book.lines(&self.running());
                let mut reply = Reply::text(200, "application/x-ndjson", "");
                reply.body = lines;
                self.reply(connection, &reply);
            }
            ("GET", "/truth/summary") => {
                let summary = self.book.summary(&self.running(), self.counters.peak_in_flight);
                self.reply(connection, &Reply::json(200, summary.to_string()));
            }
            ("POST", "/truth/reset") => {
                self.book.reset();
                self.counters.peak_in_flight = self.counters.in_flight();
                self.reply(connection, &Reply::json(200, r#"{"reset":true}"#));
            }
            ("POST", path) if self.dialect.endpoint(path).is_some() => {
                self.generate(place, connection, request, first, last);
            }
            (method, path) => {
                let facts = Facts {
                    settings: &self.settings,
                    counters: &self.counters,
                    now_s: now_s(),
                    loading: self.loading,
                };
                match self.dialect.page(method, path, &request.body, &facts) {
                    Page::Now(reply) => self.reply(connection, &reply),
                    Page::Later(reply, time) => {
                        connection.later = Some(reply);
                        self.at(system::monotonic_ns() + time.as_nanos() as u64, Alarm::Later(place));
                    }
                }
            }
        }
    }

    /// What is known so far of the requests that are not over.
    fn running(&self) -> Vec<&Truth> {
        self.connections().filter_map(|other| other.active.as_deref()).map(|active| &active.truth).collect()
    }

    fn reply(&self, connection: &mut Connection, reply: &Reply) {
        let bytes = self.dialect.reply(reply, connection.close, now_s());
        connection.write(&bytes, None);
    }

    /// An answer that was put off.
    pub(super) fn answer_later(&mut self, place: Place) {
        let Some(mut connection) = self.take(place) else { return };
        if let Some(reply) = connection.later.take() {
            self.reply(&mut connection, &reply);
        }
        self.settle(place, connection);
    }

    /// Close a connection on which nothing has happened since.
    pub(super) fn close_idle(&mut self, place: Place, answers: u64) {
        let Some(connection) = self.take(place) else { return };
        let idle = connection.answers == answers
            && connection.active.is_none()
            && connection.input.is_empty()
            && connection.later.is_none()
            && connection.is_flushed();
        if idle { self.drop_connection(place, connection) } else { self.put(place, connection) }
    }

    fn generate(
        &mut self,
        place: Place,
        connection: &mut Connection,
        request: &Request,
        first: Stamp,
        last: Stamp,
    ) {
        let Some(endpoint) = self.dialect.endpoint(&request.path) else { return };
        let number = self.book.next_number();
        self.counters.received += 1;
        let mut truth = Truth {
            number,
            id: request.id.clone(),
            user: None,
            model: None,
            path: request.path.clone(),
            connection: connection.number,
            arrival_ns: first.arrival_ns,
            complete_ns: last.arrival_ns,
            kernel_stamp: first.kernel && last.kernel,
            read_ns: last.read_ns,
            started_ns: None,
            end_ns: None,
            clock_offset_ns: last.offset_ns,
            prompt_tokens: 0,
            planned_tokens: 0,
            stream: false,
            status: 200,
            outcome: None,
            fault: None,
            writes: Vec::new(),
        };
        if self.settings.refuse_after == Some(number) {
            // The connections that are there live on; new ones are refused.
            self.listener = None;
        }
        let fault = faults::draw(&self.settings.faults, self.settings.seed, number).cloned();
        match fault.as_ref().map(|fault| fault.kind) {
            Some(FaultKind::Reset) => {
                use std::os::fd::AsRawFd;
                system::reset_on_close(connection.socket.as_raw_fd());
                connection.close = true;
                truth.status = 0;
                truth.user = user_of(&request.body);
                truth.fault = Some("reset".into());
                self.book.close(truth, system::monotonic_ns(), "reset");
                return;
            }
            Some(FaultKind::Status(status)) => {
                self.counters.injected += 1;
                truth.user = user_of(&request.body);
                truth.fault = Some(status.to_string());
                return self.refuse(connection, truth, &Refusal::Injected(status), endpoint);
            }
            Some(_) | None => {}
        }
        let asked = if self.loading {
            Err(Refusal::Loading)
        } else {
            ParsedRequest::read(&self.settings, endpoint, &request.body)
        };
        let ask = match asked {
            Ok(ask) => ask,
            Err(refusal) => {
                truth.stream = wants_stream(&request.body);
                truth.user = user_of(&request.body);
                return self.refuse(connection, truth, &refusal, endpoint);
            }
        };
        truth.stream = ask.stream;
        truth.user = ask.user.clone();
        truth.model = ask.model.clone();
        truth.prompt_tokens = ask.prompt_tokens;
        // llama-server's queue has no limit.
        let bounded = self.settings.engine != Engine::Llamacpp;
        if self.stopping || (bounded && self.counters.in_flight() >= self.settings.max_in_flight) {
            return self.refuse(connection, truth, &Refusal::Overloaded, endpoint);
        }
        let answer = ask.answer(self.settings.length);
        truth.planned_tokens = answer.steps();
        truth.writes.reserve(if ask.stream { answer.steps().min(4096) as usize } else { 1 });
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let id = Random::new(self.settings.seed, 0x1DE7, ticket ^ truth.arrival_ns).next();
        let stream = Stream::new(self.dialect, &self.settings, &ask, id, now_s());
        let complete_ns = truth.complete_ns;
        let mut active = Active::new(ticket, ask, answer, stream, truth, self.settings.seed);
        active.close = connection.close;
        active.crash = self.settings.crash_after.is_some_and(|after| number == after + 1);
        if let Some(fault) = fault {
            active.set_fault(fault);
        }
        connection.close = false;
        connection.active = Some(Box::new(active));
        self.counters.waiting += 1;
        send_head(self.dialect, connection, HeadTime::Acceptance);
        self.enqueue(place, connection, ticket, complete_ns);
        self.counters.peak_in_flight = self.counters.peak_in_flight.max(self.counters.in_flight());
    }

    fn refuse(
        &mut self,
        connection: &mut Connection,
        mut truth: Truth,
        refusal: &Refusal,
        endpoint: super::parsed_request::Endpoint,
    ) {
        match refusal {
            Refusal::Overloaded => self.counters.overloaded += 1,
            Refusal::Injected(_) | Refusal::Loading => {}
            Refusal::BadJson(_)
            | Refusal::Missing(_)
            | Refusal::BadValue(_)
            | Refusal::UnknownModel(_)
            | Refusal::TooLong(..)
            | Refusal::NotFound => self.counters.invalid += 1,
        }
        match self.dialect.refuse(&self.settings, refusal, endpoint, truth.stream) {
            Refused::Reply(reply) => {
                truth.status = reply.status;
                self.reply(connection, &reply);
            }
            Refused::Stream(events) => {
                let head = self.dialect.stream_head(0, connection.close, now_s());
                self.framer.out.clear();
                self.framer.out.extend_from_slice(head.as_bytes());
                for data in events {
                    self.framer.event().extend_from_slice(format!("data: {data}\n\n").as_bytes());
                    self.framer.end_chunk();
                }
                self.framer.end_body();
                connection.write(&self.framer.out, None);
            }
        }
        self.book.close(truth, system::monotonic_ns(), "refused");
    }

    /// The answer leaves its connection, and its truth is kept.
    fn end_active(&mut self, connection: &mut Connection, early: Option<(Ending, &'static str)>) {
        let Some(active) = connection.active.as_mut() else { return };
        let now_ns = system::monotonic_ns();
        if active.ended.is_none() {
            active.ended = early;
            self.free_slot(connection, now_ns);
        }
        if let Some(active) = connection.active.take() {
            let outcome = active.ended.map_or("cancelled", |(_, outcome)| outcome);
            // The client left before the last bytes were taken.
            let outcome = if connection.is_flushed() { outcome } else { "cancelled" };
            self.book.close(active.truth, now_ns, outcome);
        }
        self.end_when_quiet();
    }
}

/// Whether a body that was refused asked for a stream.
fn wants_stream(body: &[u8]) -> bool {
    field(body, "stream").and_then(|stream| stream.as_bool()).unwrap_or(false)
}

/// The client's mark in a body that was not read for an answer.
fn user_of(body: &[u8]) -> Option<String> {
    field(body, "user")?.as_str().map(str::to_owned)
}

fn field(body: &[u8], name: &str) -> Option<serde_json::Value> {
    serde_json::from_slice::<serde_json::Value>(body).ok()?.get_mut(name).map(serde_json::Value::take)
}
