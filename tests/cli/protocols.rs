//! `--protocol`, templates, whole answers, sockets and keys in files, as they are typed and as they come out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::common::*;

#[track_caller]
fn refused(place: &Place, args: &[&str], texts: &[&str]) {
    let ran = place.run(&[&["bench", "--url", "http://127.0.0.1:9"][..], args].concat()).expect(2);
    for text in texts {
        assert!(ran.stderr.contains(text), "'{text}' is not in the answer to {args:?}:\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("hint: "), "{args:?}: {}", ran.stderr);
    assert!(!place.path("results").exists(), "{args:?}");
}

#[test]
fn what_contradicts_itself_is_refused_before_anything_is_sent() {
    let place = Place::new();
    let template = ["--request-body-template", r#"{"input":"{prompt}","n":{max_tokens}}"#];
    let with_path = [&template[..], &["--response-text-path", "$.text", "--endpoint-path", "/x"]].concat();
    let with = |more: &[&'static str]| [&with_path[..], more].concat();
    let cases: [(Vec<&str>, &[&str]); 16] = [
        (vec!["--endpoint", "chat", "--protocol", "tgi"], &["--endpoint chat", "--protocol tgi"]),
        (vec!["--endpoint", "chat", "--protocol", "openai-completions"], &["contradict"]),
        (vec!["--response-text-path", "$.a"], &["--response-text-path", "--request-body-template"]),
        (template.to_vec(), &["--response-text-path", "'$.outputs[0].text'"]),
        (
            [&template[..], &["--response-text-path", "$.text"]].concat(),
            &["where its bodies go", "--endpoint-path"],
        ),
        (with(&["--protocol", "tgi"]), &["--protocol tgi", "leave one of them out"]),
        (with(&["--endpoint", "chat"]), &["--endpoint chat", "leave one of them out"]),
        (with(&["--no-stream", "--response-framing", "sse"]), &["--no-stream", "--response-framing"]),
        (with(&["--omit", "temperature"]), &["--omit", "into the template"]),
        (
            vec![
                "--request-body-template",
                r#"{"i":"{promt}"}"#,
                "--response-text-path",
                "a",
                "--endpoint-path",
                "/",
            ],
            &["{promt}", "{prompt}, {messages}, {max_tokens}, {model}, {temperature}, {stream}, {prompt_id}"],
        ),
        (
            vec![
                "--request-body-template",
                r#"{"i":"{prompt}""#,
                "--response-text-path",
                "a",
                "--endpoint-path",
                "/",
            ],
            &["no JSON"],
        ),
        (
            vec![
                "--request-body-template",
                r#"{"i":"{prompt}"}"#,
                "--response-text-path",
                "a[",
                "--endpoint-path",
                "/",
            ],
            &["a[", "bracket"],
        ),
        (vec!["--no-stream", "--exact-itl"], &["--exact-itl", "--no-stream"]),
        (vec!["--api-key-env", "PATH", "--api-key-file", "key"], &["--api-key-env", "--api-key-file"]),
        (
            vec!["--api-key-file", "no-such-file"],
            &["--api-key-file no-such-file", "the key and nothing else"],
        ),
        (vec!["--model", "m", "--protocol", "tgi", "--ignore-eos", "--dry-run"], &["--ignore-eos", "tgi"]),
    ];
    for (args, texts) in cases {
        refused(&place, &args, texts);
    }
    place.write("key", "two words\n");
    refused(&place, &["--api-key-file", "key"], &["holds no key"]);
    let extra = ["--model", "m", "--dry-run", "--extra-body", r#"{"parameters":{"max_new_tokens":5}}"#];
    refused(
        &place,
        &[&extra[..], &["--protocol", "tgi"]].concat(),
        &["parameters.max_new_tokens", "--max-tokens"],
    );
    let omit = ["--model", "m", "--dry-run", "--protocol", "sglang", "--omit", "topp"];
    refused(&place, &omit, &["topp", "sampling_params.temperature"]);
}

#[test]
fn an_engine_is_not_asked_in_another_engine_s_protocol() {
    let place = Place::new();
    let compare = ["compare", "--backend", "all", "--simulate", "--protocol", "sglang"];
    let ran = place.run(&compare).expect(2);
    ran.says(&["does not speak the protocol sglang", "openai-completions", "--backend sglang"]);
    let load = ["--simulate", "--requests", "6", "--concurrency", "2", "--max-tokens", "8", "--quiet"];
    for engine in ["llamacpp", "tgi", "sglang"] {
        place.run(&[&["run", "--backend", engine, "--protocol", engine][..], &load].concat()).expect(0);
    }
    let protocols: Vec<_> = place.runs().iter().map(|run| run["plan"]["http"]["protocol"].clone()).collect();
    assert_eq!(protocols, ["llamacpp", "sglang", "tgi"]);
}

#[test]
fn nested_fields_are_left_out_named_and_added() {
    let place = Place::new();
    let flags = [
        "--omit",
        "temperature",
        "--max-tokens-field",
        "max_length",
        "--extra-body",
        r#"{"parameters":{"top_k":5}}"#,
    ];
    let bench = ["bench", "--url", "http://127.0.0.1:9", "--model", "m", "--dry-run", "--protocol", "tgi"];
    let ran = place.run(&[&bench[..], &flags].concat()).expect(0);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let fields = &plan["targets"][0]["capabilities"]["fields"];
    assert_eq!(fields["limit"], "parameters.max_length");
    assert_eq!(fields["omit"][0], "parameters.temperature");
    assert_eq!(fields["extra"]["parameters"]["top_k"], 5);
    assert_eq!(
        (&plan["http"]["protocol"], &plan["http"]["path"]),
        (&"tgi".into(), &"/generate_stream".into())
    );
}

/// A socket in the file system before the server at `port`: what comes in is kept.
fn socket(path: &Path, port: u16) -> Arc<Mutex<Vec<u8>>> {
    let listener = UnixListener::bind(path).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, kept) = (client.unwrap(), kept.clone());
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (answers, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || hand_on_answers(answers, back));
            std::thread::spawn(move || hand_on(client, server, &kept));
        }
    });
    heard
}

fn hand_on(mut from: UnixStream, mut to: TcpStream, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        kept.lock().unwrap().extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn hand_on_answers(mut from: TcpStream, mut to: UnixStream) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn a_socket_in_the_file_system_is_measured_with_the_stamps_of_the_reads() {
    const KEY: &str = "sk-of-a-file-1234567890";
    let place = Place::new();
    let simulator = Simulator::start("vllm", &["--ttft", "20ms", "--itl", "5ms", "--output-tokens", "8"]);
    let heard = socket(&place.path("llm.sock"), simulator.port);
    place.write("key", &format!("{KEY}\n"));
    let url = format!("unix:{}", place.path("llm.sock").display());
    let args = ["bench", "--url", &url, "--api-key-file", "key", "--requests", "8", "--concurrency", "2"];
    place.run(&[&args[..], &["--max-tokens", "8"]].concat()).expect(0);
    let run = place.run_json("server");
    assert_eq!(run["summary"]["requests"]["completed"], 8);
    assert_eq!(run["summary"]["client"]["stamps"]["read"], 8);
    assert_eq!(run["plan"]["http"]["unix_socket"], place.path("llm.sock").to_str().unwrap());
    let ttft = run["summary"]["metrics"]["ttft_ms"]["p50"].as_f64().unwrap();
    assert!((19.0..40.0).contains(&ttft), "{ttft}");
    // The list of models is asked over it too.
    let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    assert!(heard.contains("GET /v1/models") && heard.contains(&format!("Bearer {KEY}")), "{heard}");
    for path in place.results("", "") {
        let bytes = std::fs::read(&path).unwrap();
        let holds = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!holds, "{}", path.display());
    }
    let gone = format!("unix:{}", place.path("no.sock").display());
    place.run(&["bench", "--url", &gone, "--model", "m"]).expect(2).says(&["cannot be measured", "no.sock"]);
}

#[test]
fn a_template_and_its_paths_are_in_the_plan_and_a_prompt_in_braces_stays_text() {
    let place = Place::new();
    let simulator = Simulator::start("lines", &["--ttft", "5ms", "--itl", "1ms"]);
    let template = r#"{"input":"Q: {prompt}","max_new_tokens":{max_tokens},"stream":{stream}}"#;
    place.write("body.json", template);
    place.write(
        "prompts.jsonl",
        "{\"id\":\"a\",\"category\":\"c\",\"prompt\":\"{max_tokens} \\\"{nobody}\\\" \\\\\"}\n",
    );
    let url = format!("{}/infer", simulator.url());
    let args = ["bench", "--url", &url, "--dataset", "prompts.jsonl", "--requests", "4", "--max-tokens", "5"];
    let how = ["--request-body-template", "@body.json", "--response-text-path", "outputs[0].text"];
    let framing = ["--response-framing", "json-stream", "--response-tokens-path", "n", "--warmup", "0"];
    place.run(&[&args[..], &how, &framing].concat()).expect(0);
    let run = place.run_json("server");
    assert_eq!(run["plan"]["http"]["template"]["body"], template);
    assert_eq!(
        (&run["summary"]["tokens"]["output"], &run["summary"]["requests"]["completed"]),
        (&20.into(), &4.into())
    );
    assert_eq!(run["summary"]["model"], "unnamed");
    assert_eq!(place.summary_rows()[0]["endpoint"], "template");
}

#[test]
fn natively_each_backend_is_spoken_to_by_its_engines_own_protocol() {
    let place = Place::new();
    refused(
        &place,
        &["--protocol", "native", "--model", "m"],
        &["nobody knows which engine", "--protocol tgi"],
    );
    refused(&place, &["--protocol", "native", "--omit", "top_p"], &["--omit is of one protocol"]);
    let fast = ["--extra-args", "tgi=--ttft 2ms --itl 1ms", "--extra-args", "vllm=--ttft 2ms --itl 1ms"];
    let load = ["--requests", "2", "--warmup", "0", "--max-tokens", "3", "--fairness", "off"];
    let backends =
        ["compare", "--backend", "vllm,tgi", "--simulate", "--rounds", "1", "--protocol", "native"];
    place.run(&[&backends[..], &load, &fast].concat()).expect(0);
    let rows = rows(&place.path("results/simulated_summary.csv"));
    let row = |row: &std::collections::BTreeMap<String, String>| {
        format!("{} {} {}", row["backend"], row["endpoint"], row["requests_completed"])
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    assert_eq!(rows, ["vllm-simulated completions 2", "tgi-simulated tgi 2"]);
}
