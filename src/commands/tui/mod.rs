//! `--tui`: a picture of the plan that is played, on the whole terminal. A listener like any other: a board takes the
//! events in, and a thread of its own draws it. What is printed meanwhile is held until the picture has gone.

mod board;
mod disposition;
mod draw;
mod keys;
mod log_tail;
mod machine;
mod painter;
mod run_now;
mod screen;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;

use crate::cli::OutputArgs;
use crate::commands::course::Course;
use crate::pipeline::Event;
use crate::progress::{draw_curtain, lift_curtain};
use crate::schema::environment::Environment;
use crate::schema::plan::Plan;
use crate::schema::refusal::refuse;

use board::Board;
use painter::{Shared, paint};
use screen::Tty;

const WITHOUT: &str = "run it in a terminal, or leave --tui out: a run tells of itself in lines then";

/// Refuses `--tui` where nothing can be drawn: before anything is started.
pub fn check(output: &OutputArgs) -> anyhow::Result<()> {
    // A plan that is only shown has no picture.
    if !output.live.tui || output.dry_run {
        return Ok(());
    }
    if output.quiet {
        return refuse("--tui shows everything and --quiet nothing", "leave one of them out");
    }
    let streams = [("stdin", std::io::stdin().is_terminal()), ("stderr", std::io::stderr().is_terminal())];
    if let Some((name, _)) = streams.iter().find(|(_, terminal)| !terminal) {
        return refuse(format!("--tui needs a terminal, and {name} is none"), WITHOUT);
    }
    let kind = std::env::var("TERM").unwrap_or_default();
    if kind.is_empty() || kind == "dumb" {
        let said = if kind.is_empty() { "TERM is not set".to_owned() } else { format!("TERM is {kind}") };
        return refuse(
            format!("--tui cannot draw here: {said}"),
            "set TERM to what the terminal is (xterm-256color), or leave --tui out",
        );
    }
    if let Err(error) = Tty::open() {
        return refuse(
            format!("--tui needs a terminal of its own, and /dev/tty cannot be opened: {error}"),
            WITHOUT,
        );
    }
    Ok(())
}

/// The picture, while it is there. Dropping it gives the terminal back and prints what was held.
pub struct Tui {
    shared: Arc<Shared>,
}

impl Tui {
    /// Takes the terminal.
    ///
    /// # Errors
    /// There is none, or no thread can be started.
    pub fn start(
        plan: &Plan,
        environment: &Environment,
        course: Course,
        shutdown: watch::Receiver<bool>,
    ) -> anyhow::Result<Tui> {
        let tty = Arc::new(Tty::open().context("the terminal cannot be opened")?);
        let shared = Arc::new(Shared::new(Board::new(plan, environment, course), shutdown));
        let (hearing, leaving) = (shared.clone(), tty.clone());
        draw_curtain(move |text| hearing.change(|board, _| board.say(text)), move || leaving.end());
        end_on_panic(tty.clone());
        let painting = shared.clone();
        std::thread::Builder::new()
            .name("tui".to_owned())
            .spawn(move || {
                // Without keys or signals there is no picture, and the run goes on.
                if let Err(error) = paint(tty, &painting) {
                    lift_curtain();
                    crate::progress::complain(&format!("warning: the picture ended: {error}"));
                }
            })
            .inspect_err(|_| lift_curtain())?;
        Ok(Tui { shared })
    }

    /// Takes an event in.
    pub fn event(&self, event: &Event<'_>) {
        self.shared.change(|board, known| {
            if let Event::Loading { figures, .. } = event {
                figures.keep_latencies();
                *known = Some(figures.clone());
            }
            // The last requests are counted after the load is over; what is closed stays as it is.
            if let Event::Loaded | Event::RunClosed { .. } = event
                && let Some(figures) = known
            {
                board.observe(figures.snapshot());
            }
            if let Event::RunClosed { .. } = event {
                *known = None;
            }
            board.event(event);
        });
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.shared.over.notify_one();
        lift_curtain();
    }
}

/// What a panic says is read on the screen from before.
fn end_on_panic(tty: Arc<Tty>) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |about| {
        lift_curtain();
        // Also where the curtain is held by whoever panics.
        tty.end();
        before(about);
    }));
}
