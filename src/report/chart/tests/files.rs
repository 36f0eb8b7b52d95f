//! Pictures as files: whole, the same each time, whatever the values.

use super::*;

#[test]
fn every_label_unit_and_legend_is_in_the_svg_and_the_png_is_twice_its_size() {
    let mut four = four();
    let runs = four.runs.clone().into_iter().zip([1.38, 3.27, 2.41, 1.72]);
    let measured = comparison(runs.map(|(run, joules)| with_energy(run, joules)).collect());
    (four.runs, four.groups) = (measured.runs, measured.groups);
    let specs = specs(&four);
    assert!(specs.iter().all(|spec| !spec.is_empty()));
    let drawn = std::sync::Mutex::new(Vec::new());
    draw_all(&specs, |chart| {
        drawn.lock().unwrap().push(chart);
        Ok(())
    })
    .unwrap();
    let mut drawn = drawn.into_inner().unwrap();
    drawn.sort_by_key(|chart| specs.iter().position(|spec| spec.name == chart.name));
    assert_eq!(drawn.len(), specs.len());
    for (spec, chart) in specs.iter().zip(drawn) {
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
