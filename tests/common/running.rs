//! A harness that runs, and one that has ended.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::place::Place;
use super::processes::{PATIENCE, is_stopped, signal};

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

    pub fn is_stopped(&self) -> bool {
        is_stopped(self.pid())
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

    /// Waits until stderr holds this so often.
    pub fn wait_for_stderr_times(&mut self, text: &str, times: usize) {
        let stderr = self.stderr.clone();
        self.wait_for(text, || stderr.lock().unwrap().matches(text).count() >= times);
    }

    /// Waits until stdout holds this; all that it holds then.
    pub fn wait_for_stdout(&mut self, text: &str) -> String {
        let stdout = self.stdout.clone();
        self.wait_for(text, || stdout.lock().unwrap().contains(text));
        self.stdout.lock().unwrap().clone()
    }

    /// Waits until more than so many records of the only run of this label are on disk.
    pub fn wait_for_records(&mut self, place: &Place, label: &str, more_than: usize) {
        self.wait_for("the load", || place.records(label) > more_than);
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
        Ran { code: status.code(), stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }

    /// `kill -9`
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9));
    }
}

/// A harness that has ended.
#[derive(Debug)]
pub struct Ran {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Fails unless it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
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

/// Reads on until the end, so that nobody who writes has to wait.
pub fn follow(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
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
