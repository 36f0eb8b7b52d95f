//! Flags → a law of arrivals, with contradictions refused.

use std::num::NonZeroU32;

use crate::cli::{ArrivalArg, LoadArgs, RampShape};
use crate::commands::resolve::arrival_schedule;
use crate::commands::resolve::ranges::{LONGEST_S, RATES, SHORTEST_S};
use crate::load;
use crate::schema::rate_course::{Curve, Gaps, Piece};
use crate::schema::refusal::refuse;
use crate::schema::traffic::Arrivals;

/// Shapes of gamma gaps beyond which they are no gaps any more: a burst of everything, or a clock.
const BURSTINESS: (f64, f64) = (0.001, 1e6);

/// What the flags make of the due times: their law, and how long it lasts where it has an end of its own, s.
pub struct Law {
    /// The law.
    pub arrivals: Arrivals,
    /// Seconds after which it has no more due times; none: it never ends.
    pub lasts_s: Option<f64>,
}

/// What says how many requests start when: one of them at most.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Course {
    Rate(f64),
    BurstEvery(f64),
    Ramp,
    Steps,
    Schedule,
}

impl Course {
    fn flag(self) -> &'static str {
        match self {
            Course::Rate(_) => "--rate",
            Course::BurstEvery(_) => "--burst-every",
            Course::Ramp => "--ramp-rates",
            Course::Steps => "--steps",
            Course::Schedule => "--arrival-schedule",
        }
    }
}

/// Seed of the arrivals.
pub fn arrival_seed(args: &LoadArgs) -> u64 {
    args.arrivals.seed_arrivals.unwrap_or(args.seed)
}

/// The law of the flags at one point's rate; none: a closed loop.
///
/// # Errors
/// Two flags contradict each other, one lacks another, or a number is out of its range.
pub fn law(args: &LoadArgs, rate: Option<f64>) -> anyhow::Result<Option<Law>> {
    let course = course(args, rate)?;
    refuse_idle(args, course)?;
    let Some(course) = course else { return Ok(None) };
    if let Course::Rate(rate) = course
        && rate.is_infinite()
    {
        refuse_endless_burst(args)?;
        return Ok(Some(Law { arrivals: Arrivals::AllAtOnce, lasts_s: None }));
    }
    let gaps = gaps(args, course)?;
    let pieces = match (course, gaps) {
        (Course::Rate(rate), gaps) => return Ok(Some(at_one_rate(rate, gaps))),
        (Course::BurstEvery(every_s), Gaps::Bursts { size }) => {
            let arrivals = Arrivals::Bursts { size, every_s };
            return Ok(Some(Law { arrivals, lasts_s: None }));
        }
        (Course::BurstEvery(_), _) => {
            return refuse("--burst-every lacks the size of a burst", "add --burst-size N");
        }
        (Course::Ramp, gaps) => vec![ramp(args, gaps)?],
        (Course::Steps, gaps) => {
            args.arrivals.steps.iter().map(|step| Piece::steady(step.for_s, step.rate, gaps)).collect()
        }
        (Course::Schedule, gaps) => match &args.arrivals.arrival_schedule {
            Some(file) => arrival_schedule::read(file, gaps, args.duration)?,
            None => Vec::new(),
        },
    };
    pieces_law(pieces, course, args.duration).map(Some)
}

fn at_one_rate(rate: f64, gaps: Gaps) -> Law {
    let arrivals = match gaps {
        Gaps::Poisson => Arrivals::Poisson { rate },
        Gaps::Constant => Arrivals::Constant { rate },
        Gaps::Gamma { burstiness } => Arrivals::Gamma { rate, burstiness },
        Gaps::Bursts { size } => Arrivals::Bursts { size, every_s: f64::from(size.get()) / rate },
    };
    Law { arrivals, lasts_s: None }
}

/// The one flag that says how many requests start when; none: a closed loop.
fn course(args: &LoadArgs, rate: Option<f64>) -> anyhow::Result<Option<Course>> {
    let asked = &args.arrivals;
    let all: Vec<Course> = [
        rate.map(Course::Rate),
        asked.burst_every.map(Course::BurstEvery),
        asked.ramp_rates.map(|_| Course::Ramp),
        (!asked.steps.is_empty()).then_some(Course::Steps),
        asked.arrival_schedule.as_ref().map(|_| Course::Schedule),
    ]
    .into_iter()
    .flatten()
    .collect();
    match all[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [one, other, ..] => refuse(
            format!("{} and {} both say how many requests start when", one.flag(), other.flag()),
            "leave one of them out",
        ),
    }
}

