//! The doubts about one run, each by a stated rule.

use crate::schema::caveat::Caveat;
use crate::schema::client_figures::SERVER;
use crate::schema::record::StampKind;
use crate::schema::summary::{RequestCounts, RunSummary, ServerCounts};

use super::oddities::Oddities;

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
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) estimated: u64,
    pub(super) chunk_difference_pct: Option<f64>,
    /// `--ignore-eos` was asked for, and requests were sent without it.
    pub(super) length_not_forced: bool,
    pub(super) oddities: Oddities,
}

/// The caveats of a run, the worst first.
pub(super) fn run_caveats(summary: &RunSummary, facts: Facts) -> Vec<Caveat> {
    let above = |percent: Option<f64>, limit: f64| percent.filter(|percent| *percent > limit);
    let completed = summary.requests.completed;
    let estimated = Some(facts.estimated).filter(|requests| *requests > 0);
    let merged_pct = Some(100.0 * summary.client.merged_events);
    let reason = |reason: &String| reason.clone();
    [
        summary.partial.as_ref().map(|why| Caveat::Partial { reason: reason(why) }),
        above(summary.requests.error_rate_pct(), FAILURES_PCT).map(|rate_pct| Caveat::Failures { rate_pct }),
        summary.client.client_limited.as_ref().map(|why| Caveat::ClientLimited { reason: reason(why) }),
        server_difference(summary).map(|what| Caveat::ServerCountsDiffer { what }),
        read_stamps(summary),
        above(merged_pct, MERGED_PCT).map(|share_pct| Caveat::MergedEvents { share_pct }),
        estimated.map(|requests| Caveat::TokensEstimated { requests }),
        facts.chunk_difference_pct.map(|difference_pct| Caveat::ItlWithheld { difference_pct }),
        above(cached_pct(summary), CACHED_PCT).map(|share_pct| Caveat::PrefixCacheHits { share_pct }),
        summary.nagle.filter(|nagle| nagle.on).map(|nagle| Caveat::NagleOn { requests: nagle.requests }),
        facts.length_not_forced.then_some(Caveat::LengthNotForced),
        facts.oddities.missing_signs(),
        facts.oddities.events_passed_over(),
        (completed < COMPLETED_FOR_P99).then_some(Caveat::FewSamples { completed }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Stamps that a late reader makes late, too.
fn read_stamps(summary: &RunSummary) -> Option<Caveat> {
    let read = summary.client.stamped(StampKind::Read);
    (read > 0).then(|| Caveat::ReadStamps { read, answered: summary.client.answered() })
}

/// How the server's count differs from what the client was told, exactly. Of a request that failed or
/// was cancelled the client does not know the count, so beside such requests only a server that counts
/// less than the client is a contradiction.
fn server_difference(summary: &RunSummary) -> Option<String> {
    let server: ServerCounts = summary.server?;
    let unfinished = |counts: &RequestCounts| counts.failed + counts.cancelled;
    let all_told = unfinished(&summary.requests) + unfinished(&summary.warmup) == 0;
    let differ = |name: &str, server: f64, client: f64| {
        let more = server - client;
        let contradiction = more < -HALF_A_TOKEN || (all_told && more > HALF_A_TOKEN);
        contradiction.then(|| format!("{name}: server {server}, client {client}"))
    };
    let differences: Vec<String> = SERVER
        .iter()
        .filter_map(|figure| differ(figure.name, (figure.server)(&server), (figure.client)(&server)))
        .collect();
    (!differences.is_empty()).then(|| differences.join("; "))
}

/// Prompt tokens from the prefix cache, %: by the requests' own usage or by the server's counters,
/// whichever shows more, since an engine may show but one of them.
fn cached_pct(summary: &RunSummary) -> Option<f64> {
    let share = |cached: f64, prompt: f64| (prompt > 0.0).then(|| (100.0 * cached / prompt).min(100.0));
    let by_usage = share(summary.tokens.cached as f64, summary.tokens.prompt as f64);
    let by_server = summary
        .server
        .and_then(|server| Some((server.cached_tokens?, server.prompt_tokens)))
        .and_then(|(cached, prompt)| share(cached, prompt));
    [by_usage, by_server].into_iter().flatten().reduce(f64::max)
}
