//! A run summed up otherwise than usual: over a part of it, or with another TTFT.
//!
//! A part of a run is the requests that were sent in it, with all of their latency, and the tokens that arrived in it,
//! whosever they are: numerator and denominator of a rate are of one window.

use crate::schema::curves::RunCurves;
use crate::schema::figure::{self, METRICS, Of, RunTotals};
use crate::schema::record::{Outcome, RequestRecord};
use crate::schema::report_settings::TtftOf;
use crate::schema::summary::{MetricValue, RequestCounts, RunSummary};
use crate::schema::unit::Phase;

use super::curves::curves_of_figures;
use super::distribution::Samples;
use super::goodput::{Goodput, judged};
use super::gpu::put_energy_per_token;
use super::percent_of;
use super::summarize::{Finish, Summarizer, SummaryError, SummaryInput};

/// Where events and delivered tokens differ by more than this, %, events do not say when tokens came.
const CHUNKS_DIFFER_PCT: f64 = 1.0;
const SECOND_US: u64 = 1_000_000;

/// A part of a run, µs from the run's start; its end is outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// From here.
    pub from_us: u64,
    /// To here.
    pub to_us: u64,
}

impl Cut {
    fn holds(self, at_us: u64) -> bool {
        (self.from_us..self.to_us).contains(&at_us)
    }

    fn duration_s(self) -> f64 {
        self.to_us.saturating_sub(self.from_us) as f64 / 1e6
    }
}

/// Takes the records of a run.
#[derive(Debug)]
pub struct Otherwise {
    summarizer: Summarizer,
    input: SummaryInput,
    tally: Option<Tally>,
    ttft: TtftOf,
    /// TTFT as it was asked for, where that is not the usual, ms.
    values: Samples,
}

/// What is counted of a part of a run.
#[derive(Debug)]
struct Tally {
    cut: Cut,
    /// Output tokens that arrived in it.
    output: u64,
    /// Prompt tokens of the requests whose first token arrived in it; none where one has no count.
    prompt: Option<u64>,
    /// Requests that completed in it.
    completed: u64,
    by_second: Vec<u64>,
    /// Delivered tokens of completed requests, and those of them that events carry.
    delivered: u64,
    in_events: u64,
}

impl Otherwise {
    /// Starts with no record. Without a cut the whole run counts.
    pub fn new(input: SummaryInput, cut: Option<Cut>, ttft: TtftOf) -> Self {
        Otherwise {
            summarizer: Summarizer::new(input.clone()),
            input,
            tally: cut.map(Tally::new),
            ttft,
            values: Samples::default(),
        }
    }

    /// Adds a record.
    pub fn add(&mut self, record: &RequestRecord) {
        if let Some(tally) = self.tally.as_mut().filter(|_| record.phase == Phase::Measured) {
            tally.add(record);
            let sent_us = record.sent_us.or(record.due_us).unwrap_or(record.ready_us);
            if !tally.cut.holds(sent_us) {
                return;
            }
        }
        self.summarizer.add(record);
        let ttft_ms = ttft_ms(record, self.ttft).filter(|_| record.counts_for_latency());
        ttft_ms.into_iter().for_each(|value| self.values.add(value));
    }

    /// The window that the summary will be of, µs from the run's start; none where nothing ended.
    pub fn window_us(&self) -> Option<(u64, u64)> {
        match &self.tally {
            Some(tally) => Some((tally.cut.from_us, tally.cut.to_us)),
            None => self.summarizer.window_us(),
        }
    }

    /// The summary, and the run's curves. How many requests were issued is not checked where only some of them count.
    ///
    /// # Errors
    /// As [`Summarizer::finish`]'s.
    pub fn finish(self, mut finish: Finish) -> Result<(RunSummary, RunCurves), SummaryError> {
        if self.tally.is_some() {
            finish.issued = None;
        }
        let (mut summary, mut curves) = self.summarizer.finish_with_curves(finish)?;
        if let Some(tally) = &self.tally {
            tally.put(&mut summary, &self.input);
            // Of the part's requests alone it would rise from 0 and fall to 0 within the run.
            (curves.in_flight, curves.queued) = (Vec::new(), Vec::new());
            curves.output_tps = curves_of_figures(&summary, Vec::new()).output_tps;
        }
        if self.ttft != TtftOf::FirstToken {
            let ecdf = put_ttft(&mut summary, &self.input, self.values);
            curves.ecdf.remove(figure::TTFT);
            curves.ecdf.extend(ecdf.map(|ecdf| (figure::TTFT.to_owned(), ecdf)));
            let usual = curves.by_category.iter_mut().chain(&mut curves.by_prompt_tokens);
            usual.for_each(|latency| latency.ttft_ms = None);
        }
        Ok((summary, curves))
    }
}

