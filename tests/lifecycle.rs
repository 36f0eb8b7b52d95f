//! The life of a server, with the real guard and a fake engine: after each case nothing lives, the port is free.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::backend::guard::Guard;
use harness::backend::launch::{LaunchError, LaunchEvent, LaunchRequest, Server, launch};
use harness::backend::process::{self, Process};
use harness::backend::readiness::ProbeAnswer;
use harness::backend::{leftovers, port};
use harness::schema::backend::{Docker, FailurePattern, LaunchSpec, Launcher, Readiness, Stop};
use rustix::process::Signal;
use tokio::sync::watch;

/// Long enough for a busy machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in Python's standard library. Writes the pids of its helpers to `--pids`.
const ENGINE: &str = r#"
import argparse, http.server, json, os, signal, socketserver, subprocess, sys, threading, time
parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--model", default="our-model")
parser.add_argument("--loading", type=float, default=0.0)
parser.add_argument("--never-ready", action="store_true")
parser.add_argument("--refuse-while-loading", action="store_true")
parser.add_argument("--die-while-loading", action="store_true")
parser.add_argument("--crash-on")
parser.add_argument("--deaf", action="store_true")
parser.add_argument("--deaf-once", action="store_true")
parser.add_argument("--no-ready-path", action="store_true")
parser.add_argument("--helpers")
parser.add_argument("--environment")
parser.add_argument("--say")
options = parser.parse_args()
asked = 0
def on_term(number, frame):
    global asked
    asked += 1
    if options.deaf or (options.deaf_once and asked == 1):
        print("SIGTERM ignored", flush=True)
    else:
        os._exit(0)
signal.signal(signal.SIGTERM, on_term)
if options.say:
    print(options.say, flush=True)
if options.environment:
    json.dump(dict(os.environ), open(options.environment, "w"))
if options.helpers:
    # A child in our group, and a grandchild in a session of its own whose parent is gone.
    child = subprocess.Popen(["sleep", "600"])
    read, write = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, str(os.getpid()).encode())
            os.closerange(0, 256)
            time.sleep(600)
        os._exit(0)
    os.waitpid(middle, 0)
    orphan = int(os.read(read, 20))
    with open(options.helpers + ".new", "w") as file:
        file.write(f"{child.pid} {orphan}")
    os.rename(options.helpers + ".new", options.helpers)
print("loading weights", flush=True)
if options.die_while_loading:
    time.sleep(0.3)
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", flush=True)
    print("see above", flush=True)
    sys.exit(1)
start = time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        loading = options.never_ready or time.monotonic() - start < options.loading
        if self.path == "/ready" and options.no_ready_path:
            self.answer(404)
        elif loading:
            self.answer(503)
        elif self.path == "/v1/models":
            self.answer(200, json.dumps({"data": [{"id": options.model}]}).encode())
        else:
            self.answer(200)
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
if options.refuse_while_loading:
    time.sleep(options.loading)
server = Server(("127.0.0.1", options.port), Handler)
def watch():
    while options.crash_on:
        if os.path.exists(options.crash_on):
            print("engine died", flush=True)
            os._exit(0)
        time.sleep(0.02)
threading.Thread(target=watch, daemon=True).start()
print("listening", flush=True)
server.serve_forever()
"#;

