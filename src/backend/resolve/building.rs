//! Parameters, arguments and environment put together into a target.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::backend::definition::file::{ByMachine, HelperProgram, Scalar};
use crate::backend::definition::template::{Scope, fill};
use crate::backend::definition::{Definition, Parameter, Role};
use crate::backend::managed::Variant;
use crate::backend::model::{kv_bytes_per_token, model_dtype, model_name, precision};
use crate::backend::placeholders::literal;
use crate::backend::resolve::input::{ResolveInput, asked_port, capabilities_of};
use crate::backend::resolve::model_source::image_of;
use crate::schema::refusal::refuse;
use crate::schema::target::{
    Docker, Helper, LaunchSpec, Launcher, METRICS_PORT, Model, NotLevel, Origin, Readiness, SCRATCH, Target,
};

/// A target in the making.
pub(super) struct Building<'a> {
    input: &'a ResolveInput<'a>,
    variant: Variant,
    image: Option<Docker>,
    scope: Scope,
    served_name: String,
    parameter_args: Vec<String>,
    parameter_env: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    not_level: Vec<NotLevel>,
}

impl<'a> Building<'a> {
    pub(super) fn new(input: &'a ResolveInput<'a>, source: &str, in_docker: bool) -> Result<Building<'a>> {
        let definition = input.definition;
        let installed_for = input.found.as_ref().and_then(|found| found.variant);
        let variant = match installed_for {
            // An environment without CUDA has no use for a GPU.
            Some(variant) if !in_docker => variant,
            Some(_) | None => input.machine.variant(),
        };
        let image = match in_docker {
            true => Some(image_of(definition, input, source)?),
            false => None,
        };
        let served_name = served_name(definition, &input.set, source)?;
        let scope = first_scope(input, source, &served_name, image.as_ref());
        Ok(Building {
            input,
            variant,
            image,
            scope,
            served_name,
            parameter_args: Vec::new(),
            parameter_env: BTreeMap::new(),
            parameters: BTreeMap::new(),
            not_level: Vec::new(),
        })
    }

    fn put(&mut self, name: &str, value: &str) {
        self.scope.insert(name.to_owned(), value.to_owned());
        self.parameters.insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn fill_parameters(&mut self) -> Result<()> {
        let definition = self.input.definition;
        for (name, parameter) in &definition.file.parameters {
            let own = self.input.set.get(name);
            if parameter.secret {
                self.fill_secret(parameter, own);
                continue;
            }
            let level = match parameter.role {
                Some(Role::Model) => Some(self.scope["model"].clone()),
                Some(Role::ServedName) => Some(self.served_name.clone()),
                Some(Role::Port) => Some(self.scope["port"].clone()),
                Some(Role::Program) => self.scope.get("program").cloned(),
                Some(Role::Build | Role::Dtype) | None => self.default_of(name, parameter)?,
            };
            let fixed = matches!(parameter.role, Some(Role::Model | Role::Port));
            let value = match own {
                Some(own) if !fixed => Some(own.clone()),
                Some(_) | None => level.clone(),
            };
            if own.is_some() && value != level {
                self.note_not_level(name, parameter, level.as_deref(), value.as_deref().unwrap_or_default());
            }
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            // What the file says may name the port; what the user says is taken as it is.
            let is_typed = own.is_some() || matches!(parameter.role, Some(Role::Model | Role::ServedName));
            let emitted =
                if is_typed && parameter.role != Some(Role::Port) { literal(&value) } else { value.clone() };
            self.emit(name, parameter, &emitted)?;
            if parameter.role != Some(Role::Port) {
                self.put(name, &value);
            }
        }
        self.note_extra_args();
        Ok(())
    }

    fn default_of(&self, name: &str, parameter: &Parameter) -> Result<Option<String>> {
        let scalar: Option<&Scalar> = match &parameter.default {
            None => None,
            Some(ByMachine::Same(scalar)) => Some(scalar),
            Some(ByMachine::Each(each)) => match self.variant {
                Variant::Cpu => each.cpu.as_ref(),
                Variant::Gpu => each.gpu.as_ref(),
            },
        };
        let Some(scalar) = scalar else { return Ok(None) };
        let origin = &self.input.definition.origin;
        let filled = fill(&scalar.text(), &self.scope)
            .with_context(|| format!("{origin}: parameters.{name}.default"))?;
        Ok(Some(filled))
    }

    /// The flag goes on the command line with a place-holder; the value stays in the environment.
    fn fill_secret(&mut self, parameter: &Parameter, own: Option<&String>) {
        if let (Some(flag), Some(variable)) = (&parameter.flag, own) {
            self.parameter_args.push(flag.clone());
            self.parameter_args.push(format!("{{secret:{variable}}}"));
        }
    }

    fn emit(&mut self, name: &str, parameter: &Parameter, value: &str) -> Result<()> {
        if let Some(flag) = &parameter.flag {
            self.parameter_args.extend([flag.clone(), value.to_owned()]);
        }
        if parameter.switch_on.is_some() || parameter.switch_off.is_some() {
            let switch = match value {
                "true" | "1" | "on" | "yes" => &parameter.switch_on,
                "false" | "0" | "off" | "no" => &parameter.switch_off,
                other => bail!("{}.{name}={other}: takes `true` or `false`", self.input.label),
            };
            self.parameter_args.extend(switch.clone());
        }
        if let Some(variable) = &parameter.env {
            self.parameter_env.insert(variable.clone(), value.to_owned());
        }
        Ok(())
    }

    fn note_not_level(&mut self, name: &str, parameter: &Parameter, level: Option<&str>, own: &str) {
        let Some(setting) = &parameter.levels else { return };
        let shared = match setting.as_str() {
            "context_length" => self.input.shared.context_length.to_string(),
            "max_batch" => self.input.shared.max_batch.to_string(),
            _ => level.map_or_else(|| "the engine's default".to_owned(), str::to_owned),
        };
        self.not_level.push(NotLevel { setting: setting.clone(), shared, own: format!("{name}={own}") });
    }

    /// A flag passed through may override what is level as well.
    fn note_extra_args(&mut self) {
        let definition = self.input.definition;
        for (index, argument) in self.input.extra_args.iter().enumerate() {
            let (flag, joined) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            for (name, parameter) in &definition.file.parameters {
                let switched = [(&parameter.switch_on, "true"), (&parameter.switch_off, "false")]
                    .into_iter()
                    .find(|(switch, _)| switch.as_deref() == Some(flag))
                    .map(|(_, value)| value.to_owned());
                let valued = (parameter.flag.as_deref() == Some(flag))
                    .then(|| joined.clone().or_else(|| self.input.extra_args.get(index + 1).cloned()))
                    .flatten();
                let level = self.parameters.get(name).cloned();
                if let Some(value) = switched.or(valued).filter(|value| level.as_ref() != Some(value)) {
                    self.note_not_level(name, parameter, level.as_deref(), &value);
                }
            }
        }
    }

    fn fill_all(&self, parts: &[String], key: &str) -> Result<Vec<String>> {
        let origin = &self.input.definition.origin;
        let scope = self.launch_scope();
        parts.iter().map(|part| fill(part, &scope).with_context(|| format!("{origin}: {key}"))).collect()
    }

    /// What is filled in once more at the launch: a path may look like a placeholder, and is none.
    fn launch_scope(&self) -> Scope {
        let is_path = |name: &str| ["model", "served_name", "program", "python"].contains(&name);
        let value = |(name, value): (&String, &String)| {
            (name.clone(), if is_path(name) { literal(value) } else { value.clone() })
        };
        self.scope.iter().map(value).collect()
    }

    fn argv(&self) -> Result<Vec<String>> {
        let file = &self.input.definition.file;
        let mut argv = match (&self.image, &file.docker) {
            (Some(_), Some(docker)) => self.fill_all(&docker.command, "docker.command")?,
            (Some(_), None) | (None, _) => self.fill_all(&file.launch.command, "launch.command")?,
        };
        argv.extend(self.fill_all(&file.launch.args, "launch.args")?);
        let further = match self.variant {
            Variant::Cpu => &file.launch.cpu.args,
            Variant::Gpu => &file.launch.gpu.args,
        };
        argv.extend(self.fill_all(further, "launch.cpu/gpu.args")?);
        argv.extend(self.parameter_args.iter().cloned());
        argv.extend(self.input.extra_args.iter().map(|argument| literal(argument)));
        Ok(argv)
    }

    fn python(&self) -> Option<&Path> {
        self.input.found.as_ref()?.python.as_deref()
    }

    fn env(&self) -> Result<BTreeMap<String, String>> {
        let launch = &self.input.definition.file.launch;
        let further = match self.variant {
            Variant::Cpu => &launch.cpu.env,
            Variant::Gpu => &launch.gpu.env,
        };
        let origin = &self.input.definition.origin;
        let scope = self.launch_scope();
        let mut env = BTreeMap::new();
        for (name, value) in launch.env.iter().chain(further) {
            let value = fill(value, &scope).with_context(|| format!("{origin}: launch.env.{name}"))?;
            if !value.is_empty() {
                env.insert(name.clone(), value);
            }
        }
        env.extend(self.parameter_env.clone());
        if let (Some(python), None) = (self.python(), &self.image) {
            env.insert("PATH".to_owned(), path_with(python));
        }
        if let (Some(gpus), None) = (&self.input.shared.gpus, &self.image) {
            env.insert("CUDA_VISIBLE_DEVICES".to_owned(), gpus.clone());
        }
        env.extend(self.input.env.iter().map(|(name, value)| (name.clone(), literal(value))));
        Ok(env)
    }

    /// The programs that run beside the server. They are started on this machine: for an image there can be none, and one
    /// that were left out would be missed in the middle of a load.
    fn before(&self) -> Result<Vec<Helper>> {
        let Definition { origin, file, .. } = self.input.definition;
        if let (Some(_), Some(helper)) = (&self.image, file.launch.before.first()) {
            return refuse(
                format!(
                    "{origin}: launch.before starts `{}` on this machine, and not beside the server in an image",
                    helper.name
                ),
                "launch it without the image: --launcher process; or take a definition whose image starts it itself",
            );
        }
        let fill_in = |helper: &HelperProgram| {
            let key = format!("launch.before.{}", helper.name);
            let mut env = BTreeMap::new();
            for (name, value) in &helper.env {
                let value =
                    fill(value, &self.scope).with_context(|| format!("{origin}: {key}.env.{name}"))?;
                env.insert(name.clone(), value);
            }
            env.retain(|_, value| !value.is_empty());
            Ok(Helper { name: helper.name.clone(), argv: self.fill_all(&helper.command, &key)?, env })
        };
        file.launch.before.iter().map(fill_in).collect()
    }

    pub(super) fn finish(self, source: String) -> Result<Target> {
        let input = self.input;
        let file = &input.definition.file;
        let argv = self.argv()?;
        let env = self.env()?;
        let before = self.before()?;
        let dtype =
            input.definition.parameter_for(Role::Dtype).and_then(|(name, _)| self.parameters.get(name));
        let model = Model {
            name: model_name(&source),
            precision: precision(&source, dtype.map(String::as_str)),
            source,
        };
        // The usual ones (PATH, HOME, …) are the launcher's to hand through.
        let mut env_from = file.launch.env_from.clone();
        env_from.extend(input.env_pass.iter().cloned());
        let listed_model = fill(&file.protocol.listed_model, &self.scope)
            .with_context(|| format!("{}: protocol.listed_model", input.definition.origin))?;
        let capabilities = capabilities_of(input.definition, &self.scope)?;
        let spec = LaunchSpec {
            launcher: self.image.map_or(Launcher::Process, Launcher::Docker),
            argv,
            port: asked_port(input.definition, &input.set, &input.label)?,
            env,
            env_from,
            env_clear: file.launch.env_clear.clone(),
            env_family: env_family(input.definition),
            before,
            parameters: self.parameters,
            readiness: Readiness {
                paths: file.readiness.paths.clone(),
                models_path: file.readiness.models_path.clone(),
                listed_model,
            },
            stop: file.stop.to_schema(),
            failures: file.failures.iter().map(|failure| failure.to_schema()).collect(),
            install_hint: file.install.hint.clone(),
        };
        Ok(Target {
            label: input.label.clone(),
            engine: input.definition.name.clone(),
            title: input.definition.title().to_owned(),
            version: input.found.as_ref().and_then(|found| found.version.clone()),
            model,
            capabilities,
            metrics: file.metrics.to_schema(),
            not_level: self.not_level,
            origin: Origin::Launch(Box::new(spec)),
            more_urls: Vec::new(),
        })
    }
}

