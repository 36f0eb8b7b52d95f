//! Rows that are earlier than the one before them: told, or put right in one of two ways.

use crate::schema::trace::{OnStepBack, TraceRow};

/// A row that is earlier than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepBack {
    /// Which row, from 0.
    pub(super) index: usize,
    /// Its line, from 1.
    pub(super) line: u32,
    /// Time of the row before it, µs.
    pub(super) from_us: u64,
    /// Its own, µs.
    pub(super) to_us: u64,
}

/// All of them, in order.
pub(super) fn steps_back(rows: &[TraceRow]) -> impl Iterator<Item = StepBack> + '_ {
    rows.windows(2).enumerate().filter(|(_, pair)| pair[1].at_us < pair[0].at_us).map(|(before, pair)| {
        StepBack { index: before + 1, line: pair[1].line, from_us: pair[0].at_us, to_us: pair[1].at_us }
    })
}

/// Puts rows into the order of their times. Returns by how much each further part was moved, µs; an error is the first
/// step back of a file that may have none.
pub(super) fn put_in_order(rows: &mut [TraceRow], on_step_back: OnStepBack) -> Result<Vec<u64>, StepBack> {
    match on_step_back {
        OnStepBack::Error => steps_back(rows).next().map_or(Ok(Vec::new()), Err),
        OnStepBack::Sort => {
            rows.sort_by_key(|row| row.at_us);
            Ok(Vec::new())
        }
        OnStepBack::Append => {
            // A part begins at the moment at which the part before it ended.
            let (mut moved, mut offset_us, mut before_us) = (Vec::new(), 0u64, 0);
            for row in rows.iter_mut() {
                let at_us = row.at_us;
                if at_us < before_us {
                    offset_us = offset_us.saturating_add(before_us - at_us);
                    moved.push(offset_us);
                }
                before_us = at_us;
                row.at_us = at_us.saturating_add(offset_us);
            }
            Ok(moved)
        }
    }
}
