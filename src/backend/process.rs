//! Processes by pid and start time, so that a pid used again is never mistaken for the one we started.

use std::collections::HashSet;
use std::fs;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};

/// One process of this boot: the pair is unique until the machine restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_time: u64,
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Which process.
    pub process: Process,
    /// Pid of its parent.
    pub parent: u32,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// State letter: `R`, `S`, `D`, `Z`, …
    pub state: char,
    /// The command's name, cut to 15 bytes by the kernel.
    pub name: String,
}

impl Stat {
    /// False for what has ended and only waits to be reaped.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Parses the text of `/proc/PID/stat`. The name stands in brackets and may itself hold brackets and blanks.
    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered as in proc(5): field 3, the state, is the first after the name.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            process: Process { pid: pid.trim().parse().ok()?, start_time: field(22)?.parse().ok()? },
            parent: field(4)?.parse().ok()?,
            // Kernel threads and processes of other pid namespaces have 0 or -1 here.
            group: field(5)?.parse().unwrap_or(0),
            session: field(6)?.parse().unwrap_or(0),
            state: field(3)?.chars().next()?,
            name: name.to_owned(),
        })
    }
}

impl Process {
    /// The process that now has this pid; none where there is none.
    pub fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|stat| stat.process)
    }

    /// Ourselves.
    pub fn current() -> io::Result<Self> {
        Self::of(std::process::id()).ok_or_else(|| io::Error::other("/proc/self/stat cannot be read"))
    }

    /// True while this very process runs: a zombie does not, nor does another process under its pid.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.process == *self && stat.is_alive())
    }

    /// Sends a signal to this very process, never to another that has its pid now. False where it is gone
    /// or not ours to signal.
    pub fn signal(&self, signal: Signal) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            // The descriptor pins the process, and so the check cannot be outrun by a pid used again.
            Ok(descriptor) => {
                self.is_alive() && rustix::process::pidfd_send_signal(&descriptor, signal).is_ok()
            }
            Err(rustix::io::Errno::SRCH) => false,
            Err(_) => self.is_alive() && rustix::process::kill_process(pid, signal).is_ok(),
        }
    }
}

/// What the kernel knows of a pid; none where there is no such process.
pub fn stat(pid: u32) -> Option<Stat> {
    // Bytes, since a name may hold any.
    let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
    Stat::parse(&String::from_utf8_lossy(&bytes))
}

/// Every process that can be seen, zombies included.
pub fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(stat)
        .collect()
}

/// The descendants of `roots` among `all`, roots left out.
pub fn descendants<'a>(all: &'a [Stat], roots: &HashSet<u32>) -> Vec<&'a Stat> {
    let mut family = roots.clone();
    let mut found: Vec<&Stat> = Vec::new();
    loop {
        let before = found.len();
        for stat in all {
            if family.contains(&stat.parent) && family.insert(stat.process.pid) {
                found.push(stat);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// The command line of a process as one line, for people; its short name where that cannot be read.
pub fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned();
    if line.is_empty() { stat(pid).map(|stat| stat.name).unwrap_or_default() } else { line }
}

/// True where a process was started with this variable in its environment, and we may see that. A program that
/// changes its title (vLLM does) may have overwritten it.
pub fn was_started_with(pid: u32, name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

/// Identifies this boot: pids and start times of another one mean nothing.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Identifies the pid namespace in which our pids are numbers; none where the kernel does not tell.
pub fn pid_namespace() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self/ns/pid").ok().map(|data| data.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let text = "42 (a) b (c) S 7 42 40 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1 1";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.process, Process { pid: 42, start_time: 987_654 });
        assert_eq!((stat.parent, stat.group, stat.session, stat.state), (7, 42, 40, 'S'));
        assert_eq!(stat.name, "a) b (c");
    }

    #[test]
    fn a_pid_with_another_start_time_is_another_process_and_gets_no_signal() {
        let me = Process::current().unwrap();
        assert!(me.is_alive());
        let earlier = Process { start_time: me.start_time + 1, ..me };
        assert!(!earlier.is_alive());
        assert!(!earlier.signal(Signal::KILL), "it would have ended this test");
    }

    #[test]
    fn descendants_are_found_through_generations_in_any_order() {
        let stat = |pid: u32, parent: u32| Stat {
            process: Process { pid, start_time: 1 },
            parent,
            group: 1,
            session: 1,
            state: 'S',
            name: String::new(),
        };
        let all = [stat(5, 4), stat(4, 3), stat(3, 2), stat(2, 1), stat(9, 1)];
        let pids: Vec<u32> =
            descendants(&all, &HashSet::from([3])).iter().map(|stat| stat.process.pid).collect();
        assert_eq!(pids, [4, 5]);
    }
}
