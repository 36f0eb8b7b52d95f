//! The answer in sentences: who serves how much more than whom, and how sure that is.

use super::fairness;
use super::knee;
use super::number::one_line;
use super::sweep::load_name;
use super::verdicts::{self, Words, percent_up, times};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, Group};
use crate::schema::figure;
use crate::schema::objective::{Limit, LimitOf};
use crate::schema::verdict::{Pair, ROUNDS_FOR_A_VERDICT, Ratio, UntilSure, VERDICT_FIGURES, Verdict};

/// The answer: the first sentence says it in one, the others say more. Plain text, with labels as the user gave them:
/// escape it for a page.
pub fn sentences(comparison: &Comparison) -> Vec<String> {
    if comparison.runs.is_empty() {
        return vec!["No backend gave a result.".to_owned()];
    }
    let mut sentences: Vec<String> = Vec::new();
    sentences.extend(limits(comparison));
    sentences.extend(knees(comparison));
    for point in points(comparison) {
        let at = at_load(comparison, point);
        sentences.extend(throughput(comparison, point).map(|text| format!("{at}{text}")));
    }
    sentences.extend(alone(comparison));
    // Of several loads the table has the rest.
    for point in points(comparison).into_iter().take(1) {
        let at = at_load(comparison, point);
        let of_point = comparison.pairs.iter().filter(|pair| pair.point == point);
        sentences.extend(of_point.filter_map(others).map(|text| format!("{at}{text}")));
    }
    sentences.extend(rounds_wanted(comparison));
    sentences.extend(until_sure(comparison));
    sentences.extend(without_result(comparison));
    if comparison.runs.iter().any(|run| run.caveats.contains(&Caveat::Simulated))
        && let Some(first) = sentences.first_mut()
    {
        *first = format!("SIMULATED, which says nothing of real engines: {first}");
    }
    sentences.into_iter().map(|sentence| one_line(&sentence)).collect()
}

/// The points in the order in which they are told: that with the baseline's highest throughput is the answer.
fn points(comparison: &Comparison) -> Vec<u32> {
    let mut points: Vec<u32> = comparison.pairs.iter().map(|pair| pair.point).collect();
    points.dedup();
    let rate = |point: u32| {
        let own = |group: &&Group| Some(&group.label) == comparison.baseline.as_ref();
        let group = comparison.at(point).find(own);
        group.and_then(|group| group.estimates.get(figure::OUTPUT_TPS)).map_or(0.0, |rate| rate.value)
    };
    let best =
        points.iter().copied().reduce(|best, point| if rate(point) > rate(best) { point } else { best });
    let first = best.into_iter();
    first.chain(points.iter().copied().filter(|point| Some(*point) != best)).collect()
}

fn at_load(comparison: &Comparison, point: u32) -> String {
    if comparison.loads.len() > 1 { format!("At {}, ", load_name(comparison, point)) } else { String::new() }
}

/// Every pair of a point by its output TPS, in one sentence.
fn throughput(comparison: &Comparison, point: u32) -> Option<String> {
    let pairs: Vec<&Pair> = comparison.pairs.iter().filter(|pair| pair.point == point).collect();
    let baseline = &pairs.first()?.baseline;
    let ratio = |pair: &Pair| pair.ratios.get(figure::OUTPUT_TPS).copied();
    let slower: Vec<String> = pairs
        .iter()
        .filter_map(|pair| Some((pair, ratio(pair).filter(|ratio| ratio.verdict == Some(Verdict::Slower))?)))
        .enumerate()
        .map(|(place, (pair, ratio))| {
            let noun = if place == 0 { "the tokens" } else { "those" };
            format!("{} {noun} of {}", times(turned(ratio)), pair.label)
        })
        .collect();
    let mut parts = Vec::new();
    if !slower.is_empty() {
        parts.push(format!("{baseline} serves {}", listed(&slower)));
    }
    let within_pct = within(comparison);
    parts.extend(pairs.iter().filter_map(|pair| {
        let label = &pair.label;
        if !pair.not_comparable.is_empty() {
            let why = fairness::in_brief(&pair.not_comparable);
            return Some(format!("{label} and {baseline} are NOT COMPARABLE ({why})"));
        }
        let Some(ratio) = ratio(pair) else {
            return Some(format!("{label} and {baseline} have no output TPS in common"));
        };
        match ratio.verdict {
            Some(Verdict::Slower) => None,
            Some(Verdict::Faster) => {
                Some(format!("{label} serves {} the tokens of {baseline}", times(ratio)))
            }
            Some(Verdict::Indistinguishable) => {
                Some(format!("{label} is indistinguishable from {baseline}{}", unseen(&ratio, within_pct)))
            }
            None => None,
        }
    }));
    parts.extend(chance(&pairs));
    Some(format!("{}.", parts.join("; ")))
}

