//! Real engines, where they are installed (`harness install llamacpp tryout-model`, `vllm`, `sglang`);
//! elsewhere each test says that it was skipped.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where `harness install` puts engines; the tests never install one themselves.
fn data_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HARNESS_DATA_DIR")
        .or_else(|| set("XDG_DATA_HOME").map(|home| home.join("harness")))
        .or_else(|| set("HOME").map(|home| home.join(".local/share/harness")))
}

/// True where the engine and the model to try are installed; says so where they are not.
fn installed(engine: &str) -> bool {
    let found = data_dir().is_some_and(|data| {
        let builds = [engine.to_owned(), format!("{engine}-prebuilt")];
        builds.iter().any(|build| data.join("engines").join(build).join(".harness-complete.json").is_file())
            && data.join("models/SmolLM2-135M-Instruct").is_dir()
    });
    if !found {
        eprintln!(
            "skipped: {engine} or the try-out model is not installed (harness install {engine} tryout-model)"
        );
    }
    found
}

struct Run {
    folder: tempfile::TempDir,
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// One engine at a time: two on two cores would only slow each other down.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn harness(args: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(args)
        .arg("--output")
        .arg(folder.path())
        .output()
        .unwrap();
    Run {
        folder,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Run {
    /// The summary of the one run in it.
    fn summary(&self) -> Value {
        let is_run = |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            path.is_file() && name.ends_with(".json")
        };
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| is_run(path));
        assert_eq!(paths.len(), 1, "{}\n{}", self.stdout, self.stderr);
        let file: Value = serde_json::from_slice(&std::fs::read(&paths[0]).unwrap()).unwrap();
        file["summary"].clone()
    }
}

/// Nothing that this run launched is alive: every server has the guard's mark in its environment.
fn assert_nothing_lives(run: &Run) {
    let mark = run.folder.path().to_string_lossy().into_owned();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let fds = entry.path().join("fd");
        let Ok(fds) = std::fs::read_dir(fds) else { continue };
        for fd in fds.flatten() {
            let target = std::fs::read_link(fd.path()).unwrap_or_default();
            // A server's stdout is its log, which lies in the results.
            assert!(
                !target.to_string_lossy().starts_with(&mark),
                "{:?} still holds {target:?}",
                entry.path()
            );
        }
    }
}

