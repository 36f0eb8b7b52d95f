//! Where a test runs the real binary: a directory, a home and a PATH of its own, and looks at what lives of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::engine::{self, port_in};
use super::processes::{command_line, signal, wait_for, with_environment};
use super::results::{header, json, rows};
use super::running::{Ran, Running};

/// A traffic of a moment.
pub const QUICK: [&str; 8] = ["--requests", "12", "--concurrency", "4", "--warmup", "2", "--max-tokens", "8"];

/// Two servers that are not ours.
pub const TWO: &str = "a=fake.yaml,b=fake.yaml";

const DEFINITION: &str = include_str!("fake.yaml");

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
        let [python, script] = engine::command();
        place.program("fake-engine", &format!("#!/bin/sh\nexec '{python}' '{script}' \"$@\"\n"));
        place
    }

    /// The server that is not ours with a change of its definition.
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
        write_program(&self.path("bin").join(name), text);
    }

    /// `harness ARGS…` in this directory, with nothing of the tester's environment.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_harness")), args)
    }

    /// The same of another program.
    pub fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", self.path("bin"))
            // The allow-list hands it to every child: it is the mark that `processes` looks for.
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            // Whatever GPUs the tester's machine has are not read.
            .env("HARNESS_NVML_LIBRARY", self.path("no-nvml"))
            .stdin(Stdio::null());
        // Whoever runs the tests may ignore it, as nohup does, and a child would inherit that.
        let hear_hangups = || {
            // Safety: one system call.
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
            Ok(())
        };
        // Safety: it makes one system call and touches no memory.
        unsafe { command.pre_exec(hear_hangups) };
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.start(args).wait()
    }

    pub fn start(&self, args: &[&str]) -> Running {
        Running::of(self.command(args))
    }

    /// `harness compare` of the engines in `backends`.
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

    /// The JSON files of every run, in the order of their names.
    pub fn runs(&self) -> Vec<Value> {
        self.results("", ".json").iter().map(|path| json(path)).collect()
    }

    /// The headers of every file of records, closed or not, in the order of their names.
    pub fn headers(&self) -> Vec<Value> {
        let files = self.results("", "").into_iter();
        files
            .filter(|path| path.to_str().unwrap().contains("_records.jsonl"))
            .map(|path| header(&path))
            .collect()
    }

    /// Records of the only run of this label that are on disk by now.
    pub fn records(&self, label: &str) -> usize {
        let files = self.results(&format!("{label}_2"), "_records.jsonl");
        let text = files.first().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        text.lines().count().saturating_sub(1)
    }

    /// Rows of `benchmark_summary.csv`, by column.
    pub fn summary_rows(&self) -> Vec<BTreeMap<String, String>> {
        rows(&self.path("results/benchmark_summary.csv"))
    }

    /// No run has left a row.
    pub fn summary_is_absent(&self) -> bool {
        !self.path("results/benchmark_summary.csv").exists()
    }

    /// A file of the only comparison.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.result("compare_", "").join(name)
    }

    pub fn read_folder(&self, name: &str) -> String {
        fs::read_to_string(self.folder(name)).unwrap()
    }

    /// The log of a server of the only comparison; empty before there is one.
    pub fn log(&self, label: &str) -> String {
        let folders = self.results("compare_", "");
        let Some(folder) = folders.first() else { return String::new() };
        fs::read_to_string(folder.join(format!("{label}.log"))).unwrap_or_default()
    }

    /// Everything that lives and has this place's home in its environment: the harness, its guard, servers
    /// and whatever they started, in whatever session.
    pub fn processes(&self) -> Vec<u32> {
        with_environment(&format!("HOME={}", self.text("home")))
    }

    /// Their command lines.
    pub fn command_lines(&self) -> Vec<String> {
        self.processes().into_iter().map(command_line).collect()
    }

    /// Waits until nothing lives; how long it took.
    pub fn wait_until_nothing_lives(&self) -> Duration {
        let started = Instant::now();
        wait_for("the end of every process", || self.processes().is_empty());
        started.elapsed()
    }

    pub fn assert_nothing_lives(&self) {
        let left = self.command_lines();
        assert!(left.is_empty(), "still alive: {left:?}");
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

/// Writes a file that can be run.
pub fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
