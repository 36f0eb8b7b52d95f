//! The pictures hold what they should, whatever the numbers. With `HARNESS_KEEP_PLOTS=DIR` they are kept, to be looked at.

use super::layout::layout;
use super::paint::PNG_SCALE;
use std::collections::BTreeMap;

use super::scene::{Scene, Shape, TextBox, WIDTH};
use super::*;
use crate::report::fixture::{self, comparison, distribution, empty, four, plan, run, with_energy};
use crate::report::fixture_curves::curves as curves_of;
use crate::report::fixture_machine::{Machine, machine};
use crate::schema::comparison::Comparison;
use crate::schema::curves::RunCurves;
use crate::schema::figure;
use crate::schema::sample::SensedSeries;
use crate::schema::series::server::SERVER_WAITING;
use crate::schema::summary::{MetricValue, RunSummary};
use crate::schema::verdict::Interval;
use proptest::prelude::*;

/// The specs of every chart of one load, those without data too.
fn specs(comparison: &Comparison) -> Vec<ChartSpec> {
    specs_of(comparison, &comparison.runs.iter().map(curves_of).collect::<Vec<_>>())
}

/// The same with these curves, one of each run.
fn specs_of(comparison: &Comparison, curves: &[RunCurves]) -> Vec<ChartSpec> {
    let context = ChartContext::new(&plan(), comparison);
    let machines: Vec<Machine> = comparison.runs.iter().map(|run| machine(run, 1)).collect();
    let runs: Vec<DrawnRun<'_>> = drawn(comparison, curves)
        .iter()
        .zip(&comparison.runs)
        .zip(&machines)
        .map(
            |((drawn, run), machine)| {
                if drawn.curves.is_empty() { *drawn } else { machine.drawn(run, drawn.curves) }
            },
        )
        .collect();
    let input = ChartInput { comparison, runs: &runs, context: &context };
    CHARTS.iter().map(|listed| (listed.spec)(&input)).collect()
}

fn drawn<'a>(comparison: &'a Comparison, curves: &'a [RunCurves]) -> Vec<DrawnRun<'a>> {
    let runs = comparison.runs.iter().zip(curves);
    runs.map(|(run, curves)| DrawnRun::bare(&run.key, curves)).collect()
}

/// The one of a name.
fn named(specs: &[ChartSpec], name: &str) -> ChartSpec {
    specs.iter().find(|spec| spec.name == name).unwrap().clone()
}

/// The SVG of a spec, which holds nothing that lies on another text: a bitmap takes the same path and costs more.
fn svg(spec: &ChartSpec, case: &str) -> String {
    if let Some(directory) = std::env::var_os("HARNESS_KEEP_PLOTS") {
        let chart = draw(spec).unwrap();
        let stem = std::path::Path::new(&directory).join(format!("{}_{case}", chart.name));
        std::fs::write(stem.with_extension("png"), &chart.png).unwrap();
        std::fs::write(stem.with_extension("svg"), &chart.svg).unwrap();
    }
    let scene = layout(spec);
    assert_eq!(texts_out_of_place(&scene), [""; 0], "{case}");
    paint::svg(&scene).unwrap()
}

/// The pictures by their names.
fn all(comparison: &Comparison, case: &str) -> BTreeMap<String, String> {
    specs(comparison).iter().map(|spec| (spec.name.clone(), svg(spec, case))).collect()
}

/// Texts that lie on another one or leave the picture.
fn texts_out_of_place(scene: &Scene) -> Vec<String> {
    let mut boxes: Vec<(TextBox, &str)> = Vec::new();
    let mut wrong = Vec::new();
    for shape in &scene.shapes {
        let (Shape::Text { text, .. }, Some(own)) = (shape, shape.text_box()) else { continue };
        if own.left < 0.0 || own.right > WIDTH || own.top < 0.0 || own.bottom > scene.height {
            wrong.push(format!("{text:?} leaves the picture"));
        }
        for (_, other) in boxes.iter().filter(|(other, _)| own.overlaps(other)) {
            wrong.push(format!("{text:?} lies on {other:?}"));
        }
        boxes.push((own, text));
    }
    wrong
}

