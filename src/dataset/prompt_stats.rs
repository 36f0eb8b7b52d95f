//! What is in a file of prompts, counted.

use std::collections::{BTreeMap, HashSet};

use crate::schema::plan::DatasetSource;
use crate::schema::trace_stats::{Lengths, PromptStats};
use crate::schema::unit::{Body, Prompt};

/// Counts, lengths and duplicates.
pub fn prompt_stats(prompts: &[Prompt], source: &DatasetSource) -> PromptStats {
    let texts: Vec<Option<String>> = prompts.iter().map(|prompt| text(&prompt.body)).collect();
    let known = || texts.iter().flatten();
    let mut seen = HashSet::new();
    let mut categories: BTreeMap<String, u64> = BTreeMap::new();
    for prompt in prompts {
        *categories.entry(prompt.category.clone()).or_default() += 1;
    }
    PromptStats {
        path: source.path.clone(),
        sha256: source.sha256.clone(),
        prompts: prompts.len() as u64,
        duplicates: known().filter(|text| !seen.insert(text.as_str())).count() as u64,
        not_text: texts.iter().filter(|text| text.is_none()).count() as u64,
        categories,
        characters: Lengths::of(known().map(|text| text.chars().count() as u64).collect()),
        words: Lengths::of(known().map(|text| text.split_whitespace().count() as u64).collect()),
        tokens: None,
        max_tokens: Lengths::of(
            prompts.iter().filter_map(|prompt| prompt.max_tokens.map(u64::from)).collect(),
        ),
        passed_over: source.passed_over.clone(),
    }
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
