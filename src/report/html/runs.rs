//! Every run, a row each.

use super::escape::text;
use super::part::{Labels, Section};
use super::table::{Cell, Head, Table};
use crate::report::caveat;
use crate::report::number::count;
use crate::report::rows::value;
use crate::report::sweep::load_name;
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Statistic};
use crate::schema::summary::RunSummary;

/// The figures of a run's row.
const SHOWN: &[(&str, Statistic)] = &[
    (figure::OUTPUT_TPS, Statistic::Value),
    (figure::RPS, Statistic::Value),
    (figure::TTFT, Statistic::P50),
    (figure::TTFT, Statistic::P99),
    (figure::TPOT, Statistic::P50),
    (figure::ITL, Statistic::P99),
    (figure::E2E, Statistic::P50),
    (figure::E2E, Statistic::P99),
];

/// The table of all runs, in the order of play.
pub fn section(comparison: &Comparison, labels: &Labels) -> Option<Section> {
    if comparison.runs.is_empty() {
        return None;
    }
    // A column in which all are the same says nothing.
    let differ =
        |of: fn(&RunSummary) -> u32| comparison.runs.iter().any(|run| of(run) != of(&comparison.runs[0]));
    let shows = Shows {
        load: differ(|run| run.key.point),
        round: differ(|run| run.key.round),
        repeat: differ(|run| run.key.repeat),
        doubts: comparison.runs.iter().any(|run| run.partial.is_some() || !run.caveats.is_empty()),
    };
    let mut heads = vec![Head::words("Backend")];
    heads.extend(shows.load.then(|| Head::words("Load")));
    heads.extend(shows.round.then(|| Head::number("Round")));
    heads.extend(shows.repeat.then(|| Head::number("Repeat")));
    heads.push(Head::words("Began (UTC)"));
    heads.extend(["Requests", "Failed", "Duration (s)"].map(Head::number));
    let shown = SHOWN.iter().filter_map(|(name, statistic)| Some((figure::metric(name)?, *statistic)));
    heads.extend(shown.map(|(metric, statistic)| {
        let of = if statistic == Statistic::Value { String::new() } else { format!(" {}", statistic.name()) };
        Head::number(format!("{}{of} ({})", metric.title, metric.unit))
    }));
    heads.extend(shows.doubts.then(|| Head::words("Doubts")));
    let rows = comparison.runs.iter().map(|run| row(comparison, run, &shows, labels)).collect();
    let table = Table { caption: "Every run, in the order of play".to_owned(), heads, rows, sortable: true };
    Some(Section { id: "runs", title: "Every run", body: table.html() })
}

/// Which columns are shown.
struct Shows {
    load: bool,
    round: bool,
    repeat: bool,
    doubts: bool,
}

fn row(comparison: &Comparison, run: &RunSummary, shows: &Shows, labels: &Labels) -> Vec<Cell> {
    let key = &run.key;
    let mut row = vec![labels.cell(&key.label)];
    row.extend(shows.load.then(|| Cell {
        sort: Some(f64::from(key.point)),
        class: "one-line",
        ..Cell::words(&load_name(comparison, key.point))
    }));
    row.extend(shows.round.then(|| Cell::count(u64::from(key.round))));
    row.extend(shows.repeat.then(|| Cell::count(u64::from(key.repeat))));
    let began = run.started_at.strftime("%m-%d %H:%M:%S").to_string();
    let began =
        Cell { sort: Some(run.started_at.as_millisecond() as f64), class: "one-line", ..Cell::words(&began) };
    let requests = format!("{}/{}", count(run.requests.completed), count(run.requests.issued));
    let requests = Cell { sort: Some(run.requests.completed as f64), ..Cell::html(requests) };
    row.extend([began, requests, Cell::count(run.requests.failed), Cell::number(Some(run.duration_s))]);
    row.extend(SHOWN.iter().map(|(name, statistic)| Cell::number(value(run, name, *statistic))));
    let mut doubts: Vec<String> = run
        .partial
        .iter()
        .map(|why| format!("<span class=\"badge slower\">partial: {}</span>", text(why)))
        .collect();
    doubts.extend(run.caveats.iter().map(|doubt| text(&caveat::short(doubt))));
    row.extend(shows.doubts.then(|| Cell { class: "wrap", ..Cell::html(doubts.join("; ")) }));
    row
}
