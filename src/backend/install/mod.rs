//! A recipe → an engine in an environment of its own, or its image on this machine.

mod command;
mod tools;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

use crate::backend::definition::Definition;
use crate::backend::definition::file::{Need, Packages, ProgramFile, PullWhat, Recipe, Step};
use crate::backend::managed::{
    Build, Marker, Variant, managed_environment, marker_path, read_marker, write_marker,
};
use crate::programs::on_path;
use crate::schema::refusal::{refusal, refuse};
use command::Environment;
pub use command::InstallEvent;
pub(crate) use command::Runner;
pub use command::end_programs;
pub(crate) use tools::{IndexSettings, caches, put_lock, uv};

/// What came of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The version that is there now.
    pub version: String,
    /// The environment, the image's name or the model's file.
    pub place: String,
    /// It was there before: nothing was done.
    pub already: bool,
    /// The log of all steps.
    pub log: PathBuf,
    /// How long it took.
    pub took: Duration,
}

/// What is asked of an installation.
pub struct Wanted<'a> {
    /// The kind of machine.
    pub variant: Variant,
    /// Which recipe; none: `prebuilt` where the machine has no GPU and the engine has that recipe.
    pub build: Option<Build>,
    /// Environment → the command that starts the engine there and gets an answer. Without its success the
    /// environment does not count as installed.
    pub first_start: &'a dyn Fn(&Path, Build) -> Option<FirstStart>,
}

/// A command that starts an engine once.
pub struct FirstStart {
    /// What it proves, for people.
    pub what: String,
    /// The command.
    pub argv: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Where its results go: kept where it fails, since they tell why.
    pub results: Option<PathBuf>,
}

/// The build that is installed where none is asked for.
pub fn usual_build(definition: &Definition, variant: Variant) -> Build {
    match (variant, &definition.file.install.prebuilt) {
        (Variant::Cpu, Some(_)) => Build::Prebuilt,
        (Variant::Cpu | Variant::Gpu, _) => Build::Source,
    }
}

/// Puts an engine into an environment of its own, or pulls its image. Says so in a moment where it is
/// there already; an installation that was broken off is done again.
///
/// # Errors
/// What is needed and missing, with the package that has it; a failed step, with the log's last lines.
pub fn install(
    definition: &Definition,
    wanted: &Wanted<'_>,
    data_dir: &Path,
    on_progress: &mut dyn FnMut(InstallEvent),
) -> Result<Installed> {
    let build = wanted.build.unwrap_or_else(|| usual_build(definition, wanted.variant));
    // The prebuilt one has no GPU code, wherever it runs.
    let variant = if build == Build::Prebuilt { Variant::Cpu } else { wanted.variant };
    let recipe = recipe(definition, variant, build)?;
    let name = &build.environment(&definition.name);
    let log = data_dir.join("logs").join(format!("install-{name}.log"));
    let print = fingerprint(definition, recipe)?;
    let began = Instant::now();
    if pulls(recipe) {
        check_needs(definition, recipe)?;
        let place = pull(definition, variant, &log, on_progress)?;
        return Ok(Installed {
            version: recipe.version.clone(),
            place,
            already: false,
            log,
            took: began.elapsed(),
        });
    }
    let root = managed_environment(data_dir, name);
    let place = root.display().to_string();
    let same =
        read_marker(data_dir, name).is_some_and(|marker| marker.recipe == print && marker.variant == variant);
    if same {
        return Ok(Installed {
            version: recipe.version.clone(),
            place,
            already: true,
            log,
            took: began.elapsed(),
        });
    }
    check_needs(definition, recipe)?;
    check_processor(definition, recipe)?;
    if marker_path(data_dir, name).exists() {
        std::fs::remove_file(marker_path(data_dir, name))?;
    }
    std::fs::create_dir_all(data_dir.join("engines"))
        .with_context(|| format!("cannot write below {}", data_dir.display()))?;
    let runner = Runner::new(&log, began)?;
    run_recipe(definition, recipe, (&root, data_dir), &runner, on_progress)?;
    // Asked for now: where its program lies is known only when it is there.
    if let Some(FirstStart { what, argv, env, results }) = (wanted.first_start)(&root, build) {
        let total = recipe.steps.len() + 2;
        on_progress(InstallEvent::Step { number: total, total, what: what.clone() });
        runner.run(&what, &argv, &env, on_progress)?;
        if let Some(results) = results {
            let _ = std::fs::remove_dir_all(&results);
            // Of another engine there may be some left.
            let _ = results.parent().map(std::fs::remove_dir);
        }
    }
    let marker = Marker { version: recipe.version.clone(), variant, recipe: print };
    write_marker(data_dir, name, &marker)?;
    Ok(Installed { version: recipe.version.clone(), place, already: false, log, took: began.elapsed() })
}

