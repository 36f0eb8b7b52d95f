//! VERB: Units × traffic → [`crate::schema::record::RequestRecord`]s. The measured path: nothing on it blocks, logs or builds a JSON tree.

mod cancel;
mod clock;
mod crew;
mod exchange;
mod growth;
mod http;
mod job;
mod part;
mod phase;
mod play;
mod player;
mod probe;
mod protocol;
mod request;
mod schedule;
mod schedule_hash;
mod socket;
#[cfg(test)]
mod tests;
mod wire;
mod worker;

pub use clock::RunClock;
pub use growth::{Grown, Why, threads_for};
pub use job::Job;
pub use part::{CommonStart, Part};
pub use play::{Played, Stop, open_files_needed, play, play_part};
pub use probe::{ask, check_reachable, probe};
pub use request::captured::{parse_answer, parse_text};
pub use schedule::arrivals::{DueTimes, due_times, due_times_of};
pub use schedule::course::mean_at_end;
pub use schedule_hash::schedule_hash;
pub use wire::{
    MODEL_IN_PATH, OwnFields, adapt, can_stream, check, default_path, forces_length, is_field, limit_field,
    names_model, own_fields, sent_fields, whole_path,
};
