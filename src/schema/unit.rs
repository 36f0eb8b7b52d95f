//! What is to be sent: dataset entries, and the units that users are made of.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One entry of a dataset file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Unique within its file.
    pub id: String,
    /// What kind of text it is: `chat`, `code`, `summary`, …
    pub category: String,
    /// What is sent.
    pub body: Body,
    /// Output limit in tokens, unless `--max-tokens` overrides it.
    pub max_tokens: Option<u32>,
    /// What the same user says next, each behind the answer to the one before; empty: nothing.
    pub further: Vec<FurtherTurn>,
}

/// A further turn of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurtherTurn {
    /// What is new in it.
    pub body: Body,
    /// Output limit in tokens, unless `--max-tokens` overrides it.
    pub max_tokens: Option<u32>,
    /// Time between the answer before it and this turn, unless `--think-time` overrides it, µs.
    pub pause_us: u64,
}

/// Which part of the run a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Sent before the window, reported apart.
    Warmup,
    /// Inside the window.
    Measured,
}

/// What one user does: turns that follow each other, each a request. The same for every backend; the
/// protocol makes bytes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Dataset entry it was made from. Shared, as the category is.
    pub id: Arc<str>,
    /// What kind of text it is; empty where that is not known. Shared, since each record holds it.
    pub category: Arc<str>,
    /// The model to ask for, where it is not the target's.
    pub model: Option<String>,
    /// In order, at least one: a unit without any ends the load, as no unit does.
    pub turns: Vec<Turn>,
}

/// One request of a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What is new in it: behind the turns before, each with the server's answer.
    pub body: Body,
    /// Output limit in tokens.
    pub max_tokens: u32,
    /// Tokens that its text was made to have, without what a template adds; none where nobody knows.
    pub prompt_tokens: Option<u32>,
    /// Time that passes between the end of the answer before it and this turn, s. Of the first turn it
    /// says nothing.
    pub pause_s: f64,
}

/// What a turn says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The user's message.
    Text(String),
    /// Messages of several roles.
    Messages(Vec<Message>),
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `user`, `assistant`, `system`, …
    pub role: String,
    /// What it says.
    pub content: Content,
    /// Its further fields, such as `name` or `tool_calls`.
    pub more: Map<String, Value>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(String),
    /// Parts or nothing, as they are written: `[{"type": "text", "text": "…"}]`, `null`.
    Json(Value),
}

impl Message {
    /// A text in a role.
    pub fn text(role: impl Into<String>, text: impl Into<String>) -> Message {
        Message { role: role.into(), content: Content::Text(text.into()), more: Map::new() }
    }
}

impl Content {
    /// Its text, that of its parts one behind the other; none where a part is no text.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Content::Text(text) => Some(text.into()),
            Content::Json(Value::Array(parts)) => {
                let text = |part: &Value| Some(part.get("text")?.as_str()?.to_owned());
                parts.iter().map(text).collect::<Option<String>>().map(Cow::from)
            }
            Content::Json(_) => Some("".into()),
        }
    }
}

impl Body {
    /// What it says, as messages.
    pub fn messages(&self) -> Vec<Message> {
        match self {
            Body::Text(text) => vec![Message::text("user", text.clone())],
            Body::Messages(messages) => messages.clone(),
        }
    }
}

impl Unit {
    /// A unit of one turn.
    pub fn single(id: impl Into<Arc<str>>, text: impl Into<String>, max_tokens: u32) -> Unit {
        let turn = Turn { body: Body::Text(text.into()), max_tokens, pause_s: 0.0, prompt_tokens: None };
        Unit { id: id.into(), category: Arc::default(), model: None, turns: vec![turn] }
    }
}

/// The units of a load. The k-th is a pure function of k: the same on every thread and every machine, and
/// nothing need be kept of those that were played.
#[derive(Clone)]
pub struct Units {
    /// From the pass and k.
    make: Arc<dyn Fn(u64, u64) -> Option<Unit> + Send + Sync>,
    pass: u64,
    period: Option<u64>,
    beforehand: u64,
    single_turns: bool,
    due_us: Option<Arc<[u64]>>,
}

