//! The whole machine: busy and stolen cores, load, memory, swap, the clock.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::environment::Cgroups;
use crate::schema::machine::MachineFacts;
use crate::schema::series::host::{
    HOST_BUSY, HOST_CPU_CLOCK, HOST_LOAD, HOST_MEMORY_AVAILABLE, HOST_OTHERS_BUSY, HOST_STEAL, HOST_SWAPPED,
    HOST_THROTTLED,
};

/// Two readings so close together give no rate: clocks of 10 ms are too coarse, s.
const SHORTEST_S: f64 = 0.05;
/// Cores whose clock is read, spread over all: each is a question to the processor.
const CLOCKS_READ: usize = 8;

/// Ticks of CPU time since boot, summed over cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CpuTicks {
    /// In processes: user, nice, system.
    pub(super) of_processes: u64,
    /// The same and interrupts.
    pub(super) busy: u64,
    pub(super) steal: u64,
    /// All, idle too.
    pub(super) all: u64,
}

/// Reads the machine again and again.
#[derive(Debug)]
pub(super) struct Host {
    root: PathBuf,
    cgroups: Cgroups,
    clocks: Vec<PathBuf>,
    hz: f64,
    page_bytes: f64,
    last: Option<Before>,
}

/// The last reading.
#[derive(Debug)]
struct Before {
    at: Instant,
    cpu: CpuTicks,
    swapped_pages: u64,
    /// Ticks of the server and of ourselves; none where the server's are not known.
    ours: Option<u64>,
}

