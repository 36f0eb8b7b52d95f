//! Protocols: what is asked for → the bytes of a body; an event's bytes → what it says. One file each, and an
//! arm in each method here.

mod lenient;
mod openai;
mod openai_chat;
mod openai_completions;
mod openai_event;
pub(crate) mod terms;

use serde_json::{Map, Value};

use crate::schema::plan::Sampling;
use crate::schema::target::{Capabilities, ProtocolName};

use crate::load::http::sse::Event;
use crate::load::protocol::terms::{Ask, Framing, Lengths, Payload};

/// A protocol. An enum and no trait object: its calls are on the way of every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// OpenAI's chat completions.
    OpenaiChat,
    /// OpenAI's text completions.
    OpenaiCompletions,
}

impl Protocol {
    /// By its name in a plan.
    pub(crate) fn of(name: ProtocolName) -> Protocol {
        match name {
            ProtocolName::OpenaiChat => Protocol::OpenaiChat,
            ProtocolName::OpenaiCompletions => Protocol::OpenaiCompletions,
        }
    }

    /// The path below the server's URL, unless another is asked for.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Protocol::OpenaiChat => openai_chat::PATH,
            Protocol::OpenaiCompletions => openai_completions::PATH,
        }
    }

    /// The fields of a body that all requests of a run share.
    pub(crate) fn shared_body(self, capabilities: &Capabilities, sampling: &Sampling) -> Map<String, Value> {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions => openai::shared_body(capabilities, sampling),
        }
    }

    /// The body of one request.
    pub(crate) fn body(self, shared: &Map<String, Value>, ask: &Ask<'_>, lengths: &Lengths) -> String {
        match self {
            Protocol::OpenaiChat => openai_chat::body(shared, ask, lengths),
            Protocol::OpenaiCompletions => openai_completions::body(shared, ask, lengths),
        }
    }

    /// How an answer's body is cut into events.
    pub(crate) fn framing(self) -> Framing {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions => Framing::Sse,
        }
    }

    /// What an event says; an error, in words, where it cannot be read. The answer's text is appended
    /// to `text` where that is kept.
    pub(crate) fn read(self, event: &Event<'_>, text: Option<&mut String>) -> Result<Payload, String> {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions => openai::read(event, text),
        }
    }

    /// The message of a body that is an error; none where it is none.
    pub(crate) fn error_of(self, body: &[u8]) -> Option<String> {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions => openai::error_of(body),
        }
    }

    /// The message in the body of a status that is not 200.
    pub(crate) fn message_of(self, body: &[u8]) -> String {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions => openai::error_message(body),
        }
    }

    /// The data of the event that ends an answer.
    pub(crate) fn end_marker(self) -> &'static str {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions => openai::DONE,
        }
    }
}
