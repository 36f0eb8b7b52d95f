//! Which LLM inference server is faster for my model, my traffic and my machine, by how much, and can I trust it?
//!
//! ```text
//! argv + plan.yaml + backends/*.yaml
//!    │ commands::resolve
//!    ▼
//!   Plan { targets, loads, rounds, repeats }
//!    │ pipeline::visits: which launch plays which runs, in which order; minus what is closed on disk
//!    ▼
//!   for each visit: backend::launch ──► Server { url }              (pipeline::serve owns it)
//!      for each run: RunKey { label, point, round, repeat }         (pipeline::measure borrows it)
//!         dataset: the k-th Unit × load::schedule ──load::play──► RequestRecord …  ┐ written as they come,
//!         monitor::sampler ──► Sample …                                            ┘ on one clock
//!    ▼
//!   records + samples ──analysis::summarize──► RunSummary (+ Caveats) ──analysis::compare──► Comparison { groups }
//!    ▼
//!   report::{terminal,csv,markdown,html,chart} ──► results/
//! ```
//!
//! # Words
//!
//! - *label*: the user's name for one thing that is measured; it stands in every output.
//! - *engine*: a definition in `backends/`: how vLLM is installed, started, asked and stopped.
//! - *target*: one of the plan: a label, an engine or a URL, a model.
//! - *server*: the process that a target becomes when it is launched.
//! - *run*: one load played to one server. Its *key* is the label, the *point* (which load), the *round* (which
//!   launch) and the *repeat* (which run of the point on that launch).
//! - *group*: the runs of one label at one point.
//!
//! # Layout
//!
//! The order in which to open them. (tests/architecture.rs holds the map to what is there.)
//!
//! `cli`: what may be typed. No logic, no I/O. `cli::dataset` is `harness dataset`.
//!
//! `commands`: a file a sub-command: arguments → a Plan → a call → what is printed. `commands::resolve` makes
//! the Plan; errors are printed in one place, with their hints.
//! `commands::live` tells of a benchmark while it runs: the page for Prometheus, pushes and remote writes.
//! `commands::dataset` is a file for each of what `harness dataset` does; `commands::resolve::scenarios` makes the loads of
//! `sweep --scenarios`.
//!
//! `commands::k8s` prints a plan as Kubernetes objects; it asks no cluster.
//!
//! `commands::tui` is the picture of `--tui`: a board that events and snapshots feed, and `commands::tui::draw`, which
//! makes a frame of it.
//!
//! `schema`: the nouns, and the file formats made of them. Begin with `schema::plan` and `schema::record`.
//! `schema::series` is the table of what can be sensed, a file a source.
//! `schema::refusal` is the error that a person reads; `schema::text` keeps text from outside from acting.
//!
//! `pipeline`: the one composer of stages, silent: visits, serve, measure, record, derive, reports; and all of it
//! again from the raw records. What happens is told as events to whoever listens.
//!
//! `dataset`: files, traces and laws of lengths → the k-th unit, a pure function of k. `dataset::tokenizer` counts tokens,
//! `dataset::texts` makes texts of exactly so many.
//! `dataset::import` reads the prompts of other tools, a file a format, record by record.
//! `dataset::trace` reads traces, a file a format, and makes them into requests at their own times.
//! `dataset::generate` asks a model for new prompts.
//!
//! `load`: units × traffic → records. `load::schedule` says when a request is due, `load::request` what is
//! sent and what came of it, `load::protocol` what bodies and events mean, a file a protocol; `load::http` is the bytes, `load::socket`
//! the connections and the kernel's stamps.
//!
//! `cluster`: several processes → one load: the join over TCP, clocks laid beside each other, one start, nobody's end unseen.
//!
//! `backend`: a definition → a healthy server. `backend::definition` reads the YAML, `backend::install` puts an
//! engine into an environment, `backend::model` knows models, `backend::resolve` makes a target,
//! `backend::launch` starts and proves a server, `backend::guard` is the process that outlives us and leaves
//! nothing behind. `backend::managed` is what install and find share.
//!
//! `monitor`: what the server counts and what is sensed meanwhile. `monitor::gpu` reads GPUs, a file a library.
//!
//! `analysis`: records → a summary → a comparison. Pure. `analysis::fairness` is the levelling table: whether servers did the
//! same work; `analysis::search` is the search for the highest load: runs so far → the next one.
//!
//! `report`: a comparison → bytes. Pure. `report::terminal` is a run's block, and backends side by side; `report::csv`
//! is columns, each a name with its cell; `report::chart` makes specs and draws them; `report::html` is a page of its
//! own, with its program and a chart library in it; `report::lpg` is what Google's analyze.py reads;
//! `report::prometheus` is the live page in Prometheus' formats.
//!
//! `results`: the results directory ⇄ schema.
//!
//! `bucket`: results → S3, Google Cloud Storage, Azure, or another directory.
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
//! `secrets`: ground. What is a secret, in one rule; the keys of this process, taken out of what comes from outside.
//!
//! `environment`: ground. Looks at this machine once.
//!
//! `progress`: all that is printed, safe to show, and the live lines on stderr; for `commands` and `pipeline` alone.
//!
//! # As a library
//!
//! The program is one user of [`pipeline::run`], which prints nothing: what happens is told to a listener, and what
//! came of it is returned. This measures a server that already runs, which needs nothing else:
//!
//! ```no_run
//! use harness::backend::resolve::url_target;
//! use harness::dataset::{self, Source};
//! use harness::environment;
//! use harness::pipeline::{self, Session};
//! use harness::schema::plan::{LoadPoint, Plan};
//! use harness::schema::traffic::{Ramp, Traffic, Until};
//!
//! # async fn measure() -> anyhow::Result<()> {
//! let eight = Traffic::Closed { slots: 8.try_into()?, ramp: Ramp::Automatic };
//! let load = LoadPoint::of(eight, Until::after_requests(100.try_into()?));
//! let target = url_target("mine", None, "http://127.0.0.1:8000", "my-model");
//! let (prompts, dataset) = dataset::load(None)?;
//! let units = Source::Listed(dataset::units(&prompts, None, 128).into()).units();
//!
//! let plan = Plan { dataset, ..Plan::of(jiff::Timestamp::now(), vec![target], vec![load]) };
//! let session = Session::new(plan, environment::look(), units)?;
//! let (_stop, shutdown) = tokio::sync::watch::channel(false);
//! let outcome = pipeline::run(&session, &|_event| {}, shutdown).await?;
//! for run in &outcome.comparison.runs {
//!     println!("{}: {} of {}", run.key.label, run.requests.completed, run.requests.issued);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Launching needs the harness program beside the library: [`pipeline::Session::program`], started as the guard that
//! is parent of all servers. `examples/bench_url.rs` and `examples/compare_two.rs` are whole programs.
//!
//! # Who may import whom
//!
//! 1. A stage imports [`schema`] and ground, and nothing else of ours; [`progress`] too. Ground imports `schema`;
//!    `schema` and [`cli`] import nothing of ours. The list of ground is closed, by name, in the test.
//! 2. Only [`pipeline`] and [`commands`] import stages. `main` imports `cli` and `commands`.
//! 3. No circle of files.

pub mod analysis;
pub mod backend;
pub mod bucket;
pub mod cli;
pub mod cluster;
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
