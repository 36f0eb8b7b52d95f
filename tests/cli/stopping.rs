//! Engines that do not want to end: after the run nothing of them lives and the port is free.

use super::common::*;

/// Processes that the engine wrote down, with the word before them.
fn children(place: &Place, kind: &str) -> Vec<u32> {
    let text = place.read("pids");
    let pids = text.lines().filter_map(|line| line.strip_prefix(kind)?.trim().parse().ok());
    pids.collect()
}

fn stopped_although(options: &str, kind: Option<&str>) {
    let place = Place::new();
    let options = format!("a={options} --pid-file {}", place.text("pids"));
    let mut running = place.start_compare(TWO, &[&QUICK[..], &["--extra-args", &options, "-v"]].concat());
    if let Some(kind) = kind {
        running.wait_for(kind, || place.path("pids").exists() && !children(&place, kind).is_empty());
        let pid = children(&place, kind)[0];
        assert!(place.processes().contains(&pid), "the look at processes sees the {kind}");
    }
    running.wait_for_stderr("b: starting");
    // The next backend starts only when the last is gone.
    let is_of_a = |pid: &u32| *pid != running.pid() && command_line(*pid).contains("--pid-file");
    let of_a: Vec<_> = place.processes().into_iter().filter(is_of_a).collect();
    assert!(of_a.is_empty(), "{of_a:?}");
    let ran = running.wait().expect(0);
    let how = if kind.is_none() { "a: killed in" } else { "a: stopped in" };
    ran.says(&[how]);
    for label in ["a", "b"] {
        assert_eq!(place.run_json(label)["summary"]["requests"]["completed"], 12);
        place.assert_gone(label);
    }
}

#[test]
fn an_engine_that_ignores_sigterm_is_killed_after_its_grace() {
    stopped_although("--ignore-sigterm", None);
}

#[test]
fn a_grandchild_in_a_session_of_its_own_is_ended_too() {
    stopped_although("--orphan-child", Some("orphan"));
}

#[test]
fn a_child_that_holds_the_port_is_ended_too() {
    stopped_although("--hold-port", Some("holder"));
}
