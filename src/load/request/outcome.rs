//! How an answer ended, by its signs and by its words.

use crate::schema::record::{FailureKind, MissingSign, Outcome};

use crate::load::http::http1::{Content, ResponseParser};
use crate::load::protocol::End;
use crate::load::protocol::terms::{FinishKind, Framing, clip};
use crate::load::request::seen::Seen;

/// Of an answer that lacks only the last signs of its end.
const BEHIND_FINISH: &str = ", behind the finish_reason: neither [DONE] nor the end of the body came";

/// Why reading ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By the answer's own end, or since nothing of it can be read any more.
    Read,
    /// The connection closed or broke before that.
    Broken(String),
    /// The time for the whole request is over.
    TimedOut,
    /// The run ended.
    Cancelled,
}

/// What an answer leaves that tells how it ended.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) http: &'a ResponseParser,
    pub(super) framing: Framing,
    pub(super) seen: &'a Seen,
    /// Lines of an event stream that belong to no event.
    pub(super) stray: &'a [u8],
    /// A body that was kept: of an answer that comes whole, of what is no answer, or of the last event that says nothing
    /// of one.
    pub(super) body: &'a [u8],
    pub(super) body_bytes: u64,
    /// It was cut for being far longer than was asked for.
    pub(super) endless: bool,
}

