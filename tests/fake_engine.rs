//! The pretend engine speaks the wire that it claims to: what other tests build on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// A running fake engine; killed when it goes out of scope.
struct Fake {
    process: Child,
    port: u16,
    /// Kept open: a later line would end the process if nobody could read it.
    _log: BufReader<ChildStderr>,
}

impl Fake {
    /// Starts it on a free port of its own choice, which its log names, and waits until it is ready.
    fn start(arguments: &[&str]) -> Fake {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake_engine/fake_engine.py");
        let mut process = Command::new("python3")
            .arg(script)
            .args(["--port", "0"])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut port = None;
        for line in log.by_ref().lines().map_while(Result::ok) {
            if let Some((_, number)) = line.split_once("http://127.0.0.1:") {
                port = Some(number.trim().parse().unwrap());
            }
            if line.contains("Ready") {
                break;
            }
        }
        Fake { process, port: port.expect("the log names a port"), _log: log }
    }

    /// Everything that comes back for one request, until the server closes.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: fake\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = Vec::new();
        // A cut connection may end in a reset: what came before it is the answer.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn chat(&self, more: &str) -> String {
        let body = format!(
            r#"{{"model":"fake","messages":[{{"role":"user","content":"one two"}}],"max_tokens":4,"stream":true,"stream_options":{{"include_usage":true}}{more}}}"#
        );
        self.ask("POST", "/v1/chat/completions", &body)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The JSON of each SSE event, `[DONE]` as a string.
fn events(answer: &str) -> Vec<serde_json::Value> {
    answer
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| if data == "[DONE]" { data.into() } else { serde_json::from_str(data).unwrap() })
        .collect()
}

#[test]
fn a_chat_stream_is_role_tokens_finish_usage_done_and_is_counted() {
    let fake = Fake::start(&[]);
    let answer = fake.chat("");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    let events = events(&answer);
    assert_eq!(events.len(), 1 + 4 + 1 + 1, "{events:#?}");
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let finish: Vec<_> = events[..5].iter().map(|event| &event["choices"][0]["finish_reason"]).collect();
    assert_eq!(serde_json::json!(finish), serde_json::json!([null, null, null, null, "length"]));
    assert_eq!(events[5]["choices"], serde_json::json!([]));
    assert_eq!(events[5]["usage"]["completion_tokens"], 4);
    assert_eq!(events[6], "[DONE]");
    let prompt = events[5]["usage"]["prompt_tokens"].as_u64().unwrap();
    let metrics = fake.ask("GET", "/metrics", "");
    assert!(
        metrics.contains(&format!("fake:prompt_tokens_total{{model_name=\"fake\",engine=\"0\"}} {prompt}.0"))
    );
    assert!(
        metrics.contains("fake:generation_tokens_total{model_name=\"fake\",engine=\"0\"} 4.0"),
        "{metrics}"
    );
}

#[test]
fn a_natural_stop_gives_way_to_ignore_eos() {
    let fake = Fake::start(&["--natural-stop", "2", "--eos-in-usage"]);
    let stopped = fake.chat("");
    assert!(
        stopped.contains(r#""finish_reason":"stop""#) && stopped.contains(r#""completion_tokens":3"#),
        "{stopped}"
    );
    let forced = fake.chat(r#","ignore_eos":true"#);
    assert!(
        forced.contains(r#""finish_reason":"length""#) && forced.contains(r#""completion_tokens":4"#),
        "{forced}"
    );
}

#[test]
fn faults_begin_after_the_requests_that_are_to_go_well() {
    let fake = Fake::start(&["--faults-after", "1", "--truncate-after", "2"]);
    assert!(fake.chat("").contains("[DONE]"));
    let cut = fake.chat("");
    assert_eq!(cut.matches(r#""content":"#).count(), 3, "the role and two tokens: {cut}");
    assert!(!cut.contains("[DONE]") && !cut.contains(r#""finish_reason":"length""#), "{cut}");
}

#[test]
fn a_death_in_mid_stream_ends_the_process_with_its_code() {
    let mut fake = Fake::start(&["--die-after-requests", "1"]);
    assert!(fake.chat("").contains("[DONE]"));
    let cut = fake.chat("");
    assert!(cut.contains(r#""content":"#) && !cut.contains("[DONE]"), "{cut}");
    assert_eq!(fake.process.wait().unwrap().code(), Some(1));
}
