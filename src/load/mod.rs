//! VERB: Units × traffic → [`crate::schema::record::RequestRecord`]s. The measured path: nothing on it blocks, logs or builds a JSON tree.

mod cancel;
mod clock;
mod exchange;
mod http;
mod phase;
mod play;
mod player;
mod probe;
mod protocol;
mod request;
mod schedule;
mod socket;
#[cfg(test)]
mod tests;
mod worker;

use crate::schema::target::ProtocolName;

pub use clock::RunClock;
pub use play::{Job, Played, Stop, open_files_needed, play};
pub use probe::{ask, check_reachable, probe};
pub use request::answer::parse_answer;
pub use schedule::arrivals::{DueTimes, due_times, due_times_of};

/// The path of a protocol below the server's URL, unless another is asked for.
pub fn default_path(protocol: ProtocolName) -> &'static str {
    protocol::Protocol::of(protocol).path()
}
