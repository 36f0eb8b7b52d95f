//! A run as Google's inference-benchmark writes one (`--save-json-results`), for its `analyze.py` and dashboards built on
//! it. Names and meanings of the keys are that tool's (commit c29b163a), not ours: `tpot` is latency ÷ output tokens,
//! `per_token_latency_ms` latency ÷ (prompt + output tokens), a standard deviation is over n.

mod stats;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use stats::Stats;

use super::number::one_line;
use crate::schema::plan::Plan;
use crate::schema::record::FailureKind;
use crate::schema::summary::{Distribution, RunSummary};
use crate::schema::traffic::{Arrivals, Traffic};

/// One measured request that completed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LpgRequest {
    /// Prompt tokens, where the server told.
    pub prompt_tokens: Option<u32>,
    /// Output tokens, where they are known.
    pub output_tokens: Option<u32>,
    /// Send to last token, ms.
    pub latency_ms: f64,
    /// Send to first token, ms; none where the answer was no stream.
    pub ttft_ms: Option<f64>,
}

/// The requests of one model of a run, or of all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LpgPart {
    /// The model's name; `weighted` of all of several.
    pub model: String,
    /// Measured requests whose turn came.
    pub issued: u64,
    /// Of them, those that failed.
    pub failures: BTreeMap<FailureKind, u64>,
    /// Of them, those that completed.
    pub completed: Vec<LpgRequest>,
    /// Gaps between tokens, of a part that is the whole run.
    pub itl_ms: Option<Distribution>,
}

/// The whole of several models.
pub const WEIGHTED: &str = "weighted";

/// What is written into one file.
#[derive(Debug, Clone, Copy)]
pub struct LpgRun<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// Its figures.
    pub run: &'a RunSummary,
    /// Its requests.
    pub part: &'a LpgPart,
}

/// `{prefix}-{label}-{rate}qps-{YYYYmmdd-HHMMSS, UTC}-{model}.json`; `inf` where the load has no rate, `benchmark` where
/// no `--file-prefix` was given.
pub fn file_name(of: &LpgRun<'_>) -> String {
    let rate = rate(of.plan, of.run).map_or_else(|| "inf".to_owned(), |rate| format!("{rate:?}"));
    let name = |text: &str| one_line(text).replace(['/', '\\'], "-");
    let (label, model) = (name(&of.run.key.label), name(&of.part.model));
    let prefix = name(of.plan.output.file_prefix.as_deref().unwrap_or("benchmark"));
    format!("{prefix}-{label}-{rate}qps-{}-{model}.json", stamp(of.run))
}

/// The file's contents. `request_rate` is the offered rate; of a load without one, the requests a second that it came
/// to, since JSON knows no infinity.
pub fn lpg_json(of: &LpgRun<'_>) -> Value {
    let LpgRun { plan, run, part } = *of;
    let sets = Sets::of(part);
    let rate = rate(plan, run).unwrap_or_else(|| per_second(run.requests.issued as f64, run));
    let mut metrics = totals(run, part, rate);
    for (name, stats) in sets.named() {
        metrics.extend(stats.flat(name));
    }
    metrics.extend(errors(&part.failures));
    let stats = json!({
        "request_rate": rate,
        "request_latency": sets.latency.nested(),
        "throughput": {"mean": metrics.get("throughput")},
        "input_length": sets.input.nested(),
        "output_length": sets.output.nested(),
        "tpot": sets.normalized.nested(),
        "model_server_metrics": [],
    });
    let at = run.started_at.as_nanosecond();
    let mut dimensions = json!({
        "date": stamp(run),
        "backend": run.key.label,
        "model_id": part.model,
        "tokenizer_id": sources(run),
        "harness_run_id": plan.run_id,
        "engine": run.engine,
        "point": run.key.point.to_string(),
        "round": run.key.round.to_string(),
        "repeat": run.key.repeat.to_string(),
    });
    // As there, what the user gave is merged in last.
    if let Some(dimensions) = dimensions.as_object_mut() {
        let given = plan.output.metadata.iter();
        dimensions.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    }
    json!({
        "metrics": metrics,
        "dimensions": dimensions,
        "config": {
            "model": part.model,
            "num_models": plan.split.as_ref().map_or(1, |split| split.models.len()),
            "model_server": run.engine,
            "start_time": {
                "seconds": at.div_euclid(1_000_000_000) as i64,
                "nanos": at.rem_euclid(1_000_000_000) as i64,
            },
        },
        "summary_stats": {"stats": [stats]},
    })
}

/// Counts and rates.
fn totals(run: &RunSummary, part: &LpgPart, rate: f64) -> Map<String, Value> {
    let sum = |of: fn(&LpgRequest) -> Option<u32>| -> f64 {
        part.completed.iter().filter_map(of).map(f64::from).sum()
    };
    let output = sum(|request| request.output_tokens);
    let input = sum(|request| request.prompt_tokens);
    let of_issued = per_second(part.issued as f64, run);
    let all = json!({
        "num_prompts_attempted": part.issued,
        "num_prompts_succeeded": part.completed.len(),
        "request_rate": rate,
        "queries_per_second": of_issued,
        "server_metrics": {},
        "benchmark_time": run.duration_s,
        "throughput_rps": of_issued,
        "throughput": per_second(output, run),
        "total_output_token": output as u64,
        "total_input_tokens": input as u64,
        "input_tokens_per_sec": per_second(input, run),
        "total_tokens": (input + output) as u64,
        "tokens_per_sec": per_second(input + output, run),
    });
    all.as_object().cloned().unwrap_or_default()
}

