//! Load flags → the traffic of a plan, with contradictions refused.

use std::num::{NonZeroU32, NonZeroU64};

use anyhow::Context;

use crate::cli::{CountOrSeconds, LoadArgs, ThreadsArg};
use crate::schema::client_threads::ClientThreads;
use crate::schema::plan::{Header, HttpSettings, LoadPoint, Sampling};
use crate::schema::refusal::{OrRefuse, refuse};
use crate::schema::seeds::Seeds;
use crate::schema::target::ProtocolName;
use crate::schema::traffic::{Ramp, Traffic, Until, Warmup};
use crate::secrets::holds_a_secret;

pub use crate::commands::resolve::arrivals::arrival_seed;
use crate::commands::resolve::arrivals::{self, Law};
use crate::commands::resolve::{protocol, ranges};

/// Requests in flight of a closed loop.
pub const DEFAULT_CONCURRENCY: u32 = 20;
/// Requests that a point of a sweep has at least for each that it keeps in flight, where nobody says how many.
const LEAST_REQUESTS_A_SLOT: u64 = 4;
/// The shortest time between two readings of a server's page, s.
const SHORTEST_SENSING_S: f64 = 0.01;
/// The most threads that a load engine can use to any good.
const MOST_CLIENT_THREADS: u32 = 256;

/// The loads, from flags and the size of the dataset: one, or for a sweep one a value of the list.
pub fn loads(args: &LoadArgs, sweeps: bool, prompts: usize) -> anyhow::Result<Vec<LoadPoint>> {
    let (concurrencies, rates) = (args.concurrency.len().max(1), args.rate.len().max(1));
    let several = (concurrencies > 1, rates > 1);
    match (sweeps, several) {
        (_, (false, false)) | (true, (true, false) | (false, true)) => {}
        (false, (true, _)) => {
            return refuse(
                "--concurrency takes one value here",
                "several are a sweep: harness sweep --concurrency 1,2,4",
            );
        }
        (false, (false, true)) => {
            return refuse("--rate takes one value here", "several are a sweep: harness sweep --rates 1,2,4");
        }
        (true, (true, true)) => {
            return refuse(
                "--concurrency and --rates both hold several values",
                "sweep one of them; one concurrency beside several rates is a cap",
            );
        }
    }
    let points = (0..concurrencies.max(rates)).map(|place| Values {
        concurrency: args.concurrency.get(place).or(args.concurrency.first()).copied(),
        rate: args.rate.get(place).or(args.rate.first()).copied(),
    });
    points.map(|values| load_point(args, values, sweeps, prompts)).collect()
}

/// What differs between the points of a sweep.
#[derive(Debug, Clone, Copy)]
struct Values {
    concurrency: Option<u32>,
    rate: Option<f64>,
}

fn load_point(args: &LoadArgs, values: Values, sweeps: bool, prompts: usize) -> anyhow::Result<LoadPoint> {
    refuse_contradictions(args, values)?;
    let (traffic, lasts_s) = match arrivals::law(args, values.rate)? {
        None => (closed(args, values.concurrency)?, None),
        Some(Law { arrivals, lasts_s }) => {
            (Traffic::Open { arrivals, cap: values.concurrency.and_then(NonZeroU32::new) }, lasts_s)
        }
    };
    if args.ramp.is_some() && traffic.is_open() {
        return refuse(
            format!("--ramp is for a closed loop, and this one is open: {traffic}"),
            "leave --ramp out; --ramp-rates 1..10 is a rate that rises",
        );
    }
    // A law with an end of its own ends the load.
    let duration = args.duration.or(lasts_s);
    let requests = match (args.requests, duration) {
        // A point of a sweep has each prompt once, but enough requests for its slots to be filled again.
        (None, None) if sweeps => {
            Some((prompts as u64).max(u64::from(values.concurrency.unwrap_or(0)) * LEAST_REQUESTS_A_SLOT))
        }
        (None, None) => Some(prompts as u64),
        (requests, _) => requests,
    };
    let until = Until::new(requests.and_then(NonZeroU64::new), duration)
        .context("no load can be made of --requests and --duration")?;
    let warmup = match args.warmup {
        Some(CountOrSeconds::Count(count)) => Warmup::Requests(count),
        Some(CountOrSeconds::Seconds(seconds)) => Warmup::DurationS(seconds),
        None => LoadPoint::of(traffic.clone(), until).warmup,
    };
    let load =
        LoadPoint { warmup, drain_s: args.drain, timeout_s: args.timeout, ..LoadPoint::of(traffic, until) };
    ranges::check_due(&load, arrival_seed(args))?;
    Ok(load)
}

