//! The truth agrees with what a raw client saw, and the counters with the truth.

use std::io::{Read, Write};

use serde_json::Value;

use super::common::{Simulator, completion, leave_early, monotonic_ns, request};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn writes(truth: &Value) -> Vec<[u64; 4]> {
    serde_json::from_value(truth["writes"].clone()).unwrap()
}

#[test]
fn arrivals_and_writes_lie_between_what_the_client_did() {
    let simulator = Simulator::start("vllm", &["--ttft", "30ms", "--itl", "10ms"]);
    let mut stream = simulator.connect();
    let body = completion(6, r#","user":"me""#);
    let bytes = request("/v1/completions", "X-Request-Id: r-1\r\nConnection: close\r\n", &body);
    let before_send = monotonic_ns();
    stream.write_all(bytes.as_bytes()).unwrap();
    let after_send = monotonic_ns();
    // When so many bytes had been read.
    let (mut all, mut reads) = (Vec::new(), Vec::new());
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        all.extend_from_slice(&buffer[..count]);
        reads.push((all.len(), monotonic_ns()));
        if count == 0 {
            break;
        }
    }
    let truth =
        simulator.truth_when(|truth| truth.len() == 1 && truth[0]["outcome"] == "completed").remove(0);
    assert_eq!((&truth["id"], &truth["user"]), (&"r-1".into(), &"me".into()));
    assert_eq!(truth["stamp"], "kernel");
    let arrival = number(&truth["arrival_mono_ns"]);
    // The stamp is taken on another clock: some slack for the conversion.
    assert!(arrival + 20_000 >= before_send, "{arrival} {before_send}");
    assert!(arrival <= after_send.max(number(&truth["read_mono_ns"])));
    let writes = writes(&truth);
    assert_eq!(writes.len(), 6);
    let text = String::from_utf8(all).unwrap();
    let mut from = 0;
    for (index, [due, before, after, tokens]) in writes.iter().copied().enumerate() {
        assert_eq!(tokens, 1);
        // Absolute due times: no drift, whatever the writes did.
        assert_eq!(due, arrival + 30_000_000 + index as u64 * 10_000_000);
        assert!(due <= before && before <= after);
        let end = from + text[from..].find("\"text\":").unwrap() + 1;
        let (_, read_at) = *reads.iter().find(|(length, _)| *length >= end).unwrap();
        assert!(before <= read_at, "token {index} was read before it was written");
        from = end;
    }
}

#[test]
fn requests_are_told_apart_by_id_and_numbered_by_arrival() {
    let simulator = Simulator::start("vllm", &["--ttft", "1ms", "--itl", "0ms"]);
    for id in ["a", "b", "c"] {
        let header = format!("x-request-id: {id}\r\nConnection: close\r\n");
        simulator.send(request("/v1/completions", &header, &completion(2, "")).as_bytes());
    }
    let truth = simulator.truth_when(|truth| truth.len() == 3);
    let ids: Vec<_> =
        truth.iter().map(|t| (number(&t["number"]), t["id"].as_str().unwrap().to_owned())).collect();
    assert_eq!(ids, [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
    assert_eq!(simulator.post("/truth/reset", "").status(), 200);
    assert!(simulator.truth().is_empty());
    simulator.post("/v1/completions", &completion(2, ""));
    assert_eq!(number(&simulator.truth_when(|truth| truth.len() == 1)[0]["number"]), 1);
}

#[test]
fn the_truth_is_bounded() {
    let simulator = Simulator::start("vllm", &["--ttft", "0ms", "--itl", "0ms", "--truth-limit", "100"]);
    for _ in 0..10 {
        simulator.post("/v1/completions", &completion(12, ""));
    }
    simulator.truth_when(|truth| truth.last().is_some_and(|last| last["number"] == 10));
    let summary = simulator.get("/truth/summary").json();
    assert_eq!((&summary["requests"], &summary["forgotten"]), (&5.into(), &5.into()));
}

#[test]
fn a_client_that_leaves_is_cancelled_and_its_place_is_free() {
    for engine in ["vllm", "sglang", "llamacpp", "tgi"] {
        let simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "10ms", "--max-batch", "1"]);
        let long = r#"{"prompt":"a","max_tokens":2000,"ignore_eos":true,"stream":true}"#;
        leave_early(&simulator, request("/v1/completions", "", long).as_bytes());
        let truth = simulator.truth_when(|truth| truth.iter().any(|t| t["outcome"] == "cancelled"));
        assert!(number(&truth[0]["tokens"]) < 2000, "{engine}");
        let next = simulator.post("/v1/completions", &completion(3, ""));
        assert!(next.is_done(), "{engine}");
    }
}

