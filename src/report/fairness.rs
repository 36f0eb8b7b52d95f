//! The levelling table in words: whole in Markdown, and on a terminal what is not level.

use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;
use crate::schema::fairness::{Fairness, FairnessRow, Finding, row};

/// A finding in a word.
pub fn word(finding: Finding) -> &'static str {
    match finding {
        Finding::Level => "level",
        Finding::Unknown => "not known",
        Finding::Differs => "differs",
        Finding::NotComparable => "NOT COMPARABLE",
    }
}

/// The labels of a comparison, in the plan's order.
pub fn labels(comparison: &Comparison) -> Vec<&str> {
    let mut labels: Vec<&str> = Vec::new();
    for group in &comparison.groups {
        if !labels.contains(&group.label.as_str()) {
            labels.push(&group.label);
        }
    }
    labels
}

/// What is not level, a line each, the worst first; then what is not known, and what is level, but for what seldom is
/// otherwise. Nothing of one label. A difference that a caveat of a run tells already is left to it.
pub fn lines(comparison: &Comparison) -> Vec<String> {
    let Some(fairness) = &comparison.fairness else { return Vec::new() };
    if labels(comparison).len() < 2 {
        return Vec::new();
    }
    let mut lines = sentences(fairness, Finding::NotComparable, |_| true);
    lines.extend(sentences(fairness, Finding::Differs, |row| !is_told(comparison, row)));
    let named = |finding| {
        let is_named = |what: &str| finding != Finding::Level || !row::SELDOM.contains(&what);
        let rows = fairness.rows.iter().filter(|row| row.finding == finding && is_named(&row.what));
        rows.map(|row| row.what.as_str()).collect::<Vec<_>>().join(", ")
    };
    for (finding, names) in [Finding::Unknown, Finding::Level].map(|finding| (finding, named(finding))) {
        if !names.is_empty() {
            lines.push(format!("{}: {names}", word(finding)));
        }
    }
    lines
}

/// `differs: context: a runs with 2048, b with 4096`
fn sentences(fairness: &Fairness, finding: Finding, is_wanted: impl Fn(&FairnessRow) -> bool) -> Vec<String> {
    let rows = fairness.rows.iter().filter(|row| row.finding == finding && is_wanted(row));
    rows.map(|row| format!("{}: {}: {}.", word(finding), row.what, row.why)).collect()
}

/// Why a row is not level, a line each, for below the whole table.
pub fn whys(fairness: &Fairness) -> Vec<String> {
    let findings = [Finding::NotComparable, Finding::Differs, Finding::Unknown];
    findings.into_iter().flat_map(|finding| sentences(fairness, finding, |row| !row.why.is_empty())).collect()
}

/// The rows that forbid a pair's ratio, for where the table stands near: `output length, precision`.
pub fn in_brief(reasons: &[String]) -> String {
    let row = |reason: &String| reason.split(": ").next().unwrap_or_default().to_owned();
    reasons.iter().map(row).collect::<Vec<_>>().join(", ")
}

/// What forbids a ratio, in a few words, for the foot of a picture; none where nothing does.
pub fn note(comparison: &Comparison) -> Option<String> {
    let rows = comparison.fairness.iter().flat_map(|fairness| &fairness.rows);
    let forbidding = rows.filter(|row| row.finding == Finding::NotComparable).map(|row| row.what.as_str());
    let names = forbidding.collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| format!("NOT COMPARABLE: {names}"))
}

/// A caveat of a run says the same of its label.
fn is_told(comparison: &Comparison, row: &FairnessRow) -> bool {
    let code = match row.what.as_str() {
        row::NAGLE => "nagle_on",
        row::AT_ONCE => "one_at_a_time",
        row::PREFIX_CACHE => "prefix_cache_hits",
        row::GPU_OTHERS => "gpu_shared",
        row::GPU_THROTTLED => "gpu_throttled",
        row::GPU_MEMORY_HELD => "gpu_memory_held",
        row::GPU_ASKED => "gpu_not_asked",
        _ => return false,
    };
    comparison.runs.iter().flat_map(|run| &run.caveats).any(|caveat| caveat.code() == code)
}

/// A row of the table says what this caveat of the comparison says, and more.
pub fn tells(comparison: &Comparison, caveat: &Caveat) -> bool {
    let rows = comparison.fairness.iter().flat_map(|fairness| &fairness.rows);
    let mut unlevel = rows.filter(|row| row.finding > Finding::Unknown);
    if let Caveat::NotLevel { label, what } = caveat {
        let own = what.split(" instead of ").next().unwrap_or(what);
        return unlevel.any(|row| row.by_label.get(label).is_some_and(|words| words.contains(own)));
    }
    unlevel.any(|row| match row.what.as_str() {
        row::PRECISION => matches!(caveat, Caveat::PrecisionDiffers { .. }),
        row::OUTPUT_LENGTH => matches!(caveat, Caveat::LengthsUnequal { .. }),
        row::PROMPT_TOKENS => matches!(caveat, Caveat::PromptTokensDiffer { .. }),
        row::GPU => matches!(caveat, Caveat::GpusDiffer { .. }),
        row::GPU_CLOCK => matches!(caveat, Caveat::GpuClocksDiffer { .. }),
        _ => false,
    })
}
