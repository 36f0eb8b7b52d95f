//! The backends' files: every one parses and becomes the command line it should, on a CPU and on a GPU.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::backend::definition::{Definition, Definitions};
use harness::backend::find::Found;
use harness::backend::resolve::{Machine, NotInstalled, ResolveInput, resolve, url_target};
use harness::schema::plan::SharedSettings;
use harness::schema::refusal::shown;
use harness::schema::target::{LaunchSpec, Launcher, Origin, Target};

const CPU: Machine = Machine { gpus: 0, cores: 2, memory_bytes: 24 << 30 };
const GPU: Machine = Machine { gpus: 8, cores: 64, memory_bytes: 512 << 30 };
const VLLM: &str = include_str!("../backends/vllm.yaml");

/// A model in both forms, with the shape of SmolLM2-135M.
struct Models {
    directory: tempfile::TempDir,
}

impl Models {
    fn new() -> Models {
        let directory = tempfile::tempdir().unwrap();
        let hf = directory.path().join("Smol/hf");
        std::fs::create_dir_all(&hf).unwrap();
        let config = r#"{"torch_dtype": "bfloat16", "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "head_dim": 64}"#;
        std::fs::write(hf.join("config.json"), config).unwrap();
        std::fs::write(directory.path().join("Smol/Smol.Q4_1.gguf"), "GGUF").unwrap();
        Models { directory }
    }

    fn of(&self, engine: &str) -> String {
        let name = if engine == "llamacpp" { "Smol/Smol.Q4_1.gguf" } else { "Smol/hf" };
        self.directory.path().join(name).display().to_string()
    }
}

fn found() -> Found {
    Found {
        program: Some(PathBuf::from("/env/bin/program")),
        python: Some(PathBuf::from("/env/bin/python3")),
        version: Some("1.2.3".to_owned()),
        place: "environment /env".to_owned(),
        managed: false,
        variant: None,
        build: None,
    }
}

fn input<'a>(definition: &'a Definition, machine: Machine, models: &Models) -> ResolveInput<'a> {
    ResolveInput {
        label: definition.name.clone(),
        definition,
        found: Some(found()),
        model: models.of(&definition.name),
        set: BTreeMap::new(),
        extra_args: Vec::new(),
        env: BTreeMap::new(),
        env_pass: Vec::new(),
        docker: false,
        shared: SharedSettings { context_length: 4096, max_batch: 32, gpus: None },
        machine,
    }
}

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn launch(target: &Target) -> &LaunchSpec {
    match &target.origin {
        Origin::Launch(spec) => spec,
        Origin::Url(url) => panic!("not to be launched: {url}"),
    }
}

/// Environment and command line as text, without the temporary directory.
fn line(target: &Target, models: &Models) -> String {
    let spec = launch(target);
    let env: Vec<String> = spec
        .env
        .iter()
        .filter(|(name, _)| *name != "PATH")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let text = format!("{}\n{}", env.join(" "), spec.argv.join(" "));
    text.replace(&models.directory.path().display().to_string(), "MODELS")
}

fn command_of(engine: &str, machine: Machine) -> String {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let target = resolve(&input(all.get(engine).unwrap(), machine, &models)).unwrap();
    assert!(target.not_level.is_empty(), "{:?}", target.not_level);
    line(&target, &models)
}

#[test]
fn the_names_come_in_the_order_of_play() {
    assert_eq!(Definitions::load(None).unwrap().names(), ["vllm", "sglang", "llamacpp", "tgi"]);
}

