//! One request and its answer, without a socket and without a clock.

pub(crate) mod answer;
pub(crate) mod blank_record;
pub(crate) mod captured;
pub(crate) mod in_flight;
pub(crate) mod messages;
pub(crate) mod outcome;
pub(crate) mod seen;
mod stamp;
