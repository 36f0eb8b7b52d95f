//! The file of all runs as editors, spreadsheets and other programs leave it; names and sizes from files.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::*;

const HEADER: [&str; 8] =
    ["timestamp", "run_id", "backend", "point", "round", "repeat", "requests_issued", "exit"];
const HEAD: &str = "timestamp,run_id,backend,point,round,repeat,requests_issued,exit";

/// A row of the run of this second.
fn row(second: u32, run_id: &str, issued: &str, exit: &str) -> Vec<String> {
    let time = format!("2026-02-01T14:30:{second:02}.000Z");
    [&time, run_id, "a", "1", "1", "1", issued, exit].map(str::to_owned).to_vec()
}

/// What the file holds after a row of `mine` was put into it.
fn after(before: &[u8]) -> (TempDir, Put) {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join(SUMMARY_FILE), before).unwrap();
    let done = put(directory.path(), &HEADER, &[row(1, "mine", "4", "ok")]);
    (directory, done)
}

fn text(directory: &TempDir) -> String {
    std::fs::read_to_string(directory.path().join(SUMMARY_FILE)).unwrap()
}

const OLD: &str = "2026-02-01T14:30:00.000Z,old,a,1,1,1,4,ok";
const MINE: &str = "2026-02-01T14:30:01.000Z,mine,a,1,1,1,4,ok";

#[test]
fn a_whole_last_row_without_a_newline_stays_and_gets_the_newline_of_the_file() {
    for end in ["\n", "\r\n"] {
        let (directory, done) = after(format!("{HEAD}{end}{OLD}").as_bytes());
        assert_eq!((done.renamed, done.moved_aside), (None, None));
        assert_eq!(text(&directory), format!("{HEAD}{end}{OLD}{end}{MINE}\n"));
    }
    let (directory, done) = after(HEAD.as_bytes());
    assert_eq!((done.renamed, done.moved_aside), (None, None));
    assert_eq!(text(&directory), format!("{HEAD}\n{MINE}\n"));
}

#[test]
fn a_last_row_that_was_cut_is_moved_aside_also_where_the_cut_is_in_its_last_cell() {
    for cut in ["2026-02-01T14:30:00.000Z,old", &OLD[..OLD.len() - 1], &OLD[..OLD.len() - 2]] {
        let (directory, done) = after(format!("{HEAD}\n{cut}").as_bytes());
        assert_eq!(std::fs::read_to_string(done.moved_aside.unwrap()).unwrap(), format!("{cut}\n"));
        assert_eq!(text(&directory), format!("{HEAD}\n{MINE}\n"));
    }
}

#[test]
fn a_file_of_somebody_else_is_renamed_byte_for_byte() {
    let ours = format!("{HEAD}\n{OLD}\n");
    let utf16: Vec<u8> =
        "\u{feff}".encode_utf16().chain(ours.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let others: [&[u8]; 6] = [
        b"name,tps\nmine,1\nmine,2",
        b"name,tps",
        b"\n",
        &utf16,
        &ours.replace(',', ";").into_bytes(),
        &[b'x'; 3 << 20],
    ];
    for other in others {
        let (directory, done) = after(other);
        assert_eq!(std::fs::read(done.renamed.unwrap()).unwrap(), other);
        assert_eq!((text(&directory), done.moved_aside), (format!("{HEAD}\n{MINE}\n"), None));
    }
}

#[test]
fn what_a_spreadsheet_may_change_keeps_the_file_ours() {
    let quoted: String = format!("{HEAD}\n{OLD}\n")
        .lines()
        .map(|line| line.split(',').map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    let marked = format!("\u{feff}{HEAD}\r\n{OLD}\r\n");
    let latin =
        [format!("{HEAD}\n").as_bytes(), &OLD.replace("old", "o\u{1}d").into_bytes()[..], b"\n"].concat();
    let latin: Vec<u8> = latin.into_iter().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect();
    for before in [quoted.as_bytes(), marked.as_bytes(), &latin] {
        let (directory, done) = after(before);
        assert_eq!((done.renamed, done.moved_aside), (None, None));
        let all = std::fs::read(directory.path().join(SUMMARY_FILE)).unwrap();
        assert_eq!(all, [before, MINE.as_bytes(), b"\n"].concat());
    }
}

#[test]
fn through_a_link_our_own_file_grows_and_anothers_stays_as_it_is() {
    let directory = TempDir::new().unwrap();
    let link = directory.path().join(SUMMARY_FILE);
    let elsewhere = directory.path().join("elsewhere");
    symlink(&elsewhere, &link).unwrap();
    for (before, expected) in [
        (format!("{HEAD}\n{OLD}"), format!("{HEAD}\n{OLD}\n{MINE}\n")),
        // A row that is put right replaces the file, and not the link to it.
        (format!("{HEAD}\n{}\n", MINE.replace(",ok", ",failed")), format!("{HEAD}\n{MINE}\n")),
    ] {
        std::fs::write(&elsewhere, before).unwrap();
        put(directory.path(), &HEADER, &[row(1, "mine", "4", "ok")]);
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), expected);
    }
    std::fs::write(&elsewhere, "name,tps\nmine,2").unwrap();
    let done = put(directory.path(), &HEADER, &[row(1, "mine", "4", "ok")]);
    assert!(done.renamed.unwrap().is_symlink() && !link.is_symlink());
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "name,tps\nmine,2");
}

