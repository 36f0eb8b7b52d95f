//! `harness dataset stats`: what is in a file of prompts or in a trace.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::StatsArgs;
use crate::commands::play;
use crate::commands::resolve::replay;
use crate::dataset;
use crate::progress::print;
use crate::report::dataset_stats::stats_table;
use crate::schema::text::write_json_indented;
use crate::schema::trace_stats::DatasetStats;

/// `harness dataset stats`
pub fn stats(args: &StatsArgs) -> anyhow::Result<ExitCode> {
    let stats = match args.file.as_deref().filter(|file| is_trace(file, args)) {
        Some(file) => DatasetStats::Trace(dataset::trace_stats(file, &replay::reading(&args.format)?)?.stats),
        None => {
            let (prompts, source) = dataset::load(args.file.as_deref())?;
            DatasetStats::Prompts(dataset::prompt_stats(&prompts, &source))
        }
    };
    if args.json {
        let mut json = Vec::new();
        write_json_indented(&mut json, &stats)?;
        print(&String::from_utf8_lossy(&json));
    } else {
        print(&stats_table(&stats, play::style()));
    }
    Ok(ExitCode::SUCCESS)
}

/// It is told to be one, or looks like one. What cannot be read is an error of whoever reads it whole.
fn is_trace(file: &Path, args: &StatsArgs) -> bool {
    let told = args.format.trace_format.is_some() || !args.format.columns.is_empty();
    told || matches!(dataset::trace_format(file), Ok(Some(_)))
}
