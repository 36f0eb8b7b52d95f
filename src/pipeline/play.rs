//! One target: its server, its load, its records, its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::backend::guard::{Ended, Guard};
use crate::backend::launch::Server;
use crate::load::{self, RunClock};
use crate::monitor::ServerCounters;
use crate::progress::Goal;
use crate::results::{self, RecordWriter, RunFiles};
use crate::schema::SCHEMA_VERSION;
use crate::schema::files::{EngineFigures, RecordsHeader};
use crate::schema::live::LiveCounters;
use crate::schema::plan::{CommandKind, Plan};
use crate::schema::summary::ServerCounts;
use crate::schema::target::{Origin, Target};

use super::Session;
use super::derive::{self, Derived};
use super::launch::{self, Failure, Ready};
use super::record::{self, LiveTtft, ToldTokens};
use super::sample::Sampling;

/// Servers add their counters late (SGLang when a request is finished and reported): so often are they
/// asked again, where they do not agree with ours.
const COUNTER_TRIES: u32 = 8;
const COUNTER_PAUSE: Duration = Duration::from_millis(500);
/// A server's death fails its requests before anybody tells of it: so long is the news waited for.
const DEATH_NEWS: Duration = Duration::from_secs(1);

/// Plays one target and leaves its files; its server is gone afterwards, whatever happened.
pub async fn play(session: &Session, target: &Target, guard: Option<&Guard>) -> Result<Derived, Failure> {
    let mut ready = match (&target.origin, guard) {
        (Origin::Launch(spec), Some(guard)) => {
            let log = server_log(&session.plan, &target.label)?;
            launch::start(session, target, spec, guard, log).await?
        }
        (Origin::Url(url), _) => launch::attach(session, target, url).await?,
        (Origin::Launch(_), None) => return Err(anyhow::anyhow!("a launch without a guard").into()),
    };
    let server = ready.server.take();
    let files = load(session, target, &ready, server, guard).await?;
    // What was recorded is safe, and the next backend's turn comes.
    derive::derive(&files).map_err(|error| Failure { fatal: false, ..Failure::from(error) })
}

/// Where a server's log goes: into the comparison's directory, or beside the run's files.
fn server_log(plan: &Plan, label: &str) -> anyhow::Result<PathBuf> {
    match plan.command {
        CommandKind::Compare => Ok(plan.output.join(&plan.run_id).join(format!("{label}.log"))),
        CommandKind::Run | CommandKind::Bench => {
            results::take_file(&plan.output, &format!("{}_{label}", plan.run_id), ".log")
        }
    }
}

/// Why a load ended before its time.
enum Cut {
    Interrupted,
    ServerDied(String),
    GuardDied,
    /// The load engine could not play, or not to the end.
    NotPlayed(String),
}

impl Cut {
    fn reason(&self) -> String {
        match self {
            Cut::Interrupted => "interrupted".into(),
            Cut::ServerDied(how) => format!("the server {how}"),
            Cut::GuardDied => "the guard process died".into(),
            Cut::NotPlayed(why) => why.clone(),
        }
    }
}

async fn load(
    session: &Session,
    target: &Target,
    ready: &Ready,
    mut server: Option<Server>,
    guard: Option<&Guard>,
) -> Result<RunFiles, Failure> {
    let clock = RunClock::start();
    let header = records_header(session, target, ready, &clock);
    let files = RunFiles::take(&session.plan.output, &target.label, clock.started_at())?;
    let writer = RecordWriter::create(&files, &header)?;
    let live_ttft = LiveTtft::default();
    let (sender, receiver) = std::sync::mpsc::channel();
    let recorder = record::start(receiver, writer, live_ttft.clone());
    let sampling = Sampling::start(session, target, &ready.url, &files, &clock);
    let live = Arc::new(LiveCounters::default());
    let seen = live.clone();
    let line = session.progress.load(&target.label, goal(session), live.clone(), move || live_ttft.p50_ms());

    let (stop_sender, stop_load) = watch::channel(*session.interrupt.borrow());
    let job = launch::job(session, target, &ready.url);
    let mut cut = None;
    let mut interrupt = session.interrupt.clone();
    let playing = load::play(job, clock, sender, live, stop_load);
    tokio::pin!(playing);
    let played = loop {
        tokio::select! {
            played = &mut playing => break played,
            changed = interrupt.changed(), if cut.is_none() => {
                if changed.is_ok() { cut = Some(Cut::Interrupted); }
            }
            how = died(server.as_mut()), if cut.is_none() => cut = Some(how),
            () = guard_died(guard), if cut.is_none() => cut = Some(Cut::GuardDied),
        }
        if cut.is_some() {
            let _ = stop_sender.send(true);
        }
    };
    drop(line);
    sampling.stop();
    // A short load can be over, with every request failed, before the guard tells of the server's end.
    // Of a server that is not ours no news comes.
    if cut.is_none() && server.is_some() && LiveCounters::get(&seen.failed) > 0 {
        cut = tokio::select! {
            how = died(server.as_mut()) => Some(how),
            () = guard_died(guard) => Some(Cut::GuardDied),
            () = tokio::time::sleep(DEATH_NEWS) => None,
        };
    }
    let recorded = recorder.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the recorder panicked")));
    let (writer, told) = match recorded {
        Ok(recorded) => recorded,
        Err(error) => {
            stop(session, target, server).await;
            return Err(Failure::from(error.context("the records could not be written")));
        }
    };
    let server_counts = match &cut {
        None => server_counts(session, target, ready, told).await,
        Some(_) => None,
    };
    stop(session, target, server).await;
    let figures = match played {
        Ok(played) => played.figures,
        Err(error) => {
            cut.get_or_insert(Cut::NotPlayed(format!("{error:#}")));
            EngineFigures::default()
        }
    };
    writer.close(figures, cut.as_ref().map(Cut::reason), server_counts)?;
    if let Some(Cut::GuardDied) = cut {
        session.progress.error(&format!(
            "error: {}: the guard process died, so the run was stopped; what was measured is saved\n\
             hint: somebody killed it: measure again",
            target.label
        ));
    }
    Ok(files)
}

