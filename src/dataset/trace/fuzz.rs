//! The readers of traces against anything: no bytes break them, and what they read can be counted and played.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::figures::counted;
use super::read::{Asked, read};
use super::replay::made;
use crate::dataset::texts::TextMaker;
use crate::schema::trace::{OnStepBack, TimeUnit, TraceColumns, TraceFormat, TraceOptions};

/// What traces are made of, and what breaks them.
const WORDS: [&[u8]; 44] = [
    b"\n",
    b"\r\n",
    b"\r",
    b",",
    b"\"",
    b"\"\"",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x00",
    b"{",
    b"}",
    b"[",
    b"]",
    b"{\"a\":{\"a\":{\"a\":{\"a\":1}}}}",
    b"null",
    b"NaN",
    b"-1",
    b"-0",
    b"1e999",
    b"1e-999",
    b"1e308",
    b"0.0000005",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"4294967296",
    b"99999999999999999999999999999999999999999999999999",
    b"2024-05-12 00:00:00+00:00",
    b"9999-12-31 23:59:59.999999999Z",
    b"-262143-01-01T00:00:00",
    b"2024-02-30 24:61:61",
    b"+14:00",
    b"\"timestamp\":",
    b"\"hash_ids\":{}",
    b"\"hash_ids\":[18446744073709551615]",
    b"\"input_length\":4294967295",
    b"\"chat_id\":1,\"parent_chat_id\":1,",
    b"\"requests\":[{}]",
    b"\"session_id\":\"\\ud83d\"",
    b"TIMESTAMP,ContextTokens,GeneratedTokens\n",
    b"arrived_at,num_prefill_tokens,num_decode_tokens\n",
    b"Timestamp,Request tokens,Response tokens\n",
    b"0,5,5\n",
    b"1.5,16777216,16777217\n",
];

/// The beginnings of the slices, and of formats that none of them shows.
fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/workloads");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut corpus: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes.truncate(1_500);
            bytes
        })
        .collect();
    let by_hand = [
        r#"{"chat_id": 1, "parent_chat_id": -1, "timestamp": 61.114, "input_length": 5, "output_length": 1, "type": "text", "turn": 1, "hash_ids": [1]}"#,
        r#"{"timestamp": 500, "requests": [{"Prompt Length": 5, "Output Length": 7, "prompt": "Hello."}]}"#,
        "time,input,output\n1,2,3\n1,2,3\n4,5,6\n",
        "{\"time\": 1, \"input\": 2, \"output\": 3}\n{\"time\": 0, \"input\": 2, \"output\": 3}\n",
    ];
    corpus.extend(by_hand.map(|text| text.as_bytes().to_vec()));
    corpus
}

fn mutated(mut bytes: Vec<u8>, corpus: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..40)).min(bytes.len());
        let word = WORDS[random.random_range(0..WORDS.len())];
        match random.random_range(0..8) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let bit = 1 << random.random_range(0..8);
                bytes[at..end].iter_mut().for_each(|byte| *byte ^= bit);
            }
            2 | 3 => drop(bytes.splice(at..at, word.iter().copied())),
            4 => drop(bytes.splice(at..end, word.iter().copied())),
            5 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let from = random.random_range(0..=other.len());
                let to = (from + random.random_range(0..400)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            6 => {
                // A number becomes another.
                if let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                    bytes[at + digit] = b'0' + random.random_range(0..10);
                }
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// One case: any bytes, read in any way; what is read is counted, and played where it can be.
fn case(bytes: &[u8], random: &mut ChaCha8Rng) {
    let columns = TraceColumns {
        time: ["time", "timestamp", "TIMESTAMP"][random.random_range(0..3)].to_owned(),
        input: ["input", "input_length", "ContextTokens"][random.random_range(0..3)].to_owned(),
        output: ["output", "output_length", "GeneratedTokens"][random.random_range(0..3)].to_owned(),
        time_unit: [TimeUnit::S, TimeUnit::Ms, TimeUnit::Us, TimeUnit::Ns][random.random_range(0..4)],
    };
    let asked = Asked {
        format: random
            .random_bool(0.3)
            .then(|| TraceFormat::ALL[random.random_range(0..TraceFormat::ALL.len())]),
        columns: random.random_bool(0.3).then_some(&columns),
        skip_bad: random.random(),
    };
    let Ok(found) = read(bytes, asked) else { return };
    let Ok(again) = read(bytes, asked) else { panic!("the same bytes are read once and not again") };
    let rows = found.rows.rows.len();
    let stats = counted(found, Path::new("fuzzed"), String::new()).stats;
    assert_eq!((stats.rows as usize, stats.instants + stats.ties), (rows, stats.rows));
    let options = TraceOptions {
        speed: [1.0, 0.001, 1_000.0][random.random_range(0..3)],
        from_s: [0.0, 0.0, 1.0][random.random_range(0..3)],
        to_s: random.random_bool(0.2).then_some(2.0),
        spread_ticks: random.random(),
        on_step_back: [OnStepBack::Error, OnStepBack::Append, OnStepBack::Sort][random.random_range(0..3)],
        max_input_tokens: Some(64),
        ..TraceOptions::default()
    };
    let Ok(replay) = made(again, (Path::new("fuzzed"), String::new()), &options, random.random()) else {
        return;
    };
    let units = replay.units(None, (random.random(), true), TextMaker::estimate().into());
    let due_us = units.due_us().unwrap();
    assert!(due_us.is_sorted() && due_us.len() == replay.requests());
    let last = units.unit(due_us.len() as u64 - 1).unwrap();
    assert!(last.turns[0].max_tokens > 0);
    assert!(units.unit(due_us.len() as u64).is_none());
    assert!(replay.arrivals(None, Some(5.0)).requests <= rows as u64);
}

fn fuzz(seed: u64, go_on: impl Fn(u64) -> bool) -> u64 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let corpus = corpus();
    let mut cases = 0;
    while go_on(cases) {
        let bytes = if random.random_bool(0.05) {
            (0..random.random_range(0..300)).map(|_| random.random()).collect()
        } else {
            mutated(corpus[random.random_range(0..corpus.len())].clone(), &corpus, &mut random)
        };
        case(&bytes, &mut random);
        cases += 1;
    }
    cases
}

#[test]
fn no_bytes_break_the_readers_of_traces() {
    assert_eq!(fuzz(1, |cases| cases < 3_000), 3_000);
}

/// `HARNESS_FUZZ_S=1200 cargo test --lib traces_are_fuzzed -- --ignored --nocapture`
#[test]
#[ignore = "it runs for as long as HARNESS_FUZZ_S says"]
#[allow(clippy::print_stderr)]
fn traces_are_fuzzed_for_as_long_as_one_likes() {
    let seconds = std::env::var("HARNESS_FUZZ_S").map_or(60, |text| text.parse().unwrap());
    let (seed, began) = (rand::random(), Instant::now());
    eprintln!("seed {seed}");
    let cases = fuzz(seed, |_| began.elapsed() < Duration::from_secs(seconds));
    eprintln!("{cases} cases");
}
