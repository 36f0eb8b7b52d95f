//! Load flags → the traffic of a plan, with contradictions refused.

use crate::cli::{ArrivalArg, CountOrSeconds, EndpointArg, LoadArgs};
use crate::schema::plan::{Endpoint, Header, HttpSettings, LoadPoint, Sampling};
use crate::schema::refusal::refuse;
use crate::schema::traffic::{Traffic, Warmup};

/// Requests in flight of a closed loop.
const DEFAULT_CONCURRENCY: u32 = 20;
/// Warm-up requests of an open loop without a cap.
const DEFAULT_OPEN_WARMUP: u64 = 20;
/// The most threads that a load engine can use to any good.
const MOST_CLIENT_THREADS: u32 = 256;

/// The traffic, from flags and the size of the dataset.
pub fn load_plan(args: &LoadArgs, prompts: usize) -> anyhow::Result<LoadPoint> {
    refuse_contradictions(args)?;
    let traffic = match (args.rate, args.arrival) {
        (None, _) => Traffic::Closed,
        (Some(rate), Some(ArrivalArg::Constant)) => Traffic::Constant { rate },
        (Some(rate), Some(ArrivalArg::Poisson) | None) => Traffic::Poisson { rate },
    };
    let concurrency = match traffic {
        Traffic::Closed => Some(args.concurrency.unwrap_or(DEFAULT_CONCURRENCY)),
        Traffic::Poisson { .. } | Traffic::Constant { .. } => args.concurrency,
    };
    let requests = match (args.requests, args.duration) {
        (None, None) => Some(prompts as u64),
        (requests, _) => requests,
    };
    let warmup = match args.warmup {
        Some(CountOrSeconds::Count(count)) => Warmup::Requests(count),
        Some(CountOrSeconds::Seconds(seconds)) => Warmup::DurationS(seconds),
        None => Warmup::Requests(concurrency.map_or(DEFAULT_OPEN_WARMUP, u64::from)),
    };
    Ok(LoadPoint {
        traffic,
        concurrency,
        requests,
        duration_s: args.duration,
        warmup,
        ramp_s: args.ramp,
        timeout_s: args.timeout,
        drain_s: args.drain,
        seed: args.seed,
        client_threads: args.client_threads,
    })
}

fn refuse_contradictions(args: &LoadArgs) -> anyhow::Result<()> {
    if args.arrival.is_some() && args.rate.is_none() {
        return refuse(
            "--arrival says how an open loop starts its requests, and there is no --rate",
            "add --rate R, or leave --arrival out",
        );
    }
    if args.ramp.is_some() && args.rate.is_some() {
        return refuse("--ramp is for a closed loop, and --rate makes an open one", "leave one of them out");
    }
    if args.insecure && args.ca_file.is_some() {
        return refuse(
            "--insecure checks no certificate, so --ca-file would do nothing",
            "leave one of them out",
        );
    }
    if let Some(rate) = args.rate
        && !(rate.is_finite() && rate > 0.0)
    {
        return refuse(format!("--rate {rate} is not a rate"), "give requests per second above 0");
    }
    if !(args.temperature.is_finite() && args.temperature >= 0.0) {
        return refuse(format!("--temperature {} is not a temperature", args.temperature), "give 0 or more");
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
        return refuse(
            format!("{flag} is 0, so there is nothing to measure"),
            format!("give a number above 0, or leave {flag} out"),
        );
    }
    if args.client_threads > MOST_CLIENT_THREADS {
        return refuse(
            format!("--client-threads {} is more than {MOST_CLIENT_THREADS}", args.client_threads),
            "one thread carries thousands of streams",
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
    let endpoint = match args.endpoint {
        EndpointArg::Chat => Endpoint::Chat,
        EndpointArg::Completions => Endpoint::Completions,
    };
    let path = args.endpoint_path.clone().unwrap_or_else(|| endpoint.path().to_owned());
    if !path.starts_with('/') {
        return refuse(
            format!("--endpoint-path {path} is not a path"),
            format!("begin it with a slash: /{path}"),
        );
    }
    let headers = args.header.iter().map(|text| header(text)).collect::<anyhow::Result<_>>()?;
    if let Some(file) = &args.ca_file
        && !file.is_file()
    {
        return refuse(format!("--ca-file {} does not exist", file.display()), "give a PEM file");
    }
    Ok(HttpSettings {
        endpoint,
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
        return refuse("a --header has no colon", "write --header 'Name: value'");
    };
    let name = name.trim();
    let is_token = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if !is_token || value.bytes().any(|byte| byte.is_ascii_control()) {
        return refuse(format!("--header '{name}' is not a header"), "write --header 'Name: value'");
    }
    let ours =
        ["host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"];
    if ours.contains(&name.to_ascii_lowercase().as_str()) {
        return refuse(format!("--header {name} is set by the load engine itself"), "leave it out");
    }
    Ok(Header { name: name.to_owned(), value: value.trim().to_owned() })
}

/// The API key, from the variable that the plan names.
pub fn api_key(wire: &HttpSettings) -> anyhow::Result<Option<String>> {
    let Some(name) = &wire.api_key_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().to_owned())),
        Ok(_) | Err(_) => {
            refuse(format!("--api-key-env {name}: that variable is not set"), format!("export {name}=…"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::schema::refusal::cures;
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
        let load = load_plan(&args(&[]), 24).unwrap();
        assert_eq!(load.traffic, Traffic::Closed);
        assert_eq!((load.concurrency, load.requests), (Some(20), Some(24)));
        assert_eq!(load.warmup, Warmup::Requests(20));
    }

    #[test]
    fn a_rate_opens_the_loop_and_lifts_the_cap() {
        let load = load_plan(&args(&["--rate", "3", "--duration", "10s"]), 24).unwrap();
        assert_eq!(load.traffic, Traffic::Poisson { rate: 3.0 });
        assert_eq!((load.concurrency, load.requests, load.duration_s), (None, None, Some(10.0)));
    }

    #[test]
    fn contradictions_are_refused_by_name_with_a_cure() {
        let cases: [(&[&str], &str); 6] = [
            (&["--arrival", "constant"], "--arrival"),
            (&["--rate", "2", "--ramp", "1s"], "--ramp"),
            (&["--insecure", "--ca-file", "x.pem"], "--ca-file"),
            (&["--rate", "0"], "--rate"),
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
            let error = load_plan(&args(&flags), 24).unwrap_err();
            assert!(error.to_string().contains(name) && !cures(&error).is_empty(), "{error}");
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
