//! What is wanted of a server, and what it costs.

use clap::Args;

/// Objectives and price.
#[derive(Debug, Args)]
#[command(next_help_heading = "Objectives")]
pub struct GoalArgs {
    /// Latencies that must not be exceeded, such as ttft_p99=500ms,tpot_p99=50ms,e2e_p95=10s: also itl, ntpot,
    /// chunk_gap, ttft_from_due and e2e_from_due; mean, min, p50 to p999 and max. errors=1% is the share of
    /// requests that may fail [default: 1%]. Gives goodput, and exit code 1 where a run missed one
    #[arg(long, value_name = "METRIC_STATISTIC=LIMIT,…", value_delimiter = ',')]
    pub slo: Vec<String>,
    /// What the server's machine costs an hour, in any currency: gives the cost of a million tokens. LABEL=PRICE for
    /// one backend
    #[arg(long, value_name = "[LABEL=]PRICE,…", value_delimiter = ',')]
    pub price_per_hour: Vec<String>,
}
