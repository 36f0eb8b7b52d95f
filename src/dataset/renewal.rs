//! A prompt that a server has had already becomes another one: words of its own before it, so that no prefix cache
//! answers for the engine. The same for every backend, since it follows from the pass and k alone.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::draws::{Purpose, seed_of};
use super::words::common;
use crate::schema::unit::{Body, Content, Message, Unit};

/// Words before a prompt. Each is one token for nearly every tokenizer.
pub const WORDS: u32 = 4;

/// The unit with words before its first message of a user: no two of a pass bear the same.
pub fn renew(mut unit: Unit, pass: u64, k: u64) -> Unit {
    let words = words(pass, k);
    if let Some(turn) = unit.turns.first_mut() {
        turn.prompt_tokens = None;
        match &mut turn.body {
            Body::Text(text) => text.insert_str(0, &words),
            Body::Messages(messages) => {
                let user = messages.iter().position(|message| message.role == "user").unwrap_or(0);
                if let Some(message) = messages.get_mut(user) {
                    put_before(message, &words);
                }
            }
        }
    }
    unit
}

fn put_before(message: &mut Message, words: &str) {
    match &mut message.content {
        Content::Text(text) => text.insert_str(0, words),
        Content::Json(Value::Array(parts)) => parts.insert(0, json!({"type": "text", "text": words})),
        Content::Json(_) => {}
    }
}

/// The digits of a number in words, the lowest first, so that prompts that follow each other part at once. Within a
/// pass numbers follow each other, and passes begin far apart.
fn words(pass: u64, k: u64) -> String {
    // Called for each request while a load is played: the list is cut into its words once.
    static ALL: LazyLock<Vec<&'static str>> = LazyLock::new(|| common().collect());
    let all = &*ALL;
    let mut rest = seed_of(0, Purpose::Nonce, pass, 0).wrapping_add(k);
    let base = all.len() as u64;
    let digit = |_| {
        let word = all.get((rest % base) as usize).copied().unwrap_or_default();
        rest /= base;
        word
    };
    let words: Vec<&str> = (0..WORDS).map(digit).collect();
    format!("{}. ", words.join(" "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_requests_bear_the_same_words_and_neighbours_part_at_the_first() {
        let all: HashSet<String> = (0..8).flat_map(|pass| (0..20_000).map(move |k| words(pass, k))).collect();
        assert_eq!(all.len(), 160_000);
        assert_ne!(words(1, 5).split(' ').next(), words(1, 6).split(' ').next());
        assert_eq!(words(3, 9), words(3, 9));
    }

    #[test]
    fn words_stand_before_what_the_user_says_first() {
        let with = |body: Body| {
            let mut unit = Unit::single("a", "", 1);
            unit.turns[0].body = body;
            renew(unit, 1, 0).turns.remove(0).body
        };
        let nonce = words(1, 0);
        assert_eq!(with(Body::Text("Say x.".into())), Body::Text(format!("{nonce}Say x.")));
        let said = [Message::text("system", "Be brief."), Message::text("user", "Say x.")];
        let Body::Messages(messages) = with(Body::Messages(said.to_vec())) else { panic!("a text") };
        assert_eq!(messages[0], said[0]);
        assert_eq!(messages[1].content.text().unwrap(), format!("{nonce}Say x."));
        let parts = json!([{"type": "image_url", "image_url": {"url": "data:,"}}]);
        let picture = Message { content: Content::Json(parts.clone()), ..said[1].clone() };
        let Body::Messages(messages) = with(Body::Messages(vec![picture])) else { panic!("a text") };
        let Content::Json(now) = &messages[0].content else { panic!("a text") };
        assert_eq!((&now[0]["text"], &now[1]), (&json!(nonce), &parts[0]));
    }
}
