//! One launch's life: a server started and proved, or looked at where it already runs; its runs; its end.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::analysis::waited;
use crate::backend::guard::Guard;
use crate::backend::launch::readiness::{Outlook, ProbeAnswer, ProbeFailure};
use crate::backend::launch::{self, LaunchRequest, Server, port};
use crate::load;
use crate::monitor::ServerCounters;
use crate::results;
use crate::schema::plan::{LoadPoint, Plan};
use crate::schema::record::{FailureKind, Outcome, RequestRecord};
use crate::schema::target::{LaunchSpec, Origin, Target};
use crate::schema::unit::Unit;

use super::before_load::BeforeLoad;
use super::closed::Closed;
use super::event::{Event, Listener};
use super::failure::Failure;
use super::gpu_watch::GpuCare;
use super::probe_set::send_probe_set;
use super::record::ReportedTokens;
use super::server_tree;
use super::session::{Session, Stage};
use super::standing::Standing;
use super::turns;
use super::visits::Visit;

/// Time that the readiness probe's one token may take: a first request may compile kernels.
const PROBE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a probe's answer goes without an acknowledgement, in turn, ms: below the kernel's 40 ms, and not always the
/// same. The second is played only where the first shows that the server waited.
const HOLD_ACK_MS: [u16; 2] = [24, 34];
/// Output limit of the readiness probe.
const PROBE_TOKENS: u32 = 4;

/// Plays the runs of a visit. Each that is closed goes to `closed`; the server is gone afterwards,
/// whatever happened.
///
/// # Errors
/// The target gave no result, or not all of its runs.
pub async fn serve(
    stage: &Stage<'_>,
    visit: &Visit,
    gpus: &mut GpuCare,
    closed: &mut Closed<'_>,
) -> Result<(), Failure> {
    let plan = &stage.session.plan;
    let Some(target) = plan.targets.get(visit.target) else {
        return Err(Failure::of_target(format!("{} is no target of the plan", visit.label)));
    };
    // A metrics page of a port of its own gets a free one, for this launch.
    let target = &port::with_metrics_port(target)
        .map_err(|error| Failure::of_target(format!("no free port on 127.0.0.1: {error}")))?;
    let Some(load) = visit.runs.first().and_then(|key| plan.load(key.point)) else {
        return Err(Failure::of_target("the plan has no load for it".to_owned()));
    };
    let mut watch = None;
    let mut standing = match (&target.origin, stage.guard) {
        (Origin::Launch(spec), Some(guard)) => {
            let log = server_log(plan, visit)?;
            watch = gpus.before_launch(stage, target).await;
            (stage.listen)(Event::Starting { label: &target.label, log: &log });
            start(stage, target, load, spec, (guard, &log)).await?
        }
        (Origin::Url(url), _) => attach(stage, target, load, url).await?,
        (Origin::Launch(_), None) => {
            return Err(Failure::of_target("there is no guard to launch it below".to_owned()));
        }
    };
    send_probe_set(stage, target, load, &mut standing).await;
    if let Some(watch) = watch {
        let is_server = {
            let Standing { server, container_root, .. } = &mut standing;
            server_tree::membership(target, server.as_ref(), container_root).await
        };
        gpus.loaded(stage, watch, is_server, &mut standing.before_load).await;
    }
    let played = turns::play(stage, visit, target, &mut standing, closed).await;
    stop(stage.listen, target, standing.server).await;
    played
}

/// Where a server's log goes: into the plan's own directory, or beside the run's files.
fn server_log(plan: &Plan, visit: &Visit) -> anyhow::Result<PathBuf> {
    let label = &visit.label;
    match plan.folder() {
        // A resumed plan has logs of its first try.
        Some(folder) if plan.rounds == 1 => results::take_file(&folder, label, ".log"),
        Some(folder) => results::take_file(&folder, &format!("{label}_r{}", visit.round), ".log"),
        None => results::take_file(&plan.output.directory, &format!("{}_{label}", plan.run_id), ".log"),
    }
}

