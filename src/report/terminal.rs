//! What the terminal shows: a block for each backend, then all of them side by side.

use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, TableComponent, Width,
    presets,
};
use unicode_width::UnicodeWidthStr;

use super::answer;
use super::caveat;
use super::caveat_words;
use super::client;
use super::doubts;
use super::fairness;
use super::gpu;
use super::knee;
use super::limit;
use super::machine;
use super::missing;
use super::number::{fixed, one_line, wrap};
use super::objective;
use super::rows::{self, Column, Row, View, rows, value};
use super::served;
use super::slices;
use super::sweep;
use super::verdicts::{self, VerdictRow};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Statistic};
use crate::schema::flow::Flow;
use crate::schema::gpu::GpuSummary;
use crate::schema::record::FailureKind;
use crate::schema::summary::{PromptLengths, RunSummary};
use crate::schema::verdict::Verdict;

/// How wide and how colourful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns; under 40 counts as 40.
    pub width: usize,
    /// ANSI colours and bold are wanted.
    pub colour: bool,
}

impl Style {
    pub(super) fn columns(self) -> usize {
        self.width.max(40)
    }

    pub(super) fn bold(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Columns of the names in a run's block.
const NAME_COLUMNS: usize = 16;
/// Narrowest column of a backend in the table, padding included.
const BACKEND_COLUMNS: usize = 11;

/// One run's results, ending in a line break; `which` says which of several it is, and is empty for the only one.
pub fn run_block(run: &RunSummary, which: &str, style: Style) -> String {
    let which = if which.is_empty() { String::new() } else { format!(", {}", one_line(which)) };
    let partial =
        run.partial.as_deref().map_or_else(String::new, |why| format!(" (partial: {})", one_line(why)));
    let head = format!("=== RESULTS FOR {}{which}{partial} ===", one_line(&run.key.label));
    let mut lines: Vec<String> =
        wrap(&head, style.columns(), "", "").iter().map(|line| style.bold(line)).collect();
    for (name, text) in block_lines(run, style.columns() - NAME_COLUMNS) {
        let name = if name.is_empty() { String::new() } else { format!("{name}:") };
        let first = format!("{name:NAME_COLUMNS$}");
        let wrapped = wrap(&text, style.columns(), &first, &" ".repeat(NAME_COLUMNS));
        let loud = name == "Client limited:" && run.client.client_limited.is_some();
        lines.extend(wrapped.into_iter().map(|line| if loud { style.bold(&line) } else { line }));
    }
    lines.extend(run.gpu.iter().flat_map(|gpu| gpu_lines(gpu, style)));
    finish(lines)
}

/// What its GPUs did, in a block of its own.
fn gpu_lines(summary: &GpuSummary, style: Style) -> Vec<String> {
    let head = gpu::head(summary);
    let mut lines: Vec<String> =
        wrap(&head, style.columns(), "", "").iter().map(|line| style.bold(line)).collect();
    for (name, text) in gpu::block_lines(summary) {
        let name = if name.is_empty() { String::new() } else { format!("{name}:") };
        lines.extend(wrap(
            &text,
            style.columns(),
            &format!("{name:NAME_COLUMNS$}"),
            &" ".repeat(NAME_COLUMNS),
        ));
    }
    lines
}

fn block_lines(run: &RunSummary, width: usize) -> Vec<(&'static str, String)> {
    let requests = &run.requests;
    let mut lines = vec![("Total Requests", requests.issued.to_string())];
    if requests.failed > 0 {
        lines.push(("Failed", format!("{}{}", requests.failed, failure_kinds(run))));
        for (kind, detail) in &run.first_failures {
            lines.push(("", format!("first {}: {}", kind.name(), one_line(detail))));
        }
    }
    if requests.cancelled > 0 {
        lines.push(("Cancelled", format!("{} (in flight at the end)", requests.cancelled)));
    }
    if requests.dropped > 0 {
        lines.push(("Dropped", format!("{} (due, never sent)", requests.dropped)));
    }
    let rate = value(run, figure::OUTPUT_TPS, Statistic::Value);
    lines.extend([
        ("Duration", format!("{}s", fixed(run.duration_s))),
        (
            "System TPS",
            rate.map_or_else(
                || missing::dash(run, figure::OUTPUT_TPS),
                |rate| format!("{} tok/s", fixed(rate)),
            ),
        ),
        ("TTFT (ms)", mean_and_p99(run, figure::TTFT)),
        ("E2E (ms)", mean_and_p99(run, figure::E2E)),
        ("TPOT (ms)", one(run, figure::TPOT, Statistic::Mean)),
        ("ITL P99 (ms)", one(run, figure::ITL, Statistic::P99)),
    ]);
    lines.extend(run.flow.as_ref().map(|flow| ("Offered rate", flow_words(run, flow))));
    lines.extend(objective::block_lines(run));
    lines.extend(missing::end_of_sequence(run).map(|text| ("Tokens", text)));
    lines.extend(run.prompt_lengths.as_ref().map(|lengths| ("Prompt tokens", prompt_lengths(lengths))));
    lines.extend(
        run.gateway.map(|gateway| ("Answered by", format!("{} (by a response header)", gateway.title()))),
    );
    lines.extend(slices::block_lines(run));
    lines.extend(served::block_lines(run, width));
    lines.extend(client::block_lines(run, width));
    lines.extend(machine::block_lines(run));
    lines
}

/// `12 rps | Achieved: 9.4 rps | SATURATED: the queue grew by 2.6 requests a second`.
fn flow_words(run: &RunSummary, flow: &Flow) -> String {
    let grew = run.is_saturated().then(|| {
        let by = fixed(flow.growth_rps);
        format!(" | SATURATED: the queue grew by {by} requests a second, so latencies say how long it ran")
    });
    let rates = format!("{} rps | Achieved: {} rps", fixed(flow.offered_rps), fixed(flow.achieved_rps));
    format!("{rates}{}", grew.unwrap_or_default())
}

/// Whether prompts that were made have the lengths that were asked for.
fn prompt_lengths(lengths: &PromptLengths) -> String {
    let held = match lengths.off {
        0 => format!("as asked in each of {}", lengths.requests),
        off => format!(
            "other than asked in {off} of {}, {}",
            lengths.requests,
            caveat_words::tokens_off(lengths.largest)
        ),
    };
    match lengths.added {
        0 => held,
        added => format!(
            "{held}; the server counts {} in every one, as of a template or BOS",
            caveat_words::tokens_off(added)
        ),
    }
}

fn failure_kinds(run: &RunSummary) -> String {
    let kinds: Vec<String> = FailureKind::ALL
        .iter()
        .filter_map(|kind| run.requests.failures.get(kind).map(|number| (kind, number)))
        .filter(|(_, number)| **number > 0)
        .map(|(kind, number)| format!("{} {number}", kind.name()))
        .collect();
    if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) }
}

