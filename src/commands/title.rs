//! The titles of the plans: the commands that make them.

/// Several backends, launched in turn.
pub const COMPARE: &str = "compare";
/// One backend, launched.
pub const RUN: &str = "run";
/// A server that already runs.
pub const BENCH: &str = "bench";
/// Several loads on each launch.
pub const SWEEP: &str = "sweep";
