//! Who is how much better than whom: the ranking with its ratios and verdicts, and the limits that were found.

use super::escape::text;
use super::part::{Labels, Section};
use super::table::{Cell, Head, Table};
use crate::report::knee;
use crate::report::number::{NONE, compact, count};
use crate::report::objective;
use crate::report::rows::{self, Column, View};
use crate::report::sweep::load_name;
use crate::report::verdicts;
use crate::schema::comparison::{Comparison, Estimate};
use crate::schema::figure::{self, Metric, Statistic};
use crate::schema::objective::{Knee, Limit, LimitOf, Objective};
use crate::schema::verdict::{Pair, Ratio, VERDICT_FIGURES, Verdict};

/// Figures behind those that carry a verdict, where a run has them.
const FURTHER: &[(&str, Statistic)] = &[
    (figure::GOODPUT_RPS, Statistic::Value),
    (figure::OUTPUT_COST, Statistic::Value),
    (figure::ENERGY_PER_TOKEN, Statistic::Value),
];

/// The backends in order of their output TPS at each load, with their ratios to the baseline.
pub fn section(comparison: &Comparison, labels: &Labels) -> Option<Section> {
    let views = View::all(comparison);
    if views.is_empty() {
        return None;
    }
    let shown = shown(&views);
    let many_loads = views.len() > 1;
    let many_labels = views.iter().any(|(_, view)| view.columns.len() > 1);
    let mut heads = vec![Head::words("Backend")];
    heads.extend(many_loads.then(|| Head::words("Load")));
    heads.extend(many_labels.then(|| Head::number("Rank")));
    heads.extend(shown.iter().map(|(metric, statistic)| Head::number(head(metric, *statistic))));
    let mut ranked = Vec::new();
    for (point, view) in &views {
        for (rank, column) in ranks(comparison, view, *point) {
            let is_baseline = many_labels && comparison.baseline.as_ref() == Some(&column.group.label);
            let note = if is_baseline { "<span class=\"range\">baseline</span>" } else { "" };
            let mut row = vec![Cell::html(format!("{}{note}", labels.html(&column.group.label)))];
            row.extend(many_loads.then(|| Cell {
                sort: Some(f64::from(*point)),
                class: "one-line",
                ..Cell::words(&load_name(comparison, *point))
            }));
            row.extend(
                many_labels.then(|| Cell { sort: Some(rank as f64), ..Cell::words(&rank.to_string()) }),
            );
            let pair = pair_of(comparison, &column.group.label, *point);
            row.extend(shown.iter().map(|(metric, statistic)| figure_cell(column, pair, metric, *statistic)));
            ranked.push(row);
        }
    }
    let caption = match &comparison.baseline {
        Some(baseline) if many_labels => format!("By output TPS; ratios are to {baseline}"),
        Some(_) | None => "By output TPS".to_owned(),
    };
    let table = Table { caption, heads, rows: ranked, sortable: true };
    let title = if many_labels { "Ranking" } else { "Result" };
    let mut body = table.html();
    body.push_str(&notes(comparison, &views));
    body.push_str(&not_comparable(comparison));
    body.push_str(&ratios(comparison, labels, many_loads));
    Some(Section { id: "ranking", title, body })
}

/// The figures of the table. An error rate of 0 everywhere has no column.
fn shown(views: &[(u32, View<'_>)]) -> Vec<(&'static Metric, Statistic)> {
    let estimates = |metric: &Metric, statistic: Statistic| -> Vec<f64> {
        let columns = views.iter().flat_map(|(_, view)| &view.columns);
        columns.filter_map(|column| Some(column.estimate(metric, statistic)?.value)).collect()
    };
    let figures = VERDICT_FIGURES.iter().chain(FURTHER);
    let mut shown: Vec<(&Metric, Statistic)> = figures
        .filter_map(|(name, statistic)| Some((figure::metric(name)?, *statistic)))
        .filter(|(metric, statistic)| !estimates(metric, *statistic).is_empty())
        .collect();
    let errors = figure::metric(figure::ERROR_RATE).map(|metric| (metric, Statistic::Value));
    shown.extend(errors.filter(|(metric, of)| estimates(metric, *of).iter().any(|rate| *rate > 0.0)));
    shown
}

fn head(metric: &Metric, statistic: Statistic) -> String {
    format!("{} ({})", verdicts::title(metric, statistic), metric.unit)
}

/// The columns of a point, the most output tokens first, each with its rank. Who cannot be told from the baseline
/// that leads shares its rank.
fn ranks<'v, 'a>(comparison: &Comparison, view: &'v View<'a>, point: u32) -> Vec<(usize, &'v Column<'a>)> {
    let (name, statistic) = VERDICT_FIGURES[0];
    let Some(metric) = figure::metric(name) else { return Vec::new() };
    let value = |column: &Column<'_>| column.estimate(metric, statistic).map(|estimate| estimate.value);
    let mut columns: Vec<&Column<'_>> = view.columns.iter().collect();
    // Who has no figure comes last.
    columns.sort_by(|one, other| value(other).unwrap_or(-1.0).total_cmp(&value(one).unwrap_or(-1.0)));
    let leads = columns.first().is_some_and(|first| Some(&first.group.label) == comparison.baseline.as_ref());
    let with_rank = columns.into_iter().enumerate().map(|(place, column)| {
        let pair = pair_of(comparison, &column.group.label, point);
        let verdict = pair.and_then(|pair| pair.ratios.get(metric.name)).and_then(|ratio| ratio.verdict);
        let shared = leads && verdict == Some(Verdict::Indistinguishable);
        (if shared { 1 } else { place + 1 }, column)
    });
    with_rank.collect()
}

fn pair_of<'a>(comparison: &'a Comparison, label: &str, point: u32) -> Option<&'a Pair> {
    comparison.pairs.iter().find(|pair| pair.label == label && pair.point == point)
}

