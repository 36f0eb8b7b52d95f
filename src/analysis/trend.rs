//! Values over time → which of them are changes.
//!
//! A value is held against the prediction interval of the earlier values of its level: where nothing changed, the next one
//! lies at mean ± t·s·√(1 + 1/m), Student's t with m − 1 degrees of freedom (Hahn & Meeker 1991, Statistical Intervals,
//! ch. 4), on logarithms. p values are corrected over the figures of a run by Holm, and marked at 1 %: where nothing changes,
//! at most one run of a hundred is marked. A run that is off alone is no new level; two in a row on one side are.

use crate::schema::figure::Better;
use crate::schema::figure_name::Figure;
use crate::schema::trend::{TrendFigure, TrendMark};

use super::student::{holm, t_two_sided_p};

/// Earlier values that an interval needs.
const EARLIER_NEEDED: usize = 3;
/// Below this corrected p value a run is marked.
const LEVEL: f64 = 0.01;
/// A spread below this is the rounding of equal values.
const NO_SPREAD: f64 = 1e-9;

/// The values of one run that were held against each other: a value a figure, none where it has none.
pub type TrendValues = Vec<Option<f64>>;

/// Each run's figures with their changes, in the order given. `figures` name the values of every run.
pub fn trend(figures: &[Figure], runs: &[TrendValues]) -> Vec<Vec<Option<TrendFigure>>> {
    let mut levels: Vec<Level> = figures.iter().map(|figure| Level::of(*figure)).collect();
    runs.iter()
        .map(|values| {
            let scaled: Vec<Option<f64>> =
                levels.iter().zip(values).map(|(level, value)| level.scaled((*value)?)).collect();
            let own = |(level, value): (&Level, &Option<f64>)| level.p((*value)?);
            let p_values: Vec<Option<f64>> = levels.iter().zip(&scaled).map(own).collect();
            let mut corrected = holm(&p_values.iter().copied().flatten().collect::<Vec<_>>()).into_iter();
            let steps = levels.iter_mut().zip(&scaled).zip(values).zip(p_values);
            steps
                .map(|(((level, scaled), value), p)| {
                    let p = p.and_then(|_| corrected.next());
                    Some(level.step((*value)?, (*scaled)?, p))
                })
                .collect()
        })
        .collect()
}

/// The values of one figure since it last changed for good.
struct Level {
    figure: Figure,
    values: Vec<f64>,
    /// The last value, where it was off: the next one on its side makes it a new level.
    off: Option<f64>,
}

impl Level {
    fn of(figure: Figure) -> Self {
        Level { figure, values: Vec::new(), off: None }
    }

    fn is_share(&self) -> bool {
        self.figure.metric.unit == "%"
    }

    /// On the scale on which values are compared; none where it has no place there.
    fn scaled(&self, value: f64) -> Option<f64> {
        if self.is_share() { Some(value) } else { (value > 0.0).then(|| value.ln()) }
    }

    fn mean(&self) -> Option<f64> {
        let n = self.values.len();
        (n > 0).then(|| self.values.iter().sum::<f64>() / n as f64)
    }

    /// How probable it is to be so far off, where nothing changed.
    fn p(&self, value: f64) -> Option<f64> {
        let (m, mean) = (self.values.len(), self.mean()?);
        if m < EARLIER_NEEDED {
            return None;
        }
        let m = m as f64;
        let variance = self.values.iter().map(|held| (held - mean).powi(2)).sum::<f64>() / (m - 1.0);
        let spread = (variance * (1.0 + 1.0 / m)).sqrt();
        if spread < NO_SPREAD {
            return Some(f64::from((value - mean).abs() < NO_SPREAD));
        }
        t_two_sided_p((value - mean) / spread, m - 1.0)
    }

