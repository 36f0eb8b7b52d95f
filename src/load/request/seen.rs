//! What the events of one answer said, and when: stamps, merged arrivals, tokens, usage, the finish and the marker.

use crate::schema::plan::Sampling;
use crate::schema::record::{Chunk, Chunks, TokenCounts, TokenSource};
use crate::schema::server_times::ServerTimes;
use crate::schema::target::Capabilities;

use crate::load::http::sse::{Event, Name};
use crate::load::protocol::Protocol;
use crate::load::protocol::terms::{Finish, FinishKind, Payload, Usage, clip};

use crate::load::request::stamp::Stamp;

/// What a whole answer must hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    pub(crate) protocol: Protocol,
    /// It comes piece by piece; else whole, and says nothing of when its tokens came.
    pub(crate) streams: bool,
    pub(crate) max_tokens: u32,
    /// The server was told to ignore the end of sequence.
    pub(crate) forced: bool,
    pub(crate) done_marker: bool,
    pub(crate) eos_in_usage: bool,
    /// The answer's text is needed for a further turn.
    pub(crate) keep_text: bool,
}

/// When and how bytes came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Stamp of the newest byte, µs.
    pub(crate) at_us: u64,
    /// Return of the read minus the stamp, µs.
    pub(crate) lag_us: u32,
    /// The stamp is the kernel's.
    pub(crate) kernel: bool,
    /// The stamp may be of bytes beyond those that were read: the read filled its buffer, or TLS
    /// holds the beginning of a further record.
    pub(crate) beyond: bool,
    /// None of the bytes came earlier, by what the client thread's waits prove, µs.
    pub(crate) earliest_us: u64,
}

/// What the events said.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) expect: Expect,
    /// Stamp of the read before this one (at first: the send), µs.
    pub(super) previous_us: u64,
    /// Stamp of the last read (or send) that left nothing behind, µs: what is read now came later.
    pub(super) emptied_us: u64,
    pub(super) headers: Option<Stamp>,
    pub(super) first_event: Option<Stamp>,
    pub(super) first_token: Option<Stamp>,
    pub(super) first_answer: Option<Stamp>,
    pub(super) chunks: Chunks,
    pub(super) last_token: Option<Stamp>,
    /// Tokens of the token-carrying event that came last in the read at hand.
    pub(super) newest: Option<u32>,
    /// Tokens in chunks so far.
    pub(super) counted: u32,
    /// Bytes of the text so far, where events repeat all of it.
    so_far: u32,
    /// An event said something of the answer, be it that its text is empty.
    pub(super) spoke: bool,
    /// The first token event told its own count, so that each one's is taken.
    pub(super) by_event: bool,
    pub(super) usage: Option<Usage>,
    /// The request's times by the server's clock, from the event that had them last.
    pub(super) times: Option<Box<ServerTimes>>,
    /// Usage came in an event of its own, as at the end of an answer.
    pub(super) closing_usage: bool,
    pub(super) finish: Option<Finish>,
    /// The marker that ends the answer came.
    pub(super) done: bool,
    /// Events that were passed over, wholly or in part.
    pub(super) passed_over: u32,
    /// The last event says nothing of an answer: where that fails, it may be why.
    pub(super) is_stray: bool,
    /// An event counted fewer tokens than came before it: its count is not that of the answer so far.
    fell: bool,
    /// The answer's text, where it is kept. It and the two below are boxed since nearly no answer has them.
    #[expect(clippy::box_collection, reason = "16 bytes less for each live request that keeps no text")]
    pub(super) text: Option<Box<String>>,
    pub(super) error: Option<Box<str>>,
    pub(super) unreadable: Option<Box<str>>,
    pub(super) reads: u32,
    pub(super) lag_max_us: u32,
    pub(super) all_kernel: bool,
}

