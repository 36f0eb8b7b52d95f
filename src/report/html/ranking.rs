//! Who is how much better than whom: the ranking with its ratios and verdicts, and the limits that were found.

use super::escape::text;
use super::table::{Cell, Head, Table};
use super::{Labels, Section};
use crate::report::number::{NONE, compact, count};
use crate::report::rows::{self, Column, View};
use crate::report::sweep::load_name;
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Metric, Statistic};
use crate::schema::objective::{Limit, LimitOf, Objective};
use crate::schema::verdict::{Pair, Ratio, Verdict};

/// The figures of the ranking, the first the one that ranks.
const RANKED: &[(&str, Statistic)] = &[
    (figure::OUTPUT_TPS, Statistic::Value),
    (figure::TTFT, Statistic::P50),
    (figure::TTFT, Statistic::P99),
    (figure::TPOT, Statistic::P50),
    (figure::E2E, Statistic::P50),
    (figure::ERROR_RATE, Statistic::Value),
];

/// The backends in order of their output TPS at each load, with their ratios to the baseline.
pub fn section(comparison: &Comparison, labels: &Labels) -> Option<Section> {
    let views = View::all(comparison);
    if views.is_empty() {
        return None;
    }
    let shown: Vec<(&Metric, Statistic)> = RANKED
        .iter()
        .filter_map(|(name, statistic)| Some((figure::metric(name)?, *statistic)))
        .filter(|(metric, statistic)| {
            let mut columns = views.iter().flat_map(|(_, view)| &view.columns);
            columns.any(|column| column.estimate(metric, *statistic).is_some())
        })
        .collect();
    let many_loads = views.len() > 1;
    let many_labels = views.iter().any(|(_, view)| view.columns.len() > 1);
    let mut heads = vec![Head::words("Backend")];
    heads.extend(many_loads.then(|| Head::number("Load")));
    heads.extend(many_labels.then(|| Head::number("Rank")));
    heads.extend(shown.iter().map(|(metric, statistic)| Head::number(head(metric, *statistic))));
    let mut ranked = Vec::new();
    for (point, view) in &views {
        for (rank, column) in ranks(comparison, view, *point) {
            let mut row = vec![labels.cell(&column.group.label)];
            row.extend(many_loads.then(|| Cell {
                sort: Some(f64::from(*point)),
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

fn head(metric: &Metric, statistic: Statistic) -> String {
    match statistic {
        Statistic::Value => format!("{} ({})", metric.title, metric.unit),
        other => format!("{} {} ({})", metric.title, other.name(), metric.unit),
    }
}

/// The columns of a point, the most output tokens first, each with its rank. Who cannot be told from the baseline
/// that leads shares its rank.
fn ranks<'v, 'a>(comparison: &Comparison, view: &'v View<'a>, point: u32) -> Vec<(usize, &'v Column<'a>)> {
    let Some(metric) = figure::metric(RANKED[0].0) else { return Vec::new() };
    let value = |column: &Column<'_>| column.estimate(metric, RANKED[0].1).map(|estimate| estimate.value);
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
    if let Some(range) = rows::range(estimate) {
        html.push_str(&format!("<span class=\"range\">{}</span>", text(&range)));
    }
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

/// `1.83× [1.70, 1.90] faster`
fn ratio_badge(ratio: &Ratio) -> String {
    let verdict = ratio.verdict.map(|verdict| {
        format!(" <span class=\"badge {}\">{}</span>", verdict_class(verdict), verdict_word(verdict))
    });
    format!("<span class=\"ratio\">{}</span>{}", text(&ratio_words(ratio)), verdict.unwrap_or_default())
}

/// `1.83× [1.70, 1.90]`
fn ratio_words(ratio: &Ratio) -> String {
    let interval = match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", compact(low), compact(high)),
        (Some(_) | None, _) => String::new(),
    };
    format!("{}×{interval}", compact(ratio.value))
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Indistinguishable => "indistinguishable",
    }
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Indistinguishable => "same",
    }
}

/// What the figures are over, and what a ratio without a verdict is.
fn notes(comparison: &Comparison, views: &[(u32, View<'_>)]) -> String {
    let mut notes = Vec::new();
    let ratios = || comparison.pairs.iter().flat_map(|pair| pair.ratios.values());
    if ratios().any(|ratio| ratio.verdict.is_some()) {
        notes.push(
            "Each figure is the median over the rounds, its lowest and highest below it; × is the ratio to the \
             baseline with its 95 % interval in brackets. Indistinguishable: these rounds show no difference."
                .to_owned(),
        );
    } else if let Some(basis) = views.iter().find_map(|(_, view)| rows::basis(comparison, view, "below it")) {
        notes.push(basis);
    } else if views.iter().any(|(_, view)| view.columns.len() > 1) {
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
                ..Cell::words(&load_name(comparison, pair.point))
            }));
            row.push(Cell::html(format!("<code>{}</code>", text(name))));
            row.extend([Cell::number(Some(ratio.value)), Cell::number(ratio.low), Cell::number(ratio.high)]);
            row.push(Cell::words(ratio.verdict.map_or(NONE, verdict_word)));
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
    heads.extend(many_loads.then(|| Head::number("Load")));
    heads.push(Head::words("Figure"));
    heads.extend(["Ratio", "Low", "High"].map(Head::number));
    heads.push(Head::words("Verdict"));
    heads.extend(["p", "Would have shown (%)", "More rounds for 5 %"].map(Head::number));
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
    let caption = match objectives {
        [] => "Highest load".to_owned(),
        objectives => {
            let words: Vec<String> = objectives.iter().map(objective_words).collect();
            format!("Highest load at which {}", words.join(" and "))
        }
    };
    let table = Table { caption, heads, rows, sortable: true };
    Some(Section { id: "limits", title: "Limits", body: table.html() })
}

fn objective_words(objective: &Objective) -> String {
    let metric = figure::metric(&objective.metric);
    let (title, unit) = metric.map_or((objective.metric.as_str(), ""), |metric| (metric.title, metric.unit));
    let within = match metric.map(|metric| metric.better) {
        Some(figure::Better::Higher) => "at least",
        Some(figure::Better::Lower) | None => "at most",
    };
    let words =
        format!("{title} {} is {within} {} {unit}", objective.statistic.name(), compact(objective.limit));
    words.replace("  ", " ").trim_end().to_owned()
}

fn limit_row(limit: &Limit, labels: &Labels) -> Vec<Cell> {
    let unit = match limit.of {
        LimitOf::Rate => "requests/s",
        LimitOf::Concurrency => "in flight",
    };
    let value = match limit.value {
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
