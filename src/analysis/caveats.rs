//! The doubts about one run, each by a stated rule.

use crate::schema::caveat::Caveat;
use crate::schema::client_figures::{SERVER, ServerFigure};
use crate::schema::record::StampKind;
use crate::schema::summary::{RequestCounts, RunSummary, ServerCounts};

use super::oddities::Oddities;
use super::workers;

/// Failures above this, % of issued requests.
const FAILURES_PCT: f64 = 1.0;
/// Fewer completed requests than this leave p99 to a single one.
const COMPLETED_FOR_P99: u64 = 100;
/// Merged stamps above this, % of token-carrying events.
const MERGED_PCT: f64 = 1.0;
/// Prefix cache hits above this, % of prompt tokens.
const CACHED_PCT: f64 = 1.0;
/// Counters are floats: half a token is the least true difference.
const HALF_A_TOKEN: f64 = 0.5;

/// What the caveats need beside the summary.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) estimated: u64,
    /// Why the paces are withheld.
    pub(super) withheld: Option<Caveat>,
    /// The server sends tokens together.
    pub(super) buffered: Option<Caveat>,
    pub(super) one_at_a_time: Option<Caveat>,
    /// Doubts about token counts.
    pub(super) counts: Vec<Caveat>,
    /// `--ignore-eos` was asked for, and so many answers ended before their limit.
    pub(super) short: u64,
    pub(super) oddities: Oddities,
    /// The arrivals are those of a log's clock.
    pub(super) ticks: Option<Caveat>,
}

/// The caveats of a run, the worst first.
pub(super) fn run_caveats(summary: &RunSummary, facts: Facts) -> Vec<Caveat> {
    let above = |percent: Option<f64>, limit: f64| percent.filter(|percent| *percent > limit);
    let completed = summary.requests.completed;
    let estimated = Some(facts.estimated).filter(|requests| *requests > 0);
    // What the server sent together was not merged by the client.
    let merged_pct = Some(100.0 * summary.client.merged_events).filter(|_| facts.buffered.is_none());
    let reason = |reason: &String| reason.clone();
    // What a lost worker left is said of the worker.
    let partial =
        summary.partial.as_ref().filter(|_| summary.workers.iter().all(|worker| worker.lost.is_none()));
    let first = [
        partial.map(|why| Caveat::Partial { reason: reason(why) }),
        above(summary.requests.error_rate_pct(), FAILURES_PCT).map(|rate_pct| Caveat::Failures { rate_pct }),
        summary.client.client_limited.as_ref().map(|why| Caveat::ClientLimited { reason: reason(why) }),
        saturated(summary),
        no_such_counter(summary),
        server_difference(summary).map(|what| Caveat::ServerCountsDiffer { what }),
    ];
    let then = [
        facts.buffered,
        facts.ticks,
        read_stamps(summary),
        above(merged_pct, MERGED_PCT).map(|share_pct| Caveat::MergedEvents { share_pct }),
        estimated.map(|requests| Caveat::TokensEstimated { requests, completed }),
        facts.withheld,
        facts.one_at_a_time,
        above(cached_pct(summary), CACHED_PCT).map(|share_pct| Caveat::PrefixCacheHits { share_pct }),
        summary.nagle.filter(|nagle| nagle.on).map(|nagle| Caveat::NagleOn { requests: nagle.requests }),
        (facts.short > 0).then_some(Caveat::LengthNotForced { short: facts.short, completed }),
        summary.prompt_lengths.and_then(|lengths| lengths.caveat()),
        facts.oddities.missing_signs(),
        facts.oddities.events_passed_over(),
        (completed < COMPLETED_FOR_P99).then_some(Caveat::FewSamples { completed }),
    ];
    let some = |doubts: Vec<Option<Caveat>>| doubts.into_iter().flatten();
    let lost = workers::trouble(summary).into_iter();
    lost.chain(some(first.into())).chain(facts.counts).chain(some(then.into())).collect()
}

/// The server did not keep up with what the client sent; how late the client was itself is taken off.
fn saturated(summary: &RunSummary) -> Option<Caveat> {
    let flow = summary.flow.filter(|flow| flow.saturated)?;
    Some(Caveat::Saturated { offered_rps: flow.offered_rps, achieved_rps: flow.achieved_rps })
}

/// Stamps that a late reader makes late, too.
fn read_stamps(summary: &RunSummary) -> Option<Caveat> {
    let read = summary.client.stamped(StampKind::Read);
    (read > 0).then(|| Caveat::ReadStamps { read, answered: summary.client.answered() })
}

/// How the server's count differs from what the client was told, exactly; of counters that are there.
fn server_difference(summary: &RunSummary) -> Option<String> {
    let differences: Vec<String> = contradictions(summary)
        .filter(|(figure, counts)| (figure.missing)(counts).is_empty())
        .map(|(figure, counts)| {
            format!("{}: server {}, client {}", figure.name, (figure.server)(counts), (figure.client)(counts))
        })
        .collect();
    (!differences.is_empty()).then(|| differences.join("; "))
}

/// Counters that are not there, where that makes a difference: some engines show one only after its first use.
fn no_such_counter(summary: &RunSummary) -> Option<Caveat> {
    let missing = contradictions(summary).flat_map(|(figure, counts)| (figure.missing)(counts));
    let mut names: Vec<String> = missing.cloned().collect();
    // One counter may be part of both.
    names.dedup();
    (!names.is_empty()).then_some(Caveat::NoSuchCounter { names })
}

/// The counts of server and client that contradict each other. Of a request that failed or was cancelled the client
/// does not know the count, so beside such requests only a server that counts less than the client does.
fn contradictions(summary: &RunSummary) -> impl Iterator<Item = (&'static ServerFigure, &ServerCounts)> {
    let unfinished = |counts: &RequestCounts| counts.failed + counts.cancelled;
    let all_told = unfinished(&summary.requests) + unfinished(&summary.warmup) == 0;
    let contradict = move |figure: &ServerFigure, counts: &ServerCounts| {
        let more = (figure.server)(counts) - (figure.client)(counts);
        more < -HALF_A_TOKEN || (all_told && more > HALF_A_TOKEN)
    };
    summary.server.iter().flat_map(move |counts| {
        SERVER.iter().filter(move |figure| contradict(figure, counts)).map(move |figure| (figure, counts))
    })
}

/// Prompt tokens from the prefix cache, %: by the requests' own usage or by the server's counters,
/// whichever shows more, since an engine may show but one of them.
pub(super) fn cached_pct(summary: &RunSummary) -> Option<f64> {
    let share = |cached: f64, prompt: f64| (prompt > 0.0).then(|| (100.0 * cached / prompt).min(100.0));
    let by_usage = share(summary.tokens.cached as f64, summary.tokens.prompt as f64);
    let by_server = summary
        .server
        .as_ref()
        .and_then(|server| Some((server.cached_tokens?, server.prompt_tokens)))
        .and_then(|(cached, prompt)| share(cached, prompt));
    [by_usage, by_server].into_iter().flatten().reduce(f64::max)
}
