//! `backends/` → a healthy server: definition, find, install, launch, guard, readiness, shutdown.

pub mod definition;
pub mod find;
pub mod install;
pub mod model;
pub mod resolve;

pub mod docker;
pub mod guard;
pub mod launch;
pub mod leftovers;
pub mod readiness;
pub mod shutdown;

pub use guard::guard_main;
