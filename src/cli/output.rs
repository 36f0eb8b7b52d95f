//! Where results go, and what is said meanwhile.

use std::path::PathBuf;

use clap::Args;

use super::export::ExportArgs;
use super::live::LiveArgs;
use super::units::seconds;
use super::upload::UploadArgs;

/// Where results go, and what is said meanwhile.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Directory of all results
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub output: PathBuf,
    /// YAML file with any of these flags as keys
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Print the resolved plan, with the order of its runs, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Exit 1 also where the result is not valid
    #[arg(long)]
    pub strict: bool,
    /// Print results and errors only
    #[arg(long, short)]
    pub quiet: bool,
    /// Print launched commands and the servers' log lines too
    #[arg(long, short)]
    pub verbose: bool,
    /// Where they are copied to.
    #[command(flatten)]
    pub upload: UploadArgs,
    /// What else is written.
    #[command(flatten)]
    pub export: ExportArgs,
    /// Stay so long after the results are written, so that they can be copied out of a container (kubectl cp needs one
    /// that runs); Ctrl-C and SIGTERM end it at once
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub hold: Option<f64>,
    /// What shows it while it runs.
    #[command(flatten)]
    pub live: LiveArgs,
    /// The command line as it may be given again: set after parsing, from it, the environment and the plan file.
    #[arg(skip)]
    pub command: Vec<String>,
}
