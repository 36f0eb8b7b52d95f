//! The levelling table: what is level, what differs, and what forbids a ratio.

use super::comparing::{best, compared, compared_with, plan, run, target};
use super::*;
use crate::schema::comparison::Comparison;
use crate::schema::fairness::{FairnessMode, FairnessRow, Finding, ProbeReply};
use crate::schema::figure;
use crate::schema::plan::Plan;
use crate::schema::target::NotLevel;

fn row<'a>(comparison: &'a Comparison, what: &str) -> &'a FairnessRow {
    let rows = &comparison.fairness.as_ref().unwrap().rows;
    rows.iter().find(|row| row.what == what).unwrap_or_else(|| panic!("no row {what}: {rows:?}"))
}

/// Two engines, the second with a change.
fn two(change: impl Fn(&mut RunSummary)) -> Comparison {
    let mut other = run("other", 200, 50);
    other.engine = "sglang".to_owned();
    change(&mut other);
    compared(&[], vec![run("one", 100, 50), other])
}

/// The finding of a row, and whether some best is still marked.
fn found(comparison: &Comparison, what: &str) -> (Finding, bool) {
    (row(comparison, what).finding, best(comparison, figure::TTFT).is_some())
}

fn probed(run: &mut RunSummary, more: [u32; 3], completion: &str) {
    let counts = [("digits", 40), ("system", 30), ("plain", 20)];
    run.probes = counts
        .into_iter()
        .zip(more)
        .map(|((prompt, tokens), more)| ProbeReply {
            prompt: prompt.to_owned(),
            prompt_tokens: Some(tokens + more),
            completion: (prompt == "plain").then(|| completion.to_owned()),
            failed: None,
        })
        .collect();
    // The load's own counts would tell as well.
    run.prompt_tokens_by_id.clear();
}

/// Two engines whose probes told so.
fn two_probed(more: [u32; 3], completion: &str, change: impl Fn(&mut RunSummary)) -> Comparison {
    let mut one = run("one", 100, 50);
    probed(&mut one, [0; 3], "Spring, summer, autumn and winter.");
    let mut other = run("other", 200, 50);
    other.engine = "sglang".to_owned();
    probed(&mut other, more, completion);
    change(&mut other);
    compared(&[], vec![one, other])
}

const SAME: &str = "Spring, summer, autumn and winter.";

#[test]
fn servers_that_did_the_same_work_are_level() {
    let comparison = two_probed([0; 3], SAME, |_| {});
    for what in
        ["engine", "model", "precision", "sampling", "prompt tokens", "greedy completion", "output length"]
    {
        assert_eq!(found(&comparison, what), (Finding::Level, true), "{:?}", row(&comparison, what));
    }
}

#[test]
fn lengths_over_ten_percent_apart_forbid_a_ratio_and_a_best() {
    let answers = |tokens: u64| {
        let mut other = run("other", 200, tokens);
        other.engine = "sglang".to_owned();
        compared(&[], vec![run("one", 100, 50), other])
    };
    assert_eq!(found(&answers(51), "output length"), (Finding::Level, true));
    assert_eq!(found(&answers(55), "output length"), (Finding::Differs, true));
    let apart = answers(60);
    assert_eq!(found(&apart, "output length"), (Finding::NotComparable, false));
    assert!(row(&apart, "output length").why.contains("20 % more than those of one (50.0)"), "{apart:?}");
}

#[test]
fn weights_of_more_than_twice_the_bits_are_not_comparable_between_engines() {
    let serving = |precision: &str, engine: &str| {
        let comparison = two(|other| {
            other.precision = precision.to_owned();
            other.engine = engine.to_owned();
        });
        found(&comparison, "precision").0
    };
    assert_eq!(serving("Q8_0", "llamacpp"), Finding::Differs, "half the bits");
    assert_eq!(serving("FP16", "llamacpp"), Finding::Differs);
    assert_eq!(serving("Q4_K_M", "llamacpp"), Finding::NotComparable);
    assert_eq!(
        serving("Q4_K_M", "vllm"),
        Finding::Differs,
        "of one engine the user compares them on purpose"
    );
    assert_eq!(serving("unknown", "llamacpp"), Finding::Unknown);
}

