//! `harness calibrate`.

use clap::Args;

use super::threads::ThreadsArg;
use super::units::seconds;

/// `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// A few loads, half a minute; this is the default
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// More loads, 10 s each
    #[arg(long)]
    pub full: bool,
    /// Loads of your own, separated by commas: STREAMSxTOKENS_PER_S, or RATE/s for an open loop
    #[arg(long, value_name = "LOAD,…", value_delimiter = ',')]
    pub loads: Vec<String>,
    /// Save the figures of --loads too, in place of the whole grid's
    #[arg(long, requires = "loads")]
    pub save: bool,
    /// Against a server that leaves Nagle's algorithm on, with its first token 10 ms after the head; never saved
    #[arg(long, requires = "loads", conflicts_with = "save")]
    pub nagle: bool,
    /// Time a load [default: 2s; with --full 10s]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub duration: Option<f64>,
    /// Threads of the load engine; auto as in every run
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    pub client_threads: ThreadsArg,
    /// Seed of the arrival times
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print results and errors only
    #[arg(long, short)]
    pub quiet: bool,
    /// Print launched commands too
    #[arg(long, short)]
    pub verbose: bool,
}