fn closed(args: &LoadArgs, concurrency: Option<u32>) -> anyhow::Result<Traffic> {
    let slots = NonZeroU32::new(concurrency.unwrap_or(DEFAULT_CONCURRENCY))
        .context("it holds no slot")
        .or_refuse(|| "--concurrency is 0".to_owned(), "give a number above 0")?;
    Ok(Traffic::Closed { slots, ramp: args.ramp.map_or(Ramp::Automatic, Ramp::DurationS) })
}

fn refuse_contradictions(args: &LoadArgs, values: Values) -> anyhow::Result<()> {
    if args.insecure && args.ca_file.is_some() {
        return refuse(
            "--insecure checks no certificate, so --ca-file would do nothing",
            "leave one of them out",
        );
    }
    match values.rate {
        Some(rate) if rate.is_nan() || rate <= 0.0 => {
            return refuse(
                format!("--rate {rate} is not a rate"),
                "give requests per second above 0, or inf for all at once",
            );
        }
        Some(_) | None => {}
    }
    if !(args.temperature.is_finite() && args.temperature >= 0.0) {
        return refuse(format!("--temperature {} is not a temperature", args.temperature), "give 0 or more");
    }
    let sensing = &args.sensing;
    if sensing.scrape_interval != 0.0 && sensing.scrape_interval < SHORTEST_SENSING_S {
        return refuse(
            format!("--scrape-interval {} s would load the server", sensing.scrape_interval),
            "give 10ms or more, or 0 to leave its page alone",
        );
    }
    for (flag, interval_s) in
        [("--gpu-interval", sensing.gpu_interval), ("--host-interval", sensing.host_interval)]
    {
        if interval_s != 0.0 && interval_s < SHORTEST_SENSING_S {
            return refuse(
                format!("{flag} {interval_s} s would load the machine"),
                "give 10ms or more, or 0 to leave it alone",
            );
        }
    }
    let zeros = [
        ("--concurrency", values.concurrency == Some(0)),
        ("--requests", args.requests == Some(0)),
        ("--duration", args.duration == Some(0.0)),
        ("--timeout", args.timeout == 0.0),
        ("--max-tokens", args.max_tokens == Some(0)),
        ("--client-threads", args.client_threads == ThreadsArg::Number(0)),
    ];
    if let Some((flag, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
        return refuse(
            format!("{flag} is 0, so there is nothing to measure"),
            format!("give a number above 0, or leave {flag} out"),
        );
    }
    client_threads(args.client_threads)?;
    ranges::check(args, values.concurrency, values.rate)
}

/// The threads of a plan.
///
/// # Errors
/// None, or more than can be of use.
pub fn client_threads(threads: ThreadsArg) -> anyhow::Result<ClientThreads> {
    match threads {
        ThreadsArg::Auto => Ok(ClientThreads::Auto),
        ThreadsArg::Number(0) => refuse("--client-threads is 0, so nothing can be played", "leave it out"),
        ThreadsArg::Number(number) if number > MOST_CLIENT_THREADS => refuse(
            format!("--client-threads {number} is more than {MOST_CLIENT_THREADS}"),
            "one thread carries thousands of streams",
        ),
        ThreadsArg::Number(number) => Ok(ClientThreads::Number(number)),
    }
}

/// Seeds of requests and lengths.
pub fn seeds(args: &LoadArgs) -> Seeds {
    Seeds {
        requests: args.arrivals.seed_requests.unwrap_or(args.seed),
        lengths: args.arrivals.seed_lengths.unwrap_or(args.seed),
    }
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

/// Where and how requests go; `endpoint` is that of `--url` where it was given whole.
pub fn wire(args: &LoadArgs, endpoint: Option<&(ProtocolName, String)>) -> anyhow::Result<HttpSettings> {
    let spoken = protocol::spoken(args)?;
    let (protocol, path) = match (endpoint, spoken.named) {
        (Some((given, _)), Some(asked)) if *given != asked => {
            return refuse(
                format!("--url ends in another endpoint than that of {}", spoken.by),
                "leave one of them out",
            );
        }
        (Some(_), _) if args.endpoint_path.is_some() => {
            return refuse(
                "--url holds the endpoint, and --endpoint-path another one",
                "leave one of them out",
            );
        }
        (Some((given, path)), _) => {
            if *given != ProtocolName::Template {
                protocol::check_kind(*given, path, protocol::streams(*given, &spoken))?;
            }
            (*given, path.clone())
        }
        (None, asked) => {
            let protocol = asked.unwrap_or(ProtocolName::OpenaiChat);
            let known = protocol::path(protocol, protocol::streams(protocol, &spoken));
            let Some(path) = known.map(str::to_owned).or(args.endpoint_path.clone()) else {
                return refuse(
                    "--request-body-template does not say where its bodies go",
                    "give the whole endpoint as --url, or its path as --endpoint-path",
                );
            };
            (protocol, path)
        }
    };
    let stream = protocol::streams(protocol, &spoken);
    let path = args.endpoint_path.clone().unwrap_or(path);
    if !path.starts_with('/') {
        return refuse(
            format!("--endpoint-path {path} is not a path"),
            format!("begin it with a slash: /{path}"),
        );
    }
    if let Some(name) = &args.api_key_env {
        check_variable(name)?;
    }
    let headers = args.header.iter().map(|text| header(text)).collect::<anyhow::Result<_>>()?;
    if let Some(file) = &args.ca_file
        && !file.is_file()
    {
        return refuse(format!("--ca-file {} does not exist", file.display()), "give a PEM file");
    }
    if args.api_key_env.is_some() && args.wire.api_key_file.is_some() {
        return refuse("--api-key-env and --api-key-file both name a key", "leave one of them out");
    }
    let http = HttpSettings {
        protocol,
        path,
        stream,
        template: spoken.template,
        own_protocols: Default::default(),
        unix_socket: None,
        headers,
        api_key_env: args.api_key_env.clone(),
        api_key_file: args.wire.api_key_file.clone(),
        ca_file: args.ca_file.clone(),
        insecure: args.insecure,
        http2: args.http2,
    };
    protocol::check(&http)?;
    Ok(http)
}

/// The name of a variable, and not the key itself, which would be written into the plan and is not repeated.
pub fn check_variable(name: &str) -> anyhow::Result<()> {
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || holds_a_secret(name) {
        return refuse(
            "--api-key-env takes the name of a variable, and this is none",
            "export MY_KEY=…, then --api-key-env MY_KEY",
        );
    }
    Ok(())
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
    let ours = ["content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"];
    if ours.contains(&name.to_ascii_lowercase().as_str()) {
        return refuse(format!("--header {name} is set by the load engine itself"), "leave it out");
    }
    let value = value.trim();
    if name.eq_ignore_ascii_case("host") && (value.is_empty() || value.contains(char::is_whitespace)) {
        return refuse("--header Host names no host", "write --header 'Host: tiny.models.example'");
    }
    Ok(Header { name: name.to_owned(), value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::load;
    use crate::schema::refusal::{cures, shown};
    use crate::schema::traffic::Arrivals;
    use clap::Parser;

    fn args(more: &[&str]) -> LoadArgs {
        let argv = ["harness", "bench"].iter().chain(more);
        match Cli::try_parse_from(argv).unwrap().command {
            Command::Bench(args) => args.load,
            other => panic!("{other:?}"),
        }
    }

    fn only(args: &LoadArgs) -> LoadPoint {
        let [load] = loads(args, false, 24).unwrap().try_into().unwrap();
        load
    }

    #[test]
    fn a_sweep_has_a_point_for_each_value_and_enough_requests_to_fill_its_slots_again() {
        let words = |flags: &[&str]| {
            let loads = loads(&args(flags), true, 24).unwrap();
            let words = loads.iter().map(|load| format!("{} {:?}", load.traffic, load.until.requests()));
            words.collect::<Vec<_>>().join("; ")
        };
        let doubled = "concurrency 1 Some(24); concurrency 16 Some(64)";
        assert_eq!(words(&["--concurrency", "1,16"]), doubled);
        let rates = "Poisson 1/s, at most 8 in flight Some(9); all at once, at most 8 in flight Some(9)";
        assert_eq!(words(&["--rates", "1,inf", "--concurrency", "8", "--requests", "9"]), rates);
    }

    #[test]
    fn several_values_are_a_sweep_and_a_sweep_has_one_axis() {
        let refused = |flags: &[&str], sweeps| shown(&loads(&args(flags), sweeps, 24).unwrap_err());
        assert!(refused(&["--concurrency", "1,2"], false).contains("harness sweep --concurrency"));
        assert!(refused(&["--rate", "1,2"], false).contains("harness sweep --rates"));
        assert!(refused(&["--rates", "1,2", "--concurrency", "1,2"], true).contains("one of them"));
    }

    #[test]
    fn without_flags_each_prompt_is_sent_once_by_twenty_users() {
        let load = only(&args(&[]));
        assert_eq!(load.traffic, Traffic::Closed { slots: 20.try_into().unwrap(), ramp: Ramp::Automatic });
        assert_eq!((load.concurrency(), load.until.requests()), (Some(20), Some(24)));
        assert_eq!(load.warmup, Warmup::Requests(20));
    }

    #[test]
    fn a_rate_opens_the_loop_and_lifts_the_cap() {
        let load = only(&args(&["--rate", "3", "--duration", "10s"]));
        assert_eq!(load.traffic, Traffic::Open { arrivals: Arrivals::Poisson { rate: 3.0 }, cap: None });
        assert_eq!((load.until.requests(), load.until.duration_s()), (None, Some(10.0)));
    }

    #[test]
    fn an_infinite_rate_makes_all_requests_due_at_once() {
        let load = only(&args(&["--rate", "inf", "--concurrency", "8"]));
        let cap = Some(8.try_into().unwrap());
        assert_eq!(load.traffic, Traffic::Open { arrivals: Arrivals::AllAtOnce, cap });
        assert_eq!(load.until.requests(), Some(24), "each prompt once");
        let both = only(&args(&["--rate", "inf", "--requests", "5", "--duration", "1s"]));
        assert_eq!((both.until.requests(), both.until.duration_s()), (Some(5), Some(1.0)));
    }

    #[test]
    fn each_pattern_has_a_law_and_one_with_an_end_ends_the_load() {
        let said = |flags: &[&str]| {
            let load = only(&args(flags));
            let until = (load.until.requests(), load.until.duration_s());
            (load.traffic.to_string(), until)
        };
        let of = |flags: &str| said(&flags.split(' ').collect::<Vec<&str>>());
        assert_eq!(of("--rate 4 --burstiness 0.5").0, "gamma 4/s of burstiness 0.5");
        assert_eq!(of("--rate 4 --arrival gamma --burstiness 0.5"), of("--rate 4 --burstiness 0.5"));
        let bursts = ("bursts of 10 every 5 s, at most 4 in flight".to_owned(), (Some(24), None));
        assert_eq!(of("--burst-size 10 --burst-every 5s --concurrency 4"), bursts);
        assert_eq!(of("--arrival burst --burst-size 10 --rate 2 --concurrency 4"), bursts);
        let ramp = ("1 to 10/s over 60 s, Poisson".to_owned(), (None, Some(60.0)));
        assert_eq!(of("--ramp-rates 1..10 --duration 60s"), ramp);
        assert_eq!(of("--arrival ramp --ramp-rates 1..10 --duration 1m"), ramp);
        let by_requests = ("1 to 10/s over 60 s, constant".to_owned(), (Some(330), Some(60.0)));
        assert_eq!(of("--arrival constant --ramp-rates 1..10 --requests 330"), by_requests);
        for seed in 1..50 {
            for rates in ["1..10", "10..0", "5000..50000"] {
                let flags = format!("--ramp-rates {rates} --requests 330 --seed {seed}");
                let load = only(&args(&flags.split(' ').collect::<Vec<&str>>()));
                let due = load::due_times(&load, seed).unwrap().count();
                assert_eq!(due, 330, "exactly as many as asked for, {rates} by seed {seed}");
            }
        }
        assert_eq!(
            of("--ramp-rates 1..10 --ramp-up-strategy exponential --duration 60s").0,
            "1 to 10/s over 60 s, exponentially, Poisson"
        );
        let steps = ("1/s for 30 s, 5/s for 60 s, Poisson".to_owned(), (None, Some(90.0)));
        assert_eq!(of("--steps 1@30s,5@1m"), steps);
        assert_eq!(of("--arrival steps --steps 1@30s,5@1m"), steps);
        assert_eq!(of("--steps 1@30s,5@1m --duration 40s").1, (None, Some(40.0)));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.csv");
        std::fs::write(&file, "for,rate\n30s,1\n1m,5\n").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(said(&["--arrival-schedule", file]), steps);
        assert_eq!(said(&["--arrival", "file", "--arrival-schedule", file]), steps);
    }

    #[test]
    fn contradictions_are_refused_by_name_with_a_cure() {
        let cases: [(&[&str], &str); 30] = [
            (&["--arrival", "constant"], "--arrival"),
            (&["--arrival", "gamma"], "--rate"),
            (&["--arrival", "gamma", "--rate", "2"], "--burstiness"),
            (&["--arrival", "burst"], "--burst-size"),
            (&["--arrival", "burst", "--rate", "2"], "--burst-size"),
            (&["--arrival", "ramp"], "--ramp-rates"),
            (&["--arrival", "ramp", "--rate", "2"], "--ramp-rates"),
            (&["--arrival", "steps", "--rate", "2"], "--steps"),
            (&["--arrival", "file", "--steps", "1@2s"], "--arrival-schedule"),
            (&["--arrival", "poisson", "--rate", "2", "--burstiness", "2"], "--burstiness"),
            (&["--rate", "2", "--burst-size", "2", "--burstiness", "2"], "--burst-size"),
            (&["--burstiness", "2"], "--rate"),
            (&["--burst-size", "2"], "--burst-every"),
            (&["--burst-every", "2s"], "--burst-size"),
            (&["--rate", "2", "--burstiness", "0"], "--burstiness"),
            (&["--rate", "inf", "--burstiness", "2"], "--burstiness"),
            (&["--rate", "2", "--steps", "1@2s"], "--steps"),
            (&["--ramp-rates", "1..2"], "--duration"),
            (&["--ramp-rates", "0..2", "--ramp-shape", "exponential", "--duration", "5s"], "--ramp-shape"),
            (&["--steps", "1@2s", "--duration", "3s"], "--duration"),
            (&["--steps", "0@2s"], "--steps"),
            (&["--rate", "2", "--ramp", "1s"], "--ramp"),
            (&["--insecure", "--ca-file", "x.pem"], "--ca-file"),
            (&["--rate", "0"], "--rate"),
            (&["--rate", "nan"], "--rate"),
            (&["--rate", "inf", "--arrival", "poisson"], "--arrival"),
            (&["--rate", "inf", "--duration", "5s"], "--requests"),
            (&["--requests", "0"], "--requests"),
            (&["--temperature", "-1"], "--temperature"),
            (&["--scrape-interval", "1ms"], "--scrape-interval"),
        ];
        for (flags, name) in cases {
            // `-1` would be read as a flag of its own.
            let flags: Vec<String> = match flags {
                ["--temperature", value] => vec![format!("--temperature={value}")],
                flags => flags.iter().map(|flag| (*flag).to_owned()).collect(),
            };
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let error = loads(&args(&flags), false, 24).unwrap_err();
            assert!(shown(&error).contains(name) && !cures(&error).is_empty(), "{error}");
        }
    }

    #[test]
    fn one_seed_is_the_seed_of_all_unless_one_has_its_own() {
        let of = |flags: &[&str]| (arrival_seed(&args(flags)), seeds(&args(flags)));
        assert_eq!(of(&["--seed", "7"]), (7, Seeds::of(7)));
        let own = ["--seed", "7", "--seed-arrivals", "1", "--seed-requests", "2", "--seed-lengths", "3"];
        assert_eq!(of(&own), (1, Seeds { requests: 2, lengths: 3 }));
    }

    #[test]
    fn a_bad_header_is_refused_without_repeating_what_may_be_a_key() {
        let error = wire(&args(&["--header", "sk-secret"]), None).unwrap_err().to_string();
        assert!(!error.contains("sk-secret"), "{error}");
        for key in ["sk-secret", "hf_secretsecretsecretsecret", "1abc"] {
            let error = shown(&wire(&args(&["--api-key-env", key]), None).unwrap_err());
            assert!(!error.contains(key), "{error}");
        }
        let header = &wire(&args(&["--header", "X-Team: blue"]), None).unwrap().headers[0];
        assert_eq!((header.name.as_str(), header.value.as_str()), ("X-Team", "blue"));
    }
}
