//! A target's server: launched and proved, or already there.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use crate::backend::guard::Guard;
use crate::backend::launch::readiness::ProbeAnswer;
use crate::backend::launch::{self as backend_launch, LaunchError, LaunchEvent, LaunchRequest, Server};
use crate::load;
use crate::monitor::{self, ServerCounters};
use crate::schema::comparison::FailedTarget;
use crate::schema::record::{Outcome, RequestRecord};
use crate::schema::target::{LaunchSpec, Target};
use crate::schema::unit::Unit;

use super::Session;
use super::record::ToldTokens;

/// Time that the readiness probe's one token may take: a first request may compile kernels.
const PROBE_TIMEOUT: Duration = Duration::from_secs(300);
/// Output limit of the readiness probe.
const PROBE_TOKENS: u32 = 4;

/// Why a target gave no result.
#[derive(Debug)]
pub struct Failure {
    /// One line: what happened.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
    /// Last lines of the server's log, and where it lies.
    pub log: Option<(PathBuf, Vec<String>)>,
    /// The user stopped it.
    pub interrupted: bool,
    /// Nothing further can be played: the guard is gone, or the output cannot be written.
    pub fatal: bool,
}

impl Failure {
    /// As a comparison holds it.
    pub fn of(self, label: &str) -> FailedTarget {
        FailedTarget { label: label.to_owned(), error: self.what, hint: self.hint.unwrap_or_default() }
    }

    /// What a person reads.
    pub fn text(&self, label: &str) -> String {
        let mut text = format!("error: {label}: {}", self.what);
        if let Some((path, lines)) = &self.log {
            for line in lines {
                text.push_str("\n  | ");
                text.push_str(line);
            }
            text.push_str(&format!("\n  log: {}", path.display()));
        }
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure { what: format!("{error:#}"), hint: None, log: None, interrupted: false, fatal: true }
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let what = match error.cause {
            Some(cause) => format!("{}: {cause}", error.what),
            None => error.what,
        };
        let log = (!error.log_tail.is_empty()).then_some((error.log, error.log_tail));
        Failure { what, hint: error.hint, log, interrupted: error.interrupted, fatal: false }
    }
}

/// What is known of a server when the load can begin.
pub struct Ready {
    /// Where it answers.
    pub url: String,
    /// Ours to stop; none for a server that already ran.
    pub server: Option<Server>,
    /// Seconds from launch to readiness.
    pub ready_s: Option<f64>,
    /// The command as launched.
    pub launched: Vec<String>,
    /// The server's own counters before our first request.
    pub before: Option<ServerCounters>,
    /// What the probe's answer told.
    pub told: ToldTokens,
}

/// Launches a target and proves it ready.
pub async fn start(
    session: &Session,
    target: &Target,
    spec: &LaunchSpec,
    guard: &Guard,
    log: PathBuf,
) -> Result<Ready, Failure> {
    let activity = session.progress.start(&format!("{}:", target.label));
    let told = RefCell::new(ToldTokens::default());
    let before = RefCell::new(None);
    let probe = async |url: &str| {
        let counters = counters(session, target, url).await;
        let record = send_probe(session, target, url).await;
        told.borrow_mut().add(&record);
        // Of several tries the first scrape is the one before any request of ours.
        before.borrow_mut().get_or_insert(counters);
        probe_result(&record).map(|()| ProbeAnswer {
            prompt_tokens: record.tokens.prompt.map(u64::from),
            output_tokens: record.tokens.output.map(u64::from),
        })
    };
    let request = LaunchRequest {
        label: &target.label,
        run_id: &session.plan.run_id,
        spec,
        log: &log,
        startup_timeout: startup_timeout(session),
    };
    let on_event = |event: LaunchEvent| match event {
        LaunchEvent::Starting { pid } => activity.message(&format!("starting (pid {pid})")),
        LaunchEvent::Loading { log_last_line } => activity.message(&format!("loading: {log_last_line}")),
        LaunchEvent::Probing => activity.message("healthy, asking for a first token"),
        LaunchEvent::Ready { after } => activity.message(&format!("ready in {:.1} s", after.as_secs_f64())),
    };
    let server = backend_launch::launch(guard, request, probe, on_event, session.interrupt.clone()).await?;
    drop(activity);
    session.progress.say(&format!("{}: ready in {:.1} s", target.label, server.ready_after.as_secs_f64()));
    session.progress.detail(&format!("{}: {}", target.label, server.launched.join(" ")));
    Ok(Ready {
        url: server.url.clone(),
        ready_s: Some(server.ready_after.as_secs_f64()),
        launched: server.launched.clone(),
        server: Some(server),
        before: before.into_inner().flatten(),
        told: told.into_inner(),
    })
}

fn startup_timeout(session: &Session) -> Duration {
    let launching = session.plan.launching.as_ref();
    launching.map_or(Duration::MAX, |launching| Duration::from_secs_f64(launching.startup_timeout_s))
}

/// Looks at a server that already runs; asks it for a token only where the user wants that.
pub async fn attach(session: &Session, target: &Target, url: &str) -> Result<Ready, Failure> {
    let before = counters(session, target, url).await;
    let mut told = ToldTokens::default();
    if session.probe_running_server {
        let record = send_probe(session, target, url).await;
        told.add(&record);
        if let Err(what) = probe_result(&record) {
            let what = format!("the probe of {url} failed: {what}");
            return Err(Failure { what, hint: None, log: None, interrupted: false, fatal: false });
        }
    }
    Ok(Ready { url: url.to_owned(), server: None, ready_s: None, launched: Vec::new(), before, told })
}

/// The load engine's job for one target.
pub fn job(session: &Session, target: &Target, url: &str) -> load::Job {
    load::Job {
        base_url: url.to_owned(),
        http: session.plan.http.clone(),
        api_key: session.api_key.clone(),
        capabilities: target.capabilities.clone(),
        load: session.plan.load.clone(),
        seed: session.plan.seed,
        client_threads: session.plan.client_threads,
        sampling: session.plan.sampling,
        units: session.units.clone(),
        warmup: session.warmup.clone(),
    }
}

async fn send_probe(session: &Session, target: &Target, url: &str) -> RequestRecord {
    let unit = Unit::single("probe", "Say hello.", PROBE_TOKENS);
    load::probe(&job(session, target, url), &unit, PROBE_TIMEOUT).await
}

fn probe_result(record: &RequestRecord) -> Result<(), String> {
    match &record.outcome {
        Outcome::Completed if record.first_token_us.is_some() => Ok(()),
        Outcome::Completed => Err("the answer held no token".into()),
        Outcome::Failed { kind, detail } => Err(format!("{}: {detail}", kind.name())),
        Outcome::Cancelled | Outcome::Dropped => Err("the request was not finished".into()),
    }
}

/// The server's own counters; none where it has none or does not answer: they are a cross-check.
pub async fn counters(session: &Session, target: &Target, url: &str) -> Option<ServerCounters> {
    match monitor::server_counters(&session.client, url, &target.metrics).await {
        Ok(counters) => counters,
        Err(error) => {
            session.progress.detail(&format!("{}: no counters of its own: {error:#}", target.label));
            None
        }
    }
}
