//! Prompts that are made: their lengths at the server, their prefixes, and prompts that come again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::common::*;

const FEW: [&str; 6] = ["--warmup", "0", "--concurrency", "2", "--max-tokens", "2"];

fn bench(place: &Place, url: &str, more: &[&str]) -> Ran {
    place.run(&[&["bench", "--url", url, "--model", "smollm2", "--fairness", "off"][..], more].concat())
}

fn caveats(run: &Value) -> Vec<&str> {
    run["summary"]["caveats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|caveat| caveat["code"].as_str().unwrap())
        .collect()
}

/// Answers every POST with one token and keeps its body, until the test's process ends.
fn keep_bodies() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let bodies = kept.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, bodies) = (stream.unwrap(), bodies.clone());
            std::thread::spawn(move || answer_all(stream, &bodies));
        }
    });
    (url, kept)
}

fn answer_all(stream: TcpStream, bodies: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
        }
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        reader.read_exact(&mut body).ok()?;
        if !head.starts_with("post /v1/") {
            writer.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok()?;
            continue;
        }
        bodies.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        let events = "data: {\"choices\":[{\"index\":0,\"text\":\" yes\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
        write!(writer, "{head}content-length: {}\r\n\r\n{events}", events.len()).ok()?;
    }
}

/// Splits a text into words as the simulator counts them: a word with the space before it is one token.
const WORDS: &str = r###"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "[UNK]"}}"###;

fn write_tokenizer(place: &Place) {
    let words =
        (b'a'..=b'z').flat_map(|one| (b'a'..=b'z').map(move |two| format!("{}{}", one as char, two as char)));
    let vocabulary: BTreeMap<String, usize> =
        ["[UNK]".to_owned()].into_iter().chain(words).enumerate().map(|(id, word)| (word, id)).collect();
    place.write("tokenizer.json", &WORDS.replace("VOCABULARY", &serde_json::to_string(&vocabulary).unwrap()));
}

#[test]
fn lengths_are_exact_in_the_tokens_of_a_tokenizer_and_a_template_is_named() {
    let place = Place::new();
    write_tokenizer(&place);
    let engine = Simulator::start("vllm", &[]);
    let law = "--prompt-dist uniform --prompt-min-tokens 3 --prompt-max-tokens 90 --requests 60 --tokenizer tokenizer.json";
    let law: Vec<&str> = law.split(' ').chain(FEW).collect();
    bench(&place, &engine.url(), &[&law[..], &["--endpoint", "completions", "--backend", "plain"]].concat())
        .expect(0)
        .says(&["3 to 90 tokens, uniform, exact by tokenizer.json"]);
    let run = place.run_json("plain");
    let lengths = &run["summary"]["prompt_lengths"];
    assert_eq!(*lengths, serde_json::json!({"requests": 60, "off": 0, "largest": 0, "added": 0}));
    let records = lines(&place.result("plain_2", "_records.jsonl.zst"));
    let records: Vec<Value> =
        records[1..=60].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let asked: BTreeSet<u64> =
        records.iter().map(|record| record["tokens"]["asked"].as_u64().unwrap()).collect();
    assert!(asked.len() > 20 && asked.iter().all(|tokens| (3..=90).contains(tokens)), "{asked:?}");
    assert!(records.iter().all(|record| record["tokens"]["asked"] == record["tokens"]["prompt"]));

    let ran = bench(&place, &engine.url(), &[&law[..], &["--backend", "chat"]].concat()).expect(0);
    let run = place.run_json("chat");
    let lengths = &run["summary"]["prompt_lengths"];
    assert_eq!((&lengths["off"], lengths["added"].as_i64().unwrap() > 8), (&0.into(), true), "{lengths}");
    assert!(ran.stdout.contains("as asked in each of 60; the server counts"), "{}", ran.stdout);
    assert!(!caveats(&run).contains(&"prompt_lengths_differ"));
}

