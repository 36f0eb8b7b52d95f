//! Token counts: totals of completed requests, where they come from, and whether chunks agree with them.

use std::collections::BTreeMap;

use crate::schema::caveat::{Caveat, ImpossibleCount};
use crate::schema::gateway::Gateway;
use crate::schema::record::{Chunks, RequestRecord, TokenSource};
use crate::schema::summary::{EndOfSequence, EndShownBy, TokenTotals};
use crate::schema::token_counts::Counts;

use super::percent_of;
use super::prompts::PromptTokens;

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
    prompt_by_id: PromptTokens,
    ends: Ends,
    oddities: Oddities,
}

/// Answers that the model ended and the server counted, by what their events say of the end of sequence.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// One token more was counted than came.
    hidden: u64,
    /// As many.
    shown: u64,
    /// Neither; `by_word` of them have one taken off by the engine's definition.
    unclear: u64,
    by_word: u64,
}

/// Answers with something wrong about their counts.
#[derive(Debug, Default)]
struct Oddities {
    completed: u64,
    impossible: u64,
    worst: Option<ImpossibleCount>,
    longer: u64,
    /// The most tokens beyond `max_tokens`, the tokens, `max_tokens`.
    longest: (u32, u32, u32),
    silent: u64,
    silent_tokens: u64,
    whole: u64,
}

impl Tokens {
    /// Adds a completed request. From the unit `renewed_from` on prompts are not the dataset's own.
    pub(super) fn add(&mut self, record: &RequestRecord, counts: &Counts, renewed_from: Option<u64>) {
        self.add_prompt(record, counts, renewed_from);
        self.totals.cached += u64::from(record.tokens.cached.unwrap_or(0));
        match counts.output {
            Some(output) => {
                self.totals.output += u64::from(output);
                *self.totals.sources.entry(counts.source).or_default() += 1;
            }
            None => self.without_output += 1,
        }
        self.add_per_chunk(&record.chunks);
        if let Some(delivered) = counts.delivered {
            self.totals.delivered += u64::from(delivered);
            let shown = counts.shown.unwrap_or(delivered);
            if !record.came_whole() {
                self.chunk_difference += u64::from(counts.in_events.abs_diff(shown));
            }
        }
        self.ends.add(record, counts);
        self.oddities.add(record, counts);
    }

    fn add_per_chunk(&mut self, chunks: &Chunks) {
        let of_one = u64::from(chunks.of_one_token());
        if of_one > 0 {
            *self.per_chunk.entry(1).or_default() += of_one;
        }
        if of_one < chunks.len() as u64 {
            for chunk in chunks.iter().filter(|chunk| chunk.tokens != 1) {
                *self.per_chunk.entry(chunk.tokens).or_default() += 1;
            }
        }
    }

    /// Adds the requests of another.
    pub(super) fn merge(&mut self, other: Tokens) {
        let TokenTotals { prompt, output, delivered, cached, sources, end_of_sequence: _ } = other.totals;
        self.totals.prompt += prompt;
        self.totals.output += output;
        self.totals.delivered += delivered;
        self.totals.cached += cached;
        for (source, requests) in sources {
            *self.totals.sources.entry(source).or_default() += requests;
        }
        for (tokens, chunks) in other.per_chunk {
            *self.per_chunk.entry(tokens).or_default() += chunks;
        }
        self.without_prompt += other.without_prompt;
        self.without_output += other.without_output;
        self.chunk_difference += other.chunk_difference;
        self.prompt_by_id.merge(other.prompt_by_id);
        self.ends.merge(&other.ends);
        self.oddities.merge(other.oddities);
    }

    fn add_prompt(&mut self, record: &RequestRecord, counts: &Counts, renewed_from: Option<u64>) {
        let Some(prompt) = counts.prompt else {
            self.without_prompt += 1;
            return;
        };
        self.totals.prompt += u64::from(prompt);
        if renewed_from.is_none_or(|from| record.unit < from) {
            self.prompt_by_id.add(&record.prompt_id, u64::from(prompt), 1);
        }
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
        let percent = percent_of(self.chunk_difference, self.totals.delivered);
        (percent > CHUNK_DIFFERENCE_PCT).then_some(percent)
    }

    /// Mean prompt tokens by dataset entry, rounded; of the first ids in order of the alphabet.
    pub(super) fn prompt_by_id(&self) -> BTreeMap<String, u32> {
        self.prompt_by_id.means()
    }

