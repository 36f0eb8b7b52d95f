//! `backends/` → a healthy server: definition, find, install, launch, guard, readiness, shutdown.

pub mod definition;
pub mod find;
pub mod install;
pub mod model;
pub mod resolve;

pub mod child_environment;
pub mod command;
pub mod diagnosis;
pub mod docker;
pub mod guard;
pub mod launch;
pub mod leftovers;
pub mod port;
pub mod process;
pub mod readiness;
pub mod server_log;
pub mod shutdown;

pub use guard::guard_main;
