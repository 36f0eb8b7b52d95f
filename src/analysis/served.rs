//! What the readings of a server's page say of a run's measured requests.

use std::collections::BTreeMap;

use crate::schema::caveat::Caveat;
use crate::schema::figure::{Statistic, TTFT};
use crate::schema::sample::{Sample, Source};
use crate::schema::series::server::{
    SERVER_CACHE_QUERIES, SERVER_CACHED_TOKENS, SERVER_GENERATED_TOKENS, SERVER_KV_CACHE_USE,
    SERVER_PREEMPTIONS, SERVER_PROMPT_TOKENS, SERVER_RUNNING, SERVER_WAITING,
};
use crate::schema::served::{Level, ServedSummary, ServedTime, ServerTime};
use crate::schema::summary::RunSummary;

use super::buckets::{difference, figures};

const US: f64 = 1e6;
/// A server's mean TTFT that is longer than the client's by more than both of these is none of the same requests:
/// the clocks of both are sure to far less.
const TTFT_MARGIN_MS: f64 = 1.0;
const TTFT_MARGIN: f64 = 0.01;

/// What a server's page said of the window between two times, µs from the run's start; none where it was not read
/// twice.
///
/// The difference is that of the last reading which ended before the window, so that nothing of it is lost, and the
/// first behind it. What came between the one and the window's start, warm-up mostly, is therefore in it.
pub fn served(samples: &[Sample], (from_us, to_us): (i64, i64)) -> Option<ServedSummary> {
    let read: Vec<&Sample> = samples.iter().filter(|sample| sample.source == Source::Server).collect();
    let (earlier, later) = ends(&read, from_us, to_us)?;
    let window: Vec<&Sample> =
        read.iter().copied().filter(|sample| is_within(sample, from_us, to_us)).collect();
    let between: Vec<&Sample> =
        read.iter().copied().filter(|sample| (earlier.at_us..=later.at_us).contains(&sample.at_us)).collect();
    let counted = |name: &str| {
        let now = later.values.get(name)?;
        // A server that was started again may have counted past where it was.
        let fell = !between.iter().filter_map(|sample| sample.values.get(name)).is_sorted();
        // Some engines show a counter only after its first use.
        let more = now - earlier.values.get(name).copied().unwrap_or(0.0);
        (!fell && more >= 0.0).then_some(more)
    };
    let level_of = |name: &str| level(window.iter().filter_map(|sample| sample.values.get(name).copied()));
    let looked_for = counted(SERVER_CACHE_QUERIES).or_else(|| counted(SERVER_PROMPT_TOKENS));
    let hit = counted(SERVER_CACHED_TOKENS).zip(looked_for.filter(|tokens| *tokens > 0.0));
    let after_start = |at_us: i64| (at_us - from_us) as f64 / US;
    let served = ServedSummary {
        from_s: after_start(earlier.end_us()),
        to_s: after_start(later.at_us),
        times: times(later, earlier, &between),
        running: level_of(SERVER_RUNNING),
        waiting: level_of(SERVER_WAITING),
        kv_cache_use: level_of(SERVER_KV_CACHE_USE),
        preemptions: counted(SERVER_PREEMPTIONS),
        prompt_tokens: counted(SERVER_PROMPT_TOKENS),
        generated_tokens: counted(SERVER_GENERATED_TOKENS),
        cache_hit_share: hit.map(|(hit, of)| (hit / of).min(1.0)),
        reading_ms: level(window.iter().map(|sample| sample.took_us as f64 / 1000.0)),
    };
    Some(served)
}

/// The readings before and behind the window. Histograms are not in every reading: of those that a page shows some,
/// only readings with them count, and those before it showed the first.
fn ends<'a>(read: &[&'a Sample], from_us: i64, to_us: i64) -> Option<(&'a Sample, &'a Sample)> {
    let shown = read.iter().position(|sample| !sample.histograms.is_empty());
    let is_whole = |(place, sample): &(usize, &&Sample)| {
        shown.is_none_or(|shown| *place < shown) || !sample.histograms.is_empty()
    };
    let whole: Vec<&Sample> = read.iter().enumerate().filter(is_whole).map(|(_, sample)| *sample).collect();
    let earlier = whole.iter().rfind(|sample| sample.end_us() <= from_us).or(whole.first())?;
    let later = whole.iter().find(|sample| sample.at_us >= to_us).or(whole.last())?;
    (earlier.at_us < later.at_us).then_some((earlier, later))
}

fn is_within(sample: &Sample, from_us: i64, to_us: i64) -> bool {
    let middle_us = sample.middle_s() * US;
    (from_us as f64..=to_us as f64).contains(&middle_us)
}

fn times(later: &Sample, earlier: &Sample, between: &[&Sample]) -> BTreeMap<ServerTime, ServedTime> {
    let time = |(time, now): (&ServerTime, _)| {
        let read: Vec<_> = between.iter().filter_map(|sample| sample.histograms.get(time)).collect();
        let fell = read.windows(2).any(|pair| difference(pair[1], pair[0]).is_none());
        if fell {
            return None;
        }
        let between = match earlier.histograms.get(time) {
            Some(then) => figures(&difference(now, then)?),
            None => figures(now),
        };
        Some((*time, between?))
    };
    later.histograms.iter().filter_map(time).collect()
}

fn level(values: impl Iterator<Item = f64>) -> Option<Level> {
    let (readings, sum, max) = values
        .filter(|value| value.is_finite())
        .fold((0_u64, 0.0, f64::NEG_INFINITY), |(count, sum, max), value| {
            (count + 1, sum + value, f64::max(max, value))
        });
    (readings > 0).then(|| Level { mean: sum / readings as f64, max, readings })
}

/// The doubts that a server's own figures raise. Of a run that is made otherwise (`as_measured` is false) its requests
/// are not held against those of the page: in a part of it the page counts first tokens of requests that were sent
/// before, and another TTFT is none of the server's.
pub fn served_caveats(summary: &RunSummary, as_measured: bool) -> Vec<Caveat> {
    let Some(served) = &summary.served else { return Vec::new() };
    let preempted = served.preemptions.filter(|times| *times >= 1.0);
    let preempted = preempted.map(|times| Caveat::Preempted { times: times.round() as u64 });
    let others = if as_measured { other_requests(summary, served) } else { None };
    [preempted, others].into_iter().flatten().collect()
}

/// More first tokens than requests were sent, or as many that came later than the client saw them: others use the
/// server too, or the page is another's.
fn other_requests(summary: &RunSummary, served: &ServedSummary) -> Option<Caveat> {
    let ttft = served.times.get(&ServerTime::Ttft)?;
    let sent = summary.requests.issued + summary.warmup.issued;
    let client_ms = summary.metrics.get(TTFT).and_then(|value| Statistic::Mean.of(value));
    let later = ttft.count == summary.requests.completed
        && ttft.mean_ms.zip(client_ms).is_some_and(|(server_ms, client_ms)| {
            server_ms > client_ms * (1.0 + TTFT_MARGIN) + TTFT_MARGIN_MS
        });
    (ttft.count > sent || later).then_some(Caveat::OtherRequests { served: ttft.count, sent })
}

#[cfg(test)]
#[path = "served_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