impl Seen {
    /// Nothing yet of an answer to a request that was sent at `sent_us`.
    pub(super) fn new(expect: Expect, sent_us: u64) -> Seen {
        Seen {
            expect,
            previous_us: sent_us,
            emptied_us: sent_us,
            headers: None,
            first_event: None,
            first_token: None,
            first_answer: None,
            chunks: Chunks::default(),
            last_token: None,
            newest: None,
            counted: 0,
            so_far: 0,
            spoke: false,
            by_event: false,
            usage: None,
            times: None,
            closing_usage: false,
            finish: None,
            done: false,
            passed_over: 0,
            is_stray: false,
            fell: false,
            text: expect.keep_text.then(Box::default),
            error: None,
            unreadable: None,
            reads: 0,
            lag_max_us: 0,
            all_kernel: true,
        }
    }

    pub(super) fn begin_read(&mut self, arrival: Arrival) {
        self.reads = self.reads.saturating_add(1);
        self.lag_max_us = self.lag_max_us.max(arrival.lag_us);
        self.all_kernel &= arrival.kernel;
    }

    /// Settles the read's last token event: its stamp is true where its last byte is the read's newest.
    pub(super) fn end_read(&mut self, arrival: Arrival, newest_is_last: bool) {
        if let Some(tokens) = self.newest.take() {
            self.push(tokens, arrival, !newest_is_last);
        }
        self.previous_us = arrival.at_us;
        if !arrival.beyond {
            self.emptied_us = arrival.at_us;
        }
    }

    /// By the protocol the answer has ended: what comes after it is nothing of it.
    pub(super) fn is_over(&self) -> bool {
        self.done || self.error.is_some()
    }

    /// Takes one event; true where it carries a token.
    pub(super) fn take_event(&mut self, event: &Event<'_>, arrival: Arrival) -> bool {
        self.is_stray = false;
        if self.is_over() || self.unreadable.is_some() {
            return false;
        }
        match self.expect.protocol.read(self.expect.streams, event, self.text.as_deref_mut()) {
            Ok(payload) => self.take(payload, event.name, arrival),
            Err(why) => {
                self.first_event.get_or_insert(Stamp::at(arrival.at_us));
                self.unreadable = Some(why.into());
                false
            }
        }
    }

    /// Takes an event that the end of the body completes. One that was cut off in its middle says nothing.
    pub(super) fn take_last_event(&mut self, event: &Event<'_>, arrival: Arrival) {
        self.is_stray = false;
        if !self.is_over()
            && self.unreadable.is_none()
            && let Ok(payload) =
                self.expect.protocol.read(self.expect.streams, event, self.text.as_deref_mut())
        {
            self.take(payload, event.name, arrival);
        }
    }

    fn take(&mut self, mut payload: Payload, name: Name, arrival: Arrival) -> bool {
        if name == Name::Bare && payload.error.is_none() {
            return false;
        }
        if let Some(bytes) = payload.so_far {
            // What is shorter than before is another text, and no less new.
            payload.token &= bytes != self.so_far;
            payload.answer &= payload.token;
            self.so_far = bytes;
        }
        if payload.repeats && (self.newest.is_some() || !self.chunks.is_empty()) {
            (payload.token, payload.answer) = (false, false);
        }
        self.is_stray = (payload.foreign || payload.passed_over) && !payload.token && name == Name::Message;
        self.first_event.get_or_insert(Stamp::at(arrival.at_us));
        self.spoke |= !payload.passed_over;
        self.done = payload.done;
        self.passed_over = self.passed_over.saturating_add(u32::from(payload.passed_over));
        // Most events say none of this, and nothing is to be moved for it.
        if let Some(error) = payload.error {
            self.error.get_or_insert(clip(&error).into());
        }
        if let Some(later) = payload.usage {
            self.usage = Some(self.usage.unwrap_or_default().and_then(later));
            self.closing_usage = !payload.token;
        }
        if payload.times.is_some() {
            self.times = payload.times;
        }
        if payload.finish.is_some() {
            self.finish = payload.finish;
        }
        if payload.token {
            if let Some(tokens) = self.newest.take() {
                self.push(tokens, arrival, true);
            }
            let tokens = self.tokens_of(payload.usage, payload.ids);
            self.counted = self.counted.saturating_add(tokens);
            self.newest = Some(tokens);
            self.last_token = Some(Stamp::at(arrival.at_us));
            if self.expect.streams {
                self.first_token.get_or_insert(Stamp::at(arrival.at_us));
            }
            if payload.answer && self.expect.streams {
                self.first_answer.get_or_insert(Stamp::at(arrival.at_us));
            }
        }
        payload.token
    }

