//! Servers that outlived both harness and guard (killed together), found from the state files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::docker;
use crate::backend::guard::{Container, StateFile, Unread, kill_family, living_family, mark};
use crate::backend::process::{self, Process};
use crate::backend::server_log::hide_what_looks_secret;
use crate::directories::state_dir;
use crate::programs::{on_path, remove_container, succeeds};
use crate::secrets::secret_values;

/// The longest that a kill of leftovers may take.
const STOP: Duration = Duration::from_secs(10);
/// The longest that docker is waited for.
const DOCKER: Duration = Duration::from_secs(30);

/// What is left of a harness that was killed together with its guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The state file that tells of it.
    pub file: PathBuf,
    /// Labels of its servers.
    pub labels: Vec<String>,
    /// Ports of its servers.
    pub ports: Vec<u16>,
    /// What lives of them.
    pub processes: Vec<Process>,
    /// Containers that are still there.
    pub containers: Vec<Container>,
    /// Logs of its servers, which nobody has cleaned.
    logs: Vec<PathBuf>,
    guard: Process,
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let pids: Vec<String> = self.processes.iter().map(|process| process.pid.to_string()).collect();
        write!(f, "{} of an earlier harness (port {}", self.labels.join(", "), ports.join(", "))?;
        if !pids.is_empty() {
            write!(f, "; pid {}", pids.join(", "))?;
        }
        for container in &self.containers {
            write!(f, "; container {}", container.name)?;
        }
        write!(f, ")")
    }
}

/// The leftovers of this user on this machine. State files that tell of nothing alive are removed.
pub fn find() -> Vec<Leftover> {
    state_dir().map(|directory| find_in(&directory)).unwrap_or_default()
}

/// The same, for another directory of state files.
pub fn find_in(directory: &Path) -> Vec<Leftover> {
    state_files(directory).into_iter().filter_map(examine).collect()
}

/// State files that another than we could have written or changed, each with why. They are left alone.
pub fn disbelieved() -> Vec<(PathBuf, String)> {
    state_dir().map(|directory| disbelieved_in(&directory)).unwrap_or_default()
}

/// The same, for another directory of state files.
pub fn disbelieved_in(directory: &Path) -> Vec<(PathBuf, String)> {
    let why = |file: PathBuf| match StateFile::read(&file) {
        Err(Unread::NotOurs(why)) => Some((file, why)),
        Err(Unread::Broken) | Ok(_) => None,
    };
    state_files(directory).into_iter().filter_map(why).collect()
}

fn state_files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// Kills a leftover's processes, removes its containers and its state file. Fails where something of it still
/// lives after 10 s; the file then stays.
pub fn stop(leftover: &Leftover) -> io::Result<()> {
    kill_family(&leftover.processes, leftover.guard, STOP);
    let left = living_family(&leftover.processes, leftover.guard);
    if !left.is_empty() {
        let pids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
        return Err(io::Error::other(format!(
            "{leftover}: pid {} does not end; see its state in `ps`, and end it by hand",
            pids.join(", ")
        )));
    }
    for container in &leftover.containers {
        let removed = docker_client().and_then(|docker| {
            // It may have been replaced since by another of its name.
            let still = docker::bears_mark(&docker, &container.name, &mark(leftover.guard), DOCKER);
            if still { succeeds(remove_container(&docker, &container.name), DOCKER) } else { Some(true) }
        });
        if removed.is_none() {
            return Err(io::Error::other(format!(
                "the container {0} could not be removed: try `docker rm -f {0}`",
                container.name
            )));
        }
    }
    clean(&leftover.logs);
    fs::remove_file(&leftover.file)
}

/// The client on our own PATH: never a program that a file names.
fn docker_client() -> Option<PathBuf> {
    on_path("docker", &std::env::var_os("PATH")?)
}

/// Takes the secrets out of the logs in these directories of results, and in those of their comparisons, that no
/// living guard takes care of.
pub fn clean_logs(directories: &[PathBuf]) {
    let guarded = state_dir().map(|directory| logs_of_the_living(&directory)).unwrap_or_default();
    for directory in directories {
        // A link leads to what is none of these results.
        let is = |path: &PathBuf, what: fn(&fs::FileType) -> bool| {
            fs::symlink_metadata(path).is_ok_and(|found| what(&found.file_type()))
        };
        let (folders, others): (Vec<PathBuf>, Vec<PathBuf>) =
            paths_in(directory).into_iter().partition(|path| is(path, fs::FileType::is_dir));
        let below = folders.iter().flat_map(|folder| paths_in(folder));
        let files = others.into_iter().chain(below).filter(|path| is(path, fs::FileType::is_file));
        let logs = files.filter_map(|path| path.canonicalize().ok());
        clean(&logs.filter(|log| !guarded.contains(log)).collect::<Vec<_>>());
    }
}

