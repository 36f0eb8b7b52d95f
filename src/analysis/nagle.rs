//! Does the server leave Nagle's algorithm on? Told by requests whose answer's beginning was acknowledged late, on purpose.
//!
//! With the algorithm on, the next bytes come when the acknowledgement has reached the server, whenever that is; with
//! it off (TCP_NODELAY) they come when they are made.

use crate::schema::record::LateAck;
use crate::schema::summary::Nagle;

/// What waited for the acknowledgement comes so soon after it, µs: on one machine within 0.1 ms.
const AT_ONCE_US: u64 = 1_000;
/// The clocks of the two stamps may differ by so much, µs.
const SLACK_US: u64 = 300;
/// Of bytes that come by chance ten times as many come in this time, µs.
const SOON_US: u64 = 11_000;
/// A kernel puts an acknowledgement off no longer than about 40 ms: after this nobody knows whether it was sent, µs.
const KERNEL_WAITS_US: u64 = 38_000;
/// One may be chance.
const LEAST: u64 = 2;

/// Requests by what they tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LateAcks {
    /// More came at once when it was sent.
    waited: u64,
    /// More came before it was sent.
    free: u64,
    /// More came not at once, but soon.
    soon: u64,
}

impl LateAcks {
    pub(super) fn add(&mut self, late: &LateAck) {
        match (late.ack_us, late.next_us) {
            (None, Some(next_us)) if next_us < late.begun_us + KERNEL_WAITS_US => self.free += 1,
            (Some(_), Some(_)) if waited(late) => self.waited += 1,
            (Some(ack_us), Some(next_us)) if next_us <= ack_us + SOON_US => self.soon += 1,
            (_, _) => {}
        }
    }

    pub(super) fn merge(&mut self, other: LateAcks) {
        self.waited += other.waited;
        self.free += other.free;
        self.soon += other.soon;
    }

    /// None where they tell neither.
    pub(super) fn tell(self) -> Option<Nagle> {
        let Self { waited, free, soon } = self;
        let nagle = |on, requests| Some(Nagle { on, requests });
        if waited >= LEAST && waited >= 3 * free && waited >= soon {
            nagle(true, waited)
        } else if free > waited {
            nagle(false, free)
        } else {
            None
        }
    }
}

/// The server had more to send, and sent it when the beginning was acknowledged.
pub fn waited(late: &LateAck) -> bool {
    match (late.ack_us, late.next_us) {
        (Some(ack_us), Some(next_us)) => {
            (ack_us.saturating_sub(SLACK_US)..=ack_us + AT_ONCE_US).contains(&next_us)
        }
        (_, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(lates: &[(Option<u64>, Option<u64>)]) -> Option<bool> {
        let mut acks = LateAcks::default();
        for (ack_us, next_us) in lates {
            acks.add(&LateAck { begun_us: 0, ack_us: *ack_us, next_us: *next_us });
        }
        acks.tell().map(|nagle| nagle.on)
    }

    const WAITED: (Option<u64>, Option<u64>) = (Some(24_000), Some(24_080));
    const FREE: (Option<u64>, Option<u64>) = (None, Some(10_000));
    const LATER: (Option<u64>, Option<u64>) = (Some(24_000), Some(31_000));
    const MUCH_LATER: (Option<u64>, Option<u64>) = (Some(24_000), Some(300_000));

    #[test]
    fn a_server_that_sends_on_whenever_it_is_acknowledged_leaves_nagle_on() {
        assert_eq!(tell(&[WAITED, (Some(34_000), Some(33_900))]), Some(true));
        assert_eq!(tell(&[MUCH_LATER, WAITED, WAITED]), Some(true), "a cold first request tells nothing");
    }

    #[test]
    fn a_server_that_sends_on_unacknowledged_has_it_off() {
        assert_eq!(tell(&[FREE]), Some(false));
        assert_eq!(tell(&[FREE, FREE, WAITED]), Some(false));
    }

    #[test]
    fn chance_is_no_proof() {
        assert_eq!(tell(&[WAITED]), None, "once");
        assert_eq!(tell(&[WAITED, FREE, WAITED, FREE]), None, "a first token 24.1 ms after the head");
        assert_eq!(tell(&[WAITED, WAITED, LATER, LATER, LATER]), None, "first tokens at any time");
        assert_eq!(tell(&[MUCH_LATER, (Some(24_000), None)]), None);
        assert_eq!(tell(&[(None, Some(41_000))]), None, "the client was late, and its kernel acknowledged");
    }
}
