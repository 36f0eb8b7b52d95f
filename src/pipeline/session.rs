//! A plan and what it is played with.

use std::path::PathBuf;

use tokio::sync::watch;

use crate::backend::guard::Guard;
use crate::load;
use crate::monitor::{self, ServerCounters};
use crate::schema::environment::Environment;
use crate::schema::plan::{LoadPoint, Plan};
use crate::schema::target::Target;
use crate::schema::unit::Units;

use super::event::{Event, Listener};
use super::resume::ClosedOnDisk;

/// A plan and what it needs beside itself to be played.
pub struct Session {
    /// The plan.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// Measured units.
    pub units: Units,
    /// Warm-up units.
    pub warmup: Units,
    /// The API key, from the variable that the plan names.
    pub api_key: Option<String>,
    /// Asks servers about themselves.
    pub client: reqwest::Client,
    /// The harness program, started as the guard of every server that is launched. A program that only
    /// uses this library launches with the path of an installed `harness`.
    pub program: PathBuf,
    /// Send one request to a running server before the load.
    pub probe_running_server: bool,
    /// Runs of the plan that are whole on disk already, from an earlier try.
    pub closed: ClosedOnDisk,
}

impl Session {
    /// The load engine's job for one load on one target.
    pub fn job(&self, target: &Target, url: &str, load: &LoadPoint) -> load::Job {
        load::Job {
            base_url: url.to_owned(),
            http: self.plan.http.clone(),
            api_key: self.api_key.clone(),
            capabilities: target.capabilities.clone(),
            load: load.clone(),
            seed: self.plan.seed,
            client_threads: self.plan.client_threads,
            sampling: self.plan.sampling,
            units: self.units.clone(),
            warmup: self.warmup.clone(),
        }
    }
}

/// What a visit is played with.
pub struct Stage<'a> {
    /// Plan, requests and machine.
    pub session: &'a Session,
    /// Parent of all servers; none where nothing is launched.
    pub guard: Option<&'a Guard>,
    /// Who hears of it.
    pub listen: Listener<'a>,
    /// True once the user wants to stop.
    pub shutdown: watch::Receiver<bool>,
}

impl Stage<'_> {
    /// The server's own counters; none where it has none or does not answer: they are a cross-check.
    pub async fn counters(&self, target: &Target, url: &str) -> Option<ServerCounters> {
        match monitor::server_counters(&self.session.client, url, &target.metrics).await {
            Ok(counters) => counters,
            Err(error) => {
                let why = format!("{}: no counters of its own: {error:#}", target.label);
                (self.listen)(Event::Detail(&why));
                None
            }
        }
    }
}
