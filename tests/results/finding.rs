//! What a path given to `harness report` holds.

use super::*;

#[test]
fn every_kind_of_path_finds_its_runs() {
    let results = TempDir::new().unwrap();
    let here = results.path();
    let compare = take_directory(here, "compare", at()).unwrap();
    write_json(&compare.join("plan.json"), &plan("compare_20260201_143000")).unwrap();
    let crashed = open_run(here, "compare_20260201_143000", "vllm", &three());
    let closed = open_run(here, "compare_20260201_143000", "tuned", &three());
    let closed = closed.close(EngineFigures::default(), None, None).unwrap().path;
    open_run(here, "bench_other", "other", &three());
    std::fs::write(here.join("torn_20260201_143000_records.jsonl"), "{\"sch").unwrap();
    std::fs::write(here.join("notes.json"), "{}").unwrap();

    let labels = |path: &Path| -> Vec<String> {
        find_runs(path).unwrap().runs.into_iter().map(|run| run.key.label).collect()
    };
    assert_eq!(labels(here), ["other", "tuned", "vllm"]);
    assert_eq!(labels(&compare), ["tuned", "vllm"]);
    assert_eq!(labels(&crashed.files().records()), ["vllm"]);
    assert_eq!(labels(&closed), ["tuned"]);
    let torn = find_runs(here).unwrap().unreadable;
    assert_eq!(torn.len(), 1);
    assert!(torn[0].path.ends_with("torn_20260201_143000_records.jsonl"), "{torn:?}");
    let found = find_runs(&closed).unwrap().runs.remove(0);
    assert_eq!((found.records, found.json), (Some(closed), None));
    for nothing in ["nowhere", "notes.txt"] {
        std::fs::write(here.join("notes.txt"), "").unwrap();
        assert!(find_runs(&here.join(nothing)).is_err(), "{nothing}");
    }
}

#[test]
fn a_run_whose_records_are_gone_is_found_by_its_json() {
    let results = TempDir::new().unwrap();
    let run = RunFile {
        schema_version: SCHEMA_VERSION,
        kind: "run".into(),
        plan: plan("compare_x"),
        environment: environment(),
        summary: summary(&three(), None),
        launched: Vec::new(),
        server: None,
        gpus: Vec::new(),
        server_processes: None,
        client: None,
        host: None,
        phases: None,
        curves: RunCurves::default(),
    };
    let path = results.path().join("vllm_20260201_143000.json");
    write_json(&path, &run).unwrap();
    let found = find_runs(results.path()).unwrap();
    assert_eq!(found.runs.len(), 1);
    assert_eq!((&found.runs[0].records, &found.runs[0].json), (&None, &Some(path)));
    assert_eq!(found.runs[0].run_id, "compare_x");
}
