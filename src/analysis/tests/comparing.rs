//! Runs side by side: who is best, and what stands against saying so.

use super::*;
use crate::analysis::{ComparisonInput, compare};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, FailedTarget, Group, Over};
use crate::schema::figure;
use crate::schema::plan::{LoadPoint, Plan, RunKey};
use crate::schema::target::{BodyFields, Capabilities, Model, NotLevel, Origin, ServerMetrics, Target};
use crate::schema::traffic::Until;

/// A hundred requests with this TTFT and output length, under this label.
pub(super) fn run(label: &str, ttft_ms: u64, tokens: u64) -> RunSummary {
    let chunks: Vec<(u64, u32)> = (0..tokens).map(|token| (ttft_ms + token * 10, 1)).collect();
    let records: Vec<RequestRecord> =
        (0..100).map(|index| completed(index, index * 1_000, &chunks)).collect();
    let mut input = closed();
    input.key = RunKey::first(label);
    summarize(input, &records, Finish::default())
}

pub(super) fn target(label: &str, not_level: Vec<NotLevel>) -> Target {
    Target {
        label: label.into(),
        engine: "vllm".into(),
        title: "vLLM".into(),
        version: None,
        model: Model { name: "tiny".into(), source: "tiny".into(), precision: "BF16".into() },
        capabilities: Capabilities {
            request_model: "tiny".into(),
            ignore_eos: true,
            min_tokens: true,
            stream_options: true,
            continuous_usage: true,
            eos_in_usage: true,
            done_marker: true,
            force_length: serde_json::Map::new(),
            body: serde_json::Map::new(),
            fields: BodyFields::default(),
        },
        metrics: ServerMetrics::default(),
        not_level,
        origin: Origin::Url("http://127.0.0.1:1".into()),
        more_urls: Vec::new(),
    }
}

/// A plan of one load for these targets.
pub(super) fn plan(targets: Vec<Target>) -> Plan {
    let closed = Traffic::Closed { slots: 2.try_into().unwrap(), ramp: Ramp::Automatic };
    let load = LoadPoint::of(closed, Until::after_requests(100.try_into().unwrap()));
    Plan {
        run_id: "compare_x".into(),
        rounds: 3,
        ..Plan::of("2026-02-01T14:30:00Z".parse().unwrap(), targets, vec![load.clone(), load])
    }
}

pub(super) fn compared(targets: &[Target], runs: Vec<RunSummary>) -> Comparison {
    compared_with(targets, runs, |plan| plan)
}

pub(super) fn compared_with(
    targets: &[Target],
    runs: Vec<RunSummary>,
    change: impl FnOnce(Plan) -> Plan,
) -> Comparison {
    let mut targets = targets.to_vec();
    for run in &runs {
        if !targets.iter().any(|target| target.label == run.key.label) {
            targets.push(target(&run.key.label, vec![]));
        }
    }
    compare(ComparisonInput { plan: &change(plan(targets)), failed: &[] }, runs)
}

pub(super) fn best<'a>(comparison: &'a Comparison, name: &str) -> Option<(&'a str, &'a str)> {
    let best = |group: &'a Group| Some((group.label.as_str(), group.best.get(name)?.name()));
    comparison.groups.iter().find_map(best)
}

fn codes(comparison: &Comparison) -> Vec<&'static str> {
    comparison.caveats.iter().map(Caveat::code).collect()
}

#[test]
fn the_best_is_the_lower_latency_and_the_higher_throughput() {
    let comparison = compared(&[], vec![run("slow", 200, 20), run("fast", 100, 20)]);
    assert_eq!(best(&comparison, figure::TTFT), Some(("fast", "p50")));
    assert_eq!(best(&comparison, figure::OUTPUT_TPS), Some(("fast", "value")));
    assert_eq!(best(&comparison, figure::TPOT), None, "both are the same");
    assert_eq!(best(&comparison, figure::ERROR_RATE), None, "both are 0");
    assert_eq!(codes(&comparison), ["single_run"]);
    let labels: Vec<&str> = comparison.runs.iter().map(|run| run.key.label.as_str()).collect();
    assert_eq!(labels, ["slow", "fast"], "the order of play stays");
}

