//! Ctrl-C, SIGTERM and SIGHUP: once stops the load and saves what was measured, twice ends at once.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::progress::{Progress, lift_curtain};

/// Exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;

/// Lets a write beyond the limit of a file's size (`ulimit -f`) fail as one to a full disk does, where the signal
/// would kill the program. A program that is started gets the signal's own meaning back.
pub fn survive_large_files() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // The handler stays when the stream is dropped.
    signal(SignalKind::from_raw(libc::SIGXFSZ)).map(drop)?;
    Ok(())
}

/// What is said at the first signal.
const SAVING: &str = "interrupted: saving what was measured, stopping the servers (again: at once)";

/// All results are closed: a signal has nothing more to save, and says nothing.
static SAVED: AtomicBool = AtomicBool::new(false);

/// From here on a signal only ends what waits for it.
pub fn all_is_saved() {
    SAVED.store(true, Ordering::Relaxed);
}

/// Watches for signals while a plan is played; see [`watch_saying`].
pub fn watch(progress: Progress) -> anyhow::Result<watch::Receiver<bool>> {
    watch_saying(progress, SAVING)
}

/// Watches for signals; the receiver turns true at the first. They are heard on a thread of their own: whatever the
/// command is at (a large run that is closed, a lock, a terminal that takes nothing), the second one ends it.
pub fn watch_saying(progress: Progress, words: &'static str) -> anyhow::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let (began, begun) = mpsc::channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = began.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            match Signals::new() {
                Ok(signals) => {
                    let _ = began.send(Ok(()));
                    hear(signals, &sender, progress, words).await;
                }
                Err(error) => {
                    let _ = began.send(Err(error));
                }
            }
        });
    })?;
    begun.recv().context("the thread that hears signals ended")?.context("signals cannot be heard")?;
    Ok(receiver)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where it is not ours to hear.
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        let hangup = if runs_without_its_terminal() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
        })
    }

    /// Waits for one; true where a person asked for it. A terminal that is gone says so several times: the kernel,
    /// then the shell.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => true,
            () = next_of(self.hangup.as_mut()) => false,
        }
    }
}

async fn next_of(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

async fn hear(mut signals: Signals, sender: &watch::Sender<bool>, progress: Progress, words: &'static str) {
    signals.next().await;
    let _ = sender.send(true);
    // A terminal that takes nothing must not keep the second signal from being heard.
    if !SAVED.load(Ordering::Relaxed) {
        thread::spawn(move || {
            progress.say(words);
        });
    }
    while !signals.next().await {}
    lift_curtain();
    // The pipe to the guard closes with us, and the guard kills every server.
    std::process::exit(i32::from(INTERRUPTED));
}

/// Started with SIGHUP ignored and no terminal to talk to, as `nohup` does: it is meant to outlive the terminal.
fn runs_without_its_terminal() -> bool {
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ignored & HANGUP != 0 && !std::io::stderr().is_terminal()
}