/// The texts of an SVG, one a line.
fn texts(svg: &str) -> String {
    svg.lines().filter(|line| !line.starts_with('<')).collect::<Vec<_>>().join("\n")
}

fn size(chart: &Chart) -> (u32, u32) {
    let mut decoder = png::Decoder::new(chart.png.as_slice());
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    reader.next_frame(&mut pixels).unwrap();
    assert!(pixels.iter().any(|channel| *channel < 100), "nothing dark was drawn");
    (reader.info().width, reader.info().height)
}

fn svg_height(chart: &Chart) -> u32 {
    let from = chart.svg.find("height=\"").unwrap() + 8;
    chart.svg[from..].split('"').next().unwrap().parse().unwrap()
}

#[test]
fn every_label_unit_and_legend_is_in_the_svg_and_the_png_is_twice_its_size() {
    let mut four = four();
    let runs = four.runs.clone().into_iter().zip([1.38, 3.27, 2.41, 1.72]);
    let measured = comparison(runs.map(|(run, joules)| with_energy(run, joules)).collect());
    (four.runs, four.groups) = (measured.runs, measured.groups);
    let specs = specs(&four);
    assert!(specs.iter().all(|spec| !spec.is_empty()));
    for (spec, chart) in specs.iter().zip(draw_all(&specs).unwrap()) {
        assert_eq!(spec.name, chart.name);
        let words = texts(&chart.svg);
        for label in ["llamacpp", "sglang", "tgi", "vllm"] {
            assert!(words.contains(label), "{}: no {label} in\n{words}", chart.name);
        }
        assert!(
            words.contains("SmolLM2-135M-Instruct · concurrency 8 · dataset benchmark_dataset"),
            "{words}"
        );
        assert!(
            words.contains("Mind: one run each, so no verdict; precision differs (llamacpp Q4_1,"),
            "{words}"
        );
        assert_eq!(
            size(&chart),
            (WIDTH as u32 * PNG_SCALE, svg_height(&chart) * PNG_SCALE),
            "{}",
            chart.name
        );
    }
}

#[test]
fn bars_name_metric_unit_direction_and_value() {
    let words = texts(&all(&four(), "4")[comparison::NAME]);
    for text in [
        "TTFT (ms)",
        "TPOT (ms)",
        "E2E (ms)",
        "output TPS (tok/s)",
        "lower is better",
        "higher is better",
        "p50; throughput: whole run",
        "p99 (99 % of requests are below)",
        "33.6 best",
        "113",
        "428 best",
    ] {
        assert!(words.lines().any(|line| line == text), "no {text:?} in\n{words}");
    }
}

#[test]
fn lines_name_their_axes() {
    let charts = all(&four(), "4");
    let holds = |name: &str, wanted: &[&str]| {
        let words = texts(&charts[name]);
        for text in wanted {
            assert!(words.contains(text), "{name}: no {text:?} in\n{words}");
        }
    };
    holds("ttft_distribution", &["TTFT (ms) – further left is better", "vllm (18 requests)", "p99"]);
    holds("itl_distribution", &["ITL (ms) – further left is better", "share of gaps in a bin (%)"]);
    holds(
        "throughput_over_time",
        &[
            "output tokens per second (tok/s), mean over 1 s – higher is better",
            "seconds since the run began",
        ],
    );
    holds("in_flight_over_time", &["requests in flight, mean over 1 s"]);
    holds(
        "tokens_per_second_by_request",
        &["request, in the order of sending", "output tokens / E2E (tok/s)"],
    );
    holds("latency_by_category", &["E2E (ms)", "chat", "code", "marker: p50, line: up to p90"]);
    holds("latency_by_prompt_tokens", &["9 to 16", "17 to 32"]);
    holds(
        "pareto",
        &["output TPS (tok/s) – further right is better", "E2E p50 (ms) – lower is better", "ideal ↘"],
    );
}

#[test]
fn a_wide_distribution_takes_a_logarithmic_axis() {
    let charts = all(&comparison(vec![run("fast", 0.2), run("slow", 40.0)]), "wide");
    let words = texts(&charts["ttft_distribution"]);
    assert!(words.contains("TTFT (ms), logarithmic"), "{words}");
}