/// Flags that would do nothing.
fn refuse_idle(args: &LoadArgs, course: Option<Course>) -> anyhow::Result<()> {
    let asked = &args.arrivals;
    if course.is_none() {
        if args.arrival.is_some() {
            return needs(args.arrival, course);
        }
        let idle =
            [("--burstiness", asked.burstiness.is_some()), ("--burst-size", asked.burst_size.is_some())];
        if let Some((flag, _)) = idle.iter().find(|(_, given)| *given) {
            let cure =
                if *flag == "--burst-size" { "add --burst-every TIME or --rate R" } else { "add --rate R" };
            return refuse(
                format!("{flag} is of an open loop, and nothing says how many requests start when"),
                cure,
            );
        }
    } else {
        needs(args.arrival, course)?;
    }
    if asked.ramp_shape.is_some() && course != Some(Course::Ramp) {
        return refuse(
            "--ramp-shape has no ramp to shape",
            "add --ramp-rates 1..10, or leave --ramp-shape out",
        );
    }
    Ok(())
}

/// Refuses an `--arrival` that lacks what it names, or stands beside another.
fn needs(arrival: Option<ArrivalArg>, course: Option<Course>) -> anyhow::Result<()> {
    let (name, wanted, cure) = match arrival {
        None => return Ok(()),
        Some(ArrivalArg::Poisson | ArrivalArg::Constant | ArrivalArg::Gamma) if course.is_none() => {
            return refuse(
                "--arrival says how an open loop starts its requests, and there is no --rate",
                "add --rate R, or leave --arrival out",
            );
        }
        Some(ArrivalArg::Burst) if course.is_none() => {
            return refuse(
                "--arrival burst, and nothing says how many come when",
                "add --burst-size N --burst-every TIME",
            );
        }
        Some(ArrivalArg::Poisson | ArrivalArg::Constant | ArrivalArg::Gamma | ArrivalArg::Burst) => {
            return Ok(());
        }
        Some(ArrivalArg::Ramp) => ("ramp", Course::Ramp, "--ramp-rates 1..10"),
        Some(ArrivalArg::Steps) => ("steps", Course::Steps, "--steps 1@30s,5@60s"),
        Some(ArrivalArg::File) => ("file", Course::Schedule, "--arrival-schedule FILE"),
    };
    match course {
        Some(course) if course == wanted => Ok(()),
        Some(other) => refuse(
            format!(
                "--arrival {name} takes its rates from {}, and {} gives others",
                wanted.flag(),
                other.flag()
            ),
            "leave one of them out",
        ),
        None => refuse(format!("--arrival {name} lacks its rates"), format!("add {cure}")),
    }
}

/// The law of gaps: that of `--arrival`, or of the flag that only one law has.
fn gaps(args: &LoadArgs, course: Course) -> anyhow::Result<Gaps> {
    let asked = &args.arrivals;
    let burstiness = match asked.burstiness {
        Some(shape) if !(BURSTINESS.0..=BURSTINESS.1).contains(&shape) => {
            return refuse(
                format!("--burstiness {shape:?} is out of its range"),
                "give 0.001 to 1000000; 1 is Poisson, less is burstier",
            );
        }
        shape => shape,
    };
    let size = asked.burst_size.and_then(NonZeroU32::new);
    let law = match (args.arrival, burstiness, size) {
        (_, Some(_), Some(_)) => {
            return refuse("--burstiness and --burst-size are two laws of gaps", "leave one of them out");
        }
        (Some(ArrivalArg::Gamma), None, _) => {
            return refuse(
                "--arrival gamma lacks its shape",
                "add --burstiness 0.5; 1 is Poisson, less is burstier",
            );
        }
        (Some(ArrivalArg::Burst), _, None) => {
            return refuse("--arrival burst lacks the size of a burst", "add --burst-size N");
        }
        (Some(named @ (ArrivalArg::Poisson | ArrivalArg::Constant)), Some(_), None) => {
            return two_laws(named, "--burstiness");
        }
        (Some(named @ (ArrivalArg::Poisson | ArrivalArg::Constant)), None, Some(_)) => {
            return two_laws(named, "--burst-size");
        }
        (_, Some(burstiness), None) => Gaps::Gamma { burstiness },
        (_, None, Some(size)) => Gaps::Bursts { size },
        (Some(ArrivalArg::Constant), None, None) => Gaps::Constant,
        (
            Some(ArrivalArg::Poisson | ArrivalArg::Ramp | ArrivalArg::Steps | ArrivalArg::File) | None,
            None,
            None,
        ) => Gaps::Poisson,
    };
    if let (Course::BurstEvery(every_s), Gaps::Bursts { .. }) = (course, law)
        && !(SHORTEST_S..=LONGEST_S).contains(&every_s)
    {
        return refuse(
            format!("--burst-every {every_s:?} s is out of its range"),
            "give 1ms to 366d, such as 10s",
        );
    }
    Ok(law)
}

