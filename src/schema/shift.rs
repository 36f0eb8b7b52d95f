//! The stamps of a request on another clock.

use super::chunks::{Chunk, Chunks};
use super::record::RequestRecord;

impl RequestRecord {
    /// When it was due, or could have been sent in a closed loop: its place in time among others, µs.
    pub fn came_us(&self) -> u64 {
        self.due_us.unwrap_or(self.ready_us)
    }

    /// Moves all stamps by one time, µs, so that every difference between them stays as it is; none before µs 0: what
    /// would begin there begins at 0.
    pub fn shift(&mut self, by_us: i64) {
        let first_us = self.due_us.map_or(self.ready_us, |due_us| due_us.min(self.ready_us));
        let by_us = by_us.max(0_i64.saturating_sub_unsigned(first_us));
        let stamps = [
            Some(&mut self.ready_us),
            Some(&mut self.end_us),
            self.due_us.as_mut(),
            self.slot_us.as_mut(),
            self.sent_us.as_mut(),
            self.headers_us.as_mut(),
            self.first_event_us.as_mut(),
            self.first_token_us.as_mut(),
            self.first_answer_us.as_mut(),
            self.last_token_us.as_mut(),
        ];
        let late = self
            .late_ack
            .as_deref_mut()
            .map(|late| [Some(&mut late.begun_us), late.ack_us.as_mut(), late.next_us.as_mut()]);
        for at_us in stamps.into_iter().chain(late.into_iter().flatten()).flatten() {
            *at_us = at_us.saturating_add_signed(by_us);
        }
        if by_us != 0 {
            self.chunks = shifted(&self.chunks, by_us);
        }
    }
}

fn shifted(chunks: &Chunks, by_us: i64) -> Chunks {
    chunks.iter().map(|chunk| Chunk { at_us: chunk.at_us.saturating_add_signed(by_us), ..chunk }).collect()
}
