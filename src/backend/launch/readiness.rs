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

/// Between two questions while nobody listens.
const POLL: Duration = Duration::from_millis(100);
/// Between two questions to a server that answers that it loads: most write a line for each.
const POLL_ANSWERED: Duration = Duration::from_millis(250);
/// Between two looks at the log for the live line.
const LOG_LOOK: Duration = Duration::from_millis(500);
/// How often a list without our model, or a failed probe, is asked again.
const TRIES: u32 = 4;
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
    /// What the guard sees of it.
    pub view: watch::Receiver<View>,
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
    P: AsyncFn(&str) -> Result<ProbeAnswer, String>,
{
    let client = server_api::loading_client().map_err(|error| Refusal::new(error.to_string()))?;
    wait_for_health(candidate, &client, on_event).await;
    check_owner(candidate).await?;
    check_model(candidate, &client).await?;
    on_event(LaunchEvent::Probing);
    ask_for_a_token(candidate, probe).await
}

/// Polls the health paths until one answers 200; the next path is asked only where one answers 404.
async fn wait_for_health(candidate: &Candidate<'_>, client: &Client, on_event: &mut impl FnMut(LaunchEvent)) {
    let mut look_at_log: Option<Instant> = None;
    let mut shown = String::new();
    loop {
        let mut pause = POLL;
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
    let who = holder.map(|process| format!(": {}", port::describe(process))).unwrap_or_default();
    Err(foreign(candidate.port, &who))
}

fn foreign(port: u16, who: &str) -> Refusal {
    Refusal::new(format!("another server answers on port {port}{who}"))
        .hint("stop that server, or ask for another port; without one a free port is chosen")
}

/// All processes of the server now: what the guard wrote down, and what was born since.
fn processes(candidate: &Candidate<'_>) -> Vec<Process> {
    let members = candidate.view.borrow().members.clone();
    let all = process::all();
    let roots: HashSet<u32> = members.iter().map(|process| process.pid).collect();
    let born = process::descendants(&all, &roots).into_iter().map(|stat| stat.process);
    members.iter().copied().chain(born).collect()
}

/// The model stands in the server's list under our name.
async fn check_model(candidate: &Candidate<'_>, client: &Client) -> Result<(), Refusal> {
    let Readiness { models_path, listed_model, .. } = candidate.readiness;
    let mut problem = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            sleep(TRY_PAUSE).await;
        }
        problem = match server_api::models(client, &format!("{}{models_path}", candidate.url)).await {
            Ok(listed) if listed.iter().any(|name| name == listed_model) => return Ok(()),
            Ok(listed) => format!("lists {}, not {listed_model}", in_words(&listed)),
            // Behind a key that only the probe has; whose port it is has been checked.
            Err(NoAnswer::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => return Ok(()),
            Err(why @ (NoAnswer::Status(_) | NoAnswer::Redirect(..) | NoAnswer::NoList(_))) => {
                format!("answers GET {models_path} with {why}")
            }
            Err(why @ (NoAnswer::NoConnection(_) | NoAnswer::Broken(_))) => {
                format!("does not answer GET {models_path}: {why}")
            }
        };
        candidate.last_seen.replace(format!("the server {problem}"));
    }
    if !candidate.in_container && port::listener(candidate.port, &processes(candidate)) == Listener::Ours {
        return Err(Refusal::new(format!("the server on port {} {problem}", candidate.port))
            .hint("the name that it serves and the name in its backend file must be the same"));
    }
    Err(foreign(candidate.port, &format!(": it {problem}")))
}

fn in_words(names: &[String]) -> String {
    if names.is_empty() { "no model".into() } else { names.join(", ") }
}

/// One real streamed token: health says nothing of a hung engine.
async fn ask_for_a_token<P>(candidate: &Candidate<'_>, probe: &P) -> Result<ProbeAnswer, Refusal>
where
    P: AsyncFn(&str) -> Result<ProbeAnswer, String>,
{
    let mut problem = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            sleep(TRY_PAUSE).await;
        }
        candidate.last_seen.replace("it was healthy, and was asked for a first token".into());
        match probe(candidate.url).await {
            Ok(answer) => return Ok(answer),
            Err(error) => problem = error,
        }
    }
    Err(Refusal::new(format!("the server is healthy but streams no token: {problem}")))
}