    /// Takes the next value.
    fn step(&mut self, value: f64, scaled: f64, p: Option<f64>) -> TrendFigure {
        let difference = self.mean().map(|mean| scaled - mean);
        let change_pct = difference.map(|by| if self.is_share() { by } else { 100.0 * by.exp_m1() });
        let is_off = p.is_some_and(|p| p <= LEVEL);
        let mark = difference.filter(|_| is_off).map(|by| match (self.figure.metric.better, by > 0.0) {
            (Better::Lower, false) | (Better::Higher, true) => TrendMark::Better,
            (Better::Lower, true) | (Better::Higher, false) => TrendMark::Worse,
        });
        let mean = self.mean().unwrap_or(scaled);
        match (is_off, self.off) {
            (false, _) => {
                self.values.push(scaled);
                self.off = None;
            }
            (true, Some(before)) if (before > mean) == (scaled > mean) => {
                self.values = vec![before, scaled];
                self.off = None;
            }
            (true, _) => self.off = Some(scaled),
        }
        TrendFigure { value, change_pct, p, mark }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::figure_name::figure_named;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn marks(name: &str, values: &[f64]) -> Vec<Option<TrendMark>> {
        let runs: Vec<TrendValues> = values.iter().map(|value| vec![Some(*value)]).collect();
        let trend = trend(&[figure_named(name).unwrap()], &runs);
        trend.iter().map(|run| run[0].unwrap().mark).collect()
    }

    #[test]
    fn a_step_is_marked_until_it_is_the_new_level_and_in_the_figures_own_direction() {
        let values = [100.0, 101.0, 99.0, 100.5, 80.0, 81.0, 80.5, 79.5, 80.2, 100.0];
        let worse = Some(TrendMark::Worse);
        let expected = [None, None, None, None, worse, worse, None, None, None, Some(TrendMark::Better)];
        assert_eq!(marks("output_tps", &values), expected);
        assert_eq!(marks("ttft_p99", &values)[4], Some(TrendMark::Better));
    }

    #[test]
    fn a_run_that_is_off_alone_is_no_new_level() {
        let values = [100.0, 101.0, 99.0, 100.5, 50.0, 100.2, 99.5, 50.0];
        let marked: Vec<usize> =
            (0..values.len()).filter(|place| marks("output_tps", &values)[*place].is_some()).collect();
        assert_eq!(marked, [4, 7]);
    }

    #[test]
    fn fewer_than_three_earlier_runs_mark_nothing_and_a_share_may_be_0() {
        assert_eq!(marks("output_tps", &[100.0, 100.0, 1.0]), [None; 3]);
        assert_eq!(marks("error_rate", &[0.0, 0.0, 0.0, 0.0, 3.0])[4], Some(TrendMark::Worse));
    }

    #[test]
    fn a_run_without_a_value_is_passed_over() {
        let figures = [figure_named("output_tps").unwrap(), figure_named("ttft_p50").unwrap()];
        let runs = [vec![Some(1.0), None], vec![None, Some(2.0)], vec![Some(f64::MIN_POSITIVE), Some(0.0)]];
        let trend = trend(&figures, &runs);
        assert!(trend[0][0].is_some() && trend[0][1].is_none() && trend[1][0].is_none());
        assert!(trend[2][1].is_none(), "0 has no logarithm");
    }

    /// Three figures of 200 runs in which nothing changes, 100 times: at most one run of a hundred is marked.
    #[test]
    fn where_nothing_changes_at_most_one_run_of_a_hundred_is_marked() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let figures = ["output_tps", "ttft_p50", "ttft_p99"].map(|name| figure_named(name).unwrap());
        let mut noise = || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let mut marked = 0;
        for _ in 0..100 {
            let runs: Vec<TrendValues> =
                (0..200).map(|_| (0..3).map(|_| Some((0.03 * noise()).exp())).collect()).collect();
            let is_marked = |run: &&Vec<Option<TrendFigure>>| run.iter().any(|of| of.unwrap().mark.is_some());
            marked += trend(&figures, &runs).iter().filter(is_marked).count();
        }
        assert!((60..=220).contains(&marked), "{marked} of 20,000");
    }
}