/// Plays `requests` at `concurrency` and holds the client's counts against the server's own, to the token.
fn counts_agree(engine: &str, requests: u64, concurrency: u32, forced_length: Option<u32>) {
    if !installed(engine) {
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (requests_text, concurrency) = (requests.to_string(), concurrency.to_string());
    let length = forced_length.map(|length| length.to_string());
    let mut args = vec!["run", "--backend", engine, "--requests", &requests_text];
    args.extend([
        "--concurrency",
        &concurrency,
        "--max-batch",
        "8",
        "--context-length",
        "2048",
        "--warmup",
        "4",
    ]);
    // The probe set is played to the fastest of them alone: on two cores it takes the others half a minute a launch.
    if engine != "llamacpp" {
        args.extend(["--fairness", "off"]);
    }
    match &length {
        // More requests than places, so that the server's own page shows a queue.
        Some(length) => args.extend(["--ignore-eos", "--max-tokens", length, "--set", four_places(engine)]),
        // Questions that the model answers in a few words, so that answers end by themselves.
        None => {
            args.extend(["--dataset", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/short_answers.json")])
        }
    }
    let run = harness(&args);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let summary = run.summary();
    assert_eq!(summary["requests"]["completed"], requests);
    assert_eq!(summary["warmup"]["completed"], 4);
    let server = &summary["server"];
    assert!(server["generated_tokens"].as_f64().unwrap() > 0.0, "{server}");
    assert_eq!(server["generated_tokens"], server["client_generated_tokens"], "{server}");
    assert_eq!(server["prompt_tokens"], server["client_prompt_tokens"], "{server}");
    let (output, delivered) = (&summary["tokens"]["output"], &summary["tokens"]["delivered"]);
    match forced_length {
        Some(length) => {
            assert_eq!(output, requests * u64::from(length));
            assert_eq!(delivered, output);
            page_agrees(engine, &summary, requests, length);
        }
        None => {
            assert!(output.as_u64() > delivered.as_u64(), "no answer ended by itself: {}", summary["tokens"])
        }
    }
    let codes: Vec<&str> = summary["caveats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|caveat| caveat["code"].as_str().unwrap())
        .collect();
    for code in ["server_counts_differ", "prefix_cache_hits", "tokens_estimated", "client_limited"] {
        assert!(!codes.contains(&code), "{codes:?}");
    }
    assert!(run.stdout.contains(&format!("=== RESULTS FOR {engine} ===")), "{}", run.stdout);
    assert_nothing_lives(&run);
}

/// The engine's own parameter of how many requests it serves at a time; `--max-batch` is raised to the concurrency.
fn four_places(engine: &str) -> &'static str {
    match engine {
        "llamacpp" => "llamacpp.n_parallel=4",
        "vllm" => "vllm.max_num_seqs=4",
        "sglang" => "sglang.max_running_requests=4",
        other => panic!("no such engine here: {other}"),
    }
}

/// What the server's page showed of a run that had more requests than the server has places.
fn page_agrees(engine: &str, summary: &Value, requests: u64, length: u32) {
    let served = &summary["served"];
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{engine}: {value} in {served}"));
    assert!(number(&served["running"]["max"]) <= 4.0 && number(&served["running"]["max"]) >= 1.0, "{served}");
    assert!(number(&served["waiting"]["max"]) >= 1.0, "{served}");
    // Some of the warm-up's four may be in it.
    let more = number(&served["generated_tokens"]) - (requests * u64::from(length)) as f64;
    assert!((0.0..=4.0 * f64::from(length)).contains(&more), "{served}");
    let client_ms = |metric: &str| number(&summary["metrics"][metric]["mean"]);
    if engine == "llamacpp" {
        assert_eq!(served["times"], serde_json::json!({}), "it has no histograms");
        let told = client_ms("server_prefill_ms");
        assert!(0.0 < told && told < client_ms("ttft_ms"), "{}", summary["metrics"]);
        assert!(client_ms("server_decode_ms") < client_ms("e2e_ms"), "{}", summary["metrics"]);
        return;
    }
    let mean = |time: &str| number(&served["times"][time]["mean_ms"]);
    let count = number(&served["times"]["ttft"]["count"]) - requests as f64;
    assert!((0.0..=4.0).contains(&count), "{served}");
    assert!(0.0 < mean("queue") && mean("queue") < mean("ttft") && mean("ttft") < mean("e2e"), "{served}");
    // Without the network and what the server does before its clock starts; the warm-up's may be the slower ones.
    assert!(mean("ttft") < 1.5 * client_ms("ttft_ms"), "{served}: {}", client_ms("ttft_ms"));
}

/// Plays 200 prompts that were made to lengths of 1 to 48 tokens by the model's tokenizer, or by the server's tokenize endpoint
/// where the model is a GGUF file alone (no vLLM or SGLang was installed): each has as many at the server.
fn lengths_are_exact(engine: &str) {
    if !installed(engine) {
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let tokenizer = data_dir().unwrap().join("models/SmolLM2-135M-Instruct/hf");
    let tokenizer = tokenizer.is_dir().then(|| ["--tokenizer".to_owned(), tokenizer.display().to_string()]);
    let law =
        "--prompt-dist uniform --prompt-max-tokens 48 --requests 200 --max-tokens 1 --endpoint completions";
    let setting = "--concurrency 8 --max-batch 8 --context-length 512 --warmup 1 --fairness off";
    let args = ["run", "--backend", engine].into_iter().chain(tokenizer.iter().flatten().map(String::as_str));
    let args: Vec<&str> = args.chain(law.split(' ')).chain(setting.split(' ')).collect();
    let run = harness(&args);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let lengths = &run.summary()["prompt_lengths"];
    assert_eq!(*lengths, serde_json::json!({"requests": 200, "off": 0, "largest": 0, "added": 0}));
    assert!(run.stdout.contains("as asked in each of 200"), "{}", run.stdout);
    assert_nothing_lives(&run);
}

#[test]
fn llamacpp_gets_prompts_of_exactly_the_tokens_that_were_asked_for() {
    lengths_are_exact("llamacpp");
}

#[test]
fn vllm_gets_prompts_of_exactly_the_tokens_that_were_asked_for() {
    lengths_are_exact("vllm");
}

#[test]
fn llamacpp_counts_agree_with_its_own_when_lengths_are_forced() {
    counts_agree("llamacpp", 48, 12, Some(24));
}

#[test]
fn llamacpp_counts_agree_with_its_own_when_answers_end_by_themselves() {
    counts_agree("llamacpp", 56, 8, None);
}

#[test]
fn vllm_counts_agree_with_its_own_when_lengths_are_forced() {
    counts_agree("vllm", 48, 12, Some(24));
}

#[test]
fn vllm_counts_agree_with_its_own_when_answers_end_by_themselves() {
    counts_agree("vllm", 56, 8, None);
}

#[test]
fn sglang_counts_agree_with_its_own_when_lengths_are_forced() {
    counts_agree("sglang", 12, 8, Some(16));
}

#[test]
fn sglang_counts_agree_with_its_own_when_answers_end_by_themselves() {
    counts_agree("sglang", 16, 4, None);
}

/// llama-server's own protocol: each event tells its tokens, streamed and whole, and the counts are the server's own.
#[test]
fn llamacpp_s_own_protocol_counts_what_the_server_counts() {
    if !installed("llamacpp") {
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let common =
        ["run", "--backend", "llamacpp", "--protocol", "llamacpp", "--requests", "12", "--concurrency", "2"];
    let length = ["--warmup", "2", "--context-length", "2048", "--ignore-eos", "--max-tokens", "16"];
    for whole in [false, true] {
        let flags: &[&str] = if whole { &["--no-stream"] } else { &[] };
        let run = harness(&[&common[..], &length, flags].concat());
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        let summary = run.summary();
        assert_eq!(summary["requests"]["completed"], 12, "{summary}");
        assert_eq!(summary["tokens"]["output"], 12 * 16, "{summary}");
        assert_eq!(summary["tokens"]["sources"]["usage"], 12, "{summary}");
        let metrics = &summary["metrics"];
        assert_eq!(metrics["ttft_ms"].is_null(), whole, "{metrics}");
        assert!(metrics["e2e_ms"]["p50"].as_f64().unwrap() > 0.0, "{metrics}");
        assert!(!summary["caveats"].to_string().contains("server_counts_differ"), "{summary}");
        assert_nothing_lives(&run);
    }
}
