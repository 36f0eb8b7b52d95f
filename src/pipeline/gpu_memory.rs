//! GPU memory that was not given back: held against what was in use before the plan's first launch.

use std::collections::BTreeMap;

use crate::schema::gpu::{GpuProcess, GpuReading, gib};
use crate::schema::gpu_before::{GpuName, GpuStanding, HeldMemory};
use crate::schema::series::gpu::GPU_MEMORY_USED;
use crate::secrets::from_outside;

/// Memory is back at its baseline where no more than this is in use above it, or than the second, bytes and a part
/// of the GPU's memory: drivers and desktops move by some MiB.
const TOLERANCE_BYTES: u64 = 256 << 20;
const TOLERANCE_PART: f64 = 0.01;
/// Processes that a message names.
const NAMED: usize = 3;

/// Memory in use; none where it does not tell.
pub fn used(reading: &GpuReading) -> Option<u64> {
    reading.values.get(GPU_MEMORY_USED).map(|bytes| *bytes as u64)
}

/// Which GPU it was.
pub fn name_of(reading: &GpuReading) -> GpuName {
    GpuName { index: reading.index, uuid: reading.uuid.clone(), name: reading.name.clone() }
}

/// How much more may be in use, bytes.
pub fn tolerance(reading: &GpuReading) -> u64 {
    let part = reading.memory_bytes.map_or(0.0, |all| all as f64 * TOLERANCE_PART);
    TOLERANCE_BYTES.max(part as u64)
}

/// The processes on each GPU as they were told last, by its uuid: not every reading tells them.
#[derive(Debug, Default)]
pub struct Holders(BTreeMap<String, Vec<GpuProcess>>);

impl Holders {
    /// Puts them into readings that do not tell, and learns them from those that do.
    pub fn complete(&mut self, readings: &mut [GpuReading]) {
        for GpuReading { uuid, processes, .. } in readings {
            match processes {
                Some(told) => {
                    self.0.insert(uuid.clone(), told.clone());
                }
                None => *processes = self.0.get(uuid.as_str()).cloned(),
            }
        }
    }
}

/// What each GPU has in use above its baseline, and beyond the tolerance, by its uuid. A GPU that does not tell, or
/// has no baseline, is not among them.
pub fn held(
    baseline: &BTreeMap<String, GpuStanding>,
    readings: &[GpuReading],
) -> BTreeMap<String, HeldMemory> {
    let above = |reading: &GpuReading| {
        let before = baseline.get(&reading.uuid)?.machine?.memory_used_bytes?;
        let above_bytes = used(reading)?.saturating_sub(before);
        (above_bytes > tolerance(reading)).then(|| HeldMemory {
            above_bytes,
            waited_s: 0.0,
            processes: most_first(reading.processes.as_deref().unwrap_or_default()),
        })
    };
    readings.iter().filter_map(|reading| Some((reading.uuid.clone(), above(reading)?))).collect()
}

/// Processes with a name that is safe to show, those that hold the most first.
pub fn most_first(processes: &[GpuProcess]) -> Vec<GpuProcess> {
    let safe = |process: &GpuProcess| GpuProcess {
        name: process.name.as_deref().map(|name| from_outside(name).into_owned()),
        ..process.clone()
    };
    let mut processes: Vec<GpuProcess> = processes.iter().map(safe).collect();
    processes.sort_by_key(|process| std::cmp::Reverse(process.memory_bytes));
    processes
}

/// `GPU 0 has 4.2 GiB more in use than before the first launch: python3 (pid 4242, 4.1 GiB)`
pub fn words(readings: &[GpuReading], held: &BTreeMap<String, HeldMemory>) -> String {
    let one = |reading: &GpuReading| {
        let held = held.get(&reading.uuid)?;
        Some(format!(
            "GPU {} has {} more in use than before the first launch: {}",
            reading.index,
            gib(held.above_bytes),
            holders(held)
        ))
    };
    readings.iter().filter_map(one).collect::<Vec<_>>().join("; ")
}

fn holders(held: &HeldMemory) -> String {
    let named: Vec<String> = held.processes.iter().take(NAMED).map(GpuProcess::words).collect();
    match held.processes.len() {
        0 => "the driver does not say who holds it".to_owned(),
        all if all > NAMED => format!("{} and {} more", named.join(", "), all - NAMED),
        _ => named.join(", "),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_memory_is_known_from_the_last_reading_that_told() {
        let process = |pid| GpuProcess { pid, name: None, memory_bytes: None };
        let reading =
            |uuid: &str, processes| GpuReading { uuid: uuid.into(), processes, ..GpuReading::default() };
        let mut holders = Holders::default();
        let mut told = |processes: Option<Vec<GpuProcess>>| {
            let mut readings = [reading("GPU-a", processes), reading("GPU-b", None)];
            holders.complete(&mut readings);
            let pids = |held: &Option<Vec<GpuProcess>>| {
                held.as_ref().map(|held| held.iter().map(|process| process.pid).collect::<Vec<_>>())
            };
            readings.map(|reading| pids(&reading.processes))
        };
        assert_eq!(told(None), [None, None]);
        assert_eq!(told(Some(vec![process(7)])), [Some(vec![7]), None]);
        assert_eq!(told(None), [Some(vec![7]), None]);
        assert_eq!(told(Some(Vec::new())), [Some(vec![]), None], "it has gone");
        assert_eq!(told(None), [Some(vec![]), None]);
    }
}
