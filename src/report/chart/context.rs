//! What every chart of a comparison shares, and what they are made from.

use super::spec::{ChartSpec, Panel, Series};
use crate::report::caveat;
use crate::report::doubts;
use crate::report::fairness;
use crate::report::number::{count, one_line};
use crate::report::rows::{Column, View};
use crate::schema::comparison::Comparison;
use crate::schema::curves::RunCurves;
use crate::schema::files::RunFile;
use crate::schema::gpu::GpuSummary;
use crate::schema::phases::Phases;
use crate::schema::plan::{Plan, RunKey};
use crate::schema::sample::{DeviceSeries, SensedSeries};

/// What a chart may be made from.
#[derive(Debug, Clone, Copy)]
pub struct ChartInput<'a> {
    /// The runs, in the order of play.
    pub comparison: &'a Comparison,
    /// The curves of its runs; a run may have none.
    pub runs: &'a [DrawnRun<'a>],
    /// What stands around the marks.
    pub context: &'a ChartContext,
}

/// What is drawn of one run besides its figures.
#[derive(Debug, Clone, Copy)]
pub struct DrawnRun<'a> {
    /// Which.
    pub key: &'a RunKey,
    /// Its curves.
    pub curves: &'a RunCurves,
    /// What its server showed of itself.
    pub server: Option<&'a SensedSeries>,
    /// What its GPUs showed.
    pub gpus: &'a [DeviceSeries],
    /// Their figures: those that it used.
    pub gpu: Option<&'a GpuSummary>,
    /// What the server's processes used.
    pub server_processes: Option<&'a SensedSeries>,
    /// What this program used.
    pub client: Option<&'a SensedSeries>,
    /// What the machine did.
    pub host: Option<&'a SensedSeries>,
    /// When its phases were.
    pub phases: Option<&'a Phases>,
}

impl<'a> DrawnRun<'a> {
    /// A run of which nothing was sensed.
    pub fn bare(key: &'a RunKey, curves: &'a RunCurves) -> Self {
        DrawnRun {
            key,
            curves,
            server: None,
            gpus: &[],
            gpu: None,
            server_processes: None,
            client: None,
            host: None,
            phases: None,
        }
    }

    /// A run with all that its file holds.
    pub fn of_file(file: &'a RunFile) -> Self {
        DrawnRun {
            server: file.server.as_ref(),
            gpus: &file.gpus,
            gpu: file.summary.gpu.as_ref(),
            server_processes: file.server_processes.as_ref(),
            client: file.client.as_ref(),
            host: file.host.as_ref(),
            phases: file.phases.as_ref(),
            ..DrawnRun::bare(&file.summary.key, &file.curves)
        }
    }

    /// The measured window's start, seconds from the run's start.
    pub fn window_s(&self) -> f64 {
        self.phases.map_or(self.curves.from_s, |phases| phases.measured_from_s)
    }

    /// Its last event, seconds from the window's start; 0 where that is not known.
    pub fn length_s(&self) -> f64 {
        let of_curves = self.curves.in_flight.last().map_or(0.0, |last| last.0);
        self.phases.map_or(of_curves, |phases| phases.measured_to_s - phases.measured_from_s)
    }
}

impl<'a> ChartInput<'a> {
    /// The labels of the first load with their runs, in the order of the plan's targets, each with its series.
    pub fn labels(&self) -> Vec<Drawn<'a>> {
        let view = View::of(self.comparison, 1);
        let drawn = view.columns.into_iter().enumerate().map(|(index, column)| {
            let own = |run: &&DrawnRun<'_>| column.group.runs.contains(run.key);
            let series = self.context.series(&column.group.label, index, "");
            Drawn { runs: self.runs.iter().filter(own).copied().collect(), column, series }
        });
        drawn.collect()
    }
}

/// A label with all that is drawn of it.
pub struct Drawn<'a> {
    /// Its group and its runs' figures.
    pub column: Column<'a>,
    /// Its runs' curves, of those that have some.
    pub runs: Vec<DrawnRun<'a>>,
    /// Its name and place.
    pub series: Series,
}

