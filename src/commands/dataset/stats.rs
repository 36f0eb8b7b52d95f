//! `harness dataset stats`.

use std::process::ExitCode;

use crate::cli::StatsArgs;

/// `harness dataset stats`
pub fn stats(_args: &StatsArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
