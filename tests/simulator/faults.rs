//! Faults of single requests, each seen from outside.

use std::time::{Duration, Instant};

use super::common::{Answer, Simulator, completion};

const ENGINES: [&str; 4] = ["vllm", "sglang", "llamacpp", "tgi"];

/// The answer to one request of ten tokens, with a fault, and what the truth says of it.
fn faulty(engine: &str, fault: &str) -> (Answer, serde_json::Value) {
    let args = ["--ttft", "2ms", "--itl", "1ms", "--output-tokens", "50", "--fault", fault];
    let simulator = Simulator::start(engine, &args);
    let answer = simulator.post("/v1/completions", &completion(10, ""));
    (answer, simulator.truth_when(|truth| truth.len() == 1 && !truth[0]["outcome"].is_null()).remove(0))
}

#[test]
fn a_reset_connection_gives_no_byte() {
    for engine in ENGINES {
        let (answer, truth) = faulty(engine, "reset:1");
        assert!(answer.reset && answer.bytes.is_empty(), "{engine}");
        assert_eq!(truth["outcome"], "reset", "{engine}");
    }
}

#[test]
fn overload_statuses_come_in_the_engines_own_form() {
    for engine in ENGINES {
        for status in [429, 503] {
            let (answer, truth) = faulty(engine, &format!("{status}:1"));
            assert_eq!(answer.status(), status, "{engine}");
            let body = answer.json();
            match engine {
                "sglang" => assert_eq!(body["object"], "error"),
                "tgi" => assert!(body["error"].is_string() && body["error_type"].is_string()),
                _ => assert_eq!(body["error"]["code"], status),
            }
            assert_eq!(
                (&truth["outcome"], &truth["status"]),
                (&"refused".into(), &status.into()),
                "{engine}"
            );
        }
    }
}

#[test]
fn a_cut_stream_ends_without_the_end_of_the_body() {
    for engine in ENGINES {
        let (answer, truth) = faulty(engine, "cut:1,tokens=4");
        let (_, ended, _) = answer.chunks();
        assert!(!ended && !answer.is_done(), "{engine}");
        assert_eq!(answer.texts().len(), 4, "{engine}");
        assert_eq!((&truth["outcome"], &truth["tokens"]), (&"cut".into(), &4.into()), "{engine}");
    }
}

#[test]
fn a_truncated_stream_ends_in_order_but_says_no_reason_and_no_end() {
    for engine in ENGINES {
        let (answer, truth) = faulty(engine, "truncate:1,tokens=4");
        let (_, ended, _) = answer.chunks();
        assert!(ended && !answer.is_done(), "{engine}");
        assert!(!answer.body().contains("\"length\"") && !answer.body().contains("\"stop\""), "{engine}");
        assert_eq!(answer.texts().len(), 4, "{engine}");
        assert_eq!(truth["outcome"], "truncate", "{engine}");
    }
}

#[test]
fn a_stall_lasts_as_long_as_told_and_then_the_rest_comes() {
    let begun = Instant::now();
    let (answer, truth) = faulty("vllm", "stall:1,tokens=4,for=300ms");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(answer.is_done());
    assert_eq!(answer.texts().len(), 10);
    let writes: Vec<[u64; 4]> = serde_json::from_value(truth["writes"].clone()).unwrap();
    let gaps: Vec<u64> = writes.windows(2).map(|pair| pair[1][1] - pair[0][1]).collect();
    assert!(gaps[3] >= 299_000_000, "{gaps:?}");
}

#[test]
fn an_endless_stall_gives_nothing_more() {
    use std::io::{Read, Write};
    let simulator =
        Simulator::start("vllm", &["--ttft", "1ms", "--itl", "1ms", "--fault", "stall:1,tokens=3"]);
    let mut stream = simulator.connect();
    stream.write_all(super::common::request("/v1/completions", "", &completion(10, "")).as_bytes()).unwrap();
    simulator.truth_when(|truth| truth.len() == 1 && truth[0]["tokens"] == 3);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut all = Vec::new();
    assert!(stream.read_to_end(&mut all).is_err());
    assert_eq!(Answer { bytes: all, reset: false }.texts().len(), 3);
    assert_eq!(simulator.truth()[0]["tokens"], 3);
}

#[test]
fn garbage_is_no_http_chunk_and_ends_the_connection() {
    for engine in ENGINES {
        let (answer, truth) = faulty(engine, "garbage:1,tokens=2");
        let (_, ended, _) = answer.chunks();
        assert!(!ended, "{engine}");
        assert_eq!(answer.texts().len(), 2, "{engine}");
        assert!(answer.bytes.len() > 256, "{engine}");
        assert_eq!(truth["outcome"], "garbage", "{engine}");
    }
}

