//! Launches that fail, and what a server is given.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::backend::launch::port;
use harness::backend::launch::readiness::{ProbeAnswer, ProbeFailure};
use harness::backend::launch::{LaunchEvent, LaunchRequest, launch};
use tokio::sync::watch;

use super::bench::*;

#[tokio::test]
async fn a_health_path_that_answers_404_gives_way_to_the_next() {
    let bench = Bench::new().await;
    let spec = {
        let mut spec = bench.spec(&["--startup-s", "0.3"]);
        spec.readiness.paths = vec!["/ready".into(), "/health".into()];
        spec
    };
    let server = bench.launch(&spec).await.unwrap();
    assert!(server.stop().await.graceful);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_crash_while_loading_is_noticed_and_shown_with_its_cause_and_the_end_of_the_log() {
    let bench = Bench::new().await;
    let spec = bench.spec_with_helpers(&[&["--die-while-loading", "1"], &OUT_OF_MEMORY[..]].concat());
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.what.starts_with("fake ended with exit code 1 after "), "{error}");
    assert_eq!(error.cause.as_deref(), Some("out of GPU memory"));
    assert_eq!(error.hint.as_deref(), Some("lower gpu_memory_utilization"));
    assert_eq!(error.log_tail.last().map(String::as_str), Some("see above"));
    assert_eq!(error.log, bench.path("server.log"));
    assert!(!error.interrupted);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_that_never_gets_ready_is_given_up_at_the_timeout() {
    let bench = Bench::new().await;
    let spec = bench.spec_with_helpers(&["--startup-mode", "503", "--never-ready", "--ignore-sigterm"]);
    let error = bench.launch_with(&spec, Duration::from_secs(3), &mut Vec::new()).await.unwrap_err();
    assert!(error.what.contains("was not ready within 3 s"), "{error}");
    assert!(error.what.contains("answered 503"), "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_program_that_does_not_exist_comes_with_the_install_hint() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&[]);
    spec.argv[0] = "no-such-engine".into();
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.what.contains("no-such-engine"), "{error}");
    assert_eq!(error.cause.as_deref(), Some("not installed"));
    assert_eq!(error.hint.as_deref(), Some("harness install fake"));
    spec.argv[0] = bench.text("fake.yaml");
    let error = bench.launch(&spec).await.unwrap_err();
    assert_eq!((error.cause, error.hint.as_deref()), (None, Some("harness install fake")));
    assert!(error.what.contains("Permission denied"), "{}", error.what);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_taken_port_is_noticed_before_the_launch_with_its_holder() {
    let bench = Bench::new().await;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut spec = bench.spec(&[]);
    spec.port = Some(taken.local_addr().unwrap().port());
    let error = bench.launch(&spec).await.unwrap_err();
    let me = format!("pid {}", std::process::id());
    assert!(error.what.contains("is in use by") && error.what.contains(&me), "{error}");
    assert!(error.hint.unwrap().contains("--set fake.port=N"));
    assert!(!bench.path("server.log").exists(), "nothing was started");
}

#[tokio::test]
async fn a_port_that_was_asked_for_is_used() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&[]);
    spec.port = Some(port::choose_free().unwrap());
    let server = bench.launch(&spec).await.unwrap();
    assert_eq!(Some(server.port), spec.port);
    server.stop().await;
}

#[tokio::test]
async fn a_foreign_server_on_the_port_is_not_taken_for_ours() {
    let bench = Bench::new().await;
    // Ours loads for a while, and another one, with the very same model name, takes the port meanwhile.
    let spec = {
        let mut spec = bench.spec(&["--startup-s", "300"]);
        spec.port = Some(port::choose_free().unwrap());
        spec
    };
    let port = spec.port.unwrap().to_string();
    let mut launching = std::pin::pin!(bench.launch(&spec));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut launching).await;
    assert!(early.is_err(), "it is still loading");
    let [python, script] = engine_command();
    let mut foreign = Command::new(python)
        .args([&script, "--port", &port, "--served-model-name", "our-model"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let error = launching.await.unwrap_err();
    assert!(foreign.try_wait().unwrap().is_none(), "the other one is left alone");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    assert!(error.what.contains(&format!("another server answers on port {port}: pid {}", foreign.id())));
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_that_lists_another_model_is_refused() {
    let bench = Bench::new().await;
    let error = bench.launch(&bench.spec(&["--foreign-model"])).await.unwrap_err();
    assert!(error.what.contains("lists somebody-elses-model, not our-model"), "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_that_streams_no_token_is_not_ready() {
    let bench = Bench::new().await;
    let spec = bench.spec(&[]);
    let log = bench.path("server.log");
    let request =
        LaunchRequest { label: "fake", run_id: "r", spec: &spec, log: &log, startup_timeout: PATIENCE };
    let (_keep, stop) = watch::channel(false);
    let probe = async |_: &str| Err::<ProbeAnswer, ProbeFailure>("status 500".to_owned().into());
    let error = launch(&bench.guard, request, probe, |_| {}, stop).await.unwrap_err();
    assert!(error.what.contains("streams no token: status 500"), "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_launch_that_is_interrupted_leaves_nothing() {
    let bench = Bench::new().await;
    let spec = bench.spec_with_helpers(&["--startup-mode", "503", "--never-ready", "--ignore-sigterm"]);
    let log = bench.path("server.log");
    let request =
        LaunchRequest { label: "fake", run_id: "r", spec: &spec, log: &log, startup_timeout: PATIENCE };
    let (asking, stop) = watch::channel(false);
    let on_event = |event| {
        if matches!(event, LaunchEvent::Loading { log_last_line } if log_last_line == "Loading weights") {
            asking.send_replace(true);
        }
    };
    let error = launch(&bench.guard, request, token, on_event, stop).await.unwrap_err();
    assert!(error.interrupted, "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_launch_that_its_caller_drops_leaves_nothing() {
    let bench = Bench::new().await;
    let spec = bench.spec_with_helpers(&["--startup-mode", "503", "--never-ready"]);
    let launching = tokio::time::timeout(Duration::from_millis(100), bench.launch(&spec));
    assert!(launching.await.is_err());
    let started = Instant::now();
    while !below(bench.guard.process()).is_empty() {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_sees_the_allow_list_and_its_own_variables_alone() {
    let bench = Bench::new().await;
    let file = bench.text("environment");
    let mut spec = bench.spec(&["--environment", &file, "--log-line", "key {secret:CARGO_PKG_NAME}"]);
    spec.env.insert("OWN".into(), "port {port}".into());
    let server = bench.launch(&spec).await.unwrap();
    assert!(server.launched.contains(&"key ***".to_owned()), "{:?}", server.launched);
    let expected = format!("port {}", server.port);
    server.stop().await;
    let environment: BTreeMap<String, String> =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(environment.get("OWN"), Some(&expected));
    assert!(environment.contains_key("PATH"));
    // Cargo sets dozens of these for a test, and none is on the list.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    assert!(!environment.keys().any(|name| name.starts_with("CARGO")), "{environment:?}");
    let log = fs::read_to_string(bench.path("server.log")).unwrap();
    assert!(log.starts_with("Loading weights\nkey ***\n"), "the secret was taken out of the log: {log}");
}
