//! One run on a server that stands, from its load to its files.

use crate::directories::is_disk_full;
use crate::schema::plan::{Plan, RunKey};
use crate::schema::target::Target;

use super::closed::Closed;
use super::cut_short::CutShort;
use super::derive;
use super::failure::{Failure, Reach};
use super::measure::{self, Standing};
use super::session::Stage;

/// Plays one run and puts it to those that are closed; why it was cut short.
pub async fn one(
    stage: &Stage<'_>,
    target: &Target,
    standing: &mut Standing,
    key: &RunKey,
    closed: &mut Closed<'_>,
) -> Result<Option<CutShort>, Failure> {
    let measured = measure::measure(stage, target, standing, key, &closed.loads).await?;
    let derived = derive::derive(&measured.files).map_err(|error| not_derived(error, &stage.session.plan))?;
    closed.add(stage, derived);
    Ok(measured.cut)
}

/// What was recorded is safe, and the next target's turn comes, unless the disk is full.
fn not_derived(error: anyhow::Error, plan: &Plan) -> Failure {
    let reach = if is_disk_full(&error) { Reach::Everything } else { Reach::Target };
    let failure = Failure::from(error);
    let again = format!("its records are saved: harness report {}", plan.output.directory.display());
    let hint = failure.hint.iter().chain([&again]).map(String::as_str).collect::<Vec<_>>().join("; ");
    Failure { reach, hint: Some(hint), ..failure }
}
