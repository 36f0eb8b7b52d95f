//! A definition, the settings and the machine → the target as the plan holds it.

mod building;
mod input;
mod model_source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use thiserror::Error;

use crate::backend::definition::template::Scope;
use crate::backend::definition::{Definition, Role};
use crate::backend::managed::Build;
use crate::backend::model::{model_name, precision};
use crate::schema::refusal::{Refusal, refuse};
use crate::schema::target::{BodyFields, Capabilities, LaunchSpec, Model, Origin, Target};
use crate::secrets::{argument_with_a_secret, holds_a_secret, names_a_secret};
use building::Building;
use input::capabilities_of;
pub use input::{LAUNCHER, Machine, ResolveInput, asked_port, check_parameters};
use model_source::model_source;

/// An engine that is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{title} is not installed")]
pub struct NotInstalled {
    /// `vLLM`
    pub title: String,
    /// What to type.
    pub hint: String,
}

impl From<NotInstalled> for Refusal {
    fn from(missing: NotInstalled) -> Self {
        Refusal::new(missing.to_string()).hint(missing.hint)
    }
}

/// True when this backend is to run from an image: its own `launcher` setting, else `--launcher`.
///
/// # Errors
/// Another value than `process` or `docker`.
pub fn uses_docker(set: &BTreeMap<String, String>, docker: bool) -> Result<bool> {
    match set.get(LAUNCHER).map(String::as_str) {
        None => Ok(docker),
        Some("docker") => Ok(true),
        Some("process") => Ok(false),
        Some(other) => bail!("launcher={other}: takes `process` or `docker`"),
    }
}

/// The program that a setting names: `--set llamacpp.binary_path=…`.
pub fn named_program(definition: &Definition, set: &BTreeMap<String, String>) -> Option<PathBuf> {
    let (name, _) = definition.parameter_for(Role::Program)?;
    set.get(name).map(PathBuf::from)
}

/// The build that a setting names: `--set llamacpp.build=prebuilt`.
///
/// # Errors
/// Another value than `prebuilt` or `source`.
pub fn named_build(definition: &Definition, set: &BTreeMap<String, String>) -> Result<Option<Build>> {
    let asked = definition.parameter_for(Role::Build).and_then(|(name, _)| set.get_key_value(name));
    let Some((name, value)) = asked else { return Ok(None) };
    match Build::named(value) {
        Some(build) => Ok(Some(build)),
        None => bail!("{}.{name}={value}: takes `prebuilt` or `source`", definition.name),
    }
}

/// The target of a backend that is to be launched.
///
/// # Errors
/// [`NotInstalled`] (to be downcast to); a parameter that the file does not have; a model that is not
/// there or of a form that the engine does not take; a value that is not of its kind; a secret in `env`.
pub fn resolve(input: &ResolveInput<'_>) -> Result<Target> {
    let definition = input.definition;
    check_parameters(definition, &input.set, &input.label, "any other flag of the engine goes")?;
    check_settings(input)?;
    check_env(&input.env, &input.label)?;
    check_extra_args(&input.extra_args, &input.label)?;
    let in_docker = uses_docker(&input.set, input.docker)?;
    if !in_docker && input.found.is_none() {
        if let Some(program) = named_program(definition, &input.set) {
            bail!("{}: {} is no program that can be started", input.label, program.display());
        }
        return Err(NotInstalled {
            title: definition.title().to_owned(),
            hint: definition.file.install.hint.clone(),
        }
        .into());
    }
    let source = model_source(definition, &input.set, &input.model)?;
    let mut building = Building::new(input, &source, in_docker)?;
    building.fill_parameters()?;
    let target = building.finish(source)?;
    match &target.origin {
        Origin::Launch(spec) => check_launch(spec, definition)?,
        Origin::Url(_) => {}
    }
    Ok(target)
}

