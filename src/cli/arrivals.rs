//! When requests of an open loop start.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::units::seconds;

/// When requests of an open loop start.
#[derive(Debug, Args)]
#[command(next_help_heading = "Arrivals")]
pub struct ArrivalArgs {
    /// Gamma gaps of this shape: 1 is Poisson, less is burstier, more is more even; the mean rate stays
    #[arg(long, value_name = "B")]
    pub burstiness: Option<f64>,
    /// So many requests at once, --burst-every TIME or at the mean rate of --rate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub burst_size: Option<u32>,
    /// Time from one burst to the next
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub burst_every: Option<f64>,
    /// A rate that rises or falls: from A to B requests per second over --duration, or over the time that
    /// --requests N take on average, so that about N are due
    #[arg(long, value_name = "A..B", value_parser = rate_range)]
    pub ramp_rates: Option<RateRange>,
    /// How it gets there [default: linear]
    #[arg(long, visible_alias = "ramp-up-strategy", value_enum)]
    pub ramp_shape: Option<RampShape>,
    /// Rates one after the other, each for a time: 1@30s,5@60s,0@10s
    #[arg(long, value_name = "RATE@TIME,…", value_delimiter = ',', value_parser = step)]
    pub steps: Vec<Step>,
    /// Rates over time from a CSV, JSON or YAML file, a row a piece: `for` (or `at`), `rate` (5 or 1..10), and
    /// where it has one `law` (poisson, constant, gamma with `burstiness`, burst with `burst_size`)
    #[arg(long, value_name = "FILE")]
    pub arrival_schedule: Option<PathBuf>,
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

/// Gaps between the starts of an open loop, or what their rate follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArrivalArg {
    /// Exponential gaps, as independent users make them
    Poisson,
    /// Equal gaps
    Constant,
    /// Gamma gaps: --burstiness
    Gamma,
    /// Many at once: --burst-size
    Burst,
    /// A rate that rises or falls, Poisson: --ramp-rates
    Ramp,
    /// Rates one after the other, Poisson: --steps
    Steps,
    /// Rates and laws from a file: --arrival-schedule
    File,
}

/// How a ramp goes from its first rate to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RampShape {
    /// By equal steps
    Linear,
    /// By equal factors
    Exponential,
}

/// Requests per second at the beginning and at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateRange {
    /// At the beginning.
    pub from: f64,
    /// At the end.
    pub to: f64,
}

/// A rate for a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Requests per second.
    pub rate: f64,
    /// s
    pub for_s: f64,
}

/// `1..10`
pub fn rate_range(text: &str) -> Result<RateRange, String> {
    let ends = text.split_once("..").map(|(from, to)| (from.trim().parse(), to.trim().parse()));
    match ends {
        Some((Ok(from), Ok(to))) => Ok(RateRange { from, to }),
        Some(_) | None => Err("not two rates; write 1..10, requests per second".into()),
    }
}

/// `5@60s`
pub fn step(text: &str) -> Result<Step, String> {
    let wrong = || "not a rate for a time; write 5@60s, requests per second".to_owned();
    let (rate, time) = text.split_once('@').ok_or_else(wrong)?;
    Ok(Step { rate: rate.trim().parse().map_err(|_| wrong())?, for_s: seconds(time)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_over_time_are_typed_as_they_are_said() {
        assert_eq!(rate_range("1..10"), Ok(RateRange { from: 1.0, to: 10.0 }));
        assert_eq!(rate_range("0.5 .. 2.5"), Ok(RateRange { from: 0.5, to: 2.5 }));
        assert!(["", "1", "1-10", "..", "a..b", "1..2..3"].iter().all(|text| rate_range(text).is_err()));
        assert_eq!(step("5@2m"), Ok(Step { rate: 5.0, for_s: 120.0 }));
        assert!(["", "5", "@5s", "5@", "5@x", "x@5s"].iter().all(|text| step(text).is_err()));
    }
}
