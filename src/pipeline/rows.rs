//! Rows of the file of all runs. One that cannot be written costs no run: it is said, tried again at the end, and
//! made again by `harness report`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::report::csv::{self, SummaryRow};
use crate::results::{self, Patience, Standing};
use crate::schema::comparison::FailedTarget;
use crate::schema::plan::Plan;
use crate::schema::refusal::with_cures;

use super::derive::Derived;
use super::event::{Event, Listener};

/// The longest that the file's lock is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Where the rows of a plan go: those of pretend engines never beside measured ones.
pub fn summary_file(plan: &Plan) -> &'static str {
    if plan.simulated { results::SIMULATED_FILE } else { results::SUMMARY_FILE }
}

/// Puts rows into the file of all runs, and keeps those that it could not put.
pub struct Rows<'a> {
    listen: Listener<'a>,
    /// True once the user wants to stop; none: Ctrl-C ends the program.
    shutdown: Option<watch::Receiver<bool>>,
    unwritten: Vec<Unwritten>,
}

struct Unwritten {
    directory: PathBuf,
    file: &'static str,
    row: Vec<String>,
    standing: Standing,
}

impl<'a> Rows<'a> {
    /// None yet.
    pub fn new(listen: Listener<'a>, shutdown: Option<watch::Receiver<bool>>) -> Self {
        Rows { listen, shutdown, unwritten: Vec::new() }
    }

    /// Puts a run's row into the file beside its own files: in the place of the row that it has there, if any.
    pub fn put_run(&mut self, run: &Derived) {
        let row = SummaryRow::of_run(&run.file.plan, &run.file.summary);
        self.put(row, run.files.directory(), Standing::Replaced);
    }

    /// Puts the row of a launch that gave no result.
    pub fn put_failure(&mut self, plan: &Plan, failed: &FailedTarget) {
        let row = SummaryRow::of_failure(plan, failed, Timestamp::now());
        self.put(row, &plan.output.directory, Standing::Kept);
    }

    fn put(&mut self, row: SummaryRow<'_>, directory: &Path, standing: Standing) {
        let file = summary_file(row.plan);
        let row = csv::summary_row(&row);
        let unwritten = Unwritten { directory: directory.to_owned(), file, row, standing };
        // Who held the lock for a minute is not waited for again.
        let at_most = if self.unwritten.is_empty() { LONGEST_WAIT } else { Duration::from_secs(1) };
        if let Err(error) = self.write(&unwritten, at_most) {
            if self.unwritten.is_empty() {
                let what = format!("warning: {error:#}; the run's own files are whole");
                (self.listen)(Event::Trouble(&what));
            }
            self.unwritten.push(unwritten);
        }
    }

    fn write(&self, new: &Unwritten, at_most: Duration) -> anyhow::Result<()> {
        let stop = || self.shutdown.as_ref().is_some_and(|shutdown| *shutdown.borrow());
        let say = |what: &str| (self.listen)(Event::Trouble(what));
        let patience = Patience { say: &say, stop: &stop, at_most };
        let (header, rows) = (csv::summary_header(), std::slice::from_ref(&new.row));
        let (directory, file) = (&new.directory, new.file);
        let done =
            results::put_rows(directory, file, &header, rows, Timestamp::now(), new.standing, patience)?;
        if let Some(renamed) = done.renamed {
            (self.listen)(Event::Note(&format!(
                "{file} has other columns than this version writes: it is now {}",
                renamed.display()
            )));
        }
        if let Some(aside) = done.moved_aside {
            (self.listen)(Event::Note(&format!(
                "{file} ended in a half-written line: that is now in {}",
                aside.display()
            )));
        }
        Ok(())
    }

    /// Tries what is left once more. True where a row is still missing, which is said.
    pub fn finish(mut self) -> bool {
        let left = std::mem::take(&mut self.unwritten);
        let mut missing = Vec::new();
        let mut why = None;
        for row in &left {
            if let Err(error) = self.write(row, Duration::ZERO) {
                missing.push(row);
                why.get_or_insert(error);
            }
        }
        let (Some(first), Some(why)) = (missing.first(), why) else { return false };
        let rows = if missing.len() == 1 { "1 row".to_owned() } else { format!("{} rows", missing.len()) };
        let path = first.directory.join(first.file);
        let what = format!("error: {rows} could not be put into {}: {why:#}", path.display());
        let cure = format!("mend that file, then: harness report {}", first.directory.display());
        (self.listen)(Event::Trouble(&with_cures(what, [cure.as_str()])));
        true
    }
}
