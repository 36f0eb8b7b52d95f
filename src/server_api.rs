//! Asks a server about itself: is it healthy, which models has it, what has it counted. Beside the measured
//! path, and never on its connections.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::schema::plan::HttpSettings;
use crate::schema::refusal::{OrRefuse, refuse};
use crate::schema::text::plain;

/// A metrics page that is longer has no end, bytes.
const LARGEST_PAGE: usize = 8 << 20;
/// A list of models that is longer has no end, bytes.
const LARGEST_LIST: usize = 4 << 20;

/// A page of metrics without an end: whoever reads it again and again reads megabytes each time.
#[derive(Debug, thiserror::Error)]
#[error("the server's metrics at {url} do not end within {} MB", LARGEST_PAGE >> 20)]
pub struct EndlessPage {
    url: String,
}

/// Time that a question to a server that runs may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Time that a question to a server that loads may take; SGLang's `/health` takes a second or more.
const ANSWER_LOADING: Duration = Duration::from_secs(20);
/// Time that a connection to a server that loads may take.
const CONNECT_LOADING: Duration = Duration::from_secs(5);

/// Why a server did not answer a question about itself.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing listens there.
    #[error("{}", root_cause(.0))]
    NoConnection(reqwest::Error),
    /// It broke off, or took too long.
    #[error("{}", root_cause(.0))]
    Broken(reqwest::Error),
    /// It answers with another status than 200.
    #[error("{0}")]
    Status(StatusCode),
    /// It sends us elsewhere, which is not followed.
    #[error("{0} (to {1})")]
    Redirect(StatusCode, String),
    /// What it answers is no JSON, or no list of models.
    #[error("no list of models: {0}")]
    NoList(String),
}

impl NoAnswer {
    /// The server wants to know first who asks.
    pub fn asks_for_key(&self) -> bool {
        matches!(self, NoAnswer::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
    }
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() { NoAnswer::NoConnection(error) } else { NoAnswer::Broken(error) }
    }
}

/// Where a redirect leads, without a password or a key in its query; none where the answer is no redirect.
fn redirect_target(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    let mut url = response.url().join(&String::from_utf8_lossy(location.as_bytes())).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    // An address without a host has no user either.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    Some(plain(url.as_str()).into_owned())
}

/// The end of the chain says what happened; each level above repeats the address.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Straight to the server, whatever proxy is set, and to no other: a redirect is not followed, as in the load, so
/// that what the headers hold goes nowhere else. It keeps no connection open between two questions: an open
/// one would hold up a server that is to be stopped.
fn builder() -> ClientBuilder {
    Client::builder().no_proxy().pool_max_idle_per_host(0).redirect(Policy::none())
}

/// A client with the plan's headers, key and trust.
///
/// # Errors
/// A certificate file that cannot be read, or a header that cannot be sent.
pub fn client(http: &HttpSettings, api_key: Option<&str>) -> anyhow::Result<Client> {
    let mut headers = HeaderMap::new();
    for header in &http.headers {
        let name = HeaderName::try_from(&header.name).context("a header's name")?;
        headers.insert(name, secret(&header.value).with_context(|| format!("the header {}", header.name))?);
    }
    if let Some(key) = api_key {
        headers.insert(AUTHORIZATION, secret(&format!("Bearer {key}")).context("the API key")?);
    }
    let mut builder =
        builder().timeout(ANSWER).default_headers(headers).danger_accept_invalid_certs(http.insecure);
    if let Some(path) = &http.unix_socket {
        builder = builder.unix_socket(path.clone());
    }
    // The same protocol as the load: a server may speak no other.
    builder = if http.http2 { builder.http2_prior_knowledge() } else { builder.http1_only() };
    if let Some(path) = &http.ca_file {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .with_context(|| format!("{} holds no PEM certificate", path.display()))?;
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder.build()?)
}

