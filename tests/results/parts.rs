//! Records read by several threads: what one reader gives, in its order; what is damaged is left to that reader.

use harness::results::{Fold, fold_by, fold_in_order};

use super::*;

/// Keeps what it is given.
#[derive(Default)]
struct Kept(u64);

impl Fold for Kept {
    type Part = Vec<RequestRecord>;

    fn add(&mut self, record: &RequestRecord, part: &mut Self::Part) {
        self.0 += 1;
        part.push(record.clone());
    }
}

/// The records, how many each thread took, and the footer; none where it is left to one reader.
fn by(threads: usize, path: &Path) -> Option<(Vec<RequestRecord>, Vec<u64>, RecordsFooter)> {
    let mut records = Vec::new();
    let folded = fold_by(threads, path, Kept::default, |part| {
        records.append(part);
        Ok(())
    });
    folded.unwrap().map(|folded| (records, folded.folds.iter().map(|kept| kept.0).collect(), folded.footer))
}

fn in_order(path: &Path) -> (Vec<RequestRecord>, RecordsFooter, Option<String>) {
    let mut records = Vec::new();
    let take = |part: &mut Vec<RequestRecord>| {
        records.append(part);
        Ok(())
    };
    let (folded, damage) = fold_in_order(path, Kept::default(), take).unwrap();
    (records, folded.footer, damage.map(|damage| format!("{damage:#}")))
}

/// So many records that they fill several blocks, some of them with what is seldom there.
fn many() -> Vec<RequestRecord> {
    let outcomes = [
        Outcome::Completed,
        Outcome::Failed { kind: FailureKind::Status, detail: "said \"no\"\tand é".into() },
        Outcome::Cancelled,
    ];
    (0..9_000).map(|index| record(index, outcomes[index as usize % 3].clone())).collect()
}

fn closed(directory: &TempDir, records: &[RequestRecord]) -> PathBuf {
    let writer = open_run(directory.path(), "x", "vllm", records);
    writer.close(EngineFigures { threads: 3, ..EngineFigures::default() }, None, None).unwrap().path
}

fn same_by_any_number(path: &Path, expected: &[RequestRecord]) {
    let (records, footer, damage) = in_order(path);
    assert_eq!((records.as_slice(), damage), (expected, None));
    for threads in [1, 2, 3, 7] {
        let (records, shares, by_many) = by(threads, path).unwrap();
        assert!(records == expected, "{threads}: {} records", records.len());
        assert_eq!((shares.len(), shares.iter().sum::<u64>()), (threads, expected.len() as u64));
        assert_eq!(by_many, footer);
    }
}

#[test]
fn several_threads_read_what_one_reads_from_an_open_and_from_a_closed_file() {
    let directory = TempDir::new().unwrap();
    let records = many();
    let writer = open_run(directory.path(), "x", "vllm", &records);
    same_by_any_number(&writer.files().records(), &records);
    let path = writer.close(EngineFigures::default(), None, None).unwrap().path;
    assert!(frames(&std::fs::read(&path).unwrap()) > 2, "the file has several frames");
    same_by_any_number(&path, &records);
}

fn frames(mut bytes: &[u8]) -> usize {
    let mut frames = 0;
    while !bytes.is_empty() {
        bytes = &bytes[zstd::zstd_safe::find_frame_compressed_size(bytes).unwrap()..];
        frames += 1;
    }
    frames
}

#[test]
fn a_file_in_one_frame_and_a_run_without_a_record_are_read_too() {
    let directory = TempDir::new().unwrap();
    let records = many();
    let path = closed(&directory, &records);
    let plain = zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
    std::fs::write(&path, zstd::encode_all(plain.as_slice(), 1).unwrap()).unwrap();
    same_by_any_number(&path, &records);
    same_by_any_number(&closed(&directory, &[]), &[]);
}

#[test]
fn a_file_that_was_cut_off_is_read_up_to_its_last_whole_line() {
    let directory = TempDir::new().unwrap();
    let records = many();
    let path = open_run(directory.path(), "x", "vllm", &records).files().records();
    let whole = std::fs::read(&path).unwrap();
    for (cut, expected) in [(0, 9_000), (1, 9_000), (2, 8_999), (100, 8_999)] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        same_by_any_number(&path, &records[..expected]);
        assert_eq!(by(2, &path).unwrap().2.partial.as_deref(), Some(CRASHED));
    }
}

#[test]
fn a_damage_is_left_to_one_reader_which_gives_what_stands_before_it() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &many()).files().records();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut broken = lines.clone();
    broken[7_001] = "{\"index\":1}";
    let mut late = lines.clone();
    let record_of_late = lines[5].replacen("\"end_us\":", "\"end_us\":9999999999", 1);
    late[5] = &record_of_late;
    let ends = r#"{"kind":"end","records":9000,"engine":{"measured_from_us":0,"measured_to_us":0,"ramp_to_us":0,"issue_end_us":0,"cpu_s":0.0,"threads":1}}"#;
    let mut early = lines.clone();
    early.insert(8_001, ends);
    let mut lost = lines.clone();
    lost.pop();
    lost.push(ends);
    let cases = [
        (broken, 7_000, ":7002: neither a record nor the end of the run"),
        (late, 4, ":6: a time of more than a year"),
        (early, 8_000, ":8003: a record after the end"),
        (lost, 8_999, "holds 8999 records, but its end says 9000"),
    ];
    for (lines, before, why) in cases {
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        assert!(by(2, &path).is_none(), "{why}");
        let (records, _, damage) = in_order(&path);
        assert!(records == many()[..before], "{why}: {}", records.len());
        assert!(damage.as_ref().unwrap().contains(why), "{damage:?}");
    }
}

#[test]
fn a_frame_that_is_damaged_or_ends_within_a_line_is_left_to_one_reader() {
    let directory = TempDir::new().unwrap();
    let path = closed(&directory, &many());
    let bytes = std::fs::read(&path).unwrap();
    let mut damaged = bytes.clone();
    let middle = bytes.len() / 2;
    damaged[middle] ^= 0xff;
    std::fs::write(&path, &damaged).unwrap();
    assert!(by(2, &path).is_none());
    assert!(in_order(&path).2.is_some());
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    assert!(by(2, &path).is_none());
    assert!(in_order(&path).2.is_some());
    let plain = zstd::decode_all(bytes.as_slice()).unwrap();
    let (front, back) = plain.split_at(plain.len() / 2);
    let two = [zstd::encode_all(front, 1).unwrap(), zstd::encode_all(back, 1).unwrap()].concat();
    std::fs::write(&path, two).unwrap();
    assert!(by(2, &path).is_none());
    assert_eq!((in_order(&path).0.len(), in_order(&path).2), (9_000, None));
}

#[test]
fn who_takes_the_parts_can_stop_all() {
    let directory = TempDir::new().unwrap();
    let path = closed(&directory, &many());
    let mut taken = 0;
    let stopped = fold_by(2, &path, Kept::default, |_| {
        taken += 1;
        anyhow::bail!("disk full")
    });
    assert_eq!(stopped.err().unwrap().to_string(), "disk full");
    assert_eq!(taken, 1);
}
