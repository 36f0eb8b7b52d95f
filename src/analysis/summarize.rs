//! Records of one run, one by one → its [`RunSummary`]: nothing of a record is kept but counts and values.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::schema::caveat::Caveat;
use crate::schema::curves::RunCurves;
use crate::schema::fairness::ProbeReply;
use crate::schema::figure::{self, RunTotals};
use crate::schema::files::{EngineFigures, RecordsHeader};
use crate::schema::objective::Objective;
use crate::schema::plan::{Plan, RunKey};
use crate::schema::record::{FailureKind, LateAck, Outcome, RequestRecord};
use crate::schema::request_figures::Figured;
use crate::schema::summary::{
    ClientStats, Distribution, MetricValue, RequestCounts, RunSummary, ServerCounts, TokenTotals,
};
use crate::schema::traffic::{Arrivals, Traffic};
use crate::schema::unit::Phase;
use crate::schema::workers::WorkerStats;

use super::caveats::{Facts, run_caveats};
use super::client::Client;
use super::counts::{add_counts, count};
use super::course::Course;
use super::curves::Curves;
use super::distribution::Samples;
use super::goodput::{Goodput, judged};
use super::gpu::GpuFigures;
use super::lateness::Lateness;
use super::metrics::{Finished, Metrics};
use super::nagle::LateAcks;
use super::oddities::Oddities;
use super::pace::Paces;
use super::prompt_lengths::Lengths;
use super::saturation::Stairs;
use super::served_alone::ServedAlone;
use super::slices::{Slices, Slicing};
use super::tokens::Tokens;
use super::window::{Whole, Window};
use super::workers;

/// What a summary says of its run that the records do not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryInput {
    /// Which run of its plan.
    pub key: RunKey,
    /// The target's engine.
    pub engine: String,
    /// The engine's version.
    pub engine_version: Option<String>,
    /// Model name.
    pub model: String,
    /// Weights' precision.
    pub precision: String,
    /// The traffic: an open loop counts from due times, a closed one from sent times.
    pub traffic: Traffic,
    /// The most requests in flight; the size of a closed loop's first wave.
    pub concurrency: Option<u32>,
    /// `--ignore-eos` was asked for.
    pub ignore_eos: bool,
    /// Wall time of µs 0 of the stamps.
    pub started_at: Timestamp,
    /// Seconds from launch to readiness; none for a running server.
    pub ready_s: Option<f64>,
    /// What came of acknowledging the probes' answers late.
    pub late_acks: Vec<LateAck>,
    /// What the server made of the probe set.
    pub probes: Vec<ProbeReply>,
    /// What the user wants of a server.
    pub objectives: Vec<Objective>,
    /// What its machine costs an hour.
    pub price_per_hour: Option<f64>,
    /// From this unit on prompts are not the dataset's own any more; none: all are.
    pub renewed_from: Option<u64>,
    /// How it is cut into parts.
    pub slicing: Slicing,
}

impl SummaryInput {
    /// The input that a records file's header holds: a summary taken live and one taken from disk
    /// start from the same facts.
    ///
    /// # Errors
    /// The header's label is none of its plan's targets.
    pub fn from_header(header: &RecordsHeader) -> Result<Self, SummaryError> {
        let target = header
            .plan
            .targets
            .iter()
            .find(|target| target.label == header.key.label)
            .ok_or_else(|| SummaryError::UnknownLabel { label: header.key.label.clone() })?;
        let load = header.load().ok_or(SummaryError::UnknownPoint { point: header.key.point })?;
        Ok(SummaryInput {
            key: header.key.clone(),
            engine: target.engine.clone(),
            engine_version: header.engine_version.clone().or_else(|| target.version.clone()),
            model: target.model.name.clone(),
            precision: target.model.precision.clone(),
            traffic: load.traffic.clone(),
            concurrency: load.concurrency(),
            ignore_eos: header.plan.sampling.ignore_eos,
            started_at: header.started_at,
            ready_s: header.ready_s,
            late_acks: header.late_acks.clone(),
            probes: header.probes.clone(),
            objectives: header.plan.objectives.clone(),
            price_per_hour: header.plan.prices_per_hour.get(&header.key.label).copied(),
            renewed_from: renewed_from(&header.plan, &header.key),
            slicing: Slicing::of(&header.plan, &header.key.label),
        })
    }
}

/// Prompts that come again begin with words of their own: theirs are not the token counts of the dataset's prompts.
fn renewed_from(plan: &Plan, key: &RunKey) -> Option<u64> {
    let first = if plan.pass(key) == 0 { plan.prompts_of(key.point) } else { 0 };
    (plan.dataset.renewed && plan.dataset.synthetic.is_none()).then_some(first)
}

