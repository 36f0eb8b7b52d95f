//! What the bytes of a body and of an event mean.

pub(crate) mod openai;
