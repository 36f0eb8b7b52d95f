//! Captures of protocols that are not OpenAI's, and of answers that came whole: text, tokens, finish, and the same
//! wherever they are cut.

use super::*;
use harness::load::{adapt, parse_text};
use harness::schema::record::{FailureKind, RequestRecord, TokenCounts};
use harness::schema::wire::{BodyTemplate, ReplyFraming};

/// What a capture is read as, and what it then holds.
struct Native<'a> {
    http: HttpSettings,
    bytes: Vec<u8>,
    /// Tokens of each event.
    events: &'a [u32],
    /// As `TokenCounts` has it: prompt, output, delivered.
    tokens: (Option<u32>, Option<u32>, Option<u32>),
    finish: Option<&'a str>,
    text: &'a str,
    outcome: Result<(), (FailureKind, &'a str)>,
}

fn settings(protocol: ProtocolName, stream: bool) -> HttpSettings {
    HttpSettings { protocol, stream, ..HttpSettings::default() }
}

fn capabilities(http: &HttpSettings) -> Capabilities {
    let mut capabilities = protocol("vllm");
    adapt(&mut capabilities, http.protocol);
    capabilities
}

fn record(native: &Native<'_>, reads: &[&[u8]]) -> (RequestRecord, String) {
    let (http, sampling) = (&native.http, Sampling::default());
    let reads = || reads.iter().copied();
    let text = parse_text(http, &capabilities(http), &sampling, 8, reads());
    (parse_answer(http, &capabilities(http), &sampling, 8, reads()), text)
}

fn check(native: &Native<'_>) {
    let (whole, text) = record(native, &[&native.bytes]);
    let events: Vec<u32> = whole.chunks.iter().map(|chunk| chunk.tokens).collect();
    let TokenCounts { prompt, output, delivered, .. } = whole.tokens;
    match (&native.outcome, &whole.outcome) {
        (Ok(()), outcome) => assert_eq!(*outcome, Outcome::Completed),
        (Err((kind, contains)), Outcome::Failed { kind: is, detail }) => {
            assert_eq!(is, kind, "{detail}");
            assert!(detail.contains(contains), "{detail}");
        }
        (Err(_), other) => panic!("{other:?}"),
    }
    assert_eq!(events, native.events);
    assert_eq!((prompt, output, delivered), native.tokens);
    assert_eq!(whole.finish_reason.as_deref(), native.finish);
    assert_eq!(text, native.text);
    assert_eq!((whole.missing_sign, whole.passed_over), (None, 0));
    // Of a whole answer only its end is known.
    let has_events = native.http.stream && !native.events.is_empty();
    assert_eq!(whole.first_token_us.is_some(), has_events);
    assert_eq!(
        (whole.ttft_ms().is_some(), whole.e2e_ms().is_some()),
        (has_events, !native.events.is_empty())
    );
    let of = |(record, text): &(RequestRecord, String)| (facts(record), text.clone());
    let expected = of(&(whole, text));
    for cut in 0..=native.bytes.len() {
        let (first, second) = native.bytes.split_at(cut);
        assert_eq!(of(&record(native, &[first, second])), expected, "cut at {cut}");
    }
    assert_eq!(of(&record(native, &native.bytes.chunks(1).collect::<Vec<_>>())), expected, "byte by byte");
}

const CANVAS: &str = " a canvas of endless possibilities, where every";

#[test]
fn llamacpp_tells_each_events_tokens_and_ends_with_its_last_event() {
    check(&Native {
        http: settings(ProtocolName::Llamacpp, true),
        bytes: response("llamacpp-native-completion-stream"),
        events: &[1; 8],
        tokens: (Some(3), Some(8), Some(8)),
        finish: Some("limit"),
        text: CANVAS,
        outcome: Ok(()),
    });
}

