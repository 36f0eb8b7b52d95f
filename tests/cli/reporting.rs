//! `report` goes on with what is good, names what is not, and puts every row right.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::common::*;

const RECORDS: &str = "_records.jsonl.zst";

/// A pretend engine that runs.
pub fn server() -> Simulator {
    Simulator::start("vllm", &["--ttft", "5ms", "--itl", "2ms", "--output-tokens", "10"])
}

/// One small `bench`.
pub fn bench_args<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["bench", "--url", url, "--model", "smollm2", "--concurrency", "2", "--warmup", "0"];
    let requests: &[&str] = if more.is_empty() { &["--requests", "4"] } else { &[] };
    [&usual[..], requests, more].concat()
}

pub fn bench(place: &Place, server: &Simulator, more: &[&str]) -> Ran {
    place.run(&bench_args(&server.url(), more))
}

/// A run that is killed in its midst; its records.
fn killed(place: &Place, server: &Simulator) -> PathBuf {
    let before: BTreeSet<PathBuf> = place.results("server", "_records.jsonl").into_iter().collect();
    let url = server.url();
    let mut running = place.start(&bench_args(&url, &["--duration", "10m"]));
    let new = || place.results("server", "_records.jsonl").into_iter().find(|path| !before.contains(path));
    running.wait_for("the load", || {
        new().is_some_and(|path| fs::read_to_string(path).unwrap().lines().count() > 20)
    });
    let records = new().unwrap();
    running.kill();
    records
}

/// Two pretend engines, compared.
fn compared() -> Place {
    let place = Place::new();
    let args = [&["compare", "--simulate", "--backend", "a=vllm,b=vllm"][..], &QUICK].concat();
    place.run(&args).expect(0);
    place
}

fn report(place: &Place) -> Ran {
    place.run(&["report", "results"])
}

/// Labels of the runs of the only comparison.
fn labels(place: &Place) -> Vec<String> {
    let comparison = json(&place.folder("comparison.json"))["comparison"].clone();
    assert_eq!(comparison["failed"], serde_json::json!([]));
    let runs = comparison["runs"].as_array().unwrap().iter();
    runs.map(|run| run["label"].as_str().unwrap().to_owned()).collect()
}

const BOTH: [&str; 2] = ["a-simulated", "b-simulated"];

