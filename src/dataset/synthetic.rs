//! Prompts that are made: the k-th is a pure function of the plan's spec, the pass and k.

use std::sync::{Arc, OnceLock};

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::draws::{Purpose, length, normal, poisson, seed_of};
use super::texts::TextMaker;
use super::tokenizer::Tokenizer;
use crate::schema::synthetic::{CountedBy, PromptLaw, Synthetic};
use crate::schema::unit::{Body, Turn, Unit, Units};

/// Makes prompts by a spec. What their lengths are counted by may be settled later than the spec, when the first
/// server stands, but before the first prompt.
#[derive(Debug)]
pub struct Synthesis {
    spec: Synthetic,
    /// Output limit where the spec has no law of it, tokens.
    max_tokens: u32,
    maker: OnceLock<TextMaker>,
}

impl Synthesis {
    /// By a spec, in the tokens of a tokenizer where there is one. `max_tokens` is the output limit where the spec
    /// has no law of it.
    pub fn new(spec: Synthetic, max_tokens: u32, tokenizer: Option<Arc<Tokenizer>>) -> Synthesis {
        let maker = OnceLock::new();
        if let (PromptLaw::Tokens { .. }, Some(tokenizer)) = (&spec.prompts, tokenizer) {
            let _ = maker.set(TextMaker::of_tokenizer(tokenizer));
        }
        Synthesis { spec, max_tokens, maker }
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
        let spec = &self.spec;
        let text_seed = seed_of(spec.seed_requests, Purpose::Text, pass, k);
        let (text, asked) = match &spec.prompts {
            PromptLaw::Words { lambda, letters, letters_sd } => {
                (words(*lambda, (*letters, *letters_sd), text_seed), None)
            }
            PromptLaw::Tokens { lengths } => {
                let maker = self.maker.get_or_init(TextMaker::estimate);
                let own = length(lengths, spec.seed_lengths, Purpose::PromptLength, k);
                let shared = spec.prefix.map_or(0, |prefix| prefix.tokens);
                let mut text = String::with_capacity((own + shared) as usize * 7 + 16);
                if let Some(prefix) = spec.prefix {
                    let group = k % u64::from(prefix.groups.max(1));
                    let seed = seed_of(spec.seed_requests, Purpose::Prefix, pass, group);
                    maker.extend(&mut text, seed, prefix.tokens);
                }
                maker.extend(&mut text, text_seed, own);
                (text, Some(own + shared))
            }
        };
        let limit = |law| length(law, spec.seed_lengths, Purpose::OutputLength, k);
        let max_tokens = spec.outputs.as_ref().map_or(self.max_tokens, limit);
        Unit {
            id: format!("synthetic-{k}").into(),
            category: Arc::default(),
            model: None,
            turns: vec![Turn { body: Body::Text(text), max_tokens, pause_s: 0.0, prompt_tokens: asked }],
        }
    }

    /// As a load takes them.
    pub fn units(self: Arc<Self>) -> Units {
        Units::by_pass(true, move |pass, k| Some(self.unit(pass, k)))
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