fn two_laws(named: ArrivalArg, flag: &str) -> anyhow::Result<Gaps> {
    let name = clap::ValueEnum::to_possible_value(&named).map(|value| value.get_name().to_owned());
    refuse(
        format!("--arrival {} and {flag} are two laws of gaps", name.unwrap_or_default()),
        "leave one of them out",
    )
}

/// `--ramp-rates` over the duration, or over the time that the requests take.
fn ramp(args: &LoadArgs, gaps: Gaps) -> anyhow::Result<Piece> {
    let (from, to) = args.arrivals.ramp_rates.map_or((0.0, 0.0), |rates| (rates.from, rates.to));
    let curve = match args.arrivals.ramp_shape {
        Some(RampShape::Exponential) => Curve::Exponential,
        Some(RampShape::Linear) | None => Curve::Linear,
    };
    if curve == Curve::Exponential && (from <= 0.0 || to <= 0.0) {
        return refuse(
            format!("--ramp-rates {from}..{to} has no rate of 0 that could grow by factors"),
            "begin and end above 0, or leave --ramp-shape exponential out",
        );
    }
    // Of one second, to see how many requests that are.
    let piece = Piece { to_rate_per_s: to, curve, ..Piece::steady(1.0, from, gaps) };
    let for_s = match (args.duration, args.requests) {
        (Some(duration), _) => duration,
        (None, Some(requests)) => {
            let for_s = load::mean_at_end(gaps, arrival_seed(args), requests) / piece.requests();
            match gaps {
                Gaps::Constant | Gaps::Bursts { .. } => for_s,
                // Times are whole microseconds: the last one must not fall onto the end.
                Gaps::Poisson | Gaps::Gamma { .. } => for_s + 1e-5,
            }
        }
        (None, None) => {
            return refuse(
                format!("--ramp-rates {from}..{to} does not say over which time"),
                "add --duration 60s, or --requests N",
            );
        }
    };
    Ok(Piece { for_s, ..piece })
}

/// Pieces that can be played, and their length.
fn pieces_law(pieces: Vec<Piece>, course: Course, duration: Option<f64>) -> anyhow::Result<Law> {
    let flag = course.flag();
    for piece in &pieces {
        for rate in [piece.from_rate_per_s, piece.to_rate_per_s] {
            if rate != 0.0 && !(RATES.0..=RATES.1).contains(&rate) {
                return refuse(
                    format!("{flag} has a rate of {rate:?}"),
                    "give 0.0001 to 1000000 requests per second, or 0 for none",
                );
            }
        }
        if !(SHORTEST_S..=LONGEST_S).contains(&piece.for_s) {
            return refuse(
                format!("{flag} has a time of {:?} s", piece.for_s),
                "give 1ms to 366d, such as 60s",
            );
        }
    }
    let lasts_s: f64 = pieces.iter().map(|piece| piece.for_s).sum();
    if pieces.iter().map(Piece::requests).sum::<f64>() <= 0.0 {
        return refuse(format!("{flag} has no rate above 0, so nothing would be sent"), "give one");
    }
    if let Some(duration) = duration.filter(|duration| *duration > lasts_s + 1e-9) {
        return refuse(
            format!("{flag} lasts {lasts_s} s, and --duration is {duration} s: nothing would start after it"),
            "leave --duration out, or give what is to follow",
        );
    }
    Ok(Law { arrivals: Arrivals::Pieces { pieces }, lasts_s: Some(lasts_s) })
}

/// `--rate inf`: all requests are due at once, so their number alone can end them.
fn refuse_endless_burst(args: &LoadArgs) -> anyhow::Result<()> {
    let idle = [
        ("--arrival", args.arrival.is_some()),
        ("--burstiness", args.arrivals.burstiness.is_some()),
        ("--burst-size", args.arrivals.burst_size.is_some()),
    ];
    if let Some((flag, _)) = idle.iter().find(|(_, given)| *given) {
        return refuse(
            format!("--rate inf has no gaps, so {flag} would do nothing"),
            "leave one of them out",
        );
    }
    if args.requests.is_none() && args.duration.is_some() {
        return refuse(
            "--rate inf sends all requests at once, and --duration does not say how many",
            "add --requests N",
        );
    }
    Ok(())
}
