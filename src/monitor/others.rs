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
    /// Each process at the last look.
    last: Option<HashMap<ProcessId, Seen>>,
    busy: BTreeMap<String, Busy>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    own: u64,
    children: u64,
    parent: u32,
}

#[derive(Debug, Default)]
struct Busy {
    ticks: u64,
    processes: HashSet<ProcessId>,
}

impl Others {
    /// Adds what has been used since the last look, but for the processes in `ours` and their children. `most`: ticks that
    /// all cores had since then.
    pub(super) fn look(&mut self, all: &[ProcessStat], ours: &HashSet<u32>, most: u64) {
        let seen = |stat: &ProcessStat| Seen {
            own: stat.own_ticks,
            children: stat.children_ticks,
            parent: stat.parent,
        };
        let now: HashMap<ProcessId, Seen> = all.iter().map(|stat| (stat.id, seen(stat))).collect();
        let Some(last) = self.last.replace(now) else { return };
        let told = told_by_parents(&last, all);
        for stat in all.iter().filter(|stat| !ours.contains(&stat.id.pid) && !ours.contains(&stat.parent)) {
            // A process that was not there then has used all of it since.
            let before = last.get(&stat.id).copied().unwrap_or_default();
            self.add(stat.name.clone(), stat.id, stat.own_ticks.saturating_sub(before.own));
            let told = told.get(&stat.id.pid).copied().unwrap_or(0);
            let of_children = stat.children_ticks.saturating_sub(before.children).saturating_sub(told);
            // A process that was adopted and ended since brings its whole life along, which is more than there was.
            if of_children <= most {
                self.add(format!("ended children of {}", stat.name), stat.id, of_children);
            }
        }
    }

    fn add(&mut self, name: String, id: ProcessId, ticks: u64) {
        if ticks > 0 {
            let busy = self.busy.entry(name).or_default();
            busy.ticks += ticks;
            busy.processes.insert(id);
        }
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

/// Ticks of what has ended since the last look, by the living process above it: they were told under their own names, and
/// its account of its children holds them again.
fn told_by_parents(last: &HashMap<ProcessId, Seen>, all: &[ProcessStat]) -> HashMap<u32, u64> {
    let there: HashSet<ProcessId> = all.iter().map(|stat| stat.id).collect();
    let ended: HashMap<u32, Seen> =
        last.iter().filter(|(id, _)| !there.contains(id)).map(|(id, seen)| (id.pid, *seen)).collect();
    let mut told: HashMap<u32, u64> = HashMap::new();
    for gone in ended.values() {
        let mut parent = gone.parent;
        // Never longer than all of them: looks that were not of one moment may hold a circle.
        for _ in 0..ended.len() {
            let Some(above) = ended.get(&parent) else { break };
            parent = above.parent;
        }
        *told.entry(parent).or_default() += gone.own + gone.children;
    }
    told
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
        others.look(&first, &ours, 1000);
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
        others.look(&then, &ours, 1000);
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
    fn what_begins_and_ends_between_two_looks_is_told_by_its_parent_and_nothing_twice() {
        let mut others = Others::default();
        let with = |children_ticks, stat| ProcessStat { children_ticks, ..stat };
        others.look(&[with(1000, stat(2, 1, "make", 1)), stat(3, 2, "cc1", 70)], &HashSet::new(), 1000);
        // 70 of cc1 were told before; it used 10 more, and others 120.
        others.look(&[with(1200, stat(2, 1, "make", 1))], &HashSet::new(), 1000);
        let told = others.busiest(1.0, 100.0);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].name.as_str(), told[0].cores), ("ended children of make", 1.3));
    }

    #[test]
    fn a_life_that_is_handed_up_through_parents_that_ended_too_is_not_told_again() {
        let mut others = Others::default();
        let with = |children_ticks, stat| ProcessStat { children_ticks, ..stat };
        let build = [stat(2, 1, "bash", 1), stat(3, 2, "slot", 5), with(50_000, stat(4, 3, "cargo", 700))];
        others.look(&build, &HashSet::new(), 1000);
        others.look(&[with(50_705, stat(2, 1, "bash", 1))], &HashSet::new(), 1000);
        assert_eq!(others.busiest(1.0, 100.0), []);
        // One that was adopted by another than its parent.
        others.look(
            &[with(50_705, stat(2, 1, "bash", 1)), stat(5, 9, "lost", 90_000)],
            &HashSet::new(),
            90_000,
        );
        others.look(&[with(145_000, stat(2, 1, "bash", 1))], &HashSet::new(), 1000);
        assert!(others.busiest(1.0, 100.0).iter().all(|busy| busy.name == "lost"));
    }

    #[test]
    fn one_look_alone_tells_nothing() {
        let mut others = Others::default();
        others.look(&[stat(1, 0, "init", 90_000)], &HashSet::new(), 1000);
        assert_eq!(others.busiest(1.0, 100.0), []);
    }
}
