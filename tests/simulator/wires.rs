//! Each engine's wire against captures of the real one.

use std::path::Path;

use super::common::{Answer, Simulator, completion, events};
use super::shape::{head_shape, shape};

/// A capture: the request's bytes and the answer's.
fn capture(name: &str) -> (Vec<u8>, Answer) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(format!("{name}.txt"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mark = b"<<< RESPONSE (raw bytes)\n";
    let at = bytes.windows(mark.len()).position(|part| part == mark).unwrap();
    let request = bytes[">>> REQUEST\n".len()..at - 1].to_vec();
    (request, Answer { bytes: bytes[at + mark.len()..].to_vec(), reset: false })
}

/// Play a capture's request to a simulator whose answers have this natural length.
fn play(name: &str, natural: &str) -> (Answer, Answer) {
    let engine = name.split('-').next().unwrap();
    let (request, real) = capture(name);
    let simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "1ms", "--output-tokens", natural]);
    (simulator.send(&request), real)
}

/// What a stream looks like: per HTTP chunk the shapes of its events.
fn stream_shape(answer: &Answer) -> Vec<Vec<String>> {
    let (chunks, ended, _) = answer.chunks();
    assert!(ended, "no end of the body: {}", answer.body());
    chunks.iter().map(|chunk| events(chunk).iter().map(|data| shape(data)).collect()).collect()
}

fn assert_same_stream(name: &str, natural: &str) {
    let (simulated, real) = play(name, natural);
    assert_eq!(head_shape(&simulated.head()), head_shape(&real.head()), "{name}: head");
    let (ours, theirs) = (stream_shape(&simulated), stream_shape(&real));
    for (index, (our, their)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(our, their, "{name}: HTTP chunk {index}");
    }
    assert_eq!(ours.len(), theirs.len(), "{name}: number of HTTP chunks");
    let upper =
        |answer: &Answer| answer.chunks().2.iter().any(|size| size.contains(|c: char| c.is_uppercase()));
    assert_eq!(upper(&simulated), upper(&real), "{name}: case of chunk sizes");
}

#[test]
fn vllm_streams_are_those_of_the_captures() {
    for (name, natural) in [
        ("vllm-chat-stream", "7"),
        ("vllm-chat-stream-nousage", "7"),
        ("vllm-chat-stream-continuous", "7"),
        ("vllm-chat-stream-length-ignoreeos", "3"),
        ("vllm-completions-stream", "100"),
    ] {
        assert_same_stream(name, natural);
    }
}

#[test]
fn sglang_streams_are_those_of_the_captures() {
    for (name, natural) in [
        ("sglang-chat-stream", "7"),
        ("sglang-chat-stream-nousage", "7"),
        ("sglang-chat-stream-length-ignoreeos", "3"),
        ("sglang-completions-stream", "100"),
    ] {
        assert_same_stream(name, natural);
    }
}

#[test]
fn llamacpp_streams_are_those_of_the_captures() {
    for (name, natural) in [
        ("llamacpp-chat-stream", "100"),
        ("llamacpp-chat-stream-nousage", "100"),
        ("llamacpp-completions-stream", "100"),
    ] {
        assert_same_stream(name, natural);
    }
}

#[test]
fn tgi_streams_are_those_of_the_captures() {
    for (name, natural) in [
        ("tgi-chat-stream", "11"),
        ("tgi-chat-stream-temp0", "100"),
        ("tgi-chat-stream-length-ignoreeos", "100"),
        ("tgi-completions-stream", "100"),
        ("tgi-native-generate-stream", "100"),
    ] {
        assert_same_stream(name, natural);
    }
}

#[test]
fn a_forced_length_is_kept_where_the_engine_has_it_and_not_on_tgi() {
    for (engine, forced) in [("vllm", true), ("sglang", true), ("llamacpp", true), ("tgi", false)] {
        let simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "0ms", "--output-tokens", "3"]);
        let answer = simulator.post("/v1/completions", &completion(9, ""));
        assert_eq!(answer.texts().len(), if forced { 9 } else { 3 }, "{engine}");
        assert!(answer.is_done(), "{engine}");
    }
}