#[test]
fn a_run_has_one_row_and_the_row_of_its_launch_becomes_the_runs() {
    let failed = "2026-02-01T14:29:00.000Z,mine,a,1,1,1,,failed";
    for wrong in [failed, &MINE.replace(",4,ok", ",2,partial"), MINE] {
        let (directory, _) = after(format!("{HEAD}\n{wrong}\n{OLD}\n").as_bytes());
        assert_eq!(text(&directory), format!("{HEAD}\n{MINE}\n{OLD}\n"));
    }
}

#[test]
fn of_two_rows_of_one_run_one_is_left() {
    let partial = MINE.replace(",ok", ",partial");
    for two in [format!("{partial}\n{OLD}\n{MINE}"), format!("{MINE}\n{OLD}\n{partial}")] {
        let (directory, _) = after(format!("{HEAD}\n{two}\n").as_bytes());
        assert_eq!(text(&directory), format!("{HEAD}\n{MINE}\n{OLD}\n"));
    }
}

#[test]
fn figures_of_another_run_that_shares_a_key_stay() {
    let other = "2026-02-01T14:29:00.000Z,mine,a,1,1,1,9,ok";
    let (directory, _) = after(format!("{HEAD}\n{other}\n").as_bytes());
    assert_eq!(text(&directory), format!("{HEAD}\n{other}\n{MINE}\n"));
}

#[test]
fn the_row_of_a_launch_never_takes_the_place_of_a_runs() {
    let (directory, _) = after(b"");
    let failed = row(2, "mine", "", "failed");
    put_rows(directory.path(), SUMMARY_FILE, &HEADER, &[failed], at(), Standing::Kept, Patience::SILENT)
        .unwrap();
    assert_eq!(text(&directory), format!("{HEAD}\n{MINE}\n"));
}

#[test]
fn a_lock_is_waited_for_in_words_and_no_longer_than_the_patience() {
    let (directory, _) = after(b"");
    let held = std::fs::File::open(directory.path().join(SUMMARY_FILE)).unwrap();
    held.lock().unwrap();
    let said = std::cell::RefCell::new(Vec::new());
    let say = |what: &str| said.borrow_mut().push(what.to_owned());
    let started = Instant::now();
    let patience = Patience { say: &say, stop: &|| false, at_most: Duration::from_millis(1500) };
    let put_into = |patience| {
        let rows = [row(2, "next", "4", "ok")];
        put_rows(directory.path(), SUMMARY_FILE, &HEADER, &rows, at(), Standing::Replaced, patience)
    };
    let error = format!("{:#}", put_into(patience).unwrap_err());
    assert!(error.contains(SUMMARY_FILE) && error.contains("another program holds its lock"), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(1500));
    assert_eq!(said.borrow().len(), 1, "{said:?}");
    assert!(said.borrow()[0].contains("waiting for the lock"), "{said:?}");
    // Whoever wants to stop waits a moment at most: the lock may be given every instant.
    let started = Instant::now();
    put_into(Patience { stop: &|| true, ..Patience::SILENT }).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(30));
    drop(held);
    put_into(Patience { stop: &|| true, ..Patience::SILENT }).unwrap();
    assert_eq!(text(&directory).lines().count(), 3);
}

#[test]
fn a_run_that_is_recorded_is_seen_to_live_until_its_writer_is_gone() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &three());
    let living = || find_runs(directory.path()).unwrap().runs[0].living;
    assert!(living());
    drop(writer);
    assert!(!living());
}

#[test]
fn a_line_without_end_and_a_time_of_centuries_are_errors_with_their_line() {
    let directory = TempDir::new().unwrap();
    let path = open_run(directory.path(), "x", "vllm", &three()).files().records();
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{}", "x".repeat(65 << 20))).unwrap();
    let error = read_error(&path);
    assert!(error.contains("_records.jsonl:5") && error.contains("a line of more than"), "{error}");
    for centuries in ["\"end_us\":4000000000000000", "\"end_us\":18446744073709551615"] {
        std::fs::write(&path, whole.replacen("\"end_us\":2600", centuries, 1)).unwrap();
        let error = read_error(&path);
        assert!(error.contains("_records.jsonl:2: a time of more than a year"), "{error}");
    }
    let chunks = whole.replacen("\"chunks\":[500,", "\"chunks\":[18446744073709551615,", 1);
    assert_ne!(chunks, whole);
    std::fs::write(&path, chunks).unwrap();
    let error = read_error(&path);
    assert!(error.contains("_records.jsonl:2") && error.contains("a time beyond all bounds"), "{error}");
}

#[test]
fn a_run_id_is_given_once_while_it_is_used_and_after() {
    let directory = TempDir::new().unwrap();
    let take = || TakenId::take(directory.path(), "bench", at()).unwrap();
    let (first, second) = (take(), take());
    assert_eq!(first.run_id, "bench_20260201_143000");
    assert_eq!(second.run_id, "bench_20260201_143000_2");
    open_run(directory.path(), &first.run_id, "vllm", &three());
    put(directory.path(), &HEADER, &[row(1, &second.run_id, "4", "ok")]);
    drop((first, second));
    let third = take();
    assert_eq!(third.run_id, "bench_20260201_143000_3", "one has records, and one a row");
    drop(third);
    let left = names(directory.path()).into_iter().filter(|name| name.starts_with('.')).count();
    assert_eq!(left, 0);
}
