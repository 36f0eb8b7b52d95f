//! `--simulate`: a pretend engine, our own binary, in the place of each real one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, ValueEnum};

use crate::backend::definition::template::{Scope, fill};
use crate::backend::definition::{Definition, Role};
use crate::backend::model::model_name;
use crate::backend::resolve::{asked_port, check_parameters, url_target};
use crate::cli::{Cli, Command, SimulateEngine};
use crate::schema::plan::SharedSettings;
use crate::schema::refusal::{OrRefuse, refusal, refuse};
use crate::schema::target::{LaunchSpec, Launcher, Model, Origin, Readiness, Target};

use crate::commands::resolve::choices::Given;
use crate::commands::simulate;

/// Stands behind every label, and where real engines have their version, model and precision.
pub const SIMULATED: &str = "simulated";

/// Flags that the harness sets itself.
const OURS: [&str; 4] = ["--engine", "--host", "--port", "--model"];
/// Flags of a fixed service, which leave no room for the invented one.
const FIXED_SERVICE: [&str; 2] = ["--ttft", "--itl"];
/// Times vary by so much to either side.
const JITTER: &str = "0.1";

/// What pretend engines are made with.
pub struct Simulation {
    /// This program.
    pub program: PathBuf,
    /// Settings shared by all backends.
    pub shared: SharedSettings,
}

/// A pretend engine, and the flags that change nothing in it.
pub struct Pretended {
    /// To be launched like any other.
    pub target: Target,
    /// `--set vllm.dtype`
    pub without_effect: Vec<String>,
}

impl Simulation {
    /// The pretend engine in the place of a real one, called `LABEL-simulated`: its file still says how it is asked, proved ready and
    /// read; the command is ours.
    ///
    /// # Errors
    /// An engine whose wire is not known, a setting that its file does not have, or arguments that
    /// `harness simulate` does not take.
    pub fn target(&self, label: &str, definition: &Definition, given: Given) -> anyhow::Result<Pretended> {
        let named = format!("{label}-{SIMULATED}");
        let engine = engine(definition)?;
        check_parameters(definition, &given.settings, label, "flags of harness simulate go")?;
        let without_effect = without_effect(label, definition, &given);
        let name = given.model.as_deref().map_or_else(|| SIMULATED.to_owned(), model_name);
        let own = self.arguments(engine, &given.extra_args);
        let argv = argv(&self.program, definition, &name, &own, &given.extra_args);
        check(label, &argv, &given.extra_args)?;
        let mut scope = Scope::new();
        scope.insert("served_name".to_owned(), name.clone());
        scope.insert("model".to_owned(), name.clone());
        let listed_model = fill(&definition.file.protocol.listed_model, &scope)
            .with_context(|| format!("{}: protocol.listed_model", definition.origin))?;
        let spec = LaunchSpec {
            launcher: Launcher::Process,
            argv,
            port: asked_port(definition, &given.settings, label)?,
            env: BTreeMap::new(),
            env_from: Vec::new(),
            env_clear: Vec::new(),
            env_family: Vec::new(),
            before: Vec::new(),
            parameters: own.into_iter().map(|(flag, value)| (flag.to_owned(), value)).collect(),
            readiness: Readiness {
                paths: definition.file.readiness.paths.clone(),
                models_path: definition.file.readiness.models_path.clone(),
                listed_model,
            },
            stop: definition.file.stop.to_schema(),
            failures: Vec::new(),
            install_hint: String::new(),
        };
        let asked = url_target(&named, Some(definition), "", &name);
        let target = Target {
            title: format!("{} ({SIMULATED})", asked.title),
            version: Some(SIMULATED.to_owned()),
            model: Model { name: name.clone(), source: name, precision: SIMULATED.to_owned() },
            origin: Origin::Launch(Box::new(spec)),
            more_urls: Vec::new(),
            ..asked
        };
        Ok(Pretended { target, without_effect })
    }

