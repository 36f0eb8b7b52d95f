//! Every capture of a real server, cut at every byte, parsed to the right tokens, usage, finish and outcome.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use harness::load::parse_answer;
use harness::schema::plan::{HttpSettings, Sampling};
use harness::schema::record::{FailureKind, MissingSign, Outcome, RequestRecord, TokenSource};
use harness::schema::target::{BodyFields, Capabilities, ProtocolName};

/// What a capture holds, counted by hand and by an independent script.
struct Expected {
    capture: &'static str,
    ask: Ask,
    /// Token-carrying events.
    events: usize,
    /// `usage`: prompt, completion; none: the capture has none.
    usage: Option<(u32, u32)>,
    delivered: u32,
    finish: Option<&'static str>,
    outcome: Ended,
}

#[derive(Clone, Copy)]
struct Ask {
    max_tokens: u32,
    ignore_eos: bool,
    exact: bool,
}

enum Ended {
    Completed,
    Failed(FailureKind, &'static str),
}

use Ended::{Completed, Failed};

const fn ask(max_tokens: u32) -> Ask {
    Ask { max_tokens, ignore_eos: false, exact: false }
}

const fn forced(max_tokens: u32) -> Ask {
    Ask { max_tokens, ignore_eos: true, exact: false }
}

fn protocol(capture: &str) -> Capabilities {
    let tgi = capture.starts_with("tgi");
    Capabilities {
        request_model: "smollm2".to_owned(),
        ignore_eos: !tgi,
        min_tokens: capture.starts_with("vllm") || capture.starts_with("sglang"),
        stream_options: true,
        continuous_usage: capture.starts_with("vllm") || capture.starts_with("sglang"),
        // What counts in usage what it shows, or makes its usage up.
        eos_in_usage: !["dynamo", "guidellm", "litellm"].iter().any(|engine| capture.starts_with(engine)),
        done_marker: true,
        force_length: serde_json::Map::new(),
        body: serde_json::Map::new(),
        fields: BodyFields::default(),
    }
}

fn response(capture: &str) -> Vec<u8> {
    let path = format!("{}/tests/wire/{capture}.txt", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let marker = b"<<< RESPONSE (raw bytes)\n";
    let at = bytes.windows(marker.len()).position(|window| window == marker).expect("a response");
    bytes[at + marker.len()..].to_vec()
}

fn parse<'a>(capture: &str, ask: Ask, reads: impl IntoIterator<Item = &'a [u8]>) -> RequestRecord {
    let name = if capture.contains("-completions-") {
        ProtocolName::OpenaiCompletions
    } else {
        ProtocolName::OpenaiChat
    };
    let sampling =
        Sampling { temperature: 0.0, max_tokens: None, ignore_eos: ask.ignore_eos, exact_itl: ask.exact };
    let http = HttpSettings { protocol: name, ..HttpSettings::default() };
    parse_answer(&http, &protocol(capture), &sampling, ask.max_tokens, reads)
}

/// All of a record that may not depend on how the bytes were cut.
fn facts(record: &RequestRecord) -> (Vec<u32>, String) {
    let tokens = record.chunks.iter().map(|chunk| chunk.tokens).collect();
    let rest =
        format!("{:?} {:?} {:?} {:?}", record.status, record.tokens, record.finish_reason, record.outcome);
    let oddities = format!("{:?} {} {:?}", record.missing_sign, record.passed_over, record.server_times);
    (tokens, rest + &oddities)
}

fn check(expected: &Expected) {
    let Expected { capture, ask, .. } = *expected;
    let bytes = response(capture);
    let record = parse(capture, ask, [bytes.as_slice()]);
    assert_eq!(record.chunks.len(), expected.events, "{capture}: events");
    match &expected.outcome {
        Completed => assert_eq!(record.outcome, Outcome::Completed, "{capture}"),
        Failed(kind, contains) => match &record.outcome {
            Outcome::Failed { kind: is, detail } => {
                assert_eq!(is, kind, "{capture}: {detail}");
                assert!(detail.contains(contains), "{capture}: {detail}");
                assert!(detail.chars().count() <= 301 && !detail.contains('\n'), "{capture}: {detail}");
            }
            other => panic!("{capture}: {other:?}"),
        },
    }
    assert_eq!(record.finish_reason.as_deref(), expected.finish, "{capture}: finish");
    let unmarked = capture.starts_with("transformers") && record.outcome == Outcome::Completed;
    assert_eq!(record.missing_sign, unmarked.then_some(MissingSign::DoneMarker), "{capture}");
    // Each of its two annotations is an event with a name and a comment alone.
    assert_eq!(record.passed_over, if capture == "dynamo-chat-annotations" { 2 } else { 0 }, "{capture}");
    // llama-server tells how long it took, wherever it answered whole.
    let told = record.server_times.as_ref().map(|told| (told.prefill_us > Some(0), told.decode_us > Some(0)));
    let tells = capture.contains("llamacpp-").then_some((true, true));
    assert!(record.outcome != Outcome::Completed || told == tells, "{capture}: {:?}", record.server_times);
    let tokens = record.tokens;
    assert_eq!(tokens.delivered, Some(expected.delivered), "{capture}: delivered");
    match expected.usage {
        Some((prompt, output)) => {
            assert_eq!((tokens.prompt, tokens.output), (Some(prompt), Some(output)), "{capture}: usage");
            assert_eq!(tokens.source, TokenSource::Usage, "{capture}");
        }
        None => {
            assert_eq!((tokens.prompt, tokens.output), (None, Some(expected.events as u32)), "{capture}");
            assert_eq!(tokens.source, TokenSource::Chunks, "{capture}");
        }
    }
    let whole = facts(&record);
    for cut in cuts(&bytes) {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(facts(&parse(capture, ask, [first, second])), whole, "{capture} cut at {cut}");
    }
    let single = parse(capture, ask, bytes.chunks(1));
    assert_eq!(facts(&single), whole, "{capture} byte by byte");
    // One byte a read leaves no doubt about any stamp.
    assert!(single.chunks.iter().all(|chunk| chunk.merged_bound_us.is_none()), "{capture}");
    // All in one read: only an event that ends the read has a true stamp.
    let merged = record.chunks.iter().filter(|chunk| chunk.merged_bound_us.is_some()).count();
    assert!(merged + 1 >= expected.events, "{capture}: {merged} merged");
}

/// Every offset of a short capture; of a long one every offset of both ends, and a share between, where all is repetition.
fn cuts(bytes: &[u8]) -> Vec<usize> {
    let near_end = |at: &usize| *at < 600 || bytes.len() - at < 600;
    (0..=bytes.len()).filter(|at| bytes.len() <= 16_000 || near_end(at) || at % 499 == 0).collect()
}

macro_rules! capture {
    ($name:ident, $capture:literal, $ask:expr, $events:literal events, $usage:expr, delivered $delivered:literal, $finish:expr, $outcome:expr) => {
        #[test]
        fn $name() {
            check(&Expected {
                capture: $capture,
                ask: $ask,
                events: $events,
                usage: $usage,
                delivered: $delivered,
                finish: $finish,
                outcome: $outcome,
            });
        }
    };
}

#[path = "wire/further.rs"]
mod further;
#[path = "wire/native.rs"]
mod native;

// Streams that end well. A natural stop counts an EOS in usage that no event shows.
capture!(vllm_chat, "vllm-chat-stream", ask(32), 7 events, Some((37, 8)), delivered 7, Some("stop"), Completed);
capture!(vllm_chat_without_usage, "vllm-chat-stream-nousage", ask(32), 7 events, None, delivered 7, Some("stop"), Completed);
capture!(vllm_chat_forced, "vllm-chat-stream-length-ignoreeos", forced(8), 8 events, Some((32, 8)), delivered 8, Some("length"), Completed);
capture!(vllm_completions, "vllm-completions-stream", ask(8), 8 events, Some((3, 8)), delivered 8, Some("length"), Completed);
capture!(vllm_chat_continuous, "vllm-chat-stream-continuous", Ask { max_tokens: 32, ignore_eos: false, exact: true }, 7 events, Some((37, 8)), delivered 7, Some("stop"), Completed);
capture!(sglang_chat, "sglang-chat-stream", ask(32), 7 events, Some((37, 8)), delivered 7, Some("stop"), Completed);
capture!(sglang_chat_without_usage, "sglang-chat-stream-nousage", ask(32), 7 events, None, delivered 7, Some("stop"), Completed);
capture!(sglang_chat_forced, "sglang-chat-stream-length-ignoreeos", forced(8), 8 events, Some((32, 8)), delivered 8, Some("length"), Completed);
capture!(sglang_completions, "sglang-completions-stream", ask(8), 8 events, Some((3, 8)), delivered 8, Some("length"), Completed);
capture!(llamacpp_chat, "llamacpp-chat-stream", ask(32), 32 events, Some((37, 32)), delivered 32, Some("length"), Completed);
capture!(llamacpp_chat_without_usage, "llamacpp-chat-stream-nousage", ask(32), 32 events, None, delivered 32, Some("length"), Completed);
capture!(llamacpp_chat_forced, "llamacpp-chat-stream-length-ignoreeos", forced(8), 8 events, Some((32, 8)), delivered 8, Some("length"), Completed);
capture!(llamacpp_completions, "llamacpp-completions-stream", ask(8), 8 events, Some((3, 8)), delivered 8, Some("length"), Completed);
capture!(tgi_chat, "tgi-chat-stream", ask(32), 11 events, Some((37, 12)), delivered 11, Some("stop"), Completed);
capture!(tgi_chat_without_usage, "tgi-chat-stream-nousage", ask(32), 17 events, None, delivered 17, Some("stop"), Completed);
capture!(tgi_chat_asked_for_a_forced_length, "tgi-chat-stream-length-ignoreeos", forced(16), 16 events, Some((37, 16)), delivered 16, Some("length"), Completed);
capture!(tgi_chat_greedy, "tgi-chat-stream-temp0", ask(32), 32 events, Some((37, 32)), delivered 32, Some("length"), Completed);
capture!(tgi_completions, "tgi-completions-stream", ask(8), 8 events, Some((3, 8)), delivered 8, Some("length"), Completed);

// SIGTERM in mid-stream: SGLang and TGI finish, vLLM falls silent or sends an error event, llama-server breaks off.
capture!(sglang_sigterm, "sglang-sigterm-midstream", forced(200), 200 events, Some((31, 200)), delivered 200, Some("length"), Completed);
capture!(tgi_sigterm, "tgi-sigterm-midstream", ask(1500), 505 events, Some((39, 506)), delivered 505, Some("stop"), Completed);
capture!(vllm_sigterm, "vllm-sigterm-midstream", forced(1500), 92 events, None, delivered 92, None, Failed(FailureKind::Truncated, "closed"));
capture!(vllm_sigterm_run3, "vllm-sigterm-midstream-run3", forced(1500), 86 events, None, delivered 86, None, Failed(FailureKind::Truncated, "closed"));
capture!(vllm_sigterm_run4, "vllm-sigterm-midstream-run4", forced(1500), 92 events, None, delivered 92, None, Failed(FailureKind::Truncated, "closed"));
capture!(vllm_sigterm_error, "vllm-sigterm-midstream-run2-errorevent", forced(1500), 89 events, None, delivered 89, None, Failed(FailureKind::ErrorEvent, "EngineCore encountered an issue"));
capture!(llamacpp_sigterm, "llamacpp-sigterm-midstream", forced(1500), 1 events, None, delivered 1, None, Failed(FailureKind::Truncated, "closed"));

// Errors, each with the server's own words.
capture!(tgi_too_long, "tgi-err-toolong-stream", ask(64), 0 events, None, delivered 0, None, Failed(FailureKind::ErrorEvent, "must be <= 2048"));
capture!(tgi_too_long_whole, "tgi-err-toolong-nonstream", ask(64), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "422 Input validation error"));
capture!(tgi_bad_json, "tgi-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 Failed to parse"));
capture!(tgi_no_messages, "tgi-err-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "422 Failed to deserialize"));
capture!(tgi_not_found, "tgi-404", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "404"));
capture!(vllm_too_long, "vllm-err-toolong", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 This model's maximum context length is 2048"));
capture!(vllm_bad_json, "vllm-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 1 validation error"));
capture!(vllm_no_messages, "vllm-err-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 1 validation error"));
capture!(vllm_wrong_model, "vllm-wrongmodel", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "404 The model `nope` does not exist"));
capture!(vllm_not_found, "vllm-404", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "404 Not Found"));
capture!(sglang_too_long, "sglang-err-toolong", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 The input (3031 tokens) is longer"));
capture!(sglang_bad_json, "sglang-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 1 validation error"));
capture!(sglang_no_messages, "sglang-err-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 1 validation error"));
capture!(sglang_not_found, "sglang-404", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "404 Not Found"));
capture!(llamacpp_too_long, "llamacpp-err-toolong", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 request (3031 tokens) exceeds"));
capture!(llamacpp_bad_json, "llamacpp-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 [json.exception.parse_error.101]"));
capture!(llamacpp_no_messages, "llamacpp-err-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "400 'messages' is required"));
capture!(llamacpp_not_found, "llamacpp-404", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "404 File Not Found"));

