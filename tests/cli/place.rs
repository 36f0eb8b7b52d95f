//! Where a test runs the real binary: a directory, a home and a PATH of its own, and looks at what lives of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Long enough for a busy machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A traffic of a moment.
pub const QUICK: [&str; 8] = ["--requests", "12", "--concurrency", "4", "--warmup", "2", "--max-tokens", "8"];

/// Two pretend engines.
pub const TWO: &str = "a=fake.yaml,b=fake.yaml";

const DEFINITION: &str = include_str!("fake.yaml");
pub const ENGINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake_engine/fake_engine.py");

/// A directory of the test's own. What lives of it is ended when it is dropped.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        for name in ["bin", "home", "tmp", "model"] {
            fs::create_dir(place.path(name)).unwrap();
        }
        place.write("model/config.json", r#"{"torch_dtype": "bfloat16"}"#);
        place.write("fake.yaml", DEFINITION);
        place.program("fake-engine", &format!("#!/bin/sh\nexec '{}' '{ENGINE}' \"$@\"\n", python()));
        place
    }

    /// The pretend engine with a change of its definition.
    pub fn change_definition(&self, from: &str, to: &str) {
        assert!(DEFINITION.contains(from));
        self.write("fake.yaml", &DEFINITION.replace(from, to));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A program on the PATH.
    pub fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// `harness ARGS…` in this directory, with nothing of the tester's environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command
            .args(args)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", self.path("bin"))
            // The allow-list hands it to every child: it is the mark that `processes` looks for.
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.start(args).wait()
    }

    pub fn start(&self, args: &[&str]) -> Running {
        Running::of(self.command(args))
    }

    /// `harness compare` of the pretend engines in `backends`.
    pub fn compare(&self, backends: &str, more: &[&str]) -> Ran {
        self.start_compare(backends, more).wait()
    }

    pub fn start_compare(&self, backends: &str, more: &[&str]) -> Running {
        let mut args = vec!["compare", "--backend", backends, "--model", "model"];
        args.extend(more);
        self.start(&args)
    }

    /// Names in `results/` that begin and end so.
    pub fn results(&self, start: &str, end: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("results")) else { return Vec::new() };
        let mut found: Vec<PathBuf> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.starts_with(start) && name.ends_with(end)
            })
            .collect();
        found.sort();
        found
    }

    /// The only such name.
    pub fn result(&self, start: &str, end: &str) -> PathBuf {
        let mut found = self.results(start, end);
        assert_eq!(found.len(), 1, "{start}…{end}: {found:?}");
        found.remove(0)
    }

    /// The JSON file of the only run of this label.
    pub fn run_json(&self, label: &str) -> Value {
        json(&self.result(&format!("{label}_2"), ".json"))
    }

    /// Rows of `benchmark_summary.csv`, by column.
    pub fn summary_rows(&self) -> Vec<BTreeMap<String, String>> {
        rows(&self.path("results/benchmark_summary.csv"))
    }

    /// A file of the only comparison.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.result("compare_2", "").join(name)
    }

    pub fn read_folder(&self, name: &str) -> String {
        fs::read_to_string(self.folder(name)).unwrap()
    }

    /// The log of a server of the only comparison; empty before there is one.
    pub fn log(&self, label: &str) -> String {
        let folders = self.results("compare_2", "");
        let Some(folder) = folders.first() else { return String::new() };
        fs::read_to_string(folder.join(format!("{label}.log"))).unwrap_or_default()
    }

    /// Everything that lives and has this place's home in its environment: the harness, its guard, servers
    /// and whatever they started, in whatever session.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("HOME={}", self.text("home"));
        let has_mark = |pid: &u32| {
            let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(has_mark).filter(|pid| is_alive(*pid)).collect()
    }

    /// Waits until nothing lives; how long it took.
    pub fn wait_until_nothing_lives(&self) -> Duration {
        let started = Instant::now();
        wait_for("the end of every process", || self.processes().is_empty());
        started.elapsed()
    }

    pub fn assert_nothing_lives(&self) {
        let left = self.processes();
        assert!(
            left.is_empty(),
            "still alive: {:?}",
            left.iter().map(|pid| command_line(*pid)).collect::<Vec<_>>()
        );
    }

    /// Nothing lives, and the port that this server listened on is free again.
    pub fn assert_gone(&self, label: &str) {
        self.assert_nothing_lives();
        let log = self.log(label);
        let port = port_in(&log).unwrap_or_else(|| panic!("no port in the log of {label}: {log}"));
        // A server of another test may have been given it meanwhile.
        wait_for("a free port", || TcpListener::bind(("127.0.0.1", port)).is_ok());
    }
}

