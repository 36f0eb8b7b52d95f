//! What is believed of a request's token counts: what the server told, held against the events that came.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::{RequestRecord, TokenSource};

/// Tokens behind the last event that may be told and never shown: a stop text, the end of a tool call.
const TAIL_TOKENS: u32 = 4;
/// A count so many times `max_tokens` is no hidden reasoning any more.
const LIMIT_TIMES: u32 = 10;
/// A gateway's own count may differ from the events by so much, %, before it is doubted.
const GATEWAY_PCT: u32 = 10;

/// Why a count that was told is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountFault {
    /// It is no number of tokens: negative, a fraction, a text.
    NoNumber,
    /// 0 tokens, though token events came.
    Zero,
    /// Many times the tokens that `max_tokens` allows, and the events say another number.
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
    /// The part of `delivered` that was shown: without the reasoning, where the events say that it is hidden.
    pub shown: Option<u32>,
    /// Tokens told beyond those that the events carry, hidden reasoning left out; none where fewer were told.
    pub beyond_events: Option<u32>,
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
        let in_events = self.chunks.tokens();
        let may_hide_end = self.ended_by_model() && !self.forced_length;
        let mut counts = Counts {
            prompt: told.prompt.filter(|prompt| *prompt > 0),
            output: told.output,
            delivered: told.delivered,
            shown: told.delivered,
            beyond_events: None,
            in_events,
            source: told.source,
            fault: None,
            may_hide_end,
        };
        let (TokenSource::Usage, Some(output)) = (told.source, told.output) else {
            counts.fault = told.unusable.then_some(CountFault::NoNumber);
            return counts;
        };
        if self.came_whole() {
            // No event shows what of the count was shown, but that something was.
            if output == 0 {
                (counts.output, counts.delivered, counts.shown) = (None, None, None);
                counts.fault = Some(CountFault::Zero);
            }
            return counts;
        }
        counts.fault = self.fault(output, in_events, may_hide_end);
        if let Some(fault) = counts.fault {
            let estimate = match fault {
                // The events' own counts are no better than their sum.
                CountFault::AboveLimit => self.events(),
                CountFault::NoNumber | CountFault::Zero | CountFault::OfGateway => in_events,
                CountFault::AgainstEvents => in_events.max(self.events()),
            };
            counts.output = Some(estimate);
            counts.delivered = Some(estimate);
            counts.shown = Some(estimate);
            counts.source = TokenSource::Chunks;
        } else {
            let by_word = output.saturating_sub(told.delivered.unwrap_or(output)).min(1);
            let hidden_end = |of: u32| hidden_end(told.by_event, of, in_events, may_hide_end, by_word);
            // Reasoning that is told, where the events are nearer to the rest than to all, is hidden.
            let rest = output.saturating_sub(told.reasoning.unwrap_or(0));
            let far = |of: u32| in_events.abs_diff(of - hidden_end(of));
            let visible = if far(rest) < far(output) { rest } else { output };
            counts.delivered = Some(output - hidden_end(visible));
            counts.shown = Some(visible - hidden_end(visible));
            counts.beyond_events = visible.checked_sub(in_events);
        }
        counts
    }

    /// It came in one piece, as was asked for: nothing is known of when its tokens came.
    pub fn came_whole(&self) -> bool {
        self.first_token_us.is_none() && !self.chunks.is_empty()
    }

    /// The model, and no limit, ended the answer, as far as the server says.
    fn ended_by_model(&self) -> bool {
        let by_limit =
            ["length", "limit", "max_tokens", "max_output_tokens", "content_filter", "abort", "error"];
        let is = |word: &str| by_limit.iter().any(|limit| word.eq_ignore_ascii_case(limit));
        self.finish_reason.as_deref().is_none_or(|word| !is(word))
    }

    /// Token events.
    fn events(&self) -> u32 {
        u32::try_from(self.chunks.len()).unwrap_or(u32::MAX)
    }

    /// The count of each event is that event's own, and not that of the answer so far: none adds to the first, and all
    /// together would be fewer tokens than events.
    fn counts_each_event_alone(&self, told: u32) -> bool {
        let events = self.chunks.len();
        let adds_none = || self.chunks.iter().skip(1).all(|chunk| chunk.tokens == 0);
        events > 2 && (told as usize) < events && self.chunks.of_one_token() <= 1 && adds_none()
    }

    fn fault(&self, told: u32, in_events: u32, may_hide_end: bool) -> Option<CountFault> {
        let most = self.max_tokens.saturating_mul(LIMIT_TIMES);
        let beyond = self.max_tokens > 0 && told.saturating_sub(self.tokens.reasoning.unwrap_or(0)) > most;
        if self.chunks.is_empty() {
            return beyond.then_some(CountFault::AboveLimit);
        }
        let hides_end = may_hide_end && told == in_events.saturating_add(1);
        let differs = told != in_events && !hides_end;
        let tail = TAIL_TOKENS.max(in_events / 10);
        if told == 0 {
            Some(CountFault::Zero)
        } else if self.tokens.by_event
            && (told < in_events || told - in_events > tail || self.counts_each_event_alone(told))
        {
            Some(CountFault::AgainstEvents)
        } else if differs && beyond && self.events() <= self.max_tokens {
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

/// Tokens of a count that come after the last event. The events decide where they can: where they agree with the
/// count nothing is hidden, where one more was told of an answer that the model ended it is the end of sequence. Else
/// the engine's definition decides, by whose word the record was written.
fn hidden_end(by_event: bool, output: u32, in_events: u32, may_hide_end: bool, by_word: u32) -> u32 {
    let by_word = by_word.min(output);
    match output.checked_sub(in_events) {
        _ if in_events == 0 => {
            if may_hide_end {
                by_word
            } else {
                0
            }
        }
        Some(0) => 0,
        Some(beyond) if by_event => beyond,
        Some(1) if may_hide_end => 1,
        Some(_) | None => by_word,
    }
}
