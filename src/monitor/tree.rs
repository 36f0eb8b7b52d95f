//! A server's processes and the CPU time that they have used, those that have ended too.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::process_stat::{ProcessId, ProcessStat};

/// How the processes of a server are known.
pub enum ServerProcesses {
    /// Another keeps the list, as the guard does of what it launched.
    Kept(Box<dyn Fn() -> Vec<ProcessId> + Send>),
    /// These and all below them, children that outlive their parents too.
    Below(Vec<ProcessId>),
    /// They are on this machine and cannot be seen: of another user, in another container, behind a port that is
    /// handed on.
    Hidden,
    /// They are on another machine.
    Elsewhere,
}

impl ServerProcesses {
    /// The one process below which all of them are; none where there are several, or another keeps the list.
    pub fn root(&self) -> Option<u32> {
        match self.roots()[..] {
            [root] => Some(root),
            [] | [_, _, ..] => None,
        }
    }

    /// The processes below which all of them are; empty where another keeps the list.
    pub fn roots(&self) -> Vec<u32> {
        match self {
            ServerProcesses::Below(roots) => roots.iter().map(|root| root.pid).collect(),
            ServerProcesses::Kept(_) | ServerProcesses::Hidden | ServerProcesses::Elsewhere => Vec::new(),
        }
    }
}

impl std::fmt::Debug for ServerProcesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServerProcesses::Kept(_) => f.write_str("Kept"),
            ServerProcesses::Below(roots) => f.debug_tuple("Below").field(roots).finish(),
            ServerProcesses::Hidden => f.write_str("Hidden"),
            ServerProcesses::Elsewhere => f.write_str("Elsewhere"),
        }
    }
}

/// What a tree uses at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TreeUse {
    /// CPU time so far, clock ticks; never falls.
    pub(super) ticks: u64,
    pub(super) resident_pages: u64,
    pub(super) threads: u64,
    pub(super) processes: u64,
}

/// A server's processes, followed over time.
#[derive(Debug)]
pub(super) struct Tree {
    known: ServerProcesses,
    /// Never part of it, nor what is below: ourselves, who may run below a server that tests started.
    never: u32,
    members: HashSet<ProcessId>,
    last: HashMap<u32, ProcessStat>,
    /// Ticks of what ended and which no parent among the members has taken over.
    ended: u64,
}

impl Tree {
    pub(super) fn new(known: ServerProcesses, never: u32) -> Self {
        let mut members = HashSet::new();
        if let ServerProcesses::Below(roots) = &known {
            members.extend(roots);
        }
        Tree { known, never, members, last: HashMap::new(), ended: 0 }
    }

    /// True where its processes can be read.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.known, ServerProcesses::Kept(_) | ServerProcesses::Below(_))
    }

    /// True where what it uses is used on this machine, whether it can be read or not.
    pub(super) fn is_here(&self) -> bool {
        !matches!(self.known, ServerProcesses::Elsewhere)
    }

    /// Its processes when last looked at.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.members.iter().map(|id| id.pid)
    }

    /// Finds what has been born below its processes, of all there are.
    pub(super) fn extend(&mut self, all: &[ProcessStat]) {
        if !matches!(self.known, ServerProcesses::Below(_)) {
            return;
        }
        let mut pids: HashSet<u32> = self.pids().collect();
        loop {
            let before = pids.len();
            for stat in all {
                let is_new = pids.contains(&stat.parent) && stat.id.pid != self.never;
                if is_new && pids.insert(stat.id.pid) {
                    self.members.insert(stat.id);
                }
            }
            if pids.len() == before {
                return;
            }
        }
    }

    /// What it uses now.
    pub(super) fn read(&mut self, root: &Path) -> TreeUse {
        if let ServerProcesses::Kept(list) = &self.known {
            self.members.extend(list());
        }
        let never = self.never;
        self.members.retain(|id| id.pid != never);
        let now: HashMap<u32, ProcessStat> =
            self.members.iter().filter_map(|id| Some((id.pid, ProcessStat::of(root, *id)?))).collect();
        self.ended += self.not_taken_over(&now);
        // What is gone never comes back under its start time.
        self.members.retain(|id| now.contains_key(&id.pid));
        let mut sum = TreeUse { ticks: self.ended, ..TreeUse::default() };
        for stat in now.values() {
            sum.ticks += stat.own_ticks + stat.children_ticks;
            if !stat.is_zombie {
                sum.resident_pages += stat.resident_pages;
                sum.threads += stat.threads;
                sum.processes += 1;
            }
        }
        self.last = now;
        sum
    }

    /// Ticks of what has ended since the last reading that no living member's account of its children holds. A parent
    /// that waits for a child takes its time over; an orphan's goes to whoever adopted it.
    fn not_taken_over(&self, now: &HashMap<u32, ProcessStat>) -> u64 {
        let mut lost = 0;
        let mut lost_below: BTreeMap<u32, u64> = BTreeMap::new();
        for gone in self.last.values().filter(|stat| !now.contains_key(&stat.id.pid)) {
            let ticks = gone.own_ticks + gone.children_ticks;
            match self.living_ancestor(gone, now) {
                Some(pid) => *lost_below.entry(pid).or_default() += ticks,
                None => lost += ticks,
            }
        }
        for (pid, ticks) in lost_below {
            let account = |of: &HashMap<u32, ProcessStat>| of.get(&pid).map_or(0, |stat| stat.children_ticks);
            lost += ticks.saturating_sub(account(now).saturating_sub(account(&self.last)));
        }
        lost
    }

    fn living_ancestor(&self, gone: &ProcessStat, now: &HashMap<u32, ProcessStat>) -> Option<u32> {
        let mut parent = gone.parent;
        // Never longer than all of them: a reading that was not of one moment may hold a circle.
        for _ in 0..=self.last.len() {
            if now.contains_key(&parent) {
                return Some(parent);
            }
            parent = self.last.get(&parent)?.parent;
        }
        None
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
