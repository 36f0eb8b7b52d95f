//! Processes that a driver names: are they of this machine's view, and whose are they?

use std::collections::BTreeSet;

use crate::schema::gpu::GpuProcess;

/// Memory that a GPU shows in use without any process, bytes: above it, an empty list means that the driver does not
/// tell.
const HELD_BY_NOBODY: f64 = 512.0 * 1024.0 * 1024.0;

/// Number of the first PID namespace, which the kernel gives to no other (`PROC_PID_INIT_INO`).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// What a driver says of the processes on a GPU, as (id, bytes); none where they are not those that this process sees:
/// another PID namespace, a container.
pub(super) fn visible(told: Vec<(u32, Option<u64>)>, memory_used: Option<f64>) -> Option<Vec<GpuProcess>> {
    visible_from(told, memory_used, sees_all())
}

/// This process is in the first PID namespace, and so sees every process. From another one an empty list may as well
/// mean that those on the GPU are not shown.
fn sees_all() -> bool {
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|namespace| namespace.as_os_str() == FIRST_NAMESPACE)
}

fn visible_from(
    told: Vec<(u32, Option<u64>)>,
    memory_used: Option<f64>,
    sees_all: bool,
) -> Option<Vec<GpuProcess>> {
    if told.is_empty() && (!sees_all || memory_used.is_some_and(|bytes| bytes > HELD_BY_NOBODY)) {
        return None;
    }
    let named = |(pid, memory_bytes)| Some(GpuProcess { pid, name: Some(name(pid)?), memory_bytes });
    told.into_iter().map(named).collect()
}

fn name(pid: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// Bytes that processes hold: those of the family of `root`, and the others'. None where one of them does not tell.
pub(super) fn shares(processes: &[GpuProcess], root: u32) -> Option<(f64, f64)> {
    let mut shares = (0.0, 0.0);
    for process in processes {
        let bytes = process.memory_bytes? as f64;
        if is_family(process.pid, root) { shares.0 += bytes } else { shares.1 += bytes }
    }
    Some(shares)
}

/// Those that are not of the family of `root`.
pub(super) fn others(processes: &[GpuProcess], root: u32) -> impl Iterator<Item = &GpuProcess> {
    processes.iter().filter(move |process| !is_family(process.pid, root))
}

/// Whether `pid` comes from `root`: as a child's child, or by the process group or session that it was started in.
pub fn is_family(pid: u32, root: u32) -> bool {
    let mut seen = BTreeSet::new();
    let mut at = pid;
    while at > 1 && seen.insert(at) {
        let Some(stat) = Stat::of(at) else { return false };
        if at == root || stat.group == root || stat.session == root {
            return true;
        }
        at = stat.parent;
    }
    false
}

struct Stat {
    parent: u32,
    group: u32,
    session: u32,
}

impl Stat {
    fn of(pid: u32) -> Option<Stat> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything.
        let mut rest = stat.rsplit_once(") ")?.1.split(' ').skip(1).map(|number| number.parse().ok());
        Some(Stat { parent: rest.next()??, group: rest.next()??, session: rest.next()?? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_family_of_its_parent_and_the_first_process_is_not() {
        let own = std::process::id();
        assert!(is_family(own, own) && is_family(own, std::os::unix::process::parent_id()));
        assert!(!is_family(1, own));
        let held = |pid| GpuProcess { pid, name: None, memory_bytes: Some(7) };
        assert_eq!(shares(&[held(own), held(1)], own), Some((7.0, 7.0)));
        let silent = GpuProcess { memory_bytes: None, ..held(own) };
        assert_eq!(shares(&[silent], own), None);
    }

    #[test]
    fn processes_of_another_namespace_are_not_told_of() {
        assert_eq!(visible(vec![(u32::MAX, Some(1))], None), None);
        assert_eq!(visible_from(Vec::new(), Some(1e9), true), None, "held, and by nobody that we may see");
        assert_eq!(visible_from(Vec::new(), Some(1e6), true), Some(Vec::new()));
        assert_eq!(visible_from(Vec::new(), Some(1e6), false), None, "a container is told of nobody");
        let told = visible(vec![(std::process::id(), Some(9))], Some(1e9)).unwrap();
        assert_eq!((told[0].memory_bytes, told[0].name.is_some()), (Some(9), true));
    }
}
