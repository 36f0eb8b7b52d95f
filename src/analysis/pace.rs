//! Whether the tokens of a run's paces are known to have come in their windows, and what sends them together.

use crate::schema::caveat::Caveat;
use crate::schema::gateway::Gateway;
use crate::schema::record::StampKind;
use crate::schema::request_figures::{Figured, milliseconds};

use super::percent_of;

/// Tokens that nobody can place may be so many, % of delivered ones, before every pace is withheld.
const UNPLACED_PCT: f64 = 1.0;
/// Answers that come whole at one time may be so many, %, before the server is said to hold them back.
const WHOLE_PCT: f64 = 1.0;
/// So many events may come together with the one before, %: a busy scheduler sends some so.
const TOGETHER_PCT: f64 = 10.0;

/// Tokens and windows of completed requests.
#[derive(Debug, Default)]
pub(super) struct Paces {
    delivered: u64,
    unplaced: u64,
    /// Of answers with a window: its length, µs, the delivered tokens after the first, and the most that may have
    /// come before it taken off them.
    window_us: u64,
    most_steps: u64,
    least_steps: u64,
    /// Answers of two tokens or more that showed one.
    answers: u64,
    whole: u64,
    /// Events that have one before them.
    followers: u64,
    together: u64,
    gateway: Option<Gateway>,
}

impl Paces {
    /// Adds a completed request.
    pub(super) fn add(&mut self, request: &Figured<'_>) {
        let Figured { record, pace, .. } = *request;
        self.gateway = Gateway::prefer(self.gateway, record.gateway);
        if record.chunks.is_empty() {
            return;
        }
        self.delivered += u64::from(pace.n);
        self.unplaced += u64::from(pace.unplaced);
        self.answers += u64::from(pace.n >= 2);
        let (followers, together) = (record.chunks.len() as u64 - 1, record.sent_together());
        self.followers += followers;
        self.together += together;
        // Else a late client may have found together what came apart.
        let sent_so =
            if pace.window_us > 0 { record.stamps == StampKind::Kernel } else { together == followers };
        self.whole += u64::from(pace.came_at_once && sent_so);
        if pace.n >= 2 && !pace.came_at_once && pace.window_us > 0 && pace.after > 0 {
            self.window_us += pace.window_us;
            let steps = u64::from(pace.n - 1);
            self.most_steps += steps.max(u64::from(pace.after));
            self.least_steps += steps.min(u64::from(pace.after));
        }
    }

    /// Adds the requests of another.
    pub(super) fn merge(&mut self, other: Paces) {
        self.delivered += other.delivered;
        self.unplaced += other.unplaced;
        self.window_us += other.window_us;
        self.most_steps += other.most_steps;
        self.least_steps += other.least_steps;
        self.answers += other.answers;
        self.whole += other.whole;
        self.followers += other.followers;
        self.together += other.together;
        self.gateway = Gateway::prefer(self.gateway, other.gateway);
    }

    /// Why every pace is withheld; none where they are known. `contrary` are tokens that answers disagree on: whether
    /// their ends are hidden.
    pub(super) fn withheld(&self, contrary: u64) -> Option<Caveat> {
        let difference_pct = percent_of(self.unplaced + contrary, self.delivered);
        let bound = |steps: u64| (steps > 0).then(|| milliseconds(self.window_us) / steps as f64);
        (difference_pct > UNPLACED_PCT).then(|| Caveat::PaceWithheld {
            difference_pct,
            low_ms: bound(self.most_steps),
            high_ms: bound(self.least_steps),
        })
    }

    /// Whether tokens are sent together, and by whom.
    pub(super) fn buffered(&self) -> Option<Caveat> {
        let together_pct = percent_of(self.together, self.followers);
        let buffers = percent_of(self.whole, self.answers) > WHOLE_PCT || together_pct > TOGETHER_PCT;
        buffers.then_some(Caveat::Buffered {
            whole: self.whole,
            answers: self.answers,
            together_pct,
            gateway: self.gateway,
        })
    }

    /// What stands before the server.
    pub(super) fn gateway(&self) -> Option<Gateway> {
        self.gateway
    }
}
