//! Protocols: what is asked for → the bytes of a body; an event's bytes → what it says. One file each, and an
//! arm in each method here.

mod by_path;
mod error_text;
mod jetstream;
mod json_path;
pub(in crate::load) mod layout;
mod lenient;
mod llamacpp;
mod naive_transformers;
mod openai;
mod openai_chat;
mod openai_completions;
mod openai_event;
mod page;
mod sax;
mod server_times;
mod sglang;
mod stencil;
mod tame;
mod template;
mod template_text;
pub(crate) mod terms;
mod tgi;
mod triton;

use serde_json::{Map, Value};

use crate::schema::plan::{HttpSettings, Sampling};
use crate::schema::target::{Capabilities, ProtocolName};

use crate::load::http::sse::Event;
use crate::load::protocol::layout::Layout;
use crate::load::protocol::template::TemplateId;
use crate::load::protocol::terms::{Ask, Framing, Lengths, Payload};

/// A protocol. An enum and no trait object: its calls are on the way of every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// OpenAI's chat completions.
    OpenaiChat,
    /// OpenAI's text completions.
    OpenaiCompletions,
    /// TGI's own.
    Tgi,
    /// SGLang's own.
    Sglang,
    /// llama-server's own.
    Llamacpp,
    /// Triton's, with TensorRT-LLM's fields.
    TritonTrtllm,
    /// That of GKE's proxy before JetStream.
    Jetstream,
    /// That of GKE's proxy before Sax.
    Sax,
    /// That of Vertex's handler of Hugging Face models.
    NaiveTransformers,
    /// One that a template describes.
    Template(TemplateId),
}

/// The paths of a protocol: of an answer that comes piece by piece, and of one that comes whole; none where it
/// does not come so, or a template's user alone knows.
pub(crate) fn paths(name: ProtocolName) -> [Option<&'static str>; 2] {
    match name {
        ProtocolName::OpenaiChat => [Some(openai_chat::PATH); 2],
        ProtocolName::OpenaiCompletions => [Some(openai_completions::PATH); 2],
        ProtocolName::Tgi => [Some(tgi::STREAM_PATH), Some(tgi::WHOLE_PATH)],
        ProtocolName::Sglang => [Some(sglang::PATH); 2],
        ProtocolName::Llamacpp => [Some(llamacpp::PATH); 2],
        ProtocolName::TritonTrtllm => [Some(triton::STREAM_PATH), Some(triton::WHOLE_PATH)],
        ProtocolName::Jetstream => [Some(jetstream::PATH); 2],
        ProtocolName::Sax => [None, Some(sax::PATH)],
        ProtocolName::NaiveTransformers => [None, Some(naive_transformers::PATH)],
        ProtocolName::Template => [None; 2],
    }
}

/// Where the bodies of a protocol have what; none of OpenAI's and of a template.
pub(in crate::load) fn layout_of(name: ProtocolName) -> Option<&'static Layout> {
    match name {
        ProtocolName::OpenaiChat | ProtocolName::OpenaiCompletions | ProtocolName::Template => None,
        ProtocolName::Tgi => Some(&tgi::LAYOUT),
        ProtocolName::Sglang => Some(&sglang::LAYOUT),
        ProtocolName::Llamacpp => Some(&llamacpp::LAYOUT),
        ProtocolName::TritonTrtllm => Some(&triton::LAYOUT),
        ProtocolName::Jetstream => Some(&jetstream::LAYOUT),
        ProtocolName::Sax => Some(&sax::LAYOUT),
        ProtocolName::NaiveTransformers => Some(&naive_transformers::LAYOUT),
    }
}

impl Protocol {
    /// That of the settings.
    ///
    /// # Errors
    /// Their template is none, in words.
    pub(crate) fn of(http: &HttpSettings) -> Result<Protocol, String> {
        Ok(match http.protocol {
            ProtocolName::OpenaiChat => Protocol::OpenaiChat,
            ProtocolName::OpenaiCompletions => Protocol::OpenaiCompletions,
            ProtocolName::Tgi => Protocol::Tgi,
            ProtocolName::Sglang => Protocol::Sglang,
            ProtocolName::Llamacpp => Protocol::Llamacpp,
            ProtocolName::TritonTrtllm => Protocol::TritonTrtllm,
            ProtocolName::Jetstream => Protocol::Jetstream,
            ProtocolName::Sax => Protocol::Sax,
            ProtocolName::NaiveTransformers => Protocol::NaiveTransformers,
            ProtocolName::Template => {
                let source = http.template.as_ref().ok_or("there is no template of its bodies")?;
                Protocol::Template(template::known(source)?)
            }
        })
    }

    fn bodies(self) -> Bodies {
        match self {
            Protocol::OpenaiChat => Bodies::Chat,
            Protocol::OpenaiCompletions => Bodies::Completions,
            Protocol::Tgi => Bodies::By(&tgi::LAYOUT),
            Protocol::Sglang => Bodies::By(&sglang::LAYOUT),
            Protocol::Llamacpp => Bodies::By(&llamacpp::LAYOUT),
            Protocol::TritonTrtllm => Bodies::By(&triton::LAYOUT),
            Protocol::Jetstream => Bodies::By(&jetstream::LAYOUT),
            Protocol::Sax => Bodies::By(&sax::LAYOUT),
            Protocol::NaiveTransformers => Bodies::By(&naive_transformers::LAYOUT),
            Protocol::Template(id) => Bodies::Of(id),
        }
    }

