//! What each sub-command means: arguments → a Plan → a call or two.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::Command;
use crate::commands::resolve::arguments;
use crate::progress::complain;
use crate::schema::refusal::shown;

mod bench;
mod calibrate;
mod calibrated;
mod check;
mod compare;
mod course;
mod dataset;
mod doctor;
mod doctor_gpus;
mod doctor_host;
mod hints;
mod hold;
mod install;
mod interrupt;
mod join;
mod k8s;
mod live;
mod play;
mod reading;
mod report;
pub mod resolve;
mod resume;
mod runtime;
mod schema;
mod show;
mod simulate;
mod sure;
mod sweep;
mod title;
mod trend;
mod tui;
mod upload;
mod workload;

use runtime::block_on;

/// Could not do what was asked.
const REFUSED: u8 = 2;

/// Runs the command line `argv`; errors are printed once, with their hint.
pub fn execute(argv: Vec<OsString>) -> ExitCode {
    let cli = match arguments::parse(argv) {
        Ok(cli) => cli,
        Err(arguments::Refused::Usage(message)) => {
            let code = u8::try_from(message.exit_code()).unwrap_or(REFUSED);
            // Help that cannot be printed (a closed pipe) is no failure of ours. An error may repeat somebody's plan.
            if message.use_stderr() {
                complain(message.render().to_string().trim_end());
            } else {
                let _ = message.print();
            }
            return ExitCode::from(code);
        }
        Err(arguments::Refused::Plan(error)) => return refuse(&error),
    };
    if let Err(error) = interrupt::survive_large_files() {
        return refuse(&error);
    }
    let done = match cli.command {
        Command::Compare(args) => compare::compare(args),
        Command::Run(args) => compare::run(args),
        Command::Bench(args) => bench::bench(args),
        Command::Sweep(args) => sweep::sweep(args),
        Command::Report(args) => report::report(&args),
        Command::Check(args) => check::check(&args),
        Command::Trend(args) => trend::trend(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::Dataset(args) => dataset::dataset(&args),
        Command::Install(args) => install::install(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Calibrate(args) => calibrate::calibrate(&args),
        Command::K8s(args) => k8s::k8s(&args),
        Command::Simulate(args) => simulate::simulate(&args),
    };
    done.unwrap_or_else(|error| refuse(&error))
}

/// `harness guard` (hidden): the process that is parent of all servers.
pub fn guard() -> ExitCode {
    crate::backend::guard_main()
}

fn refuse(error: &anyhow::Error) -> ExitCode {
    complain(&format!("error: {}", shown(error)));
    ExitCode::from(REFUSED)
}
