//! Programs of this machine: is it one, where is it, run it and wait no longer than so long.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal};

/// Between two looks at a program that runs.
const GLANCE: Duration = Duration::from_millis(5);

/// A stream's output is kept up to here, bytes.
const LARGEST_OUTPUT: usize = 1 << 20;
/// Environment variable of a program that is run here and, inherited, of what it starts.
const MARK: &str = "HARNESS_PROBE";

/// True for a file that may be executed.
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// A program in one of the directories of `search_path`, which is written as `PATH` is.
pub fn on_path(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search_path).map(|directory| directory.join(name)).find(|path| is_program(path))
}

/// A command that reads nothing and shows nothing.
pub fn quiet(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Forces a container away, through the docker client `docker`.
pub fn remove_container(docker: &Path, name: &str) -> Command {
    quiet(docker, &["rm", "-f", name])
}

/// Whether a command succeeds; none where it cannot be run, or takes longer than `limit` and is killed with
/// all that it started.
pub fn succeeds(command: Command, limit: Duration) -> Option<bool> {
    let mut family = Family::spawn(command)?;
    family.wait(limit, &mut || {}).map(|status| status.success())
}

/// What a command writes, on both streams, at most 1 MiB of each; none where it cannot be run, or takes longer
/// than `limit`. What it started and left behind is killed: it would hold our pipes, and nobody would end it.
pub fn output(mut command: Command, limit: Duration) -> Option<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut family = Family::spawn(command)?;
    let mut out = Pipe::of(family.child.stdout.take()?)?;
    let mut err = Pipe::of(family.child.stderr.take()?)?;
    let mut read = || {
        out.read();
        err.read();
    };
    let status = family.wait(limit, &mut read)?;
    // What it wrote in its last moment. No end of file is waited for: a child may hold the pipe.
    read();
    Some(Output { status, stdout: out.text, stderr: err.text })
}

/// A pipe that is read without waiting.
struct Pipe {
    file: File,
    text: Vec<u8>,
}

impl Pipe {
    fn of(pipe: impl Into<OwnedFd>) -> Option<Self> {
        let file = File::from(pipe.into());
        rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::NONBLOCK).ok()?;
        Some(Pipe { file, text: Vec::new() })
    }

    /// Reads what is there; what is above the limit is thrown away, so that its writer goes on.
    fn read(&mut self) {
        let mut bytes = [0_u8; 65_536];
        while let Ok(read @ 1..) = self.file.read(&mut bytes) {
            let room = LARGEST_OUTPUT.saturating_sub(self.text.len());
            self.text.extend_from_slice(&bytes[..read.min(room)]);
            if read > room {
                return;
            }
        }
    }
}

/// A program and all that it starts: in a process group of its own, and with a mark in the environment that a
/// child in another session still bears.
struct Family {
    child: Child,
    mark: String,
}

impl Family {
    fn spawn(mut command: Command) -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}.{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let child = command.env(MARK, &mark).process_group(0).spawn().ok()?;
        Some(Family { child, mark })
    }

    /// Waits for the program itself and ends what is left of its family; none where it took longer than `limit`.
    fn wait(&mut self, limit: Duration, meanwhile: &mut dyn FnMut()) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        let pid = Pid::from_child(&self.child);
        // It is only looked at, and reaped after its group was ended: until then the number is its own.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let in_time = loop {
            meanwhile();
            match rustix::process::waitid(WaitId::Pid(pid), look) {
                Ok(Some(_)) => break true,
                Ok(None) if Instant::now() < deadline => std::thread::sleep(GLANCE),
                Ok(None) | Err(_) => break false,
            }
        };
        // None may be left, and then it fails.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        self.end_marked();
        let status = self.child.wait().ok()?;
        in_time.then_some(status)
    }

    /// Ends what left the group, as far as we may see its environment.
    fn end_marked(&self) {
        let wanted = format!("{MARK}={}", self.mark);
        let bears_it = |pid: u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        };
        let Ok(entries) = std::fs::read_dir("/proc") else { return };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        for pid in pids.filter(|pid| bears_it(*pid)) {
            let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
            let Ok(descriptor) = pidfd_open(number, PidfdFlags::empty()) else { continue };
            // The descriptor pins the process: a number that was used again meanwhile bears no such mark.
            if bears_it(pid) {
                let _ = pidfd_send_signal(&descriptor, Signal::KILL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        quiet(Path::new("/bin/sh"), &["-c", script])
    }

    #[test]
    fn a_command_succeeds_fails_or_cannot_be_run() {
        assert_eq!(succeeds(shell("exit 0"), SOON), Some(true));
        assert_eq!(succeeds(shell("exit 3"), SOON), Some(false));
        assert_eq!(succeeds(quiet(Path::new("/nonexistent/x"), &[]), SOON), None);
    }

    #[test]
    fn a_command_that_takes_too_long_is_killed() {
        let began = Instant::now();
        assert_eq!(succeeds(shell("exec sleep 60"), Duration::from_millis(50)), None);
        assert!(began.elapsed() < SOON);
    }

    #[test]
    fn what_is_written_on_both_streams_is_kept() {
        let output = output(shell("echo out; echo err >&2"), SOON).unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    }

    /// A shell script that leaves a child behind, whose pid it prints.
    fn leaves(child: &str, end: &str) -> Command {
        shell(&format!("{child} & echo $!; {end}"))
    }

    fn lives(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
    }

    #[test]
    fn what_a_program_leaves_behind_is_ended_and_not_waited_for() {
        for child in ["sleep 300", "setsid sleep 300", "trap '' TERM HUP; sleep 300"] {
            let began = Instant::now();
            let output = output(leaves(child, "echo version 1.2"), SOON).unwrap();
            assert!(began.elapsed() < SOON, "{child}: the child held the pipe");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains("version 1.2"), "{text}");
            let gone = (0..200).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                !lives(text.lines().next().unwrap())
            });
            assert!(gone, "{child} still lives");
        }
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; sleep 300", file.display());
        assert!(output(shell(&script), Duration::from_millis(500)).is_none());
        let pid = std::fs::read_to_string(file).unwrap();
        let gone = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            !lives(pid.trim())
        });
        assert!(gone);
    }

    #[test]
    fn a_long_answer_is_cut_and_does_not_hold_up_its_writer() {
        let output = output(shell("head -c 3000000 /dev/zero"), SOON).unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout.len(), LARGEST_OUTPUT);
    }

    #[test]
    fn a_program_is_found_where_it_may_be_executed() {
        let path = OsStr::new("/nonexistent:/bin");
        assert_eq!(on_path("sh", path), Some(PathBuf::from("/bin/sh")));
        assert_eq!(on_path("no such program", path), None);
        assert!(!is_program(Path::new("/bin")) && !is_program(Path::new("/etc/passwd")));
    }
}
