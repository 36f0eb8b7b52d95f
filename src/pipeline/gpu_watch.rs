//! The GPUs around the launches of a plan: what they show without the server, while it is launched, and with the
//! server loaded and waiting; and the wait for the memory of an earlier one.
//!
//! Before the first launch of a plan they are read for 2.5 s, which nothing else can use: the machine has to be quiet
//! then. Before each further launch one reading is enough where the memory is back. Each server stands idle for 2.5 s
//! before its first load. Where there is no GPU, or a pretend engine is launched, none of it takes place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::backend::launch::LaunchEvent;
use crate::monitor::gpu::{self, Choice, GpuLibrary, Pace};
use crate::schema::gpu::{GpuProcess, GpuReading};
use crate::schema::gpu_before::{GpuBefore, GpuIdle, GpuName, GpuStanding, HeldMemory};
use crate::schema::plan::Plan;
use crate::schema::target::Target;

use super::before_load::BeforeLoad;
use super::event::{Event, Listener};
use super::gpu_feed::{Feed, Read};
use super::gpu_idle::{Stretch, settles_in};
use super::gpu_memory;
use super::gpu_patience::{GpuPatience, PATIENCE};
use super::session::Stage;

/// Opens the library that reads the chosen GPUs; none where there is none of them. It may block.
type Open = Arc<dyn Fn(&Choice) -> Option<Box<dyn GpuLibrary>> + Send + Sync>;

/// The times that a watch takes.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Between two readings.
    pub interval: Duration,
    /// Between two readings while a server is launched.
    pub launching: Duration,
    /// The stretch over which idle power is taken.
    pub idle: Duration,
    /// Before it, at most: the power of what came before has to fade.
    pub settling: Duration,
    /// The longest wait for memory.
    pub limit: Duration,
    /// A wait is shown from here on.
    pub shown_after: Duration,
    /// A reading that takes longer is given up.
    pub patience: Duration,
}

impl Times {
    /// Those of a plan that reads its GPUs at an interval.
    pub fn of(interval: Duration) -> Times {
        Times {
            interval,
            launching: interval.max(Duration::from_millis(500)),
            idle: Duration::from_secs(2),
            settling: Duration::from_secs(2),
            limit: Duration::from_secs(60),
            shown_after: Duration::from_secs(2),
            patience: PATIENCE,
        }
    }
}

/// What is known of the GPUs from launch to launch of a plan.
pub struct GpuCare {
    open: Open,
    times: Times,
    /// What each showed before the first launch that was to use it, by uuid.
    baseline: BTreeMap<String, GpuStanding>,
    /// Memory above the baseline for which was waited in vain, by uuid, bytes: it is not waited for again.
    given_up: BTreeMap<String, u64>,
}

/// Who hears of a launch, and may stop it.
struct Hears<'a> {
    label: &'a str,
    listen: Listener<'a>,
    /// True once the user wants to stop.
    shutdown: watch::Receiver<bool>,
    /// Whether the library still answers.
    patience: &'a GpuPatience,
}

fn hears_of<'a>(stage: &'a Stage<'_>, label: &'a str) -> Hears<'a> {
    let (shutdown, patience) = (stage.shutdown.clone(), &stage.gpu_patience);
    Hears { label, listen: stage.listen, shutdown, patience }
}

impl GpuCare {
    /// Nothing is read yet, and never of a pretend engine's plan, or of one that senses no GPU.
    pub fn of(plan: &Plan) -> GpuCare {
        let interval = Duration::try_from_secs_f64(plan.sensing.gpu_interval_s).unwrap_or_default();
        let open: Open = match plan.simulated || interval.is_zero() {
            true => Arc::new(|_| None),
            // Why there is none the runs say.
            false => Arc::new(move |choice| Some(gpu::open(choice, Pace::whole(interval)).ok()?.library)),
        };
        GpuCare::new(open, Times::of(interval))
    }

    fn new(open: Open, times: Times) -> GpuCare {
        GpuCare { open, times, baseline: BTreeMap::new(), given_up: BTreeMap::new() }
    }

    /// To be called before a launch: waits until the memory of an earlier server is given back, takes the baseline
    /// where none is known, and reads on while the server is launched. None where there is nothing to read.
    pub async fn before_launch(&mut self, stage: &Stage<'_>, target: &Target) -> Option<GpuWatch> {
        let hears = hears_of(stage, &target.label);
        self.watched(target, &hears).await
    }