    /// The field of the least length; none where a protocol has none, or a template's user knows.
    pub(crate) fn least(self) -> Option<&'static str> {
        match self.bodies() {
            Bodies::Chat | Bodies::Completions => Some("min_tokens"),
            Bodies::By(layout) => layout.least,
            Bodies::Of(_) => None,
        }
    }

    /// The fields of a body that all requests of a run share.
    pub(crate) fn shared_body(
        self,
        capabilities: &Capabilities,
        sampling: &Sampling,
        streams: bool,
    ) -> Map<String, Value> {
        match self.bodies() {
            Bodies::Chat | Bodies::Completions => openai::shared_body(capabilities, sampling, streams),
            Bodies::By(layout) => layout.shared_body(capabilities, sampling, streams),
            Bodies::Of(id) => id.shared_body(capabilities, sampling),
        }
    }

    /// The body of one request.
    pub(crate) fn body(self, shared: &Map<String, Value>, ask: &Ask<'_>, lengths: &Lengths) -> String {
        match self.bodies() {
            Bodies::Chat => openai_chat::body(shared, ask, lengths),
            Bodies::Completions => openai_completions::body(shared, ask, lengths),
            Bodies::By(layout) => layout.body(shared, ask, lengths),
            Bodies::Of(id) => id.body(shared, ask),
        }
    }

    /// How an answer's body is cut into events; `streams`: it comes piece by piece.
    pub(crate) fn framing(self, streams: bool) -> Framing {
        if !streams {
            return Framing::Whole;
        }
        match self {
            Protocol::Template(id) => id.framing(),
            Protocol::Jetstream => Framing::JsonStream,
            Protocol::OpenaiChat
            | Protocol::OpenaiCompletions
            | Protocol::Tgi
            | Protocol::Sglang
            | Protocol::Llamacpp
            | Protocol::TritonTrtllm => Framing::Sse,
            Protocol::Sax | Protocol::NaiveTransformers => Framing::Whole,
        }
    }

    /// What an event says; an error, in words, where it cannot be read. The answer's text is appended
    /// to `text` where that is kept.
    pub(crate) fn read(
        self,
        streams: bool,
        event: &Event<'_>,
        text: Option<&mut String>,
    ) -> Result<Payload, String> {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions if streams => openai::read(event, text),
            Protocol::OpenaiChat | Protocol::OpenaiCompletions => openai::read_reply(event, text),
            Protocol::Tgi => tgi::read(event, streams, text),
            Protocol::Sglang => sglang::read(event, text),
            Protocol::Llamacpp => llamacpp::read(event, text),
            Protocol::TritonTrtllm => by_path::read(event, triton::PLACES, text),
            Protocol::Jetstream => by_path::read(event, jetstream::PLACES, text),
            Protocol::Sax => by_path::read(event, sax::PLACES, text),
            Protocol::NaiveTransformers => naive_transformers::read(event, text),
            Protocol::Template(id) => id.read(event, text),
        }
    }

    /// The message of a body that is an error; none where it is none. All write it in one of a few ways.
    pub(crate) fn error_of(self, body: &[u8]) -> Option<String> {
        openai::error_of(body)
    }

    /// What the body of something else than an answer says, in one line.
    pub(crate) fn text_of(self, body: &[u8]) -> String {
        openai::text_of(body)
    }

    /// The message of a JSON object that is nothing of the protocol; none where it has none.
    pub(crate) fn words_of(self, body: &[u8]) -> Option<String> {
        openai::words_of(body)
    }

    /// The message in the body of a status that is not 200.
    pub(crate) fn message_of(self, body: &[u8]) -> String {
        openai::error_message(body)
    }

    /// The data of the event that ends an answer; where a protocol has none, it ends one all the same.
    pub(crate) fn end_marker(self) -> &'static str {
        openai::DONE
    }

    /// A stream ends with [`Protocol::end_marker`].
    pub(crate) fn has_end_marker(self) -> bool {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions | Protocol::Sglang => true,
            Protocol::Tgi
            | Protocol::Llamacpp
            | Protocol::TritonTrtllm
            | Protocol::Jetstream
            | Protocol::Sax
            | Protocol::NaiveTransformers
            | Protocol::Template(_) => false,
        }
    }

    /// How an answer tells that it is over.
    pub(crate) fn end(self) -> End {
        match self {
            Protocol::OpenaiChat | Protocol::OpenaiCompletions | Protocol::Sglang => End::FinishReason,
            Protocol::Tgi | Protocol::Llamacpp => End::LastEvent,
            Protocol::TritonTrtllm
            | Protocol::Jetstream
            | Protocol::Sax
            | Protocol::NaiveTransformers
            | Protocol::Template(_) => End::Body,
        }
    }
}

/// How an answer tells that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By a finish reason, and mostly a marker.
    FinishReason,
    /// By an event that says that it is the last.
    LastEvent,
    /// Not at all: it is over when its body ends properly.
    Body,
}

/// How bodies are made.
enum Bodies {
    Chat,
    Completions,
    By(&'static Layout),
    Of(TemplateId),
}
