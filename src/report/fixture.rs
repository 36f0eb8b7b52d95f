//! Results to draw in tests: a small builder.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::schema::SCHEMA_VERSION;
use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, Estimate, Group, Over};
use crate::schema::environment::{Environment, Gpu};
use crate::schema::figure::{self, Better, METRICS, Statistic};
use crate::schema::files::ComparisonFile;
use crate::schema::plan::{DatasetSource, Launching, LoadPoint, Output, Plan, RunKey, Sampling, Skipped};
use crate::schema::record::StampKind;
use crate::schema::seeds::Seeds;
use crate::schema::summary::{
    ClientStats, Distribution, MetricValue, RequestCounts, RunSummary, TokenTotals,
};
use crate::schema::traffic::{Ramp, Traffic, Until};
use crate::schema::verdict::{Pair, Ratio, VERDICT_FIGURES, Verdict, VerdictRule};

/// A distribution around a median with a tail up to `p99`.
pub fn distribution(p50: f64, p99: f64) -> MetricValue {
    MetricValue::Distribution(spread(p50, p99))
}

/// The same, bare.
pub fn spread(p50: f64, p99: f64) -> Distribution {
    let at = |share: f64| p50 + (p99 - p50) * share;
    Distribution {
        count: 18,
        mean: at(0.1),
        std: (p99 - p50) / 3.0,
        min: p50 * 0.8,
        p50,
        p75: at(0.3),
        p90: at(0.6),
        p95: at(0.8),
        p99,
        p999: None,
        max: p99,
        relative_error: 0.0,
    }
}

/// A whole run of 18 requests whose latencies scale with `pace`.
pub fn run(label: &str, pace: f64) -> RunSummary {
    let metrics = [
        (figure::TTFT, distribution(42.0 * pace, 112.5 * pace)),
        (figure::E2E, distribution(220.0 * pace, 567.89 * pace)),
        (figure::TPOT, distribution(12.1 * pace, 14.0 * pace)),
        (figure::ITL, distribution(11.9 * pace, 15.67 * pace)),
        (figure::OUTPUT_TPS, MetricValue::Scalar(342.5 / pace)),
        (figure::TOTAL_TPS, MetricValue::Scalar(1342.5 / pace)),
        (figure::RPS, MetricValue::Scalar(1.446 / pace)),
        (figure::USER_TPS, MetricValue::Scalar(81.5 / pace)),
        (figure::ERROR_RATE, MetricValue::Scalar(0.0)),
    ];
    RunSummary {
        gpu: None,
        machine: None,
        served: None,
        key: RunKey::first(label),
        engine: label.to_owned(),
        engine_version: Some("0.11.0".to_owned()),
        model: "SmolLM2-135M-Instruct".to_owned(),
        precision: "BF16".to_owned(),
        started_at: Timestamp::UNIX_EPOCH,
        partial: None,
        requests: RequestCounts { issued: 18, completed: 18, ..RequestCounts::default() },
        warmup: RequestCounts::default(),
        ready_s: Some(21.5),
        duration_s: 12.45 * pace,
        steady: None,
        flow: None,
        tokens: TokenTotals::default(),
        gateway: None,
        slices: Vec::new(),
        metrics: metrics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        tokens_per_chunk: BTreeMap::new(),
        output_tokens_by_second: seconds((12.45 * pace) as usize, 342.5 / pace),
        bands: BTreeMap::new(),
        client: ClientStats {
            send_delay_limit_ms: 1.0,
            reader_lag_ms: Some(spread(0.02, 0.0625)),
            stamps: BTreeMap::from([(StampKind::Kernel, 18)]),
            cpu_s: 0.1,
            cpu_share: 0.008,
            threads: 1,
            ..ClientStats::default()
        },
        server: None,
        probes: Vec::new(),
        nagle: None,
        prompt_tokens_by_id: BTreeMap::new(),
        prompt_lengths: None,
        workers: Vec::new(),
        first_failures: BTreeMap::new(),
        objectives: Vec::new(),
        caveats: Vec::new(),
    }
}