#[test]
fn vllm_starts_on_a_cpu() {
    insta::assert_snapshot!(command_of("vllm", CPU), @r"
    DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=3 VLLM_NO_USAGE_STATS=1 VLLM_TARGET_DEVICE=cpu
    /env/bin/python3 -m vllm.entrypoints.openai.api_server --model MODELS/Smol/hf --host 127.0.0.1 --port {port} --disable-uvicorn-access-log --served-model-name Smol --max-model-len 4096 --max-num-seqs 32 --no-enable-prefix-caching --enforce-eager --generation-config vllm
    ");
}

#[test]
fn vllm_starts_on_a_gpu() {
    insta::assert_snapshot!(command_of("vllm", GPU), @r"
    DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
    /env/bin/python3 -m vllm.entrypoints.openai.api_server --model MODELS/Smol/hf --host 127.0.0.1 --port {port} --disable-uvicorn-access-log --served-model-name Smol --tensor-parallel-size 1 --gpu-memory-utilization 0.9 --max-model-len 4096 --max-num-seqs 32 --no-enable-prefix-caching --generation-config vllm
    ");
}

#[test]
fn sglang_starts_on_a_cpu() {
    insta::assert_snapshot!(command_of("sglang", CPU), @r"
    HF_HUB_OFFLINE=1 VLLM_TARGET_DEVICE=cpu
    /env/bin/python3 -m sglang.launch_server --host 127.0.0.1 --port {port} --enable-metrics --enable-cache-report --log-level-http warning --device cpu --sleep-on-idle --model-path MODELS/Smol/hf --served-model-name Smol --mem-fraction-static 0.6 --context-length 4096 --max-running-requests 32 --max-total-tokens 131072 --disable-radix-cache --disable-overlap-schedule --attention-backend torch_native --sampling-backend pytorch --sampling-defaults openai
    ");
}

#[test]
fn sglang_starts_on_a_gpu() {
    insta::assert_snapshot!(command_of("sglang", GPU), @r"
    HF_HUB_OFFLINE=1
    /env/bin/python3 -m sglang.launch_server --host 127.0.0.1 --port {port} --enable-metrics --enable-cache-report --log-level-http warning --model-path MODELS/Smol/hf --served-model-name Smol --tp-size 1 --mem-fraction-static 0.85 --context-length 4096 --max-running-requests 32 --disable-radix-cache --sampling-defaults openai
    ");
}

#[test]
fn llamacpp_starts_on_a_cpu() {
    insta::assert_snapshot!(command_of("llamacpp", CPU), @r"

    /env/bin/program --host 127.0.0.1 --port {port} --metrics --no-webui --offline --device none --model MODELS/Smol/Smol.Q4_1.gguf --alias Smol --parallel 32 --ctx-size 131072 --fit off --no-cache-prompt --cache-ram 0 --kv-unified
    ");
}

#[test]
fn llamacpp_starts_on_a_gpu() {
    insta::assert_snapshot!(command_of("llamacpp", GPU), @r"

    /env/bin/program --host 127.0.0.1 --port {port} --metrics --no-webui --offline --model MODELS/Smol/Smol.Q4_1.gguf --alias Smol --parallel 32 --ctx-size 131072 --n-gpu-layers 999 --fit off --no-cache-prompt --cache-ram 0 --kv-unified
    ");
}

#[test]
fn tgi_starts_on_a_gpu() {
    insta::assert_snapshot!(command_of("tgi", GPU), @r"
    HF_HUB_OFFLINE=1 LOG_LEVEL=warn PREFIX_CACHING=0
    /env/bin/program --hostname 127.0.0.1 --port {port} --usage-stats off --model-id MODELS/Smol/hf --num-shard 1 --dtype bfloat16 --max-total-tokens 4096 --max-input-tokens 4095 --max-batch-size 32 --max-concurrent-requests 10000
    ");
}

#[test]
fn tgi_starts_from_its_image() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut input = input(all.get("tgi").unwrap(), GPU, &models);
    input.found = None;
    input.set = set(&[("launcher", "docker")]);
    input.shared.gpus = Some("0,1".to_owned());
    let target = resolve(&input).unwrap();
    insta::assert_snapshot!(line(&target, &models), @r"
    HF_HUB_OFFLINE=1 LOG_LEVEL=warn PREFIX_CACHING=0
    --hostname 0.0.0.0 --port 80 --usage-stats off --model-id /models/hf --num-shard 1 --dtype bfloat16 --max-total-tokens 4096 --max-input-tokens 4095 --max-batch-size 32 --max-concurrent-requests 10000
    ");
    let Launcher::Docker(docker) = &launch(&target).launcher else { panic!("not from an image") };
    assert_eq!(docker.gpus.as_deref(), Some("\"device=0,1\""));
    assert_eq!(docker.mounts.values().collect::<Vec<_>>(), ["/models/hf"]);
    assert_eq!((docker.container_port, target.capabilities.request_model.as_str()), (80, "tgi"));
    assert_eq!(launch(&target).readiness.listed_model, "/models/hf");
}

#[test]
fn every_engine_resolves_on_every_machine_and_serves_the_same_name() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    for name in all.names() {
        for (machine, docker) in [(CPU, false), (GPU, false), (GPU, true)] {
            let mut input = input(all.get(name).unwrap(), machine, &models);
            input.docker = docker;
            let target = resolve(&input).unwrap();
            let spec = launch(&target);
            assert_eq!(target.model.name, "Smol", "{name}");
            assert!(!spec.argv.iter().any(String::is_empty), "{name}: {:?}", spec.argv);
            assert_eq!(spec.argv.iter().any(|part| part == "{port}"), !docker, "{name}: {:?}", spec.argv);
            assert!(spec.port.is_none() && !spec.failures.is_empty(), "{name}");
        }
    }
}

#[test]
fn precision_is_told_by_the_model_and_by_dtype() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut vllm = input(all.get("vllm").unwrap(), CPU, &models);
    assert_eq!(resolve(&vllm).unwrap().model.precision, "BF16");
    vllm.set = set(&[("dtype", "float16")]);
    assert_eq!(resolve(&vllm).unwrap().model.precision, "FP16");
    let llamacpp = input(all.get("llamacpp").unwrap(), CPU, &models);
    assert_eq!(resolve(&llamacpp).unwrap().model.precision, "Q4_1");
}

#[test]
fn an_engines_own_name_overrides_and_is_noted() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut vllm = input(all.get("vllm").unwrap(), CPU, &models);
    vllm.set = set(&[("max_model_len", "2048"), ("max_num_seqs", "32"), ("enable_prefix_caching", "true")]);
    let target = resolve(&vllm).unwrap();
    let noted: Vec<_> = target
        .not_level
        .iter()
        .map(|note| (note.setting.as_str(), note.shared.as_str(), note.own.as_str()))
        .collect();
    let expected = [
        ("context_length", "4096", "max_model_len=2048"),
        ("prefix_cache", "false", "enable_prefix_caching=true"),
    ];
    assert_eq!(noted, expected);
    assert!(line(&target, &models).contains("--max-model-len 2048"));
}

#[test]
fn llamacpps_context_is_that_of_all_slots() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut llamacpp = input(all.get("llamacpp").unwrap(), CPU, &models);
    llamacpp.set = set(&[("ctx_size", "131072")]);
    assert!(resolve(&llamacpp).unwrap().not_level.is_empty(), "32 × 4096 is level");
    llamacpp.set = set(&[("ctx_size", "4096")]);
    let notes = resolve(&llamacpp).unwrap().not_level;
    assert_eq!((notes.len(), notes[0].own.as_str()), (1, "ctx_size=4096"));
    llamacpp.set = set(&[("n_parallel", "4")]);
    let target = resolve(&llamacpp).unwrap();
    assert!(line(&target, &models).contains("--parallel 4 --ctx-size 16384"));
    assert_eq!(target.not_level[0].setting, "max_batch");
}

#[test]
fn arguments_passed_through_come_last_and_are_noted() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut vllm = input(all.get("vllm").unwrap(), CPU, &models);
    vllm.extra_args =
        ["--max-model-len=1024", "--foo", "bar", "--enable-prefix-caching"].map(str::to_owned).into();
    let target = resolve(&vllm).unwrap();
    assert!(line(&target, &models).ends_with("--max-model-len=1024 --foo bar --enable-prefix-caching"));
    let noted: Vec<&str> = target.not_level.iter().map(|note| note.own.as_str()).collect();
    assert_eq!(noted, ["max_model_len=1024", "enable_prefix_caching=true"]);
}

#[test]
fn an_unknown_parameter_lists_the_known_ones() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut vllm = input(all.get("vllm").unwrap(), CPU, &models);
    vllm.set = set(&[("max_model_length", "2048")]);
    let error = shown(&resolve(&vllm).unwrap_err());
    for part in ["vllm.max_model_length", "max_model_len,", "launcher", "--extra-args vllm="] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_port_is_free_unless_one_was_asked_for() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut vllm = input(all.get("vllm").unwrap(), CPU, &models);
    assert_eq!(launch(&resolve(&vllm).unwrap()).port, None);
    vllm.set = set(&[("port", "8123")]);
    assert_eq!(launch(&resolve(&vllm).unwrap()).port, Some(8123));
    vllm.set = set(&[("port", "80000")]);
    assert!(resolve(&vllm).unwrap_err().to_string().contains("port=80000"));
}

#[test]
fn secrets_stay_in_the_environment() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut vllm = input(all.get("vllm").unwrap(), CPU, &models);
    vllm.set = set(&[("api_key_env", "MY_KEY")]);
    let target = resolve(&vllm).unwrap();
    assert!(line(&target, &models).contains("--api-key {secret:MY_KEY}"));
    vllm.env_pass = vec!["HF_TOKEN".to_owned()];
    assert_eq!(launch(&resolve(&vllm).unwrap()).env_from, ["HF_TOKEN"]);
    vllm.env = set(&[("HF_TOKEN", "hf_abc")]);
    let error = shown(&resolve(&vllm).unwrap_err());
    assert!(error.contains("HF_TOKEN") && !error.contains("hf_abc"), "{error}");
}

