//! The charts of the machine say what was sensed, where it was sensed.

use super::context::{ChartContext, ChartInput, DrawnRun};
use super::spec::{ChartSpec, Mark, Panel, Span};
use super::{energy, machine as charts};
use crate::report::fixture::{self, comparison, plan, run};
use crate::report::fixture_curves::curves as curves_of;
use crate::report::fixture_machine::{Machine, machine};
use crate::schema::comparison::{Comparison, Over};
use crate::schema::curves::RunCurves;
use crate::schema::gpu::{GpuDevice, GpuHead, GpuSummary};
use crate::schema::phases::Phase;
use crate::schema::series::gpu::{GPU_MEMORY_USED, GPU_POWER, GPU_POWER_AVERAGE};
use crate::schema::summary::RunSummary;

type Chart = fn(&ChartInput<'_>) -> ChartSpec;

/// A chart of these runs, each on so many GPUs, after a change of what was sensed.
fn drawn(
    comparison: &Comparison,
    gpus: u32,
    chart: Chart,
    change: impl Fn(&RunSummary, &mut Machine),
) -> ChartSpec {
    let context = ChartContext::new(&plan(), comparison);
    let curves: Vec<RunCurves> = comparison.runs.iter().map(curves_of).collect();
    let mut machines: Vec<Machine> = comparison.runs.iter().map(|run| machine(run, gpus)).collect();
    comparison.runs.iter().zip(&mut machines).for_each(|(run, machine)| change(run, machine));
    let runs = comparison.runs.iter().zip(&curves).zip(&machines);
    let runs: Vec<DrawnRun<'_>> = runs.map(|((run, curves), machine)| machine.drawn(run, curves)).collect();
    chart(&ChartInput { comparison, runs: &runs, context: &context })
}

fn nothing(_: &RunSummary, _: &mut Machine) {}

fn names(spec: &ChartSpec) -> Vec<&str> {
    spec.panels.iter().map(|panel| panel.y.name.as_str()).collect()
}

fn line<'a>(panel: &'a Panel, label: &str) -> &'a [(f64, f64)] {
    let own = panel.marks.iter().find_map(|mark| match mark {
        Mark::Line { series, points } if series.label == label => Some(points.as_slice()),
        _ => None,
    });
    own.unwrap()
}

/// The value nearest to a time.
fn near(points: &[(f64, f64)], at: f64) -> f64 {
    points.iter().min_by(|one, other| (one.0 - at).abs().total_cmp(&(other.0 - at).abs())).unwrap().1
}

#[test]
fn a_gpu_has_a_panel_for_each_sensor_on_one_axis_that_begins_at_the_measured_window() {
    let spec = drawn(&comparison(vec![run("llamacpp", 0.8), run("vllm", 1.0)]), 1, charts::gpu, nothing);
    assert!(spec.stacked);
    let wanted = [
        "GPU utilisation: time with any kernel",
        "GPU memory in use",
        "GPU power",
        "GPU temperature",
        "SM clock",
    ];
    assert_eq!(names(&spec), wanted);
    let units: Vec<&str> = spec.panels.iter().map(|panel| panel.y.unit.as_str()).collect();
    assert_eq!(units, ["%", "GiB", "W", "°C", "MHz"]);
    assert!(spec.panels.iter().all(|panel| panel.x == spec.panels[0].x), "one axis");
    let power = line(&spec.panels[2], "vllm");
    assert!(power[0].0 < -2.0, "the launch is drawn: {:?}", power[0]);
    assert!(near(power, -2.5) < 130.0 && near(power, 5.0) > 500.0, "idle before the load, then busy");
    assert!((near(line(&spec.panels[1], "vllm"), 5.0) - 124.0).abs() < 0.5, "bytes are told as GiB");
    assert!((90.0..=100.0).contains(&near(line(&spec.panels[0], "vllm"), 5.0)), "a share is told as %");
    assert!(spec.notes.iter().any(|note| note == "read every 100 ms"), "{:?}", spec.notes);
}

