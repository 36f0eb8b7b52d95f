//! What `harness doctor` says of the GPUs.

use std::time::Duration;

use crate::monitor::gpu::{self, Choice, GpuState, Pace};
use crate::schema::clock_reason::{clock_reasons, is_throttled};
use crate::schema::environment::Environment;
use crate::schema::gpu::{GpuProcess, GpuReading, gib};
use crate::schema::series::gpu::{
    GPU_CLOCK_REASONS, GPU_MEMORY_CLOCK, GPU_MEMORY_USED, GPU_POWER, GPU_POWER_AVERAGE, GPU_SM_CLOCK,
    GPU_TEMPERATURE,
};
use crate::secrets::from_outside;

/// What is read once needs no pace.
const ONCE: Duration = Duration::from_secs(1);

/// What is said of them.
pub struct Section {
    /// `GPUs (read by nvml, driver 580.95.05)`, or why there is none.
    pub title: String,
    /// What each is, by its number, and below it without a name who holds memory on it.
    pub lines: Vec<(String, String)>,
    /// What would spoil a measurement.
    pub doubts: Vec<String>,
}

/// Reads them once.
pub fn look(environment: &Environment) -> Section {
    let read = gpu::open(&Choice::all(), Pace::whole(ONCE)).map_err(|absent| absent.to_string());
    let read = read.and_then(|opened| {
        let mut library = opened.library;
        let readings = library.read().map_err(|error| format!("{error:#}"))?;
        Ok((library.name(), opened.notes, readings))
    });
    let (name, notes, readings) = match read {
        Ok(read) => read,
        Err(why) => {
            let title = format!("GPUs: none ({})", from_outside(&why));
            return Section { title, lines: Vec::new(), doubts: Vec::new() };
        }
    };
    let states = gpu::states();
    let driver = environment.driver.as_deref().map(|driver| format!(", driver {driver}")).unwrap_or_default();
    let title = format!("GPUs (read by {name}{driver})");
    let (mut lines, mut doubts) = (Vec::new(), notes);
    for reading in &readings {
        let state = states.iter().find(|state| state.index == reading.index).copied().unwrap_or_default();
        lines.extend(gpu_lines(reading, state));
        doubts.extend(gpu_doubts(reading, state));
    }
    Section { title, lines, doubts }
}

