//! MT-bench: `{"question_id", "category", "turns"}`, questions of two turns, each a conversation.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::row::{Context, EMPTY_PROMPT, Exchange, Parse, Parsed, Row};
use crate::dataset::entry::Id;

#[derive(Deserialize)]
struct Question {
    question_id: Option<Id>,
    category: Option<String>,
    turns: Option<Vec<String>>,
    #[serde(flatten)]
    more: std::collections::BTreeMap<String, IgnoredAny>,
}

/// One question.
pub(super) fn row(text: &str, context: &mut Context) -> Parse {
    let question: Question = serde_json::from_str(text)?;
    for name in question.more.keys() {
        context.passed_over.add(name);
    }
    let Some(turns) = question.turns else { return Err("it has no `turns`".into()) };
    let turns: Vec<Exchange> = turns
        .into_iter()
        .filter(|turn| !turn.trim().is_empty())
        .map(|turn| Exchange::text(turn, None))
        .collect();
    if turns.is_empty() {
        return Ok(Parsed::LeftOut(EMPTY_PROMPT));
    }
    Ok(Parsed::Row(Row {
        id: question.question_id.map(|Id(id)| id),
        category: question.category.unwrap_or_default(),
        turns,
        max_tokens: None,
    }))
}
