//! Rows of the levelling table that the runs show: caches, what stands before a server, and how it works.

use std::collections::BTreeSet;

use crate::schema::fairness::row;
use crate::schema::gateway::Gateway;

use crate::analysis::caveats::cached_pct;
use crate::analysis::side::takes_part;

use super::answers;
use super::facts::{Check, Facts, Held};
use super::prompts;

/// What the servers' answers are levelled in.
pub(super) const OBSERVED: [Check; 10] = [
    Check { what: row::PROMPT_TOKENS, words: prompts::words, hold: prompts::hold, usual: None },
    Check {
        what: "greedy completion",
        words: answers::completion,
        hold: answers::completion_agreement,
        usual: None,
    },
    Check { what: row::OUTPUT_LENGTH, words: answers::length, hold: answers::lengths, usual: None },
    Check { what: row::PREFIX_CACHE, words: prefix_cache, hold: prefix_caches, usual: None },
    Check { what: row::COMPLETED, words: completed, hold: completions, usual: None },
    Check { what: row::NAGLE, words: nagle, hold: nagles, usual: None },
    Check { what: row::GATEWAY, words: gateway, hold: gateways, usual: None },
    Check { what: row::AT_ONCE, words: at_once, hold: at_onces, usual: None },
    Check { what: "client threads", words: threads, hold: |_, _| Held::level(), usual: Some(ONE_THREAD) },
    Check { what: row::SIMULATED, words: simulated, hold: simulations, usual: Some(REAL) },
];

/// Shares of prompt tokens from the prefix cache that differ by more are a caveat, and by more than the second forbid
/// a ratio between engines, percentage points.
const CACHED_POINTS: f64 = 1.0;
const CACHED_APART_POINTS: f64 = 10.0;
const REAL: &str = "no";
const ONE_THREAD: &str = "1";

/// Prompt tokens from the prefix cache, %, at most in one of its runs. A server that was launched without such a cache
/// and tells of none had none.
fn cached(facts: &Facts<'_>) -> Option<f64> {
    let tells = |run: &crate::schema::summary::RunSummary| {
        run.tokens.cached > 0 || run.server.as_ref().is_some_and(|server| server.cached_tokens.is_some())
    };
    if !facts.runs.iter().any(|run| tells(run)) {
        return (facts.is_launched() && !switched(facts)).then_some(0.0);
    }
    facts.runs.iter().filter_map(|run| cached_pct(run)).reduce(f64::max)
}

