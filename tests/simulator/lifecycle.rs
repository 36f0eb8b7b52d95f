//! How the process begins and ends: loading, failing, signals, what is left behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use super::common::{Simulator, completion, request};

fn refused(simulator: &Simulator) -> bool {
    TcpStream::connect(("127.0.0.1", simulator.port)).is_err()
}

#[test]
fn while_loading_three_refuse_and_llamacpp_says_503_everywhere() {
    for engine in ["vllm", "tgi"] {
        assert!(refused(&Simulator::start_loading(engine, &["--never-ready"])), "{engine}");
    }
    let simulator = Simulator::start("llamacpp", &["--never-ready"]);
    for path in ["/health", "/v1/models", "/props"] {
        let answer = simulator.get(path);
        assert_eq!(answer.status(), 503, "{path}");
        assert_eq!(answer.json()["error"]["message"], "Loading model", "{path}");
    }
    assert_eq!(simulator.post("/v1/completions", &completion(1, "")).status(), 503);
}

#[test]
fn sglang_refuses_first_and_is_unhealthy_then() {
    let simulator = Simulator::start_loading("sglang", &["--never-ready"]);
    assert!(refused(&simulator));
    let deadline = std::time::Instant::now() + super::common::PATIENCE;
    while refused(&simulator) {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((simulator.get("/ready").status(), simulator.get("/health").status()), (503, 503));
}

#[test]
fn a_slow_start_ends_in_readiness() {
    for engine in ["vllm", "sglang", "llamacpp", "tgi"] {
        let simulator =
            Simulator::start(engine, &["--start-delay", "300ms", "--ttft", "1ms", "--itl", "1ms"]);
        let health = if engine == "sglang" { "/ready" } else { "/health" };
        let deadline = std::time::Instant::now() + super::common::PATIENCE;
        while simulator.get(health).status() != 200 {
            assert!(std::time::Instant::now() < deadline, "{engine}");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(simulator.post("/v1/completions", &completion(2, "")).is_done(), "{engine}");
    }
}

#[test]
fn sglangs_health_generates_and_takes_a_second_where_ready_does_not() {
    let simulator = Simulator::start("sglang", &[]);
    let begun = std::time::Instant::now();
    assert_eq!(simulator.get("/health").status(), 200);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn it_can_die_while_loading_or_crash_amid_a_request() {
    let mut dying = Simulator::start_loading("vllm", &["--die-loading", "--start-delay", "50ms"]);
    let (code, said) = dying.wait();
    assert_eq!(code, Some(1));
    assert!(said.contains("--die-loading"), "{said}");

    let mut crashing = Simulator::start("vllm", &["--crash-after", "2", "--ttft", "1ms", "--itl", "1ms"]);
    for _ in 0..2 {
        assert!(crashing.post("/v1/completions", &completion(6, "")).is_done());
    }
    let third = crashing.post("/v1/completions", &completion(6, ""));
    assert_eq!(third.texts().len(), 3);
    assert!(!third.is_done());
    assert_eq!(crashing.wait().0, Some(1));
}

#[test]
fn after_so_many_requests_new_connections_are_refused_and_old_ones_live_on() {
    let simulator = Simulator::start("tgi", &["--refuse-after", "1", "--ttft", "50ms", "--itl", "1ms"]);
    let mut old = simulator.connect();
    old.write_all(request("/v1/completions", "", &completion(3, "")).as_bytes()).unwrap();
    let mut some = [0; 32];
    assert!(old.read(&mut some).unwrap() > 0);
    assert!(refused(&simulator));
    old.write_all(request("/v1/completions", "Connection: close\r\n", &completion(3, "")).as_bytes())
        .unwrap();
    let mut all = String::new();
    old.read_to_string(&mut all).unwrap();
    assert_eq!(all.matches("[DONE]").count(), 2);
}

#[test]
fn idle_it_ends_at_once_on_sigterm_with_exit_code_0() {
    for engine in ["vllm", "sglang", "llamacpp", "tgi"] {
        let mut simulator = Simulator::start(engine, &[]);
        // An idle connection does not hold it.
        let _idle = simulator.connect();
        simulator.signal("TERM");
        assert_eq!(simulator.wait().0, Some(0), "{engine}");
        assert!(refused(&simulator), "{engine}");
    }
}

/// A stream that has begun and takes long.
fn long_stream(simulator: &Simulator) -> TcpStream {
    let mut stream = simulator.connect();
    stream.write_all(request("/v1/completions", "", &completion(40, "")).as_bytes()).unwrap();
    let mut some = [0; 16];
    assert!(stream.read(&mut some).unwrap() > 0);
    stream
}

#[test]
fn with_a_stream_open_sglang_and_tgi_finish_it_first() {
    for engine in ["sglang", "tgi"] {
        let mut simulator =
            Simulator::start(engine, &["--ttft", "1ms", "--itl", "10ms", "--output-tokens", "50"]);
        let mut stream = long_stream(&simulator);
        simulator.signal("TERM");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(String::from_utf8_lossy(&rest).contains("[DONE]"), "{engine}");
        assert_eq!(simulator.wait().0, Some(0), "{engine}");
    }
}

#[test]
fn with_a_stream_open_vllm_and_llamacpp_fall_silent_until_the_client_leaves() {
    for engine in ["vllm", "llamacpp"] {
        let mut simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "20ms"]);
        let mut stream = long_stream(&simulator);
        simulator.signal("TERM");
        while !refused(&simulator) {
            std::thread::sleep(Duration::from_millis(2));
        }
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).is_err(), "{engine}: no end comes");
        assert!(simulator.child.try_wait().unwrap().is_none(), "{engine}: it waits");
        drop(stream);
        assert_eq!(simulator.wait().0, Some(0), "{engine}");
    }
}

