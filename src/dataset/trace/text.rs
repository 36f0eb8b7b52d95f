//! The prompt of a row: text of its length, with the parts that it shares with other rows.

use std::collections::HashMap;

use crate::dataset::texts::TextMaker;
use crate::schema::seeds::finalised;
use crate::schema::trace::TraceRow;

/// What makes the texts of a pass their own.
pub(super) fn salt(seed: u64, pass: u64) -> u64 {
    finalised(seed ^ finalised(pass))
}

/// How long the parts of prompts are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parts {
    /// Rows share nothing.
    None,
    /// Blocks of so many tokens; the last one of a row holds what is left.
    Blocks(u32),
    /// Components, tokens by id.
    Components(HashMap<u64, u32>),
}

impl Parts {
    /// Components whose lengths nobody tells: each is as long as all those of a row, if they were equal, at least
    /// would be. So no row is shorter than its components.
    pub(super) fn components(rows: &[TraceRow]) -> Parts {
        let mut lengths: HashMap<u64, u32> = HashMap::new();
        for row in rows.iter().filter(|row| !row.blocks.is_empty()) {
            let equal = row.input_tokens / row.blocks.len() as u32;
            for id in &row.blocks {
                lengths.entry(*id).and_modify(|length| *length = equal.min(*length)).or_insert(equal);
            }
        }
        Parts::Components(lengths)
    }

    /// A row's parts: tokens and seed of each. They add up to its length.
    fn of(&self, row: &TraceRow, salt: u64) -> Vec<(u32, u64)> {
        let mut left = row.input_tokens.max(1);
        let mut parts = Vec::with_capacity(row.blocks.len() + 1);
        let length = |id: &u64| match self {
            Parts::None => 0,
            Parts::Blocks(tokens) => *tokens,
            Parts::Components(lengths) => lengths.get(id).copied().unwrap_or(0),
        };
        for id in &row.blocks {
            let tokens = length(id).min(left);
            left -= tokens;
            if tokens > 0 {
                parts.push((tokens, finalised(*id ^ salt)));
            }
        }
        if left > 0 {
            parts.push((left, finalised(!u64::from(row.index) ^ salt)));
        }
        parts
    }

    /// A row's prompt.
    pub(super) fn prompt(&self, row: &TraceRow, maker: &TextMaker, salt: u64) -> String {
        let mut text = String::with_capacity(row.input_tokens as usize * 7 + 16);
        for (tokens, seed) in self.of(row, salt) {
            maker.extend(&mut text, seed, tokens);
        }
        text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(index: u32, input_tokens: u32, blocks: &[u64]) -> TraceRow {
        TraceRow { index, input_tokens, blocks: blocks.into(), output_tokens: 1, ..TraceRow::default() }
    }

    fn words(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    fn shared(a: &str, b: &str) -> usize {
        words(a).iter().zip(words(b)).take_while(|(a, b)| **a == *b).count()
    }

    #[test]
    fn rows_with_the_same_blocks_share_as_many_tokens_and_no_more() {
        let parts = Parts::Blocks(512);
        let first = parts.prompt(&row(0, 1_300, &[0, 1, 2]), &TextMaker::estimate(), 0);
        let second = parts.prompt(&row(1, 1_600, &[0, 1, 3, 4]), &TextMaker::estimate(), 0);
        assert_eq!((words(&first).len(), words(&second).len()), (1_300, 1_600));
        let same = shared(&first, &second);
        assert!((1_024..1_028).contains(&same), "{same}: two blocks, and chance");
        let cut = parts.prompt(&row(2, 100, &[0, 1, 2]), &TextMaker::estimate(), 0);
        assert_eq!((words(&cut).len(), shared(&first, &cut)), (100, 100));
        let alone = (
            Parts::None.prompt(&row(3, 50, &[]), &TextMaker::estimate(), 0),
            Parts::None.prompt(&row(4, 50, &[]), &TextMaker::estimate(), 0),
        );
        assert!(shared(&alone.0, &alone.1) < 4);
    }

    #[test]
    fn components_are_the_same_text_in_every_row_and_fit_into_each() {
        let rows = [row(0, 90, &[7, 8, 9]), row(1, 40, &[7, 10]), row(2, 200, &[])];
        let parts = Parts::components(&rows);
        let prompts = rows.each_ref().map(|row| parts.prompt(row, &TextMaker::estimate(), 0));
        assert_eq!(prompts.each_ref().map(|prompt| words(prompt).len()), [90, 40, 200]);
        assert!((20..24).contains(&shared(&prompts[0], &prompts[1])));
    }
}
