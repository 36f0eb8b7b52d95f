//! The command of a launch: port chosen, placeholders filled in, environment and container made ready.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use crate::backend::docker;
use crate::backend::guard::Container;
use crate::backend::launch::child_environment::{
    child_environment, docker_client_environment, kept_back, names_for_container,
};
use crate::backend::launch::port;
use crate::backend::launch::request::LaunchRequest;
use crate::programs::on_path;
use crate::schema::refusal::Refusal;
use crate::schema::target::{LaunchSpec, Launcher, SCRATCH};
use crate::secrets::{HIDDEN, secret_values};

/// Opens a secret's placeholder; its name and `}` follow.
const SECRET: &str = "{secret:";

/// Everything that the guard needs, and what goes into the record.
#[derive(Debug)]
pub struct Prepared {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// Program and arguments, secrets filled in: for the guard alone.
    pub argv: Vec<String>,
    /// The same with secrets hidden, for the record.
    pub launched: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// The container that it starts.
    pub container: Option<Container>,
    /// Values to be taken out of its log.
    pub secrets: Vec<String>,
    /// What is to be started before it.
    pub helpers: Vec<PreparedHelper>,
    /// The launch's own directory, where one was asked for.
    pub scratch: Option<TempDir>,
    /// Variables of ours that look like the engine's and that it is not given, or with another value.
    pub kept_back: Vec<String>,
}

/// A helper's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedHelper {
    /// Its name.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
}

/// Makes the command ready; a container will bear the guard's `mark`. Fails where the port is taken, a secret is not set, or docker is missing.
pub fn prepare(request: &LaunchRequest<'_>, mark: &str) -> Result<Prepared, Refusal> {
    // Names and values that are not UTF-8 are none of those that we hand through.
    let own: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let port = choose_port(request)?;
    match &request.spec.launcher {
        Launcher::Process => prepare_process(request.spec, &own, port),
        Launcher::Docker(_) => prepare_docker(request, &own, port, mark),
    }
}

fn prepare_process(
    spec: &LaunchSpec,
    own: &BTreeMap<String, String>,
    port: u16,
) -> Result<Prepared, Refusal> {
    let scratch = scratch(spec)?;
    let places = Places { port, scratch: scratch.as_ref().map(TempDir::path) };
    let filled = fill_in(&spec.argv, places, own)?;
    let in_place = |mut environment: BTreeMap<String, String>| {
        environment.values_mut().for_each(|value| *value = places.fill(value));
        environment
    };
    let environment = in_place(child_environment(own.clone().into_iter(), spec));
    let mut secrets = filled.secrets;
    secrets.extend(secret_values(&environment));
    let mut helpers = Vec::new();
    for helper in &spec.before {
        let filled = fill_in(&helper.argv, places, own)?;
        secrets.extend(filled.secrets);
        let mut environment = environment.clone();
        environment.extend(in_place(helper.env.clone()));
        helpers.push(PreparedHelper { name: helper.name.clone(), argv: filled.argv, environment });
    }
    let kept_back = kept_back(own.iter(), &environment, spec);
    let (argv, launched) = (filled.argv, filled.launched);
    Ok(Prepared { port, argv, launched, environment, container: None, secrets, helpers, scratch, kept_back })
}

/// The launch's own directory, made only where it is named.
fn scratch(spec: &LaunchSpec) -> Result<Option<TempDir>, Refusal> {
    let helpers = spec.before.iter().flat_map(|helper| helper.argv.iter().chain(helper.env.values()));
    if !spec.argv.iter().chain(spec.env.values()).chain(helpers).any(|text| text.contains(SCRATCH)) {
        return Ok(None);
    }
    let made = tempfile::Builder::new().prefix("harness-").tempdir();
    made.map(Some).map_err(|error| {
        Refusal::new(format!("no directory of the launch's own can be made: {error}"))
            .hint("set TMPDIR to a directory that can be written")
    })
}

