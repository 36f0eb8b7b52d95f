//! A distribution and its statistics: what a new one (p99.99) needs is all in this file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A distribution: percentiles by linear interpolation over the exact values.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Values.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for one value.
    pub std: f64,
    /// Smallest.
    pub min: f64,
    /// Median.
    pub p50: f64,
    /// 75th percentile.
    pub p75: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile; none under 1,000 values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p999: Option<f64>,
    /// Largest.
    pub max: f64,
    /// Relative error of the percentiles where a histogram stands in for the exact values; 0 else.
    #[serde(default)]
    pub relative_error: f64,
}

/// p99.9 of fewer values would be an interpolation towards the largest one.
const VALUES_FOR_P999: u64 = 1_000;

impl Distribution {
    /// The percentiles of so many values, and nothing else: `at` gives the value at a share of them, 0 to 1.
    pub fn of_percentiles(count: u64, at: impl Fn(f64) -> f64) -> Distribution {
        Distribution {
            p50: at(0.5),
            p75: at(0.75),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: (count >= VALUES_FOR_P999).then(|| at(0.999)),
            ..Distribution::default()
        }
    }
}

/// A metric's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MetricValue {
    /// One number.
    Scalar(f64),
    /// A distribution.
    Distribution(Distribution),
}

/// One number that stands for a metric's value: a statistic of its distribution, or the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Mean.
    Mean,
    /// Sample standard deviation.
    Std,
    /// Smallest.
    Min,
    /// Median.
    P50,
    /// 75th percentile.
    P75,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P999,
    /// Largest.
    Max,
    /// The one number of a metric that is no distribution.
    Value,
}

impl Statistic {
    /// The statistics of a distribution, in the order of CSV columns.
    pub const OF_DISTRIBUTION: [Statistic; 10] = [
        Statistic::Mean,
        Statistic::Std,
        Statistic::Min,
        Statistic::P50,
        Statistic::P75,
        Statistic::P90,
        Statistic::P95,
        Statistic::P99,
        Statistic::P999,
        Statistic::Max,
    ];

    /// The name in files: `mean`, `p50`, …; `value` for one number.
    pub fn name(self) -> &'static str {
        match self {
            Statistic::Mean => "mean",
            Statistic::Std => "std",
            Statistic::Min => "min",
            Statistic::P50 => "p50",
            Statistic::P75 => "p75",
            Statistic::P90 => "p90",
            Statistic::P95 => "p95",
            Statistic::P99 => "p99",
            Statistic::P999 => "p999",
            Statistic::Max => "max",
            Statistic::Value => "value",
        }
    }

    /// This statistic of a metric's value; none where the value has no such statistic.
    pub fn of(self, value: &MetricValue) -> Option<f64> {
        match value {
            MetricValue::Scalar(number) => (self == Statistic::Value).then_some(*number),
            MetricValue::Distribution(held) => self.of_distribution(held),
        }
    }

    /// This statistic of a distribution; none where the distribution has it not.
    pub fn of_distribution(self, held: &Distribution) -> Option<f64> {
        match self {
            Statistic::Mean => Some(held.mean),
            Statistic::Std => Some(held.std),
            Statistic::Min => Some(held.min),
            Statistic::P50 => Some(held.p50),
            Statistic::P75 => Some(held.p75),
            Statistic::P90 => Some(held.p90),
            Statistic::P95 => Some(held.p95),
            Statistic::P99 => Some(held.p99),
            Statistic::P999 => held.p999,
            Statistic::Max => Some(held.max),
            Statistic::Value => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every value of it another number, so that no statistic can be mistaken for its neighbour.
    fn whole() -> Distribution {
        Distribution {
            count: 2_000,
            mean: 3.5,
            std: 4.5,
            min: 5.5,
            max: 6.5,
            ..Distribution::of_percentiles(2_000, |share| share)
        }
    }

    #[test]
    fn each_statistic_is_the_number_that_json_holds_under_its_name() {
        let json = serde_json::to_value(whole()).unwrap();
        for statistic in Statistic::OF_DISTRIBUTION {
            assert_eq!(statistic.of_distribution(&whole()), json[statistic.name()].as_f64(), "{statistic:?}");
        }
    }

    #[test]
    fn no_statistic_of_a_distribution_is_left_out_of_the_list() {
        let json = serde_json::to_value(whole()).unwrap();
        let mut listed: BTreeSet<&str> = Statistic::OF_DISTRIBUTION.map(Statistic::name).into();
        listed.extend(["count", "relative_error"]);
        assert_eq!(json.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), listed);
    }

    #[test]
    fn a_statistic_is_written_as_its_name() {
        for statistic in Statistic::OF_DISTRIBUTION.into_iter().chain([Statistic::Value]) {
            assert_eq!(serde_json::to_value(statistic).unwrap(), statistic.name());
        }
    }

    #[test]
    fn one_number_has_a_value_and_no_percentile() {
        let one = MetricValue::Scalar(2.5);
        assert_eq!(Statistic::Value.of(&one), Some(2.5));
        assert_eq!(Statistic::P50.of(&one), None);
        assert_eq!(Statistic::Value.of(&MetricValue::Distribution(whole())), None);
    }
}
