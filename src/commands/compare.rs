//! `harness compare` and `harness run`: backends to launch.

use std::borrow::Cow;
use std::process::ExitCode;

use anyhow::Context;

use crate::backend::definition::{Definition, Definitions};
use crate::backend::model;
use crate::backend::resolve::{NotInstalled, ResolveInput, named_program, resolve, uses_docker};
use crate::cli::{CompareArgs, LauncherArg};
use crate::progress::Progress;
use crate::schema::environment::Environment;
use crate::schema::objective::Search;
use crate::schema::plan::{Launching, SharedSettings, Skipped};
use crate::schema::refusal::{Refusal, refuse};
use crate::schema::target::Target;

use crate::commands::play::{self, Targets};
use crate::commands::resolve::choices::{self, Choice, Engine, Given, Lists};
use crate::commands::resolve::machine::{Finder, machine};
use crate::commands::resolve::simulated::Simulation;
use crate::commands::resolve::{scenarios, traffic};
use crate::commands::title;
use crate::commands::tui;
use crate::commands::workload::Workload;
use crate::commands::{block_on, install, resume};

/// `harness compare`
pub fn compare(args: CompareArgs) -> anyhow::Result<ExitCode> {
    if args.backend.is_empty() && args.resume.is_none() {
        return refuse("compare needs backends", "harness compare --backend all");
    }
    launch(args, title::COMPARE, None)
}

/// `harness run`
pub fn run(args: CompareArgs) -> anyhow::Result<ExitCode> {
    let one = args.backend.len() == 1 && args.backend.first().is_none_or(|name| name != "all");
    if !one && args.resume.is_none() {
        return refuse(
            "run takes one backend",
            "harness run --backend vllm; several go into harness compare",
        );
    }
    launch(args, title::RUN, None)
}

/// Launches what the arguments name, or what an earlier try left.
pub fn launch(args: CompareArgs, title: &str, search: Option<Search>) -> anyhow::Result<ExitCode> {
    tui::check(&args.output)?;
    block_on(async {
        if let Some(folder) = &args.resume {
            return resume::resume(folder, &args).await;
        }
        let workload = Workload::load(&args.load)?;
        let environment = play::look_at_machine();
        let progress = Progress::new(args.output.quiet, args.output.verbose);
        let (targets, skipped) = resolve_all(&args, &environment, &progress)?;
        let targets = Targets {
            title: title.to_owned(),
            http: traffic::wire(&args.load, None)?,
            targets,
            skipped,
            launching: Some(Launching {
                shared: shared(&args),
                startup_timeout_s: args.launch.startup_timeout,
            }),
            probe: false,
            simulated: args.launch.simulate,
            search,
        };
        play::play(targets, &args.load, &args.runs, &args.output, workload, environment).await
    })
}

/// `--max-batch` is raised to the load, so that no server queues what the plan wants in flight.
fn shared(args: &CompareArgs) -> SharedSettings {
    SharedSettings {
        context_length: args.launch.context_length,
        max_batch: args.launch.max_batch.max(scenarios::most_in_flight(&args.load)),
        gpus: args.launch.gpus.clone(),
    }
}

fn simulation(args: &CompareArgs) -> anyhow::Result<Option<Simulation>> {
    if !args.launch.simulate {
        return Ok(None);
    }
    if args.launch.launcher == LauncherArg::Docker {
        return refuse("--simulate starts no image", "leave --launcher docker or --simulate out");
    }
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    if program.to_str().is_none() {
        let what = format!("the name of this program is not UTF-8: {}", program.display());
        return refuse(what, "move it to another directory");
    }
    Ok(Some(Simulation { program, shared: shared(args) }))
}

