//! Records on disk: whole, cut at any byte, damaged.

use super::*;

#[test]
fn records_survive_the_file_open_and_closed() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &three());
    let open = writer.files().records();
    let (records, footer) = read(&open);
    assert_eq!(records, three());
    assert_eq!(footer.partial.as_deref(), Some(CRASHED));
    let engine = EngineFigures { cpu_s: 1.5, threads: 2, ..EngineFigures::default() };
    let closed = writer.close(engine, Some("interrupted".into()), None).unwrap().path;
    assert!(!open.exists());
    assert_eq!(names(directory.path()), ["vllm_20260201_143000_records.jsonl.zst"]);
    let reader = RecordReader::open(&closed).unwrap();
    assert_eq!(reader.header(), &header("x", "vllm"));
    let (records, footer) = read(&closed);
    assert_eq!(records, three());
    assert_eq!((footer.records, footer.engine), (3, engine));
    assert_eq!(footer.partial.as_deref(), Some("interrupted"));
}

#[test]
fn a_tick_puts_on_disk_what_waits() {
    let directory = TempDir::new().unwrap();
    let mut writer = open_run(directory.path(), "x", "vllm", &[]);
    let path = writer.files().records();
    writer.write(&record(0, Outcome::Completed)).unwrap();
    writer.tick().unwrap();
    assert_eq!(read(&path).0.len(), 1);
    assert_eq!(writer.records(), 1);
}

#[test]
fn a_record_that_follows_a_second_later_flushes_both_without_a_tick() {
    let directory = TempDir::new().unwrap();
    let mut writer = open_run(directory.path(), "x", "vllm", &[]);
    let path = writer.files().records();
    writer.write(&record(0, Outcome::Completed)).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_001));
    writer.write(&record(1, Outcome::Completed)).unwrap();
    assert_eq!(read(&path).0.len(), 2);
}

#[test]
fn a_file_cut_at_any_byte_of_its_last_record_gives_the_records_before_it() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &three()).files().records();
    let whole = std::fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let cut_path = directory.path().join("cut_records.jsonl");
    for cut in last..=whole.len() {
        std::fs::write(&cut_path, &whole[..cut]).unwrap();
        let (records, footer) = read(&cut_path);
        // The line is complete with its closing brace; its newline adds nothing.
        let expected = if cut >= whole.len() - 1 { 3 } else { 2 };
        assert_eq!(records, three()[..expected], "cut at {cut} of {}", whole.len());
        assert_eq!((footer.records as usize, footer.partial.as_deref()), (expected, Some(CRASHED)));
    }
}

#[test]
fn a_file_cut_at_any_byte_of_its_footer_is_partial() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &three()).files().records();
    let mut whole = std::fs::read(&path).unwrap();
    let start = whole.len();
    let footer = RecordsFooter {
        kind: "end".into(),
        partial: None,
        records: 3,
        engine: EngineFigures::default(),
        server: None,
        clock: None,
        workers: Vec::new(),
    };
    whole.extend(serde_json::to_vec(&footer).unwrap());
    let cut_path = directory.path().join("cut_records.jsonl");
    for cut in start..=whole.len() {
        std::fs::write(&cut_path, &whole[..cut]).unwrap();
        let (records, found) = read(&cut_path);
        assert_eq!(records.len(), 3);
        let partial = if cut == whole.len() { None } else { Some(CRASHED) };
        assert_eq!(found.partial.as_deref(), partial, "cut at {cut} of {}", whole.len());
    }
}

#[test]
fn a_file_cut_in_its_header_says_that_it_has_none() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &[]).files().records();
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 1, whole.len() / 2, whole.len() - 2] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let error = read_error(&path);
        assert!(error.contains("vllm_20260201_143000_records.jsonl"), "{error}");
    }
}

#[test]
fn a_broken_line_in_the_middle_names_the_file_and_the_line() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &three()).files().records();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let half = &lines[2][..lines[2].len() / 2];
    lines[2] = half;
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = read_error(&path);
    assert!(error.contains("_records.jsonl:3: neither a record nor the end"), "{error}");
}

#[test]
fn an_end_that_counted_other_records_is_an_error() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &three());
    let closed = writer.close(EngineFigures::default(), None, None).unwrap().path;
    let plain = zstd::decode_all(std::fs::File::open(&closed).unwrap()).unwrap();
    let text = String::from_utf8(plain).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(2);
    let path = directory.path().join("lost_records.jsonl");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = read_error(&path);
    assert!(error.contains("holds 2 records, but its end says 3"), "{error}");
    lines.push(lines[1]);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = read_error(&path);
    assert!(error.contains(":5: a record after the end"), "{error}");
}

#[test]
fn a_damaged_compressed_file_is_an_error_and_no_short_run() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &vec![record(0, Outcome::Completed); 500]);
    let closed = writer.close(EngineFigures::default(), None, None).unwrap().path;
    let bytes = std::fs::read(&closed).unwrap();
    std::fs::write(&closed, &bytes[..bytes.len() - 20]).unwrap();
    let error = read_error(&closed);
    assert!(error.contains("_records.jsonl.zst"), "{error}");
}

#[test]
fn a_summary_from_disk_is_the_one_that_was_made_live() {
    let directory = TempDir::new().unwrap();
    let records = three();
    let writer = open_run(directory.path(), "compare_x", "vllm", &records);
    let closed = writer.close(EngineFigures::default(), None, None).unwrap().path;
    let mut reader = RecordReader::open(&closed).unwrap();
    let mut summarizer = Summarizer::new(SummaryInput::from_header(reader.header()).unwrap());
    for record in reader.by_ref() {
        summarizer.add(&record.unwrap());
    }
    let footer = reader.finish();
    let finish = Finish {
        engine: footer.engine,
        partial: footer.partial,
        server: footer.server,
        issued: Some(3),
        gpu: None,
        workers: Vec::new(),
    };
    assert_eq!(summarizer.finish(finish).unwrap(), summary(&records, None));
}
