//! When requests start, and until when.

use std::num::{NonZeroU32, NonZeroU64};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rate_course::{self, Gaps, Piece};
use super::trace::TraceArrivals;

/// When requests start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "loop", rename_all = "snake_case")]
pub enum Traffic {
    /// Each slot starts a request when its last one has ended: as many are always in flight.
    Closed {
        /// Requests in flight.
        slots: NonZeroU32,
        /// How the slots start their first requests.
        ramp: Ramp,
    },
    /// Requests start when they are due, whether or not earlier ones have ended.
    Open {
        /// The law of the due times.
        arrivals: Arrivals,
        /// The most requests in flight; what is due beyond them waits. None: no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cap: Option<NonZeroU32>,
    },
}

impl Traffic {
    /// The most requests in flight; none: no limit.
    pub fn concurrency(&self) -> Option<u32> {
        match self {
            Traffic::Closed { slots, .. } => Some(slots.get()),
            Traffic::Open { cap, .. } => cap.map(NonZeroU32::get),
        }
    }

    /// Mean requests per second of an open loop; none for a closed one, and where all are due at once.
    pub fn rate(&self) -> Option<f64> {
        match self {
            Traffic::Closed { .. } => None,
            Traffic::Open { arrivals, .. } => arrivals.mean_rate(),
        }
    }

    /// Requests do not wait for earlier ones.
    pub fn is_open(&self) -> bool {
        match self {
            Traffic::Closed { .. } => false,
            Traffic::Open { .. } => true,
        }
    }
}

/// A few words: `concurrency 8`, `Poisson 4/s, at most 32 in flight`.
impl std::fmt::Display for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Traffic::Closed { slots, .. } => write!(f, "concurrency {slots}"),
            Traffic::Open { arrivals, cap: None } => write!(f, "{arrivals}"),
            Traffic::Open { arrivals, cap: Some(cap) } => write!(f, "{arrivals}, at most {cap} in flight"),
        }
    }
}

/// A law of due times. The k-th request (from 0) is due `t(k)` seconds after the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "pattern", rename_all = "snake_case")]
pub enum Arrivals {
    /// Independent users: `t(k) = t(k-1) + E/rate`, `E` exponential with mean 1, from the seed.
    ///
    /// ```text
    /// requests due
    ///   4 │          ┌──
    ///   3 │      ┌───┘
    ///   2 │     ┌┘
    ///   1 │  ┌──┘
    ///   0 └──┴───────────── time
    /// ```
    Poisson {
        /// Mean requests per second.
        #[serde(rename = "rate_per_s")]
        rate: f64,
    },
    /// Equal gaps: `t(k) = k/rate`.
    ///
    /// ```text
    /// requests due
    ///   4 │         ┌───
    ///   3 │      ┌──┘
    ///   2 │   ┌──┘
    ///   1 ├───┘
    ///   0 └──────────────── time
    /// ```
    Constant {
        /// Requests per second.
        #[serde(rename = "rate_per_s")]
        rate: f64,
    },
    /// No gaps: `t(k) = 0`. The load must be bounded by requests.
    ///
    /// ```text
    /// requests due
    ///   4 ├──────────────
    ///   3 │
    ///   2 │
    ///   1 │
    ///   0 └──────────────── time
    /// ```
    AllAtOnce,
    /// As a trace has it: `t(k)` is the time of its k-th request after its first, over the speed. The units bring the
    /// times: [`Units::due_us`](super::unit::Units::due_us).
    ///
    /// ```text
    /// requests due
    ///   4 │        ┌─────
    ///   3 │        │
    ///   2 │      ┌─┘
    ///   1 ├──────┘
    ///   0 └──────────────── time
    /// ```
    Trace(TraceArrivals),
    /// Gamma gaps: `t(k) = t(k-1) + G/(burstiness*rate)`, `G` gamma of shape `burstiness` and scale 1, from the seed.
    /// The mean rate is `rate` whatever the burstiness; the gaps' coefficient of variation is
    /// `1/sqrt(burstiness)`. 1 is Poisson, less is burstier, more is more even. As vLLM's benchmark defines it.
    ///
    /// ```text
    /// requests due        burstiness 0.2
    ///   4 │           ┌────
    ///   3 │          ┌┘
    ///   2 │  ┌───────┘
    ///   1 │ ┌┘
    ///   0 └─┴────────────── time
    /// ```
    Gamma {
        /// Mean requests per second.
        #[serde(rename = "rate_per_s")]
        rate: f64,
        /// Shape of the gaps.
        burstiness: f64,
    },
    /// So many at once, again and again: `t(k) = every * floor(k/size)`.
    ///
    /// ```text
    /// requests due        size 2
    ///   4 │             ┌────
    ///   3 │             │
    ///   2 ├─────────────┘
    ///   1 │
    ///   0 └──────────────── time
    ///     0           every
    /// ```
    Bursts {
        /// Requests at once.
        size: NonZeroU32,
        /// Seconds from one burst to the next.
        every_s: f64,
    },
    /// A rate that changes with time, in pieces one behind the other: ramps, steps, a schedule from a file. With
    /// `R(t)` the integral of the rate from 0 to `t` and `s(k) = s(k-1) + g`, `g` a gap of mean 1 by the law of the
    /// piece in which the one before lies: `R(t(k)) = s(k)`. For Poisson gaps that is the Poisson process of that
    /// rate; for constant ones the k-th is due when k are due in the mean. After the last piece none is due.
    ///
    /// ```text
    /// requests due        a ramp, constant gaps
    ///   4 │            ┌─┐
    ///   3 │         ┌──┘
    ///   2 │     ┌───┘
    ///   1 ├─────┘
    ///   0 └──────────────── time
    /// ```
    Pieces {
        /// In order.
        pieces: Vec<Piece>,
    },
}

