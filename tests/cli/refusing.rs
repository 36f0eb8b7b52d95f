//! Bad input: one line that names the thing, one with the cure, exit 2, and nothing launched.

use super::common::*;

/// Refused for a reason that holds all of `texts`; the last of them is the cure.
#[track_caller]
fn refused(place: &Place, args: &[&str], texts: &[&str]) {
    let ran = place.run(args).expect(2);
    let errors = ran.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "{args:?}: {}", ran.stderr);
    for text in texts {
        assert!(ran.stderr.contains(text), "'{text}' is not in the answer to {args:?}:\n{}", ran.stderr);
    }
    // No chain of causes, no debug output, no talk before it.
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.lines().count() <= 2, "{args:?}: {}", ran.stderr);
    let hint = ran.stderr.lines().nth(1).unwrap_or("hint: ");
    assert!(hint.starts_with("hint: ") && !hint.contains("os error"), "{args:?}: {}", ran.stderr);
    assert_eq!(ran.stdout, "", "{args:?}");
    assert!(!place.path("results").exists(), "{args:?}");
    place.assert_nothing_lives();
}

#[track_caller]
fn compare_refused(place: &Place, more: &[&str], texts: &[&str]) {
    refused(place, &[&["compare", "--backend", TWO, "--model", "model"][..], more].concat(), texts);
}

#[test]
fn backends_that_do_not_exist_or_are_not_here() {
    let place = Place::new();
    refused(&place, &["compare", "--backend", "vlm"], &["unknown backend 'vlm'", "vllm", "llamacpp"]);
    refused(&place, &["compare"], &["compare needs backends", "--backend all"]);
    refused(
        &place,
        &["run", "--backend", TWO],
        &["run takes one backend", "several go into harness compare"],
    );
    refused(
        &place,
        &["compare", "--backend", "a=fake.yaml,a=fake.yaml"],
        &["two backends are called 'a'", "give one another label"],
    );
    refused(&place, &["compare", "--backend", "missing.yaml"], &["missing.yaml", "check the path"]);
    // By name it fails the command; of `all` nothing is here.
    refused(
        &place,
        &["compare", "--backend", "a=fake.yaml,vllm", "--model", "model"],
        &["vLLM is not installed", "harness install vllm"],
    );
    refused(
        &place,
        &["compare", "--backend", "all", "--model", "model"],
        &["none of the backends is installed", "harness install"],
    );
    std::fs::remove_file(place.path("bin/fake-engine")).unwrap();
    compare_refused(&place, &[], &["Fake is not installed", "put fake-engine on PATH"]);
}

#[test]
fn a_flag_that_would_launch_nothing_beside_a_server_that_runs() {
    let place = Place::new();
    let sweep = ["sweep", "--url", "http://127.0.0.1:1", "--concurrency", "1,2"];
    for flag in [&["--set", "vllm.dtype=auto"][..], &["--simulate"], &["--launcher", "docker"]] {
        let args = [&sweep[..], flag].concat();
        refused(&place, &args, &[&format!("{} launches nothing with --url", flag[0]), "leave it out"]);
    }
}

#[test]
fn datasets_that_cannot_be_played() {
    let place = Place::new();
    compare_refused(&place, &["--dataset", "nowhere.json"], &["nowhere.json", "check the path"]);
    place.write(
        "bad.json",
        "[\n  {\"id\": \"a\", \"prompt\": \"p\"},\n  {\"id\": \"b\", \"prompt\" \"p\"}\n]\n",
    );
    compare_refused(&place, &["--dataset", "bad.json"], &["bad.json", "line 3"]);
    place.write("bad.jsonl", "{\"id\": \"a\", \"prompt\": \"p\"}\n{\"id\": \"b\"}\n");
    compare_refused(&place, &["--dataset", "bad.jsonl"], &["bad.jsonl", "line 2", "prompt"]);
    place.write("empty.json", "[]\n");
    compare_refused(&place, &["--dataset", "empty.json"], &["empty.json"]);
    place.write("empty.jsonl", "");
    compare_refused(&place, &["--dataset", "empty.jsonl"], &["empty.jsonl"]);
}

#[test]
fn urls_without_a_server() {
    let place = Place::new();
    refused(&place, &["bench"], &["bench needs a server", "--url"]);
    refused(&place, &["bench", "--url", "http://"], &["--url http://", "write http://HOST:PORT"]);
    refused(&place, &["bench", "--url", "ftp://h/"], &["--url ftp://h/", "write http://HOST:PORT"]);
}

