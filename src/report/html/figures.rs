//! The figures in full, the doubts, what gave no result, and what each metric means.

use super::escape::text;
use super::part::{Labels, Section};
use super::table::{Cell, Head, Table};
use crate::report::caveat;
use crate::report::client;
use crate::report::doubts;
use crate::report::machine;
use crate::report::rows::{Row, View, direction, rows};
use crate::report::sweep::load_name;
use crate::schema::comparison::Comparison;
use crate::schema::figure::METRICS;

/// All figures, metrics down and backends across, and those of the client itself.
pub fn section(comparison: &Comparison) -> Option<Section> {
    let views = View::all(comparison);
    let many = views.len() > 1;
    let mut body = String::new();
    for (point, view) in &views {
        let name = load_name(comparison, *point);
        let caption = if many { name.clone() } else { "All figures".to_owned() };
        let table = across(&caption, view, &rows(view));
        if many {
            body.push_str(&format!("<details><summary>{}</summary>\n{table}</details>\n", text(&name)));
        } else {
            body.push_str(&table);
        }
    }
    let mut of_client = String::new();
    for (point, view) in &views {
        let name = load_name(comparison, *point);
        let caption = if many { format!("The client, {name}") } else { "The client".to_owned() };
        of_client.push_str(&across(&caption, view, &client::figures(view)));
    }
    body.push_str(&format!(
        "<details><summary>The client itself: what this program may have added to the numbers</summary>\n\
         <p class=\"note\">Client limited: it, and not the server, set the numbers. Send delay: its own lateness in \
         an open loop. Slot wait: for a free slot under the cap that was asked for. Reader lag: the return of a read \
         minus the kernel&#39;s stamp, each request&#39;s worst. Merged events: their stamps may be late by over \
         0.1 ms.</p>\n{of_client}</details>\n"
    ));
    body.push_str(&of_machine(comparison, &views));
    (!views.is_empty()).then_some(Section { id: "figures", title: "All figures", body })
}

/// What the machine did; nothing where it was not sensed.
fn of_machine(comparison: &Comparison, views: &[(u32, View<'_>)]) -> String {
    if comparison.runs.iter().all(|run| run.machine.is_none()) {
        return String::new();
    }
    let table = |(point, view): &(u32, View<'_>)| {
        let of_load = (views.len() > 1).then(|| format!(", {}", load_name(comparison, *point)));
        across(&format!("The machine{}", of_load.unwrap_or_default()), view, &machine::figures(view))
    };
    let tables: String = views.iter().map(table).collect();
    let about = text(machine::ABOUT);
    format!(
        "<details><summary>The machine: what server, client and others used</summary>\n<p class=\"note\">{about}</p>\n\
         {tables}</details>\n"
    )
}

fn across(caption: &str, view: &View<'_>, rows: &[Row]) -> String {
    let mut heads = vec![Head::words("")];
    heads.extend(view.columns.iter().map(|column| {
        Head::number(match column.partial() {
            Some(why) => format!("{} (partial: {why})", column.group.label),
            None => column.group.label.clone(),
        })
    }));
    let rows = rows.iter().map(|row| {
        let cells = row.cells.iter().map(|cell| {
            let value = text(&cell.text);
            let value = if cell.best { format!("<strong>{value}</strong>") } else { value };
            let range =
                cell.range.as_deref().map(|range| format!("<span class=\"range\">{}</span>", text(range)));
            Cell::html(format!("{value}{}", range.unwrap_or_default()))
        });
        std::iter::once(Cell::words(&row.head)).chain(cells).collect()
    });
    Table { caption: caption.to_owned(), heads, rows: rows.collect(), sortable: false }.html()
}

/// Text whose flags are not broken at the end of a line.
fn with_flags(words: &str) -> String {
    let word = |word: &str| {
        let flag = word.trim_end_matches(['.', ',', ';', ')']);
        match flag.strip_prefix("--") {
            Some(_) => format!("<code class=\"flag\">{}</code>{}", text(flag), text(&word[flag.len()..])),
            None => text(word),
        }
    };
    words.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Doubts in sentences.
pub fn caveats(comparison: &Comparison) -> Option<Section> {
    let doubts = doubts::collected(comparison, caveat::sentence);
    let lines: String = doubts.iter().map(|doubt| format!("<li>{}</li>\n", with_flags(doubt))).collect();
    (!doubts.is_empty()).then(|| Section {
        id: "caveats",
        title: "Caveats",
        body: format!("<ul class=\"caveats\">\n{lines}</ul>\n"),
    })
}

/// Backends that failed, or are not here, each with what to do.
pub fn without_result(comparison: &Comparison, labels: &Labels) -> Option<Section> {
    let entry = |label: &str, why: &str, hint: &str| {
        let hint = if hint.is_empty() { String::new() } else { format!(" Hint: {}", text(hint)) };
        let why = text(why);
        format!("<li><strong>{}</strong>: {}.{hint}</li>\n", labels.html(label), why.trim_end_matches('.'))
    };
    let failed = comparison.failed.iter().map(|target| {
        entry(&target.label, &format!("failed in round {}: {}", target.round, target.error), &target.hint)
    });
    let skipped = comparison.skipped.iter().map(|target| entry(&target.label, &target.reason, &target.hint));
    let lines: String = failed.chain(skipped).collect();
    (!lines.is_empty()).then(|| Section {
        id: "missing",
        title: "Without a result",
        body: format!("<ul>\n{lines}</ul>\n"),
    })
}

/// What each metric means.
pub fn glossary(comparison: &Comparison) -> Option<Section> {
    let shown = METRICS.iter().filter(|metric| {
        comparison.runs.is_empty() || comparison.runs.iter().any(|run| run.metrics.contains_key(metric.name))
    });
    let entries: String = shown
        .map(|metric| {
            let (title, formula) = (text(metric.title), text(metric.formula));
            let of = format!("<code>{}</code>, {}, {}", metric.name, metric.unit, direction(metric));
            format!("<dt>{title} <span class=\"of\">{of}</span></dt><dd>{formula}</dd>\n")
        })
        .collect();
    let body = format!(
        "<dl>\n{entries}</dl>\n<p class=\"note\">p50 is the median: half of the requests are below it. 99 % are below \
         p99. Failed requests enter the error rate and no latency.</p>\n"
    );
    Some(Section { id: "glossary", title: "What each metric means", body })
}
