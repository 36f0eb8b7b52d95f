//! One load from several processes on loopback: whole, cut short, and refused.

use std::net::TcpListener;
use std::path::Path;

use rustix::process::Signal;

use super::common::*;

const PACE: [&str; 4] = ["--ttft", "5ms", "--itl", "1ms"];
/// Twenty seconds of load, of which a test waits for one.
const LONG: [&str; 8] = ["--rate", "40", "--requests", "800", "--warmup", "0", "--max-tokens", "4"];

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A worker with results of its own, and those of worker 0 in `results`.
fn start(place: &Place, engine: &Simulator, worker: &str, address: &str, more: &[&str]) -> Running {
    let number = worker.split('/').next().unwrap();
    let output = if number == "0" { "results".to_owned() } else { format!("results{number}") };
    let url = engine.url();
    let fixed = ["bench", "--url", &url, "--worker", worker, "--join", address, "--output", &output];
    place.start(&[&fixed[..], &["--join-timeout", "20s"], more].concat())
}

fn all(place: &Place, engine: &Simulator, of: u32, more: &[&str]) -> Vec<Running> {
    all_at(&free_address(), (place, engine), of, more)
}

fn all_at(address: &str, (place, engine): (&Place, &Simulator), of: u32, more: &[&str]) -> Vec<Running> {
    (0..of).map(|worker| start(place, engine, &format!("{worker}/{of}"), address, more)).collect()
}

fn parts(place: &Place, directory: &str, end: &str) -> usize {
    let files = std::fs::read_dir(place.path(directory))
        .map(|files| files.flatten().collect())
        .unwrap_or_else(|_| Vec::new());
    let is_part = |name: String| name.contains("_records.w") && name.ends_with(end);
    files.into_iter().filter(|file| is_part(file.file_name().to_string_lossy().into_owned())).count()
}

/// Some requests of the measured phase have reached the server.
fn wait_for_load(engine: &Simulator) {
    engine.truth_when(|truth| truth.len() > 10);
}

#[test]
fn three_workers_play_one_load_and_their_records_are_one_run() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    let load =
        ["--backend", "vllm", "--rate", "60", "--requests", "31", "--warmup", "3", "--max-tokens", "4"];
    let mut workers = all(&place, &engine, 3, &load);
    let first = workers.remove(0).wait().expect(0);
    for (worker, ended) in (1..).zip(workers.into_iter().map(|running| running.wait().expect(0))) {
        ended.says(&[
            &format!("worker {worker} of 3: joined worker 0 at 127.0.0.1:"),
            "plays vllm, point 1",
            "requests issued, recorded in results",
        ]);
        assert_eq!(parts(&place, &format!("results{worker}"), ".jsonl.zst"), 1);
    }
    assert_eq!(parts(&place, "results", ".jsonl.zst"), 3);
    let run = place.run_json("vllm");
    let summary = &run["summary"];
    assert_eq!((&summary["requests"]["issued"], &summary["requests"]["completed"]), (&31.into(), &31.into()));
    assert_eq!(run["plan"]["workers"], 3);
    let issued: Vec<u64> = summary["workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|worker| worker["issued"].as_u64().unwrap())
        .collect();
    assert_eq!(issued, [11, 10, 10]);
    for worker in summary["workers"].as_array().unwrap() {
        assert!(worker["clock_error_us"].as_f64().unwrap() < 5_000.0, "{worker}");
    }
    let server = &summary["server"];
    assert!(server["generated_tokens"].as_f64().unwrap() > 0.0, "{server}");
    assert_eq!(server["generated_tokens"], server["client_generated_tokens"], "of all workers");
    let arrived = engine.truth().len();
    assert_eq!(arrived, 31 + 3, "the warm-up is shared too");
    assert!(first.stderr.contains("worker 2 of 3 has joined"), "{}", first.stderr);
    place.assert_nothing_lives();
}

#[test]
fn a_worker_that_is_lost_ends_the_run_which_is_not_valid_by_name() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    let mut workers = all(&place, &engine, 4, &LONG);
    wait_for_load(&engine);
    workers.remove(2).kill();
    for (worker, running) in workers.into_iter().enumerate() {
        // Those that did as they were told did well; the run is worker 0's to judge.
        running.wait().expect(i32::from(worker == 0));
    }
    let run = place.run_json("server");
    let partial = run["summary"]["partial"].as_str().unwrap();
    let said = "a quarter of the load was not offered";
    assert!(partial.starts_with("worker 2 of 4 lost at ") && partial.contains(said), "{partial}");
    let caveat = &run["summary"]["caveats"][0];
    assert_eq!((caveat["code"].as_str(), caveat["what"].as_str()), (Some("worker_lost"), Some(partial)));
    assert!(run["summary"]["requests"]["issued"].as_u64().unwrap() < 400);
    assert_eq!((parts(&place, "results", ".jsonl.zst"), parts(&place, "results2", ".jsonl")), (3, 1));
    place.assert_nothing_lives();
}

