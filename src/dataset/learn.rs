//! Words that a server counts as one token each, learnt by asking it for the counts of some texts.

use super::texts::TextMaker;
use super::words::common;

/// Words of one text whose count is asked for.
const WORDS_A_QUESTION: usize = 128;
/// Words that may begin a text: each needs a question of its own.
const FIRST: usize = 48;
/// Questions in all.
const QUESTIONS: usize = 300;
/// Fewer words than this make texts that repeat themselves.
const LEAST: usize = 64;
const LEAST_FIRST: usize = 8;
/// Lengths at which the words are tried, tokens.
const TRIED: [u32; 5] = [1, 2, 7, 60, 400];

/// A maker of texts in a server's tokens; none where the server does not count, or words are not one token each.
pub async fn learn(count: impl AsyncFn(&str) -> Option<u64>) -> Option<TextMaker> {
    let mut asked = 0;
    // Tokens that the server puts round every text.
    let (one, two) = (count("time").await?, count("time time").await?);
    let round = (two == one + 1).then_some(one - 1)?;
    let mut next = Vec::new();
    let mut open: Vec<Vec<&str>> =
        common().collect::<Vec<_>>().chunks(WORDS_A_QUESTION).map(<[&str]>::to_vec).collect();
    while let Some(words) = open.pop() {
        if asked == QUESTIONS {
            break;
        }
        asked += 1;
        let counted = count(&format!("time {}", words.join(" "))).await?;
        if counted == round + 1 + words.len() as u64 {
            next.extend(words);
        } else if words.len() > 1 {
            let (one, other) = words.split_at(words.len() / 2);
            open.extend([one.to_vec(), other.to_vec()]);
        }
    }
    next.sort_unstable();
    let mut first = Vec::new();
    for word in next.iter().step_by((next.len() / FIRST).max(1)) {
        if count(word).await? == round + 1 && count(&format!("{word} time")).await? == round + 2 {
            first.push(*word);
        }
    }
    if next.len() < LEAST || first.len() < LEAST_FIRST {
        return None;
    }
    let maker = TextMaker::of_words(&first, &next);
    for tokens in TRIED {
        if count(&maker.text(u64::from(tokens), tokens)).await? != round + u64::from(tokens) {
            return None;
        }
    }
    Some(maker)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::schema::synthetic::CountedBy;

    /// A server that takes some words for two tokens each, and puts a BOS before every text.
    fn counted(text: &str) -> u64 {
        let of = |word: &str| if word.len().is_multiple_of(5) { 2 } else { 1 };
        1 + text.split(' ').map(of).sum::<u64>()
    }

    #[tokio::test]
    async fn words_that_a_server_counts_as_one_token_are_learnt_in_some_hundred_questions() {
        let asked = Cell::new(0);
        let maker = learn(async |text: &str| {
            asked.set(asked.get() + 1);
            Some(counted(text))
        });
        let maker = maker.await.unwrap();
        assert_eq!(maker.counted_by(), CountedBy::Server);
        assert!((0..50).all(|seed| counted(&maker.text(seed, 40)) == 41));
        assert!(asked.get() < 500, "{}", asked.get());
    }

    #[tokio::test]
    async fn a_server_that_does_not_tell_or_counts_letters_is_none() {
        assert!(learn(async |_: &str| None).await.is_none());
        assert!(learn(async |text: &str| Some(text.len() as u64)).await.is_none());
    }
}
