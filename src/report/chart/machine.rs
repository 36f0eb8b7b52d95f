//! What the machine did while the runs went: the servers' own metrics, the GPUs, CPU and memory, each beside the phases of
//! the runs. All of it on one axis, on which the measured windows of all runs begin at 0.

use super::context::{ChartInput, Drawn, DrawnRun};
use super::over_time::seconds_words;
use super::readings::{Grid, Over, over_tracks};
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Reference, Series, Span};
use crate::report::number::count;
use crate::schema::phases::Phase;
use crate::schema::sample::{DeviceSeries, SensedSeries};
use crate::schema::series::{gpu, host, processes, server};

/// The file's stem of the servers' metrics.
pub const SERVER_NAME: &str = "server_over_time";
/// The file's stem of the GPUs'.
pub const GPU_NAME: &str = "gpu_over_time";
/// The file's stem of CPU and memory.
pub const CPU_NAME: &str = "cpu_over_time";
const SECONDS: &str = "seconds since the measured window began";
const GIB: f64 = (1u64 << 30) as f64;

/// A panel of such a chart.
struct Row {
    /// Whose readings these are: one a device.
    of: for<'a> fn(&DrawnRun<'a>) -> Vec<&'a SensedSeries>,
    /// Its name in the table of series, and by what else it may be told.
    names: &'static [&'static str],
    /// What is said where it is told by another.
    otherwise: &'static str,
    /// A counter: what it rises by a second.
    is_counter: bool,
    /// One of the axis' unit.
    unit_of: f64,
    axis: &'static str,
    unit: &'static str,
    /// Where the axis ends; by the values where none.
    top: Option<f64>,
    /// It counts things.
    whole: bool,
}

const fn row(
    of: for<'a> fn(&DrawnRun<'a>) -> Vec<&'a SensedSeries>,
    names: &'static [&'static str],
    axis: &'static str,
    unit: &'static str,
) -> Row {
    Row { of, names, otherwise: "", is_counter: false, unit_of: 1.0, axis, unit, top: None, whole: false }
}

const fn share(row: Row) -> Row {
    Row { unit_of: 0.01, unit: "%", top: Some(100.0), ..row }
}

const fn memory(row: Row) -> Row {
    Row { unit_of: GIB, unit: "GiB", ..row }
}

const fn counted(row: Row) -> Row {
    Row { whole: true, ..row }
}

const fn rate(row: Row) -> Row {
    Row { is_counter: true, ..row }
}

fn of_server<'a>(run: &DrawnRun<'a>) -> Vec<&'a SensedSeries> {
    run.server.into_iter().collect()
}

fn of_gpus<'a>(run: &DrawnRun<'a>) -> Vec<&'a SensedSeries> {
    // One that the server was given and did not use is no part of its figures.
    let used = |device: &&DeviceSeries| {
        run.gpu.is_none_or(|gpu| gpu.devices.iter().any(|used| used.head.index == device.device))
    };
    run.gpus.iter().filter(used).map(|device| &device.sensed).collect()
}

fn of_processes<'a>(run: &DrawnRun<'a>) -> Vec<&'a SensedSeries> {
    run.server_processes.into_iter().collect()
}

fn of_client<'a>(run: &DrawnRun<'a>) -> Vec<&'a SensedSeries> {
    run.client.into_iter().collect()
}

fn of_host<'a>(run: &DrawnRun<'a>) -> Vec<&'a SensedSeries> {
    run.host.into_iter().collect()
}

const SERVER: &[Row] = &[
    counted(row(of_server, &[server::SERVER_RUNNING], "requests running in the server", "")),
    counted(row(of_server, &[server::SERVER_WAITING], "requests waiting in the server", "")),
    // A large one is used to a few percent, which would lie on the axis.
    Row { top: None, ..share(row(of_server, &[server::SERVER_KV_CACHE_USE], "KV cache in use", "%")) },
];

const GPU: &[Row] = &[
    share(row(of_gpus, &[gpu::GPU_UTILISATION], "GPU utilisation: time with any kernel", "%")),
    memory(row(of_gpus, &[gpu::GPU_MEMORY_USED], "GPU memory in use", "GiB")),
    Row {
        otherwise: "as the driver averages it",
        ..row(of_gpus, &[gpu::GPU_POWER, gpu::GPU_POWER_AVERAGE], "GPU power", "W")
    },
    row(of_gpus, &[gpu::GPU_TEMPERATURE], "GPU temperature", "°C"),
    row(of_gpus, &[gpu::GPU_SM_CLOCK], "SM clock", "MHz"),
];

const CPU: &[Row] = &[
    rate(row(of_processes, &[processes::CPU_TIME], "CPU of the server", "cores")),
    memory(row(of_processes, &[processes::RESIDENT], "resident memory of the server", "GiB")),
    rate(row(of_client, &[processes::CPU_TIME], "CPU of this program", "cores")),
    row(of_host, &[host::HOST_BUSY], "CPU of the whole machine", "cores"),
];

/// What the servers' own pages showed: running, waiting, KV cache.
pub fn server(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, SERVER_NAME, "Requests and KV cache by the servers' own metrics", SERVER)
}

