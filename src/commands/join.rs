//! This process as one of several workers: it leads, or follows.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use crate::cluster::{Follower, Identity, Leader, Place, monotonic, of_this_program};
use crate::pipeline::{self, Followed, Session};
use crate::progress::Progress;
use crate::schema::plan::Plan;
use crate::secrets;

use crate::commands::interrupt;
use crate::commands::show::Show;

/// Said at the first signal to a worker.
const STOPPING: &str = "interrupted: all workers stop and save what was measured (again: at once)";
/// A worker that was lost, or did not see its load to the end.
const NOT_WELL: u8 = 1;

/// What this process is to the others.
pub enum Role {
    /// Worker 0.
    Leads(Arc<Leader>),
    /// Another one.
    Follows(Follower),
}

/// Joins the others: nothing was sent to any server, and nothing written.
///
/// # Errors
/// A worker is missing, or plays something else: by name.
pub fn join(mut place: Place, plan: &Plan, host: &str, progress: &Progress) -> anyhow::Result<Role> {
    if let Some(token) = &place.token {
        secrets::keep_from_outputs([token.clone()]);
    }
    let build = of_this_program().context("this program's own file cannot be read")?;
    let identity = Identity::of(plan, build)?;
    let share = place.share;
    if !place.names.iter().any(|name| name == host) {
        place.names.push(host.to_owned());
    }
    if share.worker == 0 {
        progress.say(&format!(
            "worker 0 of {}: waiting for the others at {} ({} s at most)",
            share.of,
            place.meeting,
            place.timeout.as_secs_f64()
        ));
        let tell = |what: String| progress.say(&what);
        let leader = Leader::gather(place, &identity, plan.launches(), monotonic(), &tell)?;
        return Ok(Role::Leads(Arc::new(leader)));
    }
    let follower = Follower::join(&place, identity, host.to_owned(), monotonic())?;
    progress.say(&format!("worker {} of {}: joined worker 0 at {}", share.worker, share.of, place.meeting));
    Ok(Role::Follows(follower))
}

/// Obeys worker 0 until it says that nothing more is played.
pub async fn follow(
    follower: Follower,
    session: &Session,
    show: &Show,
    progress: Progress,
) -> anyhow::Result<ExitCode> {
    let shutdown = interrupt::watch_saying(progress, STOPPING)?;
    let followed = pipeline::follow(session, follower, &|event| show.event(event), shutdown).await;
    Ok(match followed {
        Followed { lost: Some(why), .. } => {
            show.error(&format!(
                "error: worker 0 was lost ({why}): this worker's records are saved in {}",
                session.plan.output.directory.display()
            ));
            ExitCode::from(NOT_WELL)
        }
        Followed { interrupted: true, .. } => ExitCode::from(interrupt::INTERRUPTED),
        Followed { failed: true, .. } => ExitCode::from(NOT_WELL),
        Followed { .. } => ExitCode::SUCCESS,
    })
}
