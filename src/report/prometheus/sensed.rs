//! What is sensed, under the names that Prometheus' rules ask for: base units, the unit at the end.

use crate::schema::sample::Source;
use crate::schema::series::{self, Series};

/// Series that only grow, by their key.
const GROWING: [&str; 10] = [
    series::gpu::GPU_ENERGY,
    series::gpu::GPU_NVLINK_SENT,
    series::gpu::GPU_NVLINK_RECEIVED,
    series::processes::CPU_TIME,
    series::server::SERVER_PROMPT_TOKENS,
    series::server::SERVER_GENERATED_TOKENS,
    series::server::SERVER_CACHED_TOKENS,
    series::server::SERVER_CACHE_QUERIES,
    series::server::SERVER_PREEMPTIONS,
    series::host::HOST_THROTTLED,
];

/// A series as it is exported.
#[derive(Debug, PartialEq)]
pub(super) struct Exported {
    /// `harness_gpu_power_watts`
    pub(super) name: String,
    /// `watts`; empty without one.
    pub(super) unit: &'static str,
    /// What a value is multiplied by.
    pub(super) factor: f64,
    pub(super) grows: bool,
}

/// A row of the table as it is exported.
pub(super) fn exported(row: &Series) -> Exported {
    let (ours, unit, factor) = unit(row.unit);
    let bare = row.name.strip_suffix(ours).unwrap_or(row.name);
    let source = match row.source {
        Source::Server => "server_",
        Source::Gpu => "gpu_",
        Source::ServerProcesses => "server_process_",
        Source::Client => "client_",
        Source::Host => "host_",
    };
    let bare = bare.strip_prefix(source).unwrap_or(bare);
    let end = if unit.is_empty() { String::new() } else { format!("_{unit}") };
    Exported {
        name: format!("harness_{source}{}{end}", bare.trim_end_matches('_')),
        unit,
        factor,
        grows: GROWING.contains(&row.name),
    }
}

/// A unit of the table: how a series' key ends with it, its name in Prometheus, and how many of those it is.
fn unit(unit: &str) -> (&'static str, &'static str, f64) {
    match unit {
        "W" => ("_w", "watts", 1.0),
        "J" => ("_j", "joules", 1.0),
        "°C" => ("_c", "celsius", 1.0),
        "MHz" => ("_mhz", "hertz", 1e6),
        "bytes" => ("_bytes", "bytes", 1.0),
        "bytes/s" => ("_bytes_s", "bytes_per_second", 1.0),
        "s" => ("_s", "seconds", 1.0),
        "ms" => ("_ms", "seconds", 1e-3),
        "%" => ("_pct", "ratio", 1e-2),
        "share" => ("_share", "ratio", 1.0),
        "cores" => ("_cores", "cores", 1.0),
        // Things that are counted: the name says which.
        _ => ("", "", 1.0),
    }
}
