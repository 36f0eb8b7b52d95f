//! Asks a server about itself, beside the measured path and never on its connections.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::schema::plan::HttpSettings;

/// Time that a question may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client with the plan's headers, key and trust. It keeps no connection open between two questions:
/// an open one would hold up a server that is to be stopped.
///
/// # Errors
/// A certificate file that cannot be read, or a header that cannot be sent.
pub fn client(wire: &HttpSettings, api_key: Option<&str>) -> anyhow::Result<reqwest::Client> {
    let mut headers = HeaderMap::new();
    for header in &wire.headers {
        let name = HeaderName::try_from(&header.name).context("a header's name")?;
        headers.insert(name, secret(&header.value).with_context(|| format!("the header {}", header.name))?);
    }
    if let Some(key) = api_key {
        headers.insert(AUTHORIZATION, secret(&format!("Bearer {key}")).context("the API key")?);
    }
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .pool_max_idle_per_host(0)
        .default_headers(headers)
        .danger_accept_invalid_certs(wire.insecure);
    // The same protocol as the load: a server may speak no other.
    builder = if wire.http2 { builder.http2_prior_knowledge() } else { builder.http1_only() };
    if let Some(path) = &wire.ca_file {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .with_context(|| format!("{} holds no PEM certificate", path.display()))?;
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder.build()?)
}

fn secret(value: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(value).context("holds bytes that a header cannot")?;
    value.set_sensitive(true);
    Ok(value)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[derive(Deserialize)]
struct Models {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
}

/// The models that the server lists, in its order.
///
/// # Errors
/// Nothing answers there, or something that is no inference server.
pub async fn listed_models(client: &reqwest::Client, base_url: &str) -> anyhow::Result<Vec<String>> {
    let url = format!("{base_url}/v1/models");
    let response = match client.get(&url).send().await {
        Ok(response) => response,
        // The chain repeats the address at each level; its end says what happened.
        Err(error) => bail!("nothing answers at {base_url}: {}", root_cause(&error)),
    };
    if !response.status().is_success() {
        bail!("{url} answers {}", response.status());
    }
    let models: Models = response
        .json()
        .await
        .with_context(|| format!("{url} answers with something that is no model list"))?;
    Ok(models.data.into_iter().map(|model| model.id).collect())
}
