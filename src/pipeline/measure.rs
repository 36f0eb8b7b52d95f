//! One run on a server that stands: the load, its records, the server's own count, the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::backend::guard::{Ended, Guard};
use crate::backend::launch::Server;
use crate::load::{self, Played, RunClock};
use crate::monitor::{ServerCounters, ServerProcesses};
use crate::results::{RecordWriter, RunFiles};
use crate::schema::SCHEMA_VERSION;
use crate::schema::fairness::ProbeReply;
use crate::schema::files::{EngineFigures, RecordsHeader};
use crate::schema::live::LiveCounters;
use crate::schema::plan::{LoadPoint, Plan, RunKey};
use crate::schema::record::LateAck;
use crate::schema::refusal::shown;
use crate::schema::summary::ServerCounts;
use crate::schema::target::Target;
use crate::secrets::from_outside;

use super::before_load::BeforeLoad;
use super::client_threads;
use super::cut_short::CutShort;
use super::event::Event;
use super::failure::Failure;
use super::lead::Turn;
use super::lengths;
use super::live_figures::LiveFigures;
use super::pauses::pauses;
use super::record::{self, Recorder, ReportedTokens};
use super::sample::{self, Sampling};
use super::server_tree::{self, ContainerRoot};
use super::session::{Session, Stage};
use super::shown::Shown;

/// How often two scrapes are compared until they agree, and the pause between them.
const SETTLING_TRIES: u32 = 8;
const SETTLING_PAUSE: Duration = Duration::from_millis(500);
/// How long the server's counters may lag behind ours (SGLang counts a request when it is reported).
const COUNTED_WITHIN: Duration = Duration::from_millis(3500);
/// How long the news of a server's death is waited for: its requests fail before the guard tells of it.
const DEATH_NEWS: Duration = Duration::from_secs(1);

/// A server that can be measured.
pub struct Standing {
    /// Where it answers.
    pub url: String,
    /// Ours to stop; none for a server that already ran.
    pub server: Option<Server>,
    /// Seconds from launch to readiness.
    pub ready_s: Option<f64>,
    /// The command as launched.
    pub launched: Vec<String>,
    /// The server's own counters at a time before which nothing is to be counted; none where it has none.
    pub before: Option<ServerCounters>,
    /// What the server's answers have told since then.
    pub reported: ReportedTokens,
    /// What came of acknowledging the probes' answers late.
    pub late_acks: Vec<LateAck>,
    /// What the server made of the probe set.
    pub probes: Vec<ProbeReply>,
    /// What its launch left for its runs.
    pub before_load: BeforeLoad,
    /// The first process of its container.
    pub container_root: ContainerRoot,
}

/// A run that was played and recorded.
pub struct Measured {
    /// The names of its files.
    pub files: RunFiles,
    /// Why it did not reach its end.
    pub cut: Option<CutShort>,
}

