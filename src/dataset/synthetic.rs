//! Prompts that are made: the k-th is a pure function of the plan's spec, the pass and k.

use std::sync::{Arc, OnceLock};

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::draws::{Purpose, length, normal, poisson, seed_of};
use super::texts::TextMaker;
use super::tokenizer::Tokenizer;
use crate::schema::seeds::Seeds;
use crate::schema::synthetic::{CountedBy, PromptLaw, Synthetic};
use crate::schema::unit::{Body, Turn, Unit, Units};

/// Draws of a further turn have numbers beyond those of so many units.
const TURN_BITS: u32 = 40;

/// Makes prompts by a spec. What their lengths are counted by may be settled later than the spec, when the first
/// server stands, but before the first prompt.
#[derive(Debug)]
pub struct Synthesis {
    spec: Synthetic,
    seeds: Seeds,
    /// Output limit where the spec has no law of it, tokens.
    max_tokens: u32,
    maker: OnceLock<TextMaker>,
}

impl Synthesis {
    /// By a spec, in the tokens of a tokenizer where there is one. `max_tokens` is the output limit where the spec
    /// has no law of it.
    pub fn new(
        spec: Synthetic,
        seeds: Seeds,
        max_tokens: u32,
        tokenizer: Option<Arc<Tokenizer>>,
    ) -> Synthesis {
        let maker = OnceLock::new();
        if let (PromptLaw::Tokens { .. }, Some(tokenizer)) = (&spec.prompts, tokenizer) {
            let _ = maker.set(TextMaker::of_tokenizer(tokenizer));
        }
        Synthesis { spec, seeds, max_tokens, maker }
    }

    /// The spec, with what its lengths are counted by where that is settled.
    pub fn spec(&self) -> Synthetic {
        Synthetic { counted_by: self.counted_by(), ..self.spec.clone() }
    }

    /// What lengths are counted by; none where it is not settled.
    pub fn counted_by(&self) -> Option<CountedBy> {
        match self.spec.prompts {
            PromptLaw::Tokens { .. } => self.maker.get().map(TextMaker::counted_by),
            PromptLaw::Words { .. } => self.spec.counted_by,
        }
    }

    /// A server's word may still settle what lengths are counted by.
    pub fn is_open(&self) -> bool {
        matches!(self.spec.prompts, PromptLaw::Tokens { .. }) && self.maker.get().is_none()
    }

    /// Every text is encoded and fitted, which takes longer.
    pub fn is_fitted(&self) -> bool {
        self.maker.get().is_some_and(TextMaker::is_fitted)
    }

    /// Settles what lengths are counted by, where it is not yet.
    pub fn settle(&self, maker: TextMaker) {
        let _ = self.maker.set(maker);
    }

    /// The k-th unit of a pass: in each pass other texts of the same lengths.
    pub fn unit(&self, pass: u64, k: u64) -> Unit {
        let turns = u64::from(self.spec.turns.unwrap_or(1).max(1));
        Unit {
            id: format!("synthetic-{k}").into(),
            category: Arc::default(),
            model: None,
            turns: (0..turns).map(|turn| self.turn(pass, k, turn)).collect(),
        }
    }

    /// A turn of it, from 0. Behind the first one the server's answers stand before it, so nobody knows how long the
    /// whole of what is sent will be.
    fn turn(&self, pass: u64, k: u64, turn: u64) -> Turn {
        let spec = &self.spec;
        let drawn = k.wrapping_add(turn << TURN_BITS);
        let text_seed = seed_of(self.seeds.requests, Purpose::Text, pass, drawn);
        let (text, asked) = match &spec.prompts {
            PromptLaw::Words { lambda, letters, letters_sd } => {
                (words(*lambda, (*letters, *letters_sd), text_seed), None)
            }
            PromptLaw::Tokens { lengths } => {
                let maker = self.maker.get_or_init(TextMaker::estimate);
                let own = length(lengths, self.seeds.lengths, Purpose::PromptLength, drawn);
                let prefix = spec.prefix.filter(|_| turn == 0);
                let shared = prefix.map_or(0, |prefix| prefix.tokens);
                let mut text = String::with_capacity((own + shared) as usize * 7 + 16);
                if let Some(prefix) = prefix {
                    let group = k % u64::from(prefix.groups.max(1));
                    let seed = seed_of(self.seeds.requests, Purpose::Prefix, pass, group);
                    maker.extend(&mut text, seed, prefix.tokens);
                }
                maker.extend(&mut text, text_seed, own);
                (text, Some(own + shared))
            }
        };
        let limit = |law| length(law, self.seeds.lengths, Purpose::OutputLength, drawn);
        let max_tokens = spec.outputs.as_ref().map_or(self.max_tokens, limit);
        let prompt_tokens = asked.filter(|_| turn == 0);
        Turn { body: Body::Text(text), max_tokens, pause_s: 0.0, prompt_tokens }
    }

    /// As a load takes them.
    pub fn units(self: Arc<Self>) -> Units {
        let single_turns = self.spec.turns.is_none_or(|turns| turns <= 1);
        Units::by_pass(single_turns, move |pass, k| Some(self.unit(pass, k)))
    }
}

