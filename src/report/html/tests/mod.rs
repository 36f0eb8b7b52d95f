//! report.html: what stands in it, and what a browser makes of it.

mod browser;
mod opened;

use std::collections::BTreeMap;

use super::{PageInput, report_html};
use crate::report::chart::{self, ChartContext, ChartInput, ChartSpec};
use crate::report::fixture::{self, comparison, file, four, rounds, run, sweep};
use crate::report::fixture_curves::curves;
use crate::report::fixture_machine::{Machine, machine};
use crate::schema::comparison::Comparison;
use crate::schema::curves::RunCurves;
use crate::schema::fairness::{Fairness, FairnessRow, Finding};
use crate::schema::figure::{self, Statistic};
use crate::schema::files::ComparisonFile;
use crate::schema::objective::{Limit, LimitOf, Objective};
use crate::schema::plan::RunKey;
use crate::schema::verdict::Verdict;

/// A label that would act in a page of anybody who forgets it.
const EVIL: &str = "</script><img src=x onerror=\"document.title='owned'\"><!--\u{202e}'&";

fn specs(comparison: &Comparison) -> Vec<ChartSpec> {
    let context = ChartContext::new(&fixture::plan(), comparison);
    let curves: Vec<RunCurves> = comparison.runs.iter().map(curves).collect();
    let machines: Vec<Machine> = comparison.runs.iter().map(|run| machine(run, 2)).collect();
    let runs = comparison.runs.iter().zip(&curves).zip(&machines);
    let runs: Vec<_> = runs.map(|((run, curves), machine)| machine.drawn(run, curves)).collect();
    chart::specs(&ChartInput { comparison, runs: &runs, context: &context })
}

fn page(comparison: Comparison) -> String {
    page_of(file(comparison))
}

fn page_of(file: ComparisonFile) -> String {
    let charts = specs(&file.comparison);
    report_html(&PageInput { file: &file, charts: &charts }).unwrap()
}

/// A comparison with all that one may have.
fn whole() -> Comparison {
    let mut whole = rounds();
    let ratios = &mut whole.pairs[0].ratios;
    ratios.get_mut("ttft_ms_p50").unwrap().verdict = Some(Verdict::Indistinguishable);
    ratios.get_mut("ttft_ms_p99").unwrap().verdict = Some(Verdict::Faster);
    let row = |what: &str, one: &str, other: &str, finding, why: &str| FairnessRow {
        what: what.to_owned(),
        by_label: BTreeMap::from([
            ("llamacpp".to_owned(), one.to_owned()),
            ("vllm".to_owned(), other.to_owned()),
        ]),
        finding,
        why: why.to_owned(),
    };
    whole.fairness = Some(Fairness {
        rows: vec![
            row("context", "4,096", "4,096", Finding::Level, ""),
            row("precision", "Q4_1", "BF16", Finding::Differs, "Fewer bits are read for each token."),
            row("prompt tokens", "1,204", "1,204", Finding::Level, ""),
            row("prefix cache hits", "unknown", "12 %", Finding::Unknown, "llama.cpp does not say."),
        ],
    });
    let limit = |label: &str, value: Option<f64>| Limit {
        label: label.to_owned(),
        of: LimitOf::Rate,
        value,
        low: value.map(|value| value * 0.96),
        high: value.map(|value| value * 1.05),
        runs: vec![RunKey::first(label)],
        requests: 1_234,
        unfinished: None,
    };
    whole.limits = vec![limit("llamacpp", None), limit("vllm", Some(14.2))];
    whole
}

fn whole_file() -> ComparisonFile {
    let mut file = file(whole());
    file.plan.rounds = 3;
    file.plan.objectives =
        vec![Objective { metric: figure::TTFT.to_owned(), statistic: Statistic::P99, limit: 500.0 }];
    file.plan.command = [
        "harness",
        "compare",
        "--backend",
        "llamacpp,vllm",
        "--extra-args",
        "vllm=--dtype half",
        "--rounds",
        "3",
    ]
    .map(str::to_owned)
    .to_vec();
    file
}