/// Plays one run of the plan's loads on a server that stands, and closes its records. The server is left as it is.
///
/// # Errors
/// The records cannot be written.
pub async fn measure(
    stage: &Stage<'_>,
    target: &Target,
    standing: &mut Standing,
    key: &RunKey,
    loads: &[LoadPoint],
) -> Result<Measured, Failure> {
    let session = stage.session;
    let Some(load) = (key.point as usize).checked_sub(1).and_then(|place| loads.get(place)) else {
        return Err(Failure::of_target(format!("the plan has no point {}", key.point)));
    };
    if standing.before.is_none() {
        standing.before = settled(stage, target, &standing.url).await;
        standing.reported = ReportedTokens::default();
    }
    lengths::settle(stage, target, &standing.url).await;
    let processes = {
        let (server, root) = (standing.server.as_ref(), &mut standing.container_root);
        server_tree::of(&session.plan, target, server, root).await
    };
    // A container's processes are not those of the client that started it.
    let launched = standing.server.as_ref().map(|server| server.pid).filter(|_| !target.is_in_container());
    let server = launched.or_else(|| processes.as_ref().and_then(ServerProcesses::root));
    let gpus = sample::gpus(stage, target, key, server).await;
    let clock = RunClock::start();
    let turn = Turn::of(stage, load);
    let workers = turn.as_ref().map_or(1, Turn::workers);
    let plan = lengths::told(Plan { loads: loads.to_vec(), workers, ..session.plan.clone() }, session);
    let worker = turn.as_ref().map(|turn| turn.part(&session.environment.hostname));
    let header = RecordsHeader { worker, ..records_header((plan, session), target, standing, key, &clock) };
    let (directory, stem) = (&session.plan.output.directory, stem(&session.plan, key));
    let writer = match &turn {
        Some(_) => RecordWriter::create_part(directory, &stem, 0, &header)?,
        None => RecordWriter::create(directory, &stem, &header)?,
    };
    let files = writer.files().clone();
    let live = Arc::new(LiveCounters::default());
    let figures = LiveFigures::new(live.clone());
    let earlier = standing.before_load.samples(&clock);
    let at = (standing.url.as_str(), gpus, processes);
    let sensed = (&clock, &figures, &earlier[..]);
    let sampling = Sampling::start(stage, (target, key), at, &files, sensed);
    let (sender, receiver) = std::sync::mpsc::channel();
    let recorder = Recorder::start(receiver, writer, figures.clone());
    let watched = Shown::of(&live, &figures, turn.as_ref());
    (stage.listen)(Event::Loading { key, load, live: watched.counters(), figures });
    let (stop_sender, stop_load) = watch::channel(*stage.shutdown.borrow());
    let job = job_of(session, (target, server), &standing.url, (key, load)).await;
    let (url, counters) = (standing.url.clone(), live.clone());
    let playing = async {
        match &turn {
            Some(turn) => turn.play((&header, &url), (job, clock), sender, counters, stop_load).await,
            None => load::play(job, clock, sender, counters, stop_load).await,
        }
    };
    let ends = (&stop_sender, recorder.broken(), turn.as_ref());
    let (played, mut cut) = watch_load(stage, &mut standing.server, watched.during(playing), ends).await;
    sampling.load_is_over();
    (stage.listen)(Event::Loaded);
    if cut.is_none() && LiveCounters::get(&live.failed) > 0 {
        cut = late_news(standing.server.as_mut(), stage.guard).await;
    }
    if let (None, Err(error), Some(turn)) = (&cut, &played, &turn) {
        let why = turn.not_played(error);
        if matches!(why, CutShort::NotPlayed(_)) {
            (stage.listen)(Event::Trouble(&format!("error: {}: {}", target.label, shown(error))));
        }
        // Before the others are waited for: they wait for this one.
        cut = Some(why);
    }
    let (writer, reported) = match recorder.join() {
        Ok(joined) => joined,
        Err(error) => {
            sampling.stop().await;
            return Err(error.into());
        }
    };
    standing.reported.join(reported);
    let others = match &turn {
        Some(turn) => turn.others_over(stage, &mut cut).await,
        None => ReportedTokens::default(),
    };
    watched.now();
    standing.reported.join(others);
    let without = turn.as_ref().and_then(Turn::went_on_without);
    let counted = match cut.is_none() && without.is_none() {
        true => server_counts(stage, target, standing).await,
        false => {
            // What the server counts of requests that were cut off is nobody's, and so are those of a lost worker.
            (standing.before, standing.reported) = (None, ReportedTokens::default());
            None
        }
    };
    sampling.stop().await;
    let figures = match played {
        Ok(played) => {
            if let Some(grown) = played.grown {
                (stage.listen)(Event::Detail(&format!("{}: {grown}", target.label)));
            }
            played.figures
        }
        Err(error) => {
            cut.get_or_insert(CutShort::NotPlayed(format!("{error:#}")));
            EngineFigures::default()
        }
    };
    // Their records say it themselves, and are added to these.
    let counted = counted.map(|counts| ServerCounts {
        client_prompt_tokens: counts.client_prompt_tokens - others.prompt as f64,
        client_generated_tokens: counts.client_generated_tokens - others.output as f64,
        ..counts
    });
    let lost = match &cut {
        Some(CutShort::WorkerLost(what)) => Some(what.clone()),
        Some(_) => None,
        None => without.clone(),
    };
    let partial = cut.as_ref().map(CutShort::reason).or(without);
    let why = partial.map(|why| from_outside(&why).into_owned());
    let map = turn.as_ref().map(Turn::clock);
    let closed = writer
        .close_part(figures, why.clone(), counted, map)
        .map_err(|error| record::not_saved(error, &files))?;
    if let Some(why) = closed.not_compressed {
        let stay = format!("warning: {}: its records stay as they are: {why:#}", target.label);
        (stage.listen)(Event::Trouble(&stay));
    }
    let files = match &turn {
        Some(turn) => {
            let merged = turn.merged(stage, &files, closed.path, why).await;
            merged.map_err(|error| Failure::not_derived(error, &session.plan))?
        }
        None => files,
    };
    if let Some(what) = lost {
        (stage.listen)(Event::Trouble(&format!(
            "error: {}: {what}; what was measured is saved",
            target.label
        )));
    }
    if cut == Some(CutShort::GuardDied) {
        (stage.listen)(Event::Trouble(&format!(
            "error: {}: the guard process died, so the run was stopped; what was measured is saved\n\
             hint: somebody killed it: measure again",
            target.label
        )));
    }
    Ok(Measured { files, cut })
}

