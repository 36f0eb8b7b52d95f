//! What a dead guard leaves behind, found by what it had written down and by its mark. A number alone proves
//! nothing: pids and sessions come round, soonest in a container that starts again.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::backend::process::{self, Process};

/// Environment variable of every server and, inherited, of its descendants: it finds even a child in a session of
/// its own that nobody had the time to write down.
pub const MARK: &str = "HARNESS_GUARD";

/// The mark's value: which guard.
pub fn mark(guard: Process) -> String {
    format!("{}.{}", guard.pid, guard.start_time)
}

/// Kills what lives of a dead guard's servers until none of it does or the time is up. Returns how many were
/// killed.
pub fn kill_family(known: &[Process], guard: Process, limit: Duration) -> usize {
    let deadline = Instant::now() + limit;
    let mut killed = HashSet::new();
    loop {
        let family = living_family(known, guard);
        for process in &family {
            if process.signal(Signal::KILL) {
                killed.insert(*process);
            }
        }
        if family.is_empty() || Instant::now() > deadline {
            return killed.len();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What lives of a dead guard's servers: those `known` by pid and start time, everything with its mark, and all
/// their descendants. Of its session only as long as the guard itself, not yet reaped, still holds that number.
pub fn living_family(known: &[Process], guard: Process) -> BTreeSet<Process> {
    let all = process::all();
    let known: HashSet<Process> = known.iter().copied().collect();
    let mark = mark(guard);
    let session_is_its = Process::of(guard.pid) == Some(guard);
    let roots: HashSet<u32> = all
        .iter()
        .filter(|stat| stat.process != guard && stat.process.start_time >= guard.start_time)
        .filter(|stat| {
            known.contains(&stat.process)
                || (session_is_its && stat.session == guard.pid)
                || process::was_started_with(stat.process.pid, MARK, &mark)
        })
        .map(|stat| stat.process.pid)
        .collect();
    let below: HashSet<u32> =
        process::descendants(&all, &roots).iter().map(|stat| stat.process.pid).collect();
    all.iter()
        .filter(|stat| {
            stat.is_alive() && (roots.contains(&stat.process.pid) || below.contains(&stat.process.pid))
        })
        .map(|stat| stat.process)
        .collect()
}