fn mean_and_p99(run: &RunSummary, name: &str) -> String {
    match (value(run, name, Statistic::Mean), value(run, name, Statistic::P99)) {
        (Some(mean), Some(p99)) => format!("Mean: {} | P99: {}", fixed(mean), fixed(p99)),
        (None, _) | (_, None) => missing::dash(run, name),
    }
}

fn one(run: &RunSummary, name: &str, statistic: Statistic) -> String {
    value(run, name, statistic).map_or_else(|| missing::dash(run, name), fixed)
}

/// All backends side by side, those without a result, and every doubt; ends in a line break.
pub fn comparison_table(comparison: &Comparison, style: Style) -> String {
    let simulated = comparison.runs.iter().any(|run| run.caveats.contains(&Caveat::Simulated));
    let head = if simulated { "=== COMPARISON OF SIMULATED ENGINES ===" } else { "=== COMPARISON ===" };
    let mut lines = vec![style.bold(head)];
    if comparison.runs.is_empty() {
        lines.push("No backend gave a result.".to_owned());
    } else {
        lines.extend(answer(comparison, style));
        let single = comparison.caveats.contains(&Caveat::SingleRun);
        match View::all(comparison).as_slice() {
            [(_, view)] => {
                lines.extend(tables(view, style));
                lines.extend(legend(comparison, view, single, style));
            }
            views => lines.extend(sweep_lines(comparison, views, single, style)),
        }
        lines.extend(verdict_lines(comparison, style));
        lines.extend(where_the_time_went(comparison, style));
    }
    lines.extend(limits(comparison, style));
    lines.extend(knees(comparison, style));
    lines.extend(without_result(comparison, style));
    lines.extend(levelled(comparison, style));
    lines.extend(caveats(comparison, style));
    finish(lines)
}

