//! `schema`: what is written is of the form that the schema tells.

use serde_json::Value;

use super::common::*;
use super::plans::{BRIEF, pretend};

/// The schema that the program prints.
fn schema(place: &Place, of: &str) -> Value {
    serde_json::from_str(&place.run(&["schema", of]).expect(0).stdout).unwrap()
}

/// Fails unless the value is of the form.
#[track_caller]
fn assert_valid(schema: &Value, value: &Value, what: &str) {
    if let Err(error) = validate(schema, value) {
        panic!("{what}: {error}");
    }
}

fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("schema.json", schema.clone()).unwrap();
    let place = compiler.compile("schema.json", &mut schemas).unwrap();
    schemas.validate(value, place).map_err(|error| error.to_string())
}

#[test]
fn every_file_that_a_comparison_leaves_is_valid_and_a_file_that_lacks_a_field_is_not() {
    let place = Place::new();
    let args = pretend("compare", &["a", "b"], &[&BRIEF[..], &["--rounds", "2"]].concat());
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    let (plan, run, comparison, records) = (
        schema(&place, "plan"),
        schema(&place, "run"),
        schema(&place, "comparison"),
        schema(&place, "records"),
    );
    assert_valid(&plan, &json(&place.folder("plan.json")), "plan.json");
    assert_valid(&comparison, &json(&place.folder("comparison.json")), "comparison.json");
    for path in place.results("", ".json") {
        assert_valid(&run, &json(&path), &path.display().to_string());
    }
    let lines = lines(&place.results("a-simulated", "_records.jsonl.zst")[0]);
    assert!(lines.len() > 5);
    for line in &lines {
        assert_valid(&records, &serde_json::from_str(line).unwrap(), line);
    }
    let folder = place.result("compare_", "").display().to_string();
    let check = place.run(&["check", &folder, "--baseline", &folder, "--json"]).expect(0);
    assert_valid(&schema(&place, "check"), &serde_json::from_str(&check.stdout).unwrap(), "check");

    let mut lacking = json(&place.folder("comparison.json"));
    lacking["plan"].as_object_mut().unwrap().remove("run_id");
    assert!(validate(&comparison, &lacking).unwrap_err().contains("run_id"));
    let mut wrong = json(&place.folder("plan.json"));
    wrong["rounds"] = "two".into();
    assert!(validate(&plan, &wrong).is_err());
}

#[test]
fn a_schema_tells_the_meaning_of_a_field_and_names_are_listed() {
    let place = Place::new();
    let run = schema(&place, "run");
    let ready = &run["$defs"]["RunSummary"]["properties"]["ready_s"]["description"];
    assert!(ready.as_str().unwrap().contains("Seconds from launch to readiness"), "{ready}");
    let listed = place.run(&["schema"]).expect(0).stdout;
    for name in ["plan", "run", "comparison", "records", "check"] {
        assert!(listed.lines().any(|line| line.starts_with(name)), "{listed}");
        assert!(schema(&place, name)["$schema"].as_str().unwrap().contains("2020-12"), "{name}");
    }
    place.run(&["schema", "nothing"]).expect(2);
}