#[test]
fn with_on_worker_loss_continue_the_others_play_to_the_end() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    let load = [
        "--backend",
        "vllm",
        "--rate",
        "40",
        "--requests",
        "80",
        "--warmup",
        "0",
        "--max-tokens",
        "4",
        "--on-worker-loss",
        "continue",
    ];
    let mut workers = all(&place, &engine, 2, &load);
    wait_for_load(&engine);
    workers.remove(1).kill();
    workers.remove(0).wait().expect(1);
    let run = place.run_json("vllm");
    assert_eq!(run["summary"]["requests"]["issued"], 40, "its own half, to the end");
    assert!(run["summary"]["partial"].as_str().unwrap().contains("worker 1 of 2 lost at "), "{run}");
    assert!(
        run["summary"].get("server").is_none(),
        "what the lost one was answered, the server alone counted"
    );
    assert_eq!(run["summary"]["caveats"][0]["code"], "worker_lost");
}

#[test]
fn a_signal_to_any_worker_ends_all_and_what_was_measured_is_saved() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    // Where no address is known beforehand they meet by a file.
    let workers = all_at("file:shared/.join", (&place, &engine), 3, &LONG);
    wait_for_load(&engine);
    assert_eq!(std::fs::read_dir(place.path("shared")).unwrap().count(), 0, "all have come");
    workers[1].signal(Signal::TERM);
    for running in workers {
        running.wait().expect(130);
    }
    let run = place.run_json("server");
    assert_eq!(run["summary"]["partial"], "interrupted");
    assert!(run["summary"]["requests"]["completed"].as_u64().unwrap() > 0);
    assert_eq!(parts(&place, "results", ".jsonl.zst"), 3);
    place.assert_nothing_lives();
}

#[test]
fn the_death_of_worker_0_ends_the_others_with_their_records_whole() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    let mut workers = all(&place, &engine, 3, &LONG);
    wait_for_load(&engine);
    workers.remove(0).kill();
    for (worker, running) in (1..).zip(workers) {
        running.wait().expect(1).says(&["worker 0 was lost", "its connection closed"]);
        assert_eq!(parts(&place, &format!("results{worker}"), ".jsonl.zst"), 1);
    }
    place.assert_nothing_lives();
}

#[test]
fn a_worker_that_stands_still_for_a_while_is_a_doubt_about_the_run() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    let load = ["--rate", "40", "--requests", "100", "--warmup", "0", "--max-tokens", "4"];
    let mut workers = all(&place, &engine, 2, &load);
    wait_for_load(&engine);
    workers[1].signal(Signal::STOP);
    std::thread::sleep(std::time::Duration::from_millis(1_600));
    workers[1].signal(Signal::CONT);
    workers.drain(..).for_each(|running| drop(running.wait().expect(0)));
    let run = place.run_json("server");
    let still = run["summary"]["workers"][1]["silence_s"].as_f64().unwrap();
    assert!(still > 0.5, "{still}");
    let codes: Vec<&str> = run["summary"]["caveats"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|caveat| caveat["code"].as_str())
        .collect();
    assert!(codes.contains(&"worker_still"), "{codes:?}");
    assert_eq!(run["summary"]["requests"]["issued"], 100);
}

/// What worker 0 and the other one say where the other one is started like this.
fn refused(place: &Place, engine: &Simulator, other: impl FnOnce(&str) -> Running) -> [Ran; 2] {
    let address = free_address();
    let first = start(place, engine, "0/2", &address, &["--dataset", "a.jsonl"]);
    let other = other(&address);
    [first.wait().expect(2), other.wait().expect(2)]
}

