//! `backends/` → a healthy server: definition, find, install, launch, guard, readiness, shutdown.

pub mod definition;
pub mod find;
pub mod install;
pub mod model;
pub mod resolve;

mod child_environment;
mod command;
mod diagnosis;
pub mod docker;
pub mod guard;
pub mod launch;
pub mod leftovers;
pub mod port;
pub mod process;
pub mod readiness;
mod server_log;
pub mod shutdown;

pub use guard::guard_main;
