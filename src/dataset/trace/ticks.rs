//! The clock of a log, by the times that it wrote: how fine it is, and whether requests sit on its ticks.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::schema::trace::Ticks;
use crate::schema::trace_stats::EvenRun;

/// Fewer arrivals at an instant already taken than this share are chance, or a few batches.
const LEAST_TIED: f64 = 0.1;
/// So many of the gaps between instants must be whole numbers of steps.
const LEAST_REGULAR: f64 = 0.9;
/// A run of equal gaps is told where fewer than one in so many files would have it, if each gap had an even chance to
/// be as long as the one before: of users, whose times were cut to whole seconds, it has less.
const FILES_WITHOUT: f64 = 1_000.0;
/// How far a gap may lie from a whole number of steps: of the gap, and at most of a step.
const OFF_THE_GAP: f64 = 0.02;
const OFF_THE_STEP: f64 = 0.2;

/// What a log's clock is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clock {
    /// Instants at which something came.
    pub(super) instants: u64,
    /// The greatest common step of all times, µs; 0 where there is one instant.
    pub(super) resolution_us: u64,
    /// Requests sit on its ticks.
    pub(super) ticks: Option<Ticks>,
    /// The most requests one after the other with equal gaps, where they are more than chance makes.
    pub(super) even: Option<EvenRun>,
}

/// That of times in order, µs.
pub(super) fn clock(times: &[u64]) -> Clock {
    let mut instants = times.to_vec();
    instants.dedup();
    let first = instants.first().copied().unwrap_or(0);
    let resolution_us = instants.iter().fold(0, |step, at| greatest_common(step, at - first));
    let gaps: Vec<u64> = instants.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let tied = 1.0 - instants.len() as f64 / times.len().max(1) as f64;
    let step_us = if tied >= LEAST_TIED { step(&gaps) } else { None };
    let ticks = step_us.map(|step_us| Ticks {
        step_s: shown_s(step_us),
        instants: instants.len() as u64,
        rows: times.len() as u64,
    });
    let even = even_run(times);
    Clock { instants: instants.len() as u64, resolution_us, ticks, even }
}

/// The longest run of equal gaps between requests.
fn even_run(times: &[u64]) -> Option<EvenRun> {
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let longest = gaps.chunk_by(|a, b| a == b).filter(|run| run[0] > 0).max_by_key(|run| run.len())?;
    let run = EvenRun { gap_s: longest[0] as f64 / 1e6, rows: longest.len() as u64 + 1 };
    (longest.len() as f64 > (FILES_WITHOUT * times.len() as f64).log2()).then_some(run)
}

/// Seconds of a step, to the ms; of a short one to the µs.
fn shown_s(step_us: f64) -> f64 {
    if step_us < 1e5 { step_us.round() / 1e6 } else { (step_us / 1e3).round() / 1e3 }
}

/// The step of which most gaps are whole numbers, µs.
fn step(gaps: &[u64]) -> Option<f64> {
    let least = *gaps.iter().min()? as f64;
    let steps = |gap: f64, step: f64| (gap / step).round().max(1.0);
    // The least gap may be a little short: the mean of all is nearer.
    let total: f64 = gaps.iter().map(|gap| steps(*gap as f64, least)).sum();
    let step = gaps.iter().sum::<u64>() as f64 / total;
    let is_regular = |gap: &&u64| {
        let gap = **gap as f64;
        (gap - steps(gap, step) * step).abs() <= (OFF_THE_GAP * gap).min(OFF_THE_STEP * step)
    };
    let regular = gaps.iter().filter(is_regular).count() as f64;
    (regular >= LEAST_REGULAR * gaps.len() as f64).then_some(step)
}

fn greatest_common(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Spreads the requests of each instant over the step that follows it, or up to the next instant, at random from the
/// seed: of users who are independent, all that a tick tells is how many came in it, and then their times are
/// uniform in it and independent. (Spread evenly they would be more regular than any users.) Times are in order
/// before and after, µs.
pub(super) fn spread(times: &mut [u64], step_us: u64, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut from = 0;
    while let Some(at) = times.get(from).copied() {
        let until = from + times[from..].partition_point(|other| *other == at);
        let width = times.get(until).map_or(step_us, |next| step_us.min(next - at)).max(1);
        for time in &mut times[from..until] {
            *time = at.saturating_add(random.random_range(0..width));
        }
        times[from..until].sort_unstable();
        from = until;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_ticks_is_told_from_users_and_from_batches() {
        let ticking: Vec<u64> =
            (0..50u64).flat_map(|tick| vec![tick * 3_000_000 + (tick % 7) * 1_000; 5]).collect();
        let ticks = clock(&ticking).ticks.unwrap();
        assert_eq!((ticks.step_s, ticks.instants, ticks.rows), (3.0, 50, 250));
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut users: Vec<u64> = (0..250).map(|_| random.random_range(0..150_000_000)).collect();
        users.sort_unstable();
        assert_eq!(clock(&users).ticks, None);
        let batches: Vec<u64> = users.iter().step_by(5).flat_map(|at| [*at; 5]).collect();
        assert_eq!(clock(&batches).ticks, None);
        let seconds: Vec<u64> = users.iter().map(|at| at / 1_000_000 * 1_000_000).collect();
        let told = clock(&seconds);
        assert_eq!((told.ticks.unwrap().step_s, told.resolution_us), (1.0, 1_000_000));
    }

    #[test]
    fn rows_that_come_evenly_are_told_also_where_they_are_a_part_of_the_file() {
        let even = |times: &[u64]| clock(times).even.map(|run| (run.gap_s, run.rows));
        let seconds: Vec<u64> = (0..30).map(|row| row * 1_000_000).collect();
        assert_eq!(even(&seconds), Some((1.0, 30)));
        let then = (1..=20).map(|row| 9_000_000 + row * 3_000_000);
        let then: Vec<u64> = [0, 700_000, 5_000_000].into_iter().chain(then).collect();
        assert_eq!(even(&then), Some((3.0, 20)));
        assert_eq!(even(&seconds[..11]), None);
        assert_eq!(even(&[5; 40]), None, "at one instant");
        assert_eq!((clock(&[5]).resolution_us, clock(&[]).instants), (0, 0));
    }

    #[test]
    fn spread_requests_stay_within_their_tick_and_in_order() {
        let ticking: Vec<u64> = (0..200u64).flat_map(|tick| vec![tick * 1_000; 7]).collect();
        let mut times = ticking.clone();
        spread(&mut times, 900, 7);
        assert!(times.is_sorted());
        assert!(times.iter().zip(&ticking).all(|(time, tick)| (*tick..tick + 900).contains(time)));
        let mut again = ticking.clone();
        spread(&mut again, 900, 7);
        assert_eq!(times, again, "one seed, one spread");
        spread(&mut again, 900, 8);
        assert_ne!(times, again);
    }
}