fn figure_cell(column: &Column<'_>, pair: Option<&Pair>, metric: &Metric, statistic: Statistic) -> Cell {
    let Some(estimate) = column.estimate(metric, statistic) else { return Cell::number(None) };
    let mut html = compact(estimate.value);
    let best = column.group.best.get(metric.name) == Some(&statistic);
    if best {
        html = format!("<strong title=\"best value\">{html}</strong>");
    }
    html.extend(spread(estimate).map(|spread| format!("<span class=\"range\">{}</span>", text(&spread))));
    match pair {
        Some(pair) if !pair.not_comparable.is_empty() => {
            html.push_str("<span class=\"badge not\">not comparable</span>");
        }
        Some(pair) => {
            html.extend(pair.ratios.get(&metric.column(statistic)).map(ratio_badge));
        }
        None => {}
    }
    Cell { html, sort: Some(estimate.value), class: "" }
}

/// The 95 % interval; of fewer rounds the lowest and the highest.
fn spread(estimate: &Estimate) -> Option<String> {
    match estimate.interval {
        Some(interval) => Some(format!("[{}, {}]", compact(interval.low), compact(interval.high))),
        None => rows::range(estimate),
    }
}

/// `1.83× [1.70, 1.90] faster`
fn ratio_badge(ratio: &Ratio) -> String {
    let verdict = ratio.verdict.map(|verdict| {
        format!(" <span class=\"badge {}\">{}</span>", verdict_class(verdict), verdicts::word(verdict))
    });
    format!("<span class=\"ratio\">{}</span>{}", text(&verdicts::times(*ratio)), verdict.unwrap_or_default())
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Indistinguishable => "same",
    }
}

