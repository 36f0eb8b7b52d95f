//! Parquet files with broken bytes: whatever their reader makes of them, an import ends with rows or with a clear word.

use std::time::{Duration, Instant};

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use ::parquet::file::writer::SerializedFileWriter;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// A sound file of prompts with limits, some of them empty.
fn sound(version: WriterVersion, dictionary: bool) -> Vec<u8> {
    let schema = "message m { required binary prompt (UTF8); optional int64 max_tokens; required binary more (UTF8); }";
    let schema = std::sync::Arc::new(::parquet::schema::parser::parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_dictionary_enabled(dictionary)
        .set_compression(Compression::UNCOMPRESSED)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties.into()).unwrap();
    for part in 0..2 {
        let mut group = writer.next_row_group().unwrap();
        let texts = |word: &str| -> Vec<ByteArray> {
            (0..20).map(|row| ByteArray::from(format!("{word} {part} {}", row % 7).as_str())).collect()
        };
        let present: Vec<i16> = (0..20).map(|row| i16::from(row % 3 != 0)).collect();
        let limits: Vec<i64> = (0..present.iter().filter(|one| **one == 1).count() as i64).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&texts("Why?"), None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&limits, Some(&present), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&texts("x"), None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn broken(mut bytes: Vec<u8>, random: &mut ChaCha8Rng) -> Vec<u8> {
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 | 2 => bytes[at] = random.random(),
            3 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5)],
            4 => {
                let end = (at + random.random_range(1..6)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let more: Vec<u8> = (0..random.random_range(1..6)).map(|_| random.random()).collect();
                bytes.splice(at..at, more);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

fn fuzz(seed: u64, goes_on: impl Fn(u64) -> bool) -> u64 {
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    let corpus: Vec<Vec<u8>> = versions
        .into_iter()
        .flat_map(|version| [true, false].map(|dictionary| sound(version, dictionary)))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.parquet");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut cases = 0;
    while goes_on(cases) {
        let bytes = broken(corpus[random.random_range(0..corpus.len())].clone(), &mut random);
        std::fs::write(&path, &bytes).unwrap();
        let how = Import {
            format: Some(PromptFormat::Parquet),
            skip_bad: random.random(),
            // What is read of a broken file is not without end.
            selection: Selection { pick: Pick::First(1_000), ..Selection::default() },
            ..Import::default()
        };
        let began = Instant::now();
        if let Err(error) = import_files(std::slice::from_ref(&path), &how) {
            let told = crate::schema::refusal::shown(&error);
            assert!(told.len() < 4_000, "{told}");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "case {cases} of seed {seed}");
        cases += 1;
    }
    cases
}

#[test]
fn broken_parquet_files_end_an_import_with_a_clear_word() {
    assert_eq!(fuzz(4, |cases| cases < 400), 400);
}

#[test]
fn a_page_whose_head_and_bytes_disagree_is_refused_before_it_is_read() {
    let file = sound(WriterVersion::PARQUET_2_0, true);
    // Of the second part's dictionary of texts: 7 values (0e, as it is written), 84 bytes (a8 01). A few more than can be,
    // which its reader would find out by itself.
    let head = [0x15, 0x04, 0x15, 0xa8, 0x01, 0x15, 0xa8, 0x01, 0x4c, 0x15, 0x0e];
    let at = file.windows(head.len()).rposition(|bytes| bytes == head).unwrap() + head.len() - 1;
    let mut broken = file.clone();
    // 85, in place of 7 and the first byte behind it: the texts are a byte shorter then.
    broken.splice(at..=at, [0xaa, 0x01]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.parquet");
    std::fs::write(&path, &broken).unwrap();
    let how = Import { format: Some(PromptFormat::Parquet), ..skipping() };
    let told = refused(import_files(std::slice::from_ref(&path), &how));
    assert!(told.contains("a page claims 85 values in 84 bytes"), "{told}");
}

/// `HARNESS_FUZZ_S=600 cargo test --lib parquet_is_fuzzed -- --ignored --nocapture`
#[test]
#[ignore = "it runs for as long as HARNESS_FUZZ_S says"]
#[allow(clippy::print_stderr)]
fn parquet_is_fuzzed_for_as_long_as_one_likes() {
    let seconds = std::env::var("HARNESS_FUZZ_S").map_or(60, |text| text.parse().unwrap());
    let (seed, began) = (rand::random(), Instant::now());
    eprintln!("seed {seed}");
    let cases = fuzz(seed, |_| began.elapsed() < Duration::from_secs(seconds));
    eprintln!("{cases} cases");
}