impl Host {
    pub(super) fn new(root: &Path, hz: f64, page_bytes: f64) -> Self {
        let cgroups = Cgroups::of(root, "self");
        Host { root: root.to_owned(), cgroups, clocks: clocks(root), hz, page_bytes, last: None }
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    pub(super) fn cpu(&self) -> Option<CpuTicks> {
        cpu_ticks(&self.text("proc/stat")?)
    }

    /// What it shows at `at`; rates are since the last reading. `ours`: ticks so far of the server and of ourselves, none
    /// where the server runs here and cannot be seen.
    pub(super) fn read(&mut self, at: Instant, ours: Option<u64>) -> anyhow::Result<BTreeMap<String, f64>> {
        let cpu = self.cpu().ok_or_else(|| anyhow::anyhow!("/proc/stat cannot be read"))?;
        let memory = self.text("proc/meminfo").unwrap_or_default();
        // All counts of the kernel's memory, summed over cores and nodes: asked only where there is swap at all.
        let vmstat =
            (kilobytes(&memory, "SwapTotal:") != Some(0)).then(|| self.text("proc/vmstat")).flatten();
        let swapped_pages = vmstat.map_or(0, |text| swapped(&text));
        let now = Before { at, cpu, swapped_pages, ours };
        let mut values = BTreeMap::new();
        let mut put = |name: &str, value: Option<f64>| {
            if let Some(value) = value {
                values.insert(name.to_owned(), value);
            }
        };
        put(HOST_LOAD, self.load());
        put(HOST_MEMORY_AVAILABLE, self.memory_available(&memory));
        put(HOST_CPU_CLOCK, self.clock_mhz());
        put(HOST_THROTTLED, self.cgroups.throttled().map(|throttled| throttled.seconds));
        let passed = self.last.as_ref().map(|last| at.duration_since(last.at).as_secs_f64());
        match (&self.last, passed) {
            (Some(last), Some(passed)) if passed >= SHORTEST_S => {
                let cores = |now: u64, before: u64| now.saturating_sub(before) as f64 / self.hz / passed;
                put(HOST_BUSY, Some(cores(cpu.busy, last.cpu.busy)));
                put(HOST_STEAL, Some(cores(cpu.steal, last.cpu.steal)));
                let pages = swapped_pages.saturating_sub(last.swapped_pages) as f64;
                put(HOST_SWAPPED, Some(pages * self.page_bytes / passed));
                let others = ours.zip(last.ours).map(|(ours, before)| {
                    let of_processes = cores(cpu.of_processes, last.cpu.of_processes);
                    (of_processes - cores(ours, before)).max(0.0)
                });
                put(HOST_OTHERS_BUSY, others);
                self.last = Some(now);
            }
            (Some(_), _) => {}
            (None, _) => self.last = Some(now),
        }
        Ok(values)
    }

    fn load(&self) -> Option<f64> {
        self.text("proc/loadavg")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
            .filter(|load: &f64| load.is_finite())
    }

    /// Of the machine, or of the container where less is left there.
    fn memory_available(&self, meminfo: &str) -> Option<f64> {
        let of_host = kilobytes(meminfo, "MemAvailable:").or_else(|| kilobytes(meminfo, "MemFree:"))?;
        Some(self.cgroups.memory_left().map_or(of_host, |left| left.min(of_host)) as f64)
    }

    fn clock_mhz(&self) -> Option<f64> {
        let read = |path: &PathBuf| fs::read_to_string(path).ok()?.trim().parse::<f64>().ok();
        let clocks: Vec<f64> = self.clocks.iter().filter_map(read).collect();
        (!clocks.is_empty()).then(|| clocks.iter().sum::<f64>() / clocks.len() as f64 / 1000.0)
    }

    /// What holds for a whole run.
    pub(super) fn facts(&self) -> MachineFacts {
        let memory = self.text("proc/meminfo").unwrap_or_default();
        let swap = |name| kilobytes(&memory, name).unwrap_or(0);
        let swap_total_bytes = swap("SwapTotal:");
        let total = kilobytes(&memory, "MemTotal:").unwrap_or(0);
        MachineFacts {
            cores: self.text("proc/stat").map_or(0, |text| core_count(&text)),
            memory_bytes: self.cgroups.memory_limit().map_or(total, |limit| limit.min(total)),
            cpu_quota: self.cgroups.cpu_quota(),
            governors: governors(&self.root),
            swap_total_bytes,
            swap_used_bytes: swap_total_bytes.saturating_sub(swap("SwapFree:")),
            load_1m: self.load(),
        }
    }
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
fn cpu_ticks(text: &str) -> Option<CpuTicks> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().map_while(|number| number.parse().ok()).collect();
    let [user, nice, system, idle, ..] = ticks[..] else { return None };
    let at = |index: usize| ticks.get(index).copied().unwrap_or(0);
    let (iowait, interrupts, steal) = (at(4), at(5).saturating_add(at(6)), at(7));
    let of_processes = user.saturating_add(nice).saturating_add(system);
    let busy = of_processes.saturating_add(interrupts);
    let all = busy.saturating_add(idle).saturating_add(iowait).saturating_add(steal);
    Some(CpuTicks { of_processes, busy, steal, all })
}

fn core_count(text: &str) -> usize {
    text.lines().skip(1).take_while(|line| line.starts_with("cpu")).count()
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB"))?;
    number.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Pages read from swap and written to it since boot.
fn swapped(text: &str) -> u64 {
    let count = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    count("pswpin ").saturating_add(count("pswpout "))
}

/// The cores' own folders below `/sys/devices/system/cpu`, in their order.
fn core_folders(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root.join("sys/devices/system/cpu")) else { return Vec::new() };
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("cpu")?.parse::<u32>().ok();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut numbered: Vec<(u32, PathBuf)> = paths.filter_map(|path| Some((number(&path)?, path))).collect();
    numbered.sort();
    numbered.into_iter().map(|(_, path)| path).collect()
}

fn clocks(root: &Path) -> Vec<PathBuf> {
    let files = core_folders(root).into_iter().map(|core| core.join("cpufreq/scaling_cur_freq"));
    let files: Vec<PathBuf> = files.filter(|file| file.exists()).collect();
    let step = files.len().div_ceil(CLOCKS_READ).max(1);
    files.into_iter().step_by(step).collect()
}

/// The governors of all cores, each once.
fn governors(root: &Path) -> Vec<String> {
    let read = |core: PathBuf| fs::read_to_string(core.join("cpufreq/scaling_governor")).ok();
    let mut all: Vec<String> =
        core_folders(root).into_iter().filter_map(read).map(|text| text.trim().to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
#[path = "host_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
