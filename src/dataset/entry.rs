//! One entry of a dataset file, as it may be written. Further columns are passed over, and named.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::schema::unit::{Body, Content, FurtherTurn, Message};

/// The keys that an entry may have, in the order in which messages name them.
pub(super) const KEYS: &str = "id, category, prompt, messages, turns, max_tokens";

/// One entry. What is written as `null` is not there.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) id: Option<String>,
    pub(super) category: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) messages: Option<Vec<Message>>,
    turns: Option<Vec<WrittenTurn>>,
    max_tokens: Option<u32>,
    /// Columns that are no key of ours.
    pub(super) passed_over: Vec<String>,
}

impl Entry {
    /// What is sent: one turn, or several behind each other. A turn without an output limit has the entry's.
    ///
    /// # Errors
    /// What is wrong with it, and the cure.
    pub(super) fn turns(&mut self) -> Result<Vec<FurtherTurn>, String> {
        let Some(turns) = self.turns.take() else {
            let body = body(self.prompt.take(), self.messages.take(), "the entry")?;
            return Ok(vec![FurtherTurn { body, max_tokens: self.max_tokens, pause_us: 0 }]);
        };
        if self.prompt.is_some() || self.messages.is_some() {
            return Err("the entry has `turns` and a prompt of its own: leave one of them out".to_owned());
        }
        if turns.is_empty() {
            return Err("`turns` is empty: write one or remove the entry".to_owned());
        }
        let of = |(place, turn): (usize, WrittenTurn)| {
            let messages = turn.messages.map(|all| all.into_iter().map(|Written(one)| one).collect());
            let pause_s = turn.pause_s.unwrap_or(0.0);
            // A year: what is longer is a mistake.
            if !(0.0..=31_622_400.0).contains(&pause_s) {
                return Err(format!("turn {}: `pause_s` {pause_s} is no time in seconds", place + 1));
            }
            Ok(FurtherTurn {
                body: body(turn.prompt, messages, &format!("turn {}", place + 1))?,
                max_tokens: turn.max_tokens.map(|WholeNumber(tokens)| tokens).or(self.max_tokens),
                pause_us: (pause_s * 1e6).round() as u64,
            })
        };
        turns.into_iter().enumerate().map(of).collect()
    }
}

/// What a turn says; `of` is what has it, for a message.
fn body(prompt: Option<String>, messages: Option<Vec<Message>>, of: &str) -> Result<Body, String> {
    match (prompt, messages) {
        (Some(_), Some(_)) => Err(format!("{of} has both `prompt` and `messages`: leave one of them out")),
        (Some(prompt), None) if prompt.trim().is_empty() => {
            Err("`prompt` is empty: write a message or remove the entry".to_owned())
        }
        (Some(prompt), None) => Ok(Body::Text(prompt)),
        (None, Some(messages)) if messages.is_empty() => {
            Err("`messages` is empty: write a message or remove the entry".to_owned())
        }
        (None, Some(messages)) => Ok(Body::Messages(messages)),
        (None, None) => Err(format!("{of} has no `prompt`: add one")),
    }
}

/// A turn of an entry as it is written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTurn {
    prompt: Option<String>,
    messages: Option<Vec<Written>>,
    max_tokens: Option<WholeNumber>,
    pause_s: Option<f64>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object such as {\"prompt\": \"…\"}")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entry, M::Error> {
        let mut entry = Entry::default();
        let mut seen: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" => entry.id = read::<Id, _>(&mut map, &key)?.map(|Id(id)| id),
                "category" => entry.category = read(&mut map, &key)?,
                "prompt" => entry.prompt = read(&mut map, &key)?,
                "messages" => {
                    let messages = read::<Vec<Written>, _>(&mut map, &key)?;
                    entry.messages = messages.map(|all| all.into_iter().map(|Written(one)| one).collect());
                }
                "turns" => entry.turns = read(&mut map, &key)?,
                "max_tokens" => {
                    entry.max_tokens = read::<WholeNumber, _>(&mut map, &key)?.map(|WholeNumber(n)| n);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    entry.passed_over.push(key);
                    continue;
                }
            }
            if seen.contains(&key) {
                return Err(M::Error::custom(format!("`{key}` stands twice: leave one of them out")));
            }
            seen.push(key);
        }
        Ok(entry)
    }
}

/// A value, none where it is `null`. serde names no key when a value has the wrong type; this does.
fn read<'de, T: Deserialize<'de>, M: MapAccess<'de>>(map: &mut M, key: &str) -> Result<Option<T>, M::Error> {
    map.next_value::<Option<T>>().map_err(|error| M::Error::custom(format!("`{key}`: {error}")))
}

/// A text, or a whole number of any size: read from its digits, so that none is lost.
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(value)?;
        let text = raw.get();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Id(text.to_owned()));
        }
        serde_json::from_str(text).map(Id).map_err(|_| {
            let short: String = text.chars().take(40).collect();
            D::Error::custom(format!("{short} is no id: write a text or a whole number"))
        })
    }
}

/// A message as it is written: a role, its content as a text, as parts or `null`, and whatever else it has.
#[derive(Debug)]
pub(super) struct Written(pub(super) Message);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        const FORM: &str = "a message is an object such as {\"role\": \"user\", \"content\": \"…\"}";
        let Value::Object(mut more) = Value::deserialize(value)? else { return Err(D::Error::custom(FORM)) };
        let Some(Value::String(role)) = more.remove("role") else {
            return Err(D::Error::custom(format!("{FORM}; one has no role")));
        };
        let content = match content(&mut more) {
            Some(content) => content,
            None => {
                return Err(D::Error::custom(format!(
                    "{FORM}; one has a content that is no text and no list"
                )));
            }
        };
        Ok(Written(Message { role, content, more }))
    }
}

/// Takes the content out; none where it is of no kind that a message may have.
fn content(fields: &mut Map<String, Value>) -> Option<Content> {
    match fields.remove("content") {
        Some(Value::String(text)) => Some(Content::Text(text)),
        Some(parts @ Value::Array(_)) => Some(Content::Json(parts)),
        // An answer that only calls tools.
        Some(Value::Null) | None => Some(Content::Json(Value::Null)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => None,
    }
}

#[derive(Debug)]
pub(super) struct WholeNumber(pub(super) u32);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_u64(WholeNumberVisitor)
    }
}

struct WholeNumberVisitor;

impl Visitor<'_> for WholeNumberVisitor {
    type Value = WholeNumber;

    // serde would say "expected u32".
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of tokens, 1 or more")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<WholeNumber, E> {
        let fits = u32::try_from(number).ok();
        fits.map(WholeNumber).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}
