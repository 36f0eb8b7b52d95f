//! `harness install`: engines and the model to try.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::backend::definition::{Definition, Definitions, Role};
use crate::backend::find::in_environment;
use crate::backend::install::{self, FirstStart, InstallEvent, Installed, Wanted};
use crate::backend::managed::Build;
use crate::backend::model;
use crate::cli::{From, InstallArgs};
use crate::directories;
use crate::environment;
use crate::progress::{Activity, Progress};

use crate::commands::resolve::machine;
use crate::schema::refusal::refuse;

/// Runs the command. What is asked for is checked before anything is installed.
pub fn install(args: &InstallArgs) -> anyhow::Result<ExitCode> {
    let mut definitions = Definitions::load(args.backends_dir.as_deref())?;
    let names = names(&args.names, &mut definitions)?;
    for name in names.iter().filter(|name| *name != model::TRYOUT) {
        if definitions.get(name).is_none() {
            return refuse(
                format!("nothing called '{name}' can be installed"),
                format!("known: {}, {}", definitions.names().join(", "), model::TRYOUT),
            );
        }
    }
    end_programs_at_sigterm()?;
    let data_dir = directories::data_dir()?;
    let variant = machine::machine(&environment::look(), None).variant();
    let progress = Progress::new(args.quiet, false);
    let build = args.from.map(|from| match from {
        From::Source => Build::Source,
        From::Prebuilt => Build::Prebuilt,
    });
    // The model comes first: engines are started with it.
    let (models, engines): (Vec<_>, Vec<_>) = names.iter().partition(|name| *name == model::TRYOUT);
    for name in models.into_iter().chain(engines) {
        let activity = progress.start(&format!("{name}:"));
        let mut on_event = |event: InstallEvent| show(&activity, event);
        let installed = match definitions.get(name) {
            Some(definition) => {
                let first = |root: &Path, build: Build| first_start(definition, root, build, &data_dir, args);
                // Only engines that have the choice are asked for it.
                let build =
                    build.filter(|_| args.names.len() == 1 || definition.file.install.prebuilt.is_some());
                let wanted = Wanted { variant, build, first_start: &first };
                install::install(definition, &wanted, &data_dir, &mut on_event)
            }
            None => model::install_tryout(&data_dir, &mut on_event),
        };
        drop(activity);
        let installed = installed.with_context(|| format!("cannot install {name}"))?;
        progress.say(&format!("{name}: {}", done(&installed)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit code of a command that SIGTERM ended.
const TERMINATED: i32 = 143;

/// Ctrl-C reaches the installer by the terminal; SIGTERM reaches this process alone, and what it started must not
/// go on without it.
fn end_programs_at_sigterm() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut terminate = {
        let _entered = runtime.enter();
        signal(SignalKind::terminate()).context("signals cannot be heard")?
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(terminate.recv());
        install::end_programs(std::process::id());
        std::process::exit(TERMINATED);
    })?;
    Ok(())
}

/// The names to install; a definition given by its path is read, and has its stem as a name.
fn names(given: &[String], definitions: &mut Definitions) -> anyhow::Result<Vec<String>> {
    let named = |name: &String| match is_path(name) {
        true => definitions.load_file(Path::new(name)),
        false => Ok(name.clone()),
    };
    given.iter().map(named).collect()
}

fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml")
}

/// One request to the engine with the try-out model, by this program itself; without the model the program's
/// own version, where it has one to ask for.
fn first_start(
    definition: &Definition,
    root: &Path,
    build: Build,
    data_dir: &Path,
    args: &InstallArgs,
) -> Option<FirstStart> {
    let own = std::env::current_exe().ok()?.display().to_string();
    let name = &definition.name;
    let given = |given: &&String| {
        is_path(given) && Path::new(given).file_stem().is_some_and(|stem| stem == name.as_str())
    };
    let backend = args.names.iter().find(given).unwrap_or(name);
    let program = definition.file.find.programs.first().map(|program| root.join("bin").join(program));
    if !model::tryout_paths(data_dir).gguf.is_file() {
        let program = program.filter(|_| build == Build::Prebuilt)?;
        let argv = vec![program.display().to_string(), "--version".to_owned()];
        let what =
            "start the program (no model is here to ask it with: harness install tryout-model)".to_owned();
        return Some(FirstStart { what, argv, env: Vec::new(), results: None });
    }
    let results = data_dir.join("logs").join("first-start").join(name);
    let mut argv = vec![own];
    argv.extend(
        ["run", "--backend", backend, "--requests", "1", "--max-tokens", "8", "--warmup", "0", "--output"]
            .map(str::to_owned),
    );
    argv.push(results.display().to_string());
    if let Some(directory) = &args.backends_dir {
        argv.extend(["--backends-dir".to_owned(), directory.display().to_string()]);
    }
    // Not marked as installed yet, it is found as an active environment or as a named program. Named wherever it can
    // be: another build that is installed would come before the active environment, and would be what is proved.
    let program = match build {
        Build::Prebuilt => program,
        Build::Source => in_environment(definition, root).and_then(|found| found.program),
    };
    let mut env = vec![("HARNESS_DATA_DIR".to_owned(), data_dir.display().to_string())];
    match (program, definition.parameter_for(Role::Program)) {
        (Some(program), Some((parameter, _))) => {
            argv.extend(["--set".to_owned(), format!("{name}.{parameter}={}", program.display())]);
        }
        (Some(_) | None, _) => {
            env.push(("VIRTUAL_ENV".to_owned(), root.display().to_string()));
        }
    }
    let what = "start it once and ask it for an answer".to_owned();
    Some(FirstStart { what, argv, env, results: Some(results) })
}

/// One event of an installation on a live line.
pub fn show(activity: &Activity, event: InstallEvent) {
    match event {
        InstallEvent::Step { number, total, what } => {
            activity.message(&format!("step {number} of {total}: {what}"))
        }
        InstallEvent::Line { text, elapsed } => activity.message(&format!("{}: {text}", minutes(elapsed))),
    }
}

fn minutes(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn done(installed: &Installed) -> String {
    let Installed { version, place, already, took, log: _ } = installed;
    if *already {
        format!("{version} is installed already ({place})")
    } else {
        format!("{version} installed in {} min ({place})", minutes(*took))
    }
}
