//! `harness trend`: the file of all runs over time.

use std::process::ExitCode;

use crate::cli::TrendArgs;
use crate::pipeline;
use crate::progress::print;
use crate::report::trend::trend_table;
use crate::results::SummaryRecord;
use crate::schema::figure_name::{Figure, figure_named, figure_names};
use crate::schema::refusal::{refusal, refuse};
use crate::schema::text::write_json_indented;

use crate::commands::play;

/// Figures that a line has room for.
const MOST_FIGURES: usize = 3;

/// Runs the command.
pub fn trend(args: &TrendArgs) -> anyhow::Result<ExitCode> {
    let figures = figures(&args.metric)?;
    if !args.file.is_file() {
        return refuse(
            format!("there is no file {}", args.file.display()),
            "give the benchmark_summary.csv of a results directory",
        );
    }
    let is_one_of = |names: &[String], name: &String| names.is_empty() || names.contains(name);
    let wanted =
        |row: &SummaryRecord| is_one_of(&args.backend, &row.backend) && is_one_of(&args.model, &row.model);
    let trend = pipeline::trend(&args.file, &figures, &wanted)?;
    if args.json {
        let mut json = Vec::new();
        write_json_indented(&mut json, &trend)?;
        print(&String::from_utf8_lossy(&json));
    } else {
        print(&trend_table(&trend, args.last as usize, play::style()));
    }
    Ok(ExitCode::SUCCESS)
}

fn figures(names: &[String]) -> anyhow::Result<Vec<Figure>> {
    if names.len() > MOST_FIGURES {
        return refuse(
            format!("--metric has {} figures", names.len()),
            format!("give at most {MOST_FIGURES}"),
        );
    }
    let figure = |name: &String| {
        figure_named(name.trim()).ok_or_else(|| {
            refusal(
                format!("--metric: no figure is called '{name}'"),
                format!("one of {}", figure_names().join(", ")),
            )
        })
    };
    names.iter().map(figure).collect()
}
