//! Several loads: a table a backend, loads down and figures across.

use unicode_width::UnicodeWidthStr;

use super::number::{NONE, compact, one_line};
use super::rows::{View, range};
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Statistic};
use crate::schema::plan::LoadPoint;
use crate::schema::summary::RunSummary;

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
    /// Heads, the first over the loads; a head has several lines.
    pub head: Vec<String>,
    /// Cells, the first the load; a range stands in a second line.
    pub rows: Vec<Vec<String>>,
}

/// Blanks between two columns, the one that the table puts there itself among them.
pub const GAP: usize = 2;
/// Most columns of a load's name with the gap behind it; a longer one is broken between words.
const LOAD_COLUMNS: usize = 22;

impl Sweep<'_> {
    /// Columns on the terminal that a column needs, with the gap behind it.
    pub fn width(&self, column: usize) -> usize {
        let cells = std::iter::once(&self.head).chain(&self.rows).filter_map(|row| row.get(column));
        let widest = cells.flat_map(|cell| cell.lines()).map(UnicodeWidthStr::width).max().unwrap_or(0) + GAP;
        if column == 0 { widest.min(LOAD_COLUMNS) } else { widest }
    }

    /// The figures' columns, so many together as are not wider than `width` with the loads before them.
    pub fn abreast(&self, width: usize) -> Vec<Vec<usize>> {
        let mut tables: Vec<(usize, Vec<usize>)> = Vec::new();
        for column in 1..self.head.len() {
            let needed = self.width(column);
            match tables.last_mut() {
                // The gap behind the last column is cut off.
                Some((taken, columns)) if *taken + needed <= width + GAP => {
                    *taken += needed;
                    columns.push(column);
                }
                Some(_) | None => tables.push((self.width(0) + needed, vec![column])),
            }
        }
        tables.into_iter().map(|(_, columns)| columns).collect()
    }
}

/// Some figure of the tables is marked as the best at its load.
pub fn marks_a_best(views: &[(u32, View<'_>)]) -> bool {
    let mut groups = views.iter().flat_map(|(_, view)| &view.columns).map(|column| column.group);
    groups.any(|group| SHOWN.iter().any(|(name, statistic)| group.best.get(*name) == Some(statistic)))
}

/// What a load is called: its name, or its traffic in a few words. Where loads share that, the traffic, and if need be
/// the bound, stand behind it, so that no two of a comparison are called the same.
pub fn load_name(comparison: &Comparison, point: u32) -> String {
    let loads = &comparison.loads;
    let Some(load) = (point as usize).checked_sub(1).and_then(|place| loads.get(place)) else {
        return format!("load {point}");
    };
    let distinct = |words: &fn(&LoadPoint) -> String| {
        let mut all: Vec<String> = loads.iter().map(words).collect();
        all.sort();
        all.windows(2).all(|pair| pair[0] != pair[1])
    };
    let ways: [fn(&LoadPoint) -> String; 3] = [short_name, name_and_traffic, name_traffic_and_bound];
    ways.iter().find(|words| distinct(words)).map_or_else(|| short_name(load), |words| words(load))
}

fn short_name(load: &LoadPoint) -> String {
    load.name.clone().unwrap_or_else(|| load.traffic.to_string())
}

fn name_and_traffic(load: &LoadPoint) -> String {
    match &load.name {
        Some(name) => format!("{name}, {}", load.traffic),
        None => load.traffic.to_string(),
    }
}

fn name_traffic_and_bound(load: &LoadPoint) -> String {
    let requests = load.until.requests().map(|requests| format!(", {requests} requests"));
    let seconds = load.until.duration_s().map(|seconds| format!(", {} s", compact(seconds)));
    [Some(name_and_traffic(load)), requests, seconds].into_iter().flatten().collect()
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
        // A word a line: the figures are narrower than their heads.
        let words = metric.title.split(' ').chain([shown, metric.unit]).filter(|word| !word.is_empty());
        Some(words.collect::<Vec<_>>().join("\n"))
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
            let Some(estimate) = estimate else { return Some(format!("{NONE}  ")) };
            let range = range(estimate).map(|range| format!("\n{range}")).unwrap_or_default();
            Some(format!("{}{mark}{range}", compact(estimate.value)))
        });
        let saturated = comparison.runs_of(column.group).any(RunSummary::is_saturated);
        let mark = if saturated { ", saturated" } else { "" };
        let name = format!("{}{mark}", one_line(&load_name(comparison, *point)));
        rows.push(std::iter::once(name).chain(figures).collect());
    }
    rows
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::schema::traffic::{Ramp, Traffic, Until};

    fn names(loads: &[(Option<&str>, u32, u64)]) -> Vec<String> {
        let load = |&(name, slots, requests): &(Option<&str>, u32, u64)| {
            let traffic = Traffic::Closed { slots: slots.try_into().unwrap(), ramp: Ramp::Automatic };
            let until = Until::after_requests(requests.try_into().unwrap());
            LoadPoint { name: name.map(str::to_owned), ..LoadPoint::of(traffic, until) }
        };
        let mut comparison = fixture::sweep(1);
        comparison.loads = loads.iter().map(load).collect();
        (1..=loads.len() as u32).map(|point| load_name(&comparison, point)).collect()
    }

    #[test]
    fn loads_are_told_apart_by_no_more_words_than_they_need() {
        assert_eq!(names(&[(Some("chat"), 4, 9), (Some("code"), 4, 9)]), ["chat", "code"]);
        assert_eq!(names(&[(None, 1, 9), (None, 4, 9)]), ["concurrency 1", "concurrency 4"]);
        let twice = names(&[(Some("chat"), 1, 9), (Some("chat"), 4, 9)]);
        assert_eq!(twice, ["chat, concurrency 1", "chat, concurrency 4"]);
        let counts = names(&[(None, 10, 10), (None, 20, 50), (None, 20, 100)]);
        assert_eq!(counts[2], "concurrency 20, 100 requests");
        assert_eq!(names(&[(None, 4, 9), (None, 4, 9)]), ["concurrency 4", "concurrency 4"]);
    }
}
