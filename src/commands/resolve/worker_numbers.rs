//! What a worker is told of itself and of worker 0, whoever tells it: numbers, and where they meet.

use crate::cli::{WorkerArgs, WorkersArg};
use crate::cluster::Meeting;
use crate::schema::refusal::refuse;
use crate::schema::workers::Share;

/// The port of worker 0 where none is named.
const PORT: u16 = 7400;
/// The cure where nothing tells which worker this is.
pub const BY_HAND: &str =
    "by hand: --worker 0/4 --join HOST:PORT at worker 0, --worker 1/4 --join HOST:PORT at the next";

/// A variable of the environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where one plays all nobody meets.
pub fn nobody() -> Meeting {
    Meeting::Address(String::new())
}

/// `HOST:PORT`, `HOST`, or `file:PATH`.
pub fn meeting(given: &str) -> Meeting {
    Meeting::file_of(given).unwrap_or_else(|| Meeting::Address(with_port(given)))
}

/// This worker's share by its number.
///
/// # Errors
/// There is no such number.
pub fn numbered(worker: u32, of: u32, name: &str) -> anyhow::Result<Share> {
    if worker < of {
        return Ok(Share { worker, of });
    }
    refuse(
        format!("{name} is {worker}, and there are {of} workers, numbered from 0"),
        "start as many workers as are said to be there",
    )
}

/// The number in a variable.
///
/// # Errors
/// It is none.
pub fn number(set: Variable<'_>, name: &str) -> anyhow::Result<u32> {
    let value = set(name).unwrap_or_default();
    value.trim().parse().or_else(|_| refuse(format!("{name} is {value:?}, no number"), BY_HAND))
}

fn with_port(address: &str) -> String {
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    if has_port { address.to_owned() } else { format!("{address}:{PORT}") }
}

/// The number of workers that is typed is the one that there is.
///
/// # Errors
/// It is another one.
pub fn same_count(args: &WorkerArgs, of: u32, what: impl Fn() -> String) -> anyhow::Result<()> {
    match args.workers {
        Some(WorkersArg::Count(count)) if count != of => refuse(
            format!("--workers {count}, and {}", what()),
            format!("--workers auto, or {count} of them"),
        ),
        Some(WorkersArg::Count(_) | WorkersArg::Auto) | None => Ok(()),
    }
}
