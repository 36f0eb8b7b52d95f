//! Verdicts over rounds: who leads, who cannot be told apart, and what carries no verdict.

use std::collections::BTreeMap;

use super::comparing::{plan, target};
use super::*;
use crate::analysis::{ComparisonInput, State, compare, sureness};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;
use crate::schema::figure;
use crate::schema::plan::Plan;
use crate::schema::verdict::{Pair, Verdict};

/// A run of a round whose throughput and latencies are given, with so many values behind each percentile.
pub(super) fn run(label: &str, round: u32, tps: f64, ms: f64, values: u64) -> RunSummary {
    let mut run = summarize(closed(), &[completed(0, 0, &[(100, 1), (110, 1)])], Finish::default());
    let held = Distribution { count: values, p50: ms, p99: ms * 2.0, mean: ms, ..Distribution::default() };
    let latencies = [figure::TTFT, figure::TPOT, figure::E2E];
    run.metrics = latencies.map(|name| (name.to_owned(), MetricValue::Distribution(held.clone()))).into();
    run.metrics.insert(figure::OUTPUT_TPS.to_owned(), MetricValue::Scalar(tps));
    run.key.label = label.into();
    run.key.round = round;
    run.caveats.clear();
    run
}

/// Rounds of some labels: each has its throughput, times what the rounds bring and a small noise of its own.
fn rounds(labels: &[(&str, f64)], noise: &[f64]) -> Vec<RunSummary> {
    let drift = [1.0, 1.06, 0.97, 1.02, 0.99];
    let of_round = |round: usize| {
        labels.iter().enumerate().map(move |(place, (label, tps))| {
            let own = drift[round % 5] * (1.0 + noise[(round * labels.len() + place) % noise.len()]);
            run(label, round as u32 + 1, tps * own, 1e5 / (tps * own), 100)
        })
    };
    (0..noise.len() / labels.len()).flat_map(of_round).collect()
}

const NOISE: [f64; 10] = [0.003, -0.004, 0.006, 0.002, -0.005, 0.001, 0.004, -0.002, -0.003, 0.005];

fn planned(labels: &[&str]) -> Plan {
    plan(labels.iter().map(|label| target(label, vec![])).collect())
}

fn judged(plan: &Plan, runs: Vec<RunSummary>) -> Comparison {
    compare(ComparisonInput { plan, failed: &[] }, runs)
}

fn verdicts(pair: &Pair) -> BTreeMap<&str, Verdict> {
    pair.ratios.iter().filter_map(|(column, ratio)| Some((column.as_str(), ratio.verdict?))).collect()
}

#[test]
fn a_factor_of_two_over_five_rounds_is_a_verdict_in_every_figure_and_the_best_is_the_baseline() {
    let comparison = judged(&planned(&["slow", "fast"]), rounds(&[("slow", 100.0), ("fast", 200.0)], &NOISE));
    assert_eq!(comparison.baseline.as_deref(), Some("fast"));
    let [pair] = comparison.pairs.as_slice() else { panic!("{:?}", comparison.pairs) };
    assert_eq!((pair.label.as_str(), pair.baseline.as_str()), ("slow", "fast"));
    let wanted = ["e2e_ms_p50", "output_tps", "tpot_ms_p50", "ttft_ms_p50", "ttft_ms_p99"];
    assert_eq!(verdicts(pair), wanted.map(|column| (column, Verdict::Slower)).into());
    let tps = pair.ratios["output_tps"];
    assert!((tps.value - 0.5).abs() < 0.01 && tps.low < Some(0.5) && tps.high > Some(0.5), "{tps:?}");
    assert_eq!(tps.rounds, 5);
    assert_eq!(comparison.rule.map(|rule| (rule.corrected_for, rule.baseline_chosen)), Some((5, true)));
    let mean = pair.ratios["ttft_ms_mean"];
    assert!(mean.low.is_some() && mean.verdict.is_none() && mean.p.is_none(), "a ratio without a verdict");
    let best: Vec<&str> = comparison
        .groups
        .iter()
        .filter(|group| group.best.contains_key("output_tps"))
        .map(|group| group.label.as_str())
        .collect();
    assert_eq!(best, ["fast"]);
}

