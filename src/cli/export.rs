//! Other tools' forms of runs, and what else stands in them.

use clap::{Args, ValueEnum};

/// Another tool's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportArg {
    /// That of Google's inference-benchmark, for its analyze.py: a JSON file a run
    LpgJson,
}

/// What is written beside the harness's own files.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct ExportArgs {
    /// Write each run in another tool's form too, into lpg/ beside the report, or in the results directory where there
    /// is none
    #[arg(long, value_enum, value_name = "FORM")]
    pub export: Option<ExportArg>,
    /// Names of the run's files begin with it: P_vllm_20260201_143000.json
    #[arg(long, value_name = "P")]
    pub file_prefix: Option<String>,
    /// Kept with the results, and among the dimensions of lpg-json: a JSON object
    #[arg(long, value_name = "JSON")]
    pub additional_metadata_metrics_to_save: Option<String>,
}
