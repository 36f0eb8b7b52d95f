//! What the workers of a run that several machines played say of the whole.

use crate::schema::caveat::Caveat;
use crate::schema::summary::RunSummary;
use crate::schema::traffic::Traffic;
use crate::schema::workers::WorkerStats;

/// The clocks of workers may be apart by so much of the measured window,
const ERROR_SHARE: f64 = 1e-3;
/// and by so much of a second, in which throughput is counted, µs.
const ERROR_MOST_US: f64 = 10_000.0;
/// A cap that made 1 % of the requests wait for longer has bound, ms.
const WAIT_LEAST_MS: f64 = 1.0;

/// A clock that leaves the line through its last minute by more jumped, ms: quartzes drift, and do not jump.
const STEP_MS: f64 = 1.0;
/// Who answers later stood still, s.
const STANDSTILL_S: f64 = 0.5;

/// Why the clients made the number: the whole's reason, and each worker's: one limited worker limits the run.
pub(super) fn limited(whole: Option<String>, workers: &[WorkerStats]) -> Option<String> {
    let of_worker = |worker: &WorkerStats| {
        let why = worker.client_limited.as_ref()?;
        Some(format!("worker {} ({}): {why}", worker.worker, worker.host))
    };
    let reasons: Vec<String> = whole.into_iter().chain(workers.iter().filter_map(of_worker)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Doubts about clocks that are not known well beside the window, and about a cap that was shared and bound.
pub(super) fn worker_caveats(summary: &RunSummary, traffic: &Traffic) -> Vec<Caveat> {
    // Who sent nothing has no times to be off.
    let sent = summary.workers.iter().filter(|worker| worker.issued > 0);
    let error_us = sent.map(|worker| worker.clock_error_us).fold(0.0, f64::max);
    let most_us = ERROR_MOST_US.min(summary.duration_s * 1e6 * ERROR_SHARE);
    let clocks = (error_us > most_us)
        .then_some(Caveat::ClockError { error_ms: error_us / 1e3, window_s: summary.duration_s });
    let workers = summary.workers.len() as u32;
    let wait_ms = summary.client.slot_wait_ms.as_ref().map_or(0.0, |wait| wait.p99);
    let bound = wait_ms > WAIT_LEAST_MS || summary.client.dropped_sends > 0;
    let cap = match traffic {
        Traffic::Open { cap: Some(cap), .. } if workers > 1 && bound => {
            Some(Caveat::CapSplit { cap: cap.get(), workers, wait_ms })
        }
        Traffic::Open { .. } | Traffic::Closed { .. } => None,
    };
    clocks.into_iter().chain(cap).collect()
}

/// What befell workers: lost ones, clocks that jumped, ones that stood still; each told of the one that it is worst for.
pub(super) fn trouble(summary: &RunSummary) -> Vec<Caveat> {
    let worst = |of: fn(&WorkerStats) -> f64, limit: f64| {
        let largest = summary.workers.iter().max_by(|a, b| of(a).total_cmp(&of(b)));
        largest.filter(|worker| of(worker) > limit).map(|worker| (worker.worker, of(worker)))
    };
    let lost = summary.workers.iter().find_map(|worker| worker.lost.clone());
    // The run says it in full.
    let what = lost.map(|lost| summary.partial.clone().unwrap_or(lost));
    let step = worst(|worker| worker.clock_step_us / 1e3, STEP_MS);
    let still = worst(|worker| worker.silence_s, STANDSTILL_S);
    [
        what.map(|what| Caveat::WorkerLost { what }),
        step.map(|(worker, step_ms)| Caveat::ClockStep { worker, step_ms }),
        still.map(|(worker, seconds)| Caveat::WorkerStill { worker, seconds }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(worker: u32, why: Option<&str>) -> WorkerStats {
        WorkerStats {
            worker,
            host: format!("n{worker}"),
            client_limited: why.map(str::to_owned),
            ..WorkerStats::default()
        }
    }

    #[test]
    fn one_limited_worker_limits_the_run_by_name() {
        assert_eq!(limited(None, &[worker(0, None), worker(1, None)]), None);
        let why = limited(None, &[worker(0, None), worker(1, Some("it was busy"))]);
        assert_eq!(why.unwrap(), "worker 1 (n1): it was busy");
        let both = limited(Some("late".into()), &[worker(2, Some("it was busy"))]);
        assert_eq!(both.unwrap(), "late; worker 2 (n2): it was busy");
    }
}
