//! Our own form: `{"prompt"}` or `{"messages"}`, under these names or under those of `--columns`.

use serde_json::value::RawValue;

use super::place::Wrong;
use super::raw::Reply;
use super::row::{Context, EMPTY_PROMPT, Exchange, Names, Parse, Parsed, Row, Text, short};
use crate::dataset::entry::Entry;

/// One entry.
pub(super) fn row(text: &str, context: &mut Context) -> Parse {
    if context.columns.is_empty() {
        return entry(serde_json::from_str(text)?, None, &mut context.passed_over);
    }
    let Fields(fields) = serde_json::from_str(text)?;
    context.seen.record(&context.columns, fields.iter().map(|(name, _)| name.as_str()));
    let mut reply = None;
    let mut renamed = String::from("{");
    for (column, value) in &fields {
        match context.columns.key(column) {
            Some("reply") => reply = serde_json::from_str::<Option<Text<'_>>>(value.get())?,
            Some(key) => {
                if renamed.len() > 1 {
                    renamed.push(',');
                }
                renamed.push_str(&format!("\"{key}\":{}", value.get()));
            }
            None => context.passed_over.add(column),
        }
    }
    renamed.push('}');
    let entry_of =
        serde_json::from_str(&renamed).map_err(|error| Wrong { lines_down: 0, ..Wrong::from(error) })?;
    entry(entry_of, reply.map(|Text(reply)| reply.into_owned()), &mut context.passed_over).map_err(
        |mut wrong| {
            if wrong.what.starts_with("the entry has no `prompt`") {
                let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                wrong.what =
                    format!("no column stands for the prompt; there are {}", short(&names.join(", ")));
            }
            wrong
        },
    )
}

/// The members of an object, values as they are written.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Fields(members))
            }
        }
        value.deserialize_map(Members)
    }
}

fn entry(mut entry: Entry, reply: Option<String>, passed_over: &mut Names) -> Parse {
    for column in &entry.passed_over {
        passed_over.add(column);
    }
    if entry.prompt.as_ref().is_some_and(|prompt| prompt.trim().is_empty()) && entry.messages.is_none() {
        return Ok(Parsed::LeftOut(EMPTY_PROMPT));
    }
    let mut turns: Vec<Exchange> = entry
        .turns()?
        .into_iter()
        .map(|turn| Exchange {
            max_tokens: turn.max_tokens,
            pause_us: turn.pause_us,
            ..Exchange::of(turn.body)
        })
        .collect();
    if let [only] = turns.as_mut_slice() {
        only.reply = reply.filter(|reply| !reply.is_empty()).map(Reply::Text);
    }
    let (id, category) = (entry.id, entry.category.unwrap_or_default());
    Ok(Parsed::Row(Row { id, category, turns, max_tokens: None }))
}