#[test]
fn one_run_alone_is_the_best_of_nothing() {
    assert!(best(&compared(&[], vec![run("only", 100, 20)]), figure::TTFT).is_none());
}

#[test]
fn a_metric_that_only_one_run_has_has_no_best() {
    let mut withheld = run("withheld", 100, 20);
    withheld.metrics.remove(figure::ITL);
    let comparison = compared(&[], vec![withheld, run("slow", 200, 20)]);
    assert_eq!(best(&comparison, figure::ITL), None);
    assert_eq!(best(&comparison, figure::TTFT), Some(("withheld", "p50")));
}

#[test]
fn a_run_that_did_less_work_takes_no_part() {
    let fast = || run("fast", 50, 20);
    let mut empty = fast();
    empty.requests.completed = 0;
    let mut partial = fast();
    partial.partial = Some("interrupted".into());
    let mut failing = fast();
    failing.caveats.push(Caveat::Failures { rate_pct: 40.0 });
    for loser in [empty, partial, failing] {
        let comparison = compared(&[], vec![loser, run("a", 100, 20), run("b", 200, 20)]);
        assert_eq!(best(&comparison, figure::TTFT), Some(("a", "p50")));
    }
}

#[test]
fn precisions_differ_where_two_known_ones_do() {
    let with = |precision: &str| {
        let mut other = run("other", 200, 20);
        other.precision = precision.into();
        compared(&[], vec![run("vllm", 100, 20), other])
    };
    assert_eq!(codes(&with("bf16")), ["single_run"]);
    assert_eq!(codes(&with("unknown")), ["single_run"]);
    let by_label = [("vllm".to_owned(), "BF16".to_owned()), ("other".to_owned(), "Q4_1".to_owned())].into();
    assert_eq!(with("Q4_1").caveats[1], Caveat::PrecisionDiffers { by_label });
}

#[test]
fn lengths_are_unequal_above_two_percent() {
    let with = |tokens| compared(&[], vec![run("a", 100, 50), run("b", 100, tokens)]);
    assert_eq!(codes(&with(51)), ["single_run"]);
    let by_label = [("a".to_owned(), 50.0), ("b".to_owned(), 52.0)].into();
    assert_eq!(with(52).caveats[1], Caveat::LengthsUnequal { by_label });
    assert_eq!(codes(&with(49)), ["single_run", "lengths_unequal"]);
}

#[test]
fn an_eos_that_one_engine_counts_makes_no_length_unequal() {
    let mut counting = run("counting", 100, 10);
    counting.tokens.output += 100;
    assert_eq!(codes(&compared(&[], vec![counting, run("other", 90, 10)])), ["single_run"]);
}

#[test]
fn prompt_tokens_are_compared_over_the_prompts_that_all_runs_have() {
    let with = |counts: &[(&str, u32)]| {
        let mut run = run("other", 100, 10);
        run.prompt_tokens_by_id = counts.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect();
        run
    };
    let first = || {
        let mut first = with(&[("a", 10), ("b", 20), ("c", 30)]);
        first.key.label = "first".into();
        first
    };
    let caveats = |other| codes(&compared(&[], vec![first(), other]));
    assert_eq!(caveats(with(&[("a", 10), ("b", 20), ("x", 99)])), ["single_run"]);
    assert_eq!(caveats(with(&[])), ["single_run"], "an engine that does not say");
    assert_eq!(
        caveats(with(&[("a", 20), ("b", 10)])),
        ["single_run", "prompt_tokens_differ"],
        "equal totals hide nothing"
    );
    let other = compared(&[], vec![first(), with(&[("a", 11), ("b", 20)])]);
    let by_label = [("first".to_owned(), 30), ("other".to_owned(), 31)].into();
    assert_eq!(other.caveats[1], Caveat::PromptTokensDiffer { by_label });
}

