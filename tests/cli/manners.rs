//! Servers as users meet them: whole endpoints as addresses, several models, other body fields, odd datasets; and
//! runs in which nothing could be measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::*;

const FOUR: [&str; 8] = ["--requests", "4", "--concurrency", "2", "--warmup", "0", "--ramp", "0s"];

/// What was asked: the first line, the headers in lower case, the body.
struct Asked {
    line: String,
    headers: String,
    body: Value,
}

/// A server of one rule: status, further head, body.
struct Stub {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"},\"text\":\"one\"}]}\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\
    \"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";

fn answer(stream: &mut TcpStream, status: &str, more: &str, body: &str) {
    let kind =
        if status == "200 OK" && body.starts_with("data") { "text/event-stream" } else { "application/json" };
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{more}\r\n", body.len());
    let _ = stream.write_all((head + body).as_bytes());
}

impl Stub {
    fn start(rule: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, rule) = (asked.clone(), Arc::new(rule));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (all, rule) = (all.clone(), rule.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &all, &*rule));
            }
        });
        Stub { url, asked }
    }

    /// Takes every POST to the endpoints, and has no other page.
    fn plain() -> Stub {
        Stub::start(|asked, stream| match asked.line.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["POST", "/v1/chat/completions" | "/v1/completions"] => answer(stream, "200 OK", "", STREAM),
            _ => answer(stream, "404 Not Found", "", ""),
        })
    }

    fn bench(&self, place: &Place, behind: &str, more: &[&str]) -> Ran {
        place.run(&[&["bench", "--url", &format!("{}{behind}", self.url)][..], &FOUR, more].concat())
    }

    /// Bodies of the POSTs.
    fn bodies(&self) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.line.starts_with("POST")).map(|asked| asked.body.clone()).collect()
    }
}

fn serve(stream: TcpStream, all: &Mutex<Vec<Asked>>, rule: &dyn Fn(&Asked, &mut TcpStream)) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let (line, headers) = head.split_once("\r\n").unwrap();
        let headers = headers.to_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let asked =
            Asked { line: line.to_owned(), headers, body: serde_json::from_slice(&body).unwrap_or_default() };
        rule(&asked, &mut writer);
        all.lock().unwrap().push(asked);
    }
}

