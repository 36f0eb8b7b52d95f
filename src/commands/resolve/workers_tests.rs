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
    let get =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
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
