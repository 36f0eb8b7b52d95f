//! Parse, execute, print the error, choose the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The guard must stay single-threaded and small: it is chosen before anything else is set up.
    if std::env::args_os().nth(1).is_some_and(|first| first == "guard") {
        return harness::commands::guard();
    }
    harness::commands::execute(std::env::args_os().collect())
}
