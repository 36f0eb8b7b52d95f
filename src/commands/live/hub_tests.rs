use std::collections::BTreeSet;

use super::*;
use crate::backend::launch::LaunchEvent;
use crate::backend::resolve::url_target;
use crate::pipeline::{Failure, Reach, visits};
use crate::schema::live::LiveCounters;
use crate::schema::traffic::{Ramp, Traffic, Until};

fn environment() -> Environment {
    serde_json::from_value(serde_json::json!({
        "taken_at": "2026-02-01T14:30:00Z", "harness_version": "1.2", "os": "Linux", "hostname": "here",
        "cpu": "some", "cores": 1, "memory_bytes": 1, "open_files": [1, 1],
        "gpus": []
    }))
    .unwrap()
}

fn plan(labels: &[&str], rounds: u32, repeats: u32) -> Plan {
    let target = |label: &&str| url_target(label, None, "http://127.0.0.1:1", "m");
    let closed = Traffic::Closed { slots: 4.try_into().unwrap(), ramp: Ramp::Automatic };
    let load = LoadPoint::of(closed, Until::after_requests(4.try_into().unwrap()));
    let at = "2026-02-01T14:30:00Z".parse().unwrap();
    Plan { rounds, repeats, ..Plan::of(at, labels.iter().map(target).collect(), vec![load]) }
}

fn planned(plan: &Plan) -> Hub {
    let hub = Hub::new(&environment());
    hub.event(&Event::Planned { plan, visits: &visits(plan, &BTreeSet::new()) });
    hub
}

fn load(hub: &Hub, plan: &Plan, label: &str, (round, repeat): (u32, u32)) -> Arc<LiveCounters> {
    let live = Arc::new(LiveCounters::default());
    let key = RunKey { label: label.to_owned(), point: 1, round, repeat };
    let figures = LiveFigures::new(live.clone());
    hub.event(&Event::Loading { key: &key, load: &plan.loads[0], live: live.clone(), figures });
    live
}

fn states(hub: &Hub) -> Vec<&'static str> {
    hub.page().backends.iter().map(|backend| backend.state.name()).collect()
}

#[test]
fn a_backend_is_followed_from_its_turn_to_its_end() {
    let plan = plan(&["a", "b"], 2, 1);
    let hub = planned(&plan);
    let label = "a";
    assert_eq!(states(&hub), ["waiting", "waiting"]);
    hub.event(&Event::Launching { label, event: LaunchEvent::Probing });
    assert_eq!(states(&hub), ["launching", "waiting"]);
    hub.event(&Event::Ready { label, after: std::time::Duration::ZERO, command: &[] });
    assert_eq!(states(&hub), ["ready", "waiting"]);
    load(&hub, &plan, label, (1, 1));
    assert_eq!(states(&hub), ["loading", "waiting"]);
    hub.event(&Event::Loaded);
    assert_eq!(states(&hub), ["ready", "waiting"]);
    hub.state().closed(label);
    hub.event(&Event::Stopped { label, graceful: true, took: std::time::Duration::ZERO });
    assert_eq!(states(&hub), ["waiting", "waiting"], "of two rounds one is over");
    hub.state().failed("b");
    hub.event(&Event::Stopped { label: "b", graceful: true, took: std::time::Duration::ZERO });
    load(&hub, &plan, label, (2, 1));
    hub.event(&Event::Loaded);
    hub.state().closed(label);
    assert_eq!(states(&hub), ["done", "failed"]);
    let page = hub.page();
    assert_eq!((page.backends[0].closed, page.backends[1].failed), (2, 1));
    assert_eq!(page.version, "1.2");
}

#[test]
fn what_a_stop_leaves_unmeasured_waits_on_and_a_launch_that_failed_and_went_well_later_is_done() {
    let plan = plan(&["a", "b", "c", "d"], 1, 1);
    let hub = planned(&plan);
    let not_all = |label: &str| FailedTarget {
        label: label.to_owned(),
        round: 1,
        error: "not measured: the run ended before its turn".to_owned(),
        hint: String::new(),
    };
    hub.state().closed("a");
    hub.state().failed("b");
    hub.event(&Event::Launching { label: "b", event: LaunchEvent::Probing });
    hub.event(&Event::Launching { label: "c", event: LaunchEvent::Probing });
    let failure = Failure { reach: Reach::Interrupted, ..Failure::of_target("interrupted".to_owned()) };
    hub.event(&Event::Failed { label: "c", failure: &failure });
    hub.state().ended(&[not_all("b"), not_all("c"), not_all("d")]);
    assert_eq!(states(&hub), ["done", "done", "waiting", "waiting"]);
    assert_eq!(hub.page().backends.iter().map(|backend| backend.failed).collect::<Vec<_>>(), [0, 1, 0, 0]);
}

#[test]
fn repeats_of_a_load_are_added_up_and_rounds_are_not() {
    let plan = plan(&["a"], 2, 2);
    let hub = planned(&plan);
    for place in [(1, 1), (1, 2), (2, 1)] {
        let live = load(&hub, &plan, "a", place);
        LiveCounters::add(&live.issued, 10);
        LiveCounters::add(&live.in_flight, 1);
        hub.event(&Event::Loaded);
    }
    let page = hub.page();
    let runs: Vec<_> = page
        .runs
        .iter()
        .map(|run| (run.round, run.known.counts.issued, run.known.counts.in_flight))
        .collect();
    assert_eq!(runs, [(1, 20, 1), (2, 10, 1)]);
    assert!(page.runs.iter().all(|run| !run.loading && run.known.latencies.is_some()));
}

#[test]
fn a_page_shows_the_newest_loads_only() {
    let plan = plan(&["a"], 30, 1);
    let hub = planned(&plan);
    for round in 1..=30 {
        load(&hub, &plan, "a", (round, 1));
    }
    let rounds: Vec<u32> = hub.page().runs.iter().map(|run| run.round).collect();
    assert_eq!(rounds, (23..=30).collect::<Vec<_>>());
}