/// The client's times beside the server's own, where servers told them.
fn where_the_time_went(comparison: &Comparison, style: Style) -> Vec<String> {
    let Some(told) = served::narrow_table(comparison) else { return Vec::new() };
    let mut table = plain_table(style);
    table.set_header(told.heads.iter().map(|head| bold_cell(head)));
    for row in &told.rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place >= told.numbers {
            column.set_constraint(ColumnConstraint::ContentWidth);
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines = vec![String::new(), style.bold(&format!("{} (ms):", told.title))];
    lines.extend(table.trim_fmt().lines().map(|line| line.trim_end().to_owned()));
    lines.extend(wrap(served::SHORT_NOTE, style.columns(), "", "  "));
    lines
}

/// The highest load of each target, where that was searched for.
fn limits(comparison: &Comparison, style: Style) -> Vec<String> {
    let Some(head) = limit::head(comparison) else { return Vec::new() };
    let mut lines = vec![String::new()];
    lines.extend(wrap(&format!("{head}:"), style.columns(), "", "").iter().map(|line| style.bold(line)));
    for limit in &comparison.limits {
        lines.extend(wrap(&limit::line(limit), style.columns(), "  ", "    "));
    }
    lines
}

/// Where each curve bends, where that was searched for.
fn knees(comparison: &Comparison, style: Style) -> Vec<String> {
    if comparison.knees.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), style.bold(&format!("{}:", knee::HEAD))];
    lines.extend(
        comparison.knees.iter().flat_map(|knee| wrap(&knee::line(knee), style.columns(), "  ", "    ")),
    );
    lines
}

/// What is not level between the backends, and a line for what is.
fn levelled(comparison: &Comparison, style: Style) -> Vec<String> {
    let rows = fairness::lines(comparison);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), style.bold("Fairness:")];
    for text in rows {
        lines.extend(wrap(&text, style.columns(), "  - ", "    "));
    }
    lines
}

