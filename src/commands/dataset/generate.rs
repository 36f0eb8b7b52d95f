//! `harness dataset generate`.

use std::process::ExitCode;

use crate::cli::GenerateArgs;

/// `harness dataset generate`
pub fn generate(_args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
