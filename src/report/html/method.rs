//! How it was measured, and what to type to measure it again.

use super::escape::text;
use super::part::Section;
use crate::report::markdown::{
    SCENARIOS_OWN, launch_command, load_words, machine, sampling_words, shell_words,
};
use crate::schema::files::ComparisonFile;
use crate::schema::target::{Origin, Target};

/// The plan and the machine.
pub fn section(file: &ComparisonFile) -> Option<Section> {
    let plan = &file.plan;
    let dataset = &plan.dataset;
    let plans = format!(
        "{} ({} prompts, {}, SHA-256 <code>{}</code>)",
        text(&dataset.name),
        dataset.prompts,
        text(&dataset.path),
        text(&dataset.sha256)
    );
    let mut facts =
        vec![("Dataset", if plan.sends_its_dataset() { plans } else { SCENARIOS_OWN.to_owned() })];
    let loads: Vec<String> = plan.loads.iter().map(|load| text(&load_words(load, plan))).collect();
    facts.push((if loads.len() == 1 { "Load" } else { "Loads" }, loads.join("<br>")));
    facts.push(("Order", order_words(plan.rounds, plan.repeats)));
    facts.push((
        "Requests",
        format!(
            "{} to <code>{}</code> over HTTP/{}, {}",
            text(&plan.http.endpoint_words()),
            text(&plan.http.path),
            if plan.http.http2 { "2" } else { "1.1" },
            text(&sampling_words(&plan.sampling))
        ),
    ));
    facts.extend(plan.launching.as_ref().map(|launching| {
        let (context, batch) = (launching.shared.context_length, launching.shared.max_batch);
        ("Shared settings", format!("{context} tokens of context a request, {batch} requests a batch"))
    }));
    facts.extend(machine(&file.environment).iter().map(|(what, words)| (*what, text(words))));
    facts.push(("Program", format!("harness {}", text(&file.environment.harness_version))));
    let entries: String =
        facts.iter().map(|(what, words)| format!("<dt>{what}</dt><dd>{words}</dd>\n")).collect();
    let body = format!("<dl class=\"facts\">\n{entries}</dl>\n");
    Some(Section { id: "method", title: "How it was measured", body })
}

fn order_words(rounds: u32, repeats: u32) -> String {
    let rounds = match rounds {
        1 => "one round".to_owned(),
        more => format!("{more} rounds in alternating order"),
    };
    match repeats {
        1 => rounds,
        more => format!("{rounds}, each load {more} times in a round"),
    }
}

/// The commands: the same measurement, the same reports, and each server as it was launched.
pub fn repeat(file: &ComparisonFile) -> Option<Section> {
    let plan = &file.plan;
    let mut body = String::new();
    if !plan.command.is_empty() {
        body.push_str("<p>The same measurement again:</p>\n");
        body.push_str(&shell(&shell_words(&plan.command)));
        if plan.command.iter().any(|word| word.contains(crate::secrets::HIDDEN)) {
            body.push_str("<p class=\"note\">*** stands for what no file may hold: put it in again.</p>\n");
        }
    }
    if let Some(folder) = plan.folder() {
        let words = ["harness".to_owned(), "report".to_owned(), folder.display().to_string()];
        body.push_str("<p>These reports again, from the raw records and without a server:</p>\n");
        body.push_str(&shell(&shell_words(&words)));
    }
    if !plan.targets.is_empty() {
        body.push_str("<h3>Servers</h3>\n");
        body.extend(plan.targets.iter().map(server));
    }
    (!body.is_empty()).then_some(Section { id: "repeat", title: "To repeat it", body })
}

fn server(target: &Target) -> String {
    let version = target.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let own: String = target
        .not_level
        .iter()
        .map(|own| format!(" {} instead of {} {}.", text(&own.own), text(&own.setting), text(&own.shared)))
        .collect();
    let reached = match &target.origin {
        Origin::Url(_) => {
            format!(
                "<p>A server that already ran at <code>{}</code>.</p>\n",
                text(&target.endpoints().join(", "))
            )
        }
        Origin::Launch(launch) => shell(&launch_command(launch)),
    };
    format!(
        "<p><strong>{}</strong>: {}, model {} (<code>{}</code>, precision {}).{own}</p>\n{reached}",
        text(&target.label),
        text(&format!("{}{version}", target.title)),
        text(&target.model.name),
        text(&target.model.source),
        text(&target.model.precision),
    )
}

/// A command with a button beside it that copies it.
fn shell(command: &str) -> String {
    format!("<pre class=\"shell\" tabindex=\"0\"><code>{}</code></pre>\n", text(command))
}
