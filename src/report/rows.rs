//! A point's rows, said once for the terminal and for Markdown: metrics down, backends across.

use std::collections::BTreeSet;

use super::number::{NONE, compact, count, one_line};
use super::objective;
use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, Estimate, Group, Over};
use crate::schema::figure::{self, Better, Metric, Shape, Statistic};
use crate::schema::gpu_figures::{GPU_COLUMNS, GpuColumn};
use crate::schema::summary::RunSummary;
use crate::schema::traffic::Traffic;

/// One point of a comparison: its groups side by side.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// A group each.
    pub columns: Vec<Column<'a>>,
}

/// A group and its runs.
#[derive(Debug, Clone)]
pub struct Column<'a> {
    /// The group.
    pub group: &'a Group,
    /// Its runs, in the order of play; at least one.
    pub runs: Vec<&'a RunSummary>,
}

impl<'a> View<'a> {
    /// The groups of a point.
    pub fn of(comparison: &'a Comparison, point: u32) -> Self {
        let column = |group| Column { group, runs: comparison.runs_of(group).collect() };
        View { columns: comparison.at(point).map(column).filter(|column| !column.runs.is_empty()).collect() }
    }

    /// The points that have a group, each with its number: in the order of the plan, but those of a curve, which were
    /// played as they were found, by their load.
    pub fn all(comparison: &'a Comparison) -> Vec<(u32, Self)> {
        let points: BTreeSet<u32> = comparison.groups.iter().map(|group| group.point).collect();
        let mut points: Vec<u32> = points.into_iter().collect();
        if !comparison.knees.is_empty() {
            points.sort_by(|one, other| load_of(comparison, *one).total_cmp(&load_of(comparison, *other)));
        }
        points.into_iter().map(|point| (point, View::of(comparison, point))).collect()
    }
}

/// Requests a second or in flight; a burst is more than any of them.
fn load_of(comparison: &Comparison, point: u32) -> f64 {
    let load = (point as usize).checked_sub(1).and_then(|place| comparison.loads.get(place));
    let load = load.and_then(|load| match &load.traffic {
        Traffic::Closed { slots, .. } => Some(f64::from(slots.get())),
        Traffic::Open { arrivals, .. } => arrivals.mean_rate(),
    });
    load.unwrap_or(f64::INFINITY)
}

impl Column<'_> {
    /// One of its runs is from a pretend engine.
    pub fn is_simulated(&self) -> bool {
        self.runs.iter().any(|run| run.caveats.contains(&Caveat::Simulated))
    }

    /// Why a run of it did not reach its end.
    pub fn partial(&self) -> Option<&str> {
        self.runs.iter().find_map(|run| run.partial.as_deref())
    }

    /// A statistic of a metric, over its runs.
    pub fn estimate(&self, metric: &Metric, statistic: Statistic) -> Option<&Estimate> {
        self.group.estimates.get(&metric.column(statistic))
    }
}

/// One row: a head and one cell a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `TTFT p50 (ms)`
    pub head: String,
    /// In the order of [`View::columns`].
    pub cells: Vec<Cell>,
}

/// One value of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The value, or [`NONE`].
    pub text: String,
    /// The lowest and the highest of its rounds, or of its repeats; none of one run.
    pub range: Option<String>,
    /// It is the best of its row.
    pub best: bool,
}

impl Cell {
    fn plain(text: String) -> Self {
        Cell { text, range: None, best: false }
    }
}

/// The metrics of the table with the statistic that each row shows, in order.
const SHOWN: &[(&str, Statistic)] = &[
    (figure::OUTPUT_TPS, Statistic::Value),
    (figure::TOTAL_TPS, Statistic::Value),
    (figure::USER_TPS, Statistic::Value),
    (figure::RPS, Statistic::Value),
    (figure::GOODPUT_RPS, Statistic::Value),
    (figure::GOODPUT_PCT, Statistic::Value),
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
    (figure::OUTPUT_COST, Statistic::Value),
    (figure::TOTAL_COST, Statistic::Value),
    (figure::ENERGY_PER_TOKEN, Statistic::Value),
];

