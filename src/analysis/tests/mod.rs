//! The figures against truths worked out by hand: the records here are small enough to check on paper.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod caveats;
mod clients;
mod comparing;
mod distributions;
mod exactness;
mod figures;
mod goodput;
mod gpus;
mod lateness;
mod levelling;
mod otherwise;
mod paces;
mod properties;
mod regressing;
mod served;
mod verdicts;
mod windows;

use jiff::Timestamp;

use crate::schema::files::EngineFigures;
use crate::schema::plan::RunKey;
use crate::schema::record::{
    Chunk, FailureKind, Outcome, RequestRecord, StampKind, TokenCounts, TokenSource,
};
use crate::schema::summary::{Distribution, MetricValue, RunSummary};
use crate::schema::traffic::{Arrivals, Ramp, Traffic};
use crate::schema::unit::Phase;

use super::{Finish, Slicing, Summarizer, SummaryInput};

const MS: u64 = 1_000;

fn input(traffic: Traffic) -> SummaryInput {
    SummaryInput {
        key: RunKey::first("vllm"),
        engine: "vllm".into(),
        engine_version: Some("1.0".into()),
        model: "tiny".into(),
        precision: "BF16".into(),
        traffic,
        concurrency: Some(2),
        ignore_eos: false,
        started_at: "2026-02-01T14:30:00Z".parse::<Timestamp>().unwrap(),
        ready_s: Some(3.5),
        late_acks: Vec::new(),
        probes: Vec::new(),
        objectives: Vec::new(),
        price_per_hour: None,
        renewed_from: None,
        slicing: Slicing::default(),
    }
}

fn closed() -> SummaryInput {
    input(Traffic::Closed { slots: 2.try_into().unwrap(), ramp: Ramp::Automatic })
}

fn open() -> SummaryInput {
    input(Traffic::Open { arrivals: Arrivals::Constant { rate: 100.0 }, cap: 2.try_into().ok() })
}

/// A completed request of a closed loop, sent at `sent_ms`, whose chunks `(at_ms after sent, tokens)` carry
/// all its tokens.
fn completed(index: u64, sent_ms: u64, chunks: &[(u64, u32)]) -> RequestRecord {
    let sent_us = sent_ms * MS;
    let at = |(after_ms, tokens): &(u64, u32)| Chunk {
        at_us: sent_us + after_ms * MS,
        tokens: *tokens,
        merged_bound_us: None,
    };
    let n: u32 = chunks.iter().map(|chunk| chunk.1).sum();
    let first = chunks.first().map(|chunk| sent_us + chunk.0 * MS);
    let last = chunks.last().map(|chunk| sent_us + chunk.0 * MS);
    RequestRecord {
        index,
        unit: index,
        turn: 0,
        prompt_id: format!("p{index}").into(),
        category: Default::default(),
        phase: Phase::Measured,
        due_us: None,
        ready_us: sent_us,
        history_tokens: None,
        slot_us: Some(sent_us),
        sent_us: Some(sent_us),
        headers_us: first,
        first_event_us: first,
        first_token_us: first,
        first_answer_us: first,
        chunks: chunks.iter().map(at).collect(),
        last_token_us: last,
        end_us: last.unwrap_or(sent_us),
        connect_us: None,
        late_ack: None,
        reader_lag_max_us: 0,
        stamps: StampKind::Kernel,
        replayed: false,
        tokens: TokenCounts {
            prompt: Some(10),
            output: Some(n),
            delivered: Some(n),
            asked: None,
            cached: None,
            reasoning: None,
            by_event: false,
            unusable: false,
            source: TokenSource::Usage,
        },
        max_tokens: 64,
        forced_length: false,
        status: Some(200),
        finish_reason: Some("stop".into()),
        gateway: None,
        server_times: None,
        missing_sign: None,
        passed_over: 0,
        outcome: Outcome::Completed,
    }
}

/// The same in an open loop: due, then so much later a slot, then so much later sent.
fn due(mut record: RequestRecord, due_us: u64, slot_wait_us: u64, send_delay_us: u64) -> RequestRecord {
    assert_eq!(record.sent_us, Some(due_us + slot_wait_us + send_delay_us), "the test's own arithmetic");
    record.due_us = Some(due_us);
    record.ready_us = due_us;
    record.slot_us = Some(due_us + slot_wait_us);
    record
}

fn failed(mut record: RequestRecord, kind: FailureKind) -> RequestRecord {
    record.outcome = Outcome::Failed { kind, detail: "broke".into() };
    record
}

fn cancelled(mut record: RequestRecord) -> RequestRecord {
    record.outcome = Outcome::Cancelled;
    record
}

fn dropped(index: u64, ready_us: u64) -> RequestRecord {
    let mut record = completed(index, 0, &[]);
    record.ready_us = ready_us;
    record.end_us = ready_us;
    record.slot_us = None;
    record.sent_us = None;
    record.headers_us = None;
    record.tokens = TokenCounts::default();
    record.outcome = Outcome::Dropped;
    record
}

fn summarize(input: SummaryInput, records: &[RequestRecord], finish: Finish) -> RunSummary {
    let mut summarizer = Summarizer::new(input);
    for record in records {
        summarizer.add(record);
    }
    summarizer.finish(finish).unwrap()
}

/// Finished by the engine's own word, in a closed loop without a ramp.
fn finish(issue_end_ms: u64) -> Finish {
    Finish {
        engine: EngineFigures {
            measured_to_us: issue_end_ms * MS,
            issue_end_us: issue_end_ms * MS,
            threads: 1,
            ..EngineFigures::default()
        },
        ..Finish::default()
    }
}

fn distribution<'a>(run: &'a RunSummary, name: &str) -> &'a Distribution {
    match run.metrics.get(name) {
        Some(MetricValue::Distribution(held)) => held,
        other => panic!("{name} is {other:?}"),
    }
}

fn scalar(run: &RunSummary, name: &str) -> f64 {
    match run.metrics.get(name) {
        Some(MetricValue::Scalar(held)) => *held,
        other => panic!("{name} is {other:?}"),
    }
}

#[track_caller]
fn close(found: f64, truth: f64) {
    assert!((found - truth).abs() <= 1e-9 * truth.abs().max(1.0), "{found} is not {truth}");
}
