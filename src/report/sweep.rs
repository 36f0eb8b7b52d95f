//! Several loads: a table a backend, loads down and figures across.

use super::number::{NONE, compact};
use super::rows::{View, range};
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Statistic};

/// The figures across, with the statistic of each.
const SHOWN: &[(&str, Statistic)] = &[
    (figure::OUTPUT_TPS, Statistic::Value),
    (figure::RPS, Statistic::Value),
    (figure::TTFT, Statistic::P50),
    (figure::TTFT, Statistic::P99),
    (figure::TPOT, Statistic::P50),
    (figure::ERROR_RATE, Statistic::Value),
];

/// One backend over all loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep<'a> {
    /// Its label.
    pub label: &'a str,
    /// Heads, the first over the loads; a head has two lines.
    pub head: Vec<String>,
    /// Cells, the first the load; a range stands in a second line.
    pub rows: Vec<Vec<String>>,
}

/// What a load is called: its name, or its traffic in a few words.
pub fn load_name(comparison: &Comparison, point: u32) -> String {
    let load = (point as usize).checked_sub(1).and_then(|place| comparison.loads.get(place));
    load.map_or_else(
        || format!("load {point}"),
        |load| load.name.clone().unwrap_or_else(|| load.traffic.to_string()),
    )
}

/// A sweep a label, in the order of the groups.
pub fn by_label<'a>(comparison: &'a Comparison, views: &[(u32, View<'a>)]) -> Vec<Sweep<'a>> {
    let mut labels: Vec<&str> = Vec::new();
    for group in &comparison.groups {
        if !labels.contains(&group.label.as_str()) {
            labels.push(&group.label);
        }
    }
    labels
        .into_iter()
        .map(|label| Sweep { label, head: head(), rows: rows(comparison, views, label) })
        .collect()
}

fn head() -> Vec<String> {
    let titles = SHOWN.iter().filter_map(|&(name, statistic)| {
        let metric = figure::metric(name)?;
        let shown = if statistic == Statistic::Value { "" } else { statistic.name() };
        Some(format!("{}\n{}", format!("{} {shown}", metric.title).trim_end(), metric.unit))
    });
    std::iter::once(String::new()).chain(titles).collect()
}

fn rows(comparison: &Comparison, views: &[(u32, View<'_>)], label: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (point, view) in views {
        let Some(column) = view.columns.iter().find(|column| column.group.label == label) else { continue };
        let figures = SHOWN.iter().filter_map(|&(name, statistic)| {
            let estimate = column.estimate(figure::metric(name)?, statistic);
            let mark = if column.group.best.get(name) == Some(&statistic) { " *" } else { "  " };
            Some(match estimate {
                None => format!("{NONE}  "),
                Some(estimate) if estimate.n > 1 => {
                    format!("{}{mark}\n{}  ", compact(estimate.value), range(estimate))
                }
                Some(estimate) => format!("{}{mark}", compact(estimate.value)),
            })
        });
        rows.push(std::iter::once(load_name(comparison, *point)).chain(figures).collect());
    }
    rows
}
