//! What is told of a command while it runs: the page that Prometheus scrapes, pushes and remote writes. All of it
//! goes on on one thread of its own, below the others in priority; none of its troubles is the run's.

mod destination;
mod hub;
mod push;
mod remote_write;
mod server;

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Notify, oneshot};

use crate::cli::LiveArgs;
use crate::pipeline::Event;
use crate::progress::Progress;
use crate::schema::environment::Environment;
use crate::schema::refusal::with_cures;

use destination::NotSent;
use hub::Hub;
use push::Pushgateway;
use remote_write::{INTERVAL, RemoteWrite};

/// Time that the end may take, from when nothing more is played.
const LAST: Duration = Duration::from_secs(10);
/// An end that takes longer is said: nobody should wonder what a command waits for.
const UNSAID: Duration = Duration::from_secs(2);
/// How much the thread gives way to others; the load engine's threads have 0.
const NICENESS: i32 = 10;

/// What tells of a command. Dropped, it ends after its last push and write.
#[derive(Debug)]
pub struct Live {
    hub: Arc<Hub>,
    /// A run is closed: a push is due. Of several before the push there is but one.
    due: Arc<Notify>,
    /// Dropped at the end.
    goes_on: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Takes the port and starts the thread; none where nobody asked for anything.
    ///
    /// # Errors
    /// An address is none, or the port is taken.
    pub fn start(
        args: &LiveArgs,
        environment: &Environment,
        progress: &Progress,
    ) -> anyhow::Result<Option<Live>> {
        let hostname = &environment.hostname;
        let push = args
            .pushgateway
            .as_deref()
            .map(|given| Pushgateway::new(given, token("HARNESS_PUSHGATEWAY_TOKEN"), hostname))
            .transpose()?;
        let write = args
            .remote_write
            .as_deref()
            .map(|given| RemoteWrite::new(given, token("HARNESS_REMOTE_WRITE_TOKEN"), hostname))
            .transpose()?;
        let listener = args.prometheus_listen.as_deref().map(server::listen).transpose()?;
        if push.is_none() && write.is_none() && listener.is_none() {
            return Ok(None);
        }
        if let Some((_, address)) = &listener {
            let said = format!("metrics: http://{address}/metrics");
            let given = args.prometheus_listen.as_deref().unwrap_or_default();
            if server::takes_a_free_port(given) { progress.tell(&said) } else { progress.say(&said) }
        }
        let hub = Arc::new(Hub::new(environment));
        let due = Arc::new(Notify::new());
        let (goes_on, ended) = oneshot::channel();
        let telling = |hub: &Arc<Hub>| (hub.clone(), progress.clone());
        let work = Work {
            pushes: push.map(|gateway| Pushes::new(gateway, telling(&hub))),
            writes: write.map(|write| Writes::new(write, telling(&hub))),
            hub: hub.clone(),
            due: due.clone(),
            progress: progress.clone(),
        };
        let listener = listener.map(|(listener, _)| listener);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("live".to_owned())
            .spawn(move || {
                // On Linux it is of the thread that asks; where it is not granted nothing is lost.
                let _ = rustix::process::setpriority_process(None, NICENESS);
                runtime.block_on(work.go_on(listener, ended));
                // A name that is still being looked up holds nobody up.
                runtime.shutdown_background();
            })
            .context("the thread that tells of the run cannot be started")?;
        Ok(Some(Live { hub, due, goes_on: Some(goes_on), thread: Some(thread) }))
    }

