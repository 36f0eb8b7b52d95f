//! One request and its answer, without a socket and without a clock.

pub(crate) mod answer;
pub(crate) mod in_flight;
pub(crate) mod messages;
pub(crate) mod seen;
mod stamp;
