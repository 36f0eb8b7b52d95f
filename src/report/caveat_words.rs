//! Phrases of the doubts: numbers with their nouns, and sentences that are made up of parts.

use std::collections::BTreeMap;

use super::number::{NONE, compact, count};
use crate::schema::caveat::{GpuEnergyDoubt, ImpossibleCount};
use crate::schema::figure;
use crate::schema::gateway::Gateway;
use crate::schema::report_settings::{TtftOf, WindowOf};
use crate::schema::token_counts::CountFault;

/// Counter and integral of energy tell two things.
pub fn energy_unsure(gpu: u32, why: GpuEnergyDoubt) -> String {
    match why {
        GpuEnergyDoubt::CounterWentBack => format!(
            "The counter of energy of GPU {gpu} went back while the load ran, as when a driver is loaded again: its \
             energy is the integral of the sampled power alone."
        ),
        GpuEnergyDoubt::Differ { counter_j, integral_j } => format!(
            "The energy of GPU {gpu} is not sure: {} J by its counter, {} J by the sampled power. A longer run, or \
             --gpu-interval 100ms, tells which.",
            compact(counter_j),
            compact(integral_j)
        ),
    }
}

/// `a 1, b 2`
pub fn listed<T>(by_label: &BTreeMap<String, T>, show: impl Fn(&T) -> String) -> String {
    by_label.iter().map(|(label, value)| format!("{label} {}", show(value))).collect::<Vec<_>>().join(", ")
}

/// `between 1.65 and 20 ms`; none without a bound.
pub fn pace_bounds(low_ms: Option<f64>, high_ms: Option<f64>) -> Option<String> {
    match (low_ms, high_ms) {
        (Some(low), Some(high)) => Some(format!("between {} and {} ms", compact(low), compact(high))),
        (Some(bound), None) | (None, Some(bound)) => Some(format!("about {} ms", compact(bound))),
        (None, None) => None,
    }
}

/// `64 tokens, none shown, in 4 of 4 answers`; the tokens are those of one answer on average.
pub fn nothing_shown(answers: u64, completed: u64, tokens: u64) -> String {
    let tokens = match (tokens as f64 / answers.max(1) as f64).round() as u64 {
        0 => "no token".to_owned(),
        1 => "1 token, not shown,".to_owned(),
        many => format!("{} tokens, none shown,", count(many)),
    };
    format!("{tokens} in {} of {} answers", count(answers), count(completed))
}

/// `the whole answer at one time in 4 of 4 answers`.
pub fn held_back(whole: u64, answers: u64, together_pct: f64) -> String {
    let together =
        || format!("{} of the token events came together with the one before", percent(together_pct));
    match whole {
        0 => together(),
        _ => format!("the whole answer at one time in {} of {} answers", count(whole), count(answers)),
    }
}

/// Who holds tokens back.
pub fn sender(gateway: Option<Gateway>) -> String {
    match gateway {
        Some(gateway) => format!("The server, or {} before it, sends tokens together", gateway.title()),
        None => "The server, or a proxy before it, sends tokens together".to_owned(),
    }
}

/// `6,400 tokens told, 3 events, max_tokens 64`.
pub fn impossible(count_told: &ImpossibleCount) -> String {
    let ImpossibleCount { fault, told, events, max_tokens } = count_told;
    let (told, events) = (tokens_of(*told), events_of(u64::from(*events)));
    match fault {
        CountFault::NoNumber => format!("no whole number, or one below 0, beside {events}"),
        CountFault::Zero => format!("{told} told, {events}"),
        CountFault::AboveLimit => {
            format!("{told} told, {events}, max_tokens {}", count(u64::from(*max_tokens)))
        }
        CountFault::AgainstEvents => {
            format!("{told} told at the end, another number by {events}")
        }
        CountFault::OfGateway => {
            format!("{told} told by a gateway that counts itself, {events}")
        }
    }
}

/// `1 token`, `2 tokens`
fn tokens_of(number: u32) -> String {
    if number == 1 { "1 token".to_owned() } else { format!("{} tokens", count(u64::from(number))) }
}

/// `TTFT` of `ttft_ms`.
pub fn metric_title(name: &str) -> &str {
    figure::metric(name).map_or(name, |metric| metric.title)
}

/// `12 %`
pub fn percent(value: f64) -> String {
    if value.is_finite() { format!("{} %", compact(value)) } else { NONE.to_owned() }
}

/// `1 answer`, `2 answers`
pub fn answers_of(number: u64) -> String {
    if number == 1 { "1 answer".to_owned() } else { format!("{} answers", count(number)) }
}

/// `1 answer is`, `2 answers are`
pub fn answers_are(number: u64) -> String {
    format!("{} {}", answers_of(number), if number == 1 { "is" } else { "are" })
}

/// `1 event`, `2 events`
pub fn events_of(number: u64) -> String {
    if number == 1 { "1 event".to_owned() } else { format!("{} events", count(number)) }
}

/// What did not come, where each sign is missing in so many answers.
pub fn missing_signs(done_marker: u64, finish_reason: u64) -> String {
    let times =
        |number: u64, what: &str| (number > 0).then(|| format!("no {what} in {}", answers_of(number)));
    let all = [times(done_marker, "[DONE]"), times(finish_reason, "finish reason")];
    all.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

/// `1 request`, `2 requests`
pub fn requests_of(number: u64) -> String {
    if number == 1 { "1 request".to_owned() } else { format!("{} requests", count(number)) }
}

/// `3 tokens more`, `1 token fewer`.
pub fn tokens_off(more: i64) -> String {
    let tokens = if more.abs() == 1 { "token" } else { "tokens" };
    format!("{} {tokens} {}", more.abs(), if more < 0 { "fewer" } else { "more" })
}

/// `Made otherwise than usual: of each run 10 s to 60 s; TTFT is first_event − sent.`
pub fn made_otherwise(window: WindowOf, ttft: TtftOf) -> String {
    let window = (window != WindowOf::Whole).then(|| format!("of each run {window}"));
    let ttft = (ttft != TtftOf::FirstToken).then(|| format!("TTFT is {}", ttft.formula()));
    let parts: Vec<String> = [window, ttft].into_iter().flatten().collect();
    format!("Made otherwise than usual: {}.", parts.join("; "))
}
