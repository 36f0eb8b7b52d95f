//! What the tests share: a guard, the fake engine, and looks at processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::backend::guard::Guard;
use harness::backend::launch::readiness::ProbeAnswer;
use harness::backend::launch::{LaunchError, LaunchEvent, LaunchRequest, Server, launch};
use harness::backend::process::{self, Process};
use harness::schema::target::{Docker, FailurePattern, LaunchSpec, Launcher, Readiness, Stop};
use tokio::sync::watch;

/// Long enough for a busy machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server in Python's standard library; the pids of its helpers go to the file `--helpers`.
pub const ENGINE: &str = include_str!("fake_engine.py");

/// A stand-in for docker: a container is a process of its own and a file that holds its pid.
pub const DOCKER: &str = include_str!("fake_docker.py");

pub struct Bench {
    pub directory: tempfile::TempDir,
    pub guard: Guard,
}

impl Bench {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("engine.py"), ENGINE).unwrap();
        let state = directory.path().join("state");
        let exe = Path::new(env!("CARGO_BIN_EXE_harness"));
        let guard = Guard::start_with(exe, Some(&state)).await.unwrap();
        assert_eq!(guard.state_error, None);
        Self { directory, guard }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn spec(&self, options: &[&str]) -> LaunchSpec {
        spec(self.directory.path(), options)
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

    /// Pids that the engine wrote down, as processes.
    pub fn helpers(&self) -> Vec<Process> {
        helpers(&self.path("helpers"))
    }

    /// Nothing lives below the guard.
    pub fn assert_nothing_lives(&self) {
        assert_eq!(below(self.guard.process()), Vec::<Process>::new());
    }
}

pub fn spec(directory: &Path, options: &[&str]) -> LaunchSpec {
    let engine = directory.join("engine.py").display().to_string();
    let mut argv = vec!["python3".to_owned(), engine, "--port".into(), "{port}".into()];
    argv.extend(options.iter().map(|option| option.to_string()));
    LaunchSpec {
        launcher: Launcher::Process,
        argv,
        port: None,
        env: BTreeMap::new(),
        env_from: Vec::new(),
        env_clear: Vec::new(),
        parameters: BTreeMap::new(),
        readiness: Readiness {
            paths: vec!["/ready".into(), "/health".into()],
            models_path: "/v1/models".into(),
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

/// Puts the stand-in first on the PATH that it returns.
pub fn stand_in_docker(directory: &Path) -> std::ffi::OsString {
    use std::os::unix::fs::PermissionsExt;
    let bin = directory.join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("docker"), DOCKER).unwrap();
    fs::set_permissions(bin.join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    let own = std::env::var_os("PATH").unwrap();
    std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&own))).unwrap()
}

/// The fake engine from an image.
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

pub async fn token(_url: &str) -> Result<ProbeAnswer, String> {
    Ok(ProbeAnswer { prompt_tokens: Some(3), output_tokens: Some(1) })
}

pub fn helpers(file: &Path) -> Vec<Process> {
    let pids = fs::read_to_string(file).unwrap();
    let helpers: Vec<Process> =
        pids.split(' ').map(|pid| Process::of(pid.parse().unwrap()).unwrap()).collect();
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
    while processes.iter().any(Process::is_alive) {
        assert!(started.elapsed() < PATIENCE, "still alive: {processes:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

pub fn wait_for_file(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < PATIENCE, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}