impl Arrivals {
    /// Mean requests per second; none where all are due at once.
    pub fn mean_rate(&self) -> Option<f64> {
        match self {
            Arrivals::Poisson { rate } | Arrivals::Constant { rate } | Arrivals::Gamma { rate, .. } => {
                Some(*rate)
            }
            Arrivals::Bursts { size, every_s } => Some(f64::from(size.get()) / every_s),
            Arrivals::Pieces { pieces } => {
                let seconds: f64 = pieces.iter().map(|piece| piece.for_s).sum();
                Some(pieces.iter().map(Piece::requests).sum::<f64>() / seconds)
            }
            Arrivals::AllAtOnce => None,
            Arrivals::Trace(trace) => trace.rate_per_s,
        }
    }

    /// The highest of the rates that it has in turn, requests per second; none where all are due at once.
    pub fn peak_rate(&self) -> Option<f64> {
        match self {
            Arrivals::Pieces { pieces } => {
                let rates = pieces.iter().flat_map(|piece| [piece.from_rate_per_s, piece.to_rate_per_s]);
                Some(rates.fold(0.0, f64::max))
            }
            Arrivals::Poisson { .. }
            | Arrivals::Constant { .. }
            | Arrivals::Gamma { .. }
            | Arrivals::Bursts { .. }
            | Arrivals::AllAtOnce => self.mean_rate(),
            Arrivals::Trace(trace) => trace.peak_per_s,
        }
    }

    /// The most requests that the law makes due at one instant; none: all of them.
    pub fn at_once(&self) -> Option<u64> {
        match self {
            Arrivals::Poisson { .. } | Arrivals::Constant { .. } | Arrivals::Gamma { .. } => Some(1),
            Arrivals::Bursts { size, .. } => Some(u64::from(size.get())),
            Arrivals::Pieces { pieces } => {
                let size = |piece: &Piece| match piece.gaps {
                    Gaps::Bursts { size } => u64::from(size.get()),
                    Gaps::Poisson | Gaps::Constant | Gaps::Gamma { .. } => 1,
                };
                Some(pieces.iter().map(size).max().unwrap_or(1))
            }
            Arrivals::AllAtOnce => None,
            Arrivals::Trace(trace) => Some(trace.at_once),
        }
    }