#[test]
fn native_streams_have_the_captures_keys_and_no_end_marker_but_sglangs() {
    let path_and_body = [
        (
            "sglang",
            "/generate",
            r#"{"text":"The sky is","sampling_params":{"max_new_tokens":3},"stream":true}"#,
        ),
        ("llamacpp", "/completion", r#"{"prompt":"The sky is","n_predict":3,"stream":true}"#),
        ("tgi", "/generate_stream", r#"{"inputs":"The sky is","parameters":{"max_new_tokens":3}}"#),
    ];
    for (engine, path, body) in path_and_body {
        let simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "0ms", "--output-tokens", "50"]);
        let answer = simulator.post(path, body);
        assert_eq!(answer.is_done(), engine == "sglang", "{engine}");
        let events: Vec<serde_json::Value> =
            answer.events().iter().filter_map(|data| serde_json::from_str(data).ok()).collect();
        match engine {
            // The text so far, and its count.
            "sglang" => {
                let counts: Vec<u64> =
                    events.iter().map(|e| e["meta_info"]["completion_tokens"].as_u64().unwrap()).collect();
                assert_eq!(counts, [1, 2, 3]);
                let texts: Vec<&str> = events.iter().map(|e| e["text"].as_str().unwrap()).collect();
                assert!(texts[1].starts_with(texts[0]) && texts[2].starts_with(texts[1]), "{texts:?}");
                assert_eq!(events[2]["meta_info"]["finish_reason"]["type"], "length");
            }
            "llamacpp" => {
                let (_, real) = capture("llamacpp-native-completion-stream");
                assert_eq!(shape(&answer.events()[0]), shape(&real.events()[0]));
                assert_eq!(events[3]["stop"], true);
                assert_eq!(
                    (&events[3]["stop_type"], &events[3]["tokens_predicted"]),
                    (&"limit".into(), &3.into())
                );
            }
            _ => assert_eq!(events.len(), 3),
        }
    }
}

#[test]
fn whole_answers_have_the_shape_of_the_captures() {
    for (name, natural) in [
        ("vllm-chat-nonstream", "7"),
        ("sglang-chat-nonstream", "7"),
        ("llamacpp-chat-nonstream", "100"),
        ("tgi-chat-nonstream", "100"),
        ("tgi-native-generate", "100"),
        ("sglang-wrongmodel", "100"),
        ("llamacpp-wrongmodel", "100"),
        ("tgi-wrongmodel", "100"),
    ] {
        let (simulated, real) = play(name, natural);
        assert_eq!(head_shape(&simulated.head()), head_shape(&real.head()), "{name}");
        assert_eq!(shape(&simulated.body()), shape(&real.body()), "{name}");
    }
}

#[test]
fn errors_are_those_of_the_captures() {
    for name in [
        "vllm-404",
        "vllm-err-badjson",
        "vllm-err-nomessages",
        "vllm-err-toolong",
        "vllm-wrongmodel",
        "sglang-404",
        "sglang-err-badjson",
        "sglang-err-nomessages",
        "sglang-err-toolong",
        "llamacpp-404",
        "llamacpp-err-badjson",
        "llamacpp-err-nomessages",
        "llamacpp-err-toolong",
        "tgi-404",
        "tgi-err-badjson",
        "tgi-err-nomessages",
        "tgi-err-toolong-stream",
        "tgi-err-toolong-nonstream",
    ] {
        let (simulated, real) = play(name, "10");
        assert_eq!(head_shape(&simulated.head()), head_shape(&real.head()), "{name}");
        match name {
            // vLLM stops counting at the context, the text of validation errors repeats the input, and serde
            // knows the column.
            "vllm-err-toolong" | "sglang-err-nomessages" => {
                assert_eq!(shape(&simulated.body()), shape(&real.body()), "{name}");
            }
            "tgi-err-nomessages" => assert!(real.body().starts_with(&simulated.body()), "{name}"),
            _ => assert_eq!(simulated.body(), real.body(), "{name}"),
        }
    }
}

#[test]
fn pages_are_those_of_the_captures() {
    for name in [
        "vllm-health",
        "vllm-models",
        "vllm-tokenize",
        "vllm-version",
        "sglang-health",
        "sglang-models",
        "sglang-tokenize",
        "llamacpp-health",
        "llamacpp-models",
        "llamacpp-tokenize",
        "tgi-health",
        "tgi-info",
        "tgi-models",
        "tgi-tokenize",
    ] {
        let (simulated, real) = play(name, "10");
        assert_eq!(head_shape(&simulated.head()), head_shape(&real.head()), "{name}");
        assert_eq!(shape(&simulated.body()), shape(&real.body()), "{name}");
    }
}

