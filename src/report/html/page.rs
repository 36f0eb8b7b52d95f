//! The frame of a page: its policy, its style, its program, its heading and its charts' places.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::escape::{json, text};
use super::part::{COLOURS, Labels, PageInput, Section};
use crate::report::answer;
use crate::report::chart::{ChartSpec, Mark, Style, style};

const UPLOT: &str = include_str!("vendor/uPlot-1.6.32.iife.min.js");
const UPLOT_STYLE: &str = include_str!("vendor/uPlot-1.6.32.min.css");
const UPLOT_LICENCE: &str = include_str!("vendor/uPlot-LICENSE");
const STYLE: &str = include_str!("page.css");
const PROGRAM: &str = include_str!("page.js");

/// The darkest page that is drawn on: colours are lightened until they stand out from it.
const DARK_PAGE: [u8; 3] = [22, 24, 29];

/// The page around its sections.
///
/// # Errors
/// When a chart has no form in JSON.
pub fn page(input: &PageInput<'_>, labels: &Labels, sections: &[Section]) -> anyhow::Result<String> {
    let styles = format!("{UPLOT_STYLE}\n{}{STYLE}", palette());
    let program = format!("/*\nuPlot 1.6.32\n{UPLOT_LICENCE}\n*/\n{UPLOT}\n{PROGRAM}");
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(&program),
        hash(&styles)
    );
    let data = json(&Data::of(input.charts, labels))?;
    let title = title(input);
    let nav: String =
        sections.iter().map(|part| format!("<a href=\"#{}\">{}</a>", part.id, part.title)).collect();
    let parts: String = sections
        .iter()
        .map(|part| {
            let (id, title, body) = (part.id, part.title, &part.body);
            format!("<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{title}</h2>\n{body}</section>\n")
        })
        .collect();
    let head = heading(input, &title);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{styles}</style>\n</head>\n\
         <body>\n<a class=\"skip\" href=\"#main\">To the result</a>\n<header>\n{head}</header>\n\
         <nav aria-label=\"Sections\">{nav}</nav>\n<main id=\"main\">\n{parts}</main>\n\
         <script type=\"application/json\" id=\"report-data\">{data}</script>\n\
         <script>{program}</script>\n</body>\n</html>\n"
    ))
}

/// What the policy allows one text by.
fn hash(of: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(of.as_bytes())))
}

fn title(input: &PageInput<'_>) -> String {
    let mut models: Vec<&str> = Vec::new();
    for run in &input.file.comparison.runs {
        if !models.contains(&run.model.as_str()) {
            models.push(&run.model);
        }
    }
    let model = if models.is_empty() { "this model".to_owned() } else { models.join(", ") };
    let simulated = if input.file.plan.simulated { "Simulated: " } else { "" };
    match Labels::of(&input.file.comparison).len() {
        1 => format!("{simulated}How fast is {}?", text(&model)),
        _ => format!("{simulated}Which server is faster for {}?", text(&model)),
    }
}

/// The question, the answer in one sentence, and what run this is.
fn heading(input: &PageInput<'_>, title: &str) -> String {
    let file = input.file;
    let sentences = answer::sentences(&file.comparison);
    let (first, rest) = sentences.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let rest: String = rest.iter().map(|sentence| format!("<li>{}</li>\n", text(sentence))).collect();
    let rest = if rest.is_empty() { rest } else { format!("<ul class=\"more\">\n{rest}</ul>\n") };
    let simulated = if file.plan.simulated {
        "<p class=\"warning\"><strong>Simulated.</strong> Pretend engines with invented timings answered. Nothing here \
         says anything about a real one.</p>\n"
    } else {
        ""
    };
    format!(
        "<h1>{title}</h1>\n{simulated}<p class=\"answer\">{}</p>\n{rest}\
         <p class=\"meta\">Run <code>{}</code>, planned {} (UTC), by harness {} on {}</p>\n",
        text(first),
        text(&file.comparison.run_id),
        file.plan.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        text(&file.environment.harness_version),
        text(&file.environment.hostname),
    )
}