/// The API key, from the variable or the file that the plan names; none where it names neither.
///
/// # Errors
/// That variable is not set, or is blank; that file cannot be read, or holds no key.
pub fn api_key(http: &HttpSettings) -> anyhow::Result<Option<String>> {
    if let Some(file) = &http.api_key_file {
        return key_in(file).map(Some);
    }
    let Some(name) = &http.api_key_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().to_owned())),
        Ok(_) | Err(_) => {
            refuse(format!("--api-key-env {name}: that variable is not set"), format!("export {name}=…"))
        }
    }
}

/// A file that is longer holds something else than a key, bytes.
const LONGEST_KEY: u64 = 64 << 10;

/// The key in a file: all of it, without white space around it. A refusal repeats nothing of it.
fn key_in(file: &Path) -> anyhow::Result<String> {
    const CURE: &str = "give a file that holds the key and nothing else";
    let named = || format!("--api-key-file {}", file.display());
    // It is read more than once.
    if !std::fs::metadata(file).or_refuse(named, CURE)?.is_file() {
        return refuse(format!("{} is no file", named()), "write the key into a file, or use --api-key-env");
    }
    let is_short = |file: &Path| std::fs::metadata(file).map(|about| about.len() <= LONGEST_KEY);
    if !is_short(file).or_refuse(named, CURE)? {
        return refuse(format!("{} is no key: it is too long", named()), CURE);
    }
    // Not the error itself: of a text that is none it shows bytes.
    let bytes = std::fs::read(file).or_refuse(named, CURE)?;
    match std::str::from_utf8(&bytes).map(str::trim) {
        Ok(key) if !key.is_empty() && !key.contains(char::is_whitespace) => Ok(key.to_owned()),
        Ok(_) | Err(_) => refuse(format!("{} holds no key", named()), CURE),
    }
}

