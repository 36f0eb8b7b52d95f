//! Load flags → the traffic of a plan, with contradictions refused.

use std::num::{NonZeroU32, NonZeroU64};

use anyhow::{Context, bail};

use crate::cli::{ArrivalArg, CountOrSeconds, EndpointArg, LoadArgs};
use crate::load;
use crate::schema::plan::{Header, HttpSettings, LoadPoint, Sampling};
use crate::schema::target::ProtocolName;
use crate::schema::traffic::{Arrivals, Ramp, Traffic, Until, Warmup};

/// Requests in flight of a closed loop.
const DEFAULT_CONCURRENCY: u32 = 20;
/// Warm-up requests of an open loop without a cap.
const DEFAULT_OPEN_WARMUP: u64 = 20;
/// The most threads that a load engine can use to any good.
const MOST_CLIENT_THREADS: u32 = 256;

/// The load, from flags and the size of the dataset.
pub fn load_point(args: &LoadArgs, prompts: usize) -> anyhow::Result<LoadPoint> {
    refuse_contradictions(args)?;
    let traffic = match args.rate {
        None => closed(args)?,
        Some(rate) => Traffic::Open {
            arrivals: arrivals(rate, args.arrival),
            cap: args.concurrency.and_then(NonZeroU32::new),
        },
    };
    let requests = match (args.requests, args.duration) {
        (None, None) => Some(prompts as u64),
        (requests, _) => requests,
    };
    let until = Until::new(requests.and_then(NonZeroU64::new), args.duration)
        .context("no load can be made of --requests and --duration")?;
    let warmup = match args.warmup {
        Some(CountOrSeconds::Count(count)) => Warmup::Requests(count),
        Some(CountOrSeconds::Seconds(seconds)) => Warmup::DurationS(seconds),
        None => Warmup::Requests(traffic.concurrency().map_or(DEFAULT_OPEN_WARMUP, u64::from)),
    };
    Ok(LoadPoint { name: None, traffic, until, warmup, drain_s: args.drain, timeout_s: args.timeout })
}

fn closed(args: &LoadArgs) -> anyhow::Result<Traffic> {
    let slots = NonZeroU32::new(args.concurrency.unwrap_or(DEFAULT_CONCURRENCY))
        .context("--concurrency is 0\nhint: give a number above 0")?;
    Ok(Traffic::Closed { slots, ramp: args.ramp.map_or(Ramp::Automatic, Ramp::DurationS) })
}

fn arrivals(rate: f64, arrival: Option<ArrivalArg>) -> Arrivals {
    match arrival {
        _ if rate.is_infinite() => Arrivals::AllAtOnce,
        Some(ArrivalArg::Constant) => Arrivals::Constant { rate },
        Some(ArrivalArg::Poisson) | None => Arrivals::Poisson { rate },
    }
}

