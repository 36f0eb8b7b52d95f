//! What the kernel says of one process: `/proc/PID/stat`.

use std::fs;
use std::path::Path;

/// One process of this boot; a pid alone comes round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Its pid.
    pub pid: u32,
    /// When it started, clock ticks since boot.
    pub start_time: u64,
}

/// What is known of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStat {
    /// Which.
    pub id: ProcessId,
    /// The command's name, cut to 15 bytes by the kernel; characters that act are `?`.
    pub name: String,
    /// Its parent's pid.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// It has ended and waits for its parent.
    pub is_zombie: bool,
    /// CPU time of its threads, ended ones too, clock ticks.
    pub own_ticks: u64,
    /// CPU time of its ended children that it has waited for, with theirs, clock ticks.
    pub children_ticks: u64,
    /// Threads.
    pub threads: u64,
    /// Resident pages, those shared with others too.
    pub resident_pages: u64,
}

impl ProcessStat {
    /// Reads a process below a root (`/`); none where it is gone, not to be seen, or its entry is no such text.
    pub fn read(root: &Path, pid: u32) -> Option<Self> {
        // Bytes, since a name may hold any.
        let bytes = fs::read(root.join("proc").join(pid.to_string()).join("stat")).ok()?;
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// The same, of this very process and no later one with its pid.
    pub fn of(root: &Path, id: ProcessId) -> Option<Self> {
        Self::read(root, id.pid).filter(|stat| stat.id == id)
    }

    /// The name stands in brackets and may itself hold brackets, blanks and line breaks.
    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered as in proc(5): field 3, the state, is the first after the name.
        let field = |number: usize| fields.get(number - 3).copied();
        let count = |number: usize| field(number)?.parse::<u64>().ok();
        // Signed in the kernel; below 0 is a fault of its own.
        let ticks = |number: usize| Some(u64::try_from(field(number)?.parse::<i64>().ok()?).unwrap_or(0));
        Some(ProcessStat {
            id: ProcessId { pid: pid.trim().parse().ok()?, start_time: count(22)? },
            name: name.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
            parent: field(4)?.parse().ok()?,
            // 0 or -1 for kernel threads and processes of other pid namespaces.
            group: field(5)?.parse().unwrap_or(0),
            is_zombie: matches!(field(3)?, "Z" | "X" | "x"),
            own_ticks: ticks(14)?.checked_add(ticks(15)?)?,
            children_ticks: ticks(16)?.checked_add(ticks(17)?)?,
            threads: ticks(20)?,
            resident_pages: ticks(24)?,
        })
    }
}

/// Every process that can be seen below a root.
pub fn all(root: &Path) -> Vec<ProcessStat> {
    let Ok(entries) = fs::read_dir(root.join("proc")) else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| ProcessStat::read(root, pid)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::monitor::fake_proc::FakeProc;

    #[test]
    fn a_name_with_brackets_blanks_and_line_breaks_does_not_shift_the_fields() {
        let fake = FakeProc::new();
        fake.process(42, 7).name("a) R 1 (b\n c").ticks(30, 12).start(99).put();
        let stat = ProcessStat::read(fake.root(), 42).unwrap();
        assert_eq!(stat.id, ProcessId { pid: 42, start_time: 99 });
        assert_eq!((stat.name.as_str(), stat.parent, stat.is_zombie), ("a) R 1 (b? c", 7, false));
        assert_eq!((stat.own_ticks, stat.children_ticks), (30, 12));
    }

    #[test]
    fn garbage_a_missing_file_and_a_cut_line_are_no_process() {
        let fake = FakeProc::new();
        for (pid, text) in [
            (1, "1 (x) S 0 1"),
            (2, "nonsense"),
            (3, ""),
            (4, "4 (x) S 0 0 0 0 0 0 0 0 0 0 x 1 0 0 20 0 1 0 9 0 0"),
        ] {
            fake.write(&format!("proc/{pid}/stat"), text);
        }
        fake.process(9, 1).put();
        assert_eq!(all(fake.root()).iter().map(|stat| stat.id.pid).collect::<Vec<_>>(), [9]);
        assert_eq!(ProcessStat::read(fake.root(), 5), None);
    }

    #[test]
    fn negative_times_count_as_none_and_numbers_beyond_a_word_as_garbage() {
        let fake = FakeProc::new();
        fake.write("proc/8/stat", "8 (x) S 1 1 1 0 -1 0 0 0 0 0 5 5 -7 0 20 0 2 0 50 0 300");
        let stat = ProcessStat::read(fake.root(), 8).unwrap();
        assert_eq!((stat.own_ticks, stat.children_ticks, stat.threads, stat.resident_pages), (10, 0, 2, 300));
        fake.write(
            "proc/8/stat",
            "8 (x) S 1 1 1 0 -1 0 0 0 0 0 99999999999999999999 5 0 0 20 0 2 0 50 0 300",
        );
        assert_eq!(ProcessStat::read(fake.root(), 8), None);
    }

    #[test]
    fn another_process_under_the_same_pid_is_not_taken_for_the_first() {
        let fake = FakeProc::new();
        fake.process(5, 1).start(10).put();
        let id = ProcessStat::read(fake.root(), 5).unwrap().id;
        assert!(ProcessStat::of(fake.root(), id).is_some());
        fake.process(5, 1).start(11).put();
        assert_eq!(ProcessStat::of(fake.root(), id), None);
    }
}