/// The run, which took so many joules a token.
pub fn with_energy(mut run: RunSummary, per_token_j: f64) -> RunSummary {
    run.metrics.insert(figure::ENERGY_PER_TOKEN.to_owned(), MetricValue::Scalar(per_token_j));
    run
}

fn seconds(whole: usize, rate: f64) -> Vec<u64> {
    let wave = |second: usize| 1.0 + 0.15 * (second as f64 * 1.7 + rate).sin();
    (0..whole).map(|second| (rate * wave(second)) as u64).chain([(rate * 0.3) as u64]).collect()
}

/// A run without one completed request.
pub fn empty(label: &str) -> RunSummary {
    RunSummary {
        metrics: BTreeMap::from([(figure::ERROR_RATE.to_owned(), MetricValue::Scalar(100.0))]),
        requests: RequestCounts {
            issued: 18,
            failed: 18,
            failures: BTreeMap::from([(crate::schema::record::FailureKind::Connect, 18)]),
            ..RequestCounts::default()
        },
        output_tokens_by_second: Vec::new(),
        client: ClientStats { threads: 1, ..ClientStats::default() },
        ..run(label, 1.0)
    }
}

/// A comparison of one run each at one load, whose best runs are found by p50.
pub fn comparison(runs: Vec<RunSummary>) -> Comparison {
    let mut groups: Vec<Group> = runs.iter().map(group).collect();
    for metric in METRICS.iter().filter(|metric| metric.name != figure::ERROR_RATE) {
        let scalar = metric.shape() == figure::Shape::Scalar;
        let statistic = if scalar { Statistic::Value } else { Statistic::P50 };
        let column = metric.column(statistic);
        let mut values: Vec<(f64, usize)> = Vec::new();
        for (place, group) in groups.iter().enumerate() {
            values.extend(group.estimates.get(&column).map(|estimate| (estimate.value, place)));
        }
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        if metric.better == Better::Higher {
            values.reverse();
        }
        if values.len() > 1 {
            groups[values[0].1].best.insert(metric.name.to_owned(), statistic);
        }
    }
    let rate = |run: &RunSummary| match run.metrics.get(figure::OUTPUT_TPS) {
        Some(MetricValue::Scalar(rate)) => Some(*rate),
        Some(MetricValue::Distribution(_)) | None => None,
    };
    let best = runs.iter().max_by(|a, b| rate(a).unwrap_or(0.0).total_cmp(&rate(b).unwrap_or(0.0)));
    let best = best.filter(|_| runs.len() > 1).cloned();
    let pairs = runs.iter().filter_map(|run| {
        let best = best.as_ref().filter(|best| best.key.label != run.key.label)?;
        Some(without_verdict(pair(&run.key.label, &best.key.label, rate(run)? / rate(best)?), 1))
    });
    Comparison {
        pairs: pairs.collect(),
        baseline: best.map(|best| best.key.label),
        run_id: "compare_20260201_143000".to_owned(),
        loads: plan().loads,
        caveats: if runs.len() > 1 { vec![Caveat::SingleRun] } else { Vec::new() },
        groups,
        runs,
        failed: Vec::new(),
        skipped: Vec::new(),
        rule: None,
        fairness: None,
        limits: Vec::new(),
        knees: Vec::new(),
    }
}

/// The group of one run.
fn group(run: &RunSummary) -> Group {
    let mut estimates = BTreeMap::new();
    for metric in METRICS {
        for statistic in metric.statistics() {
            let value = run.metrics.get(metric.name).and_then(|value| statistic.of(value));
            let estimate =
                value.map(|value| Estimate { value, low: value, high: value, n: 1, interval: None });
            estimates.extend(estimate.map(|estimate| (metric.column(*statistic), estimate)));
        }
    }
    Group {
        label: run.key.label.clone(),
        point: run.key.point,
        runs: vec![run.key.clone()],
        over: Over::Run,
        estimates,
        best: BTreeMap::new(),
    }
}

