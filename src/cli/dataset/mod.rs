//! `harness dataset`: prompts in, prompts out.

mod generate;
mod import;
mod stats;

use clap::{Args, Subcommand};

pub use generate::GenerateArgs;
pub use import::{FormatArg, ImportArgs, LimitFromArg, TurnsArg};
pub use stats::StatsArgs;

/// `dataset`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harness dataset generate --url http://127.0.0.1:8000 --count 50
  harness dataset import ShareGPT_V3.json --output sharegpt.jsonl
  harness dataset stats sharegpt.jsonl
  harness dataset stats mooncake_trace.jsonl --json")]
pub struct DatasetArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DatasetCommand,
}

/// What is done with a dataset.
#[derive(Debug, Subcommand)]
pub enum DatasetCommand {
    /// Have a model write new prompts
    Generate(GenerateArgs),
    /// Read another tool's file and write prompts
    Import(ImportArgs),
    /// Count what is in a file of prompts or a trace
    #[command(after_help = "\
Examples:
  harness dataset stats AzureLLMInferenceTrace_conv.csv
  harness dataset stats BurstGPT_1.csv --json
  harness dataset stats mine.csv --columns time=arrived,input=in,output=out

Of a trace it tells how arrivals cluster (dispersion at 1, 10 and 60 s), ties,
the tick of the log's clock, steps back, failed rows and shared prefixes: what
shows a counterfeit, or a log's tick.")]
    Stats(StatsArgs),
}
