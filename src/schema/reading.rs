//! How a file of prompts is read, and what came of it.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The form of a file of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptFormat {
    /// `[{"id", "conversations": [{"from", "value"}]}]`, a list or one object a line.
    Sharegpt,
    /// `{"prompt"}` or `{"messages"}`: a list or one object a line.
    Jsonl,
    /// One prompt a line.
    Text,
    /// `{"custom_id", "body"}`, as batch endpoints take it.
    OpenaiBatch,
    /// `{"question_id", "category", "turns"}`.
    MtBench,
    /// `{"input", "context", "dataset"}`.
    Longbench,
    /// Columns with a name in the first row.
    Csv,
    /// Columns with a name.
    Parquet,
}

impl PromptFormat {
    /// All of them, in the order in which they are named.
    pub const ALL: [PromptFormat; 8] = [
        PromptFormat::Sharegpt,
        PromptFormat::Jsonl,
        PromptFormat::Text,
        PromptFormat::OpenaiBatch,
        PromptFormat::MtBench,
        PromptFormat::Longbench,
        PromptFormat::Csv,
        PromptFormat::Parquet,
    ];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            PromptFormat::Sharegpt => "sharegpt",
            PromptFormat::Jsonl => "jsonl",
            PromptFormat::Text => "text",
            PromptFormat::OpenaiBatch => "openai-batch",
            PromptFormat::MtBench => "mt-bench",
            PromptFormat::Longbench => "longbench",
            PromptFormat::Csv => "csv",
            PromptFormat::Parquet => "parquet",
        }
    }
}

impl fmt::Display for PromptFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which turns of a conversation become a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Turns {
    /// The first turn of a user that has a reply after it, by the names of the roles.
    #[default]
    FirstUser,
    /// The first two turns, whatever their roles: as other tools take them.
    FirstTwo,
    /// The first two turns where they are `human` and `gpt`.
    Strict,
    /// Each turn of a user that has a reply after it: a conversation.
    All,
}

/// How a file in another tool's form was read: a plan that is resumed reads it the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Its form.
    pub format: PromptFormat,
    /// Which turns of its conversations.
    #[serde(default)]
    pub turns: Turns,
    /// Our keys and the columns that stand for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// Bad rows are counted and left out.
    #[serde(default)]
    pub skip_bad: bool,
    /// Rows in it.
    pub rows: u64,
    /// Rows that make no prompt, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, u64>,
    /// Output limits are the replies' lengths, estimated.
    #[serde(default)]
    pub estimated_limits: bool,
}
