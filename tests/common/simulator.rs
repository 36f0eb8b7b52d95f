//! A simulator to talk to, and a client that does nothing but read bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::processes::PATIENCE;

/// A simulated engine that is killed when the test is over.
pub struct Simulator {
    pub child: Child,
    pub port: u16,
    pub orphan: Option<u32>,
}

impl Simulator {
    /// Start it on a free port; it answers already unless it is told to load.
    pub fn start(engine: &str, args: &[&str]) -> Self {
        let simulator = Self::start_loading(engine, args);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", simulator.port)).is_err() {
            assert!(Instant::now() < deadline, "never listened");
            std::thread::sleep(Duration::from_millis(2));
        }
        simulator
    }

    /// Start it, and only wait for its port.
    pub fn start_loading(engine: &str, args: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(["simulate", "--engine", engine, "--model", "smollm2"])
            .args(if args.contains(&"--context-length") { &[][..] } else { &["--context-length", "2048"] })
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut simulator = Self { child, port: 0, orphan: None };
        let mut lines = BufReader::new(simulator.child.stdout.take().unwrap()).lines();
        while simulator.port == 0 {
            let line = lines.next().expect("it ended without a port").unwrap();
            if let Some(pid) = line.strip_prefix("orphan pid ") {
                simulator.orphan = Some(pid.parse().unwrap());
            } else if let Some(address) = line.strip_prefix("listening on http://127.0.0.1:") {
                simulator.port = address.parse().unwrap();
            }
        }
        simulator
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send(request(path, "Connection: close\r\n", body).as_bytes())
    }

    /// Send bytes, read until the end.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all);
        Answer { bytes: all, reset: end.is_err() }
    }

    /// `/truth`, in the order of arrival.
    pub fn truth(&self) -> Vec<Value> {
        let text = self.get("/truth").body();
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.sort_by_key(|line| line["number"].as_u64());
        lines
    }

    /// Wait until the truth says so.
    pub fn truth_when(&self, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let truth = self.truth();
            if holds(&truth) {
                return truth;
            }
            assert!(Instant::now() < deadline, "{truth:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A metric summed over its labels.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics").body();
        let values = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let value = match rest.as_bytes().first()? {
                b' ' => rest,
                b'{' => &rest[rest.find('}')? + 1..],
                _ => return None,
            };
            value.trim().parse::<f64>().ok()
        });
        let values: Vec<f64> = values.collect();
        assert!(!values.is_empty(), "no {name} in {page}");
        values.iter().sum()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Its exit code, and what it said on stderr.
    pub fn wait(&mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut said = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                return (status.code(), said);
            }
            assert!(Instant::now() < deadline, "it lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A POST with a JSON body.
pub fn request(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A streaming completions request.
pub fn completion(tokens: u32, extra: &str) -> String {
    format!(
        r#"{{"prompt":"The sky is","max_tokens":{tokens},"stream":true,"ignore_eos":true,"stream_options":{{"include_usage":true}}{extra}}}"#
    )
}

/// The bytes of an answer.
#[derive(Debug)]
pub struct Answer {
    pub bytes: Vec<u8>,
    /// The connection ended with an error.
    pub reset: bool,
}

impl Answer {
    fn split(&self) -> (String, &[u8]) {
        let at = self.bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no head") + 4;
        (String::from_utf8(self.bytes[..at].to_vec()).unwrap(), &self.bytes[at..])
    }

    pub fn status(&self) -> u16 {
        self.split().0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn head(&self) -> String {
        self.split().0
    }

    /// The HTTP chunks, whether the body ended in order, and the hexadecimal sizes as written.
    pub fn chunks(&self) -> (Vec<String>, bool, Vec<String>) {
        let (_, mut rest) = self.split();
        let (mut chunks, mut sizes) = (Vec::new(), Vec::new());
        loop {
            let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else {
                return (chunks, false, sizes);
            };
            let Ok(size_text) = std::str::from_utf8(&rest[..line]) else { return (chunks, false, sizes) };
            let Ok(size) = usize::from_str_radix(size_text, 16) else { return (chunks, false, sizes) };
            if size == 0 {
                return (chunks, rest[line..] == *b"\r\n\r\n", sizes);
            }
            if rest.len() < line + 2 + size + 2 {
                return (chunks, false, sizes);
            }
            chunks.push(String::from_utf8_lossy(&rest[line + 2..line + 2 + size]).into_owned());
            sizes.push(size_text.to_owned());
            rest = &rest[line + 2 + size + 2..];
        }
    }

    pub fn body(&self) -> String {
        let (head, body) = self.split();
        if head.to_lowercase().contains("transfer-encoding: chunked") {
            self.chunks().0.concat()
        } else {
            String::from_utf8_lossy(body).into_owned()
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body()).unwrap_or_else(|_| panic!("no JSON: {}", self.body()))
    }

    /// The data of each event.
    pub fn events(&self) -> Vec<String> {
        events(&self.body())
    }

    /// Tokens with text, of an OpenAI stream.
    pub fn texts(&self) -> Vec<String> {
        let events = self.events().into_iter().filter_map(|data| serde_json::from_str::<Value>(&data).ok());
        let text = events.filter_map(|event| {
            let choice = event["choices"].get(0)?.clone();
            let text = choice["text"].as_str().or_else(|| choice["delta"]["content"].as_str())?.to_owned();
            (!text.is_empty()).then_some(text)
        });
        text.collect()
    }

    pub fn is_done(&self) -> bool {
        self.events().last().is_some_and(|data| data == "[DONE]")
    }
}

pub fn events(text: &str) -> Vec<String> {
    text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(str::to_owned).collect()
}

/// Leave amid an answer, once its first bytes have come.
pub fn leave_early(simulator: &Simulator, bytes: &[u8]) {
    let mut stream = simulator.connect();
    stream.write_all(bytes).unwrap();
    let mut some = [0; 16];
    assert!(stream.read(&mut some).unwrap() > 0);
    stream.shutdown(Shutdown::Both).unwrap();
}

/// CLOCK_MONOTONIC in ns, the clock of the truth.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the call to fill.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
