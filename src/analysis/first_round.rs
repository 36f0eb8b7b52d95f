//! A first round that differs from the rest: compilation, cold caches, clocks that had yet to settle.

use crate::schema::caveat::Caveat;
use crate::schema::figure;
use crate::schema::verdict::SURE_FIGURES;

use super::ratio::Spread;
use super::side::Side;
use super::student;

/// Rounds without which nothing is said.
const ROUNDS_LEAST: usize = 4;
/// A first round outside the interval that holds so many of 100 further rounds.
const LEVEL: f64 = 0.01;
/// And that differs by more than so much, %.
const LEAST_PCT: f64 = 1.0;

/// Where the first round lies outside the 99 % prediction interval of the others, on logarithms: the figure in which it
/// differs most.
pub(super) fn caveat(side: &Side<'_>) -> Option<Caveat> {
    let differs = SURE_FIGURES.iter().filter_map(|(name, statistic)| {
        let metric = figure::metric(name)?;
        let change_pct = change_pct(&side.values(metric, *statistic).into_values().collect::<Vec<f64>>())?;
        Some((metric.column(*statistic), change_pct))
    });
    let (figure, change_pct) =
        differs.reduce(|most, next| if next.1.abs() > most.1.abs() { next } else { most })?;
    Some(Caveat::FirstRoundDiffers { label: side.label.to_owned(), point: side.point, figure, change_pct })
}

/// How far the first of some rounds lies from the others, %; none where it may be one of them.
fn change_pct(rounds: &[f64]) -> Option<f64> {
    let [first, others @ ..] = rounds else { return None };
    if rounds.len() < ROUNDS_LEAST || rounds.iter().any(|value| *value <= 0.0) {
        return None;
    }
    let others = Spread::of(&others.iter().map(|value| value.ln()).collect::<Vec<f64>>())?;
    let count = f64::from(others.rounds);
    let reach = student::critical(LEVEL, count - 1.0) * others.std * (1.0 + 1.0 / count).sqrt();
    let apart = first.ln() - others.mean;
    let change_pct = 100.0 * (apart.exp() - 1.0);
    (apart.abs() > reach && change_pct.abs() > LEAST_PCT).then_some(change_pct)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_round_is_named_where_the_others_agree_and_it_does_not() {
        assert!(change_pct(&[70.0, 100.0, 101.0, 99.5]).is_some_and(|change| (change + 30.0).abs() < 1.0));
        assert_eq!(change_pct(&[98.0, 100.0, 101.0, 99.5]), None, "within what the others show");
        assert_eq!(change_pct(&[70.0, 100.0, 101.0]), None, "three rounds are too few");
        assert_eq!(change_pct(&[100.5, 100.0, 100.0, 100.0]), None, "half a percent is nothing");
        assert_eq!(change_pct(&[0.0, 100.0, 100.0, 100.0]), None);
    }
}