#[test]
fn the_same_results_draw_the_same_bytes() {
    let results = comparison(vec![run("vllm", 1.0)]);
    let drawn = || specs(&results).iter().map(|spec| draw(spec).unwrap()).collect::<Vec<_>>();
    assert_eq!(drawn(), drawn());
}

#[test]
fn one_to_eight_backends_can_be_drawn() {
    let labels = [
        "llamacpp",
        "sglang",
        "tgi",
        "vllm",
        "vllm-chunked-prefill-max-batch-64",
        "tuned",
        "vllm, c=8",
        "vllm, c=128",
    ];
    for number in 1..=8usize {
        let runs =
            labels[..number].iter().enumerate().map(|(index, label)| run(label, 0.7 + 0.3 * index as f64));
        for (name, chart) in all(&comparison(runs.collect()), &format!("{number}")) {
            assert!(chart.contains("tuned") == (number >= 6), "{name}");
        }
    }
}

#[test]
fn a_backend_without_values_says_no_data() {
    let mut half = run("withheld", 1.0);
    half.metrics.remove(figure::TPOT);
    let charts = all(&comparison(vec![run("vllm", 1.0), empty("dead"), half]), "missing");
    for name in ["comparison", "ttft_distribution", "itl_distribution"] {
        assert!(texts(&charts[name]).contains("no data"), "{name}");
    }
    for name in ["throughput_over_time", "in_flight_over_time", "tokens_per_second_by_request"] {
        assert!(texts(&charts[name]).contains("dead (no data)"), "{name}");
    }
}

#[test]
fn a_chart_without_data_is_left_out() {
    let names = |comparison: &Comparison, curves: &[RunCurves]| {
        let context = ChartContext::new(&plan(), comparison);
        let runs = drawn(comparison, curves);
        let specs = super::specs(&ChartInput { comparison, runs: &runs, context: &context });
        specs.into_iter().map(|spec| spec.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&comparison(Vec::new()), &[]), [""; 0]);
    assert_eq!(names(&comparison(vec![empty("dead")]), &[RunCurves::default()]), [""; 0]);
    let alone = comparison(vec![run("vllm", 1.0)]);
    assert_eq!(names(&alone, &[]), ["comparison"], "one point is no frontier");
    let mut curves = curves_of(&alone.runs[0]);
    curves.by_category.truncate(1);
    let some = names(&alone, &[curves]);
    assert!(some.contains(&"latency_by_prompt_tokens".to_owned()), "{some:?}");
    assert!(!some.contains(&"latency_by_category".to_owned()), "all are of one category: {some:?}");
}

#[test]
fn long_labels_are_shortened_and_huge_values_stay_inside() {
    let long = |tail: &str| {
        format!("meta-llama-3.1-405b-instruct-fp8-tensor-parallel-eight-with-speculation-{tail}")
    };
    let mut runs = vec![run(&long("a"), 1.0), run(&long("b"), 1.1), run("x", 5000.0), run("y", 1.0)];
    runs[3].metrics.insert(figure::TPOT.to_owned(), distribution(0.0004, 0.002));
    all(&comparison(runs), "long");
}

#[test]
fn values_that_are_all_zero_can_be_drawn() {
    let mut runs = vec![run("a", 1.0), run("b", 1.0)];
    for run in &mut runs {
        for name in [figure::TTFT, figure::TPOT, figure::E2E] {
            run.metrics.insert(name.to_owned(), distribution(0.0, 0.0));
        }
        run.metrics.insert(figure::OUTPUT_TPS.to_owned(), MetricValue::Scalar(0.0));
        run.output_tokens_by_second = vec![0; 5];
    }
    all(&comparison(runs), "zero");
}

#[test]
fn the_last_second_is_not_drawn_as_a_drop() {
    let mut one = run("vllm", 1.0);
    one.output_tokens_by_second = vec![1000, 1000, 1000, 1];
    let mut other = one.clone();
    other.output_tokens_by_second = vec![1000, 1000, 1000, 999];
    let marks = |run: RunSummary| {
        named(&specs(&comparison(vec![run])), "throughput_over_time").panels[0].marks.clone()
    };
    assert_eq!(marks(one), marks(other));
}