#[test]
fn the_answer_comes_first_then_the_ranking_then_all_else() {
    let page = page_of(whole_file());
    let order = [
        "<h1>Which server is faster for SmolLM2-135M-Instruct?</h1>",
        "vllm carries 14.2 [13.6, 14.9] requests a second",
        "<section id=\"ranking\"",
        "<section id=\"limits\"",
        "<section id=\"caveats\"",
        "<section id=\"fairness\"",
        "<section id=\"charts\"",
        "<section id=\"figures\"",
        "<section id=\"runs\"",
        "<section id=\"method\"",
        "<section id=\"repeat\"",
        "<section id=\"glossary\"",
    ];
    let places: Vec<usize> =
        order.iter().map(|part| page.find(part).unwrap_or_else(|| panic!("{part} is not there"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    for words in [
        "0.125× [0.119, 0.131]",
        "<span class=\"badge slower\">slower</span>",
        "<span class=\"badge same\">indistinguishable</span>",
        "Highest load with TTFT p99 ≤ 500 ms",
        "even the lowest missed",
        "Fewer bits are read for each token.",
        "harness compare --backend llamacpp,vllm --extra-args &#39;vllm=--dtype half&#39; --rounds 3",
        "harness report results/compare_20260201_143000",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn what_a_comparison_has_not_is_left_out_with_its_heading() {
    let page = page(comparison(vec![run("only", 1.0)]));
    for absent in ["limits", "fairness", "missing", "caveats"] {
        assert!(!page.contains(&format!("<section id=\"{absent}\"")), "{absent}");
        assert!(!page.contains(&format!("href=\"#{absent}\"")), "{absent}");
    }
    assert!(
        page.contains("<h1>How fast is SmolLM2-135M-Instruct?</h1>")
            && page.contains("<h2 id=\"ranking-h\">Result")
    );
    assert!(!page.contains("The same measurement again"), "no command is known");
    let nothing = self::page(Comparison { groups: Vec::new(), runs: Vec::new(), ..comparison(Vec::new()) });
    assert!(nothing.contains("No backend gave a result.") && !nothing.contains("<section id=\"charts\""));
}

#[test]
fn text_from_anywhere_is_shown_and_never_acts() {
    let mut evil = whole_file();
    let text = serde_json::to_string(&evil.comparison).unwrap();
    let quoted = serde_json::to_string(EVIL).unwrap();
    evil.comparison = serde_json::from_str(&text.replace("\"llamacpp\"", &quoted)).unwrap();
    for run in &mut evil.comparison.runs {
        run.model = EVIL.to_owned();
        run.partial = Some(EVIL.to_owned());
        run.engine_version = Some(EVIL.to_owned());
    }
    evil.comparison.failed = vec![crate::schema::comparison::FailedTarget {
        label: EVIL.to_owned(),
        round: 1,
        error: EVIL.to_owned(),
        hint: EVIL.to_owned(),
    }];
    evil.plan.dataset.name = EVIL.to_owned();
    evil.plan.command.push(EVIL.to_owned());
    evil.environment.hostname = EVIL.to_owned();
    let page = page_of(evil);
    assert!(!page.contains("<img") && !page.contains("onerror=\"") && !page.contains('\u{202e}'));
    assert_eq!(page.matches("</script>").count(), 2, "one of the data, one of the program");
    assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=&quot;"));
}

#[test]
fn the_policy_lets_nothing_in_but_the_page_itself() {
    let page = page(four());
    let policy =
        page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    for asking in [" src=\"", "@import", "url(http", "<link rel=\"stylesheet"] {
        assert!(!page.contains(asking), "{asking}");
    }
    assert!(page.contains("Copyright (c) 2022 Leon Sorokin"), "the library's licence goes with it");
}

#[test]
fn a_page_of_many_runs_is_far_below_six_megabytes() {
    let mut runs = Vec::new();
    for round in 1..=50 {
        for label in ["a", "b", "c", "d"] {
            let mut run = run(label, 1.0);
            run.key.round = round;
            run.output_tokens_by_second = vec![1_000; 3_600];
            runs.push(run);
        }
    }
    let many = fixture::grouped(runs, crate::schema::comparison::Over::Rounds, fixture::plan().loads);
    let page = page(many);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.matches("<tr>").count() > 200);
}

#[test]
fn who_cannot_be_told_from_the_first_shares_its_rank() {
    let mut file = whole_file();
    let rank = |file: &ComparisonFile| {
        let page = page_of(file.clone());
        let row = page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap().to_owned();
        row.matches("data-sort=\"1\">1<").count()
    };
    assert_eq!(rank(&file), 1);
    let ratio = file.comparison.pairs[0].ratios.get_mut(figure::OUTPUT_TPS).unwrap();
    ratio.verdict = Some(Verdict::Indistinguishable);
    assert_eq!(rank(&file), 2);
}

#[test]
fn a_pair_that_is_not_comparable_says_why_and_has_no_ratio() {
    let mut file = whole_file();
    file.comparison.pairs[0].not_comparable = vec!["their prompts have 1,204 and 1,890 tokens".to_owned()];
    let page = page_of(file);
    assert!(page.contains("llamacpp and vllm: their prompts have 1,204 and 1,890 tokens"));
    assert!(page.contains("badge not\">not comparable") && !page.contains("0.125×"));
}