fn refuse_contradictions(args: &LoadArgs) -> anyhow::Result<()> {
    if args.arrival.is_some() && args.rate.is_none() {
        bail!(
            "--arrival says how an open loop starts its requests, and there is no --rate\nhint: add --rate R, or leave --arrival out"
        );
    }
    if args.ramp.is_some() && args.rate.is_some() {
        bail!("--ramp is for a closed loop, and --rate makes an open one\nhint: leave one of them out");
    }
    if args.insecure && args.ca_file.is_some() {
        bail!("--insecure checks no certificate, so --ca-file would do nothing\nhint: leave one of them out");
    }
    match args.rate {
        Some(rate) if rate.is_nan() || rate <= 0.0 => {
            bail!(
                "--rate {rate} is not a rate\nhint: give requests per second above 0, or inf for all at once"
            )
        }
        Some(rate) if rate.is_infinite() => refuse_endless_burst(args)?,
        Some(_) | None => {}
    }
    if !(args.temperature.is_finite() && args.temperature >= 0.0) {
        bail!("--temperature {} is not a temperature\nhint: give 0 or more", args.temperature);
    }
    let zeros = [
        ("--concurrency", args.concurrency == Some(0)),
        ("--requests", args.requests == Some(0)),
        ("--duration", args.duration == Some(0.0)),
        ("--timeout", args.timeout == 0.0),
        ("--max-tokens", args.max_tokens == Some(0)),
        ("--client-threads", args.client_threads == 0),
    ];
    if let Some((flag, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
        bail!(
            "{flag} is 0, so there is nothing to measure\nhint: give a number above 0, or leave {flag} out"
        );
    }
    if args.client_threads > MOST_CLIENT_THREADS {
        bail!(
            "--client-threads {} is more than {MOST_CLIENT_THREADS}\nhint: one thread carries thousands of streams",
            args.client_threads
        );
    }
    Ok(())
}

/// `--rate inf`: all requests are due at once, so their number alone can end them.
fn refuse_endless_burst(args: &LoadArgs) -> anyhow::Result<()> {
    if args.arrival.is_some() {
        bail!("--rate inf has no gaps, so --arrival would do nothing\nhint: leave one of them out");
    }
    if args.requests.is_none() && args.duration.is_some() {
        bail!(
            "--rate inf sends all requests at once, and --duration does not say how many\nhint: add --requests N"
        );
    }
    Ok(())
}

/// What each request asks for.
pub fn sampling(args: &LoadArgs) -> Sampling {
    Sampling {
        temperature: args.temperature,
        max_tokens: args.max_tokens,
        ignore_eos: args.ignore_eos,
        exact_itl: args.exact_itl,
    }
}

/// Where and how requests go.
pub fn wire(args: &LoadArgs) -> anyhow::Result<HttpSettings> {
    let protocol = match args.endpoint {
        EndpointArg::Chat => ProtocolName::OpenaiChat,
        EndpointArg::Completions => ProtocolName::OpenaiCompletions,
    };
    let path = args.endpoint_path.clone().unwrap_or_else(|| load::default_path(protocol).to_owned());
    if !path.starts_with('/') {
        bail!("--endpoint-path {path} is not a path\nhint: begin it with a slash: /{path}");
    }
    let headers = args.header.iter().map(|text| header(text)).collect::<anyhow::Result<_>>()?;
    if let Some(file) = &args.ca_file
        && !file.is_file()
    {
        bail!("--ca-file {} does not exist\nhint: give a PEM file", file.display());
    }
    Ok(HttpSettings {
        protocol,
        path,
        headers,
        api_key_env: args.api_key_env.clone(),
        ca_file: args.ca_file.clone(),
        insecure: args.insecure,
        http2: args.http2,
    })
}

fn header(text: &str) -> anyhow::Result<Header> {
    let Some((name, value)) = text.split_once(':') else {
        // The text may be a key typed by mistake, so it is not repeated.
        bail!("a --header has no colon\nhint: write --header 'Name: value'");
    };
    let name = name.trim();
    let is_token = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if !is_token || value.bytes().any(|byte| byte.is_ascii_control()) {
        bail!("--header '{name}' is not a header\nhint: write --header 'Name: value'");
    }
    let ours =
        ["host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"];
    if ours.contains(&name.to_ascii_lowercase().as_str()) {
        bail!("--header {name} is set by the load engine itself\nhint: leave it out");
    }
    Ok(Header { name: name.to_owned(), value: value.trim().to_owned() })
}

/// The API key, from the variable that the plan names.
pub fn api_key(wire: &HttpSettings) -> anyhow::Result<Option<String>> {
    let Some(name) = &wire.api_key_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().to_owned())),
        Ok(_) | Err(_) => bail!("--api-key-env {name}: that variable is not set\nhint: export {name}=…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(more: &[&str]) -> LoadArgs {
        let argv = ["harness", "bench"].iter().chain(more);
        match Cli::try_parse_from(argv).unwrap().command {
            Command::Bench(args) => args.load,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_flags_each_prompt_is_sent_once_by_twenty_users() {
        let load = load_point(&args(&[]), 24).unwrap();
        assert_eq!(load.traffic, Traffic::Closed { slots: 20.try_into().unwrap(), ramp: Ramp::Automatic });
        assert_eq!((load.concurrency(), load.until.requests()), (Some(20), Some(24)));
        assert_eq!(load.warmup, Warmup::Requests(20));
    }

    #[test]
    fn a_rate_opens_the_loop_and_lifts_the_cap() {
        let load = load_point(&args(&["--rate", "3", "--duration", "10s"]), 24).unwrap();
        assert_eq!(load.traffic, Traffic::Open { arrivals: Arrivals::Poisson { rate: 3.0 }, cap: None });
        assert_eq!((load.until.requests(), load.until.duration_s()), (None, Some(10.0)));
    }

    #[test]
    fn an_infinite_rate_makes_all_requests_due_at_once() {
        let load = load_point(&args(&["--rate", "inf", "--concurrency", "8"]), 24).unwrap();
        let cap = Some(8.try_into().unwrap());
        assert_eq!(load.traffic, Traffic::Open { arrivals: Arrivals::AllAtOnce, cap });
        assert_eq!(load.until.requests(), Some(24), "each prompt once");
        let both = load_point(&args(&["--rate", "inf", "--requests", "5", "--duration", "1s"]), 24).unwrap();
        assert_eq!((both.until.requests(), both.until.duration_s()), (Some(5), Some(1.0)));
    }

    #[test]
    fn contradictions_are_refused_by_name_with_a_cure() {
        let cases: [(&[&str], &str); 9] = [
            (&["--arrival", "constant"], "--arrival"),
            (&["--rate", "2", "--ramp", "1s"], "--ramp"),
            (&["--insecure", "--ca-file", "x.pem"], "--ca-file"),
            (&["--rate", "0"], "--rate"),
            (&["--rate", "nan"], "--rate"),
            (&["--rate", "inf", "--arrival", "poisson"], "--arrival"),
            (&["--rate", "inf", "--duration", "5s"], "--requests"),
            (&["--requests", "0"], "--requests"),
            (&["--temperature", "-1"], "--temperature"),
        ];
        for (flags, name) in cases {
            // `-1` would be read as a flag of its own.
            let flags: Vec<String> = match flags {
                ["--temperature", value] => vec![format!("--temperature={value}")],
                flags => flags.iter().map(|flag| (*flag).to_owned()).collect(),
            };
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let error = load_point(&args(&flags), 24).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("hint:"), "{error}");
        }
    }

    #[test]
    fn a_bad_header_is_refused_without_repeating_what_may_be_a_key() {
        let error = wire(&args(&["--header", "sk-secret"])).unwrap_err().to_string();
        assert!(!error.contains("sk-secret"), "{error}");
        let header = &wire(&args(&["--header", "X-Team: blue"])).unwrap().headers[0];
        assert_eq!((header.name.as_str(), header.value.as_str()), ("X-Team", "blue"));
    }
}