#[test]
fn sglang_repeats_its_text_and_what_is_new_is_a_token() {
    check(&Native {
        http: settings(ProtocolName::Sglang, true),
        bytes: response("sglang-native-generate-stream"),
        events: &[1; 8],
        tokens: (Some(3), Some(8), Some(8)),
        finish: Some("length"),
        text: CANVAS,
        outcome: Ok(()),
    });
}

#[test]
fn tgi_tells_which_token_an_event_is() {
    check(&Native {
        http: settings(ProtocolName::Tgi, true),
        bytes: response("tgi-native-generate-stream"),
        events: &[1; 8],
        tokens: (Some(3), Some(8), Some(8)),
        finish: Some("length"),
        text: " a canvas of colors, a canvas of",
        outcome: Ok(()),
    });
}

#[test]
fn tgi_s_whole_answer_has_its_tokens_and_no_first_one() {
    check(&Native {
        http: settings(ProtocolName::Tgi, false),
        bytes: response("tgi-native-generate"),
        events: &[8],
        tokens: (None, Some(8), Some(8)),
        finish: Some("length"),
        text: " a canvas of colors, a canvas of",
        outcome: Ok(()),
    });
}

#[test]
fn triton_s_stream_ends_with_its_body_and_its_events_are_counted() {
    for capture in ["triton-stream", "triton-stream-nostreamfield", "triton-unknown-field"] {
        let (events, text): (&[u32], _) = match capture {
            "triton-stream" => (&[1; 8], " t0 t1 t2 t3 t4 t5 t6 t7"),
            "triton-unknown-field" => (&[1; 2], " t0 t1"),
            _ => (&[1; 3], " t0 t1 t2"),
        };
        let counted = Some(events.len() as u32);
        check(&Native {
            http: settings(ProtocolName::TritonTrtllm, true),
            bytes: response(capture),
            events,
            tokens: (None, counted, counted),
            finish: None,
            text,
            outcome: Ok(()),
        });
    }
}

#[test]
fn triton_s_errors_are_errors_before_a_token_and_after() {
    let failed = |capture, stream, events, text, outcome| {
        let counted = Some(<[u32]>::len(events) as u32);
        check(&Native {
            http: settings(ProtocolName::TritonTrtllm, stream),
            bytes: response(capture),
            events,
            tokens: (None, counted, counted),
            finish: None,
            text,
            outcome: Err(outcome),
        });
    };
    let traceback = (FailureKind::ErrorEvent, "pretend failure in mid-stream");
    failed("triton-stream-error-midstream", true, &[1; 3], " t0 t1 t2", (traceback.0, "Traceback"));
    failed("triton-generate", false, &[], "", (FailureKind::ErrorEvent, "exactly 1 response"));
    failed("triton-wrongmodel", true, &[], "", (FailureKind::Status, "unknown model"));
    failed("triton-err-missing", true, &[], "", (FailureKind::Status, "expected number of inputs"));
}

#[test]
fn a_whole_answer_without_a_count_has_none() {
    check(&Native {
        http: settings(ProtocolName::TritonTrtllm, false),
        bytes: response("triton-generate-one"),
        events: &[0],
        tokens: (None, None, None),
        finish: None,
        text: " t0",
        outcome: Ok(()),
    });
}

#[test]
fn openai_s_whole_answers_have_their_usage() {
    for (capture, prompt, output, delivered, finish, text) in [
        ("vllm-chat-nonstream", 37, 8, 7, "stop", None),
        ("sglang-chat-nonstream", 37, 8, 7, "stop", None),
        ("llamacpp-chat-nonstream", 37, 32, 32, "length", None::<&str>),
    ] {
        let http = settings(ProtocolName::OpenaiChat, false);
        let bytes = response(capture);
        let sampling = Sampling::default();
        let record = parse_answer(&http, &protocol(capture), &sampling, 32, [bytes.as_slice()]);
        let tokens = record.tokens;
        assert_eq!(record.outcome, Outcome::Completed, "{capture}");
        assert_eq!(
            (tokens.prompt, tokens.output, tokens.delivered),
            (Some(prompt), Some(output), Some(delivered)),
            "{capture}"
        );
        assert_eq!(record.finish_reason.as_deref(), Some(finish), "{capture}");
        let kept = parse_text(&http, &protocol(capture), &sampling, 32, [bytes.as_slice()]);
        assert!(!kept.is_empty() && text.is_none_or(|text| text == kept), "{capture}: {kept}");
    }
}

