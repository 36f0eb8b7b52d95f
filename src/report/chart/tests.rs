//! The pictures hold what they should, whatever the numbers. With `HARNESS_KEEP_PLOTS=DIR` they are kept, to be looked at.

use super::*;
use crate::report::fixture::{comparison, distribution, empty, four, plan, run};
use crate::schema::figure;
use crate::schema::summary::{MetricValue, RunSummary};
use proptest::prelude::*;

fn keep(chart: &Chart, case: &str) {
    if let Some(directory) = std::env::var_os("HARNESS_KEEP_PLOTS") {
        let stem = std::path::Path::new(&directory).join(format!("{}_{case}", chart.name));
        std::fs::write(stem.with_extension("png"), &chart.png).unwrap();
        std::fs::write(stem.with_extension("svg"), &chart.svg).unwrap();
    }
}

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

/// The three pictures, bytes and all.
fn whole(comparison: &Comparison) -> [Chart; 3] {
    let context = ChartContext::new(&plan(), comparison);
    [
        comparison_bars(comparison, &context).unwrap(),
        ttft_distribution(&samples(&comparison.runs), &context).unwrap(),
        throughput_over_time(comparison, &context).unwrap(),
    ]
}

fn svg<P: Picture>(picture: &P) -> String {
    render_svg(picture, picture.height().ceil() as u32).unwrap()
}

/// The three pictures as SVG: a bitmap takes the same path and costs a hundred times more.
fn all(comparison: &Comparison, case: &str) -> [String; 3] {
    if std::env::var_os("HARNESS_KEEP_PLOTS").is_some() {
        whole(comparison).iter().for_each(|chart| keep(chart, case));
    }
    let context = ChartContext::new(&plan(), comparison);
    [
        svg(&bars::Bars::new(comparison, &context)),
        svg(&lines::distribution(&samples(&comparison.runs), &context)),
        svg(&lines::throughput(comparison, &context)),
    ]
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
    for chart in whole(&four()) {
        let words = texts(&chart.svg);
        for label in ["llamacpp", "sglang", "tgi", "vllm"] {
            assert!(words.contains(label), "{}: no {label} in\n{words}", chart.name);
        }
        assert!(
            words.contains("SmolLM2-135M-Instruct  ·  concurrency 8  ·  dataset benchmark_dataset"),
            "{words}"
        );
        assert!(
            words.contains("Mind: one run each, so no verdict; precision differs (llamacpp Q4_1,"),
            "{words}"
        );
        assert_eq!(size(&chart), (WIDTH * PNG_SCALE, svg_height(&chart) * PNG_SCALE), "{}", chart.name);
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
    let draw = || comparison_bars(&results, &ChartContext::new(&plan(), &results)).unwrap();
    assert_eq!(draw(), draw());
}

#[test]
fn one_to_six_backends_can_be_drawn() {
    let labels = ["llamacpp", "sglang", "tgi", "vllm", "vllm-chunked-prefill-max-batch-64", "tuned"];
    for number in 1..=6usize {
        let runs =
            labels[..number].iter().enumerate().map(|(index, label)| run(label, 0.7 + 0.3 * index as f64));
        for chart in all(&comparison(runs.collect()), &format!("{number}")) {
            assert!(chart.contains("tuned") == (number == 6));
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
    let draw = |run: RunSummary| svg(&lines::throughput(&comparison(vec![run]), &ChartContext::default()));
    assert_eq!(draw(one), draw(other));
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
    for chart in
        [svg(&bars::Bars::new(&comparison, &context)), svg(&lines::throughput(&comparison, &context))]
    {
        assert!(!chart.contains("#0072B2"), "the first backend's colour went to another one");
        assert!(chart.contains("#D55E00"));
    }
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
        let bars = bars::Bars::new(&comparison, &context);
        let samples = [(label, values)];
        let lines = lines::distribution(&samples, &context);
        for svg in [
            render_svg(&bars, bars.height() as u32),
            render_svg(&lines, lines.height() as u32),
        ] {
            prop_assert!(svg.unwrap().starts_with("<svg"));
        }
    }
}
