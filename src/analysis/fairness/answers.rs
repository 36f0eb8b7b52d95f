//! What servers answer: greedy completions of the probe set, and how long the load's answers are.

use super::facts::{Facts, Held, is_apart};

/// Mean output lengths that differ by more than this are a caveat, and by more than that forbid a ratio, %.
pub(in crate::analysis) const LENGTHS_PCT: f64 = 2.0;
const LENGTHS_APART_PCT: f64 = 10.0;
/// Characters of a completion that the table shows.
const SHOWN: usize = 40;

/// How far two servers' greedy completions agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    /// Word for word.
    Whole,
    /// They begin alike: so many words of the longest common beginning.
    Beginning(usize),
    /// No completion has even its first word in common.
    Nothing,
}

fn completions<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    facts.probes.iter().filter_map(|reply| Some((reply.prompt.as_str(), reply.completion.as_deref()?)))
}

/// None where no prompt was completed by both.
pub(super) fn agreement(one: &Facts<'_>, other: &Facts<'_>) -> Option<Agreement> {
    let both = completions(one).filter_map(|(prompt, own)| {
        let others = completions(other).find(|(name, _)| *name == prompt)?.1;
        Some(common_words(own, others))
    });
    both.reduce(|one, other| match (one, other) {
        (Agreement::Whole, Agreement::Whole) => Agreement::Whole,
        (Agreement::Whole, Agreement::Nothing) | (Agreement::Nothing, Agreement::Whole) => {
            Agreement::Beginning(0)
        }
        (Agreement::Nothing, Agreement::Nothing) => Agreement::Nothing,
        (Agreement::Beginning(one), Agreement::Beginning(other)) => Agreement::Beginning(one.max(other)),
        (Agreement::Beginning(words), _) | (_, Agreement::Beginning(words)) => Agreement::Beginning(words),
    })
}

fn common_words(one: &str, other: &str) -> Agreement {
    if one == other {
        return Agreement::Whole;
    }
    let same = one.split_whitespace().zip(other.split_whitespace()).take_while(|(own, others)| own == others);
    match same.count() {
        0 => Agreement::Nothing,
        words => Agreement::Beginning(words),
    }
}

pub(super) fn completion(facts: &Facts<'_>) -> Option<String> {
    let (_, text) = completions(facts).last()?;
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    Some(format!("“{shown}{more}”"))
}

pub(super) fn completion_agreement(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let (own, others) = (one.label, other.label);
    match agreement(one, other) {
        None => {
            let who = if completion(one).is_none() { own } else { others };
            Held::unknown(format!("{who} gave no greedy completion of the probe set"))
        }
        Some(Agreement::Whole) => Held::level(),
        Some(Agreement::Beginning(_)) => Held::differs(format!(
            "{own} and {others} begin alike and then part: usual between engines and precisions, whose arithmetic \
             differs in the last digits even for equal weights"
        )),
        Some(Agreement::Nothing) => Held::differs(format!(
            "{own} and {others} part at the first word: another model, template or precision may be the cause"
        )),
    }
}

/// Mean delivered tokens of a completed request. Whether an engine counts the end-of-sequence token makes no
/// answer longer.
fn mean_length(facts: &Facts<'_>) -> Option<f64> {
    let sum = |of: fn(&crate::schema::summary::RunSummary) -> u64| {
        facts.runs.iter().fold(0_u64, |sum, run| sum.saturating_add(of(run)))
    };
    let completed = sum(|run| run.requests.completed);
    (completed > 0).then(|| sum(|run| run.tokens.delivered) as f64 / completed as f64)
}

pub(super) fn length(facts: &Facts<'_>) -> Option<String> {
    mean_length(facts).map(|tokens| format!("{tokens:.1} tokens on average"))
}

pub(super) fn lengths(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let (Some(own), Some(others)) = (mean_length(one), mean_length(other)) else {
        return Held::unknown("no answer was completed by one of them");
    };
    if !is_apart(own, others, LENGTHS_PCT) {
        return Held::level();
    }
    let (long, short) = if own > others { (one, other) } else { (other, one) };
    let (most, least) = (own.max(others), own.min(others));
    let more = if least > 0.0 {
        format!("{:.0} % more than", 100.0 * (most / least - 1.0))
    } else {
        "and".to_owned()
    };
    let why = format!(
        "answers of {} have {most:.1} tokens on average, {more} those of {} ({least:.1}), so E2E and RPS do not \
         compare. Where every engine can, --max-tokens with --ignore-eos forces one length",
        long.label, short.label
    );
    if is_apart(own, others, LENGTHS_APART_PCT) { Held::not_comparable(why) } else { Held::differs(why) }
}
