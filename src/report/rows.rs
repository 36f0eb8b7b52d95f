//! The comparison's rows, said once for the terminal and for Markdown: metrics down, backends across.

use super::number::{NONE, compact, count, one_line};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Better, Metric, Shape, Statistic};
use crate::schema::summary::RunSummary;

/// One row: a head and one cell a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `TTFT p50 (ms)`
    pub head: String,
    /// In the order of [`Comparison::runs`].
    pub cells: Vec<Cell>,
}

/// One value of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The value, or [`NONE`].
    pub text: String,
    /// It is the best of its row.
    pub best: bool,
}

/// The metrics of the table with the statistic that each row shows, in order.
const SHOWN: &[(&str, Statistic)] = &[
    (figure::OUTPUT_TPS, Statistic::Value),
    (figure::TOTAL_TPS, Statistic::Value),
    (figure::USER_TPS, Statistic::Value),
    (figure::RPS, Statistic::Value),
    (figure::TTFT, Statistic::P50),
    (figure::TTFT, Statistic::P99),
    (figure::TPOT, Statistic::P50),
    (figure::TPOT, Statistic::P99),
    (figure::ITL, Statistic::P50),
    (figure::ITL, Statistic::P99),
    (figure::E2E, Statistic::P50),
    (figure::E2E, Statistic::P99),
    (figure::TTFT_FROM_DUE, Statistic::P99),
    (figure::E2E_FROM_DUE, Statistic::P99),
    (figure::ERROR_RATE, Statistic::Value),
];

/// A run's statistic of a metric, where it exists and is a number.
pub fn value(run: &RunSummary, metric: &str, statistic: Statistic) -> Option<f64> {
    run.metrics.get(metric).and_then(|value| statistic.of(value)).filter(|number| number.is_finite())
}

/// The rows of a comparison. A metric that no run has is left out, but for ITL where it is withheld.
pub fn rows(comparison: &Comparison) -> Vec<Row> {
    let mut rows = facts(comparison);
    for &(name, statistic) in SHOWN {
        let Some(metric) = figure::metric(name) else { continue };
        let withheld = name == figure::ITL && comparison.runs.iter().any(itl_is_withheld);
        if withheld || comparison.runs.iter().any(|run| value(run, name, statistic).is_some()) {
            rows.push(metric_row(comparison, metric, statistic));
        }
    }
    rows.extend(row(comparison, "Client limited", &|run| client_limited(run).map(str::to_owned)));
    rows
}

fn metric_row(comparison: &Comparison, metric: &Metric, statistic: Statistic) -> Row {
    let best = comparison.best.get(metric.name).filter(|best| best.statistic == statistic);
    let cells = comparison.runs.iter().map(|run| Cell {
        text: value(run, metric.name, statistic).map_or_else(|| NONE.to_owned(), compact),
        best: best.is_some_and(|best| best.label == run.label),
    });
    let shown = match metric.shape() {
        Shape::Scalar => String::new(),
        Shape::Distribution => format!(" {}", statistic.name()),
    };
    Row { head: format!("{}{shown} ({})", metric.title, metric.unit), cells: cells.collect() }
}

/// A row of anything that a run may say; none where no run says it.
pub fn row(comparison: &Comparison, head: &str, show: &dyn Fn(&RunSummary) -> Option<String>) -> Option<Row> {
    let texts: Vec<Option<String>> = comparison.runs.iter().map(show).collect();
    let cell = |text: Option<String>| Cell { text: text.unwrap_or_else(|| NONE.to_owned()), best: false };
    texts
        .iter()
        .any(Option::is_some)
        .then(|| Row { head: head.to_owned(), cells: texts.into_iter().map(cell).collect() })
}

/// Whether the client, and not the server, set the run's numbers, in a word; none where a crash left no
/// account of the client's CPU, and nothing else shows that it did.
pub fn client_limited(run: &RunSummary) -> Option<&'static str> {
    match (&run.client.client_limited, run.client.threads) {
        (Some(_), _) => Some("YES"),
        (None, 0) => None,
        (None, _) => Some("no"),
    }
}

/// Rows that are not metrics: what ran, and how much of it.
fn facts(comparison: &Comparison) -> Vec<Row> {
    let row = |head: &str, show: &dyn Fn(&RunSummary) -> Option<String>| row(comparison, head, show);
    [
        row("Version", &|run| run.engine_version.as_deref().map(one_line)),
        row("Precision", &|run| Some(one_line(&run.precision))),
        row("Ready after (s)", &|run| run.ready_s.map(compact)),
        row("Completed", &|run| {
            Some(format!("{}/{}", count(run.requests.completed), count(run.requests.issued)))
        }),
        row("Duration (s)", &|run| Some(compact(run.duration_s))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a run's ITL is withheld for a stated reason.
pub fn itl_is_withheld(run: &RunSummary) -> bool {
    run.caveats.iter().any(|caveat| matches!(caveat, Caveat::ItlWithheld { .. }))
}

/// Which way is better, in words: `lower is better`.
pub fn direction(metric: &Metric) -> &'static str {
    match metric.better {
        Better::Lower => "lower is better",
        Better::Higher => "higher is better",
    }
}

/// The metrics of the table that have a best run, split by direction: titles where lower is better, and
/// titles where higher is.
pub fn marked(comparison: &Comparison) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut lower = Vec::new();
    let mut higher = Vec::new();
    for (name, statistic) in SHOWN {
        let Some(metric) = figure::metric(name) else { continue };
        if comparison.best.get(*name).is_some_and(|best| best.statistic == *statistic) {
            match metric.better {
                Better::Lower => lower.push(metric.title),
                Better::Higher => higher.push(metric.title),
            }
        }
    }
    (lower, higher)
}