/// Words of letters at random: their number is Poisson's, the letters of each normal, at least 1.
fn words(lambda: f64, (letters, letters_sd): (f64, f64), seed: u64) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut text = String::new();
    for word in 0..poisson(lambda, &mut random) {
        if word > 0 {
            text.push(' ');
        }
        for _ in 0..normal(letters, letters_sd, &mut random).round().clamp(1.0, 64.0) as u32 {
            let letter = (u64::from(random.next_u32()) * 26) >> 32;
            text.push(char::from(b'a' + letter as u8));
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::synthetic::{Lengths, SharedPrefix};

    fn spec() -> Synthetic {
        Synthetic {
            prompts: PromptLaw::Tokens { lengths: Lengths::Uniform { min: 3, max: 40 } },
            outputs: Some(Lengths::Choices { tokens: vec![5, 9] }),
            turns: None,
            prefix: Some(SharedPrefix { tokens: 12, groups: 3 }),
            tokenizer: None,
            counted_by: None,
        }
    }

    const SEEDS: Seeds = Seeds { requests: 1, lengths: 2 };

    fn text(unit: &Unit) -> &str {
        match &unit.turns[0].body {
            Body::Text(text) => text,
            Body::Messages(_) => panic!("not a text"),
        }
    }

    fn words(unit: &Unit) -> Vec<&str> {
        text(unit).split(' ').collect()
    }

    #[test]
    fn prefix_and_own_text_have_their_lengths_together_and_groups_share_a_prefix() {
        let made = Synthesis::new(spec(), SEEDS, 128, None);
        let units: Vec<Unit> = (0..60).map(|k| made.unit(0, k)).collect();
        for (k, unit) in units.iter().enumerate() {
            let turn = &unit.turns[0];
            assert_eq!(words(unit).len(), turn.prompt_tokens.unwrap() as usize);
            assert!((15..=52).contains(&turn.prompt_tokens.unwrap()) && [5, 9].contains(&turn.max_tokens));
            assert_eq!(words(unit)[..12], words(&units[k % 3])[..12], "group {}", k % 3);
            assert_ne!(words(unit)[12..], words(&units[(k + 3) % 60])[12..]);
        }
        assert_ne!(words(&units[0])[..12], words(&units[1])[..12]);
        assert_eq!(made.counted_by(), Some(CountedBy::Estimate));
    }

    #[test]
    fn each_turn_of_a_made_conversation_has_a_length_and_a_text_of_its_own_and_the_first_is_as_without() {
        let talking = Synthetic { turns: Some(3), ..spec() };
        let made = Arc::new(Synthesis::new(talking, SEEDS, 128, None));
        let alone = Synthesis::new(spec(), SEEDS, 128, None);
        let lengths = |unit: &Unit| -> Vec<usize> {
            let words = |turn: &Turn| match &turn.body {
                Body::Text(text) => text.split(' ').count(),
                Body::Messages(_) => panic!("not a text"),
            };
            unit.turns.iter().map(words).collect()
        };
        let mut seen = std::collections::BTreeSet::new();
        for k in 0..200 {
            let unit = made.unit(0, k);
            assert_eq!((unit.turns.len(), &unit.turns[0]), (3, &alone.unit(0, k).turns[0]));
            assert!(unit.turns[1..].iter().all(|turn| turn.prompt_tokens.is_none()));
            assert!(unit.turns[1].body != unit.turns[2].body && unit == made.unit(0, k));
            assert!(lengths(&unit)[1..].iter().all(|length| (3..=40).contains(length)), "no prefix again");
            seen.extend(lengths(&unit)[1..].iter().copied());
        }
        assert_eq!(seen.len(), 38, "every length of the law");
        assert!(!made.units().single_turns() && Arc::new(alone).units().single_turns());
    }

    #[test]
    fn the_kth_prompt_is_the_same_on_every_thread_and_in_every_order() {
        let made = Arc::new(Synthesis::new(spec(), SEEDS, 128, None));
        let forward: Vec<Unit> = (0..200).map(|k| made.unit(0, k)).collect();
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let made = Arc::new(Synthesis::new(spec(), SEEDS, 128, None));
                std::thread::spawn(move || {
                    (0..200)
                        .rev()
                        .filter(|k| k % 4 == thread)
                        .map(|k| (k, made.unit(0, k)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for (k, unit) in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            assert_eq!(unit, forward[k as usize]);
        }
    }

    #[test]
    fn another_pass_has_other_texts_of_the_same_lengths_and_another_seed_of_texts_too() {
        let made = Synthesis::new(spec(), SEEDS, 128, None);
        let other = Synthesis::new(spec(), Seeds { requests: 9, ..SEEDS }, 128, None);
        for k in 0..50 {
            let (first, again, other) = (made.unit(0, k), made.unit(1, k), other.unit(0, k));
            assert_ne!(text(&first), text(&again));
            assert_ne!(text(&first), text(&other));
            let lengths = |unit: &Unit| (unit.turns[0].prompt_tokens, unit.turns[0].max_tokens);
            assert!(lengths(&first) == lengths(&again) && lengths(&first) == lengths(&other));
        }
    }

    #[test]
    fn words_of_letters_are_as_many_and_as_long_as_their_laws_say() {
        let prompts = PromptLaw::Words { lambda: 15.0, letters: 5.0, letters_sd: 1.0 };
        let made = Synthesis::new(Synthetic { prompts, prefix: None, ..spec() }, SEEDS, 128, None);
        let units: Vec<Unit> = (0..4000).map(|k| made.unit(0, k)).collect();
        let count: usize = units.iter().map(|unit| words(unit).len()).sum();
        let letters: usize = units.iter().flat_map(words).map(str::len).sum();
        let (mean_words, mean_letters) = (count as f64 / 4000.0, letters as f64 / count as f64);
        assert!((mean_words - 15.0).abs() < 0.25, "four standard errors: {mean_words}");
        assert!((mean_letters - 5.0).abs() < 0.02, "four standard errors: {mean_letters}");
        assert!(units.iter().all(|unit| unit.turns[0].prompt_tokens.is_none()));
    }
}
