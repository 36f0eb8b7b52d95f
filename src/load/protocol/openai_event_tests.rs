//! Events of the OpenAI protocol, as servers write them.

use super::*;
use crate::schema::server_times::ServerTimes;

fn read(data: &str) -> Payload {
    read_event(data.as_bytes()).unwrap()
}

#[test]
fn a_role_only_empty_or_null_content_is_no_token() {
    for delta in [
        r#"{"role":"assistant"}"#,
        r#"{"role":"assistant","content":""}"#,
        r#"{"content":null}"#,
        "{}",
        "null",
    ] {
        assert_eq!(
            read(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)),
            Payload::default(),
            "{delta}"
        );
    }
    assert!(!read(r#"{"choices":[{"text":""}]}"#).token);
    assert!(!read(r#"{"choices":[{"delta":{"tool_calls":[],"reasoning_content":null}}]}"#).token);
    let progress = read(r#"{"prompt_progress":{"total":4}}"#);
    assert_eq!(progress, Payload { foreign: true, ..Payload::default() });
}

#[test]
fn text_reasoning_and_tool_calls_are_tokens_and_reasoning_is_no_answer() {
    let both = |payload: Payload| (payload.token, payload.answer);
    assert_eq!(both(read(r#"{"choices":[{"delta":{"content":"a\n"}}]}"#)), (true, true));
    assert_eq!(both(read(r#"{"choices":[{"text":" "}]}"#)), (true, true));
    assert_eq!(both(read(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#)), (true, true));
    assert_eq!(both(read(r#"{"choices":[{"delta":{"reasoning":"a"}}]}"#)), (true, false));
    for delta in [
        r#""reasoning_content":"a""#,
        r#""reasoning_text":"a""#,
        r#""thinking":"a""#,
        r#""content":"","reasoning_details":[{"type":"reasoning.text","text":"a"}]"#,
    ] {
        let data = format!(r#"{{"choices":[{{"delta":{{{delta}}}}}]}}"#);
        assert_eq!(both(read(&data)), (true, false), "{data}");
    }
    let sealed = r#"{"choices":[{"delta":{"reasoning_details":[{"type":"encrypted","data":"a"}]}}]}"#;
    assert!(!read(sealed).token);
}

#[test]
fn an_empty_finish_reason_is_none() {
    assert_eq!(read(r#"{"choices":[{"text":"a","finish_reason":""}]}"#).finish, None);
    assert_eq!(
        read(r#"{"choices":[{"text":"a","finish_reason":"length"}]}"#).finish,
        Some(Finish { word: "length".to_owned(), kind: FinishKind::Other })
    );
}

#[test]
fn a_finish_reason_means_a_stop_a_failure_or_another_end() {
    let kind = |word: &str| finish(ErrorText(word.to_owned())).map(|finish| finish.kind);
    assert_eq!([kind("stop"), kind("eos_token")], [Some(FinishKind::Stopped); 2]);
    let gave_up = ["abort", "error", "cancelled", "CANCELED", "timeout", "insufficient_system_resource"];
    assert!(gave_up.iter().all(|word| kind(word) == Some(FinishKind::Failed)));
    assert_eq!([kind("length"), kind("tool_calls")], [Some(FinishKind::Other); 2]);
    assert_eq!([kind(""), kind("null"), kind("None")], [None, None, None]);
}

#[test]
fn usage_is_read_beside_choices_and_without() {
    let usage = read(r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":2}}}"#).usage.unwrap();
    assert_eq!((usage.prompt, usage.completion), (Some(3), Some(8)));
    assert_eq!(usage.cached, Some(2));
    for reasoning in [r#""reasoning_tokens":5"#, r#""completion_tokens_details":{"reasoning_tokens":5}"#] {
        let usage = read(&format!(r#"{{"choices":[],"usage":{{"completion_tokens":8,{reasoning}}}}}"#)).usage;
        assert_eq!(usage.unwrap().reasoning, Some(5), "{reasoning}");
    }
    assert_eq!(read(r#"{"choices":[{"text":"a"}],"usage":null}"#).usage, None);
    assert!(
        read(r#"{"choices":[{"text":"a"}],"usage":{"prompt_tokens":1,"prompt_tokens_details":null}}"#)
            .usage
            .is_some()
    );
}

#[test]
fn a_server_s_own_times_are_read_where_they_are_sent() {
    let told = |data: &str| read(data).times.map(|times| *times);
    let vllm = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":8},"metrics":{"time_to_first_token_ms":12.5,"generation_time_ms":70,"queue_time_ms":0.25,"mean_itl_ms":10.0,"tokens_per_second":97.0}}"#;
    let times = ServerTimes {
        queue_us: Some(250),
        prefill_us: Some(12_500),
        decode_us: Some(70_000),
        inference_us: None,
    };
    assert_eq!(told(vllm), Some(times));
    let llamacpp = r#"{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"timings":{"cache_n":0,"prompt_n":11,"prompt_ms":33.5,"predicted_ms":120.25}}"#;
    let times = ServerTimes { queue_us: None, decode_us: Some(120_250), prefill_us: Some(33_500), ..times };
    assert_eq!(told(llamacpp), Some(times));
    for nothing in [
        "null",
        "5",
        "-1.5",
        "true",
        r#""a""#,
        "[1]",
        "{}",
        r#"{"prompt_ms":null,"queue_time_ms":"1"}"#,
        r#"{"prompt_ms":-1,"predicted_ms":{},"queue_time_ms":[1]}"#,
        r#"{"prompt_ms":1e99}"#,
    ] {
        for field in ["timings", "metrics"] {
            let event = format!(r#"{{"choices":[{{"text":"a"}}],"{field}":{nothing}}}"#);
            assert_eq!(read(&event), Payload { token: true, answer: true, ..Payload::default() }, "{event}");
        }
    }
    let whole = read_whole(vllm.as_bytes()).unwrap();
    assert_eq!(whole.times.unwrap().queue_us, Some(250));
}

#[test]
fn every_engines_error_is_an_error_with_its_message() {
    for (data, message) in [
        (r#"{"error":{"message":"m","type":"t","param":null,"code":500}}"#, "m"),
        (r#"{"error":{"object":"error","message":"m","type":"t","param":null,"code":503}}"#, "m"),
        (r#"{"error":{"code":500,"message":"m","type":"server_error"}}"#, "m"),
        (r#"{"error":{"message":"m","http_status_code":422}}"#, "m"),
        (r#"{"error":"m","error_type":"overloaded"}"#, "m"),
        (r#"{"object":"error","message":"m","code":400}"#, "m"),
        (r#"{"error":{"type":"t"}}"#, "t"),
        (r#"{"error":{"status":"UNAVAILABLE","message":null,"details":"m","code":14}}"#, "m"),
        (r#"{"error":{"type":"t","error":{"message":"m"}}}"#, "m"),
    ] {
        assert_eq!(read(data).error.as_deref(), Some(message), "{data}");
    }
    assert_eq!(read(r#"{"error":null,"choices":[]}"#).error, None);
}

#[test]
fn what_is_no_json_is_refused() {
    for data in ["", "hello", "{", "{}}", r#"{"choices":[{"text":"a"}"#, "\u{fffd}"] {
        assert!(read_event(data.as_bytes()).is_err(), "{data}");
    }
}

#[test]
fn bytes_that_are_no_text_are_read_as_a_stream_of_events_is() {
    assert!(read_event(b"{\"choices\":[{\"text\":\"\xff\"}]}").unwrap().token);
    assert!(read_event(b"{\"choices\":[{\"text\":\"a\tb\n\"}]}").unwrap().token);
}

#[test]
fn any_scalar_that_is_not_empty_is_a_token() {
    for field in ["content", "refusal", "reasoning", "reasoning_content"] {
        for value in ["6", "6.5", "-1", "0", "true", "false", r#""\ud83d""#, r#""\ude00x""#, "1e999", "NaN"] {
            let data = format!(r#"{{"choices":[{{"delta":{{"{field}":{value}}}}}]}}"#);
            assert!(read(&data).token, "{data}");
        }
        for value in [r#""""#, "null", "[]", "{}"] {
            let data = format!(r#"{{"choices":[{{"delta":{{"{field}":{value}}}}}]}}"#);
            assert_eq!(read(&data), Payload::default(), "{data}");
        }
    }
    assert!(read(r#"{"choices":[{"text":7}]}"#).token);
    assert!(read(r#"{"choices":[{"delta":{"function_call":{"arguments":"a"}}}]}"#).answer);
}

#[test]
fn no_value_of_any_other_field_makes_a_token_unreadable() {
    let odd = [
        "null",
        "5",
        "-1.5",
        "1e999",
        "true",
        r#""text""#,
        r#""\ud83d""#,
        "[]",
        "[[1]]",
        "{}",
        r#"{"a":{}}"#,
    ];
    for value in odd {
        for field in ["id", "object", "created", "model", "usage", "x", "\\ud83d", "message", "code", "type"]
        {
            let data = format!(
                r#"{{"{field}":{value},"choices":[{{"delta":{{"content":"a"}}}}],"{field}":{value}}}"#
            );
            assert!(read(&data).token && read(&data).error.is_none(), "{data}");
        }
        for field in ["index", "logprobs", "message", "x"] {
            let data = format!(
                r#"{{"choices":[{value},{{"{field}":{value},"delta":{{"role":{value},"content":"a"}}}}]}}"#
            );
            assert!(read(&data).token && read(&data).finish.is_none(), "{data}");
        }
        for data in [
            format!(r#"{{"choices":{value}}}"#),
            format!(r#"{{"choices":[{{"delta":{value}}}]}}"#),
            format!(r#"{{"usage":{value}}}"#),
        ] {
            let payload = read(&data);
            assert!(!payload.token && payload.error.is_none(), "{data}");
        }
    }
}

#[test]
fn a_count_that_is_none_is_dropped_alone_and_said() {
    for count in ["-5", "8.5", "1e999", "99999999999", "\"8\"", "true", "[8]", "{}"] {
        let data = format!(
            r#"{{"choices":[],"usage":{{"prompt_tokens":3,"completion_tokens":{count},"prompt_tokens_details":{{"cached_tokens":1}}}}}}"#
        );
        let usage = Usage { prompt: Some(3), completion: None, cached: Some(1), reasoning: None, odd: true };
        assert_eq!((read(&data).usage, read(&data).passed_over), (Some(usage), true), "{data}");
    }
    let missing = read(r#"{"usage":{"prompt_tokens":null,"completion_tokens":8.0}}"#);
    let usage = Usage { completion: Some(8), ..Usage::default() };
    assert_eq!((missing.usage, missing.passed_over), (Some(usage), false));
    for usage in ["[]", "5", r#""none""#] {
        let payload = read(&format!(r#"{{"usage":{usage}}}"#));
        assert_eq!(payload, Payload::passed_over(), "{usage}");
    }
}

#[test]
fn a_member_that_says_no_is_no_error() {
    let nothing = r#"{"code":0,"message":"","type":null}"#;
    for error in ["null", "false", "0", r#""""#, "{}", "[]", nothing] {
        assert_eq!(read(&format!(r#"{{"error":{error},"choices":[]}}"#)).error, None, "{error}");
    }
    assert_eq!(read(r#"{"error":{"code":5}}"#).error.as_deref(), Some("error without a message"));
    assert_eq!(read(r#"{"error":true}"#).error.as_deref(), Some("true"));
}

#[test]
fn kept_words_are_clipped() {
    let long = "A".repeat(1 << 20);
    let finish = read(&format!(r#"{{"choices":[{{"finish_reason":"{long}"}}]}}"#)).finish.unwrap();
    assert_eq!((finish.word.chars().count(), finish.kind), (301, FinishKind::Other));
    let error = read(&format!(r#"{{"error":"{long}"}}"#)).error.unwrap();
    assert_eq!(error.chars().count(), 301);
    for (reason, word) in [("5", "5"), ("true", "true"), (r#"{"type":"stop"}"#, "stop")] {
        let read = read(&format!(r#"{{"choices":[{{"finish_reason":{reason}}}]}}"#));
        assert_eq!(read.finish.unwrap().word, word);
    }
}
