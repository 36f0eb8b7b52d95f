//! Texts of exactly so many tokens. Not by encoding each: words that are one token each, with the space before them,
//! stay that when they are put one behind the other, and that they do is tried before any is used.

use std::sync::Arc;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::tokenizer::Tokenizer;
use super::words::common;
use crate::schema::synthetic::CountedBy;

/// Words that follow others, at most.
const MOST_NEXT: usize = 4096;
/// Words that begin a text, at most.
const MOST_FIRST: usize = 1024;
/// Fewer words than this make texts that repeat themselves.
const LEAST: usize = 64;
/// Lengths at which a maker is tried, tokens, and texts of each.
const TRIED: [u32; 12] = [1, 2, 3, 5, 8, 21, 55, 144, 377, 610, 987, 1597];
const TRIED_EACH: u64 = 3;
/// Where words are not one token each: what is added to reach a length, and how often it is tried.
const FILLERS: [&str; 12] = [" a", " the", ".", ",", "a", "e", "!", " I", " 1", "0", "-", ";"];
const TRIES: usize = 400;

/// Makes texts. The same seed and length give the same text.
#[derive(Debug)]
pub struct TextMaker {
    /// Words without a space before them, each one token at the beginning of a text.
    first: Words,
    /// Words with it, each one token behind any other.
    next: Words,
    /// Words are not one token each: what is made is encoded and fitted, which is slower.
    fitted: Option<Arc<Tokenizer>>,
    /// What the lengths rest on.
    counted_by: CountedBy,
}

/// Texts one behind the other.
#[derive(Debug, Default)]
struct Words {
    text: String,
    ends: Vec<u32>,
}

impl Words {
    fn of<'a>(words: impl IntoIterator<Item = &'a str>, before: &str) -> Words {
        let mut all = Words::default();
        for word in words {
            all.text.push_str(before);
            all.text.push_str(word);
            all.ends.push(all.text.len() as u32);
        }
        all
    }

    /// One of them. A number of 32 bits is scaled down: with a few thousand words none is likelier than another by
    /// more than a millionth.
    fn draw(&self, random: &mut ChaCha8Rng) -> &str {
        let place = (u64::from(random.next_u32()) * self.ends.len() as u64) >> 32;
        let place = place as usize;
        let from = place.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.ends.get(place).map_or("", |end| &self.text[from..*end as usize])
    }
}

impl TextMaker {
    /// In the tokens of a tokenizer: exact.
    pub fn of_tokenizer(tokenizer: Arc<Tokenizer>) -> TextMaker {
        let found = found(&tokenizer);
        let fits = found.as_ref().is_some_and(|maker| maker.is_exact(&tokenizer));
        match found {
            Some(maker) if fits => maker,
            Some(_) | None => TextMaker {
                fitted: Some(tokenizer),
                counted_by: CountedBy::Tokenizer,
                ..TextMaker::estimate()
            },
        }
    }

    /// Of words that a server counts as one token each.
    pub fn of_words(first: &[&str], next: &[&str]) -> TextMaker {
        TextMaker {
            first: Words::of(first.iter().copied(), ""),
            next: Words::of(next.iter().copied(), " "),
            fitted: None,
            counted_by: CountedBy::Server,
        }
    }

    /// Of common words, each counted as one token: an estimate.
    pub fn estimate() -> TextMaker {
        TextMaker {
            first: Words::of(common(), ""),
            next: Words::of(common(), " "),
            fitted: None,
            counted_by: CountedBy::Estimate,
        }
    }

    /// What the lengths rest on.
    pub fn counted_by(&self) -> CountedBy {
        self.counted_by
    }

    /// Every text is encoded and fitted, which takes longer.
    pub fn is_fitted(&self) -> bool {
        self.fitted.is_some()
    }

    /// A text of `tokens` tokens, the same for the same seed.
    pub fn text(&self, seed: u64, tokens: u32) -> String {
        let mut text = String::with_capacity(tokens as usize * 7 + 16);
        self.extend(&mut text, seed, tokens);
        text
    }