/// Below three rounds a ratio is what was seen and nothing more: those that the baseline leads in one part, each other
/// in its own.
fn chance(pairs: &[&Pair]) -> Vec<String> {
    let ratio = |pair: &Pair| {
        let ratio = pair.ratios.get(figure::OUTPUT_TPS).copied();
        ratio.filter(|ratio| ratio.verdict.is_none() && pair.not_comparable.is_empty())
    };
    let seen = |who: &str, what: &str, rounds: u32| {
        let rounds = if rounds == 1 { "1 round".to_owned() } else { format!("{rounds} rounds") };
        format!("{who} served {what} in {rounds}, which may be chance")
    };
    let mut behind: Vec<(String, u32)> = Vec::new();
    let mut ahead = Vec::new();
    for (pair, ratio) in pairs.iter().filter_map(|pair| Some((pair, ratio(pair)?))) {
        let noun = if behind.is_empty() { "the tokens" } else { "those" };
        match ratio.value <= 1.0 {
            true => {
                behind.push((format!("{} {noun} of {}", times(turned(ratio)), pair.label), ratio.rounds));
            }
            false => {
                let what = format!("{} the tokens of {}", times(ratio), pair.baseline);
                ahead.push(seen(&pair.label, &what, ratio.rounds));
            }
        }
    }
    let fewest = behind.iter().map(|(_, rounds)| *rounds).min();
    let whats: Vec<String> = behind.into_iter().map(|(what, _)| what).collect();
    let behind =
        pairs.first().zip(fewest).map(|(pair, rounds)| seen(&pair.baseline, &listed(&whats), rounds));
    behind.into_iter().chain(ahead).collect()
}

/// What a difference would have to be to be seen, or how small it is known to be.
fn unseen(ratio: &Ratio, within_pct: Option<f64>) -> String {
    if let (Some(within), Some(low), Some(high)) = (within_pct, ratio.low, ratio.high)
        && low >= 1.0 / (1.0 + within / 100.0)
        && high <= 1.0 + within / 100.0
    {
        return format!(", shown to be within {} ({})", percent_up(within), times(*ratio));
    }
    ratio.detectable_pct.map_or_else(String::new, |percent| {
        format!(", anything above {} would have been seen", percent_up(percent))
    })
}

/// The other figures of a pair with a verdict.
fn others(pair: &Pair) -> Option<String> {
    let figures = VERDICT_FIGURES.iter().filter(|(name, _)| *name != figure::OUTPUT_TPS);
    let parts: Vec<String> = figures
        .filter_map(|(name, statistic)| {
            let metric = figure::metric(name)?;
            let ratio = pair.ratios.get(&metric.column(*statistic))?;
            let title = verdicts::title(metric, *statistic);
            match ratio.verdict? {
                Verdict::Indistinguishable => {
                    let percent =
                        ratio.detectable_pct.map(|percent| format!(" (over {})", percent_up(percent)));
                    Some(format!("{title} indistinguishable{}", percent.unwrap_or_default()))
                }
                Verdict::Faster | Verdict::Slower => Some(format!("{title} {}", times(*ratio))),
            }
        })
        .collect();
    let (label, baseline) = (&pair.label, &pair.baseline);
    (!parts.is_empty()).then(|| format!("{label} over {baseline} in latency: {}.", parts.join(", ")))
}

