//! One answer as its bytes come: stamps, tokens and usage. Pure: no socket and no clock. What the bytes mean is the
//! protocol's to say, and how the answer ended `request::outcome`'s.

use crate::schema::record::{Outcome, RequestRecord, StampKind, TokenCounts};

use crate::load::http::http1::{Aside, Head, Part, ResponseParser};
use crate::load::http::json_stream::JsonStreamParser;
use crate::load::http::sse::{Event, Name, SseParser};
use crate::load::protocol::terms::Framing;
use crate::load::request::outcome::{Ending, Told, is_success};
use crate::load::request::seen::{Arrival, Expect, Seen};
use crate::load::request::stamp::Stamp;

/// A body that is no answer is kept up to here, for its message.
const MESSAGE_LIMIT: usize = 64 << 10;
/// Of an event that says nothing of an answer so much is kept.
const STRAY_LIMIT: usize = 2 << 10;
/// An answer that comes whole may not be longer than this.
const WHOLE_LIMIT: usize = 16 << 20;
/// An answer is cut when it has more token-carrying events than both of these: so many, and so many for each token
/// that was asked for.
const EVENTS_LIMIT: u64 = 100_000;
const EVENTS_A_TOKEN: u64 = 100;
/// Or when its body has more bytes than these together.
const BYTES_LIMIT: u64 = 64 << 20;
const BYTES_A_TOKEN: u64 = 64 << 10;
/// Where no limit was sent, as if so many tokens had been asked for.
const UNLIMITED_TOKENS: u32 = 10_000;

/// What is to be done after a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Read on.
    More,
    /// The response is complete.
    End,
    /// The answer is complete, or has failed by its own word. What is left of the response is nothing of it.
    Over,
    /// It is not readable as an answer: close the connection.
    Stop,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct Answer {
    http: ResponseParser,
    events: Events,
    seen: Seen,
    /// A body that is kept: of an answer that comes whole, of what is no answer so far, or of the last event that
    /// says nothing of one.
    body: Vec<u8>,
    body_bytes: u64,
    surplus: bool,
    /// It is far longer than was asked for.
    endless: bool,
}

/// Cuts a body into events.
#[derive(Debug)]
enum Events {
    Sse(SseParser),
    JsonStream(JsonStreamParser),
    Whole,
}

impl Answer {
    /// An answer to a request that was sent at `sent_us`.
    pub(crate) fn new(expect: Expect, sent_us: u64) -> Answer {
        Answer::framed(expect.protocol.framing(expect.streams), expect, sent_us)
    }

    /// The same with a framing of its own.
    pub(crate) fn framed(framing: Framing, expect: Expect, sent_us: u64) -> Answer {
        let events = match framing {
            Framing::Sse => Events::Sse(SseParser::new(expect.protocol.end_marker())),
            Framing::JsonStream => Events::JsonStream(JsonStreamParser::default()),
            Framing::Whole => Events::Whole,
        };
        let seen = Seen::new(expect, sent_us);
        let (http, body) = (ResponseParser::default(), Vec::new());
        Answer { http, events, seen, body, body_bytes: 0, surplus: false, endless: false }
    }

    /// Bytes have come.
    pub(crate) fn has_begun(&self) -> bool {
        self.seen.reads > 0
    }

    /// Stamp of the newest read, µs; before any, the send.
    pub(crate) fn newest_us(&self) -> u64 {
        self.seen.previous_us
    }

    /// Token-carrying events so far.
    pub(crate) fn events(&self) -> usize {
        self.seen.chunks.len()
    }

    /// The connection may carry another request.
    pub(crate) fn connection_is_reusable(&self) -> bool {
        self.http.is_done() && self.http.head().keep_alive && !self.surplus
    }

    /// What is still to come of the response when the answer is over, where the connection may carry another
    /// request after it.
    pub(crate) fn rest(&self) -> Option<ResponseParser> {
        let is_open = !self.http.is_done() && !self.http.ends_with_connection();
        let reusable = is_open && self.http.head().keep_alive && !self.surplus;
        (self.seen.is_over() && reusable).then(|| self.http.clone())
    }

