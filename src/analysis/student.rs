//! Student's t, and Holm's correction: what every verdict here is made with.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The value below which Student's t with `df` degrees of freedom lies with probability `p`; none where `df` or `p`
/// is out of its range.
pub(super) fn t_quantile(p: f64, df: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, df).ok()?;
    (p > 0.0 && p < 1.0).then(|| t.inverse_cdf(p)).filter(|quantile| quantile.is_finite())
}

/// How probable it is that Student's t with `df` degrees of freedom lies at least as far from 0 as `t`; none where `df`
/// is out of its range or `t` no number.
pub(super) fn t_two_sided_p(t: f64, df: f64) -> Option<f64> {
    let distribution = StudentsT::new(0.0, 1.0, df).ok()?;
    (!t.is_nan()).then(|| (2.0 * distribution.cdf(-t.abs())).clamp(0.0, 1.0))
}

/// The p values after Holm's step-down correction, in the order given: at a level of 5 % the chance to call any of
/// them real where none is stays at most 5 %, however they depend on each other. (Holm 1979, Scandinavian Journal of
/// Statistics 6, 65–70.)
pub(super) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    let p = |place: usize| p_values.get(place).copied().unwrap_or(1.0);
    order.sort_by(|left, right| p(*left).total_cmp(&p(*right)));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max(p(place) * (p_values.len() - rank) as f64).min(1.0);
        if let Some(held) = adjusted.get_mut(place) {
            *held = largest;
        }
    }
    adjusted
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn is_near(value: f64, expected: f64, within: f64) {
        assert!((value - expected).abs() < within, "{value} is not {expected}");
    }

    /// From the usual table of critical values.
    #[test]
    fn quantiles_are_those_of_the_table() {
        for (df, expected) in [(1.0, 12.706), (2.0, 4.303), (4.0, 2.776), (9.0, 2.262), (1000.0, 1.962)] {
            is_near(t_quantile(0.975, df).unwrap(), expected, 6e-4);
            is_near(t_quantile(0.025, df).unwrap(), -expected, 6e-4);
            is_near(t_two_sided_p(expected, df).unwrap(), 0.05, 2e-4);
        }
        // Welch's degrees of freedom are no whole number.
        is_near(t_quantile(0.975, 2.5).unwrap(), 3.558, 2e-3);
    }

    #[test]
    fn what_has_no_answer_gives_none() {
        assert_eq!((t_quantile(0.975, 0.0), t_quantile(1.0, 3.0)), (None, None));
        assert_eq!((t_two_sided_p(f64::NAN, 3.0), t_two_sided_p(1.0, -1.0)), (None, None));
        assert_eq!(t_two_sided_p(f64::INFINITY, 3.0), Some(0.0));
    }

    /// The example of the textbooks: 0.01, 0.04, 0.03, 0.005 → 0.03, 0.06, 0.06, 0.02.
    #[test]
    fn holm_steps_down_and_never_lets_a_larger_p_end_below_a_smaller_one() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (value, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            is_near(*value, expected, 1e-12);
        }
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(holm(&[0.7, 0.9]), [1.0, 1.0]);
    }
}
