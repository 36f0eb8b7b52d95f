//! `schema`.

use clap::{Args, ValueEnum};

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which file
    #[arg(value_enum)]
    pub of: Option<SchemaOf>,
}

/// A file whose form is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// plan.json, and the plan inside the others
    Plan,
    /// {backend}_{time}.json: one run
    Run,
    /// comparison.json
    Comparison,
    /// A line of the raw records: header, request or end
    Records,
    /// What `harness check --json` prints
    Check,
}