    /// Takes an event in.
    pub fn event(&self, event: &Event<'_>) {
        self.hub.event(event);
        if let Event::RunClosed { .. } = event {
            self.due.notify_one();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.goes_on.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread does.
struct Work {
    hub: Arc<Hub>,
    pushes: Option<Pushes>,
    writes: Option<Writes>,
    due: Arc<Notify>,
    progress: Progress,
}

impl Work {
    async fn go_on(mut self, listener: Option<TcpListener>, ended: oneshot::Receiver<Infallible>) {
        if let Some(listener) = listener {
            tokio::spawn(server::serve(listener, self.hub.clone()));
        }
        // What is under way at the end is broken off: the last push and write say all of it again.
        tokio::select! {
            _ = ended => {}
            () = self.tell() => {}
        }
        let in_time = self.tell_last().await;
        self.say_lost(!in_time);
    }

    /// Tells what is due, for as long as it is polled. Whoever takes pushes slowly holds up no write.
    async fn tell(&mut self) {
        let (pushes, writes, due) = (&mut self.pushes, &mut self.writes, &self.due);
        let push = async {
            loop {
                due.notified().await;
                Pushes::push(pushes).await;
            }
        };
        let write = async {
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                Writes::write(writes, false).await;
            }
        };
        tokio::join!(push, write);
    }

    /// The last push and write; whether they were over in time.
    async fn tell_last(&mut self) -> bool {
        let last =
            async { tokio::join!(Pushes::push(&mut self.pushes), Writes::write(&mut self.writes, true)) };
        tokio::pin!(last);
        if tokio::time::timeout(UNSAID, &mut last).await.is_ok() {
            return true;
        }
        self.progress.say(&format!(
            "the last metrics are not delivered yet: waiting for at most {} s",
            (LAST - UNSAID).as_secs()
        ));
        tokio::time::timeout(LAST - UNSAID, last).await.is_ok()
    }

    fn say_lost(&self, late: bool) {
        if late {
            self.progress.error("warning: the last metrics were given up: who takes them was too slow");
        }
        let lost = self.writes.as_ref().map(|writes| &writes.write).filter(|write| write.lost() > 0);
        if let Some(write) = lost {
            let (lost, shown) = (write.lost(), write.shown());
            self.progress.error(&format!("warning: {lost} of the writes to {shown} were given up"));
        }
    }
}

/// The pushes.
struct Pushes {
    gateway: Pushgateway,
    hub: Arc<Hub>,
    trouble: Said,
}

impl Pushes {
    fn new(gateway: Pushgateway, (hub, progress): (Arc<Hub>, Progress)) -> Pushes {
        Pushes { gateway, hub, trouble: Said { before: false, progress } }
    }

    async fn push(pushes: &mut Option<Pushes>) {
        let Some(Pushes { gateway, hub, trouble }) = pushes else { return };
        let sent = gateway.push(&hub.page()).await;
        trouble.say("the metrics were not pushed to", gateway.shown(), sent);
    }
}

/// The remote writes.
struct Writes {
    write: RemoteWrite,
    hub: Arc<Hub>,
    trouble: Said,
}

impl Writes {
    fn new(write: RemoteWrite, (hub, progress): (Arc<Hub>, Progress)) -> Writes {
        Writes { write, hub, trouble: Said { before: false, progress } }
    }

    async fn write(writes: &mut Option<Writes>, is_last: bool) {
        let Some(Writes { write, hub, trouble }) = writes else { return };
        write.take(&hub.page());
        if is_last {
            write.take_end();
        }
        let sent = write.flush().await;
        trouble.say("the metrics were not written to", write.shown(), sent);
    }
}

/// Whether a trouble was said: one that stays is said once.
struct Said {
    before: bool,
    progress: Progress,
}

impl Said {
    fn say(&mut self, what: &str, shown: &str, sent: Result<(), NotSent>) {
        match sent {
            Ok(()) => self.before = false,
            Err(NotSent { why, cure, later: _ }) => {
                if !self.before {
                    let warning = format!("warning: {what} {shown}: {why}");
                    self.progress.error(&with_cures(warning, [cure]));
                }
                self.before = true;
            }
        }
    }
}

/// A bearer token, which no flag takes: a command line is seen by others.
fn token(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "sending_tests.rs"]
mod tests;
