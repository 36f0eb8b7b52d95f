//! Names that collide with none, also of many processes.

use super::*;

/// The names that a run of this label takes.
fn take(directory: &Path, label: &str) -> RunFiles {
    RecordWriter::create(directory, label, &header("x", "vllm")).unwrap().files().clone()
}

#[test]
fn a_name_that_is_taken_gets_the_next_number() {
    let directory = TempDir::new().unwrap();
    let stems: Vec<String> = (0..3).map(|_| take(directory.path(), "vllm").stem().to_owned()).collect();
    assert_eq!(stems, ["vllm_20260201_143000", "vllm_20260201_143000_2", "vllm_20260201_143000_3"]);
    let first = take_directory(directory.path(), "compare", at()).unwrap();
    let second = take_directory(directory.path(), "compare", at()).unwrap();
    assert!(first.ends_with("compare_20260201_143000") && second.ends_with("compare_20260201_143000_2"));
}

#[test]
fn a_closed_run_keeps_its_name() {
    let directory = TempDir::new().unwrap();
    let writer = open_run(directory.path(), "x", "vllm", &three());
    writer.close(EngineFigures::default(), None, None).unwrap();
    let next = take(directory.path(), "vllm");
    assert_eq!(next.stem(), "vllm_20260201_143000_2");
}

#[test]
fn names_taken_at_once_are_all_different() {
    let directory = TempDir::new().unwrap();
    let take = || take(directory.path(), "vllm").stem().to_owned();
    let stems: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(stems.len(), 16);
}

#[test]
fn a_label_that_is_no_file_name_stays_in_the_directory() {
    let directory = TempDir::new().unwrap();
    let files = take(directory.path(), "../a b/c");
    assert_eq!(files.stem(), "_._a_b_c_20260201_143000");
    assert!(files.records().exists());
}

#[test]
fn unwritable_output_names_the_directory_and_the_cure() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error =
        harness::schema::refusal::shown(&check_writable(&file.join("results"), SUMMARY_FILE).unwrap_err());
    assert!(error.contains("file/results") && error.contains("--output DIR"), "{error}");
    let fine = directory.path().join("a/b");
    check_writable(&fine, SUMMARY_FILE).unwrap();
    assert!(names(&fine).is_empty(), "the probe leaves nothing");
}