/// What the figures are over, and how far the verdicts go.
fn notes(comparison: &Comparison, views: &[(u32, View<'_>)]) -> String {
    let mut notes = Vec::new();
    let groups = views.iter().flat_map(|(_, view)| &view.columns).map(|column| column.group);
    if groups.flat_map(|group| group.estimates.values()).any(|estimate| estimate.interval.is_some()) {
        notes.push(
            "Each figure is the median over the rounds; its 95 % interval stands in brackets.".to_owned(),
        );
    } else {
        notes.extend(views.iter().find_map(|(_, view)| rows::basis(comparison, view, "under it")));
    }
    notes.extend(verdicts::legend(comparison));
    if notes.is_empty() && views.iter().any(|(_, view)| view.columns.len() > 1) {
        notes.push("One run each: the order is what was seen, and no verdict.".to_owned());
    }
    notes.iter().map(|note| format!("<p class=\"note\">{}</p>\n", text(note))).collect()
}

fn not_comparable(comparison: &Comparison) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for pair in &comparison.pairs {
        for why in &pair.not_comparable {
            let line = format!("{} and {}: {}", pair.label, pair.baseline, why);
            if !reasons.contains(&line) {
                reasons.push(line);
            }
        }
    }
    if reasons.is_empty() {
        return String::new();
    }
    let lines: String = reasons.iter().map(|line| format!("<li>{}</li>", text(line))).collect();
    format!("<div class=\"warning\"><p><strong>Not comparable</strong></p><ul>{lines}</ul></div>\n")
}

/// Every ratio with what is known of it, folded.
fn ratios(comparison: &Comparison, labels: &Labels, many_loads: bool) -> String {
    let mut table_rows = Vec::new();
    for pair in comparison.pairs.iter().filter(|pair| pair.not_comparable.is_empty()) {
        for (name, ratio) in &pair.ratios {
            let mut row = vec![labels.cell(&pair.label)];
            row.extend(many_loads.then(|| Cell {
                sort: Some(f64::from(pair.point)),
                class: "one-line",
                ..Cell::words(&load_name(comparison, pair.point))
            }));
            row.push(Cell::html(format!("<code>{}</code>", text(name))));
            row.extend([Cell::number(Some(ratio.value)), Cell::number(ratio.low), Cell::number(ratio.high)]);
            row.push(Cell::words(ratio.verdict.map_or(NONE, verdicts::word)));
            row.push(Cell::number(ratio.p));
            row.push(Cell::number(ratio.detectable_pct));
            row.push(Cell::number(ratio.more_rounds.map(f64::from)));
            table_rows.push(row);
        }
    }
    if table_rows.is_empty() {
        return String::new();
    }
    let mut heads = vec![Head::words("Backend")];
    heads.extend(many_loads.then(|| Head::words("Load")));
    heads.push(Head::words("Figure"));
    heads.extend(["Ratio", "Low", "High"].map(Head::number));
    heads.push(Head::words("Verdict"));
    heads.extend(["p", "Seen from (%)", "More rounds for 5 %"].map(Head::number));
    let baseline = comparison.baseline.as_deref().unwrap_or("the baseline");
    let caption = format!("Every ratio to {baseline}");
    let table = Table { caption, heads, rows: table_rows, sortable: true };
    format!(
        "<details><summary>Every ratio, with its interval and what it could have shown</summary>\n{}</details>\n",
        table.html()
    )
}

/// The highest loads that meet the objectives.
pub fn limits(comparison: &Comparison, objectives: &[Objective], labels: &Labels) -> Option<Section> {
    if comparison.limits.is_empty() {
        return None;
    }
    let rows = comparison.limits.iter().map(|limit| limit_row(limit, labels)).collect();
    let mut heads = vec![Head::words("Backend")];
    heads.extend(["Highest load", "Low", "High", "Runs", "Requests"].map(Head::number));
    heads.push(Head::words(""));
    let wanted: Vec<String> = objectives.iter().map(objective::wanted).collect();
    let caption = match wanted.as_slice() {
        [] => "Highest load".to_owned(),
        wanted => format!("Highest load with {}", wanted.join(" and ")),
    };
    let table = Table { caption, heads, rows, sortable: true };
    Some(Section { id: "limits", title: "Limits", body: table.html() })
}

/// Where the curves bend.
pub fn knees(comparison: &Comparison, labels: &Labels) -> Option<Section> {
    let of = comparison.knees.first()?.of;
    let (carried, beyond) = match of {
        LimitOf::Rate => ("Keeps up with, requests/s", "Not with"),
        LimitOf::Concurrency => ("Serves more up to, in flight", "No more with"),
    };
    let mut heads = vec![Head::words("Backend")];
    heads.extend([carried, beyond, "Most, requests/s", "Loads", "Requests"].map(Head::number));
    let row = |knee: &Knee| {
        vec![
            labels.cell(&knee.label),
            Cell::number(knee.carries),
            Cell::number(knee.beyond),
            Cell::number(knee.most_rps),
            Cell::count(u64::from(knee.runs)),
            Cell::count(knee.requests),
        ]
    };
    let rows = comparison.knees.iter().map(row).collect();
    let table = Table { caption: knee::HEAD.to_owned(), heads, rows, sortable: true };
    Some(Section { id: "knees", title: "Knees", body: table.html() })
}

fn limit_row(limit: &Limit, labels: &Labels) -> Vec<Cell> {
    let unit = match limit.of {
        LimitOf::Rate => "requests/s",
        LimitOf::Concurrency => "in flight",
    };
    let value = match limit.value {
        Some(value) if limit.high.is_none() => format!("<strong>{}</strong> {unit} or more", compact(value)),
        Some(value) => format!("<strong>{}</strong> {unit}", compact(value)),
        None => "even the lowest missed".to_owned(),
    };
    vec![
        labels.cell(&limit.label),
        Cell { sort: limit.value, ..Cell::html(value) },
        Cell::number(limit.low),
        Cell::number(limit.high),
        Cell::words(&count(limit.runs.len() as u64)),
        Cell::count(limit.requests),
        Cell::words(limit.unfinished.as_deref().unwrap_or_default()),
    ]
}