#[test]
fn an_engine_that_is_not_there_is_told_apart() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let mut tgi = input(all.get("tgi").unwrap(), CPU, &models);
    tgi.found = None;
    let error = resolve(&tgi).unwrap_err();
    let missing = error.downcast_ref::<NotInstalled>().unwrap();
    assert!(missing.hint.contains("harness install tgi"), "{missing:?}");
}

#[test]
fn a_model_of_the_wrong_form_is_refused_with_its_cure() {
    let (all, models) = (Definitions::load(None).unwrap(), Models::new());
    let refused = |engine: &str, model: &str| {
        let mut input = input(all.get(engine).unwrap(), CPU, &models);
        input.model = model.to_owned();
        shown(&resolve(&input).unwrap_err())
    };
    assert!(refused("llamacpp", "/nonexistent.gguf").contains("--model llamacpp=FILE.gguf"));
    assert!(refused("llamacpp", "org/name").contains("--model llamacpp=FILE.gguf"));
    assert!(refused("vllm", &models.of("llamacpp")).contains("--model vllm=DIRECTORY"));
    assert!(refused("vllm", "/nonexistent/model").contains("is not there"));
    assert!(refused("sglang", "").contains("no model"));
    let mut hub = input(all.get("vllm").unwrap(), CPU, &models);
    hub.model = "org/Name-1B".to_owned();
    let target = resolve(&hub).unwrap();
    assert_eq!((target.model.name.as_str(), target.model.precision.as_str()), ("Name-1B", "unknown"));
    assert!(!launch(&target).env.contains_key("HF_HUB_OFFLINE"));
}

