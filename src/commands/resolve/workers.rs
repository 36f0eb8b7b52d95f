//! How a worker finds itself: by hand, in a Slurm step, in a Kubernetes Indexed Job.

use std::path::Path;
use std::time::Duration;

use crate::cli::{WorkerArgs, WorkerLossArg, WorkerOf, WorkersArg};
use crate::cluster::{Meeting, Place};
use crate::schema::refusal::{refusal, refuse};
use crate::schema::workers::Share;

/// Shows that a worker belongs to this run.
const TOKEN: &str = "HARNESS_JOIN_TOKEN";
/// The port of worker 0 where none is named.
const PORT: u16 = 7400;
/// Slurm's jobs on one machine have ports of their own from here on.
const SLURM_PORT: u64 = 20_000;
/// How many.
const SLURM_PORTS: u64 = 10_000;
/// Nobody waits longer: a year, s. (The sum of a time and more than that is none.)
const LONGEST_WAIT_S: f64 = 31_536_000.0;
/// The cure where nothing tells which worker this is.
const BY_HAND: &str =
    "by hand: --worker 0/4 --join HOST:PORT at worker 0, --worker 1/4 --join HOST:PORT at the next";

/// A variable of the environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

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

fn in_kubernetes(
    args: &WorkerArgs,
    set: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<(Share, Meeting)> {
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

fn in_slurm(
    args: &WorkerArgs,
    output: &Path,
    set: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<(Share, Meeting)> {
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
fn in_slurm_array(
    args: &WorkerArgs,
    output: &Path,
    set: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<(Share, Meeting)> {
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

fn same_count(args: &WorkerArgs, of: u32, what: impl Fn() -> String) -> anyhow::Result<()> {
    match args.workers {
        Some(WorkersArg::Count(count)) if count != of => refuse(
            format!("--workers {count}, and {}", what()),
            format!("--workers auto, or {count} of them"),
        ),
        Some(WorkersArg::Count(_) | WorkersArg::Auto) | None => Ok(()),
    }
}

/// Where one plays all nobody meets.
fn nobody() -> Meeting {
    Meeting::Address(String::new())
}

/// `HOST:PORT`, `HOST`, or `file:PATH`.
fn meeting(given: &str) -> Meeting {
    Meeting::file_of(given).unwrap_or_else(|| Meeting::Address(with_port(given)))
}

fn numbered(worker: u32, of: u32, name: &str) -> anyhow::Result<Share> {
    if worker < of {
        return Ok(Share { worker, of });
    }
    refuse(
        format!("{name} is {worker}, and there are {of} workers, numbered from 0"),
        "start as many workers as are said to be there",
    )
}

fn number(set: &dyn Fn(&str) -> Option<String>, name: &str) -> anyhow::Result<u32> {
    let value = set(name).unwrap_or_default();
    value.trim().parse().or_else(|_| refuse(format!("{name} is {value:?}, no number"), BY_HAND))
}

fn with_port(address: &str) -> String {
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    if has_port { address.to_owned() } else { format!("{address}:{PORT}") }
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::refusal::cures;

    fn args(workers: Option<WorkersArg>, worker: Option<(u32, u32)>, join: Option<&str>) -> WorkerArgs {
        WorkerArgs {
            workers,
            worker: worker.map(|(worker, of)| WorkerOf { worker, of }),
            join: join.map(str::to_owned),
            join_timeout: 120.0,
            ..WorkerArgs::default()
        }
    }

    fn found(args: &WorkerArgs, variables: &[(&str, &str)]) -> anyhow::Result<Option<(u32, u32, String)>> {
        let get = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let place = place(args, Path::new("results"), &get)?;
        Ok(place.map(|place| (place.share.worker, place.share.of, place.meeting.to_string())))
    }

    const SLURM: [(&str, &str); 4] = [
        ("SLURM_PROCID", "2"),
        ("SLURM_NTASKS", "4"),
        ("SLURM_STEP_NODELIST", "n[1-4]"),
        ("SLURM_JOB_ID", "123456"),
    ];
    const AUTO: Option<WorkersArg> = Some(WorkersArg::Auto);

    #[test]
    fn one_process_in_an_allocation_is_one_client_unless_it_is_asked_for_workers() {
        assert_eq!(found(&args(None, None, None), &SLURM).unwrap(), None);
    }

    #[test]
    fn a_task_of_a_slurm_step_finds_worker_0_on_the_first_node() {
        let at = |address: &str| Some((2, 4, address.to_owned()));
        assert_eq!(found(&args(AUTO, None, None), &SLURM).unwrap(), at("n1:23456"));
        assert_eq!(found(&args(AUTO, None, Some("h:9")), &SLURM).unwrap(), at("h:9"));
        let refused = found(&args(Some(WorkersArg::Count(3)), None, None), &SLURM).unwrap_err();
        assert_eq!(refused.to_string(), "--workers 3, and the Slurm step has 4 tasks");
        let nameless = [SLURM[0], SLURM[1], ("SLURM_JOB_ID", "77"), ("SLURM_STEP_ID", "3")];
        assert_eq!(found(&args(AUTO, None, None), &nameless).unwrap(), at("file:results/.join-77.3"));
    }

    #[test]
    fn a_batch_script_without_srun_is_no_task_of_a_step() {
        let script = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4"), ("SLURM_JOB_ID", "77")];
        let refused = found(&args(AUTO, None, None), &script).unwrap_err();
        assert!(refused.to_string().contains("the batch script of a Slurm job of 4 tasks"), "{refused}");
        assert_eq!(cures(&refused), ["srun -n4 harness …, so that each task is a worker"]);
    }

    /// What sbatch of Slurm 22.05 sets for `--array=3-7:2`, with srun in its script and without.
    const ARRAY: [(&str, &str); 11] = [
        ("SLURM_PROCID", "0"),
        ("SLURM_JOB_ID", "5"),
        ("SLURM_ARRAY_JOB_ID", "1"),
        ("SLURM_ARRAY_TASK_ID", "5"),
        ("SLURM_ARRAY_TASK_COUNT", "3"),
        ("SLURM_ARRAY_TASK_MIN", "3"),
        ("SLURM_ARRAY_TASK_MAX", "7"),
        ("SLURM_ARRAY_TASK_STEP", "2"),
        ("SLURM_NTASKS", "1"),
        ("SLURM_STEP_NUM_TASKS", "1"),
        ("SLURM_STEP_NODELIST", "n2"),
    ];

    #[test]
    fn the_tasks_of_a_slurm_array_meet_by_a_file_in_the_output_directory() {
        for variables in [&ARRAY[..], &ARRAY[..8]] {
            let at = |place: &str| Some((1, 3, place.to_owned()));
            assert_eq!(found(&args(AUTO, None, None), variables).unwrap(), at("file:results/.join-1"));
            assert_eq!(found(&args(AUTO, None, Some("file:x")), variables).unwrap(), at("file:x"));
            // Each is a load of its own, if that is wanted.
            assert_eq!(found(&args(Some(WorkersArg::Count(1)), None, None), variables).unwrap(), None);
        }
        let refused = found(&args(Some(WorkersArg::Count(4)), None, None), &ARRAY).unwrap_err();
        assert_eq!(refused.to_string(), "--workers 4, and the Slurm array has 3 tasks");
        let mut gaps = ARRAY;
        gaps[7] = ("SLURM_ARRAY_TASK_STEP", "1");
        let refused = found(&args(AUTO, None, None), &gaps).unwrap_err();
        assert!(cures(&refused)[0].contains("--array=0-2"), "{refused:#}");
    }

    #[test]
    fn an_array_whose_tasks_are_steps_of_several_is_a_load_a_task() {
        let variables: Vec<_> = SLURM.into_iter().chain(ARRAY[2..8].iter().copied()).collect();
        assert_eq!(found(&args(AUTO, None, None), &variables).unwrap(), Some((2, 4, "n1:23456".to_owned())));
    }

    #[test]
    fn a_pod_of_an_indexed_job_is_told_the_count_and_the_address() {
        let pod = [("JOB_COMPLETION_INDEX", "3"), ("HARNESS_WORKERS", "4"), ("HARNESS_JOIN", "b-0.b:7400")];
        let at = Some((3, 4, "b-0.b:7400".to_owned()));
        assert_eq!(found(&args(AUTO, None, None), &pod).unwrap(), at);
        let refused = found(&args(AUTO, None, None), &pod[..1]).unwrap_err();
        assert!(cures(&refused)[0].contains("HARNESS_WORKERS"));
        let refused = found(&args(AUTO, None, None), &pod[..2]).unwrap_err();
        assert!(cures(&refused)[0].contains("HARNESS_JOIN"));
        let alone = [("JOB_COMPLETION_INDEX", "0"), ("HARNESS_WORKERS", "1")];
        assert_eq!(found(&args(AUTO, None, None), &alone).unwrap(), None);
    }

    #[test]
    fn by_hand_a_worker_says_which_it_is_and_where_worker_0_is() {
        let by_hand = args(None, Some((2, 4)), Some("10.0.0.1:7500"));
        assert_eq!(found(&by_hand, &[]).unwrap(), Some((2, 4, "10.0.0.1:7500".to_owned())));
        let port = found(&args(None, Some((2, 4)), Some("10.0.0.1")), &[]).unwrap().unwrap().2;
        assert_eq!(port, "10.0.0.1:7400");
        let by_file = args(None, Some((2, 4)), Some("file:shared/.join"));
        assert_eq!(found(&by_file, &[]).unwrap(), Some((2, 4, "file:shared/.join".to_owned())));
        for (missing, cure) in [
            (args(None, Some((2, 4)), None), "--join HOST:PORT"),
            (args(None, None, Some("h:1")), "--worker 0/4"),
            (args(AUTO, None, None), "--worker 0/4"),
            (args(Some(WorkersArg::Count(3)), Some((2, 4)), Some("h:1")), "leave --workers out"),
        ] {
            let refused = found(&missing, &[]).unwrap_err();
            assert!(cures(&refused)[0].contains(cure), "{refused:#}");
        }
    }

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
