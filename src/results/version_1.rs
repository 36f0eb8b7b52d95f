//! Files of schema version 1, brought to the form of today before they are read.
//!
//! Version 1 had one load a plan and one run a target. What it called `wire`, `protocol` and `command` are `http`,
//! `capabilities` and `title` now, and the directory of the results is part of `output`.

use serde_json::{Map, Value, json};

use crate::schema::SCHEMA_VERSION;

/// Brings a file of version 1 to today's form: a plan, or what holds one under `plan`. Another is left as it is.
/// True where it was of version 1.
pub fn upgrade(file: &mut Value) -> bool {
    let Some(fields) = file.as_object_mut() else { return false };
    if fields.get("schema_version") != Some(&json!(1)) {
        return false;
    }
    fields.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
    match fields.get_mut("plan") {
        Some(Value::Object(plan)) => upgrade_plan(plan),
        Some(_) => {}
        None => upgrade_plan(fields),
    }
    true
}

fn upgrade_plan(plan: &mut Map<String, Value>) {
    plan.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
    if let Some(command) = plan.remove("command") {
        let directory = plan.remove("output").unwrap_or_default();
        let folder = command == json!("compare");
        plan.insert("output".to_owned(), json!({"directory": directory, "folder": folder}));
        plan.insert("title".to_owned(), command);
    }
    if let Some(Value::Object(load)) = plan.remove("load") {
        for key in ["seed", "client_threads"] {
            plan.insert(key.to_owned(), load.get(key).cloned().unwrap_or_default());
        }
        plan.insert("loads".to_owned(), json!([load_point(&load)]));
        plan.insert("rounds".to_owned(), json!(1));
        plan.insert("repeats".to_owned(), json!(1));
    }
    if let Some(Value::Object(mut wire)) = plan.remove("wire") {
        if let Some(Value::String(endpoint)) = wire.remove("endpoint") {
            wire.insert("protocol".to_owned(), json!(format!("openai_{endpoint}")));
        }
        plan.insert("http".to_owned(), Value::Object(wire));
    }
    let targets = plan.get_mut("targets").and_then(Value::as_array_mut);
    for target in targets.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(protocol) = target.remove("protocol") {
            target.insert("capabilities".to_owned(), protocol);
        }
    }
}