/// The client's own threads, which may be another number in each run: no work of the server's. `1` where nobody knows.
fn threads(facts: &Facts<'_>) -> Option<String> {
    let played: BTreeSet<u32> = facts.all.iter().map(|run| run.client.threads.max(1)).collect();
    Some(played.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
}

/// The user set the prefix cache otherwise than it is by default: off.
fn switched(facts: &Facts<'_>) -> bool {
    facts.overrides(|setting| setting == "prefix_cache").next().is_some()
}

fn prefix_cache(facts: &Facts<'_>) -> Option<String> {
    let own: Vec<&str> =
        facts.overrides(|setting| setting == "prefix_cache").map(|own| own.own.as_str()).collect();
    let set = match (facts.is_launched(), own.as_slice()) {
        (_, [_, ..]) => format!("{}, ", own.join(", ")),
        (true, []) => "off, ".to_owned(),
        (false, []) => String::new(),
    };
    match cached(facts) {
        Some(share) => Some(format!("{set}{share:.1} % hits")),
        None if set.is_empty() => None,
        None => Some(format!("{set}hits not told")),
    }
}

fn prefix_caches(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let (Some(own), Some(others)) = (cached(one), cached(other)) else {
        let who = if cached(one).is_none() { one } else { other };
        return Held::unknown(format!("{} does not tell its prefix cache's hits", who.label));
    };
    let points = (own - others).abs();
    let why = format!(
        "{own:.1} % of {}'s prompt tokens came from its prefix cache, {others:.1} % of {}'s",
        one.label, other.label
    );
    if points > CACHED_APART_POINTS && !one.same_engine(other) {
        Held::not_comparable(format!("{why}: one was spared work that the other did"))
    } else if points > CACHED_POINTS {
        Held::differs(why)
    } else {
        Held::level()
    }
}

fn completed(facts: &Facts<'_>) -> Option<String> {
    let sum = |of: fn(&crate::schema::summary::RunSummary) -> u64| {
        facts.all.iter().fold(0_u64, |sum, run| sum.saturating_add(of(run)))
    };
    Some(format!("{} of {}", sum(|run| run.requests.completed), sum(|run| run.requests.issued)))
}

/// Why no run of a label can be compared; none where one can.
fn spoilt(facts: &Facts<'_>) -> Option<String> {
    if facts.all.iter().any(|run| takes_part(run)) {
        return None;
    }
    let run = facts.all.iter().min_by_key(|run| run.requests.failed)?;
    let label = facts.label;
    Some(match (&run.partial, run.requests.error_rate_pct()) {
        (Some(why), _) => format!("{label} has no run that reached its end ({why})"),
        (None, Some(rate)) if rate > 0.0 => {
            format!("{rate:.1} % of {label}'s requests failed, so that only the lucky ones are timed")
        }
        (None, _) => format!("{label} completed no request"),
    })
}

fn completions(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let why: Vec<String> = [spoilt(one), spoilt(other)].into_iter().flatten().collect();
    if why.is_empty() { Held::level() } else { Held::not_comparable(why.join("; ")) }
}

fn is_nagle_on(facts: &Facts<'_>) -> Option<bool> {
    facts.all.iter().rev().find_map(|run| run.nagle).map(|nagle| nagle.on)
}

fn nagle(facts: &Facts<'_>) -> Option<String> {
    is_nagle_on(facts).map(|on| if on { "on" } else { "off" }.to_owned())
}

/// Off is what servers are thought to be.
fn nagles(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (is_nagle_on(one).unwrap_or(false), is_nagle_on(other).unwrap_or(false)) {
        (true, false) => delayed(one),
        (false, true) => delayed(other),
        (true, true) | (false, false) => Held::level(),
    }
}

fn delayed(facts: &Facts<'_>) -> Held {
    Held::differs(format!(
        "{} leaves it on: ordinary clients of it alone see a first token up to 40 ms later than measured here",
        facts.label
    ))
}

fn seen(facts: &Facts<'_>) -> Option<Gateway> {
    facts.all.iter().find_map(|run| run.gateway)
}

fn gateway(facts: &Facts<'_>) -> Option<String> {
    Some(seen(facts).map_or_else(|| "none seen".to_owned(), |gateway| gateway.title().to_owned()))
}

fn gateways(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    if seen(one) == seen(other) {
        return Held::level();
    }
    let through = |facts: &Facts<'_>| match seen(facts) {
        Some(gateway) => format!("{} answers through {}", facts.label, gateway.title()),
        None => format!("{} by itself", facts.label),
    };
    let words =
        if seen(one).is_some() { [through(one), through(other)] } else { [through(other), through(one)] };
    Held::differs(words.join(", "))
}

fn is_alone(facts: &Facts<'_>) -> bool {
    facts.bears("one_at_a_time")
}

fn at_once(facts: &Facts<'_>) -> Option<String> {
    Some(
        if is_alone(facts) { "one request at a time" } else { "several requests, or one asked for" }
            .to_owned(),
    )
}

fn at_onces(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (is_alone(one), is_alone(other)) {
        (true, false) => alone(one),
        (false, true) => alone(other),
        (true, true) | (false, false) => Held::level(),
    }
}

fn alone(facts: &Facts<'_>) -> Held {
    Held::differs(format!("{} alone answers one request at a time, so its TTFT holds the wait", facts.label))
}

fn simulated(facts: &Facts<'_>) -> Option<String> {
    Some(if facts.bears("simulated") { "yes" } else { REAL }.to_owned())
}

fn simulations(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    if facts_agree(one, other) {
        return Held::level();
    }
    let pretend = if one.bears("simulated") { one } else { other };
    Held::not_comparable(format!("{} is a pretend engine with invented timings", pretend.label))
}

fn facts_agree(one: &Facts<'_>, other: &Facts<'_>) -> bool {
    one.bears("simulated") == other.bears("simulated")
}