#[test]
fn the_named_baseline_turns_the_ratios_around() {
    let plan = Plan { baseline: Some("slow".into()), ..planned(&["slow", "fast"]) };
    let comparison = judged(&plan, rounds(&[("slow", 100.0), ("fast", 200.0)], &NOISE));
    assert_eq!(comparison.pairs[0].label, "fast");
    assert!((comparison.pairs[0].ratios["output_tps"].value - 2.0).abs() < 0.05);
    assert_eq!(verdicts(&comparison.pairs[0])["ttft_ms_p50"], Verdict::Faster, "half the time is faster");
    assert_eq!(comparison.rule.map(|rule| rule.baseline_chosen), Some(false));
}

#[test]
fn a_server_against_itself_is_indistinguishable_says_what_would_have_been_seen_and_nobody_is_best() {
    let comparison = judged(&planned(&["a", "b"]), rounds(&[("a", 100.0), ("b", 100.0)], &NOISE));
    let tps = comparison.pairs[0].ratios["output_tps"];
    assert_eq!(tps.verdict, Some(Verdict::Indistinguishable));
    assert!(tps.detectable_pct.is_some_and(|percent| percent > 0.5 && percent < 5.0), "{tps:?}");
    assert_eq!(tps.more_rounds, None, "5 % would have been seen");
    assert!(comparison.groups.iter().all(|group| group.best.is_empty()), "a lead that may be chance is none");
}

#[test]
fn two_rounds_have_ratios_and_no_verdict() {
    let comparison = judged(&planned(&["a", "b"]), rounds(&[("a", 100.0), ("b", 300.0)], &NOISE[..4]));
    let tps = comparison.pairs[0].ratios["output_tps"];
    assert_eq!((tps.rounds, tps.verdict, tps.low, tps.p, tps.detectable_pct), (2, None, None, None, None));
    assert_eq!(comparison.rule, None);
    assert!(comparison.groups.iter().all(|group| group.estimates["output_tps"].interval.is_none()));
    assert!(
        comparison.groups[1].best.contains_key("output_tps"),
        "the best value, which is called no verdict"
    );
}

#[test]
fn where_the_baseline_is_chosen_every_pair_is_in_the_correction() {
    let labels = [("a", 100.0), ("b", 150.0), ("c", 200.0)];
    let noise: Vec<f64> = NOISE.iter().chain(&NOISE).take(15).copied().collect();
    let corrected = |plan: &Plan| judged(plan, rounds(&labels, &noise)).rule.unwrap().corrected_for;
    let plan = planned(&["a", "b", "c"]);
    assert_eq!(corrected(&plan), 15, "three pairs of five figures");
    assert_eq!(corrected(&Plan { baseline: Some("a".into()), ..plan }), 10);
}

#[test]
fn what_one_side_lacks_or_cannot_carry_has_no_verdict() {
    let mut runs = rounds(&[("a", 100.0), ("b", 200.0)], &NOISE);
    for run in runs.iter_mut().filter(|run| run.key.label == "a") {
        run.metrics.remove(figure::TPOT);
        if let Some(MetricValue::Distribution(ttft)) = run.metrics.get_mut(figure::TTFT) {
            ttft.count = 99;
        }
    }
    let comparison = judged(&planned(&["a", "b"]), runs);
    let found: Vec<&str> = verdicts(&comparison.pairs[0]).into_keys().collect();
    assert_eq!(found, ["e2e_ms_p50", "output_tps", "ttft_ms_p50"], "a p99 needs 100 values");
    assert!(comparison.pairs[0].ratios.contains_key("ttft_ms_p99"), "its ratio stays");
    assert!(!comparison.pairs[0].ratios.contains_key("tpot_ms_p50"));
}

#[test]
fn rounds_in_which_a_side_did_not_do_the_work_are_no_rounds_of_the_pair() {
    let mut runs = rounds(&[("a", 100.0), ("b", 200.0)], &NOISE);
    runs[0].partial = Some("interrupted".into());
    runs[3].caveats.push(Caveat::Failures { rate_pct: 20.0 });
    let comparison = judged(&planned(&["a", "b"]), runs.clone());
    assert_eq!(comparison.pairs[0].ratios["output_tps"].rounds, 3);
    for run in runs.iter_mut().filter(|run| run.key.label == "a") {
        run.partial = Some("interrupted".into());
    }
    let comparison = judged(&planned(&["a", "b"]), runs);
    assert!(comparison.pairs.is_empty() && comparison.baseline.is_none(), "nothing to hold b against");
}

