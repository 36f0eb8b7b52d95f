//! `harness dataset stats`: what is in a file of prompts or in a trace.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::StatsArgs;
use crate::commands::play;
use crate::commands::resolve::{prompts, replay};
use crate::dataset::import::Import;
use crate::dataset::{self, Tokenizer};
use crate::directories::write_atomic;
use crate::progress::print;
use crate::report::chart::{self, ChartSpec, TraceData, prompts_picture, trace_picture};
use crate::report::dataset_stats::stats_table;
use crate::schema::refusal::{refusal, refuse};
use crate::schema::text::write_json_indented;
use crate::schema::trace_stats::DatasetStats;

/// `harness dataset stats`
pub fn stats(args: &StatsArgs) -> anyhow::Result<ExitCode> {
    let picture =
        args.picture.as_deref().map(|file| Ok::<_, anyhow::Error>((file, kind(file)?))).transpose()?;
    let (stats, spec) = match args.file.as_deref().filter(|file| is_trace(file, args)) {
        Some(file) => of_trace(file, args)?,
        None => of_prompts(args)?,
    };
    if let Some((file, kind)) = picture {
        draw(&spec, file, kind)?;
    }
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
    let of_trace =
        |pair: &String| ["time=", "input=", "output="].iter().any(|key| pair.trim_start().starts_with(key));
    let told = args.format.trace_format.is_some() || args.format.columns.iter().any(of_trace);
    told || (args.prompt_format.is_none() && matches!(dataset::trace_format(file), Ok(Some(_))))
}

fn of_trace(file: &Path, args: &StatsArgs) -> anyhow::Result<(DatasetStats, ChartSpec)> {
    if args.tokenizer.is_some() {
        return refuse("--tokenizer counts texts, and a trace tells lengths alone", "leave --tokenizer out");
    }
    let counted = dataset::trace_stats(file, &replay::reading(&args.format)?)?;
    let spec = trace_picture(TraceData {
        stats: &counted.stats,
        arrivals_s: &counted.arrivals_s,
        input_tokens: &counted.input_tokens,
        output_tokens: &counted.output_tokens,
    });
    Ok((DatasetStats::Trace(counted.stats), spec))
}

fn of_prompts(args: &StatsArgs) -> anyhow::Result<(DatasetStats, ChartSpec)> {
    let how = Import {
        format: args.prompt_format.and_then(prompts::format),
        columns: prompts::columns(&args.format.columns)?,
        skip_bad: args.format.skip_bad,
        ..Import::default()
    };
    let tokenizer = args.tokenizer.as_deref().map(Tokenizer::load).transpose()?;
    let (prompts, source) = dataset::load_as(args.file.as_deref(), &how)?;
    let counted = dataset::prompt_stats(&prompts, &source, tokenizer.as_ref());
    let spec = prompts_picture(&counted.stats, &counted.characters, &counted.words);
    Ok((DatasetStats::Prompts(counted.stats), spec))
}

/// How a picture is written.
#[derive(Clone, Copy)]
enum Kind {
    Png,
    Svg,
}

fn kind(file: &Path) -> anyhow::Result<Kind> {
    let extension = file.extension().unwrap_or_default();
    if extension.eq_ignore_ascii_case("png") {
        Ok(Kind::Png)
    } else if extension.eq_ignore_ascii_case("svg") {
        Ok(Kind::Svg)
    } else {
        Err(refusal(
            format!("--picture {}: its name tells no form", file.display()),
            "end it in .png or .svg",
        ))
    }
}

fn draw(spec: &ChartSpec, file: &Path, kind: Kind) -> anyhow::Result<()> {
    let drawn = chart::draw(spec)?;
    let bytes = match kind {
        Kind::Png => drawn.png,
        Kind::Svg => drawn.svg.into_bytes(),
    };
    write_atomic(file, &bytes).with_context(|| format!("cannot write {}", file.display()))
}
