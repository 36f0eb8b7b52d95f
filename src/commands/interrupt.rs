//! Ctrl-C, SIGTERM and SIGHUP: once stops the load and saves what was measured, twice ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::progress::Progress;

/// Exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;

/// Lets a write beyond the limit of a file's size (`ulimit -f`) fail as one to a full disk does, where the signal
/// would kill the program. A program that is started gets the signal's own meaning back.
pub fn survive_large_files() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    // The handler stays when the stream is dropped.
    signal(SignalKind::from_raw(libc::SIGXFSZ)).map(drop)?;
    Ok(())
}

/// Watches for signals; the receiver turns true at the first. A thread of its own hears them, so that the second ends
/// the program also while a large run is closed, or a lock is waited for.
pub fn watch(progress: Progress) -> anyhow::Result<watch::Receiver<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _entered = runtime.enter();
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]
    };
    let (sender, receiver) = watch::channel(false);
    std::thread::spawn(move || runtime.block_on(hear(&mut signals, &sender, &progress)));
    Ok(receiver)
}

async fn hear(signals: &mut [Signal; 3], stop: &watch::Sender<bool>, progress: &Progress) {
    let mut count = 0;
    loop {
        let [interrupt, terminate, hangup] = &mut *signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        count += 1;
        if count == 1 {
            stop.send_replace(true);
            progress.say("interrupted: saving what was measured, stopping the servers (again: at once)");
        } else {
            // The pipe to the guard closes with us, and the guard kills every server.
            std::process::exit(i32::from(INTERRUPTED));
        }
    }
}