#[test]
fn labels_whose_prompts_have_other_token_counts_have_no_ratio_but_a_reason() {
    let mut runs = rounds(&[("a", 100.0), ("b", 200.0)], &NOISE);
    for run in &mut runs {
        run.prompt_tokens_by_id = [("x".to_owned(), if run.key.label == "a" { 10 } else { 12 })].into();
    }
    let comparison = judged(&planned(&["a", "b"]), runs.clone());
    assert!(comparison.pairs[0].ratios.is_empty() && comparison.rule.is_none());
    let why = &comparison.pairs[0].not_comparable[0];
    assert!(why.starts_with("prompt tokens: the same prompts have different token counts (20.0 %"), "{why}");
    let off = Plan { fairness: crate::schema::fairness::FairnessMode::Off, ..planned(&["a", "b"]) };
    assert!(!judged(&off, runs).pairs[0].ratios.is_empty());
}

/// Two equal servers in alternating order on a machine that drifts by 6 % from run to run, ρ 0.8, with 2 % of noise: the
/// model of benches/verdicts.rs, small. The output TPS of each, by round.
fn simulated(seed: u64, rounds: u32) -> Vec<RunSummary> {
    use rand::SeedableRng;
    use rand_distr::{Distribution as _, StandardNormal};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    let mut level = normal();
    let blank = run("a", 1, 100.0, 100.0, 100);
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for label in if matches!(round % 4, 2 | 3) { ["b", "a"] } else { ["a", "b"] } {
            level = 0.8 * level + 0.6 * normal();
            let tps = 100.0 * (0.06 * level + 0.02 * normal()).exp();
            let mut one = blank.clone();
            one.metrics = [(figure::OUTPUT_TPS.to_owned(), MetricValue::Scalar(tps))].into();
            (one.key.label, one.key.round) = (label.to_owned(), round);
            runs.push(one);
        }
    }
    runs
}

#[test]
fn a_server_is_called_different_from_itself_in_about_one_of_twenty_comparisons_under_drift() {
    let plan = planned(&["a", "b"]);
    for rounds in [3, 5] {
        let different = (0..600).filter(|seed| {
            let pairs = judged(&plan, simulated(*seed, rounds)).pairs;
            pairs[0].ratios["output_tps"].verdict != Some(Verdict::Indistinguishable)
        });
        let percent = different.count() as f64 / 6.0;
        assert!((2.5..8.0).contains(&percent), "{rounds} rounds: {percent} %");
    }
}

#[test]
fn until_sure_calls_a_server_different_from_itself_no_more_often_though_it_looks_after_each_round() {
    let plan = Plan { until_sure_pct: Some(5.0), rounds: 10, ..planned(&["a", "b"]) };
    let different = (0..400).filter(|seed| {
        let runs = simulated(*seed, 10);
        let stop = (3..=10).find(|rounds| sureness(&plan, &runs, *rounds).is_some_and(|state| state.sure));
        let state = sureness(&plan, &runs, stop.unwrap_or(10)).unwrap();
        state.standings.iter().any(|standing| matches!(standing.state, State::Decided(_)))
    });
    let percent = different.count() as f64 / 4.0;
    assert!(percent <= 7.0, "{percent} %");
}

#[test]
fn an_estimate_over_rounds_has_its_interval() {
    let comparison = judged(&planned(&["a"]), rounds(&[("a", 100.0)], &NOISE));
    let tps = comparison.groups[0].estimates["output_tps"];
    let interval = tps.interval.unwrap();
    assert!(interval.low < tps.value && tps.value < interval.high && interval.low > 95.0, "{tps:?}");
    assert!(comparison.groups[0].estimates["ttft_ms_p99"].interval.is_some());
    assert!(comparison.pairs.is_empty());
}
