//! `harness simulate`: arguments → settings of a pretend engine, which then runs on this thread.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use crate::cli::{SimulateArgs, SimulateEngine};
use crate::environment::raise_open_files;
use crate::simulator::{self, Ended, Engine, Fault, LengthRule, Service, Settings, Start, Wire};

/// Run a pretend engine until a signal or one of its faults ends it.
pub fn simulate(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    // A connection is a file: as many as the system allows.
    raise_open_files();
    let settings = settings(args)?;
    let host = args.host;
    let announce = |port: u16, orphan: Option<u32>| {
        let mut out = std::io::stdout().lock();
        let orphan = orphan.map_or(String::new(), |pid| format!("orphan pid {pid}\n"));
        // A closed stdout is no reason to stop serving.
        let _ = writeln!(out, "{orphan}listening on http://{host}:{port}").and_then(|()| out.flush());
    };
    let (code, why) = match simulator::run(settings, announce)? {
        Ended::Stopped => (ExitCode::SUCCESS, ""),
        Ended::Killed => (ExitCode::from(1), "received a second signal, terminating at once"),
        Ended::Crashed => (ExitCode::from(1), "simulated crash amid a request (--crash-after)"),
        Ended::DiedLoading => (ExitCode::from(1), "simulated failure while loading (--die-loading)"),
    };
    if !why.is_empty() {
        let _ = writeln!(std::io::stderr(), "{why}");
    }
    Ok(code)
}

/// The settings that the arguments make, checked.
pub fn settings(args: &SimulateArgs) -> anyhow::Result<Settings> {
    let service = match args.prefill_rate {
        None => Service::Fixed { ttft: time("--ttft", args.ttft)?, itl: time("--itl", args.itl)? },
        Some(rate) if rate > 0.0 => Service::Batching {
            prefill_rate: rate,
            step_base: time("--decode-step", args.decode_step)?,
            step_per_sequence: time("--decode-step-per-sequence", args.decode_step_per_sequence)?,
        },
        Some(rate) => bail!("--prefill-rate {rate} is not above 0"),
    };
    if !(0.0..1.0).contains(&args.jitter) {
        bail!("--jitter {} is not a share from 0 to below 1", args.jitter);
    }
    if args.max_batch == Some(0) {
        bail!("--max-batch 0 would serve nothing; leave it out for no limit");
    }
    let start_delay = time("--start-delay", args.start_delay)?;
    let faults = args.fault.iter().map(|text| text.parse::<Fault>());
    let faults = faults.collect::<Result<Vec<_>, _>>().map_err(|error| anyhow!(error)).context("--fault")?;
    Ok(Settings {
        engine: match args.engine {
            SimulateEngine::Vllm => Engine::Vllm,
            SimulateEngine::Sglang => Engine::Sglang,
            SimulateEngine::Llamacpp => Engine::Llamacpp,
            SimulateEngine::Tgi => Engine::Tgi,
            SimulateEngine::Triton => Engine::Other(Wire::Triton),
            SimulateEngine::Jetstream => Engine::Other(Wire::Jetstream),
            SimulateEngine::Sax => Engine::Other(Wire::Sax),
            SimulateEngine::NaiveTransformers => Engine::Other(Wire::NaiveTransformers),
            SimulateEngine::Lines => Engine::Other(Wire::Lines),
            SimulateEngine::Events => Engine::Other(Wire::Events),
        },
        host: args.host,
        port: args.port,
        model: args.model.clone(),
        context_length: args.context_length,
        service,
        jitter: args.jitter,
        seed: args.seed,
        max_batch: args.max_batch.map_or(usize::MAX, |n| n as usize),
        max_in_flight: args.max_in_flight.map_or(usize::MAX, |n| n as usize),
        tokens_per_chunk: args.tokens_per_chunk,
        length: args
            .output_tokens
            .parse::<LengthRule>()
            .map_err(|error| anyhow!(error))
            .context("--output-tokens")?,
        faults,
        start: match (args.never_ready, args.die_loading) {
            (true, _) => Start::Never,
            (false, true) => Start::Dies(start_delay),
            (false, false) => Start::After(start_delay),
        },
        crash_after: args.crash_after,
        refuse_after: args.refuse_after,
        ignore_sigterm: args.ignore_sigterm,
        orphan_lifetime_s: args.orphan.map(|seconds| seconds.ceil() as u32),
        prompt_tokens_extra: args.prompt_tokens_extra,
        nagle: args.nagle,
        share_port: args.share_port,
        truth_limit: args.truth_limit,
    })
}

fn time(flag: &str, seconds: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(seconds).with_context(|| format!("{flag}: not a time that can be waited for"))
}