#[test]
fn without_a_tokenizer_the_servers_own_word_is_taken_and_else_lengths_are_estimated_and_that_is_said() {
    let place = Place::new();
    for engine in ["vllm", "sglang", "llamacpp", "tgi"] {
        let server = Simulator::start(engine, &[]);
        let law =
            ["--prompt-dist", "fixed", "--prompt-tokens", "33", "--requests", "12", "--backend", engine];
        bench(&place, &server.url(), &[&law[..], &FEW, &["--endpoint", "completions"]].concat())
            .expect(0)
            .says(&["by its own tokenize endpoint"]);
        let run = place.run_json(engine);
        assert_eq!(run["plan"]["dataset"]["synthetic"]["counted_by"], "server");
        let lengths = &run["summary"]["prompt_lengths"];
        assert_eq!((&lengths["requests"], &lengths["off"]), (&12.into(), &0.into()), "{engine}: {lengths}");
    }
    let other = Engine::start(&["--served-model-name", "smollm2"]);
    let law = ["--prompt-dist", "fixed", "--prompt-tokens", "33", "--requests", "4"];
    bench(&place, &other.url, &[&law[..], &FEW].concat()).expect(0).says(&["are ESTIMATED", "--tokenizer"]);
    assert_eq!(place.run_json("server")["plan"]["dataset"]["synthetic"]["counted_by"], "estimate");
}

#[test]
fn a_wrong_tokenizer_is_a_doubt_that_counts_what_is_off() {
    let place = Place::new();
    write_tokenizer(&place);
    // It takes two letters for one token; the server takes a word.
    let letters = place.read("tokenizer.json").replace(
        r#"{"type": "Whitespace"}"#,
        r#"{"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": false}"#,
    );
    place.write("letters.json", &letters);
    let engine = Simulator::start("vllm", &[]);
    let law = "--prompt-dist choices --choices-tokens 9,40 --requests 20 --tokenizer letters.json --endpoint completions";
    let law: Vec<&str> = law.split(' ').chain(FEW).collect();
    bench(&place, &engine.url(), &law).expect(0).says(&["encoded and fitted"]);
    let run = place.run_json("server");
    assert!(caveats(&run).contains(&"prompt_lengths_differ"), "{:?}", caveats(&run));
}

#[test]
fn a_dry_run_shows_the_spec_and_the_seeds_and_every_law_has_its_flags() {
    let place = Place::new();
    let dry = |flags: &str| {
        let base = "bench --url http://127.0.0.1:9 --model m --dry-run --seed-lengths 7 --seed-requests 8";
        let args: Vec<&str> = base.split(' ').chain(flags.split(' ')).collect();
        place.run(&args)
    };
    let spec = |flags: &str| {
        let plan: Value = serde_json::from_str(&dry(flags).expect(0).stdout).unwrap();
        assert_eq!(plan["seeds"], serde_json::json!({"requests": 8, "lengths": 7}));
        plan["dataset"]["synthetic"].clone()
    };
    let normal = spec("--prompt-dist normal --prompt-tokens 100 --output-dist uniform --output-max-tokens 9");
    assert_eq!(
        normal["prompts"]["lengths"],
        serde_json::json!({"law": "normal", "mean": 100.0, "sd": 25.0, "min": 1, "max": 300})
    );
    assert_eq!(normal["outputs"], serde_json::json!({"law": "uniform", "min": 1, "max": 9}));
    let words = spec("--prompt-dist poisson");
    assert_eq!(
        words["prompts"],
        serde_json::json!({"of": "words", "lambda": 15.0, "letters": 5.0, "letters_sd": 2.0})
    );
    let shared =
        spec("--prompt-dist lognormal --prompt-tokens 9 --shared-prefix-tokens 50 --prefix-groups 4");
    assert_eq!(shared["prefix"], serde_json::json!({"tokens": 50, "groups": 4}));
    for (flags, says) in [
        ("--prompt-dist uniform --max-tokens 9", "--max-tokens is the output limit"),
        ("--prompt-dist uniform --prompt-min-tokens 9 --prompt-max-tokens 8", "is more than"),
        ("--prompt-dist fixed --prompt-tokens 9 --choices-tokens 3", "does nothing"),
        ("--prompt-dist fixed --prompt-tokens 0", "out of its range"),
        ("--prompt-dist fixed --prompt-tokens 9 --word-lambda 3", "is for --prompt-dist poisson"),
        ("--prompt-dist poisson --shared-prefix-tokens 3", "makes words"),
        ("--prompt-dist normal --prompt-tokens 9 --prompt-min-tokens 10", "does not lie between"),
        ("--tokenizer x.json", "these are read"),
        ("--prompt-dist fixed --prompt-tokens 9 --tokenizer x.json", "no such file"),
    ] {
        dry(flags).expect(2).says(&[says]);
    }
}