#[test]
fn metrics_count_every_token_and_no_other() {
    // (engine, prompt, generated, requests)
    for (engine, prompt, generated, ended) in [
        ("vllm", "vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:request_success_total"),
        (
            "sglang",
            "sglang:prompt_tokens_total",
            "sglang:generation_tokens_total",
            "sglang:num_requests_total",
        ),
        ("llamacpp", "llamacpp:prompt_tokens_total", "llamacpp:tokens_predicted_total", ""),
        ("tgi", "tgi_request_input_length_sum", "tgi_request_generated_tokens_sum", "tgi_request_success"),
    ] {
        let simulator =
            Simulator::start(engine, &["--ttft", "1ms", "--itl", "0ms", "--output-tokens", "5-15"]);
        assert_eq!((simulator.metric(prompt), simulator.metric(generated)), (0.0, 0.0), "{engine}");
        let (mut prompts, mut tokens) = (0, 0);
        for index in 0..12 {
            let stream = index % 3 > 0;
            let options =
                if stream { r#","stream":true,"stream_options":{"include_usage":true}"# } else { "" };
            let body = format!(
                r#"{{"messages":[{{"role":"user","content":"Say {index} things."}}],"max_tokens":{}{options}}}"#,
                if index % 2 == 0 { 4 } else { 100 }
            );
            let answer = simulator.post("/v1/chat/completions", &body);
            let usage = if stream {
                let events = answer.events();
                let last: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
                last["usage"].clone()
            } else {
                answer.json()["usage"].clone()
            };
            prompts += number(&usage["prompt_tokens"]);
            tokens += number(&usage["completion_tokens"]);
        }
        // A refused request counts no token.
        simulator.post("/v1/chat/completions", r#"{"model":"#);
        let truth =
            simulator.truth_when(|truth| truth.iter().filter(|t| t["outcome"] == "completed").count() == 12);
        assert_eq!(truth.iter().map(|t| number(&t["tokens"])).sum::<u64>(), tokens, "{engine}");
        assert_eq!(simulator.metric(prompt), prompts as f64, "{engine}");
        assert_eq!(simulator.metric(generated), tokens as f64, "{engine}");
        if !ended.is_empty() {
            assert_eq!(simulator.metric(ended), 12.0, "{engine}");
        }
    }
}

#[test]
fn running_and_waiting_requests_are_shown() {
    for (engine, running, waiting) in [
        ("vllm", "vllm:num_requests_running", "vllm:num_requests_waiting"),
        ("sglang", "sglang:num_running_reqs", "sglang:num_queue_reqs"),
        ("llamacpp", "llamacpp:requests_processing", "llamacpp:requests_deferred"),
        ("tgi", "tgi_batch_current_size", "tgi_queue_size"),
    ] {
        let simulator = Simulator::start(engine, &["--ttft", "1h", "--max-batch", "2"]);
        let open: Vec<_> = (0..5)
            .map(|_| {
                let mut stream = simulator.connect();
                stream.write_all(request("/v1/completions", "", &completion(4, "")).as_bytes()).unwrap();
                stream
            })
            .collect();
        simulator.truth_when(|truth| truth.len() == 5);
        assert_eq!((simulator.metric(running), simulator.metric(waiting)), (2.0, 3.0), "{engine}");
        assert_eq!(number(&simulator.get("/truth/summary").json()["peak_in_flight"]), 5);
        drop(open);
        simulator.truth_when(|truth| truth.iter().all(|t| t["outcome"] == "cancelled"));
        assert_eq!((simulator.metric(running), simulator.metric(waiting)), (0.0, 0.0), "{engine}");
    }
}

#[test]
fn a_slow_reader_gets_every_byte_and_its_tokens_are_stamped_when_the_socket_took_them() {
    let simulator = Simulator::start("vllm", &["--ttft", "0ms", "--itl", "0ms", "--context-length", "61000"]);
    let mut stream = simulator.connect();
    let bytes = request("/v1/completions", "Connection: close\r\n", &completion(60_000, ""));
    stream.write_all(bytes.as_bytes()).unwrap();
    // 60,000 tokens are about 14 MB, more than the socket buffers hold: the server must wait for the reader.
    simulator.truth_when(|truth| truth.len() == 1);
    let stuck = simulator.truth_when(|truth| number(&truth[0]["tokens"]) > 0);
    assert!(number(&stuck[0]["tokens"]) < 60_000);
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let answer = super::common::Answer { bytes: all, reset: false };
    assert_eq!(answer.texts().len(), 60_000);
    assert!(answer.is_done());
    let truth = simulator.truth_when(|truth| truth[0]["outcome"] == "completed");
    assert_eq!(number(&truth[0]["tokens"]), 60_000);
    let stamps: Vec<u64> = writes(&truth[0]).iter().map(|write| write[1]).collect();
    assert!(stamps.is_sorted());
}
