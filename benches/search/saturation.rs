//! How often a run is called saturated, at rates below and beyond what the model of a server carries.

use harness::analysis::{Finish, Summarizer, SummaryInput};
use harness::schema::plan::RunKey;
use harness::schema::record::{Outcome, RequestRecord, StampKind, TokenCounts};
use harness::schema::summary::RunSummary;
use harness::schema::traffic::{Arrivals, Traffic};
use harness::schema::unit::Phase;

use super::server::{Random, Server, Times};

/// The summary of an open loop that the server answered.
pub fn summary(times: &[Times], rate: f64) -> RunSummary {
    let mut in_order: Vec<&Times> = times.iter().collect();
    in_order.sort_by(|one, other| one.due.total_cmp(&other.due));
    let mut summarizer = summarizer(rate);
    for (index, times) in in_order.into_iter().enumerate() {
        summarizer.add(&record(index as u64, times));
    }
    summarizer.finish(Finish::default()).unwrap()
}

/// Takes the records of an open loop of a rate.
pub fn summarizer(rate: f64) -> Summarizer {
    let input = SummaryInput {
        key: RunKey::first("model"),
        engine: "model".into(),
        engine_version: None,
        model: "model".into(),
        precision: "unknown".into(),
        traffic: Traffic::Open { arrivals: Arrivals::Poisson { rate }, cap: None },
        concurrency: None,
        ignore_eos: false,
        started_at: jiff::Timestamp::UNIX_EPOCH,
        ready_s: None,
        late_acks: Vec::new(),
        probes: Vec::new(),
        objectives: Vec::new(),
        price_per_hour: None,
        renewed_from: None,
        slicing: Default::default(),
    };
    Summarizer::new(input)
}

/// A request that was sent when it was due; its tokens do not matter.
pub fn record(index: u64, times: &Times) -> RequestRecord {
    let us = |seconds: f64| (seconds * 1e6) as u64;
    let (due_us, end_us) = (us(times.due), us(times.end));
    let first_us = due_us + us(times.ttft / 1e3);
    RequestRecord {
        index,
        unit: index,
        turn: 0,
        history_tokens: None,
        prompt_id: "p".into(),
        category: Default::default(),
        phase: Phase::Measured,
        due_us: Some(due_us),
        ready_us: due_us,
        slot_us: Some(due_us),
        sent_us: Some(due_us),
        headers_us: Some(first_us),
        first_event_us: Some(first_us),
        first_token_us: Some(first_us),
        first_answer_us: Some(first_us),
        chunks: Default::default(),
        last_token_us: Some(end_us),
        end_us,
        connect_us: None,
        late_ack: None,
        reader_lag_max_us: 0,
        stamps: StampKind::Kernel,
        replayed: false,
        tokens: TokenCounts::default(),
        max_tokens: 256,
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

/// Of so many runs of a rate and a length those that are called saturated.
pub fn saturated(server: &Server, rate: f64, requests: usize, seeds: u64) -> usize {
    let called = |seed: &u64| {
        let (times, _) = server.play(rate, requests, &mut Random::of_seed(*seed));
        summary(&times, rate).is_saturated()
    };
    (0..seeds).filter(called).count()
}
