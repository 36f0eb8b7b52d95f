//! Results of schema version 1, as `compare --simulate` of then wrote them: read today, with the same figures.

use std::fs;
use std::path::Path;

use harness::results::RecordReader;

use super::common::*;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/version_1");
const LABELS: [&str; 2] = ["vllm-simulated", "llamacpp-simulated"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn kept() -> Place {
    let place = Place::new();
    copy(Path::new(KEPT), &place.path("results"));
    place
}

/// Sums are exact now, so that a mean may differ from that of version 1 in its last digit, and in no other.
fn assert_same(new: &serde_json::Value, old: &serde_json::Value, what: &str) {
    if let (Some(new), Some(old)) = (new.as_f64(), old.as_f64()) {
        assert!((new - old).abs() <= 1e-14 * old.abs(), "{what}: {new} is not {old}");
    } else if let Some(old) = old.as_object() {
        assert_eq!(new.as_object().map(serde_json::Map::len), Some(old.len()), "{what}");
        old.iter().for_each(|(name, old)| assert_same(&new[name], old, &format!("{what} {name}")));
    } else {
        assert_eq!(new, old, "{what}");
    }
}

#[test]
fn report_makes_the_same_figures_from_records_of_version_1() {
    let place = kept();
    let before = LABELS.map(|label| place.run_json(label));
    let first = json(&place.folder("comparison.json"));
    place.run(&["report", "results"]).expect(0);
    for (label, old) in LABELS.iter().zip(&before) {
        let new = place.run_json(label);
        assert_eq!((&old["schema_version"], &new["schema_version"]), (&1.into(), &2.into()));
        let metrics = old["summary"]["metrics"].as_object().unwrap();
        assert!(metrics.len() > 5, "{metrics:?}");
        for (name, value) in metrics {
            assert_same(&new["summary"]["metrics"][name], value, &format!("{label} {name}"));
        }
        for part in
            ["requests", "warmup", "tokens", "duration_s", "server", "started_at", "prompt_tokens_by_id"]
        {
            assert_eq!(new["summary"][part], old["summary"][part], "{label} {part}");
        }
        assert_eq!(new["environment"], old["environment"]);
        let plan = &new["plan"];
        assert_eq!(
            (&plan["rounds"], &plan["repeats"], &plan["title"]),
            (&1.into(), &1.into(), &"compare".into())
        );
        assert_eq!(
            plan["loads"][0]["traffic"],
            serde_json::json!({"loop": "closed", "slots": 2, "ramp": "automatic"})
        );
        for (part, number) in [("point", 1), ("round", 1), ("repeat", 1)] {
            assert_eq!(new["summary"][part], number, "{part}");
        }
    }
    let again = json(&place.folder("comparison.json"));
    let labels = |file: &serde_json::Value| {
        let runs = file["comparison"]["runs"].as_array().unwrap().clone();
        runs.iter().map(|run| run["label"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(labels(&again), labels(&first));
    assert_eq!(again["comparison"]["groups"].as_array().unwrap().len(), 2);
    // Its rows are there already, under columns without a key.
    assert_eq!(rows(&place.path("results/simulated_summary.csv")).len(), 2);
}

#[test]
fn each_request_of_version_1_was_a_unit_of_its_own() {
    let place = kept();
    for path in place.results("", "_records.jsonl.zst") {
        let mut reader = RecordReader::open(&path).unwrap();
        assert_eq!((reader.header().key.point, reader.header().key.round), (1, 1));
        let mut units = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            assert_eq!(record.unit, record.index);
            units.push(record.unit);
        }
        assert_eq!(units.len(), 6 + 2, "{}", path.display());
        assert!(units.iter().any(|unit| *unit > 0));
    }
}
