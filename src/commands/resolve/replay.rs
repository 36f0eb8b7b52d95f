//! Flags of a trace → how it is read and played, and the loads that it makes.

use std::num::{NonZeroU32, NonZeroU64};

use anyhow::Context;

use crate::cli::{LoadArgs, OnStepBackArg, ReplayArgs, TraceFormatArg, TraceFormatArgs};
use crate::commands::resolve::{prompts, traffic};
use crate::dataset::Replay;
use crate::schema::plan::LoadPoint;
use crate::schema::refusal::{refusal, refuse};
use crate::schema::trace::{OnStepBack, TimeUnit, TraceColumns, TraceFormat, TraceOptions};
use crate::schema::traffic::{Arrivals, Traffic, Until};

/// Times of a trace are divided or multiplied by this at most.
const FASTEST: f64 = 1e6;

/// How the trace of `--trace` is read and played. Flags of a trace without one are refused.
pub fn options(args: &LoadArgs) -> anyhow::Result<TraceOptions> {
    let ReplayArgs {
        trace,
        format,
        speed,
        window,
        spread_ticks,
        on_step_back,
        max_input_tokens,
        max_output_tokens,
    } = &args.replay;
    let of_trace = [
        ("--speed", speed.is_some()),
        ("--window", window.is_some()),
        ("--spread-ticks", *spread_ticks),
        ("--on-step-back", on_step_back.is_some()),
        ("--max-input-tokens", max_input_tokens.is_some()),
        ("--max-output-tokens", max_output_tokens.is_some()),
        ("--trace-format", format.trace_format.is_some()),
        // They are for a file of prompts as well.
        ("--columns", !format.columns.is_empty() && !prompts::are_read(args)),
        ("--skip-bad", format.skip_bad && !prompts::are_read(args)),
    ];
    if trace.is_none()
        && let Some((flag, _)) = of_trace.iter().find(|(_, given)| *given)
    {
        return refuse(
            format!("{flag} is for a trace, and there is no --trace"),
            format!("add --trace FILE, or leave {flag} out"),
        );
    }
    if trace.is_none() {
        return Ok(TraceOptions::default());
    }
    let speed = speed.unwrap_or(1.0);
    if !(1.0 / FASTEST..=FASTEST).contains(&speed) {
        return refuse(format!("--speed {speed} is out of its range"), "give a factor such as 2 or 0.5");
    }
    for (flag, tokens) in
        [("--max-input-tokens", max_input_tokens), ("--max-output-tokens", max_output_tokens)]
    {
        if *tokens == Some(0) {
            return refuse(format!("{flag} is 0, so there is nothing to ask"), "give a number above 0");
        }
    }
    let (from_s, to_s) = window.unwrap_or_default();
    Ok(TraceOptions {
        speed,
        from_s,
        to_s,
        spread_ticks: *spread_ticks,
        on_step_back: match on_step_back {
            None | Some(OnStepBackArg::Error) => OnStepBack::Error,
            Some(OnStepBackArg::Append) => OnStepBack::Append,
            Some(OnStepBackArg::Sort) => OnStepBack::Sort,
        },
        max_input_tokens: *max_input_tokens,
        max_output_tokens: *max_output_tokens,
        ..reading(format)?
    })
}

/// How a trace is read.
pub fn reading(args: &TraceFormatArgs) -> anyhow::Result<TraceOptions> {
    let format = args.trace_format.map(|format| match format {
        TraceFormatArg::Azure => TraceFormat::Azure,
        TraceFormatArg::Burstgpt => TraceFormat::BurstGpt,
        TraceFormatArg::Mooncake => TraceFormat::Mooncake,
        TraceFormatArg::Bailian => TraceFormat::Bailian,
        TraceFormatArg::Ragpulse => TraceFormat::RagPulse,
        TraceFormatArg::Vidur => TraceFormat::Vidur,
        TraceFormatArg::Aibrix => TraceFormat::Aibrix,
    });
    let columns = columns(&args.columns)?;
    if format.is_some() && columns.is_some() {
        return refuse("--columns is for a table that no --trace-format describes", "leave one of them out");
    }
    Ok(TraceOptions { format, columns, skip_bad: args.skip_bad, ..TraceOptions::default() })
}

const FORM: &str = "write --columns time=NAME,input=NAME,output=NAME[,time_unit=s|ms|us|ns]";

