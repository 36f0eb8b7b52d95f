//! How a server is spoken to: protocol, bodies, addresses.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How a server is spoken to: protocol, bodies, addresses.
#[derive(Debug, Args)]
#[command(next_help_heading = "Protocol")]
pub struct WireArgs {
    /// How the server is spoken to [default: that of --url, else openai-chat]
    #[arg(long, value_enum)]
    pub protocol: Option<ProtocolArg>,
    /// Ask for answers that come whole: TTFT, TPOT and ITL are then not known, and stay empty
    #[arg(long)]
    pub no_stream: bool,
    /// Body of every request, for a server that speaks no protocol of these: JSON with {prompt}, {messages},
    /// {max_tokens}, {model}, {temperature}, {stream}, {prompt_id} in it, or @FILE
    #[arg(long, value_name = "JSON|@FILE")]
    pub request_body_template: Option<String>,
    /// Where in each piece of an answer its text lies, with --request-body-template: `$.outputs[0].text`
    #[arg(long, value_name = "PATH")]
    pub response_text_path: Option<String>,
    /// Where each piece says how many output tokens there are so far [default: pieces are counted]
    #[arg(long, value_name = "PATH")]
    pub response_tokens_path: Option<String>,
    /// How an answer comes, with --request-body-template [default: sse; with --no-stream whole]
    #[arg(long, value_enum)]
    pub response_framing: Option<FramingArg>,
    /// File that holds the API key, and nothing else; it is written nowhere
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProtocolArg {
    /// The own protocol of each backend: /generate of SGLang, /generate_stream of TGI, /completion of llama.cpp; the others
    /// have none but OpenAI's /v1/completions
    Native,
    /// OpenAI's /v1/chat/completions, as --endpoint chat
    OpenaiChat,
    /// OpenAI's /v1/completions, as --endpoint completions
    OpenaiCompletions,
    /// Text Generation Inference's own: /generate_stream
    Tgi,
    /// SGLang's own: /generate
    Sglang,
    /// llama-server's own: /completion
    Llamacpp,
    /// Triton with TensorRT-LLM's fields: /v2/models/MODEL/generate_stream
    TritonTrtllm,
    /// GKE's proxy before JetStream: /generate
    Jetstream,
    /// GKE's proxy before Sax: /generate, whole answers only
    Sax,
    /// Vertex's handler of Hugging Face models, whole answers only
    NaiveTransformers,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FramingArg {
    /// Server-sent events
    Sse,
    /// JSON values one after another, with or without anything between them
    JsonStream,
    /// One JSON value
    Whole,
}
