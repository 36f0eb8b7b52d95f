//! What the tests share: a place with a guard, the foreign server as a launch, and looks at processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::backend::guard::Guard;
use harness::backend::launch::readiness::{ProbeAnswer, ProbeFailure};
use harness::backend::launch::{LaunchError, LaunchEvent, LaunchRequest, Server, launch};
use harness::backend::process::{self, Process};
use harness::schema::target::{Docker, FailurePattern, LaunchSpec, Launcher, Readiness, Stop};
use tokio::sync::watch;

pub use super::common::{PATIENCE, Place, containers, engine_command, install_docker, wait_for};

/// Last words of an engine that dies while it loads.
pub const OUT_OF_MEMORY: [&str; 6] = [
    "--startup-s",
    "0.3",
    "--log-line",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
    "--log-line",
    "see above",
];

pub struct Bench {
    pub place: Place,
    pub guard: Guard,
}

impl Bench {
    pub async fn new() -> Self {
        let place = Place::new();
        let exe = Path::new(env!("CARGO_BIN_EXE_harness"));
        let guard = Guard::start_with(exe, Some(&place.path("state"))).await.unwrap();
        assert_eq!(guard.state_error, None);
        Self { place, guard }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.place.text(name)
    }

    pub fn spec(&self, options: &[&str]) -> LaunchSpec {
        spec(options)
    }

    pub async fn launch(&self, spec: &LaunchSpec) -> Result<Server, LaunchError> {
        self.launch_with(spec, PATIENCE, &mut Vec::new()).await
    }

    pub async fn launch_with(
        &self,
        spec: &LaunchSpec,
        startup_timeout: Duration,
        events: &mut Vec<LaunchEvent>,
    ) -> Result<Server, LaunchError> {
        let log = self.path("server.log");
        let request = LaunchRequest { label: "fake", run_id: "run-1", spec, log: &log, startup_timeout };
        let (_keep, stop) = watch::channel(false);
        launch(&self.guard, request, token, |event| events.push(event), stop).await
    }

    /// The foreign server with a child in its group, and a grandchild in a session of its own whose parent is gone.
    pub fn spec_with_helpers(&self, options: &[&str]) -> LaunchSpec {
        spec_with_helpers(&self.path("pids"), options)
    }

    /// The two, as processes.
    pub fn helpers(&self) -> Vec<Process> {
        helpers(&self.path("pids"))
    }

    /// Nothing lives below the guard.
    pub fn assert_nothing_lives(&self) {
        assert_eq!(below(self.guard.process()), Vec::<Process>::new());
    }
}

/// The foreign server, without its access log: what it writes is then the same each time.
pub fn spec(options: &[&str]) -> LaunchSpec {
    let mut argv = engine_command().to_vec();
    argv.extend(
        ["--port", "{port}", "--served-model-name", "our-model", "--no-access-log"].map(String::from),
    );
    argv.extend(options.iter().map(|option| option.to_string()));
    LaunchSpec {
        launcher: Launcher::Process,
        argv,
        port: None,
        env: BTreeMap::new(),
        env_from: Vec::new(),
        env_clear: Vec::new(),
        env_family: vec!["FAKE_*".into()],
        before: Vec::new(),
        parameters: BTreeMap::new(),
        readiness: Readiness {
            paths: vec!["/health".into()],
            models_path: Some("/v1/models".into()),
            listed_model: "our-model".into(),
        },
        stop: Stop { grace_s: 20.0, second_term_after_s: None },
        failures: vec![
            FailurePattern {
                contains: "cuda out of memory".into(),
                cause: "out of GPU memory".into(),
                hint: "lower gpu_memory_utilization".into(),
            },
            FailurePattern {
                contains: "address already in use".into(),
                cause: "port in use".into(),
                hint: "choose another".into(),
            },
        ],
        install_hint: "harness install fake".into(),
    }
}

pub fn spec_with_helpers(pids: &Path, options: &[&str]) -> LaunchSpec {
    let pids = pids.display().to_string();
    spec(&[&["--child", "--orphan-child", "--pid-file", &pids], options].concat())
}

/// The PATH of a place with the stand-in for docker first.
pub fn path_with_docker(bin: &Path) -> std::ffi::OsString {
    install_docker(bin);
    let own = std::env::var_os("PATH").unwrap();
    std::env::join_paths(std::iter::once(bin.to_owned()).chain(std::env::split_paths(&own))).unwrap()
}

/// The foreign server from an image.
pub fn in_docker(mut spec: LaunchSpec) -> LaunchSpec {
    spec.launcher = Launcher::Docker(Docker {
        image: "fake/engine:1".into(),
        container_port: 80,
        mounts: BTreeMap::from([(PathBuf::from("/models"), "/models".to_owned())]),
        gpus: None,
        run_args: vec!["--shm-size".into(), "1g".into()],
    });
    spec.argv.drain(..2);
    spec.env.insert("SET".into(), "1".into());
    spec.env_from = vec!["LIFECYCLE_TOKEN".into()];
    spec
}

pub async fn token(_url: &str) -> Result<ProbeAnswer, ProbeFailure> {
    Ok(ProbeAnswer { prompt_tokens: Some(3), output_tokens: Some(1) })
}

/// What `spec_with_helpers` started.
pub fn helpers(file: &Path) -> Vec<Process> {
    let text = fs::read_to_string(file).unwrap();
    let pids = text.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap());
    let helpers: Vec<Process> = pids.map(|pid| Process::of(pid).unwrap()).collect();
    assert_eq!(helpers.len(), 2);
    helpers
}

pub fn below(guard: Process) -> Vec<Process> {
    let all = process::all();
    let found = process::descendants(&all, &[guard.pid].into());
    found.into_iter().filter(|stat| stat.is_alive()).map(|stat| stat.process).collect()
}

/// Waits until none lives; how long it took.
pub fn wait_until_gone(processes: &[Process]) -> Duration {
    let started = Instant::now();
    wait_for("the end of the processes", || !processes.iter().any(Process::is_alive));
    started.elapsed()
}
