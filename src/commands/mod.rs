//! What each sub-command means: arguments → a Plan → a call or two.

use std::process::ExitCode;

mod arguments;
mod simulate;
mod traffic;

pub use simulate::simulate;

/// `harness guard` (hidden): the process that is parent of all servers.
pub fn guard() -> ExitCode {
    crate::backend::guard_main()
}
