//! report.md: the question, the table, the doubts, and how it was measured, to be read without this program.

use std::collections::BTreeSet;

use super::answer;
use super::caveat;
use super::chart::ChartSpec;
use super::client;
use super::doubts;
use super::fairness;
use super::knee;
use super::limit;
use super::machine;
use super::number::{bytes, compact, one_line};
use super::rows::{self, Row, View, direction, rows};
use super::served;
use super::slices::{self, TextTable};
use super::sweep::load_name;
use super::verdicts;
use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;
use crate::schema::environment::Environment;
use crate::schema::fairness::{Finding, row};
use crate::schema::figure::METRICS;
use crate::schema::files::ComparisonFile;
use crate::schema::plan::{Asks, LoadPoint, Plan, Sampling};
use crate::schema::seeds::Seeds;
use crate::schema::target::{LaunchSpec, Launcher, Origin, Target};
use crate::schema::text::shell_word;
use crate::schema::traffic::Warmup;

/// The report of a comparison as Markdown, with the pictures of these charts by path relative to its directory (`plots/…`).
pub fn report_md(file: &ComparisonFile, charts: &[ChartSpec]) -> String {
    let mut page = Page::default();
    head(&mut page, file);
    answer(&mut page, &file.comparison);
    result(&mut page, &file.comparison);
    parts(&mut page, &file.comparison);
    where_the_time_went(&mut page, &file.comparison);
    without_result(&mut page, &file.comparison);
    levelled(&mut page, &file.comparison);
    caveats(&mut page, &file.comparison);
    the_client(&mut page, &file.comparison);
    the_machine(&mut page, &file.comparison);
    plots(&mut page, charts);
    method(&mut page, file);
    launched(&mut page, &file.plan);
    glossary(&mut page, &file.comparison);
    page.text
}

/// Paragraphs with a blank line between them.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn paragraph(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn list(&mut self, entries: impl IntoIterator<Item = String>) {
        let lines: Vec<String> = entries.into_iter().map(|entry| format!("- {entry}")).collect();
        if !lines.is_empty() {
            self.paragraph(&lines.join("\n"));
        }
    }
}

fn head(page: &mut Page, file: &ComparisonFile) {
    let comparison = &file.comparison;
    let mut models: Vec<&str> = comparison.runs.iter().map(|run| run.model.as_str()).collect();
    models.dedup();
    let model = if models.is_empty() { "this model".to_owned() } else { models.join(", ") };
    let simulated = if file.plan.simulated { "Simulated: " } else { "" };
    page.paragraph(&format!("# {simulated}Which server is faster for {}?", escaped(&model)));
    if file.plan.simulated {
        page.paragraph(
            "**Simulated.** Pretend engines with invented timings answered. Nothing here says anything about a real one.",
        );
    }
    page.paragraph(&format!(
        "Run `{}`, planned {} (UTC), by harness {}: {} with the same requests to each, one after the other.",
        code(&comparison.run_id),
        file.plan.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        escaped(&file.environment.harness_version),
        measured(comparison),
    ));
}

/// `4 backends measured`, `2 backends measured in 12 runs`.
fn measured(comparison: &Comparison) -> String {
    let labels: BTreeSet<&str> = comparison.groups.iter().map(|group| group.label.as_str()).collect();
    let backends = if labels.len() == 1 {
        "1 backend measured".to_owned()
    } else {
        format!("{} backends measured", labels.len())
    };
    match comparison.runs.len() {
        runs if runs > labels.len() => format!("{backends} in {runs} runs"),
        _ => backends,
    }
}

