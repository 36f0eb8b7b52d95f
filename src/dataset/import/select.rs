//! Which rows are kept, and what prompts they become.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use anyhow::Result;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::raw::{RawText, Reply};
use super::row::{EMPTY_PROMPT, Exchange, Row};
use crate::dataset::parse::{LONGEST_NAME, clip, cut_id};
use crate::schema::unit::{Body, FurtherTurn, Prompt};

/// UTF-8 bytes that are taken for a token where there is no tokenizer: English and code have about four characters
/// a token, Chinese and Japanese one to one and a half, of three bytes each.
pub const BYTES_A_TOKEN: usize = 4;

/// Counts a text's tokens.
pub type CountTokens<'a> = &'a dyn Fn(&str) -> Result<u64>;

/// Which rows are kept. Lengths are in characters, or in tokens where a tokenizer is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The shortest and the longest prompt.
    pub input: Bounds,
    /// The shortest and the longest reply.
    pub output: Bounds,
    /// Which of those.
    pub pick: Pick,
    /// Rows that say no output limit get none from their replies.
    pub no_reply_limit: bool,
}

/// A least and a greatest length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub min: Option<u64>,
    /// The greatest.
    pub max: Option<u64>,
}

impl Bounds {
    fn is_some(self) -> bool {
        self.min.is_some() || self.max.is_some()
    }
}

/// Which of the rows that fit are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pick {
    /// All of them.
    #[default]
    All,
    /// The first ones.
    First(u64),
    /// So many, drawn without replacement, in the order of the file.
    Sample {
        /// How many.
        size: u64,
        /// Of the draw.
        seed: u64,
    },
}

/// A prompt that is kept, and its lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    prompt: Prompt,
    /// The texts of its turns, in our own bytes; their bodies are empty then. None, or one for each turn.
    raw: Vec<RawText>,
    /// Length of what the user says.
    pub input: u64,
    /// Length of the file's reply.
    pub output: Option<u64>,
    /// The output limit is an estimate of the reply's tokens.
    pub estimated: bool,
    /// Place among the rows that fit.
    index: u64,
}

impl Picked {
    /// What is played.
    ///
    /// # Errors
    /// Its text cannot be read.
    pub fn into_prompt(self) -> Result<Prompt> {
        let Picked { mut prompt, raw, .. } = self;
        let further = prompt.further.iter_mut().map(|turn| &mut turn.body);
        for (body, raw) in std::iter::once(&mut prompt.body).chain(further).zip(raw) {
            *body = Body::Text(raw.text()?);
        }
        Ok(prompt)
    }

    /// The prompt, its texts perhaps not in it but in [`Picked::raw`].
    pub(super) fn as_it_stands(&self) -> &Prompt {
        &self.prompt
    }

    pub(super) fn raw(&self) -> &[RawText] {
        &self.raw
    }
}

/// Prompts before any is left out for being empty, too short or too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// How many.
    pub prompts: u64,
    /// Their lengths.
    pub input: u64,
    /// Those of their replies.
    pub output: u64,
}

/// What became of a row.
#[derive(Debug)]
pub(super) enum Taken {
    Kept,
    LeftOut(&'static str),
}

/// Keeps rows by a selection.
pub(super) struct Selector<'a> {
    selection: &'a Selection,
    tokens: Option<CountTokens<'a>>,
    random: ChaCha8Rng,
    /// All that could be prompts.
    found: Found,
    /// Rows that fit.
    fitting: u64,
    sample: Vec<Picked>,
    ids: Ids,
}

/// Where prompts go.
pub type Sink<'a> = &'a mut dyn FnMut(Picked) -> Result<()>;

impl<'a> Selector<'a> {
    pub(super) fn new(selection: &'a Selection, tokens: Option<CountTokens<'a>>) -> Self {
        let seed = match selection.pick {
            Pick::Sample { seed, .. } => seed,
            Pick::All | Pick::First(_) => 0,
        };
        let random = ChaCha8Rng::seed_from_u64(seed);
        let found = Found::default();
        Selector { selection, tokens, random, found, fitting: 0, sample: Vec::new(), ids: Ids::default() }
    }

    /// No further row is wanted.
    pub(super) fn is_full(&self) -> bool {
        match self.selection.pick {
            Pick::First(most) => self.fitting >= most,
            Pick::All | Pick::Sample { .. } => false,
        }
    }

    /// Prompts before any was left out.
    pub(super) fn found(&self) -> Found {
        self.found
    }

    /// Ids that stood twice.
    pub(super) fn renamed(&self) -> u64 {
        self.ids.renamed
    }

