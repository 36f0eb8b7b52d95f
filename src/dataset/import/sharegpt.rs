//! ShareGPT: conversations of people with chatbots. A third of them begin with an answer, so that roles go by
//! their names and not by their places.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::place::Wrong;
use super::raw::{Reply, Sound};
use super::row::{Context, Exchange, Names, Parse, Parsed, Row, Text};
use super::usual::{REPLIES, USERS, Usual, usual};
use crate::dataset::entry::Id;
use crate::schema::reading::Turns;

/// Why a conversation makes no prompt.
const NO_TURN: &str = "no turn";
const NO_PAIR: &str = "no user's turn with a reply after it";

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
    /// What is behind the turns that were read is not looked at.
    enough: bool,
}

/// Records whose keys are all looked at, for the columns that are passed over.
const LOOKED_AT: u64 = 100;

/// One conversation. What stands behind the turns that are taken is not read once more: that its strings and brackets
/// end is known since the record was cut.
pub(super) fn row(text: &str, context: &mut Context) -> Parse {
    context.records += 1;
    if context.records <= LOOKED_AT {
        // What is wrong with it is told below.
        let _ = serde_json::Deserializer::from_str(text).deserialize_map(Keys(&mut context.passed_over));
    }
    let quickly = context.measures.then(|| usual(text, context.turns)).flatten();
    match quickly.and_then(of_usual) {
        Some(parsed) => Ok(parsed),
        None => carefully(text, context.turns),
    }
}

/// What becomes of a conversation that was read at once.
fn of_usual(Usual { id, is_empty, pairs }: Usual<'_>) -> Option<Parsed> {
    if pairs.is_empty() {
        return Some(Parsed::LeftOut(if is_empty { NO_TURN } else { NO_PAIR }));
    }
    let exchange = |(prompt, reply): &(Sound<'_>, Sound<'_>)| {
        let reply = Reply::Measured(reply.lengths()?);
        Some(Exchange { raw: Some(prompt.copied()?), reply: Some(reply), ..Exchange::text("", None) })
    };
    let turns = pairs.iter().map(exchange).collect::<Option<_>>()?;
    Some(Parsed::Row(Row { id: id.map(str::to_owned), turns, ..Row::default() }))
}

/// The same of any record, or what is wrong with it.
fn carefully(text: &str, which: Turns) -> Parse {
    let mut conversation = Conversation::default();
    let mut from = serde_json::Deserializer::from_str(text);
    let read = Seed(which, &mut conversation).deserialize(&mut from).and_then(|()| from.end());
    if !conversation.enough {
        read?;
    }
    let Some(turns) = conversation.turns else { return Err("it has no `conversations`".into()) };
    let found = match which {
        Turns::FirstUser => with_reply(&turns, 1)?,
        Turns::All => with_reply(&turns, usize::MAX)?,
        Turns::FirstTwo | Turns::Strict => first_two(&turns, which == Turns::Strict)?,
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
    Ok(Found::None(if turns.is_empty() { NO_TURN } else { NO_PAIR }))
}

/// The first two turns, whoever said them unless `strict`.
fn first_two(turns: &[Turn<'_>], strict: bool) -> Result<Found, Wrong> {
    let [prompt, reply, ..] = turns else {
        return Ok(Found::None(if turns.is_empty() { NO_TURN } else { "fewer than two turns" }));
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

/// A user's turn with a reply behind it, neither of them empty as far as can be seen without reading them.
fn may_be_pair(turns: &[Turn<'_>]) -> bool {
    let [.., user, reply] = turns else { return false };
    let says = |turn: &Turn<'_>| {
        turn.value
            .is_some_and(|raw| raw.get().as_bytes().get(1).is_some_and(|byte| byte.is_ascii_alphanumeric()))
    };
    user.is_one_of(&USERS) && reply.is_one_of(&REPLIES) && says(user) && says(reply)
}

/// Reads a conversation up to the turns that are taken.
struct Seed<'c, 'a>(Turns, &'c mut Conversation<'a>);

impl<'de> DeserializeSeed<'de> for Seed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a conversation such as {\"conversations\": [{\"from\": \"human\", \"value\": \"…\"}]}")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let Seed(which, conversation) = self;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match &*key {
                "id" => conversation.id = map.next_value::<Option<Id>>()?.map(|Id(id)| id),
                "conversations" | "conversation" => {
                    if conversation.turns.is_some() {
                        return Err(M::Error::custom("`conversations` stands twice"));
                    }
                    map.next_value_seed(TurnsSeed(which, conversation))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads turns; an error of its own ends the reading where there are enough of them.
struct TurnsSeed<'c, 'a>(Turns, &'c mut Conversation<'a>);

impl<'de> DeserializeSeed<'de> for TurnsSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TurnsSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of turns such as {\"from\": \"human\", \"value\": \"…\"}")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let TurnsSeed(which, conversation) = self;
        let turns = conversation.turns.insert(Vec::new());
        while let Some(turn) = list.next_element()? {
            turns.push(turn);
            let enough = match which {
                Turns::FirstUser => may_be_pair(turns),
                Turns::FirstTwo | Turns::Strict => turns.len() == 2,
                Turns::All => false,
            };
            // An id may stand behind the turns.
            if enough && conversation.id.is_some() {
                conversation.enough = true;
                return Err(S::Error::custom("enough"));
            }
        }
        Ok(())
    }
}

/// Names the keys that say nothing to us.
struct Keys<'n>(&'n mut Names);

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            if !matches!(&*key, "id" | "conversations" | "conversation") {
                self.0.add(&key);
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
