//! What a request's record begins with.

use crate::schema::record::{Chunks, Outcome, RequestRecord, StampKind, TokenCounts};
use crate::schema::unit::{Phase, Unit};

use crate::load::request::seen::Expect;

/// The empty record of a request, to be filled as it is played.
pub(crate) fn blank_record(index: u64, unit: &Unit, phase: Phase, expect: Expect) -> RequestRecord {
    RequestRecord {
        index,
        unit: index,
        turn: 0,
        prompt_id: unit.id.clone(),
        category: unit.category.clone(),
        phase,
        due_us: None,
        ready_us: 0,
        history_tokens: None,
        slot_us: None,
        sent_us: None,
        headers_us: None,
        first_event_us: None,
        first_token_us: None,
        first_answer_us: None,
        chunks: Chunks::default(),
        last_token_us: None,
        end_us: 0,
        connect_us: None,
        late_ack: None,
        reader_lag_max_us: 0,
        stamps: StampKind::Read,
        replayed: false,
        tokens: TokenCounts::default(),
        max_tokens: expect.max_tokens,
        forced_length: expect.forced,
        status: None,
        finish_reason: None,
        gateway: None,
        server_times: None,
        missing_sign: None,
        passed_over: 0,
        outcome: Outcome::Dropped,
    }
}
