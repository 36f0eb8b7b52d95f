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
        let summary = RunSummary { served: Some(Box::new(served)), ..summary.clone() };
        (served_caveats(&summary, true), served_caveats(&summary, false))
    };
    let (all, sent) = (client.count, client.count + 2);
    let other = |served: u64| vec![Caveat::OtherRequests { served, sent }];
    assert_eq!(of(sent, 90.0, 0.0).0, [], "with the warm-up's two, which may have been slow");
    assert_eq!(of(all, 51.0, 0.0).0, [], "within what clocks are sure to");
    // A part of a run is not held against it: first tokens in it are of requests that were sent before.
    assert_eq!(of(all, 60.0, 0.0), (other(all), vec![]));
    assert_eq!(of(sent + 1, 40.0, 0.0), (other(sent + 1), vec![]));
    let preempted = vec![Caveat::Preempted { times: 3 }];
    assert_eq!(of(all, 40.0, 3.0), (preempted.clone(), preempted));
}
