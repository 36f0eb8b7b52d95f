//! The numbers that Google's inference-benchmark gives of a set of values.

use serde_json::{Map, Value, json};

use crate::schema::summary::Distribution;

/// Seven numbers of a set of values; zeros of an empty one, as that tool has it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Stats {
    mean: f64,
    median: f64,
    sd: f64,
    min: f64,
    max: f64,
    p90: f64,
    p99: f64,
}

impl Stats {
    /// As numpy has them: percentiles by linear interpolation, `sd` over n.
    pub(super) fn of(mut values: Vec<f64>) -> Stats {
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first().copied(), values.last().copied()) else {
            return Stats::default();
        };
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        let at = |share: f64| {
            let place = share * (n - 1.0);
            let below = values.get(place.floor() as usize).copied().unwrap_or(max);
            let above = values.get(place.ceil() as usize).copied().unwrap_or(max);
            below + (above - below) * place.fract()
        };
        Stats { mean, median: at(0.5), sd, min, max, p90: at(0.9), p99: at(0.99) }
    }

    fn named(&self) -> [(&'static str, f64); 7] {
        [
            ("mean", self.mean),
            ("median", self.median),
            ("sd", self.sd),
            ("min", self.min),
            ("max", self.max),
            ("p90", self.p90),
            ("p99", self.p99),
        ]
    }

    /// `avg_latency_ms`, `median_latency_ms`, …
    pub(super) fn flat(&self, name: &str) -> Map<String, Value> {
        let key = |statistic: &str| format!("{}_{name}", if statistic == "mean" { "avg" } else { statistic });
        self.named().into_iter().map(|(statistic, value)| (key(statistic), json!(value))).collect()
    }

    pub(super) fn nested(&self) -> Value {
        self.named().into_iter().map(|(statistic, value)| (statistic.to_owned(), json!(value))).collect()
    }
}

impl From<&Distribution> for Stats {
    fn from(held: &Distribution) -> Stats {
        Stats {
            mean: held.mean,
            median: held.p50,
            sd: held.std,
            min: held.min,
            max: held.max,
            p90: held.p90,
            p99: held.p99,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_numbers_are_those_of_numpy() {
        // np.median, np.std, np.percentile(…, 90) and 99 of [7, 1, 2, 4].
        let stats = Stats::of(vec![7.0, 1.0, 2.0, 4.0]);
        assert_eq!((stats.mean, stats.median, stats.min, stats.max), (3.5, 3.0, 1.0, 7.0));
        let near = |left: f64, right: f64| assert!((left - right).abs() < 1e-12, "{left} {right}");
        near(stats.sd, 5.25_f64.sqrt());
        near(stats.p90, 6.1);
        near(stats.p99, 6.91);
        assert_eq!(Stats::of(Vec::new()), Stats::default());
    }
}
