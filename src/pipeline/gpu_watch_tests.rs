//! GPUs around launches, read from scripts.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::monitor::gpu::fake::{FakeGpus, GIB, gpu, held_by};
use crate::pipeline::fixture;

type Step = Result<Vec<GpuReading>, String>;

/// Times that a test can wait for.
fn quick() -> Times {
    let ms = Duration::from_millis;
    Times {
        interval: ms(2),
        launching: ms(2),
        idle: ms(10),
        settling: ms(2),
        limit: ms(60),
        shown_after: ms(0),
        patience: Duration::from_secs(5),
    }
}

/// Each launch reads a script of its own.
fn care(scripts: Vec<Vec<Step>>) -> GpuCare {
    let scripts = Mutex::new(VecDeque::from(scripts));
    let open = move |_: &Choice| {
        let script = scripts.lock().unwrap().pop_front()?;
        Some(Box::new(FakeGpus::scripted(script)) as Box<dyn GpuLibrary>)
    };
    GpuCare::new(Arc::new(open), quick())
}

/// What was told, in words.
type Told = RefCell<Vec<String>>;

fn tell(told: &Told, event: Event<'_>) {
    let words = match event {
        Event::Trouble(text) | Event::Note(text) => text.to_owned(),
        Event::Launching { event: LaunchEvent::MemoryHeld { what }, .. } => format!("waits: {what}"),
        _ => "something else".to_owned(),
    };
    told.borrow_mut().push(words);
}

/// A launch, with what was told of it.
async fn launched(care: &mut GpuCare, stop: bool) -> (Option<GpuWatch>, Vec<String>) {
    let told = Told::default();
    let (_stop, shutdown) = watch::channel(stop);
    let listen = |event: Event<'_>| tell(&told, event);
    let patience = GpuPatience::default();
    let hears = Hears { label: "b", listen: &listen, shutdown, patience: &patience };
    let target = fixture::plan(&["b"], 1, 1, 1).targets.remove(0);
    let watch = care.watched(&target, &hears).await;
    (watch, told.into_inner())
}

async fn loaded(watch: GpuWatch) -> (GpuBefore, Vec<Read>) {
    let (_stop, shutdown) = watch::channel(false);
    watch.loaded(&full(), |pid| pid == 7, &shutdown).await
}

/// Empty, as before the first launch.
fn quiet() -> Vec<GpuReading> {
    vec![gpu(0, 77.0, 1.0), gpu(1, 70.0, 0.5)]
}

/// An earlier server is still there.
fn full() -> Vec<GpuReading> {
    vec![held_by(gpu(0, 120.0, 61.0), 4242, "python3", 60.0), gpu(1, 70.0, 0.5)]
}

#[tokio::test]
async fn a_machine_without_a_gpu_is_not_watched() {
    let began = Instant::now();
    let (watch, told) = launched(&mut care(Vec::new()), false).await;
    assert!(watch.is_none() && told.is_empty());
    assert!(began.elapsed() < Duration::from_millis(500));
}

#[test]
fn a_pretend_engine_and_an_interval_of_0_open_no_library() {
    let mut plan = fixture::plan(&["b"], 1, 1, 1);
    plan.simulated = true;
    plan.sensing.gpu_interval_s = 0.1;
    assert!((GpuCare::of(&plan).open)(&Choice::all()).is_none());
    (plan.simulated, plan.sensing.gpu_interval_s) = (false, 0.0);
    assert!((GpuCare::of(&plan).open)(&Choice::all()).is_none());
}

#[tokio::test]
async fn idle_power_is_taken_without_the_server_and_with_it() {
    let mut care = care(vec![vec![Ok(quiet())]]);
    let (watch, told) = launched(&mut care, false).await;
    assert!(told.is_empty(), "{told:?}");
    let mut watch = watch.unwrap();
    // The server stands on the first GPU.
    let script = FakeGpus::scripted([Ok(vec![gpu(0, 121.0, 61.0), gpu(1, 70.0, 0.5)])]);
    let reads = watch.feed.taken();
    watch.feed = Feed::start(Box::new(script), Duration::from_millis(2)).unwrap();
    drop(reads);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let asked = Instant::now();
    let (before, reads) = loaded(watch).await;
    let watts = |idle: fn(&GpuStanding) -> Option<GpuIdle>| -> Vec<Option<f64>> {
        before.gpus.iter().map(|standing| idle(standing)?.power_w).collect()
    };
    assert_eq!(watts(|standing| standing.machine), [Some(77.0), Some(70.0)]);
    assert_eq!(watts(|standing| standing.loaded), [Some(121.0), Some(70.0)]);
    let first = &before.gpus[0];
    assert_eq!(first.machine.unwrap().memory_used_bytes, Some(GIB));
    assert_eq!(first.loaded.unwrap().memory_used_bytes, Some(61 * GIB));
    assert!(first.loaded.unwrap().readings >= 2 && first.loaded.unwrap().seconds > 0.0);
    assert_eq!((before.read_by.as_str(), first.held.clone()), ("fake", None));
    assert!(reads.iter().any(|read| read.at < asked), "what was read while it was launched is kept");
    assert!(reads.iter().any(|read| read.at > asked), "and while it waited");
    let others = before.gpus.iter().map(|standing| standing.others.as_ref().unwrap().len());
    assert_eq!(others.collect::<Vec<_>>(), [1, 0], "a process that is not the server's is named");
}