/// `time=arrival,input=prompt_tokens,output=answer_tokens,time_unit=ms`
fn columns(given: &[String]) -> anyhow::Result<Option<TraceColumns>> {
    if given.is_empty() {
        return Ok(None);
    }
    let (mut names, mut time_unit) = ([None, None, None], TimeUnit::S);
    for pair in given {
        let (key, name) = pair
            .split_once('=')
            .ok_or_else(|| refusal(format!("--columns: '{pair}' names no column"), FORM))?;
        let (key, name) = (key.trim(), name.trim().to_owned());
        match key {
            "time" => names[0] = Some(name),
            "input" => names[1] = Some(name),
            "output" => names[2] = Some(name),
            "time_unit" => {
                time_unit = match name.as_str() {
                    "s" => TimeUnit::S,
                    "ms" => TimeUnit::Ms,
                    "us" | "µs" => TimeUnit::Us,
                    "ns" => TimeUnit::Ns,
                    other => return refuse(format!("--columns: time_unit '{other}' is none"), FORM),
                }
            }
            other => return refuse(format!("--columns: '{other}' is no key"), FORM),
        }
    }
    let [Some(time), Some(input), Some(output)] = names else {
        return refuse("--columns must name time, input and output", FORM);
    };
    Ok(Some(TraceColumns { time, input, output, time_unit }))
}

const ONE_TURN: &str = "each of its requests is one turn, at its own time";
const OWN_TIMES: &str = "it brings its own times; --speed makes it faster";

/// Flags that say what a trace says itself.
pub fn refuse_beside_trace(args: &LoadArgs) -> anyhow::Result<()> {
    let arrivals = &args.arrivals;
    let others = [
        ("--burstiness", arrivals.burstiness.is_some(), OWN_TIMES),
        ("--burst-size", arrivals.burst_size.is_some(), OWN_TIMES),
        ("--burst-every", arrivals.burst_every.is_some(), OWN_TIMES),
        ("--ramp-rates", arrivals.ramp_rates.is_some(), OWN_TIMES),
        ("--steps", !arrivals.steps.is_empty(), OWN_TIMES),
        ("--arrival-schedule", arrivals.arrival_schedule.is_some(), OWN_TIMES),
        ("--prompt-dist", args.synthetic.prompt_dist.is_some(), "it brings its own lengths"),
        ("--scenarios", !args.scenarios.is_empty(), OWN_TIMES),
        ("--prompt-dist", args.synthetic.prompt_dist.is_some(), "it brings its own lengths"),
        ("--turns", args.conversations.turns.is_some(), ONE_TURN),
        ("--think-time", args.conversations.think_time.is_some(), ONE_TURN),
        ("--dataset", args.dataset.is_some(), "it brings its own prompts"),
        ("--rate", !args.rate.is_empty(), OWN_TIMES),
        ("--arrival", args.arrival.is_some(), OWN_TIMES),
        ("--ramp", args.ramp.is_some(), "its requests start when they are due"),
    ];
    match others.iter().find(|(_, given, _)| *given) {
        Some((flag, _, why)) => {
            refuse(format!("--trace and {flag} do not go together: {why}"), "leave one of them out")
        }
        None => Ok(()),
    }
}

/// The loads of a trace: one, or for a sweep one a cap of `--concurrency`.
pub fn loads(args: &LoadArgs, sweeps: bool, replay: &Replay) -> anyhow::Result<Vec<LoadPoint>> {
    let rows = replay.requests() as u64;
    if let Some(requests) = args.requests.filter(|requests| *requests > rows) {
        return refuse(
            format!("--requests {requests} is more than the trace has: {rows} are left to play"),
            "leave --requests out to play them all; a trace is not repeated",
        );
    }
    let arrivals = replay.arrivals(args.requests, args.duration);
    if arrivals.requests == 0 {
        return refuse(
            format!(
                "no request of the trace falls due within --duration {:?} s",
                args.duration.unwrap_or(0.0)
            ),
            "give a longer --duration, or a later --window",
        );
    }
    let until = Until::new(NonZeroU64::new(args.requests.unwrap_or(rows)), args.duration)
        .context("no load can be made of --requests and --duration")?;
    let mut loads = traffic::loads(args, sweeps, replay.requests())?;
    for (place, load) in loads.iter_mut().enumerate() {
        let cap = args.concurrency.get(place).and_then(|cap| NonZeroU32::new(*cap));
        let traffic = Traffic::Open { arrivals: Arrivals::Trace(arrivals.clone()), cap };
        let usual = LoadPoint::of(traffic.clone(), until).warmup;
        load.warmup = if args.warmup.is_some() { load.warmup } else { usual };
        (load.traffic, load.until) = (traffic, until);
    }
    Ok(loads)
}
