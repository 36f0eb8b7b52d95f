//! What a plan has given so far.

use crate::schema::comparison::FailedTarget;

use super::derive::{self, Derived};
use super::event::{Event, Listener};
use super::reports;
use super::session::{Session, Stage};

/// The runs of a plan that are closed by now, and the visits that gave none.
pub struct Closed {
    /// Closed runs, in the order in which they were played.
    pub runs: Vec<Derived>,
    /// Visits that gave no run, or not all of theirs.
    pub failed: Vec<FailedTarget>,
}

impl Closed {
    /// What an earlier try left. A row that it could not append any more is appended now.
    pub fn of_disk(session: &Session, listen: Listener<'_>) -> anyhow::Result<Closed> {
        let mut closed = Closed { runs: Vec::new(), failed: Vec::new() };
        for files in &session.closed.files {
            let run = derive::derive(files)?;
            reports::append_missing_run(&run, listen)?;
            closed.runs.push(run);
        }
        Ok(closed)
    }

    /// Takes a run that was just closed: it is in the file of all runs before anybody hears of it.
    pub fn add(&mut self, stage: &Stage<'_>, run: Derived) -> anyhow::Result<()> {
        reports::append_run(&run, stage.listen)?;
        self.runs.push(run);
        if let Some(run) = self.runs.last() {
            let closed = (self.runs.len(), stage.session.plan.run_count());
            (stage.listen)(Event::RunClosed { run: &run.file, path: &run.files.json(), closed });
        }
        Ok(())
    }
}
