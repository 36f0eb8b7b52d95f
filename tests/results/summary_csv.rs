//! The summary of all runs: many processes, half-written lines, other columns.

use super::*;

const HEADER: [&str; 3] = ["backend", "value", "exit"];

fn row(backend: &str, value: usize) -> Vec<String> {
    vec![backend.to_owned(), value.to_string(), "ok".to_owned()]
}

fn lines(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("benchmark_summary.csv")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn rows_are_appended_below_one_header() {
    let directory = TempDir::new().unwrap();
    let odd = vec!["a,\"b\"\nc".to_owned(), "1".to_owned(), String::new()];
    put(directory.path(), &HEADER, &[row("vllm", 1), odd]);
    let done = put(directory.path(), &HEADER, &[row("sglang", 2)]);
    assert_eq!((done.renamed, done.moved_aside), (None, None));
    assert_eq!(
        lines(directory.path()),
        ["backend,value,exit", "vllm,1,ok", "\"a,\"\"b\"\" c\",1,", "sglang,2,ok"]
    );
    assert_eq!(names(directory.path()), ["benchmark_summary.csv"]);
}

#[test]
fn a_half_written_last_line_is_moved_aside_wherever_it_was_cut() {
    for cut in 1.."vllm,1,ok".len() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("benchmark_summary.csv");
        std::fs::write(&path, format!("backend,value,exit\nold,0,ok\n{}", &"vllm,1,ok"[..cut])).unwrap();
        let done = put(directory.path(), &HEADER, &[row("new", 2)]);
        assert_eq!(lines(directory.path()), ["backend,value,exit", "old,0,ok", "new,2,ok"]);
        let aside = std::fs::read_to_string(done.moved_aside.unwrap()).unwrap();
        assert_eq!(aside.trim_end(), &"vllm,1,ok"[..cut]);
    }
}

#[test]
fn a_half_written_header_makes_room_for_a_whole_one() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("benchmark_summary.csv"), "backend,va").unwrap();
    let done = put(directory.path(), &HEADER, &[row("new", 2)]);
    assert_eq!(lines(directory.path()), ["backend,value,exit", "new,2,ok"]);
    assert!(done.moved_aside.is_some() && done.renamed.is_none());
}

#[test]
fn a_half_line_longer_than_a_block_is_found_whole() {
    let directory = TempDir::new().unwrap();
    let half = "x".repeat(200_000);
    let path = directory.path().join("benchmark_summary.csv");
    std::fs::write(&path, format!("backend,value,exit\nold,0,ok\n{half}")).unwrap();
    let done = put(directory.path(), &HEADER, &[row("new", 2)]);
    assert_eq!(lines(directory.path()).len(), 3);
    assert_eq!(std::fs::read_to_string(done.moved_aside.unwrap()).unwrap().len(), half.len() + 1);
}

#[test]
fn a_file_with_other_columns_is_renamed_and_said_so() {
    let directory = TempDir::new().unwrap();
    put(directory.path(), &["backend", "old"], &[vec!["a".into(), "1".into()]]);
    let done = put(directory.path(), &HEADER, &[row("new", 2)]);
    let first = directory.path().join("benchmark_summary_until_20260201_143000.csv");
    assert_eq!(done.renamed.as_ref(), Some(&first));
    assert_eq!(std::fs::read_to_string(&first).unwrap(), "backend,old\na,1\n");
    assert_eq!(lines(directory.path()), ["backend,value,exit", "new,2,ok"]);
    let done = put(directory.path(), &["backend"], &[vec!["newer".into()]]);
    let second = directory.path().join("benchmark_summary_until_20260201_143000_2.csv");
    assert_eq!(done.renamed.as_ref(), Some(&second), "an older one is not overwritten");
    assert_eq!(lines(directory.path()), ["backend", "newer"]);
    assert!(first.exists() && second.exists());
}

#[test]
fn a_byte_order_mark_from_a_spreadsheet_is_no_other_column() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("benchmark_summary.csv");
    std::fs::write(&path, "\u{feff}backend,value,exit\r\nold,0,ok\r\n").unwrap();
    let done = put(directory.path(), &HEADER, &[row("new", 2)]);
    assert_eq!(done.renamed, None);
    assert_eq!(lines(directory.path()).len(), 3);
}

const APPEND_TO: &str = "HARNESS_TEST_APPEND_TO";
const ROWS_EACH: usize = 40;

/// Not a test of its own: the body of the processes that the next two start.
#[test]
fn appending_process() {
    let Ok(task) = std::env::var(APPEND_TO) else { return };
    let (header, directory) = task.split_once('|').unwrap();
    let columns: Vec<&str> = header.split(',').collect();
    for value in 0..ROWS_EACH {
        let row = row(&format!("process-{}", std::process::id()), value);
        put(Path::new(directory), &columns, &[row]);
    }
}

fn start_appending(directory: &Path, header: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "summary_csv::appending_process", "--nocapture"])
        .env(APPEND_TO, format!("{header}|{}", directory.display()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(children: Vec<Child>) -> Vec<u32> {
    children
        .into_iter()
        .map(|mut child| {
            assert!(child.wait().unwrap().success());
            child.id()
        })
        .collect()
}

#[test]
fn sixteen_processes_append_every_row_below_one_header() {
    let directory = TempDir::new().unwrap();
    let children = (0..16).map(|_| start_appending(directory.path(), "backend,value,exit")).collect();
    let pids = wait_for(children);
    let mut found = lines(directory.path());
    assert_eq!(found.remove(0), "backend,value,exit");
    let mut expected: Vec<String> = pids
        .iter()
        .flat_map(|pid| (0..ROWS_EACH).map(move |value| format!("process-{pid},{value},ok")))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(names(directory.path()), ["benchmark_summary.csv"]);
}

#[test]
fn processes_of_two_versions_rename_the_file_under_each_other_and_lose_no_row() {
    let directory = TempDir::new().unwrap();
    let children = (0..8)
        .map(|child| {
            start_appending(directory.path(), ["backend,value,exit", "backend,other,exit"][child % 2])
        })
        .collect();
    wait_for(children);
    let mut rows = 0;
    for name in names(directory.path()) {
        assert!(name.starts_with("benchmark_summary") && !name.contains("broken"), "{name}");
        let text = std::fs::read_to_string(directory.path().join(&name)).unwrap();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().ends_with(",exit"), "{name}");
        for line in lines {
            assert!(line.starts_with("process-") && line.ends_with(",ok"), "{name}: {line}");
            rows += 1;
        }
    }
    assert_eq!(rows, 8 * ROWS_EACH);
}
