//! When tokens are due: fixed times, queues, batches, jitter, several tokens a chunk.

use std::io::{Read, Write};

use serde_json::Value;

use super::common::{Simulator, completion, request};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn dues(truth: &Value) -> Vec<u64> {
    let writes: Vec<[u64; 4]> = serde_json::from_value(truth["writes"].clone()).unwrap();
    writes.iter().map(|write| write[0]).collect()
}

/// Send requests on connections of their own, one after another, and read them all to their ends.
fn play_together(simulator: &Simulator, bodies: &[String]) -> Vec<Value> {
    let mut streams = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        let mut stream = simulator.connect();
        stream.write_all(request("/v1/completions", "Connection: close\r\n", body).as_bytes()).unwrap();
        simulator.truth_when(|truth| truth.len() == index + 1);
        streams.push(stream);
    }
    for mut stream in streams {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert!(String::from_utf8_lossy(&all).contains("[DONE]"));
    }
    simulator.truth_when(|truth| truth.iter().all(|t| t["outcome"] == "completed"))
}

#[test]
fn a_queued_request_starts_when_a_place_is_due_free() {
    let simulator = Simulator::start("vllm", &["--ttft", "300ms", "--itl", "20ms", "--max-batch", "1"]);
    let truth = play_together(&simulator, &[completion(3, ""), completion(2, ""), completion(2, "")]);
    for pair in truth.windows(2) {
        let freed = *dues(&pair[0]).last().unwrap();
        let start = freed.max(number(&pair[1]["complete_mono_ns"]));
        assert_eq!(number(&pair[1]["started_mono_ns"]), start);
        assert_eq!(dues(&pair[1])[0], start + 300_000_000);
    }
}

#[test]
fn several_tokens_a_chunk_come_after_a_first_one_alone() {
    let simulator = Simulator::start("vllm", &["--ttft", "5ms", "--itl", "2ms", "--tokens-per-chunk", "4"]);
    let body = r#"{"prompt":"a","max_tokens":11,"ignore_eos":true,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#;
    let answer = simulator.post("/v1/completions", body);
    let counts: Vec<u64> = answer
        .events()
        .iter()
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter(|event| event["choices"].get(0).is_some())
        .map(|event| number(&event["usage"]["completion_tokens"]))
        .collect();
    assert_eq!(counts, [1, 5, 9, 11]);
    let truth = simulator.truth_when(|truth| truth[0]["outcome"] == "completed").remove(0);
    let writes: Vec<[u64; 4]> = serde_json::from_value(truth["writes"].clone()).unwrap();
    assert_eq!(writes.iter().map(|write| write[3]).collect::<Vec<_>>(), [1, 4, 4, 2]);
    let first = writes[0][0];
    // A chunk is due with its last token.
    assert_eq!(writes.iter().map(|write| (write[0] - first) / 1_000_000).collect::<Vec<_>>(), [0, 8, 16, 20]);
}