fn per_second(count: f64, run: &RunSummary) -> f64 {
    if run.duration_s > 0.0 { count / run.duration_s } else { 0.0 }
}

/// The offered rate; none of a closed loop, and where all requests are due at once.
fn rate(plan: &Plan, run: &RunSummary) -> Option<f64> {
    match &plan.load(run.key.point)?.traffic {
        Traffic::Open { arrivals: Arrivals::AllAtOnce, .. } | Traffic::Closed { .. } => None,
        Traffic::Open { arrivals, .. } => arrivals.mean_rate(),
    }
}

fn stamp(run: &RunSummary) -> String {
    run.started_at.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string()
}

/// In the place of a tokenizer, where the counts of output tokens come from.
fn sources(run: &RunSummary) -> String {
    let names: Vec<&str> = run.tokens.sources.keys().map(|source| source.name()).collect();
    format!("none: counts by {}", if names.is_empty() { "nobody".to_owned() } else { names.join(", ") })
}

/// Failures by that tool's names.
fn errors(failures: &BTreeMap<FailureKind, u64>) -> Map<String, Value> {
    let names = [
        "ClientConnectorError",
        "TimeoutError",
        "ContentTypeError",
        "ClientOSError",
        "ServerDisconnectedError",
        "unknown_error",
    ];
    let count = |name: &str| -> u64 {
        failures.iter().filter(|(kind, _)| error_name(**kind) == name).map(|(_, count)| count).sum()
    };
    names.into_iter().map(|name| (name.to_owned(), count(name).into())).collect()
}

fn error_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Connect => "ClientConnectorError",
        FailureKind::Timeout => "TimeoutError",
        FailureKind::Protocol => "ContentTypeError",
        FailureKind::Truncated => "ServerDisconnectedError",
        FailureKind::Status | FailureKind::ErrorEvent | FailureKind::ShortOutput | FailureKind::Endless => {
            "unknown_error"
        }
    }
}

/// The distributions of a run.
struct Sets {
    per_token: Stats,
    ttft: Option<Stats>,
    itl: Option<Stats>,
    latency: Stats,
    normalized: Stats,
    input: Stats,
    output: Stats,
}

impl Sets {
    fn of(part: &LpgPart) -> Sets {
        let requests = &part.completed;
        let set =
            |of: &dyn Fn(&LpgRequest) -> Option<f64>| Stats::of(requests.iter().filter_map(of).collect());
        let tokens = |count: Option<u32>| count.filter(|count| *count > 0).map(f64::from);
        let ttft: Vec<f64> = requests.iter().filter_map(|request| request.ttft_ms).collect();
        Sets {
            per_token: set(&|request| {
                let all = request.prompt_tokens.map(f64::from)? + tokens(request.output_tokens)?;
                Some(request.latency_ms / all)
            }),
            ttft: (!ttft.is_empty()).then(|| Stats::of(ttft)),
            itl: part.itl_ms.as_ref().map(Stats::from),
            latency: set(&|request| Some(request.latency_ms)),
            normalized: set(&|request| Some(request.latency_ms / tokens(request.output_tokens)?)),
            input: set(&|request| request.prompt_tokens.map(f64::from)),
            output: set(&|request| request.output_tokens.map(f64::from)),
        }
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &Stats)> {
        [
            ("per_token_latency_ms", Some(&self.per_token)),
            ("TTFT_ms", self.ttft.as_ref()),
            ("ITL_ms", self.itl.as_ref()),
            ("latency_ms", Some(&self.latency)),
            ("normalized_time_per_output_token_ms", Some(&self.normalized)),
            ("input_len", Some(&self.input)),
            ("output_len", Some(&self.output)),
        ]
        .into_iter()
        .filter_map(|(name, stats)| Some((name, stats?)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn tpot_is_latency_by_output_tokens_and_a_load_without_a_rate_has_the_one_that_it_came_to() {
        let comparison = fixture::sweep(1);
        let run = &comparison.runs[0];
        let at = "2026-02-01T14:30:00Z".parse().unwrap();
        let plan = Plan::of(at, Vec::new(), comparison.loads.clone());
        let request = |latency_ms, output| LpgRequest {
            prompt_tokens: Some(10),
            output_tokens: Some(output),
            latency_ms,
            ttft_ms: Some(5.0),
        };
        let completed = vec![request(100.0, 10), request(300.0, 20)];
        let failures = BTreeMap::from([(FailureKind::Truncated, 3), (FailureKind::Status, 1)]);
        let part = LpgPart { model: "a/b".to_owned(), issued: 6, failures, completed, itl_ms: None };
        let of = LpgRun { plan: &plan, run, part: &part };
        let json = lpg_json(&of);
        let stats = &json["summary_stats"]["stats"][0];
        assert_eq!(
            (&stats["tpot"]["mean"], &stats["request_latency"]["median"]),
            (&json!(12.5), &json!(200.0))
        );
        assert_eq!(json["metrics"]["avg_per_token_latency_ms"], json!((5.0 + 10.0) / 2.0));
        assert_eq!(json["metrics"]["total_tokens"], json!(50));
        let came_to = run.requests.issued as f64 / run.duration_s;
        assert_eq!(json["metrics"]["request_rate"], json!(came_to));
        let count = |name: &str| json["metrics"][name].as_u64().unwrap();
        assert_eq!(
            (count("ServerDisconnectedError"), count("unknown_error"), count("TimeoutError")),
            (3, 1, 0)
        );
        let name = file_name(&of);
        assert!(name.contains("-infqps-") && name.ends_with("-a-b.json"), "{name}");
    }
}
