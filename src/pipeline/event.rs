//! What happens while a plan is played. The pipeline tells it and prints nothing: who listens decides what is shown.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::analysis::Sureness;
use crate::backend::launch::LaunchEvent;
use crate::schema::comparison::Comparison;
use crate::schema::files::RunFile;
use crate::schema::live::LiveCounters;
use crate::schema::plan::{LoadPoint, Plan, RunKey};

use super::failure::Failure;
use super::live_figures::LiveFigures;
use super::visits::Visit;

/// Something that happened.
pub enum Event<'a> {
    /// The plan begins: what is still to be played.
    Planned {
        /// The plan.
        plan: &'a Plan,
        /// What is left of it.
        visits: &'a [Visit],
    },
    /// A target's server is about to be started.
    Starting {
        /// The target.
        label: &'a str,
        /// Where its log goes.
        log: &'a Path,
    },
    /// A target's server is being started.
    Launching {
        /// The target.
        label: &'a str,
        /// How far it is.
        event: LaunchEvent,
    },
    /// A target's server answers.
    Ready {
        /// The target.
        label: &'a str,
        /// From launch to readiness.
        after: Duration,
        /// The command as launched.
        command: &'a [String],
    },
    /// The load of a run begins.
    Loading {
        /// Which run.
        key: &'a RunKey,
        /// Its load.
        load: &'a LoadPoint,
        /// Counters that go on while it is played.
        live: Arc<LiveCounters>,
        /// What is known of it by now.
        figures: LiveFigures,
    },
    /// The load of a run is over.
    Loaded,
    /// A run's files are whole.
    RunClosed {
        /// The run.
        run: &'a RunFile,
        /// Its JSON file.
        path: &'a Path,
        /// Runs that are closed by now, and runs in the plan.
        closed: (usize, usize),
    },
    /// A target's server is being stopped.
    Stopping {
        /// The target.
        label: &'a str,
    },
    /// A target's server is gone.
    Stopped {
        /// The target.
        label: &'a str,
        /// It ended by itself within its time of grace.
        graceful: bool,
        /// How long that took.
        took: Duration,
    },
    /// A launch gave no result, or not all of its runs.
    Failed {
        /// The target.
        label: &'a str,
        /// Why.
        failure: &'a Failure,
    },
    /// Something is wrong that a person should know.
    Trouble(&'a str),
    /// Something that a person may want to know.
    Note(&'a str),
    /// Something that explains, where a result surprises.
    Detail(&'a str),
    /// A round has ended of a plan that plays until it is sure, and was looked at.
    Looked {
        /// What is known by now.
        state: &'a Sureness,
        /// The most rounds that there will be.
        rounds_max: u32,
    },
    /// Everything is played and saved.
    Compared {
        /// The runs side by side.
        comparison: &'a Comparison,
        /// The directory that holds them side by side, where the plan has one.
        folder: Option<&'a Path>,
    },
}

/// Who listens.
pub type Listener<'a> = &'a (dyn Fn(Event<'_>) + 'a);
