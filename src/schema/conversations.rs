//! What is made of the units before they are played: how many turns they have, when a turn comes, which model is asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::seeds::{Draw, Seeds, unit_interval};

/// Turns that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Conversations {
    /// Some unit has a second turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several_turns: bool,
    /// At most so many turns of each; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_turns: Option<u32>,
    /// Between the end of an answer and the turn behind it; none: what the dataset says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think_time: Option<ThinkTime>,
}

impl Conversations {
    /// One turn each, or what the dataset says: nothing to be written down.
    pub fn is_plain(&self) -> bool {
        *self == Conversations::default()
    }
}

/// How long a user thinks before a further turn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "law", rename_all = "snake_case")]
pub enum ThinkTime {
    /// Always as long.
    Fixed {
        /// s
        seconds: f64,
    },
    /// Exponential.
    Exponential {
        /// Mean, s.
        mean_s: f64,
    },
    /// Any time between two.
    Uniform {
        /// s
        from_s: f64,
        /// s
        to_s: f64,
    },
}

impl ThinkTime {
    /// Seconds before a turn (from 1, the second) of the k-th unit: a pure function of both and the seed of requests.
    pub fn seconds(self, seeds: Seeds, k: u64, turn: u64) -> f64 {
        let share =
            unit_interval(seeds.draw(Draw::ThinkTime, k.wrapping_mul(0x1_0000_0001).wrapping_add(turn)));
        match self {
            ThinkTime::Fixed { seconds } => seconds,
            ThinkTime::Exponential { mean_s } => -mean_s * (-share).ln_1p(),
            ThinkTime::Uniform { from_s, to_s } => from_s + (to_s - from_s) * share,
        }
    }

    /// Chance has a part in it.
    pub fn is_random(self) -> bool {
        match self {
            ThinkTime::Fixed { .. } => false,
            ThinkTime::Exponential { .. } | ThinkTime::Uniform { .. } => true,
        }
    }
}

/// `2 s`, `exponential of mean 2 s`
impl std::fmt::Display for ThinkTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ThinkTime::Fixed { seconds } => write!(f, "{seconds} s"),
            ThinkTime::Exponential { mean_s } => write!(f, "exponential of mean {mean_s} s"),
            ThinkTime::Uniform { from_s, to_s } => write!(f, "{from_s} to {to_s} s"),
        }
    }
}

/// Several models behind one URL, each asked by its share of the units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficSplit {
    /// At least one; their shares add up to 1.
    pub models: Vec<ModelShare>,
}

/// A model and how much of the traffic it gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelShare {
    /// As the server calls it.
    pub model: String,
    /// Of the units, 0 to 1.
    pub share: f64,
}

impl TrafficSplit {
    /// The place of the k-th unit's model in the list: a pure function of the seed of requests and k.
    pub fn place(&self, seeds: Seeds, k: u64) -> usize {
        let drawn = unit_interval(seeds.draw(Draw::Model, k));
        let mut below = 0.0;
        let passed = self.models.iter().take_while(|model| {
            below += model.share;
            below <= drawn
        });
        // The shares may add up to a little less than 1.
        passed.count().min(self.models.len().saturating_sub(1))
    }

    /// The k-th unit's model.
    pub fn model(&self, seeds: Seeds, k: u64) -> Option<&str> {
        self.models.get(self.place(seeds, k)).map(|model| model.model.as_str())
    }
}

/// `a 90 %, b 10 %`
impl std::fmt::Display for TrafficSplit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |model: &ModelShare| format!("{} {} %", model.model, (model.share * 1e4).round() / 100.0);
        f.write_str(&self.models.iter().map(share).collect::<Vec<String>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_get_their_shares_and_another_seed_deals_them_otherwise() {
        let share = |model: &str, share| ModelShare { model: model.to_owned(), share };
        let split = TrafficSplit { models: vec![share("a", 0.7), share("b", 0.2), share("c", 0.1)] };
        let dealt = |seed| (0..100_000).map(|k| split.place(Seeds::of(seed), k)).collect::<Vec<usize>>();
        let first = dealt(1);
        let chi_square: f64 = [7e4, 2e4, 1e4].iter().enumerate().fold(0.0, |sum, (place, expected)| {
            let seen = first.iter().filter(|dealt| **dealt == place).count() as f64;
            sum + (seen - expected).powi(2) / expected
        });
        assert!(chi_square < 13.8, "{chi_square} of 2 degrees of freedom, at 0.1 %");
        assert_eq!(first, dealt(1));
        assert_ne!(first, dealt(2));
        assert_eq!(split.to_string(), "a 70 %, b 20 %, c 10 %");
        let nothing = TrafficSplit { models: vec![share("a", 0.0), share("b", 1.0)] };
        assert!((0..1000).all(|k| nothing.model(Seeds::of(3), k) == Some("b")));
    }

    #[test]
    fn think_times_follow_their_law_and_differ_from_turn_to_turn() {
        let times =
            |law: ThinkTime| (0..100_000).map(|k| law.seconds(Seeds::of(5), k, 1)).collect::<Vec<f64>>();
        let exponential = times(ThinkTime::Exponential { mean_s: 2.0 });
        let mean = exponential.iter().sum::<f64>() / 1e5;
        let above = exponential.iter().filter(|time| **time > 2.0 * 10.0_f64.ln()).count() as f64;
        assert!(
            (mean - 2.0).abs() < 0.03 && (above / 1e4 - 1.0).abs() < 0.05,
            "mean {mean}, {above} of 1 in 10"
        );
        let uniform = times(ThinkTime::Uniform { from_s: 1.0, to_s: 3.0 });
        assert!(uniform.iter().all(|time| (1.0..3.0).contains(time)));
        assert!((uniform.iter().sum::<f64>() / 1e5 - 2.0).abs() < 0.01);
        let of = |k, turn| ThinkTime::Exponential { mean_s: 2.0 }.seconds(Seeds::of(5), k, turn);
        assert!(of(3, 1) != of(3, 2) && of(3, 1) != of(4, 1) && of(3, 1) == of(3, 1));
        assert_eq!(ThinkTime::Fixed { seconds: 2.0 }.seconds(Seeds::of(1), 9, 9), 2.0);
    }
}