/// A request's TTFT; none where it lacks a stamp.
fn ttft_ms(record: &RequestRecord, of: TtftOf) -> Option<f64> {
    match of {
        TtftOf::FirstToken => record.ttft_ms(),
        TtftOf::FirstEvent => {
            record.sent_us.and(record.first_event_us).map(|at_us| record.since_sent_ms(at_us))
        }
        TtftOf::FirstAnswerToken => record.first_answer_ms(),
        TtftOf::FromDue => record.ttft_from_due_ms(),
    }
}

/// Puts another TTFT in the place of the usual. Objectives of TTFT are held against it; goodput is left out there, since
/// requests were held against the usual one.
/// Returns its distribution function.
fn put_ttft(summary: &mut RunSummary, input: &SummaryInput, values: Samples) -> Option<Vec<(f64, f64)>> {
    summary.metrics.remove(figure::TTFT);
    let ecdf = values.distribution_and_ecdf().map(|(values, ecdf)| {
        summary.metrics.insert(figure::TTFT.to_owned(), MetricValue::Distribution(values));
        ecdf
    });
    if input.objectives.iter().any(|objective| objective.metric == figure::TTFT) {
        summary.metrics.remove(figure::GOODPUT_RPS);
        summary.metrics.remove(figure::GOODPUT_PCT);
    }
    let before = std::mem::take(&mut summary.objectives);
    summary.objectives = judged(&input.objectives, &Goodput::new(&[]), &summary.metrics);
    // How many requests were above is known of all other objectives still.
    for (now, before) in summary.objectives.iter_mut().zip(before) {
        if now.objective.metric != figure::TTFT {
            (now.above, now.of) = (before.above, before.of);
        }
    }
    ecdf
}

impl Tally {
    fn new(cut: Cut) -> Self {
        let seconds = cut.to_us.saturating_sub(cut.from_us).div_ceil(SECOND_US) as usize;
        Tally {
            cut,
            output: 0,
            prompt: Some(0),
            completed: 0,
            by_second: vec![0; seconds],
            delivered: 0,
            in_events: 0,
        }
    }

    fn add(&mut self, record: &RequestRecord) {
        for chunk in record.chunks.iter().filter(|chunk| self.cut.holds(chunk.at_us)) {
            self.output += u64::from(chunk.tokens);
            let second = (chunk.at_us - self.cut.from_us) / SECOND_US;
            if let Some(held) = self.by_second.get_mut(second as usize) {
                *held += u64::from(chunk.tokens);
            }
        }
        let counts = record.counts();
        if record.first_token_us.is_some_and(|at_us| self.cut.holds(at_us)) {
            self.prompt = self.prompt.zip(counts.prompt).map(|(sum, prompt)| sum + u64::from(prompt));
        }
        if record.outcome == Outcome::Completed {
            self.completed += u64::from(self.cut.holds(record.end_us));
            self.delivered += u64::from(counts.delivered.unwrap_or(counts.in_events));
            self.in_events += u64::from(counts.in_events);
        }
    }

    /// Events say when tokens came.
    fn tells_times(&self) -> bool {
        percent_of(self.delivered.abs_diff(self.in_events), self.delivered) <= CHUNKS_DIFFER_PCT
    }

    /// Puts the rates of the part in the place of those that its requests have from their first to their last.
    fn put(&self, summary: &mut RunSummary, input: &SummaryInput) {
        let good_rps = summary.metrics.get(figure::GOODPUT_RPS).and_then(|value| match value {
            MetricValue::Scalar(rate) => Some(*rate),
            MetricValue::Distribution(_) => None,
        });
        let totals = RunTotals {
            // Those that completed in the part, whenever they were sent; failures are those of the requests sent in it.
            requests: RequestCounts { completed: self.completed, ..summary.requests.clone() },
            prompt_tokens: self.prompt,
            output_tokens: self.tells_times().then_some(self.output),
            window_s: self.cut.duration_s(),
            good: good_rps.map(|rate| (rate * summary.duration_s).round() as u64),
            price_per_hour: input.price_per_hour,
            energy_j: summary.gpu.as_ref().and_then(|gpu| gpu.energy_j),
        };
        for metric in METRICS {
            let Of::Run(of) = metric.of else { continue };
            match of(&totals) {
                Some(value) => summary.metrics.insert(metric.name.to_owned(), MetricValue::Scalar(value)),
                None => summary.metrics.remove(metric.name),
            };
        }
        put_energy_per_token(summary);
        let from = jiff::SignedDuration::from_micros(i64::try_from(self.cut.from_us).unwrap_or(i64::MAX));
        summary.started_at = input.started_at.checked_add(from).unwrap_or(input.started_at);
        summary.duration_s = totals.window_s;
        summary.steady = None;
        summary.output_tokens_by_second = self.by_second.clone();
    }
}
