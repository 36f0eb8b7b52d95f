//! What the terminal and report.md show, whole.

use insta::assert_snapshot;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::fixture::{comparison, empty, file, four, run, skipped};
use super::markdown::report_md;
use super::terminal::{Style, comparison_table, run_block};
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::metric;
use crate::schema::record::FailureKind;
use crate::schema::summary::{Caveat, MetricValue, RunSummary};

const PLAIN: Style = Style { width: 80, colour: false };

fn failing() -> RunSummary {
    let mut run = run("vllm", 1.0);
    run.requests.completed = 13;
    run.requests.failed = 3;
    run.requests.cancelled = 1;
    run.requests.dropped = 1;
    run.requests.failures = [(FailureKind::Timeout, 2), (FailureKind::Status, 1)].into();
    run.partial = Some("interrupted".to_owned());
    run.metrics.insert(metric::ERROR_RATE.to_owned(), MetricValue::Scalar(16.7));
    run.caveats =
        vec![Caveat::Partial { reason: "interrupted".to_owned() }, Caveat::Failures { rate_pct: 16.7 }];
    run
}

fn withheld() -> RunSummary {
    let mut run = run("llamacpp", 0.8);
    run.metrics.remove(metric::ITL);
    run.caveats = vec![Caveat::ItlWithheld { difference_pct: 3.2 }];
    run
}

#[test]
fn a_run_is_a_block() {
    assert_snapshot!(run_block(&run("vllm", 1.0), PLAIN), @"");
}

#[test]
fn failures_are_counted_by_kind_and_a_partial_run_says_so() {
    assert_snapshot!(run_block(&failing(), PLAIN), @"");
}

#[test]
fn a_metric_that_does_not_exist_is_a_dash_with_its_reason() {
    assert_snapshot!(run_block(&withheld(), PLAIN), @"");
    assert_snapshot!(run_block(&empty("sglang"), PLAIN), @"");
}

#[test]
fn one_backend_is_a_table_without_a_best() {
    assert_snapshot!(comparison_table(&comparison(vec![run("vllm", 1.0)]), PLAIN), @"");
}

#[test]
fn two_backends_with_failures_and_withheld_itl() {
    assert_snapshot!(comparison_table(&comparison(vec![withheld(), failing()]), PLAIN), @"");
}

#[test]
fn four_backends_stand_side_by_side_with_their_caveats() {
    assert_snapshot!(comparison_table(&four(), PLAIN), @"");
}

#[test]
fn five_backends_with_long_labels_fit() {
    let labels = ["llamacpp", "vllm", "vllm-chunked-prefill", "vllm-max-num-batched-8192", "sglang"];
    let runs = labels.iter().enumerate().map(|(index, label)| run(label, 1.0 + 0.1 * index as f64)).collect();
    assert_snapshot!(comparison_table(&comparison(runs), PLAIN), @"");
}

fn nothing() -> Comparison {
    let mut comparison = comparison(Vec::new());
    comparison.failed.push(FailedTarget {
        label: "sglang".to_owned(),
        error: "died while loading: out of memory".to_owned(),
        hint: "set mem_fraction_static lower: --set sglang.mem_fraction_static=0.7".to_owned(),
    });
    comparison.skipped.push(skipped());
    comparison
}

#[test]
fn no_result_at_all_says_why_and_what_to_do() {
    assert_snapshot!(comparison_table(&nothing(), PLAIN), @"");
}

#[test]
fn colour_adds_only_escapes() {
    let coloured = comparison_table(&four(), Style { width: 80, colour: true });
    assert!(coloured.contains("\u{1b}[1m"));
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some((head, tail)) = rest.split_once('\u{1b}') {
        bare.push_str(head);
        rest = tail.split_once('m').unwrap().1;
    }
    bare.push_str(rest);
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&bare), trimmed(&comparison_table(&four(), PLAIN)));
}

#[test]
fn the_report_holds_everything() {
    let mut four = four();
    four.skipped.push(skipped());
    assert_snapshot!(report_md(&file(four)), @"");
}

#[test]
fn a_report_without_results_shows_no_pictures() {
    let text = report_md(&file(nothing()));
    assert!(text.contains("No backend gave a result.") && !text.contains("!["), "{text}");
    assert!(text.contains("**tgi**: not installed. Hint: harness install tgi"), "{text}");
}

#[test]
fn text_from_outside_cannot_break_the_report() {
    let text = report_md(&file(comparison(vec![run("a|b*c\n# d", 1.0)])));
    assert!(text.contains(r"| | a\|b\*c \# d |"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_line_is_wider_than_the_terminal(
        labels in proptest::collection::vec("\\PC{0,50}", 1..8),
        value in prop_oneof![Just(f64::NAN), Just(f64::MAX), Just(f64::MIN), Just(1e-300), 0.0..1e12],
        issued in any::<u64>(),
        width in 40usize..140,
    ) {
        let mut runs: Vec<RunSummary> = labels.iter().map(|label| run(label, 1.0)).collect();
        for run in &mut runs {
            run.duration_s = value;
            run.requests.issued = issued;
            run.requests.completed = issued;
            run.metrics.insert(metric::OUTPUT_TPS.to_owned(), MetricValue::Scalar(value));
            run.engine_version = Some(run.label.clone());
            run.partial = Some(run.label.clone());
            run.caveats = vec![Caveat::NotLevel { label: run.label.clone(), what: run.label.repeat(3) }];
        }
        let style = Style { width, colour: false };
        let block = run_block(&runs[0], style);
        let table = comparison_table(&comparison(runs), style);
        for line in block.lines().chain(table.lines()) {
            prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
        }
    }
}