#[test]
fn a_bos_token_is_a_caveat_and_another_tokenizer_is_another_model() {
    let bos = two_probed([1, 1, 1], SAME, |_| {});
    assert_eq!(found(&bos, "prompt tokens"), (Finding::Differs, true));
    assert!(row(&bos, "prompt tokens").why.contains("BOS"), "{bos:?}");
    let template = two_probed([22, 0, 22], SAME, |_| {});
    assert_eq!(found(&template, "prompt tokens"), (Finding::NotComparable, false), "44 of 90 tokens");
    assert!(row(&template, "prompt tokens").why.contains("no system message"), "{template:?}");
    let tokenizer = two_probed([0, 3, 8], SAME, |_| {});
    assert_eq!(found(&tokenizer, "prompt tokens"), (Finding::NotComparable, false));
    assert!(row(&tokenizer, "prompt tokens").why.contains("another tokenizer"), "{tokenizer:?}");
}

#[test]
fn a_template_counts_by_its_part_of_the_loads_own_prompts() {
    let counts = |tokens: u32| [("a".to_owned(), tokens)].into();
    let mut one = run("one", 100, 50);
    probed(&mut one, [0; 3], SAME);
    one.prompt_tokens_by_id = counts(1000);
    let mut other = run("other", 200, 50);
    probed(&mut other, [22, 0, 22], SAME);
    other.prompt_tokens_by_id = counts(1022);
    let comparison = compared(&[], vec![one, other]);
    assert_eq!(found(&comparison, "prompt tokens"), (Finding::Differs, true), "2.2 % of them");
}

#[test]
fn a_server_that_tells_no_counts_is_unknown_and_not_lost() {
    let comparison = two_probed([0; 3], SAME, |other| {
        for reply in &mut other.probes {
            (reply.prompt_tokens, reply.completion) = (None, None);
            reply.failed = Some("status: 500".to_owned());
        }
    });
    assert_eq!(found(&comparison, "prompt tokens"), (Finding::Unknown, true));
    assert_eq!(found(&comparison, "greedy completion"), (Finding::Unknown, true));
}

#[test]
fn completions_that_part_are_usual_and_never_forbid_a_ratio_alone() {
    let begins = two_probed([0; 3], "Spring, summer and fall.", |_| {});
    assert_eq!(found(&begins, "greedy completion"), (Finding::Differs, true));
    assert!(row(&begins, "greedy completion").why.contains("usual"), "{begins:?}");
    let nothing = two_probed([0; 3], "I cannot tell.", |_| {});
    assert_eq!(found(&nothing, "greedy completion"), (Finding::Differs, true));
    assert!(row(&nothing, "greedy completion").why.contains("first word"), "{nothing:?}");
}

#[test]
fn another_name_is_another_model_only_where_something_else_shows_it() {
    let called = |name: &'static str, completion: &str, more| {
        let comparison = two_probed(more, completion, |other| other.model = name.to_owned());
        found(&comparison, "model").0
    };
    let own = run("one", 100, 50).model;
    assert_eq!(called("chat", SAME, [0; 3]), Finding::Differs, "beside {own}");
    assert_eq!(called("chat", "I cannot tell.", [0; 3]), Finding::NotComparable);
    assert_eq!(called("chat", SAME, [0, 1, 0]), Finding::NotComparable, "another tokenizer");
}

