//! Holm's correction of p values for several comparisons (Holm 1979).

/// Adjusted p values in the order given: the chance that one or more of true hypotheses is rejected at all stays below
/// the level at which they are compared, whatever depends on whatever.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    let at = |place: usize| p.get(place).copied().unwrap_or(1.0);
    order.sort_by(|left, right| at(*left).total_cmp(&at(*right)));
    let mut adjusted = vec![1.0; p.len()];
    let mut highest: f64 = 0.0;
    for (rank, place) in order.iter().enumerate() {
        highest = highest.max((at(*place) * (p.len() - rank) as f64).min(1.0));
        if let Some(held) = adjusted.get_mut(*place) {
            *held = highest;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
    #[test]
    fn p_values_are_adjusted_as_r_does() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let wanted = [0.03, 0.06, 0.06, 0.02];
        assert!(
            adjusted.iter().zip(wanted).all(|(left, right)| (left - right).abs() < 1e-12),
            "{adjusted:?}"
        );
        assert!(holm(&[]).is_empty());
        assert_eq!(holm(&[0.7, 0.9]), [1.0, 1.0]);
    }
}