/// The head of an answer without a length, which ends with its connection.
fn answered(content_type: &str, body: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body.as_bytes()].concat()
}

/// As GKE's proxy writes it: indented objects with nothing between them.
#[test]
fn jetstream_s_objects_follow_each_other_without_a_separator() {
    let piece =
        |text: &str| format!("{{\n  \"id\": \"1\",\n  \"time_created\": 17.5,\n  \"text\": \"{text}\"\n}}");
    check(&Native {
        http: settings(ProtocolName::Jetstream, true),
        bytes: answered(
            "application/json",
            &[piece(" a"), piece(" {b}"), piece(""), piece("\\n\\\"c")].concat(),
        ),
        events: &[1; 3],
        tokens: (None, Some(3), Some(3)),
        finish: None,
        text: " a {b}\n\"c",
        outcome: Ok(()),
    });
    check(&Native {
        http: settings(ProtocolName::Jetstream, false),
        bytes: answered("application/json", "{\"response\": \" a b\"}"),
        events: &[0],
        tokens: (None, None, None),
        finish: None,
        text: " a b",
        outcome: Ok(()),
    });
}

#[test]
fn sax_and_the_naive_handler_answer_whole() {
    let handlers = [
        (ProtocolName::Sax, "[[\" a b\", -0.5]]"),
        (ProtocolName::Sax, "{\"choices\": [{\"text\": \" a b\"}]}"),
        (ProtocolName::NaiveTransformers, "{\"predictions\": [\"Prompt:\\nHi\\nOutput:\\n a b\"]}"),
        (ProtocolName::NaiveTransformers, "{\"predictions\": [[{\"generated_text\": \" a b\"}]]}"),
    ];
    for (protocol, body) in handlers {
        check(&Native {
            http: settings(protocol, false),
            bytes: answered("application/json", body),
            events: &[0],
            tokens: (None, None, None),
            finish: None,
            text: " a b",
            outcome: Ok(()),
        });
    }
    let bytes = answered("application/json", "{\"detail\": \"no query\"}");
    let http = settings(ProtocolName::Sax, false);
    let record = parse_answer(&http, &capabilities(&http), &Sampling::default(), 8, [bytes.as_slice()]);
    assert!(
        matches!(record.outcome, Outcome::Failed { kind: FailureKind::Truncated, .. }),
        "{:?}",
        record.outcome
    );
}

/// JetStream's own server, by a template.
#[test]
fn a_template_reads_any_stream_by_its_paths() {
    let template = |framing, tokens_path: Option<&str>| HttpSettings {
        protocol: ProtocolName::Template,
        template: Some(BodyTemplate {
            body: "{\"text_content\": {\"text\": \"{prompt}\"}, \"max_tokens\": {max_tokens}}".to_owned(),
            framing,
            text_path: "$.streamContent.samples[0].text".to_owned(),
            tokens_path: tokens_path.map(str::to_owned),
        }),
        ..HttpSettings::default()
    };
    let piece = |text: &str, n: u32| {
        format!(
            "{{\n  \"streamContent\": {{\"samples\": [{{\"text\": \"{text}\", \"tokenIds\": [{n}]}}]}}, \"n\": {n}\n}}"
        )
    };
    let pieces = [piece(" a", 1), piece(" b c", 3), piece("", 4)];
    check(&Native {
        http: template(ReplyFraming::JsonStream, None),
        bytes: answered("text/event-stream", &pieces.concat()),
        events: &[1; 2],
        tokens: (None, Some(2), Some(2)),
        finish: None,
        text: " a b c",
        outcome: Ok(()),
    });
    let events: String =
        pieces.iter().map(|piece| format!("data: {}\n\n", piece.replace('\n', ""))).collect();
    check(&Native {
        http: template(ReplyFraming::Sse, Some("$.n")),
        bytes: answered("text/event-stream", &events),
        events: &[1, 2],
        tokens: (None, Some(4), Some(4)),
        finish: None,
        text: " a b c",
        outcome: Ok(()),
    });
    let http = HttpSettings { stream: false, ..template(ReplyFraming::Whole, Some("$.n")) };
    check(&Native {
        http,
        bytes: answered("application/json", &piece(" a b c", 3)),
        events: &[3],
        tokens: (None, Some(3), Some(3)),
        finish: None,
        text: " a b c",
        outcome: Ok(()),
    });
}

