//! Loads with names from a file, and lists of loads.

use std::path::PathBuf;

use clap::Args;

/// Scenarios of a sweep.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scenarios")]
pub struct ScenarioArgs {
    /// Named loads from a YAML or JSON file: {name, concurrency or rate, requests, duration, warmup, max_tokens, prompt,
    /// prompts or dataset, …}, one curve each; also the benchmark_config.json of the vLLM benchmarking tools. A flag beside
    /// it goes before the same key of every scenario
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["compare", "concurrent_tests", "trace", "auto", "find_max_rate", "find_max_concurrency"]
    )]
    pub scenarios: Option<PathBuf>,
    /// Numbers of requests, a load each: 10,50,100,200
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        conflicts_with_all = ["trace", "auto", "find_max_rate", "find_max_concurrency"]
    )]
    pub compare: Vec<u64>,
    /// Requests in flight, a load each: 5,10,20,50; the same as --concurrency 5,10,20,50
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        conflicts_with_all = ["concurrency", "rate", "compare"]
    )]
    pub concurrent_tests: Vec<u32>,
    /// What is to be said of the file before it is played: set after parsing.
    #[arg(skip)]
    pub notes: Vec<String>,
}
