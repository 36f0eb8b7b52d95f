//! How a worker finds itself: by hand, in Slurm, in a Kubernetes Indexed Job.

use std::path::Path;
use std::time::Duration;

use crate::cli::{WorkerArgs, WorkerLossArg, WorkerOf, WorkersArg};
use crate::cluster::{Meeting, Place};
use crate::schema::refusal::{refusal, refuse};
use crate::schema::workers::Share;

use super::slurm::in_slurm;
use super::worker_numbers::{BY_HAND, Variable, meeting, nobody, number, numbered};

/// Shows that a worker belongs to this run.
const TOKEN: &str = "HARNESS_JOIN_TOKEN";
/// Nobody waits longer: a year, s. (The sum of a time and more than that is none.)
const LONGEST_WAIT_S: f64 = 31_536_000.0;
/// Where this worker stands; none where one machine plays all. `output` is where results go: workers that know no address
/// meet by a file there.
///
/// # Errors
/// Something is missing or contradicts itself: what, and what to do.
pub fn place(args: &WorkerArgs, output: &Path, variable: Variable<'_>) -> anyhow::Result<Option<Place>> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let (share, meeting) = match (args.worker, args.workers) {
        (None, None) if args.join.is_some() => {
            return refuse("--join alone does not say which worker this is", BY_HAND);
        }
        (None, None) => return Ok(None),
        (Some(worker), workers) => by_hand(args, worker, workers)?,
        (None, Some(_)) if set("JOB_COMPLETION_INDEX").is_some() => in_kubernetes(args, &set)?,
        (None, Some(_)) if set("SLURM_PROCID").is_some() => in_slurm(args, output, &set)?,
        (None, Some(WorkersArg::Count(1))) => return Ok(None),
        (None, Some(_)) => {
            return refuse(
                "--workers: this is no task of a Slurm step (SLURM_PROCID) and no pod of an Indexed Job (JOB_COMPLETION_INDEX)",
                BY_HAND,
            );
        }
    };
    if share.of == 1 {
        return Ok(None);
    }
    Ok(Some(Place {
        share,
        meeting,
        names: set("SLURMD_NODENAME").into_iter().collect(),
        timeout: Duration::from_secs_f64(args.join_timeout.clamp(0.0, LONGEST_WAIT_S)),
        token: set(TOKEN),
        goes_on: args.on_worker_loss == WorkerLossArg::Continue,
    }))
}

fn by_hand(
    args: &WorkerArgs,
    WorkerOf { worker, of }: WorkerOf,
    workers: Option<WorkersArg>,
) -> anyhow::Result<(Share, Meeting)> {
    if let Some(WorkersArg::Count(count)) = workers
        && count != of
    {
        return refuse(format!("--worker {worker}/{of} and --workers {count}"), "leave --workers out");
    }
    let share = Share { worker, of };
    match &args.join {
        Some(given) => Ok((share, meeting(given))),
        None if of == 1 => Ok((share, nobody())),
        None => refuse(
            format!("--worker {worker}/{of} does not say where worker 0 is"),
            "--join HOST:PORT, the same at every worker; worker 0 listens there. Or --join file:PATH in a directory that all share",
        ),
    }
}

fn in_kubernetes(args: &WorkerArgs, set: Variable<'_>) -> anyhow::Result<(Share, Meeting)> {
    let worker = number(set, "JOB_COMPLETION_INDEX")?;
    let of = match args.workers {
        Some(WorkersArg::Count(count)) => count,
        Some(WorkersArg::Auto) | None if set("HARNESS_WORKERS").is_some() => number(set, "HARNESS_WORKERS")?,
        Some(WorkersArg::Auto) | None => {
            return refuse(
                "a pod of an Indexed Job does not know how many there are",
                "set HARNESS_WORKERS to the Job's completions, as harness k8s manifest does",
            );
        }
    };
    let share = numbered(worker, of, "JOB_COMPLETION_INDEX")?;
    let address = args.join.clone().or_else(|| set("HARNESS_JOIN")).ok_or_else(|| {
        refusal(
            "a pod of an Indexed Job does not know where worker 0 is",
            "set HARNESS_JOIN to <job>-0.<service>:7400, as harness k8s manifest does",
        )
    });
    // A Job of one pod needs nobody.
    Ok((share, if of == 1 { nobody() } else { meeting(&address?) }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "workers_tests.rs"]
mod tests;
