//! A program, run to its end: what it cost.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a process cost.
#[derive(Clone)]
pub struct Cost {
    /// s.
    pub wall_s: f64,
    /// User and system, s.
    pub cpu_s: f64,
    /// The most resident memory, MB.
    pub peak_mb: f64,
}

/// Runs a program to its end.
#[allow(clippy::zombie_processes)]
pub fn cost(program: &OsString, arguments: &[OsString]) -> Cost {
    let begun = Instant::now();
    let child =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut status = 0;
    // SAFETY: a plain C struct that the kernel fills in; the child is ours and waited for once.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::wait4(child.id() as i32, &raw mut status, 0, &raw mut usage), child.id() as i32);
        usage
    };
    let wall_s = begun.elapsed().as_secs_f64();
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{program:?} {arguments:?}: {status}");
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Cost {
        wall_s,
        cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        peak_mb: usage.ru_maxrss as f64 / 1e3,
    }
}
