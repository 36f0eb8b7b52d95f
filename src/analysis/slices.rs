//! Figures of parts of a run: by turn, by model, by endpoint. Gathered only where a run has several of a kind.

use std::collections::BTreeMap;

use crate::schema::conversations::TrafficSplit;
use crate::schema::plan::Plan;
use crate::schema::record::RequestRecord;
use crate::schema::request_figures::Figured;
use crate::schema::seeds::Seeds;
use crate::schema::slice::{Slice, SliceBy};
use crate::schema::summary::RequestCounts;

use super::counts::{add_counts, count};
use super::distribution::Samples;

/// Latencies that a part keeps exactly.
const EXACT_LATENCIES: usize = 10_000;
/// Turns that are told apart; those behind are together.
const MOST_TURNS: u32 = 32;

/// How a run is cut into parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slicing {
    /// By turn: some unit has several.
    pub turns: bool,
    /// By model.
    pub split: Option<TrafficSplit>,
    /// What the models were dealt by.
    pub seeds: Seeds,
    /// By endpoint: the URLs in turn, several of them.
    pub endpoints: Vec<String>,
}

impl Slicing {
    /// As a plan asks for it of one of its targets.
    pub fn of(plan: &Plan, label: &str) -> Slicing {
        let target = plan.targets.iter().find(|target| target.label == label);
        Slicing {
            turns: plan.conversations.several_turns,
            split: plan.split.clone(),
            seeds: plan.seeds,
            endpoints: target
                .map(|target| target.endpoints())
                .filter(|all| all.len() > 1)
                .unwrap_or_default(),
        }
    }

    /// The parts that a request belongs to, each by its place.
    fn places(&self, record: &RequestRecord) -> impl Iterator<Item = (SliceBy, u32)> + use<> {
        let turn = self.turns.then(|| (SliceBy::Turn, record.turn.min(MOST_TURNS)));
        let model = self.split.as_ref().map(|split| split.place(self.seeds, record.unit) as u32);
        let endpoints = self.endpoints.len() as u64;
        let endpoint = (endpoints > 1).then(|| (SliceBy::Endpoint, (record.unit % endpoints.max(1)) as u32));
        [turn, model.map(|place| (SliceBy::Model, place)), endpoint].into_iter().flatten()
    }

    fn name(&self, by: SliceBy, place: u32) -> String {
        let named = |name: Option<&str>| name.unwrap_or_default().to_owned();
        match by {
            SliceBy::Turn if place >= MOST_TURNS => format!("{} and on", MOST_TURNS + 1),
            SliceBy::Turn => (place + 1).to_string(),
            SliceBy::Model => {
                let models = self.split.as_ref().map(|split| split.models.as_slice()).unwrap_or_default();
                named(models.get(place as usize).map(|model| model.model.as_str()))
            }
            SliceBy::Endpoint => named(self.endpoints.get(place as usize).map(String::as_str)),
        }
    }
}

/// What is gathered of each part.
#[derive(Debug, Default)]
pub(super) struct Slices {
    slicing: Slicing,
    parts: BTreeMap<(SliceBy, u32), Part>,
}

#[derive(Debug)]
struct Part {
    requests: RequestCounts,
    prompt_tokens: u64,
    output_tokens: u64,
    /// Tokens of history, and the prompt tokens of the requests that say how much of them it is.
    history: (u64, u64),
    ttft_ms: Samples,
    tpot_ms: Samples,
    e2e_ms: Samples,
}

impl Default for Part {
    fn default() -> Self {
        let samples = || Samples::exact_up_to(EXACT_LATENCIES);
        Part {
            requests: RequestCounts::default(),
            prompt_tokens: 0,
            output_tokens: 0,
            history: (0, 0),
            ttft_ms: samples(),
            tpot_ms: samples(),
            e2e_ms: samples(),
        }
    }
}

impl Slices {
    pub(super) fn new(slicing: Slicing) -> Slices {
        Slices { slicing, parts: BTreeMap::new() }
    }

    /// Adds a measured request, however it ended.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        for place in self.slicing.places(record) {
            count(&mut self.parts.entry(place).or_default().requests, &record.outcome);
        }
    }

    /// Adds a completed one.
    pub(super) fn add_completed(&mut self, request: &Figured<'_>) {
        for place in self.slicing.places(request.record) {
            self.parts.entry(place).or_default().add(request);
        }
    }

    pub(super) fn merge(&mut self, other: Slices) {
        for (place, part) in other.parts {
            self.parts.entry(place).or_default().merge(part);
        }
    }

    /// The parts in order; the run's length is in seconds.
    pub(super) fn finish(self, window_s: f64, pace_is_known: bool) -> Vec<Slice> {
        let slicing = self.slicing;
        let rate = |count: u64| if window_s > 0.0 { count as f64 / window_s } else { 0.0 };
        let slice = |((by, place), part): ((SliceBy, u32), Part)| Slice {
            by,
            name: slicing.name(by, place),
            output_tps: rate(part.output_tokens),
            rps: rate(part.requests.completed),
            history_pct: (part.history.1 > 0).then(|| 100.0 * part.history.0 as f64 / part.history.1 as f64),
            requests: part.requests,
            prompt_tokens: part.prompt_tokens,
            output_tokens: part.output_tokens,
            ttft_ms: part.ttft_ms.distribution(),
            tpot_ms: part.tpot_ms.distribution().filter(|_| pace_is_known),
            e2e_ms: part.e2e_ms.distribution(),
        };
        self.parts.into_iter().map(slice).collect()
    }
}

impl Part {
    fn add(&mut self, request: &Figured<'_>) {
        let record = request.record;
        let prompt = request.counts.prompt.map(u64::from);
        self.prompt_tokens += prompt.unwrap_or(0);
        self.output_tokens += u64::from(request.counts.output.unwrap_or(0));
        if let (Some(history), Some(prompt)) = (record.history_tokens, prompt) {
            // A template may leave something of an answer out, such as its reasoning.
            self.history = (self.history.0 + u64::from(history).min(prompt), self.history.1 + prompt);
        }
        record.ttft_ms().into_iter().for_each(|value| self.ttft_ms.add(value));
        request.pace.tpot_ms().into_iter().for_each(|value| self.tpot_ms.add(value));
        record.e2e_ms().into_iter().for_each(|value| self.e2e_ms.add(value));
    }

    fn merge(&mut self, other: Part) {
        add_counts(&mut self.requests, &other.requests);
        self.prompt_tokens += other.prompt_tokens;
        self.output_tokens += other.output_tokens;
        self.history = (self.history.0 + other.history.0, self.history.1 + other.history.1);
        self.ttft_ms.merge(other.ttft_ms);
        self.tpot_ms.merge(other.tpot_ms);
        self.e2e_ms.merge(other.e2e_ms);
    }
}
