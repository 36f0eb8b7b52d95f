//! Prompt tokens: whether two servers make the same of the same prompts, and what a difference looks like.

use std::collections::BTreeMap;

use super::facts::{Facts, Held};

/// Token counts of the same prompts may differ by so much, % of the smaller count.
const APART_PCT: f64 = 10.0;
/// The probe with a system message, and the one that begins with blanks.
const WITH_SYSTEM: &str = "system";
const WITH_BLANKS: &str = "code";

/// What the differences of two servers' counts look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// There are none.
    Same,
    /// The second counts so many more in every prompt.
    Constant(i64),
    /// The second counts so many more wherever there is no system message.
    WithoutSystem(i64),
    /// Only the prompt that begins with blanks differs.
    Blanks,
    /// From prompt to prompt another one.
    Varied,
}

/// Counts of the probe set.
fn probed<'a>(facts: &Facts<'a>) -> BTreeMap<&'a str, i64> {
    let counted = |reply: &'a crate::schema::fairness::ProbeReply| {
        Some((reply.prompt.as_str(), i64::from(reply.prompt_tokens?)))
    };
    facts.probes.iter().filter_map(counted).collect()
}

/// Counts of the load's own prompts.
fn loaded<'a>(facts: &Facts<'a>) -> BTreeMap<&'a str, i64> {
    let run = facts.runs.iter().find(|run| !run.prompt_tokens_by_id.is_empty());
    run.iter()
        .flat_map(|run| &run.prompt_tokens_by_id)
        .map(|(id, tokens)| (id.as_str(), i64::from(*tokens)))
        .collect()
}

/// Counts of two servers for the prompts that both counted.
struct Both<'a>(Vec<(&'a str, i64, i64)>);

impl<'a> Both<'a> {
    fn of(one: &BTreeMap<&'a str, i64>, other: &BTreeMap<&'a str, i64>) -> Both<'a> {
        let shared = |(id, own): (&&'a str, &i64)| other.get(id).map(|others| (*id, *own, *others));
        Both(one.iter().filter_map(shared).collect())
    }

    fn differences(&self) -> impl Iterator<Item = (&'a str, i64)> {
        self.0.iter().map(|(id, own, others)| (*id, others - own))
    }

    /// What is different, % of the smaller total; none without a prompt.
    fn apart_pct(&self) -> Option<f64> {
        let (own, others) = self.0.iter().fold((0, 0), |(own, others), (_, a, b)| (own + a, others + b));
        let different: i64 = self.differences().map(|(_, difference)| difference.abs()).sum();
        let smaller = own.min(others);
        (smaller > 0).then(|| 100.0 * different as f64 / smaller as f64)
    }

    fn pattern(&self) -> Option<Pattern> {
        let without = |left_out: &str| {
            let mut rest = self.differences().filter(|(id, _)| *id != left_out).map(|(_, more)| more);
            let first = rest.next()?;
            rest.all(|more| more == first).then_some(first)
        };
        let of = |id: &str| self.differences().find(|(own, _)| *own == id).map(|(_, more)| more);
        let all: Vec<i64> = self.differences().map(|(_, more)| more).collect();
        let first = *all.first()?;
        Some(match (all.iter().all(|more| *more == first), without(WITH_SYSTEM), without(WITH_BLANKS)) {
            (true, _, _) if first == 0 => Pattern::Same,
            (true, _, _) if all.len() > 1 => Pattern::Constant(first),
            (false, Some(more), _) if more != 0 && of(WITH_SYSTEM) == Some(0) => Pattern::WithoutSystem(more),
            (false, _, Some(0)) => Pattern::Blanks,
            (_, _, _) => Pattern::Varied,
        })
    }
}

/// What the differences look like: by the probe set, else by the load's prompts; none where nothing tells.
pub(super) fn pattern(one: &Facts<'_>, other: &Facts<'_>) -> Option<Pattern> {
    let by_load = || Both::of(&loaded(one), &loaded(other)).pattern();
    match Both::of(&probed(one), &probed(other)).pattern() {
        // Prompts of the load may show what those of the set do not.
        None | Some(Pattern::Same) => by_load().or(Some(Pattern::Same)).filter(|_| counts(one, other)),
        Some(pattern) => Some(pattern),
    }
}

/// Both counted some prompt that the other counted too.
fn counts(one: &Facts<'_>, other: &Facts<'_>) -> bool {
    let [probed, loaded] = [Both::of(&probed(one), &probed(other)), Both::of(&loaded(one), &loaded(other))];
    !probed.0.is_empty() || !loaded.0.is_empty()
}