fn paths_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn logs_of_the_living(directory: &Path) -> Vec<PathBuf> {
    let states = paths_in(directory).into_iter().filter_map(|path| StateFile::read(&path).ok());
    let living = states.filter(|state| state.guard.is_alive() || state.harness.is_alive());
    let logs = living.flat_map(|state| state.servers.into_iter().filter_map(|server| server.log));
    logs.filter_map(|log| log.canonicalize().ok()).collect()
}

/// What an engine was given is known to nobody any more but for what our own environment still holds.
fn clean(logs: &[PathBuf]) {
    let own = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let secrets = secret_values(&own.collect());
    let is_log = |log: &&PathBuf| {
        let is_file = fs::symlink_metadata(log).is_ok_and(|found| found.is_file());
        is_file && log.extension().is_some_and(|end| end == "log")
    };
    for log in logs.iter().filter(is_log) {
        // A log that cannot be rewritten is no reason to stop.
        let _ = hide_what_looks_secret(log, &secrets);
    }
}

/// A state file's leftover, if it tells of one.
fn examine(file: PathBuf) -> Option<Leftover> {
    let state = match StateFile::read(&file) {
        Ok(state) => state,
        Err(Unread::NotOurs(_)) => return None,
        Err(Unread::Broken) => {
            // It tells nothing, and files are written in one step.
            remove_stale(&file);
            return None;
        }
    };
    if state.boot_id != process::boot_id() {
        clean(&logs_of(&state));
        remove_stale(&file);
        return None;
    }
    // Its pids are numbers elsewhere: of a container that may well live.
    if state.pid_namespace.is_some() && state.pid_namespace != process::pid_namespace() {
        return None;
    }
    // While either lives, it takes care of its servers itself.
    if state.guard.is_alive() || state.harness.is_alive() {
        return None;
    }
    let known: Vec<Process> =
        state.servers.iter().flat_map(|server| server.processes.iter().copied()).collect();
    let processes: Vec<Process> = living_family(&known, state.guard).into_iter().collect();
    let named = state.servers.iter().filter_map(|server| server.container.clone());
    let containers: Vec<Container> = named.filter(|container| is_its(container, state.guard)).collect();
    if processes.is_empty() && containers.is_empty() {
        clean(&logs_of(&state));
        remove_stale(&file);
        return None;
    }
    Some(Leftover {
        file,
        labels: state.servers.iter().map(|server| server.label.clone()).collect(),
        ports: state.servers.iter().map(|server| server.port).collect(),
        processes,
        containers,
        logs: logs_of(&state),
        guard: state.guard,
    })
}

/// The container is there and bears the guard's mark.
fn is_its(container: &Container, guard: Process) -> bool {
    let client = docker_client();
    client.is_some_and(|client| docker::bears_mark(&client, &container.name, &mark(guard), DOCKER))
}

fn logs_of(state: &StateFile) -> Vec<PathBuf> {
    state.servers.iter().filter_map(|server| server.log.clone()).collect()
}