/// What is known only when the run is over.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finish {
    /// The load engine's own figures; all zero where a crash left none.
    pub engine: EngineFigures,
    /// Set when the run did not reach its end: `interrupted`, `server died`, …
    pub partial: Option<String>,
    /// What the server counted, warm-up and readiness included.
    pub server: Option<ServerCounts>,
    /// Measured requests that the load engine says it issued, checked against the records; none where
    /// nobody counted but the records (after a crash).
    pub issued: Option<u64>,
    /// What its GPUs did in the window; none where none was read.
    pub gpu: Option<GpuFigures>,
    /// What each of several workers did; empty where one machine played all.
    pub workers: Vec<WorkerStats>,
}

/// A summary that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// issued = completed + failed + cancelled + dropped does not hold.
    #[error(
        "{label}: {issued} requests were issued, but the records hold {recorded} \
         (completed + failed + cancelled + dropped): a request was lost or counted twice"
    )]
    CountsDiffer {
        /// The run.
        label: String,
        /// By the load engine.
        issued: u64,
        /// By the records.
        recorded: u64,
    },
    /// The header names a load that its plan does not have.
    #[error("the plan in the records' header has no point {point}")]
    UnknownPoint {
        /// Its number, from 1.
        point: u32,
    },
    /// The header names a target that its plan does not have.
    #[error("`{label}` is no target of the plan in the records' header")]
    UnknownLabel {
        /// The name.
        label: String,
    },
}

/// Takes the records of one run and makes its summary. Memory is bounded: some 8 bytes a request and metric up to a
/// million requests, and a count a length of gaps.
#[derive(Debug)]
pub struct Summarizer {
    input: SummaryInput,
    requests: RequestCounts,
    warmup: RequestCounts,
    /// The failure of each kind that ended first, with its end, µs, and its index.
    first_failures: BTreeMap<FailureKind, (u64, u64, String)>,
    window: Window,
    metrics: Metrics,
    tokens: Tokens,
    client: Client,
    lateness: Lateness,
    paces: Paces,
    served_alone: ServedAlone,
    /// Completed answers that ended before a limit which nobody forced on them.
    short: u64,
    oddities: Oddities,
    course: Course,
    late_acks: LateAcks,
    curves: Curves,
    goodput: Goodput,
    stairs: Stairs,
    prompt_lengths: Lengths,
    slices: Slices,
}

impl Summarizer {
    /// Starts with no record.
    pub fn new(input: SummaryInput) -> Self {
        let open_loop = input.traffic.is_open();
        let concurrency = u64::from(input.concurrency.unwrap_or(1));
        let mut late_acks = LateAcks::default();
        input.late_acks.iter().for_each(|late| late_acks.add(late));
        Summarizer {
            window: Window::new(open_loop, concurrency),
            goodput: Goodput::new(&input.objectives),
            slices: Slices::new(input.slicing.clone()),
            input,
            requests: RequestCounts::default(),
            warmup: RequestCounts::default(),
            first_failures: BTreeMap::new(),
            metrics: Metrics::default(),
            tokens: Tokens::default(),
            client: Client::default(),
            lateness: Lateness::default(),
            paces: Paces::default(),
            served_alone: ServedAlone::default(),
            short: 0,
            oddities: Oddities::default(),
            course: Course::default(),
            late_acks,
            curves: Curves::default(),
            stairs: Stairs::default(),
            prompt_lengths: Lengths::default(),
        }
    }

    /// Adds a record, in any order. Warm-up requests are counted and enter no figure.
    pub fn add(&mut self, record: &RequestRecord) {
        self.add_figured(&Figured::of(record));
    }

    /// The same of one whose counts and pace are made already.
    pub fn add_figured(&mut self, request: &Figured<'_>) {
        let record = request.record;
        if let Some(late) = &record.late_ack {
            self.late_acks.add(late);
        }
        match record.phase {
            Phase::Warmup => count(&mut self.warmup, &record.outcome),
            Phase::Measured => self.add_measured(request),
        }
    }

    fn add_measured(&mut self, request: &Figured<'_>) {
        let record = request.record;
        count(&mut self.requests, &record.outcome);
        if let Outcome::Failed { kind, detail } = &record.outcome
            && !detail.is_empty()
        {
            let at = (record.end_us, record.index);
            let is_first = |held: &(u64, u64, String)| at < (held.0, held.1);
            if self.first_failures.get(kind).is_none_or(is_first) {
                self.first_failures.insert(*kind, (at.0, at.1, detail.clone()));
            }
        }
        self.window.add(record);
        if record.counts_for_latency() && record.chunks.are_single() {
            let gaps = self.metrics.single_gaps();
            self.window.add_single_events(&record.chunks, |gap_us| gaps.add_one(gap_us));
        } else {
            self.window.add_events(&record.chunks);
        }
        self.client.add(record);
        self.served_alone.add(record);
        self.oddities.add(record);
        self.curves.add(record);
        self.stairs.add(record);
        self.slices.add(record);
        self.short += u64::from(is_short(record));
        if record.counts_for_latency() {
            self.metrics.add(request);
            self.lateness.add(record);
            self.tokens.add(record, &request.counts, self.input.renewed_from);
            self.prompt_lengths.add(record, &request.counts);
            self.paces.add(request);
            self.curves.add_completed(record, &request.counts);
            self.course.add(record);
            self.goodput.add(request);
            self.slices.add_completed(request);
        }
    }

