//! `--http2`: what speaks it, what does not, and that the result says so.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http::Response;

use super::place::*;

/// `harness simulate`, which speaks HTTP/1.1 alone.
struct Simulated {
    child: Child,
    url: String,
}

impl Simulated {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        let mut child = command.args(["simulate", "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Simulated { child, url }
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that speaks HTTP/2 alone, without TLS: its URL. It lives as long as this process.
fn http2_server() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(tcp));
            }
        });
    });
    url
}

async fn serve(tcp: tokio::net::TcpStream) {
    let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (content_type, body) = match request.uri().path() {
            "/v1/models" => ("application/json", r#"{"data":[{"id":"over-http2"}]}"#.to_owned()),
            "/v1/chat/completions" => ("text/event-stream", stream()),
            other => panic!("{other}"),
        };
        let head = Response::builder().header("content-type", content_type).body(()).unwrap();
        let Ok(mut answer) = respond.send_response(head, false) else { return };
        let _ = answer.send_data(Bytes::from(body), true);
    }
}

fn stream() -> String {
    let token = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\
                  \"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
    format!("{token}{token}{finish}data: [DONE]\n\n")
}

#[test]
fn a_server_of_http_1_alone_is_refused_with_the_cure_before_anything_is_played() {
    let place = Place::new();
    let (engine, simulated) = (Engine::start(&[]), Simulated::start());
    for url in [&engine.url, &simulated.url] {
        for model in [&[][..], &["--model", "m"]] {
            let ran = place.run(&[&["bench", "--url", url, "--http2"], model, &QUICK].concat()).expect(2);
            ran.says(&["error: ", url, "does not speak HTTP/2", "leave --http2 out"]);
        }
        let over_http1 = place.run(&[&["bench", "--url", url][..], &QUICK].concat());
        over_http1.expect(0);
    }
    assert_eq!(engine.asked("POST /v1/chat/completions"), 2 + 12);
}

#[test]
fn a_server_that_is_not_there_is_not_said_to_speak_another_protocol() {
    let place = Place::new();
    let url = Engine::start(&[]).url.clone();
    let ran = place.run(&["bench", "--url", &url, "--http2"]).expect(2);
    assert!(ran.stderr.contains(&url) && ran.stderr.contains("refused"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("does not speak"), "{}", ran.stderr);
}

#[test]
fn a_launched_engine_of_http_1_alone_fails_with_the_cure_and_is_stopped() {
    let place = Place::new();
    let args = ["run", "--backend", "fake.yaml", "--model", "model", "--http2"];
    let ran = place.run(&[&args[..], &QUICK].concat()).expect(1);
    ran.says(&["does not speak HTTP/2", "leave --http2 out"]);
    place.assert_nothing_lives();
}

#[test]
fn a_result_over_http2_says_so() {
    let place = Place::new();
    let url = http2_server();
    let ran = place.run(&[&["bench", "--url", &url, "--http2"][..], &QUICK].concat());
    ran.expect(0);
    let run = place.run_json("server");
    assert_eq!(run["plan"]["http"]["http2"], true);
    assert_eq!(run["summary"]["model"], "over-http2");
    assert_eq!(run["summary"]["requests"]["completed"], 12);
    assert_eq!(run["summary"]["client"]["stamps"], serde_json::json!({"read": 12}));
    assert_eq!(place.summary_rows()[0]["http_version"], "2");
}

#[test]
fn it_may_stand_in_a_plan_file_or_in_the_environment() {
    let place = Place::new();
    place.write("plan.yaml", "http2: true\n");
    let dry = ["bench", "--url", "http://127.0.0.1:9", "--model", "m", "--dry-run"];
    let http2 =
        |ran: Ran| serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["http"]["http2"].clone();
    assert_eq!(http2(place.run(&[&dry[..], &["--plan", "plan.yaml"]].concat()).expect(0)), true);
    let mut command = place.command(&dry);
    command.env("HARNESS_HTTP2", "true");
    assert_eq!(http2(Running::of(command).wait().expect(0)), true);
    assert_eq!(
        http2(place.run(&dry).expect(0)),
        serde_json::Value::Null,
        "and is left out where it is not asked for"
    );
}
