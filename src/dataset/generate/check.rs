//! Whether a text is a prompt: whole, of a length that is wanted, and no answer, refusal or remark about the task.

use crate::secrets::hide_kept;

use super::rejection::{Bounds, Rejection};
use super::seen::shingles;

/// Beginnings of a refusal, in small letters and with plain apostrophes.
const REFUSALS: [&str; 8] = [
    "i'm sorry, ",
    "i am sorry, ",
    "i'm sorry but ",
    "sorry, i ",
    "sorry, but ",
    "i apologize",
    "i apologise",
    "as an ai",
];
/// Beginnings of one where [`DECLINED`] follows: users cannot do things either.
const INABILITIES: [&str; 8] = [
    "i can't ",
    "i cannot ",
    "i can not ",
    "i'm unable to ",
    "i am unable to ",
    "i'm not able to ",
    "unfortunately, i can't ",
    "unfortunately, i cannot ",
];
/// What a model declines to do.
const DECLINED: [&str; 12] = [
    "help with",
    "assist",
    "provide",
    "fulfil",
    "comply",
    "generate",
    "create",
    "write prompts",
    "do that",
    "support",
    "answer that",
    "engage",
];
/// Beginnings of an answer, or of a remark about the list.
const ANSWERS: [&str; 26] = [
    "sure,",
    "sure!",
    "sure.",
    "certainly",
    "of course",
    "absolutely!",
    "here are",
    "here is",
    "here's",
    "here’s",
    "below are",
    "below is",
    "the following are",
    "answer:",
    "response:",
    "assistant:",
    "output:",
    "solution:",
    "the answer is",
    "these prompts",
    "this list",
    "note:",
    "i hope ",
    "let me know if",
    "feel free to",
    "prompts:",
];
/// Words of the shortest prompt.
const LEAST_WORDS: usize = 3;
/// Share of its shingles that a text may have in common with what was asked.
const MOST_ECHO: f64 = 0.5;
/// A text of so many words and more is looked at for loops.
const LOOP_WORDS: usize = 24;
/// The least share of distinct words in runs of three that a text without loops has.
const LEAST_DISTINCT: f64 = 0.5;

/// The prompt in a candidate, without what stands around it; `asked` is what the model was asked.
pub(super) fn check(candidate: &str, bounds: Bounds, asked: &str) -> Result<String, Rejection> {
    let prompt = tidy(candidate);
    if !prompt.chars().any(char::is_alphanumeric) {
        return Err(Rejection::Empty);
    }
    let odd = |c: char| c == '\u{fffd}' || (c.is_control() && c != '\n' && c != '\t');
    if prompt.contains(odd) || hide_kept(&prompt) != prompt {
        return Err(Rejection::Unsafe);
    }
    let length = prompt.chars().count();
    // Scripts that put no spaces between words have long ones.
    let is_title = prompt.is_ascii() && prompt.split_whitespace().count() < LEAST_WORDS;
    if length < bounds.least || is_title {
        return Err(Rejection::TooShort);
    }
    if length > bounds.most {
        return Err(Rejection::TooLong);
    }
    let begin: String = prompt.chars().take(60).collect::<String>().to_lowercase().replace('’', "'");
    if refuses(&begin) {
        return Err(Rejection::Refusal);
    }
    let heading = prompt.ends_with(':') && !prompt.contains('\n');
    if heading || is_json(&prompt) || ANSWERS.iter().any(|answer| begin.starts_with(answer)) {
        return Err(Rejection::NotAPrompt);
    }
    if echoes(&prompt, asked) {
        return Err(Rejection::Echo);
    }
    if loops(&prompt) { Err(Rejection::Repetition) } else { Ok(prompt) }
}

/// A piece of JSON that could not be read: `{"type": …`, `"id": "7"`, `],`.
fn is_json(prompt: &str) -> bool {
    let key = || prompt.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    prompt.starts_with(['{', '}', '[', ']'])
        || key().is_some_and(|(_, after)| after.trim_start().starts_with(':'))
}

fn refuses(begin: &str) -> bool {
    let declined = |rest: &str| DECLINED.iter().any(|verb| rest.starts_with(verb));
    REFUSALS.iter().any(|refusal| begin.starts_with(refusal))
        || INABILITIES.iter().any(|words| begin.strip_prefix(words).is_some_and(declined))
}

/// Takes off list numbers, bullets, `Prompt 3:`, quotation marks, stars and a comma behind them.
pub(super) fn tidy(candidate: &str) -> String {
    let mut text = candidate.trim();
    loop {
        let before = text;
        text = without_number(text).trim();
        text = text.strip_suffix(',').filter(|rest| rest.ends_with('"')).unwrap_or(text).trim();
        for (open, close) in [("\"", "\""), ("“", "”"), ("**", "**"), ("`", "`"), ("'", "'")] {
            let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
            text = inner.filter(|inner| !inner.contains(open) && !inner.is_empty()).unwrap_or(text).trim();
        }
        if text == before {
            return text.replace("\r\n", "\n");
        }
    }
}

/// A line without the `1.`, `2)`, `-`, `*`, `•` or `Prompt 3:` before it.
pub(super) fn without_number(line: &str) -> &str {
    let line = line.trim_start();
    for bullet in ["- ", "* ", "• ", "– "] {
        if let Some(rest) = line.strip_prefix(bullet) {
            return rest;
        }
    }
    let bare = line.trim_start_matches("**");
    let word = ["Prompt", "prompt", "PROMPT", "#"].iter().find_map(|word| bare.strip_prefix(word));
    let numbered = word.unwrap_or(bare).trim_start();
    let after = numbered.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = numbered.len() - after.len();
    if !(1..=4).contains(&digits) {
        // `Prompt: …`
        return word.and_then(|rest| rest.strip_prefix(':')).unwrap_or(line);
    }
    let sign = if word.is_some() { [':', '.', ')'] } else { ['.', ')', '.'] };
    match after.strip_prefix(sign) {
        // `3.14` is no number of a list.
        Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t', '*', '"']) => {
            rest.trim_start_matches("**")
        }
        Some(_) | None => line,
    }
}

fn echoes(prompt: &str, asked: &str) -> bool {
    let own = shingles(prompt);
    let asked = shingles(asked);
    let common = own.iter().filter(|shingle| asked.contains(shingle)).count();
    !own.is_empty() && common as f64 > MOST_ECHO * own.len() as f64
}

fn loops(prompt: &str) -> bool {
    let words = prompt.split_whitespace().count();
    words >= LOOP_WORDS && (shingles(prompt).len() as f64) < LEAST_DISTINCT * (words - 2) as f64
}