    /// Adds `tokens` tokens to a text that is empty or made by this: the whole then has as many more.
    pub fn extend(&self, text: &mut String, seed: u64, tokens: u32) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let Some(tokenizer) = &self.fitted else { return self.append(text, &mut random, tokens) };
        let before = tokenizer.count(text).unwrap_or(0);
        let begin = text.len();
        self.append(text, &mut random, tokens);
        self.fit(tokenizer, text, begin, before + tokens as usize, &mut random);
    }

    fn append(&self, text: &mut String, random: &mut ChaCha8Rng, tokens: u32) {
        let mut left = tokens;
        if text.is_empty() && left > 0 {
            text.push_str(self.first.draw(random));
            left -= 1;
        }
        for _ in 0..left {
            text.push_str(self.next.draw(random));
        }
    }

    /// Cuts words off and adds others until the text has `aim` tokens; as near as it comes where nothing does.
    fn fit(
        &self,
        tokenizer: &Tokenizer,
        text: &mut String,
        begin: usize,
        aim: usize,
        random: &mut ChaCha8Rng,
    ) {
        for _ in 0..TRIES {
            let Some(count) = tokenizer.count(text) else { return };
            if count == aim {
                return;
            }
            if count > aim {
                if text.len() == begin {
                    return;
                }
                // A word is at least one token, so that no more than this go too many.
                let cut = if count - aim > 16 { (count - aim) / 8 } else { 1 };
                (0..cut).for_each(|_| cut_word(text, begin));
            } else if aim - count > 16 {
                self.append(text, random, ((aim - count) / 8) as u32);
            } else if !add_filler(tokenizer, text, count, aim) {
                return;
            }
        }
    }

    /// Texts of several lengths, and one put on another, have the tokens that they should.
    fn is_exact(&self, tokenizer: &Tokenizer) -> bool {
        let counts = |text: &str, tokens: u32| tokenizer.count(text) == Some(tokens as usize);
        TRIED.iter().all(|tokens| {
            (0..TRIED_EACH).all(|seed| {
                let mut text = self.text(seed, *tokens);
                let alone = counts(&text, *tokens);
                self.extend(&mut text, seed + TRIED_EACH, *tokens);
                alone && counts(&text, 2 * tokens)
            })
        })
    }
}

/// Takes off what stands behind the last space.
fn cut_word(text: &mut String, begin: usize) {
    let to = text[begin..].rfind(' ').map_or(begin, |space| begin + space);
    text.truncate(to);
}

/// Adds the first that makes the text longer and not too long; false where none does.
fn add_filler(tokenizer: &Tokenizer, text: &mut String, count: usize, aim: usize) -> bool {
    let before = text.len();
    FILLERS.into_iter().any(|filler| {
        let filler = if text.is_empty() { filler.trim_start() } else { filler };
        text.push_str(filler);
        let fits = tokenizer.count(text).is_some_and(|now| now > count && now <= aim);
        if !fits {
            text.truncate(before);
        }
        fits
    })
}

/// A maker of words that are one token each; none where there are too few. That they join is not tried yet.
fn found(tokenizer: &Tokenizer) -> Option<TextMaker> {
    let mut words = tokenizer.words();
    if words.len() < LEAST {
        words = common().map(str::to_owned).collect();
    }
    let counts = |text: &str, tokens: usize| tokenizer.count(text) == Some(tokens);
    let anchor = words.iter().find(|word| counts(word, 1) && counts(&format!("{word} {word}"), 2))?;
    let is_next = |word: &&&str| counts(&format!("{anchor} {word} {anchor}"), 3);
    let is_first = |word: &&&str| counts(word, 1) && counts(&format!("{word} {anchor}"), 2);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let next: Vec<&str> = words.iter().filter(is_next).take(MOST_NEXT).copied().collect();
    let first: Vec<&str> = words.iter().filter(is_first).take(MOST_FIRST).copied().collect();
    (next.len() >= LEAST && first.len() >= LEAST)
        .then(|| TextMaker { counted_by: CountedBy::Tokenizer, ..TextMaker::of_words(&first, &next) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "texts_tests.rs"]
mod tests;
