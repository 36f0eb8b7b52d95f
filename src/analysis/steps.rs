//! Steps between tokens or events → a [`Distribution`]: counted by their length, since a run has many millions of
//! them and few lengths.

use std::collections::HashMap;

use crate::schema::request_figures::milliseconds;
use crate::schema::summary::Distribution;

use super::distribution::{Moments, StandIn, shape};
use super::ecdf::ecdf;

/// Whole steps up to this, µs, are counted in a table by their length.
const TABLE_US: u64 = 1 << 20;
/// Other lengths that are told apart; with more of them a histogram takes over, so that memory is bounded.
const OTHER_LENGTHS: usize = 1_000_000;

/// Steps of one metric so far. All percentiles are exact as long as there is no stand-in.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    /// Steps by their length in whole µs.
    table: Vec<u64>,
    /// Steps that are longer, or a share of a gap, by the gap, µs, and who shares it.
    other: HashMap<(u64, u32), u64>,
    stand_in: Option<Box<StandIn>>,
    other_lengths: usize,
}

impl Default for Steps {
    fn default() -> Self {
        Steps::exact_up_to(OTHER_LENGTHS)
    }
}

impl Steps {
    fn exact_up_to(other_lengths: usize) -> Self {
        Steps { table: Vec::new(), other: HashMap::new(), stand_in: None, other_lengths }
    }

    /// Adds a gap, µs, that is one step.
    #[inline]
    pub(super) fn add_one(&mut self, gap_us: u64) {
        match self.table.get_mut(gap_us as usize) {
            Some(held) => *held += 1,
            None => self.add_times(gap_us, 1, 1),
        }
    }

    /// Adds a gap, µs, that so many steps share: each of them is gap/k long.
    pub(super) fn add(&mut self, gap_us: u64, steps: u32) {
        match self.table.get_mut(gap_us as usize) {
            Some(held) if steps == 1 => *held += 1,
            Some(_) | None => self.add_times(gap_us, steps, 1),
        }
    }

    /// The same gap so many times.
    fn add_times(&mut self, gap_us: u64, steps: u32, times: u64) {
        if steps == 1 && gap_us < TABLE_US {
            let least = (gap_us as usize + 1).next_power_of_two();
            if self.table.len() < least {
                // Zeros of the system's own cost nothing until they are touched.
                let mut table = vec![0; least];
                table[..self.table.len()].copy_from_slice(&self.table);
                self.table = table;
            }
            if let Some(held) = self.table.get_mut(gap_us as usize) {
                *held += times;
            }
        } else if let Some(stand_in) = &mut self.stand_in {
            stand_in.add(length_ms(gap_us, steps), times * u64::from(steps));
        } else {
            *self.other.entry((gap_us, steps)).or_default() += times;
            if self.other.len() > self.other_lengths {
                self.bound();
            }
        }
    }

    /// Hands what is told apart beyond the table to a histogram.
    fn bound(&mut self) {
        let Some(mut stand_in) = StandIn::new() else { return };
        for ((gap_us, steps), times) in std::mem::take(&mut self.other) {
            stand_in.add(length_ms(gap_us, steps), times * u64::from(steps));
        }
        self.stand_in = Some(Box::new(stand_in));
    }

    /// Adds the steps of another.
    pub(super) fn merge(&mut self, mut other: Steps) {
        if self.table.len() < other.table.len() {
            std::mem::swap(&mut self.table, &mut other.table);
        }
        for (gap_us, more) in lengths(&other.table) {
            if let Some(held) = self.table.get_mut(gap_us as usize) {
                *held += more;
            }
        }
        for ((gap_us, steps), times) in other.other {
            self.add_times(gap_us, steps, times);
        }
        if let Some(more) = other.stand_in {
            if self.stand_in.is_none() {
                self.bound();
            }
            if let Some(stand_in) = &mut self.stand_in {
                stand_in.merge(&more);
            }
        }
    }

    /// The same with some of its steps replaced; none where they are told apart no more.
    pub(super) fn replaced(mut self, gone: &Steps, come: Steps) -> Option<Steps> {
        if self.stand_in.is_some() || gone.stand_in.is_some() {
            return None;
        }
        self.table.iter_mut().zip(&gone.table).for_each(|(held, gone)| *held = held.saturating_sub(*gone));
        for (step, times) in &gone.other {
            if let Some(held) = self.other.get_mut(step) {
                *held = held.saturating_sub(*times);
            }
        }
        self.other.retain(|_, times| *times > 0);
        self.merge(come);
        Some(self)
    }

    /// The distribution, and its function in points; none without a step.
    pub(super) fn distribution_and_ecdf(self) -> Option<(Distribution, Vec<(f64, f64)>)> {
        let whole = lengths(&self.table).map(|(gap_us, times)| (milliseconds(gap_us), times));
        if let Some(mut stand_in) = self.stand_in {
            whole.for_each(|(length_ms, times)| stand_in.add(length_ms, times));
            return stand_in.distribution_and_ecdf();
        }
        let shared = self
            .other
            .iter()
            .map(|((gap_us, steps), times)| (length_ms(*gap_us, *steps), times * u64::from(*steps)));
        let mut counted: Vec<(f64, u64)> = whole.chain(shared).collect();
        // By length alone: equal ones are one value, in whatever order they stand.
        counted.sort_unstable_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        exact(&counted)
    }
}

