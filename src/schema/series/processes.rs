//! What processes use: the server's whole tree, and the harness itself.

use super::row::Series;
use crate::schema::sample::Source;

/// CPU time used since the process began.
pub const CPU_TIME: &str = "cpu_s";
/// Resident memory.
pub const RESIDENT: &str = "resident_bytes";
/// Threads.
pub const THREADS: &str = "threads";
/// Processes.
pub const PROCESSES: &str = "processes";

const fn of(
    source: Source,
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    about: &'static str,
) -> Series {
    Series { name, title, unit, source, about }
}

/// Of the server's process tree.
pub const SERVER: &[Series] = &[
    of(
        Source::ServerProcesses,
        CPU_TIME,
        "Server's CPU time",
        "s",
        "CPU time of the server's processes so far, ended ones too",
    ),
    of(
        Source::ServerProcesses,
        RESIDENT,
        "Server's memory",
        "bytes",
        "resident memory of the server's processes",
    ),
    of(Source::ServerProcesses, THREADS, "Server's threads", "threads", "threads of the server's processes"),
    of(Source::ServerProcesses, PROCESSES, "Server's processes", "processes", "processes of the server"),
];

/// Of the harness.
pub const CLIENT: &[Series] = &[
    of(Source::Client, CPU_TIME, "Client's CPU time", "s", "CPU time of this program so far"),
    of(Source::Client, RESIDENT, "Client's memory", "bytes", "resident memory of this program"),
    of(Source::Client, THREADS, "Client's threads", "threads", "threads of this program"),
];
