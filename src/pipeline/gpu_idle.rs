//! What GPUs show while nothing is asked of them: means over a stretch of readings.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::schema::gpu::GpuReading;
use crate::schema::gpu_before::{GpuIdle, GpuName};
use crate::schema::series::gpu::{GPU_POWER, GPU_POWER_AVERAGE};

use super::gpu_memory::{name_of, used};

/// Readings of a stretch, summed up GPU by GPU. They are evenly spaced, so that their mean is one over time.
#[derive(Debug, Default)]
pub struct Stretch {
    gpus: Vec<(GpuName, Sum)>,
}

#[derive(Debug)]
struct Sum {
    first: Instant,
    last: Instant,
    readings: u32,
    watts: f64,
    with_watts: u32,
    used: Option<u64>,
}

impl Stretch {
    /// Adds a reading.
    pub fn add(&mut self, at: Instant, readings: &[GpuReading]) {
        for reading in readings {
            let sum = self.of(at, reading);
            sum.last = at;
            sum.readings += 1;
            sum.used = used(reading).or(sum.used);
            if let Some(watts) = power(reading) {
                (sum.watts, sum.with_watts) = (sum.watts + watts, sum.with_watts + 1);
            }
        }
    }

    fn of(&mut self, at: Instant, reading: &GpuReading) -> &mut Sum {
        let name = name_of(reading);
        let place = self.gpus.iter().position(|(known, _)| known.uuid == name.uuid).unwrap_or_else(|| {
            let sum = Sum { first: at, last: at, readings: 0, watts: 0.0, with_watts: 0, used: None };
            self.gpus.push((name, sum));
            self.gpus.len() - 1
        });
        &mut self.gpus[place].1
    }

    /// What came of it, by uuid.
    pub fn finish(self) -> BTreeMap<String, (GpuName, GpuIdle)> {
        let idle = |sum: &Sum| GpuIdle {
            power_w: (sum.with_watts > 0).then(|| sum.watts / f64::from(sum.with_watts)),
            memory_used_bytes: sum.used,
            readings: sum.readings,
            seconds: sum.last.saturating_duration_since(sum.first).as_secs_f64(),
        };
        self.gpus.into_iter().map(|(name, sum)| (name.uuid.clone(), (name, idle(&sum)))).collect()
    }
}

/// Power now, or as the driver averages it where that is all it has.
fn power(reading: &GpuReading) -> Option<f64> {
    reading.values.get(GPU_POWER).or_else(|| reading.values.get(GPU_POWER_AVERAGE)).copied()
}

/// How long after work its power still shows it: the instant one 0.18 s, the average over a second a good second
/// (measured on an H200).
pub fn settles_in(readings: &[GpuReading]) -> Duration {
    let instant = readings.iter().all(|reading| reading.values.contains_key(GPU_POWER));
    Duration::from_millis(if instant { 500 } else { 1500 })
}
