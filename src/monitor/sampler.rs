//! Reads sensors at fixed times while a run goes, on a thread of its own, away from the load engine's.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{mpsc, watch};

use crate::schema::gpu::OtherOnGpu;
use crate::schema::sample::{Sample, SensorTally, Source};
use crate::secrets::from_outside;
use crate::server_api::EndlessPage;

use super::gpu::Gpus;
use super::machine::Machine;
use super::reading::Reading;
use super::server_page::ServerPage;

/// Time that one reading may take.
const READING_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that the reading behind the load may take, for which its end waits.
const LAST_READING_TIMEOUT: Duration = Duration::from_secs(1);

/// What is read at each time.
#[derive(Debug)]
pub enum Sensor {
    /// The server's own metrics page.
    ServerPage(ServerPage),
    /// The server's processes.
    ServerProcesses(Machine),
    /// This process.
    Client(Machine),
    /// The whole machine.
    Host(Machine),
    /// The GPUs that the server uses.
    Gpus(Gpus),
}

impl Sensor {
    fn source(&self) -> Source {
        match self {
            Sensor::ServerPage(_) => Source::Server,
            Sensor::ServerProcesses(_) => Source::ServerProcesses,
            Sensor::Client(_) => Source::Client,
            Sensor::Host(_) => Source::Host,
            Sensor::Gpus(_) => Source::Gpu,
        }
    }

    /// One reading a device; `is_last`: the one behind the load.
    async fn read(&mut self, is_last: bool) -> anyhow::Result<Vec<Reading>> {
        match self {
            Sensor::ServerPage(page) => Ok(vec![page.read(is_last).await?]),
            Sensor::Gpus(gpus) => gpus.read().await,
            Sensor::ServerProcesses(machine) => Ok(vec![machine.server()?]),
            Sensor::Client(machine) => Ok(vec![machine.client()?]),
            Sensor::Host(machine) => Ok(vec![machine.host(is_last)?]),
        }
    }

    /// What is to be said once of readings that went well: a device that is missing from now on.
    fn news(&mut self) -> Option<String> {
        match self {
            Sensor::ServerPage(_) | Sensor::ServerProcesses(_) | Sensor::Client(_) | Sensor::Host(_) => None,
            Sensor::Gpus(gpus) => gpus.news(),
        }
    }

    /// Processes that share its devices with the server, seen for the first time.
    fn others(&mut self) -> Vec<OtherOnGpu> {
        let Sensor::Gpus(gpus) = self else { return Vec::new() };
        gpus.others()
    }

    /// When it is read a last time, after its own times.
    fn last_at(&self) -> Stage {
        match self {
            // What it counts since the server's start says of a run only when all is counted.
            Sensor::ServerPage(_) => Stage::Settled,
            // Their counters are wanted at the window's very end.
            Sensor::Gpus(_) | Sensor::ServerProcesses(_) | Sensor::Client(_) | Sensor::Host(_) => {
                Stage::Settling
            }
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Sensors are read at their times.
    Loading,
    /// The load is over, and what it left is still being counted.
    Settling,
    /// All is counted.
    Settled,
}

/// A sampler that runs. Dropped without [`Sampler::stop`] it ends by itself.
#[derive(Debug)]
pub struct Sampler<W> {
    stage: watch::Sender<Stage>,
    thread: JoinHandle<anyhow::Result<(W, Vec<SensorTally>)>>,
}

impl<W: Send + 'static> Sampler<W> {
    /// Reads each sensor at once, then at `zero` + k × its interval, and gives each sample to `write`. A time
    /// that passes while an earlier reading still takes is left out. A reading that fails is counted and
    /// tried again at the next time.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(
        sensors: Vec<(Sensor, Duration)>,
        zero: Instant,
        writer: W,
        write: fn(&mut W, &Sample) -> anyhow::Result<()>,
    ) -> anyhow::Result<Sampler<W>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stage, reached) = watch::channel(Stage::Loading);
        let work = move || runtime.block_on(sample(sensors, zero, reached, writer, write));
        let thread = std::thread::Builder::new().name("sampler".into()).spawn(work)?;
        Ok(Sampler { stage, thread })
    }

    /// Reads nothing more at its times; a reading that still takes is given up.
    pub fn load_is_over(&self) {
        self.stage.send_replace(Stage::Settling);
    }

    /// Reads once more what counts up, for a second at most, and ends; the writer, and how each sensor did.
    ///
    /// # Errors
    /// A sample could not be written; nothing was read after that.
    pub fn stop(self) -> anyhow::Result<(W, Vec<SensorTally>)> {
        self.stage.send_replace(Stage::Settled);
        self.thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the sampler panicked")))
    }
}

