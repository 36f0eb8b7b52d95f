//! LongBench: `{"input", "context", "dataset"}`. The prompt is the context, an empty line and the input.

use serde::Deserialize;

use super::row::{Context, EMPTY_PROMPT, Exchange, Parse, Parsed, Row, Text};
use crate::dataset::entry::Id;

#[derive(Deserialize)]
struct Task<'a> {
    #[serde(borrow)]
    input: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    dataset: Option<String>,
    #[serde(rename = "_id")]
    id: Option<Id>,
}

/// One task.
pub(super) fn row(text: &str, _context: &mut Context) -> Parse {
    let task: Task<'_> = serde_json::from_str(text)?;
    let [input, context] = [task.input, task.context].map(|text| text.unwrap_or_default().0);
    let parts: Vec<&str> = [&*context, &*input].into_iter().filter(|text| !text.trim().is_empty()).collect();
    if parts.is_empty() {
        return Ok(Parsed::LeftOut(EMPTY_PROMPT));
    }
    Ok(Parsed::Row(Row {
        id: task.id.map(|Id(id)| id),
        category: task.dataset.unwrap_or_default(),
        turns: vec![Exchange::text(parts.join("\n\n"), None)],
        max_tokens: None,
    }))
}
