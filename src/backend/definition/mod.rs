//! A backend as data: its YAML file read, checked, and found by name.

pub mod file;
pub mod template;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::schema::refusal::OrRefuse;
use template::{Scope, fill};

pub use file::{DefinitionFile, ModelForm, Parameter, Recipe, Role};

/// Every engine's file in the order of `--backend all`: name, text.
const BUILT_IN: [(&str, &str); 4] = [
    ("vllm", include_str!("../../../backends/vllm.yaml")),
    ("sglang", include_str!("../../../backends/sglang.yaml")),
    ("llamacpp", include_str!("../../../backends/llamacpp.yaml")),
    ("tgi", include_str!("../../../backends/tgi.yaml")),
];

/// Files that built-in recipes hand to their installers.
const BUILT_IN_HELPERS: [(&str, &str); 11] = [
    ("llamacpp-server-only.cmake", include_str!("../../../backends/llamacpp-server-only.cmake")),
    ("llamacpp-prebuilt.py", include_str!("../../../backends/llamacpp-prebuilt.py")),
    ("locks/llamacpp-prebuilt.txt", include_str!("../../../backends/locks/llamacpp-prebuilt.txt")),
    ("locks/llamacpp-source.txt", include_str!("../../../backends/locks/llamacpp-source.txt")),
    ("locks/vllm-cpu.txt", include_str!("../../../backends/locks/vllm-cpu.txt")),
    ("locks/vllm-gpu.txt", include_str!("../../../backends/locks/vllm-gpu.txt")),
    ("locks/sglang-cpu.txt", include_str!("../../../backends/locks/sglang-cpu.txt")),
    ("locks/sglang-kernel.txt", include_str!("../../../backends/locks/sglang-kernel.txt")),
    ("locks/sglang-gpu.txt", include_str!("../../../backends/locks/sglang-gpu.txt")),
    ("overrides/vllm-cpu.txt", include_str!("../../../backends/overrides/vllm-cpu.txt")),
    ("overrides/sglang-cpu.txt", include_str!("../../../backends/overrides/sglang-cpu.txt")),
];

/// One engine: its name and what its file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The file's stem: `vllm`.
    pub name: String,
    /// Where it was read, for messages: `backends/vllm.yaml`.
    pub origin: String,
    /// The directory of a file of the user's own; none: built in.
    pub directory: Option<PathBuf>,
    /// The file.
    pub file: DefinitionFile,
}

impl Definition {
    /// Reads a definition from YAML. `origin` is named in errors, with the line and the key.
    pub fn parse(name: &str, origin: &str, text: &str) -> Result<Definition> {
        let file = parse_file(origin, text)?;
        let definition =
            Definition { name: name.to_owned(), origin: origin.to_owned(), directory: None, file };
        definition.check(text)?;
        Ok(definition)
    }

    /// The engine's name as its makers write it.
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// Which form of a model it takes.
    pub fn model_form(&self) -> ModelForm {
        self.file.model_form
    }

    /// The parameter with this role, and its name.
    pub fn parameter_for(&self, role: Role) -> Option<(&str, &Parameter)> {
        self.file
            .parameters
            .iter()
            .find(|(_, parameter)| parameter.role == Some(role))
            .map(|(name, parameter)| (name.as_str(), parameter))
    }

