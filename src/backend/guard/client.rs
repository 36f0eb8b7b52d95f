//! The harness's side of the guard: start it, launch servers through it, notice its death.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};

use crate::backend::guard::family::{MARK, kill_family, mark};
use crate::backend::guard::protocol::{Container, Ended, Launch, Refused, Reply, Request};
use crate::backend::process::Process;
use crate::programs::{remove_container, succeeds};

/// The longest that the guard may take to say that it is ready.
const HELLO: Duration = Duration::from_secs(20);
/// The longest that [`Guard::close`] waits: a container's removal may take 30 s.
const CLOSE: Duration = Duration::from_secs(40);
/// The longest that is spent on killing the servers of a guard that died.
const CLEAN_UP: Duration = Duration::from_secs(5);
/// The longest that docker may take to remove one of their containers.
const REMOVAL: Duration = Duration::from_secs(30);

/// The parent process of all servers, seen from the harness. Dropping it ends the guard and with it every server.
#[derive(Debug)]
pub struct Guard {
    shared: Arc<Shared>,
    child: Child,
    /// Why leftovers could not be found after harness and guard were killed together, if so.
    pub state_error: Option<String>,
}

/// A server as the guard knows it. Dropping the handle kills the server.
#[derive(Debug)]
pub struct ServerHandle {
    shared: Arc<Shared>,
    id: u64,
    view: watch::Receiver<View>,
}

/// What is known of a server.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Its process, once started, or why it was not.
    pub launched: Option<Result<Process, Refused>>,
    /// How its own process ended, once it has.
    pub ended: Option<Ended>,
    /// All its processes when last looked at.
    pub members: Vec<Process>,
    /// Once nothing of it lives: how many processes had to be killed.
    pub gone: Option<usize>,
}

#[derive(Debug)]
struct Shared {
    guard: Process,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    servers: Mutex<HashMap<u64, Kept>>,
    next_id: AtomicU64,
    closing: AtomicBool,
    died: watch::Sender<bool>,
}

#[derive(Debug)]
struct Kept {
    view: watch::Sender<View>,
    container: Option<Container>,
}

#[derive(Debug)]
enum Outgoing {
    Request(Box<Request>),
    Close,
}

impl Guard {
    /// Starts the guard: `harness_exe guard`. Fails where that cannot be started or does not answer.
    pub async fn start(harness_exe: &Path) -> anyhow::Result<Self> {
        Self::start_with(harness_exe, None).await
    }

