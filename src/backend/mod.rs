//! `backends/` → a healthy server: definition, find, install, launch, guard, readiness, shutdown.

pub mod definition;
pub mod find;
pub mod install;
pub mod managed;
pub mod model;
mod placeholders;
pub mod resolve;
mod server_log;

pub mod docker;
pub mod guard;
pub mod launch;
pub mod leftovers;
pub mod process;

pub use guard::guard_main;
