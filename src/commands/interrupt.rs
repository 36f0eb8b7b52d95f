//! Ctrl-C, SIGTERM and SIGHUP: once stops the load and saves what was measured, twice ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::progress::Progress;

/// Exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;

/// Watches for signals; the receiver turns true at the first.
pub fn watch(progress: Progress) -> anyhow::Result<watch::Receiver<bool>> {
    let mut signals =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut count = 0;
        loop {
            let [interrupt, terminate, hangup] = &mut signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            count += 1;
            if count == 1 {
                progress.say("interrupted: saving what was measured, stopping the servers (again: at once)");
                let _ = sender.send(true);
            } else {
                // The pipe to the guard closes with us, and the guard kills every server.
                std::process::exit(i32::from(INTERRUPTED));
            }
        }
    });
    Ok(receiver)
}
