//! Why a figure of a run is not there, and what was decided about its tokens.

use super::caveat_words::{held_back, nothing_shown, pace_bounds};
use super::number::{NONE, count};
use crate::schema::caveat::Caveat;
use crate::schema::figure;
use crate::schema::record::TokenSource;
use crate::schema::summary::{EndShownBy, RunSummary};

/// A dash with its reason.
pub fn dash(run: &RunSummary, metric: &str) -> String {
    match reason(run, metric) {
        Some(reason) => format!("{NONE} ({reason})"),
        None => NONE.to_owned(),
    }
}

/// Why a run has no value of a metric; none where nothing says it.
fn reason(run: &RunSummary, metric: &str) -> Option<String> {
    if run.requests.completed == 0 {
        return Some("no request completed".to_owned());
    }
    if metric == figure::OUTPUT_TPS {
        let words = if run.duration_s > 0.0 { "an answer without a token count" } else { "no time passed" };
        return Some(words.to_owned());
    }
    let silent = of_caveats(run, silent).or_else(|| of_caveats(run, whole));
    if silent.is_some() || !figure::PACES.contains(&metric) {
        return silent;
    }
    let counted = run.tokens.sources.contains_key(&TokenSource::Usage) || run.tokens.sources.is_empty();
    let few = if counted { "no answer of two tokens or more" } else { "no answer of two events or more" };
    let otherwise = || Some(few.to_owned());
    let withheld = if metric == figure::TPOT { withheld_within } else { withheld };
    of_caveats(run, held_whole).or_else(|| of_caveats(run, withheld)).or_else(otherwise)
}

fn of_caveats(run: &RunSummary, words: fn(&Caveat) -> Option<String>) -> Option<String> {
    run.caveats.iter().find_map(words)
}

/// No answer showed a token.
fn silent(caveat: &Caveat) -> Option<String> {
    let Caveat::NoLatency { answers, completed, tokens } = caveat else { return None };
    (answers == completed).then(|| nothing_shown(*answers, *completed, *tokens))
}

/// Answers were asked for whole.
fn whole(caveat: &Caveat) -> Option<String> {
    matches!(caveat, Caveat::AskedWhole { .. }).then(|| "answers came whole".to_owned())
}

/// Answers came whole.
fn held_whole(caveat: &Caveat) -> Option<String> {
    let Caveat::Buffered { whole, answers, together_pct, gateway: _ } = caveat else { return None };
    (*whole > 0).then(|| held_back(*whole, *answers, *together_pct))
}

fn withheld(caveat: &Caveat) -> Option<String> {
    matches!(caveat, Caveat::PaceWithheld { .. }).then(|| "withheld; see the caveats".to_owned())
}

/// With the bounds of TPOT.
fn withheld_within(caveat: &Caveat) -> Option<String> {
    let Caveat::PaceWithheld { difference_pct: _, low_ms, high_ms } = caveat else { return None };
    let bounds = pace_bounds(*low_ms, *high_ms).map(|bounds| format!(": {bounds}")).unwrap_or_default();
    Some(format!("withheld{bounds}; see the caveats"))
}

/// What was decided about an end of sequence that is counted and not shown; none where no answer bears on it.
pub fn end_of_sequence(run: &RunSummary) -> Option<String> {
    let found = run.tokens.end_of_sequence?;
    let what = if found.hidden {
        "the end of sequence is counted and not shown: one token fewer is delivered"
    } else {
        "no end of sequence is hidden: all that is counted is delivered"
    };
    let by = match found.by {
        EndShownBy::Run => "by usage and events",
        EndShownBy::Definition => "by the engine's definition; usage and events do not show it",
    };
    let answers = if found.answers == 1 { "1 answer" } else { &format!("{} answers", count(found.answers)) };
    Some(format!("{what} ({by}, {answers} that the model ended)"))
}
