//! What the program writes is what docs/metrics.md explains.
#![allow(clippy::unwrap_used)]

use harness::schema::client_figures::CLIENT;
use harness::schema::figure::METRICS;
use harness::schema::machine::MACHINE;
use harness::schema::record::FailureKind;
use harness::schema::series;
use harness::schema::summary::{ClientStats, Distribution};

#[test]
fn every_metric_and_every_kind_of_failure_is_explained() {
    let text = include_str!("../docs/metrics.md");
    for name in METRICS.iter().map(|metric| metric.name).chain(FailureKind::ALL.map(FailureKind::name)) {
        assert!(text.contains(&format!("`{name}`")), "docs/metrics.md does not explain `{name}`");
    }
}

#[test]
fn every_figure_of_the_client_and_every_doubt_that_it_raises_is_explained() {
    let text = include_str!("../docs/metrics.md");
    let client = ClientStats {
        client_limited: Some(String::new()),
        achieved_rate: Some(1.0),
        slot_wait_ms: Some(nothing()),
        send_delay_ms: Some(nothing()),
        reader_lag_ms: Some(nothing()),
        connect_ms: Some(nothing()),
        ..ClientStats::default()
    };
    let block = serde_json::to_value(client).unwrap();
    for name in block.as_object().unwrap().keys() {
        assert!(
            text.contains(&format!("`client.{name}`")),
            "docs/metrics.md does not explain `client.{name}`"
        );
    }
    for name in CLIENT.iter().map(|figure| figure.name).chain(MACHINE.iter().map(|figure| figure.name)) {
        let explained = text.contains(&format!("`client.{name}`")) || text.contains(&format!("`{name}`"));
        assert!(explained, "docs/metrics.md does not explain the column `{name}`");
    }
    for code in [
        "client_limited",
        "merged_events",
        "read_stamps",
        "worker_lost",
        "clock_step",
        "worker_still",
        "beyond_calibration",
        "drift",
        "first_round_differs",
        "others_busy",
        "cpu_stolen",
        "swapping",
        "cpu_quota_reached",
        "memory_nearly_full",
        "cpu_clock",
    ] {
        assert!(text.contains(&format!("`{code}`")), "docs/metrics.md does not explain `{code}`");
    }
}

#[test]
fn every_series_that_is_sensed_is_explained() {
    let text = include_str!("../docs/metrics.md");
    for series in series::all() {
        assert!(
            text.contains(&format!("`{}`", series.name)),
            "docs/metrics.md does not explain {}",
            series.name
        );
    }
}

fn nothing() -> Distribution {
    serde_json::from_value(serde_json::json!({
        "count": 0, "mean": 0.0, "std": 0.0, "min": 0.0, "p50": 0.0, "p75": 0.0, "p90": 0.0, "p95": 0.0,
        "p99": 0.0, "max": 0.0
    }))
    .unwrap()
}
