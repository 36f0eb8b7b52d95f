//! The ranges of numbers and times on the command line: what lies beyond them is a mistake, and is refused by name.

use crate::cli::{CountOrSeconds, LoadArgs};
use crate::load;
use crate::schema::plan::LoadPoint;
use crate::schema::refusal::refuse;
use crate::schema::traffic::Traffic;

/// The longest time of any flag, s: a year.
pub const LONGEST_S: f64 = 366.0 * 86_400.0;
/// The shortest time within which anything can happen, s.
pub const SHORTEST_S: f64 = 1e-3;
/// Rates of an open loop, requests a second: from one in three hours to more than any client can send.
pub const RATES: (f64, f64) = (1e-4, 1e6);
/// The most requests of a run, each of which is a record.
const MOST_REQUESTS: u64 = 1_000_000_000;
/// The most requests in flight.
const MOST_IN_FLIGHT: u32 = 1_000_000;
/// The largest output limit, tokens.
const MOST_TOKENS: u32 = 100_000_000;

/// Refuses what lies out of its range; `concurrency` and `rate` are those of one point.
pub fn check(args: &LoadArgs, concurrency: Option<u32>, rate: Option<f64>) -> anyhow::Result<()> {
    let warmup_s = match args.warmup {
        Some(CountOrSeconds::Seconds(seconds)) => Some(seconds),
        Some(CountOrSeconds::Count(_)) | None => None,
    };
    let times = [
        ("--duration", args.duration, SHORTEST_S),
        ("--timeout", Some(args.timeout), SHORTEST_S),
        ("--drain", Some(args.drain), 0.0),
        ("--ramp", args.ramp, 0.0),
        ("--warmup", warmup_s, 0.0),
        ("--scrape-interval", Some(args.sensing.scrape_interval), 0.0),
        ("--gpu-interval", Some(args.sensing.gpu_interval), 0.0),
        ("--host-interval", Some(args.sensing.host_interval), 0.0),
    ];
    for (flag, seconds, least) in times {
        if seconds.is_some_and(|seconds| !(least..=LONGEST_S).contains(&seconds)) {
            let least = if least == 0.0 { "0" } else { "1ms" };
            let seconds = seconds.unwrap_or_default();
            return refuse(
                format!("{flag} {seconds:?} s is out of its range"),
                format!("give {least} to 366d, such as {flag} 60s"),
            );
        }
    }
    if let Some(rate) = rate.filter(|rate| rate.is_finite() && !(RATES.0..=RATES.1).contains(rate)) {
        return refuse(
            format!("--rate {rate:?} is out of its range"),
            "give 0.0001 to 1000000 requests per second, or inf for all at once",
        );
    }
    let warmup = match args.warmup {
        Some(CountOrSeconds::Count(count)) => Some(count),
        Some(CountOrSeconds::Seconds(_)) | None => None,
    };
    let counts = [
        ("--requests", args.requests, MOST_REQUESTS),
        ("--warmup", warmup, MOST_REQUESTS),
        ("--concurrency", concurrency.map(u64::from), u64::from(MOST_IN_FLIGHT)),
        ("--max-tokens", args.max_tokens.map(u64::from), u64::from(MOST_TOKENS)),
    ];
    for (flag, count, most) in counts {
        if let Some(count) = count.filter(|count| *count > most) {
            return refuse(format!("{flag} {count} is out of its range"), format!("give {most} at most"));
        }
    }
    match (args.ramp, args.duration) {
        (Some(ramp), Some(duration)) if ramp > duration => refuse(
            format!(
                "--ramp {ramp:?} s is longer than the run of {duration:?} s: some users would never begin"
            ),
            "give a shorter --ramp or a longer --duration",
        ),
        _ => Ok(()),
    }
}

/// Refuses a load under which no request falls due: nothing would be measured.
pub fn check_due(load: &LoadPoint, seed: u64) -> anyhow::Result<()> {
    let Traffic::Open { .. } = load.traffic else { return Ok(()) };
    let first = load::due_times(load, seed).and_then(|mut times| times.next());
    match (first, load.until.duration_s()) {
        (None, Some(duration)) => refuse(
            format!("no request falls due within --duration {duration:?} s at {}", load.traffic),
            "give a longer --duration or a higher --rate, or --requests N in place of --duration",
        ),
        (None, None) | (Some(_), _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, Command};
    use crate::commands::resolve::traffic::loads;
    use crate::schema::refusal::{cures, shown};

    fn refused(flags: &str, sweeps: bool) -> String {
        let argv = ["harness", "bench"].into_iter().chain(flags.split(' '));
        let args = match Cli::try_parse_from(argv) {
            Ok(cli) => match cli.command {
                Command::Bench(args) => args.load,
                other => panic!("{other:?}"),
            },
            // clap names the range itself.
            Err(error) => return error.to_string(),
        };
        let error = loads(&args, sweeps, 24).expect_err(flags);
        assert!(!cures(&error).is_empty(), "{flags}");
        shown(&error)
    }

    #[test]
    fn numbers_and_times_out_of_their_range_are_refused_with_the_range() {
        for (flags, said) in [
            ("--duration 100ns", "1ms to 366d"),
            ("--duration 0.0000001s", "1ms to 366d"),
            ("--duration 1us", "1ms to 366d"),
            ("--duration 400d", "1ms to 366d"),
            ("--duration 1000y", "at most 366d"),
            ("--duration 99999999999999999999h", "at most 366d"),
            ("--timeout 0", "--timeout"),
            ("--timeout 1ns", "1ms to 366d"),
            ("--timeout 30y", "at most 366d"),
            ("--drain 9000h", "0 to 366d"),
            ("--warmup 9000h", "0 to 366d"),
            ("--scrape-interval 9000h", "0 to 366d"),
            ("--rate 1e308", "0.0001 to 1000000"),
            ("--rate 1e-300", "0.0001 to 1000000"),
            ("--requests 1000000000000000000", "1000000000 at most"),
            ("--warmup 18446744073709551615", "1000000000 at most"),
            ("--concurrency 1000000000", "1000000 at most"),
            ("--max-tokens 4294967295", "100000000 at most"),
            ("--max-tokens 99999999999", "4294967295"),
            ("--ramp 10s --duration 5s", "--ramp 10.0 s is longer than the run"),
        ] {
            let text = refused(flags, false);
            assert!(
                text.contains(said) && text.contains(flags.split(' ').next().unwrap()),
                "{flags}: {text}"
            );
        }
    }

    #[test]
    fn a_load_under_which_no_request_falls_due_is_refused() {
        for (flags, sweeps) in [
            ("--rate 0.0001 --duration 2s", false),
            ("--rate 0.5 --duration 1ms --seed 3", false),
            ("--rates 1000,0.001 --duration 5s", true),
            ("--rate 0.001 --duration 1s --requests 5", false),
        ] {
            let text = refused(flags, sweeps);
            assert!(text.contains("no request falls due") && text.contains("hint: "), "{flags}: {text}");
        }
        let constant = ["harness", "bench", "--rate", "0.001", "--arrival", "constant", "--duration", "1s"];
        let Command::Bench(args) = Cli::try_parse_from(constant).unwrap().command else { panic!() };
        assert_eq!(loads(&args.load, false, 24).unwrap().len(), 1, "the first is due at once");
    }
}
