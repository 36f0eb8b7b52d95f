//! What a picture shows.

use super::*;

#[test]
fn a_wide_distribution_takes_a_logarithmic_axis() {
    let charts = all(&comparison(vec![run("fast", 0.2), run("slow", 40.0)]), "wide");
    let words = texts(&charts["ttft_distribution"]);
    assert!(words.contains("TTFT (ms), logarithmic"), "{words}");
}

#[test]
fn a_chart_without_data_is_left_out() {
    let names = |comparison: &Comparison, curves: &[RunCurves]| {
        let context = ChartContext::new(&plan(), comparison);
        let runs = drawn(comparison, curves);
        let specs = crate::report::chart::specs(&ChartInput { comparison, runs: &runs, context: &context });
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
