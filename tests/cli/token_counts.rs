//! Servers whose events and token counts do not tell the same: what is shown, withheld and said of each.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::common::*;

/// One step of an answer: wait so long, then write these events at once.
type Step = (u64, Vec<Value>);

/// Answers every POST with the same steps and every other request with 404, until the test's process ends.
fn serve(headers: &'static str, steps: Vec<Step>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, steps) = (stream.unwrap(), steps.clone());
            std::thread::spawn(move || answer_all(stream, headers, &steps));
        }
    });
    url
}

fn answer_all(stream: TcpStream, headers: &str, steps: &[Step]) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let (mut length, mut first) = (0, String::new());
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if line == "\r\n" {
                break;
            }
            let line = line.to_ascii_lowercase();
            length =
                line.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        if !first.starts_with("POST") {
            writer.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok()?;
            continue;
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{headers}\r\n"
        );
        writer.write_all(head.as_bytes()).ok()?;
        for (wait_ms, events) in steps {
            std::thread::sleep(Duration::from_millis(*wait_ms));
            let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).ok()?;
        }
        let done = "data: [DONE]\n\n";
        writer.write_all(format!("{:x}\r\n{done}\r\n0\r\n\r\n", done.len()).as_bytes()).ok()?;
    }
}

fn token() -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": null}]})
}

/// The end of an answer, with what the server counted.
fn end(finish: &str, tokens: Value) -> Step {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": tokens});
    (0, vec![json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "usage": usage})])
}

/// So many tokens 20 ms apart behind 50 ms, then the end.
fn stream(tokens: usize, end: Step) -> Vec<Step> {
    let each = (0..tokens).map(|place| (if place == 0 { 50 } else { 20 }, vec![token()]));
    each.chain([end]).collect()
}

/// What came of four requests, two in flight, under --strict.
struct Told {
    ran: Ran,
    summary: Value,
    requests: Vec<BTreeMap<String, String>>,
    codes: Vec<String>,
}

fn bench(url: &str, more: &[&str]) -> Told {
    let place = Place::new();
    let load =
        ["--requests", "4", "--concurrency", "2", "--warmup", "0", "--ramp", "0s", "--max-tokens", "96"];
    let to = ["bench", "--url", url, "--model", "m", "--strict"];
    let ran = place.run(&[&to[..], &load, more].concat());
    let summary = place.run_json("server")["summary"].clone();
    let codes = summary["caveats"].as_array().unwrap().iter();
    let codes = codes.map(|caveat| caveat["code"].as_str().unwrap().to_owned()).collect();
    let requests = rows(&place.result("server", "_requests.csv"));
    Told { ran, codes, requests, summary }
}

impl Told {
    fn metric(&self, name: &str) -> &Value {
        &self.summary["metrics"][name]
    }

    fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known == code)
    }

    /// Stdout holds this, however its lines are broken.
    fn says(&self, text: &str) -> bool {
        self.ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(text)
    }

    fn withholds_every_pace(&self) {
        for pace in ["tpot_ms", "itl_ms", "user_tps"] {
            assert_eq!(self.metric(pace), &Value::Null, "{pace}");
        }
        assert!(self.requests.iter().all(|row| row["tpot_ms"].is_empty()), "{:?}", self.requests);
        assert!(self.has("pace_withheld"), "{:?}", self.codes);
        assert_eq!(self.ran.code, Some(1), "{}", self.ran.stderr);
    }
}

#[test]
fn hidden_reasoning_withholds_the_paces_in_every_output_and_says_between_what_they_lie() {
    let told = bench(&serve("", stream(10, end("length", json!(90)))), &[]);
    told.withholds_every_pace();
    assert_eq!(told.summary["tokens"]["output"], 360);
    assert!(told.says("withheld: between"), "{}", told.ran.stdout);
}

#[test]
fn a_gateway_that_sends_the_whole_answer_at_once_is_named_and_has_no_pace() {
    let whole = vec![(200, vec![token(); 16]), end("length", json!(16))];
    let told = bench(&serve("via: 1.1 nginx\r\n", whole), &[]);
    told.withholds_every_pace();
    assert!(told.has("buffered") && !told.has("merged_events"), "{:?}", told.codes);
    assert!(told.says("nginx before it"), "{}", told.ran.stdout);
    assert_eq!(told.summary["gateway"], "nginx");
}

#[test]
fn a_gateways_own_count_is_no_count_of_the_servers() {
    let told = bench(&serve("x-litellm-version: 1.80\r\n", stream(8, end("stop", json!(16)))), &[]);
    assert_eq!(told.summary["tokens"]["output"], 32);
    assert_eq!(told.summary["tokens"]["sources"], json!({"chunks": 4}));
    assert!(told.has("counts_impossible"), "{:?}", told.codes);
    assert_eq!(told.ran.code, Some(1));
    assert!(told.requests.iter().all(|row| row["output_tokens"] == "8" && row["token_source"] == "chunks"));
}

#[test]
fn an_unknown_server_is_asked_whether_its_end_is_hidden_and_not_told() {
    for (counted, hidden, says) in [(3, false, "no end of sequence is hidden"), (4, true, "not shown")] {
        let told = bench(&serve("", stream(3, end("stop", json!(counted)))), &[]);
        assert_eq!(told.summary["tokens"]["delivered"], 12);
        assert_eq!(told.summary["tokens"]["end_of_sequence"]["hidden"], hidden);
        let tpot = told.metric("tpot_ms")["p50"].as_f64().unwrap();
        assert!((19.0..40.0).contains(&tpot), "{tpot}: not 40 of two tokens or more");
        assert!(told.says(says), "{}", told.ran.stdout);
        assert!(!told.has("pace_withheld") && !told.has("counts_impossible"), "{:?}", told.codes);
    }
}

#[test]
fn an_empty_answer_is_completed_with_usage_and_without_and_its_dashes_say_why() {
    let without = (50, vec![json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})]);
    let with = vec![(50, end("stop", json!(1)).1)];
    for (steps, words) in [(with, "1 token, not shown, in 4 of 4"), (vec![without], "no token in 4 of 4")] {
        let told = bench(&serve("", steps), &[]);
        assert_eq!(told.summary["requests"]["completed"], 4);
        assert!(told.has("no_latency"), "{:?}", told.codes);
        assert!(told.says(words), "{}", told.ran.stdout);
        assert_eq!(told.ran.code, Some(1));
    }
}

#[test]
fn a_misspelt_counter_is_called_so_and_not_zero() {
    let place = Place::new();
    std::fs::create_dir(place.path("mine")).unwrap();
    let misspelt =
        place.read("fake.yaml").replace("fake:generation_tokens_total", "fake:no_such_tokens_total");
    place.write("mine/fake.yaml", &misspelt);
    let engine = Engine::start(&[]);
    let known = ["--backend", "fake", "--backends-dir", "mine", "--strict"];
    let ran = place.run(&[&["bench", "--url", &engine.url][..], &QUICK, &known].concat()).expect(1);
    let words = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("No such counter: fake:no_such_tokens_total"), "{words}");
    let caveats = &place.run_json("fake")["summary"]["caveats"];
    assert!(!caveats.to_string().contains("server_counts_differ"), "{caveats}");
}
