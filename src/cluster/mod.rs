//! VERB: several processes → one load. Workers connect to worker 0 over TCP and prove that they play the same plan; their
//! clocks are laid beside each other; all start at one instant; their records come back whole; nobody's end goes unseen.
//!
//! Each connection has a thread of its own that reads and stamps: what the program is busy with moves no stamp.

mod arrive;
mod clock;
mod drift;
mod fetch;
mod follower;
mod frame;
mod gather;
mod hearing;
mod identity;
mod leader;
mod link;
mod loss;
mod meeting;
mod message;
mod peer;
mod place;
mod players;
mod pulse;
#[cfg(test)]
mod tests;
mod token;

pub use clock::{Now, monotonic};
pub use follower::{Follower, Speaker};
pub use identity::{Identity, of_this_program};
pub use leader::{Leader, Outgoing};
pub use meeting::Meeting;
pub use message::{Order, Over, Part};
pub use place::{LOST_AFTER, Place};
