//! A plan and what it is played with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use crate::backend::guard::Guard;
use crate::cluster::Leader;
use crate::dataset::{self, Source, Synthesis, warmup_units};
use crate::load;
use crate::monitor::{self, ServerCounters};
use crate::schema::environment::Environment;
use crate::schema::plan::{HttpSettings, LoadPoint, Plan};
use crate::schema::refusal::refusal;
use crate::schema::target::Target;
use crate::schema::unit::Units;
use crate::secrets;
use crate::server_api;

use super::event::{Event, Listener};
use super::gpu_patience::GpuPatience;
use super::own_units::OwnUnits;
use super::resume::ClosedOnDisk;

/// Distinct warm-up units; longer warm-ups repeat them.
const WARMUP_UNITS: usize = 64;

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
    /// Those of the loads that ask something of their own.
    pub own_units: OwnUnits,
    /// What makes the units, where a server may still have to say how it counts their tokens.
    pub synthesis: Option<Arc<Synthesis>>,
    /// The API key, from the variable that the plan names.
    pub api_key: Option<String>,
    /// Asks servers about themselves.
    pub client: reqwest::Client,
    /// The harness program, started as the guard of every server that is launched. None: a plan that launches
    /// nothing needs none. A program that only uses this library names an installed `harness`.
    pub program: Option<PathBuf>,
    /// Send one request to a running server before the load.
    pub probe_running_server: bool,
    /// Runs of the plan that are whole on disk already, from an earlier try.
    pub closed: ClosedOnDisk,
    /// The other workers, of a plan that several play together; none: this process plays all.
    pub leader: Option<Arc<Leader>>,
}

impl Session {
    /// A session that measures servers which already run: no guard program, no probe, nothing closed. The warm-up
    /// is of prompts of its own, and the API key is that of the variable which the plan names.
    ///
    /// # Errors
    /// That variable is not set, a header or a certificate cannot be used, or a scenario's file cannot be read.
    pub fn new(plan: Plan, environment: Environment, units: Units) -> anyhow::Result<Session> {
        let api_key = server_api::api_key(&plan.http)?;
        secrets::keep_wire_from_outputs(&plan.http, api_key.as_deref());
        let mut plan = plan;
        let units = dataset::shaped(units, &plan);
        let mut warmup = warmup_units(WARMUP_UNITS, plan.sampling.max_tokens);
        if let Some(split) = &plan.split {
            // Each model is warmed up alike, however little of the traffic it gets: at each server, which take the
            // units in turn.
            let servers = plan.targets.iter().map(|target| 1 + target.more_urls.len()).max().unwrap_or(1);
            let models = split.models.iter().cycle().flat_map(|model| std::iter::repeat_n(model, servers));
            warmup.iter_mut().zip(models).for_each(|(unit, model)| unit.model = Some(model.model.clone()));
        }
        let warmup = Source::Listed(warmup.into()).units();
        let own_units = OwnUnits::of(&plan, &units, &warmup)?;
        plan.conversations.several_turns = !units.single_turns() || own_units.several_turns();
        Ok(Session {
            client: server_api::client(&plan.http, api_key.as_deref())?,
            own_units,
            warmup,
            plan,
            environment,
            units,
            synthesis: None,
            api_key,
            program: None,
            probe_running_server: false,
            closed: ClosedOnDisk::default(),
            leader: None,
        })
    }

    /// The program that is started as the guard.
    ///
    /// # Errors
    /// The session names none.
    pub fn guard_program(&self) -> anyhow::Result<&Path> {
        self.program.as_deref().ok_or_else(|| {
            refusal(
                "the plan launches servers, and the session names no program to be their guard",
                "set Session.program to the path of an installed harness",
            )
        })
    }

