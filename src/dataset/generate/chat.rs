//! A chat completion of an OpenAI-compatible server, asked for again where the server is busy: this is no measurement.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use super::ask::Ask;
use super::wanted::{Told, Wanted};
use crate::schema::refusal::refuse;
use crate::secrets::from_outside;

/// Time that a reply may take.
const REPLY: Duration = Duration::from_secs(300);
/// The first pause before a request is sent again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, also where the server asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A reply that is longer has no end, bytes.
const LARGEST_REPLY: usize = 16 << 20;
/// Characters of a server's message that are shown.
const SHOWN: usize = 300;

/// Where the model is.
#[derive(Debug, Clone)]
pub struct ChatEndpoint {
    /// Holds the key.
    pub client: Client,
    /// The whole endpoint.
    pub url: String,
    /// The model's name.
    pub model: String,
}

/// A reply's text.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) text: String,
    /// It ended at its limit: what stands last is not whole.
    pub(super) cut: bool,
}

/// What came of a request.
pub(super) enum Tried {
    Answered(Asked),
    /// It gave nothing that can be read: what.
    TooLong(String),
}

/// Why a try failed.
enum Failed {
    /// Another try may do better, after this time where the server says one.
    Busy(String, Option<Duration>),
    /// None will.
    Refused(String),
    /// The next question may do better.
    Useless(String),
}

/// Asks, `wanted.tries` times at most.
///
/// # Errors
/// The server refuses, or is busy still.
pub(super) async fn ask(
    endpoint: &ChatEndpoint,
    wanted: &Wanted,
    ask: &Ask,
    number: u64,
    tell: &dyn Fn(Told<'_>),
) -> anyhow::Result<Tried> {
    let mut body = json!({
        "model": endpoint.model,
        "messages": [{"role": "user", "content": ask.text}],
        "max_tokens": wanted.max_tokens,
        "temperature": wanted.temperature,
    });
    if wanted.send_seed {
        body["seed"] = wanted.seed.wrapping_add(number).into();
    }
    let mut pause = FIRST_PAUSE;
    for left in (0..wanted.tries).rev() {
        match once(endpoint, &body).await {
            Ok(asked) => return Ok(Tried::Answered(asked)),
            Err(Failed::Useless(what)) => return Ok(Tried::TooLong(what)),
            Err(Failed::Refused(what)) => {
                return refuse(
                    format!("{} refuses: {what}", endpoint.url),
                    "check --model and the key; what is in the output file stays, and counts the next time",
                );
            }
            Err(Failed::Busy(what, _)) if left == 0 => {
                return refuse(
                    format!("{} gave no answer in {} tries: {what}", endpoint.url, wanted.tries),
                    "try again later: what is in the output file stays, and counts the next time",
                );
            }
            Err(Failed::Busy(what, asked)) => {
                let wait = asked.unwrap_or(pause).min(LONGEST_PAUSE);
                tell(Told::Waiting(&what, wait));
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    Ok(Tried::TooLong("it was not tried".to_owned()))
}

async fn once(endpoint: &ChatEndpoint, body: &Value) -> Result<Asked, Failed> {
    let broken = |error: reqwest::Error| Failed::Busy(cause(&error), None);
    let sent = endpoint.client.post(&endpoint.url).timeout(REPLY).json(body).send().await;
    let response = sent.map_err(broken)?;
    let status = response.status();
    let after = retry_after(&response);
    let bytes = bounded(response).await.map_err(broken)?;
    let Some(bytes) = bytes else {
        return Err(Failed::Useless("a reply has no end and is passed over".to_owned()));
    };
    let json: Option<Value> = serde_json::from_slice(&bytes).ok();
    // OpenRouter gives an error of the model's host under 200, with its status inside.
    let error = json.as_ref().and_then(|json| json.get("error")).filter(|error| !error.is_null());
    let inner = error.and_then(|error| error.get("code")?.as_u64()).and_then(|code| u16::try_from(code).ok());
    let inner = inner.and_then(|code| StatusCode::from_u16(code).ok());
    let status = if status.is_success() && error.is_some() {
        inner.unwrap_or(StatusCode::BAD_GATEWAY)
    } else {
        status
    };
    if !status.is_success() {
        let said = error.and_then(|error| error.get("message").unwrap_or(error).as_str().map(str::to_owned));
        let said = said.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned());
        let what = format!("{status}: {}", shown(&said));
        let busy = status.is_server_error()
            || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
        return Err(if busy { Failed::Busy(what, after) } else { Failed::Refused(what) });
    }
    let choice = json.as_ref().and_then(|json| json.get("choices")?.get(0));
    let text = choice.and_then(|choice| choice.get("message")?.get("content")?.as_str());
    let Some((choice, text)) = choice.zip(text) else {
        let begin = shown(&String::from_utf8_lossy(&bytes));
        return Err(Failed::Useless(format!("a reply holds no message and is passed over: {begin}")));
    };
    let cut = choice.get("finish_reason").and_then(Value::as_str) == Some("length");
    Ok(Asked { text: text.to_owned(), cut })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: f64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

async fn bounded(mut response: Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await? {
        if bytes.len() + part.len() > LARGEST_REPLY {
            return Ok(None);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Some(bytes))
}

fn shown(text: &str) -> String {
    from_outside(text).chars().take(SHOWN).collect()
}

/// The end of the chain says what happened; each level above repeats the address.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
