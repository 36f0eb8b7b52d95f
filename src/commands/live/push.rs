//! Metrics that are pushed to a Pushgateway: of runs that are too short to be scraped.

use reqwest::header::CONTENT_TYPE;

use crate::report::prometheus::{self, Format};
use crate::schema::live_page::LivePage;

use super::destination::{Destination, NotSent};

/// A Pushgateway, and the group of ours in it.
#[derive(Debug)]
pub(super) struct Pushgateway(Destination);

impl Pushgateway {
    /// The group is job `harness` on this machine, where the address names none: a further command replaces what the last
    /// one left, so that groups do not heap up.
    ///
    /// # Errors
    /// It is no http address.
    pub(super) fn new(given: &str, token: Option<String>, hostname: &str) -> anyhow::Result<Pushgateway> {
        let mut gateway = Destination::new("--pushgateway", given, token)?;
        if !gateway.url.path().contains("/metrics/job")
            && let Ok(mut path) = gateway.url.path_segments_mut()
        {
            path.pop_if_empty().extend(["metrics", "job", "harness", "instance", hostname]);
        }
        Ok(Pushgateway(gateway))
    }

    /// Its address.
    pub(super) fn shown(&self) -> &str {
        &self.0.shown
    }

    /// Puts the page in place of the one before.
    pub(super) async fn push(&self, page: &LivePage) -> Result<(), NotSent> {
        let body = prometheus::page(page, Format::Classic);
        self.0
            .send(|client, url| {
                client.put(url).header(CONTENT_TYPE, Format::Classic.content_type()).body(body)
            })
            .await
    }
}
