//! `harness dataset import`.

use std::process::ExitCode;

use crate::cli::ImportArgs;

/// `harness dataset import`
pub fn import(_args: &ImportArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