impl Told<'_> {
    /// How it ended. A cut answer may have told why in words of its own.
    pub(super) fn outcome(&self, ending: Ending, asked: &str) -> Outcome {
        match self.outcome_by_signs(ending, asked) {
            Outcome::Failed { kind: FailureKind::Truncated, detail } => self.outcome_by_words(&detail),
            outcome => outcome,
        }
    }

    /// Of an answer that has no proper end, with what else it said.
    fn outcome_by_words(&self, detail: &str) -> Outcome {
        let said = match self.stray {
            [] if self.seen.first_event.is_some() => self.body,
            lines => lines,
        };
        let streams = self.framing != Framing::Whole;
        if let Some(error) = self.seen.expect.protocol.words_of(said).filter(|_| streams) {
            return failed(FailureKind::ErrorEvent, &error);
        }
        let detail = match (said, self.seen.passed_over) {
            ([], 0) => detail.to_owned(),
            ([], events) => format!(
                "{detail}; {events} of its events were passed over: they have no data, or another name than message"
            ),
            (said, _) => format!("{detail}; the last it said: {}", self.seen.expect.protocol.text_of(said)),
        };
        failed(FailureKind::Truncated, &detail)
    }

    fn outcome_by_signs(&self, ending: Ending, asked: &str) -> Outcome {
        let seen = self.seen;
        if let Some(error) = &seen.error {
            return failed(FailureKind::ErrorEvent, error);
        }
        let status = self.http.head().status;
        if status != 0 && !is_success(status) {
            return failed(FailureKind::Status, &self.refusal(asked));
        }
        if seen.done {
            return self.outcome_of_answer();
        }
        if self.endless {
            let (events, bytes) = (seen.chunks.len(), self.body_bytes);
            let asked = match seen.expect.max_tokens {
                0 => "no limit was sent".to_owned(),
                tokens => format!("{tokens} tokens were asked for"),
            };
            let detail = format!("cut after {events} events, {bytes} bytes: {asked}");
            return failed(FailureKind::Endless, &detail);
        }
        if let Some(what) = &seen.unreadable {
            return failed(FailureKind::Protocol, self.other_form().as_deref().unwrap_or(what));
        }
        // Whoever reads it shall not look for the rest of the text.
        let behind = if seen.finish.is_some() { BEHIND_FINISH } else { "" };
        match ending {
            Ending::Cancelled => Outcome::Cancelled,
            Ending::TimedOut => {
                failed(FailureKind::Timeout, &format!("not finished within the timeout{behind}"))
            }
            Ending::Broken(how) => failed(FailureKind::Truncated, &format!("{how}{behind}")),
            Ending::Read => self.outcome_of_whole_body(),
        }
    }

    /// What a reply is that was to come whole and is no JSON, where it shows.
    fn other_form(&self) -> Option<String> {
        if self.framing != Framing::Whole {
            return None;
        }
        if [b"data:".as_slice(), b"event:", b":"].iter().any(|begin| self.body.starts_with(begin)) {
            return Some("the answer is an event stream instead of one JSON body".to_owned());
        }
        let is_page = self.body.trim_ascii_start().starts_with(b"<");
        is_page.then(|| format!("the answer is not JSON: {}", self.seen.expect.protocol.text_of(self.body)))
    }

    /// A status that is no answer, in words.
    fn refusal(&self, asked: &str) -> String {
        let head = self.http.head();
        let status = head.status;
        match self.http.location() {
            Some(location) => format!("{asked}: {status} redirects to {location}"),
            None if head.encoded => format!("{asked}: {status}, and what it says is compressed"),
            None => format!("{asked}: {status} {}", self.seen.expect.protocol.message_of(self.body)),
        }
    }

    fn outcome_of_whole_body(&self) -> Outcome {
        let head = self.http.head();
        if head.encoded {
            return failed(FailureKind::Protocol, "the answer is compressed, which was not asked for");
        }
        let is_sse = self.framing == Framing::Sse;
        if is_sse && self.seen.first_event.is_none() {
            let text = self.body.trim_ascii_start();
            if matches!(text.first(), Some(b'{' | b'[')) {
                let objects = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")).count();
                let form = if objects > 1 { "JSON lines" } else { "one JSON body" };
                let text = String::from_utf8_lossy(text);
                let what = format!("the answer is {form} instead of an event stream: {text}");
                return failed(FailureKind::Protocol, &what);
            }
            let begins_as_stream = [":", "data", "event", "id", "retry"].iter().any(|field| {
                // What is cut off within its first field may be one too.
                text.starts_with(field.as_bytes()) || field.as_bytes().starts_with(text)
            });
            if !begins_as_stream || head.content == Content::Other {
                let text = self.seen.expect.protocol.text_of(text);
                return failed(FailureKind::Protocol, &format!("the answer is not an event stream: {text}"));
            }
        }
        self.outcome_of_answer()
    }

    /// How an answer ended whose end has come: by the marker, or by the end of the body.
    fn outcome_of_answer(&self) -> Outcome {
        let seen = self.seen;
        match &seen.finish {
            Some(finish) if finish.kind == FinishKind::Failed => {
                return failed(FailureKind::ErrorEvent, &format!("finish_reason {}", finish.word));
            }
            Some(_) => {}
            None if self.is_over_without_reason() => {}
            None => return failed(FailureKind::Truncated, self.nothing_ended_it()),
        }
        seen.short_output().map_or(Outcome::Completed, |detail| failed(FailureKind::ShortOutput, &detail))
    }

    /// Without a finish reason it is whole where something else says so.
    fn is_over_without_reason(&self) -> bool {
        let seen = self.seen;
        let whole = self.framing == Framing::Whole;
        match seen.expect.protocol.end() {
            End::FinishReason => (seen.done || whole) && seen.is_counted(),
            End::LastEvent => seen.done,
            End::Body => seen.spoke,
        }
    }

    fn nothing_ended_it(&self) -> &'static str {
        match (self.framing, self.seen.expect.protocol.end()) {
            (Framing::Sse, End::FinishReason) if self.seen.done => {
                "[DONE] came without a finish_reason and without usage: nothing says that the answer is whole"
            }
            (Framing::Whole, _) => "the reply holds no answer of this protocol",
            (_, End::FinishReason) if self.body_bytes == 0 => {
                "the answer is empty: the stream ended without an event and without a finish_reason"
            }
            (_, End::FinishReason) => "the stream ended without a finish_reason",
            (_, End::LastEvent) => "the stream ended without its last event",
            (_, End::Body) => "the stream held no answer of this protocol",
        }
    }

    /// What a complete answer lacks of the signs of its end.
    pub(super) fn missing_sign(&self) -> Option<MissingSign> {
        let has_marker = self.framing == Framing::Sse && self.seen.expect.done_marker;
        match &self.seen.finish {
            None if self.seen.expect.protocol.end() == End::Body => None,
            None => Some(MissingSign::FinishReason),
            Some(_) if has_marker && !self.seen.done => Some(MissingSign::DoneMarker),
            Some(_) => None,
        }
    }
}

/// An answer may come with it: some frameworks answer each POST with 201, and a proxy that changes something may say
/// 203.
pub(super) fn is_success(status: u16) -> bool {
    matches!(status, 200 | 201 | 203)
}

fn failed(kind: FailureKind, detail: &str) -> Outcome {
    Outcome::Failed { kind, detail: clip(detail) }
}