#[test]
fn a_running_server_takes_a_known_engines_protocol_or_plain_openai() {
    let all = Definitions::load(None).unwrap();
    let tgi = url_target("tgi", all.get("tgi"), "http://h:1", "org/model");
    assert_eq!((tgi.capabilities.request_model.as_str(), tgi.capabilities.ignore_eos), ("tgi", false));
    let vllm = url_target("vllm", all.get("vllm"), "http://h:1", "org/model");
    assert_eq!((vllm.capabilities.request_model.as_str(), vllm.capabilities.min_tokens), ("org/model", true));
    let plain = url_target("mine", None, "http://h:1", "m");
    assert_eq!((plain.engine.as_str(), plain.title.as_str()), ("openai", "mine"));
    assert!(plain.metrics.path.is_none() && plain.capabilities.stream_options);
}

/// The error for vLLM's file with one thing changed.
fn mistake(from: &str, to: &str) -> String {
    assert!(VLLM.contains(from), "{from}");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.yaml"), VLLM.replacen(from, to, 1)).unwrap();
    let error = Definitions::load(Some(directory.path())).unwrap_err();
    format!("{error:#}").replace(&format!("{}/", directory.path().display()), "")
}

fn line_of(text: &str) -> usize {
    VLLM.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn a_mistake_in_a_file_names_the_file_the_line_and_the_key() {
    let starts = |from: &str, to: &str, key: &str| {
        let error = mistake(from, to);
        let expected = format!("mine.yaml:{}: {key}", line_of(from));
        assert!(error.starts_with(&expected), "expected {expected}\n     got {error}");
    };
    starts("paths: [/health]", "pathz: [/health]", "readiness.pathz: unknown key; known: paths, models_path");
    starts("grace_s: 30", "grace_s: soon", "stop.grace_s: ");
    starts("grace_s: 30", "grace_s: 0", "stop.grace_s: must be above 0");
    starts("model_form: huggingface", "model_form: onnx", "model_form");
    starts("flag: --dtype", "flagg: --dtype", "parameters.dtype.flagg: unknown key");
    starts("{flag: --seed, about: Seed}", "{about: Seed}", "parameters.seed: does nothing");
    starts(
        "\"{max_batch}\"",
        "\"{max_batsch}\"",
        "parameters.max_num_seqs.default: `{max_batsch}`: no such name",
    );
    assert!(mistake("  ignore_eos: true\n", "").contains("protocol.ignore_eos: is missing"));
    let beside = mistake("  env:\n    VLLM_NO", "  before: [{name: a/b, command: [x]}]\n  env:\n    VLLM_NO");
    assert!(beside.contains("launch.before: each takes a name of its own"), "{beside}");
    starts("title: vLLM", &format!("title: {}", "v".repeat(61)), "title: takes 1 to 60 letters");
    let port = mistake("  path: /metrics\n", "  path: /metrics\n  port: \"{ports}\"\n");
    assert!(port.contains("metrics.port: takes a port's number or {metrics_port}"), "{port}");
    assert!(mistake("title: vLLM", "title: [").starts_with("mine.yaml:"));
}

#[test]
fn a_file_of_the_users_own_replaces_the_built_in_one_and_a_fifth_engine_follows() {
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, title: &str| {
        let text = VLLM.replace("title: vLLM", &format!("title: {title}"));
        std::fs::write(directory.path().join(name), text).unwrap();
    };
    put("vllm.yaml", "Mine");
    put("fifth.yaml", "Fifth");
    let all = Definitions::load(Some(directory.path())).unwrap();
    assert_eq!(all.names(), ["vllm", "sglang", "llamacpp", "tgi", "fifth"]);
    assert_eq!(all.get("vllm").unwrap().title(), "Mine");
    let mut all = Definitions::load(None).unwrap();
    assert_eq!(all.load_file(&directory.path().join("fifth.yaml")).unwrap(), "fifth");
    let error = all.load_file(Path::new("/nonexistent/x.yaml")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/x.yaml"), "{error}");
}

fn more(name: &str) -> Definition {
    let path = format!("{}/backends/more/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let mut all = Definitions::load(None).unwrap();
    let stem = all.load_file(Path::new(&path)).unwrap();
    all.get(&stem).unwrap().clone()
}

/// Each of `backends/more/`, as it is launched on a CPU.
fn more_target(name: &str, models: &Models) -> Target {
    let definition = more(name);
    let mut input = input(&definition, CPU, models);
    if name == "llama-cpp-python" {
        input.model = models.of("llamacpp");
    }
    resolve(&input).unwrap()
}

#[test]
fn every_further_definition_resolves_and_its_helper_files_are_there() {
    let models = Models::new();
    let directory = format!("{}/backends/more", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let yaml: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    assert_eq!(yaml.len(), 4);
    for path in yaml {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let target = more_target(name, &models);
        assert!(launch(&target).parameters.contains_key("model"), "{name}");
        for step in more(name).file.install.cpu.unwrap().steps {
            if let harness::backend::definition::file::Step::Packages(packages) = step
                && let Some(overrides) = packages.overrides
            {
                more(name).helper(&overrides).unwrap();
            }
        }
    }
}

#[test]
fn programs_beside_a_server_share_its_directory_and_an_image_with_some_is_refused() {
    let models = Models::new();
    let target = more_target("dynamo-mocker", &models);
    let spec = launch(&target);
    assert_eq!(spec.before.len(), 1);
    assert_eq!(spec.before[0].argv[..3], ["/env/bin/python3", "-m", "dynamo.mocker"]);
    assert!(spec.before[0].argv.contains(&"Smol".to_owned()), "{:?}", spec.before[0].argv);
    assert_eq!(spec.env["DYN_FILE_KV"], "{scratch}", "it is made at the launch");
    assert_eq!(spec.env_family, ["DYN_*"]);
    let text = VLLM.replace(
        "launch:\n",
        "launch:\n  before: [{name: w, command: [\"{python}\"], env: {A: \"{hub_offline}\"}}]\n",
    );
    let definition = Definition::parse("my-vllm", "x", &text).unwrap();
    let mut asked = input(&definition, GPU, &models);
    assert_eq!(launch(&resolve(&asked).unwrap()).before[0].env["A"], "1");
    asked.docker = true;
    let refused = resolve(&asked).unwrap_err().to_string();
    assert!(refused.contains("launch.before starts `w` on this machine"), "{refused}");
}

#[test]
fn a_metrics_page_may_have_a_free_port_of_its_own() {
    let target = more_target("max", &Models::new());
    assert_eq!(launch(&target).env["MAX_SERVE_METRICS_ENDPOINT_PORT"], "{metrics_port}");
    let filled = harness::backend::launch::port::with_metrics_port(&target).unwrap();
    let port = filled.metrics.port.clone().unwrap();
    assert!(port.parse::<u16>().unwrap() > 0);
    assert_eq!(launch(&filled).env["MAX_SERVE_METRICS_ENDPOINT_PORT"], port);
    assert_eq!(filled.metrics.address("http://h:1"), Some(format!("http://h:{port}/metrics")));
    let plain = more_target("dynamo-mocker", &Models::new());
    assert_eq!(*harness::backend::launch::port::with_metrics_port(&plain).unwrap(), plain);
}

#[test]
fn a_list_that_proves_nothing_and_a_forced_length_are_said_by_keys() {
    let target = more_target("transformers-serve", &Models::new());
    assert_eq!(launch(&target).readiness.models_path, None);
    assert!(!target.capabilities.ignore_eos && target.capabilities.forces_length());
    assert!(target.capabilities.force_length["generation_config"].as_str().unwrap().contains("-1"));
    let read = |value: &str| {
        let text = VLLM.replace("paths: [/health]", &format!("paths: [/health]\n  models_path: {value}"));
        Definition::parse("x", "x.yaml", &text).map(|definition| definition.file.readiness.models_path)
    };
    for none in ["none", "false", "null", "~"] {
        assert_eq!(read(none).unwrap(), None, "{none}");
    }
    assert_eq!(read("/models").unwrap().as_deref(), Some("/models"));
    for wrong in ["true", "models", "3"] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains("readiness.models_path: ") && error.contains("none"), "{wrong}: {error}");
    }
}

#[test]
fn the_engines_own_variables_are_those_of_its_name_where_its_file_names_none() {
    let text = VLLM.replace("  env_family: [\"VLLM_*\"]\n", "");
    let definition = Definition::parse("my-vllm", "x", &text).unwrap();
    let models = Models::new();
    assert_eq!(launch(&resolve(&input(&definition, CPU, &models)).unwrap()).env_family, ["MY_VLLM_*"]);
}

#[test]
fn the_readmes_fifth_engine_works_as_it_is_written() {
    let readme = include_str!("../backends/README.md");
    let (_, after) = readme.split_once("```yaml\n").unwrap();
    let (indented, _) = after.split_once("```").unwrap();
    let text: String =
        indented.lines().map(|line| format!("{}\n", line.strip_prefix("   ").unwrap_or(line))).collect();
    let definition = Definition::parse("mine", "mine.yaml", &text).unwrap();
    let models = Models::new();
    let target = resolve(&input(&definition, CPU, &models)).unwrap();
    insta::assert_snapshot!(line(&target, &models).trim(), @"/env/bin/program --host 127.0.0.1 --port {port} --model MODELS/Smol/hf --name Smol --context 4096 --batch 32");
}

#[test]
fn the_readme_explains_every_key() {
    let readme = include_str!("../backends/README.md");
    let reader = include_str!("../src/backend/definition/file.rs");
    let fields = reader
        .lines()
        .filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'))
        .map(|(name, _)| name);
    let missing: Vec<&str> = fields
        .filter(|name| {
            !name.starts_with("fn ")
                && !readme.contains(&format!("{name}`"))
                && !readme.contains(&format!("`{name}"))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
