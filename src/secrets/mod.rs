//! What is a secret, in one rule: for what is refused on the command line, what is taken out of logs, and what a
//! server repeats of the keys that it was sent.

mod kept;
mod names;

pub use kept::{
    HIDDEN, Hider, from_outside, hide_kept, hide_named, keep_from_outputs, keep_wire_from_outputs, kept,
};
pub use names::{argument_with_a_secret, holds_a_secret, names_a_secret, secret_values};