    /// Takes what one read brought.
    pub(crate) fn read(&mut self, bytes: &[u8], arrival: Arrival) -> Progress {
        self.seen.begin_read(arrival);
        let mut input = bytes;
        let mut newest_is_last = false;
        loop {
            match self.http.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Part::Head)) => {
                    self.seen.headers = Some(Stamp::at(arrival.at_us));
                }
                Ok(Some(Part::Body(body))) => {
                    newest_is_last = self.take_body(body, arrival);
                }
                Ok(Some(Part::End)) => newest_is_last = false,
                Err(error) => {
                    self.surplus = true;
                    self.refuse(error.to_string());
                    break;
                }
            }
        }
        self.http.ended_without_more();
        self.surplus |= self.http.is_done() && !input.is_empty();
        let is_newest = newest_is_last && !arrival.beyond && (self.http.at_seam() || self.http.is_done());
        self.seen.end_read(arrival, is_newest);
        self.progress()
    }

    fn progress(&mut self) -> Progress {
        if self.seen.is_over() {
            return if self.http.is_done() { Progress::End } else { Progress::Over };
        }
        let asked = match self.seen.expect.max_tokens {
            0 => u64::from(UNLIMITED_TOKENS),
            tokens => u64::from(tokens),
        };
        let events = EVENTS_LIMIT.max(EVENTS_A_TOKEN * asked);
        let bytes = BYTES_LIMIT + BYTES_A_TOKEN * asked;
        self.endless |= self.body_bytes > bytes || self.seen.chunks.len() as u64 > events;
        if self.endless || self.seen.unreadable.is_some() {
            Progress::Stop
        } else if self.http.is_done() {
            Progress::End
        } else {
            Progress::More
        }
    }

    /// Takes what one read brought of an answer whose framing is off already, as HTTP/2's is: its head and where
    /// that leads, where it is among it, then pieces of its body.
    pub(crate) fn read_frames<'a>(
        &mut self,
        head: Option<(Head, Option<Box<Aside>>)>,
        frames: impl IntoIterator<Item = &'a [u8]>,
        arrival: Arrival,
    ) -> Progress {
        self.seen.begin_read(arrival);
        if let Some((head, aside)) = head {
            self.http.take_read_head(head, aside);
            self.seen.headers = Some(Stamp::at(arrival.at_us));
        }
        let mut newest_is_last = false;
        for frame in frames {
            newest_is_last = self.take_body(frame, arrival);
        }
        // What comes next may have come before this read's return, which is its stamp, was noted.
        self.seen.end_read(Arrival { beyond: true, ..arrival }, newest_is_last && !arrival.beyond);
        self.progress()
    }

    /// What came cannot be read, for a cause that was found elsewhere.
    pub(crate) fn refuse(&mut self, why: String) {
        if !self.seen.is_over() {
            self.seen.unreadable.get_or_insert(why.into());
        }
    }

    /// The connection closed; true where that is the response's proper end.
    pub(crate) fn eof(&mut self) -> bool {
        self.http.eof()
    }

    /// Takes a piece of the body; true where its last byte ends a token-carrying event.
    fn take_body(&mut self, body: &[u8], arrival: Arrival) -> bool {
        self.body_bytes += body.len() as u64;
        if !self.is_answer() {
            self.keep(body, MESSAGE_LIMIT);
            return false;
        }
        let mut token_end = usize::MAX;
        let (seen, kept) = (&mut self.seen, &mut self.body);
        let had_begun = seen.first_event.is_some();
        let mut keeps_stray = had_begun && !kept.is_empty();
        let mut take = |event: Event<'_>, end: usize| {
            let token = seen.take_event(&event, arrival);
            token_end = if token { end } else { usize::MAX };
            if seen.is_stray {
                kept.clear();
                kept.extend_from_slice(&event.data[..event.data.len().min(STRAY_LIMIT)]);
                keeps_stray = true;
            } else if token && keeps_stray {
                keeps_stray = false;
            }
        };
        let unreadable = match &mut self.events {
            Events::Sse(parser) => parser.feed(body, take).err().map(|error| error.to_string()),
            Events::JsonStream(parser) => parser
                .feed(body, |data, end| take(Event { data, name: Name::Message }, end))
                .err()
                .map(|error| error.to_string()),
            Events::Whole => {
                self.endless |= self.body.len() + body.len() > WHOLE_LIMIT;
                self.keep(body, WHOLE_LIMIT);
                return false;
            }
        };
        if let Some(why) = unreadable {
            self.refuse(why);
        }
        // Until the first event it may be no stream: then it is a message.
        if self.seen.first_event.is_none() {
            self.keep(body, MESSAGE_LIMIT);
        } else if !keeps_stray && self.body.capacity() > 0 {
            self.body = Vec::new();
        }
        match self.events {
            // A line end behind a value, as NDJSON has it, is part of its line.
            Events::JsonStream(_) => {
                body.get(token_end..).is_some_and(|rest| rest.iter().all(u8::is_ascii_whitespace))
            }
            Events::Sse(_) | Events::Whole => token_end == body.len(),
        }
    }

    /// By its head the body may be an answer. Its content type says nothing: gateways send streams as JSON.
    fn is_answer(&self) -> bool {
        let head = self.http.head();
        is_success(head.status) && !head.encoded
    }

    fn keep(&mut self, body: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.body.len()).min(body.len());
        self.body.extend_from_slice(&body[..room]);
    }

    /// An answer that comes whole is one event, stamped by its last byte.
    fn take_whole(&mut self) {
        let at_us = self.seen.previous_us;
        let arrival = Arrival { at_us, lag_us: 0, kernel: true, beyond: false, earliest_us: 0 };
        self.seen.take_event(&Event { data: &self.body, name: Name::Message }, arrival);
        self.seen.end_read(arrival, true);
    }

    /// Takes what only the end tells to be complete: the answer that comes whole, an event without its blank line, a
    /// body that is an error instead of a stream.
    fn take_rest(&mut self, ending: &Ending) {
        let at_us = self.seen.previous_us;
        let arrival = Arrival { at_us, lag_us: 0, kernel: true, beyond: false, earliest_us: 0 };
        let seen = &mut self.seen;
        match &mut self.events {
            Events::Sse(parser) => {
                let kept = &mut self.body;
                parser.flush(|event, _| {
                    seen.take_last_event(&event, arrival);
                    if seen.is_stray {
                        *kept = event.data.to_vec();
                    }
                });
                seen.end_read(arrival, true);
            }
            Events::Whole if *ending == Ending::Read && !self.endless => self.take_whole(),
            Events::JsonStream(_) | Events::Whole => {}
        }
        if self.seen.first_event.is_none() && self.seen.error.is_none() {
            let message = self.seen.expect.protocol.error_of(&self.body);
            self.seen.error = message.map(Into::into);
        }
    }

    /// What tells how it ended.
    fn told(&self) -> Told<'_> {
        let (framing, stray): (_, &[u8]) = match &self.events {
            Events::Sse(parser) => (Framing::Sse, parser.stray()),
            Events::JsonStream(_) => (Framing::JsonStream, &[]),
            Events::Whole => (Framing::Whole, &[]),
        };
        let Answer { http, seen, body, body_bytes, endless, .. } = self;
        Told { http, framing, seen, stray, body, body_bytes: *body_bytes, endless: *endless }
    }

    /// Writes all that was seen, and how it ended, into the request's record; gives the text, where it is kept.
    /// `asked`: method and path, for a message.
    pub(crate) fn finish(
        mut self,
        ending: Ending,
        asked: &str,
        record: &mut RequestRecord,
    ) -> Option<String> {
        if ending != Ending::Cancelled && self.is_answer() {
            self.take_rest(&ending);
        }
        let told = self.told();
        record.outcome = told.outcome(ending, asked);
        record.missing_sign = told.missing_sign().filter(|_| record.outcome == Outcome::Completed);
        let seen = self.seen;
        record.passed_over = seen.passed_over;
        record.status = Some(self.http.head().status).filter(|status| *status != 0);
        record.gateway = self.http.head().gateway;
        record.headers_us = seen.headers.map(Stamp::us);
        record.first_event_us = seen.first_event.filter(|_| seen.expect.streams).map(Stamp::us);
        record.first_token_us = seen.first_token.map(Stamp::us);
        record.first_answer_us = seen.first_answer.map(Stamp::us);
        record.last_token_us = seen.last_token.map(Stamp::us);
        record.reader_lag_max_us = seen.lag_max_us;
        let kernel = seen.reads > 0 && seen.all_kernel;
        record.stamps = if kernel { StampKind::Kernel } else { StampKind::Read };
        record.tokens = TokenCounts { asked: record.tokens.asked, ..seen.token_counts() };
        record.server_times = seen.times.or_else(|| self.http.times());
        record.finish_reason = seen.finish.map(|finish| finish.word);
        record.chunks = seen.chunks;
        record.chunks.shrink();
        seen.text.map(|text| *text)
    }
}