/// Launches a target and proves it ready.
pub async fn start(
    stage: &Stage<'_>,
    target: &Target,
    load: &LoadPoint,
    spec: &LaunchSpec,
    (guard, log): (&Guard, &Path),
) -> Result<Standing, Failure> {
    let reported = RefCell::new(ReportedTokens::default());
    let late_acks = RefCell::new(Vec::new());
    let before: RefCell<Option<Option<ServerCounters>>> = RefCell::new(None);
    let probe = async |url: &str| {
        let counted = stage.counters(target, url).await;
        let records = send_probes(stage.session, target, url, load).await;
        for record in &records {
            reported.borrow_mut().add(record);
            late_acks.borrow_mut().extend(record.late_ack.as_deref());
        }
        let [record, ..] = &records[..] else { return Err("the user stopped it".to_owned().into()) };
        // Of several tries the first scrape is the one before any request of ours.
        before.borrow_mut().get_or_insert(counted);
        let answer = ProbeAnswer {
            prompt_tokens: record.tokens.prompt.map(u64::from),
            output_tokens: record.tokens.output.map(u64::from),
        };
        probe_result(record).map(|()| answer).map_err(|what| probe_failure(record, what))
    };
    let request = LaunchRequest {
        label: &target.label,
        run_id: &stage.session.plan.run_id,
        spec,
        log,
        startup_timeout: startup_timeout(&stage.session.plan),
    };
    let label = target.label.as_str();
    let started = Instant::now();
    let on_event = |event| (stage.listen)(Event::Launching { label, event });
    let launched = launch::launch(guard, request, probe, on_event, stage.shutdown.clone()).await;
    let server: Server = launched?;
    (stage.listen)(Event::Ready { label, after: server.ready_after, command: &server.launched });
    Ok(Standing {
        url: server.url.clone(),
        ready_s: Some(server.ready_after.as_secs_f64()),
        launched: server.launched.clone(),
        server: Some(server),
        before: before.into_inner().flatten(),
        reported: reported.into_inner(),
        late_acks: late_acks.into_inner(),
        probes: Vec::new(),
        before_load: BeforeLoad { launched: Some((started, Instant::now())), ..BeforeLoad::default() },
        container_root: None,
    })
}

/// A plan that launches says how long a start may take.
fn startup_timeout(plan: &Plan) -> Duration {
    const DAY: Duration = Duration::from_secs(86_400);
    let launching = plan.launching.as_ref();
    launching.map_or(DAY, |launching| Duration::try_from_secs_f64(launching.startup_timeout_s).unwrap_or(DAY))
}

/// Looks at a server that already runs; asks it for a token only where the user wants that.
async fn attach(
    stage: &Stage<'_>,
    target: &Target,
    load: &LoadPoint,
    url: &str,
) -> Result<Standing, Failure> {
    let before = stage.counters(target, url).await;
    let mut reported = ReportedTokens::default();
    let mut late_acks = Vec::new();
    if stage.session.probe_running_server {
        let records = send_probes(stage.session, target, url, load).await;
        for record in &records {
            reported.add(record);
            late_acks.extend(record.late_ack.as_deref());
        }
        records
            .first()
            .map_or(Ok(()), probe_result)
            .map_err(|what| Failure::of_target(format!("the probe of {url} failed: {what}")))?;
    }
    Ok(Standing {
        url: url.to_owned(),
        server: None,
        ready_s: None,
        launched: Vec::new(),
        before,
        reported,
        late_acks,
        probes: Vec::new(),
        before_load: BeforeLoad::default(),
        container_root: None,
    })
}

/// One request, and a further one where the first shows that the server waits for acknowledgements.
async fn send_probes(session: &Session, target: &Target, url: &str, load: &LoadPoint) -> Vec<RequestRecord> {
    let unit = Unit::single("probe", "Say hello.", PROBE_TOKENS);
    let job = session.job(target, url, load);
    let mut records = Vec::new();
    for hold_ack_ms in HOLD_ACK_MS {
        let record = load::probe(&job, &unit, PROBE_TIMEOUT, Some(hold_ack_ms)).await;
        let goes_on = record.late_ack.as_deref().is_some_and(waited);
        records.push(record);
        if !goes_on {
            break;
        }
    }
    records
}

/// Whether a server of ours that gave no token may do so later.
fn probe_failure(record: &RequestRecord, what: String) -> ProbeFailure {
    let outlook = match &record.outcome {
        // It listens, and will speak no other protocol later.
        Outcome::Failed { kind: FailureKind::Connect, detail } if detail.contains("does not speak") => {
            Outlook::Final
        }
        Outcome::Failed { kind: FailureKind::Connect, .. } => Outlook::NotYet,
        Outcome::Failed { kind: FailureKind::Status | FailureKind::ErrorEvent, detail } => {
            let says = |code: &str| detail.split([' ', ':', ',']).any(|word| word == code);
            match (says("404"), says("503")) {
                (_, true) => Outlook::NotYet,
                (true, false) => Outlook::Unknown,
                (false, false) => Outlook::Final,
            }
        }
        Outcome::Failed { .. } | Outcome::Completed | Outcome::Cancelled | Outcome::Dropped => Outlook::Final,
    };
    ProbeFailure { what, outlook }
}

fn probe_result(record: &RequestRecord) -> Result<(), String> {
    match &record.outcome {
        Outcome::Completed if record.last_token_us.is_some() => Ok(()),
        Outcome::Completed => Err("the answer held no token".into()),
        Outcome::Failed { kind, detail } => Err(format!("{}: {detail}", kind.name())),
        Outcome::Cancelled | Outcome::Dropped => Err("the request was not finished".into()),
    }
}

/// Stops a server that is ours.
pub async fn stop(listen: Listener<'_>, target: &Target, server: Option<Server>) {
    let Some(server) = server else { return };
    let label = target.label.as_str();
    listen(Event::Stopping { label });
    let stopped = server.stop().await;
    listen(Event::Stopped { label, graceful: stopped.graceful, took: stopped.took });
}
