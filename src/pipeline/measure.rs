//! One run on a server that stands: the load, its records, the server's own count, the end.

use std::sync::Arc;

use tokio::sync::watch;

use crate::load::{self, RunClock};
use crate::monitor::ServerProcesses;
use crate::results::{RecordWriter, RunFiles};
use crate::schema::SCHEMA_VERSION;
use crate::schema::files::{EngineFigures, RecordsHeader};
use crate::schema::live::LiveCounters;
use crate::schema::plan::{LoadPoint, Plan, RunKey};
use crate::schema::refusal::shown;
use crate::schema::summary::ServerCounts;
use crate::schema::target::Target;
use crate::secrets::from_outside;

use super::client_threads;
use super::cut_short::CutShort;
use super::event::Event;
use super::failure::Failure;
use super::lead::Turn;
use super::lengths;
use super::live_figures::LiveFigures;
use super::record::{self, Recorder, ReportedTokens};
use super::sample::{self, Sampling};
use super::server_count::{server_counts, settled};
use super::server_tree;
use super::session::{Session, Stage};
use super::shown::Shown;
use super::standing::Standing;
use super::watch_load::{late_news, watch_load};

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
