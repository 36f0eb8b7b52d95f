//! When requests start: due times, the thread that keeps them, slots under a cap.

pub(crate) mod arrivals;
pub(crate) mod course;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod law_tests;
pub(crate) mod pacer;
pub(crate) mod slots;