    /// The same law at another mean rate; where all are due at once, and of a trace, Poisson.
    pub fn at_rate(&self, rate: f64) -> Arrivals {
        match self {
            Arrivals::Poisson { .. } | Arrivals::AllAtOnce | Arrivals::Trace(_) => Arrivals::Poisson { rate },
            Arrivals::Constant { .. } => Arrivals::Constant { rate },
            Arrivals::Gamma { burstiness, .. } => Arrivals::Gamma { rate, burstiness: *burstiness },
            Arrivals::Bursts { size, .. } => {
                Arrivals::Bursts { size: *size, every_s: f64::from(size.get()) / rate }
            }
            Arrivals::Pieces { pieces } => {
                let scale = rate / self.mean_rate().unwrap_or(rate);
                let scaled = |piece: &Piece| Piece {
                    from_rate_per_s: piece.from_rate_per_s * scale,
                    to_rate_per_s: piece.to_rate_per_s * scale,
                    ..*piece
                };
                Arrivals::Pieces { pieces: pieces.iter().map(scaled).collect() }
            }
        }
    }
}

/// A few words: `Poisson 4/s`.
impl std::fmt::Display for Arrivals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Arrivals::Poisson { rate } => write!(f, "Poisson {rate}/s"),
            Arrivals::Constant { rate } => write!(f, "constant {rate}/s"),
            Arrivals::AllAtOnce => f.write_str("all at once"),
            Arrivals::Trace(trace) => write!(f, "{trace}"),
            Arrivals::Gamma { rate, burstiness } => write!(f, "gamma {rate}/s of burstiness {burstiness}"),
            Arrivals::Bursts { size, every_s } => write!(f, "bursts of {size} every {every_s} s"),
            Arrivals::Pieces { pieces } => rate_course::words(pieces, f),
        }
    }
}

/// How the slots of a closed loop start their first requests: evenly over a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ramp {
    /// The lesser of 1 s and half the E2E latency of the first request that completes.
    Automatic,
    /// So many seconds.
    DurationS(f64),
}

/// When a load ends: after so many requests, so many seconds, or what comes first. It has at least one
/// bound: without any it cannot be made, nor read from a file.
///
/// The bound in requests counts first turns: so many units begin, and a unit that has begun plays its further
/// turns too. Where units have one turn each, as those of a plain dataset do, it is the number of requests. A
/// further turn comes when the one before it has completed, its pause is over and the seconds are not up. One
/// that does not come is not issued and leaves no record, so that issued = completed + failed + cancelled +
/// dropped holds for what did come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Bounds")]
pub struct Until {
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_s: Option<f64>,
}

/// Bounds that end no load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoEnd {
    /// Neither bound.
    #[error("a load needs an end: a number of requests, a duration, or both")]
    Unbounded,
    /// A duration that is no time.
    #[error("the duration of a load must be more than 0 seconds")]
    Duration,
}

/// [`Until`] as it stands in a file.
#[derive(Deserialize, JsonSchema)]
struct Bounds {
    requests: Option<NonZeroU64>,
    duration_s: Option<f64>,
}

impl TryFrom<Bounds> for Until {
    type Error = NoEnd;

    fn try_from(bounds: Bounds) -> Result<Until, NoEnd> {
        Until::new(bounds.requests, bounds.duration_s)
    }
}

impl Until {
    /// Ends after `requests` or `duration_s` seconds, whichever comes first.
    ///
    /// # Errors
    /// Neither is given, or the duration is not a finite time above 0.
    pub fn new(requests: Option<NonZeroU64>, duration_s: Option<f64>) -> Result<Until, NoEnd> {
        match (requests, duration_s) {
            (None, None) => Err(NoEnd::Unbounded),
            (_, Some(seconds)) if !(seconds.is_finite() && seconds > 0.0) => Err(NoEnd::Duration),
            (requests, duration_s) => Ok(Until { requests, duration_s }),
        }
    }

    /// Ends after `requests`.
    pub fn after_requests(requests: NonZeroU64) -> Until {
        Until { requests: Some(requests), duration_s: None }
    }

    /// The bound in requests; none: by duration alone.
    pub fn requests(self) -> Option<u64> {
        self.requests.map(NonZeroU64::get)
    }

