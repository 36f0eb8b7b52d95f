//! Readiness, proved: health answers, the port is ours, the model is listed, one real token streams.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::backend::guard::View;
use crate::backend::launch::port::{self, Listener};
use crate::backend::launch::request::LaunchEvent;
use crate::backend::process::{self, Process};
use crate::backend::server_log::ServerLog;
use crate::schema::refusal::Refusal;
use crate::schema::target::Readiness;
use crate::server_api::{self, NoAnswer};

/// Between two questions while nobody listens; the first pauses are shorter, for servers that start at once.
const POLL: Duration = Duration::from_millis(100);
const FIRST_POLL: Duration = Duration::from_millis(10);
/// Between two questions to a server that answers that it loads: most write a line for each.
const POLL_ANSWERED: Duration = Duration::from_millis(250);
/// Between two looks at the log for the live line.
const LOG_LOOK: Duration = Duration::from_millis(500);
/// How often a list of other models, or a probe that failed for good, is asked again.
const TRIES: u32 = 4;
/// How long a server that lists our model may answer 404 for it: it may be known a moment before it is served.
const LISTED_UNKNOWN: Duration = Duration::from_secs(60);
/// Between two looks at who listens on the port while the server loads.
const OWNER_LOOK: Duration = Duration::from_secs(2);
/// Between these tries.
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// What the probe's one short request got back: real tokens, which the server's own counters hold too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeAnswer {
    /// Prompt tokens as the server counts them, where it says.
    pub prompt_tokens: Option<u64>,
    /// Output tokens as the server counts them, where it says.
    pub output_tokens: Option<u64>,
}

/// Why the probe got no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFailure {
    /// What happened.
    pub what: String,
    /// Whether it may become better by itself.
    pub outlook: Outlook,
}

/// Whether a server that gave no token may do so later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Not likely.
    Final,
    /// It does not know the model, or not yet: 404.
    Unknown,
    /// It says itself that it is not ready: 503, or no connection.
    NotYet,
}

impl From<String> for ProbeFailure {
    fn from(what: String) -> Self {
        ProbeFailure { what, outlook: Outlook::Final }
    }
}

/// A launched server that is to prove itself.
pub struct Candidate<'a> {
    /// `http://127.0.0.1:PORT`.
    pub url: &'a str,
    /// Its port.
    pub port: u16,
    /// How it proves itself.
    pub readiness: &'a Readiness,
    /// Its log.
    pub log: &'a ServerLog,
    /// What the guard sees of it, and of the helpers beside it.
    pub views: Vec<watch::Receiver<View>>,
    /// It runs in a container: whose socket the port is cannot be told from here.
    pub in_container: bool,
    /// What it was last seen to do, for the message when the time is up.
    pub last_seen: &'a RefCell<String>,
}

/// Resolves when the server is proved ready, or is seen to be unusable. It waits without end for a server that
/// neither answers nor ends: the caller has the clock, and watches the process.
pub async fn prove<P>(
    candidate: &Candidate<'_>,
    probe: &P,
    on_event: &mut impl FnMut(LaunchEvent),
) -> Result<ProbeAnswer, Refusal>
where
    P: AsyncFn(&str) -> Result<ProbeAnswer, ProbeFailure>,
{
    let client = server_api::loading_client().map_err(|error| Refusal::new(error.to_string()))?;
    tokio::select! {
        biased;
        () = wait_for_health(candidate, &client, on_event) => {}
        taken = watch_owner(candidate) => return Err(taken),
    }
    check_owner(candidate).await?;
    wait_for_model(candidate, &client, on_event).await?;
    on_event(LaunchEvent::Probing);
    ask_for_a_token(candidate, probe, on_event).await
}

/// Polls the health paths until one answers 200; the next path is asked only where one answers 404.
async fn wait_for_health(candidate: &Candidate<'_>, client: &Client, on_event: &mut impl FnMut(LaunchEvent)) {
    let mut look_at_log: Option<Instant> = None;
    let mut shown = String::new();
    let mut unanswered = FIRST_POLL;
    loop {
        let mut pause = unanswered;
        unanswered = (unanswered * 2).min(POLL);
        if look_at_log.is_none_or(|last| last.elapsed() >= LOG_LOOK) {
            look_at_log = Some(Instant::now());
            let line = candidate.log.tail(1, 64 * 1024).pop().unwrap_or_default();
            if line != shown {
                shown.clone_from(&line);
                on_event(LaunchEvent::Loading { log_last_line: line });
            }
        }
        for path in &candidate.readiness.paths {
            let (status, seen) = match server_api::status(client, &format!("{}{path}", candidate.url)).await {
                Ok(status) => {
                    let status = status.as_u16();
                    (Some(status), format!("GET {path} answered {status}"))
                }
                Err(NoAnswer::NoConnection(_)) => (None, "nothing listened on its port".to_owned()),
                Err(why) => (None, format!("GET {path} got no answer: {why}")),
            };
            candidate.last_seen.replace(seen);
            match status {
                Some(200) => return,
                Some(404) => pause = POLL_ANSWERED,
                Some(_) => {
                    pause = POLL_ANSWERED;
                    break;
                }
                None => break,
            }
        }
        sleep(pause).await;
    }
}

