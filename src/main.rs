//! Parse, execute, print the error, choose the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The guard must stay single-threaded and small: it is chosen before anything else is set up.
    if std::env::args_os().nth(1).is_some_and(|first| first == "guard") {
        return harness::commands::guard();
    }
    // For trials of `simulate` alone: the whole dispatch is written elsewhere.
    use clap::FromArgMatches;
    let matches = harness::cli::command().get_matches();
    if let Ok(harness::cli::Cli { command: harness::cli::Command::Simulate(args) }) =
        harness::cli::Cli::from_arg_matches(&matches)
    {
        return match harness::commands::simulate(&args) {
            Ok(code) => code,
            Err(error) => {
                let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("error: {error:#}\n"));
                ExitCode::from(2)
            }
        };
    }
    ExitCode::from(2)
}
