//! A load that several machines play together.

use clap::{Args, ValueEnum};

use super::units::seconds;

/// A load that several machines play together.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Workers")]
pub struct WorkerArgs {
    /// Play the load together with other machines, each its share: auto finds itself in a Slurm step or array, or a
    /// Kubernetes Indexed Job; a number says how many there are
    #[arg(long, value_name = "auto|N", value_parser = workers)]
    pub workers: Option<WorkersArg>,
    /// Which worker this is, of how many, from 0: 2/4. Worker 0 leads and prints
    #[arg(long, value_name = "K/N", value_parser = worker_of)]
    pub worker: Option<WorkerOf>,
    /// Where worker 0 is, the same at every worker; worker 0 listens there. file:PATH: a file in a directory that all
    /// share, into which it writes where it listens
    #[arg(long, value_name = "HOST:PORT|file:PATH")]
    pub join: Option<String>,
    /// How long workers wait for each other
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = seconds)]
    pub join_timeout: f64,
    /// Where a worker is lost: stop the run, or play on without its share. It is not valid either way
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = WorkerLossArg::Stop)]
    pub on_worker_loss: WorkerLossArg,
}

/// How many workers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkersArg {
    /// As the environment says.
    Auto,
    /// So many.
    Count(u32),
}

/// Which worker, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerOf {
    /// From 0.
    pub worker: u32,
    /// How many.
    pub of: u32,
}

/// What becomes of a run that loses a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum WorkerLossArg {
    /// All stop, and what was measured is saved
    #[default]
    Stop,
    /// The others play on
    Continue,
}

/// The most workers.
const MOST: u32 = 10_000;

/// `auto`, or how many.
fn workers(text: &str) -> Result<WorkersArg, String> {
    match text.trim() {
        "auto" => Ok(WorkersArg::Auto),
        number => match number.parse() {
            Ok(count @ 1..=MOST) => Ok(WorkersArg::Count(count)),
            Ok(_) | Err(_) => Err(format!("auto, or a number from 1 to {MOST}")),
        },
    }
}

/// `2/4`
fn worker_of(text: &str) -> Result<WorkerOf, String> {
    let parts = text.split_once('/').and_then(|(worker, of)| Some((number(worker)?, number(of)?)));
    match parts {
        Some((worker, of)) if worker < of && of <= MOST => Ok(WorkerOf { worker, of }),
        Some((worker, of)) if worker == of && (1..=MOST).contains(&of) => {
            Err(format!("workers are numbered from 0: the last of {of} is {}/{of}", of - 1))
        }
        Some(_) | None => Err("not a worker; write 0/4, 1/4, 2/4 and 3/4".to_owned()),
    }
}

fn number(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_numbered_from_0() {
        assert_eq!(worker_of("2/4"), Ok(WorkerOf { worker: 2, of: 4 }));
        assert!(worker_of("4/4").unwrap_err().contains("3/4"));
        for wrong in ["5/4", "2", "", "a/4", "-1/4", "0/0"] {
            assert!(worker_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_number_of_workers_is_auto_or_one_or_more() {
        assert_eq!(workers("auto"), Ok(WorkersArg::Auto));
        assert_eq!(workers("4"), Ok(WorkersArg::Count(4)));
        assert!(workers("0").is_err() && workers("many").is_err());
    }
}