/// What stands on stdout, whatever its lines.
fn words(ran: &Ran) -> String {
    ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn completed(place: &Place) -> Value {
    place.run_json("server")["summary"]["requests"]["completed"].clone()
}

#[test]
fn the_whole_endpoint_is_taken_as_it_is_meant() {
    for behind in ["/v1/chat/completions", "/v1/chat/completions/", "/v1/completions", "/v1/", "//"] {
        let (place, stub) = (Place::new(), Stub::plain());
        stub.bench(&place, behind, &["--model", "m"]).expect(0);
        assert_eq!(completed(&place), 4, "{behind}");
        let is_text = stub.bodies()[0].get("prompt").is_some();
        assert_eq!(is_text, behind == "/v1/completions", "{behind}");
    }
    let place = Place::new();
    let both = ["--model", "m", "--endpoint", "completions"];
    Stub::plain().bench(&place, "/v1/chat/completions", &both).expect(2).says(&["--endpoint", "hint: "]);
    Stub::plain()
        .bench(&place, "/v1/embeddings", &["--model", "m"])
        .expect(2)
        .says(&["/v1/chat/completions"]);
    assert!(!place.path("results").exists());
}

#[test]
fn a_host_header_is_sent_in_the_place_of_the_address() {
    let place = Place::new();
    let stub =
        Stub::start(|asked, stream| match asked.headers.matches("host: tiny.models.example\r\n").count() {
            1 if asked.line.starts_with("POST") && asked.headers.matches("host:").count() == 1 => {
                answer(stream, "200 OK", "", STREAM);
            }
            _ => answer(stream, "404 Not Found", "", ""),
        });
    stub.bench(&place, "", &["--model", "m", "--header", "Host: tiny.models.example"]).expect(0);
    assert_eq!(completed(&place), 4);
}

#[test]
fn of_several_models_one_that_generates_text_is_taken_and_the_terminal_says_of_how_many() {
    let list =
        json!({"data": [{"id": "tiny-embed"}, {"id": "tiny-chat"}, {"id": "tiny-chat-lora"}]}).to_string();
    let stub = Stub::start(move |asked, stream| match asked.line.starts_with("POST") {
        true => answer(stream, "200 OK", "", STREAM),
        false => answer(stream, "200 OK", "", &list),
    });
    let place = Place::new();
    stub.bench(&place, "", &[])
        .expect(0)
        .says(&["model tiny-chat, second of 3 listed: tiny-embed, tiny-chat"]);
    assert!(stub.bodies().iter().all(|body| body["model"] == "tiny-chat"));
    stub.bench(&Place::new(), "", &["--model", "other"]).expect(0).says(&["not among the 3 listed"]);
}

#[test]
fn fields_that_a_server_refuses_are_renamed_left_out_and_added() {
    let stub = Stub::start(|asked, stream| {
        let wrong = ["max_tokens", "temperature"].into_iter().find(|field| asked.body.get(field).is_some());
        match wrong {
            _ if asked.line.starts_with("GET") => answer(stream, "404 Not Found", "", ""),
            Some(wrong) => {
                let body = json!({"error": {"message": format!("{wrong} is not taken by this model")}});
                answer(stream, "400 Bad Request", "", &body.to_string());
            }
            None => answer(stream, "200 OK", "", STREAM),
        }
    });
    let failed = stub.bench(&Place::new(), "", &["--model", "m"]).expect(1);
    assert!(words(&failed).contains("400 max_tokens is not taken by this model"), "{}", failed.stdout);
    failed.says(&["hint: name the limit's field: --max-tokens-field max_completion_tokens"]);
    let named = ["--model", "m", "--max-tokens-field", "max_completion_tokens", "--max-tokens", "7"];
    let failed = stub.bench(&Place::new(), "", &named).expect(1);
    failed.says(&["hint: leave the field out: --omit temperature"]);
    let place = Place::new();
    let more = ["--omit", "temperature", "--extra-body", r#"{"top_k": 1, "stream_options": {"x": 2}}"#];
    stub.asked.lock().unwrap().clear();
    stub.bench(&place, "", &[&named[..], &more].concat()).expect(0);
    assert_eq!(completed(&place), 4);
    for body in stub.bodies() {
        assert_eq!((&body["max_completion_tokens"], &body["top_k"]), (&json!(7), &json!(1)));
        assert_eq!(body["stream_options"], json!({"include_usage": true, "x": 2}));
    }
}

#[test]
fn an_unknown_server_is_asked_to_ignore_the_end_and_what_came_of_it_is_said() {
    let (place, stub) = (Place::new(), Stub::plain());
    let asked = ["--model", "m", "--ignore-eos", "--max-tokens", "9"];
    let ran = stub.bench(&place, "", &asked).expect(0);
    assert!(stub.bodies().iter().all(|body| body["ignore_eos"] == true));
    assert_eq!(completed(&place), 4, "an answer that ends early is no failure of an unknown server");
    assert!(words(&ran).contains("4 of 4 requests ended before their limit"), "{}", ran.stdout);
    let ran = stub.bench(&Place::new(), "", &["--model", "m", "--ignore-eos", "--max-tokens", "1"]).expect(0);
    assert!(!ran.stdout.contains("--ignore-eos"), "{}", ran.stdout);
}

#[test]
fn a_redirect_of_the_endpoint_is_told_with_its_address_and_a_way_to_follow() {
    let stub = Stub::start(|asked, stream| match asked.line.split(' ').nth(1) {
        Some("/v1/chat/completions/") => answer(stream, "200 OK", "", STREAM),
        Some("/v1/chat/completions") => {
            answer(stream, "307 Temporary Redirect", "location: /v1/chat/completions/\r\n", "");
        }
        _ => answer(stream, "404 Not Found", "", ""),
    });
    let ran = stub.bench(&Place::new(), "", &["--model", "m"]).expect(1);
    assert!(words(&ran).contains("307 redirects to /v1/chat/completions/"), "{}", ran.stdout);
    ran.says(&["--endpoint-path"]);
    let place = Place::new();
    stub.bench(&place, "", &["--model", "m", "--endpoint-path", "/v1/chat/completions/"]).expect(0);
    assert_eq!(completed(&place), 4);
}

#[test]
fn datasets_of_others_are_taken_and_what_is_passed_over_is_named() {
    let ids = |place: &Place| -> Vec<String> {
        let rows = rows(&place.result("server_2", "_requests.csv"));
        let mut ids: Vec<String> = rows.into_iter().map(|row| row["prompt_id"].clone()).collect();
        ids.sort();
        ids
    };
    let played = |lines: &[Value]| {
        let (place, stub) = (Place::new(), Stub::plain());
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        place.write("mine.jsonl", &text.join("\n"));
        let ran = stub.bench(&place, "", &["--model", "m", "--dataset", "mine.jsonl"]).expect(0);
        assert_eq!(completed(&place), 4);
        (ids(&place), stub.bodies(), ran.stderr)
    };
    let four = |line: fn(u64) -> Value| (1..=4).map(line).collect::<Vec<_>>();
    let (ids, _, _) = played(&four(|k| json!({"id": k, "prompt": "Name a river.", "max_tokens": 16})));
    assert_eq!(ids, ["1", "2", "3", "4"]);
    let (_, _, said) = played(&four(|_| json!({"prompt": "Lake?", "completion": "x", "source": "own"})));
    assert_eq!(said.matches("columns passed over: completion, source").count(), 1, "{said}");
    let (_, bodies, _) = played(&four(|_| {
        let user = json!([{"type": "text", "text": "Name a hill."}]);
        json!({"messages": [{"role": "system", "content": "One word."}, {"role": "user", "content": user}]})
    }));
    let user = json!({"role": "user", "content": [{"type": "text", "text": "Name a hill."}]});
    assert_eq!(bodies[0]["messages"], json!([{"role": "system", "content": "One word."}, user]));
}

#[test]
fn a_plan_that_measures_nothing_is_never_a_success() {
    let (place, stub) = (Place::new(), Stub::plain());
    for load in [
        &["--rate", "0.0001", "--duration", "2s"][..],
        &["--duration", "0.0000001s", "--concurrency", "2"],
        &["--duration", "100ns"],
        &["--requests", "0"],
        &["--timeout", "0"],
    ] {
        let args =
            [&["bench", "--url", &stub.url, "--model", "m", "--warmup", "0", "--strict"][..], load].concat();
        place.run(&args).expect(2).says(&["error: ", "hint: "]);
    }
    let args = ["sweep", "--url", &stub.url, "--model", "m", "--rates", "100,0.0001", "--duration", "2s"];
    place.run(&args).expect(2).says(&["no request falls due"]);
    let args = ["compare", "--backend", TWO, "--model", "model", "--rate", "0.0001", "--duration", "2s"];
    place.run(&args).expect(2).says(&["no request falls due"]);
    assert!(stub.bodies().is_empty() && place.summary_is_absent());
}

#[test]
fn a_host_that_is_not_there_ends_before_the_run_and_leaves_no_row() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in ["http://no-such-host.invalid:8000".to_owned(), format!("http://{free}")] {
        let host = url.trim_start_matches("http://").split(':').next().unwrap().to_owned();
        place.run(&["bench", "--url", &url, "--model", "m"]).expect(2).says(&[
            &host,
            "cannot be measured",
            "hint: ",
        ]);
    }
    assert!(place.summary_is_absent());
}

#[test]
fn a_model_list_that_never_answers_costs_no_ten_seconds_where_the_model_is_named() {
    let stub = Stub::start(|asked, stream| match asked.line.starts_with("POST") {
        true => answer(stream, "200 OK", "", STREAM),
        false => std::thread::sleep(Duration::from_secs(60)),
    });
    let began = Instant::now();
    let place = Place::new();
    stub.bench(&place, "", &["--model", "m"]).expect(0).says(&["going on with the model that was named"]);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(completed(&place), 4);
}

#[test]
fn a_model_list_without_an_end_is_given_up_and_a_name_of_any_length_is_cut() {
    let endless = Stub::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"data\":[");
        let piece = "{\"id\":\"aaaaaaaaaaaaaaaa\"},".repeat(10_000);
        while stream.write_all(piece.as_bytes()).is_ok() {}
    });
    let began = Instant::now();
    endless.bench(&Place::new(), "", &[]).expect(2).says(&["does not end within 4 MB", "--model"]);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let list = json!({"data": [{"id": "m".repeat(1 << 20)}]}).to_string();
    let stub = Stub::start(move |asked, stream| match asked.line.starts_with("POST") {
        true => answer(stream, "200 OK", "", STREAM),
        false => answer(stream, "200 OK", "", &list),
    });
    let place = Place::new();
    let ran = stub.bench(&place, "", &[]).expect(0);
    assert!(ran.stdout.len() + ran.stderr.len() < 20_000);
    assert_eq!(place.summary_rows()[0]["model"].chars().count(), 300);
    assert_eq!(stub.bodies()[0]["model"].as_str().unwrap().len(), 1 << 20, "it is asked for whole");
}

#[test]
fn a_reader_that_takes_one_line_makes_no_panic() {
    let stub = Stub::plain();
    let place = Place::new();
    let bench = [&["bench", "--url", &stub.url, "--model", "m"][..], &FOUR].concat();
    let dry = [&bench[..], &["--dry-run"]].concat();
    for args in [&bench[..], &dry, &["doctor"], &["--help"], &["bench", "--help"], &["install", "nothing"]] {
        let mut command = place.command(args);
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let said = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!text.contains("panicked"), "{args:?}: {text}");
        let expected = if args[0] == "install" { 2 } else { 0 };
        assert_eq!(said.status.code(), Some(expected), "{args:?}: {text}");
    }
    assert_eq!(completed(&place), 4);
}