#[test]
fn prefix_cache_hits_over_ten_points_apart_forbid_a_ratio_between_engines() {
    let hitting = |share: f64, engine: &str| {
        let comparison = two(|other| {
            other.engine = engine.to_owned();
            other.tokens.prompt = 1000;
            other.tokens.cached = (10.0 * share) as u64;
        });
        let mut one = run("one", 100, 50);
        (one.tokens.prompt, one.tokens.cached) = (1000, 1);
        let other = comparison.runs.into_iter().nth(1).unwrap();
        found(&compared(&[], vec![one, other]), "prefix cache").0
    };
    assert_eq!(hitting(0.5, "sglang"), Finding::Level);
    assert_eq!(hitting(8.0, "sglang"), Finding::Differs);
    assert_eq!(hitting(40.0, "sglang"), Finding::NotComparable);
    assert_eq!(hitting(40.0, "vllm"), Finding::Differs, "of one engine the user compares it on purpose");
}

#[test]
fn a_parameter_that_differs_is_what_the_user_compares() {
    let own = NotLevel { setting: "max_batch".into(), shared: "32".into(), own: "max_num_seqs=8".into() };
    let targets = [target("one", vec![]), target("other", vec![own])];
    let comparison = compared(&targets, vec![run("one", 100, 50), run("other", 200, 50)]);
    let row = row(&comparison, "batch limit");
    assert_eq!(row.by_label["other"], "max_num_seqs=8");
    assert!(row.finding < Finding::NotComparable && best(&comparison, figure::TTFT).is_some(), "{row:?}");
}

#[test]
fn with_fairness_off_nothing_forbids_a_ratio() {
    let runs = || {
        let mut other = run("other", 200, 80);
        other.engine = "sglang".to_owned();
        vec![run("one", 100, 50), other]
    };
    let off = compared_with(&[], runs(), |plan: Plan| Plan { fairness: FairnessMode::Off, ..plan });
    assert_eq!(found(&off, "output length"), (Finding::Differs, true));
    let warned = |fairness| {
        let with = |plan: Plan| Plan { fairness, ..plan };
        found(&compared_with(&[], runs(), with), "output length")
    };
    assert_eq!([FairnessMode::Warn, FairnessMode::Strict].map(warned), [(Finding::NotComparable, false); 2]);
}

#[test]
fn a_label_whose_every_run_fails_is_held_against_nobody() {
    let failing = two(|other| {
        other.requests.failed = 40;
        other.requests.issued = 140;
        other.caveats.push(crate::schema::caveat::Caveat::Failures { rate_pct: 28.6 });
    });
    let row = row(&failing, "completed");
    assert_eq!(row.finding, Finding::NotComparable);
    assert!(row.why.starts_with("28.6 % of other's requests failed"), "{row:?}");
}

#[test]
fn the_reasons_of_a_pair_are_those_of_its_own_rows() {
    let long = |label: &str| {
        let mut run = run(label, 200, 80);
        run.engine = "sglang".to_owned();
        run
    };
    let runs = vec![run("one", 100, 50), run("two", 150, 50), long("long")];
    let targets = ["one", "two", "long"].map(|label| target(label, vec![]));
    let plan = plan(targets.into());
    let reasons = |label, baseline| crate::analysis::reasons(&plan, &runs, label, baseline, 1);
    assert_eq!(reasons("two", "one"), Vec::<String>::new());
    assert_eq!(reasons("long", "one").len(), 1);
    assert!(reasons("long", "one")[0].starts_with("output length: answers of long have 80.0 tokens"));
    assert_eq!(reasons("long", "absent"), Vec::<String>::new());
}

#[test]
fn client_threads_are_shown_where_a_run_had_more_than_one_and_are_no_difference_of_the_servers() {
    let threads = |one: u32, other: u32| {
        let mut first = run("one", 100, 50);
        first.client.threads = one;
        let mut second = run("other", 200, 50);
        second.client.threads = other;
        compared(&[], vec![first, second])
    };
    let rows = threads(1, 0).fairness.unwrap().rows;
    assert!(!rows.iter().any(|row| row.what == "client threads"), "{rows:?}");
    let comparison = threads(2, 3);
    assert_eq!(found(&comparison, "client threads"), (Finding::Level, true));
    let row = row(&comparison, "client threads");
    assert_eq!((row.by_label["one"].as_str(), row.by_label["other"].as_str()), ("2", "3"));
}
