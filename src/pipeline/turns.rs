//! The runs of one launch, one after the other: those of its visit, or as a search asks for them.

use crate::schema::plan::RunKey;
use crate::schema::target::Target;

use super::closed::Closed;
use super::cut_short::CutShort;
use super::failure::{Failure, Reach};
use super::one_run;
use super::search;
use super::session::Stage;
use super::standing::Standing;
use super::visits::Visit;

/// Where the runs of a launch come from.
enum Turns<'a> {
    /// They are known, and so many are over.
    Listed(&'a [RunKey]),
    /// Each follows from those before.
    Search,
}

/// Plays the runs of a visit until the last, a stop, or the end of the server.
///
/// # Errors
/// The server died before the last, or a run gave no result.
pub async fn play(
    stage: &Stage<'_>,
    visit: &Visit,
    target: &Target,
    standing: &mut Standing,
    closed: &mut Closed<'_>,
) -> Result<(), Failure> {
    let mut turns = match &stage.session.plan.search {
        Some(_) => Turns::Search,
        None => Turns::Listed(&visit.runs),
    };
    while let Some(key) = turns.next(stage, visit, closed) {
        if *stage.shutdown.borrow() {
            return Ok(());
        }
        let Some(cut) = one_run::one(stage, target, standing, &key, closed).await? else { continue };
        let reach = match &cut {
            CutShort::Interrupted | CutShort::NotSaved => return Ok(()),
            CutShort::NotPlayed(_) if turns.goes_on() => continue,
            CutShort::GuardDied | CutShort::WorkerLost(_) => Reach::Everything,
            CutShort::ServerDied(_) | CutShort::NotPlayed(_) => Reach::Target,
        };
        if let Some(lost) = turns.lost(&cut.reason()) {
            return Err(Failure { reach, ..Failure::of_target(lost) });
        }
    }
    Ok(())
}

impl Turns<'_> {
    /// The next run, whose load is among those of `closed` then.
    fn next(&mut self, stage: &Stage<'_>, visit: &Visit, closed: &mut Closed<'_>) -> Option<RunKey> {
        match self {
            Turns::Listed(left) => {
                let (key, rest) = left.split_first()?;
                *left = rest;
                Some(key.clone())
            }
            Turns::Search => {
                let plan = &stage.session.plan;
                let (key, load) = search::next(plan, &visit.label, &closed.loads, &closed.runs)?;
                if key.point as usize > closed.loads.len() {
                    closed.loads.push(load);
                }
                Some(key)
            }
        }
    }

    /// A run that could not be played leaves the next ones as they were.
    fn goes_on(&self) -> bool {
        match self {
            Turns::Listed(_) => true,
            Turns::Search => false,
        }
    }

    /// What the end of the server takes with it, in words; none where nothing was left.
    fn lost(&self, why: &str) -> Option<String> {
        match self {
            Turns::Listed([]) => None,
            Turns::Listed(left) => {
                Some(format!("{why}; {} more of its runs could not be played", left.len()))
            }
            Turns::Search => Some(format!("{why}: its search ended there")),
        }
    }
}
