//! A book that does not add up is an error that is seen, and no result.

use std::fs;

use serde_json::Value;

use super::common::{Place, Simulator, lines};

/// What `harness report` makes of records that were changed, and what it says.
fn report(place: &Place, change: impl Fn(&mut Vec<String>)) -> (Option<i32>, String) {
    let closed = place.result("vllm_2", "_records.jsonl.zst");
    let whole = fs::read(&closed).unwrap();
    let mut lines = lines(&closed);
    change(&mut lines);
    let changed: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&closed, zstd::encode_all(changed.as_bytes(), 1).unwrap()).unwrap();
    let ended = place.start(&["report", "results"]).wait();
    fs::write(&closed, whole).unwrap();
    (ended.code, ended.stderr)
}

/// The end of the records says that there are so many more or fewer of them.
fn recount(lines: &mut [String], by: i64) {
    let last = lines.last_mut().unwrap();
    let mut footer: Value = serde_json::from_str(last).unwrap();
    let records = footer["records"].as_i64().unwrap();
    footer["records"] = (records + by).into();
    *last = footer.to_string();
}

#[test]
fn a_record_that_is_missing_or_there_twice_is_told_and_gives_no_result() {
    let place = Place::marked();
    let simulator = Simulator::start("vllm", &["--ttft", "1ms", "--itl", "1ms"]);
    let load = ["--requests", "6", "--concurrency", "2", "--warmup", "2", "--max-tokens", "4", "--quiet"];
    assert_eq!(place.bench("vllm", &simulator, &load).ended.code, Some(0));
    let run = place.result("vllm_2", ".json");
    fs::remove_file(&run).unwrap();

    let (code, said) = report(&place, |lines| drop(lines.remove(5)));
    assert!(said.contains("6 requests were issued, but the records hold 5"), "{said}");
    assert!(code == Some(1) && !run.exists(), "{said}");
    // The load engine's own count is held against the records, whatever the file says of itself.
    let (code, said) = report(&place, |lines| {
        lines.remove(5);
        recount(lines, -1);
    });
    assert!(said.contains("6 requests were issued, but the records hold 5"), "{said}");
    assert!(code == Some(1) && !run.exists(), "{said}");
    let (code, said) = report(&place, |lines| {
        lines.insert(5, lines[5].clone());
        recount(lines, 1);
    });
    assert!(said.contains("6 requests were issued, but the records hold 7"), "{said}");
    assert!(code == Some(1) && !run.exists(), "{said}");

    let (code, said) = report(&place, |_| {});
    assert!(code == Some(0) && run.exists(), "as they were they make a result: {said}");
}

#[test]
fn a_server_that_has_no_address_is_refused_before_anything_is_measured() {
    let place = Place::marked();
    // A name that never has one (RFC 2606).
    let load = ["--model", "m", "--requests", "3", "--quiet"];
    let ended = place.start_bench("vllm", "http://nobody.invalid:1", &load).wait();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("nobody.invalid"), "{}", ended.stderr);
    assert!(!place.path("results").exists(), "no file and no row");
}
