//! One load of a calibration: a pretend engine launched, played to by the real load engine, and asked for the truth.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::sync::watch;

use crate::analysis::{Pairing, TrueRequest, TrueWrite};
use crate::backend::guard::Guard;
use crate::results::RecordReader;
use crate::schema::calibration::{CalibrationLoad, Exactness};
use crate::schema::plan::RunKey;
use crate::schema::target::{Origin, Target};

use super::cut_short::CutShort;
use super::event::Listener;
use super::failure::{Failure, Reach};
use super::gpu_patience::GpuPatience;
use super::measure;
use super::serve;
use super::session::{Session, Stage};
use super::standing::Standing;

/// Plays the plan's one load against its only target, a pretend engine, and holds every record against the
/// engine's truth. The engine is a process of its own below `guard`; it is gone afterwards. None: the user
/// stopped it.
///
/// # Errors
/// The engine does not start or does not tell the truth, or the records cannot be written.
pub async fn calibrate(
    session: &Session,
    load: CalibrationLoad,
    (guard, log): (&Guard, &Path),
    listen: Listener<'_>,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<Option<Exactness>> {
    let plan = &session.plan;
    let (Some(target), Some(point)) = (plan.targets.first(), plan.loads.first()) else {
        bail!("a calibration needs a pretend engine and a load");
    };
    let Origin::Launch(spec) = &target.origin else {
        bail!("a calibration launches its pretend engine itself");
    };
    let stage = Stage { session, guard: Some(guard), listen, shutdown, gpu_patience: GpuPatience::default() };
    let mut standing = match serve::start(&stage, target, point, spec, (guard, log)).await {
        Ok(standing) => standing,
        Err(failure) if failure.reach == Reach::Interrupted => return Ok(None),
        Err(failure) => return Err(of_failure(&failure)),
    };
    let paired = pair(&stage, target, &mut standing, load).await;
    serve::stop(listen, target, standing.server).await;
    paired
}

/// The load is played, recorded and written as in any run: that is what is to be measured.
async fn pair(
    stage: &Stage<'_>,
    target: &Target,
    standing: &mut Standing,
    load: CalibrationLoad,
) -> anyhow::Result<Option<Exactness>> {
    let key = RunKey::first(&target.label);
    let measured = measure::measure(stage, target, standing, &key, &stage.session.plan.loads).await;
    let measured = measured.map_err(|failure| of_failure(&failure))?;
    match measured.cut {
        Some(CutShort::Interrupted) => return Ok(None),
        Some(cut) => bail!("{}", cut.reason()),
        None => {}
    }
    let truth = truth(&stage.session.client, &standing.url).await?;
    let mut reader = RecordReader::open(&measured.files.closed_records())?;
    let zero_ns = reader.header().monotonic_zero_ns.context("the records do not tell their clock's zero")?;
    let mut pairing = Pairing::new(truth, zero_ns);
    while let Some(record) = reader.next_record()? {
        pairing.add(&record);
    }
    Ok(Some(pairing.finish(load, &reader.finish().engine)))
}

fn of_failure(failure: &Failure) -> anyhow::Error {
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