#[test]
fn an_hour_is_averaged_and_says_so() {
    let mut run = run("vllm", 1.0);
    run.output_tokens_by_second = (0..3600).map(|second| 300 + second % 7 * 20).collect();
    let words = texts(&all(&comparison(vec![run]), "hour")["throughput_over_time"]);
    assert!(words.contains("mean over 30 s"), "{words}");
}

#[test]
fn a_backend_keeps_its_colour_in_every_picture() {
    let mut comparison = four();
    let context = ChartContext::new(&plan(), &comparison);
    comparison.runs.remove(0);
    let curves: Vec<RunCurves> = comparison.runs.iter().map(curves_of).collect();
    let machines: Vec<Machine> = comparison.runs.iter().map(|run| machine(run, 1)).collect();
    let runs = comparison.runs.iter().zip(&curves).zip(&machines);
    let runs: Vec<_> = runs.map(|((run, curves), machine)| machine.drawn(run, curves)).collect();
    let input = ChartInput { comparison: &comparison, runs: &runs, context: &context };
    // In the last two the rows are categories, not backends.
    for listed in CHARTS {
        let spec = (listed.spec)(&input);
        if spec.is_empty() {
            continue;
        }
        let chart = svg(&spec, "moved");
        assert!(!chart.contains("#0072B2"), "the first backend's colour went to another one");
        assert!(chart.contains("#D55E00"));
    }
}

#[test]
fn every_series_looks_like_no_other_of_twenty() {
    let looks = (0..20).map(scene::Look).map(|look| {
        let mut scene = Scene::default();
        scene.line(&[(0.0, 0.0), (60.0, 0.0)], look);
        scene.marker((0.0, 0.0), look);
        scene
    });
    let looks: Vec<Scene> = looks.collect();
    for (index, look) in looks.iter().enumerate() {
        assert!(!looks[..index].contains(look), "{index}");
    }
}

#[test]
fn the_distribution_is_the_share_of_requests_up_to_each_time() {
    let mut one = run("vllm", 1.0);
    let mut spread = fixture::spread(20.0, 30.0);
    spread.count = 4;
    one.metrics.insert(figure::TTFT.to_owned(), MetricValue::Distribution(spread));
    let points = vec![(10.0, 25.0), (20.0, 75.0), (30.0, 100.0)];
    let ecdf = BTreeMap::from([(figure::TTFT.to_owned(), points.clone())]);
    let specs = specs_of(&comparison(vec![one]), &[RunCurves { ecdf, ..RunCurves::default() }]);
    let spec = named(&specs, "ttft_distribution");
    let series = Series { label: "vllm".to_owned(), detail: "4 requests".to_owned(), style: 0 };
    assert_eq!(spec.panels[1].marks, [Mark::Steps { series, points }]);
    let Mark::Histogram { bins, .. } = &spec.panels[0].marks[0] else { panic!("{spec:?}") };
    let share = |at: f64| bins.iter().find(|bin| bin.0 < at && at <= bin.1).unwrap().2;
    assert_eq!((share(10.0), share(20.0), share(15.0), share(30.0)), (25.0, 50.0, 0.0, 25.0));
    assert_eq!(bins.iter().map(|bin| bin.2).sum::<f64>(), 100.0);
}

