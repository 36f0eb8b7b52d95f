//! Latency by what the requests were: their category, the length of their prompts.

use std::collections::BTreeMap;

use super::context::{ChartInput, Drawn};
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Series};
use crate::report::number::{count, one_line};
use crate::schema::curves::{LatencyOf, RunCurves};
use crate::schema::distribution::Distribution;
use crate::schema::figure;

/// The file's stem of that by category.
pub const CATEGORY_NAME: &str = "latency_by_category";
/// Its title.
pub const CATEGORY_TITLE: &str = "Latency by category of the prompts";
/// The file's stem of that by length.
pub const LENGTH_NAME: &str = "latency_by_prompt_tokens";
/// Its title.
pub const LENGTH_TITLE: &str = "Latency by length of the prompts, in tokens";
/// More rows than this cannot be told apart.
const MOST_ROWS: usize = 12;

/// TTFT and E2E of each category; of many categories those with the most requests. None where all are of one.
pub fn by_category(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, (CATEGORY_NAME, CATEGORY_TITLE), &|curves| &curves.by_category, "categories")
}

/// TTFT and E2E by prompt length. None where all are about as long.
pub fn by_prompt_tokens(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, (LENGTH_NAME, LENGTH_TITLE), &|curves| &curves.by_prompt_tokens, "lengths")
}

fn spec(
    input: &ChartInput<'_>,
    (name, title): (&str, &str),
    of: &dyn Fn(&RunCurves) -> &Vec<LatencyOf>,
    noun: &str,
) -> ChartSpec {
    let labels = input.labels();
    let all = rows(&labels, of);
    let shown = most_requests(&all);
    if shown.len() < 2 {
        return input.context.spec(name, title, Vec::new());
    }
    let panels = [(figure::TTFT, Which::Ttft), (figure::E2E, Which::E2e)]
        .map(|(metric, which)| panel(&labels, of, &shown, metric, which));
    let runs = labels.iter().map(|drawn| drawn.runs.len()).max().unwrap_or(0);
    let runs = if runs > 1 { "; mean over the runs" } else { "" };
    let mut spec = input.context.spec(name, title, panels.to_vec());
    spec.legend_note = Some(format!("marker: p50, line: up to p90{runs}"));
    if shown.len() < all.len() {
        spec.notes.push(format!("the {} {noun} with the most requests, of {}", shown.len(), all.len()));
    }
    spec
}

/// A row's name with its requests, over all labels and runs.
struct Named {
    name: String,
    requests: u64,
}

/// All rows, in the order in which the runs have them.
fn rows(labels: &[Drawn<'_>], of: &dyn Fn(&RunCurves) -> &Vec<LatencyOf>) -> Vec<Named> {
    let mut rows: Vec<Named> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let latencies = labels.iter().flat_map(|drawn| &drawn.runs).flat_map(|run| of(run.curves));
    for latency in latencies {
        let place = *places.entry(&latency.name).or_insert_with(|| {
            rows.push(Named { name: latency.name.clone(), requests: 0 });
            rows.len() - 1
        });
        if let Some(row) = rows.get_mut(place) {
            row.requests += latency.e2e_ms.as_ref().map_or(0, |distribution| distribution.count);
        }
    }
    // A length that only a later run had still stands at its place.
    rows.sort_by_key(|row| first_number(&row.name));
    rows
}

/// `129 to 256` → 129; a name that begins with no number stays where it is.
fn first_number(name: &str) -> u64 {
    let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Those with the most requests, in their order.
fn most_requests(rows: &[Named]) -> Vec<&Named> {
    let mut by_requests: Vec<usize> = (0..rows.len()).collect();
    by_requests.sort_by_key(|place| std::cmp::Reverse(rows.get(*place).map_or(0, |row| row.requests)));
    by_requests.truncate(MOST_ROWS);
    by_requests.sort_unstable();
    by_requests.into_iter().filter_map(|place| rows.get(place)).collect()
}

#[derive(Clone, Copy)]
enum Which {
    Ttft,
    E2e,
}

impl Which {
    fn of(self, latency: &LatencyOf) -> Option<&Distribution> {
        match self {
            Which::Ttft => latency.ttft_ms.as_ref(),
            Which::E2e => latency.e2e_ms.as_ref(),
        }
    }
}

fn panel(
    labels: &[Drawn<'_>],
    of: &dyn Fn(&RunCurves) -> &Vec<LatencyOf>,
    shown: &[&Named],
    metric: &str,
    which: Which,
) -> Panel {
    let range = |drawn: &Drawn<'_>, name: &str| {
        let own =
            drawn.runs.iter().filter_map(|run| of(run.curves).iter().find(|latency| latency.name == name));
        mean_range(own.filter_map(|latency| which.of(latency)))
    };
    let marks: Vec<Mark> = labels
        .iter()
        .map(|drawn| Mark::Ranges {
            series: drawn.series.clone(),
            values: shown.iter().map(|row| range(drawn, &row.name)).collect(),
        })
        .collect();
    let ends = marks.iter().flat_map(Mark::ranges).flatten().flat_map(|(_, low, high)| [*low, *high]);
    let metric = figure::metric(metric);
    let x = Axis {
        name: metric.map_or("", |metric| metric.title).to_owned(),
        unit: metric.map_or("", |metric| metric.unit).to_owned(),
        better: metric.map(|metric| metric.better),
        scale: Scale::fitting(ends),
        ..Axis::default()
    };
    let row = |(place, row): (usize, &&Named)| Series {
        label: one_line(&row.name),
        detail: format!("{} requests", count(row.requests)),
        style: place,
    };
    let y =
        Axis { scale: Scale::Rows { rows: shown.iter().enumerate().map(row).collect() }, ..Axis::default() };
    Panel { x, y, marks }
}

/// p50, and from it to p90; the mean over runs.
fn mean_range<'a>(runs: impl Iterator<Item = &'a Distribution>) -> Option<(f64, f64, f64)> {
    let (mut count, mut p50, mut p90) = (0.0, 0.0, 0.0);
    for run in runs.filter(|run| run.p50.is_finite() && run.p90.is_finite()) {
        count += 1.0;
        p50 += run.p50;
        p90 += run.p90;
    }
    (count > 0.0).then(|| (p50 / count, p50 / count, p90 / count))
}
