//! Rows that are taken out of the file of all runs, because their runs are played again.

use std::process::Child;

use harness::results::keep_rows;

use super::*;

const OLD: &str = "run_id,backend,value";
const HEADER: [&str; 6] = ["run_id", "backend", "point", "round", "repeat", "value"];

fn key(label: &str, point: u32, round: u32, repeat: u32) -> RunKey {
    RunKey { label: label.into(), point, round, repeat }
}

fn kept(text: &str, run_id: &str, keys: &[RunKey]) -> String {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join(SUMMARY_FILE);
    std::fs::write(&path, text).unwrap();
    keep_rows(directory.path(), SUMMARY_FILE, run_id, keys, Patience::SILENT).unwrap();
    assert_eq!(names(directory.path()), [SUMMARY_FILE], "nothing else is left");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn rows_of_other_plans_stay_byte_for_byte_and_of_this_one_only_the_keys_that_are_kept() {
    let head = HEADER.join(",");
    let text = format!(
        "{head}\nmine,a,1,1,1,x\nother,a,1,1,1,\"q,\"\"r\"\"\"\nmine,a,1,1,2,y\nmine,a,,2,,failed\n\
         mine2,a,1,2,1,z\nshort,a\nmine,b,1,1,1,w\n"
    );
    let expected =
        format!("{head}\nmine,a,1,1,1,x\nother,a,1,1,1,\"q,\"\"r\"\"\"\nmine2,a,1,2,1,z\nshort,a\n");
    assert_eq!(kept(&text, "mine", &[key("a", 1, 1, 1)]), expected);
    assert_eq!(kept(&text, "nobody", &[]), text);
}

#[test]
fn each_part_of_a_key_tells_rows_apart() {
    let head = HEADER.join(",");
    for row in ["b,1,1,1", "a,2,1,1", "a,1,2,1", "a,1,1,2"] {
        let text = format!("{head}\nmine,a,1,1,1,x\nmine,{row},x\n");
        assert_eq!(kept(&text, "mine", &[key("a", 1, 1, 1)]), format!("{head}\nmine,a,1,1,1,x\n"), "{row}");
    }
}

#[test]
fn a_file_of_before_there_were_keys_holds_the_only_run_of_each_label() {
    let text = format!("{OLD}\nmine,a,1\nmine,b,2\n");
    assert_eq!(kept(&text, "mine", &[key("a", 1, 1, 1)]), format!("{OLD}\nmine,a,1\n"));
    assert_eq!(kept(&text, "mine", &[key("a", 1, 2, 1)]), format!("{OLD}\n"));
}

#[test]
fn lines_that_a_spreadsheet_wrote_keep_their_ends() {
    let text = format!("\u{feff}{OLD}\r\nother,a,1\r\nmine,a,1\r\nother,b,2\r\nmine,b,1\r\n");
    let expected = format!("\u{feff}{OLD}\r\nother,a,1\r\nother,b,2\r\n");
    assert_eq!(kept(&text, "mine", &[]), expected);
}

#[test]
fn a_file_of_other_columns_or_none_is_left_as_it_is() {
    assert_eq!(kept("what,ever\nmine,a\n", "mine", &[]), "what,ever\nmine,a\n");
    let directory = TempDir::new().unwrap();
    keep_rows(directory.path(), SUMMARY_FILE, "mine", &[], Patience::SILENT).unwrap();
    assert!(names(directory.path()).is_empty(), "no file is made");
}

const APPEND_TO: &str = "HARNESS_TEST_KEEP_BESIDE";
const ROWS_EACH: usize = 60;

/// Not a test of its own: the body of the processes that the next starts.
#[test]
fn keeping_process() {
    let Ok(directory) = std::env::var(APPEND_TO) else { return };
    for value in 0..ROWS_EACH {
        let cells = [&std::process::id().to_string(), "a", "1", "1", &value.to_string(), "v"];
        let row = cells.map(str::to_owned).to_vec();
        put(Path::new(&directory), &HEADER, &[row]);
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "keeping::keeping_process", "--nocapture"])
        .env(APPEND_TO, directory)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn rows_that_others_append_meanwhile_are_not_lost() {
    let directory = TempDir::new().unwrap();
    let mine = |value: &str| ["mine", "a", "1", "1", "1", value].map(str::to_owned).to_vec();
    let mut children: Vec<Child> = (0..4).map(|_| start(directory.path())).collect();
    let mut rewritten = 0;
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        put(directory.path(), &HEADER, &[mine("again")]);
        keep_rows(directory.path(), SUMMARY_FILE, "mine", &[], Patience::SILENT).unwrap();
        let text = std::fs::read_to_string(directory.path().join(SUMMARY_FILE)).unwrap();
        assert!(!text.contains("\nmine,"), "{text}");
        rewritten += 1;
    }
    assert!(rewritten > 3, "{rewritten}");
    let text = std::fs::read_to_string(directory.path().join(SUMMARY_FILE)).unwrap();
    let mut found: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(found.remove(0), HEADER.join(","));
    let mut expected: Vec<String> = Vec::new();
    for mut child in children {
        assert!(child.wait().unwrap().success());
        expected.extend((0..ROWS_EACH).map(|value| format!("{},a,1,1,{value},v", child.id())));
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(names(directory.path()), [SUMMARY_FILE]);
}
