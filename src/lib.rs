//! Which LLM inference server is faster for my model, my traffic and my machine, by how much, and can I trust it?
//!
//! ```text
//! argv + plan.yaml + backends/*.yaml
//!    │ commands::resolve
//!    ▼
//!   Plan ──dataset──► [Prompt] ──load::arrivals──► due times ──load::engine──► RequestRecord …  ← written as they finish
//!    │                                                ▲                              │ analysis::summarize
//!    └─backend::launch──► Server { url } ─────────────┘                              ▼
//!                               ▲                                              RunSummary (+ Caveats)
//!                    monitor: the server's own counters                              │ analysis::compare
//!                                                                                    ▼
//!   files ◄── report::{csv,json,chart,markdown,terminal} ◄──────────────────── Comparison
//! ```
//!
//! Two import rules hold (tests/architecture.rs):
//! 1. A stage imports [`schema`] and nothing else of ours. `schema` and [`cli`] import nothing of ours.
//! 2. Only [`pipeline`] and [`commands`] import stages. `main` imports `cli` and `commands`.

pub mod analysis;
pub mod backend;
pub mod cli;
pub mod commands;
pub mod dataset;
pub mod directories;
pub mod environment;
pub mod load;
pub mod monitor;
pub mod pipeline;
pub mod programs;
pub mod progress;
pub mod report;
pub mod results;
pub mod schema;
pub mod secrets;
pub mod server_api;
pub mod simulator;