async fn died(server: Option<&mut Server>) -> Cut {
    let Some(server) = server else { return std::future::pending().await };
    match server.exited().await.how {
        how @ (Ended::Code(_) | Ended::Signal(_)) => Cut::ServerDied(how.to_string()),
        // Its guard's death is what a server dies of, and perhaps the first of the two to be told.
        Ended::GuardDied => Cut::GuardDied,
    }
}

async fn guard_died(guard: Option<&Guard>) {
    match guard {
        Some(guard) => guard.died().await,
        None => std::future::pending().await,
    }
}

async fn stop(session: &Session, target: &Target, server: Option<Server>) {
    let Some(server) = server else { return };
    let activity = session.progress.start(&format!("{}:", target.label));
    activity.message("stopping");
    let stopped = server.stop().await;
    drop(activity);
    let how = if stopped.graceful { "stopped" } else { "killed" };
    let seconds = stopped.took.as_secs_f64();
    session.progress.detail(&format!("{}: {how} in {seconds:.1} s", target.label));
}

fn goal(session: &Session) -> Goal {
    let load = &session.plan.load;
    match (load.duration_s, load.requests) {
        (Some(seconds), None) => Goal::Seconds(seconds),
        (_, requests) => Goal::Requests(requests.unwrap_or(0)),
    }
}

fn records_header(session: &Session, target: &Target, ready: &Ready, clock: &RunClock) -> RecordsHeader {
    RecordsHeader {
        schema_version: SCHEMA_VERSION,
        kind: "records".into(),
        plan: session.plan.clone(),
        environment: session.environment.clone(),
        label: target.label.clone(),
        engine_version: target.version.clone(),
        started_at: clock.started_at(),
        monotonic_zero_ns: Some(monotonic_zero_ns(clock)),
        ready_s: ready.ready_s,
        launched: ready.launched.clone(),
    }
}

/// CLOCK_MONOTONIC at µs 0 of a run's clock: the tightest of a few paired readings.
fn monotonic_zero_ns(clock: &RunClock) -> u64 {
    let read = || {
        let us = clock.now_us();
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        (now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64).saturating_sub(us * 1000)
    };
    // A pause between the two readings, and the µs that is cut off, only make it larger.
    (0..64).map(|_| read()).min().unwrap_or(0)
}

/// The server's count beside ours, where both are whole.
async fn server_counts(
    session: &Session,
    target: &Target,
    ready: &Ready,
    told: ToldTokens,
) -> Option<ServerCounts> {
    let before = ready.before.as_ref()?;
    if told.uncounted + ready.told.uncounted > 0 {
        return None;
    }
    let client_prompt = (told.prompt + ready.told.prompt) as f64;
    let client_output = (told.output + ready.told.output) as f64;
    let mut counted: Option<ServerCounters> = None;
    for attempt in 0..COUNTER_TRIES {
        if attempt > 0 {
            tokio::time::sleep(COUNTER_PAUSE).await;
        }
        let since = launch::counters(session, target, &ready.url).await?.since(before);
        let agrees = (since.generated_tokens - client_output).abs() < 0.5
            && (since.prompt_tokens - client_prompt).abs() < 0.5;
        counted = Some(since);
        if agrees || told.cut_short > 0 {
            break;
        }
    }
    let counted = counted?;
    Some(ServerCounts {
        prompt_tokens: counted.prompt_tokens,
        client_prompt_tokens: client_prompt,
        generated_tokens: counted.generated_tokens,
        client_generated_tokens: client_output,
        cached_tokens: counted.cached_tokens,
    })
}
