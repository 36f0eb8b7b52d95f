//! Reads sensors at fixed times while a run goes, on a thread of its own, away from the load engine's.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{mpsc, watch};

use crate::schema::sample::{Sample, SensorTally, Source};
use crate::secrets::from_outside;
use crate::server_api::EndlessPage;

use super::gpu::Gpus;
use super::reading::Reading;
use super::server_page::ServerPage;

/// Time that one reading may take.
const READING_TIMEOUT: Duration = Duration::from_secs(5);

/// What is read at each time.
#[derive(Debug)]
pub enum Sensor {
    /// The server's own metrics page.
    ServerPage(ServerPage),
    /// The GPUs that the server uses.
    Gpus(Gpus),
}

impl Sensor {
    fn source(&self) -> Source {
        match self {
            Sensor::ServerPage(_) => Source::Server,
            Sensor::Gpus(_) => Source::Gpu,
        }
    }

    /// One reading a device.
    async fn read(&mut self) -> anyhow::Result<Vec<Reading>> {
        match self {
            Sensor::ServerPage(page) => Ok(vec![page.read().await?]),
            Sensor::Gpus(gpus) => gpus.read().await,
        }
    }

    /// What is to be said once of readings that went well: a device that is missing from now on.
    fn news(&mut self) -> Option<String> {
        match self {
            Sensor::ServerPage(_) => None,
            Sensor::Gpus(gpus) => gpus.news(),
        }
    }
}

/// A sampler that runs. Dropped without [`Sampler::stop`] it ends by itself.
#[derive(Debug)]
pub struct Sampler<W> {
    stop: watch::Sender<bool>,
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
        let (stop, stopped) = watch::channel(false);
        let work = move || runtime.block_on(sample(sensors, zero, stopped, writer, write));
        let thread = std::thread::Builder::new().name("sampler".into()).spawn(work)?;
        Ok(Sampler { stop, thread })
    }

    /// Stops, a reading that still takes is given up; the writer, and how each sensor did.
    ///
    /// # Errors
    /// A sample could not be written; nothing was read after that.
    pub fn stop(self) -> anyhow::Result<(W, Vec<SensorTally>)> {
        // A thread that has ended already hears nothing.
        let _ = self.stop.send(true);
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
    stopped: watch::Receiver<bool>,
    mut writer: W,
    write: fn(&mut W, &Sample) -> anyhow::Result<()>,
) -> anyhow::Result<(W, Vec<SensorTally>)> {
    let (sender, mut samples) = mpsc::unbounded_channel();
    let follow = |(sensor, interval)| {
        tokio::spawn(follow(sensor, Times { zero, interval }, sender.clone(), stopped.clone()))
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
    mut stopped: watch::Receiver<bool>,
) -> SensorTally {
    let source = sensor.source();
    let mut tally = SensorTally { source, samples: 0, skipped: 0, failed: 0, broken_lines: 0, trouble: None };
    let mut number = times.passed(Instant::now());
    loop {
        tokio::select! {
            biased;
            _ = stopped.changed() => return tally,
            () = tokio::time::sleep_until(times.at(number)) => {}
        }
        let asked = Instant::now();
        let read = tokio::select! {
            biased;
            _ = stopped.changed() => return tally,
            read = tokio::time::timeout(READING_TIMEOUT, sensor.read()) => read,
        };
        let took = asked.elapsed();
        let late = || anyhow::anyhow!("no answer within {} s", READING_TIMEOUT.as_secs());
        match read.unwrap_or_else(|_| Err(late())) {
            Ok(readings) => {
                tally.samples += 1;
                if let Some(news) = sensor.news() {
                    tally.trouble.get_or_insert(news);
                }
                let at_us = asked.saturating_duration_since(times.zero).as_micros() as i64;
                let took_us = took.as_micros() as u64;
                for Reading { device, values, broken_lines } in readings {
                    tally.broken_lines += broken_lines;
                    // Nobody listens any more where a sample could not be written.
                    let _ = samples.send(Sample { at_us, took_us, source, device, values });
                }
            }
            Err(error) => {
                tally.failed += 1;
                if error.is::<EndlessPage>() {
                    tally.trouble.get_or_insert_with(|| format!("{error:#}; it was not read again"));
                    // Once is enough of a page that costs megabytes.
                    let _ = stopped.changed().await;
                    return tally;
                }
                tally.trouble.get_or_insert_with(|| from_outside(&format!("{error:#}")).into_owned());
            }
        }
        let next = times.passed(Instant::now()).max(number) + 1;
        tally.skipped += next - number - 1;
        number = next;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "sampler_tests.rs"]
mod tests;
