//! What every dialect must say, and the parts that they share.

use std::time::Duration;

use serde_json::Value;

use crate::simulator::counters::Counters;
use crate::simulator::http::{Framer, Reply};
use crate::simulator::parsed_request::{Endpoint, ParsedRequest, Refusal};
use crate::simulator::settings::Settings;
use crate::simulator::text;

/// When the head of a stream's answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadTime {
    /// As soon as the request is taken.
    Acceptance,
    /// When the request leaves the queue.
    SlotStart,
    /// With the first chunk.
    FirstChunk,
}

/// Why an answer is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// By itself.
    Stop,
    /// At its limit.
    Length,
}

/// What an engine that loads does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loading {
    /// It does not listen.
    Refused,
    /// It does not listen at first; then its health is 503.
    RefusedThenUnhealthy,
    /// It answers everything with 503.
    Unavailable,
}

/// What happens to open streams on SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminate {
    /// They fall silent, and the process waits until the clients leave.
    Silent,
    /// They fall silent; connections are dropped after this time. A second SIGTERM ends it at once, exit 1.
    SilentFor(Duration),
    /// They are finished first.
    Finish,
}

/// The unchanging part of one answer, and how far it is.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Where it was asked.
    pub endpoint: Endpoint,
    /// The answer's id.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// Model name as this answer gives it, a JSON string.
    pub model: String,
    /// A usage chunk was asked for.
    pub include_usage: bool,
    /// Usage on each chunk was asked for.
    pub continuous_usage: bool,
    /// TGI's details were asked for.
    pub details: bool,
    /// The prompt, for engines that give it back.
    pub prompt: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Most tokens that may come.
    pub limit: u32,
    /// Tokens generated so far, an end of sequence too.
    pub generated: u32,
    /// The whole text so far, kept for native streams and for answers given whole.
    pub text: String,
    /// Each token so far, kept for the same.
    pub tokens: Vec<&'static str>,
    /// Nanoseconds from start to first token.
    pub prompt_ns: u64,
    /// Nanoseconds from first to latest token.
    pub predicted_ns: u64,
    /// Nanoseconds from arrival to start.
    pub queue_ns: u64,
    /// Bytes before a token's text.
    pub before: Vec<u8>,
    /// Bytes after it.
    pub after: Vec<u8>,
}

impl Stream {
    /// A stream at its beginning.
    pub fn new(
        dialect: &dyn Dialect,
        settings: &Settings,
        ask: &ParsedRequest,
        id: u64,
        created: i64,
    ) -> Self {
        let mut stream = Self {
            endpoint: ask.endpoint,
            id: dialect.id(ask.endpoint, id),
            created,
            model: quoted(dialect.model(settings, ask)),
            include_usage: ask.include_usage,
            continuous_usage: ask.continuous_usage,
            details: ask.details,
            prompt: ask.prompt.clone(),
            prompt_tokens: ask.prompt_tokens,
            limit: ask.limit,
            generated: 0,
            text: String::new(),
            tokens: Vec::new(),
            prompt_ns: 0,
            predicted_ns: 0,
            queue_ns: 0,
            before: Vec::new(),
            after: Vec::new(),
        };
        dialect.prepare(&mut stream);
        stream
    }

    /// Whether text and tokens must be kept: the stream repeats them.
    pub fn is_native(&self) -> bool {
        matches!(self.endpoint, Endpoint::Native { .. })
    }
}

/// What a page shows.
pub struct Facts<'a> {
    /// As told.
    pub settings: &'a Settings,
    /// As counted.
    pub counters: &'a Counters,
    /// Unix seconds.
    pub now_s: i64,
    /// Still loading.
    pub loading: bool,
}

/// How a refusal is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// By its HTTP status.
    Reply(Reply),
    /// By events after HTTP 200: their data lines.
    Stream(Vec<String>),
}

/// An answer to anything that does not generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Now.
    Now(Reply),
    /// After a while, as an engine that works for it.
    Later(Reply, Duration),
}

/// One engine's way to write.
pub trait Dialect {
    /// Chunk sizes in upper case.
    fn uppercase_sizes(&self) -> bool {
        false
    }
    /// When a stream's head goes out.
    fn head_time(&self) -> HeadTime;
    /// What it does while it loads.
    fn loading(&self) -> Loading;
    /// What it does with open streams on SIGTERM.
    fn terminate(&self) -> Terminate;
    /// Idle time after an answer before it closes the connection.
    fn keep_alive(&self) -> Option<Duration>;
    /// Which generating endpoint a path is.
    fn endpoint(&self, path: &str) -> Option<Endpoint>;
    /// The id of an answer.
    fn id(&self, endpoint: Endpoint, random: u64) -> String;
    /// The model name that an answer gives.
    fn model<'a>(&self, settings: &'a Settings, ask: &'a ParsedRequest) -> &'a str;
    /// Fill in the bytes before and after a token's text.
    fn prepare(&self, stream: &mut Stream);
    /// The head of a stream's answer.
    fn stream_head(&self, prompt_bytes: usize, close: bool, now_s: i64) -> String;
    /// A whole answer with its head.
    fn reply(&self, reply: &Reply, close: bool, now_s: i64) -> Vec<u8>;
    /// What comes before the first token.
    fn opening(&self, stream: &Stream, framer: &mut Framer);
    /// A chunk of tokens that is not the last.
    fn chunk(&self, stream: &Stream, text: &str, framer: &mut Framer);
    /// The last chunk, and the finish reason.
    fn last(&self, stream: &Stream, text: &str, finish: Finish, framer: &mut Framer);
    /// What comes after the finish reason.
    fn closing(&self, stream: &Stream, framer: &mut Framer);
    /// An error amid a stream, and what this engine writes after one.
    fn error(&self, framer: &mut Framer);
    /// The answer that is no stream.
    fn whole(&self, stream: &Stream, finish: Finish) -> Reply;
    /// Why a generating request is not served; `stream` where it asked for one.
    fn refuse(&self, settings: &Settings, refusal: &Refusal, endpoint: Endpoint, stream: bool) -> Refused;
    /// Everything that does not generate.
    fn page(&self, method: &str, path: &str, body: &[u8], facts: &Facts<'_>) -> Page;
}

/// A JSON string.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The tokens of a tokenize request, under the names that this engine takes.
pub(super) fn tokenized<'a>(body: &'a Value, names: &[&str]) -> Option<Vec<&'a str>> {
    names.iter().find_map(|name| body.get(name)).and_then(Value::as_str).map(text::tokens)
}

/// Tokens of `messages` under the chat template.
pub(super) fn chat_count(body: &Value) -> Option<u32> {
    let messages = body.get("messages")?.as_array()?;
    let part = |message: &'_ Value, name: &str| {
        message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let parts: Vec<_> = messages.iter().map(|m| (part(m, "role"), part(m, "content"))).collect();
    Some(text::chat_tokens(parts.iter().map(|(role, content)| (role.as_str(), content.as_str()))))
}