#[test]
fn each_backend_has_a_strip_of_its_phases_with_words_in_the_first_panel() {
    let spec = drawn(&comparison(vec![run("llamacpp", 0.8), run("vllm", 1.0)]), 1, charts::gpu, nothing);
    let of = |panel: &Panel| -> Vec<(String, Vec<Span>, bool)> {
        let strip = |mark: &Mark| match mark {
            Mark::Phases { series, spans, named } => Some((series.label.clone(), spans.clone(), *named)),
            _ => None,
        };
        panel.marks.iter().filter_map(strip).collect()
    };
    let first = of(&spec.panels[0]);
    assert_eq!(first.iter().map(|strip| strip.0.as_str()).collect::<Vec<_>>(), ["llamacpp", "vllm"]);
    let phases: Vec<Phase> = first[1].1.iter().map(|span| span.phase).collect();
    assert_eq!(phases, [Phase::Launch, Phase::WarmUp, Phase::Measured, Phase::Drain]);
    let measured = first[1].1[2];
    assert_eq!(measured.from, 0.0);
    assert!((measured.to - 10.95).abs() < 1e-9, "{measured:?}");
    assert!(first.iter().all(|strip| strip.2) && of(&spec.panels[1]).iter().all(|strip| !strip.2));
    assert!(spec.legend_note.unwrap().contains("strips: launch (outlined), warm-up, measured window"));
}

#[test]
fn a_long_launch_takes_no_more_room_than_the_window_and_the_picture_says_so() {
    let mut slow = run("vllm", 1.0);
    slow.ready_s = Some(90.0);
    let spec = drawn(&comparison(vec![slow]), 1, charts::gpu, nothing);
    let crate::report::chart::Scale::Linear { min, max, .. } = spec.panels[0].x.scale else {
        panic!("{spec:?}")
    };
    assert!((min + max).abs() < 1e-9, "{min} {max}");
    assert!(spec.notes.iter().any(|note| note == "of longer launches the end is drawn"), "{:?}", spec.notes);
}

#[test]
fn several_gpus_are_their_mean_with_a_band_and_several_runs_too() {
    let spec = drawn(&comparison(vec![run("vllm", 1.0)]), 2, charts::gpu, nothing);
    let panel = &spec.panels[3];
    let Some(Mark::Band { points, series }) =
        panel.marks.iter().find(|mark| matches!(mark, Mark::Band { .. }))
    else {
        panic!("{panel:?}")
    };
    assert_eq!(series.detail, "mean of 2 GPUs");
    assert!(points.iter().all(|(_, low, high)| (high - low - 1.0).abs() < 1e-9), "the second is 1 °C warmer");
    assert!(spec.legend_note.unwrap().starts_with("band: lowest to highest GPU"));
    let spec = drawn(&fixture::rounds(), 2, charts::gpu, nothing);
    let Mark::Line { series, .. } = spec.panels[0].marks.last().unwrap() else { panic!("{spec:?}") };
    assert_eq!(series.detail, "mean of 3 runs with 2 GPUs each");
    assert!(spec.legend_note.unwrap().starts_with("band: lowest to highest run and GPU"));
}

#[test]
fn what_nothing_was_sensed_of_is_not_drawn() {
    let both = comparison(vec![run("llamacpp", 0.8), run("vllm", 1.0)]);
    assert!(drawn(&both, 0, charts::gpu, nothing).is_empty(), "no GPU");
    let no_memory = |_: &RunSummary, machine: &mut Machine| {
        machine.gpus.iter_mut().for_each(|gpu| drop(gpu.sensed.series.remove(GPU_MEMORY_USED)));
    };
    let spec = drawn(&both, 1, charts::gpu, no_memory);
    assert_eq!(spec.panels.len(), 4, "no sensor, no panel");
    let of_one = |run: &RunSummary, machine: &mut Machine| {
        if run.key.label == "llamacpp" {
            machine.server.series.remove("server_kv_cache_use");
        }
    };
    let spec = drawn(&both, 1, charts::server, of_one);
    let details: Vec<&str> = spec.panels.iter().map(|panel| panel.y.detail.as_str()).collect();
    assert_eq!(details, ["mean over 1 s", "mean over 1 s", "mean over 1 s, none of llamacpp"]);
}

