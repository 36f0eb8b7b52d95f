//! One server under the guard: its start, its processes, its container.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::backend::guard::protocol::{Container, Ended, Launch};
use crate::backend::guard::state::KeptServer;
use crate::backend::process::{Process, Stat};
use crate::backend::server_log::open_for_its_owner;
use crate::programs::remove_container;

/// The longest that `docker rm` may take.
const CONTAINER_REMOVAL: Duration = Duration::from_secs(30);
/// Between two tries to remove a container whose client was killed, perhaps before it was created.
const CONTAINER_RETRY: Duration = Duration::from_secs(1);

/// A server as the guard keeps it.
pub(super) struct Guarded {
    /// What was asked for.
    pub(super) launch: Launch,
    /// Its own process.
    pub(super) main: Process,
    /// Every process of it ever seen, dead ones included.
    pub(super) seen: BTreeSet<Process>,
    /// Those that lived at the last survey.
    pub(super) alive: BTreeSet<Process>,
    /// Its own process has ended.
    pub(super) exited: bool,
    /// It has loaded.
    pub(super) settled: bool,
    /// Everything of it is to be killed.
    pub(super) killing: bool,
    /// What got a SIGKILL.
    pub(super) killed: HashSet<Process>,
    /// The removal of its container.
    removal: Removal,
}

/// How far the removal of a container is.
pub(super) enum Removal {
    NotStarted,
    Running { pid: u32, deadline: Instant, last: bool },
    Pause { until: Instant },
    Done,
}

impl Guarded {
    /// Starts a server.
    pub(super) fn spawn(launch: Launch) -> io::Result<Self> {
        // Not reaped before the loop comes round, so its entry in /proc is there.
        let pid = spawn(&launch)?;
        let main = Process::of(pid).unwrap_or(Process { pid, start_time: 0 });
        Ok(Self {
            launch,
            main,
            seen: BTreeSet::from([main]),
            alive: BTreeSet::from([main]),
            exited: false,
            settled: false,
            killing: false,
            killed: HashSet::new(),
            removal: Removal::NotStarted,
        })
    }

    /// Its entry in the state file.
    pub(super) fn to_state(&self) -> KeptServer {
        let others = self.alive.iter().copied().filter(|process| *process != self.main);
        KeptServer {
            label: self.launch.label.clone(),
            port: self.launch.port,
            processes: std::iter::once(self.main).chain(others).collect(),
            container: self.launch.container.clone(),
            log: Some(self.launch.log.clone()),
        }
    }

    /// True where no container of it is left to remove.
    pub(super) fn is_removed(&self) -> bool {
        self.launch.container.is_none() || matches!(self.removal, Removal::Done)
    }

    /// Takes the removal of the container a step on; true when there is nothing left to do.
    pub(super) fn continue_removal(&mut self, removers: &mut HashMap<u32, Option<Ended>>) -> bool {
        let Some(container) = &self.launch.container else { return true };
        match self.removal {
            Removal::NotStarted => self.removal = start_removal(container, removers, false),
            Removal::Running { pid, deadline, last } => {
                let ended = removers.get(&pid).copied().flatten();
                if ended.is_none() && Instant::now() > deadline {
                    // Its pid is still ours: it has not been reaped.
                    if let Some(process) = Process::of(pid) {
                        process.signal(Signal::KILL);
                    }
                    self.removal = Removal::Done;
                } else if ended.is_some() {
                    removers.remove(&pid);
                    // A client that was killed may have asked for a container that is made only now.
                    let again = !last && self.killed_or_unknown();
                    self.removal = if again {
                        Removal::Pause { until: Instant::now() + CONTAINER_RETRY }
                    } else {
                        Removal::Done
                    };
                }
            }
            Removal::Pause { until } => {
                if Instant::now() >= until {
                    self.removal = start_removal(container, removers, true);
                }
            }
            Removal::Done => {}
        }
        self.is_removed()
    }

    /// True unless the client ended by itself.
    fn killed_or_unknown(&self) -> bool {
        !self.exited || self.killed.contains(&self.main)
    }
}

/// Which of `ours` belongs to which server, in the order of `servers`.
pub(super) fn attribute(servers: &[Guarded], ours: &[&Stat]) -> Vec<BTreeSet<Process>> {
    let mut owner: HashMap<u32, usize> = HashMap::new();
    for (index, server) in servers.iter().enumerate() {
        for stat in ours.iter().filter(|stat| server.seen.contains(&stat.process)) {
            owner.insert(stat.process.pid, index);
        }
    }
    loop {
        let before = owner.len();
        for stat in ours {
            if let (None, Some(index)) = (owner.get(&stat.process.pid), owner.get(&stat.parent).copied()) {
                owner.insert(stat.process.pid, index);
            }
        }
        if owner.len() > before {
            continue;
        }
        // An orphan never seen before: its group tells, else it is of the server launched last before it.
        let Some(orphan) = ours.iter().find(|stat| !owner.contains_key(&stat.process.pid)) else { break };
        let by_group = servers.iter().position(|server| server.main.pid == orphan.group);
        let by_time =
            || servers.iter().rposition(|server| server.main.start_time <= orphan.process.start_time);
        let Some(index) = by_group.or_else(by_time).or(servers.len().checked_sub(1)) else { break };
        owner.insert(orphan.process.pid, index);
    }
    let mut families = vec![BTreeSet::new(); servers.len()];
    for stat in ours {
        if let Some(index) = owner.get(&stat.process.pid) {
            families[*index].insert(stat.process);
        }
    }
    families
}

/// Starts a server in a process group of its own, its output in its log, none of our pipes in its hands.
fn spawn(launch: &Launch) -> io::Result<u32> {
    let (program, arguments) =
        launch.argv.split_first().ok_or_else(|| io::Error::other("the launch command is empty"))?;
    let log = open_for_its_owner(&launch.log)?;
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&launch.environment)
        .current_dir(&launch.directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    // Dropping the handle neither ends nor reaps it; the loop does.
    Ok(child.id())
}

fn start_removal(container: &Container, removers: &mut HashMap<u32, Option<Ended>>, last: bool) -> Removal {
    let child = remove_container(&container.docker, &container.name).process_group(0).spawn();
    match child {
        Ok(child) => {
            removers.insert(child.id(), None);
            Removal::Running { pid: child.id(), deadline: Instant::now() + CONTAINER_REMOVAL, last }
        }
        Err(_) => Removal::Done,
    }
}
