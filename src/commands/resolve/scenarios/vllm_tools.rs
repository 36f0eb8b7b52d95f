//! `benchmark_config.json` of the vLLM server benchmarking tools (`run_benchmarks.py --scenarios`), taken as it is:
//!
//! ```json
//! {"server": {"url": "…/v1/chat/completions", "model": "…", "auth_token": "…", "timeout": 3600},
//!  "benchmark": {"max_concurrent_requests": 20, "default_prompt": "…", "default_completions": 100},
//!  "test_scenarios": [{"name": "Small Load", "completions": [10, 25, 50], "prompt": "…"}]}
//! ```
//!
//! Each number of completions is a load of so many requests, of which no more are in flight than there are.

use serde_json::Value;

use super::written::{File, Written, object, text, values};
use crate::schema::refusal::refuse;

/// Keys of the file and of its parts; others are passed over, and named.
const KNOWN: [(&str, &[&str]); 2] = [
    ("server", &["url", "model", "auth_token", "timeout"]),
    ("benchmark", &["max_concurrent_requests", "default_prompt", "default_completions"]),
];

/// Reads it. `has_server`: the command line names its own, so that of the file is not used, nor its key.
pub(super) fn read(value: &Value, file: &str, has_server: bool) -> anyhow::Result<File> {
    let mut read = File { notes: passed_over(value, file), ..File::default() };
    let of =
        |part: &str, key: &str| value.get(part).and_then(|part| part.get(key)).filter(|of| !of.is_null());
    if has_server {
        let used = of("server", "url").is_some();
        read.notes
            .extend(used.then(|| format!("{file}: its server is passed over: the command line names one")));
    } else {
        server(&of, file, &mut read)?;
    }
    let Some(scenarios) = value.get("test_scenarios").and_then(Value::as_array) else {
        return refuse(
            format!("{file}: test_scenarios is no list"),
            "write [{\"name\": …, \"completions\": […]}]",
        );
    };
    let mut shared = Vec::new();
    for (flag, part, key) in
        [("concurrency", "benchmark", "max_concurrent_requests"), ("timeout", "server", "timeout")]
    {
        let values =
            of(part, key).map(|value| values(value, &format!("{file}: {part}.{key}"))).transpose()?;
        shared.extend(values.into_iter().flatten().map(|value| (flag.to_owned(), value)));
    }
    for (place, scenario) in scenarios.iter().enumerate() {
        let whose = format!("{file}: test_scenarios {}", place + 1);
        let keys = object(scenario, &whose)?;
        let name = text(keys.get("name").unwrap_or(&Value::Null), &format!("{whose}: name"))?;
        let prompt = keys.get("prompt").or_else(|| of("benchmark", "default_prompt"));
        let prompts = prompt.map(|prompt| text(prompt, &format!("{whose}: prompt"))).transpose()?;
        let Some(counts) = keys.get("completions").or_else(|| of("benchmark", "default_completions")) else {
            return refuse(format!("{whose} has no completions"), "write \"completions\": [10, 25, 50]");
        };
        for count in values(counts, &format!("{whose}: completions"))? {
            let mut flags = shared.clone();
            flags.push(("requests".to_owned(), count));
            let (name, prompts) = (Some(name.clone()), prompts.clone().into_iter().collect());
            read.written.push(Written { name, flags, prompts, dataset: None, fills: true });
        }
        read.names.push(name);
    }
    Ok(read)
}

/// Address, model and key as the flags that they stand for.
fn server<'a>(
    of: &dyn Fn(&str, &str) -> Option<&'a Value>,
    file: &str,
    read: &mut File,
) -> anyhow::Result<()> {
    let Some(url) = of("server", "url") else { return Ok(()) };
    read.server.push(format!("--url={}", text(url, &format!("{file}: server.url"))?));
    if let Some(model) = of("server", "model") {
        read.server.push(format!("--model={}", text(model, &format!("{file}: server.model"))?));
    }
    if let Some(Value::String(token)) = of("server", "auth_token") {
        read.server.push(format!("--header=Authorization: Bearer {token}"));
        read.notes.push(format!("{file}: its server.auth_token is sent as the key"));
    }
    Ok(())
}

/// What the file has that is no key of its form.
fn passed_over(value: &Value, file: &str) -> Vec<String> {
    let keys = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_object).into_iter().flat_map(|object| object.keys().cloned()).collect()
    };
    let mut others: Vec<String> = keys(Some(value));
    others.retain(|key| !["server", "benchmark", "test_scenarios"].contains(&key.as_str()));
    for (part, known) in KNOWN {
        let all = keys(value.get(part)).into_iter().filter(|key| !known.contains(&key.as_str()));
        others.extend(all.map(|key| format!("{part}.{key}")));
    }
    for scenario in value.get("test_scenarios").and_then(Value::as_array).into_iter().flatten() {
        let all = keys(Some(scenario)).into_iter();
        let all = all.filter(|key| !["name", "completions", "prompt", "description"].contains(&key.as_str()));
        others.extend(all.map(|key| format!("test_scenarios.{key}")));
    }
    others.sort();
    others.dedup();
    if others.is_empty() {
        Vec::new()
    } else {
        vec![format!("{file}: keys passed over: {}", others.join(", "))]
    }
}
