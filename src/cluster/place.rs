//! Where a worker stands among the others.

use std::time::Duration;

use crate::schema::workers::Share;

use super::meeting::Meeting;

/// Who is heard of no longer than this is lost: longer than a machine pauses to be moved or a process is stopped by hand
/// for a moment.
pub const LOST_AFTER: Duration = Duration::from_secs(15);

/// Where a worker stands, and how long it waits for the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Which worker this is, of how many.
    pub share: Share,
    /// Where worker 0 is.
    pub meeting: Meeting,
    /// This machine's names, as the others may know it; told by worker 0 where they meet by a file.
    pub names: Vec<String>,
    /// How long the others are waited for.
    pub timeout: Duration,
    /// What workers show each other before anything else is told; none: that they know the plan is enough.
    pub token: Option<String>,
    /// A run goes on without a worker that is lost, marked.
    pub goes_on: bool,
}
