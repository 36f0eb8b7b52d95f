//! Engines whose start goes wrong: nothing stays, the cause is said, the other backend's result is there.

use super::common::*;

/// What holds after `bad` failed to start beside a good engine `b`.
fn only_b_is_measured(place: &Place, ran: Ran) -> Ran {
    let ran = ran.expect(1);
    assert_eq!(ran.stderr.matches("error:").count(), 1, "{}", ran.stderr);
    place.assert_nothing_lives();
    assert_eq!(place.run_json("b")["summary"]["requests"]["completed"], 12);
    let rows = place.summary_rows();
    let said: Vec<_> = rows.iter().map(|row| (row["backend"].as_str(), row["exit"].as_str())).collect();
    assert_eq!(said, [("a", "failed"), ("b", "ok")]);
    let comparison = json(&place.folder("comparison.json"));
    assert_eq!(comparison["comparison"]["failed"][0]["label"], "a");
    assert!(ran.stdout.contains("=== RESULTS FOR b ==="), "{}", ran.stdout);
    ran
}

fn with_bad_start(place: &Place, options: &str, more: &[&str]) -> Ran {
    let options = format!("a={options}");
    let ran = place.compare(TWO, &[&QUICK[..], &["--extra-args", &options], more].concat());
    only_b_is_measured(place, ran)
}

#[test]
fn an_engine_that_is_slow_to_start_is_waited_for() {
    for mode in ["refused", "503"] {
        let place = Place::new();
        let slow = format!("a=--startup-s 1.5 --startup-mode {mode}");
        place
            .compare("a=fake.yaml", &[&QUICK[..], &["--extra-args", &slow]].concat())
            .expect(0)
            .says(&["a: ready in"]);
        let ready_s = place.run_json("a")["summary"]["ready_s"].as_f64().unwrap();
        assert!((1.5..60.0).contains(&ready_s), "{ready_s}");
        place.assert_gone("a");
    }
}

#[test]
fn an_engine_that_never_is_ready_is_given_up_and_its_log_shown() {
    let place = Place::new();
    // Long enough for the good one on a busy machine.
    let ran = with_bad_start(&place, "--never-ready --startup-mode 503", &["--startup-timeout", "15s"]);
    ran.says(&["error: a: ", "15", "Loading weights", "log: ", "hint: ", "--startup-timeout"]);
    place.assert_gone("a");
}

#[test]
fn an_engine_that_dies_while_loading_is_noticed_at_once_with_its_cause() {
    let place = Place::new();
    let started = std::time::Instant::now();
    let options =
        "--die-while-loading 3 --startup-s 0.3 --log-line 'torch.OutOfMemoryError: CUDA out of memory'";
    let ran = with_bad_start(&place, options, &[]);
    // The default --startup-timeout is half an hour.
    assert!(started.elapsed() < PATIENCE);
    ran.says(&[
        "error: a: ",
        "exit code 3",
        ": out of memory",
        "  | torch.OutOfMemoryError: CUDA out of memory",
        "log: ",
        "hint: lower --context-length",
    ]);
}

#[test]
fn an_engine_that_serves_another_model_is_refused() {
    let place = Place::new();
    let ran = with_bad_start(&place, "--foreign-model", &["--startup-timeout", "15s"]);
    ran.says(&["somebody-elses-model"]);
    // Nothing was asked of it that generates.
    assert!(!place.log("a").contains("POST"), "{}", place.log("a"));
    place.assert_gone("a");
}

#[test]
fn a_taken_port_is_refused_before_the_launch_and_its_holder_named() {
    let place = Place::new();
    let mut other = Engine::start(&[]);
    let set = format!("a.port={}", other.port());
    let ran = place.compare(TWO, &[&QUICK[..], &["--set", &set]].concat());
    only_b_is_measured(&place, ran).says(&[
        &format!("port {} is in use by pid {} (", other.port(), other.pid()),
        "hint: stop it, or choose another port with --set a.port=N",
    ]);
    assert!(!place.log("a").contains("Loading"), "{}", place.log("a"));
    // The holder is nobody of ours and is left alone.
    assert!(other.is_alive());
    assert_eq!(other.asked("/v1/chat/completions"), 0);
}

#[test]
fn when_every_backend_fails_to_start_the_exit_code_says_so() {
    let place = Place::new();
    let die = ["--extra-args", "a=--die-while-loading 1", "--extra-args", "b=--die-while-loading 1"];
    place.compare(TWO, &[&QUICK[..], &die].concat()).expect(1).says(&["error: a: ", "error: b: "]);
    place.assert_nothing_lives();
    assert_eq!(json(&place.folder("comparison.json"))["comparison"]["failed"].as_array().unwrap().len(), 2);
}
