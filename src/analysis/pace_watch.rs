//! Whether a run's paces may be shown while it goes: the summary's own rule, over the requests so far.

use crate::schema::request_figures::Figured;

use super::pace::Paces;
use super::tokens::Ends;

/// Completed requests so far, as far as the rule needs them.
#[derive(Debug, Default)]
pub struct PaceWatch {
    paces: Paces,
    ends: Ends,
}

impl PaceWatch {
    /// Adds a measured, completed request.
    pub fn add(&mut self, request: &Figured<'_>) {
        self.paces.add(request);
        self.ends.add(request.record, &request.counts);
    }

    /// True where by now every pace would be withheld: nobody can place the tokens.
    pub fn withholds(&self) -> bool {
        self.paces.withheld(self.ends.contrary()).is_some()
    }
}