/// The load engine's job for one run. The server's first process is told where it is on this machine and known.
pub async fn job_of(
    session: &Session,
    (target, server): (&Target, Option<u32>),
    url: &str,
    (key, load): (&RunKey, &LoadPoint),
) -> load::Job {
    let mut job = session.job(target, url, load);
    job.units = job.units.in_pass(session.plan.pass(key));
    job.seed = session.plan.seed_of(key);
    client_threads::give(&mut job, session, (target, load), server).await;
    job
}

/// What a run's files are called: its label, and its place where the plan has more than one run of it.
pub fn stem(plan: &Plan, key: &RunKey) -> String {
    let prefix = plan.output.file_prefix.as_ref().map(|prefix| format!("{prefix}_")).unwrap_or_default();
    if plan.search.is_none() && plan.run_count() == plan.targets.len() {
        format!("{prefix}{}", key.label)
    } else {
        format!("{prefix}{}_p{}_r{}_n{}", key.label, key.point, key.round, key.repeat)
    }
}

/// Waits for the end of a load, and stops it where the user, the server or the guard ends first, or where what it
/// gives cannot be saved.
async fn watch_load(
    stage: &Stage<'_>,
    server: &mut Option<Server>,
    playing: impl Future<Output = anyhow::Result<Played>>,
    (stop_load, mut broken, turn): (&watch::Sender<bool>, watch::Receiver<bool>, Option<&Turn>),
) -> (anyhow::Result<Played>, Option<CutShort>) {
    let mut cut = None;
    let mut shutdown = stage.shutdown.clone();
    if *shutdown.borrow_and_update() {
        cut = Some(CutShort::Interrupted);
        let _ = stop_load.send(true);
    }
    // A sender that is gone will never stop the run.
    let mut deaf = false;
    tokio::pin!(playing);
    loop {
        tokio::select! {
            played = &mut playing => return (played, cut),
            changed = shutdown.changed(), if cut.is_none() && !deaf => match changed {
                Ok(()) => cut = Some(CutShort::Interrupted),
                Err(_) => deaf = true,
            },
            how = died(server.as_mut()), if cut.is_none() => cut = Some(how),
            () = guard_died(stage.guard), if cut.is_none() => cut = Some(CutShort::GuardDied),
            () = not_saved(&mut broken), if cut.is_none() => cut = Some(CutShort::NotSaved),
            lost = Turn::lost(turn), if cut.is_none() => cut = Some(lost),
        }
        if cut.is_some() {
            let _ = stop_load.send(true);
            turn.iter().for_each(|turn| turn.stop());
        }
    }
}

/// A short load can be over, with every request failed, before the guard tells of the server's end.
/// Of a server that is not ours no news comes.
async fn late_news(server: Option<&mut Server>, guard: Option<&Guard>) -> Option<CutShort> {
    let server = server?;
    tokio::select! {
        how = died(Some(server)) => Some(how),
        () = guard_died(guard) => Some(CutShort::GuardDied),
        () = tokio::time::sleep(DEATH_NEWS) => None,
    }
}