/// What the GPUs did.
pub fn gpu(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, GPU_NAME, "GPU over the run", GPU)
}

/// What processes and the whole machine did.
pub fn cpu(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, CPU_NAME, "CPU and memory over the run", CPU)
}

fn spec(input: &ChartInput<'_>, name: &str, title: &str, rows: &[Row]) -> ChartSpec {
    let labels = input.labels();
    let all: Vec<Told<'_>> = labels.iter().flat_map(|drawn| told(drawn, rows)).collect();
    let (grid, launch_cut) = grid(&all);
    let panels = rows.iter().filter_map(|row| panel(&labels, row, &grid));
    let mut panels: Vec<Panel> = panels.collect();
    let strips: Vec<(Series, Vec<Span>)> = labels
        .iter()
        .filter(|drawn| !told(drawn, rows).is_empty())
        .filter_map(|drawn| strip(drawn, &grid))
        .collect();
    for (place, panel) in panels.iter_mut().enumerate() {
        let of = |(series, spans): &(Series, Vec<Span>)| Mark::Phases {
            series: series.clone(),
            spans: spans.clone(),
            named: place == 0,
        };
        panel.marks.splice(0..0, strips.iter().map(of));
    }
    let mut spec = ChartSpec {
        legend_note: legend_note(&labels, rows, !strips.is_empty()),
        stacked: true,
        ..input.context.spec(name, title, panels)
    };
    spec.notes.extend(how_read(&all));
    spec.notes.extend(launch_cut.then(|| "of longer launches the end is drawn".to_owned()));
    spec
}

/// Readings of a run.
struct Told<'a> {
    run: DrawnRun<'a>,
    sensed: &'a SensedSeries,
    points: &'a [(f64, f64)],
}

impl Told<'_> {
    /// The most that any series of the sensor has: one with fewer is read less often.
    fn longest(&self) -> usize {
        self.sensed.series.values().map(Vec::len).max().unwrap_or(0)
    }

    /// Between two readings, s: as was asked for, or as it was where others of the sensor were read twice as often.
    fn interval_s(&self) -> f64 {
        match (self.points.first(), self.points.last()) {
            (Some(first), Some(last)) if self.points.len() > 1 && self.points.len() * 2 < self.longest() => {
                (last.0 - first.0) / (self.points.len() - 1) as f64
            }
            _ => self.sensed.interval_s,
        }
    }
}

/// The readings of a panel, one a run and device.
fn told_of<'a>(drawn: &Drawn<'a>, row: &Row) -> Vec<Told<'a>> {
    let of_run = |run: &DrawnRun<'a>| -> Vec<Told<'a>> {
        let told = |sensed: &'a SensedSeries| {
            let points = row.names.iter().find_map(|name| sensed.series.get(*name))?;
            (!points.is_empty()).then_some(Told { run: *run, sensed, points: points.as_slice() })
        };
        (row.of)(run).into_iter().filter_map(told).collect()
    };
    drawn.runs.iter().flat_map(of_run).collect()
}

/// All readings of a label.
fn told<'a>(drawn: &Drawn<'a>, rows: &[Row]) -> Vec<Told<'a>> {
    rows.iter().flat_map(|row| told_of(drawn, row)).collect()
}