/// The times of the readings: an absolute grid, so that no delay adds up.
#[derive(Debug, Clone, Copy)]
struct Times {
    zero: Instant,
    interval: Duration,
}

impl Times {
    /// The number of the last time that is not after `now`.
    fn passed(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.zero).as_nanos() / self.interval.as_nanos().max(1)) as u64
    }

    fn at(&self, number: u64) -> tokio::time::Instant {
        let nanos = self.interval.as_nanos() * u128::from(number);
        (self.zero + Duration::from_nanos(nanos.min(u128::from(u64::MAX)) as u64)).into()
    }
}

async fn sample<W>(
    sensors: Vec<(Sensor, Duration)>,
    zero: Instant,
    stage: watch::Receiver<Stage>,
    mut writer: W,
    write: fn(&mut W, &Sample) -> anyhow::Result<()>,
) -> anyhow::Result<(W, Vec<SensorTally>)> {
    let (sender, mut samples) = mpsc::unbounded_channel();
    let follow = |(sensor, interval)| {
        tokio::spawn(follow(sensor, Times { zero, interval }, sender.clone(), stage.clone()))
    };
    let followed: Vec<_> = sensors.into_iter().map(follow).collect();
    drop(sender);
    while let Some(sample) = samples.recv().await {
        write(&mut writer, &sample)?;
    }
    let mut tallies = Vec::new();
    for tally in followed {
        tallies.push(tally.await.context("a sensor panicked")?);
    }
    Ok((writer, tallies))
}

/// Reads one sensor until the end.
async fn follow(
    mut sensor: Sensor,
    times: Times,
    samples: mpsc::UnboundedSender<Sample>,
    mut stage: watch::Receiver<Stage>,
) -> SensorTally {
    let source = sensor.source();
    let mut tally = SensorTally {
        source,
        samples: 0,
        skipped: 0,
        failed: 0,
        broken_lines: 0,
        trouble: None,
        others: Vec::new(),
    };
    let mut number = times.passed(Instant::now());
    loop {
        tokio::select! {
            biased;
            () = is_past_loading(&mut stage) => break,
            () = tokio::time::sleep_until(times.at(number)) => {}
        }
        let asked = Instant::now();
        let read = tokio::select! {
            biased;
            () = is_past_loading(&mut stage) => break,
            read = tokio::time::timeout(READING_TIMEOUT, sensor.read(false)) => read,
        };
        let late = || anyhow::anyhow!("no answer within {} s", READING_TIMEOUT.as_secs());
        match read.unwrap_or_else(|_| Err(late())) {
            Ok(readings) => {
                if let Some(news) = sensor.news() {
                    tally.trouble.get_or_insert(news);
                }
                tally.others.extend(sensor.others());
                keep(readings, (source, times.zero), asked, &mut tally, &samples);
            }
            Err(error) => {
                tally.failed += 1;
                if error.is::<EndlessPage>() {
                    tally.trouble.get_or_insert_with(|| format!("{error:#}; it was not read again"));
                    // Once is enough of a page that costs megabytes.
                    is_past_loading(&mut stage).await;
                    return tally;
                }
                tally.trouble.get_or_insert_with(|| from_outside(&format!("{error:#}")).into_owned());
            }
        }
        let next = times.passed(Instant::now()).max(number) + 1;
        tally.skipped += next - number - 1;
        number = next;
    }
    // A server that is gone answers no more, which is no fault of the sensor's.
    let last_at = sensor.last_at();
    if stage.wait_for(|stage| *stage >= last_at).await.is_ok() {
        let asked = Instant::now();
        if let Ok(Ok(readings)) = tokio::time::timeout(LAST_READING_TIMEOUT, sensor.read(true)).await {
            keep(readings, (source, times.zero), asked, &mut tally, &samples);
        }
    }
    tally
}

/// Resolves when the load is over, or nobody wants to know any more.
async fn is_past_loading(stage: &mut watch::Receiver<Stage>) {
    // An error says that the sampler was dropped.
    let _ = stage.wait_for(|stage| *stage != Stage::Loading).await;
}

fn keep(
    readings: Vec<Reading>,
    (source, zero): (Source, Instant),
    asked: Instant,
    tally: &mut SensorTally,
    samples: &mpsc::UnboundedSender<Sample>,
) {
    tally.samples += 1;
    let at_us = asked.saturating_duration_since(zero).as_micros() as i64;
    let took_us = asked.elapsed().as_micros() as u64;
    for Reading { device, values, histograms, broken_lines } in readings {
        tally.broken_lines += broken_lines;
        // Nobody listens any more where a sample could not be written.
        let _ = samples.send(Sample { at_us, took_us, source, device, values, histograms });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "sampler_tests.rs"]
mod tests;
