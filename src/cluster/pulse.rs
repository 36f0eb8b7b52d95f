//! A thread for each worker that asks whether it is still there, and how its clock stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::clock::{Now, Stamps, best};
use super::message::{ClockWord, FromLeader};
use super::peer::{Peer, Pongs};
use super::place::LOST_AFTER;

/// Between two looks.
const BEAT: Duration = Duration::from_secs(1);
/// Each so many looks are a few pings, for the clock: ten seconds.
const BEATS_A_LOOK_AT_THE_CLOCK: u64 = 10;
/// Pings of a look at the clock.
const PINGS: u32 = 8;
/// Pings at the join and before a start.
pub const PINGS_OF_A_BURST: u32 = 64;
/// Whoever answers or wakes so late stood still: far more than a busy machine makes of it.
const STANDSTILL: Duration = Duration::from_millis(500);

/// Asks for a burst of pings now; answered when it is done.
pub type Burst = oneshot::Sender<()>;

/// Looks after one worker until it is lost or nobody asks for it any more.
pub fn pulse(
    peer: &Arc<Peer>,
    pongs: &Pongs,
    bursts: &Receiver<Burst>,
    now: &Now,
    stood_still_ns: &AtomicI64,
) {
    let mut beats = 0u64;
    loop {
        let from = Instant::now();
        let asked = bursts.recv_timeout(BEAT);
        let overslept = from.elapsed().saturating_sub(BEAT);
        if overslept > STANDSTILL {
            stood_still_ns.fetch_max(overslept.as_nanos() as i64, Ordering::Relaxed);
        }
        let (pings, done) = match asked {
            Ok(done) => (PINGS_OF_A_BURST, Some(done)),
            Err(RecvTimeoutError::Timeout) => {
                beats += 1;
                (if beats.is_multiple_of(BEATS_A_LOOK_AT_THE_CLOCK) { PINGS } else { 1 }, None)
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if !look(peer, pongs, pings, now) {
            return;
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

/// Sends so many pings and takes what they tell; false where the worker is lost.
pub fn look(peer: &Arc<Peer>, pongs: &Pongs, pings: u32, now: &Now) -> bool {
    let mut taken = Vec::new();
    for _ in 0..pings {
        match ping(peer, pongs, now) {
            Some(stamps) => taken.push(stamps),
            None => return false,
        }
    }
    // One alone may have waited behind anything.
    let Some(measured) = best(&taken).filter(|_| pings > 1) else { return true };
    let word = peer.change(|state| {
        let followed = state.drift.add(measured);
        state.offset_ns = followed.believed.offset_ns;
        state.round_trip_ns = 2 * measured.bound_ns;
        state.step_ns = state.step_ns.max(followed.step_ns);
        ClockWord {
            at_ns: measured.at_ns,
            offset_ns: followed.believed.offset_ns,
            bound_ns: followed.believed.bound_ns,
            step_ns: state.step_ns,
            silence_ns: state.silence_ns,
        }
    });
    peer.send(&FromLeader::Clock(word));
    true
}

fn ping(peer: &Arc<Peer>, pongs: &Pongs, now: &Now) -> Option<Stamps> {
    if peer.state().lost.is_some() {
        return None;
    }
    let left = match peer.link.send_stamped(now, |t0| FromLeader::Ping { t0 }) {
        Ok(left) => left,
        Err(error) => {
            peer.lose(format!("nothing can be sent to it: {error}"));
            return None;
        }
    };
    let asked = Instant::now();
    loop {
        match pongs.recv_timeout(BEAT) {
            // One that came too late for an earlier look is passed over.
            Ok(stamps) if stamps.t0 != left => {}
            Ok(stamps) => {
                let took = asked.elapsed();
                if took > STANDSTILL {
                    peer.change(|state| state.silence_ns = state.silence_ns.max(took.as_nanos() as i64));
                }
                return Some(stamps);
            }
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                // What it sends of its records is a sign of life too.
                let quiet_ns = now() - peer.heard_ns.load(Ordering::Relaxed);
                let quiet = Duration::from_nanos(quiet_ns.max(0) as u64).min(asked.elapsed());
                if quiet > LOST_AFTER {
                    peer.lose(format!("it has not answered for {} s", quiet.as_secs()));
                    return None;
                }
            }
        }
    }
}