    /// How a target's server is spoken to.
    fn http_of(&self, target: &Target) -> HttpSettings {
        let http = self.plan.http.clone();
        match http.own_protocols.get(&target.label).copied() {
            None => http,
            Some(protocol) => {
                let path =
                    if http.stream { load::default_path(protocol) } else { load::whole_path(protocol) };
                HttpSettings { protocol, path: path.to_owned(), ..http }
            }
        }
    }

    /// The load engine's job for one load on one target.
    pub fn job(&self, target: &Target, url: &str, load: &LoadPoint) -> load::Job {
        let (units, warmup) = self.own_units.units(load).unwrap_or((&self.units, &self.warmup));
        load::Job {
            base_url: url.to_owned(),
            more_urls: target.more_urls.clone(),
            http: self.http_of(target),
            api_key: self.api_key.clone(),
            capabilities: target.capabilities.clone(),
            load: load.clone(),
            seed: self.plan.seed,
            client_threads: 1,
            most_client_threads: 1,
            sampling: self.plan.sampling,
            units: units.clone(),
            warmup: warmup.clone(),
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
    /// Whether the library of the GPUs still answers.
    pub gpu_patience: GpuPatience,
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{fixture, run};
    use super::*;
    use crate::schema::refusal::cures;
    use crate::schema::target::{LaunchSpec, Launcher, Origin, Readiness, Stop};
    use crate::schema::unit::Unit;

    fn session(plan: Plan) -> anyhow::Result<Session> {
        let environment = serde_json::from_value(serde_json::json!({
            "taken_at": "2026-02-01T14:30:00Z", "harness_version": "0", "os": "Linux", "hostname": "here",
            "cpu": "some", "cores": 1, "memory_bytes": 1, "open_files": [1, 1], "gpus": []
        }));
        Session::new(plan, environment.unwrap(), Units::one(Unit::single("a", "Hello.", 1)))
    }

    /// Launches a program that is not there.
    fn launch() -> Origin {
        Origin::Launch(Box::new(LaunchSpec {
            launcher: Launcher::Process,
            argv: vec!["/nonexistent".to_owned()],
            port: None,
            env: Default::default(),
            env_from: Vec::new(),
            env_clear: Vec::new(),
            env_family: Vec::new(),
            before: Vec::new(),
            parameters: Default::default(),
            readiness: Readiness {
                paths: vec!["/health".to_owned()],
                models_path: Some("/v1/models".to_owned()),
                listed_model: "m".to_owned(),
            },
            stop: Stop { grace_s: 1.0, second_term_after_s: None },
            failures: Vec::new(),
            install_hint: String::new(),
        }))
    }

    #[tokio::test]
    async fn a_plan_that_launches_without_a_guard_program_is_refused_with_its_cure() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = fixture::plan(&["a"], 1, 1, 1);
        plan.targets[0].origin = launch();
        plan.output.directory = folder.path().to_owned();
        let (_stop, shutdown) = watch::channel(false);
        let refused = run(&session(plan).unwrap(), &|_| {}, shutdown).await.err().unwrap();
        assert_eq!(cures(&refused), ["set Session.program to the path of an installed harness"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
    }

    #[test]
    fn a_session_takes_the_key_from_the_variable_that_the_plan_names() {
        let mut plan = fixture::plan(&["a"], 1, 1, 1);
        assert_eq!(session(plan.clone()).unwrap().api_key, None);
        plan.http.api_key_env = Some("PATH".to_owned());
        let key = std::env::var("PATH").unwrap();
        assert_eq!(session(plan.clone()).unwrap().api_key.as_deref(), Some(key.trim()));
        plan.http.api_key_env = Some("NO_SUCH_VARIABLE".to_owned());
        assert_eq!(cures(&session(plan).err().unwrap()), ["export NO_SUCH_VARIABLE=…"]);
    }

    #[test]
    fn the_path_that_a_plan_has_by_default_is_the_one_of_its_protocol() {
        let http = HttpSettings::default();
        assert_eq!(http.path, load::default_path(http.protocol));
    }
}
