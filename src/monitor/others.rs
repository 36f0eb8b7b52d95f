//! Who else kept the machine busy: processes that are neither the server's nor ours, by name.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::process_stat::{ProcessId, ProcessStat};
use crate::schema::machine::BusyProcess;

/// Names that are told.
const TOLD: usize = 3;
/// Less than this on the mean is not worth a name, cores.
const LEAST_CORES: f64 = 0.01;

/// What other processes used between looks at all of them.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Each process's ticks at the last look.
    last: Option<HashMap<ProcessId, u64>>,
    busy: BTreeMap<String, Busy>,
}

#[derive(Debug, Default)]
struct Busy {
    ticks: u64,
    processes: HashSet<ProcessId>,
}

impl Others {
    /// Adds what has been used since the last look, but for the processes in `ours` and their children.
    pub(super) fn look(&mut self, all: &[ProcessStat], ours: &HashSet<u32>) {
        let mut now = HashMap::with_capacity(all.len());
        for stat in all {
            now.insert(stat.id, stat.own_ticks);
            let Some(last) = &self.last else { continue };
            // A process that was not there then has used all of it since.
            let used = stat.own_ticks.saturating_sub(last.get(&stat.id).copied().unwrap_or(0));
            if used == 0 || ours.contains(&stat.id.pid) || ours.contains(&stat.parent) {
                continue;
            }
            let busy = self.busy.entry(stat.name.clone()).or_default();
            busy.ticks += used;
            busy.processes.insert(stat.id);
        }
        self.last = Some(now);
    }

    /// The busiest names of all looks, `seconds` from the first to the last, `hz` ticks a second.
    pub(super) fn busiest(&self, seconds: f64, hz: f64) -> Vec<BusyProcess> {
        let cores = |busy: &Busy| if seconds > 0.0 { busy.ticks as f64 / hz / seconds } else { 0.0 };
        let mut all: Vec<BusyProcess> = self
            .busy
            .iter()
            .map(|(name, busy)| BusyProcess {
                name: name.clone(),
                processes: u32::try_from(busy.processes.len()).unwrap_or(u32::MAX),
                cores: cores(busy),
            })
            .filter(|busy| busy.cores >= LEAST_CORES)
            .collect();
        all.sort_by(|one, other| other.cores.total_cmp(&one.cores));
        all.truncate(TOLD);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: u32, parent: u32, name: &str, own_ticks: u64) -> ProcessStat {
        ProcessStat {
            id: ProcessId { pid, start_time: 1 },
            name: name.to_owned(),
            parent,
            group: 1,
            is_zombie: false,
            own_ticks,
            children_ticks: 0,
            threads: 1,
            resident_pages: 1,
        }
    }

    #[test]
    fn the_three_busiest_names_are_told_and_what_they_used_before_is_not() {
        let mut others = Others::default();
        let ours = HashSet::from([7]);
        let first = [stat(1, 0, "init", 90_000), stat(2, 1, "rustc", 500), stat(7, 1, "server", 10)];
        others.look(&first, &ours);
        let then = [
            stat(1, 0, "init", 90_001),
            stat(2, 1, "rustc", 700),
            stat(3, 1, "rustc", 100),
            stat(4, 1, "cc1", 50),
            stat(5, 1, "sshd", 40),
            stat(6, 1, "cron", 30),
            stat(7, 1, "server", 5000),
            stat(8, 7, "its child", 5000),
        ];
        others.look(&then, &ours);
        let told: Vec<(String, u32, f64)> = others
            .busiest(2.0, 100.0)
            .into_iter()
            .map(|busy| (busy.name, busy.processes, busy.cores))
            .collect();
        let told: Vec<(&str, u32, f64)> =
            told.iter().map(|(name, number, cores)| (name.as_str(), *number, *cores)).collect();
        assert_eq!(told, [("rustc", 2, 1.5), ("cc1", 1, 0.25), ("sshd", 1, 0.2)]);
    }

    #[test]
    fn one_look_alone_tells_nothing() {
        let mut others = Others::default();
        others.look(&[stat(1, 0, "init", 90_000)], &HashSet::new());
        assert_eq!(others.busiest(1.0, 100.0), []);
    }
}