fn load_point(load: &Map<String, Value>) -> Value {
    let field = |name: &str| load.get(name).cloned().unwrap_or_default();
    let rate = load.get("traffic").and_then(|traffic| traffic.get("rate"));
    let traffic = match (load.get("traffic").and_then(|traffic| traffic.get("pattern")), rate) {
        (Some(pattern), Some(rate)) => {
            let arrivals = json!({"pattern": pattern, "rate_per_s": rate});
            without_nulls(json!({"loop": "open", "arrivals": arrivals, "cap": field("concurrency")}))
        }
        (_, _) => {
            let ramp = match load.get("ramp_s") {
                Some(seconds) if !seconds.is_null() => json!({"duration_s": seconds}),
                Some(_) | None => json!("automatic"),
            };
            // A closed loop without a concurrency was played with one slot.
            let slots = load.get("concurrency").filter(|slots| !slots.is_null()).cloned();
            json!({"loop": "closed", "slots": slots.unwrap_or(json!(1)), "ramp": ramp})
        }
    };
    json!({
        "traffic": traffic,
        "until": without_nulls(json!({"requests": field("requests"), "duration_s": field("duration_s")})),
        "warmup": field("warmup"),
        "drain_s": field("drain_s"),
        "timeout_s": field("timeout_s"),
    })
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::plan::{LoadPoint, Plan};
    use crate::schema::target::ProtocolName;

    /// A plan as version 1 wrote it, with this load.
    fn plan(command: &str, load: Value) -> Value {
        let mut whole = json!({
            "timeout_s": 60.0, "drain_s": 30.0, "seed": 7, "client_threads": 2, "warmup": {"requests": 3}
        });
        whole.as_object_mut().unwrap().extend(load.as_object().unwrap().clone());
        json!({
            "schema_version": 1, "run_id": "run_1", "command": command, "created_at": "2026-02-01T14:30:00Z",
            "targets": [{
                "label": "a", "engine": "openai", "title": "a",
                "model": {"name": "m", "source": "m", "precision": "unknown"},
                "protocol": {
                    "request_model": "m", "ignore_eos": false, "min_tokens": false, "stream_options": true,
                    "continuous_usage": false, "eos_in_usage": false, "done_marker": true
                },
                "origin": {"url": "http://127.0.0.1:1"}
            }],
            "dataset": {"name": "d", "path": "built-in", "sha256": "", "prompts": 4},
            "load": whole,
            "sampling": {"temperature": 0.0, "ignore_eos": false, "exact_itl": false},
            "wire": {"endpoint": "completions", "path": "/v1/completions", "insecure": false},
            "output": "results", "strict": false
        })
    }

    fn read(mut file: Value) -> Plan {
        assert!(upgrade(&mut file));
        serde_json::from_value(file).unwrap()
    }

    fn point(load: Value) -> LoadPoint {
        let plan = read(plan("bench", load));
        let [point] = plan.loads.try_into().unwrap();
        point
    }

    #[test]
    fn a_plan_gets_the_names_and_the_numbers_of_today() {
        let plan =
            read(plan("compare", json!({"traffic": {"pattern": "closed"}, "concurrency": 8, "requests": 5})));
        assert_eq!(
            (plan.schema_version, plan.title.as_str(), plan.output.folder),
            (SCHEMA_VERSION, "compare", true)
        );
        assert_eq!(
            (plan.rounds, plan.repeats, plan.seed, plan.client_threads.to_string()),
            (1, 1, 7, "2".to_owned())
        );
        assert_eq!(plan.output.directory.to_str(), Some("results"));
        assert_eq!(plan.http.protocol, ProtocolName::OpenaiCompletions);
        assert_eq!(plan.targets[0].capabilities.request_model, "m");
        assert_eq!((plan.loads[0].timeout_s, plan.loads[0].drain_s), (60.0, 30.0));
    }

    #[test]
    fn only_a_comparison_had_a_directory_of_its_own() {
        for command in ["run", "bench", "calibrate"] {
            let load = json!({"traffic": {"pattern": "closed"}, "concurrency": 1, "requests": 1});
            assert!(!read(plan(command, load)).output.folder, "{command}");
        }
    }

    #[test]
    fn an_open_loop_keeps_its_law_its_rate_and_its_cap() {
        let capped =
            json!({"traffic": {"pattern": "poisson", "rate": 2.5}, "concurrency": 8, "duration_s": 60.0});
        let point = point(capped);
        assert_eq!(point.traffic.to_string(), "Poisson 2.5/s, at most 8 in flight");
        assert_eq!((point.until.requests(), point.until.duration_s()), (None, Some(60.0)));
    }

    #[test]
    fn an_open_loop_without_a_cap_has_none() {
        let point = point(
            json!({"traffic": {"pattern": "constant", "rate": 4.0}, "concurrency": null, "requests": 9}),
        );
        assert_eq!(point.traffic.to_string(), "constant 4/s");
        assert_eq!((point.until.requests(), point.until.duration_s()), (Some(9), None));
    }

    #[test]
    fn the_ramp_of_a_closed_loop_is_its_time_or_automatic() {
        let ramp = |ramp_s: Value| {
            let load =
                json!({"traffic": {"pattern": "closed"}, "concurrency": 4, "requests": 9, "ramp_s": ramp_s});
            serde_json::to_value(point(load).traffic).unwrap()["ramp"].clone()
        };
        assert_eq!(ramp(json!(1.5)), json!({"duration_s": 1.5}));
        assert_eq!(ramp(json!(null)), json!("automatic"));
    }

    #[test]
    fn both_bounds_and_a_warm_up_of_a_time_stay() {
        let load = json!({
            "traffic": {"pattern": "closed"}, "concurrency": 4, "requests": 9, "duration_s": 2.0,
            "warmup": {"duration_s": 5.0}
        });
        let point = point(load);
        assert_eq!((point.until.requests(), point.until.duration_s()), (Some(9), Some(2.0)));
        assert_eq!(serde_json::to_value(point.warmup).unwrap(), json!({"duration_s": 5.0}));
    }

    #[test]
    fn what_holds_a_plan_is_upgraded_with_it_and_a_file_of_today_is_left_alone() {
        let load = json!({"traffic": {"pattern": "closed"}, "concurrency": 1, "requests": 1});
        let mut file = json!({"schema_version": 1, "kind": "run", "plan": plan("run", load)});
        assert!(upgrade(&mut file));
        assert_eq!(file["schema_version"], SCHEMA_VERSION);
        assert_eq!(
            (&file["plan"]["title"], &file["plan"]["schema_version"]),
            (&json!("run"), &json!(SCHEMA_VERSION))
        );
        let before = file.clone();
        assert!(!upgrade(&mut file));
        assert_eq!(file, before);
        assert!(!upgrade(&mut json!([1])));
    }
}
