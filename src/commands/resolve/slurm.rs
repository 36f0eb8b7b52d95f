//! How a task of a Slurm step or of a job array finds itself and worker 0.

use std::path::Path;

use crate::cli::{WorkerArgs, WorkersArg};
use crate::cluster::Meeting;
use crate::schema::refusal::refuse;
use crate::schema::workers::Share;

use super::worker_numbers::{Variable, meeting, number, numbered, same_count};

/// Slurm's jobs on one machine have ports of their own from here on.
const SLURM_PORT: u64 = 20_000;
/// How many.
const SLURM_PORTS: u64 = 10_000;

/// Which task this is, of how many, and where the first one is: on the first node of the step, or else told by a file in
/// the directory of the results.
///
/// # Errors
/// This is no task, or their numbers contradict what is typed.
pub fn in_slurm(args: &WorkerArgs, output: &Path, set: Variable<'_>) -> anyhow::Result<(Share, Meeting)> {
    // A batch script runs once, whatever the job has; what is started there without srun is one task.
    let step = set("SLURM_STEP_ID").or_else(|| set("SLURM_STEPID"));
    let nodes = set("SLURM_STEP_NODELIST");
    let in_step = step.is_some() || nodes.is_some();
    // Of the step, where it is told: SLURM_NTASKS may be the allocation's.
    let name = if set("SLURM_STEP_NUM_TASKS").is_some() { "SLURM_STEP_NUM_TASKS" } else { "SLURM_NTASKS" };
    let tasks = if set(name).is_some() { number(set, name)? } else { 1 };
    let alone = args.workers == Some(WorkersArg::Count(1));
    if (tasks == 1 || !in_step) && !alone && set("SLURM_ARRAY_TASK_COUNT").is_some() {
        return in_slurm_array(args, output, set);
    }
    if !in_step && tasks > 1 {
        return refuse(
            format!(
                "this is the batch script of a Slurm job of {tasks} tasks, which runs once: no task of a step"
            ),
            format!("srun -n{tasks} harness …, so that each task is a worker"),
        );
    }
    same_count(args, tasks, || format!("the Slurm step has {tasks} tasks"))?;
    let share = numbered(number(set, "SLURM_PROCID")?, tasks, "SLURM_PROCID")?;
    if let Some(given) = &args.join {
        return Ok((share, meeting(given)));
    }
    let job = set("SLURM_JOB_ID").unwrap_or_default();
    Ok(match nodes.as_deref().and_then(first_node) {
        Some(first) => {
            let number = job.trim().parse::<u64>().unwrap_or(0);
            (share, Meeting::Address(format!("{first}:{}", SLURM_PORT + number % SLURM_PORTS)))
        }
        None => {
            let file = format!(".join-{}.{}", job.trim(), step.unwrap_or_default().trim());
            (share, Meeting::File(output.join(file)))
        }
    })
}

/// Each task of an array is a job of its own, with one task: nobody knows beforehand where the first will run.
fn in_slurm_array(args: &WorkerArgs, output: &Path, set: Variable<'_>) -> anyhow::Result<(Share, Meeting)> {
    let name = |what: &str| format!("SLURM_ARRAY_{what}");
    let [task, of, least, most] =
        ["TASK_ID", "TASK_COUNT", "TASK_MIN", "TASK_MAX"].map(|what| number(set, &name(what)));
    let (task, of, least, most) = (task?, of?, least?, most?);
    let step =
        if set("SLURM_ARRAY_TASK_STEP").is_some() { number(set, &name("TASK_STEP"))? } else { 1 }.max(1);
    let last = most.saturating_sub(least) / step;
    if last + 1 != of {
        return refuse(
            format!("the Slurm array has {of} tasks from {least} to {most}, and their numbers have gaps"),
            format!(
                "--array=0-{}; or --workers 1, where each task is a load of its own",
                of.saturating_sub(1)
            ),
        );
    }
    same_count(args, of, || format!("the Slurm array has {of} tasks"))?;
    let share = numbered(task.saturating_sub(least) / step, of, "SLURM_ARRAY_TASK_ID")?;
    let job = set("SLURM_ARRAY_JOB_ID").unwrap_or_default();
    let file = || Meeting::File(output.join(format!(".join-{}", job.trim())));
    Ok((share, args.join.as_deref().map_or_else(file, meeting)))
}

/// The first name of Slurm's list of nodes: `n[01-04,7]` → `n01`, `a,b[1-2]` → `a`.
fn first_node(list: &str) -> Option<String> {
    let (mut name, mut rest) = (String::new(), list.trim());
    loop {
        let end = rest.find(['[', ',']).unwrap_or(rest.len());
        let (plain, after) = rest.split_at(end);
        name.push_str(plain);
        let Some(range) = after.strip_prefix('[') else { break };
        let (numbers, after) = range.split_once(']')?;
        name.push_str(numbers.split(['-', ',']).next()?);
        rest = after;
    }
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_slurms_nodes_is_taken_out_of_its_brackets() {
        for (list, first) in [
            ("n1", "n1"),
            ("n[1-4]", "n1"),
            ("gpu-[007-009,12],cpu3", "gpu-007"),
            ("a,b[1-2]", "a"),
            ("r[1-2]n[3,5]", "r1n3"),
            ("n[5,7]-ib,x", "n5-ib"),
        ] {
            assert_eq!(first_node(list).as_deref(), Some(first), "{list}");
        }
        assert_eq!((first_node(""), first_node("n[1-4")), (None, None));
    }
}
