//! Servers that are healthy before their model is there, and programs beside a server.

use std::fs;
use std::time::Duration;

use harness::backend::launch::readiness::{Outlook, ProbeAnswer, ProbeFailure};
use harness::backend::launch::{LaunchEvent, LaunchRequest, launch};
use harness::schema::target::{Helper, LaunchSpec};
use tokio::sync::watch;

use super::bench::*;

/// What was waited for, as it is told.
fn waited(events: &[LaunchEvent]) -> Vec<&str> {
    let words = events.iter().filter_map(|event| match event {
        LaunchEvent::Waiting { what } => Some(what.as_str()),
        _ => None,
    });
    words.collect()
}

#[tokio::test]
async fn a_list_that_is_empty_or_answers_an_error_is_waited_for_with_words() {
    for (answer, word) in [("empty", "lists no model yet"), ("404", "404"), ("503", "503"), ("500", "500")] {
        let bench = Bench::new().await;
        // Longer than the four tries that a list of other models is given.
        let spec = bench.spec(&["--listed-after-s", "5", "--until-listed", answer]);
        let mut events = Vec::new();
        let server = bench.launch_with(&spec, PATIENCE, &mut events).await.unwrap();
        let words = waited(&events);
        assert!(words.len() == 1 && words[0].contains(word), "{answer}: {words:?}");
        server.stop().await;
        bench.assert_nothing_lives();
    }
}

#[tokio::test]
async fn a_list_that_never_shows_the_model_is_given_up_at_the_timeout_with_the_key_that_skips_it() {
    let bench = Bench::new().await;
    let spec = bench.spec(&["--listed-after-s", "600"]);
    let error = bench.launch_with(&spec, Duration::from_secs(3), &mut Vec::new()).await.unwrap_err();
    assert!(error.what.contains("not ready within 3 s") && error.what.contains("lists no model"), "{error}");
    assert!(error.hint.unwrap().contains("readiness.models_path: none"));
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_list_that_proves_nothing_is_not_asked() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["--listed-after-s", "600", "--until-listed", "500"]);
    spec.argv.retain(|argument| argument != "--no-access-log");
    spec.readiness.models_path = None;
    bench.launch(&spec).await.unwrap().stop().await;
    let log = fs::read_to_string(bench.path("server.log")).unwrap();
    assert!(log.contains("GET /health") && !log.contains("/v1/models"), "{log}");
}

#[tokio::test]
async fn a_model_that_is_listed_before_it_is_served_is_waited_for() {
    for outlook in [Outlook::NotYet, Outlook::Unknown] {
        let bench = Bench::new().await;
        let (spec, log) = (bench.spec(&[]), bench.path("server.log"));
        let request =
            LaunchRequest { label: "fake", run_id: "r", spec: &spec, log: &log, startup_timeout: PATIENCE };
        let (_keep, stop) = watch::channel(false);
        let asked = std::cell::Cell::new(0);
        let probe = async |_: &str| {
            asked.set(asked.get() + 1);
            match asked.get() {
                // More often than a probe that fails for good.
                1..6 => Err(ProbeFailure { what: "not yet".into(), outlook }),
                _ => Ok(ProbeAnswer::default()),
            }
        };
        launch(&bench.guard, request, probe, |_| {}, stop).await.unwrap().stop().await;
        assert_eq!(asked.get(), 6);
        bench.assert_nothing_lives();
    }
}

fn with_helper(bench: &Bench, script: &str, options: &[&str]) -> LaunchSpec {
    let mut spec = bench.spec(options);
    spec.env.insert("SHARED".into(), "{scratch}".into());
    spec.env.insert("BOTH".into(), "server".into());
    spec.before = vec![Helper {
        name: "worker".into(),
        argv: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        env: [("BOTH".to_owned(), "helper".to_owned())].into(),
    }];
    spec
}

#[tokio::test]
async fn a_helper_starts_before_the_server_shares_a_directory_with_it_and_is_stopped_after_it() {
    let bench = Bench::new().await;
    let script = "echo $SHARED $BOTH; echo there > $SHARED/file; exec sleep 600";
    let file = bench.text("environment");
    let server = bench.launch(&with_helper(&bench, script, &["--environment", &file])).await.unwrap();
    let log = fs::read_to_string(bench.path("server.worker.log")).unwrap();
    let scratch = log.split(' ').next().unwrap().to_owned();
    assert!(log.ends_with("helper\n"), "{log}");
    let environment = fs::read_to_string(&file).unwrap();
    assert!(environment.contains(&scratch) && environment.contains("\"BOTH\": \"server\""), "{environment}");
    assert_eq!(fs::read_to_string(format!("{scratch}/file")).unwrap(), "there\n");
    let stopped = server.stop().await;
    assert!(stopped.graceful && stopped.gone, "{stopped:?}");
    bench.assert_nothing_lives();
    assert!(!fs::exists(scratch).unwrap(), "its directory goes with it");
}