/// Resolves when another server has taken the port while ours loads. Ours may never end of it: SGLang binds last,
/// and then waits.
async fn watch_owner(candidate: &Candidate<'_>) -> Refusal {
    let mut foreign_before = false;
    loop {
        sleep(OWNER_LOOK).await;
        if candidate.in_container {
            continue;
        }
        match port::listener(candidate.port, &processes(candidate)) {
            // Twice: a listener that was born in this moment may not be known as ours yet.
            Listener::Foreign(process) if foreign_before => return taken(candidate.port, process),
            Listener::Foreign(_) => foreign_before = true,
            Listener::Ours | Listener::Unknown => foreign_before = false,
        }
    }
}

/// The answer came from our server and not from another one on the same port.
async fn check_owner(candidate: &Candidate<'_>) -> Result<(), Refusal> {
    if candidate.in_container {
        return Ok(());
    }
    let mut holder = None;
    // Twice, a while apart: a listener that was born in this moment may not be known as ours yet.
    for pause in [Duration::ZERO, TRY_PAUSE] {
        sleep(pause).await;
        match port::listener(candidate.port, &processes(candidate)) {
            Listener::Ours | Listener::Unknown => return Ok(()),
            Listener::Foreign(process) => holder = process,
        }
    }
    Err(taken(candidate.port, holder))
}

fn taken(port: u16, holder: Option<Process>) -> Refusal {
    let who = holder.map(|process| format!(": {}", port::describe(process))).unwrap_or_default();
    foreign(port, &who)
}

fn foreign(port: u16, who: &str) -> Refusal {
    Refusal::new(format!("another server answers on port {port}{who}"))
        .hint("stop that server, or ask for another port; without one a free port is chosen")
}

/// All processes of the server now: what the guard wrote down, and what was born since.
fn processes(candidate: &Candidate<'_>) -> Vec<Process> {
    let members: Vec<Process> =
        candidate.views.iter().flat_map(|view| view.borrow().members.clone()).collect();
    let all = process::all();
    let roots: HashSet<u32> = members.iter().map(|process| process.pid).collect();
    let born = process::descendants(&all, &roots).into_iter().map(|stat| stat.process);
    members.iter().copied().chain(born).collect()
}

/// Waits until the model stands in the server's list under our name. An empty list, or none, may still come; one
/// of other models alone is another server's, or of another name.
async fn wait_for_model(
    candidate: &Candidate<'_>,
    client: &Client,
    on_event: &mut impl FnMut(LaunchEvent),
) -> Result<(), Refusal> {
    let Readiness { models_path: Some(path), listed_model, .. } = candidate.readiness else { return Ok(()) };
    let mut others = 0;
    let mut problem = String::new();
    while others < TRIES {
        let seen = match server_api::models(client, &format!("{}{path}", candidate.url)).await {
            Ok(listed) if listed.iter().any(|name| name == listed_model) => return Ok(()),
            Ok(listed) if listed.is_empty() => format!("GET {path} lists no model yet"),
            Ok(listed) => {
                others += 1;
                format!("lists {}, not {listed_model}", listed.join(", "))
            }
            // Behind a key that only the probe has; whose port it is has been checked.
            Err(NoAnswer::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => return Ok(()),
            Err(why @ (NoAnswer::Status(_) | NoAnswer::Redirect(..) | NoAnswer::NoList(_))) => {
                format!("GET {path} answers {why}")
            }
            Err(why @ (NoAnswer::NoConnection(_) | NoAnswer::Broken(_))) => {
                format!("GET {path} gets no answer: {why}")
            }
        };
        if seen != problem {
            on_event(LaunchEvent::Waiting { what: seen.clone() });
            candidate.last_seen.replace(format!("it was healthy, but {seen}"));
            problem = seen;
        }
        if others < TRIES {
            sleep(TRY_PAUSE).await;
        }
    }
    if !candidate.in_container && port::listener(candidate.port, &processes(candidate)) == Listener::Ours {
        return Err(Refusal::new(format!("the server on port {} {problem}", candidate.port))
            .hint("the name that it serves and the name in its backend file must be the same"));
    }
    Err(foreign(candidate.port, &format!(": it {problem}")))
}

/// One real streamed token: health says nothing of a hung engine.
async fn ask_for_a_token<P>(
    candidate: &Candidate<'_>,
    probe: &P,
    on_event: &mut impl FnMut(LaunchEvent),
) -> Result<ProbeAnswer, Refusal>
where
    P: AsyncFn(&str) -> Result<ProbeAnswer, ProbeFailure>,
{
    let began = Instant::now();
    let mut problem = String::new();
    let mut tries = 0;
    while tries < TRIES {
        if problem.is_empty() {
            candidate.last_seen.replace("it was healthy, and was asked for a first token".into());
        }
        let ProbeFailure { what, outlook } = match probe(candidate.url).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let waits = match outlook {
            Outlook::NotYet => true,
            Outlook::Unknown => candidate.readiness.models_path.is_none() || began.elapsed() < LISTED_UNKNOWN,
            Outlook::Final => false,
        };
        tries = if waits { 0 } else { tries + 1 };
        if what != problem {
            on_event(LaunchEvent::Waiting { what: format!("it gives no token yet: {what}") });
            candidate.last_seen.replace(format!("it was healthy, but gave no token: {what}"));
            problem = what;
        }
        if tries < TRIES {
            sleep(TRY_PAUSE).await;
        }
    }
    Err(Refusal::new(format!("the server is healthy but streams no token: {problem}")))
}