/// Patterns of the variables that are the engine's own: as its file says, else by its name.
fn env_family(definition: &Definition) -> Vec<String> {
    if !definition.file.launch.env_family.is_empty() {
        return definition.file.launch.env_family.clone();
    }
    let capital = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = definition.name.chars().map(capital).collect();
    vec![format!("{name}_*")]
}

/// `PATH` with the environment's own programs first: engines compile kernels with its `ninja`.
fn path_with(python: &Path) -> String {
    let own = python.parent().unwrap_or(Path::new("")).display().to_string();
    match std::env::var("PATH") {
        Ok(path) if !path.is_empty() => format!("{own}:{path}"),
        Ok(_) | Err(_) => own,
    }
}

/// The name under which the model is asked for.
fn served_name(definition: &Definition, set: &BTreeMap<String, String>, source: &str) -> Result<String> {
    let own = definition.parameter_for(Role::ServedName).and_then(|(name, _)| set.get(name));
    match own {
        // SGLang takes what follows a colon for an adapter.
        Some(name) if name.contains(':') => {
            bail!("the served name {name} holds a colon: engines take what follows for an adapter")
        }
        Some(name) => Ok(name.clone()),
        None => Ok(model_name(source).replace(':', "-")),
    }
}

fn first_scope(input: &ResolveInput<'_>, source: &str, served_name: &str, image: Option<&Docker>) -> Scope {
    let local = Path::new(source).exists();
    let model = image.and_then(|docker| docker.mounts.values().next().cloned());
    let memory_gib = input.machine.memory_bytes / (1 << 30);
    let mut scope = Scope::new();
    let mut put = |name: &str, value: String| {
        scope.insert(name.to_owned(), value);
    };
    put("context_length", input.shared.context_length.to_string());
    put("max_batch", input.shared.max_batch.to_string());
    put("cores", input.machine.cores.to_string());
    put("gpus", input.machine.gpus.to_string());
    put("memory_gib", memory_gib.to_string());
    put("kv_bytes_per_token", kv_bytes_per_token(source).to_string());
    put("model_dtype", model_dtype(source).unwrap_or_default());
    put("hub_offline", if local { "1" } else { "" }.to_owned());
    put("model", model.unwrap_or_else(|| source.to_owned()));
    put("served_name", served_name.to_owned());
    match image {
        Some(docker) => {
            put("host", "0.0.0.0".to_owned());
            put("port", docker.container_port.to_string());
        }
        None => {
            put("host", "127.0.0.1".to_owned());
            put("port", "{port}".to_owned());
        }
    }
    // Chosen and made at the launch, as the port is.
    put("metrics_port", METRICS_PORT.to_owned());
    put("scratch", SCRATCH.to_owned());
    let found = input.found.as_ref();
    let in_process = found.filter(|_| image.is_none());
    if let Some(program) = in_process.and_then(|found| found.program.as_ref()) {
        put("program", program.display().to_string());
    }
    if let Some(python) = in_process.and_then(|found| found.python.as_ref()) {
        put("python", python.display().to_string());
    }
    scope
}
