//! Curves to draw in tests: of the shape that the figures of the run have.

use std::collections::BTreeMap;

use crate::schema::curves::{LatencyOf, RunCurves};
use crate::schema::figure;
use crate::schema::summary::{Distribution, MetricValue, RunSummary};

/// Curves of a run; those of its figures that it lacks are empty.
pub fn curves(run: &RunSummary) -> RunCurves {
    let spread = |metric: &str| match run.metrics.get(metric) {
        Some(MetricValue::Distribution(known)) => Some(known),
        Some(MetricValue::Scalar(_)) | None => None,
    };
    let names = [figure::TTFT, figure::ITL, figure::E2E];
    let ecdf = names.iter().filter_map(|name| Some(((*name).to_owned(), ecdf(spread(name)?))));
    let seconds = run.output_tokens_by_second.split_last().map_or(&[][..], |(_, whole)| whole);
    let output_tps = seconds.iter().enumerate().map(|(second, tokens)| (second as f64 + 0.5, *tokens as f64));
    let e2e = spread(figure::E2E);
    let request = |request: u64| {
        (request as f64, 60_000.0 / e2e.map_or(1.0, |e2e| e2e.p50.max(1.0) + (request % 5) as f64))
    };
    let requests = 1..=run.requests.completed;
    let by = |names: &[&str]| -> Vec<LatencyOf> {
        let slower =
            |turn: usize, held: Option<&Distribution>| held.map(|held| scaled(held, 1.0 + turn as f64 * 0.4));
        let of = |(turn, name): (usize, &&str)| LatencyOf {
            name: (*name).to_owned(),
            ttft_ms: slower(turn, spread(figure::TTFT)),
            e2e_ms: slower(turn, e2e),
        };
        if e2e.is_some() { names.iter().enumerate().map(of).collect() } else { Vec::new() }
    };
    let flight = |second: usize| (second as f64 + 0.5, if second == 0 { 5.5 } else { 8.0 });
    RunCurves {
        from_s: 0.25,
        ecdf: ecdf.collect::<BTreeMap<_, _>>(),
        output_tps: output_tps.collect(),
        output_tps_by_request: requests.map(request).collect(),
        in_flight: (0..seconds.len()).map(flight).collect(),
        queued: Vec::new(),
        by_category: by(&["chat", "code", "summary"]),
        by_prompt_tokens: by(&["9 to 16", "17 to 32"]),
    }
}

fn ecdf(known: &Distribution) -> Vec<(f64, f64)> {
    let count = known.count.min(500);
    let at = |share: f64| known.p50 * (0.7 + 0.6 * share) + (known.p99 - known.p50) * share.powi(12);
    let place = |index: u64| (index + 1) as f64 / count as f64;
    (0..count).map(|index| (at(place(index)), place(index) * 100.0)).collect()
}

fn scaled(held: &Distribution, by: f64) -> Distribution {
    let [p50, p90, p99] = [held.p50, held.p90, held.p99].map(|value| value * by);
    Distribution { p50, p90, p99, ..held.clone() }
}
