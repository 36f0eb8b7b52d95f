//! Token counts: totals of completed requests, where they come from, and whether chunks agree with them.

use std::collections::BTreeMap;

use crate::schema::record::{RequestRecord, TokenSource};
use crate::schema::summary::{PROMPT_IDS_KEPT, TokenTotals};

/// Chunks' tokens may differ from delivered tokens by so much, %, before what rests on chunks is withheld.
const CHUNK_DIFFERENCE_PCT: f64 = 1.0;

/// Token counts of completed requests.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) totals: TokenTotals,
    /// Chunks by the tokens that they carried.
    pub(super) per_chunk: BTreeMap<u32, u64>,
    without_prompt: u64,
    without_output: u64,
    chunk_difference: u64,
    prompt_by_id: BTreeMap<String, (u64, u64)>,
}

impl Tokens {
    /// Adds a completed request.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let tokens = &record.tokens;
        self.add_prompt(record);
        self.totals.cached += u64::from(tokens.cached.unwrap_or(0));
        match tokens.output {
            Some(output) => {
                self.totals.output += u64::from(output);
                *self.totals.sources.entry(tokens.source).or_default() += 1;
            }
            None => self.without_output += 1,
        }
        let mut in_chunks = 0;
        for chunk in record.chunks.iter() {
            in_chunks += u64::from(chunk.tokens);
            *self.per_chunk.entry(chunk.tokens).or_default() += 1;
        }
        if let Some(delivered) = tokens.delivered {
            self.totals.delivered += u64::from(delivered);
            self.chunk_difference += in_chunks.abs_diff(u64::from(delivered));
        }
    }

    fn add_prompt(&mut self, record: &RequestRecord) {
        let Some(prompt) = record.tokens.prompt else {
            self.without_prompt += 1;
            return;
        };
        self.totals.prompt += u64::from(prompt);
        if let Some((sum, count)) = self.kept(&record.prompt_id) {
            *sum += u64::from(prompt);
            *count += 1;
        }
    }

    /// The place of an id among those that are kept; none where it comes after them all. An id that once had
    /// to go never comes back, since only smaller ones came after it: each that stays has all its requests.
    fn kept(&mut self, id: &str) -> Option<&mut (u64, u64)> {
        if !self.prompt_by_id.contains_key(id) {
            if self.prompt_by_id.len() == PROMPT_IDS_KEPT {
                let last = self.prompt_by_id.last_entry()?;
                if last.key().as_str() < id {
                    return None;
                }
                last.remove();
            }
            self.prompt_by_id.insert(id.to_owned(), (0, 0));
        }
        self.prompt_by_id.get_mut(id)
    }

    /// Prompt tokens, where every completed request has a count: a sum over some would be too low.
    pub(super) fn prompt(&self) -> Option<u64> {
        (self.without_prompt == 0).then_some(self.totals.prompt)
    }

    /// Output tokens, where every completed request has a count.
    pub(super) fn output(&self) -> Option<u64> {
        (self.without_output == 0).then_some(self.totals.output)
    }

    /// Completed requests whose output was estimated from chunks.
    pub(super) fn estimated(&self) -> u64 {
        self.totals.sources.get(&TokenSource::Chunks).copied().unwrap_or(0)
    }

    /// The differences between chunks' tokens and delivered tokens, summed over requests, as % of
    /// delivered; only where it is above 1 %.
    pub(super) fn chunk_difference_pct(&self) -> Option<f64> {
        let percent = 100.0 * self.chunk_difference as f64 / self.totals.delivered.max(1) as f64;
        (percent > CHUNK_DIFFERENCE_PCT).then_some(percent)
    }

    /// Mean prompt tokens by dataset entry, rounded; of the first [`PROMPT_IDS_KEPT`] ids.
    pub(super) fn prompt_by_id(&self) -> BTreeMap<String, u32> {
        let mean = |(sum, count): (u64, u64)| (sum as f64 / count as f64).round() as u32;
        self.prompt_by_id.iter().map(|(id, both)| (id.clone(), mean(*both))).collect()
    }
}
