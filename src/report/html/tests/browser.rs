//! A headless Chromium that opens a page and answers what is asked of it, over its pipe: the DevTools protocol as JSON
//! with a NUL between messages.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    child: Child,
    asks: ChildStdin,
    answers: Receiver<Value>,
    /// What happened unasked.
    events: Vec<Value>,
    asked: u64,
    session: Option<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// None, and a word of it, where no Chromium is installed.
    pub fn start() -> Option<Browser> {
        let installed = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
        let Some(program) = installed.into_iter().find(|path| Path::new(path).exists()) else {
            // Past the capture of a test that passes.
            let told = "SKIPPED: no Chromium here (apt-get install chromium): report.html is not looked at";
            let _ = writeln!(std::io::stderr(), "{told}");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // The pipe is its descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", program])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe", "--window-size=1280,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asks = child.stdin.take().unwrap();
        let mut from = BufReader::new(child.stdout.take().unwrap());
        let (tell, answers) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while from.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let told = serde_json::from_slice(&message).ok().map(|value: Value| tell.send(value));
                if matches!(told, Some(Err(_))) {
                    return;
                }
                message.clear();
            }
        });
        let mut browser =
            Browser { child, asks, answers, events: Vec::new(), asked: 0, session: None, _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            browser.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Asks for one thing and waits for its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        write!(self.asks, "{message}\0").unwrap();
        self.asks.flush().unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.next(until, method);
            if answer["id"] == json!(self.asked) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn next(&mut self, until: Instant, what: &str) -> Value {
        let left = until.saturating_duration_since(Instant::now());
        self.answers.recv_timeout(left).unwrap_or_else(|_| panic!("Chromium says nothing to {what}"))
    }

    /// Opens a file and waits until it is there, drawn.
    pub fn open(&mut self, page: &Path) {
        self.events.clear();
        self.call("Page.navigate", json!({"url": format!("file://{}", page.display())}));
        let until = Instant::now() + PATIENCE;
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next(until, "the page");
            self.events.push(event);
        }
        self.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
    }

    /// What an expression is on the page.
    pub fn ask(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// A key is pressed, where the focus is.
    pub fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", json!({"type": kind, "key": key}));
        }
    }

    /// All that a console would show in red, and all that the page asked of anybody but its own file.
    pub fn troubles(&self) -> Vec<String> {
        let is_trouble = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Log.entryAdded") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] != "log",
            Some("Network.requestWillBeSent") => {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                let is_own = url.starts_with("file://") && url.ends_with("report.html");
                !is_own && !url.starts_with("data:")
            }
            Some(_) | None => false,
        };
        self.events.iter().filter(is_trouble).map(Value::to_string).collect()
    }

    /// Requests that were heard of, the page's own among them.
    pub fn requests(&self) -> usize {
        self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent").count()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