fn result(page: &mut Page, comparison: &Comparison) {
    page.paragraph("## Result");
    if comparison.runs.is_empty() {
        page.paragraph("No backend gave a result.");
        return;
    }
    if let Some(head) = limit::head(comparison) {
        page.paragraph(&format!("{}:", escaped(&head)));
        page.list(comparison.limits.iter().map(|limit| escaped(&limit::line(limit))));
    }
    if !comparison.knees.is_empty() {
        page.paragraph(&format!("{}:", knee::HEAD));
        page.list(comparison.knees.iter().map(|knee| escaped(&knee::line(knee))));
    }
    let views = View::all(comparison);
    for (point, view) in &views {
        if views.len() > 1 {
            page.paragraph(&format!("### {}", escaped(&load_name(comparison, *point))));
        }
        point_result(page, comparison, view);
        verdict_rows(page, comparison, *point);
    }
    let bands = verdicts::bands(comparison);
    if !bands.is_empty() {
        page.paragraph(verdicts::BANDS_HEAD);
        page.list(bands.iter().map(|text| escaped(text)));
    }
    page.paragraph(&verdicts::legend(comparison).map(|text| escaped(&text)).unwrap_or_default());
}

fn verdict_rows(page: &mut Page, comparison: &Comparison, point: u32) {
    let rows = verdicts::rows(comparison, point);
    if rows.is_empty() {
        return;
    }
    let cells = |cells: [&str; 5]| format!("| {} |", cells.map(escaped).join(" | "));
    let head = [cells(verdicts::HEAD), "| --- | --- | --- | --- | ---: |".to_owned()];
    let lines: Vec<String> = head.into_iter().chain(rows.iter().map(|row| cells(row.cells()))).collect();
    page.paragraph(&lines.join("\n"));
}

/// The answer before everything else: its first sentence by itself, loud.
fn answer(page: &mut Page, comparison: &Comparison) {
    let sentences = answer::sentences(comparison);
    if let Some((first, others)) = sentences.split_first() {
        page.paragraph(&format!("**{}**", escaped(first)));
        page.list(others.iter().map(|sentence| escaped(sentence)));
    }
}

fn point_result(page: &mut Page, comparison: &Comparison, view: &View<'_>) {
    let single = comparison.caveats.contains(&Caveat::SingleRun);
    page.paragraph(&table(view, &rows(view)));
    if let Some(basis) = rows::basis(comparison, view, "in brackets") {
        page.paragraph(&basis);
    }
    let (lower, higher) = rows::marked(view);
    if lower.is_empty() && higher.is_empty() {
        return;
    }
    let means = rows::what_best_means(comparison, single);
    let parts = [("higher", higher), ("lower", lower)];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, titles)| !titles.is_empty())
        .map(|(word, titles)| format!("{word} is better: {}", titles.join(", ")))
        .collect();
    page.paragraph(&format!("**Bold**: best value of its row{means} ({}).", parts.join("; ")));
}

fn table(view: &View<'_>, rows: &[Row]) -> String {
    let labels: Vec<String> = view
        .columns
        .iter()
        .map(|column| match column.partial() {
            Some(why) => format!("{} (partial: {})", escaped(&column.group.label), escaped(why)),
            None => escaped(&column.group.label),
        })
        .collect();
    let mut lines = vec![
        format!("| | {} |", labels.join(" | ")),
        format!("| --- |{}", " ---: |".repeat(view.columns.len())),
    ];
    for row in rows {
        let cells = row.cells.iter().map(|cell| {
            let range = cell.range.as_ref().map(|range| format!(" ({})", escaped(range))).unwrap_or_default();
            match cell.best {
                true => format!("**{}**{range}", escaped(&cell.text)),
                false => format!("{}{range}", escaped(&cell.text)),
            }
        });
        lines.push(format!("| {} | {} |", escaped(&row.head), cells.collect::<Vec<_>>().join(" | ")));
    }
    lines.join("\n")
}

/// By turn, model and endpoint, where runs have several.
fn parts(page: &mut Page, comparison: &Comparison) {
    let tables = slices::tables(comparison);
    tables.iter().for_each(|table| text_table(page, "###", table));
    if !tables.is_empty() {
        page.paragraph(slices::NOTE);
    }
}

fn text_table(page: &mut Page, level: &str, table: &TextTable) {
    page.paragraph(&format!("{level} {}", table.title));
    let cells = |cells: &[String]| {
        let escaped: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |", escaped.join(" | "))
    };
    let rules = " --- |".repeat(table.numbers) + &" ---: |".repeat(table.heads.len() - table.numbers);
    let head = [cells(&table.heads), format!("|{rules}")];
    let lines: Vec<String> = head.into_iter().chain(table.rows.iter().map(|row| cells(row))).collect();
    page.paragraph(&lines.join("\n"));
}