fn remove_stale(file: &Path) {
    // Another harness may have done so a moment ago.
    let _ = fs::remove_file(file);
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::backend::guard::KeptServer;

    fn state(processes: Vec<Process>) -> StateFile {
        // A guard of its own for each test: what bears another one's mark is not its family.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let dead = Process { pid: 4_000_000, start_time: NEXT.fetch_add(1, Ordering::Relaxed) };
        StateFile {
            boot_id: process::boot_id(),
            pid_namespace: process::pid_namespace(),
            harness: dead,
            guard: dead,
            servers: vec![KeptServer {
                label: "vllm".into(),
                port: 8000,
                processes,
                container: None,
                log: None,
            }],
        }
    }

    #[test]
    fn a_server_that_outlived_harness_and_guard_is_found_and_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        state(vec![process]).write(directory.path()).unwrap();
        let found = find_in(directory.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].processes, [process]);
        assert!(found[0].to_string().contains("vllm"));
        stop(&found[0]).unwrap();
        assert!(!process.is_alive());
        assert!(find_in(directory.path()).is_empty());
        child.wait().unwrap();
    }

    #[test]
    fn a_pid_that_belongs_to_another_process_now_is_no_leftover_and_its_file_goes() {
        let directory = tempfile::tempdir().unwrap();
        let me = Process::current().unwrap();
        let state = state(vec![Process { start_time: me.start_time - 1, ..me }]);
        state.write(directory.path()).unwrap();
        assert!(find_in(directory.path()).is_empty());
        assert!(!state.path(directory.path()).exists());
    }

    #[test]
    fn a_file_of_an_earlier_boot_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = state(vec![Process::current().unwrap()]);
        state.boot_id = "another".into();
        state.write(directory.path()).unwrap();
        assert!(find_in(directory.path()).is_empty());
        assert!(!state.path(directory.path()).exists());
    }

    #[test]
    fn a_living_guard_keeps_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = state(vec![Process::current().unwrap()]);
        state.guard = Process::current().unwrap();
        state.write(directory.path()).unwrap();
        assert!(find_in(directory.path()).is_empty());
        assert!(state.path(directory.path()).exists());
    }

    /// A session whose leader has ended, and the job that lives in it.
    fn leaderless_session() -> (u32, Process) {
        let script = ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $$ $!"];
        let output = Command::new("setsid").args(script).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (session, job) = text.trim().split_once(' ').unwrap();
        (session.parse().unwrap(), Process::of(job.parse().unwrap()).unwrap())
    }

    #[test]
    fn a_session_that_has_the_guards_number_by_now_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (session, job) = leaderless_session();
        let mut state = state(Vec::new());
        state.guard = Process { pid: session, start_time: 1 };
        state.write(directory.path()).unwrap();
        assert!(find_in(directory.path()).is_empty());
        assert_eq!(kill_family(&[], state.guard, STOP), 0);
        assert!(job.is_alive());
        assert!(job.signal(rustix::process::Signal::KILL));
    }

    /// A child that does not outlive its test: another run would find it by the same mark.
    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn what_bears_the_guards_mark_is_found_in_any_session() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(Vec::new());
        state.write(directory.path()).unwrap();
        let child = Ended(
            Command::new("setsid")
                .args(["sleep", "600"])
                .env("HARNESS_GUARD", mark(state.guard))
                .spawn()
                .unwrap(),
        );
        let process = Process::of(child.0.id()).unwrap();
        // While `setsid` gives way to `sleep` the process shows no environment for a moment.
        let found = std::iter::repeat_with(|| find_in(directory.path()).pop()).take(500).find_map(|found| {
            std::thread::sleep(Duration::from_millis(if found.is_some() { 0 } else { 10 }));
            found
        });
        let found = found.unwrap();
        assert_eq!(found.processes, [process]);
        stop(&found).unwrap();
    }

    #[test]
    fn a_file_that_others_may_have_written_is_neither_believed_nor_removed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let mode =
            |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let state = state(vec![Process::of(child.id()).unwrap()]);
        state.write(directory.path()).unwrap();
        let file = state.path(directory.path());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = |why: &str| {
            assert!(find_in(directory.path()).is_empty(), "{why}");
            let disbelieved = disbelieved_in(directory.path());
            assert!(disbelieved.iter().any(|(_, told)| told.contains(why)), "{why}: {disbelieved:?}");
            assert!(file.symlink_metadata().is_ok(), "{why}: it stays");
        };
        mode(&file, 0o644);
        refused("mode 644");
        mode(&file, 0o600);
        mode(directory.path(), 0o777);
        refused("its directory");
        mode(directory.path(), 0o700);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::rename(&file, elsewhere.path().join("x")).unwrap();
        symlink(elsewhere.path().join("x"), &file).unwrap();
        refused("symbolic link");
        fs::remove_file(&file).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        refused("no regular file");
        fs::remove_file(&file).unwrap();
        fs::rename(elsewhere.path().join("x"), &file).unwrap();
        assert_eq!(find_in(directory.path()).len(), 1, "as it was, it is believed");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_file_of_another_pid_namespace_means_nothing_here_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let mut state = state(vec![Process::of(child.id()).unwrap()]);
        state.pid_namespace = Some(1);
        state.write(directory.path()).unwrap();
        assert!(find_in(directory.path()).is_empty());
        assert!(state.path(directory.path()).exists());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_program_that_a_file_names_is_never_run() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("docker");
        fs::write(&program, "#!/bin/sh\ntouch \"$0.ran\"\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut state = state(Vec::new());
        let container = Container { docker: program.clone(), name: "harness-x".into() };
        state.servers[0].container = Some(container);
        let states = directory.path().join("servers");
        state.write(&states).unwrap();
        assert!(find_in(&states).is_empty());
        assert!(!directory.path().join("docker.ran").exists());
    }
}
