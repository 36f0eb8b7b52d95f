//! When requests of an open loop start.

use clap::Args;

/// When requests of an open loop start.
#[derive(Debug, Args)]
#[command(next_help_heading = "Arrivals")]
pub struct ArrivalArgs {
    /// Seed of the arrival times alone [default: --seed]
    #[arg(long, value_name = "N")]
    pub seed_arrivals: Option<u64>,
    /// Seed of which requests are made: texts, models, think times [default: --seed]
    #[arg(long, value_name = "N")]
    pub seed_requests: Option<u64>,
    /// Seed of the lengths of prompts and answers [default: --seed]
    #[arg(long, value_name = "N")]
    pub seed_lengths: Option<u64>,
}
