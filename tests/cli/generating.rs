//! `dataset generate` against the pretend engine, whose texts are words in a row and no JSON.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use super::common::*;

const KEY: &str = "sk-or-v1-0123456789abcdef";

/// Answers of a few words, of which some are nearly the same.
fn writer(more: &[&str]) -> Simulator {
    let words = ["--itl", "1ms", "--output-tokens", "5"];
    Simulator::start("vllm", &[&words[..], more].concat())
}

fn generate(place: &Place, server: &Simulator, more: &[&str]) -> Running {
    let url = server.url();
    let args = ["dataset", "generate", "--url", &url, "--output", "new.jsonl", "--api-key-env", "MY_MODEL"];
    let mut command = place.command(&[&args[..], more].concat());
    command.env("MY_MODEL", KEY);
    Running::of(command)
}

fn entries(place: &Place) -> Vec<Value> {
    let text = place.read("new.jsonl");
    assert!(text.ends_with('\n'), "whole lines: {text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_no_key(place: &Place, ran: &Ran) {
    let shown = format!("{}{}{}", ran.stdout, ran.stderr, place.read("new.jsonl"));
    assert!(!shown.contains(KEY), "{shown}");
}

#[test]
fn prompts_of_each_category_are_written_once_and_can_be_played() {
    let place = Place::new();
    let server = writer(&[]);
    let ran = generate(&place, &server, &["--count", "5", "--categories", "chat,code"]).wait().expect(0);
    assert!(ran.stdout.starts_with("5 prompts in new.jsonl, 5 of them new"), "{}", ran.stdout);
    let entries = entries(&place);
    let texts: BTreeSet<&str> = entries.iter().map(|entry| entry["prompt"].as_str().unwrap()).collect();
    assert_eq!((entries.len(), texts.len()), (5, 5));
    let ids: BTreeSet<&str> = entries.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, BTreeSet::from(["chat-01", "chat-02", "chat-03", "code-01", "code-02"]));
    assert_no_key(&place, &ran);
    let url = server.url();
    let bench = ["bench", "--url", &url, "--dataset", "new.jsonl", "--requests", "5", "--warmup", "0"];
    place.run(&bench).expect(0);
    assert_eq!(place.summary_rows()[0]["dataset"], "new");
}

#[test]
fn what_is_in_the_file_counts_and_a_model_that_repeats_itself_ends_it_with_exit_1() {
    let place = Place::new();
    let server = writer(&[]);
    generate(&place, &server, &["--count", "3", "--categories", "chat"]).wait().expect(0);
    let before = entries(&place);
    let ran =
        generate(&place, &server, &["--count", "5", "--categories", "chat", "--seed", "4"]).wait().expect(0);
    assert!(ran.stdout.contains("5 prompts in new.jsonl, 2 of them new"), "{}", ran.stdout);
    assert_eq!(entries(&place)[..3], before);
    // Of thirty-two words in a row there are only so many pieces that are not nearly the same.
    let ran = generate(&place, &server, &["--count", "500", "--categories", "chat"]).wait().expect(1);
    let ran = ran.says(&["gives no new prompts any more", "hint: another --model"]);
    assert!(ran.stdout.contains("duplicates"), "{}", ran.stdout);
    let held = entries(&place).len();
    assert!((5..=32).contains(&held), "{held}");
    generate(&place, &server, &["--count", "2"]).wait().expect(0);
    assert_eq!(entries(&place).len(), held, "nothing is asked where there is enough");
}

#[test]
fn a_busy_server_is_asked_again_and_one_that_refuses_is_not() {
    let place = Place::new();
    let server = writer(&["--fault", "429:at=1", "--fault", "503:at=2"]);
    let ran = generate(&place, &server, &["--count", "2", "--categories", "chat"]).wait().expect(0);
    let ran = ran.says(&["busy (429", "busy (503", "again in 0.5 s", "again in 1.0 s"]);
    assert_no_key(&place, &ran);
    let always = writer(&["--fault", "500:every=1"]);
    let tries = ["--count", "9", "--tries", "2"];
    generate(&place, &always, &tries)
        .wait()
        .expect(2)
        .says(&["gave no answer in 2 tries: 500", "stays, and counts"]);
    let refusing = writer(&["--fault", "401:every=1"]);
    let ran = generate(&place, &refusing, &["--count", "9"]).wait().expect(2).says(&["refuses: 401"]);
    assert_eq!(refusing.truth().len(), 1, "asked once");
    assert_no_key(&place, &ran);
    assert_eq!(entries(&place).len(), 2, "what was written stays");
}

#[test]
fn ctrl_c_keeps_what_is_there() {
    let place = Place::new();
    let slow = writer(&["--ttft", "500ms"]);
    let mut running = generate(&place, &slow, &["--count", "400", "--categories", "chat"]);
    running.wait_for("a prompt", || {
        std::fs::read_to_string(place.path("new.jsonl")).is_ok_and(|text| !text.is_empty())
    });
    running.signal(Signal::INT);
    let ran = running.wait().expect(130).says(&["what is in the file stays"]);
    let held = entries(&place).len();
    assert!(ran.stdout.contains(&format!("{held} prompts in new.jsonl")), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let place = Place::new();
    let refused = |args: &[&str], said: &[&str]| {
        let ran = place.run(&[&["dataset", "generate"][..], args].concat()).expect(2);
        let ran = ran.says(said);
        assert!(!place.path("generated_dataset.jsonl").exists(), "{}", ran.stderr);
    };
    refused(&["--model", "m"], &["OPENROUTER_API_KEY", "that variable is not set"]);
    refused(&["--output", "x.json"], &["does not end in .jsonl"]);
    refused(
        &["--url", "http://127.0.0.1:1", "--api-key-env", "sk-or-secret-secret"],
        &["takes the name of a variable"],
    );
    refused(&["--url", "http://127.0.0.1:1"], &["/v1/models", "name one with --model"]);
    refused(&["--url", "http://127.0.0.1:1", "--categories", "a,a"], &["holds one twice"]);
}

#[test]
fn a_file_of_something_else_is_kept_as_it_is() {
    let place = Place::new();
    for notes in ["my notes in one line", "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}"] {
        std::fs::write(place.path("new.jsonl"), notes).unwrap();
        let generate = ["dataset", "generate", "--url", "http://127.0.0.1:9", "--model", "m", "--tries", "1"];
        place.run(&[&generate[..], &["--count", "2", "--output", "new.jsonl"]].concat()).expect(2);
        assert_eq!(place.read("new.jsonl"), notes);
    }
}
