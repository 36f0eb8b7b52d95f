//! The answer path against anything: what says nothing changes nothing, and no bytes, however they are cut, break it.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::load::clock::thread_cpu_ns;
use crate::load::protocol::Protocol;
use crate::load::protocol::terms::Framing;
use crate::load::request::answer::{Answer, Progress};
use crate::load::request::blank_record::blank_record;
use crate::load::request::outcome::Ending;
use crate::load::request::seen::{Arrival, Expect};
use crate::schema::plan::HttpSettings;
use crate::schema::record::{Outcome, RequestRecord};
use crate::schema::target::ProtocolName;
use crate::schema::unit::{Phase, Unit};
use crate::schema::wire::{BodyTemplate, ReplyFraming};

const EXPECT: Expect = Expect {
    protocol: Protocol::OpenaiChat,
    streams: true,
    max_tokens: 4,
    forced: false,
    done_marker: true,
    eos_in_usage: true,
    keep_text: true,
};

/// What a stop-watch is told, and the text.
fn read(framing: Framing, expect: Expect, pieces: &[&[u8]]) -> (RequestRecord, String) {
    let mut record = blank_record(0, &Unit::single("p", "", 1), Phase::Measured, expect);
    let mut answer = Answer::framed(framing, expect, 0);
    let mut at_us = 0;
    let mut progress = Progress::More;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        at_us += 1_000;
        progress =
            answer.read(piece, Arrival { at_us, lag_us: 0, kernel: true, beyond: false, earliest_us: 0 });
        if progress != Progress::More {
            break;
        }
    }
    let ended = progress != Progress::More || answer.eof();
    let ending = if ended { Ending::Read } else { Ending::Broken("closed".to_owned()) };
    let text = answer.finish(ending, "POST /v1", &mut record).unwrap_or_default();
    (record, text)
}

/// All of a record that may not depend on how its bytes were cut.
fn facts((record, text): &(RequestRecord, String)) -> String {
    let tokens: Vec<u32> = record.chunks.iter().map(|chunk| chunk.tokens).collect();
    let RequestRecord { status, tokens: counts, finish_reason, outcome, missing_sign, passed_over, .. } =
        record;
    format!(
        "{status:?} {tokens:?} {counts:?} {finish_reason:?} {outcome:?} {missing_sign:?} {passed_over} {text}"
    )
}

fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let mut from = 0;
    let mut pieces = Vec::new();
    for cut in cuts {
        pieces.push(&bytes[from..cut]);
        from = cut;
    }
    pieces.push(&bytes[from..]);
    pieces
}

/// A whole answer.
const EVENTS: [&str; 6] = [
    r#"data: {"choices":[{"delta":{"content":"a"}}]}"#,
    r#"data: {"choices":[{"delta":{"reasoning_content":"b"}}]}"#,
    r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
    r#"data: {"choices":[{"delta":{},"finish_reason":"length"}]}"#,
    r#"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}"#,
    "data: [DONE]",
];