/// The lengths that a table holds, µs, with how many steps have each. Most of a table is zeros: a block of them is passed
/// over at once.
fn lengths(table: &[u64]) -> impl Iterator<Item = (u64, u64)> + '_ {
    const BLOCK: usize = 256;
    const NOTHING: [u64; BLOCK] = [0; BLOCK];
    let blocks = table.chunks(BLOCK).enumerate().filter(|(_, block)| **block != NOTHING[..block.len()]);
    blocks.flat_map(|(number, block)| {
        let held = block.iter().enumerate().filter(|(_, times)| **times > 0);
        held.map(move |(place, times)| ((number * BLOCK + place) as u64, *times))
    })
}

fn length_ms(gap_us: u64, steps: u32) -> f64 {
    milliseconds(gap_us) / f64::from(steps)
}

/// Of values in order, each with its count.
fn exact(counted: &[(f64, u64)]) -> Option<(Distribution, Vec<(f64, f64)>)> {
    let ((min, _), (max, _)) = (*counted.first()?, *counted.last()?);
    let mut up_to = 0;
    let ranks: Vec<u64> = counted
        .iter()
        .map(|(_, times)| {
            up_to += times;
            up_to
        })
        .collect();
    let sum: f64 = counted.iter().map(|(value, times)| value * *times as f64).sum();
    // Rounding may put the mean of equal values beside them.
    let mean = (sum / up_to as f64).clamp(min, max);
    let squares: f64 = counted.iter().map(|(value, times)| (value - mean).powi(2) * *times as f64).sum();
    let at =
        |rank: u64| counted.get(ranks.partition_point(|up_to| *up_to <= rank)).map_or(max, |held| held.0);
    // A share of one gap may be as long as a share of another.
    let at_or_below = |rank: u64| {
        let value = at(rank);
        let last = counted.partition_point(|held| held.0 <= value).saturating_sub(1);
        (value, ranks.get(last).copied().unwrap_or(up_to))
    };
    let distribution = shape(&Moments::of(up_to, mean, squares), min, max, at, 0.0);
    Some((distribution, ecdf(up_to, at_or_below)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::analysis::Samples;
    use proptest::prelude::*;

    fn of(gaps: &[(u64, u32)], other_lengths: usize) -> Steps {
        let mut steps = Steps::exact_up_to(other_lengths);
        gaps.iter().for_each(|(gap_us, shared)| steps.add(*gap_us, *shared));
        steps
    }

    fn near(left: f64, right: f64, relative: f64) -> bool {
        (left - right).abs() <= relative * left.abs().max(right.abs())
    }

    prop_compose! {
        fn any_gaps()(
            gaps in proptest::collection::vec((prop_oneof![0u64..50, 0u64..3_000_000], 1u32..5), 1..200)
        ) -> Vec<(u64, u32)> { gaps }
    }

    proptest! {
        #[test]
        fn counting_gives_what_all_the_values_in_order_give(gaps in any_gaps()) {
            let mut samples = Samples::default();
            gaps.iter().for_each(|(gap_us, shared)| samples.add_times(length_ms(*gap_us, *shared), u64::from(*shared)));
            let (counted, counted_ecdf) = of(&gaps, usize::MAX).distribution_and_ecdf().unwrap();
            let (listed, listed_ecdf) = samples.distribution_and_ecdf().unwrap();
            prop_assert!(near(counted.mean, listed.mean, 1e-12) && near(counted.std, listed.std, 1e-9));
            prop_assert_eq!(Distribution { mean: listed.mean, std: listed.std, ..counted }, listed);
            prop_assert_eq!(counted_ecdf, listed_ecdf);
        }

        #[test]
        fn parts_add_up_to_the_whole_whether_a_histogram_took_over_or_not(
            gaps in any_gaps(), cut in 0usize..200, limit in prop_oneof![Just(usize::MAX), 0usize..100]
        ) {
            let cut = cut.min(gaps.len());
            let mut parts = of(&gaps[cut..], limit);
            parts.merge(of(&gaps[..cut], limit));
            prop_assert_eq!(parts.distribution_and_ecdf(), of(&gaps, limit).distribution_and_ecdf());
        }

        #[test]
        fn the_histogram_is_within_a_thousandth_of_the_exact_values(gaps in any_gaps()) {
            let (exact, _) = of(&gaps, usize::MAX).distribution_and_ecdf().unwrap();
            let (bounded, _) = of(&gaps, 0).distribution_and_ecdf().unwrap();
            prop_assert!(near(exact.mean, bounded.mean, 1e-6), "{} {}", exact.mean, bounded.mean);
            for (exact, bounded) in [(exact.p50, bounded.p50), (exact.p99, bounded.p99), (exact.max, bounded.max)] {
                prop_assert!(near(exact, bounded, 0.001), "{} {}", exact, bounded);
            }
        }
    }

    #[test]
    fn steps_that_are_replaced_are_as_if_they_had_never_been() {
        let all = of(&[(20_000, 1), (20_000, 1), (40_000, 2), (30_000, 3)], usize::MAX);
        let replaced =
            all.replaced(&of(&[(20_000, 1), (40_000, 2)], usize::MAX), of(&[(7, 1)], usize::MAX)).unwrap();
        let wanted = of(&[(20_000, 1), (30_000, 3), (7, 1)], usize::MAX);
        assert_eq!(replaced.distribution_and_ecdf(), wanted.distribution_and_ecdf());
        assert!(of(&[(40_000, 2)], 0).replaced(&of(&[], 0), of(&[], 0)).is_none(), "a histogram took over");
    }

    #[test]
    fn the_share_of_an_absurd_token_count_costs_no_memory() {
        let (steps, _) = of(&[(1_000, u32::MAX)], OTHER_LENGTHS).distribution_and_ecdf().unwrap();
        assert_eq!((steps.count, steps.relative_error), (u64::from(u32::MAX), 0.0));
    }
}