    /// To be called once the server is ready and has nothing to do: leaves what its GPUs showed to its runs.
    /// `is_server` knows the server's processes.
    pub async fn loaded(
        &self,
        stage: &Stage<'_>,
        watch: GpuWatch,
        is_server: impl Fn(u32) -> bool,
        before: &mut BeforeLoad,
    ) {
        let all = self.all(stage).await.unwrap_or_default();
        let (gpus, readings) = watch.loaded(&all, is_server, &stage.shutdown).await;
        (before.gpus, before.readings) = (Some(gpus), readings);
    }

    async fn watched(&mut self, target: &Target, hears: &Hears<'_>) -> Option<GpuWatch> {
        let choice = Choice::of(target, |name| std::env::var(name).ok());
        let open = self.open.clone();
        let library = hears.patience.wait(self.times.patience, hears.listen, move || open(&choice)).await??;
        let mut feed = match Feed::start(library, self.times.interval) {
            Ok(feed) => feed,
            Err(error) => {
                (hears.listen)(Event::Note(&format!("{}: its GPUs are not watched: {error}", hears.label)));
                return None;
            }
        };
        let first = next(&mut feed, &self.times, &hears.shutdown).await?;
        let held = self.wait(&mut feed, first.clone(), hears).await;
        if first.iter().any(|reading| !self.baseline.contains_key(&reading.uuid)) {
            self.learn(&mut feed, hears).await;
        }
        // What is read of a machine that waits is no part of the launch.
        feed.taken();
        feed.pace(self.times.launching);
        let standing = |reading: &GpuReading| GpuStanding {
            held: held.get(&reading.uuid).cloned(),
            ..self.baseline.get(&reading.uuid).cloned().unwrap_or_else(|| GpuStanding {
                gpu: gpu_memory::name_of(reading),
                ..GpuStanding::default()
            })
        };
        let gpus = first.iter().map(standing).collect();
        Some(GpuWatch { feed, times: self.times, gpus })
    }

    /// All GPUs of the machine, at one time.
    async fn all(&self, stage: &Stage<'_>) -> Option<Vec<GpuReading>> {
        let open = self.open.clone();
        let read = move || open(&Choice::all())?.read().ok();
        stage.gpu_patience.wait(self.times.patience, stage.listen, read).await?
    }

    /// Waits until memory is back at its baseline, but for what was given up already. What is still above it then.
    async fn wait(
        &mut self,
        feed: &mut Feed,
        first: Vec<GpuReading>,
        hears: &Hears<'_>,
    ) -> BTreeMap<String, HeldMemory> {
        let began = Instant::now();
        let mut readings = first;
        let mut holders = gpu_memory::Holders::default();
        loop {
            holders.complete(&mut readings);
            let mut held = gpu_memory::held(&self.baseline, &readings);
            held.values_mut().for_each(|held| held.waited_s = began.elapsed().as_secs_f64());
            if !readings.iter().any(|reading| self.is_waited_for(reading, &held)) {
                return held;
            }
            let what = gpu_memory::words(&readings, &held);
            if began.elapsed() >= self.times.limit {
                let above = held.iter().map(|(uuid, held)| (uuid.clone(), held.above_bytes));
                self.given_up.extend(above);
                (hears.listen)(Event::Trouble(&not_back(hears.label, &what, began.elapsed())));
                return held;
            }
            if began.elapsed() >= self.times.shown_after {
                let label = hears.label;
                (hears.listen)(Event::Launching { label, event: LaunchEvent::MemoryHeld { what } });
            }
            match next(feed, &self.times, &hears.shutdown).await {
                Some(read) => readings = read,
                // Asked to stop, or they cannot be read any more: the launch says the first, the runs the second.
                None => return BTreeMap::new(),
            }
        }
    }

    fn is_waited_for(&self, reading: &GpuReading, held: &BTreeMap<String, HeldMemory>) -> bool {
        let given_up = self.given_up.get(&reading.uuid);
        held.get(&reading.uuid).is_some_and(|held| {
            given_up.is_none_or(|bytes| held.above_bytes > bytes + gpu_memory::tolerance(reading))
        })
    }

    /// Takes the baseline of those GPUs that have none.
    async fn learn(&mut self, feed: &mut Feed, hears: &Hears<'_>) {
        let (machine, _) = idle(feed, &self.times, &hears.shutdown).await;
        for (uuid, (gpu, idle)) in machine {
            let standing = GpuStanding { gpu, machine: Some(idle), ..GpuStanding::default() };
            self.baseline.entry(uuid).or_insert(standing);
        }
    }
}

