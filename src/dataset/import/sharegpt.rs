//! ShareGPT: conversations of people with chatbots. A third of them begin with an answer, so that roles go by
//! their names and not by their places.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::place::Wrong;
use super::row::{Context, Exchange, Names, Parse, Parsed, Row, Text};
use crate::dataset::entry::Id;
use crate::schema::reading::Turns;

/// Roles of people.
const USERS: [&str; 2] = ["human", "user"];
/// Roles of what answers.
const REPLIES: [&str; 5] = ["gpt", "chatgpt", "bing", "bard", "assistant"];

/// One turn; only the turns that are taken are decoded.
#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow, default, alias = "role")]
    from: Option<Text<'a>>,
    #[serde(borrow, default, alias = "content")]
    value: Option<&'a RawValue>,
}

impl Turn<'_> {
    fn is_one_of(&self, roles: &[&str]) -> bool {
        self.from.as_ref().is_some_and(|Text(from)| roles.contains(&&**from))
    }

    /// Its text; `null` is an empty one.
    fn said(&self) -> Result<String, Wrong> {
        let Some(raw) = self.value else { return Ok(String::new()) };
        let Text(text) = serde_json::from_str(raw.get()).map_err(|error| {
            Wrong::from(format!("`value`: {}", crate::dataset::parse::clipped_message(&error)))
        })?;
        Ok(text.into_owned())
    }
}

#[derive(Default)]
struct Conversation<'a> {
    id: Option<String>,
    turns: Option<Vec<Turn<'a>>>,
}

/// One conversation.
pub(super) fn row(text: &str, context: &mut Context) -> Parse {
    let mut from = serde_json::Deserializer::from_str(text);
    let conversation = Seed(&mut context.passed_over).deserialize(&mut from)?;
    from.end()?;
    let Some(turns) = conversation.turns else { return Err("it has no `conversations`".into()) };
    let found = match context.turns {
        Turns::FirstUser => with_reply(&turns, 1)?,
        Turns::All => with_reply(&turns, usize::MAX)?,
        Turns::FirstTwo | Turns::Strict => first_two(&turns, context.turns == Turns::Strict)?,
    };
    Ok(match found {
        Found::Turns(turns) => Parsed::Row(Row { id: conversation.id, turns, ..Row::default() }),
        Found::None(why) => Parsed::LeftOut(why),
    })
}

enum Found {
    Turns(Vec<Exchange>),
    None(&'static str),
}

/// The first turns of a user that have a reply right behind them, at most `most`; empty ones are none.
fn with_reply(turns: &[Turn<'_>], most: usize) -> Result<Found, Wrong> {
    let mut found = Vec::new();
    for pair in turns.windows(2) {
        let [user, reply] = pair else { continue };
        if !user.is_one_of(&USERS) || !reply.is_one_of(&REPLIES) {
            continue;
        }
        let (prompt, reply) = (user.said()?, reply.said()?);
        if !prompt.trim().is_empty() && !reply.trim().is_empty() {
            found.push(Exchange::text(prompt, Some(reply)));
            if found.len() >= most {
                break;
            }
        }
    }
    if !found.is_empty() {
        return Ok(Found::Turns(found));
    }
    Ok(Found::None(if turns.is_empty() { "no turn" } else { "no user's turn with a reply after it" }))
}

/// The first two turns, whoever said them unless `strict`.
fn first_two(turns: &[Turn<'_>], strict: bool) -> Result<Found, Wrong> {
    let [prompt, reply, ..] = turns else {
        return Ok(Found::None(if turns.is_empty() { "no turn" } else { "fewer than two turns" }));
    };
    if strict && !(prompt.is_one_of(&["human"]) && reply.is_one_of(&["gpt"])) {
        return Ok(Found::None("the first two turns are not human and gpt"));
    }
    let (prompt, reply) = (prompt.said()?, reply.said()?);
    if strict && (prompt.trim().is_empty() || reply.trim().is_empty()) {
        return Ok(Found::None("one of the first two turns is empty"));
    }
    Ok(Found::Turns(vec![Exchange::text(prompt, Some(reply))]))
}

struct Seed<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Conversation<'de>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Conversation<'de>, D::Error> {
        value.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Conversation<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a conversation such as {\"conversations\": [{\"from\": \"human\", \"value\": \"…\"}]}")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Conversation<'de>, M::Error> {
        let mut conversation = Conversation::default();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match &*key {
                "id" => conversation.id = map.next_value::<Option<Id>>()?.map(|Id(id)| id),
                "conversations" | "conversation" => {
                    if conversation.turns.is_some() {
                        return Err(M::Error::custom("`conversations` stands twice"));
                    }
                    conversation.turns = map.next_value()?;
                }
                other => {
                    self.0.add(other);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(conversation)
    }
}