#[test]
fn a_second_sigterm_ends_llamacpp_at_once() {
    let mut simulator = Simulator::start("llamacpp", &["--ttft", "1ms", "--itl", "20ms"]);
    let _stream = long_stream(&simulator);
    simulator.signal("TERM");
    while !refused(&simulator) {
        std::thread::sleep(Duration::from_millis(2));
    }
    simulator.signal("TERM");
    assert_eq!(simulator.wait().0, Some(1));
}

#[test]
fn told_to_ignore_sigterm_it_serves_on() {
    let simulator = Simulator::start("vllm", &["--ignore-sigterm", "--ttft", "1ms", "--itl", "1ms"]);
    for signal in ["TERM", "INT", "HUP"] {
        simulator.signal(signal);
    }
    assert!(simulator.post("/v1/completions", &completion(3, "")).is_done());
}

#[test]
fn an_orphan_lives_in_a_session_of_its_own_and_outlives_a_kill() {
    let mut simulator = Simulator::start("vllm", &["--orphan", "60s"]);
    let orphan = simulator.orphan.expect("no pid was told");
    // Field 6 of stat is the session: its own pid, not that of the simulator's session.
    let stat = || std::fs::read_to_string(format!("/proc/{orphan}/stat")).unwrap_or_default();
    let session: u32 = stat().split(' ').nth(5).unwrap().parse().unwrap();
    assert_eq!(session, orphan);
    simulator.child.kill().unwrap();
    simulator.child.wait().unwrap();
    assert!(stat().contains("(sleep)"), "it died too: {}", stat());
    assert!(Command::new("kill").arg(orphan.to_string()).status().unwrap().success());
}

#[test]
fn a_taken_port_is_told_with_the_cure() {
    let first = Simulator::start("vllm", &[]);
    let port = first.port.to_string();
    let output =
        Command::new(env!("CARGO_BIN_EXE_harness")).args(["simulate", "--port", &port]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
}

#[test]
fn contradictions_and_wrong_values_are_refused_by_name() {
    for (args, word) in [
        (vec!["--fault", "nope:0.1"], "nope"),
        (vec!["--fault", "cut"], "cut"),
        (vec!["--output-tokens", "many"], "many"),
        (vec!["--jitter", "2"], "--jitter"),
        (vec!["--max-batch", "0"], "--max-batch"),
        (vec!["--prefill-rate", "100", "--ttft", "5ms"], "--ttft"),
        (vec!["--decode-step", "5ms"], "--prefill-rate"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_harness")).arg("simulate").args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(word), "{args:?}: {said}");
    }
}

#[test]
fn uvicorn_closes_an_idle_connection_five_seconds_after_an_answer_and_llamacpp_does_not() {
    for (engine, closes) in [("vllm", true), ("llamacpp", false)] {
        let simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "1ms"]);
        let mut stream = simulator.connect();
        let begun = std::time::Instant::now();
        stream.write_all(request("/v1/completions", "", &completion(2, "")).as_bytes()).unwrap();
        stream
            .set_read_timeout(Some(if closes { super::common::PATIENCE } else { Duration::from_secs(6) }))
            .unwrap();
        let mut all = Vec::new();
        assert_eq!(stream.read_to_end(&mut all).is_ok(), closes, "{engine}");
        assert!(begun.elapsed() >= Duration::from_secs(5), "{engine}");
    }
}
