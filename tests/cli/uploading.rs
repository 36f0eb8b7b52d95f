//! `--upload`, and the flags of Google's inference-benchmark for its output.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use super::common::*;

const KEY: &str = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYHUSH";

/// All files below a directory, by their path in it.
fn tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

fn bench<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["bench", "--url", url, "--requests", "4", "--warmup", "0", "--max-tokens", "4"];
    [&args[..], more].concat()
}

#[test]
fn a_run_lies_in_the_bucket_as_it_lies_here_and_can_be_made_again_from_there() {
    let place = Place::new();
    let server = Simulator::start("vllm", &["--ttft", "2ms", "--itl", "1ms"]);
    let (url, there) = (server.url(), place.path("bucket"));
    let address = format!("file://{}/runs", there.display());
    let more = [
        "--upload",
        &address,
        "--file-prefix",
        "nightly",
        "--export",
        "lpg-json",
        "--additional-metadata-metrics-to-save",
        r#"{"team": "a", "chips": 8}"#,
    ];
    let ran = place.run(&bench(&url, &more)).expect(0);
    assert!(ran.stderr.contains(&format!("uploaded: {address}/bench_")), "{}", ran.stderr);
    let copies = tree(&there.join("runs"));
    let here = tree(&place.path("results"));
    let names: Vec<&String> = here.keys().collect();
    assert!(here.len() >= 6, "{names:?}");
    for (name, bytes) in &here {
        let copy = copies.iter().find(|(copy, _)| copy.split_once('/').is_some_and(|(_, rest)| rest == name));
        assert!(copy.is_some_and(|(_, copy)| copy == bytes), "{name} of {names:?}");
    }
    assert_eq!(copies.len(), here.len());
    assert!(
        here.keys().any(|name| name.starts_with("nightly_server_") && name.ends_with("_records.jsonl.zst"))
    );
    let exported = here.keys().find(|name| name.starts_with("lpg/nightly-server-infqps-")).unwrap();
    let exported = json(&place.path("results").join(exported));
    assert_eq!((&exported["dimensions"]["team"], &exported["dimensions"]["chips"]), (&"a".into(), &8.into()));
    let run = json(
        &place
            .path("results")
            .join(names.iter().find(|name| name.ends_with(".json") && !name.contains('/')).unwrap()),
    );
    assert_eq!(run["plan"]["output"]["metadata"]["team"], "a");
    // What is there again is a results directory.
    let run_id = copies.keys().next().unwrap().split_once('/').unwrap().0.to_owned();
    let copy = there.join("runs").join(run_id).display().to_string();
    place.run(&["report", &copy]).expect(0);
    let again = place.run(&["report", "results", "--upload", &address]).expect(0);
    assert!(again.stderr.contains("were there"), "{}", again.stderr);
}

#[test]
fn an_address_that_cannot_be_used_is_told_before_anything_is_asked_of_a_server() {
    let place = Place::new();
    std::fs::write(place.path("file"), "x").unwrap();
    let server = Simulator::start("vllm", &[]);
    let url = server.url();
    let address = format!("file://{}/below", place.path("file").display());
    let ran = place.run(&bench(&url, &["--upload", &address, "--model", "smollm2"])).expect(2);
    assert!(ran.stderr.contains("hint: choose a directory that you may write"), "{}", ran.stderr);
    for bad in ["ftp://host/path", "s3://bucket/path?key=1", "s3://"] {
        let ran = place.run(&bench(&url, &["--upload", bad, "--dry-run"])).expect(2);
        assert!(ran.stderr.contains("error: --upload"), "{}", ran.stderr);
    }
    place.run(&bench(&url, &["--output-bucket", "b", "--upload", &address])).expect(2);
    place.run(&bench(&url, &["--output-bucket-filepath", "b"])).expect(2);
    assert!(tree(&place.path("results")).is_empty(), "nothing was begun");
}

/// A pretend S3 of a bucket `mine`: what was written, and how often it still says 503 or refuses.
struct PretendS3 {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    busy: u32,
    /// A method that is refused; `any`: all.
    denied: Option<&'static str>,
    unsigned: u32,
}

impl PretendS3 {
    fn start() -> PretendS3 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || converse(stream, &shared));
            }
        });
        PretendS3 { url, state }
    }

    /// A benchmark whose results go there.
    fn run(&self, place: &Place, url: &str, address: &str) -> Ran {
        let mut command = place.command(&bench(url, &["--upload", address]));
        command.env("AWS_ENDPOINT_URL", &self.url).env("AWS_REGION", "eu-west-3");
        command.env("AWS_ACCESS_KEY_ID", "AKIAHUSHHUSHHUSH").env("AWS_SECRET_ACCESS_KEY", KEY);
        Running::of(command).wait()
    }
}

/// Answers what one connection asks, until it ends.
fn converse(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let value = |name: &str| {
            let mut fields = head.iter().filter_map(|line| line.split_once(": "));
            fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let length = value("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = head[0].split(' ');
        let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let signed = value("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256"));
        let (status, more, text) = answer(&method, &target, (body, signed), state);
        let length = text.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{more}\r\n");
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())).is_err() {
            return;
        }
    }
}

