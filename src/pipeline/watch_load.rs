//! What ends a load: its own end, the user, the server, the guard, a full disk, a lost worker.

use std::time::Duration;

use tokio::sync::watch;

use crate::backend::guard::{Ended, Guard};
use crate::backend::launch::Server;
use crate::load::Played;

use super::cut_short::CutShort;
use super::lead::Turn;
use super::session::Stage;

/// How long the news of a server's death is waited for: its requests fail before the guard tells of it.
const DEATH_NEWS: Duration = Duration::from_secs(1);

/// Waits for the end of a load, and stops it where the user, the server or the guard ends first, or where what it
/// gives cannot be saved.
pub async fn watch_load(
    stage: &Stage<'_>,
    server: &mut Option<Server>,
    playing: impl Future<Output = anyhow::Result<Played>>,
    (stop_load, mut broken, turn): (&watch::Sender<bool>, watch::Receiver<bool>, Option<&Turn>),
) -> (anyhow::Result<Played>, Option<CutShort>) {
    let mut cut = None;
    let mut shutdown = stage.shutdown.clone();
    if *shutdown.borrow_and_update() {
        cut = Some(CutShort::Interrupted);
        let _ = stop_load.send(true);
    }
    // A sender that is gone will never stop the run.
    let mut deaf = false;
    tokio::pin!(playing);
    loop {
        tokio::select! {
            played = &mut playing => return (played, cut),
            changed = shutdown.changed(), if cut.is_none() && !deaf => match changed {
                Ok(()) => cut = Some(CutShort::Interrupted),
                Err(_) => deaf = true,
            },
            how = died(server.as_mut()), if cut.is_none() => cut = Some(how),
            () = guard_died(stage.guard), if cut.is_none() => cut = Some(CutShort::GuardDied),
            () = not_saved(&mut broken), if cut.is_none() => cut = Some(CutShort::NotSaved),
            lost = Turn::lost(turn), if cut.is_none() => cut = Some(lost),
        }
        if cut.is_some() {
            let _ = stop_load.send(true);
            turn.iter().for_each(|turn| turn.stop());
        }
    }
}

/// A short load can be over, with every request failed, before the guard tells of the server's end.
/// Of a server that is not ours no news comes.
pub async fn late_news(server: Option<&mut Server>, guard: Option<&Guard>) -> Option<CutShort> {
    let server = server?;
    tokio::select! {
        how = died(Some(server)) => Some(how),
        () = guard_died(guard) => Some(CutShort::GuardDied),
        () = tokio::time::sleep(DEATH_NEWS) => None,
    }
}

async fn died(server: Option<&mut Server>) -> CutShort {
    let Some(server) = server else { return std::future::pending().await };
    let exited = server.exited().await;
    match exited.how {
        how @ (Ended::Code(_) | Ended::Signal(_)) => CutShort::ServerDied(match exited.helper {
            Some(helper) => format!("lost its {helper}, which {how}"),
            None => how.to_string(),
        }),
        // Its guard's death is what a server dies of, and perhaps the first of the two to be told.
        Ended::GuardDied => CutShort::GuardDied,
    }
}

/// Resolves when the records cannot be written; a recorder that ended well never does.
pub async fn not_saved(broken: &mut watch::Receiver<bool>) {
    if broken.wait_for(|broken| *broken).await.is_err() {
        std::future::pending().await
    }
}

async fn guard_died(guard: Option<&Guard>) {
    match guard {
        Some(guard) => guard.died().await,
        None => std::future::pending().await,
    }
}