#[test]
fn a_prompt_that_comes_again_begins_with_words_of_its_own_unless_the_prefix_cache_may_answer() {
    let place = Place::new();
    place.write(
        "two.jsonl",
        "{\"id\": \"a\", \"prompt\": \"Say one.\"}\n{\"id\": \"b\", \"prompt\": \"Say two.\"}\n",
    );
    let prompts = |more: &[&str]| {
        let (url, bodies) = keep_bodies();
        let load =
            ["--dataset", "two.jsonl", "--requests", "6", "--repeats", "2", "--endpoint", "completions"];
        let ran = bench(&place, &url, &[&load[..], &FEW, more].concat()).expect(0);
        let all: Vec<String> =
            bodies.lock().unwrap().iter().map(|body| body["prompt"].as_str().unwrap().to_owned()).collect();
        (all, ran)
    };
    let (all, ran) = prompts(&[]);
    ran.says(&["begins with 4 words of its own"]);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 12, "{all:?}");
    assert_eq!(
        all.iter().filter(|prompt| prompt.starts_with("Say ")).count(),
        2,
        "the first time they are as they are"
    );
    assert!(all.iter().all(|prompt| prompt.ends_with("Say one.") || prompt.ends_with("Say two.")));
    // Each backend and each try gets the same.
    let sorted = |mut all: Vec<String>| {
        all.sort_unstable();
        all
    };
    assert_eq!(sorted(prompts(&[]).0), sorted(all));
    let (all, ran) = prompts(&["--allow-prefix-cache"]);
    assert!(!ran.stderr.contains("words of its own"), "{}", ran.stderr);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn groups_share_prefixes_and_repeats_send_others_of_the_same_lengths() {
    let place = Place::new();
    let (url, bodies) = keep_bodies();
    let load = "--prompt-dist fixed --prompt-tokens 5 --shared-prefix-tokens 20 --prefix-groups 3 --requests 12 --repeats 2";
    let load: Vec<&str> = load.split(' ').chain(["--endpoint", "completions"]).chain(FEW).collect();
    bench(&place, &url, &load).expect(0);
    let bodies = bodies.lock().unwrap();
    let prompts: Vec<Vec<&str>> =
        bodies.iter().map(|body| body["prompt"].as_str().unwrap().split(' ').collect()).collect();
    assert!(prompts.len() == 24 && prompts.iter().all(|words| words.len() == 25));
    let prefixes =
        |prompts: &[Vec<&str>]| prompts.iter().map(|words| words[..20].join(" ")).collect::<BTreeSet<_>>();
    let (first, again) = (prefixes(&prompts[..12]), prefixes(&prompts[12..]));
    assert_eq!((first.len(), again.len()), (3, 3));
    assert!(first.is_disjoint(&again), "a cache that stayed warm would answer the second time");
    assert_eq!(prompts.iter().map(|words| words[20..].join(" ")).collect::<BTreeSet<_>>().len(), 24);
}