fn prepare_docker(
    request: &LaunchRequest<'_>,
    own: &BTreeMap<String, String>,
    port: u16,
    mark: &str,
) -> Result<Prepared, Refusal> {
    let spec = request.spec;
    let Launcher::Docker(image) = &spec.launcher else { return prepare_process(spec, own, port) };
    let client = own.get("PATH").and_then(|path| on_path("docker", path.as_ref())).ok_or_else(|| {
        Refusal::new("docker is not on the PATH")
            .hint("install Docker, or launch the engine without it: --launcher process")
    })?;
    let name = docker::container_name(request.run_id, request.label);
    let names = names_for_container(own.clone().into_iter(), spec);
    let filled = fill_in(&spec.argv, Places { port: image.container_port, scratch: None }, own)?;
    let command = |arguments: &[String]| {
        docker::run_command(&client, image, (&name, mark), port, &spec.env, &names, arguments)
    };
    let environment = docker_client_environment(own.clone().into_iter(), spec);
    let mut secrets = filled.secrets;
    secrets.extend(secret_values(&environment));
    let by_name = names.iter().filter_map(|name| Some((name.clone(), own.get(name)?.clone())));
    let inside: BTreeMap<String, String> = by_name.chain(spec.env.clone()).collect();
    Ok(Prepared {
        port,
        argv: command(&filled.argv),
        launched: command(&filled.launched),
        environment,
        container: Some(Container { docker: client.clone(), name: name.clone() }),
        secrets,
        helpers: Vec::new(),
        scratch: None,
        kept_back: kept_back(own.iter(), &inside, spec),
    })
}

/// The port that was asked for, if it is free, else a free one.
fn choose_port(request: &LaunchRequest<'_>) -> Result<u16, Refusal> {
    let Some(asked_for) = request.spec.port else {
        return port::choose_free()
            .map_err(|error| Refusal::new(format!("no free port on 127.0.0.1: {error}")));
    };
    port::check_free(asked_for).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let holder = port::holder(asked_for);
            let who = holder.map_or_else(
                || "a process that we may not see (another user's, or a container's)".to_owned(),
                port::describe,
            );
            Refusal::new(format!("port {asked_for} is in use by {who}")).hint(format!(
                "stop it, or choose another port with --set {}.port=N; without one a free port is chosen",
                request.label
            ))
        }
        _ => Refusal::new(format!("port {asked_for} cannot be listened on: {error}"))
            .hint(format!("choose another port with --set {}.port=N, 1024 or above", request.label)),
    })?;
    Ok(asked_for)
}

#[derive(Debug, Default)]
struct Filled {
    argv: Vec<String>,
    launched: Vec<String>,
    secrets: Vec<String>,
}

/// What stands open until the launch.
#[derive(Debug, Clone, Copy)]
struct Places<'a> {
    port: u16,
    scratch: Option<&'a Path>,
}

impl Places<'_> {
    /// Nothing else in braces is touched: JSON arguments have braces too.
    fn fill(&self, text: &str) -> String {
        let text = text.replace("{port}", &self.port.to_string());
        match self.scratch {
            Some(scratch) => text.replace(SCRATCH, &scratch.display().to_string()),
            None => text,
        }
    }
}

/// Fills in what stands open, and `{secret:NAME}`.
fn fill_in(argv: &[String], places: Places<'_>, own: &BTreeMap<String, String>) -> Result<Filled, Refusal> {
    let mut filled = Filled::default();
    for argument in argv {
        let argument = places.fill(argument);
        let (mut real, mut shown) = (String::new(), String::new());
        let mut rest = argument.as_str();
        while let Some((before, after)) = rest.split_once(SECRET) {
            let Some((name, behind)) = after.split_once('}') else { break };
            let value = own.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                Refusal::new(format!("the environment variable {name} is not set"))
                    .hint(format!("export {name}=… before the launch"))
            })?;
            real.extend([before, value]);
            shown.extend([before, HIDDEN]);
            filled.secrets.push(value.clone());
            rest = behind;
        }
        real.push_str(rest);
        shown.push_str(rest);
        filled.argv.push(real);
        filled.launched.push(shown);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn a_secret_reaches_the_server_and_not_the_record() {
        let own = BTreeMap::from([("KEY".to_owned(), "sk-1".to_owned())]);
        let argv = strings(&["serve", "--port={port}", "--api-key", "{secret:KEY}", "{\"a\": 1}"]);
        let filled = fill_in(&argv, Places { port: 8000, scratch: None }, &own).unwrap();
        assert_eq!(filled.argv, ["serve", "--port=8000", "--api-key", "sk-1", "{\"a\": 1}"]);
        assert_eq!(filled.launched, ["serve", "--port=8000", "--api-key", "***", "{\"a\": 1}"]);
        assert_eq!(filled.secrets, ["sk-1"]);
    }

    #[test]
    fn a_secret_that_is_not_set_is_named() {
        let places = Places { port: 1, scratch: None };
        let problem = fill_in(&strings(&["{secret:MY_KEY}"]), places, &BTreeMap::new()).unwrap_err();
        assert_eq!(problem.what, "the environment variable MY_KEY is not set");
    }
}