#[test]
fn jitter_and_lengths_are_the_same_under_the_same_seed() {
    let play = |seed: &str| -> Vec<(u64, Vec<u64>)> {
        let args = ["--ttft", "4ms", "--itl", "2ms", "--jitter", "0.5", "--output-tokens", "normal:12,4"];
        let simulator = Simulator::start("tgi", &[&args[..], &["--seed", seed]].concat());
        for word in ["one", "two", "three"] {
            let body = format!(r#"{{"prompt":"{word}","max_tokens":50,"stream":true}}"#);
            assert!(simulator.post("/v1/completions", &body).is_done());
        }
        let truth =
            simulator.truth_when(|truth| truth.iter().filter(|t| t["outcome"] == "completed").count() == 3);
        let relative = |t: &Value| dues(t).iter().map(|due| due - number(&t["complete_mono_ns"])).collect();
        truth.iter().map(|t| (number(&t["tokens"]), relative(t))).collect()
    };
    let first = play("5");
    assert_eq!(first, play("5"));
    assert_ne!(first, play("6"));
    for (_, dues) in &first {
        assert!((2_000_000..=6_000_000).contains(&dues[0]), "{dues:?}");
        assert!(
            dues.windows(2).all(|pair| (1_000_000..=3_000_000).contains(&(pair[1] - pair[0]))),
            "{dues:?}"
        );
    }
}

#[test]
fn a_batch_step_takes_longer_for_prompts_and_for_more_sequences() {
    let args = ["--prefill-rate", "1000", "--decode-step", "20ms", "--decode-step-per-sequence", "5ms"];
    let simulator = Simulator::start("sglang", &args);
    let prompt = "word ".repeat(999) + "word";
    let long = format!(r#"{{"prompt":"{prompt}","max_tokens":3,"ignore_eos":true,"stream":true}}"#);
    simulator.post("/v1/completions", &long);
    let alone = simulator.truth_when(|truth| truth[0]["outcome"] == "completed").remove(0);
    let due: Vec<u64> = dues(&alone).iter().map(|due| due - number(&alone["complete_mono_ns"])).collect();
    // 1,000 prompt tokens at 1,000 a second, and a step of 20 + 1 × 5 ms; then steps of 25 ms.
    assert_eq!(due, [1_025_000_000, 1_050_000_000, 1_075_000_000]);

    simulator.post("/truth/reset", "");
    let truth = play_together(&simulator, &[long.clone(), completion(9, ""), completion(9, "")]);
    // The others join in the step that begins when the first one's prompt is done.
    let joined = dues(&truth[0])[0];
    for other in &truth[1..] {
        assert_eq!(number(&other["started_mono_ns"]), joined);
        assert_eq!(dues(other)[0] - joined, 35_000_000 + 2 * 3 * 1_000_000);
    }
    assert_eq!(dues(&truth[0])[1], dues(&truth[1])[0]);
}

#[test]
fn a_batch_is_limited_and_the_rest_waits() {
    let args = ["--prefill-rate", "100000", "--decode-step", "40ms", "--decode-step-per-sequence", "0ms"];
    let simulator = Simulator::start("vllm", &[&args[..], &["--max-batch", "2"]].concat());
    let truth = play_together(&simulator, &vec![completion(6, ""); 5]);
    let mut starts: Vec<u64> = truth.iter().map(|t| number(&t["started_mono_ns"])).collect();
    starts.sort_unstable();
    let mut ends: Vec<u64> = truth.iter().map(|t| *dues(t).last().unwrap()).collect();
    ends.sort_unstable();
    for (start, end) in starts[2..].iter().zip(&ends) {
        assert!(start >= end, "more than two at once");
    }
}

#[test]
fn one_connection_serves_many_requests_and_pipelined_ones() {
    let simulator = Simulator::start("vllm", &["--ttft", "1ms", "--itl", "1ms"]);
    let mut stream = simulator.connect();
    let one = request("/v1/completions", "", &completion(3, ""));
    let last = request("/v1/completions", "Connection: close\r\n", &completion(3, ""));
    stream.write_all((one.clone() + &one + &last).as_bytes()).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!(all.matches("[DONE]").count(), 3);
    let truth = simulator.truth_when(|truth| truth.len() == 3);
    assert!(truth.iter().all(|t| t["connection"] == truth[0]["connection"]));
}

#[test]
fn a_request_that_comes_in_pieces_arrives_with_its_first_and_is_complete_with_its_last() {
    let simulator = Simulator::start("vllm", &["--ttft", "10ms", "--itl", "1ms"]);
    let mut stream = simulator.connect();
    let bytes = request("/v1/completions", "Connection: close\r\n", &completion(2, ""));
    let (head, tail) = bytes.split_at(bytes.len() - 7);
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(40));
    stream.write_all(tail.as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let truth = simulator.truth_when(|truth| truth[0]["outcome"] == "completed").remove(0);
    let (arrival, complete) = (number(&truth["arrival_mono_ns"]), number(&truth["complete_mono_ns"]));
    assert!(complete - arrival >= 39_000_000, "{}", complete - arrival);
    assert_eq!(dues(&truth)[0], complete + 10_000_000);
}
