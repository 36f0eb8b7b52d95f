//! One load of a calibration: a pretend engine launched, played to by the real load engine, and asked for the truth.

use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use crate::analysis::{Pairing, TrueRequest, TrueWrite};
use crate::backend::guard::Guard;
use crate::results::RecordReader;
use crate::schema::calibration::{CalibrationLoad, Exactness};
use crate::schema::target::{Origin, Target};

use super::launch::{self, Failure};
use super::{Session, play};

/// Plays one load against the session's only target, a pretend engine, and holds every record against the
/// engine's truth. The engine is a process of its own below `guard`; it is gone afterwards. None: the user
/// stopped it.
///
/// # Errors
/// The engine does not start or does not tell the truth, or the records cannot be written.
pub async fn calibrate(
    session: &Session,
    load: CalibrationLoad,
    guard: &Guard,
    log: PathBuf,
) -> anyhow::Result<Option<Exactness>> {
    let target = session.plan.targets.first().context("a calibration needs a pretend engine")?;
    let Origin::Launch(spec) = &target.origin else {
        anyhow::bail!("a calibration launches its pretend engine itself");
    };
    let mut ready = match launch::start(session, target, spec, guard, log).await {
        Ok(ready) => ready,
        Err(failure) if failure.interrupted => return Ok(None),
        Err(failure) => return Err(of_failure(failure)),
    };
    let played = against(session, target, &ready.url, load).await;
    if let Some(server) = ready.server.take() {
        server.stop().await;
    }
    let exactness = played?;
    Ok((!*session.interrupt.borrow()).then_some(exactness))
}

async fn against(
    session: &Session,
    target: &Target,
    url: &str,
    load: CalibrationLoad,
) -> anyhow::Result<Exactness> {
    // The load is played, recorded and written as in any run: that is what is to be measured.
    let running = Target { origin: Origin::Url(url.to_owned()), ..target.clone() };
    let derived = play::play(session, &running, None).await.map_err(of_failure)?;
    let truth = truth(&session.client, url).await?;
    let mut reader = RecordReader::open(&derived.files.closed_records())?;
    let zero_ns = reader.header().monotonic_zero_ns.context("the records do not tell their clock's zero")?;
    let mut pairing = Pairing::new(truth, zero_ns);
    while let Some(record) = reader.next_record()? {
        pairing.add(&record);
    }
    Ok(pairing.finish(load, reader.finish().engine.cpu_s))
}

fn of_failure(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{}", failure.text("the pretend engine").trim_start_matches("error: "))
}

/// A line of `/truth`. It is read with types of its own, so that a mistake in the simulator's cannot cancel out.
#[derive(Deserialize)]
struct TruthLine {
    user: Option<String>,
    outcome: Option<String>,
    arrival_mono_ns: u64,
    /// Due, before and after the system call, tokens.
    writes: Vec<[u64; 4]>,
}

async fn truth(client: &reqwest::Client, url: &str) -> anyhow::Result<Vec<TrueRequest>> {
    let cannot = || format!("{url}/truth cannot be read");
    let answer = client.get(format!("{url}/truth")).send().await.with_context(cannot)?;
    let text = answer.error_for_status().with_context(cannot)?.text().await.with_context(cannot)?;
    let mut truth = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let line: TruthLine = serde_json::from_str(line).with_context(cannot)?;
        if let (Some(mark), Some("completed")) = (line.user, line.outcome.as_deref()) {
            truth.push(TrueRequest {
                mark,
                arrival_ns: line.arrival_mono_ns,
                tokens: line.writes.iter().map(|[.., tokens]| tokens).sum(),
                writes: line.writes.iter().map(true_write).collect(),
            });
        }
    }
    Ok(truth)
}

fn true_write([_due_ns, before_ns, after_ns, _tokens]: &[u64; 4]) -> TrueWrite {
    TrueWrite { before_ns: *before_ns, after_ns: *after_ns }
}
