//! JSON results: read back to the last digit, whole or absent.

use super::*;

#[test]
fn a_run_and_a_comparison_are_read_back_whole() {
    let directory = TempDir::new().unwrap();
    let run = RunFile {
        schema_version: SCHEMA_VERSION,
        kind: "run".into(),
        plan: plan("compare_x"),
        environment: environment(),
        summary: summary(&three(), Some("interrupted")),
        launched: Vec::new(),
        server: None,
        gpus: Vec::new(),
        server_processes: None,
        client: None,
        host: None,
        phases: None,
        curves: RunCurves::default(),
    };
    let run_path = directory.path().join("run.json");
    write_json(&run_path, &run).unwrap();
    assert_eq!(read_run(&run_path).unwrap(), run);
    let comparison = ComparisonFile {
        schema_version: SCHEMA_VERSION,
        kind: "comparison".into(),
        plan: plan("compare_x"),
        environment: environment(),
        comparison: Comparison {
            baseline: None,
            pairs: Vec::new(),
            rule: None,
            fairness: None,
            limits: Vec::new(),
            knees: Vec::new(),
            run_id: "compare_x".into(),
            runs: vec![run.summary],
            loads: Vec::new(),
            groups: Vec::new(),
            failed: Vec::new(),
            skipped: Vec::new(),
            caveats: Vec::new(),
        },
    };
    let path = directory.path().join("comparison.json");
    write_json(&path, &comparison).unwrap();
    assert_eq!(read_comparison(&path).unwrap(), comparison);
    let error = format!("{:#}", read_run(&path).unwrap_err());
    assert!(error.ends_with("comparison.json: holds a comparison, not a run"), "{error}");
    write_atomic(&path, b"{}").unwrap();
    let error = format!("{:#}", read_run(&path).unwrap_err());
    assert!(error.ends_with("comparison.json: no result of this program"), "{error}");
}

#[test]
fn a_file_that_was_not_committed_leaves_the_old_one_and_no_trace() {
    use std::io::Write;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.json");
    write_atomic(&path, b"old").unwrap();
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    drop(file);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(names(directory.path()), ["a.json"]);
}
