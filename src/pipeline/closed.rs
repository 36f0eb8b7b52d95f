//! What a plan has given so far.

use tokio::sync::watch;

use crate::schema::comparison::FailedTarget;
use crate::schema::plan::{LoadPoint, Plan};

use super::derive::{self, Derived};
use super::event::{Event, Listener};
use super::rows::Rows;
use super::session::{Session, Stage};

/// The runs of a plan that are closed by now, and the visits that gave none.
pub struct Closed<'a> {
    /// Closed runs, in the order in which they were played.
    pub runs: Vec<Derived>,
    /// Visits that gave no run, or not all of theirs.
    pub failed: Vec<FailedTarget>,
    /// Their rows in the file of all runs.
    pub rows: Rows<'a>,
    /// The loads of the plan, with those that a search has appended.
    pub loads: Vec<LoadPoint>,
}

/// A plan with all loads that a search appended to it: that of the run which was played last.
pub fn grown<'a>(plan: &'a Plan, runs: &'a [Derived]) -> &'a Plan {
    let plans = runs.iter().map(|run| &run.file.plan).filter(|_| plan.search.is_some());
    plans.chain([plan]).max_by_key(|plan| plan.loads.len()).unwrap_or(plan)
}

impl<'a> Closed<'a> {
    /// What an earlier try left. A row that it could not put any more is put now.
    pub fn of_disk(
        session: &Session,
        listen: Listener<'a>,
        shutdown: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let mut closed = Closed {
            runs: Vec::new(),
            failed: Vec::new(),
            rows: Rows::new(listen, Some(shutdown)),
            loads: Vec::new(),
        };
        for files in &session.closed.files {
            let run = derive::of_disk(files)?;
            closed.rows.put_run(&run);
            closed.runs.push(run);
        }
        closed.loads.clone_from(&grown(&session.plan, &closed.runs).loads);
        Ok(closed)
    }

    /// Takes a run that was just closed: it is in the file of all runs before anybody hears of it.
    pub fn add(&mut self, stage: &Stage<'_>, run: Derived) {
        self.rows.put_run(&run);
        self.runs.push(run);
        if let Some(run) = self.runs.last() {
            let closed = (self.runs.len(), stage.session.plan.most_runs());
            (stage.listen)(Event::RunClosed { run: &run.file, path: &run.files.json(), closed });
        }
    }
}