#[test]
fn a_tokenized_text_has_as_many_tokens_as_its_prompt_counts() {
    let text = "Two birds, 12 words; and a line\nmore.";
    let quoted = serde_json::Value::from(text).to_string();
    for (engine, field) in
        [("vllm", "prompt"), ("sglang", "prompt"), ("llamacpp", "content"), ("tgi", "inputs")]
    {
        let simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "0ms"]);
        let page = simulator.post("/tokenize", &format!(r#"{{"{field}":{quoted}}}"#)).json();
        let tokens = page.as_array().or_else(|| page["tokens"].as_array()).unwrap().len();
        let body = format!(r#"{{"model":"smollm2","prompt":{quoted},"max_tokens":1}}"#);
        let usage =
            simulator.post("/v1/completions", &body).json()["usage"]["prompt_tokens"].as_u64().unwrap();
        assert_eq!(tokens as u64, usage, "{engine}");
    }
}

#[test]
fn each_engine_has_its_own_rules_for_values() {
    let start =
        |engine| Simulator::start(engine, &["--ttft", "1ms", "--itl", "0ms", "--output-tokens", "5000"]);
    let ask = |simulator: &Simulator, body: &str| simulator.post("/v1/completions", body);
    let words = "word ".repeat(2000);

    let vllm = start("vllm");
    let clamped = ask(&vllm, &format!(r#"{{"prompt":"{words}","max_tokens":1000}}"#));
    assert_eq!(clamped.json()["usage"]["completion_tokens"], 2048 - 2001);
    assert_eq!(ask(&vllm, r#"{"prompt":"a","stream_options":{"include_usage":true}}"#).status(), 400);
    assert_eq!(ask(&vllm, r#"{"prompt":"a"}"#).json()["usage"]["completion_tokens"], 16);

    let sglang = start("sglang");
    assert_eq!(ask(&sglang, &format!(r#"{{"prompt":"{words}","max_tokens":1000}}"#)).status(), 400);
    assert_eq!(ask(&sglang, r#"{"prompt":"a","top_k":0}"#).status(), 400);

    let llamacpp = start("llamacpp");
    let answer = ask(&llamacpp, &format!(r#"{{"prompt":"{words}","max_tokens":1000}}"#)).json();
    assert_eq!(answer["usage"]["completion_tokens"], 2048 - 2001);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(ask(&llamacpp, r#"{"prompt":"a","max_tokens":0}"#).json()["usage"]["completion_tokens"], 1);
    assert_eq!(ask(&llamacpp, r#"{"prompt":"a","max_tokens":"9"}"#).status(), 400);

    let tgi = start("tgi");
    assert_eq!(ask(&tgi, r#"{"prompt":"a","max_tokens":4,"top_p":1.0}"#).status(), 422);
    assert_eq!(ask(&tgi, r#"{"prompt":[1,2,3],"max_tokens":4}"#).status(), 422);
    assert_eq!(ask(&tgi, r#"{"prompt":"a","max_tokens":4,"top_p":0.9}"#).status(), 200);
}

#[test]
fn min_tokens_puts_off_the_end_on_vllm_and_sglang_only() {
    for (engine, shown) in [("vllm", 9), ("sglang", 9), ("llamacpp", 2), ("tgi", 2)] {
        let simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "0ms", "--output-tokens", "2"]);
        let answer =
            simulator.post("/v1/completions", r#"{"prompt":"a","max_tokens":20,"min_tokens":9}"#).json();
        // The end of sequence is counted in usage, and not shown.
        assert_eq!(answer["usage"]["completion_tokens"], shown + 1, "{engine}");
    }
}

#[test]
fn heads_come_when_each_engine_sends_them() {
    use std::io::{Read, Write};
    for (engine, early) in [("vllm", true), ("tgi", true), ("sglang", false), ("llamacpp", true)] {
        // The first token never comes.
        let simulator = Simulator::start(engine, &["--ttft", "1h", "--max-batch", "1"]);
        let read_some = |queued: bool, wanted: bool| {
            let mut stream = simulator.connect();
            stream
                .write_all(super::common::request("/v1/completions", "", &completion(4, "")).as_bytes())
                .unwrap();
            let limit = if wanted { super::common::PATIENCE } else { std::time::Duration::from_millis(150) };
            stream.set_read_timeout(Some(limit)).unwrap();
            let mut some = [0; 64];
            let came = stream.read(&mut some).is_ok_and(|count| count > 0);
            assert_eq!(came, wanted, "{engine}, queued: {queued}");
            stream
        };
        let _first = read_some(false, early);
        // llama-server sends the head when the slot starts; the only slot is taken.
        let _second = read_some(true, early && engine != "llamacpp");
    }
}