/// The client's times beside the server's own.
fn where_the_time_went(page: &mut Page, comparison: &Comparison) {
    if let Some(table) = served::table(comparison) {
        text_table(page, "##", &table);
        page.paragraph(served::NOTE);
    }
}

fn without_result(page: &mut Page, comparison: &Comparison) {
    let entry = |label: &str, why: &str, hint: &str| {
        let hint = if hint.is_empty() { String::new() } else { format!(" Hint: {}", escaped(hint)) };
        format!("**{}**: {}.{hint}", escaped(label), escaped(why).trim_end_matches('.'))
    };
    if !comparison.failed.is_empty() {
        page.paragraph("## Failed");
        page.list(comparison.failed.iter().map(|target| entry(&target.label, &target.error, &target.hint)));
    }
    if !comparison.skipped.is_empty() {
        page.paragraph("## Not run");
        page.list(comparison.skipped.iter().map(|target| entry(&target.label, &target.reason, &target.hint)));
    }
}

/// The levelling table, but for the commands, which stand below in full.
fn levelled(page: &mut Page, comparison: &Comparison) {
    let labels = fairness::labels(comparison);
    let Some(table) = comparison.fairness.as_ref().filter(|_| !labels.is_empty()) else { return };
    page.paragraph("## Fairness");
    page.paragraph("Whether the servers were given the same work under the same settings.");
    let several = labels.len() > 1;
    let heads = labels.iter().map(|label| escaped(label)).chain(several.then(|| "finding".to_owned()));
    let heads: Vec<String> = heads.collect();
    let mut lines =
        vec![format!("| | {} |", heads.join(" | ")), format!("|{}", " --- |".repeat(heads.len() + 1))];
    for row in table.rows.iter().filter(|row| row.what != row::LAUNCHED) {
        let cell = |label: &&str| escaped(row.by_label.get(*label).map_or("", String::as_str));
        let finding = match row.finding {
            Finding::NotComparable => format!("**{}**", fairness::word(row.finding)),
            Finding::Level | Finding::Unknown | Finding::Differs => fairness::word(row.finding).to_owned(),
        };
        let cells: Vec<String> = labels.iter().map(cell).chain(several.then_some(finding)).collect();
        lines.push(format!("| {} | {} |", escaped(&row.what), cells.join(" | ")));
    }
    page.paragraph(&lines.join("\n"));
    if several {
        page.list(fairness::whys(table).iter().map(|why| escaped(why)));
    }
}

fn caveats(page: &mut Page, comparison: &Comparison) {
    let caveats = doubts::collected(comparison, caveat::sentence);
    if !caveats.is_empty() {
        page.paragraph("## Caveats");
        page.list(caveats.iter().map(|text| escaped(text)));
    }
}

fn the_client(page: &mut Page, comparison: &Comparison) {
    if comparison.runs.is_empty() {
        return;
    }
    page.paragraph("## The client itself");
    page.paragraph(
        "What this program may have added to the numbers. Client limited: it, and not the server, set them. \
         Send delay: its own lateness in an open loop. Slot wait: for a free slot under the cap that was asked \
         for. Reader lag: the return of a read minus the kernel's stamp, each request's worst. Merged events: \
         their stamps may be late by over 0.1 ms.",
    );
    let views = View::all(comparison);
    for (point, view) in &views {
        if views.len() > 1 {
            page.paragraph(&format!("### {}", escaped(&load_name(comparison, *point))));
        }
        page.paragraph(&table(view, &client::figures(view)));
    }
}

fn the_machine(page: &mut Page, comparison: &Comparison) {
    if comparison.runs.iter().all(|run| run.machine.is_none()) {
        return;
    }
    page.paragraph("## The machine");
    page.paragraph(machine::ABOUT);
    let views = View::all(comparison);
    for (point, view) in &views {
        if views.len() > 1 {
            page.paragraph(&format!("### {}", escaped(&load_name(comparison, *point))));
        }
        page.paragraph(&table(view, &machine::figures(view)));
    }
}

