//! Launches two engines in turn, plays the same load to each, and shows them side by side:
//!
//! ```text
//! cargo build
//! cargo run --example compare_two vllm sglang ./Llama-3.1-8B
//! cargo run --example compare_two -- --simulate vllm sglang      pretend engines: nothing to install, seconds
//! ```
//!
//! Launching needs the harness program: it is started as the guard, the parent of every server, which leaves none
//! behind even where this program is killed. Here it is the one beside the examples (`target/debug/harness`, by
//! `cargo build`), or the one that the variable `HARNESS` names. A server that already runs needs no guard: see
//! `bench_url`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use harness::backend::definition::{Definition, Definitions};
use harness::backend::resolve::{ResolveInput, resolve};
use harness::commands::resolve::choices::Given;
use harness::commands::resolve::machine::{Finder, machine};
use harness::commands::resolve::simulated::Simulation;
use harness::dataset::{self, Source};
use harness::environment;
use harness::pipeline::{self, Event, Session};
use harness::report::terminal::{Style, comparison_table};
use harness::schema::environment::Environment;
use harness::schema::plan::{LoadPoint, Plan, SharedSettings};
use harness::schema::target::Target;
use harness::schema::traffic::{Ramp, Traffic, Until};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (flags, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let simulate = flags.contains(&"--simulate".to_owned());
    let [first, second, model @ ..] = words.as_slice() else {
        anyhow::bail!("usage: compare_two [--simulate] ENGINE ENGINE [MODEL]");
    };
    let (machine, program) = (environment::look(), harness_program()?);
    let definitions = Definitions::load(None)?;
    let target = |name: &String| {
        let definition = definitions.get(name).with_context(|| format!("no engine is called {name}"))?;
        if simulate {
            let simulation = Simulation { program: program.clone(), shared: SharedSettings::default() };
            return Ok(simulation.target(name, definition, Given::default())?.target);
        }
        installed(definition, model.first().context("name a model")?, &machine)
    };
    let targets = vec![target(first)?, target(second)?];

    let four = Traffic::Closed { slots: 4.try_into()?, ramp: Ramp::Automatic };
    let load = LoadPoint::of(four, Until::after_requests(16.try_into()?));
    let (prompts, dataset) = dataset::load(None)?;
    let plan = Plan { dataset, simulated: simulate, ..Plan::of(machine.taken_at, targets, vec![load]) };
    let units = Source::Listed(dataset::units(&prompts, Some(32), 32).into()).units();
    let session = Session { program: Some(program), ..Session::new(plan, machine, units)? };

    let (events, closed) = (Cell::new(0), Cell::new(0));
    let listen = |event: Event<'_>| {
        events.set(events.get() + 1);
        closed.set(closed.get() + u32::from(matches!(event, Event::RunClosed { .. })));
        if let Event::Failed { label, failure } = event {
            eprintln!("{}", failure.text(label));
        }
    };
    let (_stop, shutdown) = tokio::sync::watch::channel(false);
    let outcome = pipeline::run(&session, &listen, shutdown).await?;
    println!("{} events, {} runs closed", events.get(), closed.get());
    print!("{}", comparison_table(&outcome.comparison, Style { width: 80, colour: false }));
    Ok(())
}

/// An engine that is on this machine, with a model that it takes.
fn installed(definition: &Definition, model: &str, here: &Environment) -> anyhow::Result<Target> {
    let found = Finder::new()?.find(definition, &BTreeMap::new())?;
    resolve(&ResolveInput { found, ..ResolveInput::of(definition, model, machine(here, None)) })
}

/// `target/debug/harness`, where this is `target/debug/examples/compare_two`.
fn harness_program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.ancestors().nth(2).context("this program lies nowhere")?.join("harness");
    Ok(std::env::var_os("HARNESS").map_or(beside, PathBuf::from))
}
