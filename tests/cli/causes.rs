//! A start that fails: its root cause, what was kept back, and servers that come late.

use super::common::*;

/// An engine that writes a log of a real one and dies.
fn dying(place: &Place, log: &str, code: &str) {
    let path = format!("{}/tests/data/failed_starts/{log}.log", env!("CARGO_MANIFEST_DIR"));
    place.program("fake-engine", &format!("#!/bin/sh\n/bin/cat '{path}'\n{code}\n"));
}

#[test]
fn the_root_cause_stands_first_and_what_was_kept_back_is_named_without_its_value() {
    let place = Place::new();
    dying(&place, "vllm_module_missing", "exit 1");
    let mut command =
        place.command(&["run", "--backend", "fake.yaml", "--model", "model", "--output", "results"]);
    command.env("FAKE_SAMPLER", "my-value").env("HF_TOKEN", "hf_secret").env("EDITOR", "ed");
    let ran = Running::of(command).wait().expect(1);
    let ran = ran.says(&[
        "before it was ready: ModuleNotFoundError: No module named 'flashinfer'",
        "  | (EngineCore pid=3285) ERROR 11-27 22:30:30 [core.py:1330] ModuleNotFoundError: No module named 'flashinfer'\n  | …",
        "  | (APIServer pid=2846) RuntimeError: Engine core initialization failed. See root cause above.",
        "hint: not handed on: FAKE_SAMPLER; to hand one on: --env fake.FAKE_SAMPLER=VALUE",
    ]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for absent in ["my-value", "hf_secret", "EDITOR", "HF_TOKEN"] {
        assert!(!said.contains(absent), "{absent}: {said}");
    }
    place.assert_nothing_lives();
}

#[test]
fn a_start_that_was_killed_without_a_word_says_so() {
    for end in ["kill -9 $$", "exit 137"] {
        let place = Place::new();
        place.program("fake-engine", &format!("#!/bin/sh\necho loading\n{end}\n"));
        place.compare("a=fake.yaml", &QUICK).expect(1).says(&["want of memory", "dmesg"]);
    }
}

#[test]
fn a_server_that_lists_its_model_late_is_waited_for() {
    let place = Place::new();
    let late = ["--extra-args", "a=--listed-after-s 5 --until-listed empty"];
    place.compare("a=fake.yaml", &[&QUICK[..], &late].concat()).expect(0).says(&["a: ready in"]);
    place.assert_gone("a");
}

#[test]
fn where_the_list_proves_nothing_the_first_token_is_waited_for() {
    let place = Place::new();
    place.change_definition("  paths: [/health]", "  paths: [/health]\n  models_path: none");
    let late = ["--extra-args", "a=--listed-after-s 6 --until-listed 500"];
    place.compare("a=fake.yaml", &[&QUICK[..], &late].concat()).expect(0);
    assert!(!place.log("a").contains("/v1/models"), "{}", place.log("a"));
    assert_eq!(place.run_json("a")["summary"]["requests"]["completed"], 12);
}

#[test]
fn a_metrics_page_of_a_port_of_its_own_is_read() {
    let place = Place::new();
    place.change_definition("  path: /metrics", "  path: /metrics\n  port: \"{metrics_port}\"");
    let text = place.read("fake.yaml").replace(
        "  args: [--host, \"{host}\",",
        "  args: [--metrics-port, \"{metrics_port}\", --host, \"{host}\",",
    );
    place.write("fake.yaml", &text);
    place.compare("a=fake.yaml", &QUICK).expect(0);
    let server = &place.run_json("a")["summary"]["server"];
    assert!(server["generated_tokens"].as_f64().unwrap() > 0.0, "{server}");
    assert_eq!(server["generated_tokens"], server["client_generated_tokens"]);
}

#[test]
fn a_length_is_forced_by_the_fields_that_the_definition_names() {
    let place = Place::new();
    place.change_definition(
        "protocol: {ignore_eos: true,",
        "protocol: {ignore_eos: false, force_length: {end: never},",
    );
    let strict = ["--extra-args", "a=--answer-with end", "--ignore-eos"];
    place.compare("a=fake.yaml", &[&QUICK[..], &strict].concat()).expect(0);
    assert_eq!(place.run_json("a")["summary"]["requests"]["completed"], 12);
}

#[test]
fn a_version_probe_that_forks_and_hangs_is_ended_with_its_children() {
    let place = Place::new();
    place.program("fake-engine", "#!/bin/sh\n/bin/sleep 300 &\n/usr/bin/setsid /bin/sleep 300 &\nwait\n");
    place.run(&["doctor", "--backends-dir", "."]).expect(0);
    place.assert_nothing_lives();
}

#[test]
fn a_definition_is_installed_by_its_path() {
    let place = Place::new();
    place.write("fake.yml", &place.read("fake.yaml"));
    // It has no recipe: found, and refused for that alone.
    place.run(&["install", "./fake.yml"]).expect(2).says(&["fake"]);
    place.run(&["install", "./none.yaml"]).expect(2).says(&["cannot read the backend file ./none.yaml"]);
}