fn plots(page: &mut Page, charts: &[ChartSpec]) {
    if charts.is_empty() {
        return;
    }
    page.paragraph("## Plots");
    for ChartSpec { name, title, .. } in charts {
        page.paragraph(&format!("![{title}](plots/{name}.png)"));
    }
    page.paragraph("The same pictures as SVG lie beside them.");
}

fn method(page: &mut Page, file: &ComparisonFile) {
    let plan = &file.plan;
    page.paragraph("## How it was measured");
    let dataset = &plan.dataset;
    page.list(
        [
            if plan.sends_its_dataset() {
                format!(
                    "Dataset: {} ({} prompts, {}, SHA-256 `{}`)",
                    escaped(&dataset.name),
                    dataset.prompts,
                    escaped(&dataset.path),
                    code(&dataset.sha256)
                )
            } else {
                format!("Dataset: {SCENARIOS_OWN}")
            },
            format!(
                "Load: {}",
                plan.loads.iter().map(|load| escaped(&load_words(load, plan))).collect::<Vec<_>>().join("; ")
            ),
            format!(
                "Requests: {} to `{}` over HTTP/{}, {}",
                escaped(&plan.http.endpoint_words()),
                code(&plan.http.path),
                if plan.http.http2 { "2" } else { "1.1" },
                sampling_words(&plan.sampling)
            ),
        ]
        .into_iter()
        .chain(plan.launching.as_ref().map(|launching| {
            format!(
                "Shared settings of launched servers: {} tokens of context a request, {} requests a batch",
                launching.shared.context_length, launching.shared.max_batch
            )
        }))
        .chain(machine(&file.environment).map(|(what, words)| format!("{what}: {}", escaped(&words)))),
    );
}

/// In the place of a dataset that no load sends.
pub(super) const SCENARIOS_OWN: &str = "each scenario's own prompts";

/// A load in words: its name, and its traffic.
pub(super) fn load_words(load: &LoadPoint, plan: &Plan) -> String {
    let mut words: Vec<String> = load.name.iter().map(|name| one_line(name)).collect();
    words.push(load.traffic.to_string());
    words.extend(load.until.requests().map(|requests| format!("{requests} requests")));
    words.extend(load.until.duration_s().map(|seconds| format!("for {} s", compact(seconds))));
    words.extend(load.asks.as_ref().map(asks_words));
    words.push(match load.warmup {
        Warmup::Requests(0) => "no warm-up".to_owned(),
        Warmup::Requests(requests) => format!("{requests} warm-up requests before, reported apart"),
        Warmup::DurationS(seconds) => format!("{} s of warm-up before, reported apart", compact(seconds)),
    });
    words.push(format!("timeout {} s", compact(load.timeout_s)));
    words.push(format!("seed {}", plan.seed));
    words.extend(plan.conversations.most_turns.map(|most| format!("at most {most} turns of a conversation")));
    words.extend(plan.conversations.think_time.map(|time| format!("think time {time}")));
    words.extend(plan.split.as_ref().map(|split| format!("models {split}")));
    // Plans of before there were any hold none.
    if plan.seeds != Seeds::of(plan.seed) && plan.seeds != Seeds::default() {
        words.push(format!("of requests {}, of lengths {}", plan.seeds.requests, plan.seeds.lengths));
    }
    words.join(", ")
}

/// What a load asks that the plan does not.
fn asks_words(asks: &Asks) -> String {
    let prompts = match (&asks.dataset, asks.prompts.len()) {
        (Some(dataset), _) => Some(format!("prompts of {}", one_line(&dataset.path))),
        (None, 0) => None,
        (None, 1) => Some("a prompt of its own".to_owned()),
        (None, count) => Some(format!("{count} prompts of its own")),
    };
    let limit = asks.max_tokens.map(|tokens| format!("at most {tokens} tokens"));
    prompts.into_iter().chain(limit).collect::<Vec<_>>().join(", ")
}