    /// Adds the records of another part of the same run: into however many parts it is cut, in whatever order they
    /// are put together, the summary is the same to the last digit.
    pub fn merge(&mut self, other: Summarizer) {
        add_counts(&mut self.requests, &other.requests);
        add_counts(&mut self.warmup, &other.warmup);
        for (kind, failure) in other.first_failures {
            let held = self.first_failures.entry(kind).or_insert_with(|| failure.clone());
            if failure < *held {
                *held = failure;
            }
        }
        self.window.merge(other.window);
        self.metrics.merge(other.metrics);
        self.tokens.merge(other.tokens);
        self.client.merge(other.client);
        self.lateness.merge(other.lateness);
        self.paces.merge(other.paces);
        self.served_alone.merge(other.served_alone);
        self.short += other.short;
        self.oddities.merge(other.oddities);
        self.late_acks.merge(other.late_acks);
        self.course.merge(other.course);
        self.curves.merge(other.curves);
        self.goodput.merge(&other.goodput);
        self.stairs.merge(other.stairs);
        self.prompt_lengths.merge(other.prompt_lengths);
        self.slices.merge(other.slices);
    }

    /// Starts another part of the same run.
    pub fn part(&self) -> Summarizer {
        // What came of the probes is in the first.
        Summarizer::new(SummaryInput { late_acks: Vec::new(), ..self.input.clone() })
    }

    /// Does what of [`Summarizer::finish`] can be done of a part: on the thread that gathered it.
    pub fn settle(&mut self) {
        self.metrics.samples().for_each(Samples::settle);
        self.client.settle();
        self.lateness.settle();
    }

    /// The measured window by the records so far, µs from the run's start: that of every figure of the summary, and so
    /// of its GPUs too. None where nothing ended.
    pub fn window_us(&self) -> Option<(u64, u64)> {
        self.window.whole().map(|whole| (whole.from_us, whole.to_us))
    }

    /// True where by the records so far every pace would be withheld.
    pub fn withholds_pace(&self) -> bool {
        self.paces.withheld(self.tokens.contrary_ends()).is_some()
    }

    /// The summary.
    ///
    /// # Errors
    /// The records are not as many as the load engine issued.
    pub fn finish(self, finish: Finish) -> Result<RunSummary, SummaryError> {
        self.finish_with_curves(finish).map(|(summary, _)| summary)
    }

