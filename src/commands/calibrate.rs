//! `harness calibrate`: this machine's own error, load by load, against a pretend engine that knows the truth.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use tokio::sync::watch;

use crate::analysis::exact_up_to;
use crate::backend::definition::Definitions;
use crate::backend::guard::Guard;
use crate::cli::CalibrateArgs;
use crate::dataset::Source;
use crate::load;
use crate::pipeline::{self, Session};
use crate::progress::{Progress, print};
use crate::report::calibration::{calibration_table, load_words};
use crate::schema::SCHEMA_VERSION;
use crate::schema::calibration::{Calibration, CalibrationLoad, Exactness};
use crate::schema::environment::Environment;
use crate::schema::plan::{
    DatasetSource, HttpSettings, Launching, LoadPoint, Output, Plan, Sampling, SharedSettings,
};
use crate::schema::refusal::{refusal, refuse};
use crate::schema::sensing::Sensing;
use crate::schema::target::{ProtocolName, Target};
use crate::schema::traffic::{Arrivals, Ramp, Traffic, Until, Warmup};
use crate::schema::unit::{Unit, Units};

use crate::commands::resolve::choices::Given;
use crate::commands::resolve::simulated::Simulation;
use crate::commands::resolve::traffic;
use crate::commands::show::Show;
use crate::commands::{calibrated, interrupt, play};

/// The engine whose wire is spoken: it takes a forced length.
const ENGINE: &str = "vllm";
/// Time to the first token at the server, ms.
const TTFT_MS: f64 = 50.0;
/// The same of a server with Nagle's algorithm on, ms: within the 40 ms of a delayed acknowledgement.
const NAGLE_TTFT_MS: f64 = 10.0;
/// How long the tokens of one answer of a closed loop take, s.
const ANSWER_S: f64 = 1.25;
/// Tokens of an answer of an open loop, and the time between them, ms.
const OPEN_TOKENS: u32 = 8;
const OPEN_ITL_MS: f64 = 5.0;
/// Seconds a load.
const QUICK_S: f64 = 2.0;
const FULL_S: f64 = 10.0;
/// What `--loads` takes: streams, tokens/s of each, requests/s.
const STREAMS: RangeInclusive<f64> = 1.0..=100_000.0;
const TOKEN_RATES: RangeInclusive<f64> = 0.1..=10_000.0;
const REQUEST_RATES: RangeInclusive<f64> = 0.1..=100_000.0;
/// Requests that are sent before, at most.
const WARMUP: u64 = 50;

/// Runs the command.
pub fn calibrate(args: &CalibrateArgs) -> anyhow::Result<ExitCode> {
    crate::commands::block_on(async {
        let grid = grid(args)?;
        traffic::client_threads(args.client_threads)?;
        let environment = play::look_at_machine();
        check_limits(&grid, &environment)?;
        let file = calibrated::path()?;
        let progress = Progress::new(args.quiet, args.verbose);
        let interrupt = interrupt::watch(progress.clone())?;
        let Some(loads) = measure(args, &grid, &environment, &progress, interrupt).await? else {
            progress.say("nothing was saved: not every load was played");
            return Ok(ExitCode::from(interrupt::INTERRUPTED));
        };
        let calibration = Calibration {
            schema_version: SCHEMA_VERSION,
            kind: "calibration".to_owned(),
            taken_at: environment.taken_at,
            harness_version: environment.harness_version.clone(),
            hostname: environment.hostname.clone(),
            cpu: environment.cpu.clone(),
            cores: environment.cores,
            client_threads: traffic::client_threads(args.client_threads)?,
            limit: exact_up_to(&loads),
            loads,
        };
        print(&calibration_table(&calibration));
        // A look at one load must not change what later runs are held against.
        let whole_grid = args.loads.is_empty();
        progress.say(&match whole_grid || args.save {
            true => calibrated::save(&file, &calibration)?,
            false => calibrated::leave(&file, &environment),
        });
        let incomplete = calibration.loads.iter().any(|load| load.paired < load.issued);
        Ok(ExitCode::from(u8::from(incomplete)))
    })
}

