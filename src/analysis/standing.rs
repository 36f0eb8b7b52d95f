//! How far a pair is: decided, close enough, or open.

use crate::schema::figure;
use crate::schema::verdict::{Pair, Ratio, SURE_FIGURES, Verdict};

/// How far one figure of a pair is.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Who is held against the baseline.
    pub label: String,
    /// The baseline.
    pub baseline: String,
    /// Which load of the plan, from 1.
    pub point: u32,
    /// The figure's column.
    pub column: String,
    /// What is known.
    pub state: State,
}

/// What is known of one figure of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    /// A difference is shown.
    Decided(Verdict),
    /// The interval lies within the limit.
    Within,
    /// Neither: the interval reaches so many % from 1.
    Open(f64),
}

/// None of the figures that are waited for is open.
pub(super) fn all_sure(pairs: &[Pair], within_pct: f64) -> bool {
    !is_open(&standings(pairs, within_pct))
}

pub(super) fn is_open(standings: &[Standing]) -> bool {
    standings.iter().any(|standing| matches!(standing.state, State::Open(_)))
}

/// Figures that one side does not have, and pairs that are not comparable, are not waited for.
pub(super) fn standings(pairs: &[Pair], within_pct: f64) -> Vec<Standing> {
    let columns: Vec<String> = SURE_FIGURES
        .iter()
        .filter_map(|(name, statistic)| Some(figure::metric(name)?.column(*statistic)))
        .collect();
    let of_pair = |pair: &Pair| {
        let ratio = |column: &String| Some((column.clone(), *pair.ratios.get(column)?));
        columns
            .iter()
            .filter_map(ratio)
            .map(|(column, ratio)| Standing {
                label: pair.label.clone(),
                baseline: pair.baseline.clone(),
                point: pair.point,
                column,
                state: state(&ratio, within_pct),
            })
            .collect::<Vec<Standing>>()
    };
    pairs.iter().flat_map(of_pair).collect()
}

fn state(ratio: &Ratio, within_pct: f64) -> State {
    let limit = 1.0 + within_pct / 100.0;
    match (ratio.verdict, ratio.low, ratio.high) {
        (Some(verdict @ (Verdict::Faster | Verdict::Slower)), _, _) => State::Decided(verdict),
        (_, Some(low), Some(high)) if low >= 1.0 / limit && high <= limit => State::Within,
        (_, Some(low), Some(high)) => State::Open(((1.0 / low).max(high) - 1.0) * 100.0),
        (_, _, _) => State::Open(f64::INFINITY),
    }
}
