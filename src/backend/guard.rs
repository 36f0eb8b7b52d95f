//! (in work)

use std::process::ExitCode;

/// Entry of the guard process.
pub fn guard_main() -> ExitCode {
    ExitCode::from(2)
}
