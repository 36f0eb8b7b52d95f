//! Files of other tools: imported, and played as they are.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::*;

fn slice(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/workloads").join(name).display().to_string()
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_import_says_what_was_read_kept_and_left_out_and_writes_our_form() {
    let place = Place::new();
    let file = slice("sharegpt-v3-masked.json");
    let ran = place.run(&["dataset", "import", &file, "--output", "out.jsonl"]).expect(0);
    for line in [
        "50 rows read, 42 prompts written to out.jsonl",
        "left out: 2 with no turn, 6 with no user's turn with a reply after it",
        "50587 characters of prompts, 43560 of replies",
        "estimated from their replies: a token for each 4 bytes",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
    assert!(ran.stderr.contains("read as sharegpt"), "{}", ran.stderr);
    let written = objects(&place.read("out.jsonl"));
    assert_eq!((written.len(), &written[0]["id"]), (42, &Value::from("i6IyJda_0")));
    let silent = place.run(&["dataset", "import", &file, "--output", "out.jsonl", "--quiet"]).expect(0);
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
}

#[test]
fn a_bad_row_ends_the_import_and_leaves_no_file() {
    let place = Place::new();
    let file = slice("sharegpt-v3-masked-truncated.json");
    let ran = place.run(&["dataset", "import", &file, "--output", "out.jsonl"]).expect(2);
    ran.says(&["byte 36637 (the end)", "open string, in record 8", "--skip-bad counts such rows"]);
    let left = || {
        std::fs::read_dir(place.path("")).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name().to_string_lossy().into_owned();
            name == "out.jsonl" || name.ends_with(".part")
        })
    };
    assert_eq!(left().count(), 0);
    let ran = place.run(&["dataset", "import", &file, "--output", "out.jsonl", "--skip-bad"]).expect(0);
    assert!(
        ran.stdout.contains("7 prompts written") && ran.stdout.contains("left out: 1 bad"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("left out: ") && ran.stderr.contains("byte 36637"), "{}", ran.stderr);
    assert_eq!(objects(&place.read("out.jsonl")).len(), 7);
    place
        .run(&["dataset", "import", "out.jsonl", "--output", "out.jsonl"])
        .expect(2)
        .says(&["which is read"]);
    place
        .run(&["dataset", "import", "out.jsonl", "--output", "out.json"])
        .expect(2)
        .says(&["ends in .jsonl"]);
}

#[test]
fn a_file_of_another_tool_is_played_as_it_is() {
    let simulator = Simulator::start("vllm", &["--ttft", "1ms", "--itl", "10us"]);
    let play = |place: &Place, name: &str, more: &[&str]| {
        let (url, file) = (simulator.url(), slice(name));
        let bench = ["bench", "--url", &url, "--warmup", "0", "--requests", "4", "--dataset", &file];
        place.run(&[&bench[..], more].concat()).expect(0)
    };
    play(&Place::new(), "openai-batch-aibrix.jsonl", &["--max-tokens", "4"])
        .says(&["read as openai-batch, 10 prompts", "columns passed over: body.model"]);
    let place = Place::new();
    play(&place, "sharegpt-fastchat-dummy.json", &[])
        .says(&["read as sharegpt, 120 prompts", "output limits are estimated"]);
    let run = place.run_json("server");
    assert_eq!(run["plan"]["dataset"]["reading"]["format"], "sharegpt");
    assert_eq!(run["summary"]["requests"]["completed"], 4);
    place.write("table.csv", "question,more\nName a river.,1\nName a hill.,2\nshort\n");
    let url = simulator.url();
    let table =
        ["bench", "--url", &url, "--dataset", "table.csv", "--columns", "prompt=question", "--dry-run"];
    place.run(&table).expect(2).says(&["table.csv, line 4: it has 1 cells", "--skip-bad"]);
    let plan = place.run(&[&table[..], &["--skip-bad"]].concat()).expect(0).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(
        (&plan["dataset"]["prompts"], &plan["dataset"]["reading"]["skip_bad"]),
        (&2.into(), &true.into())
    );
    let dataset = slice("sharegpt-v3-masked.json");
    let dry = ["bench", "--url", &simulator.url(), "--model", "m", "--dataset", &dataset, "--dry-run"];
    let plan: Value = serde_json::from_str(&place.run(&dry).expect(0).stdout).unwrap();
    assert_eq!(plan["dataset"]["reading"]["left_out"]["no turn"], 2);
    place.write("trace.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n");
    place.run(&["dataset", "import", "trace.csv", "--output", "out.jsonl"]).expect(2).says(&[
        "is a trace",
        "--trace trace.csv",
        "harness dataset stats trace.csv",
    ]);
}

#[test]
fn an_interrupted_import_leaves_no_file() {
    let place = Place::new();
    // A pipe without an end.
    let pipe = place.path("endless.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let running =
        place.start(&["dataset", "import", "endless.jsonl", "--format", "jsonl", "--output", "out.jsonl"]);
    let pid = running.pid();
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
        let began = Instant::now();
        let line = "{\"prompt\":\"x\"}\n".repeat(100);
        let mut interrupted = false;
        while began.elapsed() < Duration::from_secs(60) {
            if std::io::Write::write_all(&mut pipe, line.as_bytes()).is_err() {
                return;
            }
            // Once: the second one would end it at once.
            if !interrupted && began.elapsed() > Duration::from_secs(1) {
                interrupted = true;
                let _ = std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status();
            }
        }
    });
    let ran = running.wait();
    writer.join().unwrap();
    ran.expect(130).says(&["interrupted: nothing is written"]);
    let names = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name == "out.jsonl" || name.ends_with(".part")), "{names:?}");
}
