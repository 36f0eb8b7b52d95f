//! Somebody else's words: what a server says acts on no terminal and in no spreadsheet, and repeats no key.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::common::*;

type Say = Box<dyn Fn(&str) -> String + Send>;

/// A server whose every answer is made of what it was asked: head and path.
struct Stub {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = Vec::new();
                let mut buffer = [0; 4096];
                let head = loop {
                    let count = stream.read(&mut buffer).unwrap_or(0);
                    bytes.extend(&buffer[..count]);
                    let text = String::from_utf8_lossy(&bytes);
                    if let Some((head, body)) = text.split_once("\r\n\r\n") {
                        let length = head.lines().find_map(|line| {
                            line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                        });
                        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                            break head.to_owned();
                        }
                    }
                    if count == 0 {
                        break text.into_owned();
                    }
                };
                seen.lock().unwrap().push(head.clone());
                let _ = stream.write_all(answer(&head).as_bytes());
            }
        });
        Stub { url, asked }
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap().join("\n")
    }
}

fn body(status: &str, content_type: &str, text: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

/// Three tokens, and this finish reason.
fn answer(finish: &str) -> String {
    let event = |delta: &str, finish: serde_json::Value| {
        let value = serde_json::json!({"choices": [{"index": 0, "delta": {"content": delta}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 3}});
        format!("data: {value}\n\n")
    };
    let events: String = ["a", "b", "c"].map(|word| event(word, serde_json::Value::Null)).concat();
    body("200 OK", "text/event-stream", &format!("{events}{}data: [DONE]\n\n", event("", finish.into())))
}

fn error_event(message: &str) -> String {
    let value = serde_json::json!({"error": {"message": message}});
    body("200 OK", "text/event-stream", &format!("data: {value}\n\n"))
}

fn models(name: &str) -> String {
    body("200 OK", "application/json", &serde_json::json!({"data": [{"id": name}]}).to_string())
}

const FEW: [&str; 8] = ["--requests", "3", "--concurrency", "2", "--warmup", "0", "--ramp", "0s"];

fn bench(place: &Place, stub: &Stub, more: &[&str]) -> Ran {
    let mut command = place.command(&[&["bench", "--url", &stub.url], &FEW[..], more].concat());
    command.env("KEY", KEY).env("HARNESS_HEADER", format!("X-Api-Key: {HEADER}"));
    Running::of(command).wait()
}

const KEY: &str = "sk-echoed/1";
const HEADER: &str = "echoed+2";

/// Every file of the results, compressed or not.
fn files(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_none_or(|end| end != "png") {
            let bytes = std::fs::read(&path).unwrap();
            let is_packed = path.extension().is_some_and(|end| end == "zst");
            let bytes = if is_packed { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
            all.push((path, String::from_utf8(bytes).unwrap()));
        }
    }
    all
}

fn assert_nowhere(place: &Place, ran: &Ran, is_bad: impl Fn(&str) -> bool) {
    assert!(!is_bad(&ran.stdout), "{}", ran.stdout);
    assert!(!is_bad(&ran.stderr), "{}", ran.stderr);
    for (path, text) in files(&place.path("results")) {
        assert!(!is_bad(&text), "{}: {text}", path.display());
    }
}

/// A title, a cleared screen, a line turned around, a colour of one byte, lines within lines.
const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[2J no \u{202e} way \u{9b}31m \u{2066}x\u{200f}\u{7f}\u{2028}";

fn acts(text: &str) -> bool {
    let is_bad = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace("\r\n", "\n").contains(is_bad)
}

#[test]
fn no_character_that_acts_reaches_a_terminal_or_a_file_whoever_says_it() {
    let says: [fn(&str) -> String; 5] = [
        |_| error_event(EVIL),
        |_| answer(EVIL),
        |_| body("500 Oh", "application/json", &serde_json::json!({"error": {"message": EVIL}}).to_string()),
        |_| body("500 Oh", "text/plain", EVIL),
        |head| if head.starts_with("GET /v1/models") { models(EVIL) } else { answer("stop") },
    ];
    for (number, say) in says.into_iter().enumerate() {
        let place = Place::new();
        let stub = Stub::start(say);
        let named = if number == 4 { &["-v"][..] } else { &["-v", "--model", "m"] };
        let ran = bench(&place, &stub, named);
        assert!(matches!(ran.code, Some(0 | 1)), "{number}: {}", ran.stderr);
        assert_nowhere(&place, &ran, acts);
        let probed = bench(&place, &stub, &[named, &["--probe"]].concat());
        assert_nowhere(&place, &probed, acts);
        // Several rounds: a page, pictures and a comparison.
        let several = bench(&place, &stub, &[named, &["--rounds", "2"]].concat());
        assert_nowhere(&place, &several, acts);
        let again = place.run(&["report", "results"]);
        assert_nowhere(&place, &again, acts);
    }
}

#[test]
fn the_names_that_a_person_gives_act_no_more_than_a_servers() {
    let place = Place::new();
    let stub = Stub::start(|_| answer("stop"));
    let missing = format!("{}.jsonl", EVIL.replace('\u{2028}', ""));
    for more in [
        &["--dataset", &missing][..],
        &["--model", EVIL, "--dry-run"],
        &["--model", EVIL, "--rounds", "2"],
        &["--backend", EVIL],
        &["--concurrency", EVIL],
        &["--plan", EVIL],
    ] {
        let ran = bench(&place, &stub, more);
        assert_nowhere(&place, &ran, acts);
    }
}

#[test]
fn no_cell_of_a_table_is_a_formula_and_the_row_is_found_again() {
    const FORMULA: &str = "=1+1&\"x\"";
    let place = Place::new();
    place.write(
        "=2+5.jsonl",
        "{\"id\": \"@SUM(A1)\", \"prompt\": \"x\"}\n{\"id\": \"-1+1\", \"prompt\": \"y\"}\n",
    );
    let stub = Stub::start(|head| match head.starts_with("GET /v1/models") {
        true => models(FORMULA),
        false => answer("+cmd"),
    });
    let failing = Stub::start(|_| error_event("-2+3"));
    bench(&place, &stub, &["--dataset", "=2+5.jsonl", "--rounds", "2"]).expect(0);
    bench(&place, &failing, &["--model", "@m"]).expect(1);
    place.run(&["report", "results"]);
    let mut cells = 0;
    for (path, text) in files(&place.path("results")) {
        if path.extension().is_some_and(|end| end == "csv") {
            for row in csv::Reader::from_reader(text.as_bytes()).records() {
                for cell in &row.unwrap() {
                    let runs =
                        cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
                    assert!(!runs, "{}: {cell}", path.display());
                    cells += usize::from(cell.starts_with('\''));
                }
            }
        }
    }
    assert!(cells >= 10, "{cells}");
    // A row that is written again is the same row.
    assert_eq!(place.summary_rows().len(), 3);
    assert_eq!(place.summary_rows()[0]["model"], format!("'{FORMULA}"));
}

#[test]
fn a_key_that_a_server_repeats_stands_nowhere() {
    let said = |head: &str| {
        let value = |name: &str| {
            let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
            line.and_then(|line| line.split_once(": ")).map_or("none", |(_, value)| value).to_owned()
        };
        let (key, header) = (value("authorization"), value("x-api-key"));
        let encoded = key.trim_start_matches("Bearer ").replace('/', "%2F");
        format!("wrong: {key}, {header}, ?key={encoded}&h={}", header.replace('+', "%2B"))
    };
    let says: [Say; 6] = [
        Box::new(move |head| {
            body("401 No", "application/json", &format!("{{\"error\": \"{}\"}}", said(head)))
        }),
        Box::new(move |head| body("401 No", "text/plain", &format!("{}{}", "x".repeat(250), said(head)))),
        Box::new(move |head| error_event(&said(head))),
        Box::new(move |head| answer(&said(head))),
        Box::new(move |head| match head.starts_with("GET /v1/models") {
            true => models(&said(head)),
            false => answer("stop"),
        }),
        Box::new(move |head| {
            format!(
                "HTTP/1.1 307 Go\r\nlocation: /?{}\r\ncontent-length: 0\r\n\r\n",
                said(head).replace(' ', "")
            )
        }),
    ];
    for (number, say) in says.into_iter().enumerate() {
        let place = Place::new();
        let stub = Stub::start(say);
        let key = ["-v", "--api-key-env", "KEY"];
        let more = if number == 4 { &key[..] } else { &[&key[..], &["--model", "m"]].concat() };
        let holds =
            |text: &str| ["sk-echoed", "echoed+2", "echoed%2B2"].iter().any(|part| text.contains(part));
        for more in [more.to_vec(), [more, &["--probe"]].concat(), key.to_vec()] {
            let ran = bench(&place, &stub, &more);
            assert_nowhere(&place, &ran, holds);
        }
        let text: String = files(&place.path("results")).into_iter().map(|(_, text)| text).collect();
        assert!(number == 5 || text.contains("***"), "{number}: {text}");
        assert!(stub.asked().contains(KEY) && stub.asked().contains(HEADER));
    }
}

#[test]
fn no_header_follows_a_redirect_to_another_server_and_its_target_is_named() {
    let place = Place::new();
    let other = Stub::start(|_| models("m"));
    let target = other.url.replace("http://", "http://me:pass-1@");
    let stub = Stub::start(move |head| {
        let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
        format!(
            "HTTP/1.1 307 Go\r\nlocation: {target}{path}?key=pass-1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
    });
    let ran = bench(&place, &stub, &["--backend", "vllm", "--api-key-env", "KEY", "-v"]).expect(2);
    assert!(
        ran.stderr.contains(&format!("307 Temporary Redirect (to {}/v1/models)", other.url)),
        "{}",
        ran.stderr
    );
    let named = bench(&place, &stub, &["--backend", "vllm", "--model", "m", "--api-key-env", "KEY", "-v"]);
    assert!(named.stderr.contains("/metrics"), "{}", named.stderr);
    assert_nowhere(&place, &ran, |text| text.contains("pass-1"));
    assert_nowhere(&place, &named, |text| text.contains("pass-1"));
    assert_eq!(other.asked(), "");
}

#[test]
fn a_password_in_a_url_is_refused_wherever_it_is_given() {
    let place = Place::new();
    place.write("plan.yaml", "url: http://me:pass-1@127.0.0.1:9\n");
    let url = "http://:pass-1@127.0.0.1:9";
    for args in [
        &["bench", "--url", url, "--model", "m"][..],
        &["sweep", "--url", url, "--model", "m"],
        &["bench", "--url", "me:pass-1@127.0.0.1:9", "--dry-run", "--model", "m"],
        &["bench", "--plan", "plan.yaml", "--model", "m"],
        &["bench", "--model", "m"],
    ] {
        let mut command = place.command(args);
        if !args.contains(&"--url") && !args.contains(&"--plan") {
            command.env("HARNESS_URL", url);
        }
        let ran = Running::of(command).wait().expect(2);
        assert!(ran.stderr.contains("--url"), "{}", ran.stderr);
        assert_nowhere(&place, &ran, |text| text.contains("pass-1"));
    }
    assert!(!place.path("results").exists());
}

#[test]
fn secrets_among_the_settings_of_an_engine_are_refused_with_the_cure() {
    let place = Place::new();
    for more in [
        &["--env", "a.OPENAI_KEY=secret-1"][..],
        &["--env", "a.DB_PASS=secret-1"],
        &["--env", "a.MY_TOKENS=secret-1"],
        &["--env", "a.DATABASE=postgres://me:secret-1@h/db"],
        &["--env", "a.WHATEVER=hf_secret-1secret-1secret"],
        &["--extra-args", "a=--api-keys secret-1"],
        &["--extra-args", "a=--key=secret-1"],
        &["--extra-args", "a=--config '{\"api_key\": \"secret-1\"}'"],
        &["--extra-args=--api-key secret-1"],
        &["--extra-args", "a=--api-key 'secret-1"],
        &["--set", "a.api_key_env=secret-1"],
        &["--api-key-env", "secret-1"],
    ] {
        let ran = place.compare("a=fake.yaml", &[more, &["--dry-run"]].concat()).expect(2);
        assert!(
            !ran.stderr.contains("secret-1") && ran.stderr.contains("hint: "),
            "{more:?}: {}",
            ran.stderr
        );
    }
    place.change_definition("args: [--host", "env: {MY_KEY: secret-1}\n  args: [--host");
    let ran = place.compare("a=fake.yaml", &["--dry-run"]).expect(2);
    assert!(ran.stderr.contains("MY_KEY") && !ran.stderr.contains("secret-1"), "{}", ran.stderr);
    place.change_definition("grace_s: 2", "grace_s: 2");
    let fine =
        ["--env", "a.TOKENIZER=x", "--env", "a.MAX_TOKENS=8", "--extra-args", "a=--kv-cache-dtype-key fp8"];
    place.compare("a=fake.yaml", &[&fine[..], &["--dry-run"]].concat()).expect(0);
}
