//! The highest load that meets the objectives, in words.

use super::number::{compact, count, one_line};
use super::objective::wanted;
use crate::schema::comparison::Comparison;
use crate::schema::objective::{Limit, LimitOf};

/// What the limits are the limits of: `Highest rate with TTFT p99 ≤ 500 ms and error rate ≤ 1 %`; none without limits.
pub fn head(comparison: &Comparison) -> Option<String> {
    let of = comparison.limits.first()?.of;
    let run = comparison.runs.iter().find(|run| !run.objectives.is_empty())?;
    let wanted: Vec<String> = run.objectives.iter().map(|judged| wanted(&judged.objective)).collect();
    let what = match of {
        LimitOf::Rate => "Highest rate",
        LimitOf::Concurrency => "Highest concurrency",
    };
    Some(format!("{what} with {} (in brackets: 95 % interval)", wanted.join(" and ")))
}

/// `vllm: 14.2 [13.6, 14.9] rps (12 runs, 3,400 requests)`.
pub fn line(limit: &Limit) -> String {
    let unfinished = limit.unfinished.as_ref().map(|why| format!("; {}", one_line(why))).unwrap_or_default();
    let runs = if limit.runs.len() == 1 { "1 run".to_owned() } else { format!("{} runs", limit.runs.len()) };
    format!(
        "{}: {} ({runs}, {} requests{unfinished})",
        one_line(&limit.label),
        value(limit),
        count(limit.requests)
    )
}

/// `14.2 [13.6, 14.9] rps`.
fn value(limit: &Limit) -> String {
    let unit = match limit.of {
        LimitOf::Rate => "rps",
        LimitOf::Concurrency => "in flight",
    };
    match (limit.value, limit.low, limit.high) {
        (Some(value), Some(low), Some(high)) => {
            format!("{} [{}, {}] {unit}", compact(value), compact(low), compact(high))
        }
        (Some(_), Some(low), None) => format!("above {} {unit}: no load was missed", compact(low)),
        (None, _, Some(high)) => format!("below {} {unit}: every load missed", compact(high)),
        (Some(_), None, _) | (None, _, None) => "no load met them".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::plan::RunKey;

    #[test]
    fn a_limit_is_a_value_with_its_interval_and_says_why_it_ended_early() {
        let limit = Limit {
            label: "vllm".to_owned(),
            of: LimitOf::Rate,
            value: Some(14.2),
            low: Some(13.6),
            high: Some(14.9),
            runs: vec![RunKey::first("vllm"); 2],
            requests: 3400,
            unfinished: None,
        };
        assert_eq!(line(&limit), "vllm: 14.2 [13.6, 14.9] rps (2 runs, 3,400 requests)");
        let open =
            Limit { high: None, unfinished: Some("25 runs were not enough".to_owned()), ..limit.clone() };
        assert_eq!(
            line(&open),
            "vllm: above 13.6 rps: no load was missed (2 runs, 3,400 requests; 25 runs were not enough)"
        );
        let none = Limit { value: None, low: None, high: None, of: LimitOf::Concurrency, ..limit };
        assert_eq!(line(&none), "vllm: no load met them (2 runs, 3,400 requests)");
    }
}
