//! VERB: Requests × traffic → [`crate::schema::record::RequestRecord`]s. The measured path: nothing on it blocks, logs or builds a JSON tree.

mod answer;
mod arrivals;
mod cancel;
mod clock;
mod dial;
mod exchange;
mod http1;
mod http2;
mod intake;
mod messages;
mod multiplex;
mod openai;
mod pacer;
mod play;
mod polls;
mod pool;
mod probe;
mod slots;
mod sse;
mod transport;
mod worker;

pub use answer::parse_answer;
pub use arrivals::{DueTimes, due_times};
pub use clock::RunClock;
pub use play::{Job, Played, Stop, open_files_needed, play};
pub use probe::{check_http2, probe};

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod stalls;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod streams_server;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls;