fn secret(value: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(value).context("holds bytes that a header cannot")?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client for a server of ours that still loads: no key, no redirect to anywhere else.
///
/// # Errors
/// The client cannot be made.
pub fn loading_client() -> reqwest::Result<Client> {
    let builder = builder().http1_only();
    builder.connect_timeout(CONNECT_LOADING).timeout(ANSWER_LOADING).build()
}

/// The status of the answer to GET `url`.
///
/// # Errors
/// There is no answer.
pub async fn status(client: &Client, url: &str) -> Result<StatusCode, NoAnswer> {
    Ok(client.get(url).send().await?.status())
}

/// The models that the list at `url` names, in its order.
///
/// # Errors
/// There is no answer, or none that is a list of models.
pub async fn models(client: &Client, url: &str) -> Result<Vec<String>, NoAnswer> {
    let response = client.get(url).send().await?;
    if !response.status().is_success() {
        let status = response.status();
        return Err(match redirect_target(&response) {
            Some(target) => NoAnswer::Redirect(status, target),
            None => NoAnswer::Status(status),
        });
    }
    let Some(bytes) = bounded(response, LARGEST_LIST).await? else {
        return Err(NoAnswer::NoList(format!("it does not end within {} MB", LARGEST_LIST >> 20)));
    };
    let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let list: Value = serde_json::from_slice(json).map_err(|error| NoAnswer::NoList(error.to_string()))?;
    names(&list).ok_or_else(|| NoAnswer::NoList("`data` is missing".to_owned()))
}

/// The body of an answer; none where it is longer than `largest` bytes: what comes beyond is not read.
async fn bounded(mut response: Response, largest: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await? {
        if bytes.len() + part.len() > largest {
            return Ok(None);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Some(bytes))
}

/// Names in an OpenAI list (`data[].id`); others send the list bare (Together), as `models` with a `name` (Ollama), or
/// `null` where there is none.
fn names(list: &Value) -> Option<Vec<String>> {
    let models = match list.get("data").or_else(|| list.get("models")).unwrap_or(list) {
        Value::Array(models) => models.as_slice(),
        Value::Null if list.is_object() => &[],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return None,
    };
    let name = |model: &Value| {
        ["id", "name", "model"].iter().find_map(|key| model.get(key)?.as_str().map(str::to_owned))
    };
    Some(models.iter().filter_map(name).filter(|name| !name.trim().is_empty()).collect())
}

/// Why the list of models at `url` is none, in words.
pub fn no_list(url: &str, why: &NoAnswer) -> String {
    match why {
        NoAnswer::Status(_) | NoAnswer::Redirect(..) => format!("{url} answers {why}"),
        NoAnswer::NoList(what) => format!("{url} answers with something that is no model list: {what}"),
        NoAnswer::NoConnection(_) | NoAnswer::Broken(_) => format!("{url} does not answer: {why}"),
    }
}

/// The bytes of a metrics page; none where the server has no such page, or serves without it (404, 501).
///
/// # Errors
/// When the page cannot be read in time, does not end, or is answered with another status than 200.
pub async fn metrics_page(client: &Client, url: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let response =
        client.get(url).send().await.with_context(|| format!("cannot read the server's metrics at {url}"))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => return Ok(None),
        status => {
            let target = redirect_target(&response).map(|target| format!(" (to {target})"));
            bail!("the server answers {status}{} for its metrics at {url}", target.unwrap_or_default())
        }
    }
    let broke_off = || format!("the server's metrics at {url} broke off");
    match bounded(response, LARGEST_PAGE).await.with_context(broke_off)? {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(EndlessPage { url: url.to_owned() }.into()),
    }
}

/// The tokens of a text by a server's own tokenizer, at `base` + `/tokenize`; none where it has no such page. vLLM
/// and SGLang, llama.cpp, and TGI each want another body. A BOS that the server adds all the same is in the count.
pub async fn token_count(client: &Client, base: &str, model: &str, text: &str) -> Option<u64> {
    let url = format!("{}/tokenize", base.trim_end_matches('/').trim_end_matches("/v1"));
    let bodies = [
        json!({"model": model, "prompt": text, "add_special_tokens": false}),
        json!({"content": text, "add_special": false}),
        json!({"inputs": text, "add_special_tokens": false}),
    ];
    for body in bodies {
        let response = client.post(&url).json(&body).send().await.ok()?;
        if !response.status().is_success() {
            continue;
        }
        let told: Value = serde_json::from_slice(&bounded(response, LARGEST_LIST).await.ok()??).ok()?;
        let count = told.get("count").and_then(Value::as_u64);
        let listed = told.get("tokens").unwrap_or(&told).as_array().map(|tokens| tokens.len() as u64);
        // llama.cpp answers a body that it does not know with no token at all.
        if let Some(count) = count.or(listed).filter(|count| *count > 0) {
            return Some(count);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_an_openai_list() {
        let list = serde_json::json!({"data": [{"id": "a"}, {"object": "model"}, {"id": "b"}]});
        assert_eq!(names(&list).unwrap(), ["a", "b"]);
        for empty in [json!({"data": []}), json!({"data": null}), json!({"data": [{"id": ""}]})] {
            assert_eq!(names(&empty), Some(Vec::new()), "{empty}");
        }
        assert_eq!(names(&json!([{"id": "a"}])).unwrap(), ["a"]);
        assert_eq!(names(&json!({"models": [{"name": "a"}, {"model": "b"}]})).unwrap(), ["a", "b"]);
        for none in [json!({"detail": "no"}), json!("a"), json!({"data": {"id": "a"}})] {
            assert_eq!(names(&none), None, "{none}");
        }
        assert_eq!(names(&Value::Null), None);
    }

    #[tokio::test]
    async fn a_port_where_nothing_listens_gives_no_answer() {
        let url = "http://127.0.0.1:1/health";
        let why = status(&loading_client().unwrap(), url).await.unwrap_err();
        assert!(matches!(why, NoAnswer::NoConnection(_)), "{why:?}");
        assert!(why.to_string().contains("refused"), "{why}");
    }
}
