//! Objectives in words: what was wanted, and what came of it.

use super::number::compact;
use crate::schema::figure::{self, Shape, Statistic};
use crate::schema::objective::{Judged, Objective};
use crate::schema::summary::RunSummary;

/// `TTFT p99`, `error rate`.
pub fn subject(objective: &Objective) -> String {
    let Some(metric) = figure::metric(&objective.metric) else { return objective.metric.clone() };
    match metric.shape() {
        Shape::Distribution => format!("{} {}", metric.title, objective.statistic.name()),
        Shape::Scalar => metric.title.to_owned(),
    }
}

/// `TTFT p99 ≤ 500 ms`.
pub fn wanted(objective: &Objective) -> String {
    format!("{} ≤ {} {}", subject(objective), objective.limit, unit(objective))
}

/// `TTFT p99 is 812 ms, wanted ≤ 500 ms`.
pub fn result(judged: &Judged) -> String {
    let objective = &judged.objective;
    let (limit, unit) = (objective.limit, unit(objective));
    match judged.value {
        Some(value) => {
            format!("{} is {} {unit}, wanted ≤ {limit} {unit}", subject(objective), compact(value))
        }
        None => format!("{} is not known, wanted ≤ {limit} {unit}", subject(objective)),
    }
}

fn unit(objective: &Objective) -> &'static str {
    figure::metric(&objective.metric).map_or("", |metric| metric.unit)
}

/// Whether runs met their objectives, in a cell; none where they have none.
pub fn of_runs(runs: &[&RunSummary]) -> Option<String> {
    let judged: usize = runs.iter().filter(|run| !run.objectives.is_empty()).count();
    let missed: Vec<&&RunSummary> = runs.iter().filter(|run| run.missed().next().is_some()).collect();
    match (judged, missed.len()) {
        (0, _) => None,
        (_, 0) => Some("met".to_owned()),
        (judged, missed) if judged == missed => Some("MISSED".to_owned()),
        (judged, missed) => Some(format!("MISSED in {missed} of {judged} runs")),
    }
}

/// The lines of a run's block: each objective with what came of it, and goodput.
pub fn block_lines(run: &RunSummary) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for (place, judged) in run.objectives.iter().enumerate() {
        let word = if judged.met { "met" } else { "MISSED" };
        lines.push((if place == 0 { "Objectives" } else { "" }, format!("{word}: {}", result(judged))));
    }
    let scalar = |name: &str| run.metrics.get(name).and_then(|value| Statistic::Value.of(value));
    if let (Some(rate), Some(share)) = (scalar(figure::GOODPUT_RPS), scalar(figure::GOODPUT_PCT)) {
        lines.push(("Goodput", format!("{} req/s ({} % of all requests)", compact(rate), compact(share))));
    }
    if let Some(cost) = scalar(figure::OUTPUT_COST) {
        lines.push(("Cost", format!("{} per million output tokens", compact(cost))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn judged(metric: &str, statistic: Statistic, limit: f64, value: Option<f64>) -> Judged {
        let objective = Objective { metric: metric.to_owned(), statistic, limit };
        Judged { objective, value, met: value.is_some_and(|value| value <= limit), above: None, of: None }
    }

    #[test]
    fn an_objective_says_what_was_wanted_and_what_came_of_it() {
        let ttft = judged(figure::TTFT, Statistic::P99, 500.0, Some(812.4));
        assert_eq!(wanted(&ttft.objective), "TTFT p99 ≤ 500 ms");
        assert_eq!(result(&ttft), "TTFT p99 is 812 ms, wanted ≤ 500 ms");
        let errors = judged(figure::ERROR_RATE, Statistic::Value, 1.0, None);
        assert_eq!(result(&errors), "error rate is not known, wanted ≤ 1 %");
    }

    #[test]
    fn runs_that_miss_an_objective_are_counted_and_runs_without_any_say_nothing() {
        let run = |value: Option<f64>| RunSummary {
            objectives: vec![judged(figure::TTFT, Statistic::P99, 500.0, value)],
            ..fixture::run("a", 1.0)
        };
        let (met, missed, unknown) = (run(Some(500.0)), run(Some(500.1)), run(None));
        assert_eq!(of_runs(&[&fixture::run("a", 1.0)]), None);
        assert_eq!(of_runs(&[&met]).as_deref(), Some("met"));
        assert_eq!(of_runs(&[&unknown]).as_deref(), Some("MISSED"));
        assert_eq!(of_runs(&[&met, &missed, &unknown]).as_deref(), Some("MISSED in 2 of 3 runs"));
    }
}