/// A run's statistic of a metric, where it exists and is a number.
pub fn value(run: &RunSummary, metric: &str, statistic: Statistic) -> Option<f64> {
    run.metrics.get(metric).and_then(|value| statistic.of(value)).filter(|number| number.is_finite())
}

/// The rows of a point. A metric that no run has is left out, but for a pace where it is withheld.
pub fn rows(view: &View<'_>) -> Vec<Row> {
    let mut rows = facts(view);
    for &(name, statistic) in SHOWN {
        let Some(metric) = figure::metric(name) else { continue };
        let runs = || view.columns.iter().flat_map(|column| &column.runs);
        let withheld = metric.is_pace() && runs().any(|run| run.withholds_pace());
        if withheld || view.columns.iter().any(|column| column.estimate(metric, statistic).is_some()) {
            rows.push(metric_row(view, metric, statistic));
        }
    }
    rows.extend(GPU_COLUMNS.iter().filter_map(|figure| gpu_row(view, figure)));
    rows.extend(row(view, "Client limited", &|column| {
        let words: Vec<&str> = column.runs.iter().filter_map(|run| client_limited(run)).collect();
        words.iter().find(|word| **word == LIMITED).or(words.first()).map(|word| (*word).to_owned())
    }));
    rows
}

/// The median over the runs of a figure of their GPUs; none where another row says it.
fn gpu_row(view: &View<'_>, figure: &GpuColumn) -> Option<Row> {
    row(view, figure.title?, &|column| {
        let values = column.runs.iter().filter_map(|run| (figure.of)(run.gpu.as_ref()?));
        median(values.collect()).map(compact)
    })
}

fn metric_row(view: &View<'_>, metric: &Metric, statistic: Statistic) -> Row {
    let cells = view.columns.iter().map(|column| {
        let estimate = column.estimate(metric, statistic);
        Cell {
            text: estimate.map_or_else(|| NONE.to_owned(), |estimate| compact(estimate.value)),
            range: estimate.and_then(range),
            best: column.group.best.get(metric.name) == Some(&statistic),
        }
    });
    let shown = match metric.shape() {
        Shape::Scalar => String::new(),
        Shape::Distribution => format!(" {}", statistic.name()),
    };
    Row { head: format!("{}{shown} ({})", metric.title, metric.unit), cells: cells.collect() }
}

/// `181–195`; none of one run, and where all are the same.
pub fn range(estimate: &Estimate) -> Option<String> {
    (estimate.low < estimate.high).then(|| format!("{}–{}", compact(estimate.low), compact(estimate.high)))
}

/// A row of anything that a group may say; none where no group says it.
pub fn row(view: &View<'_>, head: &str, show: &dyn Fn(&Column<'_>) -> Option<String>) -> Option<Row> {
    let texts: Vec<Option<String>> = view.columns.iter().map(show).collect();
    let cell = |text: Option<String>| Cell::plain(text.unwrap_or_else(|| NONE.to_owned()));
    texts
        .iter()
        .any(Option::is_some)
        .then(|| Row { head: head.to_owned(), cells: texts.into_iter().map(cell).collect() })
}

/// The word for a run whose numbers the client set.
const LIMITED: &str = "YES";

/// Whether the client, and not the server, set the run's numbers, in a word; none where a crash left no
/// account of the client's CPU, and nothing else shows that it did.
pub fn client_limited(run: &RunSummary) -> Option<&'static str> {
    match (&run.client.client_limited, run.client.threads) {
        (Some(_), _) => Some(LIMITED),
        (None, 0) => None,
        (None, _) => Some("no"),
    }
}