/// What is to be played, and for how many seconds each.
struct Grid {
    loads: Vec<CalibrationLoad>,
    seconds: f64,
}

fn grid(args: &CalibrateArgs) -> anyhow::Result<Grid> {
    let closed = |streams, tokens_per_s| CalibrationLoad::Closed { streams, tokens_per_s };
    let open = |rate| CalibrationLoad::Open { rate };
    let (loads, seconds) = match (args.loads.is_empty(), args.full) {
        (false, _) => {
            let loads = args.loads.iter().map(|text| load(text)).collect::<anyhow::Result<_>>()?;
            (loads, if args.full { FULL_S } else { QUICK_S })
        }
        (true, false) => {
            let streams = [50, 250, 500, 1000].map(|streams| closed(streams, 50.0));
            (streams.into_iter().chain([250.0, 1000.0].map(open)).collect(), QUICK_S)
        }
        (true, true) => {
            let streams = [50, 100, 250, 500, 1000, 2000].map(|streams| closed(streams, 50.0));
            let fast = [closed(50, 200.0), closed(250, 200.0), closed(500, 100.0)];
            let rates = [100.0, 250.0, 500.0, 1000.0, 2000.0].map(open);
            (streams.into_iter().chain(fast).chain(rates).collect(), FULL_S)
        }
    };
    Ok(Grid { loads, seconds: args.duration.unwrap_or(seconds) })
}

/// `250x50` is 250 streams of 50 tokens/s each, `1000/s` an open loop.
fn load(text: &str) -> anyhow::Result<CalibrationLoad> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let load = match (text.strip_suffix("/s"), text.split_once('x')) {
        (Some(rate), _) => number(rate).map(|rate| CalibrationLoad::Open { rate }),
        (None, Some((streams, tokens_per_s))) => {
            let pair = streams.trim().parse::<u32>().ok().zip(number(tokens_per_s));
            pair.map(|(streams, tokens_per_s)| CalibrationLoad::Closed { streams, tokens_per_s })
        }
        (None, None) => None,
    };
    let cure = "write 250x50 for 250 streams of 50 tokens/s each, 1000/s for requests a second";
    let load = load.ok_or_else(|| refusal(format!("--loads '{text}' is no load"), cure))?;
    match out_of_range(load) {
        Some(why) => refuse(format!("--loads '{text}': {why}"), cure),
        None => Ok(load),
    }
}

/// What lies out of its range, with the range; none where nothing does.
fn out_of_range(load: CalibrationLoad) -> Option<String> {
    let beyond = |what: &str, range: &RangeInclusive<f64>| {
        format!("{what} is out of its range, {} to {}", range.start(), range.end())
    };
    match load {
        CalibrationLoad::Closed { streams, .. } if !STREAMS.contains(&f64::from(streams)) => {
            Some(beyond("the number of streams", &STREAMS))
        }
        CalibrationLoad::Closed { tokens_per_s, .. } if !TOKEN_RATES.contains(&tokens_per_s) => {
            Some(beyond("the rate of tokens of a stream", &TOKEN_RATES))
        }
        CalibrationLoad::Open { rate } if !REQUEST_RATES.contains(&rate) => {
            Some(beyond("the rate of requests", &REQUEST_RATES))
        }
        CalibrationLoad::Closed { .. } | CalibrationLoad::Open { .. } => None,
    }
}

