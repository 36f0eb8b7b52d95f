//! `report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::export::ExportArg;
use super::units::seconds;
use super::upload::UploadArgs;

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Result directories, comparison directories, run or records files. With --output several results stand side by
    /// side; a label that two of them have gets a suffix
    #[arg(value_name = "RESULTS", required = true)]
    pub results: Vec<PathBuf>,
    /// Write one report of all results into this directory, and leave their own files as they are. --baseline, --window,
    /// --ttft and --export need it
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Hold the others against this label
    #[arg(long, value_name = "LABEL", requires = "output")]
    pub baseline: Option<String>,
    /// Which part of each run counts: `whole`, `steady`, or FROM..TO after its start. Its requests are those sent in
    /// it, its tokens those that arrived in it
    #[arg(long, value_name = "WINDOW", value_parser = window, requires = "output")]
    pub window: Option<WindowArg>,
    /// What TTFT is [default: first-token]
    #[arg(long, value_enum, value_name = "STAMP", requires = "output")]
    pub ttft: Option<TtftArg>,
    /// Write the runs into --output in another tool's form in place of a report
    #[arg(long, value_enum, value_name = "FORM", requires = "output", conflicts_with_all = ["baseline", "window", "ttft"])]
    pub export: Option<ExportArg>,
    /// Where the results are copied to.
    #[command(flatten)]
    pub upload: UploadArgs,
}

/// A part of each run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WindowArg {
    /// All of it.
    Whole,
    /// Its steady state.
    Steady,
    /// Seconds after its start; without an end to the run's.
    Between(f64, Option<f64>),
}

/// What TTFT is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TtftArg {
    /// first_token − sent
    FirstToken,
    /// first_event − sent: the first event of any kind
    FirstEvent,
    /// first_answer_token − sent: reasoning left out
    FirstAnswerToken,
    /// first_token − due: what a user of an open loop waits
    FromDue,
}

/// `whole`, `steady`, `10s..60s`, `10s..`, `..60s`.
fn window(text: &str) -> Result<WindowArg, String> {
    let form = "write whole, steady, or a time after the start such as 10s..60s";
    match text.trim() {
        "whole" => return Ok(WindowArg::Whole),
        "steady" => return Ok(WindowArg::Steady),
        ".." => return Err(form.to_owned()),
        _ => {}
    }
    let (from, to) = text.split_once("..").ok_or(form)?;
    let time = |text: &str| (!text.trim().is_empty()).then(|| seconds(text)).transpose();
    let (from_s, to_s) = (time(from)?.unwrap_or(0.0), time(to)?);
    if to_s.is_some_and(|to_s| to_s <= from_s) {
        return Err("the window ends before it begins".to_owned());
    }
    Ok(WindowArg::Between(from_s, to_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_word_or_two_times() {
        assert_eq!(window("steady"), Ok(WindowArg::Steady));
        assert_eq!(window("whole"), Ok(WindowArg::Whole));
        assert_eq!(window("10s..1m"), Ok(WindowArg::Between(10.0, Some(60.0))));
        assert_eq!(window("500ms.."), Ok(WindowArg::Between(0.5, None)));
        assert_eq!(window("..60s"), Ok(WindowArg::Between(0.0, Some(60.0))));
        for bad in ["", "..", "10s", "60s..10s", "a..b", "10s..10s"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
