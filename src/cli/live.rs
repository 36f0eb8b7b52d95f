//! What shows a benchmark while it runs.

use clap::Args;

/// What shows a benchmark while it runs.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Live")]
pub struct LiveArgs {
    /// Show a picture of the run on the whole terminal: backends, rates, latencies, GPUs, the server's log
    #[arg(long)]
    pub tui: bool,
    /// Serve what goes on to Prometheus, at http://HOST:PORT/metrics, from before the first launch to the end of the
    /// command. A port alone is on 127.0.0.1; 0 takes a free one and says which
    #[arg(long, value_name = "[HOST:]PORT")]
    pub prometheus_listen: Option<String>,
    /// Push the metrics to a Pushgateway at the end of each run and of the command: http://HOST:9091, or a whole
    /// …/metrics/job/… path. USER:PASSWORD@ before the host, or a bearer token in HARNESS_PUSHGATEWAY_TOKEN
    #[arg(long, value_name = "URL")]
    pub pushgateway: Option<String>,
    /// Write the metrics to a Prometheus remote-write address every 5 s, such as http://HOST:9090/api/v1/write.
    /// USER:PASSWORD@ before the host, or a bearer token in HARNESS_REMOTE_WRITE_TOKEN
    #[arg(long, value_name = "URL")]
    pub remote_write: Option<String>,
}
