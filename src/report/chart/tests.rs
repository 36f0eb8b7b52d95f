//! The pictures hold what they should, whatever the numbers. With `HARNESS_KEEP_PLOTS=DIR` they are kept, to be looked at.

use super::layout::layout;
use super::paint::PNG_SCALE;
use super::scene::{Anchor, Scene, Shape, WIDTH};
use super::*;
use crate::report::fixture::{comparison, distribution, empty, four, plan, run};
use crate::schema::comparison::Comparison;
use crate::schema::figure;
use crate::schema::summary::{MetricValue, RunSummary};
use proptest::prelude::*;

/// TTFTs of a run: its p50 at the middle, a tail to its p99.
fn samples(runs: &[RunSummary]) -> Vec<(String, Vec<f64>)> {
    let values = |run: &RunSummary| match run.metrics.get(figure::TTFT) {
        Some(MetricValue::Distribution(known)) => (0..60)
            .map(|index| f64::from(index) / 59.0)
            .map(|share| known.p50 * (0.7 + 0.6 * share) + (known.p99 - known.p50) * share.powi(12))
            .collect(),
        Some(MetricValue::Scalar(_)) | None => Vec::new(),
    };
    runs.iter().map(|run| (run.key.label.clone(), values(run))).collect()
}

/// The specs of every comparison's charts.
fn specs(comparison: &Comparison) -> Vec<ChartSpec> {
    let context = ChartContext::new(&plan(), comparison);
    let ttft_ms = samples(&comparison.runs);
    let input = ChartInput { comparison, ttft_ms: &ttft_ms, context: &context };
    CHARTS.iter().map(|listed| (listed.spec)(&input)).collect()
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

/// The three pictures.
fn all(comparison: &Comparison, case: &str) -> [String; 3] {
    specs(comparison).iter().map(|spec| svg(spec, case)).collect::<Vec<_>>().try_into().unwrap()
}

/// Texts that lie on another one or leave the picture.
fn texts_out_of_place(scene: &Scene) -> Vec<String> {
    let mut boxes: Vec<(f64, f64, f64, f64, &str)> = Vec::new();
    let mut wrong = Vec::new();
    for shape in &scene.shapes {
        let Shape::Text { text, at: (x, y), anchor, lettering } = shape else { continue };
        let width = lettering.width(text);
        let left = match anchor {
            Anchor::Start => *x,
            Anchor::Middle => x - width / 2.0,
            Anchor::End => x - width,
        };
        let own = (left, left + width, y - 0.7 * lettering.size, *y, text.as_str());
        if own.0 < 0.0 || own.1 > WIDTH || own.2 < 0.0 || own.3 > scene.height {
            wrong.push(format!("{text:?} leaves the picture"));
        }
        for other in boxes
            .iter()
            .filter(|other| own.0 < other.1 && other.0 < own.1 && own.2 < other.3 && other.2 < own.3)
        {
            wrong.push(format!("{text:?} lies on {:?}", other.4));
        }
        boxes.push(own);
    }
    wrong
}

/// The texts of an SVG, one a line.
fn texts(svg: &str) -> String {
    svg.lines().filter(|line| !line.starts_with('<')).collect::<Vec<_>>().join("\n")
}

fn size(chart: &Chart) -> (u32, u32) {
    let mut reader = png::Decoder::new(chart.png.as_slice()).read_info().unwrap();
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
    for spec in specs(&four()) {
        let chart = draw(&spec).unwrap();
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
    let [bars, ..] = all(&four(), "4");
    let words = texts(&bars);
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
    let [_, distribution, throughput] = all(&four(), "4");
    let words = texts(&distribution);
    assert!(words.contains("TTFT (ms) – further left is better"), "{words}");
    assert!(words.contains("vllm (60 requests)") && words.contains("p99"), "{words}");
    let words = texts(&throughput);
    assert!(words.contains("output tokens per second (tok/s) – higher is better"), "{words}");
    assert!(words.contains("seconds since the run began"), "{words}");
}

#[test]
fn a_wide_distribution_takes_a_logarithmic_axis() {
    let [_, chart, _] = all(&comparison(vec![run("fast", 0.2), run("slow", 40.0)]), "wide");
    assert!(texts(&chart).contains("TTFT (ms), logarithmic"), "{}", texts(&chart));
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
        for chart in all(&comparison(runs.collect()), &format!("{number}")) {
            assert!(chart.contains("tuned") == (number >= 6));
        }
    }
}

#[test]
fn a_backend_without_values_says_no_data() {
    let mut half = run("withheld", 1.0);
    half.metrics.remove(figure::TPOT);
    let charts = all(&comparison(vec![run("vllm", 1.0), empty("dead"), half]), "missing");
    for chart in &charts[..2] {
        assert!(texts(chart).contains("no data"), "{}", texts(chart));
    }
    assert!(texts(&charts[2]).contains("dead (too short: under one second)"));
}

#[test]
fn no_backend_at_all_gives_pictures_that_say_so() {
    for chart in all(&comparison(Vec::new()), "none") {
        assert!(texts(&chart).contains("no data"), "{}", texts(&chart));
    }
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
    let marks = |run: RunSummary| specs(&comparison(vec![run]))[2].panels[0].marks.clone();
    assert_eq!(marks(one), marks(other));
}

#[test]
fn an_hour_is_averaged_and_says_so() {
    let mut run = run("vllm", 1.0);
    run.output_tokens_by_second = (0..3600).map(|second| 300 + second % 7 * 20).collect();
    let [_, _, chart] = all(&comparison(vec![run]), "hour");
    assert!(texts(&chart).contains("mean over 30 s"), "{}", texts(&chart));
}

#[test]
fn a_backend_keeps_its_colour_in_every_picture() {
    let mut comparison = four();
    let context = ChartContext::new(&plan(), &comparison);
    comparison.runs.remove(0);
    let ttft_ms = samples(&comparison.runs);
    let input = ChartInput { comparison: &comparison, ttft_ms: &ttft_ms, context: &context };
    for listed in CHARTS {
        let chart = svg(&(listed.spec)(&input), "moved");
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
    let results = comparison(vec![run("vllm", 1.0)]);
    let context = ChartContext::new(&plan(), &results);
    let ttft_ms = [("vllm".to_owned(), vec![30.0, f64::NAN, 10.0, 20.0, -1.0, 20.0])];
    let spec =
        ttft_distribution::spec(&ChartInput { comparison: &results, ttft_ms: &ttft_ms, context: &context });
    let series = Series { label: "vllm".to_owned(), detail: "4 requests".to_owned(), style: 0 };
    let points = vec![(10.0, 25.0), (20.0, 50.0), (20.0, 75.0), (30.0, 100.0)];
    assert_eq!(spec.panels[0].marks, [Mark::Steps { series, points }]);
}

#[test]
fn a_million_times_are_thinned_and_keep_both_ends() {
    let results = comparison(vec![run("vllm", 1.0)]);
    let context = ChartContext::default();
    let ttft_ms = [("vllm".to_owned(), (1..=1_000_000).map(f64::from).collect())];
    let spec =
        ttft_distribution::spec(&ChartInput { comparison: &results, ttft_ms: &ttft_ms, context: &context });
    let Mark::Steps { points, .. } = &spec.panels[0].marks[0] else { panic!("{spec:?}") };
    assert!((700..=752).contains(&points.len()), "{}", points.len());
    assert_eq!((points[0].0, points[points.len() - 1]), (1.0, (1e6, 100.0)));
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
            CurvePoint { x: *x, median, low: median * 0.8, high: median * 1.2, rounds: 3 }
        }
    };
    let curve = |(turn, label): (usize, &&str)| Curve {
        label: (*label).to_owned(),
        points: points.iter().map(point(turn)).collect(),
    };
    Curves {
        metric: figure::metric(figure::TTFT).unwrap(),
        statistic: Some("p99"),
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
            Mark::Points { series, points },
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
    let json = serde_json::to_value(&all[3].panels[0]).unwrap();
    let series = serde_json::json!({ "label": "vllm", "detail": "", "style": 0 });
    let written = serde_json::json!({
        "x": {
            "name": "concurrency", "unit": "requests in flight", "detail": "", "better": null,
            "scale": { "kind": "linear", "max": 1.05 }, "references": [],
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
        let ttft_ms = [(label, values)];
        let input = ChartInput { comparison: &comparison, ttft_ms: &ttft_ms, context: &context };
        for listed in CHARTS {
            let svg = paint::svg(&layout(&(listed.spec)(&input)));
            prop_assert!(svg.unwrap().starts_with("<svg"));
        }
    }
}