/// One GPU: what it is and shows, then who holds memory on it.
fn gpu_lines(reading: &GpuReading, state: GpuState) -> Vec<(String, String)> {
    let value = |name: &str| reading.values.get(name).copied();
    let used = value(GPU_MEMORY_USED).map(|bytes| gib(bytes as u64));
    let memory = match (used, reading.memory_bytes.map(gib)) {
        (Some(used), Some(all)) => Some(format!("{used} of {all} in use")),
        (None, Some(all)) => Some(all),
        (used, None) => used.map(|used| format!("{used} in use")),
    };
    let power = value(GPU_POWER).or(value(GPU_POWER_AVERAGE)).map(|watts| match reading.power_limit_w {
        Some(limit) => format!("{watts:.0} of {limit:.0} W"),
        None => format!("{watts:.0} W"),
    });
    let clocks = value(GPU_SM_CLOCK).map(|mhz| {
        let memory = value(GPU_MEMORY_CLOCK).map(|mhz| format!(" (memory {mhz:.0} MHz)"));
        format!("{mhz:.0} MHz{}", memory.unwrap_or_default())
    });
    let switch = |on: bool| if on { "on" } else { "off" };
    let parts = [
        memory,
        power,
        value(GPU_TEMPERATURE).map(|degrees| format!("{degrees:.0} °C")),
        clocks,
        state.persistent.map(|on| format!("persistence mode {}", switch(on))),
        state.mig.map(|on| format!("MIG {}", switch(on))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let name = from_outside(&reading.name);
    let mut lines = vec![(reading.index.to_string(), format!("{name}: {}", parts.join(", ")))];
    let hidden = "whose memory it is the driver does not say (another PID namespace, or no permission)";
    match &reading.processes {
        None => lines.push((String::new(), hidden.to_owned())),
        Some(processes) => lines.extend(processes.iter().map(|process| (String::new(), words(process)))),
    }
    lines
}

fn words(process: &GpuProcess) -> String {
    from_outside(&process.words()).into_owned()
}

fn gpu_doubts(reading: &GpuReading, state: GpuState) -> Vec<String> {
    let index = reading.index;
    let bits =
        reading.values.get(GPU_CLOCK_REASONS).map(|bits| *bits as u64).filter(|bits| is_throttled(*bits));
    let reasons = bits.map(|bits| {
        let slowing = clock_reasons(bits).filter(|reason| reason.throttles);
        slowing.map(|reason| reason.words).collect::<Vec<_>>().join(", ")
    });
    let held = reading.processes.iter().flatten().map(words).collect::<Vec<_>>().join(", ");
    let doubts = [
        (!held.is_empty()).then(|| format!("GPU {index} is in use by {held}: end it, or choose another with --gpus")),
        reasons.map(|reasons| format!("GPU {index} is slowed down now: {reasons}")),
        (state.persistent == Some(false)).then(|| {
            format!("GPU {index}: its driver is unloaded whenever nobody uses it, so a launch takes longer: nvidia-smi -pm 1")
        }),
    ];
    doubts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn reading() -> GpuReading {
        GpuReading {
            index: 1,
            uuid: "GPU-b".to_owned(),
            name: "NVIDIA H200".to_owned(),
            values: BTreeMap::from([
                (GPU_MEMORY_USED, 1.5 * 1024.0 * 1024.0 * 1024.0),
                (GPU_POWER, 77.4),
                (GPU_TEMPERATURE, 31.0),
                (GPU_SM_CLOCK, 345.0),
                (GPU_MEMORY_CLOCK, 3201.0),
                (GPU_CLOCK_REASONS, 1.0),
            ]),
            memory_bytes: Some(140 << 30),
            power_limit_w: Some(700.0),
            processes: Some(Vec::new()),
            ..GpuReading::default()
        }
    }

    #[test]
    fn a_gpu_is_told_in_one_line() {
        let state = GpuState { index: 1, persistent: Some(true), mig: Some(false) };
        let line = "NVIDIA H200: 1.5 GiB of 140.0 GiB in use, 77 of 700 W, 31 °C, 345 MHz (memory 3201 MHz), \
                    persistence mode on, MIG off";
        assert_eq!(gpu_lines(&reading(), state), [("1".to_owned(), line.to_owned())]);
        assert_eq!(gpu_doubts(&reading(), state), [""; 0]);
        let bare = GpuReading { values: BTreeMap::new(), memory_bytes: None, ..reading() };
        assert_eq!(gpu_lines(&bare, GpuState::default())[0].1, "NVIDIA H200: ");
    }

    #[test]
    fn who_holds_memory_is_named_and_doubted_and_what_is_not_told_is_said() {
        let held = GpuProcess { pid: 7, name: Some("python3".to_owned()), memory_bytes: Some(1 << 30) };
        let used = GpuReading { processes: Some(vec![held]), ..reading() };
        assert_eq!(gpu_lines(&used, GpuState::default())[1].1, "python3 (pid 7, 1.0 GiB)");
        let doubt = "GPU 1 is in use by python3 (pid 7, 1.0 GiB): end it, or choose another with --gpus";
        assert_eq!(gpu_doubts(&used, GpuState::default()), [doubt]);
        let hidden = GpuReading { processes: None, ..reading() };
        assert!(gpu_lines(&hidden, GpuState::default())[1].1.contains("does not say"));
    }

    #[test]
    fn a_gpu_that_is_slowed_down_or_whose_driver_is_unloaded_is_doubted() {
        let mut hot = reading();
        hot.values.insert(GPU_CLOCK_REASONS, 64.0);
        let state = GpuState { persistent: Some(false), ..GpuState::default() };
        let doubts = gpu_doubts(&hot, state);
        assert_eq!(doubts[0], "GPU 1 is slowed down now: heat (hardware slowdown)");
        assert!(doubts[1].contains("nvidia-smi -pm 1"), "{doubts:?}");
    }
}
