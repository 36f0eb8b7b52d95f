//! What the program writes is what docs/metrics.md explains.

use harness::schema::metric::METRICS;
use harness::schema::record::FailureKind;

#[test]
fn every_metric_and_every_kind_of_failure_is_explained() {
    let text = include_str!("../docs/metrics.md");
    for name in METRICS.iter().map(|metric| metric.name).chain(FailureKind::ALL.map(FailureKind::name)) {
        assert!(text.contains(&format!("`{name}`")), "docs/metrics.md does not explain `{name}`");
    }
}