#[tokio::test]
async fn the_directory_of_a_launch_is_removed_by_the_guard_where_the_harness_is_gone() {
    let bench = Bench::new().await;
    let script = "echo $SHARED; exec sleep 600";
    let server = bench.launch(&with_helper(&bench, script, &[])).await.unwrap();
    let scratch = fs::read_to_string(bench.path("server.worker.log")).unwrap().trim_end().to_owned();
    assert!(fs::exists(&scratch).unwrap(), "{scratch}");
    // A harness that is killed removes nothing: only its pipe to the guard closes.
    std::mem::forget(server);
    bench.guard.close().await;
    assert!(!fs::exists(scratch).unwrap());
}

#[tokio::test]
async fn a_helper_that_dies_ends_the_start_at_once_with_its_root_cause() {
    let bench = Bench::new().await;
    let script = "echo 'Traceback (most recent call last):'; echo '  File \"w.py\"'; \
                  echo \"ModuleNotFoundError: No module named 'worker'\"; echo goodbye; exit 3";
    let spec = with_helper(&bench, script, &["--startup-mode", "503", "--never-ready", "--ignore-sigterm"]);
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.what.starts_with("fake's worker ended with exit code 3 after "), "{error}");
    assert_eq!(error.cause.as_deref(), Some("ModuleNotFoundError: No module named 'worker'"));
    assert_eq!(error.log, bench.path("server.worker.log"));
    assert_eq!(
        error.log_tail.first().map(String::as_str),
        Some("ModuleNotFoundError: No module named 'worker'")
    );
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_helper_that_is_not_there_is_named_and_nothing_stays() {
    let bench = Bench::new().await;
    let mut spec = with_helper(&bench, "exec sleep 600", &[]);
    spec.before.push(Helper {
        name: "other".into(),
        argv: vec!["no-such-helper".into()],
        env: Default::default(),
    });
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.what.contains("fake's other cannot be started: no-such-helper"), "{error}");
    bench.assert_nothing_lives();
    spec.before.pop();
    spec.argv[0] = "no-such-engine".into();
    assert!(bench.launch(&spec).await.unwrap_err().what.contains("no-such-engine"));
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_whose_helper_dies_is_no_server_any_more() {
    let bench = Bench::new().await;
    let end = bench.text("end");
    let script = format!("while [ ! -e {end} ]; do sleep 0.05; done; exit 4");
    let mut server = bench.launch(&with_helper(&bench, &script, &[])).await.unwrap();
    fs::write(bench.path("end"), "").unwrap();
    let exited = server.exited().await;
    assert_eq!(
        (exited.helper.as_deref(), exited.how.to_string().as_str()),
        (Some("worker"), "ended with exit code 4")
    );
    assert_eq!(server.exited().await, exited, "asked again it says the same");
    server.stop().await;
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_port_that_another_took_while_a_server_loads_is_noticed_though_it_never_ends() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["--startup-s", "300"]);
    let port = harness::backend::launch::port::choose_free().unwrap();
    spec.port = Some(port);
    let mut launching = std::pin::pin!(bench.launch(&spec));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut launching).await.is_err(), "it loads");
    // It takes connections and never answers.
    let _foreign = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = launching.await.unwrap_err();
    assert!(error.what.contains(&format!("another server answers on port {port}")), "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_variable_of_the_engines_family_that_was_kept_back_is_named_when_a_start_fails() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["--die-while-loading", "1"]);
    // Cargo sets these for a test, and none is on the list.
    spec.env_family = vec!["CARGO_PKG_*".into()];
    spec.env_from = vec!["CARGO_PKG_VERSION".into()];
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.not_handed_on.contains(&"CARGO_PKG_NAME".to_owned()), "{:?}", error.not_handed_on);
    assert!(!error.not_handed_on.contains(&"CARGO_PKG_VERSION".to_owned()), "it was handed on");
}
