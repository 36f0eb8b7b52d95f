//! A phase of the run, shared by all workers: what is played, how it starts, when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::schema::unit::Phase;
use crate::schema::workers::Share;

use crate::load::cancel::Cancel;
use crate::load::request::messages::Requests;
use crate::load::schedule::pacer::Tickets;
use crate::load::schedule::slots::Slots;

/// A phase of the run, shared by all workers.
pub(crate) struct PhaseRun {
    pub(crate) phase: Phase,
    /// Client threads that play it.
    pub(crate) threads: u64,
    /// What of it is this machine's.
    pub(crate) share: Share,
    pub(crate) requests: Requests,
    pub(crate) cancel: Cancel,
    /// Start, µs.
    pub(crate) from_us: u64,
    /// No request is issued from here on, µs; none: bounded by requests alone.
    pub(crate) until_us: Option<u64>,
    /// Latest end of what is then in flight, µs.
    pub(crate) drain_until_us: Option<u64>,
    pub(crate) kind: PhaseKind,
    /// The next request's index, where units have several turns; else it is the unit's number.
    pub(crate) next_index: AtomicU64,
    /// When the last request was issued, µs.
    pub(crate) last_issue_us: AtomicU64,
    /// E2E of the first request that completed, µs; 0: none yet.
    pub(crate) first_e2e_us: AtomicU64,
}

impl PhaseRun {
    /// The index of a request where units have several turns: no other of the run has it, on whatever machine.
    pub(crate) fn take_index(&self) -> u64 {
        let own = self.next_index.fetch_add(1, Ordering::Relaxed);
        own * u64::from(self.share.of) + u64::from(self.share.worker)
    }
}

/// How requests of a phase start.
pub(crate) enum PhaseKind {
    /// Always so many in flight.
    Closed(ClosedLoop),
    /// At due times.
    Open {
        slots: Option<Arc<Slots>>,
        tickets: Tickets,
        /// Requests are made ready so long before they are due, µs.
        ahead_us: u64,
    },
}

/// A closed loop.
pub(crate) struct ClosedLoop {
    pub(crate) slots: u64,
    pub(crate) requests: u64,
    pub(crate) next: AtomicU64,
    /// Waits for further turns, where units have some: the runtime's own timer would be late by up to 1 ms.
    pub(crate) tickets: Option<Tickets>,
    pub(crate) ramp_us: u64,
    /// The ramp was not measured: it shrinks to half the first request's E2E once that is known.
    pub(crate) ramp_shrinks: bool,
    pub(crate) first_end: tokio::sync::watch::Sender<Option<(u64, u64)>>,
    /// When the last slot started, µs.
    pub(crate) ramp_to_us: AtomicU64,
}

impl ClosedLoop {
    /// The number of the unit that a slot plays as its `turn`-th, from 0: the next one on a machine alone; where several
    /// share the load, each C-th from the slot's own number on, so that what follows what is the same on any number of
    /// machines.
    pub(crate) fn take(&self, share: Share, slot: u64, turn: u64) -> u64 {
        if share == Share::ALL {
            self.next.fetch_add(1, Ordering::Relaxed)
        } else {
            slot.saturating_add(turn.saturating_mul(self.slots))
        }
    }
}
