//! What every chart of a comparison shares, and what they are made from.

use super::spec::Series;
use crate::report::caveat;
use crate::report::number::{count, one_line};
use crate::schema::comparison::Comparison;
use crate::schema::plan::{LoadPoint, Plan};
use crate::schema::traffic::Traffic;

/// What a chart may be made from.
#[derive(Debug, Clone, Copy)]
pub struct ChartInput<'a> {
    /// The runs, in the order of play.
    pub comparison: &'a Comparison,
    /// Labels with the TTFT of every completed request, ms.
    pub ttft_ms: &'a [(String, Vec<f64>)],
    /// What stands around the marks.
    pub context: &'a ChartContext,
}

/// What every picture of a comparison shares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChartContext {
    /// Model, traffic, dataset and number of requests, below the title.
    pub subtitle: String,
    /// All labels in the order of play: a label's place gives its colour in every picture.
    pub labels: Vec<String>,
    /// Doubts in a few words, at the foot.
    pub notes: Vec<String>,
}

impl ChartContext {
    /// The context of a comparison that was played by this plan.
    pub fn new(plan: &Plan, comparison: &Comparison) -> ChartContext {
        let mut models: Vec<String> = Vec::new();
        for run in &comparison.runs {
            let model = one_line(&run.model);
            if !models.contains(&model) {
                models.push(model);
            }
        }
        let parts = [
            if plan.simulated { "SIMULATED".to_owned() } else { String::new() },
            models.join(", "),
            traffic_words(&plan.load),
            format!("dataset {}", one_line(&plan.dataset.name)),
            completed_words(comparison),
        ];
        ChartContext {
            subtitle: parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" · "),
            labels: comparison.runs.iter().map(|run| run.label.clone()).collect(),
            notes: caveat::collected(comparison, caveat::short),
        }
    }

    /// A label with its style; a label that is not known takes the place `otherwise`.
    pub fn series(&self, label: &str, otherwise: usize, detail: &str) -> Series {
        let style = self.labels.iter().position(|known| known == label).unwrap_or(otherwise);
        Series { label: one_line(label), detail: detail.to_owned(), style }
    }
}

/// `n = 18 requests each`, `n = 5 to 18 requests`; empty without a run.
fn completed_words(comparison: &Comparison) -> String {
    let completed = || comparison.runs.iter().map(|run| run.requests.completed);
    match (completed().min(), completed().max()) {
        (Some(least), Some(most)) if least == most => format!("n = {} requests each", count(most)),
        (Some(least), Some(most)) => format!("n = {} to {} requests", count(least), count(most)),
        (None, _) | (_, None) => String::new(),
    }
}

/// The traffic in a few words: `concurrency 8`, `Poisson 4/s, at most 32 in flight`.
pub fn traffic_words(load: &LoadPoint) -> String {
    let cap = load.concurrency.map(|limit| format!(", at most {limit} in flight")).unwrap_or_default();
    match load.traffic {
        Traffic::Closed => load
            .concurrency
            .map(|slots| format!("concurrency {slots}"))
            .unwrap_or_else(|| "closed loop".to_owned()),
        Traffic::Poisson { rate } => format!("Poisson {rate}/s{cap}"),
        Traffic::Constant { rate } => format!("constant {rate}/s{cap}"),
    }
}
