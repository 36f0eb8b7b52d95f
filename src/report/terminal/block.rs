//! One run's results: a name and what was found on a line.

use super::style::Style;
use crate::report::number::{fixed, one_line, wrap};
use crate::report::rows::value;
use crate::report::{caveat_words, client, gpu, machine, missing, objective, served, slices, workers};
use crate::schema::figure::{self, Statistic};
use crate::schema::flow::Flow;
use crate::schema::gpu::GpuSummary;
use crate::schema::record::FailureKind;
use crate::schema::summary::{PromptLengths, RunSummary};

/// Columns of the names in a run's block.
const NAME_COLUMNS: usize = 16;

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
    lines.extend(worker_lines(run, style));
    lines.join("\n") + "\n"
}

/// What the machines did that played it, in a block of its own.
fn worker_lines(run: &RunSummary, style: Style) -> Vec<String> {
    let (head, rows) =
        (0..).zip(workers::block_lines(run)).partition::<Vec<_>, _>(|(number, _)| *number == 0);
    let head = head.iter().map(|(_, line)| style.bold(line));
    let notes = workers::notes(run).into_iter().flat_map(|note| wrap(&note, style.columns(), "", "  "));
    head.chain(rows.into_iter().map(|(_, line): (u32, String)| line)).chain(notes).collect()
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