impl Drop for Place {
    /// A test that fails leaves nothing either.
    fn drop(&mut self) {
        for pid in self.processes() {
            signal(pid, Signal::KILL);
        }
    }
}

/// Records of the only run of this label that are on disk by now.
pub fn records(place: &Place, label: &str) -> usize {
    let files = place.results(&format!("{label}_2"), "_records.jsonl");
    let text = files.first().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    text.lines().count().saturating_sub(1)
}

/// `Listening on http://ADDRESS:PORT`
pub fn port_in(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("Listening on http://")?;
    let (_, rest) = rest.split_once(':')?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The pretend engine, started by the test and not by the harness.
pub struct Engine {
    child: Child,
    log: Arc<Mutex<String>>,
    pub url: String,
}

impl Engine {
    pub fn start(options: &[&str]) -> Self {
        let mut command = Command::new(python());
        command.arg(ENGINE).args(["--port", "0"]).args(options);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        follow(child.stderr.take().unwrap(), log.clone());
        follow(child.stdout.take().unwrap(), log.clone());
        wait_for("the engine", || log.lock().unwrap().contains("Ready, serving"));
        let port = port_in(&log.lock().unwrap()).unwrap();
        Engine { child, log, url: format!("http://127.0.0.1:{port}") }
    }

    /// Requests that its log shows for this path.
    pub fn asked(&self, path: &str) -> usize {
        self.log.lock().unwrap().matches(&format!("{path} HTTP/1.1\"")).count()
    }

    pub fn port(&self) -> String {
        self.url.rsplit(':').next().unwrap().to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A harness that runs.
pub struct Running {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(String::new())));
        let readers = vec![
            follow(child.stdout.take().unwrap(), stdout.clone()),
            follow(child.stderr.take().unwrap(), stderr.clone()),
        ];
        Running { child, stdout, stderr, readers }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, number: Signal) {
        signal(self.pid(), number);
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until this holds; fails when the harness ends before.
    pub fn wait_for(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || holds(), "ended before {what}: {}", self.stderr());
            assert!(started.elapsed() < PATIENCE, "never came: {what}: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait_for_stderr(&mut self, text: &str) {
        let stderr = self.stderr.clone();
        self.wait_for(text, || stderr.lock().unwrap().contains(text));
    }

    /// Waits until stdout holds this; all that it holds then.
    pub fn wait_for_stdout(&mut self, text: &str) -> String {
        let stdout = self.stdout.clone();
        self.wait_for(text, || stdout.lock().unwrap().contains(text));
        self.stdout.lock().unwrap().clone()
    }

    /// Waits for its end, and for that of its output.
    pub fn wait(mut self) -> Ran {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => {
                    if started.elapsed() > PATIENCE {
                        let _ = self.child.kill();
                        panic!("does not end: {}", self.stderr());
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let text = |held: &Mutex<String>| held.lock().unwrap().clone();
        Ran { status, stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }

    /// `kill -9`
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9));
    }
}

/// A harness that has ended.
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Fails unless it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless stderr holds all of these.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "'{text}' is not in stderr:\n{}", self.stderr);
        }
        self
    }
}

/// The interpreter itself: what PATH has may be a script that needs more of PATH.
pub fn python() -> String {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let ask = || {
        let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let output = asked.expect("the pretend engine needs python3 on PATH");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    PYTHON.get_or_init(ask).clone()
}

pub fn signal(pid: u32, number: Signal) {
    // It may have ended by itself.
    let _ = kill_process(Pid::from_raw(pid as i32).unwrap(), number);
}

pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(')').next().unwrap().trim_start().chars().next();
    !matches!(state, Some('Z' | 'X') | None)
}

pub fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

#[track_caller]
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(Result::unwrap).collect()
}

fn follow(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 {
                break;
            }
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    })
}