/// What each request asks for, in words.
pub(super) fn sampling_words(sampling: &Sampling) -> String {
    let length = match sampling.max_tokens {
        Some(tokens) if sampling.ignore_eos => format!("exactly {tokens} tokens where the engine can"),
        Some(tokens) => format!("at most {tokens} tokens"),
        None if sampling.ignore_eos => "exactly the dataset's lengths where the engine can".to_owned(),
        None => "the dataset's lengths at most".to_owned(),
    };
    let exact = if sampling.exact_itl { ", exact token counts an event asked for" } else { "" };
    format!("temperature {}, {length}{exact}", sampling.temperature)
}

/// The machine and its GPUs, each under its name; plain text.
pub(super) fn machine(environment: &Environment) -> [(&'static str, String); 2] {
    let gpus: Vec<String> = environment
        .gpus
        .iter()
        .map(|gpu| format!("{} {} ({})", gpu.index, one_line(&gpu.name), bytes(gpu.memory_bytes)))
        .collect();
    let gpus = if gpus.is_empty() { "none found".to_owned() } else { gpus.join(", ") };
    let driver =
        environment.driver.as_deref().map(|version| format!(", driver {version}")).unwrap_or_default();
    let words = format!(
        "{}, {}, {}, {}",
        environment.hostname,
        environment.cpu,
        machine::size(environment),
        environment.os
    );
    [("Machine", words), ("GPUs", format!("{gpus}{driver}"))]
}

fn launched(page: &mut Page, plan: &Plan) {
    if !plan.command.is_empty() {
        page.paragraph("## To repeat it");
        page.paragraph(&format!("```sh\n{}\n```", shell_words(&plan.command)));
    }
    if plan.targets.is_empty() {
        return;
    }
    page.paragraph("## Servers");
    for target in &plan.targets {
        let version = target.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        let level = target.not_level.iter().map(|own| {
            format!(" {}", escaped(&format!("{} instead of {} {}.", own.own, own.setting, own.shared)))
        });
        page.paragraph(&format!(
            "**{}**: {}, model {} (`{}`, precision {}).{}",
            escaped(&target.label),
            escaped(&format!("{}{version}", target.title)),
            escaped(&target.model.name),
            code(&target.model.source),
            escaped(&target.model.precision),
            level.collect::<String>(),
        ));
        page.paragraph(&how_reached(target));
    }
}

fn how_reached(target: &Target) -> String {
    match &target.origin {
        Origin::Url(_) => format!("A server that already ran at `{}`.", code(&target.endpoints().join(", "))),
        Origin::Launch(launch) => format!("```sh\n{}\n```", launch_command(launch)),
    }
}

/// The command of the plan, quoted for a shell; `{port}` and secrets stand as their names.
pub(super) fn launch_command(launch: &LaunchSpec) -> String {
    // PATH is ours with the engine's directory before it: it says nothing of the engine.
    let own = launch.env.iter().filter(|(name, _)| *name != "PATH");
    let words = own.map(|(name, value)| format!("{name}={}", quoted(value)));
    let docker = match &launch.launcher {
        Launcher::Process => Vec::new(),
        Launcher::Docker(docker) => vec!["docker run …".to_owned(), quoted(&docker.image)],
    };
    words.chain(docker).chain(launch.argv.iter().map(|word| quoted(word))).collect::<Vec<_>>().join(" ")
}

/// A command, quoted for a shell.
pub(super) fn shell_words(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    shell_word(&one_line(word))
}

fn glossary(page: &mut Page, comparison: &Comparison) {
    page.paragraph("## What each metric means");
    let shown = METRICS.iter().filter(|metric| {
        comparison.runs.is_empty() || comparison.runs.iter().any(|run| run.metrics.contains_key(metric.name))
    });
    page.list(shown.map(|metric| {
        let title = escaped(metric.title);
        let formula = escaped(metric.formula);
        format!("**{title}** (`{}`, {}, {}): {formula}", metric.name, metric.unit, direction(metric))
    }));
    page.paragraph(
        "p50 is the median: half of the requests are below it. 99 % are below p99. \
         Failed requests enter the error rate and no latency.",
    );
}

/// Text that Markdown shows as it is, on one line.
fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for c in one_line(text).chars() {
        if matches!(c, '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' | '#') {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

/// Text for a code span.
fn code(text: &str) -> String {
    one_line(text).replace('`', "'")
}
