//! A file of scenarios as it is written: flags and prompts, whatever its form.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::schema::refusal::{refusal, refuse};

/// What a file, or a list of the command line, says.
#[derive(Debug, Default)]
pub struct File {
    /// As messages name it.
    pub path: String,
    /// Flags that stand for the server which the file names.
    pub server: Vec<String>,
    /// Names of the scenarios, each once.
    pub names: Vec<String>,
    /// A scenario each, or a part of one.
    pub written: Vec<Written>,
    /// What is to be said before it is played.
    pub notes: Vec<String>,
}

/// A scenario, or one of its numbers of requests.
#[derive(Debug, Default, Clone)]
pub struct Written {
    pub name: Option<String>,
    /// Keys with a value each; a list is its key several times.
    pub flags: Vec<(String, String)>,
    pub prompts: Vec<String>,
    pub dataset: Option<PathBuf>,
    /// Requests in flight are at most the requests.
    pub fills: bool,
}

/// What a YAML or JSON file holds.
pub(super) fn value(text: &str, path: &Path) -> anyhow::Result<Value> {
    let name = path.display();
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let cure = "a list of {name: …, concurrency: …, prompt: …}, as YAML or JSON";
    if is_json {
        let text = text.trim_start_matches('\u{feff}');
        return serde_json::from_str(text).map_err(|error| refusal(format!("{name}: {error}"), cure));
    }
    serde_saphyr::from_str(text).map_err(|error| {
        // Its snippet would show what stands there, which may be a key.
        let line = error.location().map(|place| format!(":{}", place.line())).unwrap_or_default();
        let told = error.without_snippet().to_string();
        let told = told.lines().next().unwrap_or_default();
        let told = told.split(['"', '`', '\'']).next().unwrap_or_default().trim_end_matches([' ', ':']);
        refusal(format!("{name}{line}: not YAML: {told}"), cure)
    })
}

/// The object of a scenario.
pub(super) fn object<'a>(value: &'a Value, whose: &str) -> anyhow::Result<&'a Map<String, Value>> {
    match value.as_object() {
        Some(object) => Ok(object),
        None => refuse(format!("{whose} is no mapping of keys"), "write {name: …, concurrency: …}"),
    }
}

/// A text that is not empty.
pub(super) fn text(value: &Value, whose: &str) -> anyhow::Result<String> {
    match value.as_str().filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok(text.to_owned()),
        None => refuse(format!("{whose} is no text"), "write it as a text that is not empty"),
    }
}

/// The value of a key or the values of its list, as they would be typed.
pub(super) fn values(value: &Value, whose: &str) -> anyhow::Result<Vec<String>> {
    let one = |value: &Value| match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => {
            refuse(format!("{whose} is no number and no text"), "write 8, 60s or [1, 2, 4]")
        }
    };
    match value {
        Value::Array(all) if all.is_empty() => refuse(format!("{whose} is an empty list"), "leave it out"),
        Value::Array(all) => all.iter().map(one).collect(),
        Value::Null => Ok(Vec::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Ok(vec![one(value)?]),
    }
}