    /// The same, with its state files below another directory than `$XDG_STATE_HOME`.
    pub async fn start_with(harness_exe: &Path, state_home: Option<&Path>) -> anyhow::Result<Self> {
        let program = harness_exe
            .canonicalize()
            .with_context(|| format!("cannot start the guard: no program {}", harness_exe.display()))?;
        let mut command = Command::new(&program);
        command.arg("guard").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(state_home) = state_home {
            command.env("XDG_STATE_HOME", state_home);
        }
        let mut child =
            command.spawn().with_context(|| format!("cannot start the guard {}", program.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the guard was started without pipes");
        };
        let mut lines = BufReader::new(stdout).lines();
        let hello = tokio::time::timeout(HELLO, lines.next_line()).await;
        let hello = hello.context("the guard did not answer within 20 s")?.context("the guard's pipe")?;
        let Some(Ok(Reply::Hello { guard, state_error })) =
            hello.as_deref().map(serde_json::from_str::<Reply>)
        else {
            bail!("{} guard ended at once or did not answer as a guard does", program.display());
        };
        let (outgoing, requests) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            guard,
            outgoing,
            servers: Mutex::default(),
            next_id: AtomicU64::new(1),
            closing: AtomicBool::new(false),
            died: watch::Sender::new(false),
        });
        tokio::spawn(write_requests(stdin, requests));
        tokio::spawn(read_replies(lines, Arc::clone(&shared)));
        Ok(Self { shared, child, state_error })
    }

    /// The guard's own process.
    pub fn process(&self) -> Process {
        self.shared.guard
    }

    /// Resolves when the guard has died before it was told to end, and its servers have been killed.
    pub async fn died(&self) {
        let mut died = self.shared.died.subscribe();
        if died.wait_for(|died| *died).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the guard; what servers are left are killed by it. Returns when it has ended.
    pub async fn close(mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // It fails only where the guard is gone already.
        let _ = self.shared.outgoing.send(Outgoing::Close);
        let _ = tokio::time::timeout(CLOSE, self.child.wait()).await;
    }

    /// Numbers a server for [`Guard::launch`].
    pub fn next_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Starts a server. Resolves when its process runs or could not be started.
    pub async fn launch(&self, mut launch: Launch) -> Result<ServerHandle, Refused> {
        let id = launch.id;
        launch.environment.insert(MARK.to_owned(), mark(self.shared.guard));
        // What cannot be written to the guard would be waited for without end.
        if let Err(error) = serde_json::to_vec(&launch) {
            return Err(Refused::NotRunnable(format!("a name of its launch is no text: {error}")));
        }
        let (sender, view) = watch::channel(View::default());
        let kept = Kept { view: sender, container: launch.container.clone() };
        self.shared.servers().insert(id, kept);
        // From here on the handle's drop kills it, should our caller stop waiting.
        let mut handle = ServerHandle { shared: Arc::clone(&self.shared), id, view };
        handle.send(Request::Launch(Box::new(launch)));
        let mut died = self.shared.died.subscribe();
        let launched = tokio::select! {
            view = handle.view.wait_for(|view| view.launched.is_some()) =>
                view.ok().and_then(|view| view.launched.clone()),
            _ = died.wait_for(|died| *died) => None,
        };
        match launched {
            Some(Ok(_)) => Ok(handle),
            Some(Err(why)) => Err(why),
            None => Err(Refused::GuardDied),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = self.shared.outgoing.send(Outgoing::Close);
    }
}

impl ServerHandle {
    /// What is known now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// The server's own process.
    pub fn process(&self) -> Option<Process> {
        self.view.borrow().launched.clone().and_then(Result::ok)
    }

    /// Resolves when the server's own process has ended.
    pub async fn ended(&mut self) -> Ended {
        match self.view.wait_for(|view| view.ended.is_some()).await {
            Ok(view) => view.ended.unwrap_or(Ended::GuardDied),
            Err(_) => Ended::GuardDied,
        }
    }

    /// Resolves when nothing of the server lives, after [`ServerHandle::kill`]; the number of processes killed.
    pub async fn gone(&mut self) -> usize {
        self.view.wait_for(|view| view.gone.is_some()).await.ok().and_then(|view| view.gone).unwrap_or(0)
    }

    /// The same view, to be watched beside the handle.
    pub fn watch(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// True while a process of the server lives, of those that the guard last wrote down.
    pub fn members_alive(&self) -> bool {
        self.view.borrow().members.iter().any(Process::is_alive)
    }

    /// SIGTERM to its own process alone; the guard writes down all descendants before.
    pub fn terminate(&self) {
        self.send(Request::Terminate(self.id));
    }

    /// SIGKILL to all of it, until nothing lives.
    pub fn kill(&self) {
        self.send(Request::Kill(self.id));
    }

    /// Says that it has loaded, so that the guard looks at its processes less often.
    pub fn settled(&self) {
        self.send(Request::Settled(self.id));
    }

    fn send(&self, request: Request) {
        // It fails only where the guard is gone: then the servers are killed by the reader of its replies.
        let _ = self.shared.outgoing.send(Outgoing::Request(Box::new(request)));
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        // Until it is gone our record of it is needed, should the guard die now.
        if self.view.borrow().gone.is_some() {
            self.shared.servers().remove(&self.id);
        } else {
            self.kill();
        }
    }
}

impl Shared {
    fn servers(&self) -> MutexGuard<'_, HashMap<u64, Kept>> {
        // A panic elsewhere leaves a map that is still whole.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, reply: Reply) {
        let servers = self.servers();
        let update = |id: u64, change: &dyn Fn(&mut View)| {
            if let Some(kept) = servers.get(&id) {
                kept.view.send_modify(change);
            }
        };
        match reply {
            Reply::Hello { .. } => {}
            Reply::Launched { id, process } => update(id, &|view| {
                view.launched = Some(Ok(process));
                view.members = vec![process];
            }),
            Reply::Refused { id, why } => update(id, &|view| {
                view.launched = Some(Err(why.clone()));
                view.gone = Some(0);
            }),
            Reply::Exited { id, how } => update(id, &|view| view.ended = Some(how)),
            Reply::Members { id, processes } => update(id, &|view| view.members.clone_from(&processes)),
            Reply::Gone { id, killed } => update(id, &|view| {
                view.gone = Some(killed);
                view.members.clear();
            }),
        }
    }

    /// The guard is gone: kills what it may have left, and settles every view.
    fn kill_orphans(&self) {
        let (known, containers): (Vec<_>, Vec<_>) = self
            .servers()
            .values()
            .filter(|kept| kept.view.borrow().gone.is_none())
            .map(|kept| (kept.view.borrow().members.clone(), kept.container.clone()))
            .unzip();
        if known.is_empty() {
            return;
        }
        let killed = kill_family(&known.concat(), self.guard, CLEAN_UP);
        for container in containers.into_iter().flatten() {
            // The last resort: whether it was there or not, nothing more can be done about it.
            let _ = succeeds(remove_container(&container.docker, &container.name), REMOVAL);
        }
        for kept in self.servers().values() {
            kept.view.send_modify(|view| {
                view.ended = view.ended.or(Some(Ended::GuardDied));
                view.gone = view.gone.or(Some(killed));
                view.members.clear();
            });
        }
    }
}

async fn write_requests(mut stdin: ChildStdin, mut requests: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(Outgoing::Request(request)) = requests.recv().await {
        let Ok(mut line) = serde_json::to_vec(&request) else { continue };
        line.push(b'\n');
        // The reader of the other pipe notices the same.
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read_replies(mut lines: Lines<BufReader<ChildStdout>>, shared: Arc<Shared>) {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(reply) = serde_json::from_str(&line) {
            shared.note(reply);
        }
    }
    // A guard that was told to end has killed them itself; one that died has not.
    let cleaning = Arc::clone(&shared);
    // Only a panic of it is reported here, and the death of the guard is the greater news.
    let _ = tokio::task::spawn_blocking(move || cleaning.kill_orphans()).await;
    if !shared.closing.load(Ordering::SeqCst) {
        shared.died.send_replace(true);
    }
}