/// The answer in sentences, its first one loud.
fn answer(comparison: &Comparison, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, sentence) in answer::sentences(comparison).iter().enumerate() {
        let wrapped = wrap(sentence, style.columns(), "", "  ");
        lines.extend(wrapped.into_iter().map(|line| if place == 0 { style.bold(&line) } else { line }));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// The verdicts of each load; nothing where there is none.
fn verdict_lines(comparison: &Comparison, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let points = 1..=comparison.loads.len() as u32;
    for (point, rows) in points.map(|point| (point, verdicts::rows(comparison, point))) {
        if rows.is_empty() {
            continue;
        }
        if lines.is_empty() {
            lines.extend([String::new(), style.bold("Verdicts:")]);
        }
        if comparison.loads.len() > 1 {
            lines.extend([String::new(), one_line(&sweep::load_name(comparison, point))]);
        }
        lines.extend(verdict_table(&rows, style));
    }
    let bands = verdicts::bands(comparison);
    if !bands.is_empty() {
        lines.push(String::new());
        lines.extend(wrap(verdicts::BANDS_HEAD, style.columns(), "", "  "));
        lines.extend(bands.iter().flat_map(|text| wrap(text, style.columns(), "  ", "    ")));
        return lines;
    }
    let legend = verdicts::legend(comparison).filter(|_| !lines.is_empty());
    lines.extend(legend.iter().flat_map(|text| wrap(text, style.columns(), "", "  ")));
    lines
}

fn verdict_table(rows: &[VerdictRow], style: Style) -> Vec<String> {
    let mut table = plain_table(style);
    table.set_header(verdicts::HEAD.map(bold_cell));
    let mut known = "";
    for row in rows {
        let mut cells = row.cells().map(|text| comfy_table::Cell::new(one_line(text)));
        if row.label == known {
            cells[0] = comfy_table::Cell::new("");
        }
        known = &row.label;
        if let Some(colour) = row.is.and_then(verdict_colour) {
            cells[3] = comfy_table::Cell::new(&row.verdict).fg(colour);
        }
        table.add_row(cells);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place == 1 || place == 2 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if place == 4 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt().lines().map(|line| line.trim_end().to_owned()).collect()
}

/// What differs is coloured.
fn verdict_colour(verdict: Verdict) -> Option<Color> {
    match verdict {
        Verdict::Faster => Some(Color::Green),
        Verdict::Slower => Some(Color::Yellow),
        Verdict::Indistinguishable => None,
    }
}

/// What is to be doubted of runs; empty where nothing is.
pub fn caveat_list(comparison: &Comparison, style: Style) -> String {
    let lines = caveats(comparison, style);
    if lines.is_empty() { String::new() } else { finish(lines) }
}

/// As many tables as the width needs.
fn tables(view: &View<'_>, style: Style) -> Vec<String> {
    let rows = rows(view);
    let count = view.columns.len();
    let numbers = (0..count).map(|column| number_columns(&rows, column)).max().unwrap_or(0);
    let narrowest = BACKEND_COLUMNS.max(numbers + 1);
    let abreast = (style.columns().saturating_sub(head_columns(&rows)) / narrowest).max(1);
    let mut lines = Vec::new();
    let mut from = 0;
    while from < count {
        let to = (from + abreast).min(count);
        if from > 0 {
            lines.push(String::new());
        }
        let text = table(view, &rows, from..to, style).trim_fmt();
        lines.extend(text.lines().map(|line| line.trim_end().to_owned()));
        from = to;
    }
    lines
}

/// A table a backend, loads down and figures across; as many tables as the width needs.
fn sweep_lines(
    comparison: &Comparison,
    views: &[(u32, View<'_>)],
    single: bool,
    style: Style,
) -> Vec<String> {
    let mut lines = Vec::new();
    for sweep in sweep::by_label(comparison, views) {
        lines.extend([String::new(), style.bold(&one_line(sweep.label))]);
        for (number, shown) in sweep.abreast(style.columns()).into_iter().enumerate() {
            if number > 0 {
                lines.push(String::new());
            }
            lines.extend(sweep_table(&sweep, &shown, style));
        }
    }
    lines.push(String::new());
    if sweep::marks_a_best(views) {
        let text =
            format!("* best value of the backends at its load{}.", rows::what_best_means(comparison, single));
        lines.extend(wrap(&text, style.columns(), "", "  "));
    }
    if let Some(basis) = views.iter().find_map(|(_, view)| rows::basis(comparison, view, "under it")) {
        lines.extend(wrap(&basis, style.columns(), "", "  "));
    }
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The loads and some of the figures.
fn sweep_table(sweep: &sweep::Sweep<'_>, shown: &[usize], style: Style) -> Vec<String> {
    let mut table = plain_table(style);
    let columns = || std::iter::once(0).chain(shown.iter().copied());
    table.set_header(columns().map(|column| bold_cell(&sweep.head[column])));
    for row in &sweep.rows {
        table.add_row(columns().map(|column| row[column].as_str()));
    }
    for (place, (index, column)) in columns().zip(table.column_iter_mut()).enumerate() {
        let width = u16::try_from(sweep.width(index) - 1).unwrap_or(u16::MAX);
        column.set_padding((0, sweep::GAP as u16 - 1));
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        if place > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt().lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Columns of the rows' heads with their padding.
fn head_columns(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.head.width()).max().unwrap_or(0) + 2
}

/// Columns that a run's numbers need with their padding; versions and names may be broken.
fn number_columns(rows: &[Row], column: usize) -> usize {
    let widths = rows.iter().filter(|row| row.head.contains('(') || row.head == "Completed");
    widths
        .filter_map(|row| row.cells.get(column))
        .map(|cell| shown(cell).lines().map(UnicodeWidthStr::width).max().unwrap_or(0) + 2)
        .max()
        .unwrap_or(0)
}

fn shown(cell: &rows::Cell) -> String {
    // A blank keeps the digits of one column under each other where another row has the mark.
    let value = if cell.best { format!("{} *", cell.text) } else { format!("{}  ", cell.text) };
    match &cell.range {
        // A range ends where the mark of the value does: the columns stay narrow.
        Some(range) => format!("{value}\n{range}"),
        None => value,
    }
}

/// A table without lines but the one under its head.
fn plain_table(style: Style) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(style.columns()).unwrap_or(u16::MAX));
    if style.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

fn bold_cell(text: &str) -> comfy_table::Cell {
    comfy_table::Cell::new(text).add_attribute(Attribute::Bold)
}

fn table(view: &View<'_>, rows: &[Row], shown_columns: std::ops::Range<usize>, style: Style) -> Table {
    let mut table = plain_table(style);
    let labels = view.columns[shown_columns.clone()].iter().map(|column| {
        let partial = if column.partial().is_some() { " (partial)" } else { "" };
        bold_cell(&format!("{}{partial}  ", column_label(column)))
    });
    table.set_header(std::iter::once(comfy_table::Cell::new("")).chain(labels));
    for row in rows {
        let cells = row.cells[shown_columns.clone()].iter().map(|cell| {
            let text = comfy_table::Cell::new(shown(cell));
            if cell.best { text.add_attribute(Attribute::Bold).fg(Color::Green) } else { text }
        });
        table.add_row(std::iter::once(comfy_table::Cell::new(&row.head)).chain(cells));
    }
    // In a terminal too narrow for a number it is broken rather than the line.
    let most = style.columns().saturating_sub(head_columns(rows) + 1);
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 0 {
            column.set_constraint(ColumnConstraint::ContentWidth).set_padding((0, 2));
        } else {
            let numbers = number_columns(rows, shown_columns.start + index - 1).min(most);
            let lower = Width::Fixed(u16::try_from(numbers).unwrap_or(u16::MAX));
            column.set_constraint(ColumnConstraint::LowerBoundary(lower)).set_padding((0, 1));
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A run's label over its column. A pretend engine's ends in the same part as all of them, which goes to a line
/// of its own: the columns stay as narrow as those of real engines.
fn column_label(column: &Column<'_>) -> String {
    let label = one_line(&column.group.label);
    match label.rsplit_once('-') {
        Some((own, shared)) if column.is_simulated() => format!("{own}-\n{shared}"),
        Some(_) | None => label,
    }
}

fn legend(comparison: &Comparison, view: &View<'_>, single: bool, style: Style) -> Vec<String> {
    let (lower, higher) = rows::marked(view);
    let part = |titles: &[&str], word: &str| match titles {
        [] => None,
        titles => Some(format!("{word} is better: {}", titles.join(", "))),
    };
    let parts: Vec<String> = [part(&higher, "higher"), part(&lower, "lower")].into_iter().flatten().collect();
    let mut lines = Vec::new();
    if !parts.is_empty() {
        let means = rows::what_best_means(comparison, single);
        let text = format!("* best value of its row{means} ({}).", parts.join("; "));
        lines.extend(wrap(&text, style.columns(), "", "  "));
    }
    if let Some(basis) = rows::basis(comparison, view, "under it") {
        lines.extend(wrap(&basis, style.columns(), "", "  "));
    }
    lines
}

/// Backends that failed or are not here, each with what to do.
fn without_result(comparison: &Comparison, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let mut list = |head: &str, entries: Vec<(String, &str)>| {
        if entries.is_empty() {
            return;
        }
        lines.extend([String::new(), style.bold(head)]);
        for (text, hint) in entries {
            lines.extend(wrap(&text, style.columns(), "  ", "    "));
            if !hint.is_empty() {
                lines.extend(wrap(&format!("hint: {hint}"), style.columns(), "    ", "      "));
            }
        }
    };
    let failed = comparison.failed.iter();
    list(
        "Failed:",
        failed.map(|target| (format!("{}: {}", target.label, target.error), &*target.hint)).collect(),
    );
    let skipped = comparison.skipped.iter();
    list(
        "Not run:",
        skipped.map(|target| (format!("{}: {}", target.label, target.reason), &*target.hint)).collect(),
    );
    lines
}

fn caveats(comparison: &Comparison, style: Style) -> Vec<String> {
    let caveats = doubts::collected(comparison, caveat::sentence);
    if caveats.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), style.bold("Caveats:")];
    for text in caveats {
        lines.extend(wrap(&text, style.columns(), "  - ", "    "));
    }
    lines
}

fn finish(lines: Vec<String>) -> String {
    let mut text: String = lines.join("\n");
    text.push('\n');
    text
}