fn answer(
    method: &str,
    target: &str,
    (body, signed): (Vec<u8>, bool),
    state: &Mutex<State>,
) -> (&'static str, &'static str, String) {
    let mut state = state.lock().unwrap();
    state.unsigned += u32::from(!signed);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let error = |code: &str| format!("<Error><Code>{code}</Code><Message>{code}.</Message></Error>");
    if state.denied.is_some_and(|denied| denied == "any" || denied == method) {
        return ("403 Forbidden", "", error("AccessDenied"));
    }
    if !path.starts_with("/mine") {
        return ("404 Not Found", "", error("NoSuchBucket"));
    }
    let found = state.objects.contains_key(path);
    match method {
        "POST" => {
            let begun =
                "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";
            ("200 OK", "", begun.to_owned())
        }
        "DELETE" => ("204 No Content", "", String::new()),
        "GET" if query.contains("list-type") => {
            let none = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
            ("200 OK", "", none.to_owned())
        }
        "PUT" if state.busy > 0 => {
            state.busy -= 1;
            ("503 Slow Down", "", error("SlowDown"))
        }
        "PUT" if found => ("412 Precondition Failed", "", error("PreconditionFailed")),
        "PUT" => {
            state.objects.insert(path.to_owned(), body);
            ("200 OK", "etag: \"1\"\r\n", String::new())
        }
        _ => ("404 Not Found", "", error("NoSuchKey")),
    }
}

#[test]
fn a_busy_s3_is_tried_again_one_that_refuses_is_told_first_and_keys_are_nowhere() {
    let place = Place::new();
    let s3 = PretendS3::start();
    let server = Simulator::start("vllm", &["--ttft", "2ms", "--itl", "1ms"]);
    let url = server.url();
    let run = |address: &str| s3.run(&place, &url, address);
    s3.state.lock().unwrap().busy = 2;
    let _ = run("s3://mine/llm").expect(0);
    {
        let state = s3.state.lock().unwrap();
        assert_eq!((state.busy, state.unsigned), (0, 0), "two refusals were outlived, all was signed");
        let here = tree(&place.path("results"));
        for (name, bytes) in &here {
            let end = format!("/{name}");
            let copy = state
                .objects
                .iter()
                .find(|(key, _)| key.starts_with("/mine/llm/bench_") && key.ends_with(&end));
            assert!(copy.is_some_and(|(_, copy)| copy == bytes), "{name}");
        }
        assert_eq!(state.objects.len(), here.len());
        for (name, bytes) in here {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(KEY) && !text.contains("AKIAHUSH"), "{name}");
        }
    }
    let absent = run("s3://yours/llm").expect(2);
    assert!(
        absent.stderr.contains("NoSuchBucket") && absent.stderr.contains("hint: make the bucket"),
        "{}",
        absent.stderr
    );
    s3.state.lock().unwrap().denied = Some("any");
    let denied = run("s3://mine/llm").expect(2);
    assert!(denied.stderr.contains("403 Forbidden: AccessDenied"), "{}", denied.stderr);
    assert!(denied.stderr.contains("hint: give credentials that may write there"), "{}", denied.stderr);
    assert_eq!(
        tree(&place.path("results")).keys().filter(|name| name.ends_with(".zst")).count(),
        2,
        "one run's"
    );
}

#[test]
fn what_could_not_be_uploaded_is_named_with_the_cure_and_stays_here() {
    let place = Place::new();
    let s3 = PretendS3::start();
    let server = Simulator::start("vllm", &["--ttft", "2ms", "--itl", "1ms"]);
    // The proof begins an upload in parts, which is allowed.
    s3.state.lock().unwrap().denied = Some("PUT");
    let ran = s3.run(&place, &server.url(), "s3://mine/llm").expect(1);
    let here = tree(&place.path("results"));
    for name in here.keys() {
        assert!(ran.stderr.contains(name.as_str()), "{name}: {}", ran.stderr);
    }
    let text = "hint: then: harness report results --upload s3://mine/llm";
    assert!(ran.stderr.contains(text) && ran.stderr.contains("403 Forbidden"), "{}", ran.stderr);
    assert!(place.run(&["report", "results"]).expect(0).stdout.contains("server"), "they are whole here");
}

#[test]
fn what_an_interrupted_run_measured_arrives_too() {
    let place = Place::new();
    let server = Simulator::start("vllm", &["--ttft", "2ms", "--itl", "1ms"]);
    let (url, address) = (server.url(), format!("file://{}", place.path("bucket").display()));
    let args = ["bench", "--url", &url, "--duration", "60s", "--warmup", "0", "--max-tokens", "4"];
    let mut running = place.start(&[&args[..], &["--upload", &address]].concat());
    running.wait_for_records(&place, "server", 4);
    running.signal(Signal::INT);
    let ran = running.wait().expect(130);
    assert!(ran.stderr.contains("uploaded: "), "{}", ran.stderr);
    let copies = tree(&place.path("bucket"));
    for (name, bytes) in tree(&place.path("results")) {
        assert!(copies.iter().any(|(copy, there)| copy.ends_with(&name) && *there == bytes), "{name}");
    }
}
