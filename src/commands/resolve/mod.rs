//! Arguments → what a plan holds.

pub mod arguments;
pub mod choices;
pub mod machine;
pub mod simulated;
pub mod traffic;