/// What would give a verdict, or a finer one.
fn rounds_wanted(comparison: &Comparison) -> Option<String> {
    let ratios = || comparison.pairs.iter().filter_map(|pair| pair.ratios.get(figure::OUTPUT_TPS));
    let fewest = ratios().map(|ratio| ratio.rounds).min()?;
    if fewest < ROUNDS_FOR_A_VERDICT {
        return Some(
            "No verdict below 3 rounds, each a launch of its own: play --rounds 3 or more.".to_owned(),
        );
    }
    let unclear = |ratio: &&Ratio| ratio.verdict == Some(Verdict::Indistinguishable);
    let wanted = ratios().filter(unclear).filter_map(|ratio| ratio.more_rounds).max()?;
    let rounds = if wanted == 1 { "1 more round".to_owned() } else { format!("{wanted} more rounds") };
    Some(format!("{rounds} would show a difference of 5 % in output TPS (--rounds {}).", fewest + wanted))
}

fn within(comparison: &Comparison) -> Option<f64> {
    comparison.rule?.until_sure.map(|sure| sure.within_pct)
}

fn until_sure(comparison: &Comparison) -> Option<String> {
    let UntilSure { within_pct, rounds, rounds_max, sure } = comparison.rule?.until_sure?;
    let end = if sure { "then each pair was sure" } else { "and not every pair is sure" };
    Some(format!(
        "{rounds} of at most {rounds_max} rounds were played, {end} (a difference shown, or within {}). Intervals and \
         verdicts allow for a look after each round.",
        percent_up(within_pct)
    ))
}

/// A target that is compared with nothing.
fn alone(comparison: &Comparison) -> Vec<String> {
    // The table of a curve has every load.
    if !comparison.pairs.is_empty() || !comparison.knees.is_empty() {
        return Vec::new();
    }
    let mut labels: Vec<&str> = comparison.groups.iter().map(|group| group.label.as_str()).collect();
    labels.dedup();
    let [label] = labels.as_slice() else {
        return vec!["No two backends have runs that can be compared.".to_owned()];
    };
    let rates = comparison.groups.iter().filter_map(|group| {
        let rate = group.estimates.get(figure::OUTPUT_TPS)?;
        let at = at_load(comparison, group.point);
        Some(format!("{at}{label} serves {} output tokens a second.", Words::of_estimate(rate)))
    });
    rates.collect()
}

fn without_result(comparison: &Comparison) -> Option<String> {
    let measured = |label: &str| comparison.groups.iter().any(|group| group.label == label);
    let mut labels: Vec<&str> = comparison.failed.iter().map(|failed| failed.label.as_str()).collect();
    labels.retain(|label| !measured(label));
    labels.dedup();
    (!labels.is_empty()).then(|| format!("No result of {}.", labels.join(", ")))
}

/// The highest loads that meet the objectives, in one sentence.
fn limits(comparison: &Comparison) -> Option<String> {
    let of = |limit: &Limit| {
        let unit = match limit.of {
            LimitOf::Rate => "requests a second",
            LimitOf::Concurrency => "requests in flight",
        };
        match limit.value {
            Some(value) => {
                let value = Words::limit(value, limit.low, limit.high);
                format!("{} carries {value} {unit}", limit.label)
            }
            None => format!("{} misses them at the lowest load", limit.label),
        }
    };
    let parts: Vec<String> = comparison.limits.iter().map(of).collect();
    (!parts.is_empty()).then(|| format!("Within the objectives {}.", parts.join("; ")))
}

/// Where the curves bend, in one sentence.
fn knees(comparison: &Comparison) -> Option<String> {
    let parts: Vec<String> =
        comparison.knees.iter().map(|knee| format!("{} {}", knee.label, knee::bend(knee))).collect();
    (!parts.is_empty()).then(|| format!("{}.", parts.join("; ")))
}

fn turned(ratio: Ratio) -> Ratio {
    let one_over = |value: f64| 1.0 / value;
    Ratio {
        value: one_over(ratio.value),
        low: ratio.high.map(one_over),
        high: ratio.low.map(one_over),
        ..ratio
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(parts: &[String]) -> String {
    match parts {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        parts => parts.concat(),
    }
}
