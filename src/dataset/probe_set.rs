//! The probe set: fixed prompts that show how a server counts tokens and what it answers greedily.

use crate::schema::unit::{Body, Message, Turn, Unit};

/// Output limit of the prompts whose completion is held against other servers', tokens.
const COMPLETION_TOKENS: u32 = 16;

/// Prompts on which tokenizers and templates part: long words, digits, CJK; a system message; code that begins
/// with blanks, which some templates cut off; plain English. The counts come first, one output token each, then the
/// two completions of 16 tokens: a slow server then gives its counts at least.
pub fn probe_set() -> Vec<Unit> {
    vec![
        Unit::single(
            "long words",
            "Electroencephalographically, antidisestablishmentarianism institutionalised counterrevolutionaries.",
            1,
        ),
        Unit::single(
            "digits",
            "Add 3.14159265358979, 1,000,007 and 0x7ffe; the date is 2026-11-28 09:41:07.",
            1,
        ),
        Unit::single("CJK", "推理服务器处理请求的速度有多快？東京の天気は今日も晴れです。", 1),
        Unit { turns: vec![with_system()], ..Unit::single("system", "", 1) },
        Unit::single(
            "code",
            "    def mean(values):\n        return sum(values) / len(values)\n\n\tprint(mean([1, 2, 3]))",
            COMPLETION_TOKENS,
        ),
        Unit::single("plain", "Name the four seasons of the year in order.", COMPLETION_TOKENS),
    ]
}

fn with_system() -> Turn {
    let messages =
        vec![Message::text("system", "Answer in one word."), Message::text("user", "Is the sea salty?")];
    Turn { body: Body::Messages(messages), max_tokens: 1, pause_s: 0.0, prompt_tokens: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_set_is_small() {
        let set = probe_set();
        let tokens: u32 = set.iter().flat_map(|unit| &unit.turns).map(|turn| turn.max_tokens).sum();
        assert!(set.len() <= 6 && tokens <= 40, "{} requests, {tokens} tokens", set.len());
    }
}
