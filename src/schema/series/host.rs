//! What the whole machine does.

use super::row::Series;
use crate::schema::sample::Source;

/// Cores busy.
pub const HOST_BUSY: &str = "host_busy_cores";
/// Cores that a hypervisor gave to others.
pub const HOST_STEAL: &str = "host_steal_cores";
/// The load average over a minute.
pub const HOST_LOAD: &str = "host_load_1m";
/// Memory that programs can still have.
pub const HOST_MEMORY_AVAILABLE: &str = "host_memory_available_bytes";
/// Read from swap and written to it.
pub const HOST_SWAPPED: &str = "host_swapped_bytes_s";
/// Cores that processes keep busy which are neither the server's nor ours.
pub const HOST_OTHERS_BUSY: &str = "host_others_busy_cores";
/// Clock of the CPU, mean over cores.
pub const HOST_CPU_CLOCK: &str = "host_cpu_clock_mhz";
/// Time that cores were kept from this program's container.
pub const HOST_THROTTLED: &str = "host_throttled_s";

const fn host(name: &'static str, title: &'static str, unit: &'static str, about: &'static str) -> Series {
    Series { name, title, unit, source: Source::Host, about }
}

/// Its rows.
pub const SERIES: &[Series] = &[
    host(HOST_BUSY, "Busy cores", "cores", "cores busy since the last reading"),
    host(
        HOST_STEAL,
        "Stolen cores",
        "cores",
        "cores that the hypervisor gave to others since the last reading",
    ),
    host(HOST_LOAD, "Load", "tasks", "the load average over a minute"),
    host(HOST_MEMORY_AVAILABLE, "Free memory", "bytes", "memory that programs can still have"),
    host(HOST_SWAPPED, "Swapping", "bytes/s", "read from swap and written to it since the last reading"),
    host(
        HOST_OTHERS_BUSY,
        "Others' cores",
        "cores",
        "cores kept busy by processes that are neither the server's nor ours",
    ),
    host(HOST_CPU_CLOCK, "CPU clock", "MHz", "clock of the CPU, mean over cores"),
    host(
        HOST_THROTTLED,
        "Held back",
        "s",
        "time that the container's CPU quota kept cores from it so far, summed over cores",
    ),
];
