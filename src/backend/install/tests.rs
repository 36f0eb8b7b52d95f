//! Recipes as command lines, and installations with a stand-in installer.

use super::*;
use crate::backend::definition::Definitions;
use crate::schema::refusal::{cures, shown};

fn definitions() -> Definitions {
    Definitions::load(None).unwrap()
}

fn wanted(build: Option<Build>) -> Wanted<'static> {
    Wanted { variant: Variant::Cpu, build, first_start: &|_, _| None }
}

#[test]
fn every_package_of_a_recipe_is_locked_with_its_files_hashes() {
    for definition in definitions().names().iter().map(|name| definitions().get(name).unwrap().clone()) {
        let install = &definition.file.install;
        for recipe in [&install.cpu, &install.gpu, &install.prebuilt].into_iter().flatten() {
            for step in &recipe.steps {
                let Step::Packages(packages) = step else { continue };
                let lock = definition.helper(packages.lock.as_ref().unwrap()).unwrap();
                for asked in &packages.install {
                    let there = |line: &str| line.split(['=', ' ']).next() == asked.split('=').next();
                    assert!(lock.lines().any(there), "{asked} is not in its lock");
                    let version = asked.split_once("==").map_or("", |(_, version)| version);
                    assert!(lock.contains(version), "{asked}");
                }
                let packages = lock.lines().filter(|line| line.contains("==") && !line.starts_with(' '));
                assert!(packages.clone().all(|line| line.ends_with('\\')), "one without a hash");
                assert!(lock.contains("--hash=sha256:") && !lock.contains("://"), "{}", definition.name);
            }
        }
    }
}

#[test]
fn a_machine_without_a_gpu_gets_the_prebuilt_llamacpp_and_both_have_their_place() {
    let all = definitions();
    let llamacpp = all.get("llamacpp").unwrap();
    assert_eq!(usual_build(llamacpp, Variant::Cpu), Build::Prebuilt);
    assert_eq!(usual_build(llamacpp, Variant::Gpu), Build::Source);
    assert_eq!(usual_build(all.get("vllm").unwrap(), Variant::Cpu), Build::Source);
    assert_ne!(Build::Prebuilt.environment("llamacpp"), Build::Source.environment("llamacpp"));
    let prebuilt = recipe(llamacpp, Variant::Cpu, Build::Prebuilt).unwrap();
    assert!(prebuilt.needs.is_empty(), "no compiler");
}

#[test]
fn a_processor_without_what_the_prebuilt_needs_is_known_before() {
    let needed = ["avx2", "fma"].map(str::to_owned);
    assert_eq!(missing_instructions(&needed, "model : x\nflags\t\t: sse avx avx2x fma\n"), ["avx2"]);
    assert!(missing_instructions(&needed, "flags : fma avx2\n").is_empty());
    assert!(missing_instructions(&needed, "").is_empty(), "what is not told is not held against it");
}

#[test]
fn a_recipes_step_becomes_an_installers_command() {
    let temporary = tempfile::tempdir().unwrap();
    let all = definitions();
    let sglang = all.get("sglang").unwrap();
    let recipe = recipe(sglang, Variant::Cpu, Build::Source).unwrap();
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
    uv pip install -v --python py --no-deps --prerelease=allow --require-hashes -r DATA/recipes/sglang/locks/sglang-cpu.txt
    uv pip install -v --python py --no-deps --require-hashes -r DATA/recipes/sglang/locks/sglang-kernel.txt
    ");
}

#[test]
fn llamacpp_is_built_with_bounded_jobs_and_the_server_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let all = definitions();
    let llamacpp = all.get("llamacpp").unwrap();
    for variant in [Variant::Cpu, Variant::Gpu] {
        let recipe = recipe(llamacpp, variant, Build::Source).unwrap();
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
            let recipe = recipe(&definition, variant, Build::Source).unwrap();
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
    let error = install(&llamacpp, &wanted(Some(Build::Source)), temporary.path(), &mut |_| ()).unwrap_err();
    let error = shown(&error);
    assert!(error.contains("a C++ compiler") && error.contains("apt install g++"), "{error}");
}

#[test]
fn an_engine_that_is_there_is_not_installed_again() {
    let temporary = tempfile::tempdir().unwrap();
    let all = definitions();
    let vllm = all.get("vllm").unwrap();
    let recipe = recipe(vllm, Variant::Cpu, Build::Source).unwrap();
    std::fs::create_dir_all(managed_environment(temporary.path(), "vllm")).unwrap();
    let marker = Marker {
        version: recipe.version.clone(),
        variant: Variant::Cpu,
        recipe: fingerprint(vllm, recipe).unwrap(),
    };
    write_marker(temporary.path(), "vllm", &marker).unwrap();
    let mut events = 0;
    let installed = install(vllm, &wanted(None), temporary.path(), &mut |_| events += 1).unwrap();
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

#[test]
fn programs_end_with_what_they_have_started_also_where_they_do_not_hear() {
    let script = "trap '' TERM; sleep 600 & sleep 600 & echo ready; wait";
    let mut family = std::process::Command::new("/bin/sh")
        .args(["-c", "/bin/sh -c \"$0\" & wait", script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let out = family.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut ready).unwrap();
    let below = || {
        let all = crate::backend::process::all();
        let ours =
            crate::backend::process::descendants(&all, &std::collections::HashSet::from([family.id()]));
        ours.iter().filter(|stat| stat.is_alive()).count()
    };
    assert_eq!(below(), 3, "a shell and two that sleep");
    end_programs(family.id());
    assert_eq!(below(), 0);
    family.kill().unwrap();
    family.wait().unwrap();
}