/// Rows that are not metrics: what ran, and how much of it.
fn facts(view: &View<'_>) -> Vec<Row> {
    let row = |head: &str, show: &dyn Fn(&Column<'_>) -> Option<String>| row(view, head, show);
    let first = |column: &Column<'_>, of: fn(&RunSummary) -> Option<&str>| {
        column.runs.iter().find_map(|run| of(run)).map(one_line)
    };
    let any_nagle_on = view
        .columns
        .iter()
        .flat_map(|column| &column.runs)
        .any(|run| run.nagle.is_some_and(|nagle| nagle.on));
    let many = view.columns.iter().any(|column| column.runs.len() > 1);
    [
        row("Version", &|column| first(column, |run| run.engine_version.as_deref())),
        row("Precision", &|column| first(column, |run| Some(&run.precision))),
        row("Runs", &|column| many.then(|| column.runs.len().to_string())),
        row("Rounds", &|column| many.then(|| rounds(column).to_string())),
        row("Ready after (s)", &|column| {
            let mut launches: Vec<(u32, f64)> =
                column.runs.iter().filter_map(|run| Some((run.key.round, run.ready_s?))).collect();
            launches.dedup_by_key(|(round, _)| *round);
            median(launches.into_iter().map(|(_, seconds)| seconds).collect()).map(compact)
        }),
        row("Nagle's algorithm", &|column| {
            let nagle = column.runs.iter().rev().find_map(|run| run.nagle)?;
            // Off is what servers are thought to be: it stands beside one that is not.
            any_nagle_on.then(|| if nagle.on { "ON" } else { "off" }.to_owned())
        }),
        row("Completed", &|column| {
            let sum = |of: fn(&RunSummary) -> u64| {
                count(column.runs.iter().fold(0, |sum: u64, run| sum.saturating_add(of(run))))
            };
            Some(format!("{}/{}", sum(|run| run.requests.completed), sum(|run| run.requests.issued)))
        }),
        row("Objectives", &|column| objective::of_runs(&column.runs)),
        row("Duration (s)", &|column| {
            median(column.runs.iter().map(|run| run.duration_s).collect()).map(compact)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Rounds in which it has a run.
fn rounds(column: &Column<'_>) -> usize {
    column.runs.iter().map(|run| run.key.round).collect::<BTreeSet<u32>>().len()
}

/// The middle value, as a fact of several runs; the upper one of two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Which way is better, in words: `lower is better`.
pub fn direction(metric: &Metric) -> &'static str {
    match metric.better {
        Better::Lower => "lower is better",
        Better::Higher => "higher is better",
    }
}

/// The metrics of the table that have a best group, split by direction: titles where lower is better, and
/// titles where higher is.
pub fn marked(view: &View<'_>) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut lower = Vec::new();
    let mut higher = Vec::new();
    for (name, statistic) in SHOWN {
        let Some(metric) = figure::metric(name) else { continue };
        if view.columns.iter().any(|column| column.group.best.get(*name) == Some(statistic)) {
            match metric.better {
                Better::Lower => lower.push(metric.title),
                Better::Higher => higher.push(metric.title),
            }
        }
    }
    (lower, higher)
}

/// What the mark of the best says, in words behind it.
pub fn what_best_means(comparison: &Comparison, single: bool) -> &'static str {
    match (single, comparison.rule) {
        (true, _) => ", which with one run each is no verdict",
        (false, Some(_)) => ", where that is a verdict",
        (false, None) => "",
    }
}

/// What the numbers of a table are, where they are more than those of one run, and that they are no verdict where there
/// is none; `place` says where the ranges stand: `under it`.
pub fn basis(comparison: &Comparison, view: &View<'_>, place: &str) -> Option<String> {
    let overs = || view.columns.iter().map(|column| column.group.over);
    // A server that already ran is not launched, so it has no time until it was ready.
    let launched = view.columns.iter().flat_map(|column| &column.runs).any(|run| run.ready_s.is_some());
    let words = if overs().any(|over| over == Over::Rounds) {
        if launched { "rounds, each a launch of its own" } else { "rounds" }
    } else if overs().any(|over| over == Over::Repeats) {
        if launched { "runs on one launch" } else { "runs" }
    } else {
        return None;
    };
    let no_verdict = if view.columns.len() > 1 && comparison.rule.is_none() {
        " That is no verdict: a difference may be chance."
    } else {
        ""
    };
    Some(format!(
        "Each figure is the median over the {words}; the lowest and the highest stand {place}.{no_verdict}"
    ))
}
