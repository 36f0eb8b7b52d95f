//! Servers that are stopped, dropped, or crash.

use std::fs;
use std::time::Duration;

use harness::backend::launch::LaunchEvent;
use harness::backend::launch::port;
use harness::backend::process::{self, Process};
use harness::schema::target::Stop;

use super::bench::*;

#[tokio::test]
async fn a_server_is_proved_ready_and_stopped_without_a_trace() {
    let bench = Bench::new().await;
    let mut events = Vec::new();
    let spec = bench.spec_with_helpers(&["--startup-mode", "503", "--startup-s", "0.5"]);
    let server = bench.launch_with(&spec, PATIENCE, &mut events).await.unwrap();
    assert_eq!(server.url, format!("http://127.0.0.1:{}", server.port));
    assert_eq!(server.probe.output_tokens, Some(1));
    assert!(server.ready_after >= Duration::from_millis(500), "it answered 503 until then");
    assert_eq!(events.first(), Some(&LaunchEvent::Starting { pid: server.pid }));
    let loading = |event: &LaunchEvent| matches!(event, LaunchEvent::Loading { .. });
    assert!(events.iter().any(loading), "{events:?}");
    assert_eq!(events[events.len() - 2], LaunchEvent::Probing);
    assert_eq!(events.last(), Some(&LaunchEvent::Ready { after: server.ready_after }));

    let main = Process::of(server.pid).unwrap();
    let helpers = bench.helpers();
    let group = process::stat(main.pid).unwrap().group;
    assert_eq!(group, main.pid, "a process group of its own");
    let (port, url) = (server.port, server.url.clone());
    let stopped = server.stop().await;
    assert!(stopped.graceful && stopped.gone && stopped.port_free, "{stopped:?}");
    assert_eq!(stopped.killed, 2, "the helpers do not follow by themselves: {stopped:?}");
    assert!(!main.is_alive() && !helpers[0].is_alive() && !helpers[1].is_alive());
    assert!(port::check_free(port).is_ok());
    bench.assert_nothing_lives();
    let log = fs::read_to_string(bench.path("server.log")).unwrap();
    assert_eq!(
        log,
        format!(
            "Listening on {url}\nLoading weights\nReady, serving our-model\nSIGTERM received; shutting down\n"
        )
    );
    let state = bench.path("state/harness/servers");
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    bench.guard.close().await;
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "the guard takes its state file away");
}

#[tokio::test]
async fn a_server_deaf_to_sigterm_is_killed_after_its_grace_with_all_its_descendants() {
    let bench = Bench::new().await;
    let mut spec = bench.spec_with_helpers(&["--ignore-sigterm"]);
    spec.stop = Stop { grace_s: 1.0, second_term_after_s: Some(0.3) };
    let server = bench.launch(&spec).await.unwrap();
    let port = server.port;
    let stopped = server.stop().await;
    assert!(!stopped.graceful && stopped.gone && stopped.port_free, "{stopped:?}");
    assert_eq!(stopped.killed, 3);
    assert!(stopped.took >= Duration::from_secs(1));
    bench.assert_nothing_lives();
    assert!(port::check_free(port).is_ok());
    let log = fs::read_to_string(bench.path("server.log")).unwrap();
    assert_eq!(log.matches("SIGTERM received; ignored").count(), 2, "{log}");
}

#[tokio::test]
async fn a_child_that_holds_the_port_is_killed_and_the_port_is_free() {
    let bench = Bench::new().await;
    let server = bench.launch(&bench.spec(&["--hold-port"])).await.unwrap();
    let port = server.port;
    let stopped = server.stop().await;
    assert!(stopped.graceful && stopped.port_free, "{stopped:?}");
    assert_eq!(stopped.killed, 1);
    assert!(port::check_free(port).is_ok());
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_second_sigterm_ends_a_server_that_ignores_the_first() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["--ignore-sigterm", "1"]);
    spec.stop = Stop { grace_s: 30.0, second_term_after_s: Some(0.2) };
    let stopped = bench.launch(&spec).await.unwrap().stop().await;
    assert!(stopped.graceful, "{stopped:?}");
    assert_eq!(stopped.killed, 0);
}

#[tokio::test]
async fn a_crash_in_mid_run_is_noticed_and_cleaned_up() {
    let bench = Bench::new().await;
    let crash = bench.text("crash");
    let spec = bench.spec_with_helpers(&["--crash-on", &crash]);
    let mut server = bench.launch(&spec).await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(200), server.exited()).await.is_err(),
        "it lives, and can be asked again"
    );
    fs::write(&crash, "").unwrap();
    let exited = server.exited().await;
    assert_eq!(exited.how.to_string(), "ended with exit code 0");
    assert_eq!(exited.log_tail.last().map(String::as_str), Some("engine died"));
    let stopped = server.stop().await;
    assert!(stopped.gone && stopped.port_free);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_kill_is_immediate_whatever_the_grace() {
    let bench = Bench::new().await;
    let mut spec = bench.spec_with_helpers(&["--ignore-sigterm"]);
    spec.stop.grace_s = 3600.0;
    let server = bench.launch(&spec).await.unwrap();
    let mut processes = bench.helpers();
    processes.push(Process::of(server.pid).unwrap());
    assert_eq!(processes.len(), 3);
    drop(server);
    tokio::task::spawn_blocking(move || wait_until_gone(&processes)).await.unwrap();
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_that_is_dropped_dies() {
    let bench = Bench::new().await;
    let server = bench.launch(&bench.spec_with_helpers(&[])).await.unwrap();
    let mut processes = bench.helpers();
    processes.push(Process::of(server.pid).unwrap());
    drop(server);
    tokio::task::spawn_blocking(move || wait_until_gone(&processes)).await.unwrap();
}

#[tokio::test]
async fn two_servers_of_one_guard_are_kept_apart() {
    let bench = Bench::new().await;
    let with_helpers = bench.spec_with_helpers(&[]);
    let plain = bench.spec(&[]);
    let first = bench.launch(&with_helpers).await.unwrap();
    let helpers = bench.helpers();
    let second = bench.launch(&plain).await.unwrap();
    let stopped = second.stop().await;
    assert_eq!(stopped.killed, 0);
    assert!(helpers.iter().all(Process::is_alive), "they belong to the first");
    assert_eq!(first.stop().await.killed, 2);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_guard_that_is_closed_kills_what_is_left_and_a_later_stop_returns() {
    let bench = Bench::new().await;
    let server = bench.launch(&bench.spec_with_helpers(&[])).await.unwrap();
    let mut processes = bench.helpers();
    processes.push(Process::of(server.pid).unwrap());
    let place = bench.place;
    bench.guard.close().await;
    assert!(!processes.iter().any(Process::is_alive), "{processes:?}");
    let stopped = server.stop().await;
    assert!(stopped.gone && stopped.port_free && stopped.took < Duration::from_secs(60), "{stopped:?}");
    drop(place);
}
