//! An address that metrics are sent to: its key, what is shown of it, and what an answer means.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::{Client, RequestBuilder, StatusCode};
use url::{Host, Url};

use crate::schema::refusal::{OrRefuse, refuse};
use crate::secrets;

/// Time that one request may take.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// What an answer says of its trouble, at most so many characters of it.
const LONGEST_WORDS: usize = 200;

/// Where metrics go.
#[derive(Debug)]
pub(super) struct Destination {
    /// With its user and password, which reqwest sends as basic authentication.
    pub(super) url: Url,
    /// Bearer token.
    token: Option<String>,
    /// The address without its key.
    pub(super) shown: String,
    client: Client,
}

/// Why something did not arrive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotSent {
    /// What happened.
    pub(super) why: String,
    /// What helps.
    pub(super) cure: &'static str,
    /// The same may arrive later: nobody was there, or was busy.
    pub(super) later: bool,
}

impl Destination {
    /// Of a flag's URL; a bearer token goes with it where there is one.
    ///
    /// # Errors
    /// It is no http address, or has a user and there is a token: a request has but one key.
    pub(super) fn new(flag: &str, given: &str, token: Option<String>) -> anyhow::Result<Destination> {
        let cure = "give http://HOST:PORT or https://…";
        let url = match Url::parse(given) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => url,
            // What was given may hold a password.
            Ok(_) | Err(_) => return refuse(format!("{flag}: not an address to send to"), cure),
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        let user = Some(url.username()).filter(|user| !user.is_empty());
        // A user without a password is a key.
        let key = url.password().or(user);
        let decoded = key.map(|key| percent_decode_str(key).decode_utf8_lossy().into_owned());
        secrets::keep_from_outputs(token.iter().cloned().chain(key.map(str::to_owned)).chain(decoded));
        if token.is_some() && key.is_some() {
            let variable =
                format!("HARNESS_{}_TOKEN", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
            return refuse(
                format!("{flag}: its address has a user, and {variable} is set: a request has but one key"),
                format!("take the user out of the address, or unset {variable}"),
            );
        }
        let mut shown = url.clone();
        // An address with a host has room for a user.
        let _ = shown.set_username("").and_then(|()| shown.set_password(None));
        shown.set_query(None);
        let builder = Client::builder().timeout(ANSWER).redirect(reqwest::redirect::Policy::none());
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        // A proxy knows nothing of what is on this machine.
        let builder = if is_here { builder.no_proxy() } else { builder };
        let client = builder.build().or_refuse(|| format!("{flag} cannot be used"), cure)?;
        Ok(Destination { shown: shown.to_string(), url, token, client })
    }

    /// Sends what `request` makes of the client.
    pub(super) async fn send(
        &self,
        request: impl FnOnce(&Client, Url) -> RequestBuilder,
    ) -> Result<(), NotSent> {
        let mut request = request(&self.client, self.url.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(mut response) => {
                let status = response.status();
                // The first piece says enough, and an answer may have no end.
                let words = response.chunk().await.ok().flatten().unwrap_or_default();
                let words: String = String::from_utf8_lossy(&words).chars().take(LONGEST_WORDS).collect();
                Err(refused(status, words.trim()))
            }
            Err(error) => Err(NotSent {
                why: root_cause(&error.without_url()),
                cure: "start it, or check the address",
                later: true,
            }),
        }
    }
}

fn refused(status: StatusCode, words: &str) -> NotSent {
    let cure = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "give its key: http://USER:PASSWORD@HOST…, or a token"
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            "check the path; Prometheus takes remote writes with --web.enable-remote-write-receiver"
        }
        status if status.is_redirection() => "give the address that it leads to",
        _ => "look into its log",
    };
    let why = if words.is_empty() { status.to_string() } else { format!("{status}: {words}") };
    let why = secrets::from_outside(&why).into_owned();
    let later = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    NotSent { why, cure, later }
}

/// The end of the chain says what happened.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