/// A stand-in for docker: a container is a process of its own and a file that holds its pid.
const DOCKER: &str = r#"#!/usr/bin/env python3
import os, signal, subprocess, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\n")
def gone(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
def end(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
verb, rest = sys.argv[1], sys.argv[2:]
if verb == "run":
    name = rest[rest.index("--name") + 1]
    published = rest[rest.index("-p") + 1].split(":")
    image = rest.index("fake/engine:1")
    engine = [sys.executable, here + "/../engine.py", *rest[image + 1:], "--port", published[1]]
    container = subprocess.Popen(engine, start_new_session=True)
    with open(here + "/container-" + name, "w") as file:
        file.write(str(container.pid))
    sys.exit(container.wait())
file = here + "/container-" + rest[-1]
if not os.path.exists(file):
    sys.exit("Error: No such container: " + rest[-1])
pid = int(open(file).read())
if verb == "stop":
    end(pid, signal.SIGTERM)
    deadline = time.monotonic() + float(rest[rest.index("-t") + 1])
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    end(pid, signal.SIGKILL)
elif verb == "rm":
    end(pid, signal.SIGKILL)
    os.remove(file)
"#;

struct Bench {
    directory: tempfile::TempDir,
    guard: Guard,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("engine.py"), ENGINE).unwrap();
        let state = directory.path().join("state");
        let exe = Path::new(env!("CARGO_BIN_EXE_harness"));
        let guard = Guard::start_with(exe, Some(&state)).await.unwrap();
        assert_eq!(guard.state_error, None);
        Self { directory, guard }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn spec(&self, options: &[&str]) -> LaunchSpec {
        spec(self.directory.path(), options)
    }

    async fn launch(&self, spec: &LaunchSpec) -> Result<Server, LaunchError> {
        self.launch_with(spec, PATIENCE, &mut Vec::new()).await
    }

    async fn launch_with(
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
    fn helpers(&self) -> Vec<Process> {
        helpers(&self.path("helpers"))
    }

    /// Nothing lives below the guard.
    fn assert_nothing_lives(&self) {
        assert_eq!(below(self.guard.process()), Vec::<Process>::new());
    }
}

fn spec(directory: &Path, options: &[&str]) -> LaunchSpec {
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
fn stand_in_docker(directory: &Path) -> std::ffi::OsString {
    use std::os::unix::fs::PermissionsExt;
    let bin = directory.join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("docker"), DOCKER).unwrap();
    fs::set_permissions(bin.join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    let own = std::env::var_os("PATH").unwrap();
    std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&own))).unwrap()
}