impl Units {
    /// Units without a period, as a generator makes them; `make` gives none where there are no more. Their
    /// requests are made shortly before they are due. `single_turns`: each has one turn.
    pub fn made_by(single_turns: bool, make: impl Fn(u64) -> Option<Unit> + Send + Sync + 'static) -> Units {
        Units::by_pass(single_turns, move |_, k| make(k))
    }

    /// The same, where units may be others when the same server gets them again: `make` takes the pass and k.
    pub fn by_pass(
        single_turns: bool,
        make: impl Fn(u64, u64) -> Option<Unit> + Send + Sync + 'static,
    ) -> Units {
        Units { make: Arc::new(make), pass: 0, period: None, beforehand: 0, single_turns, due_us: None }
    }

    /// Units that are the same again after `period` of them: their requests can be made beforehand.
    pub fn repeating(
        period: u64,
        single_turns: bool,
        make: impl Fn(u64) -> Option<Unit> + Send + Sync + 'static,
    ) -> Units {
        let make = Arc::new(move |_, k| make(k));
        Units { make, pass: 0, period: Some(period), beforehand: period, single_turns, due_us: None }
    }

    /// The same units where a server has not seen them yet, else what `renew` makes of them, by the pass and k: then
    /// they have no period any more.
    pub fn renewed(self, renew: impl Fn(Unit, u64, u64) -> Unit + Send + Sync + 'static) -> Units {
        let Some(period) = self.period else { return self };
        let make = self.make;
        let make = move |pass: u64, k: u64| {
            let unit = make(pass, k)?;
            Some(if pass == 0 && k < period { unit } else { renew(unit, pass, k) })
        };
        Units {
            make: Arc::new(make),
            pass: self.pass,
            period: None,
            beforehand: self.beforehand,
            single_turns: self.single_turns,
            due_us: self.due_us,
        }
    }

    /// The same units as `change` makes them of each, by k. `by_number`: what it does depends on k, so that they have
    /// no period any more.
    pub fn changed(
        self,
        single_turns: bool,
        by_number: bool,
        change: impl Fn(Unit, u64) -> Unit + Send + Sync + 'static,
    ) -> Units {
        let make = self.make;
        Units {
            make: Arc::new(move |pass, k| Some(change(make(pass, k)?, k))),
            pass: self.pass,
            period: self.period.filter(|_| !by_number),
            beforehand: self.beforehand,
            single_turns,
            due_us: self.due_us,
        }
    }

    /// As they are when a server gets them again: 0 is the first time since its launch.
    pub fn in_pass(&self, pass: u64) -> Units {
        Units { pass, ..self.clone() }
    }

    /// One unit, again and again.
    pub fn one(unit: Unit) -> Units {
        let single_turns = unit.turns.len() <= 1;
        Units::repeating(1, single_turns, move |_| Some(unit.clone()))
    }

    /// The k-th unit is due at the k-th of these times, µs after the start, never falling; where they end, the load
    /// does. They are those of [`Arrivals::Trace`](super::traffic::Arrivals::Trace).
    pub fn due_at(self, due_us: Arc<[u64]>) -> Units {
        Units { due_us: Some(due_us), ..self }
    }

    /// When each unit is due, of a trace.
    pub fn due_us(&self) -> Option<&Arc<[u64]>> {
        self.due_us.as_ref()
    }

    /// The k-th unit, from 0.
    pub fn unit(&self, k: u64) -> Option<Unit> {
        (self.make)(self.pass, k)
    }

    /// So many units from the first on may be made before they are due.
    pub fn beforehand(&self) -> u64 {
        self.beforehand
    }

    /// After so many units they are repeated in order; none: they are not.
    pub fn period(&self) -> Option<u64> {
        self.period
    }

    /// No unit has a second turn.
    pub fn single_turns(&self) -> bool {
        self.single_turns
    }
}

impl std::fmt::Debug for Units {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Units").field("period", &self.period).finish_non_exhaustive()
    }
}
