//! `bench` against a server that runs already, and open loops.

use std::io::{Read, Write};

use serde_json::Value;

use super::common::*;

const CHAT: &str = "POST /v1/chat/completions";

fn bench(place: &Place, engine: &Engine, more: &[&str]) -> Ran {
    place.run(&[&["bench", "--url", &engine.url][..], more].concat())
}

#[test]
fn with_warmup_0_nothing_but_the_measured_requests_reaches_a_generating_endpoint() {
    let place = Place::new();
    let mut engine = Engine::start(&["--served-model-name", "some-model"]);
    let traffic = ["--warmup", "0", "--requests", "7", "--concurrency", "3", "--max-tokens", "4"];
    bench(&place, &engine, &traffic).expect(0).says(&["files: results/server_2"]);
    assert_eq!(engine.asked(CHAT), 7);
    assert_eq!(engine.asked("POST /v1/completions"), 0);
    let run = place.run_json("server");
    assert_eq!(run["summary"]["requests"]["completed"], 7);
    assert_eq!(run["summary"]["warmup"]["issued"], 0);
    // The model is the one that the server lists.
    assert_eq!(engine.asked("GET /v1/models"), 1);
    assert_eq!(run["summary"]["model"], "some-model");
    assert_eq!(place.summary_rows()[0]["model"], "some-model");
    assert!(engine.is_alive(), "it is not ours to stop");
    place.assert_nothing_lives();
}

#[test]
fn a_probe_is_sent_only_where_it_is_asked_for() {
    let place = Place::new();
    let engine = Engine::start(&[]);
    let traffic = ["--warmup", "1", "--requests", "2", "--concurrency", "1", "--max-tokens", "4", "--probe"];
    bench(&place, &engine, &traffic).expect(0);
    assert_eq!(engine.asked(CHAT), 1 + 6 + 1 + 2);
    assert_eq!(place.run_json("server")["summary"]["probes"].as_array().unwrap().len(), 6);
}

#[test]
fn a_probe_without_fairness_is_the_one_of_readiness() {
    let place = Place::new();
    let engine = Engine::start(&[]);
    let traffic = ["--warmup", "0", "--requests", "2", "--concurrency", "1", "--max-tokens", "4", "--probe"];
    bench(&place, &engine, &[&traffic[..], &["--fairness", "off"]].concat()).expect(0);
    assert_eq!(engine.asked(CHAT), 1 + 2);
}

#[test]
fn a_known_label_takes_the_counters_of_its_file_and_they_agree() {
    let place = Place::new();
    std::fs::create_dir(place.path("mine")).unwrap();
    std::fs::copy(place.path("fake.yaml"), place.path("mine/fake.yaml")).unwrap();
    let engine = Engine::start(&[]);
    bench(&place, &engine, &[&QUICK[..], &["--backend", "fake", "--backends-dir", "mine"]].concat())
        .expect(0);
    let server = &place.run_json("fake")["summary"]["server"];
    assert_eq!(server["generated_tokens"], (14 * 8) as f64);
    assert_eq!(server["generated_tokens"], server["client_generated_tokens"]);
}

#[test]
fn a_server_that_cannot_be_reached_is_refused_in_one_line() {
    let place = Place::new();
    let url = Engine::start(&[]).url.clone();
    let ran = place.run(&["bench", "--url", &url]).expect(2);
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(&url) && ran.stderr.contains("--model"), "{}", ran.stderr);
}

#[test]
fn a_server_that_goes_away_gives_connect_failures() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It is there when it is asked for its models, and gone before the load.
    let gone = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let args = ["bench", "--url", &url, "--model", "m"];
    let ran = place.run(&[&args[..], &QUICK].concat()).expect(1);
    gone.join().unwrap();
    let requests = place.run_json("server")["summary"]["requests"].clone();
    assert_eq!(requests["failures"]["connect"], 12, "{requests}");
    assert!(ran.stdout.contains("connect"), "{}", ran.stdout);
    assert_eq!(place.summary_rows()[0]["exit"], "failed");
}

fn counts(requests: &Value) -> [u64; 5] {
    ["issued", "completed", "failed", "cancelled", "dropped"].map(|name| requests[name].as_u64().unwrap())
}

#[test]
fn an_open_loop_cancels_what_its_drain_does_not_wait_for() {
    let place = Place::new();
    // An answer takes minutes: none is over in time.
    let engine = Engine::start(&["--itl-ms", "10000"]);
    let load =
        ["--rate", "20", "--duration", "1s", "--drain", "300ms", "--warmup", "0", "--max-tokens", "16"];
    // Nothing was measured, which is no success.
    let ran = bench(&place, &engine, &load).expect(1).says(&["nothing was measured"]);
    let requests = place.run_json("server")["summary"]["requests"].clone();
    let [issued, completed, failed, cancelled, dropped] = counts(&requests);
    assert_eq!(issued, completed + failed + cancelled + dropped, "{requests}");
    assert!(cancelled > 5 && completed == 0 && failed == 0, "{requests}");
    assert_eq!(engine.asked(CHAT) as u64, issued - dropped);
    assert!(ran.stdout.contains("Cancelled:"), "{}", ran.stdout);
    assert_eq!(place.summary_rows()[0]["requests_cancelled"], cancelled.to_string());
}

#[test]
fn an_open_loop_under_a_cap_drops_what_never_gets_a_slot() {
    let place = Place::new();
    let engine = Engine::start(&["--itl-ms", "10000"]);
    let load = ["--rate", "20", "--arrival", "constant", "--duration", "1s", "--drain", "200ms"];
    let cap = ["--concurrency", "2", "--warmup", "0", "--max-tokens", "16"];
    bench(&place, &engine, &[&load[..], &cap].concat()).expect(1).says(&["nothing was measured"]);
    let requests = place.run_json("server")["summary"]["requests"].clone();
    let [issued, completed, failed, cancelled, dropped] = counts(&requests);
    assert_eq!((issued, completed, failed, cancelled), (20, 0, 0, 2), "{requests}");
    assert_eq!(dropped, 18, "{requests}");
    assert_eq!(engine.asked(CHAT), 2);
    let csv = rows(&place.result("server_2", "_requests.csv"));
    assert_eq!(csv.iter().filter(|row| row["outcome"] == "dropped" && row["sent_ms"].is_empty()).count(), 18);
}

/// Planned starts, ms after the first one.
fn due_ms(place: &Place, label: &str) -> Vec<f64> {
    let rows = rows(&place.result(&format!("{label}_2"), "_requests.csv"));
    let mut due: Vec<f64> = rows.iter().map(|row| row["due_ms"].parse().unwrap()).collect();
    due.sort_by(f64::total_cmp);
    due.iter().map(|at| at - due[0]).collect()
}

#[test]
fn the_same_seed_gives_the_same_arrivals_and_another_one_others() {
    let place = Place::new();
    let engine = Engine::start(&[]);
    let mut played = Vec::new();
    for (label, seed) in [("one", "1"), ("two", "1"), ("three", "2")] {
        let load = ["--rate", "200", "--requests", "20", "--warmup", "0", "--max-tokens", "2"];
        bench(&place, &engine, &[&load[..], &["--seed", seed, "--backend", label]].concat()).expect(0);
        played.push(due_ms(&place, label));
    }
    let distance = |left: &[f64], right: &[f64]| -> f64 {
        left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max)
    };
    assert_eq!(played[0].len(), 20);
    assert!(distance(&played[0], &played[1]) < 0.1);
    assert!(distance(&played[0], &played[2]) > 1.0);
}
