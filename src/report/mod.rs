//! (in work)

pub mod csv;