/// Client and server each hold a file a connection; the server is another process.
fn check_limits(grid: &Grid, environment: &Environment) -> anyhow::Result<()> {
    let (soft, _) = environment.open_files;
    for load in &grid.loads {
        let needed = match load {
            CalibrationLoad::Closed { streams, .. } => u64::from(*streams) + 200,
            CalibrationLoad::Open { rate } => (rate * 2.0) as u64 + 200,
        };
        if needed > soft {
            let words = load_words(*load);
            return refuse(
                format!("{words} needs {needed} open files, and the limit is {soft}"),
                format!("ulimit -n {needed}"),
            );
        }
    }
    Ok(())
}

async fn measure(
    args: &CalibrateArgs,
    grid: &Grid,
    environment: &Environment,
    progress: &Progress,
    interrupt: watch::Receiver<bool>,
) -> anyhow::Result<Option<Vec<Exactness>>> {
    let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let guard = Guard::start(&program).await?;
    let show = Show::new(Progress::new(!args.verbose, args.verbose), play::style(), None);
    let mut loads = Vec::new();
    let mut failure = None;
    for (number, load) in grid.loads.iter().enumerate() {
        progress.say(&format!("{} of {}: {}", number + 1, grid.loads.len(), load_words(*load)));
        let log = folder.path().join(format!("{number}.log"));
        let session = session(args, *load, grid.seconds, environment, folder.path())?;
        match pipeline::calibrate(
            &session,
            *load,
            (&guard, &log),
            &|event| show.event(event),
            interrupt.clone(),
        )
        .await
        {
            Ok(Some(exactness)) => loads.push(exactness),
            Ok(None) => break,
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    guard.close().await;
    match failure {
        Some(error) => Err(error),
        None => Ok((loads.len() == grid.loads.len()).then_some(loads)),
    }
}

fn session(
    args: &CalibrateArgs,
    load: CalibrationLoad,
    seconds: f64,
    environment: &Environment,
    folder: &Path,
) -> anyhow::Result<Session> {
    let shape = Shape::of(load, seconds);
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let shared = SharedSettings { context_length: 4096, max_batch: 1_000_000, gpus: None };
    let target = pretend(&program, &shared, &shape, args.nagle)?;
    let protocol = ProtocolName::OpenaiCompletions;
    let plan = Plan {
        run_id: "calibrate".to_owned(),
        title: "calibrate".to_owned(),
        dataset: DatasetSource::in_memory("calibration", shape.units.len()),
        seed: args.seed,
        client_threads: traffic::client_threads(args.client_threads)?,
        sampling: Sampling { ignore_eos: true, ..Sampling::default() },
        http: HttpSettings {
            protocol,
            path: load::default_path(protocol).to_owned(),
            ..HttpSettings::default()
        },
        launching: Some(Launching { shared, startup_timeout_s: 60.0 }),
        // The truth is asked afterwards; nothing else is to touch the engine.
        scrape_interval_s: 0.0,
        sensing: Sensing::OFF,
        output: Output::of(folder, false),
        simulated: true,
        ..Plan::of(environment.taken_at, vec![target], vec![shape.load_point()])
    };
    let units = Source::Listed(shape.units.into()).units();
    Ok(Session {
        warmup: Units::one(Unit::single("warmup", "Warm up.", 4)),
        ..Session::new(plan, environment.clone(), units)?
    })
}

/// What a load is made of.
struct Shape {
    load: CalibrationLoad,
    itl_ms: f64,
    /// Of each answer.
    tokens: u32,
    /// Each with an id of its own, by which it is found in the truth.
    units: Vec<Unit>,
}

impl Shape {
    fn of(load: CalibrationLoad, seconds: f64) -> Shape {
        let (itl_ms, tokens, count) = match load {
            CalibrationLoad::Closed { streams, tokens_per_s } => {
                let tokens = (ANSWER_S * tokens_per_s).clamp(2.0, 4000.0).round();
                let answer_s = (TTFT_MS + (tokens - 1.0) * 1000.0 / tokens_per_s) / 1000.0;
                // One round alone would be all ramp and drain.
                let rounds = (seconds / answer_s).ceil().max(2.0);
                (1000.0 / tokens_per_s, tokens as u32, f64::from(streams) * rounds)
            }
            CalibrationLoad::Open { rate } => (OPEN_ITL_MS, OPEN_TOKENS, (rate * seconds).ceil().max(3.0)),
        };
        let unit = |number: u64| Unit::single(format!("r{number}"), "Say something long.", tokens);
        Shape { load, itl_ms, tokens, units: (0..count as u64).map(unit).collect() }
    }

    fn load_point(&self) -> LoadPoint {
        let traffic = match self.load {
            CalibrationLoad::Closed { streams, .. } => Traffic::Closed {
                slots: NonZeroU32::new(streams).unwrap_or(NonZeroU32::MIN),
                ramp: Ramp::Automatic,
            },
            CalibrationLoad::Open { rate } => {
                Traffic::Open { arrivals: Arrivals::Poisson { rate }, cap: None }
            }
        };
        let most = traffic.concurrency().map_or(WARMUP, u64::from);
        let until =
            Until::after_requests(NonZeroU64::new(self.units.len() as u64).unwrap_or(NonZeroU64::MIN));
        let warmup = Warmup::Requests(WARMUP.min(most));
        LoadPoint { warmup, timeout_s: 60.0, ..LoadPoint::of(traffic, until) }
    }
}

fn pretend(program: &Path, shared: &SharedSettings, shape: &Shape, nagle: bool) -> anyhow::Result<Target> {
    let definitions = Definitions::load(None)?;
    let definition = definitions.get(ENGINE).with_context(|| format!("no backend is called '{ENGINE}'"))?;
    let writes = shape.units.len() as u64 * (u64::from(shape.tokens) + 8);
    let ttft_ms = if nagle { NAGLE_TTFT_MS } else { TTFT_MS };
    let mut given = Given {
        extra_args: vec![
            format!("--ttft={ttft_ms}ms"),
            format!("--itl={}ms", shape.itl_ms),
            "--jitter=0".to_owned(),
            // The truth of every request is needed, that of the warm-up beside it.
            format!("--truth-limit={}", writes * 2 + 10_000),
        ],
        ..Given::default()
    };
    if nagle {
        given.extra_args.push("--nagle".to_owned());
    }
    let simulation = Simulation { program: PathBuf::from(program), shared: shared.clone() };
    let mut target = simulation.target(ENGINE, definition, given)?.target;
    target.capabilities.body.insert("user".to_owned(), "{prompt_id}".into());
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::refusal::cures;

    #[test]
    fn loads_are_read_or_refused_with_an_example() {
        assert_eq!(load("250x50").unwrap(), CalibrationLoad::Closed { streams: 250, tokens_per_s: 50.0 });
        assert_eq!(load("12.5/s").unwrap(), CalibrationLoad::Open { rate: 12.5 });
        let said = |text: &str| load(text).unwrap_err().to_string();
        assert!(said("200000x50").contains("the number of streams is out of its range, 1 to 100000"));
        assert!(said("1e300/s").contains("the rate of requests is out of its range"));
        assert!(said("10x1e-9").contains("the rate of tokens of a stream is out of its range"));
        for bad in ["", "x", "250", "0x50", "250x0", "-3/s", "1e999/s", "5x99999", "200000x50", "NaN/s"] {
            let error = load(bad).unwrap_err();
            assert!(cures(&error)[0].starts_with("write 250x50"), "{bad}: {error}");
        }
    }

    #[test]
    fn every_request_of_a_load_has_a_mark_of_its_own() {
        let shape = Shape::of(CalibrationLoad::Closed { streams: 10, tokens_per_s: 50.0 }, 0.1);
        let marks: std::collections::BTreeSet<&str> = shape.units.iter().map(|unit| &*unit.id).collect();
        // Two rounds at least: the first is the ramp.
        assert_eq!((marks.len(), shape.units.len()), (20, 20));
    }
}
