//! A command that measures, at one moment: what a monitoring system is told.

use std::sync::Arc;

use super::live_snapshot::LiveSnapshot;

/// What goes on, at one moment.
#[derive(Debug, Clone, Default)]
pub struct LivePage {
    /// The harness' version.
    pub version: String,
    /// The plan's run id; empty before it is known.
    pub run_id: String,
    /// The command: `compare`, `bench`, …
    pub title: String,
    /// How many workers play the plan: counts are those of all, latencies and the machine are the first one's. 0 or 1: one.
    pub workers: u32,
    /// What is measured, in the plan's order.
    pub backends: Vec<LiveBackend>,
    /// The newest loads, oldest first: the one that is played, and some that were.
    pub runs: Vec<LiveRun>,
}

/// A backend of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveBackend {
    /// Its label.
    pub label: String,
    /// The model it serves.
    pub model: String,
    /// The engine.
    pub engine: String,
    /// What it is doing.
    pub state: BackendState,
    /// Runs of it that are closed.
    pub closed: u64,
    /// Launches that gave no result, or not all of their runs.
    pub failed: u64,
}

/// What a backend is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendState {
    /// Its turn has not come, or comes again.
    Waiting,
    /// Its server is being started.
    Launching,
    /// Its server answers, and no load is played.
    Ready,
    /// A load is played to it.
    Loading,
    /// All of it is measured.
    Done,
    /// Its last launch gave no result, or not all of its runs.
    Failed,
}

impl BackendState {
    /// Every state.
    pub const ALL: [BackendState; 6] = [
        BackendState::Waiting,
        BackendState::Launching,
        BackendState::Ready,
        BackendState::Loading,
        BackendState::Done,
        BackendState::Failed,
    ];

    /// Its name: `waiting`, `launching`, …
    pub fn name(self) -> &'static str {
        match self {
            BackendState::Waiting => "waiting",
            BackendState::Launching => "launching",
            BackendState::Ready => "ready",
            BackendState::Loading => "loading",
            BackendState::Done => "done",
            BackendState::Failed => "failed",
        }
    }
}

/// A load of one backend in one round; its repeats are added up.
#[derive(Debug, Clone)]
pub struct LiveRun {
    /// The backend.
    pub label: String,
    /// Its model.
    pub model: String,
    /// Which load of the plan, from 1.
    pub point: u32,
    /// Which launch, from 1.
    pub round: u32,
    /// The load in words.
    pub load: String,
    /// It is played now.
    pub loading: bool,
    /// What is known of it.
    pub known: Arc<LiveSnapshot>,
}
