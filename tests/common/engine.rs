//! The server that is not ours, and a docker that is none.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use super::place::write_program;
use super::processes::wait_for;
use super::running::follow;

const ENGINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/fake_engine.py");

/// A container is a process of its own and a file that holds its pid; `calls` has the command lines.
const DOCKER: &str = include_str!("fake_docker.py");

/// The command that starts the foreign server, before its options.
pub fn command() -> [String; 2] {
    [python(), ENGINE.to_owned()]
}

/// Puts the stand-in for docker into `bin`; what it runs in a container is the foreign server.
pub fn install_docker(bin: &Path) {
    let script = bin.join("docker.py");
    std::fs::write(&script, format!("ENGINE = {ENGINE:?}\n{DOCKER}")).unwrap();
    write_program(
        &bin.join("docker"),
        &format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", python(), script.display()),
    );
}

/// Containers of the stand-in that were not removed.
pub fn containers(bin: &Path) -> usize {
    let names = std::fs::read_dir(bin).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with("container-")).count()
}

/// The interpreter itself: what PATH has may be a script that needs more of PATH.
fn python() -> String {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let ask = || {
        let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let output = asked.expect("the foreign server needs python3 on PATH");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    PYTHON.get_or_init(ask).clone()
}

/// The port in `Listening on http://ADDRESS:PORT`, as the foreign server and the simulator say it.
pub fn port_in(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("istening on http://")?;
    let (_, rest) = rest.split_once(':')?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The server that is not ours, started by the test and not by the harness.
pub struct Engine {
    child: Child,
    log: Arc<Mutex<String>>,
    pub url: String,
}

impl Engine {
    pub fn start(options: &[&str]) -> Self {
        let [python, script] = command();
        let mut command = Command::new(python);
        command.arg(script).args(["--port", "0"]).args(options);
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