#[test]
fn where_the_driver_tells_no_instant_power_the_averaged_one_is_drawn() {
    let averaged = |_: &RunSummary, machine: &mut Machine| {
        for gpu in &mut machine.gpus {
            let power = gpu.sensed.series.remove(GPU_POWER).unwrap();
            gpu.sensed.series.insert(GPU_POWER_AVERAGE.to_owned(), power);
        }
    };
    let spec = drawn(&comparison(vec![run("vllm", 1.0)]), 1, charts::gpu, averaged);
    assert_eq!(names(&spec)[2], "GPU power");
    assert!(spec.panels[2].y.detail.ends_with("as the driver averages it"), "{}", spec.panels[2].y.detail);
}

#[test]
fn cpu_time_is_told_as_cores() {
    let spec = drawn(&comparison(vec![run("vllm", 1.0)]), 1, charts::cpu, nothing);
    let wanted = [
        "CPU of the server",
        "resident memory of the server",
        "CPU of this program",
        "CPU of the whole machine",
    ];
    assert_eq!(names(&spec), wanted);
    let server = line(&spec.panels[0], "vllm");
    assert!((near(server, 5.0) - 3.5).abs() < 1e-6 && (near(server, -4.0) - 2.2).abs() < 1e-6, "{server:?}");
}

#[test]
fn thinned_series_are_called_so() {
    let thinned = |_: &RunSummary, machine: &mut Machine| machine.gpus[0].sensed.samples = 40_000;
    let spec = drawn(&comparison(vec![run("vllm", 1.0)]), 1, charts::gpu, thinned);
    let note = spec.notes.iter().find(|note| note.starts_with("read every")).unwrap();
    assert!(note.starts_with("read every 100 ms, thinned to ") && note.ends_with("peaks kept"), "{note}");
}

#[test]
fn energy_a_token_is_a_bar_a_backend_and_the_least_is_best() {
    let bars = |comparison: &Comparison| {
        let spec = drawn(comparison, 1, energy::spec, nothing);
        let Mark::Bars { values, best, whiskers, .. } = spec.panels[0].marks[0].clone() else {
            panic!("{spec:?}")
        };
        (values, best, whiskers)
    };
    let took = |label: &str, joules: f64| fixture::with_energy(run(label, 1.0), joules);
    let two = comparison(vec![took("llamacpp", 0.86), run("tgi", 1.0), took("vllm", 1.72)]);
    assert_eq!(bars(&two), (vec![Some(0.86), None, Some(1.72)], Some(0), Vec::new()));
    let round = |(round, joules): (u32, f64)| {
        let mut run = took("vllm", joules);
        run.key.round = round;
        run
    };
    let runs = [(1, 0.5), (2, 0.4), (3, 0.6)].map(round).to_vec();
    let rounds = fixture::grouped(runs, Over::Rounds, plan().loads);
    assert_eq!(bars(&rounds).2, [Some((0.4, 0.6))]);
    assert!(drawn(&comparison(vec![run("vllm", 1.0)]), 1, energy::spec, nothing).is_empty());
}

#[test]
fn a_gpu_that_was_not_used_is_not_drawn() {
    let comparison = comparison(vec![run("vllm", 1.0)]);
    let context = ChartContext::new(&plan(), &comparison);
    let (curves, machine) = (curves_of(&comparison.runs[0]), machine(&comparison.runs[0], 2));
    let device = GpuDevice { head: GpuHead { index: 1, ..GpuHead::default() }, ..GpuDevice::default() };
    let used = GpuSummary { devices: vec![device], ..GpuSummary::default() };
    let runs = [DrawnRun { gpu: Some(&used), ..machine.drawn(&comparison.runs[0], &curves) }];
    let spec = charts::gpu(&ChartInput { comparison: &comparison, runs: &runs, context: &context });
    assert_eq!(near(line(&spec.panels[3], "vllm"), -2.5), 35.0, "the second alone, which is 1 °C warmer");
}
