//! What is told of a command while it runs: the page that Prometheus scrapes, pushes and remote writes. All of it
//! goes on on one thread of its own, below the others in priority; none of its troubles is the run's.

mod destination;
mod hub;
mod push;
mod remote_write;
mod server;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;

use crate::cli::LiveArgs;
use crate::pipeline::Event;
use crate::progress::Progress;
use crate::schema::environment::Environment;

use destination::NotSent;
use hub::Hub;
use push::Pushgateway;
use remote_write::{INTERVAL, RemoteWrite};

/// Time that what is left may take at the end.
const LAST: Duration = Duration::from_secs(10);
/// How much the thread gives way to others; the load engine's threads have 0.
const NICENESS: i32 = 10;

/// What tells of a command. Dropped, it ends after its last push and write.
#[derive(Debug)]
pub struct Live {
    hub: Arc<Hub>,
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// A run is closed.
    Push,
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
            progress.say(&format!("metrics: http://{address}/metrics"));
        }
        let hub = Arc::new(Hub::new(environment));
        let (orders, received) = mpsc::unbounded_channel();
        let work = Work { hub: hub.clone(), push, write, progress: progress.clone(), said: Said::default() };
        let listener = listener.map(|(listener, _)| listener);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("live".to_owned())
            .spawn(move || {
                // On Linux it is of the thread that asks; where it is not granted nothing is lost.
                let _ = rustix::process::setpriority_process(None, NICENESS);
                runtime.block_on(work.go_on(listener, received));
            })
            .context("the thread that tells of the run cannot be started")?;
        Ok(Some(Live { hub, orders: Some(orders), thread: Some(thread) }))
    }

    /// Takes an event in.
    pub fn event(&self, event: &Event<'_>) {
        self.hub.event(event);
        if let (Event::RunClosed { .. }, Some(orders)) = (event, &self.orders) {
            // The thread lives for as long as we do.
            let _ = orders.send(Order::Push);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // No further order: the end.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread does.
struct Work {
    hub: Arc<Hub>,
    push: Option<Pushgateway>,
    write: Option<RemoteWrite>,
    progress: Progress,
    said: Said,
}

/// What was warned of: a trouble that stays is said once.
#[derive(Debug, Default)]
struct Said {
    push: bool,
    write: bool,
}

impl Work {
    async fn go_on(mut self, listener: Option<TcpListener>, mut orders: mpsc::UnboundedReceiver<Order>) {
        if let Some(listener) = listener {
            tokio::spawn(server::serve(listener, self.hub.clone()));
        }
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Push) => self.push().await,
                    None => break,
                },
                _ = ticks.tick(), if self.write.is_some() => self.write().await,
            }
        }
        let last = async {
            self.push().await;
            self.write().await;
        };
        let in_time = tokio::time::timeout(LAST, last).await;
        self.say_lost(in_time.is_err());
    }

    async fn push(&mut self) {
        let Some(gateway) = &self.push else { return };
        match gateway.push(&self.hub.page()).await {
            Ok(()) => self.said.push = false,
            Err(trouble) if !self.said.push => {
                self.said.push = true;
                warn(&self.progress, "the metrics were not pushed to", gateway.shown(), &trouble);
            }
            Err(_) => {}
        }
    }

    async fn write(&mut self) {
        let Some(write) = &mut self.write else { return };
        write.take(&self.hub.page());
        match write.flush().await {
            Ok(()) => self.said.write = false,
            Err(trouble) if !self.said.write => {
                self.said.write = true;
                warn(&self.progress, "the metrics were not written to", write.shown(), &trouble);
            }
            Err(_) => {}
        }
    }

    fn say_lost(&self, late: bool) {
        if late {
            self.progress.error("warning: the last metrics were given up: who takes them was too slow");
        }
        if let Some(write) = self.write.as_ref().filter(|write| write.lost() > 0) {
            let (lost, shown) = (write.lost(), write.shown());
            self.progress.error(&format!("warning: {lost} of the writes to {shown} were given up"));
        }
    }
}

/// A bearer token, which no flag takes: a command line is seen by others.
fn token(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn warn(progress: &Progress, what: &str, shown: &str, trouble: &NotSent) {
    let NotSent { why, cure, later: _ } = trouble;
    progress.error(&format!("warning: {what} {shown}: {why}\nhint: {cure}"));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "sending_tests.rs"]
mod tests;
