//! The server's own metrics page: fetched, and read for the series of [`crate::schema::series::all`].

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::schema::series::server::{
    SERVER_CACHE_QUERIES, SERVER_CACHED_TOKENS, SERVER_GENERATED_TOKENS, SERVER_KV_CACHE_USE,
    SERVER_PREEMPTIONS, SERVER_PROMPT_TOKENS, SERVER_RUNNING, SERVER_WAITING,
};
use crate::schema::target::ServerMetrics;
use crate::server_api;

use super::histograms::histograms;
use super::prometheus::Page;
use super::reading::Reading;

/// The least time between two readings of histograms, of the time since the first one: a run's file stays small however
/// long it is, and of its beginning, where the warm-up ends, nothing is left out.
const SHARE_BETWEEN_HISTOGRAMS: u32 = 100;

/// Fetches the page at `url`; none where the server has none there (404, 501).
///
/// # Errors
/// When the page cannot be read, or is answered with another status than 200.
pub(super) async fn fetch(client: &reqwest::Client, url: &str) -> anyhow::Result<Option<Page>> {
    Ok(server_api::metrics_page(client, url).await?.map(|bytes| Page::parse(&bytes)))
}

/// The sensor of the server's page.
#[derive(Debug, Clone)]
pub struct ServerPage {
    client: reqwest::Client,
    url: String,
    /// As messages name it: the path alone where it lies beside the server.
    place: String,
    metrics: ServerMetrics,
    /// Of the first reading that showed a histogram, and of the last.
    histograms_read: Option<(Instant, Instant)>,
}

impl ServerPage {
    /// The sensor of the server at `base_url`; none where its engine has no page, or a page of unknown names.
    pub fn new(client: reqwest::Client, base_url: &str, metrics: &ServerMetrics) -> Option<ServerPage> {
        let url = metrics.address(base_url)?;
        let place = metrics.path.clone().filter(|_| metrics.port.is_none()).unwrap_or_else(|| url.clone());
        let named = [
            &metrics.running,
            &metrics.waiting,
            &metrics.kv_cache_use,
            &metrics.prompt_tokens,
            &metrics.generated_tokens,
            &metrics.cached_tokens,
            &metrics.cache_queries,
            &metrics.preemptions,
        ];
        let is_known = named.into_iter().chain(metrics.histograms.values()).any(|names| !names.is_empty());
        is_known.then(|| ServerPage { client, url, place, metrics: metrics.clone(), histograms_read: None })
    }

    /// Reads the page once. Its histograms are read too where that is due, and always if it is the last time.
    ///
    /// # Errors
    /// There is no page now, it cannot be read, or it shows none of the names.
    pub(super) async fn read(&mut self, is_last: bool) -> anyhow::Result<Reading> {
        let page = fetch(&self.client, &self.url).await?;
        let page = page.with_context(|| format!("the server has no page at {}", self.place))?;
        let values = values(&page, &self.metrics);
        let histograms = if is_last || self.histograms_are_due() {
            histograms(&page, &self.metrics)
        } else {
            BTreeMap::new()
        };
        if !histograms.is_empty() {
            let now = Instant::now();
            self.histograms_read = Some((self.histograms_read.map_or(now, |(first, _)| first), now));
        }
        if values.is_empty() && histograms.is_empty() {
            bail!("the page at {} shows none of the names that the backend's file gives", self.place);
        }
        Ok(Reading { device: None, values, histograms, broken_lines: page.broken_lines as u64 })
    }

    fn histograms_are_due(&self) -> bool {
        self.histograms_read
            .is_none_or(|(first, last)| last.elapsed() >= (last - first) / SHARE_BETWEEN_HISTOGRAMS)
    }
}

/// The values of the series that a page shows.
fn values(page: &Page, metrics: &ServerMetrics) -> BTreeMap<String, f64> {
    let first =
        |names: &[String], of: fn(&Page, &str) -> Option<f64>| names.iter().find_map(|name| of(page, name));
    // Of a series that is the sum of several counters those are summed that are there: some engines show one only after its
    // first use, and until then it is 0.
    let total =
        |names: &[String]| names.iter().filter_map(|name| page.sum(name)).reduce(|sum, value| sum + value);
    let found = [
        (SERVER_RUNNING, first(&metrics.running, Page::sum)),
        (SERVER_WAITING, first(&metrics.waiting, Page::sum)),
        (SERVER_KV_CACHE_USE, first(&metrics.kv_cache_use, Page::mean)),
        (SERVER_PROMPT_TOKENS, total(&metrics.prompt_tokens)),
        (SERVER_GENERATED_TOKENS, total(&metrics.generated_tokens)),
        (SERVER_CACHED_TOKENS, total(&metrics.cached_tokens)),
        (SERVER_CACHE_QUERIES, first(&metrics.cache_queries, Page::sum)),
        (SERVER_PREEMPTIONS, first(&metrics.preemptions, Page::sum)),
    ];
    let finite = found.into_iter().filter_map(|(name, value)| Some((name, value.filter(|v| v.is_finite())?)));
    finite.map(|(name, value)| (name.to_owned(), value)).collect()
}