    /// The sign of an answer's end that stands in for a finish reason: the server has counted the whole.
    pub(super) fn is_counted(&self) -> bool {
        self.usage.is_some() && (self.closing_usage || !self.by_event || !self.expect.streams)
    }

    /// Tokens of an event: what its own usage counts beyond the events before it, where the first event had one.
    /// A server that tells it only at the end, beside the last text, says nothing of single events, and a 0 beside
    /// the first text is no count. Once an event counts fewer than came before it, none is believed. `ids`: token
    /// ids beside its text.
    fn tokens_of(&mut self, usage: Option<Usage>, ids: Option<u32>) -> u32 {
        let total = usage.and_then(|usage| usage.completion);
        if !self.expect.streams {
            // Nobody knows how many came, where the server does not say.
            return total.unwrap_or(0);
        }
        if self.chunks.is_empty() && self.newest.is_none() && self.counted == 0 {
            self.by_event = total.is_some_and(|total| total > 0);
        }
        self.fell |= total.is_some_and(|total| self.by_event && total < self.counted);
        match total {
            Some(total) if self.by_event && !self.fell => total - self.counted,
            Some(_) | None => ids.unwrap_or(1),
        }
    }

    fn push(&mut self, tokens: u32, arrival: Arrival, merged: bool) {
        let bound_us = arrival.at_us.saturating_sub(self.emptied_us.max(arrival.earliest_us));
        let merged_bound_us = merged.then(|| u32::try_from(bound_us).unwrap_or(u32::MAX));
        self.chunks.push(Chunk { at_us: arrival.at_us, tokens, merged_bound_us });
    }

    pub(super) fn token_counts(&self) -> TokenCounts {
        let usage = self.usage.unwrap_or_default();
        let (prompt, cached) = (usage.prompt, usage.cached);
        let Some(output) = usage.completion else {
            let counted = Some(self.counted).filter(|_| self.expect.streams || self.chunks.is_empty());
            return TokenCounts {
                prompt,
                asked: None,
                output: counted,
                delivered: counted,
                cached,
                reasoning: None,
                by_event: false,
                unusable: usage.odd,
                source: TokenSource::Chunks,
            };
        };
        let stopped = self.finish.as_ref().is_some_and(|finish| finish.kind == FinishKind::Stopped);
        let hidden_eos = self.expect.eos_in_usage && stopped && !self.expect.forced;
        let delivered = Some(output.saturating_sub(u32::from(hidden_eos)));
        TokenCounts {
            prompt,
            asked: None,
            output: Some(output),
            delivered,
            cached,
            reasoning: usage.reasoning,
            by_event: self.by_event,
            unusable: false,
            source: TokenSource::Usage,
        }
    }

    /// Why a whole stream is too short; none where it is not.
    pub(super) fn short_output(&self) -> Option<String> {
        let counts = self.token_counts();
        let output = counts.output.unwrap_or(0);
        let expect = self.expect;
        // Without a forced length an empty answer is whole: the model ended it at once.
        if expect.forced && self.chunks.is_empty() && output == 0 {
            return Some("a whole stream without any token".to_owned());
        }
        if expect.forced && counts.source == TokenSource::Usage && output < expect.max_tokens {
            return Some(format!("{output} tokens of {} that were forced", expect.max_tokens));
        }
        None
    }
}

/// What an answer must hold.
pub(crate) fn expect(
    (protocol, streams): (Protocol, bool),
    capabilities: &Capabilities,
    sampling: &Sampling,
    max_tokens: u32,
) -> Expect {
    Expect {
        protocol,
        streams,
        // 0 in a record: no limit was sent.
        max_tokens: if capabilities.fields.limits() { max_tokens } else { 0 },
        forced: sampling.ignore_eos && capabilities.forces_length(),
        done_marker: capabilities.done_marker && protocol.has_end_marker(),
        eos_in_usage: capabilities.eos_in_usage,
        keep_text: false,
    }
}