    /// What the run says of the end of sequence.
    pub(super) fn end_of_sequence(&self) -> Option<EndOfSequence> {
        self.ends.found()
    }

    /// Answers that say of their end what the run as a whole does not: each has a token in doubt.
    pub(super) fn contrary_ends(&self) -> u64 {
        self.ends.contrary()
    }

    /// Counts that cannot be, answers that are too long, and those without any token.
    pub(super) fn caveats(&self, gateway: Option<Gateway>) -> impl Iterator<Item = Caveat> {
        self.oddities.caveats(gateway)
    }
}

impl Ends {
    /// Answers that say of their end what most do not: each has a token in doubt.
    pub(super) fn contrary(&self) -> u64 {
        self.hidden.min(self.shown)
    }

    pub(super) fn add(&mut self, record: &RequestRecord, counts: &Counts) {
        let (true, TokenSource::Usage, Some(output)) = (counts.may_hide_end, counts.source, counts.output)
        else {
            return;
        };
        if record.chunks.is_empty() {
            return;
        }
        match counts.beyond_events {
            // At its limit it ended before an end could come.
            Some(0) if record.max_tokens > 0 && output >= record.max_tokens => {}
            Some(0) => self.shown += 1,
            Some(1) => self.hidden += 1,
            Some(_) | None => {
                self.unclear += 1;
                self.by_word += u64::from(counts.delivered.is_some_and(|delivered| delivered < output));
            }
        }
    }

    fn merge(&mut self, other: &Ends) {
        self.hidden += other.hidden;
        self.shown += other.shown;
        self.unclear += other.unclear;
        self.by_word += other.by_word;
    }

    fn found(&self) -> Option<EndOfSequence> {
        let answers = self.hidden + self.shown + self.unclear;
        let by_run = self.hidden + self.shown > 0;
        let hidden = if by_run { self.hidden > self.shown } else { self.by_word > 0 };
        let by = if by_run { EndShownBy::Run } else { EndShownBy::Definition };
        (answers > 0).then_some(EndOfSequence { hidden, by, answers })
    }
}

impl Oddities {
    fn add(&mut self, record: &RequestRecord, counts: &Counts) {
        self.completed += 1;
        if let Some(fault) = counts.fault {
            let told = record.tokens.output.unwrap_or(0);
            self.impossible += 1;
            let events = u32::try_from(record.chunks.len()).unwrap_or(u32::MAX);
            let count = ImpossibleCount { fault, told, events, max_tokens: record.max_tokens };
            self.worst = self.worst.max(Some(count));
        }
        let output = counts.output.unwrap_or(0);
        // Reasoning that a server tells apart may have a limit of its own.
        let limited = output.saturating_sub(record.tokens.reasoning.unwrap_or(0));
        if record.max_tokens > 0 && limited > record.max_tokens {
            self.longer += 1;
            let beyond = (limited - record.max_tokens, limited, record.max_tokens);
            self.longest = self.longest.max(beyond);
        }
        self.whole += u64::from(record.came_whole());
        if record.chunks.is_empty() {
            self.silent += 1;
            self.silent_tokens += u64::from(output);
        }
    }

    fn merge(&mut self, other: Oddities) {
        self.completed += other.completed;
        self.impossible += other.impossible;
        self.worst = self.worst.max(other.worst);
        self.longer += other.longer;
        self.longest = self.longest.max(other.longest);
        self.silent += other.silent;
        self.silent_tokens += other.silent_tokens;
        self.whole += other.whole;
    }

    fn caveats(&self, gateway: Option<Gateway>) -> impl Iterator<Item = Caveat> + use<> {
        let completed = self.completed;
        let impossible = self.worst.map(|worst| Caveat::CountsImpossible {
            requests: self.impossible,
            completed,
            worst,
            gateway,
        });
        let (_, longest, asked) = self.longest;
        let longer = (self.longer > 0).then_some(Caveat::LongerThanAsked {
            requests: self.longer,
            completed,
            longest,
            asked,
        });
        let silent = (self.silent > 0).then_some(Caveat::NoLatency {
            answers: self.silent,
            completed,
            tokens: self.silent_tokens,
        });
        let whole = (self.whole > 0).then_some(Caveat::AskedWhole { answers: self.whole });
        [whole, silent, impossible, longer].into_iter().flatten()
    }
}
