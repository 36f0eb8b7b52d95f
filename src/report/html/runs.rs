//! Every run, a row each.

use super::escape::text;
use super::table::{Cell, Head, Table};
use super::{Labels, Section};
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
    let mut heads = vec![Head::words("Backend")];
    heads.extend(["Load", "Round", "Repeat"].map(Head::number));
    heads.push(Head::words("Began (UTC)"));
    heads.extend(["Requests", "Failed", "Duration (s)"].map(Head::number));
    let shown = SHOWN.iter().filter_map(|(name, statistic)| Some((figure::metric(name)?, *statistic)));
    heads.extend(shown.map(|(metric, statistic)| {
        let of = if statistic == Statistic::Value { String::new() } else { format!(" {}", statistic.name()) };
        Head::number(format!("{}{of} ({})", metric.title, metric.unit))
    }));
    heads.push(Head::words("Doubts"));
    let rows = comparison.runs.iter().map(|run| row(comparison, run, labels)).collect();
    let table = Table { caption: "Every run, in the order of play".to_owned(), heads, rows, sortable: true };
    Some(Section { id: "runs", title: "Every run", body: table.html() })
}

fn row(comparison: &Comparison, run: &RunSummary, labels: &Labels) -> Vec<Cell> {
    let key = &run.key;
    let began = run.started_at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut row = vec![
        labels.cell(&key.label),
        Cell { sort: Some(f64::from(key.point)), ..Cell::words(&load_name(comparison, key.point)) },
        Cell::count(u64::from(key.round)),
        Cell::count(u64::from(key.repeat)),
        Cell::words(&began),
        Cell {
            html: format!("{}/{}", count(run.requests.completed), count(run.requests.issued)),
            sort: Some(run.requests.completed as f64),
            class: "",
        },
        Cell::count(run.requests.failed),
        Cell::number(Some(run.duration_s)),
    ];
    row.extend(SHOWN.iter().map(|(name, statistic)| Cell::number(value(run, name, *statistic))));
    let mut doubts: Vec<String> = run
        .partial
        .iter()
        .map(|why| format!("<span class=\"badge slower\">partial: {}</span>", text(why)))
        .collect();
    let mut codes: Vec<&str> = run.caveats.iter().map(|caveat| caveat.code()).collect();
    codes.dedup();
    doubts.extend(codes.iter().map(|code| format!("<code>{}</code>", text(code))));
    row.push(Cell { class: "wrap", ..Cell::html(doubts.join(" ")) });
    row
}
