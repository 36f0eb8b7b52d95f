//! Prompts that are made: laws of their lengths, prefixes that they share, and what their lengths were counted by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Prompts that are made, and not read. The k-th is a pure function of this, the plan's seeds and k.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Synthetic {
    /// Lengths of the prompts.
    pub prompts: PromptLaw,
    /// Lengths of the answers, sent as each request's output limit; none: one limit for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Lengths>,
    /// Turns of each conversation, each of a length of its own by the same law; none: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    /// What prompts of a group begin with, on top of their own length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<SharedPrefix>,
    /// The tokenizer in whose tokens lengths are exact; none: the server's own, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerFile>,
    /// What the lengths rest on. In a plan that is still to be played it may not be known: then it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_by: Option<CountedBy>,
}

/// How long prompts are, and what of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum PromptLaw {
    /// Text of so many tokens.
    Tokens {
        /// Lengths in tokens.
        lengths: Lengths,
    },
    /// Words of letters that no dictionary holds: their number is Poisson's, at least 1, the letters of each normal,
    /// at least 1. Nobody knows their tokens beforehand.
    Words {
        /// Mean number of words.
        lambda: f64,
        /// Mean letters of a word.
        letters: f64,
        /// Standard deviation of the letters of a word.
        letters_sd: f64,
    },
}

/// A law of lengths, in tokens; each draw is a whole number of at least 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "law", rename_all = "snake_case")]
pub enum Lengths {
    /// All the same.
    Fixed {
        /// Tokens.
        tokens: u32,
    },
    /// Each from the least to the most is as likely as the others.
    Uniform {
        /// The least, tokens.
        min: u32,
        /// The most, tokens.
        max: u32,
    },
    /// Each of these is as likely as the others.
    Choices {
        /// Tokens.
        tokens: Vec<u32>,
    },
    /// Normal, cut off at the bounds: what lies beyond them is left out of the law, not heaped up on them.
    Normal {
        /// Mean of the law that is cut off, tokens.
        mean: f64,
        /// Its standard deviation, tokens.
        sd: f64,
        /// The least, tokens.
        min: u32,
        /// The most, tokens.
        max: u32,
    },
    /// Lognormal, cut off at the bounds: most are short, a few are long. Mean and deviation are those of the lengths
    /// themselves: σ² = ln(1 + sd²/mean²), μ = ln(mean) − σ²/2.
    Lognormal {
        /// Mean of the law that is cut off, tokens.
        mean: f64,
        /// Its standard deviation, tokens.
        sd: f64,
        /// The least, tokens.
        min: u32,
        /// The most, tokens.
        max: u32,
    },
    /// Poisson; 0 counts as 1.
    Poisson {
        /// Mean, tokens.
        mean: f64,
    },
}

impl Lengths {
    /// The longest that it can give, tokens; none where it has no bound.
    pub fn most(&self) -> Option<u32> {
        match self {
            Lengths::Fixed { tokens } => Some(*tokens),
            Lengths::Uniform { max, .. } | Lengths::Normal { max, .. } | Lengths::Lognormal { max, .. } => {
                Some(*max)
            }
            Lengths::Choices { tokens } => tokens.iter().max().copied(),
            Lengths::Poisson { .. } => None,
        }
    }
}

impl std::fmt::Display for Lengths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Lengths::Fixed { tokens } => write!(f, "{tokens} tokens each"),
            Lengths::Uniform { min, max } => write!(f, "{min} to {max} tokens, uniform"),
            Lengths::Choices { tokens } => {
                let each: Vec<String> = tokens.iter().map(u32::to_string).collect();
                write!(f, "one of {} tokens", each.join(", "))
            }
            Lengths::Normal { mean, sd, min, max } => {
                write!(f, "normal, mean {mean} and deviation {sd} tokens, from {min} to {max}")
            }
            Lengths::Lognormal { mean, sd, min, max } => {
                write!(f, "lognormal, mean {mean} and deviation {sd} tokens, from {min} to {max}")
            }
            Lengths::Poisson { mean } => write!(f, "Poisson, mean {mean} tokens"),
        }
    }
}

impl std::fmt::Display for PromptLaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PromptLaw::Tokens { lengths } => lengths.fmt(f),
            PromptLaw::Words { lambda, letters, letters_sd } => write!(
                f,
                "Poisson, mean {lambda} words, each of {letters} letters with deviation {letters_sd}"
            ),
        }
    }
}

/// A prefix that the prompts of a group share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SharedPrefix {
    /// Its length, tokens.
    pub tokens: u32,
    /// Groups, each with a prefix of its own; request k belongs to group k mod this.
    pub groups: u32,
}

/// A tokenizer as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenizerFile {
    /// What was asked for: a file, a directory or a hub id.
    pub name: String,
    /// SHA-256 of its `tokenizer.json`, hexadecimal.
    pub sha256: String,
}

/// What lengths of made prompts rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedBy {
    /// The model's tokenizer, on this machine: exact.
    Tokenizer,
    /// The server's own endpoint, at the start: exact.
    Server,
    /// Common words counted as one token each: an estimate.
    Estimate,
}
