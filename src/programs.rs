//! Programs of this machine: is it one, where is it, run it and wait no longer than so long.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at a program that runs.
const GLANCE: Duration = Duration::from_millis(5);

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

/// Whether a command succeeds; none where it cannot be run, or takes longer than `limit` and is killed.
pub fn succeeds(mut command: Command, limit: Duration) -> Option<bool> {
    let mut child = command.spawn().ok()?;
    wait(&mut child, limit).map(|status| status.success())
}

/// What a command writes, on both streams; none where it cannot be run, or takes longer than `limit` and is
/// killed. It is for short answers: what is longer than a pipe holds (64 KiB) makes it take too long.
pub fn output(mut command: Command, limit: Duration) -> Option<Output> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    wait(&mut child, limit)?;
    child.wait_with_output().ok()
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(GLANCE),
            Ok(None) | Err(_) => {
                // It may have ended in this very moment.
                let _ = child.kill();
                let _ = child.wait();
                return None;
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

    #[test]
    fn a_program_is_found_where_it_may_be_executed() {
        let path = OsStr::new("/nonexistent:/bin");
        assert_eq!(on_path("sh", path), Some(PathBuf::from("/bin/sh")));
        assert_eq!(on_path("no such program", path), None);
        assert!(!is_program(Path::new("/bin")) && !is_program(Path::new("/etc/passwd")));
    }
}
