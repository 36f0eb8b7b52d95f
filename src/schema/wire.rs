//! How a server is spoken to: its protocol, or a template of bodies for one that nobody here knows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a server is spoken to: which bodies it takes, and which answers it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolName {
    /// OpenAI's `/v1/chat/completions`.
    OpenaiChat,
    /// OpenAI's `/v1/completions`.
    OpenaiCompletions,
    /// TGI's `/generate_stream` and `/generate`.
    Tgi,
    /// SGLang's `/generate`.
    Sglang,
    /// llama-server's `/completion`.
    Llamacpp,
    /// Triton's `/v2/models/{model}/generate_stream`, with TensorRT-LLM's fields.
    TritonTrtllm,
    /// `/generate` of GKE's JetStream proxy.
    Jetstream,
    /// `/generate` of GKE's Sax proxy.
    Sax,
    /// Vertex's handler of Hugging Face models.
    NaiveTransformers,
    /// A body made from a template: [`BodyTemplate`].
    Template,
}

impl ProtocolName {
    /// Its word in outputs: that of `--endpoint` for OpenAI's, else that of `--protocol`.
    pub fn endpoint(self) -> &'static str {
        match self {
            ProtocolName::OpenaiChat => "chat",
            ProtocolName::OpenaiCompletions => "completions",
            ProtocolName::Tgi => "tgi",
            ProtocolName::Sglang => "sglang",
            ProtocolName::Llamacpp => "llamacpp",
            ProtocolName::TritonTrtllm => "triton-trtllm",
            ProtocolName::Jetstream => "jetstream",
            ProtocolName::Sax => "sax",
            ProtocolName::NaiveTransformers => "naive-transformers",
            ProtocolName::Template => "template",
        }
    }

    /// One of OpenAI's two.
    pub fn is_openai(self) -> bool {
        match self {
            ProtocolName::OpenaiChat | ProtocolName::OpenaiCompletions => true,
            ProtocolName::Tgi
            | ProtocolName::Sglang
            | ProtocolName::Llamacpp
            | ProtocolName::TritonTrtllm
            | ProtocolName::Jetstream
            | ProtocolName::Sax
            | ProtocolName::NaiveTransformers
            | ProtocolName::Template => false,
        }
    }

    /// The engine whose own protocol it is, as its file in `backends/` is called; none where several servers speak it.
    pub fn engine(self) -> Option<&'static str> {
        match self {
            ProtocolName::Tgi => Some("tgi"),
            ProtocolName::Sglang => Some("sglang"),
            ProtocolName::Llamacpp => Some("llamacpp"),
            ProtocolName::OpenaiChat
            | ProtocolName::OpenaiCompletions
            | ProtocolName::TritonTrtllm
            | ProtocolName::Jetstream
            | ProtocolName::Sax
            | ProtocolName::NaiveTransformers
            | ProtocolName::Template => None,
        }
    }
}

/// How the body of an answer is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyFraming {
    /// Server-sent events.
    Sse,
    /// JSON values that follow each other.
    JsonStream,
    /// One JSON value.
    Whole,
}

/// Bodies and answers of a protocol that is described and not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BodyTemplate {
    /// JSON with places such as `{prompt}` in it.
    pub body: String,
    /// How an answer is cut.
    pub framing: ReplyFraming,
    /// Where in each piece of an answer its text lies: `$.outputs[0].text`.
    pub text_path: String,
    /// Where it says how many output tokens there are so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_path: Option<String>,
}