    /// The text of a helper file that the recipe names.
    pub fn helper(&self, name: &str) -> Result<String> {
        if let Some(directory) = &self.directory {
            let path = directory.join(name);
            if path.is_file() {
                return std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()));
            }
        }
        BUILT_IN_HELPERS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| (*text).to_owned())
            .ok_or_else(|| anyhow!("{}: the helper file `{name}` is not there", self.origin))
    }

    /// True when the command needs the Python of the engine's environment.
    pub fn needs_python(&self) -> bool {
        let launch = &self.file.launch;
        let helpers = launch.before.iter().flat_map(|helper| &helper.command);
        launch.command.iter().chain(helpers).any(|part| part.contains("{python}"))
    }

    /// Every template is filled in once with numbers, so that a wrong name is found when the file is read.
    fn check_templates(&self, text: &str) -> Result<()> {
        let one = |name: &str| (name.to_owned(), "1".to_owned());
        let mut scope: Scope = TEMPLATE_NAMES.iter().map(|name| one(name)).collect();
        scope.extend([one("program")]);
        let tried = |template: &str, scope: &Scope, key: &str, near: &str| -> Result<()> {
            match fill(template, scope) {
                Ok(_) => Ok(()),
                Err(error) => bail!("{}: {key}: {error}", place(&self.origin, text, near)),
            }
        };
        for (name, parameter) in &self.file.parameters {
            let defaults = parameter.default.as_ref().map(file::ByMachine::all).unwrap_or_default();
            for value in defaults {
                tried(&value.text(), &scope, &format!("parameters.{name}.default"), name)?;
            }
            scope.extend([one(name)]);
        }
        let launch = &self.file.launch;
        let args = launch.command.iter().chain(&launch.args).chain(&launch.cpu.args).chain(&launch.gpu.args);
        for part in args {
            tried(part, &scope, "launch", "launch")?;
        }
        for (name, value) in launch.env.iter().chain(&launch.cpu.env).chain(&launch.gpu.env) {
            tried(value, &scope, &format!("launch.env.{name}"), name)?;
        }
        for helper in &launch.before {
            for part in helper.command.iter().chain(helper.env.values()) {
                tried(part, &scope, &format!("launch.before.{}", helper.name), "before")?;
            }
        }
        if let Some(port) = &self.file.metrics.port {
            let filled = fill(&port.text(), &scope);
            if filled.ok().and_then(|port| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
                let place = place(&self.origin, text, "port");
                bail!("{place}: metrics.port: takes a port's number or {{metrics_port}}");
            }
        }
        for part in self.file.docker.iter().flat_map(|docker| &docker.command) {
            tried(part, &scope, "docker.command", "docker")?;
        }
        tried(&self.file.protocol.request_model, &scope, "protocol.request_model", "request_model")?;
        tried(&self.file.protocol.listed_model, &scope, "protocol.listed_model", "listed_model")
    }

    fn check(&self, text: &str) -> Result<()> {
        let title = self.file.title.chars().count();
        if title > LONGEST_TITLE || title == 0 {
            let place = place(&self.origin, text, "title");
            bail!(
                "{place}: title: takes 1 to {LONGEST_TITLE} letters, since it stands in tables; it has {title}"
            );
        }
        for (name, parameter) in &self.file.parameters {
            let forms = [&parameter.flag, &parameter.switch_on, &parameter.switch_off, &parameter.env];
            if forms.iter().all(|form| form.is_none()) && parameter.role.is_none() {
                let place = place(&self.origin, text, name);
                bail!(
                    "{place}: parameters.{name}: does nothing; give it a flag, switch_on, switch_off, env or role"
                );
            }
            if parameter.flag.is_some() && parameter.switch_on.is_some() {
                let place = place(&self.origin, text, name);
                bail!("{place}: parameters.{name}: has a flag and a switch; keep one");
            }
        }
        self.check_templates(text)?;
        if self.file.launch.command.is_empty() {
            bail!("{}: launch.command: is empty", place(&self.origin, text, "command"));
        }
        let mut names = BTreeSet::new();
        for helper in &self.file.launch.before {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let is_name = !helper.name.is_empty() && helper.name.chars().all(plain);
            if !is_name || helper.command.is_empty() || !names.insert(&helper.name) {
                let place = place(&self.origin, text, "before");
                bail!(
                    "{place}: launch.before: each takes a name of its own (letters, digits, - and _) and a command"
                );
            }
        }
        if self.file.stop.grace_s.is_nan() || self.file.stop.grace_s <= 0.0 {
            bail!("{}: stop.grace_s: must be above 0 seconds", place(&self.origin, text, "grace_s"));
        }
        if self.file.readiness.paths.is_empty() {
            bail!("{}: readiness.paths: names no path", place(&self.origin, text, "paths"));
        }
        Ok(())
    }
}

/// The longest title, letters.
const LONGEST_TITLE: usize = 60;

