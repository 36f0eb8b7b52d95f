//! Look at this machine once.

use jiff::Timestamp;
use nvml_wrapper::Nvml;

use crate::schema::environment::{Environment, Gpu};

/// Looks at the machine. What cannot be read is left empty: this never fails.
pub fn look() -> Environment {
    let (driver, gpus) = gpus();
    let uname = rustix::system::uname();
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
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory_bytes(),
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
    fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
        let (soft, hard) = raise_open_files();
        assert_eq!(soft, hard);
    }
}
