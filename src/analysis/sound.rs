//! Which runs did the work that was asked of them.

use crate::schema::caveat::Caveat;
use crate::schema::summary::RunSummary;

/// A run that completed nothing, did not reach its end or failed over 1 % of its requests did not do the
/// same work.
pub(super) fn takes_part(run: &RunSummary) -> bool {
    let fails = run.caveats.iter().any(|caveat| matches!(caveat, Caveat::Failures { .. }));
    run.requests.completed > 0 && run.partial.is_none() && !fails
}
