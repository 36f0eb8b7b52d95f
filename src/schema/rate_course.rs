//! A rate that changes with time: pieces, each with a rate from its beginning to its end and a law of gaps.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A law of gaps whose mean is 1; the rate makes times of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "law", rename_all = "snake_case")]
pub enum Gaps {
    /// Exponential, as independent users make them.
    #[default]
    Poisson,
    /// Equal.
    Constant,
    /// Gamma of shape `burstiness`: 1 is Poisson, less is burstier, more is more even.
    Gamma {
        /// The shape.
        burstiness: f64,
    },
    /// So many together, then a gap of as many.
    Bursts {
        /// Requests at once.
        size: NonZeroU32,
    },
}

/// How a rate goes from its first to its last value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// `rate(t) = from + (to - from) * t/for`
    #[default]
    Linear,
    /// `rate(t) = from * (to/from)^(t/for)`
    Exponential,
}

/// A stretch of time with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Piece {
    /// Its length, s.
    pub for_s: f64,
    /// Requests per second at its beginning; 0: none.
    pub from_rate_per_s: f64,
    /// Requests per second at its end.
    pub to_rate_per_s: f64,
    /// How the rate gets there.
    #[serde(default)]
    pub curve: Curve,
    /// The law of the gaps that begin in it.
    #[serde(flatten)]
    pub gaps: Gaps,
}

impl Piece {
    /// At one rate throughout.
    pub fn steady(for_s: f64, rate: f64, gaps: Gaps) -> Piece {
        Piece { for_s, from_rate_per_s: rate, to_rate_per_s: rate, curve: Curve::Linear, gaps }
    }

    /// Mean requests due in its first `seconds`: the integral of its rate.
    pub fn requests_in(&self, seconds: f64) -> f64 {
        let (from, to, share) = (self.from_rate_per_s, self.to_rate_per_s, seconds / self.for_s);
        match self.growth() {
            None => (from + (to - from) * share / 2.0) * seconds,
            Some(growth) => from * self.for_s / growth * (growth * share).exp_m1(),
        }
    }

    /// Mean requests due in it.
    pub fn requests(&self) -> f64 {
        self.requests_in(self.for_s)
    }

    /// The time in it, s, before which `requests` are due in the mean: [`Piece::requests_in`] the other way round.
    pub fn time_of(&self, requests: f64) -> f64 {
        let from = self.from_rate_per_s;
        let seconds = match self.growth() {
            None => {
                let slope = (self.to_rate_per_s - from) / self.for_s;
                let root = (from * from + 2.0 * slope * requests).max(0.0).sqrt();
                // Not the school's formula, which subtracts two near numbers where the rate hardly changes.
                if requests <= 0.0 { 0.0 } else { 2.0 * requests / (from + root) }
            }
            Some(growth) => (requests * growth / (from * self.for_s)).ln_1p() * self.for_s / growth,
        };
        seconds.clamp(0.0, self.for_s)
    }

    /// Logarithm of the last rate over the first; none of a line, nor where they are so near that it is one.
    fn growth(&self) -> Option<f64> {
        match self.curve {
            Curve::Linear => None,
            Curve::Exponential => {
                Some((self.to_rate_per_s / self.from_rate_per_s).ln()).filter(|growth| growth.abs() > 1e-9)
            }
        }
    }
}

/// A few words: `1/s for 30 s`, `1 to 10/s over 60 s`.
impl std::fmt::Display for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to, for_s) = (self.from_rate_per_s, self.to_rate_per_s, self.for_s);
        match self.curve {
            _ if from == to => write!(f, "{from}/s for {for_s} s"),
            Curve::Linear => write!(f, "{from} to {to}/s over {for_s} s"),
            Curve::Exponential => write!(f, "{from} to {to}/s over {for_s} s, exponentially"),
        }
    }
}

/// One word or a few: `Poisson`, `gamma of burstiness 0.5`.
impl std::fmt::Display for Gaps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Gaps::Poisson => f.write_str("Poisson"),
            Gaps::Constant => f.write_str("constant"),
            Gaps::Gamma { burstiness } => write!(f, "gamma of burstiness {burstiness}"),
            Gaps::Bursts { size } => write!(f, "bursts of {size}"),
        }
    }
}

