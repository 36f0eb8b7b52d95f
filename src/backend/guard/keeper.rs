//! The guard process itself: single-threaded, plain system calls, one loop.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Signal, WaitOptions};

use crate::backend::guard::guarded::{Guarded, attribute};
use crate::backend::guard::protocol::{Ended, Launch, Refused, Reply, Request};
use crate::backend::guard::signals::{close_on_exec_from, wake_by_signals};
use crate::backend::guard::state::StateFile;
use crate::backend::process::{self, Process, Stat};
use crate::backend::server_log;
use crate::directories::state_dir;

/// How often the tree of processes is looked at while a server loads.
const SURVEY_LOADING: Duration = Duration::from_millis(500);
/// The same once it has loaded: a look costs some ms, and a measurement is running.
const SURVEY_SETTLED: Duration = Duration::from_secs(5);
/// Between two rounds of a kill.
const KILL_ROUND: Duration = Duration::from_millis(10);

/// Entry of the guard process.
pub fn guard_main() -> ExitCode {
    match Keeper::new() {
        Ok(mut keeper) => {
            keeper.serve();
            keeper.end_everything();
            ExitCode::SUCCESS
        }
        // The harness sees the pipe close before any hello.
        Err(_) => ExitCode::from(2),
    }
}

struct Keeper {
    me: Process,
    requests: File,
    replies: io::Stdout,
    wake: PipeReader,
    servers: Vec<Guarded>,
    state_directory: Option<PathBuf>,
    state: StateFile,
    last_survey: Instant,
    /// Clients that remove containers: ours, and not to be killed with the servers.
    removers: HashMap<u32, Option<Ended>>,
}

impl Keeper {
    fn new() -> io::Result<Self> {
        let harness = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        rustix::process::setsid()?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        close_on_exec_from(3);
        let wake = wake_by_signals()?;
        let me = Process::current()?;
        let state = StateFile {
            boot_id: process::boot_id(),
            pid_namespace: process::pid_namespace(),
            harness: Process::of(harness).unwrap_or(Process { pid: harness, start_time: 0 }),
            guard: me,
            servers: Vec::new(),
        };
        let written = state_dir().and_then(|directory| state.write(&directory).map(|()| directory));
        let state_error = written.as_ref().err().map(ToString::to_string);
        let mut keeper = Self {
            me,
            requests: File::from(io::stdin().as_fd().try_clone_to_owned()?),
            replies: io::stdout(),
            wake,
            servers: Vec::new(),
            state_directory: written.ok(),
            state,
            last_survey: Instant::now(),
            removers: HashMap::new(),
        };
        keeper.reply(&Reply::Hello { guard: me, state_error });
        Ok(keeper)
    }

    /// Serves the harness until it is gone.
    fn serve(&mut self) {
        let mut unread: Vec<u8> = Vec::new();
        loop {
            // A guard that cannot hear its harness any more is as good as without one.
            let Ok(readable) = self.wait() else { return };
            if readable && !self.read_requests(&mut unread) {
                return;
            }
            self.reap();
            self.continue_kills();
            if !self.servers.is_empty() && self.last_survey.elapsed() >= self.survey_interval() {
                self.survey();
            }
        }
    }

