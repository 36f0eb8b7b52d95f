//! `harness check`: is a result worse than an earlier one?

use std::path::PathBuf;
use std::process::ExitCode;

use crate::analysis::MaxRegression;
use crate::cli::CheckArgs;
use crate::directories::write_atomic;
use crate::pipeline::{self, Asked, LabelPair};
use crate::progress::{complain, print};
use crate::report::{check as table, github, junit};
use crate::schema::check::{CheckFile, CheckOutcome};
use crate::schema::figure_name::{figure_named, figure_names};
use crate::schema::refusal::{OrRefuse, refusal, refuse};
use crate::schema::text::write_json_indented;

use crate::commands::{REFUSED, play};

/// Runs the command.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let limits = limits(&args.max_regression)?;
    let labels: Vec<LabelPair> = args.label.iter().map(|text| label_pair(text)).collect();
    let asked = Asked {
        result: &args.result,
        baseline: &args.baseline,
        limits: &limits,
        labels: &labels,
        force: args.force,
    };
    let check = pipeline::check(asked)?;
    if let Some(path) = &args.junit {
        save(path, &junit::junit_xml(&check))?;
    }
    show(args, &check)?;
    Ok(ExitCode::from(exit_code(&check, args.strict)))
}

/// 0 no regression, as far as can be told; 1 a regression, under `--strict` also what cannot be told; 2 something
/// could not be checked.
fn exit_code(check: &CheckFile, strict: bool) -> u8 {
    match check.outcome {
        CheckOutcome::Regressed => 1,
        CheckOutcome::NotChecked => REFUSED,
        CheckOutcome::Passed => u8::from(strict && check.leaves_doubt()),
    }
}

fn show(args: &CheckArgs, check: &CheckFile) -> anyhow::Result<()> {
    if args.json {
        let mut json = Vec::new();
        write_json_indented(&mut json, check)?;
        print(&String::from_utf8_lossy(&json));
        // A gate that cannot tell must be heard where only JSON is read.
        if check.leaves_doubt() || check.outcome != CheckOutcome::Passed {
            complain(&table::conclusion(check).join("\n"));
        }
        return Ok(());
    }
    print(&table::check_table(check, play::style()));
    if args.github {
        let annotations = github::annotations(check);
        if !annotations.is_empty() {
            print(&annotations);
        }
    }
    Ok(())
}

fn save(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    write_atomic(path, text.as_bytes()).or_refuse(
        || format!("cannot write {}", path.display()),
        "give --junit a file in a directory that is there",
    )
}

/// `vllm`, or `tuned=vllm`: the result's label first.
fn label_pair(text: &str) -> LabelPair {
    let (now, baseline) = text.split_once('=').unwrap_or((text, text));
    LabelPair { now: now.trim().to_owned(), baseline: baseline.trim().to_owned() }
}

/// `ttft_p99=10%` each.
fn limits(texts: &[String]) -> anyhow::Result<Vec<MaxRegression>> {
    let mut limits: Vec<MaxRegression> = Vec::new();
    for text in texts {
        let limit = limit(text)?;
        if limits.iter().any(|other| other.figure.column() == limit.figure.column()) {
            return refuse(
                format!("--max-regression has {} twice", limit.figure.column()),
                "give one limit a figure",
            );
        }
        limits.push(limit);
    }
    Ok(limits)
}

fn limit(text: &str) -> anyhow::Result<MaxRegression> {
    let form =
        || refusal(format!("--max-regression '{text}' is no limit"), "write ttft_p99=10%,output_tps=5%");
    let (name, value) = text.split_once('=').ok_or_else(form)?;
    let name = name.trim();
    let figure = figure_named(name).ok_or_else(|| {
        refusal(
            format!("--max-regression: no figure is called '{name}'"),
            format!("one of {}", figure_names().join(", ")),
        )
    })?;
    let number = value.trim().trim_end_matches('%').trim_end();
    let pct = number.parse().ok().filter(|pct: &f64| pct.is_finite() && *pct >= 0.0).ok_or_else(form)?;
    Ok(MaxRegression { figure, pct })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::unwrap_used)]
    fn a_limit_names_a_figure_and_a_share() {
        let texts = |texts: &[&str]| limits(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let good = texts(&["ttft_p99=10%", "output_tps = 2.5", "error_rate=0"]).unwrap();
        let shown: Vec<(String, f64)> = good.iter().map(|limit| (limit.figure.column(), limit.pct)).collect();
        let expected = [("ttft_ms_p99", 10.0), ("output_tps", 2.5), ("error_rate_pct", 0.0)];
        assert_eq!(shown, expected.map(|(name, pct)| (name.to_owned(), pct)));
        for bad in ["ttft_p99", "ttft_p99=", "ttft_p99=-1%", "ttft_p99=nan", "ttft=5%", "=5%"] {
            assert!(texts(&[bad]).is_err(), "{bad}");
        }
        assert!(texts(&["ttft_p99=1", "ttft_ms_p99=2"]).is_err());
    }
}
