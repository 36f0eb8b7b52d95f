//! What the terminal and report.md show, whole.

mod blocks;
mod page;
mod sweeps;
mod tables;

use insta::assert_snapshot;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::chart::{self, ChartContext, ChartInput, DrawnRun};
use super::fixture::{RULE, comparison, empty, file, four, rounds, run, skipped, sweep};
use super::fixture_curves::curves;
use super::markdown;
use super::terminal::{Style, comparison_table, run_block};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::figure;
use crate::schema::files::ComparisonFile;
use crate::schema::record::FailureKind;
use crate::schema::summary::{MetricValue, RunSummary};
use crate::schema::verdict::Interval;

/// The report with the charts that its comparison gives.
fn report_md(file: &ComparisonFile) -> String {
    let comparison = &file.comparison;
    let context = ChartContext::new(&file.plan, comparison);
    let curves: Vec<_> = comparison.runs.iter().map(curves).collect();
    let runs = comparison.runs.iter().zip(&curves);
    let runs: Vec<_> = runs.map(|(run, curves)| DrawnRun::bare(&run.key, curves)).collect();
    let charts = chart::specs(&ChartInput { comparison, runs: &runs, context: &context });
    markdown::report_md(file, &charts)
}

const PLAIN: Style = Style { width: 80, colour: false };

fn failing() -> RunSummary {
    let mut run = run("vllm", 1.0);
    run.requests.completed = 13;
    run.requests.failed = 3;
    run.requests.cancelled = 1;
    run.requests.dropped = 1;
    run.requests.failures = [(FailureKind::Timeout, 2), (FailureKind::Status, 1)].into();
    run.first_failures = [(FailureKind::Status, "503 Service Unavailable: busy".into())].into();
    run.partial = Some("interrupted".to_owned());
    run.metrics.insert(figure::ERROR_RATE.to_owned(), MetricValue::Scalar(16.7));
    run.caveats =
        vec![Caveat::Partial { reason: "interrupted".to_owned() }, Caveat::Failures { rate_pct: 16.7 }];
    run
}

fn withheld() -> RunSummary {
    let mut run = run("llamacpp", 0.8);
    for pace in figure::PACES {
        run.metrics.remove(pace);
    }
    run.caveats = vec![Caveat::PaceWithheld { difference_pct: 3.2, low_ms: Some(12.0), high_ms: Some(12.4) }];
    run
}

fn nothing() -> Comparison {
    let mut comparison = comparison(Vec::new());
    comparison.failed.push(FailedTarget {
        round: 1,
        label: "sglang".to_owned(),
        error: "died while loading: out of memory".to_owned(),
        hint: "set mem_fraction_static lower: --set sglang.mem_fraction_static=0.7".to_owned(),
    });
    comparison.skipped.push(skipped());
    comparison
}
