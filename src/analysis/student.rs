//! Student's t, and Holm's correction: what every verdict here is made with.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::beta::{beta_reg, inv_beta_reg};
use statrs::function::erf::erfc;
use statrs::function::gamma::ln_gamma;

/// Steps of the integral over the spread that a sample may show.
const STEPS: u32 = 200;

/// Two-sided p value of a t statistic: the incomplete beta function (Abramowitz & Stegun 26.7.1), exact in the tail too.
pub fn two_sided_p(t: f64, df: f64) -> f64 {
    if !t.is_finite() {
        return 0.0;
    }
    beta_reg(df / 2.0, 0.5, df / (df + t * t))
}

/// The t statistic whose two-sided p value is `level`: 4.30 at 0.05 and 2 degrees of freedom.
pub fn critical(level: f64, df: f64) -> f64 {
    if level <= 0.0 {
        return f64::INFINITY;
    }
    if level >= 1.0 {
        return 0.0;
    }
    let x = inv_beta_reg(df / 2.0, 0.5, level);
    (df * (1.0 / x - 1.0)).max(0.0).sqrt()
}

/// Upper tail of the standard normal distribution.
pub(super) fn normal_tail(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// The probability that |t| exceeds `critical` where the true mean is `shift` standard errors from 0: the noncentral
/// t distribution as the integral of a normal tail over the chi distribution of the sample's spread (Owen 1968,
/// "A survey of properties and applications of the noncentral t-distribution"), by Simpson's rule.
pub fn power(shift: f64, df: f64, critical: f64) -> f64 {
    if !critical.is_finite() {
        return 0.0;
    }
    // Density of w = sample deviation / true deviation: c · w^(df − 1) · exp(−df w²/2).
    let ln_c = std::f64::consts::LN_2 + df / 2.0 * (df / 2.0).ln() - ln_gamma(df / 2.0);
    let widest = 1.0 + 7.0 / df.sqrt();
    let narrowest = (1.0 - 7.0 / (2.0 * df).sqrt()).max(0.0);
    let step = (widest - narrowest) / f64::from(STEPS);
    let sum: f64 = (0..=STEPS)
        .map(|place| {
            let w = narrowest + f64::from(place) * step;
            let density = if w > 0.0 { (ln_c + (df - 1.0) * w.ln() - df * w * w / 2.0).exp() } else { 0.0 };
            let beyond = normal_tail(critical * w - shift) + normal_tail(critical * w + shift);
            let weight = if place == 0 || place == STEPS { 1.0 } else { f64::from(2 + 2 * (place % 2)) };
            weight * density * beyond
        })
        .sum();
    (sum * step / 3.0).clamp(0.0, 1.0)
}

/// The shift in standard errors that a test finds with probability `wanted`.
pub fn shift_for_power(wanted: f64, df: f64, critical: f64) -> f64 {
    let (mut low, mut high) = (0.0, 2.0 * critical + 4.0);
    while power(high, df, critical) < wanted && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..26 {
        let middle = (low + high) / 2.0;
        if power(middle, df, critical) < wanted { low = middle } else { high = middle }
    }
    high
}

/// The value below which Student's t with `df` degrees of freedom lies with probability `p`; none where `df` or `p`
/// is out of its range.
pub fn t_quantile(p: f64, df: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, df).ok()?;
    (p > 0.0 && p < 1.0).then(|| t.inverse_cdf(p)).filter(|quantile| quantile.is_finite())
}

/// How probable it is that Student's t with `df` degrees of freedom lies at least as far from 0 as `t`; none where `df`
/// is out of its range or `t` no number.
pub fn t_two_sided_p(t: f64, df: f64) -> Option<f64> {
    let distribution = StudentsT::new(0.0, 1.0, df).ok()?;
    (!t.is_nan()).then(|| (2.0 * distribution.cdf(-t.abs())).clamp(0.0, 1.0))
}

/// The p values after Holm's step-down correction, in the order given: at a level of 5 % the chance to call any of
/// them real where none is stays at most 5 %, however they depend on each other. (Holm 1979, Scandinavian Journal of
/// Statistics 6, 65–70.)
pub fn holm(p_values: &[f64]) -> Vec<f64> {
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

    fn near(left: f64, right: f64, relative: f64) -> bool {
        (left - right).abs() <= relative * right.abs()
    }

    #[test]
    fn critical_values_are_those_of_the_tables() {
        for (level, df, t) in [
            (0.05, 2.0, 4.302_652_73),
            (0.05, 4.0, 2.776_445_11),
            (0.05, 9.0, 2.262_157_16),
            (0.01, 2.0, 9.924_843_2),
            (0.001, 19.0, 3.883_405_9),
            (0.05, 1000.0, 1.962_339_1),
        ] {
            assert!(near(critical(level, df), t, 1e-6), "{level} {df}: {}", critical(level, df));
        }
    }

    #[test]
    fn a_critical_value_has_the_p_value_that_it_was_made_for_far_into_the_tail() {
        for df in [2.0, 3.0, 4.0, 9.0, 19.0, 59.0] {
            for level in [0.9, 0.3, 0.05, 1e-3, 1e-5, 1e-8] {
                let p = two_sided_p(critical(level, df), df);
                assert!(near(p, level, 1e-6), "df {df}, level {level}: {p}");
            }
        }
    }

    /// By simulation of 400,000 samples each; the last as power.t.test of R has it.
    #[test]
    fn the_power_is_that_of_the_noncentral_t_distribution() {
        for (n, delta, wanted) in [(3.0_f64, 2.0, 0.4707), (5.0, 1.5, 0.7091), (10.0, 1.0, 0.8031)] {
            let found = power(delta * n.sqrt(), n - 1.0, critical(0.05, n - 1.0));
            assert!((found - wanted).abs() < 2e-3, "n {n}, delta {delta}: {found}");
        }
        assert!(near(power(0.0, 4.0, critical(0.05, 4.0)), 0.05, 1e-3), "no shift: the level");
        let shift = shift_for_power(0.8, 2.0, critical(0.05, 2.0));
        assert!(near(power(shift, 2.0, critical(0.05, 2.0)), 0.8, 1e-6));
    }

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
        is_near(t_quantile(0.975, 2.5).unwrap(), 3.5747, 2e-4);
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
