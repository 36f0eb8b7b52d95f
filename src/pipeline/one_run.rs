//! One run on a server that stands, from its load to its files.

use crate::schema::plan::RunKey;
use crate::schema::target::Target;

use super::closed::Closed;
use super::cut_short::CutShort;
use super::derive;
use super::failure::Failure;
use super::measure;
use super::session::Stage;
use super::standing::Standing;

/// Plays one run and puts it to those that are closed; why it was cut short.
pub async fn one(
    stage: &Stage<'_>,
    target: &Target,
    standing: &mut Standing,
    key: &RunKey,
    closed: &mut Closed<'_>,
) -> Result<Option<CutShort>, Failure> {
    let measured = measure::measure(stage, target, standing, key, &closed.loads).await?;
    let derived =
        derive::derive(&measured.files).map_err(|error| Failure::not_derived(error, &stage.session.plan))?;
    closed.add(stage, derived);
    Ok(measured.cut)
}
