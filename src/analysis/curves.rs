//! Curves of a run, gathered one record at a time: a few additions a request, none a chunk. What has to look at
//! every chunk (tokens over time, the distribution of gaps) comes from what the figures gather anyway.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::schema::curves::{CURVE_POINTS, LatencyOf, RunCurves};
use crate::schema::figure;
use crate::schema::record::RequestRecord;
use crate::schema::summary::RunSummary;
use crate::schema::token_counts::Counts;

use super::curve_points::{Binned, rounded};
use super::distribution::Samples;
use super::presence::Presence;
use super::side_by_side::side_by_side;
use super::window::Whole;

/// Latencies that a category or a length of prompts keeps exactly.
const EXACT_LATENCIES: usize = 10_000;
/// A dataset with more categories than this has none that could be shown.
const MOST_CATEGORIES: usize = 64;
const SECOND_US: u64 = 1_000_000;
/// Blocks of the sequence while it is gathered.
const MOST_BLOCKS: u64 = 4_096;

/// What is gathered of the measured requests.
#[derive(Debug, Default)]
pub(super) struct Curves {
    in_flight: Presence,
    queued: Presence,
    waited: bool,
    speeds: Speeds,
    by_category: BTreeMap<Arc<str>, Latencies>,
    /// By the exponent of the power of two that the prompt's tokens do not exceed.
    by_prompt_tokens: BTreeMap<u32, Latencies>,
}

impl Curves {
    /// Adds a measured request, however it ended.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        if let Some(sent_us) = record.sent_us {
            self.in_flight.add(sent_us, record.end_us);
        }
        if let Some(due_us) = record.due_us {
            let until_us = record.sent_us.unwrap_or(record.end_us);
            self.waited |= until_us > due_us;
            self.queued.add(due_us, until_us);
        }
    }

    /// Adds a completed one, its counts being at hand.
    pub(super) fn add_completed(&mut self, record: &RequestRecord, counts: &Counts) {
        if let (Some(tokens), Some(e2e_us)) = (counts.delivered, record.e2e_us()) {
            self.speeds.add(record.index, u64::from(tokens), e2e_us);
        }
        if let Some(tokens) = counts.prompt {
            let exponent = tokens.saturating_sub(1).checked_ilog2().map_or(0, |below| below + 1);
            self.by_prompt_tokens.entry(exponent).or_default().add(record);
        }
        if let Some(known) = self.by_category.get_mut(&record.category) {
            known.add(record);
        } else if self.by_category.len() <= MOST_CATEGORIES {
            self.by_category.entry(record.category.clone()).or_default().add(record);
        }
    }

    /// Adds what another part of the run gathered.
    pub(super) fn merge(&mut self, other: Curves) {
        self.in_flight.merge(other.in_flight);
        self.queued.merge(other.queued);
        self.waited |= other.waited;
        self.speeds.merge(other.speeds);
        for (category, latencies) in other.by_category {
            self.by_category.entry(category).or_default().merge(latencies);
        }
        for (exponent, latencies) in other.by_prompt_tokens {
            self.by_prompt_tokens.entry(exponent).or_default().merge(latencies);
        }
    }

    /// The curves between the ends of the run; `arrivals` are output tokens over time, `ecdf` the distribution
    /// functions.
    pub(super) fn finish(
        self,
        whole: Option<Whole>,
        arrivals: Binned<'_, u32>,
        ecdf: BTreeMap<String, Vec<(f64, f64)>>,
    ) -> RunCurves {
        let Some(Whole { from_us, to_us }) = whole else { return RunCurves::default() };
        let present = |of: &Presence| {
            Binned { width_us: of.width_us(), amounts: &of.bins() }.means(from_us, to_us, 1.0)
        };
        RunCurves {
            from_s: from_us as f64 / 1e6,
            ecdf,
            output_tps: arrivals.means(from_us, to_us, 1e6),
            output_tps_by_request: self.speeds.points(),
            in_flight: present(&self.in_flight),
            queued: if self.waited { present(&self.queued) } else { Vec::new() },
            by_category: by_category(self.by_category),
            by_prompt_tokens: side_by_side(
                self.by_prompt_tokens.into_iter().collect(),
                |(exponent, latencies)| latencies.finish(prompt_tokens_words(exponent)),
            ),
        }
    }
}

/// What curves can be made of a run without records, by its figures and the TTFT of its requests, ms.
pub fn curves_of_figures(summary: &RunSummary, ttft_ms: Vec<f64>) -> RunCurves {
    let mut samples = Samples::default();
    ttft_ms.into_iter().for_each(|value| samples.add(value));
    let ecdf = samples.distribution_and_ecdf().map(|(_, ecdf)| (figure::TTFT.to_owned(), ecdf));
    // The last second is cut short.
    let whole = summary.output_tokens_by_second.split_last().map_or(&[][..], |(_, whole)| whole);
    let arrivals = Binned { width_us: SECOND_US, amounts: whole };
    RunCurves {
        ecdf: ecdf.into_iter().collect(),
        output_tps: arrivals.means(0, whole.len() as u64 * SECOND_US, 1e6),
        ..RunCurves::default()
    }
}

