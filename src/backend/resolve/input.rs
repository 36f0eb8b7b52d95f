//! What decides how a backend is launched, and what is read of it alike for every kind of target.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::backend::definition::template::{Scope, fill};
use crate::backend::definition::{Definition, Role};
use crate::backend::find::Found;
use crate::backend::managed::Variant;
use crate::schema::plan::SharedSettings;
use crate::schema::refusal::refuse;
use crate::schema::target::{BodyFields, Capabilities};

/// The setting that every backend has: `process` or `docker`.
pub const LAUNCHER: &str = "launcher";

/// The parts of the machine that decide how an engine is started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// GPUs that can be used.
    pub gpus: usize,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory, bytes.
    pub memory_bytes: u64,
}

impl Machine {
    /// With a GPU or without.
    pub fn variant(&self) -> Variant {
        if self.gpus > 0 { Variant::Gpu } else { Variant::Cpu }
    }
}

/// Everything that decides how one backend is launched.
#[derive(Debug, Clone)]
pub struct ResolveInput<'a> {
    /// The name in every output.
    pub label: String,
    /// The engine.
    pub definition: &'a Definition,
    /// Where it is; none: not installed (well for an image).
    pub found: Option<Found>,
    /// A GGUF file, a directory or a hub id.
    pub model: String,
    /// `--set LABEL.name=value`, without the label.
    pub set: BTreeMap<String, String>,
    /// `--extra-args LABEL="…"`, taken apart.
    pub extra_args: Vec<String>,
    /// `--env LABEL.NAME=value`.
    pub env: BTreeMap<String, String>,
    /// `--env LABEL.NAME`: handed through from our environment, for secrets.
    pub env_pass: Vec<String>,
    /// `--launcher docker`.
    pub docker: bool,
    /// Settings shared by all backends.
    pub shared: SharedSettings,
    /// The machine.
    pub machine: Machine,
}

impl<'a> ResolveInput<'a> {
    /// An engine under its own name, not found yet, as a process, with settings as they are by default.
    pub fn of(definition: &'a Definition, model: &str, machine: Machine) -> Self {
        ResolveInput {
            label: definition.name.clone(),
            definition,
            found: None,
            model: model.to_owned(),
            set: BTreeMap::new(),
            extra_args: Vec::new(),
            env: BTreeMap::new(),
            env_pass: Vec::new(),
            docker: false,
            shared: SharedSettings::default(),
            machine,
        }
    }
}

/// How a server may be asked, as its engine's file says.
pub(super) fn capabilities_of(definition: &Definition, scope: &Scope) -> Result<Capabilities> {
    let facts = &definition.file.protocol;
    Ok(Capabilities {
        request_model: fill(&facts.request_model, scope)
            .with_context(|| format!("{}: protocol.request_model", definition.origin))?,
        ignore_eos: facts.ignore_eos,
        min_tokens: facts.min_tokens,
        stream_options: facts.stream_options,
        continuous_usage: facts.continuous_usage,
        eos_in_usage: facts.eos_in_usage,
        done_marker: facts.done_marker,
        force_length: facts.force_length.clone(),
        body: facts.body.clone(),
        fields: BodyFields::default(),
    })
}

/// Refuses a setting that the engine's file does not have; `others` says what else goes through --extra-args.
///
/// # Errors
/// Names the setting and those that the file has.
pub fn check_parameters(
    definition: &Definition,
    set: &BTreeMap<String, String>,
    label: &str,
    others: &str,
) -> Result<()> {
    let known = &definition.file.parameters;
    match set.keys().find(|name| *name != LAUNCHER && !known.contains_key(*name)) {
        Some(name) => {
            let known: Vec<&str> = known.keys().map(String::as_str).collect();
            let (origin, known) = (&definition.origin, known.join(", "));
            refuse(
                format!("{label}.{name}: {origin} has no such parameter; known: {known}, {LAUNCHER}"),
                format!("{others} through --extra-args {label}=\"--flag value\""),
            )
        }
        None => Ok(()),
    }
}

/// The port that a setting asks for.
///
/// # Errors
/// It is no port.
pub fn asked_port(
    definition: &Definition,
    set: &BTreeMap<String, String>,
    label: &str,
) -> Result<Option<u16>> {
    let asked = definition.parameter_for(Role::Port).and_then(|(name, _)| set.get(name));
    let Some(text) = asked else { return Ok(None) };
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        Ok(_) | Err(_) => bail!("{label}: port={text}: takes a number from 1 to 65535"),
    }
}
