//! What is wanted, how far it is, and how it ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::rejection::{Bounds, Rejection};

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Prompts in the file at the end, those that are there already among them.
    pub count: usize,
    /// Categories, dealt evenly in their order.
    pub categories: Vec<String>,
    /// The file, of one JSON object a line.
    pub output: PathBuf,
    /// Lengths that a prompt may have.
    pub bounds: Bounds,
    /// Limit of a reply, tokens.
    pub max_tokens: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// Seed of the subjects, and with [`Wanted::send_seed`] of the sampling.
    pub seed: u64,
    /// The server is sent a seed with each request.
    pub send_seed: bool,
    /// Times that a request is tried where the server is busy.
    pub tries: u32,
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Prompts in the file.
    pub held: usize,
    /// Of them, those of this time.
    pub new: usize,
    /// Requests that were answered.
    pub requests: u64,
    /// What was passed over, by its reason.
    pub rejected: BTreeMap<Rejection, u64>,
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum Told<'a> {
    /// A request was answered.
    Reached(&'a Progress),
    /// The server is busy: why, and how long is waited.
    Waiting(&'a str, Duration),
    /// Something to know.
    Note(&'a str),
}

/// Why it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The file holds all that is wanted.
    Whole,
    /// The model gave nothing new any more.
    Exhausted,
    /// The user stopped it.
    Interrupted,
}
