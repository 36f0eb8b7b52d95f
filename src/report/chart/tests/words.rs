//! What is written in a picture.

use super::*;

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
fn an_hour_is_averaged_and_says_so() {
    let mut run = run("vllm", 1.0);
    run.output_tokens_by_second = (0..3600).map(|second| 300 + second % 7 * 20).collect();
    let words = texts(&all(&comparison(vec![run]), "hour")["throughput_over_time"]);
    assert!(words.contains("mean over 30 s"), "{words}");
}

#[test]
fn a_sweep_shows_its_loads_beside_the_points_and_as_ticks() {
    for rounds in [1, 3] {
        let comparison = fixture::sweep(rounds);
        let context = ChartContext::new(&plan(), &comparison);
        let input = ChartInput { comparison: &comparison, runs: &[], context: &context };
        let specs = crate::report::chart::specs(&input);
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
fn the_number_of_requests_is_said() {
    let mut results = four();
    assert!(specs(&results)[0].subtitle.ends_with("n = 18 requests a run"));
    results.runs[0].requests.completed = 5;
    assert!(specs(&results)[0].subtitle.ends_with("n = 5 to 18 requests a run"));
}
