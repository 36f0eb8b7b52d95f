//! Arguments → what a plan holds.

pub mod arguments;
pub mod arrival_schedule;
pub mod arrivals;
pub mod body;
pub mod choices;
pub mod conversations;
pub mod machine;
pub mod objectives;
pub mod output;
pub mod prompts;
pub mod protocol;
pub mod ranges;
pub mod replay;
pub mod scenarios;
pub mod search;
pub mod served_model;
pub mod server_url;
pub mod simulated;
mod slurm;
pub mod synthetic;
pub mod traffic;
pub mod typed;
mod worker_numbers;
pub mod workers;