#[test]
fn several_runs_are_pooled_by_their_requests_with_a_band_from_the_lowest_to_the_highest() {
    let rounds = fixture::rounds();
    let of = |points: &[(f64, f64)]| RunCurves {
        ecdf: BTreeMap::from([(figure::TTFT.to_owned(), points.to_vec())]),
        ..RunCurves::default()
    };
    let fast = of(&[(10.0, 100.0)]);
    let slow = of(&[(20.0, 50.0), (30.0, 100.0)]);
    let curves: Vec<RunCurves> =
        (0..6).map(|run| if run < 2 { fast.clone() } else { slow.clone() }).collect();
    let spec = named(&specs_of(&rounds, &curves), "ttft_distribution");
    let marks = &spec.panels[1].marks;
    let Mark::Band { points, .. } = &marks[0] else { panic!("{marks:?}") };
    assert_eq!(points[..4], [(10.0, 0.0, 0.0), (10.0, 0.0, 100.0), (20.0, 0.0, 100.0), (20.0, 50.0, 100.0)]);
    let Mark::Steps { points, series } = &marks[2] else { panic!("{marks:?}") };
    assert_eq!(series.detail, "54 requests");
    assert!(
        (points[0].1 - 100.0 / 3.0).abs() < 1e-9 && (points[1].1 - 200.0 / 3.0).abs() < 1e-9,
        "{points:?}"
    );
    assert_eq!(spec.legend_note.as_deref(), Some("band: from the lowest to the highest run"));
}

#[test]
fn bars_of_several_rounds_have_whiskers_from_the_lowest_to_the_highest() {
    let spec = named(&specs(&fixture::rounds()), comparison::NAME);
    let note = spec.legend_note.as_deref().unwrap();
    assert!(note.contains("whiskers: lowest to highest round"), "{note}");
    let Mark::Bars { values, whiskers, .. } = &spec.panels[0].marks[0] else { panic!("{spec:?}") };
    let ((low, high), value) = (whiskers[0].unwrap(), values[0].unwrap());
    assert!(low < value && value < high, "{low} {value} {high}");
    let mut sure = fixture::rounds();
    for estimate in sure.groups.iter_mut().flat_map(|group| group.estimates.values_mut()) {
        estimate.interval = Some(Interval { low: 0.5 * estimate.low, high: 2.0 * estimate.high });
    }
    let spec = named(&specs(&sure), comparison::NAME);
    assert!(spec.legend_note.as_deref().unwrap().contains("whiskers: 95 % interval over rounds"));
    let Mark::Bars { whiskers, .. } = &spec.panels[0].marks[0] else { panic!("{spec:?}") };
    assert_eq!(whiskers[0], Some((0.5 * low, 2.0 * high)), "the interval, where there is one");
    let alone = named(&specs(&four()), comparison::NAME);
    let Mark::Bars { whiskers, .. } = &alone.panels[0].marks[0] else { panic!("{alone:?}") };
    assert!(whiskers.is_empty(), "one run each has no range");
}

#[test]
fn a_sweep_shows_its_loads_beside_the_points_and_as_ticks() {
    for rounds in [1, 3] {
        let comparison = fixture::sweep(rounds);
        let context = ChartContext::new(&plan(), &comparison);
        let input = ChartInput { comparison: &comparison, runs: &[], context: &context };
        let specs = super::specs(&input);
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let by_load = ["output_tps_by_load", "ttft_ms_p99_by_load", "tpot_ms_p50_by_load"];
        assert_eq!(names, [&["throughput_against_latency", "pareto"], &by_load[..]].concat());
        for spec in &specs {
            svg(spec, &format!("sweep_{rounds}"));
        }
        assert_eq!(specs[0].panels.len(), 6);
        let Mark::Points { names, .. } = specs[0].panels[0].marks.last().unwrap() else {
            panic!("{specs:?}")
        };
        assert_eq!(names, &["1", "4", "16"]);
        assert_eq!(specs[2].panels[0].x.ticks(8), [1.0, 4.0, 16.0]);
        let whiskers = specs[0].legend_note.as_deref();
        assert_eq!(
            whiskers,
            (rounds > 1).then_some("whiskers: 95 % interval over rounds (below three: lowest to highest)")
        );
    }
}

#[test]
fn what_is_counted_has_no_tick_between_two_numbers() {
    for most in 1..40 {
        let ticks = Scale::<()>::counting(f64::from(most)).ticks(8);
        assert!(ticks.iter().all(|tick| tick.fract() == 0.0) && ticks.len() > 1, "{most}: {ticks:?}");
    }
    assert_eq!(Scale::<()>::linear(10.0).ticks(4), [0.0, 2.5, 5.0, 7.5, 10.0]);
}

