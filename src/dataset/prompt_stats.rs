//! What is in a file of prompts, counted.

use std::collections::{BTreeMap, HashSet};

use super::tokenizer::Tokenizer;
use crate::schema::plan::DatasetSource;
use crate::schema::trace_stats::{Lengths, PromptStats};
use crate::schema::unit::{Body, Prompt};

/// Prompts with their figures: what a picture needs too.
#[derive(Debug)]
pub struct PromptsCounted {
    /// The figures.
    pub stats: PromptStats,
    /// Characters of each prompt that is text.
    pub characters: Vec<u64>,
    /// Words of each.
    pub words: Vec<u64>,
}

/// Counts, lengths and duplicates; lengths in tokens where there is a tokenizer.
pub fn prompt_stats(
    prompts: &[Prompt],
    source: &DatasetSource,
    tokenizer: Option<&Tokenizer>,
) -> PromptsCounted {
    let texts: Vec<Option<String>> = prompts.iter().map(|prompt| text(&prompt.body)).collect();
    let known = || texts.iter().flatten();
    let mut seen = HashSet::new();
    let mut categories: BTreeMap<String, u64> = BTreeMap::new();
    for prompt in prompts {
        *categories.entry(prompt.category.clone()).or_default() += 1;
    }
    let characters: Vec<u64> = known().map(|text| text.chars().count() as u64).collect();
    let words: Vec<u64> = known().map(|text| text.split_whitespace().count() as u64).collect();
    let tokens = |tokenizer: &Tokenizer| {
        Lengths::of(known().filter_map(|text| tokenizer.count(text)).map(|tokens| tokens as u64).collect())
    };
    let limits = prompts.iter().filter_map(|prompt| prompt.max_tokens.map(u64::from)).collect();
    let stats = PromptStats {
        path: source.path.clone(),
        sha256: source.sha256.clone(),
        prompts: prompts.len() as u64,
        turns: prompts.iter().map(|prompt| 1 + prompt.further.len() as u64).sum(),
        duplicates: known().filter(|text| !seen.insert(text.as_str())).count() as u64,
        not_text: texts.iter().filter(|text| text.is_none()).count() as u64,
        categories,
        characters: Lengths::of(characters.clone()),
        words: Lengths::of(words.clone()),
        tokens: tokenizer.map(tokens),
        max_tokens: Lengths::of(limits),
        passed_over: source.passed_over.clone(),
    };
    PromptsCounted { stats, characters, words }
}

/// All that a prompt says; none where a part is no text.
fn text(body: &Body) -> Option<String> {
    match body {
        Body::Text(text) => Some(text.clone()),
        Body::Messages(messages) => {
            let texts: Option<Vec<_>> = messages.iter().map(|message| message.content.text()).collect();
            Some(texts?.join("\n"))
        }
    }
}
