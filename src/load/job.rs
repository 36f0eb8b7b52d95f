//! What decides one run of the load engine.

use anyhow::Context;
use url::Url;

use crate::schema::plan::{HttpSettings, LoadPoint, Sampling};
use crate::schema::target::Capabilities;
use crate::schema::unit::Units;

/// All that decides one run.
#[derive(Debug, Clone)]
pub struct Job {
    /// The server: scheme, host, port and any path before the endpoint's.
    pub base_url: String,
    /// Further servers like it: units are dealt out to all in turn, the k-th to the one of that number.
    pub more_urls: Vec<String>,
    /// Endpoint, headers, certificates.
    pub http: HttpSettings,
    /// Sent as `Authorization: Bearer`; never recorded.
    pub api_key: Option<String>,
    /// How the server is spoken to.
    pub capabilities: Capabilities,
    /// The load.
    pub load: LoadPoint,
    /// Seed of the due times.
    pub seed: u64,
    /// Client threads to begin with.
    pub client_threads: u32,
    /// They become as many as this where the warm-up shows that it takes them; no more than there are: they stay so
    /// many.
    pub most_client_threads: u32,
    /// What each request asks for.
    pub sampling: Sampling,
    /// Measured units.
    pub units: Units,
    /// Warm-up units.
    pub warmup: Units,
}

/// # Errors
/// It is no URL.
pub(crate) fn base_url(text: &str) -> anyhow::Result<Url> {
    Url::parse(text).with_context(|| format!("{text:?} is not a URL; one looks like http://127.0.0.1:8000"))
}