#[test]
fn a_resumed_plan_makes_the_same_prompts_and_refuses_another_tokenizer() {
    let place = Place::new();
    write_tokenizer(&place);
    let load =
        "--prompt-dist uniform --prompt-max-tokens 40 --tokenizer tokenizer.json --requests 8 --seed 3";
    let load: Vec<&str> = load.split(' ').chain(["--fairness", "off"]).chain(FEW).collect();
    place.compare(TWO, &load).expect(0);
    let folder = place.result("compare_", "").display().to_string();
    let asked = |label: &str| -> BTreeMap<u64, u64> {
        let all = lines(&place.result(&format!("{label}_2"), "_records.jsonl.zst"));
        let all = all[1..=8].iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.map(|record| (record["unit"].as_u64().unwrap(), record["tokens"]["asked"].as_u64().unwrap()))
            .collect()
    };
    let before = asked("b");
    assert_eq!(before, asked("a"), "each backend gets the same");
    for path in place.results("b_2", "") {
        std::fs::remove_file(path).unwrap();
    }
    place.run(&["compare", "--resume", &folder]).expect(0);
    assert_eq!(asked("b"), before);
    for path in place.results("b_2", "") {
        std::fs::remove_file(path).unwrap();
    }
    let other = place.read("tokenizer.json").replace("[UNK]", "[NONE]");
    place.write("tokenizer.json", &other);
    place
        .run(&["compare", "--resume", &folder])
        .expect(2)
        .says(&["is not the one that the plan was made with"]);
}

#[test]
fn a_hub_id_is_fetched_once_and_then_found_here() {
    let place = Place::new();
    write_tokenizer(&place);
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hub.local_addr().unwrap());
    let file = place.read("tokenizer.json");
    // It answers one request, and is gone then.
    let served = std::thread::spawn(move || {
        let (mut stream, _) = hub.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let head: Vec<String> =
            lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{file}",
            file.len()
        )
        .unwrap();
        head
    });
    let dry = || {
        let args = "bench --url http://127.0.0.1:9 --model m --dry-run --prompt-dist fixed --prompt-tokens 9 --tokenizer owner/name";
        let args: Vec<&str> = args.split(' ').collect();
        let mut command = place.command(&args);
        command.env("HF_ENDPOINT", &url).env("HF_TOKEN", "hf_secret");
        Running::of(command).wait()
    };
    let first = dry().expect(0);
    let head = served.join().unwrap();
    assert_eq!(head[0], "GET /owner/name/resolve/main/tokenizer.json HTTP/1.1");
    assert!(head.iter().any(|line| line.eq_ignore_ascii_case("authorization: Bearer hf_secret")), "{head:?}");
    assert!(
        !first.stdout.contains("hf_secret") && first.stdout.contains("\"name\": \"owner/name\""),
        "{}",
        first.stdout
    );
    let plan = |ran: &Ran| serde_json::from_str::<Value>(&ran.stdout).unwrap()["dataset"]["sha256"].clone();
    assert_eq!(plan(&dry().expect(0)), plan(&first), "by then nobody serves it any more");
}

#[test]
fn made_conversations_send_each_turn_behind_the_answer_to_the_last() {
    let place = Place::new();
    let (url, bodies) = keep_bodies();
    let made = ["--prompt-dist", "fixed", "--prompt-tokens", "4", "--turns", "3", "--requests", "2"];
    let flags = [&FEW[..], &made, &["--endpoint", "completions", "--think-time", "1ms"]].concat();
    bench(&place, &url, &flags).expect(0).says(&["3 turns each"]);
    let bodies = bodies.lock().unwrap();
    let prompts: Vec<&str> = bodies.iter().map(|body| body["prompt"].as_str().unwrap()).collect();
    assert_eq!(prompts.len(), 6, "two conversations of three turns: {prompts:?}");
    let last = prompts.iter().max_by_key(|prompt| prompt.len()).unwrap();
    assert_eq!(last.matches("yes").count(), 2, "both answers stand between: {last}");
    assert!(prompts.iter().any(|prompt| last.starts_with(prompt) && prompt.len() < last.len()));
}
