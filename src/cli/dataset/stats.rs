//! `harness dataset stats`.

use std::path::PathBuf;

use clap::Args;

use super::import::FormatArg;
use crate::cli::replay::TraceFormatArgs;

/// `dataset stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// A file of prompts in any form that --dataset takes, or a trace; none: the prompts that are built in
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Form of a file of prompts [default: by its content]
    #[arg(long = "format", value_enum, value_name = "NAME", conflicts_with = "trace_format")]
    pub prompt_format: Option<FormatArg>,
    /// How a trace is read.
    #[command(flatten)]
    pub format: TraceFormatArgs,
    /// In whose tokens prompts are counted: a tokenizer.json, a directory that holds one, or a hub id
    #[arg(long, value_name = "FILE|DIR|ID")]
    pub tokenizer: Option<String>,
    /// Draw it into this file, .png or .svg: arrivals over time, and lengths
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
