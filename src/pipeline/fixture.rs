//! A plan of so many targets, points, rounds and repeats.

use crate::backend::resolve::url_target;
use crate::schema::plan::{LoadPoint, Output, Plan};
use crate::schema::sensing::Sensing;
use crate::schema::traffic::{Ramp, Traffic, Until, Warmup};

/// A plan of servers that already run, though none is there.
pub fn plan(labels: &[&str], points: usize, rounds: u32, repeats: u32) -> Plan {
    let targets = labels.iter().map(|label| url_target(label, None, "http://127.0.0.1:1", "m")).collect();
    let closed = Traffic::Closed { slots: 2.try_into().unwrap(), ramp: Ramp::Automatic };
    let load = LoadPoint {
        warmup: Warmup::Requests(0),
        timeout_s: 60.0,
        ..LoadPoint::of(closed, Until::after_requests(4.try_into().unwrap()))
    };
    Plan {
        run_id: "compare_20260201_143000".to_owned(),
        title: "compare".to_owned(),
        rounds,
        repeats,
        scrape_interval_s: 0.0,
        sensing: Sensing::OFF,
        output: Output::of("results", true),
        ..Plan::of("2026-02-01T14:30:00Z".parse().unwrap(), targets, vec![load; points])
    }
}
