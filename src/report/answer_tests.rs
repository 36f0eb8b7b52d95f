//! The answer in sentences: what is shown, what is not, and what nobody can say.

use super::answer::sentences;
use super::fixture::{RULE, comparison, pair, run, without_verdict};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::figure;
use crate::schema::objective::{Limit, LimitOf};
use crate::schema::verdict::{Pair, UntilSure, VerdictRule};

/// Three rounds of some labels against vllm.
fn against_vllm(pairs: Vec<Pair>) -> Comparison {
    let labels = pairs.iter().map(|pair| pair.label.clone()).chain(["vllm".to_owned()]);
    let runs = labels.map(|label| run(&label, 1.0)).collect();
    Comparison { baseline: Some("vllm".into()), pairs, rule: Some(RULE), caveats: vec![], ..comparison(runs) }
}

fn first(comparison: &Comparison) -> String {
    sentences(comparison).remove(0)
}

#[test]
fn the_first_sentence_is_the_answer_for_every_backend() {
    let comparison = against_vllm(vec![pair("llamacpp", "vllm", 0.5), pair("sglang", "vllm", 1.0)]);
    assert_eq!(
        first(&comparison),
        "vllm serves 2.00× [1.90, 2.11] the tokens of llamacpp; sglang is indistinguishable from vllm, anything above \
         4.3 % would have been seen."
    );
    let slower = against_vllm(vec![pair("a", "vllm", 0.5), pair("b", "vllm", 0.25), pair("c", "vllm", 2.0)]);
    assert_eq!(
        first(&slower),
        "vllm serves 2.00× [1.90, 2.11] the tokens of a and 4.00× [3.81, 4.21] those of b; c serves 2.00× [1.90, 2.10] \
         the tokens of vllm."
    );
    assert_eq!(
        sentences(&slower)[1],
        "a over vllm in latency: TTFT p50 2.00× [1.90, 2.10], TTFT p99 2.00× [1.90, 2.10], TPOT p50 2.00× [1.90, 2.10], \
         E2E p50 2.00× [1.90, 2.10]."
    );
}

#[test]
fn a_pair_that_is_not_comparable_has_its_reason_in_place_of_a_ratio() {
    let barred = Pair {
        not_comparable: vec!["another chat template".into()],
        ratios: [].into(),
        ..pair("llamacpp", "vllm", 0.5)
    };
    let comparison = against_vllm(vec![barred, pair("sglang", "vllm", 0.5)]);
    assert_eq!(
        first(&comparison),
        "vllm serves 2.00× [1.90, 2.11] the tokens of sglang; llamacpp and vllm are NOT COMPARABLE (another chat template)."
    );
}

#[test]
fn below_three_rounds_there_is_no_verdict_and_a_word_on_what_to_do() {
    let pairs = [("a", 0.5), ("b", 0.8)].map(|(label, times)| without_verdict(pair(label, "vllm", times), 2));
    let comparison = Comparison { rule: None, ..against_vllm(pairs.into()) };
    assert_eq!(
        sentences(&comparison),
        [
            "vllm served 2.00× the tokens of a and 1.25× those of b in 2 rounds, which may be chance.",
            "No verdict below 3 rounds, each a launch of its own: play --rounds 3 or more."
        ]
    );
}

#[test]
fn more_rounds_are_asked_for_in_words() {
    let mut comparison = against_vllm(vec![pair("sglang", "vllm", 1.0)]);
    comparison.pairs[0].ratios.get_mut(figure::OUTPUT_TPS).unwrap().more_rounds = Some(2);
    assert!(
        sentences(&comparison)
            .contains(&"2 more rounds would show a difference of 5 % in output TPS (--rounds 5).".to_owned())
    );
}

#[test]
fn until_sure_says_how_far_it_came_and_what_its_intervals_are() {
    let mut comparison = against_vllm(vec![pair("sglang", "vllm", 1.0)]);
    let until_sure = UntilSure { within_pct: 6.0, rounds: 7, rounds_max: 20, sure: true };
    comparison.rule = Some(VerdictRule { until_sure: Some(until_sure), ..RULE });
    let sentences = sentences(&comparison);
    assert_eq!(
        sentences[0],
        "sglang is indistinguishable from vllm, shown to be within 6 % (1.00× [0.950, 1.05])."
    );
    assert!(
        sentences.iter().any(|text| text.starts_with("7 of at most 20 rounds were played")),
        "{sentences:?}"
    );
}

#[test]
fn one_backend_none_and_pretend_ones_have_an_answer_too() {
    assert_eq!(first(&comparison(vec![run("vllm", 1.0)])), "vllm serves 343 output tokens a second.");
    assert_eq!(first(&comparison(Vec::new())), "No backend gave a result.");
    let mut pretend = against_vllm(vec![pair("sglang", "vllm", 1.0)]);
    pretend.runs[0].caveats.push(Caveat::Simulated);
    assert!(first(&pretend).starts_with("SIMULATED"), "{}", first(&pretend));
    let failed =
        |label: &str| FailedTarget { label: label.into(), round: 1, error: "no".into(), hint: String::new() };
    let lacking =
        Comparison { failed: vec![failed("tgi"), failed("vllm")], ..comparison(vec![run("vllm", 1.0)]) };
    assert_eq!(sentences(&lacking)[1], "No result of tgi.", "vllm has one, of another round");
}

#[test]
fn a_search_answers_with_its_limits() {
    let limit = |label: &str, value, high| Limit {
        label: label.into(),
        of: LimitOf::Rate,
        value,
        low: value.map(|value: f64| value - 0.6),
        high,
        runs: Vec::new(),
        requests: 100,
        unfinished: None,
    };
    let limits =
        vec![limit("a", Some(14.2), Some(14.9)), limit("b", Some(9.0), None), limit("c", None, None)];
    let comparison = Comparison { limits, ..comparison(vec![run("vllm", 1.0)]) };
    assert_eq!(
        first(&comparison),
        "Within the objectives a carries 14.2 [13.6, 14.9] requests a second; b carries 9.00 or more requests a second; \
         c misses them at the lowest load."
    );
}
