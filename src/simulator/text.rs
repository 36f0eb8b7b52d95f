//! A pretend tokenizer, and texts that it splits into as many tokens as were generated.

use super::random::hash;

/// Tokens of the chat template round one message: `<|im_start|>`, role, newline, `<|im_end|>`, newline.
const MESSAGE_FRAME: u32 = 5;
/// Tokens of the template's own system message, put first where the request has none.
const DEFAULT_SYSTEM: u32 = 22;
/// Tokens that begin the answer: `<|im_start|>`, role, newline.
const GENERATION_PROMPT: u32 = 3;
/// Size of the pretend vocabulary.
const VOCABULARY: u64 = 49_152;

/// The tokens of a text: a run of letters with the space before it, one digit, one other sign, or a run of
/// other white space. It splits the texts in the captures into as many tokens as SmolLM2's tokenizer does.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first);
        let (token, after) = rest.split_at(length);
        found.push(token);
        rest = after;
    }
    found
}

fn token_length(rest: &str, first: char) -> usize {
    let word = |text: &str| text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    if first.is_alphabetic() {
        return word(rest);
    }
    if !first.is_whitespace() {
        return first.len_utf8();
    }
    if first == ' ' && rest[1..].starts_with(char::is_alphabetic) {
        return 1 + word(&rest[1..]);
    }
    let space = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
    // The last space of a run belongs to the word after it.
    if space > 1 && rest[..space].ends_with(' ') && rest[space..].starts_with(char::is_alphabetic) {
        space - 1
    } else {
        space
    }
}

/// The number of a token in the pretend vocabulary.
pub fn token_id(token: &str) -> u32 {
    (hash(token.as_bytes()) % VOCABULARY) as u32
}

/// Tokens of a chat prompt under the pretend template: (role, content) of each message.
pub fn chat_tokens<'a>(messages: impl Iterator<Item = (&'a str, &'a str)>) -> u32 {
    let mut total = GENERATION_PROMPT;
    for (index, (role, content)) in messages.enumerate() {
        if index == 0 && role != "system" {
            total += DEFAULT_SYSTEM;
        }
        total += MESSAGE_FRAME + tokens(content).len() as u32;
    }
    total
}

const WORDS: [&str; 32] = [
    " the",
    " sky",
    " is",
    " a",
    " canvas",
    " of",
    " endless",
    " possibilities",
    " where",
    " every",
    " colour",
    " tells",
    " its",
    " own",
    " story",
    " and",
    " light",
    " falls",
    " on",
    " quiet",
    " water",
    " while",
    " birds",
    " cross",
    " from",
    " one",
    " shore",
    " to",
    " another",
    " before",
    " evening",
    " comes",
];

/// Token `index` of the answer with this seed. Every ninth is a comma or a full stop; none needs JSON escapes.
pub fn generated(seed: u64, index: u32) -> &'static str {
    match index % 18 {
        8 => ",",
        17 => ".",
        _ => WORDS[(seed.wrapping_add(u64::from(index).wrapping_mul(7)) % 32) as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_captures_have_the_number_of_tokens_that_the_engines_gave() {
        for (text, count) in [
            ("a  b\n\n 3.14", 8),
            ("The sky is", 3),
            ("What is the capital of France?", 7),
            ("The capital of France is Paris, City of Light.", 11),
        ] {
            assert_eq!(tokens(text).len(), count, "{text:?} {:?}", tokens(text));
        }
        assert_eq!(tokens(&"word ".repeat(3000)).len(), 3001);
    }

    #[test]
    fn chat_prompts_of_the_captures_have_the_number_of_tokens_that_the_engines_gave() {
        for (content, count) in [("What is the capital of France?", 37), ("Count.", 32), ("hi", 31)] {
            assert_eq!(chat_tokens([("user", content)].into_iter()), count);
        }
    }

    #[test]
    fn a_generated_text_splits_into_the_tokens_that_it_was_made_of() {
        for seed in 0..40 {
            let parts: Vec<&str> = (0..100).map(|index| generated(seed, index)).collect();
            let whole = parts.concat();
            assert_eq!(tokens(&whole), parts);
            assert_eq!(tokens(whole.trim_start()).len(), parts.len());
        }
    }

    #[test]
    fn tokens_join_to_the_text_again() {
        for text in ["", " ", "  ", "é 1\t\n x", "日本 語", " a  b ", "\n\na"] {
            assert_eq!(tokens(text).concat(), text);
        }
    }
}