fn not_back(label: &str, what: &str, waited: Duration) -> String {
    format!(
        "warning: {label}: after {:.0} s {what}. It is launched all the same, with less memory than the others had\n\
         hint: end that process, or see what it is: nvidia-smi",
        waited.as_secs_f64()
    )
}

/// The GPUs of one visit, from before its launch on.
pub struct GpuWatch {
    feed: Feed,
    times: Times,
    gpus: Vec<GpuStanding>,
}

impl GpuWatch {
    /// What the GPUs showed, with the server idle from now on, and all readings since the launch. `all` is a reading of
    /// all GPUs of the machine.
    async fn loaded(
        mut self,
        all: &[GpuReading],
        is_server: impl Fn(u32) -> bool,
        shutdown: &watch::Receiver<bool>,
    ) -> (GpuBefore, Vec<Read>) {
        let mut reads = self.feed.taken();
        self.feed.pace(self.times.interval);
        let (mut loaded, idle_reads) = idle(&mut self.feed, &self.times, shutdown).await;
        reads.extend(idle_reads);
        for standing in &mut self.gpus {
            standing.loaded = loaded.remove(&standing.gpu.uuid).map(|(_, idle)| idle);
            let reading = all.iter().find(|reading| reading.uuid == standing.gpu.uuid);
            standing.others = reading.and_then(|reading| others(reading, &is_server));
        }
        // Of a slice the whole GPU would be told of, which the server was not given.
        let has_slice = self.gpus.iter().any(|standing| standing.gpu.uuid.starts_with("MIG-"));
        let used = used_by(all, &is_server).filter(|_| !has_slice);
        (GpuBefore { read_by: self.feed.read_by.to_owned(), gpus: self.gpus, used }, reads)
    }
}

/// The GPUs on which some process holds memory that is the server's; none where no driver says so.
fn used_by(readings: &[GpuReading], is_server: impl Fn(u32) -> bool) -> Option<Vec<GpuName>> {
    let holds =
        |reading: &&GpuReading| reading.processes.iter().flatten().any(|process| is_server(process.pid));
    let used: Vec<GpuName> = readings.iter().filter(holds).map(gpu_memory::name_of).collect();
    (!used.is_empty()).then_some(used)
}

/// Processes on a GPU that are not the server's; none where the driver does not say.
fn others(reading: &GpuReading, is_server: impl Fn(u32) -> bool) -> Option<Vec<GpuProcess>> {
    let processes = gpu_memory::most_first(reading.processes.as_deref()?);
    Some(processes.into_iter().filter(|process| !is_server(process.pid)).collect())
}

/// The next reading; none where the user stops, or where the GPUs cannot be read.
async fn next(feed: &mut Feed, times: &Times, shutdown: &watch::Receiver<bool>) -> Option<Vec<GpuReading>> {
    next_read(feed, times, shutdown).await?.gpus.ok()
}

async fn next_read(feed: &mut Feed, times: &Times, shutdown: &watch::Receiver<bool>) -> Option<Read> {
    let mut shutdown = shutdown.clone();
    let stopped = async {
        if shutdown.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = stopped => None,
        read = tokio::time::timeout(times.patience, feed.next()) => read.ok().flatten(),
    }
}

/// Means over the stretch of idleness that begins now, once the power of what came before has faded; and all readings
/// meanwhile.
async fn idle(
    feed: &mut Feed,
    times: &Times,
    shutdown: &watch::Receiver<bool>,
) -> (BTreeMap<String, (GpuName, GpuIdle)>, Vec<Read>) {
    let now = Instant::now();
    let mut stretch = Stretch::default();
    let mut from = now;
    let mut reads: Vec<Read> = Vec::new();
    while let Some(read) = next_read(feed, times, shutdown).await {
        let Ok(gpus) = &read.gpus else { break };
        if reads.is_empty() {
            from = now + settles_in(gpus).min(times.settling);
        }
        if read.at >= from {
            stretch.add(read.at, gpus);
        }
        let is_over = read.at >= from + times.idle;
        reads.push(read);
        if is_over {
            return (stretch.finish(), reads);
        }
    }
    // Half a stretch is no mean.
    (BTreeMap::new(), reads)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "gpu_watch_tests.rs"]
mod tests;
