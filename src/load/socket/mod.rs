//! Connections: dialled, kept, read with the kernel's stamps.

pub(crate) mod acks;
pub(crate) mod dial;
mod looks;
pub(crate) mod pool;
pub(crate) mod stamped;
pub(crate) mod wait_bounds;
