//! Client threads that are added between the warm-up and the measured phase.

use std::time::Duration;

use crate::load::tests::engine::{Behaviour, closed, is_completed, job, limit, run, serve, until};
use crate::load::*;
use crate::schema::traffic::Warmup;
use crate::schema::unit::{Unit, Units};

/// Tokens as fast as they can be written, and 300 requests at once after a warm-up of 70: far more events a second than
/// one thread is to carry.
async fn played(threads: u32, most: u32) -> Played {
    let (url, _) = serve(Behaviour::Stream { tokens: 20, gap: Duration::ZERO }).await;
    let mut job = job(&url, closed());
    limit(&mut job.load, Some(300));
    job.load.until = until(300);
    job.load.warmup = Warmup::Requests(70);
    let units = || Units::repeating(4, true, |k| Some(Unit::single(format!("u{}", k % 4), "hello", 20)));
    (job.units, job.warmup) = (units(), units());
    (job.client_threads, job.most_client_threads) = (threads, most);
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert_eq!((outcomes.count(is_completed), outcomes.warmup().count()), (300, 70));
    outcomes.played
}

#[tokio::test]
async fn threads_that_the_warm_up_calls_for_play_the_measured_phase_and_a_number_that_was_asked_for_stays() {
    let grown = played(1, 3).await;
    let threads = grown.grown.unwrap().threads;
    assert!((2..=3).contains(&threads), "{grown:?}");
    assert_eq!(grown.figures.threads, threads);
    let fixed = played(2, 2).await;
    assert_eq!((fixed.grown, fixed.figures.threads), (None, 2));
}