#[test]
fn a_damaged_line_loses_no_other_run_and_what_stands_before_it_is_counted() {
    let place = Place::new();
    let server = server();
    let files: Vec<PathBuf> = (0..3).map(|_| killed(&place, &server)).collect();
    let text = fs::read_to_string(&files[0]).unwrap();
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    lines[5] = lines[5].replace("\"index\"", "\"indux\"");
    fs::write(&files[0], lines.join("\n")).unwrap();
    let place_of_damage = format!("{}:6", files[0].file_name().unwrap().display());
    report(&place).expect(1).says(&[&place_of_damage]);
    let issued: Vec<u64> =
        place.runs().iter().map(|run| run["summary"]["requests"]["issued"].as_u64().unwrap()).collect();
    assert!(issued.len() == 3 && issued[0] == 4 && issued[1] > 4 && issued[2] > 4, "{issued:?}");
    let rows = place.summary_rows();
    assert!(rows.len() == 3 && rows.iter().all(|row| row["exit"] == "partial"), "{rows:?}");
    assert_eq!(rows.iter().map(|row| &row["run_id"]).collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn files_that_are_no_runs_are_named_and_the_runs_beside_them_made_again() {
    let place = Place::new();
    let server = server();
    bench(&place, &server, &[]).expect(0);
    fs::remove_file(place.result("server", ".json")).unwrap();
    place.write("results/cut_20260101_000000_records.jsonl", "{\"schema_version\":2,\"ki");
    place.write("results/bad_20260101_000000_records.jsonl.zst", "no frame");
    place.write("results/bad_20260101_000000.json", "{ no json");
    for name in ["x_20260101_000000_records.jsonl", "y_20260101_000000.json"] {
        fs::create_dir(place.path("results").join(name)).unwrap();
    }
    let pipe = place.path("results/pipe_20260101_000000_records.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let named = [
        "cut_20260101_000000_records.jsonl:1",
        "bad_20260101_000000_records.jsonl.zst:1",
        "bad_20260101_000000.json",
        "x_20260101_000000_records.jsonl",
        "y_20260101_000000.json",
        "pipe_20260101_000000_records.jsonl",
    ];
    report(&place).expect(1).says(&named);
    assert_eq!(json(&place.result("server", ".json"))["summary"]["requests"]["completed"], 4);
    assert_eq!(place.summary_rows().len(), 1);
}

#[test]
fn an_empty_records_file_is_named_once() {
    let place = Place::new();
    let server = server();
    bench(&place, &server, &[]).expect(0);
    place.write("results/x_20260101_000000_records.jsonl", "");
    report(&place).expect(1).says(&["x_20260101_000000_records.jsonl: empty", "removed"]);
    report(&place).expect(0);
}

#[test]
fn a_comparison_keeps_runs_whose_records_or_files_were_deleted() {
    let place = compared();
    let before = json(&place.folder("comparison.json"))["comparison"]["groups"].clone();
    fs::remove_file(place.result("a-simulated", RECORDS)).unwrap();
    report(&place).expect(0).says(&["its records are gone"]);
    assert_eq!(labels(&place), BOTH);
    assert_eq!(json(&place.folder("comparison.json"))["comparison"]["groups"], before);
    for path in place.results("a-simulated", "") {
        fs::remove_file(path).unwrap();
    }
    report(&place).expect(0).says(&["are gone, so it stays as the comparison has it"]);
    assert_eq!(labels(&place), BOTH);
    assert_eq!(rows(&place.path("results/simulated_summary.csv")).len(), 2);
}

#[test]
fn a_comparison_keeps_a_run_whose_records_are_damaged_by_its_json() {
    let place = compared();
    let path = place.result("a-simulated", RECORDS);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    report(&place).expect(1).says(&[RECORDS]);
    assert_eq!(labels(&place), BOTH);
    assert_eq!(place.run_json("a-simulated")["summary"]["partial"], Value::Null);
}

#[test]
fn a_comparison_whose_directory_was_deleted_is_made_again_and_can_be_resumed() {
    let place = compared();
    let folder = place.result("compare_", "");
    fs::remove_dir_all(&folder).unwrap();
    report(&place).expect(0);
    assert_eq!(labels(&place), BOTH);
    assert!(place.folder("plots").is_dir() && place.folder("report.md").exists());
    let folder = folder.display().to_string();
    place.run(&["compare", "--resume", &folder]).expect(0).says(&["plan: 0 left of 2 runs"]);
}

#[test]
fn a_resumed_plan_does_not_play_a_run_again_whose_records_were_deleted() {
    let place = compared();
    fs::remove_file(place.result("a-simulated", RECORDS)).unwrap();
    let folder = place.result("compare_", "").display().to_string();
    place.run(&["compare", "--resume", &folder]).expect(0).says(&["plan: 0 left of 2 runs"]);
    assert_eq!(labels(&place), BOTH);
}

#[test]
fn a_run_that_goes_on_is_left_alone_and_has_one_row_at_its_end() {
    let place = Place::new();
    let server = server();
    let url = server.url();
    let mut running = place.start(&bench_args(&url, &["--duration", "4s"]));
    running.wait_for_records(&place, "server", 10);
    let ran = report(&place).expect(0).says(&["still being played", "left alone"]);
    assert_eq!(ran.stdout, "");
    running.wait().expect(0);
    let rows = place.summary_rows();
    assert_eq!(rows.iter().map(|row| row["exit"].as_str()).collect::<Vec<_>>(), ["ok"]);
    report(&place).expect(0);
    assert_eq!(place.summary_rows().len(), 1);
}

#[test]
fn a_comparison_that_goes_on_is_left_alone_with_the_runs_that_it_has_closed() {
    let place = Place::new();
    let args =
        ["compare", "--simulate", "--backend", "a=vllm,b=vllm", "--duration", "3s", "--concurrency", "2"];
    let mut running = place.start(&args);
    running.wait_for("the second load", || place.records("b-simulated") > 2);
    let ran = report(&place).expect(0).says(&["still being played", "left alone"]);
    assert_eq!(ran.stdout, "");
    assert!(!place.folder("comparison.json").exists());
    running.wait().expect(0);
    assert_eq!(labels(&place), BOTH);
    assert_eq!(rows(&place.path("results/simulated_summary.csv")).len(), 2);
}

/// Changes the first line of a file of records.
fn change_header(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let mut head: Value = serde_json::from_str(head).unwrap();
    change(&mut head);
    fs::write(path, format!("{head}\n{rest}")).unwrap();
}

#[test]
fn a_run_id_that_leads_out_of_the_directory_and_a_label_that_is_no_text_are_refused() {
    let place = Place::new();
    let args = ["compare", "--simulate", "--backend", "a=vllm", "--duration", "10m", "--concurrency", "2"];
    let mut running = place.start(&args);
    running.wait_for_records(&place, "a-simulated", 2);
    running.kill();
    place.wait_until_nothing_lives();
    let records = place.result("a-simulated", "_records.jsonl");
    let whole = fs::read_to_string(&records).unwrap();
    fs::create_dir(place.path("victim")).unwrap();
    place.write("victim/report.md", "mine");
    let absolute = place.text("victim");
    let long = "x".repeat(5000);
    let no_text = ["", "a\0b", "a\nb", &long];
    let leads_out = ["../victim", &absolute, "a/../../victim", "..", "."];
    let run_ids = no_text.iter().chain(&leads_out).map(|bad| ("run_id", *bad));
    for (field, bad) in run_ids.chain(no_text.iter().map(|bad| ("label", *bad))) {
        fs::write(&records, &whole).unwrap();
        change_header(&records, |head| match field {
            "run_id" => head["plan"]["run_id"] = bad.into(),
            _ => head["label"] = bad.into(),
        });
        report(&place).expect(1).says(&["_records.jsonl:1", "is no plain name"]);
        place.run(&["report", records.to_str().unwrap()]).expect(2);
        assert_eq!(fs::read_dir(place.path("victim")).unwrap().count(), 1, "{field} {bad:.20}");
        assert_eq!(place.read("victim/report.md"), "mine");
    }
}

#[test]
fn a_label_and_a_directory_from_a_file_lead_to_no_path() {
    let place = Place::new();
    let args = ["run", "--simulate", "--backend", "a=vllm", "--duration", "10m", "--concurrency", "2"];
    let mut running = place.start(&args);
    running.wait_for_records(&place, "a-simulated", 2);
    running.kill();
    place.wait_until_nothing_lives();
    let records = place.result("a-simulated", "_records.jsonl");
    fs::create_dir(place.path("victim")).unwrap();
    for label in ["../victim/x", "..", "/etc/x"] {
        change_header(&records, |head| {
            head["label"] = label.into();
            head["plan"]["targets"][0]["label"] = label.into();
            head["plan"]["output"] = serde_json::json!({"directory": place.text("victim"), "folder": true});
        });
        report(&place).expect(1);
        assert_eq!(fs::read_dir(place.path("victim")).unwrap().count(), 0, "{label}");
    }
}

#[test]
fn rows_that_somebody_changed_are_put_right_and_those_of_others_stay() {
    let place = Place::new();
    let server = server();
    bench(&place, &server, &[]).expect(0);
    let whole = place.read("results/benchmark_summary.csv");
    let row = whole.lines().nth(1).unwrap();
    let other = row.replace("bench_", "other_");
    let wrong = row.strip_suffix(",ok").unwrap();
    let head = whole.lines().next().unwrap();
    place.write("results/benchmark_summary.csv", &format!("{head}\r\n{other}\r\n{wrong},failed\r\n"));
    report(&place).expect(0);
    let text = place.read("results/benchmark_summary.csv");
    assert_eq!(text, format!("{head}\r\n{other}\r\n{row}\n"));
}