// A whole JSON body is no stream, and what is not OpenAI's stream carries no finish_reason.
capture!(vllm_whole, "vllm-chat-nonstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(sglang_whole, "sglang-chat-nonstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(llamacpp_whole, "llamacpp-chat-nonstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(tgi_whole, "tgi-chat-nonstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(sglang_wrong_model, "sglang-wrongmodel", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(llamacpp_wrong_model, "llamacpp-wrongmodel", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(tgi_wrong_model, "tgi-wrongmodel", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(llamacpp_native, "llamacpp-native-completion-stream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Truncated, "finish_reason"));
capture!(sglang_native, "sglang-native-generate-stream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Truncated, "finish_reason"));
capture!(tgi_native, "tgi-native-generate-stream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Truncated, "finish_reason"));
capture!(tgi_metrics, "tgi-metrics", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "not an event stream"));
capture!(sglang_metrics, "sglang-metrics", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "not an event stream"));

#[test]
fn continuous_usage_gives_each_event_its_tokens() {
    let capture = "vllm-chat-stream-continuous";
    let exact = Ask { max_tokens: 32, ignore_eos: false, exact: true };
    let bytes = response(capture);
    let record = parse(capture, exact, [bytes.as_slice()]);
    let tokens: Vec<u32> = record.chunks.iter().map(|chunk| chunk.tokens).collect();
    assert_eq!(tokens, [1; 7]);
}

#[test]
fn every_capture_has_an_expectation() {
    let source = [include_str!("wire.rs"), include_str!("wire/further.rs")].concat();
    // Answers to GET and to tokenisers: no load is ever played there.
    let other =
        ["health", "models", "metrics", "tokenize", "props", "slots", "info", "info2", "version", "generate"];
    for entry in std::fs::read_dir(format!("{}/tests/wire", env!("CARGO_MANIFEST_DIR"))).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".txt") else { continue };
        let is_other = other.iter().any(|other| name.ends_with(&format!("-{other}")));
        assert!(is_other || source.contains(&format!("\"{name}\"")), "{name} is not checked");
    }
}