/// The stretches of all readings, and whether some launch began before the first of them: what lies before the window
/// takes no more room than the window.
fn grid(told: &[Told<'_>]) -> (Grid, bool) {
    let first = |told: &Told<'_>| told.points.first().map_or(0.0, |point| told.run.window_s() - point.0);
    let last = |told: &Told<'_>| told.points.last().map_or(0.0, |point| point.0 - told.run.window_s());
    let finite = |value: &f64| value.is_finite();
    let before = told.iter().map(first).filter(finite).fold(0.0, f64::max);
    let after = told.iter().map(|told| told.run.length_s()).filter(finite).fold(0.0, f64::max);
    let after = if after > 0.0 { after } else { told.iter().map(last).filter(finite).fold(0.0, f64::max) };
    let interval_s = told.iter().map(|told| told.sensed.interval_s).filter(finite).fold(0.0, f64::max);
    (Grid::new(before.min(after), after, interval_s.max(1e-3)), before > after)
}

fn panel(labels: &[Drawn<'_>], row: &Row, grid: &Grid) -> Option<Panel> {
    let (mut bands, mut lines, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    let (mut highest, mut is_otherwise) = (0.0f64, false);
    for drawn in labels {
        let told = told_of(drawn, row);
        is_otherwise |= told.iter().any(|told| !told.sensed.series.contains_key(row.names[0]));
        let values: Vec<Vec<Option<f64>>> = told.iter().map(|told| values(told, row, grid)).collect();
        let series = drawn.detailed(&detail(&told));
        let pieces = over_tracks(grid, &values);
        if pieces.is_empty() {
            silent.push(drawn.series.label.clone());
        }
        for piece in pieces {
            highest = piece.iter().map(|over| over.high).fold(highest, f64::max);
            let points = |of: fn(&Over) -> f64| piece.iter().map(move |over| (over.x, of(over)));
            if values.len() > 1 {
                let points = piece.iter().map(|over| (over.x, over.low, over.high)).collect();
                bands.push(Mark::Band { series: series.clone(), points });
            }
            lines.push(Mark::Line { series: series.clone(), points: points(|over| over.mean).collect() });
        }
    }
    if lines.is_empty() {
        return None;
    }
    let otherwise = if is_otherwise { format!(", {}", row.otherwise) } else { String::new() };
    let silent = if silent.is_empty() { String::new() } else { format!(", none of {}", silent.join(", ")) };
    let scale = if row.whole { Scale::counting } else { Scale::linear };
    let y = Axis {
        name: row.axis.to_owned(),
        unit: row.unit.to_owned(),
        detail: format!("mean over {}{silent}{otherwise}", seconds_words(grid.width)),
        scale: scale(row.top.unwrap_or(highest * 1.08)),
        ..Axis::default()
    };
    bands.extend(lines);
    Some(Panel { x: x_axis(grid), y, marks: bands })
}

fn x_axis(grid: &Grid) -> Axis {
    let start = Reference { at: 0.0, label: String::new() };
    Axis {
        name: SECONDS.to_owned(),
        scale: Scale::linear(grid.ends.1).down_to(grid.ends.0),
        references: if grid.ends.0 < 0.0 { vec![start] } else { Vec::new() },
        ..Axis::default()
    }
}

fn values(told: &Told<'_>, row: &Row, grid: &Grid) -> Vec<Option<f64>> {
    let zero_s = told.run.window_s();
    let values = if row.is_counter {
        grid.rates(told.points, zero_s)
    } else {
        grid.means(told.points, zero_s, told.interval_s())
    };
    values.into_iter().map(|value| Some(value? / row.unit_of)).collect()
}

/// What a line is the mean of.
fn detail(told: &[Told<'_>]) -> String {
    let (runs, devices) = runs_and_devices(told);
    match (runs, devices) {
        (..=1, ..=1) => String::new(),
        (runs, ..=1) => format!("mean of {runs} runs"),
        (..=1, devices) => format!("mean of {devices} GPUs"),
        (runs, devices) => format!("mean of {runs} runs with {devices} GPUs each"),
    }
}

fn runs_and_devices(told: &[Told<'_>]) -> (usize, usize) {
    let mut keys: Vec<_> = told.iter().map(|told| told.run.key).collect();
    keys.dedup();
    (keys.len(), told.len().div_ceil(keys.len().max(1)))
}

/// The phases of a label's first run that has some, in the axis' seconds.
fn strip(drawn: &Drawn<'_>, grid: &Grid) -> Option<(Series, Vec<Span>)> {
    let run = drawn.runs.iter().find(|run| run.phases.is_some())?;
    let zero_s = run.window_s();
    let span = |(phase, from, to): (Phase, f64, f64)| {
        let (from, to) = ((from - zero_s).max(grid.ends.0), (to - zero_s).min(grid.ends.1));
        (to > from).then_some(Span { phase, from, to })
    };
    Some((drawn.series.clone(), run.phases?.spans().into_iter().filter_map(span).collect()))
}

/// What bands and strips are.
fn legend_note(labels: &[Drawn<'_>], rows: &[Row], strips: bool) -> Option<String> {
    let each =
        || labels.iter().flat_map(|drawn| rows.iter().map(move |row| runs_and_devices(&told_of(drawn, row))));
    let (runs, devices) = each().fold((0, 0), |most, each| (most.0.max(each.0), most.1.max(each.1)));
    let of = match (runs > 1, devices > 1) {
        (true, true) => Some("run and GPU"),
        (true, false) => Some("run"),
        (false, true) => Some("GPU"),
        (false, false) => None,
    };
    let band = of.map(|of| format!("band: lowest to highest {of}"));
    let first = if runs > 1 { " of each first run" } else { "" };
    let strip =
        strips.then(|| format!("strips: launch (outlined), warm-up, measured window (strong), drain{first}"));
    let notes: Vec<String> = band.into_iter().chain(strip).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// How often the sensors were read, and whether their series were thinned.
fn how_read(told: &[Told<'_>]) -> Option<String> {
    // What is read less often is read about each second.
    let interval_s = |told: &Told<'_>| match told.interval_s() {
        asked if asked == told.sensed.interval_s => asked,
        seen => seen.round().max(1.0),
    };
    let mut intervals: Vec<f64> = told.iter().map(interval_s).collect();
    intervals.sort_by(f64::total_cmp);
    intervals.dedup();
    let words: Vec<String> = intervals.into_iter().map(seconds_words).collect();
    let thinned = told.iter().filter(|told| told.sensed.samples > told.longest() as u64 * 2);
    let thinned = thinned.map(|told| told.points.len()).max().map_or_else(String::new, |kept| {
        format!(", thinned to {} readings a run, peaks kept", count(kept as u64))
    });
    (!words.is_empty()).then(|| format!("read every {}{thinned}", words.join(" or ")))
}