#[test]
fn what_is_not_level_is_said_of_backends_that_ran() {
    let own = NotLevel {
        setting: "context_length".into(),
        shared: "4096".into(),
        own: "max_model_len=2048".into(),
    };
    let targets = [target("a", vec![]), target("b", vec![own.clone()]), target("absent", vec![own])];
    let comparison = compared(&targets, vec![run("a", 100, 10), run("b", 200, 10)]);
    let what = "max_model_len=2048 instead of context_length 4096".to_owned();
    assert_eq!(comparison.caveats, [Caveat::SingleRun, Caveat::NotLevel { label: "b".into(), what }]);
}

#[test]
fn failed_and_skipped_backends_stay_in_sight() {
    let failed = [FailedTarget { label: "tgi".into(), round: 1, error: "no".into(), hint: "do".into() }];
    let comparison = compare(ComparisonInput { plan: &plan(Vec::new()), failed: &failed }, Vec::new());
    assert_eq!(comparison.failed, failed);
    assert!(comparison.caveats.is_empty() && comparison.groups.is_empty());
}

/// A run of a round: every other figure is that of [`run`].
fn in_round(label: &str, round: u32, repeat: u32, ttft_ms: u64) -> RunSummary {
    let mut run = run(label, ttft_ms, 20);
    (run.key.round, run.key.repeat) = (round, repeat);
    run
}

#[test]
fn a_figure_of_several_rounds_is_the_median_of_the_rounds_with_their_range() {
    let runs = vec![in_round("a", 1, 1, 100), in_round("a", 2, 1, 160), in_round("a", 3, 1, 120)];
    let comparison = compared(&[], runs);
    let group = &comparison.groups[0];
    let ttft = group.estimates["ttft_ms_p50"];
    assert_eq!((ttft.value, ttft.low, ttft.high, ttft.n), (120.0, 100.0, 160.0, 3));
    assert_eq!(group.over, Over::Rounds);
    assert!(!codes(&comparison).contains(&"single_run"), "three rounds are more than one run");
}

#[test]
fn the_repeats_of_a_round_count_as_one_value_and_those_of_one_launch_each() {
    let repeats = |round, values: [u64; 2]| {
        values.into_iter().zip(1..).map(move |(ttft, repeat)| in_round("a", round, repeat, ttft))
    };
    let rounds: Vec<RunSummary> = repeats(1, [100, 140]).chain(repeats(2, [200, 220])).collect();
    let ttft = compared(&[], rounds.clone()).groups[0].estimates["ttft_ms_p50"];
    assert_eq!((ttft.value, ttft.low, ttft.high, ttft.n), (165.0, 120.0, 210.0, 2));
    let one_launch = compared(&[], rounds[..2].to_vec());
    let ttft = one_launch.groups[0].estimates["ttft_ms_p50"];
    assert_eq!((ttft.value, ttft.low, ttft.high, ttft.n), (120.0, 100.0, 140.0, 2));
    assert_eq!(one_launch.groups[0].over, Over::Repeats);
}

#[test]
fn a_run_that_was_cut_short_moves_no_median() {
    let mut cut = in_round("a", 2, 1, 900);
    cut.partial = Some("interrupted".into());
    let comparison = compared(&[], vec![in_round("a", 1, 1, 100), cut]);
    let ttft = comparison.groups[0].estimates["ttft_ms_p50"];
    assert_eq!((ttft.high, ttft.n), (100.0, 1));
    assert_eq!(comparison.groups[0].runs.len(), 2, "it stays in sight");
}

#[test]
fn each_point_has_a_best_of_its_own() {
    let at = |label: &str, point, ttft_ms| {
        let mut run = run(label, ttft_ms, 20);
        run.key.point = point;
        run
    };
    let runs = vec![at("a", 1, 100), at("a", 2, 300), at("b", 1, 200), at("b", 2, 200)];
    let comparison = compared(&[], runs);
    let best: Vec<(u32, &str)> = comparison
        .groups
        .iter()
        .filter(|group| group.best.contains_key(figure::TTFT))
        .map(|group| (group.point, group.label.as_str()))
        .collect();
    assert_eq!(best, [(1, "a"), (2, "b")]);
}