/// A comparison of several runs of each label at each load; the values are medians over all runs of a group.
pub fn grouped(runs: Vec<RunSummary>, over: Over, loads: Vec<LoadPoint>) -> Comparison {
    let mut groups: Vec<Group> = Vec::new();
    for run in &runs {
        let one = group(run);
        match groups.iter_mut().find(|known| (&known.label, known.point) == (&one.label, one.point)) {
            Some(known) => known.runs.extend(one.runs),
            None => groups.push(Group { over, ..one }),
        }
    }
    for group in groups.iter_mut().filter(|group| group.runs.len() > 1) {
        for (column, estimate) in &mut group.estimates {
            let of = |run: &&RunSummary| group.runs.contains(&run.key);
            let own = runs.iter().filter(of).map(|run| self::group(run).estimates[column].value);
            let mut values: Vec<f64> = own.collect();
            values.sort_by(f64::total_cmp);
            let (low, high) = (values[0], values[values.len() - 1]);
            let value = values[values.len() / 2];
            *estimate = Estimate { value, low, high, n: values.len() as u32, interval: None };
        }
    }
    Comparison { groups, loads, caveats: Vec::new(), pairs: Vec::new(), baseline: None, ..comparison(runs) }
}

/// Two backends in three rounds.
pub fn rounds() -> Comparison {
    let mut runs = Vec::new();
    for (round, drift) in [(1, 1.0), (2, 1.06), (3, 0.97)] {
        for (label, pace) in [("llamacpp", 0.8), ("vllm", 0.1)] {
            let mut run = run(label, pace * drift);
            run.key.round = round;
            let share_pct = 1.5 * f64::from(round) * pace;
            run.caveats = vec![Caveat::MergedEvents { share_pct }, Caveat::FewSamples { completed: 18 }];
            runs.push(run);
        }
    }
    let mut comparison = grouped(runs, Over::Rounds, plan().loads);
    comparison.groups[1].best.insert(figure::OUTPUT_TPS.to_owned(), Statistic::Value);
    comparison.baseline = Some("vllm".to_owned());
    comparison.pairs = vec![pair("llamacpp", "vllm", 0.125)];
    comparison.rule = Some(RULE);
    comparison
}

/// The ratio of a label that is worse in everything, or the same.
fn ratio(value: f64, verdict: Verdict) -> Ratio {
    let (low, high) = (Some(value * 0.95), Some(value * 1.05));
    Ratio {
        value,
        low,
        high,
        rounds: 3,
        p: Some(0.01),
        verdict: Some(verdict),
        detectable_pct: Some(4.25),
        more_rounds: None,
    }
}

/// A label against the baseline: so many times its tokens, and as many times shorter latencies.
pub fn pair(label: &str, baseline: &str, times: f64) -> Pair {
    let verdict = match times {
        times if (times - 1.0).abs() < 0.02 => Verdict::Indistinguishable,
        times if times > 1.0 => Verdict::Faster,
        _ => Verdict::Slower,
    };
    let figures = VERDICT_FIGURES.iter().map(|(name, statistic)| {
        let metric = figure::metric(name).unwrap();
        let value = if metric.better == Better::Higher { times } else { 1.0 / times };
        (metric.column(*statistic), ratio(value, verdict))
    });
    Pair {
        label: label.to_owned(),
        baseline: baseline.to_owned(),
        point: 1,
        not_comparable: Vec::new(),
        ratios: figures.collect(),
    }
}

/// The same below three rounds: ratios and nothing more.
pub fn without_verdict(mut pair: Pair, rounds: u32) -> Pair {
    for ratio in pair.ratios.values_mut() {
        *ratio =
            Ratio { rounds, low: None, high: None, p: None, verdict: None, detectable_pct: None, ..*ratio };
    }
    pair
}

/// Verdicts over so many comparisons against a baseline that was chosen.
pub const RULE: VerdictRule = VerdictRule { corrected_for: 5, baseline_chosen: true, until_sure: None };