    /// The summary, and the run's curves.
    ///
    /// # Errors
    /// As [`Summarizer::finish`]'s.
    pub fn finish_with_curves(mut self, finish: Finish) -> Result<(RunSummary, RunCurves), SummaryError> {
        let recorded = self.requests.issued;
        if let Some(issued) = finish.issued
            && issued != recorded
        {
            return Err(SummaryError::CountsDiffer { label: self.input.key.label, issued, recorded });
        }
        let whole = self.window.whole();
        let chunk_difference_pct = self.tokens.chunk_difference_pct();
        let withheld = self.paces.withheld(self.tokens.contrary_ends());
        let totals = RunTotals {
            requests: self.requests,
            prompt_tokens: self.tokens.prompt(),
            output_tokens: self.tokens.output(),
            window_s: whole.map_or(0.0, Whole::duration_s),
            good: self.goodput.good(withheld.is_none()),
            price_per_hour: self.input.price_per_hour,
            energy_j: finish.gpu.as_ref().and_then(|gpu| gpu.summary.energy_j),
        };
        let slices = self.slices.finish(totals.window_s, withheld.is_none());
        self.metrics.share_gaps();
        let earliest_itl = self.lateness.earliest_itl(self.metrics.steps(figure::ITL));
        let Finished { values: metrics, ecdf } = self.metrics.finish(&totals, withheld.is_none());
        let curves = self.curves.finish(whole, self.window.arrivals(), ecdf);
        let median = |name: &str| match metrics.get(name) {
            Some(MetricValue::Distribution(distribution)) => Some(distribution),
            Some(MetricValue::Scalar(_)) | None => None,
        };
        // Where chunks do not say how many tokens they carry, neither do they say when tokens came.
        let steady = match chunk_difference_pct {
            None => self.window.steady(&finish.engine, median(figure::E2E)),
            Some(_) => None,
        };
        let off =
            |lag: Option<&Distribution>| self.lateness.off(&metrics, earliest_itl, lag.map(|lag| lag.p99));
        let client = self.client.finish(&finish.engine, median(figure::TTFT).map(|ttft| ttft.p50), off);
        let facts = Facts {
            estimated: self.tokens.estimated(),
            withheld,
            buffered: self.paces.buffered(),
            one_at_a_time: self.served_alone.caveat(),
            counts: self.tokens.caveats(self.paces.gateway()).collect(),
            short: if self.input.ignore_eos { self.short } else { 0 },
            oddities: self.oddities,
            ticks: ticks(&self.input.traffic),
        };
        let objectives = judged(&self.input.objectives, &self.goodput, &metrics);
        let ramp =
            if self.input.traffic.is_open() { 0 } else { u64::from(self.input.concurrency.unwrap_or(1)) };
        let flow = self.stairs.flow(self.input.traffic.rate());
        let traffic = self.input.traffic.clone();
        let mut summary = blank(self.input, whole, finish.partial);
        summary.workers = finish.workers;
        summary.flow = flow;
        summary.objectives = objectives;
        summary.slices = slices;
        summary.requests = totals.requests;
        let details = self.first_failures.into_iter().map(|(kind, (_, _, detail))| (kind, detail));
        summary.first_failures = details.collect();
        summary.warmup = self.warmup;
        summary.steady = steady;
        summary.output_tokens_by_second = self.window.tokens_by_second();
        let told =
            self.course.tell(ramp, &metrics, &summary.output_tokens_by_second, summary.steady.as_ref());
        summary.bands = told.bands;
        summary.prompt_tokens_by_id = self.tokens.prompt_by_id();
        summary.prompt_lengths = self.prompt_lengths.tell();
        summary.gateway = self.paces.gateway();
        summary.tokens = TokenTotals { end_of_sequence: self.tokens.end_of_sequence(), ..self.tokens.totals };
        summary.tokens_per_chunk = self.tokens.per_chunk;
        summary.metrics = metrics;
        summary.client = client;
        summary.client.client_limited = workers::limited(summary.client.client_limited, &summary.workers);
        summary.server = finish.server;
        summary.nagle = self.late_acks.tell();
        summary.caveats = run_caveats(&summary, facts);
        summary.caveats.extend(workers::worker_caveats(&summary, &traffic));
        summary.caveats.extend(told.drifts);
        if let Some(gpu) = finish.gpu {
            let in_flight = curves.in_flight.iter().map(|(_, requests)| requests.ceil()).reduce(f64::max);
            gpu.put(&mut summary, in_flight);
        }
        Ok((summary, curves))
    }
}

/// The arrivals are those of a log's clock and not of users.
fn ticks(traffic: &Traffic) -> Option<Caveat> {
    match traffic {
        Traffic::Open { arrivals: Arrivals::Trace(trace), .. } => trace.ticks.map(Caveat::TraceTicks),
        Traffic::Open { .. } | Traffic::Closed { .. } => None,
    }
}

/// The facts of a run, with no figure yet.
fn blank(input: SummaryInput, whole: Option<Whole>, partial: Option<String>) -> RunSummary {
    let from_us = whole.map_or(0, |whole| whole.from_us);
    let offset = SignedDuration::from_micros(i64::try_from(from_us).unwrap_or(i64::MAX));
    RunSummary {
        gpu: None,
        machine: None,
        served: None,
        key: input.key,
        engine: input.engine,
        engine_version: input.engine_version,
        model: input.model,
        precision: input.precision,
        started_at: input.started_at.checked_add(offset).unwrap_or(input.started_at),
        partial,
        requests: RequestCounts::default(),
        warmup: RequestCounts::default(),
        ready_s: input.ready_s,
        duration_s: whole.map_or(0.0, Whole::duration_s),
        steady: None,
        flow: None,
        tokens: TokenTotals::default(),
        gateway: None,
        metrics: BTreeMap::new(),
        slices: Vec::new(),
        tokens_per_chunk: BTreeMap::new(),
        output_tokens_by_second: Vec::new(),
        bands: BTreeMap::new(),
        client: ClientStats::default(),
        server: None,
        probes: input.probes,
        nagle: None,
        prompt_tokens_by_id: BTreeMap::new(),
        prompt_lengths: None,
        workers: Vec::new(),
        first_failures: BTreeMap::new(),
        objectives: Vec::new(),
        caveats: Vec::<Caveat>::new(),
    }
}

/// A completed answer that ended before its limit: by its finish reason and its count of tokens.
fn is_short(record: &RequestRecord) -> bool {
    record.outcome == Outcome::Completed
        && record.finish_reason.as_deref() != Some("length")
        && record.tokens.output.is_some_and(|output| output < record.max_tokens)
}