pub(super) fn words(facts: &Facts<'_>) -> Option<String> {
    let probed = probed(facts);
    if !probed.is_empty() {
        let each: Vec<String> = probed.iter().map(|(prompt, tokens)| format!("{prompt} {tokens}")).collect();
        return Some(each.join(", "));
    }
    let loaded = loaded(facts);
    let total: i64 = loaded.values().sum();
    (!loaded.is_empty()).then(|| format!("{total} in {} prompts of the load", loaded.len()))
}

/// Constant differences, as of a template, count by their part of the load's prompts; those of another tokenizer by
/// the larger of that and their part of the probe set, whose prompts are made to show them.
pub(super) fn hold(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let Some(pattern) = pattern(one, other) else {
        let silent = |facts: &Facts<'_>| probed(facts).is_empty() && loaded(facts).is_empty();
        let who = if silent(one) { one } else { other };
        return Held::unknown(format!("{} told no prompt token counts", who.label));
    };
    let of_load = Both::of(&loaded(one), &loaded(other)).apart_pct();
    let of_probes = Both::of(&probed(one), &probed(other)).apart_pct();
    let apart = match pattern {
        Pattern::Same => return Held::level(),
        Pattern::Constant(_) | Pattern::WithoutSystem(_) | Pattern::Blanks => of_load.or(of_probes),
        Pattern::Varied => [of_load, of_probes].into_iter().flatten().reduce(f64::max),
    };
    let apart = apart.unwrap_or(0.0);
    let whose = if of_load == Some(apart) { "the load's prompt tokens" } else { "the probes' prompt tokens" };
    let why = format!(
        "the same prompts have different token counts ({apart:.1} % of {whose}): {}",
        looks_like(pattern, one.label, other.label)
    );
    if apart > APART_PCT {
        Held::not_comparable(format!("{why}. The servers do not do the same work"))
    } else {
        Held::differs(why)
    }
}

fn looks_like(pattern: Pattern, one: &str, other: &str) -> String {
    let who = |more: i64| if more > 0 { other } else { one };
    match pattern {
        Pattern::Same => String::new(),
        Pattern::Constant(more) if more.abs() == 1 => {
            format!("{} has one more in each, which looks like a BOS token that it alone adds", who(more))
        }
        Pattern::Constant(more) => {
            format!("{} has {} more in each, which looks like another chat template", who(more), more.abs())
        }
        Pattern::WithoutSystem(more) => format!(
            "{} has {} more where there is no system message, which looks like one that its template adds",
            who(more),
            more.abs()
        ),
        Pattern::Blanks => {
            "only where one begins with blanks, which one of the templates cuts off".to_owned()
        }
        Pattern::Varied => {
            "another difference in each, which looks like another tokenizer, and so another model".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(own: &[(&'static str, i64)], others: &[(&'static str, i64)]) -> Option<Pattern> {
        Both::of(&own.iter().copied().collect(), &others.iter().copied().collect()).pattern()
    }

    const OWN: [(&str, i64); 4] = [("plain", 20), ("digits", 40), ("system", 30), ("code", 50)];

    fn with(more: [i64; 4]) -> [(&'static str, i64); 4] {
        let mut counts = OWN;
        counts.iter_mut().zip(more).for_each(|(count, more)| count.1 += more);
        counts
    }

    #[test]
    fn a_difference_looks_like_its_cause() {
        let told = |more| pattern(&OWN, &with(more));
        assert_eq!(told([0, 0, 0, 0]), Some(Pattern::Same));
        assert_eq!(told([1, 1, 1, 1]), Some(Pattern::Constant(1)), "a BOS token");
        assert_eq!(told([-7, -7, -7, -7]), Some(Pattern::Constant(-7)), "another template");
        assert_eq!(told([22, 22, 0, 22]), Some(Pattern::WithoutSystem(22)));
        assert_eq!(told([0, 0, 0, -4]), Some(Pattern::Blanks));
        assert_eq!(told([1, 9, 0, -4]), Some(Pattern::Varied));
        assert_eq!(pattern(&OWN, &[("other", 3)]), None, "no prompt that both counted");
    }

    #[test]
    fn equal_totals_hide_no_difference() {
        let both = Both::of(&OWN.into(), &with([5, -5, 0, 0]).into());
        assert_eq!(both.apart_pct(), Some(100.0 * 10.0 / 140.0));
    }
}