/// Two backends at three concurrencies, in so many rounds.
pub fn sweep(rounds: u32) -> Comparison {
    let one = plan().loads.remove(0);
    let load = |slots: u32| LoadPoint {
        traffic: Traffic::Closed { slots: slots.try_into().unwrap(), ramp: Ramp::Automatic },
        ..one.clone()
    };
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for (label, pace) in [("sglang", 0.9), ("vllm", 1.0)] {
            for (point, slower) in [(1, 1.0), (2, 1.7), (3, 4.2)] {
                let mut run = run(label, pace * slower * (1.0 + 0.02 * f64::from(round)));
                run.key.point = point;
                run.key.round = round;
                runs.push(run);
            }
        }
    }
    let over = if rounds > 1 { Over::Rounds } else { Over::Run };
    let mut comparison = grouped(runs, over, [1, 4, 16].map(load).to_vec());
    for group in comparison.groups.iter_mut().filter(|group| group.label == "sglang") {
        group.best.insert(figure::TTFT.to_owned(), Statistic::P50);
    }
    comparison.baseline = Some("sglang".to_owned());
    comparison.pairs = (1..=3)
        .map(|point| Pair { point, ..pair("vllm", "sglang", if point == 1 { 0.9 } else { 1.0 }) })
        .map(|pair| if rounds < 3 { without_verdict(pair, rounds) } else { pair })
        .collect();
    if rounds == 1 {
        comparison.caveats.push(Caveat::SingleRun);
    }
    comparison.rule = (rounds > 2).then_some(VerdictRule { corrected_for: 15, ..RULE });
    comparison
}

/// llama.cpp in Q4_1 and two engines in BF16, TGI not installed.
pub fn four() -> Comparison {
    let mut runs = vec![run("llamacpp", 0.8), run("sglang", 1.9), run("tgi", 1.4), run("vllm", 1.0)];
    runs[0].precision = "Q4_1".to_owned();
    let mut comparison = comparison(runs);
    let by_label = comparison.runs.iter().map(|run| (run.key.label.clone(), run.precision.clone())).collect();
    comparison.caveats.push(Caveat::PrecisionDiffers { by_label });
    comparison
}

/// TGI is not installed.
pub fn skipped() -> Skipped {
    Skipped {
        label: "tgi".to_owned(),
        reason: "not installed".to_owned(),
        hint: "harness install tgi (needs docker)".to_owned(),
    }
}

/// The plan that the fixtures were played by.
pub fn plan() -> Plan {
    let closed = Traffic::Closed { slots: 8.try_into().unwrap(), ramp: Ramp::Automatic };
    Plan {
        run_id: "compare_20260201_143000".to_owned(),
        title: "compare".to_owned(),
        dataset: DatasetSource {
            name: "benchmark_dataset".to_owned(),
            path: "built-in".to_owned(),
            sha256: "0123456789abcdef".repeat(4),
            prompts: 18,
            passed_over: Vec::new(),
            reading: None,
            synthetic: None,
            renewed: false,
            trace: None,
        },
        seed: 42,
        seeds: Seeds::of(42),
        sampling: Sampling { max_tokens: Some(128), ignore_eos: true, ..Sampling::default() },
        launching: Some(Launching::default()),
        output: Output::of("results", true),
        ..Plan::of(
            Timestamp::UNIX_EPOCH,
            Vec::new(),
            vec![LoadPoint::of(closed, Until::after_requests(18.try_into().unwrap()))],
        )
    }
}

/// A whole comparison file.
pub fn file(comparison: Comparison) -> ComparisonFile {
    let environment = Environment {
        taken_at: Timestamp::UNIX_EPOCH,
        harness_version: "0.1.0".to_owned(),
        os: "Linux 6.1.0 x86_64".to_owned(),
        hostname: "bench-1".to_owned(),
        cpu: "AMD EPYC 9654".to_owned(),
        cores: 16,
        memory_bytes: 128 << 30,
        open_files: (65_536, 65_536),
        driver: Some("570.00".to_owned()),
        gpus: vec![Gpu { index: 0, name: "NVIDIA H200".to_owned(), memory_bytes: 139 << 30 }],
        exact_up_to: None,
        limits: None,
    };
    ComparisonFile {
        schema_version: SCHEMA_VERSION,
        kind: "comparison".to_owned(),
        plan: plan(),
        environment,
        comparison,
    }
}
