//! `harness install`: engines and the model to try.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::backend::definition::Definitions;
use crate::backend::install::{self, InstallEvent, Installed};
use crate::backend::model;
use crate::cli::InstallArgs;
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
    let data_dir = directories::data_dir()?;
    let variant = machine::machine(&environment::look(), None).variant();
    let progress = Progress::new(args.quiet, false);
    for name in &names {
        let activity = progress.start(&format!("{name}:"));
        let mut on_event = |event: InstallEvent| show(&activity, event);
        let installed = match definitions.get(name) {
            Some(definition) => install::install(definition, variant, &data_dir, &mut on_event),
            None => model::install_tryout(&data_dir, &mut on_event),
        };
        drop(activity);
        let installed = installed.with_context(|| format!("cannot install {name}"))?;
        progress.say(&format!("{name}: {}", done(&installed)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The names to install; a definition given by its path is read, and has its stem as a name.
fn names(given: &[String], definitions: &mut Definitions) -> anyhow::Result<Vec<String>> {
    let is_path = |name: &str| name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
    let named = |name: &String| match is_path(name) {
        true => definitions.load_file(Path::new(name)),
        false => Ok(name.clone()),
    };
    given.iter().map(named).collect()
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