    /// The bound in seconds; none: by requests alone.
    pub fn duration_s(self) -> Option<f64> {
        self.duration_s
    }
}

/// Sent before the window opens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// So many requests; 0 sends none.
    Requests(u64),
    /// For so many seconds.
    DurationS(f64),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_load_without_an_end_can_neither_be_made_nor_read() {
        assert_eq!(Until::new(None, None), Err(NoEnd::Unbounded));
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Until::new(NonZeroU64::new(3), Some(seconds)), Err(NoEnd::Duration), "{seconds}");
        }
        let read = |json: &str| serde_json::from_str::<Until>(json);
        for json in ["{}", r#"{"requests":0}"#, r#"{"duration_s":0.0}"#, r#"{"requests":null}"#] {
            assert!(read(json).is_err(), "{json}");
        }
        let until = read(r#"{"requests":3}"#).unwrap();
        assert_eq!((until.requests(), until.duration_s()), (Some(3), None));
        let both = Until::new(NonZeroU64::new(3), Some(1.5)).unwrap();
        assert_eq!(serde_json::to_string(&both).unwrap(), r#"{"requests":3,"duration_s":1.5}"#);
    }

    #[test]
    fn a_closed_loop_without_slots_cannot_be_read() {
        let read = |json: &str| serde_json::from_str::<Traffic>(json);
        assert!(read(r#"{"loop":"closed","ramp":"automatic"}"#).is_err());
        assert!(read(r#"{"loop":"closed","slots":0,"ramp":"automatic"}"#).is_err());
        let closed = Traffic::Closed { slots: NonZeroU32::MIN, ramp: Ramp::DurationS(0.5) };
        let json = r#"{"loop":"closed","slots":1,"ramp":{"duration_s":0.5}}"#;
        assert_eq!(serde_json::to_string(&closed).unwrap(), json);
        assert_eq!(read(json).unwrap(), closed);
    }

    #[test]
    fn the_laws_say_their_rate_and_their_name() {
        let open = |arrivals, cap| Traffic::Open { arrivals, cap: NonZeroU32::new(cap) };
        let poisson = open(Arrivals::Poisson { rate: 4.0 }, 32);
        assert_eq!(
            (poisson.to_string(), poisson.rate()),
            ("Poisson 4/s, at most 32 in flight".into(), Some(4.0))
        );
        let json = r#"{"loop":"open","arrivals":{"pattern":"poisson","rate_per_s":4.0},"cap":32}"#;
        assert_eq!(serde_json::to_string(&poisson).unwrap(), json);
        let all = open(Arrivals::AllAtOnce, 0);
        assert_eq!((all.to_string(), all.rate(), all.is_open()), ("all at once".into(), None, true));
        let words = |arrivals: Arrivals| (arrivals.to_string(), arrivals.mean_rate(), arrivals.at_once());
        let gamma = Arrivals::Gamma { rate: 4.0, burstiness: 0.5 };
        assert_eq!(words(gamma), ("gamma 4/s of burstiness 0.5".into(), Some(4.0), Some(1)));
        let bursts = Arrivals::Bursts { size: NonZeroU32::new(10).unwrap(), every_s: 4.0 };
        assert_eq!(words(bursts), ("bursts of 10 every 4 s".into(), Some(2.5), Some(10)));
        let ramp = Piece { to_rate_per_s: 9.0, ..Piece::steady(10.0, 1.0, Gaps::Poisson) };
        let pieces = Arrivals::Pieces { pieces: vec![ramp, Piece::steady(10.0, 1.0, Gaps::Poisson)] };
        let said = "1 to 9/s over 10 s, 1/s for 10 s, Poisson".to_owned();
        assert_eq!(words(pieces.clone()), (said, Some(3.0), Some(1)));
        assert_eq!((pieces.peak_rate(), pieces.at_rate(6.0).peak_rate()), (Some(9.0), Some(18.0)));
        let constant = open(Arrivals::Constant { rate: 0.5 }, 0);
        assert_eq!((constant.to_string(), constant.concurrency()), ("constant 0.5/s".into(), None));
    }
}