fn resolve_all(
    args: &CompareArgs,
    environment: &Environment,
    progress: &Progress,
) -> anyhow::Result<(Vec<Target>, Vec<Skipped>)> {
    let definitions = Definitions::load(args.launch.backends_dir.as_deref())?;
    let known: Vec<String> = definitions.names().iter().map(ToString::to_string).collect();
    let choices = choices::backends(&args.backend, &known)?;
    let lists = Lists {
        model: &args.launch.model,
        set: &args.launch.set,
        extra_args: &args.launch.extra_args,
        env: &args.launch.env,
    };
    let given = choices::deal(&choices, lists)?;
    let resolver = Resolver { args, environment, finder: Finder::new()?, progress };
    let simulation = simulation(args)?;
    let mut targets = Vec::new();
    let mut skipped = Vec::new();
    for (choice, given) in choices.iter().zip(given) {
        let definition = definition_of(&definitions, choice)?;
        let definition = definition.as_ref();
        if let Some(simulation) = &simulation {
            let pretended = simulation.target(&choice.label, definition, given)?;
            for flag in pretended.without_effect {
                progress.say(&format!("{flag} changes nothing in a simulated engine"));
            }
            targets.push(pretended.target);
            continue;
        }
        match resolver.resolve(choice, definition, given) {
            Ok(target) => targets.push(target),
            Err(error) => match error.downcast::<NotInstalled>() {
                Ok(missing) if choice.from_all => skipped.push(Skipped {
                    label: choice.label.clone(),
                    reason: "not installed".into(),
                    hint: missing.hint,
                }),
                Ok(missing) => return Err(Refusal::from(missing).into()),
                Err(error) => return Err(error),
            },
        }
    }
    if targets.is_empty() {
        let hints: Vec<String> =
            skipped.iter().map(|skipped| format!("{} ({})", skipped.label, skipped.hint)).collect();
        return refuse(
            format!("none of the backends is installed: {}", hints.join(", ")),
            "harness install llamacpp",
        );
    }
    Ok((targets, skipped))
}

/// The definition of a choice: a known one, or the file that it names.
fn definition_of<'a>(definitions: &'a Definitions, choice: &Choice) -> anyhow::Result<Cow<'a, Definition>> {
    match &choice.engine {
        Engine::Named(name) => {
            let known = definitions.get(name);
            Ok(Cow::Borrowed(known.with_context(|| format!("no backend is called '{name}'"))?))
        }
        Engine::File(path) => {
            let mut with_file = definitions.clone();
            let name = with_file.load_file(path)?;
            let own = with_file.get(&name).cloned();
            Ok(Cow::Owned(own.with_context(|| format!("{} holds no backend", path.display()))?))
        }
    }
}

struct Resolver<'a> {
    args: &'a CompareArgs,
    environment: &'a Environment,
    finder: Finder,
    progress: &'a Progress,
}

impl Resolver<'_> {
    fn resolve(&self, choice: &Choice, definition: &Definition, given: Given) -> anyhow::Result<Target> {
        let docker = self.args.launch.launcher == LauncherArg::Docker;
        let found = self.finder.find(definition, &given.settings)?;
        let in_docker = uses_docker(&given.settings, docker).context(choice.label.clone())?;
        if found.is_none() && !in_docker {
            if let Some(program) = named_program(definition, &given.settings) {
                let program = program.display();
                return refuse(
                    format!("{}: {program} is no program that can be started", choice.label),
                    "check the path",
                );
            }
            return Err(not_installed(definition).into());
        }
        let model = match given.model {
            Some(model) => model,
            None => self.tryout(definition, found.as_ref())?,
        };
        resolve(&ResolveInput {
            label: choice.label.clone(),
            definition,
            found,
            model,
            set: given.settings,
            extra_args: given.extra_args,
            env: given.env,
            env_pass: given.env_pass,
            docker,
            shared: shared(self.args),
            machine: machine(self.environment, self.args.launch.gpus.as_deref()),
        })
    }

    fn tryout(
        &self,
        definition: &Definition,
        found: Option<&crate::backend::find::Found>,
    ) -> anyhow::Result<String> {
        let activity = self.progress.start(&format!("{}: model to try:", definition.name));
        let path = model::tryout_for(definition, found, &self.finder.data_dir, &mut |event| {
            install::show(&activity, event);
        })?;
        Ok(path.display().to_string())
    }
}

fn not_installed(definition: &Definition) -> NotInstalled {
    NotInstalled { title: definition.title().to_owned(), hint: definition.file.install.hint.clone() }
}