    /// Sleeps until a request, the end of a child, or the next survey; true where a request can be read.
    fn wait(&mut self) -> io::Result<bool> {
        let timeout = if self.servers.iter().any(|server| server.killing) {
            Some(KILL_ROUND)
        } else if self.servers.is_empty() {
            None
        } else {
            Some(self.survey_interval().saturating_sub(self.last_survey.elapsed()))
        };
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut polled = [PollFd::new(&self.requests, PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let readable = !polled[0].revents().is_empty();
        if !polled[1].revents().is_empty() {
            let mut bytes = [0_u8; 256];
            // Only its arrival matters; an error is "nothing more to read".
            while matches!((&self.wake).read(&mut bytes), Ok(read) if read > 0) {}
        }
        Ok(readable)
    }

    /// Reads and obeys what has arrived; false when the harness is gone.
    fn read_requests(&mut self, unread: &mut Vec<u8>) -> bool {
        let mut bytes = [0_u8; 65_536];
        match self.requests.read(&mut bytes) {
            Ok(0) => return false,
            Ok(read) => unread.extend_from_slice(&bytes[..read]),
            Err(error) => return error.kind() == io::ErrorKind::Interrupted,
        }
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            match serde_json::from_slice::<Request>(&line) {
                Ok(request) => self.obey(request),
                // Not our harness: nothing that follows can be trusted.
                Err(_) => return false,
            }
        }
        true
    }

    fn obey(&mut self, request: Request) {
        match request {
            Request::Launch(launch) => self.launch(*launch),
            Request::Terminate(id) => {
                // Everything that lives is written down before the first signal.
                self.survey();
                if let Some(server) = self.servers.iter().find(|server| server.launch.id == id) {
                    server.main.signal(Signal::TERM);
                }
            }
            Request::Kill(id) => {
                self.survey();
                match self.servers.iter_mut().find(|server| server.launch.id == id) {
                    Some(server) => server.killing = true,
                    None => self.reply(&Reply::Gone { id, killed: 0 }),
                }
            }
            Request::Settled(id) => {
                // What came up while it loaded is written down now: the next look is seconds away.
                self.survey();
                for server in self.servers.iter_mut().filter(|server| server.launch.id == id) {
                    server.settled = true;
                }
            }
        }
    }

    fn launch(&mut self, launch: Launch) {
        let id = launch.id;
        // What lives now belongs to the servers before this one.
        self.survey();
        match Guarded::spawn(launch) {
            Ok(server) => {
                let process = server.main;
                self.servers.push(server);
                self.write_state();
                self.reply(&Reply::Launched { id, process });
            }
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::NotFound => Refused::NotFound(error.to_string()),
                    _ => Refused::NotRunnable(error.to_string()),
                };
                self.reply(&Reply::Refused { id, why });
            }
        }
    }

    /// Collects every child that has ended: servers, removers, and orphans that came to us.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            let how = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ended::Code(code),
                (None, Some(signal)) => Ended::Signal(signal),
                (None, None) => continue,
            };
            if let Some(ended) = self.removers.get_mut(&pid) {
                *ended = Some(how);
            }
            let exited = self.servers.iter_mut().find(|server| server.main.pid == pid && !server.exited);
            let id = exited.map(|server| {
                server.exited = true;
                server.launch.id
            });
            if let Some(id) = id {
                self.reply(&Reply::Exited { id, how });
            }
        }
    }

    fn survey_interval(&self) -> Duration {
        let all_settled = self.servers.iter().all(|server| server.settled);
        if all_settled { SURVEY_SETTLED } else { SURVEY_LOADING }
    }

    /// Finds out which processes each server consists of now; tells the harness and the state file of changes.
    fn survey(&mut self) {
        self.last_survey = Instant::now();
        let all = process::all();
        let ours = self.living_descendants(&all);
        let mut changed = Vec::new();
        let families = attribute(&self.servers, &ours);
        for (server, alive) in self.servers.iter_mut().zip(families) {
            if server.alive != alive {
                server.seen.extend(&alive);
                server.alive = alive;
                changed.push(Reply::Members {
                    id: server.launch.id,
                    processes: server.alive.iter().copied().collect(),
                });
            }
        }
        if !changed.is_empty() {
            self.write_state();
        }
        for reply in &changed {
            self.reply(reply);
        }
    }

    /// All that lives below us, but for what removes containers.
    fn living_descendants<'a>(&self, all: &'a [Stat]) -> Vec<&'a Stat> {
        let removers: HashSet<u32> = self.removers.keys().copied().collect();
        let spared: HashSet<u32> = process::descendants(all, &removers)
            .iter()
            .map(|stat| stat.process.pid)
            .chain(removers.iter().copied())
            .collect();
        process::descendants(all, &HashSet::from([self.me.pid]))
            .into_iter()
            .filter(|stat| stat.is_alive() && !spared.contains(&stat.process.pid))
            .collect()
    }

    /// One more round for each server that is being killed.
    fn continue_kills(&mut self) {
        if !self.servers.iter().any(|server| server.killing) {
            return;
        }
        self.survey();
        let mut finished = Vec::new();
        for server in self.servers.iter_mut().filter(|server| server.killing) {
            for process in &server.alive {
                if process.signal(Signal::KILL) {
                    server.killed.insert(*process);
                }
            }
            if server.alive.is_empty() && server.continue_removal(&mut self.removers) {
                finished.push(server.launch.id);
            }
        }
        self.reap();
        for id in finished {
            let Some(index) = self.servers.iter().position(|server| server.launch.id == id) else { continue };
            let server = self.servers.remove(index);
            // A log that cannot be rewritten any more is no reason to keep a server.
            let _ = server_log::hide_secrets(&server.launch.log, &server.launch.secrets);
            self.write_state();
            self.reply(&Reply::Gone { id, killed: server.killed.len() });
        }
    }

    /// The harness is gone: kills all, removes the containers, takes the state file away.
    fn end_everything(&mut self) {
        let started = Instant::now();
        for server in &mut self.servers {
            server.killing = true;
        }
        let mut alone = false;
        while !alone || self.servers.iter().any(|server| !server.is_removed()) {
            self.reap();
            let all = process::all();
            let ours: Vec<Process> = self.living_descendants(&all).iter().map(|stat| stat.process).collect();
            for process in &ours {
                process.signal(Signal::KILL);
            }
            alone = ours.is_empty();
            // What the kernel cannot end yet (waiting for a disk, a driver) must not keep a container.
            if alone || started.elapsed() > Duration::from_secs(3) {
                for server in &mut self.servers {
                    server.continue_removal(&mut self.removers);
                }
            }
            std::thread::sleep(KILL_ROUND);
        }
        self.reap();
        for server in &self.servers {
            let _ = server_log::hide_secrets(&server.launch.log, &server.launch.secrets);
            if let Some(scratch) = &server.launch.scratch {
                let _ = std::fs::remove_dir_all(scratch);
            }
        }
        if let Some(directory) = &self.state_directory {
            let _ = std::fs::remove_file(self.state.path(directory));
        }
    }

    fn write_state(&mut self) {
        self.state.servers = self.servers.iter().map(Guarded::to_state).collect();
        if let Some(directory) = &self.state_directory {
            // Said at the start where it matters; a disk that is full by now must not end the guard.
            let _ = self.state.write(directory);
        }
    }

    fn reply(&mut self, reply: &Reply) {
        let Ok(mut line) = serde_json::to_vec(reply) else { return };
        line.push(b'\n');
        // A harness that reads no more is gone, and its other pipe says so in the next round.
        let _ = self.replies.write_all(&line).and_then(|()| self.replies.flush());
    }
}
