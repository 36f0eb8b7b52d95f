//! All importers against anything: no bytes, however they are cut, break one, and the same comes out.

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rustix::time::{ClockId, clock_gettime};

use super::*;

/// What files of prompts are made of, and what breaks them.
const WORDS: [&[u8]; 40] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b";",
    b"null",
    b"\\ud83d",
    b"\\u0000",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\xa6",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"PAR1",
    b"-1e999",
    b"99999999999999999999999",
    b"\"conversations\":",
    b"\"from\":\"human\",",
    b"\"from\":\"gpt\",",
    b"\"value\":\"x\"",
    b"\"prompt\":",
    b"\"messages\":[",
    b"\"role\":\"user\",\"content\":null",
    b"\"custom_id\":\"a\",\"body\":{",
    b"\"question_id\":1,\"turns\":[",
    b"\"input\":\"a\",\"context\":\"b\"",
    b"\"max_tokens\":0",
    b"\"max_tokens\":1.5",
    b"\"id\":[]",
    b"prompt,max_tokens\n",
    b"timestamp,input_length\n",
    b"[{\"prompt\":\"a\"},",
];

fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = Vec::new();
    for name in ["sharegpt-fastchat-dummy.json", "sharegpt-v3-masked.json", "mt-bench.jsonl", "sonnet.txt"] {
        let bytes = std::fs::read(slice(name)).unwrap();
        // The whole one is slow to read a million times.
        corpus.extend([3_000, 12_000].map(|most| bytes[..bytes.len().min(most)].to_vec()));
    }
    for name in ["openai-batch-vllm.jsonl", "openai-batch-aibrix.jsonl"] {
        corpus.push(std::fs::read(slice(name)).unwrap());
    }
    let by_hand: [&[u8]; 7] = [
        b"prompt,max_tokens,id\n\"a, \"\"b\"\"\r\nc\",5,1\nx,,2\n",
        b"prompt\tid\r\nx\t1\r\n\r\ny\t2\r\n",
        b"[{\"id\":1,\"prompt\":\"a\",\"max_tokens\":4},{\"messages\":[{\"role\":\"user\",\"content\":[]}]}]",
        b"{\"question\":\"a\",\"answer\":\"b\",\"n\":1.0}\n{\"question\":\"\\u00e9\"}",
        b"{\"turns\":[{\"prompt\":\"a\"},{\"prompt\":\"b\",\"max_tokens\":3,\"pause_s\":0.1}],\"max_tokens\":5}",
        b"{\"input\":\"a\",\"context\":\"b\",\"dataset\":\"c\",\"_id\":\"d\"}",
        b"",
    ];
    corpus.extend(by_hand.map(<[u8]>::to_vec));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut packed, &corpus[0]).unwrap();
    corpus.push(packed.finish().unwrap());
    corpus.push(zstd::stream::encode_all(corpus[0].as_slice(), 1).unwrap());
    corpus
}

fn mutated(mut bytes: Vec<u8>, corpus: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..60)).min(bytes.len());
        match random.random_range(0..8) {
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
            6 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = random.random()),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// Parquet is left to `parquet`'s own tests: it is no stream, and is read from a path.
const FORMATS: [Option<PromptFormat>; 9] = [
    None,
    None,
    Some(PromptFormat::Sharegpt),
    Some(PromptFormat::Jsonl),
    Some(PromptFormat::Text),
    Some(PromptFormat::OpenaiBatch),
    Some(PromptFormat::MtBench),
    Some(PromptFormat::Longbench),
    Some(PromptFormat::Csv),
];

fn how(random: &mut ChaCha8Rng) -> Import {
    let columns = if random.random_range(0..4) == 0 {
        let pairs = [("prompt", "question"), ("reply", "answer"), ("max_tokens", "n")];
        Columns::new(pairs.map(|(key, column)| (key.to_owned(), column.to_owned()))).unwrap()
    } else {
        Columns::default()
    };
    Import {
        format: FORMATS[random.random_range(0..FORMATS.len())],
        turns: [Turns::FirstUser, Turns::FirstTwo, Turns::Strict, Turns::All][random.random_range(0..4)],
        columns,
        skip_bad: random.random(),
        selection: Selection {
            input: Bounds {
                min: random.random_bool(0.2).then_some(2),
                max: random.random_bool(0.2).then_some(90),
            },
            pick: [Pick::All, Pick::All, Pick::First(2), Pick::Sample { size: 2, seed: 1 }]
                [random.random_range(0..4)],
            ..Selection::default()
        },
    }
}

/// One case: any bytes, any cuts. The same comes out, soon, and what is kept is read back.
fn case(bytes: &[u8], random: &mut ChaCha8Rng) {
    let how = how(random);
    let parquet = how.format.is_none() && bytes.starts_with(b"PAR1");
    if parquet {
        return;
    }
    // By the thread's own account: the machine may be busy with other things.
    let used_ns = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    let began_ns = used_ns();
    let show = || format!("{how:?} {}", bytes.escape_ascii());
    let whole = import_bytes(bytes, &[], &how);
    let pieces: Vec<usize> = (0..random.random_range(1..6)).map(|_| random.random_range(1..900)).collect();
    let cut = import_bytes(bytes, &pieces, &how);
    // What is read in one pass comes to what serde makes of it.
    let carefully = import_reading(bytes, &[], &how, false);
    assert_eq!(carefully.as_ref().ok(), whole.as_ref().ok(), "{}", show());
    assert!(used_ns() - began_ns < 2_000_000_000, "{}", show());
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            assert_eq!(cut, whole, "{pieces:?} {}", show());
            read_back(&whole, &show);
        }
        (whole, cut) => {
            let [whole, cut, carefully] = [whole, cut, carefully].map(refused);
            assert_eq!([&cut, &carefully], [&whole; 2], "{pieces:?} {}", show());
            assert!(whole.len() < 4_000, "{whole}");
        }
    }
}

fn read_back((tally, prompts): &(Tally, Vec<Prompt>), show: &dyn Fn() -> String) {
    let mut written = Vec::new();
    prompts.iter().for_each(|prompt| write_prompt(&mut written, prompt).unwrap());
    assert_eq!(tally.kept, prompts.len() as u64, "{}", show());
    let left_out: u64 = tally.left_out.values().sum();
    assert_eq!(tally.rows, tally.kept + left_out + tally.bad + tally.not_drawn, "{}", show());
    if prompts.is_empty() {
        return;
    }
    let text = String::from_utf8(written).unwrap();
    let again = crate::dataset::parse::parse(&text, crate::dataset::parse::Form::Lines, "again").unwrap();
    assert_eq!(again.prompts, *prompts, "{}", show());
    assert!(again.passed_over.is_empty());
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
fn a_thousand_broken_files_are_read_the_same_however_they_are_cut() {
    fuzz(9, |cases| cases < 1_000);
}

/// `HARNESS_FUZZ_S=3600 cargo test --lib import::tests::fuzz::for_as_long -- --ignored --nocapture`: another seed
/// each time.
#[test]
#[ignore = "it runs for as long as HARNESS_FUZZ_S says"]
#[allow(clippy::print_stderr)]
fn for_as_long_as_was_asked_for_no_file_breaks_an_importer() {
    let seconds = std::env::var("HARNESS_FUZZ_S").map_or(60, |text| text.parse().unwrap());
    let (seed, began) = (rand::random(), Instant::now());
    eprintln!("seed {seed}");
    let cases = fuzz(seed, |_| began.elapsed() < Duration::from_secs(seconds));
    eprintln!("{cases} cases");
}
