//! What a launch left for the runs on its server: its times, and what the GPUs showed meanwhile.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::load::RunClock;
use crate::schema::gpu::GpuReading;
use crate::schema::gpu_before::{GpuBefore, LaunchTimes};
use crate::schema::sample::{Sample, Source};

use super::gpu_feed::Read;

/// What was before the load; empty of a server that already ran.
#[derive(Debug, Default)]
pub struct BeforeLoad {
    /// From its start to its first token.
    pub launched: Option<(Instant, Instant)>,
    /// Its GPUs.
    pub gpus: Option<GpuBefore>,
    /// Their readings while it was launched: the first run takes them.
    pub readings: Vec<Read>,
}

impl BeforeLoad {
    /// The launch, on a run's clock.
    pub fn launch(&self, clock: &RunClock) -> Option<LaunchTimes> {
        let (started, ready) = self.launched?;
        Some(LaunchTimes { started_us: us(clock, started), ready_us: us(clock, ready) })
    }

    /// What was read while the server was launched, on a run's clock; nothing the second time. A reading that failed is
    /// left out.
    pub fn samples(&mut self, clock: &RunClock) -> Vec<Sample> {
        let reads = std::mem::take(&mut self.readings);
        let samples = reads.iter().flat_map(|read| {
            let gpus = read.gpus.iter().flatten().filter(|gpu| !gpu.is_repeated);
            gpus.map(|gpu| sample(clock, read, gpu))
        });
        samples.collect()
    }
}

fn sample(clock: &RunClock, read: &Read, gpu: &GpuReading) -> Sample {
    let values: BTreeMap<String, f64> =
        gpu.values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Sample {
        at_us: us(clock, read.at),
        took_us: read.took.as_micros() as u64,
        source: Source::Gpu,
        device: Some(gpu.index),
        values,
        histograms: BTreeMap::new(),
    }
}

/// µs on a run's clock; below 0 before its start.
fn us(clock: &RunClock, at: Instant) -> i64 {
    let zero = clock.instant(0);
    match zero.checked_duration_since(at) {
        Some(before) => -(before.as_micros() as i64),
        None => at.saturating_duration_since(zero).as_micros() as i64,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::monitor::gpu::fake::gpu;

    #[test]
    fn what_was_read_in_a_launch_stands_before_the_runs_start_and_goes_to_one_run() {
        let started = Instant::now();
        std::thread::sleep(Duration::from_millis(5));
        let read = |gpus| Read { at: started, took: Duration::from_micros(70), gpus };
        let readings =
            vec![read(Ok(vec![gpu(0, 100.0, 1.0), gpu(1, 90.0, 2.0)])), read(Err("gone".to_owned()))];
        let mut before = BeforeLoad { launched: Some((started, Instant::now())), gpus: None, readings };
        let clock = RunClock::start();
        let launch = before.launch(&clock).unwrap();
        assert!(launch.started_us <= -5_000 && launch.ready_us <= 0 && launch.started_us < launch.ready_us);
        let samples = before.samples(&clock);
        assert_eq!(samples.iter().map(|sample| sample.device).collect::<Vec<_>>(), [Some(0), Some(1)]);
        assert!(samples.iter().all(|sample| sample.at_us <= launch.started_us && sample.took_us == 70));
        assert_eq!(samples[1].values["gpu_power_w"], 90.0);
        assert_eq!(before.samples(&clock), []);
    }
}