/// Names that a template may use beside the parameters above it.
const TEMPLATE_NAMES: [&str; 15] = [
    "context_length",
    "max_batch",
    "cores",
    "gpus",
    "memory_gib",
    "kv_bytes_per_token",
    "model_dtype",
    "hub_offline",
    "model",
    "served_name",
    "host",
    "port",
    "metrics_port",
    "scratch",
    "python",
];

/// `file:line` of the first line that begins with `key:`, or the file alone.
fn place(origin: &str, text: &str, key: &str) -> String {
    let found = text.lines().position(|line| {
        line.trim_start().trim_start_matches("- ").strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
    });
    match found {
        Some(index) => format!("{origin}:{}", index + 1),
        None => origin.to_owned(),
    }
}

fn parse_file(origin: &str, text: &str) -> Result<DefinitionFile> {
    let mut path = String::new();
    let parsed = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize::<_, DefinitionFile>(deserializer).map_err(|error| {
            path = error.path().to_string();
            error.into_inner()
        })
    });
    parsed.map_err(|error| {
        let line = error.location().map(|place| format!(":{}", place.line())).unwrap_or_default();
        anyhow!("{origin}{line}: {}", explain(&path, error.without_snippet()))
    })
}

/// The parser's error in one line that names the key.
fn explain(path: &str, error: &serde_saphyr::Error) -> String {
    let key = if path == "." { "" } else { path };
    let below = |field: &str| {
        let leaf = key.rsplit('.').next().unwrap_or_default();
        if key.is_empty() {
            field.to_owned()
        } else if leaf == field {
            key.to_owned()
        } else {
            format!("{key}.{field}")
        }
    };
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            format!("{}: unknown key; known: {}", below(field), expected.join(", "))
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("{}: unknown; known: {}", below(variant), expected.join(", "))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            format!("{}: is missing", below(field))
        }
        other => {
            let text = other.to_string();
            let first = text.lines().next().unwrap_or_default().to_owned();
            if key.is_empty() { first } else { format!("{key}: {first}") }
        }
    }
}

/// All definitions: the built-in ones and those of `--backends-dir`, which come before them.
#[derive(Debug, Clone)]
pub struct Definitions {
    all: Vec<Definition>,
}

impl Definitions {
    /// The built-in files, each replaced by one of the same name in `directory`; further ones follow.
    ///
    /// # Errors
    /// A mistake in a file, which names the file, the line and the key; a directory that is not there.
    pub fn load(directory: Option<&Path>) -> Result<Definitions> {
        let mut all = Vec::new();
        for (name, text) in BUILT_IN {
            all.push(Definition::parse(name, &format!("backends/{name}.yaml"), text)?);
        }
        let mut definitions = Definitions { all };
        if let Some(directory) = directory {
            let mut paths = BTreeSet::new();
            let entries = std::fs::read_dir(directory).or_refuse(
                || format!("cannot read the backends directory {}", directory.display()),
                "check the path",
            )?;
            for entry in entries {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                    paths.insert(path);
                }
            }
            for path in paths {
                definitions.load_file(&path)?;
            }
        }
        Ok(definitions)
    }

    /// Adds a file, or puts it in the place of the one with its name, and returns its name (its stem).
    ///
    /// # Errors
    /// A file that cannot be read, or a mistake in it.
    pub fn load_file(&mut self, path: &Path) -> Result<String> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .or_refuse(|| format!("cannot read the backend file {origin}"), "check the path")?;
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .filter(|stem| !stem.is_empty())
            .ok_or_else(|| anyhow!("{origin}: the file's name is no backend's name"))?
            .to_owned();
        let mut definition = Definition::parse(&name, &origin, &text)?;
        let absolute = std::path::absolute(path)?;
        definition.directory = absolute.parent().map(Path::to_path_buf);
        match self.all.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = definition,
            None => self.all.push(definition),
        }
        Ok(name)
    }

    /// The definition with this name.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.all.iter().find(|definition| definition.name == name)
    }

    /// All of them, in the order of `--backend all`.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.all.iter()
    }

    /// All names, in the order of `--backend all`.
    pub fn names(&self) -> Vec<&str> {
        self.all.iter().map(|definition| definition.name.as_str()).collect()
    }
}
