//! Rounds of two labels → one log ratio a round, and Student's t over them.

use std::collections::BTreeMap;

use crate::schema::verdict::{Interval, ROUNDS_FOR_A_VERDICT};

use super::student;

/// Differences below this part are rounding, not measurement.
const RESOLUTION: f64 = 1e-9;
/// The power at which a difference counts as one that would have been shown.
const POWER: f64 = 0.8;
/// The difference that further rounds are counted for, a ratio.
const WANTED: f64 = 1.05;
/// More rounds than this are no advice.
const MOST_ROUNDS: u32 = 10_000;

/// Values on one scale, one a round: their number, mean and sample standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Values.
    pub rounds: u32,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation; 0 of one value.
    pub std: f64,
}

impl Spread {
    /// Of values; none without one, or where one is not finite.
    pub fn of(values: &[f64]) -> Option<Spread> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
        Some(Spread { rounds: values.len() as u32, mean, std })
    }

    /// Of the logarithms of one value over another, over the rounds that both have. None without a common round, and
    /// where a value is not positive: a figure that can be 0 has no ratio.
    pub fn of_log_ratios(label: &BTreeMap<u32, f64>, baseline: &BTreeMap<u32, f64>) -> Option<Spread> {
        let pairs = label.iter().filter_map(|(round, own)| Some((*own, *baseline.get(round)?)));
        let logs: Option<Vec<f64>> =
            pairs.map(|(own, other)| (own > 0.0 && other > 0.0).then(|| own.ln() - other.ln())).collect();
        Spread::of(&logs?)
    }

    /// The same seen from the other side.
    pub fn turned(self) -> Spread {
        Spread { mean: -self.mean, ..self }
    }

    /// Degrees of freedom.
    fn df(self) -> f64 {
        f64::from(self.rounds) - 1.0
    }

    fn standard_error(self) -> f64 {
        self.std / f64::from(self.rounds).sqrt()
    }

    /// Two-sided p value for a mean of 0; none below three rounds. Rounds that all agree decide by themselves.
    pub fn p(self) -> Option<f64> {
        if self.rounds < ROUNDS_FOR_A_VERDICT {
            return None;
        }
        if self.mean.abs() < RESOLUTION {
            return Some(1.0);
        }
        if self.std < RESOLUTION {
            return Some(0.0);
        }
        Some(student::two_sided_p(self.mean / self.standard_error(), self.df()))
    }

    /// The interval of the mean that misses it with probability `level`; none below three rounds.
    pub fn interval(self, level: f64) -> Option<Interval> {
        if self.rounds < ROUNDS_FOR_A_VERDICT {
            return None;
        }
        let half =
            if self.std > 0.0 { student::critical(level, self.df()) * self.standard_error() } else { 0.0 };
        half.is_finite().then_some(Interval { low: self.mean - half, high: self.mean + half })
    }

    /// The same as ratios, of a mean of logarithms; none where it is too wide for a number.
    pub fn ratio_interval(self, level: f64) -> Option<Interval> {
        let logs = self.interval(level)?;
        let ratios = Interval { low: logs.low.exp(), high: logs.high.exp() };
        (ratios.low > 0.0 && ratios.high.is_finite()).then_some(ratios)
    }

    /// The smallest difference, %, that so many rounds show at a level in four of five tries, where their spread is the
    /// true one.
    pub fn detectable_pct(self, level: f64) -> Option<f64> {
        if self.rounds < ROUNDS_FOR_A_VERDICT {
            return None;
        }
        let critical = student::critical(level, self.df());
        let shift = student::shift_for_power(POWER, self.df(), critical);
        let percent = ((shift * self.standard_error()).exp() - 1.0) * 100.0;
        percent.is_finite().then_some(percent)
    }

    /// Further rounds after which 5 % is shown at a level in four of five tries; none where these do already, and below
    /// three rounds, which tell too little of their spread.
    pub fn more_rounds(self, level: f64) -> Option<u32> {
        let shows = |rounds: u32| {
            let more = Spread { rounds, ..self };
            let shift = WANTED.ln() / more.standard_error();
            self.std < RESOLUTION
                || student::power(shift, more.df(), student::critical(level, more.df())) >= POWER
        };
        if self.rounds < ROUNDS_FOR_A_VERDICT || shows(self.rounds) {
            return None;
        }
        let (mut too_few, mut enough) = (self.rounds, self.rounds * 2);
        while !shows(enough) && enough < MOST_ROUNDS {
            (too_few, enough) = (enough, (enough * 2).min(MOST_ROUNDS));
        }
        while enough - too_few > 1 {
            let middle = (too_few + enough) / 2;
            if shows(middle) { enough = middle } else { too_few = middle }
        }
        Some(enough - self.rounds)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rounds(values: &[f64]) -> BTreeMap<u32, f64> {
        (1..).zip(values.iter().copied()).collect()
    }

    /// R: t.test(log(c(110, 118, 112)) − log(c(100, 102, 101))), exponentiated.
    #[test]
    fn the_ratio_of_three_rounds_is_that_of_a_paired_t_test_on_logarithms() {
        let spread =
            Spread::of_log_ratios(&rounds(&[110.0, 118.0, 112.0]), &rounds(&[100.0, 102.0, 101.0])).unwrap();
        let interval = spread.ratio_interval(0.05).unwrap();
        let logs: Vec<f64> =
            [110.0 / 100.0, 118.0 / 102.0, 112.0 / 101.0_f64].iter().map(|r| r.ln()).collect();
        let mean = logs.iter().sum::<f64>() / 3.0;
        let std = (logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
        let half = 4.302_652_73 * std / 3.0_f64.sqrt();
        assert!((interval.low - (mean - half).exp()).abs() < 1e-6);
        assert!((interval.high - (mean + half).exp()).abs() < 1e-6);
        assert!(spread.p().unwrap() < 0.05 && interval.low > 1.0);
    }

    #[test]
    fn rounds_that_only_one_side_has_are_left_out() {
        let label = BTreeMap::from([(1, 2.0), (3, 2.0), (4, 8.0)]);
        let baseline = BTreeMap::from([(1, 1.0), (2, 9.0), (3, 1.0)]);
        let spread = Spread::of_log_ratios(&label, &baseline).unwrap();
        assert_eq!((spread.rounds, spread.mean.exp().round()), (2, 2.0));
        assert_eq!((spread.p(), spread.interval(0.05), spread.detectable_pct(0.05)), (None, None, None));
    }

    #[test]
    fn a_figure_that_is_zero_negative_or_no_number_has_no_ratio() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Spread::of_log_ratios(&rounds(&[1.0, bad, 1.0]), &rounds(&[1.0; 3])), None, "{bad}");
            assert_eq!(Spread::of_log_ratios(&rounds(&[1.0; 3]), &rounds(&[1.0, bad, 1.0])), None, "{bad}");
        }
        assert_eq!(Spread::of_log_ratios(&rounds(&[1.0]), &BTreeMap::new()), None);
    }

    #[test]
    fn rounds_that_all_agree_decide_by_themselves() {
        let same = Spread::of_log_ratios(&rounds(&[7.3; 4]), &rounds(&[7.3; 4])).unwrap();
        assert_eq!(
            (same.p(), same.ratio_interval(0.05)),
            (Some(1.0), Some(Interval { low: 1.0, high: 1.0 }))
        );
        assert_eq!((same.detectable_pct(0.05), same.more_rounds(0.05)), (Some(0.0), None));
        let double = Spread::of_log_ratios(&rounds(&[0.2; 4]), &rounds(&[0.1; 4])).unwrap();
        assert_eq!(double.p(), Some(0.0));
        // A last digit that differs is no difference.
        let digit = Spread::of_log_ratios(&rounds(&[0.1 + 0.2; 3]), &rounds(&[0.3; 3])).unwrap();
        assert_eq!(digit.p(), Some(1.0));
    }

    #[test]
    fn so_many_further_rounds_as_are_asked_for_would_show_five_percent() {
        let spread = Spread { rounds: 3, mean: 0.01, std: 0.03 };
        let more = spread.more_rounds(0.05).unwrap();
        let then = |rounds| Spread { rounds, ..spread }.detectable_pct(0.05).unwrap();
        assert!(
            then(3 + more) <= 5.0 && then(3 + more - 1) > 5.0,
            "{more}: {} {}",
            then(3 + more),
            then(2 + more)
        );
        assert_eq!(Spread { std: 0.002, ..spread }.more_rounds(0.05), None, "three rounds show it");
    }
}
