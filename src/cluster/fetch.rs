//! The closed records of another worker come to worker 0.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::message::{FromLeader, Order};
use super::peer::{Arriving, Peer};
use super::players::Players;
use super::token::file_sha256;

/// Fetches the records of a run from one worker: where they lie here, whole, under the name `path` or, where the workers
/// share the directory, under their own.
///
/// # Errors
/// The worker is lost or cannot send them, or they cannot be written.
pub async fn fetch(players: &Players, peer: &Peer, run: u64, path: &Path) -> anyhow::Result<PathBuf> {
    let (name, length, sha256) = players.of_peer(peer, |state| state.turn.offer.clone()).await?;
    let have = FromLeader::Order(Order::Have { run });
    let shared = path.with_file_name(Path::new(&name).file_name().unwrap_or_default());
    for place in [path, shared.as_path()] {
        // Only a file of that length is worth reading.
        let same = std::fs::metadata(place).is_ok_and(|file| file.len() == length);
        if same && file_sha256(place).is_ok_and(|(_, here)| here == sha256) {
            peer.send(&have);
            return Ok(place.to_owned());
        }
    }
    // Under a name that is none until it is whole.
    let coming = path.with_extension("coming");
    let arriving = Arriving::at(coming.clone(), length, sha256)?;
    peer.change(|state| state.turn.arriving = Some(arriving));
    peer.send(&FromLeader::Order(Order::Send { run }));
    let arrived = players.of_peer(peer, |state| state.turn.arrived.clone()).await;
    let whole = arrived.and_then(|arrived| arrived.map_err(|why| anyhow!(why)));
    if let Err(error) = whole {
        let _ = std::fs::remove_file(&coming);
        return Err(error);
    }
    std::fs::rename(&coming, path)?;
    peer.send(&have);
    Ok(path.to_owned())
}