async fn died(server: Option<&mut Server>) -> CutShort {
    let Some(server) = server else { return std::future::pending().await };
    let exited = server.exited().await;
    match exited.how {
        how @ (Ended::Code(_) | Ended::Signal(_)) => CutShort::ServerDied(match exited.helper {
            Some(helper) => format!("lost its {helper}, which {how}"),
            None => how.to_string(),
        }),
        // Its guard's death is what a server dies of, and perhaps the first of the two to be told.
        Ended::GuardDied => CutShort::GuardDied,
    }
}

/// Resolves when the records cannot be written; a recorder that ended well never does.
pub async fn not_saved(broken: &mut watch::Receiver<bool>) {
    if broken.wait_for(|broken| *broken).await.is_err() {
        std::future::pending().await
    }
}

async fn guard_died(guard: Option<&Guard>) {
    match guard {
        Some(guard) => guard.died().await,
        None => std::future::pending().await,
    }
}

fn records_header(
    (plan, session): (Plan, &Session),
    target: &Target,
    standing: &Standing,
    key: &RunKey,
    clock: &RunClock,
) -> RecordsHeader {
    RecordsHeader {
        schema_version: SCHEMA_VERSION,
        kind: "records".into(),
        plan,
        environment: session.environment.clone(),
        key: key.clone(),
        engine_version: target.version.clone(),
        started_at: clock.started_at(),
        monotonic_zero_ns: Some(monotonic_zero_ns(clock)),
        ready_s: standing.ready_s,
        launched: standing.launched.clone(),
        late_acks: standing.late_acks.clone(),
        probes: standing.probes.clone(),
        launch: standing.before_load.launch(clock),
        gpus_before: standing.before_load.gpus.clone(),
        worker: None,
    }
}

/// CLOCK_MONOTONIC at µs 0 of a run's clock: the tightest of a few paired readings.
pub fn monotonic_zero_ns(clock: &RunClock) -> u64 {
    let read = || {
        let us = clock.now_us();
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        (now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64).saturating_sub(us * 1000)
    };
    // A pause between the two readings, and the µs that is cut off, only make it larger.
    (0..64).map(|_| read()).min().unwrap_or(0)
}

/// Two scrapes that agree: nothing of what came before is still being counted.
async fn settled(stage: &Stage<'_>, target: &Target, url: &str) -> Option<ServerCounters> {
    let mut last = stage.counters(target, url).await?;
    for _ in 1..SETTLING_TRIES {
        tokio::time::sleep(SETTLING_PAUSE).await;
        let now = stage.counters(target, url).await?;
        if now == last {
            break;
        }
        last = now;
    }
    Some(last)
}

/// The server's count beside ours, where both are whole. Where they agree, the next run on this server is
/// counted from here on.
async fn server_counts(stage: &Stage<'_>, target: &Target, standing: &mut Standing) -> Option<ServerCounts> {
    let before = standing.before.take()?;
    // The page is that of the first server, and the requests went to all of them.
    if !target.more_urls.is_empty() {
        return None;
    }
    let reported = std::mem::take(&mut standing.reported);
    if reported.uncounted > 0 {
        return None;
    }
    let (client_prompt, client_output) = (reported.prompt as f64, reported.output as f64);
    let mut pauses = pauses(COUNTED_WITHIN);
    let counted = loop {
        let now = stage.counters(target, &standing.url).await?;
        let since = now.since(&before);
        let ahead = [since.generated_tokens - client_output, since.prompt_tokens - client_prompt];
        if ahead.iter().all(|tokens| tokens.abs() < 0.5) && reported.cut_short == 0 {
            standing.before = Some(now);
        }
        // What is above ours comes to agree by no wait.
        let lags = ahead.iter().any(|tokens| *tokens <= -0.5);
        let pause = if lags && reported.cut_short == 0 { pauses.next() } else { None };
        let Some(pause) = pause else { break since };
        tokio::time::sleep(pause).await;
    };
    Some(ServerCounts {
        prompt_tokens: counted.prompt_tokens,
        client_prompt_tokens: client_prompt,
        generated_tokens: counted.generated_tokens,
        client_generated_tokens: client_output,
        cached_tokens: counted.cached_tokens,
        missing: counted.missing,
    })
}