#[test]
fn another_dataset_plan_or_harness_is_refused_by_name_before_anything_is_sent() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    place.write("a.jsonl", "{\"prompt\": \"One.\", \"max_tokens\": 4}\n");
    std::fs::create_dir(place.path("b")).unwrap();
    place.write("b/a.jsonl", "{\"prompt\": \"Two.\", \"max_tokens\": 4}\n");
    let copy = place.path("harness2");
    longer(&copy);
    let with = |more: &'static [&'static str]| {
        let (place, engine) = (&place, &engine);
        move |address: &str| start(place, engine, "1/2", address, more)
    };
    let another_binary = |address: &str| {
        let url = engine.url();
        let args = ["bench", "--url", &url, "--worker", "1/2", "--join", address, "--dataset", "a.jsonl"];
        Running::of(place.command_of(&copy, &args))
    };
    let cases = [
        ("another dataset: dataset.sha256 is ", refused(&place, &engine, with(&["--dataset", "b/a.jsonl"]))),
        (
            "another plan: loads[0].traffic",
            refused(&place, &engine, with(&["--dataset", "a.jsonl", "--concurrency", "7"])),
        ),
        ("another build of harness ", refused(&place, &engine, another_binary)),
    ];
    for (what, both) in cases {
        both.into_iter().for_each(|ran| drop(ran.says(&["worker 1 of 2 (", what, "hint: "])));
    }
    assert_eq!(engine.truth().len(), 0);
    assert!(place.results("server", ".json").is_empty() && parts(&place, "results", "") == 0);
}

/// A harness that is not the same file.
fn longer(copy: &Path) {
    std::fs::copy(env!("CARGO_BIN_EXE_harness"), copy).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(copy).unwrap();
    std::io::Write::write_all(&mut file, b"x").unwrap();
}

#[test]
fn missing_workers_and_missing_addresses_are_refused_with_what_to_do() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    let url = engine.url();
    let address = free_address();
    let bench = |more: &[&str]| place.run(&[&["bench", "--url", &url][..], more].concat()).expect(2);
    bench(&["--worker", "0/3", "--join", &address, "--join-timeout", "300ms"])
        .says(&["workers 1, 2 of 3 have not joined within 0.3 s", "--join-timeout"]);
    bench(&["--worker", "1/3", "--join", &address, "--join-timeout", "300ms"])
        .says(&["worker 1 of 3 cannot reach worker 0", "--join HOST:PORT"]);
    bench(&["--worker", "1/3"]).says(&["does not say where worker 0 is", "--join HOST:PORT"]);
    bench(&["--workers", "auto"]).says(&["no task of a Slurm step", "--worker 0/4"]);
    assert!(place.results("server", ".json").is_empty());
    let alone =
        ["--workers", "1", "--requests", "2", "--concurrency", "1", "--warmup", "0", "--max-tokens", "2"];
    place.run(&[&["bench", "--url", &url][..], &alone].concat()).expect(0).says(&["this process plays all"]);
}

#[test]
fn a_plan_is_resumed_by_as_many_workers_as_played_it() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    let load = ["--rate", "100,200", "--requests", "4", "--warmup", "0", "--max-tokens", "2"];
    place.run(&[&["sweep", "--url", &engine.url()][..], &load].concat()).expect(0);
    let folder = place.result("sweep_", "");
    let resume = |more: &[&str]| {
        let folder = folder.to_str().unwrap();
        place.run(&[&["sweep", "--resume", folder][..], more].concat()).expect(2)
    };
    let by_two = ["--worker", "1/2", "--join", "127.0.0.1:1", "--join-timeout", "100ms"];
    resume(&by_two)
        .says(&["was played by one machine, and this resumes it with 2 workers", "leave --workers"]);
    let file = folder.join("plan.json");
    let plan = std::fs::read_to_string(&file).unwrap();
    let mut plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    plan["workers"] = 2.into();
    std::fs::write(&file, plan.to_string()).unwrap();
    resume(&[]).says(&["was played by 2 workers, and this resumes it with one machine", "--worker 0/2"]);
    resume(&by_two).says(&["worker 1 of 2 cannot reach worker 0"]);
}

#[test]
fn a_load_that_is_too_small_for_all_workers_is_played_by_the_first_and_the_rest_end_well() {
    let place = Place::new();
    let engine = Simulator::start("vllm", &PACE);
    let load = ["--concurrency", "1", "--requests", "5", "--warmup", "0", "--max-tokens", "4"];
    let mut workers = all(&place, &engine, 2, &load);
    let first = workers.remove(0).wait().expect(0);
    first.says(&["too small a load for 2 workers: worker 0 plays it alone"]);
    workers.remove(0).wait().expect(0);
    let run = place.run_json("server");
    assert_eq!((&run["summary"]["requests"]["completed"], run["plan"].get("workers")), (&5.into(), None));
}
