//! What is to be sent, before any clock starts: prompts and requests.

use serde::{Deserialize, Serialize};

/// One entry of a dataset file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Unique within its file.
    pub id: String,
    /// What kind of text it is: `chat`, `code`, `summary`, …
    #[serde(default)]
    pub category: String,
    /// The user's message.
    pub prompt: String,
    /// Output limit in tokens, unless `--max-tokens` overrides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// Which part of the run a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Sent before the window, reported apart.
    Warmup,
    /// Inside the window.
    Measured,
}

/// One request, the same for every backend; the protocol makes bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Dataset entry it was made from.
    pub prompt_id: String,
    /// The user's message.
    pub prompt: String,
    /// Output limit in tokens.
    pub max_tokens: u32,
}