/// The fake engine from an image.
fn in_docker(mut spec: LaunchSpec) -> LaunchSpec {
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

async fn token(_url: &str) -> Result<ProbeAnswer, String> {
    Ok(ProbeAnswer { prompt_tokens: Some(3), output_tokens: Some(1) })
}

fn helpers(file: &Path) -> Vec<Process> {
    let pids = fs::read_to_string(file).unwrap();
    let helpers: Vec<Process> =
        pids.split(' ').map(|pid| Process::of(pid.parse().unwrap()).unwrap()).collect();
    assert_eq!(helpers.len(), 2);
    helpers
}

fn below(guard: Process) -> Vec<Process> {
    let all = process::all();
    let found = process::descendants(&all, &[guard.pid].into());
    found.into_iter().filter(|stat| stat.is_alive()).map(|stat| stat.process).collect()
}

/// Waits until none lives; how long it took.
fn wait_until_gone(processes: &[Process]) -> Duration {
    let started = Instant::now();
    while processes.iter().any(Process::is_alive) {
        assert!(started.elapsed() < PATIENCE, "still alive: {processes:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

fn wait_for_file(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < PATIENCE, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn a_server_is_proved_ready_and_stopped_without_a_trace() {
    let bench = Bench::new().await;
    let mut events = Vec::new();
    let spec = bench.spec(&["--loading", "0.5", "--helpers", &bench.text("helpers")]);
    let server = bench.launch_with(&spec, PATIENCE, &mut events).await.unwrap();
    assert_eq!(server.url, format!("http://127.0.0.1:{}", server.port));
    assert_eq!(server.probe.output_tokens, Some(1));
    assert!(server.ready_after >= Duration::from_millis(500), "it answered 503 until then");
    assert_eq!(events.first(), Some(&LaunchEvent::Starting { pid: server.pid }));
    let loading = |event: &LaunchEvent| matches!(event, LaunchEvent::Loading { .. });
    assert!(events.iter().any(loading), "{events:?}");
    assert_eq!(events[events.len() - 2], LaunchEvent::Probing);
    assert_eq!(events.last(), Some(&LaunchEvent::Ready { after: server.ready_after }));

    let main = Process::of(server.pid).unwrap();
    let helpers = bench.helpers();
    let group = process::stat(main.pid).unwrap().group;
    assert_eq!(group, main.pid, "a process group of its own");
    let port = server.port;
    let stopped = server.stop().await;
    assert!(stopped.graceful && stopped.gone && stopped.port_free, "{stopped:?}");
    assert_eq!(stopped.killed, 2, "the helpers do not follow by themselves: {stopped:?}");
    assert!(!main.is_alive() && !helpers[0].is_alive() && !helpers[1].is_alive());
    assert!(port::check_free(port).is_ok());
    bench.assert_nothing_lives();
    let log = fs::read_to_string(bench.path("server.log")).unwrap();
    assert_eq!(log, "loading weights\nlistening\n");
    let state = bench.path("state/harness/servers");
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    bench.guard.close().await;
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "the guard takes its state file away");
}

#[tokio::test]
async fn a_health_path_that_answers_404_gives_way_to_the_next() {
    let bench = Bench::new().await;
    let spec = bench.spec(&["--no-ready-path", "--refuse-while-loading", "--loading", "0.3"]);
    let server = bench.launch(&spec).await.unwrap();
    assert!(server.stop().await.graceful);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_crash_while_loading_is_noticed_and_shown_with_its_cause_and_the_end_of_the_log() {
    let bench = Bench::new().await;
    let spec = bench.spec(&["--die-while-loading", "--helpers", &bench.text("helpers")]);
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.what.starts_with("fake ended with exit code 1 after "), "{error}");
    assert_eq!(error.cause.as_deref(), Some("out of GPU memory"));
    assert_eq!(error.hint.as_deref(), Some("lower gpu_memory_utilization"));
    assert_eq!(error.log_tail.last().map(String::as_str), Some("see above"));
    assert_eq!(error.log, bench.path("server.log"));
    assert!(!error.interrupted);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_that_never_gets_ready_is_given_up_at_the_timeout() {
    let bench = Bench::new().await;
    let spec = bench.spec(&["--never-ready", "--deaf", "--helpers", &bench.text("helpers")]);
    let error = bench.launch_with(&spec, Duration::from_secs(3), &mut Vec::new()).await.unwrap_err();
    assert!(error.what.contains("was not ready within 3 s"), "{error}");
    assert!(error.what.contains("answered 503"), "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_program_that_does_not_exist_comes_with_the_install_hint() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&[]);
    spec.argv[0] = "no-such-engine".into();
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.what.contains("no-such-engine"), "{error}");
    assert_eq!(error.cause.as_deref(), Some("not installed"));
    assert_eq!(error.hint.as_deref(), Some("harness install fake"));
    spec.argv[0] = bench.text("engine.py");
    let error = bench.launch(&spec).await.unwrap_err();
    assert_eq!((error.cause, error.hint.as_deref()), (None, Some("harness install fake")));
    assert!(error.what.contains("Permission denied"), "{}", error.what);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_taken_port_is_noticed_before_the_launch_with_its_holder() {
    let bench = Bench::new().await;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut spec = bench.spec(&[]);
    spec.port = Some(taken.local_addr().unwrap().port());
    let error = bench.launch(&spec).await.unwrap_err();
    let me = format!("pid {}", std::process::id());
    assert!(error.what.contains("is in use by") && error.what.contains(&me), "{error}");
    assert!(error.hint.unwrap().contains("--set fake.port=N"));
    assert!(!bench.path("server.log").exists(), "nothing was started");
}

#[tokio::test]
async fn a_port_that_was_asked_for_is_used() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&[]);
    spec.port = Some(port::choose_free().unwrap());
    let server = bench.launch(&spec).await.unwrap();
    assert_eq!(Some(server.port), spec.port);
    server.stop().await;
}

#[tokio::test]
async fn a_foreign_server_on_the_port_is_not_taken_for_ours() {
    let bench = Bench::new().await;
    // Ours loads for a while, and another one, with the very same model name, takes the port meanwhile.
    let spec = {
        let mut spec = bench.spec(&["--refuse-while-loading", "--loading", "300"]);
        spec.port = Some(port::choose_free().unwrap());
        spec
    };
    let port = spec.port.unwrap().to_string();
    let engine = bench.text("engine.py");
    let mut launching = std::pin::pin!(bench.launch(&spec));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut launching).await;
    assert!(early.is_err(), "it is still loading");
    let mut foreign =
        Command::new("python3").args([&engine, "--port", &port]).stdout(Stdio::null()).spawn().unwrap();
    let error = launching.await.unwrap_err();
    assert!(foreign.try_wait().unwrap().is_none(), "the other one is left alone");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    assert!(error.what.contains(&format!("another server answers on port {port}: pid {}", foreign.id())));
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_that_lists_another_model_is_refused() {
    let bench = Bench::new().await;
    let error = bench.launch(&bench.spec(&["--model", "other"])).await.unwrap_err();
    assert!(error.what.contains("lists other, not our-model"), "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_that_streams_no_token_is_not_ready() {
    let bench = Bench::new().await;
    let spec = bench.spec(&[]);
    let log = bench.path("server.log");
    let request =
        LaunchRequest { label: "fake", run_id: "r", spec: &spec, log: &log, startup_timeout: PATIENCE };
    let (_keep, stop) = watch::channel(false);
    let probe = async |_: &str| Err::<ProbeAnswer, _>("status 500".to_owned());
    let error = launch(&bench.guard, request, probe, |_| {}, stop).await.unwrap_err();
    assert!(error.what.contains("streams no token: status 500"), "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_launch_that_is_interrupted_leaves_nothing() {
    let bench = Bench::new().await;
    let spec = bench.spec(&["--never-ready", "--deaf", "--helpers", &bench.text("helpers")]);
    let log = bench.path("server.log");
    let request =
        LaunchRequest { label: "fake", run_id: "r", spec: &spec, log: &log, startup_timeout: PATIENCE };
    let (asking, stop) = watch::channel(false);
    let on_event = |event| {
        if matches!(event, LaunchEvent::Loading { log_last_line } if log_last_line == "listening") {
            asking.send_replace(true);
        }
    };
    let error = launch(&bench.guard, request, token, on_event, stop).await.unwrap_err();
    assert!(error.interrupted, "{error}");
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_launch_that_its_caller_drops_leaves_nothing() {
    let bench = Bench::new().await;
    let spec = bench.spec(&["--never-ready", "--helpers", &bench.text("helpers")]);
    let launching = tokio::time::timeout(Duration::from_millis(100), bench.launch(&spec));
    assert!(launching.await.is_err());
    let started = Instant::now();
    while !below(bench.guard.process()).is_empty() {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_deaf_to_sigterm_is_killed_after_its_grace_with_all_its_descendants() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["--deaf", "--helpers", &bench.text("helpers")]);
    spec.stop = Stop { grace_s: 1.0, second_term_after_s: Some(0.3) };
    let server = bench.launch(&spec).await.unwrap();
    let port = server.port;
    let stopped = server.stop().await;
    assert!(!stopped.graceful && stopped.gone && stopped.port_free, "{stopped:?}");
    assert_eq!(stopped.killed, 3);
    assert!(stopped.took >= Duration::from_secs(1));
    bench.assert_nothing_lives();
    assert!(port::check_free(port).is_ok());
    let log = fs::read_to_string(bench.path("server.log")).unwrap();
    assert_eq!(log.matches("SIGTERM ignored").count(), 2, "{log}");
}

#[tokio::test]
async fn a_second_sigterm_ends_a_server_that_ignores_the_first() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["--deaf-once"]);
    spec.stop = Stop { grace_s: 30.0, second_term_after_s: Some(0.2) };
    let stopped = bench.launch(&spec).await.unwrap().stop().await;
    assert!(stopped.graceful, "{stopped:?}");
    assert_eq!(stopped.killed, 0);
}

#[tokio::test]
async fn a_crash_in_mid_run_is_noticed_and_cleaned_up() {
    let bench = Bench::new().await;
    let crash = bench.text("crash");
    let spec = bench.spec(&["--crash-on", &crash, "--helpers", &bench.text("helpers")]);
    let mut server = bench.launch(&spec).await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(200), server.exited()).await.is_err(),
        "it lives, and can be asked again"
    );
    fs::write(&crash, "").unwrap();
    let exited = server.exited().await;
    assert_eq!(exited.how.to_string(), "ended with exit code 0");
    assert_eq!(exited.log_tail.last().map(String::as_str), Some("engine died"));
    let stopped = server.stop().await;
    assert!(stopped.gone && stopped.port_free);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_kill_is_immediate_whatever_the_grace() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["--deaf", "--helpers", &bench.text("helpers")]);
    spec.stop.grace_s = 3600.0;
    let stopped = bench.launch(&spec).await.unwrap().kill_now().await;
    assert_eq!(stopped.killed, 3);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_that_is_dropped_dies() {
    let bench = Bench::new().await;
    let server = bench.launch(&bench.spec(&["--helpers", &bench.text("helpers")])).await.unwrap();
    let mut processes = bench.helpers();
    processes.push(Process::of(server.pid).unwrap());
    drop(server);
    tokio::task::spawn_blocking(move || wait_until_gone(&processes)).await.unwrap();
}

#[tokio::test]
async fn two_servers_of_one_guard_are_kept_apart() {
    let bench = Bench::new().await;
    let with_helpers = bench.spec(&["--helpers", &bench.text("helpers")]);
    let plain = bench.spec(&[]);
    let first = bench.launch(&with_helpers).await.unwrap();
    let helpers = bench.helpers();
    let second = bench.launch(&plain).await.unwrap();
    let stopped = second.stop().await;
    assert_eq!(stopped.killed, 0);
    assert!(helpers.iter().all(Process::is_alive), "they belong to the first");
    assert_eq!(first.stop().await.killed, 2);
    bench.assert_nothing_lives();
}

#[tokio::test]
async fn a_server_sees_the_allow_list_and_its_own_variables_alone() {
    let bench = Bench::new().await;
    let file = bench.text("environment");
    let mut spec = bench.spec(&["--environment", &file, "--say", "key {secret:CARGO_PKG_NAME}"]);
    spec.env.insert("OWN".into(), "port {port}".into());
    let server = bench.launch(&spec).await.unwrap();
    assert!(server.launched.contains(&"key ***".to_owned()), "{:?}", server.launched);
    let expected = format!("port {}", server.port);
    server.stop().await;
    let environment: BTreeMap<String, String> =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(environment.get("OWN"), Some(&expected));
    assert!(environment.contains_key("PATH"));
    // Cargo sets dozens of these for a test, and none is on the list.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    assert!(!environment.keys().any(|name| name.starts_with("CARGO")), "{environment:?}");
    let log = fs::read_to_string(bench.path("server.log")).unwrap();
    assert!(log.starts_with("key ***\n"), "the secret was taken out of the log: {log}");
}

#[tokio::test]
async fn when_the_guard_is_killed_its_servers_die_and_the_harness_learns_of_it() {
    let bench = Bench::new().await;
    let spec = bench.spec(&["--deaf", "--helpers", &bench.text("helpers")]);
    let mut server = bench.launch(&spec).await.unwrap();
    let mut processes = bench.helpers();
    processes.push(Process::of(server.pid).unwrap());
    assert!(bench.guard.process().signal(Signal::KILL));
    bench.guard.died().await;
    assert!(!processes.iter().any(Process::is_alive), "{processes:?}");
    assert!(server.exited().await.how.to_string().contains("guard"));
    let port = server.port;
    let stopped = server.stop().await;
    assert!(stopped.gone && stopped.port_free, "{stopped:?}");
    assert!(port::check_free(port).is_ok());
    let error = bench.launch(&spec).await.unwrap_err();
    assert!(error.what.contains("guard process has died"), "{error}");
    assert_eq!(error.hint, None);
}

#[tokio::test]
async fn the_guard_outlives_the_signals_of_a_terminal() {
    let bench = Bench::new().await;
    let server = bench.launch(&bench.spec(&[])).await.unwrap();
    for signal in [Signal::INT, Signal::HUP, Signal::TERM] {
        assert!(bench.guard.process().signal(signal));
    }
    assert!(Process::of(server.pid).unwrap().is_alive());
    let stat = process::stat(bench.guard.process().pid).unwrap();
    assert_eq!(stat.session, bench.guard.process().pid, "a session of its own");
    assert!(server.stop().await.graceful, "it still obeys, and its server hears SIGTERM");
}

/// Not a test by itself: the harness that the tests below kill. Runs only where they start it.
#[tokio::test]
async fn a_harness_to_be_killed() {
    let Some(directory) = std::env::var_os("LIFECYCLE_HARNESS").map(PathBuf::from) else { return };
    let exe = Path::new(env!("CARGO_BIN_EXE_harness"));
    let guard = Guard::start_with(exe, Some(&directory.join("state"))).await.unwrap();
    let helpers = directory.join("helpers").display().to_string();
    let phase = std::env::var("LIFECYCLE_PHASE").unwrap();
    let mut options = vec!["--deaf", "--helpers", &helpers];
    if phase == "loading" {
        options.push("--never-ready");
    }
    let mut spec = spec(&directory, &options);
    spec.stop.grace_s = 3600.0;
    if std::env::var_os("LIFECYCLE_TOKEN").is_some() {
        spec = in_docker(spec);
    }
    let note = |what: &str| {
        let text = format!("{} {what}", guard.process().pid);
        fs::write(directory.join("note.new"), text).unwrap();
        fs::rename(directory.join("note.new"), directory.join("note")).unwrap();
    };
    let log = directory.join("server.log");
    let request =
        LaunchRequest { label: "fake", run_id: "r", spec: &spec, log: &log, startup_timeout: PATIENCE };
    let (_keep, stop) = watch::channel(false);
    let on_event = |event| match event {
        LaunchEvent::Starting { pid } if phase == "starting" => note(&pid.to_string()),
        LaunchEvent::Loading { log_last_line } if phase == "loading" && log_last_line == "listening" => {
            note("loading")
        }
        _ => {}
    };
    let server = launch(&guard, request, token, on_event, stop).await.unwrap();
    if phase == "stopping" {
        note("stopping");
        server.stop().await;
    } else {
        note("running");
    }
    std::future::pending::<()>().await;
}

/// Not a test by itself: run by the test after it, with the stand-in on its PATH.
#[tokio::test]
async fn a_harness_that_uses_docker() {
    if std::env::var_os("LIFECYCLE_DOCKER").is_none() {
        return;
    }
    let bench = Bench::new().await;
    let bin = PathBuf::from(std::env::var_os("LIFECYCLE_DOCKER").unwrap()).join("bin");
    let calls = || fs::read_to_string(bin.join("calls")).unwrap();
    let containers = || fs::read_dir(&bin).unwrap().count() - 2;
    let name = format!("harness-run-1-fake-{}", std::process::id());

    let server = bench.launch(&in_docker(bench.spec(&["--loading", "0.2"]))).await.unwrap();
    let expected = format!(
        "run --rm=false --name {name} -p 127.0.0.1:{}:80 -v /models:/models:ro -e SET=1 \
         -e LIFECYCLE_TOKEN --shm-size 1g fake/engine:1 --port 80 --loading 0.2\n",
        server.port
    );
    // Other variables of this machine that are handed into containers may stand there too.
    assert!(calls().starts_with(expected.split(" -e ").next().unwrap()), "{}", calls());
    assert!(calls().contains(" -e LIFECYCLE_TOKEN ") && !calls().contains("hidden-value"), "{}", calls());
    assert!(server.launched[0].ends_with("/bin/docker"));
    assert_eq!(containers(), 1);
    let stopped = server.stop().await;
    assert!(stopped.graceful && stopped.gone && stopped.port_free, "{stopped:?}");
    assert!(calls().contains(&format!("\nstop -t 20 {name}\nrm -f {name}\n")), "{}", calls());
    assert_eq!(containers(), 0);
    assert!(fs::read_to_string(bench.path("server.log")).unwrap().contains("listening"));

    let error = bench.launch(&in_docker(bench.spec(&["--die-while-loading"]))).await.unwrap_err();
    assert_eq!(error.cause.as_deref(), Some("out of GPU memory"));
    assert_eq!(containers(), 0);
    bench.assert_nothing_lives();
}

#[test]
fn a_container_is_started_followed_stopped_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = stand_in_docker(directory.path());
    fs::write(directory.path().join("engine.py"), ENGINE).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_harness_that_uses_docker", "--nocapture"])
        .env("LIFECYCLE_DOCKER", directory.path())
        .env("LIFECYCLE_TOKEN", "hidden-value")
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{:?}", output.stderr);
}

struct Harness {
    child: std::process::Child,
    directory: tempfile::TempDir,
    guard: Process,
}

/// Starts a harness process of our own and waits until it has come to this phase.
fn harness_in_phase(phase: &str) -> Harness {
    start_harness(phase, &|_| {})
}

fn start_harness(phase: &str, change: &dyn Fn(&mut Command)) -> Harness {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("engine.py"), ENGINE).unwrap();
    let path = stand_in_docker(directory.path());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_harness_to_be_killed", "--nocapture"])
        .env("LIFECYCLE_HARNESS", directory.path())
        .env("LIFECYCLE_PHASE", phase)
        .env("PATH", path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    change(&mut command);
    let child = command.spawn().unwrap();
    let note = directory.path().join("note");
    wait_for_file(&note);
    let text = fs::read_to_string(note).unwrap();
    let guard = Process::of(text.split(' ').next().unwrap().parse().unwrap()).unwrap();
    Harness { child, directory, guard }
}

/// `kill -9` in this phase; everything must be gone within 5 s.
fn kill_harness_in_phase(phase: &str) {
    let mut harness = harness_in_phase(phase);
    let mut processes = below(harness.guard);
    if phase != "starting" {
        processes.extend(helpers(&harness.directory.path().join("helpers")));
        processes.sort();
        processes.dedup();
        assert_eq!(processes.len(), 3, "server, child, and the orphan in its own session");
    }
    processes.push(harness.guard);
    harness.child.kill().unwrap();
    harness.child.wait().unwrap();
    let took = wait_until_gone(&processes);
    assert!(took < Duration::from_secs(5), "{phase}: {took:?}");
    assert!(below(harness.guard).is_empty());
    let state = harness.directory.path().join("state/harness/servers");
    assert_eq!(fs::read_dir(state).unwrap().count(), 0, "the state file is gone too");
}

#[test]
fn kill_9_of_the_harness_while_a_server_starts_leaves_nothing() {
    kill_harness_in_phase("starting");
}

#[test]
fn kill_9_of_the_harness_while_a_server_loads_leaves_nothing() {
    kill_harness_in_phase("loading");
}

#[test]
fn kill_9_of_the_harness_while_a_server_runs_leaves_nothing() {
    kill_harness_in_phase("running");
}

#[test]
fn kill_9_of_the_harness_while_a_server_is_being_stopped_leaves_nothing() {
    kill_harness_in_phase("stopping");
}

#[test]
fn harness_and_guard_killed_together_are_found_at_the_next_start() {
    let mut harness = harness_in_phase("running");
    let processes = helpers(&harness.directory.path().join("helpers"));
    let state = harness.directory.path().join("state/harness/servers");
    // Stopped first, so that neither can act on the death of the other.
    assert!(harness.guard.signal(Signal::STOP));
    harness.child.kill().unwrap();
    harness.child.wait().unwrap();
    assert!(leftovers::find_in(&state).is_empty(), "while the guard lives it is its business");
    assert!(harness.guard.signal(Signal::KILL));
    wait_until_gone(&[harness.guard]);
    let found = leftovers::find_in(&state);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].processes.len(), 3, "{}", found[0]);
    assert!(processes.iter().all(|process| found[0].processes.contains(process)));
    leftovers::stop(&found[0]).unwrap();
    wait_until_gone(&processes);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn kill_9_of_the_harness_removes_the_container() {
    let mut harness = start_harness("running", &|command| {
        command.env("LIFECYCLE_TOKEN", "hidden-value");
    });
    let mut processes = below(harness.guard);
    processes.push(harness.guard);
    let bin = harness.directory.path().join("bin");
    assert_eq!(fs::read_dir(&bin).unwrap().count(), 3, "the client, its calls, the container");
    harness.child.kill().unwrap();
    harness.child.wait().unwrap();
    let took = wait_until_gone(&processes);
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(fs::read_dir(&bin).unwrap().count(), 2, "the container is removed");
}
