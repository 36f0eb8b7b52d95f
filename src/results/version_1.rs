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
