//! A trace of arrivals and lengths, played again.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::units::seconds;

/// A trace of arrivals and lengths, played again.
#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
pub struct ReplayArgs {
    /// Play the requests of this trace when it says, with its lengths: Azure, BurstGPT, Mooncake, Bailian,
    /// RAGPulse, vidur, AIBrix, or any table with --columns. --concurrency caps it
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// How the trace, and the lines that are left out of it, are read.
    #[command(flatten)]
    pub format: TraceFormatArgs,
    /// Divide its times by this: 2 plays it in half the time
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<f64>,
    /// Only what came in this part of it, such as 10m..20m after its first request
    #[arg(long, value_name = "FROM..TO", value_parser = window)]
    pub window: Option<(f64, Option<f64>)>,
    /// Spread requests that sit on the ticks of the log's clock over the tick, at random from --seed
    #[arg(long)]
    pub spread_ticks: bool,
    /// Where a time is earlier than the one before: refuse the file, play what follows as a further part, or sort
    /// [default: error]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub on_step_back: Option<OnStepBackArg>,
    /// Cut prompts of a trace that are longer
    #[arg(long, value_name = "N")]
    pub max_input_tokens: Option<u32>,
    /// Cut answers of a trace that are longer
    #[arg(long, value_name = "N")]
    pub max_output_tokens: Option<u32>,
}

/// How a trace is read.
#[derive(Debug, Args)]
pub struct TraceFormatArgs {
    /// Its format [default: by its columns or keys]
    #[arg(long, value_enum, value_name = "NAME")]
    pub trace_format: Option<TraceFormatArg>,
    /// Columns of a CSV (keys of JSON lines) that no format describes:
    /// time=…,input=…,output=…[,time_unit=s|ms|us|ns]. With --dataset: prompt=…,max_tokens=…,id=…
    #[arg(long, value_name = "KEY=NAME,…", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Count rows that cannot be read and leave them out
    #[arg(long)]
    pub skip_bad: bool,
}

/// How a trace is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormatArg {
    /// Azure's LLM inference traces of 2023 and 2024
    Azure,
    /// BurstGPT 1 to 3
    Burstgpt,
    /// Mooncake, with hash blocks of 512 tokens
    Mooncake,
    /// Bailian (Qwen), with hash blocks of 16 tokens
    Bailian,
    /// RAGPulse
    Ragpulse,
    /// The CSV of vidur
    Vidur,
    /// AIBrix' workload
    Aibrix,
}

/// What is done where a row is earlier than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnStepBackArg {
    /// Refuse the file
    Error,
    /// Play what follows as a further part, when the part before it has ended
    Append,
    /// Sort all rows by their times
    Sort,
}

/// `10m..20m`, `10m..`, `..20m`.
fn window(text: &str) -> Result<(f64, Option<f64>), String> {
    let form = "write a part such as 10m..20m";
    let (from, to) = text.split_once("..").ok_or(form)?;
    let time = |text: &str| (!text.trim().is_empty()).then(|| seconds(text)).transpose();
    let (from_s, to_s) = (time(from)?, time(to)?);
    if from_s.is_none() && to_s.is_none() {
        return Err(form.to_owned());
    }
    let from_s = from_s.unwrap_or(0.0);
    if to_s.is_some_and(|to_s| to_s <= from_s) {
        return Err("the window ends before it begins".to_owned());
    }
    Ok((from_s, to_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_two_times_of_which_one_may_be_missing() {
        assert_eq!(window("10m..20m"), Ok((600.0, Some(1200.0))));
        assert_eq!((window("5s.."), window("..1m")), (Ok((5.0, None)), Ok((0.0, Some(60.0)))));
        for bad in ["", "..", "10m", "20m..10m", "a..b", "5s..5s"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