fn by_category(gathered: BTreeMap<Arc<str>, Latencies>) -> Vec<LatencyOf> {
    let named = gathered.keys().any(|name| !name.is_empty());
    if !named || gathered.len() > MOST_CATEGORIES {
        return Vec::new();
    }
    let name = |name: Arc<str>| if name.is_empty() { "(none)".to_owned() } else { name.as_ref().to_owned() };
    side_by_side(gathered.into_iter().collect(), |(category, latencies)| latencies.finish(name(category)))
}

/// `129 to 256`
fn prompt_tokens_words(exponent: u32) -> String {
    let most = 1_u64 << exponent;
    if most <= 2 { most.to_string() } else { format!("{} to {most}", most / 2 + 1) }
}

/// TTFT and E2E of some requests.
#[derive(Debug)]
struct Latencies {
    ttft_ms: Samples,
    e2e_ms: Samples,
}

impl Default for Latencies {
    fn default() -> Self {
        let samples = || Samples::exact_up_to(EXACT_LATENCIES);
        Latencies { ttft_ms: samples(), e2e_ms: samples() }
    }
}

impl Latencies {
    fn add(&mut self, record: &RequestRecord) {
        record.ttft_ms().into_iter().for_each(|value| self.ttft_ms.add(value));
        record.e2e_ms().into_iter().for_each(|value| self.e2e_ms.add(value));
    }

    fn merge(&mut self, other: Latencies) {
        self.ttft_ms.merge(other.ttft_ms);
        self.e2e_ms.merge(other.e2e_ms);
    }

    fn finish(self, name: String) -> LatencyOf {
        LatencyOf { name, ttft_ms: self.ttft_ms.distribution(), e2e_ms: self.e2e_ms.distribution() }
    }
}

/// Output tokens and the time they took, by blocks of requests in the order of sending.
#[derive(Debug)]
struct Speeds {
    /// Requests a block; it doubles.
    width: u64,
    /// Tokens, and µs of E2E.
    blocks: Vec<(u64, u64)>,
}

impl Default for Speeds {
    fn default() -> Self {
        Speeds { width: 1, blocks: Vec::new() }
    }
}

impl Speeds {
    fn add(&mut self, index: u64, tokens: u64, e2e_us: u64) {
        while index / self.width >= MOST_BLOCKS {
            self.widen();
        }
        let block = (index / self.width) as usize;
        if block >= self.blocks.len() {
            self.blocks.resize(block + 1, (0, 0));
        }
        if let Some(held) = self.blocks.get_mut(block) {
            *held = (held.0 + tokens, held.1 + e2e_us);
        }
    }

    fn merge(&mut self, mut other: Speeds) {
        while self.width < other.width {
            self.widen();
        }
        while other.width < self.width {
            other.widen();
        }
        if self.blocks.len() < other.blocks.len() {
            self.blocks.resize(other.blocks.len(), (0, 0));
        }
        let more = other.blocks.into_iter();
        self.blocks.iter_mut().zip(more).for_each(|(held, more)| *held = (held.0 + more.0, held.1 + more.1));
    }

    fn widen(&mut self) {
        self.width *= 2;
        let sum = |pair: &[(u64, u64)]| pair.iter().fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
        self.blocks = self.blocks.chunks(2).map(sum).collect();
    }

    /// Each block at its middle; a block without a completed request has no point.
    fn points(mut self) -> Vec<(f64, f64)> {
        while self.blocks.len() > CURVE_POINTS {
            self.widen();
        }
        let point = |(block, (tokens, e2e_us)): (usize, &(u64, u64))| {
            let middle = block as f64 * self.width as f64 + (self.width as f64 + 1.0) / 2.0;
            (*e2e_us > 0).then(|| (middle, rounded(*tokens as f64 * 1e6 / *e2e_us as f64)))
        };
        self.blocks.iter().enumerate().filter_map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Latencies {
        let mut latencies = Latencies::default();
        values.iter().for_each(|value| latencies.ttft_ms.add(*value));
        latencies
    }

    #[test]
    fn latencies_of_parts_are_those_of_the_whole_where_a_histogram_took_over_in_one_or_in_none_of_them() {
        let values: Vec<f64> = (0..3 * EXACT_LATENCIES / 2).map(|number| (number % 977) as f64).collect();
        let whole = of(&values).finish("all".to_owned());
        assert!(whole.ttft_ms.as_ref().is_some_and(|ttft| ttft.relative_error > 0.0));
        for cut in [0, 1, EXACT_LATENCIES / 2, EXACT_LATENCIES - 1, EXACT_LATENCIES + 1, values.len()] {
            let mut parts = of(&values[cut..]);
            parts.merge(of(&values[..cut]));
            assert_eq!(parts.finish("all".to_owned()), whole, "cut at {cut}");
        }
    }

    #[test]
    fn categories_that_are_few_in_each_part_may_be_too_many_in_all() {
        let part = |categories: std::ops::Range<usize>| {
            let by_category = categories.map(|number| (number.to_string().into(), of(&[1.0])));
            Curves { by_category: by_category.collect(), ..Curves::default() }
        };
        let mut curves = part(0..40);
        curves.merge(part(30..MOST_CATEGORIES));
        assert_eq!(by_category(std::mem::take(&mut curves.by_category)).len(), MOST_CATEGORIES);
        curves.merge(part(0..40));
        curves.merge(part(30..MOST_CATEGORIES + 1));
        assert!(by_category(curves.by_category).is_empty());
    }
}