/// The target of a server that already runs. A known engine's file tells its protocol; without one
/// the server is taken for plain OpenAI.
pub fn url_target(label: &str, definition: Option<&Definition>, url: &str, model: &str) -> Target {
    let served = Model {
        name: shortened(&model_name(model)),
        source: shortened(model),
        precision: precision(model, None),
    };
    let mut scope = Scope::new();
    scope.insert("served_name".to_owned(), model.to_owned());
    scope.insert("model".to_owned(), model.to_owned());
    let (engine, title, capabilities, metrics) = match definition {
        Some(definition) => {
            let capabilities =
                capabilities_of(definition, &scope).unwrap_or_else(|_| plain_capabilities(model));
            let metrics = definition.file.metrics.to_schema();
            (definition.name.clone(), definition.title().to_owned(), capabilities, metrics)
        }
        None => ("openai".to_owned(), label.to_owned(), plain_capabilities(model), Default::default()),
    };
    Target {
        label: label.to_owned(),
        engine,
        title,
        version: None,
        model: served,
        capabilities,
        metrics,
        not_level: Vec::new(),
        origin: Origin::Url(url.to_owned()),
        more_urls: Vec::new(),
    }
}

/// A name that a server gave stands in every row and picture: longer ones are cut, characters.
const LONGEST_NAME: usize = 300;

fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        None => name.to_owned(),
        Some(_) => name.chars().take(LONGEST_NAME - 1).chain(['…']).collect(),
    }
}

/// What any OpenAI-compatible server may be asked for.
fn plain_capabilities(model: &str) -> Capabilities {
    Capabilities {
        request_model: model.to_owned(),
        ignore_eos: false,
        min_tokens: false,
        stream_options: true,
        continuous_usage: false,
        eos_in_usage: true,
        done_marker: true,
        force_length: serde_json::Map::new(),
        body: serde_json::Map::new(),
        fields: BodyFields { try_ignore_eos: true, ..BodyFields::default() },
    }
}

fn check_env(env: &BTreeMap<String, String>, label: &str) -> Result<()> {
    match env.iter().find(|(name, value)| names_a_secret(name) || holds_a_secret(value)) {
        Some((name, _)) => refuse(
            format!("--env {label}.{name}=…: a secret would be written into the results"),
            format!("set {name} in your own environment and pass --env {label}.{name}"),
        ),
        None => Ok(()),
    }
}

fn check_extra_args(arguments: &[String], label: &str) -> Result<()> {
    match argument_with_a_secret(arguments) {
        Some(which) => refuse(
            format!("--extra-args {label}: {which} gives a secret, which would be written into the results"),
            format!("put it into an environment variable that the engine reads, and pass --env {label}.NAME"),
        ),
        None => Ok(()),
    }
}

/// A backend's own file may hold a key as well.
fn check_launch(spec: &LaunchSpec, definition: &Definition) -> Result<()> {
    let variable = spec.env.iter().find(|(name, value)| {
        (names_a_secret(name) && !value.is_empty() && !Path::new(value).exists()) || holds_a_secret(value)
    });
    match variable.map(|(name, _)| name.clone()).or_else(|| argument_with_a_secret(&spec.argv)) {
        Some(which) => refuse(
            format!("{}: {which} gives a secret, which would be written into the results", definition.origin),
            "make it a parameter with `secret: true`, or name its variable in `launch.env_from`",
        ),
        None => Ok(()),
    }
}

/// The value of a parameter that its file calls a secret is the name of a variable.
fn check_settings(input: &ResolveInput<'_>) -> Result<()> {
    let parameters = &input.definition.file.parameters;
    let secret = input.set.iter().find(|(name, value)| {
        let takes_a_name = parameters.get(*name).is_some_and(|parameter| parameter.secret);
        let is_name = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_named = names_a_secret(name) && !value.is_empty() && !(takes_a_name && is_name);
        is_named || (takes_a_name && !is_name) || holds_a_secret(value)
    });
    match secret {
        Some((name, _)) => refuse(
            format!("--set {}.{name}=…: a secret would be written into the results", input.label),
            format!(
                "put it into an environment variable that the engine reads, and pass --env {}.NAME",
                input.label
            ),
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_among_the_arguments_is_refused_and_not_repeated() {
        let error = check_extra_args(&["--api-key=sk-1".to_owned()], "vllm").unwrap_err().to_string();
        assert!(error.contains("--api-key") && !error.contains("sk-1"), "{error}");
        assert!(check_extra_args(&["--dtype".to_owned(), "auto".to_owned()], "vllm").is_ok());
    }
}
