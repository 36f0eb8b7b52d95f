//! Our own form: a list of scenarios, or `{defaults: {…}, scenarios: [{…}]}`.

use std::path::Path;

use serde_json::{Map, Value};

use super::written::{File, Written, object, text, values};
use crate::schema::refusal::refuse;

/// What a file looks like.
pub(super) const FORM: &str =
    "write a list: - {name: chat, concurrency: [1, 4, 16], requests: 100, prompt: …}";
/// Keys that are no flag.
const OURS: [&str; 4] = ["name", "prompt", "prompts", "dataset"];

/// Reads it. Paths in it are from `folder`; `is_flag` knows the keys that stand for flags.
pub(super) fn read(
    value: &Value,
    file: &str,
    folder: &Path,
    is_flag: &dyn Fn(&str) -> bool,
) -> anyhow::Result<File> {
    let (defaults, scenarios) = parts(value, file)?;
    let mut read = File::default();
    for (place, scenario) in scenarios.iter().enumerate() {
        let whose = format!("{file}: scenario {}", place + 1);
        let mut keys = defaults.clone();
        let own = object(scenario, &whose)?;
        if OURS[1..].iter().any(|key| own.contains_key(*key)) {
            // Prompts are one thing, however they are given.
            keys.retain(|key, _| !OURS[1..].contains(&key.as_str()));
        }
        // A key of its own goes before the same one of the defaults, however each is spelt.
        keys.retain(|key, _| !own.keys().any(|other| plain(other) == plain(key)));
        keys.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
        let name = match keys.get("name") {
            Some(name) => text(name, &format!("{whose}: name"))?,
            None => format!("scenario {}", place + 1),
        };
        let whose = format!("{file}: scenario `{name}`");
        read.written.extend(scenario_of(&keys, &name, &whose, folder, is_flag)?);
        read.names.push(name);
    }
    Ok(read)
}

/// The flag that a key stands for, in one spelling.
fn plain(key: &str) -> String {
    let key = key.replace('-', "_");
    if key == "rates" { "rate".to_owned() } else { key }
}

fn parts<'a>(value: &'a Value, file: &str) -> anyhow::Result<(Map<String, Value>, &'a [Value])> {
    if let Some(list) = value.as_array() {
        return Ok((Map::new(), list));
    }
    let list = value.get("scenarios").and_then(Value::as_array);
    let (Some(keys), Some(list)) = (value.as_object(), list) else {
        return refuse(format!("{file} holds no list of scenarios"), FORM);
    };
    if let Some(other) = keys.keys().find(|key| !["defaults", "scenarios"].contains(&key.as_str())) {
        return refuse(
            format!("{file}: `{other}` is no key of a file of scenarios"),
            "it holds scenarios, and defaults for all of them; what holds for the whole sweep is a flag",
        );
    }
    let defaults = match keys.get("defaults") {
        Some(defaults) => object(defaults, &format!("{file}: defaults"))?.clone(),
        None => Map::new(),
    };
    if defaults.contains_key("name") {
        return refuse(format!("{file}: defaults have a name"), "a name is a scenario's own");
    }
    Ok((defaults, list))
}

/// A scenario, once for each of its numbers of requests.
fn scenario_of(
    keys: &Map<String, Value>,
    name: &str,
    whose: &str,
    folder: &Path,
    is_flag: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Vec<Written>> {
    let mut scenario = Written { name: Some(name.to_owned()), ..Written::default() };
    if OURS[1..].iter().filter(|key| keys.contains_key(**key)).count() > 1 {
        return refuse(
            format!("{whose} has several of prompt, prompts and dataset"),
            "leave all but one out",
        );
    }
    let mut requests = Vec::new();
    for (key, value) in keys {
        let of_key = format!("{whose}: {key}");
        match key.as_str() {
            "name" => {}
            "prompt" => scenario.prompts.push(text(value, &of_key)?),
            "prompts" => {
                let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
                if list.is_empty() {
                    return refuse(format!("{of_key} is no list of texts"), "write prompts: [\"…\", \"…\"]");
                }
                for prompt in list {
                    scenario.prompts.push(text(prompt, &of_key)?);
                }
            }
            "dataset" => scenario.dataset = Some(folder.join(text(value, &of_key)?)),
            "requests" => requests = values(value, &of_key)?,
            other if is_flag(other) => {
                let values = values(value, &of_key)?;
                scenario.flags.extend(values.into_iter().map(|value| (key.clone(), value)));
            }
            other => {
                return refuse(
                    format!("{whose}: `{other}` is no key of a scenario"),
                    "a scenario has name, prompt, prompts or dataset, concurrency, rate, requests, duration, warmup, \
                     max_tokens, arrival and what belongs to it, ramp, timeout, drain; the rest holds for the whole \
                     sweep and is a flag",
                );
            }
        }
    }
    if requests.is_empty() {
        return Ok(vec![scenario]);
    }
    let with = |count: String| {
        let mut one = scenario.clone();
        one.flags.push(("requests".to_owned(), count));
        one
    };
    Ok(requests.into_iter().map(with).collect())
}
