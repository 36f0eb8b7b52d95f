//! One request and its answer, without a socket and without a clock.

pub(crate) mod answer;
pub(crate) mod messages;
