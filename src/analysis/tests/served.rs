//! Doubts that a server's own figures raise.

use std::collections::BTreeMap;

use super::comparing::run;
use super::*;
use crate::analysis::served_caveats;
use crate::schema::caveat::Caveat;
use crate::schema::served::{ServedSummary, ServedTime, ServerTime};

#[test]
fn preemptions_and_other_peoples_requests_are_doubts() {
    let mut summary = run("a", 50, 8);
    let client = distribution(&summary, "ttft_ms").clone();
    assert_eq!(client.mean, 50.0);
    (summary.requests.issued, summary.warmup.issued) = (client.count, 2);
    summary.requests.completed = client.count;
    let of = |count: u64, mean_ms: f64, preemptions: f64| {
        let time = ServedTime { count, mean_ms: Some(mean_ms), ..ServedTime::default() };
        let served = ServedSummary {
            times: BTreeMap::from([(ServerTime::Ttft, time)]),
            preemptions: Some(preemptions),
            ..ServedSummary::default()
        };
        served_caveats(&RunSummary { served: Some(Box::new(served)), ..summary.clone() })
    };
    let (all, sent) = (client.count, client.count + 2);
    assert_eq!(of(sent, 90.0, 0.0), [], "with the warm-up's two, which may have been slow");
    assert_eq!(of(all, 51.0, 0.0), [], "within what clocks are sure to");
    assert_eq!(of(all, 60.0, 0.0), [Caveat::OtherRequests { served: all, sent }]);
    assert_eq!(of(sent + 1, 40.0, 0.0), [Caveat::OtherRequests { served: sent + 1, sent }]);
    assert_eq!(of(all, 40.0, 3.0), [Caveat::Preempted { times: 3 }]);
}