/// A place for each chart; none where there is none.
pub fn charts(charts: &[ChartSpec]) -> Option<Section> {
    let drawn: Vec<&ChartSpec> = charts.iter().filter(|chart| !is_empty(chart)).collect();
    if drawn.is_empty() {
        return None;
    }
    // What every chart says is said once.
    let shared = |of: &dyn Fn(&ChartSpec) -> bool| drawn.len() > 1 && drawn.iter().all(|chart| of(chart));
    let subtitle = &drawn[0].subtitle;
    let one_subtitle = shared(&|chart| chart.subtitle == *subtitle);
    let (common, _): (Vec<&String>, Vec<&String>) =
        drawn[0].notes.iter().partition(|note| shared(&|chart| chart.notes.contains(note)));
    let figures: String = drawn
        .iter()
        .map(|chart| {
            let own = chart.notes.iter().filter(|note| !common.contains(note));
            figure(chart, !one_subtitle, own)
        })
        .collect();
    let subtitle =
        if one_subtitle { format!("<p class=\"meta\">{}</p>\n", text(subtitle)) } else { String::new() };
    let body = format!(
        "{subtitle}{}<p class=\"note by-hand\">Point at a chart to read it, drag to zoom, double-click for the whole. By \
         keyboard: Tab to it, then arrows, + − and 0.</p>\n<div class=\"controls\" id=\"controls\"></div>\n\
         <noscript><p class=\"note\">The charts need JavaScript; the same pictures lie in <code>plots/</code>.</p>\
         </noscript>\n{figures}",
        notes(common.iter().copied())
    );
    Some(Section { id: "charts", title: "Charts", body })
}

/// The place of one chart.
fn figure<'a>(chart: &'a ChartSpec, subtitle: bool, own: impl Iterator<Item = &'a String>) -> String {
    let (name, title) = (text(&chart.name), text(&chart.title));
    let subtitle =
        if subtitle { format!("<p class=\"meta\">{}</p>", text(&chart.subtitle)) } else { String::new() };
    format!(
        "<figure class=\"chart\" id=\"chart-{name}\">\n<figcaption><h3>{title}</h3>{subtitle}</figcaption>\n\
         <div class=\"panels\"></div>\n{}</figure>\n",
        notes(chart.legend_note.iter().chain(own))
    )
}

fn notes<'a>(notes: impl Iterator<Item = &'a String>) -> String {
    let lines: String = notes.map(|note| format!("<li>{}</li>", text(note))).collect();
    if lines.is_empty() { lines } else { format!("<ul class=\"notes\">{lines}</ul>\n") }
}

fn is_empty(chart: &ChartSpec) -> bool {
    chart.panels.iter().flat_map(|panel| &panel.marks).all(Mark::is_empty)
}

/// What the page's program reads.
#[derive(Serialize)]
struct Data<'a> {
    charts: Vec<&'a ChartSpec>,
    /// By the place of a series.
    looks: Vec<Look>,
    colours: usize,
}

#[derive(Serialize)]
struct Look {
    dashes: &'static [f64],
    marker: usize,
}

impl<'a> Data<'a> {
    fn of(charts: &'a [ChartSpec], labels: &Labels) -> Data<'a> {
        let look = |place| {
            let Style { dashes, marker, .. } = style(place);
            Look { dashes, marker }
        };
        // A series that stands for all has a place of its own among the colours.
        let looks = (0..labels.len().max(COLOURS)).map(look).collect();
        Data { charts: charts.iter().filter(|chart| !is_empty(chart)).collect(), looks, colours: COLOURS }
    }
}

/// The colours of the pictures, on white and on a dark page.
fn palette() -> String {
    let list = |dark: bool| -> String {
        let colours = (0..COLOURS).map(|place| {
            let colour = style(place).colour;
            let [red, green, blue] = if dark { on_dark(colour) } else { colour };
            format!("--s{place}:#{red:02x}{green:02x}{blue:02x};")
        });
        colours.collect()
    };
    let patches: String =
        (0..COLOURS).map(|place| format!(".s{place}{{background:var(--s{place})}}\n")).collect();
    let (light, dark) = (list(false), list(true));
    format!(
        ":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         :root[data-theme=dark]{{{dark}}}\n{patches}"
    )
}

/// The same hue, mixed with white until its contrast to the page is 4.5, as WCAG asks of text.
fn on_dark(colour: [u8; 3]) -> [u8; 3] {
    let mixed =
        |share: f64| colour.map(|channel| (f64::from(channel) + (255.0 - f64::from(channel)) * share) as u8);
    let shares = (0..=20).map(|step| f64::from(step) / 20.0);
    shares.map(mixed).find(|mixed| contrast(*mixed, DARK_PAGE) >= 4.5).unwrap_or([255; 3])
}

/// Contrast of a lighter colour to a darker one, by WCAG 2.2's formula.
fn contrast(lighter: [u8; 3], darker: [u8; 3]) -> f64 {
    let luminance = |colour: [u8; 3]| {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
    };
    (luminance(lighter) + 0.05) / (luminance(darker) + 0.05)
}