    /// Flags and values of our own choice, where the user gives no other.
    fn arguments(&self, engine: SimulateEngine, given: &[String]) -> Vec<(&'static str, String)> {
        let fixed = FIXED_SERVICE.iter().any(|flag| is_given(flag, given));
        let mut arguments = vec![
            ("--context-length", self.shared.context_length.to_string()),
            ("--max-batch", self.shared.max_batch.to_string()),
            ("--jitter", JITTER.to_owned()),
        ];
        if !fixed {
            arguments.extend(invented_service(engine));
        }
        arguments.retain(|(flag, _)| !is_given(flag, given));
        arguments
    }
}

/// Service models that differ a little, so that a comparison has something to show. They are invented:
/// nothing was measured for them, and their order says nothing about the real engines.
fn invented_service(engine: SimulateEngine) -> [(&'static str, String); 3] {
    let (prefill_rate, step, step_per_sequence) = match engine {
        SimulateEngine::Vllm => ("8000", "8ms", "0.10ms"),
        SimulateEngine::Sglang => ("9000", "9ms", "0.08ms"),
        SimulateEngine::Llamacpp => ("4000", "7ms", "0.25ms"),
        SimulateEngine::Tgi
        | SimulateEngine::Triton
        | SimulateEngine::Jetstream
        | SimulateEngine::Sax
        | SimulateEngine::NaiveTransformers
        | SimulateEngine::Lines
        | SimulateEngine::Events => ("7000", "10ms", "0.12ms"),
    };
    [
        ("--prefill-rate", prefill_rate.to_owned()),
        ("--decode-step", step.to_owned()),
        ("--decode-step-per-sequence", step_per_sequence.to_owned()),
    ]
}

fn engine(definition: &Definition) -> anyhow::Result<SimulateEngine> {
    let known = SimulateEngine::value_variants();
    let names =
        known.iter().filter_map(ValueEnum::to_possible_value).map(|value| value.get_name().to_owned());
    let names: Vec<String> = names.collect();
    SimulateEngine::from_str(&definition.name, false).map_err(|_| {
        refusal(
            format!("no engine like '{}' can be simulated", definition.name),
            format!("--simulate knows {}", names.join(", ")),
        )
    })
}

fn is_given(flag: &str, arguments: &[String]) -> bool {
    let is = |argument: &String| {
        argument == flag || argument.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))
    };
    arguments.iter().any(is)
}

fn argv(
    program: &Path,
    definition: &Definition,
    model: &str,
    own: &[(&'static str, String)],
    further: &[String],
) -> Vec<String> {
    let mut argv = vec![program.display().to_string(), "simulate".to_owned()];
    argv.push(format!("--engine={}", definition.name));
    argv.push(format!("--model={model}"));
    argv.extend(["--port".to_owned(), "{port}".to_owned()]);
    argv.extend(own.iter().map(|(flag, value)| format!("{flag}={value}")));
    argv.extend(further.iter().cloned());
    argv
}

/// A mistake is told now, and not by a server that ends at once.
fn check(label: &str, argv: &[String], given: &[String]) -> anyhow::Result<()> {
    if let Some(flag) = OURS.iter().find(|flag| is_given(flag, given)) {
        return refuse(format!("--extra-args {label}: {flag} is set by --simulate itself"), "leave it out");
    }
    let cure = "with --simulate these go to harness simulate; see harness simulate --help";
    let typed = argv.iter().map(|argument| if argument == "{port}" { "0" } else { argument });
    match Cli::try_parse_from(typed) {
        Ok(Cli { command: Command::Simulate(args) }) => {
            let settings = simulate::settings(&args);
            settings.map(|_| ()).or_refuse(|| format!("--extra-args {label}"), cure)
        }
        Ok(_) => refuse(format!("--extra-args {label}: not arguments of harness simulate"), cure),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            refuse(format!("--extra-args {label}: {line}"), cure)
        }
    }
}

/// What a pretend engine has no use for.
fn without_effect(label: &str, definition: &Definition, given: &Given) -> Vec<String> {
    let port = definition.parameter_for(Role::Port).map(|(name, _)| name);
    let unused = given.settings.keys().filter(|name| Some(name.as_str()) != port);
    let unused = unused.map(|name| format!("--set {label}.{name}"));
    let env = given.env.keys().chain(&given.env_pass).map(|name| format!("--env {label}.{name}"));
    unused.chain(env).collect()
}