/// What may stand between two events of a stream and says nothing.
fn nothing() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,8}".prop_map(|text| format!(":{text}")),
        Just("data:".to_owned()),
        Just("data: ".to_owned()),
        Just("data:\ndata:".to_owned()),
        "[a-z_]{1,8}".prop_map(|name| format!("event: {}_", name)),
        ("[a-z_]{1,8}", "[a-z{}\"]{0,8}").prop_map(|(name, data)| format!("event: {name}_\ndata: {data}")),
        Just(format!("event: ping\n{}", EVENTS[0])),
        "[a-z]{1,8}".prop_map(|field| format!("x{field}: value")),
        Just("id: 7\nretry: 10".to_owned()),
        Just("{\"status\":\"working\"}".to_owned()),
        prop_oneof![Just("{}"), Just("null"), Just("5"), Just("[]"), Just("\"text\"")]
            .prop_map(|value| format!("data: {value}")),
        prop_oneof![
            Just(r#"{"role":"assistant"}"#),
            Just(r#"{"role":"assistant","content":""}"#),
            Just(r#"{"content":null,"refusal":null,"tool_calls":[]}"#),
            Just("{}"),
            Just("null"),
            Just("[1]"),
            Just("\"x\"")
        ]
        .prop_map(|delta| format!(
            r#"data: {{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
        )),
        Just(r#"data: {"choices":[],"prompt_progress":{"total":4,"processed":2}}"#.to_owned()),
        Just(r#"data: {"choices":null,"usage":null,"error":null,"id":7}"#.to_owned()),
    ]
}

/// A member of an event that no stop-watch reads.
fn member() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null"),
        Just("-1.5e3"),
        Just("1e999"),
        Just("true"),
        Just(r#""\ud83d""#),
        Just(r#""data: [DONE]\n\n""#),
        Just("[[],{}]"),
        Just(r#"{"error":"x","choices":5}"#)
    ];
    ("(id|created|model|object|system_fingerprint|x[a-z]{0,4})", value)
        .prop_map(|(name, value)| format!(r#""{name}":{value},"#))
}

fn stream(events: &[String], line_end: &str, chunk_bytes: usize) -> Vec<u8> {
    let body = events.iter().map(|event| format!("{event}\n\n")).collect::<String>().replace('\n', line_end);
    let mut bytes =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in body.as_bytes().chunks(chunk_bytes) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes().chain(piece.iter().copied()).chain(*b"\r\n"));
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

proptest! {
    #[test]
    fn what_says_nothing_changes_no_figure(
        inserted in proptest::collection::vec((0usize..=EVENTS.len(), nothing()), 0..8),
        members in proptest::collection::vec((0usize..EVENTS.len() - 1, member()), 0..6),
        line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        chunk_bytes in 1usize..200,
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut events: Vec<Vec<String>> = EVENTS.iter().map(|event| vec![(*event).to_owned()]).collect();
        let plain = read(Framing::Sse, EXPECT, &[&stream(&events.concat(), "\n", 1_000)]);
        for (at, member) in members {
            let event = events[at].last_mut().unwrap();
            *event = event.replacen("data: {", &format!("data: {{{member}"), 1);
        }
        for (at, text) in inserted {
            let place = at.min(EVENTS.len() - 1);
            if at == EVENTS.len() { events[place].push(text) } else { events[place].insert(0, text) }
        }
        let bytes = stream(&events.concat(), line_end, chunk_bytes);
        let mut odd = read(Framing::Sse, EXPECT, &cut(&bytes, &cuts));
        odd.0.passed_over = 0;
        prop_assert_eq!(&odd.0.outcome, &Outcome::Completed);
        prop_assert_eq!(facts(&odd), facts(&plain));
    }
}

/// What answers are made of, and what breaks them.
const WORDS: [&[u8]; 44] = [
    b"\"text\":\"a\"",
    b"\"text_output\":",
    b"\"output_ids\":[1,2]",
    b"\"meta_info\":{\"completion_tokens\":2}",
    b"\"special\":true",
    b"\"stop\":true",
    b"\"generated_text\":\"\"",
    b"\"finish_reason\":{\"type\":\"abort\",\"message\":\"m\"}",
    b"data:",
    b"data: ",
    b"event: error\n",
    b"event: ping\n",
    b"error: ",
    b": ping\n\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\ud83d",
    b"\\u00e9",
    b"[DONE]",
    b"data: [DONE]\n\n",
    b"0\r\n\r\n",
    b"ffffffff\r\n",
    b"\xff\xfe",
    b"\xf0\x9f\xa6",
    b"NaN",
    b"-1e999",
    b"null",
    b"\"error\":",
    b"\"finish_reason\":\"stop\"",
    b"\"usage\":{}",
    b"\"completion_tokens\":-1",
    b"\"content\":6",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"content-length: 7\r\n",
    b"transfer-encoding: chunked\r\n",
    b"content-encoding: gzip\r\n",
    b"location: //a@b/\r\n",
];

fn mutated(mut bytes: Vec<u8>, corpus: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..40)).min(bytes.len());
        match random.random_range(0..7) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << random.random_range(0..8)),
            2 | 3 => drop(bytes.splice(at..at, WORDS[random.random_range(0..WORDS.len())].iter().copied())),
            4 => drop(bytes.splice(at..end, WORDS[random.random_range(0..WORDS.len())].iter().copied())),
            5 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let from = random.random_range(0..=other.len());
                let to = (from + random.random_range(0..400)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// Every protocol, streamed and whole.
fn spoken(random: &mut ChaCha8Rng) -> (Protocol, bool) {
    let templates = [("$.outputs[0].text", Some("n")), ("choices.0.delta.content", None), ("$", None)];
    let (text_path, tokens_path) = templates[random.random_range(0..templates.len())];
    let template = HttpSettings {
        protocol: ProtocolName::Template,
        template: Some(BodyTemplate {
            body: "[{prompt}]".to_owned(),
            framing: ReplyFraming::Sse,
            text_path: text_path.to_owned(),
            tokens_path: tokens_path.map(str::to_owned),
        }),
        ..HttpSettings::default()
    };
    let protocols = [
        Protocol::OpenaiChat,
        Protocol::OpenaiChat,
        Protocol::Tgi,
        Protocol::Sglang,
        Protocol::Llamacpp,
        Protocol::TritonTrtllm,
        Protocol::Jetstream,
        Protocol::Sax,
        Protocol::NaiveTransformers,
        Protocol::of(&template).unwrap(),
    ];
    (protocols[random.random_range(0..protocols.len())], random.random_bool(0.8))
}

/// Captures, the short ones, and answers made by hand.
fn corpus() -> Vec<Vec<u8>> {
    let marker = b"<<< RESPONSE (raw bytes)\n";
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire")).unwrap();
    let mut corpus: Vec<Vec<u8>> = files
        .filter_map(|entry| {
            let bytes = std::fs::read(entry.unwrap().path()).ok()?;
            let at = bytes.windows(marker.len()).position(|window| window == marker)?;
            Some(bytes[at + marker.len()..].to_vec()).filter(|response| response.len() < 6_000)
        })
        .collect();
    corpus.sort();
    let events: Vec<String> = EVENTS.iter().map(|event| (*event).to_owned()).collect();
    corpus.extend([1, 7, 1_000].map(|bytes| stream(&events, "\n", bytes)));
    let error = "HTTP/1.1 200 OK\r\n\r\n{\"error\":{\"message\":\"no\"}}\n";
    corpus.push(error.as_bytes().to_vec());
    // GKE's JetStream and JetStream's own, which no capture has.
    let pieces = [
        "{\n  \"id\": \"1\",\n  \"text\": \" a\"\n}{\n  \"id\": \"1\",\n  \"text\": \"\\\"{}\"\n}",
        "{\"streamContent\": {\"samples\": [{\"text\": \" a\", \"tokenIds\": [5]}]}}\n{\"initialContent\": {}}",
        "{\"outputs\":[{\"text\":\" a\"}],\"n\":1}\n{\"outputs\":[{\"text\":\" b\"}],\"n\":3}\n",
        "{\"predictions\": [\"Prompt:\\na\\nOutput:\\nb\"]}",
        "[[\" a\", -0.5]]",
    ];
    corpus.extend(pieces.map(|body| format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes()));
    corpus
}

/// One case: any bytes, any cuts. The same comes out however they are cut, soon, and small.
fn case(bytes: &[u8], random: &mut ChaCha8Rng) {
    let framing = [Framing::Sse, Framing::Sse, Framing::Sse, Framing::JsonStream, Framing::Whole]
        [random.random_range(0..5)];
    let (protocol, streams) = spoken(random);
    let expect = Expect { protocol, streams, forced: random.random(), ..EXPECT };
    // By the thread's own account: the machine may be busy with other things.
    let used_ns = || thread_cpu_ns().unwrap_or(0);
    let began_ns = used_ns();
    let whole = read(framing, expect, &[bytes]);
    let cuts: Vec<usize> = (0..random.random_range(1..12)).map(|_| random.random_range(0..1 << 20)).collect();
    let pieces = cut(bytes, &cuts);
    let cut_up = read(framing, expect, &pieces);
    let show = || {
        format!(
            "{framing:?} {expect:?} {:?}",
            pieces.iter().map(|p| p.escape_ascii().to_string()).collect::<Vec<_>>()
        )
    };
    assert_eq!(facts(&cut_up), facts(&whole), "{}", show());
    assert!(used_ns() - began_ns < 2_000_000_000, "{}", show());
    let record = whole.0;
    let detail = match &record.outcome {
        Outcome::Failed { detail, .. } => detail.chars().count(),
        Outcome::Completed | Outcome::Cancelled | Outcome::Dropped => 0,
    };
    assert!(
        detail <= 301 && record.finish_reason.is_none_or(|word| word.chars().count() <= 301),
        "{}",
        show()
    );
    assert!(record.chunks.len() <= bytes.len() && whole.1.len() <= 6 * bytes.len(), "{}", show());
}

fn fuzz(seed: u64, goes_on: impl Fn(u64) -> bool) -> u64 {
    let (corpus, mut random) = (corpus(), ChaCha8Rng::seed_from_u64(seed));
    let mut cases = 0;
    while goes_on(cases) {
        let bytes = corpus[random.random_range(0..corpus.len())].clone();
        let bytes = mutated(bytes, &corpus, &mut random);
        case(&bytes, &mut random);
        cases += 1;
    }
    cases
}

#[test]
fn a_thousand_broken_answers_are_read_the_same_however_they_are_cut() {
    fuzz(8, |cases| cases < 1_000);
}

/// `HARNESS_FUZZ_S=3600 cargo test --lib load::tests::fuzz::for_as_long -- --ignored --nocapture`: another seed each time.
#[test]
#[ignore = "it runs for as long as HARNESS_FUZZ_S says"]
#[allow(clippy::print_stderr)]
fn for_as_long_as_was_asked_for_no_answer_breaks_the_reader() {
    let seconds = std::env::var("HARNESS_FUZZ_S").map_or(60, |text| text.parse().unwrap());
    let (seed, began) = (rand::random(), Instant::now());
    eprintln!("seed {seed}");
    let cases = fuzz(seed, |_| began.elapsed() < Duration::from_secs(seconds));
    eprintln!("{cases} cases");
}