#[test]
fn flags_that_contradict_each_other() {
    let place = Place::new();
    compare_refused(&place, &["--arrival", "constant"], &["--arrival", "--rate"]);
    compare_refused(&place, &["--rate", "2", "--ramp", "1s"], &["--ramp is for a closed loop", "is open"]);
    compare_refused(&place, &["--requests", "0"], &["--requests is 0", "give a number above 0"]);
    compare_refused(&place, &["--rate", "0"], &["--rate 0", "above 0"]);
    refused(
        &place,
        &["bench", "--url", "http://h", "--insecure"],
        &["--insecure", "https", "leave them out"],
    );
    refused(
        &place,
        &["compare", "--backend", "vllm", "--simulate", "--no-stream", "--slo", "ttft_p90=1s"],
        &["--slo ttft_p90", "come whole"],
    );
    compare_refused(&place, &["--endpoint-path", "v1"], &["--endpoint-path v1", "begin it with a slash"]);
    compare_refused(
        &place,
        &["--api-key-env", "NOBODY_SET_THIS"],
        &["NOBODY_SET_THIS", "export NOBODY_SET_THIS="],
    );
}

#[test]
fn values_that_cannot_be_read_name_the_flag() {
    let place = Place::new();
    for (flag, value) in
        [("--duration", "soon"), ("--concurrency", "many"), ("--arrival", "often"), ("--warmup", "-1")]
    {
        let args = ["compare", "--backend", TWO, "--model", "model", &format!("{flag}={value}")];
        let ran = place.run(&args).expect(2);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(flag), "{}", ran.stderr);
    }
    place.run(&["compare", "--no-such-flag"]).expect(2).says(&["error: ", "--no-such-flag"]);
    place.run(&["launch"]).expect(2).says(&["error: ", "launch"]);
    place.run(&["report"]).expect(2).says(&["error: ", "RESULTS"]);
    assert!(!place.path("results").exists());
}

#[test]
fn an_output_that_cannot_be_written() {
    let place = Place::new();
    place.write("file", "");
    compare_refused(
        &place,
        &["--output", "file/below"],
        &["cannot write results to file/below", "--output DIR"],
    );
}

#[test]
fn settings_that_fit_nobody() {
    let place = Place::new();
    compare_refused(
        &place,
        &["--set", "a.max_lenn=1"],
        &["a.max_lenn", "fake.yaml", "max_len", "--extra-args"],
    );
    compare_refused(&place, &["--set", "c.max_len=1"], &["--set names the backend 'c'", "a, b"]);
    compare_refused(&place, &["--set", "nonsense"], &["--set", "LABEL.KEY=VALUE"]);
    compare_refused(&place, &["--set", "a.port=0"], &["a: port=0", "takes a number from 1 to 65535"]);
    compare_refused(
        &place,
        &["--set", "a.launcher=podman"],
        &["launcher=podman", "takes `process` or `docker`"],
    );
    compare_refused(&place, &["--extra-args", "a=--x 'open"], &["--extra-args a", "close it"]);
    compare_refused(&place, &["--set", "a.binary_path=nowhere"], &["a: nowhere is no program"]);
}

#[test]
fn models_that_are_not_there() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    refused(&place, &["run", "--backend", "fake.yaml", "--model", "./nowhere"], &["./nowhere", "a hub id"]);
    refused(&place, &["run", "--backend", "fake.yaml", "--model", "empty"], &["empty", "config.json"]);
    refused(
        &place,
        &["run", "--backend", "fake.yaml", "--model", "fake.yaml"],
        &["fake.yaml", "single file"],
    );
}

#[test]
fn mistakes_in_a_backend_file_name_the_file_the_line_and_the_key() {
    let place = Place::new();
    place.change_definition("  grace_s: 2", "  grace: 2");
    compare_refused(&place, &[], &["fake.yaml:35", "stop.grace", "known: grace_s"]);
    place.change_definition("model_form: huggingface", "model_form: huggingfase");
    compare_refused(&place, &[], &["fake.yaml:3", "model_form", "huggingface"]);
    place.change_definition("\"{max_batch}\"", "\"{max_bach}\"");
    compare_refused(&place, &[], &["fake.yaml", "max_bach"]);
    place.write("fake.yaml", "title: [\n");
    compare_refused(&place, &[], &["fake.yaml"]);
}

#[test]
fn a_results_directory_without_results() {
    let place = Place::new();
    std::fs::create_dir(place.path("void")).unwrap();
    refused(&place, &["report", "void"], &["no run in void", "give a results directory"]);
    refused(&place, &["report", "nowhere"], &["nowhere", "give a results directory"]);
}