#[test]
fn a_broken_event_is_followed_by_the_rest_of_the_stream() {
    for engine in ENGINES {
        let (answer, _) = faulty(engine, "badjson:1,tokens=2");
        let broken =
            |data: &&String| *data != "[DONE]" && serde_json::from_str::<serde_json::Value>(data).is_err();
        assert_eq!(answer.events().iter().filter(broken).count(), 1, "{engine}");
        assert_eq!(answer.texts().len(), 10, "{engine}");
        assert!(answer.is_done(), "{engine}");
    }
}

#[test]
fn wrong_lengths_are_short_or_long_with_usage_that_says_so() {
    for (fault, tokens) in [("short:1", 5), ("short:1,tokens=3", 3), ("long:1", 15), ("long:1,tokens=2", 12)]
    {
        let (answer, truth) = faulty("vllm", fault);
        assert_eq!(answer.texts().len(), tokens, "{fault}");
        let events = answer.events();
        let usage: serde_json::Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
        assert_eq!(usage["usage"]["completion_tokens"], tokens, "{fault}");
        assert!(answer.body().contains("\"finish_reason\":\"length\""), "{fault}");
        assert_eq!(truth["outcome"], "completed", "{fault}");
    }
}

#[test]
fn an_error_event_comes_after_200_and_ends_as_each_engine_ends() {
    for (engine, done) in [("vllm", true), ("sglang", true), ("llamacpp", false), ("tgi", true)] {
        for (tokens, fault) in [(0, "error:1,tokens=0"), (4, "error:1,tokens=4")] {
            let (answer, truth) = faulty(engine, fault);
            assert_eq!(answer.status(), 200, "{engine}");
            assert_eq!(answer.texts().len(), tokens, "{engine}");
            let errors = answer.events().iter().filter(|data| data.starts_with("{\"error\":")).count();
            assert_eq!(errors, 1, "{engine}: {}", answer.body());
            assert_eq!(answer.is_done(), done, "{engine}");
            assert!(answer.chunks().1, "{engine}: the body ends in order");
            assert_eq!(truth["outcome"], "error", "{engine}");
        }
    }
}

#[test]
fn faults_of_answers_given_whole_show_too() {
    let body = r#"{"prompt":"a","max_tokens":4}"#;
    for engine in ENGINES {
        let with = |fault: &str| {
            let args = ["--ttft", "1ms", "--itl", "1ms", "--output-tokens", "50", "--fault", fault];
            Simulator::start(engine, &args).post("/v1/completions", body)
        };
        assert_eq!(with("error:1").status(), 500, "{engine}");
        assert!(with("cut:1").bytes.is_empty(), "{engine}");
        assert_eq!(with("503:1").status(), 503, "{engine}");
    }
}

#[test]
fn shares_take_the_same_requests_under_the_same_seed() {
    let pattern = |seed: &str| -> Vec<u16> {
        let args =
            ["--ttft", "0ms", "--itl", "0ms", "--fault", "429:0.3", "--fault", "503:0.2", "--seed", seed];
        let simulator = Simulator::start("vllm", &args);
        (0..40).map(|_| simulator.post("/v1/completions", &completion(1, "")).status()).collect()
    };
    let first = pattern("3");
    assert_eq!(first, pattern("3"));
    assert_ne!(first, pattern("4"));
    for status in [200, 429, 503] {
        assert!(first.contains(&status), "{first:?}");
    }
}

#[test]
fn above_the_limit_each_engine_says_overloaded_in_its_way() {
    use std::io::Write;
    for engine in ["vllm", "sglang", "tgi"] {
        let simulator = Simulator::start(engine, &["--ttft", "1h", "--max-in-flight", "1"]);
        let mut first = simulator.connect();
        first
            .write_all(super::common::request("/v1/completions", "", &completion(4, "")).as_bytes())
            .unwrap();
        simulator.truth_when(|truth| truth.len() == 1);
        let streamed = simulator.post("/v1/completions", &completion(4, ""));
        let whole = simulator.post("/v1/completions", r#"{"prompt":"a","max_tokens":4}"#);
        match engine {
            "vllm" => assert_eq!((streamed.status(), whole.status()), (503, 503)),
            "sglang" => {
                assert_eq!((streamed.status(), whole.status()), (200, 503));
                assert!(streamed.events()[0].contains("SERVICE_UNAVAILABLE") && streamed.is_done());
            }
            _ => {
                assert_eq!((streamed.status(), whole.status()), (200, 429));
                assert!(streamed.events()[0].contains("\"http_status_code\":422") && streamed.is_done());
            }
        }
    }
}
