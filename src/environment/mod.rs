//! Look at this machine once.

mod limits;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use nvml_wrapper::Nvml;

pub use limits::{Cgroups, Throttled};

use crate::schema::environment::{ContainerLimits, Environment, Gpu};

/// Looks at the machine. What cannot be read is left empty: this never fails.
pub fn look() -> Environment {
    let (driver, gpus) = gpus();
    let uname = rustix::system::uname();
    let (host_cores, host_memory) = (host_cores(), memory_bytes());
    let limits = limits(&Cgroups::own(), host_cores, host_memory);
    Environment {
        taken_at: Timestamp::now(),
        harness_version: env!("CARGO_PKG_VERSION").to_owned(),
        os: format!(
            "{} {} {}",
            uname.sysname().to_string_lossy(),
            uname.release().to_string_lossy(),
            uname.machine().to_string_lossy()
        ),
        hostname: uname.nodename().to_string_lossy().into_owned(),
        cpu: cpu_name(),
        cores: usable_cores(limits.as_ref()),
        memory_bytes: limits.as_ref().and_then(|limits| limits.memory_bytes).unwrap_or(host_memory),
        limits,
        open_files: open_files(),
        driver,
        gpus,
        exact_up_to: None,
    }
}

/// Raises the soft limit of open files to the hard one and returns both as they are then.
pub fn raise_open_files() -> (u64, u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves the old limit, which is what is reported and checked against.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    open_files()
}

fn open_files() -> (u64, u64) {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile);
    // No limit reads as `None`.
    (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX))
}

fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Logical cores of the whole machine that are switched on.
fn host_cores() -> usize {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    listed(&online).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Logical cores by number that the affinity of a process (`self`, a pid) allows it; none where nobody says.
pub fn allowed_cores(process: &str) -> Option<BTreeSet<usize>> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    ranges(list).map(|ranges| ranges.into_iter().flatten().collect())
}

/// How many a kernel's list names: 5 of `0-3,7`; none where it is no list.
fn listed(text: &str) -> Option<usize> {
    ranges(text).map(|ranges| ranges.into_iter().map(|range| range.end() - range.start() + 1).sum())
}

fn ranges(text: &str) -> Option<Vec<RangeInclusive<usize>>> {
    let part = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
        (to >= from).then_some(from..=to)
    };
    text.trim().split(',').map(part).collect()
}

/// Cores that may run threads of ours: the affinity mask and the quota of control groups, a part of a core cut off;
/// at least one.
fn usable_cores(limits: Option<&ContainerLimits>) -> usize {
    // The standard library honours both, but looks for quotas in the usual places alone.
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    match limits.and_then(|limits| limits.cpu_quota) {
        Some(quota) => allowed.min(quota as usize).max(1),
        None => allowed,
    }
}

/// What binds us below what the machine has; none where nothing does.
fn limits(groups: &Cgroups, host_cores: usize, host_memory_bytes: u64) -> Option<ContainerLimits> {
    let cpu_quota = groups.cpu_quota().filter(|quota| *quota < host_cores as f64);
    let memory_bytes = groups.memory_limit().filter(|bytes| *bytes < host_memory_bytes);
    (cpu_quota.is_some() || memory_bytes.is_some()).then_some(ContainerLimits {
        host_cores,
        host_memory_bytes,
        cpu_quota,
        memory_bytes,
    })
}

fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn gpus() -> (Option<String>, Vec<Gpu>) {
    let Ok(nvml) = Nvml::init() else { return (None, Vec::new()) };
    let count = nvml.device_count().unwrap_or(0);
    let gpus = (0..count).filter_map(|index| {
        let device = nvml.device_by_index(index).ok()?;
        Some(Gpu { index, name: device.name().ok()?, memory_bytes: device.memory_info().ok()?.total })
    });
    let gpus = gpus.collect();
    (nvml.sys_driver_version().ok(), gpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_memory_and_a_name() {
        let environment = look();
        assert!(environment.cores >= 1);
        assert!(environment.memory_bytes > 1 << 20);
        assert!(!environment.os.is_empty());
    }

    #[test]
    fn a_container_s_quota_and_memory_are_the_size_of_the_machine() {
        let bound = |cpu_quota| {
            Some(ContainerLimits {
                host_cores: 64,
                host_memory_bytes: 1 << 40,
                cpu_quota,
                memory_bytes: None,
            })
        };
        let allowed = std::thread::available_parallelism().unwrap().get();
        assert_eq!(usable_cores(None), allowed);
        assert_eq!(usable_cores(bound(Some(0.5)).as_ref()), 1, "a part of a core is one thread");
        assert_eq!(usable_cores(bound(Some(1.9)).as_ref()), 1);
        assert_eq!(usable_cores(bound(Some(1000.0)).as_ref()), allowed);
        assert_eq!(limits(&Cgroups::default(), 4, 1 << 30), None);
    }

    #[test]
    fn a_list_of_cores_is_counted() {
        assert_eq!(["0-3,7\n", "0", "", "3-1", "x"].map(listed), [Some(5), Some(1), None, None, None]);
    }

    #[test]
    fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
        let (soft, hard) = raise_open_files();
        assert_eq!(soft, hard);
    }
}