#[tokio::test]
async fn a_process_that_goes_after_three_readings_is_waited_for_and_told_by_name() {
    let second = vec![Ok(full()), Ok(full()), Ok(full()), Ok(quiet())];
    let mut care = care(vec![vec![Ok(quiet())], second]);
    launched(&mut care, false).await;
    let (watch, told) = launched(&mut care, false).await;
    let waits =
        "waits: GPU 0 has 60.0 GiB more in use than before the first launch: python3 (pid 4242, 60.0 GiB)";
    assert_eq!(told, [waits; 3]);
    let (before, _) = loaded(watch.unwrap()).await;
    assert!(before.gpus.iter().all(|standing| standing.held.is_none()));
    assert!(before.gpus.iter().all(|standing| standing.machine.is_some()), "the first baseline stands");
}

#[tokio::test]
async fn a_process_that_never_goes_ends_the_wait_at_its_limit_and_is_not_waited_for_again() {
    let mut care = care(vec![vec![Ok(quiet())], vec![Ok(full())], vec![Ok(full())]]);
    launched(&mut care, false).await;
    let began = Instant::now();
    let (watch, told) = launched(&mut care, false).await;
    assert!(began.elapsed() >= quick().limit);
    let last = told.last().unwrap();
    assert!(last.starts_with("warning: b: after 0 s GPU 0 has 60.0 GiB more"), "{last}");
    assert!(last.contains("python3 (pid 4242, 60.0 GiB)") && last.contains("hint: "), "{last}");
    let (before, _) = loaded(watch.unwrap()).await;
    let held = before.gpus[0].held.clone().unwrap();
    assert_eq!((held.above_bytes, held.processes[0].pid), (60 * GIB, 4242));
    assert!(held.waited_s >= 0.06);
    assert_eq!(before.gpus[1].held, None);
    // The next launch stands beside it too, and says so in its files alone.
    let (watch, told) = launched(&mut care, false).await;
    assert!(told.is_empty(), "{told:?}");
    assert!(loaded(watch.unwrap()).await.0.gpus[0].held.is_some());
}

#[tokio::test]
async fn the_wait_ends_where_the_user_stops() {
    let mut care = care(vec![vec![Ok(quiet())], vec![Ok(full())]]);
    launched(&mut care, false).await;
    let (watch, told) = launched(&mut care, true).await;
    assert!(watch.is_none() && told.is_empty());
}

#[tokio::test]
async fn a_gpu_that_vanishes_or_cannot_be_read_leaves_its_figures_unknown() {
    let script = vec![Ok(quiet()), Ok(quiet()), Err("the driver was reset".to_owned())];
    let mut care = care(vec![script, vec![Ok(vec![gpu(0, 77.0, 1.0)])]]);
    let (watch, _) = launched(&mut care, false).await;
    let (before, _) = loaded(watch.unwrap()).await;
    assert_eq!(before.gpus.len(), 2);
    assert!(before.gpus.iter().all(|standing| standing.machine.is_none() && standing.loaded.is_none()));
    let (watch, told) = launched(&mut care, false).await;
    assert_eq!(loaded(watch.unwrap()).await.0.gpus.len(), 1);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn the_gpus_that_a_server_uses_are_those_on_which_its_processes_hold_memory() {
    let readings = full();
    let used = used_by(&readings, |pid| pid == 4242).unwrap();
    assert_eq!(used.iter().map(|gpu| gpu.index).collect::<Vec<_>>(), [0]);
    assert_eq!(used_by(&readings, |pid| pid == 1), None, "pids of another namespace tell nothing");
    let hidden = GpuReading { processes: None, ..gpu(0, 77.0, 1.0) };
    assert_eq!(used_by(&[hidden], |_| true), None);
}

#[tokio::test]
async fn of_a_server_that_was_given_a_slice_no_whole_gpu_is_said_to_be_used() {
    let given = |uuid: &str| vec![GpuReading { uuid: uuid.to_owned(), ..gpu(0, 77.0, 1.0) }];
    for (uuid, is_told) in [("GPU-0", true), ("MIG-c", false)] {
        let (watch, _) = launched(&mut care(vec![vec![Ok(given(uuid))]]), false).await;
        let (_stop, shutdown) = watch::channel(false);
        let (before, _) = watch.unwrap().loaded(&full(), |pid| pid == 4242, &shutdown).await;
        assert_eq!(before.used.is_some(), is_told, "{uuid}");
    }
}

#[test]
fn some_mib_more_are_no_memory_that_is_held() {
    let baseline = |reading: &GpuReading| {
        let idle = GpuIdle { memory_used_bytes: gpu_memory::used(reading), ..GpuIdle::default() };
        (reading.uuid.clone(), GpuStanding { machine: Some(idle), ..GpuStanding::default() })
    };
    let known = quiet().iter().map(baseline).collect();
    // A hundredth of 80 GiB is 0.8 GiB.
    assert!(gpu_memory::held(&known, &[gpu(0, 77.0, 1.7), gpu(1, 70.0, 0.1)]).is_empty());
    assert_eq!(gpu_memory::held(&known, &[gpu(0, 77.0, 1.9)]).len(), 1);
    let small = GpuReading { memory_bytes: Some(8 * GIB), ..gpu(0, 77.0, 1.3) };
    assert_eq!(gpu_memory::held(&known, &[small]).len(), 1, "256 MiB of 8 GiB");
    let silent = GpuReading { values: BTreeMap::new(), ..gpu(0, 77.0, 1.3) };
    assert!(gpu_memory::held(&known, &[silent]).is_empty());
}
