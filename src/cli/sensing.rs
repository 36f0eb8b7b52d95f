//! What is sensed of the machine and the server while a run goes.

use clap::Args;

use super::units::seconds;

/// What is sensed while a run goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sensing")]
pub struct SensingArgs {
    /// Time between two readings of the server's metrics page during a run; 0: it is not read
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    pub scrape_interval: f64,
    /// Time between two readings of the GPUs; 0: they are not read
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = seconds)]
    pub gpu_interval: f64,
    /// Time between two readings of the processes and the machine; 0: they are not read
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    pub host_interval: f64,
}