#[test]
fn every_colour_stands_out_on_white_and_on_near_black() {
    let light = |rgb: [u8; 3]| {
        let linear = |channel: u8| {
            let part = f64::from(channel) / 255.0;
            if part <= 0.039_28 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = rgb.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let contrast = |one: f64, other: f64| (one.max(other) + 0.05) / (one.min(other) + 0.05);
    for (colour, hex) in scene::PALETTE.iter().zip(palette()) {
        let own = light([colour.0, colour.1, colour.2]);
        for ground in [[255; 3], [0x1e; 3]] {
            assert!(contrast(own, light(ground)) >= 3.0, "{hex} on {ground:?}");
        }
    }
}

#[test]
fn labels_from_users_cannot_leave_their_text_in_an_svg() {
    let label = "<script>alert(1)</script> & \"x\"";
    let charts = all(&comparison(vec![run(label, 1.0), run("b", 1.2)]), "markup");
    for (name, chart) in charts {
        assert!(!chart.contains("<script>"), "{name}");
    }
}

#[test]
fn the_spec_says_which_row_is_best() {
    let bars = &specs(&four())[0];
    let best = |panel: &Panel| match &panel.marks[0] {
        Mark::Bars { best, .. } => *best,
        other => panic!("{other:?}"),
    };
    assert_eq!(bars.panels.iter().map(best).collect::<Vec<_>>(), [Some(0); 4]);
    let alone = &specs(&comparison(vec![run("vllm", 1.0)]))[0];
    assert_eq!((best(&alone.panels[0]), alone.legend_note.as_deref()), (None, None));
}

#[test]
fn the_number_of_requests_is_said() {
    let mut results = four();
    assert!(specs(&results)[0].subtitle.ends_with("n = 18 requests a run"));
    results.runs[0].requests.completed = 5;
    assert!(specs(&results)[0].subtitle.ends_with("n = 5 to 18 requests a run"));
}

/// TTFT p99 over rising concurrency: labels with `(x, median)`, the rounds 20 % around it.
fn curves(labels: &[&str], points: &[(f64, f64)]) -> Curves<'static> {
    let point = |turn: usize| {
        move |(x, median): &(f64, f64)| {
            let median = median * (1.0 + 0.3 * turn as f64);
            CurvePoint { x: *x, median, low: median * 0.8, high: median * 1.2, rounds: 3, saturated: false }
        }
    };
    let curve = |(turn, label): (usize, &&str)| Curve {
        label: (*label).to_owned(),
        points: points.iter().map(point(turn)).collect(),
    };
    Curves {
        metric: figure::metric(figure::TTFT).unwrap(),
        statistic: Some("p99"),
        counts: true,
        load: "concurrency",
        load_unit: "requests in flight",
        curves: labels.iter().enumerate().map(curve).collect(),
    }
}

#[test]
fn a_curve_is_the_median_in_the_order_of_load_with_its_band_below() {
    let spec = curve_over_points(
        &curves(&["vllm"], &[(8.0, 20.0), (1.0, 10.0), (4.0, f64::NAN)]),
        &ChartContext::default(),
    );
    assert_eq!(
        (spec.name.as_str(), spec.title.as_str()),
        ("ttft_ms_p99_by_load", "TTFT p99 over the concurrency")
    );
    let series = Series { label: "vllm".to_owned(), detail: String::new(), style: 0 };
    let points = vec![(1.0, 10.0), (8.0, 20.0)];
    assert_eq!(
        spec.panels[0].marks,
        [
            Mark::Band { series: series.clone(), points: vec![(1.0, 8.0, 12.0), (8.0, 16.0, 24.0)] },
            Mark::Line { series: series.clone(), points: points.clone() },
            Mark::Points { series, points, names: Vec::new(), hollow: false },
        ]
    );
    let words = texts(&svg(&spec, "plain"));
    assert!(
        words.contains("TTFT p99 (ms), median of 3 rounds, band: lowest to highest – lower is better"),
        "{words}"
    );
    assert!(words.contains("concurrency (requests in flight)"), "{words}");
}

#[test]
fn curves_of_any_number_and_size_can_be_drawn() {
    let labels =
        ["vllm", "sglang", "llamacpp", "tgi", "vllm-fp8", "sglang-fp8", "vllm-tp8", "a-label-of-some-length"];
    let context = ChartContext { labels: labels.map(str::to_owned).to_vec(), ..ChartContext::default() };
    let wide: Vec<(f64, f64)> = (0..9).map(|step| (f64::from(1 << step), 0.001 * 10f64.powi(step))).collect();
    for (number, points) in [(1, &wide[..1]), (2, &wide[..2]), (4, &wide[..4]), (8, &wide), (2, &[])] {
        let spec = curve_over_points(&curves(&labels[..number], points), &context);
        let words = texts(&svg(&spec, &format!("{number}_{}", points.len())));
        assert!(words.contains("no data") == points.is_empty(), "{words}");
    }
}

#[test]
fn a_spec_survives_json_and_its_form_is_the_documented_one() {
    let mut all = specs(&four());
    all.push(curve_over_points(&curves(&["vllm"], &[(1.0, 100.0)]), &ChartContext::default()));
    for spec in &all {
        let json = serde_json::to_string(spec).unwrap();
        assert_eq!(serde_json::from_str::<ChartSpec>(&json).unwrap(), *spec);
    }
    let json = serde_json::to_value(&all[all.len() - 1].panels[0]).unwrap();
    let series = serde_json::json!({ "label": "vllm", "detail": "", "style": 0 });
    let written = serde_json::json!({
        "x": {
            "name": "concurrency", "unit": "requests in flight", "detail": "", "better": null,
            "scale": { "kind": "linear", "max": 1.05, "whole": true }, "ticks": [1.0], "references": [],
        },
        "y": {
            "name": "TTFT p99", "unit": "ms", "detail": "median of 3 rounds, band: lowest to highest",
            "better": "lower", "scale": { "kind": "linear", "max": 126.0 }, "references": [],
        },
        "marks": [
            { "kind": "band", "series": series, "points": [[1.0, 80.0, 120.0]] },
            { "kind": "line", "series": series, "points": [[1.0, 100.0]] },
            { "kind": "points", "series": series, "points": [[1.0, 100.0]] },
        ],
    });
    assert_eq!(json, written);
    assert_eq!(serde_json::to_value(&all[0]).unwrap()["panels"][0]["marks"][1]["kind"], "bars");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_value_makes_drawing_fail(
        values in proptest::collection::vec(
            prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(f64::MAX), Just(f64::MIN_POSITIVE), -1e3..1e9], 4..12),
        label in "\\PC{0,60}",
    ) {
        let mut runs = vec![run(&label, 1.0), run("b", 1.0)];
        runs[0].metrics.insert(figure::TTFT.to_owned(), distribution(values[0], values[1]));
        runs[0].metrics.insert(figure::OUTPUT_TPS.to_owned(), MetricValue::Scalar(values[2]));
        let context = ChartContext { labels: vec![label.clone()], subtitle: label.clone(), notes: vec![label.clone()] };
        let comparison = comparison(runs);
        let mut curves = curves_of(&comparison.runs[0]);
        let odd: Vec<(f64, f64)> = values.iter().zip(values.iter().rev()).map(|(x, y)| (*x, *y)).collect();
        curves.ecdf.insert(figure::TTFT.to_owned(), odd.clone());
        curves.by_category[0].name = label.clone();
        let of_server = SensedSeries { series: [(SERVER_WAITING.to_owned(), odd.clone())].into(), ..SensedSeries::default() };
        let curves = RunCurves { output_tps: odd.clone(), in_flight: odd.clone(), output_tps_by_request: odd, ..curves };
        let runs = [DrawnRun { server: Some(&of_server), ..DrawnRun::bare(&comparison.runs[0].key, &curves) }];
        let input = ChartInput { comparison: &comparison, runs: &runs, context: &context };
        for listed in CHARTS {
            let svg = paint::svg(&layout(&(listed.spec)(&input)));
            prop_assert!(svg.unwrap().starts_with("<svg"));
        }
    }
}
