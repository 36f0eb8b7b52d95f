//! Which LLM inference server is faster for my model, my traffic and my machine, by how much, and can I trust it?
//!
//! ```text
//! argv + plan.yaml + backends/*.yaml
//!    │ commands::resolve
//!    ▼
//!   Plan ──dataset──► requests ──load::schedule──► due times ──load::play──► RequestRecord …  ← written as they finish
//!    │                                                ▲                            │ analysis::summarize
//!    └─backend::launch──► Server { url } ─────────────┘                            ▼
//!                               ▲                                            RunSummary (+ Caveats)
//!                    monitor: the server's own counters                            │ analysis::compare
//!                                                                                  ▼
//!   files ◄── report::{csv,json,chart,markdown,terminal} ◄────────────────── Comparison
//! ```
//!
//! # Words
//!
//! - *label*: the user's name for one thing that is measured; it stands in every output.
//! - *engine*: a definition in `backends/`: how vLLM is installed, started, asked and stopped.
//! - *target*: one of the plan: a label, an engine or a URL, a model.
//! - *server*: the process that a target becomes when it is launched.
//! - *run*: one load played to one server.
//!
//! # Layout
//!
//! The order in which to open them. (tests/architecture.rs holds the map to what is there.)
//!
//! `cli`: what may be typed. No logic, no I/O.
//!
//! `commands`: a file a sub-command: arguments → a Plan → a call → what is printed. `commands::resolve` makes
//! the Plan; errors are printed in one place, with their hints.
//!
//! `schema`: the nouns, and the file formats made of them. Begin with `schema::plan` and `schema::record`.
//! `schema::refusal` is the error that a person reads.
//!
//! `pipeline`: the one composer of stages: launch, play, record, derive, report; and all of it again from the
//! raw records.
//!
//! `dataset`: files → prompts.
//!
//! `load`: prompts × traffic → records. `load::schedule` says when a request is due, `load::request` what is
//! sent and what came of it, `load::protocol` what an answer means; `load::http` is the bytes, `load::socket`
//! the connections and the kernel's stamps.
//!
//! `backend`: a definition → a healthy server. `backend::definition` reads the YAML, `backend::install` puts an
//! engine into an environment, `backend::model` knows models, `backend::resolve` makes a target,
//! `backend::launch` starts and proves a server, `backend::guard` is the process that outlives us and leaves
//! nothing behind. `backend::managed` is what install and find share.
//!
//! `monitor`: what the server counts meanwhile.
//!
//! `analysis`: records → a summary → a comparison. Pure.
//!
//! `report`: a comparison → bytes. Pure. `report::chart` draws.
//!
//! `results`: the results directory ⇄ schema.
//!
//! `simulator`: a pretend engine whose true timings are known. `simulator::dialect` is how each engine writes.
//! It shares no type with the client, so that a mistake in one cannot cancel out in the other.
//!
//! `server_api`: ground. Asks a server about itself: health, models, metrics page.
//!
//! `directories`: ground. Where the harness keeps its own things; the file that is whole or absent.
//!
//! `programs`: ground. Finds a program, runs one with a deadline.
//!
//! `secrets`: ground. What is a secret, in one rule.
//!
//! `environment`: ground. Looks at this machine once.
//!
//! `progress`: the live lines on stderr, for `commands` and `pipeline` alone.
//!
//! # Who may import whom
//!
//! 1. A stage imports [`schema`] and ground, and nothing else of ours. Ground imports `schema`; `schema` and
//!    [`cli`] import nothing of ours. The list of ground is closed, by name, in the test.
//! 2. Only [`pipeline`] and [`commands`] import stages. `main` imports `cli` and `commands`.
//! 3. No circle of files.

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