/// The recipe for this kind of machine.
fn recipe(definition: &Definition, variant: Variant, build: Build) -> Result<&Recipe> {
    let recipes = &definition.file.install;
    let found = match (build, variant) {
        (Build::Source, Variant::Cpu) => recipes.cpu.as_ref(),
        (Build::Source, Variant::Gpu) => recipes.gpu.as_ref(),
        (Build::Prebuilt, Variant::Cpu | Variant::Gpu) => match &recipes.prebuilt {
            Some(recipe) => Some(recipe),
            None => {
                return refuse(
                    format!("{}: there is no prebuilt one", definition.title()),
                    "leave out --from",
                );
            }
        },
    };
    found.ok_or_else(|| {
        refusal(
            format!("{}: no recipe for a machine of kind `{}`", definition.origin, variant.name()),
            recipes.hint.clone(),
        )
    })
}

fn pulls(recipe: &Recipe) -> bool {
    recipe.steps.iter().any(|step| matches!(step, Step::Pull(PullWhat::Image)))
}

/// Changes when a step, a version or a helper file changes.
fn fingerprint(definition: &Definition, recipe: &Recipe) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{:?} {:?}", definition.file.install.python, recipe.steps));
    for name in helper_names(recipe) {
        hash.update(definition.helper(&name)?);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Helper files that a recipe names: overrides, and `{file:NAME}` in an installer's environment.
fn helper_names(recipe: &Recipe) -> Vec<String> {
    let mut names = Vec::new();
    for step in &recipe.steps {
        if let Step::Program(program) = step {
            names.push(program.file.clone());
        }
        let Step::Packages(packages) = step else { continue };
        names.extend(packages.overrides.clone());
        names.extend(packages.lock.clone());
        for value in packages.env.values() {
            names.extend(
                value
                    .split("{file:")
                    .skip(1)
                    .filter_map(|rest| rest.split_once('}'))
                    .map(|(name, _)| name.to_owned()),
            );
        }
    }
    names
}

fn check_needs(definition: &Definition, recipe: &Recipe) -> Result<()> {
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let missing = |need: &&Need| need.any_of.iter().all(|name| on_path(name, &search_path).is_none());
    match recipe.needs.iter().find(missing) {
        Some(need) => refuse(
            format!("installing {} needs {}, and there is none on PATH", definition.title(), need.what),
            need.cure.clone(),
        ),
        None => Ok(()),
    }
}

/// A processor without the instructions of a prebuilt program would end it with an illegal instruction.
fn check_processor(definition: &Definition, recipe: &Recipe) -> Result<()> {
    if recipe.instructions.is_empty() || std::env::consts::ARCH != "x86_64" {
        return Ok(());
    }
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let missing = missing_instructions(&recipe.instructions, &cpuinfo);
    if missing.is_empty() {
        return Ok(());
    }
    refuse(
        format!(
            "the prebuilt {} needs {}, which this processor lacks",
            definition.title(),
            missing.join(", ").to_uppercase()
        ),
        format!("harness install {} --from source", definition.name),
    )
}

/// Of `needed` what the first processor of `/proc/cpuinfo` does not list; nothing where it lists none at all.
fn missing_instructions(needed: &[String], cpuinfo: &str) -> Vec<String> {
    let Some(flags) = cpuinfo.lines().find(|line| line.starts_with("flags")) else { return Vec::new() };
    needed
        .iter()
        .filter(|name| !flags.split_whitespace().any(|flag| flag == name.as_str()))
        .cloned()
        .collect()
}

fn pull(
    definition: &Definition,
    variant: Variant,
    log: &Path,
    on_progress: &mut dyn FnMut(InstallEvent),
) -> Result<String> {
    let Some(docker) = &definition.file.docker else {
        bail!("{}: install pulls an image, and there is no `docker` section", definition.origin);
    };
    let image = match variant {
        Variant::Gpu => docker.image.clone(),
        Variant::Cpu => docker.image_cpu.clone().ok_or_else(|| {
            anyhow!("{}: its image needs a GPU, and this machine has none", definition.title())
        })?,
    };
    let what = format!("pull {image}");
    on_progress(InstallEvent::Step { number: 1, total: 1, what: what.clone() });
    let runner = Runner::new(log, Instant::now())?;
    let argv = ["docker".to_owned(), "pull".to_owned(), image.clone()];
    runner.run(&what, &argv, &[], on_progress).context(
        "the image could not be pulled: is the docker daemon running, and the registry reachable?",
    )?;
    Ok(image)
}

fn run_recipe(
    definition: &Definition,
    recipe: &Recipe,
    (root, data_dir): (&Path, &Path),
    runner: &Runner,
    on_progress: &mut dyn FnMut(InstallEvent),
) -> Result<()> {
    // The environment before them, and the first start after.
    let total = recipe.steps.len() + 2;
    on_progress(InstallEvent::Step { number: 1, total, what: "make the environment".to_owned() });
    let uv = uv(data_dir, runner, on_progress)?;
    let index = IndexSettings::read();
    let mut installer_env = caches(data_dir);
    installer_env.extend(index.environment().iter().cloned());
    let mut argv = vec![uv.display().to_string(), "venv".to_owned(), "--allow-existing".to_owned()];
    if let Some(python) = &definition.file.install.python {
        argv.extend(["--python".to_owned(), python.clone()]);
    }
    argv.push(root.display().to_string());
    runner.run("make the environment", &argv, &installer_env, on_progress)?;
    let python = root.join("bin/python");
    for (index_of, step) in recipe.steps.iter().enumerate() {
        let what = describe(step);
        on_progress(InstallEvent::Step { number: index_of + 2, total, what: what.clone() });
        let (argv, mut env) = match step {
            Step::Packages(packages) => package_command(definition, packages, &uv, &python, data_dir)?,
            Step::Python(arguments) => {
                let mut argv = vec![python.display().to_string()];
                argv.extend(arguments.iter().cloned());
                (argv, Vec::new())
            }
            Step::Program(program) => {
                put_program(definition, program, root)?;
                continue;
            }
            Step::Pull(PullWhat::Image) => continue,
        };
        // A recipe's own setting holds.
        env.splice(0..0, installer_env.iter().cloned());
        runner.run(&what, &argv, &env, on_progress)?;
    }
    Ok(())
}

fn describe(step: &Step) -> String {
    match step {
        Step::Packages(packages) => format!("install {}", packages.install.join(" ")),
        Step::Python(arguments) => format!("python {}", arguments.join(" ")),
        Step::Program(program) => format!("put {} there", program.name),
        Step::Pull(PullWhat::Image) => "pull the image".to_owned(),
    }
}

/// The installer's command line and environment for one step.
fn package_command(
    definition: &Definition,
    packages: &Packages,
    uv: &Path,
    python: &Path,
    data_dir: &Path,
) -> Result<(Vec<String>, Environment)> {
    // Verbose: the output of a build reaches the log while it runs.
    let mut argv: Vec<String> = ["pip", "install", "-v", "--python"].map(str::to_owned).into();
    argv.insert(0, uv.display().to_string());
    argv.push(python.display().to_string());
    // A lock names every dependency.
    if packages.no_dependencies || packages.lock.is_some() {
        argv.push("--no-deps".to_owned());
    }
    if packages.prereleases {
        argv.push("--prerelease=allow".to_owned());
    }
    if let Some(name) = &packages.lock {
        argv.push("--require-hashes".to_owned());
        argv.extend(["-r".to_owned(), put_helper(definition, name, data_dir)?]);
    } else if let Some(name) = &packages.overrides {
        argv.extend(["--override".to_owned(), put_helper(definition, name, data_dir)?]);
    }
    if packages.lock.is_none() {
        argv.extend(packages.install.iter().cloned());
    }
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut env = Vec::new();
    for (name, value) in &packages.env {
        let mut value =
            value.replace("{jobs}", &jobs.to_string()).replace("{data}", &data_dir.display().to_string());
        while let Some((before, rest)) = value.split_once("{file:") {
            let (file, after) = rest
                .split_once('}')
                .ok_or_else(|| anyhow!("{}: install: `{{file:` without `}}`", definition.origin))?;
            value = format!("{before}{}{after}", put_helper(definition, file, data_dir)?);
        }
        env.push((name.clone(), value));
    }
    Ok((argv, env))
}

/// Writes a helper file as a program into the environment.
fn put_program(definition: &Definition, program: &ProgramFile, root: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = root.join("bin").join(&program.name);
    std::fs::write(&path, definition.helper(&program.file)?)
        .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a helper file where the installer can read it, and returns its path.
fn put_helper(definition: &Definition, name: &str, data_dir: &Path) -> Result<String> {
    let path = data_dir.join("recipes").join(&definition.name).join(name);
    let parent = path.parent().ok_or_else(|| anyhow!("{name}: no file name"))?;
    let text = definition.helper(name)?;
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(&path, text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests;
