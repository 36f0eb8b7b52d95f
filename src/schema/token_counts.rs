//! What is believed of a request's token counts: what the server told, held against the events that came.

use serde::{Deserialize, Serialize};

use super::record::{RequestRecord, TokenCounts, TokenSource};

/// Tokens behind the last event that may be told and never shown: a stop text, the end of a tool call.
const TAIL_TOKENS: u32 = 4;
/// A gateway's own count may differ from the events by so much, %, before it is doubted.
const GATEWAY_PCT: u32 = 10;

/// Why a count that was told is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountFault {
    /// 0 tokens, though token events came.
    Zero,
    /// More tokens than `max_tokens` allows, and the events say another number.
    AboveLimit,
    /// Another number than the events' own counts add up to.
    AgainstEvents,
    /// A gateway counts by itself where its upstream does not, and the events say another number.
    OfGateway,
}

/// Token counts of one request as they are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Prompt tokens. 0 is no count: a prompt has at least one.
    pub prompt: Option<u32>,
    /// Output tokens: what throughput counts.
    pub output: Option<u32>,
    /// Output tokens up to the last token event: `output` less an end of sequence that is counted and not shown.
    pub delivered: Option<u32>,
    /// Tokens that the events carry; 1 each where nobody says.
    pub in_events: u32,
    /// Where `output` comes from.
    pub source: TokenSource,
    /// Why the count that was told is not believed.
    pub fault: Option<CountFault>,
    /// The model ended the answer, so that an end of sequence may be among the tokens told.
    pub may_hide_end: bool,
}

impl RequestRecord {
    /// What is believed of its token counts.
    pub fn counts(&self) -> Counts {
        let told = &self.tokens;
        let in_events = self.chunks.iter().fold(0u32, |sum, chunk| sum.saturating_add(chunk.tokens));
        let may_hide_end = self.ended_by_model() && !self.forced_length;
        let mut counts = Counts {
            prompt: told.prompt.filter(|prompt| *prompt > 0),
            output: told.output,
            delivered: told.delivered,
            in_events,
            source: told.source,
            fault: None,
            may_hide_end,
        };
        let (TokenSource::Usage, Some(output)) = (told.source, told.output) else { return counts };
        counts.fault = self.fault(output, in_events, may_hide_end);
        if let Some(fault) = counts.fault {
            let estimate = match fault {
                // The events' own counts are no better than their sum.
                CountFault::AboveLimit => self.events(),
                CountFault::Zero | CountFault::OfGateway => in_events,
                CountFault::AgainstEvents => in_events.max(self.events()),
            };
            counts.output = Some(estimate);
            counts.delivered = Some(estimate);
            counts.source = TokenSource::Chunks;
        } else {
            counts.delivered = Some(delivered(told, output, in_events, may_hide_end));
        }
        counts
    }

    /// The model, and no limit, ended the answer.
    fn ended_by_model(&self) -> bool {
        let by_limit = ["length", "max_tokens", "max_output_tokens", "content_filter", "abort", "error"];
        self.finish_reason.as_deref().is_some_and(|word| !by_limit.contains(&word))
    }

    /// Token events.
    fn events(&self) -> u32 {
        u32::try_from(self.chunks.len()).unwrap_or(u32::MAX)
    }

    fn fault(&self, told: u32, in_events: u32, may_hide_end: bool) -> Option<CountFault> {
        if self.chunks.is_empty() {
            return (self.max_tokens > 0 && told > self.max_tokens).then_some(CountFault::AboveLimit);
        }
        let hides_end = may_hide_end && told == in_events.saturating_add(1);
        let differs = told != in_events && !hides_end;
        let tail = TAIL_TOKENS.max(in_events / 10);
        if told == 0 {
            Some(CountFault::Zero)
        } else if self.tokens.by_event && (told < in_events || told - in_events > tail) {
            Some(CountFault::AgainstEvents)
        } else if differs && self.max_tokens > 0 && told > self.max_tokens && self.events() <= self.max_tokens
        {
            Some(CountFault::AboveLimit)
        } else if !self.tokens.by_event
            && differs
            && self.gateway.is_some_and(|gateway| gateway.counts_itself())
            && u64::from(told.abs_diff(in_events)) * 100 > u64::from(in_events) * u64::from(GATEWAY_PCT)
        {
            Some(CountFault::OfGateway)
        } else {
            None
        }
    }
}

/// Tokens up to the last event. The events decide where they can: where they agree with what was told nothing is
/// hidden, where one more was told of an answer that the model ended it is the end of sequence. Else the engine's
/// convention decides, by which the record was written.
fn delivered(told: &TokenCounts, output: u32, in_events: u32, may_hide_end: bool) -> u32 {
    let by_convention = output.saturating_sub(told.delivered.unwrap_or(output)).min(1);
    match output.checked_sub(in_events) {
        _ if in_events == 0 => output - u32::from(may_hide_end).min(by_convention).min(output),
        Some(0) => output,
        Some(_) if told.by_event => in_events,
        Some(1) if may_hide_end => in_events,
        Some(_) | None => output - by_convention.min(output),
    }
}