impl Drawn<'_> {
    /// Its series with a word behind the label.
    pub fn detailed(&self, detail: &str) -> Series {
        Series { detail: detail.to_owned(), ..self.series.clone() }
    }
}

/// What every picture of a comparison shares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChartContext {
    /// Model, traffic, dataset and number of requests, below the title.
    pub subtitle: String,
    /// All labels in the order of play: a label's place gives its colour in every picture.
    pub labels: Vec<String>,
    /// Doubts in a few words, at the foot.
    pub notes: Vec<String>,
}

impl ChartContext {
    /// The context of a comparison that was played by this plan.
    pub fn new(plan: &Plan, comparison: &Comparison) -> ChartContext {
        let mut models: Vec<String> = Vec::new();
        for run in &comparison.runs {
            let model = one_line(&run.model);
            if !models.contains(&model) {
                models.push(model);
            }
        }
        let parts = [
            if plan.simulated { "SIMULATED".to_owned() } else { String::new() },
            models.join(", "),
            loads_words(plan),
            dataset_words(plan),
            completed_words(comparison),
            times_words(plan),
        ];
        ChartContext {
            subtitle: parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" · "),
            labels: labels(comparison),
            notes: fairness::note(comparison)
                .into_iter()
                .chain(doubts::collected(comparison, caveat::short))
                .collect(),
        }
    }

    /// A picture of these panels.
    pub fn spec(&self, name: &str, title: &str, panels: Vec<Panel>) -> ChartSpec {
        ChartSpec {
            name: name.to_owned(),
            title: title.to_owned(),
            subtitle: self.subtitle.clone(),
            legend_note: None,
            panels,
            notes: self.notes.clone(),
            stacked: false,
        }
    }

    /// A label with its style; a label that is not known takes the place `otherwise`.
    pub fn series(&self, label: &str, otherwise: usize, detail: &str) -> Series {
        let style = self.labels.iter().position(|known| known == label).unwrap_or(otherwise);
        Series { label: one_line(label), detail: detail.to_owned(), style }
    }
}

/// The traffic of the one load; of several that they are several: the axis says which.
fn loads_words(plan: &Plan) -> String {
    match plan.loads.as_slice() {
        [load] => load.traffic.to_string(),
        loads => format!("{} loads", loads.len()),
    }
}

/// The prompts; of several scenarios that they are the scenarios' own.
fn dataset_words(plan: &Plan) -> String {
    match plan.dataset_names().as_slice() {
        [one] => format!("dataset {}", one_line(one)),
        [] => format!("dataset {}", one_line(&plan.dataset.name)),
        [..] => "prompts of each scenario".to_owned(),
    }
}

/// Every label once, in the order of the groups.
fn labels(comparison: &Comparison) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for group in &comparison.groups {
        if !labels.contains(&group.label) {
            labels.push(group.label.clone());
        }
    }
    labels
}

/// `3 rounds × 2 repeats`; empty where each run is the only one of its load.
fn times_words(plan: &Plan) -> String {
    let times = [(plan.rounds, "rounds"), (plan.repeats, "repeats")];
    let words =
        times.iter().filter(|(number, _)| *number > 1).map(|(number, noun)| format!("{number} {noun}"));
    words.collect::<Vec<_>>().join(" × ")
}

/// `n = 18 requests a run`, `n = 5 to 18 requests a run`; empty without a run.
fn completed_words(comparison: &Comparison) -> String {
    let completed = || comparison.runs.iter().map(|run| run.requests.completed);
    match (completed().min(), completed().max()) {
        (Some(least), Some(most)) if least == most => format!("n = {} requests a run", count(most)),
        (Some(least), Some(most)) => format!("n = {} to {} requests a run", count(least), count(most)),
        (None, _) | (_, None) => String::new(),
    }
}
