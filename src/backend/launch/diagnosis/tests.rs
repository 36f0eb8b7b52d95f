use super::*;
use crate::backend::definition::Definitions;

/// An excerpt of a real engine's log.
fn excerpt(name: &str) -> Vec<String> {
    let path = format!("{}/tests/data/failed_starts/{name}.log", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn pattern(contains: &str, cause: &str) -> FailurePattern {
    FailurePattern { contains: contains.into(), cause: cause.into(), hint: String::new() }
}

/// What an excerpt shows without any definition.
fn root(name: &str) -> String {
    explain(&excerpt(name), Some(Ended::Code(1)), &[]).unwrap().cause
}

/// What a built-in definition knows of it.
fn known(name: &str) -> Diagnosis {
    let definitions = Definitions::load(None).unwrap();
    let engine = name.split('_').next().unwrap();
    let patterns: Vec<FailurePattern> =
        definitions.get(engine).unwrap().file.failures.iter().map(|failure| failure.to_schema()).collect();
    explain(&excerpt(name), Some(Ended::Code(1)), &patterns).unwrap()
}

#[test]
fn the_root_of_every_real_failed_start_is_found() {
    let cases = [
        ("vllm_module_missing", "ModuleNotFoundError: No module named 'flashinfer'"),
        ("vllm_weights_cut_off", "SafetensorError: Error while deserializing header: incomplete metadata"),
        ("vllm_no_weights", "RuntimeError: Cannot find any model weights with `/models/nowt`"),
        (
            "vllm_no_config",
            "ValidationError: 1 validation error for ModelConfig: Value error, Invalid repository ID",
        ),
        (
            "vllm_context_too_long",
            "ValidationError: 1 validation error for ModelConfig: Value error, User-specified max_model_len",
        ),
        (
            "vllm_unknown_architecture",
            "ValidationError: 1 validation error for ModelConfig: Value error, The checkpoint you are",
        ),
        ("vllm_port_taken", "OSError: [Errno 98] Address already in use"),
        ("vllm_bad_flag", "unrecognized arguments: --no-such-flag"),
        ("vllm_bad_value", "argument --dtype: invalid choice: 'float7'"),
        (
            "sglang_module_missing",
            "PackageNotFoundError: No package metadata was found for flashinfer_python",
        ),
        ("sglang_weights_cut_off", "SafetensorError: Error while deserializing header: incomplete metadata"),
        ("sglang_no_weights", "RuntimeError: Cannot find any model weights with"),
        ("sglang_no_config", "ValueError: Unrecognized model in /models/noconf."),
        ("sglang_context_too_long", "ValueError: Warning: User-specified context_length (999999)"),
        ("sglang_port_taken", "[Errno 98] error while attempting to bind on address"),
        ("sglang_bad_value", "argument --dtype: invalid choice: 'float7'"),
        ("llamacpp_port_taken", "srv         start: couldn't bind HTTP server socket"),
        ("llamacpp_no_model", "gguf_init_from_file: failed to open GGUF file '/models/none.gguf'"),
        ("llamacpp_model_cut_off", "llama_model_load: error loading model: tensor 'blk.11.ffn_up.weight'"),
        ("llamacpp_no_gguf", "gguf_init_from_reader: number of tensors is -1"),
        ("llamacpp_no_memory", "ggml_aligned_malloc: insufficient memory"),
        ("llamacpp_bad_flag", "error: invalid argument: --no-such-flag"),
        ("llamacpp_bad_value", "error while handling argument \"-c\": stoi"),
    ];
    for (name, expected) in cases {
        let found = root(name);
        assert!(found.starts_with(expected), "{name}: {found}");
    }
    let files =
        std::fs::read_dir(format!("{}/tests/data/failed_starts", env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert_eq!(files.count(), cases.len(), "each excerpt is looked at");
}

#[test]
fn the_definitions_know_the_usual_causes_with_a_cure_each() {
    let cases = [
        ("vllm_module_missing", "a Python module is missing"),
        ("vllm_weights_cut_off", "the model's files are damaged"),
        ("vllm_no_weights", "model missing"),
        ("vllm_no_config", "model missing"),
        ("vllm_context_too_long", "the context is longer than the model's"),
        ("vllm_unknown_architecture", "this version does not know the model's architecture"),
        ("vllm_port_taken", "port in use"),
        ("vllm_bad_flag", "an argument that this version does not know"),
        ("vllm_bad_value", "an argument that this version does not know"),
        ("sglang_module_missing", "a Python module is missing"),
        ("sglang_weights_cut_off", "the model's files are damaged"),
        ("sglang_no_weights", "model missing"),
        ("sglang_no_config", "model missing"),
        ("sglang_context_too_long", "the context is longer than the model's"),
        ("sglang_port_taken", "port in use"),
        ("sglang_bad_value", "an argument that this version does not know"),
        ("llamacpp_port_taken", "port in use"),
        ("llamacpp_no_model", "model missing"),
        ("llamacpp_model_cut_off", "the model's file is damaged"),
        ("llamacpp_no_gguf", "the model's file is damaged"),
        ("llamacpp_no_memory", "out of memory"),
        ("llamacpp_bad_flag", "an argument that this version does not know"),
        ("llamacpp_bad_value", "an argument that this version does not know"),
    ];
    for (name, cause) in cases {
        let known = known(name);
        assert_eq!(known.cause, cause, "{name}");
        assert!(!known.hint.is_empty() && !known.hint.contains("further up"), "{name}: {}", known.hint);
    }
}

#[test]
fn the_roots_line_is_shown_first_and_whole() {
    let told = known("vllm_module_missing");
    assert!(told.lines[0].ends_with("ModuleNotFoundError: No module named 'flashinfer'"), "{:?}", told.lines);
    assert!(told.lines[0].contains("EngineCore"), "whose line it was: {:?}", told.lines);
    let told = known("vllm_context_too_long");
    assert!(told.lines[1].contains("User-specified max_model_len (9999999)"), "{:?}", told.lines);
}

#[test]
fn of_a_chain_the_first_counts_unless_it_only_steered_the_program() {
    let chain = |first: &str, link: &str| {
        lines(&format!(
            "Traceback (most recent call last):\n  File \"a\", line 1\n    x()\n{first}\n\n{link}:\n\n\
             Traceback (most recent call last):\n  File \"b\", line 1\n    y()\nRuntimeError: no model\n"
        ))
    };
    let during = "During handling of the above exception, another exception occurred";
    let direct = "The above exception was the direct cause of the following exception";
    for link in [during, direct] {
        let told = explain(&chain("OSError: no disk", link), None, &[]).unwrap();
        assert_eq!(told.cause, "OSError: no disk");
        assert_eq!(told.lines, ["OSError: no disk", "RuntimeError: no model"]);
        let told = explain(&chain("KeyError: 'x'", link), None, &[]).unwrap();
        assert_eq!(told.cause, "RuntimeError: no model");
        assert_eq!(told.lines[0], "RuntimeError: no model");
    }
}

#[test]
fn a_traceback_that_its_process_survived_is_no_cause() {
    let survived = "(A pid=1) Traceback (most recent call last):\n(A pid=1)   File \"a\"\n(A pid=1) ImportError: no x\n\
                    (A pid=1) INFO 11-28 04:00:00 [a.py:1] going on\n";
    let died =
        "(A pid=1) Traceback (most recent call last):\n(A pid=1)   File \"b\"\n(A pid=1) ValueError: bad y\n";
    let quiet = "WARNING 11-28 04:00:00 [a.py:1] Traceback (most recent call last):\n\
                 WARNING 11-28 04:00:00 [a.py:1]   File \"a\"\nWARNING 11-28 04:00:00 [a.py:1] ImportError: no x\n";
    let ignored = "[2026-11-28 04:44:57] Ignored: Traceback (most recent call last):\n  File \"a\"\nImportError: no x\n";
    for before in [survived, quiet, ignored] {
        let told = explain(&lines(&format!("{before}{died}")), None, &[]).unwrap();
        assert_eq!(told.cause, "ValueError: bad y", "{before}");
    }
}

#[test]
fn programs_in_other_languages_show_their_last_words() {
    let cases = [
        ("thread 'main' panicked at src/main.rs:3:5:\nno such port\nnote: run with", "panic: no such port"),
        (
            "thread 'main' panicked at 'no such port', src/main.rs:3:5",
            "thread 'main' panicked at 'no such port', src/main.rs:3:5",
        ),
        (
            "terminate called after throwing an instance of 'std::runtime_error'\n  what():  no device\nAborted",
            "no device",
        ),
        ("load\nGGML_ASSERT(n > 0) failed\nfailed to load model", "GGML_ASSERT(n > 0) failed"),
        ("a\nCUDA error: out of memory\n  current device: 0", "CUDA error: out of memory"),
        (
            "./x: error while loading shared libraries: libx.so: cannot open",
            "./x: error while loading shared libraries: libx.so: cannot open",
        ),
        ("error: unexpected argument '--x' found\n\nUsage: mine", "error: unexpected argument '--x' found"),
        (
            "Error: cannot start\n\nCaused by:\n    0: cannot open the model\n    1: No such file (os error 2)",
            "No such file (os error 2)",
        ),
        ("panic: no device\n\ngoroutine 1 [running]:", "panic: no device"),
        ("/x/run.sh: line 3: exec: python3.12: not found", "/x/run.sh: line 3: exec: python3.12: not found"),
        (
            "/x/s: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/s)",
            "/x/s: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/s)",
        ),
        (
            "[TensorRT-LLM][INFO] load\n[TensorRT-LLM][ERROR] no device\n--\nMPI_ABORT was invoked",
            "no device",
        ),
        ("{\"level\":\"ERROR\",\"fields\":{\"message\":\"no device\"}}", "no device"),
        (
            "2024-05-01T10:00:00.1Z ERROR text_generation_launcher: Error when initializing model\nTraceback (most recent call last):\n  File \"a\"\nValueError: bad y rank=0\nError: ShardCannotStart",
            "ValueError: bad y rank=0",
        ),
        (
            "  + Exception Group Traceback (most recent call last):\n  |   File \"a\"\n  | ExceptionGroup: errors (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File \"b\"\n    | ValueError: bad y\n    +------------------------------------",
            "ValueError: bad y",
        ),
    ];
    for (text, cause) in cases {
        let told = explain(&lines(text), Some(Ended::Code(1)), &[]).unwrap();
        assert_eq!(told.cause, cause, "{text}");
    }
    for harmless in [
        "nvidia-smi: not found\nno GPU\nloading\nready",
        "INFO: loading\nready",
        "WARNING 11-28 04:00:00 [a.py:1] like `OSError: [Errno 24] Too many`",
        "",
    ] {
        assert_eq!(explain(&lines(harmless), Some(Ended::Code(1)), &[]), None, "{harmless}");
    }
}

#[test]
fn a_definitions_text_counts_at_the_root_first_and_never_for_a_consequence() {
    let log = excerpt("vllm_module_missing");
    let patterns =
        [pattern("Engine core initialization failed", "engine"), pattern("NO MODULE named", "module")];
    assert_eq!(explain(&log, None, &patterns).unwrap().cause, "module");
    let told = explain(&log, None, &patterns[..1]).unwrap();
    assert_eq!(told.cause, "ModuleNotFoundError: No module named 'flashinfer'");
    // In the order of the list, wherever its line stands.
    let patterns = [pattern("CUDA out of memory", "memory"), pattern("engine core", "engine")];
    let log = lines("Engine core failed\ntorch: cuda OUT of memory.");
    assert_eq!(explain(&log, None, &patterns).unwrap().cause, "memory");
    assert_eq!(explain(&log[..1], None, &patterns).unwrap().cause, "engine");
    assert_eq!(explain(&[], None, &patterns), None);
}

#[test]
fn how_it_ended_tells_where_the_log_does_not() {
    for ended in [Ended::Signal(9), Ended::Code(137)] {
        let told = explain(&lines("INFO: loading"), Some(ended), &[]).unwrap();
        assert!(told.cause.contains("want of memory") && told.hint.contains("dmesg"), "{told:?}");
    }
    assert!(explain(&[], Some(Ended::Signal(libc::SIGILL)), &[]).unwrap().cause.contains("processor"));
    assert!(explain(&[], Some(Ended::Code(139)), &[]).unwrap().cause.contains("native code"));
    assert_eq!(explain(&[], Some(Ended::Code(1)), &[]), None);
    // SGLang kills itself when a child fails: then its log tells more.
    let told = explain(&excerpt("sglang_no_weights"), Some(Ended::Signal(9)), &[]).unwrap();
    assert!(told.cause.contains("Cannot find any model weights"), "{told:?}");
    let noticed = "RuntimeError: Rank 0 scheduler died during initialization (exit code: -9). See above";
    let told = explain(&lines(noticed), Some(Ended::Code(1)), &[]).unwrap();
    assert!(told.cause.contains("want of memory"), "{told:?}");
}