/// Made by hand after a server that was started with `--stream-output`, whose texts are what is new alone.
#[test]
fn sglang_s_text_is_taken_as_it_is_meant() {
    let event = |text: &str, ids: &str, count: u32, finish: &str| {
        format!(
            "data: {{\"text\":\"{text}\",\"output_ids\":{ids},\"meta_info\":{{\"finish_reason\":{finish},\"prompt_tokens\":3,\"completion_tokens\":{count}}}}}\n\n"
        )
    };
    let stop = "{\"type\":\"stop\",\"matched\":2}";
    let disjoint = [
        event(" a", "[5]", 1, "null"),
        event(" b", "[6]", 2, "null"),
        event(" a", "[5]", 3, "null"),
        event("", "[2]", 4, stop),
    ];
    let whole = [
        event(" a", "[5]", 1, "null"),
        event(" a b", "[5,6]", 2, "null"),
        event(" a b a", "[5,6,5]", 3, "null"),
        event(" a b a", "[5,6,5,2]", 4, stop),
    ];
    for events in [disjoint, whole] {
        check(&Native {
            http: settings(ProtocolName::Sglang, true),
            bytes: answered("text/event-stream", &(events.concat() + "data: [DONE]\n\n")),
            events: &[1; 3],
            tokens: (Some(3), Some(4), Some(3)),
            finish: Some("stop"),
            text: " a b a",
            outcome: Ok(()),
        });
    }
    let abort =
        event(" a", "[5]", 1, "{\"type\":\"abort\",\"message\":\"out of memory\",\"status_code\":500}");
    check(&Native {
        http: settings(ProtocolName::Sglang, true),
        bytes: answered("text/event-stream", &abort),
        events: &[1],
        tokens: (Some(3), Some(1), Some(1)),
        finish: None,
        text: " a",
        outcome: Err((FailureKind::ErrorEvent, "out of memory")),
    });
}

#[test]
fn tgi_s_end_of_sequence_is_no_token() {
    let token = |index: u32, text: &str, special: bool, rest: &str| {
        format!(
            "data:{{\"index\":{index},\"token\":{{\"id\":5,\"text\":\"{text}\",\"logprob\":-1.0,\"special\":{special}}},{rest}}}\n\n"
        )
    };
    let none = "\"generated_text\":null,\"details\":null";
    let end = "\"generated_text\":\" a b\",\"details\":{\"finish_reason\":\"eos_token\",\"generated_tokens\":3,\"seed\":null}";
    let events =
        [token(1, " a", false, none), token(2, " b", false, none), token(3, "<|im_end|>", true, end)];
    check(&Native {
        http: settings(ProtocolName::Tgi, true),
        bytes: answered("text/event-stream", &events.concat()),
        events: &[1; 2],
        tokens: (None, Some(3), Some(2)),
        finish: Some("eos_token"),
        text: " a b",
        outcome: Ok(()),
    });
    let cut = events[..2].concat();
    check(&Native {
        http: settings(ProtocolName::Tgi, true),
        bytes: answered("text/event-stream", &cut),
        events: &[1; 2],
        tokens: (None, Some(2), Some(2)),
        finish: None,
        text: " a b",
        outcome: Err((FailureKind::Truncated, "without its last event")),
    });
}
