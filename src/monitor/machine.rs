//! The server's processes, ourselves and the whole machine, read together so that one can be taken off the other.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::host::Host;
use super::others::Others;
use super::process_stat::{self, ProcessStat};
use super::reading::Reading;
use super::tree::{ServerProcesses, Tree, TreeUse};
use crate::schema::machine::{BusyProcess, MachineFacts};
use crate::schema::series::processes::{CPU_TIME, PROCESSES, RESIDENT, THREADS};

/// Least time between two looks at every process of the machine.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A look that took so long is repeated only after this many times that long: at most 0.1 % of a core.
const LOOK_SHARE: u32 = 1000;

/// Three sensors that know of each other. Clones are of one.
#[derive(Debug, Clone)]
pub struct Machine(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    me: u32,
    guard: Option<u32>,
    tree: Tree,
    host: Host,
    others: Others,
    hz: f64,
    page_bytes: f64,
    first_look: Instant,
    last_look: Instant,
    next_look: Instant,
    /// Ticks of all cores at the last look, idle ones too.
    last_ticks: u64,
}

impl Machine {
    /// Looks at every process once; `guard` is the parent of the servers, whose own time is ours.
    pub fn new(server: ServerProcesses, guard: Option<u32>) -> Machine {
        Machine::below(Path::new("/"), server, (std::process::id(), guard))
    }

    fn below(root: &Path, server: ServerProcesses, (me, guard): (u32, Option<u32>)) -> Machine {
        let (hz, page_bytes) =
            (rustix::param::clock_ticks_per_second() as f64, rustix::param::page_size() as f64);
        let now = Instant::now();
        let mut inner = Inner {
            root: root.to_owned(),
            me,
            guard,
            tree: Tree::new(server, me),
            host: Host::new(root, hz, page_bytes),
            others: Others::default(),
            hz,
            page_bytes,
            first_look: now,
            last_look: now,
            next_look: now,
            last_ticks: 0,
        };
        inner.look();
        Machine(Arc::new(Mutex::new(inner)))
    }

    /// True where the server's processes can be read.
    pub fn sees_server(&self) -> bool {
        self.inner().tree.is_known()
    }

    /// What the server's processes use.
    ///
    /// # Errors
    /// None of them can be read.
    pub fn server(&self) -> anyhow::Result<Reading> {
        let mut inner = self.inner();
        let used = inner.server();
        anyhow::ensure!(used != TreeUse::default(), "none of its processes can be read");
        Ok(inner.reading(used, true))
    }

    /// What this process uses.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn client(&self) -> anyhow::Result<Reading> {
        let inner = self.inner();
        let stat = ProcessStat::read(&inner.root, inner.me)
            .ok_or_else(|| anyhow::anyhow!("/proc/self/stat cannot be read"))?;
        let used = TreeUse {
            ticks: stat.own_ticks,
            resident_pages: stat.resident_pages,
            threads: stat.threads,
            processes: 1,
        };
        Ok(inner.reading(used, false))
    }

    /// What the whole machine does; now and then all its processes are looked at, and when `is_last`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn host(&self, is_last: bool) -> anyhow::Result<Reading> {
        let mut inner = self.inner();
        let at = Instant::now();
        let ours = inner.ours_ticks();
        let values = inner.host.read(at, ours)?;
        if is_last || at >= inner.next_look {
            inner.look();
        }
        Ok(reading(values))
    }

    /// What holds for a whole run.
    pub fn facts(&self) -> MachineFacts {
        self.inner().host.facts()
    }

    /// The busiest other processes from the start until the last look at all.
    pub fn others(&self) -> Vec<BusyProcess> {
        let inner = self.inner();
        let seconds = inner.last_look.duration_since(inner.first_look).as_secs_f64();
        inner.others.busiest(seconds, inner.hz)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves counts that are still right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn server(&mut self) -> TreeUse {
        self.tree.read(&self.root)
    }

    /// Ticks so far of the server, of the guard and of ourselves with what we waited for; none where the server runs
    /// here and cannot be seen.
    fn ours_ticks(&mut self) -> Option<u64> {
        let of_server = match (self.tree.is_known(), self.tree.is_here()) {
            (true, _) => self.server().ticks,
            (false, true) => return None,
            (false, false) => 0,
        };
        let of = |pid: u32| ProcessStat::read(&self.root, pid);
        let me = of(self.me).map_or(0, |stat| stat.own_ticks + stat.children_ticks);
        // What the guard waited for was the server's.
        let guard = self.guard.and_then(of).map_or(0, |stat| stat.own_ticks);
        Some(of_server + me + guard)
    }

    /// Looks at every process: what is new of the server, and who else is busy.
    fn look(&mut self) {
        let began = Instant::now();
        let all = process_stat::all(&self.root);
        self.tree.extend(&all);
        let ours: HashSet<u32> = self.tree.pids().chain([self.me]).chain(self.guard).collect();
        let ticks = self.host.cpu().map_or(self.last_ticks, |cpu| cpu.all);
        self.others.look(&all, &ours, ticks.saturating_sub(self.last_ticks));
        self.last_ticks = ticks;
        self.last_look = began;
        self.next_look = began + (began.elapsed() * LOOK_SHARE).max(LOOK_EVERY);
    }

    fn reading(&self, used: TreeUse, processes: bool) -> Reading {
        let mut values = BTreeMap::from([
            (CPU_TIME.to_owned(), used.ticks as f64 / self.hz),
            (RESIDENT.to_owned(), used.resident_pages as f64 * self.page_bytes),
            (THREADS.to_owned(), used.threads as f64),
        ]);
        if processes {
            values.insert(PROCESSES.to_owned(), used.processes as f64);
        }
        reading(values)
    }
}

fn reading(values: BTreeMap<String, f64>) -> Reading {
    Reading { device: None, values, histograms: BTreeMap::new(), broken_lines: 0 }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