    /// Takes the row of a number that counts from 1, or leaves it out.
    pub(super) fn take(&mut self, row: Row, number: u64, sink: Sink<'_>) -> Result<Taken> {
        let (mut input, mut output) = (0, None);
        let mut turns = Vec::with_capacity(row.turns.len());
        let mut estimated = false;
        let mut empty = row.turns.is_empty().then_some("no turn");
        let mut texts = Vec::new();
        for Exchange { body, raw, reply, max_tokens, pause_us } in row.turns {
            if raw.is_none() && matches!(&body, Body::Text(text) if text.trim().is_empty()) {
                empty = Some(EMPTY_PROMPT);
            } else if reply.as_ref().is_some_and(Reply::is_blank) {
                empty = empty.or(Some("empty reply"));
            }
            input += raw.as_ref().map_or_else(|| self.length_of(&body), |raw| Ok(raw.characters))?;
            texts.extend(raw);
            let length = reply.as_ref().map(|reply| self.length_of_reply(reply)).transpose()?;
            output = length.map(|length| output.unwrap_or(0) + length).or(output);
            let own = max_tokens.or(row.max_tokens);
            let from_reply = match (own, &reply) {
                (None, Some(reply)) if !self.selection.no_reply_limit => Some(self.limit(reply, length)),
                (Some(_), _) | (None, _) => None,
            };
            estimated |= from_reply.is_some() && self.tokens.is_none();
            turns.push(FurtherTurn { body, max_tokens: own.or(from_reply), pause_us });
        }
        self.found.prompts += 1;
        self.found.input += input;
        self.found.output += output.unwrap_or(0);
        if let Some(why) = empty.or_else(|| self.misfit(input, output)) {
            return Ok(Taken::LeftOut(why));
        }
        let mut turns = turns.into_iter();
        let Some(FurtherTurn { body, max_tokens, .. }) = turns.next() else {
            return Ok(Taken::LeftOut("no turn"));
        };
        let id = row.id.filter(|id| !id.is_empty()).unwrap_or_else(|| number.to_string());
        let prompt = Prompt {
            id: if id.len() <= LONGEST_NAME { id } else { cut_id(id, &format!("…row {number}")) },
            category: clip(&row.category, LONGEST_NAME),
            body,
            max_tokens,
            further: turns.collect(),
        };
        let picked = Picked { prompt, raw: texts, input, output, estimated, index: self.fitting };
        self.fitting += 1;
        self.keep(picked, sink)?;
        Ok(Taken::Kept)
    }

    fn keep(&mut self, picked: Picked, sink: Sink<'_>) -> Result<()> {
        let Pick::Sample { size, .. } = self.selection.pick else {
            return sink(self.ids.apart(picked));
        };
        // Vitter's algorithm R: each of the rows so far is in the sample with the same chance.
        if (self.sample.len() as u64) < size {
            self.sample.push(picked);
            return Ok(());
        }
        let place = self.random.random_range(0..self.fitting);
        if let Some(old) = usize::try_from(place).ok().and_then(|place| self.sample.get_mut(place)) {
            *old = picked;
        }
        Ok(())
    }

    /// Gives out what was drawn, in the order of the file.
    pub(super) fn finish(&mut self, sink: Sink<'_>) -> Result<()> {
        let mut sample = std::mem::take(&mut self.sample);
        sample.sort_unstable_by_key(|picked| picked.index);
        sample.into_iter().try_for_each(|picked| sink(self.ids.apart(picked)))
    }

    /// Rows that fit and were not drawn.
    pub(super) fn not_drawn(&self) -> u64 {
        match self.selection.pick {
            Pick::Sample { size, .. } => self.fitting.saturating_sub(size),
            Pick::All | Pick::First(_) => 0,
        }
    }

    fn length(&self, text: &str) -> Result<u64> {
        match self.tokens {
            Some(count) => count(text),
            None => Ok(text.chars().count() as u64),
        }
    }

    fn length_of_reply(&self, reply: &Reply) -> Result<u64> {
        match reply {
            Reply::Text(text) => self.length(text),
            Reply::Measured(lengths) => Ok(lengths.characters),
        }
    }

    fn length_of(&self, body: &Body) -> Result<u64> {
        match body {
            Body::Text(text) => self.length(text),
            Body::Messages(messages) => {
                let texts = messages.iter().filter_map(|message| message.content.text());
                texts.map(|text| self.length(&text)).sum()
            }
        }
    }

    fn misfit(&self, input: u64, output: Option<u64>) -> Option<&'static str> {
        let Selection { input: inputs, output: outputs, .. } = self.selection;
        if inputs.min.is_some_and(|min| input < min) {
            return Some("prompt shorter than --min-input-length");
        }
        if inputs.max.is_some_and(|max| input > max) {
            return Some("prompt longer than --max-input-length");
        }
        match output {
            None if outputs.is_some() => Some("no reply to measure"),
            Some(output) if outputs.min.is_some_and(|min| output < min) => {
                Some("reply shorter than --min-output-length")
            }
            Some(output) if outputs.max.is_some_and(|max| output > max) => {
                Some("reply longer than --max-output-length")
            }
            Some(_) | None => None,
        }
    }

    /// The reply's tokens, or an estimate of them.
    fn limit(&self, reply: &Reply, output: Option<u64>) -> u32 {
        let tokens = match (self.tokens, output) {
            (Some(_), Some(tokens)) => tokens,
            (Some(_) | None, _) => reply.bytes().div_ceil(BYTES_A_TOKEN as u64),
        };
        u32::try_from(tokens.max(1)).unwrap_or(u32::MAX)
    }
}

/// Keeps ids apart. Of those that were seen only hashes are kept.
#[derive(Default)]
struct Ids {
    seen: HashSet<u64, BuildHasherDefault<AsItIs>>,
    /// The last number behind each id that came again.
    copies: HashMap<u64, u64>,
    renamed: u64,
}

impl Ids {
    /// A second one of a name is `name#2`.
    fn apart(&mut self, mut picked: Picked) -> Picked {
        if self.is_new(&picked.prompt.id) {
            return picked;
        }
        self.renamed += 1;
        let named = hash(&picked.prompt.id);
        let mut copy = self.copies.get(&named).copied().unwrap_or(1);
        loop {
            copy += 1;
            let end = format!("#{copy}");
            let room = LONGEST_NAME - end.len();
            let begin: String = picked.prompt.id.chars().take(room).collect();
            let id = begin + &end;
            if self.is_new(&id) {
                self.copies.insert(named, copy);
                picked.prompt.id = id;
                return picked;
            }
        }
    }

    fn is_new(&mut self, id: &str) -> bool {
        self.seen.insert(hash(id))
    }
}

/// Of a number that is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