/// Pieces in a few words: all where they are few, else their number and range; the law where it is one.
pub fn words(pieces: &[Piece], f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    const FEW: usize = 3;
    if pieces.len() <= FEW {
        let all: Vec<String> = pieces.iter().map(Piece::to_string).collect();
        write!(f, "{}", all.join(", "))?;
    } else {
        let (least, most, seconds) =
            pieces.iter().fold((f64::INFINITY, 0.0, 0.0), |(least, most, s), piece| {
                let (low, high) = (
                    piece.from_rate_per_s.min(piece.to_rate_per_s),
                    piece.from_rate_per_s.max(piece.to_rate_per_s),
                );
                (f64::min(least, low), f64::max(most, high), s + piece.for_s)
            });
        write!(f, "{} pieces of {least} to {most}/s over {seconds} s", pieces.len())?;
    }
    match pieces.first() {
        Some(first) if pieces.iter().all(|piece| piece.gaps == first.gaps) => write!(f, ", {}", first.gaps),
        Some(_) => f.write_str(", laws of their own"),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_number_of_requests_is_the_other_way_round_of_the_requests_in_a_time() {
        for (from, to, curve) in [
            (1.0, 10.0, Curve::Linear),
            (0.0, 5.0, Curve::Linear),
            (5.0, 0.0, Curve::Linear),
            (3.0, 3.0, Curve::Linear),
            (3.0, 3.0 + 1e-12, Curve::Linear),
            (1.0, 64.0, Curve::Exponential),
            (64.0, 1.0, Curve::Exponential),
            (2.0, 2.0, Curve::Exponential),
        ] {
            let piece = Piece { curve, to_rate_per_s: to, ..Piece::steady(40.0, from, Gaps::Poisson) };
            for step in 0..=100 {
                let seconds = f64::from(step) * 0.4;
                let back = piece.time_of(piece.requests_in(seconds));
                assert!((back - seconds).abs() < 1e-5, "{piece}: {seconds} s gave {back}");
            }
            let thin = (0..400_000).map(|step| {
                let share = (f64::from(step) + 0.5) / 400_000.0;
                match curve {
                    Curve::Linear => from + (to - from) * share,
                    Curve::Exponential => from * (to / from).powf(share),
                }
            });
            let summed = thin.sum::<f64>() * 1e-4;
            assert!((piece.requests() - summed).abs() < 1e-6 * summed.max(1.0), "{piece}: {summed}");
        }
    }

    #[test]
    fn pieces_say_what_they_are_and_many_their_range() {
        struct Shown(Vec<Piece>);
        impl std::fmt::Display for Shown {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                words(&self.0, f)
            }
        }
        let step = |rate| Piece::steady(30.0, rate, Gaps::Poisson);
        let of = |pieces: &[Piece]| Shown(pieces.to_vec()).to_string();
        assert_eq!(of(&[step(1.0), step(5.0)]), "1/s for 30 s, 5/s for 30 s, Poisson");
        assert_eq!(
            of(&[step(1.0), step(5.0), step(0.0), step(2.0)]),
            "4 pieces of 0 to 5/s over 120 s, Poisson"
        );
        let ramp = Piece { to_rate_per_s: 9.0, gaps: Gaps::Constant, ..step(1.0) };
        assert_eq!(of(&[ramp]), "1 to 9/s over 30 s, constant");
        assert_eq!(of(&[ramp, step(1.0)]), "1 to 9/s over 30 s, 1/s for 30 s, laws of their own");
        let json = serde_json::to_string(&ramp).unwrap();
        assert_eq!(
            json,
            r#"{"for_s":30.0,"from_rate_per_s":1.0,"to_rate_per_s":9.0,"curve":"linear","law":"constant"}"#
        );
        assert_eq!(serde_json::from_str::<Piece>(&json).unwrap(), ramp);
    }
}
