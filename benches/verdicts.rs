//! Whether the verdicts keep what they promise, by simulation over the program's own analysis: how often a server is
//! called different from itself, how often an interval holds the truth, and what `--until-sure` costs and gains.
//!
//! `cargo bench --bench verdicts` (minutes); `-- --quick` takes a tenth of the trials.
//!
//! The model: the machine drifts by 6 % (standard deviation, ρ from one run to the next),
//! each run has a noise of 2 % of its own, and 100 requests; labels are
//! played in the order of `pipeline::visits`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use harness::analysis::{ComparisonInput, Samples, compare, sureness};
use harness::backend::resolve::url_target;
use harness::schema::comparison::Comparison;
use harness::schema::figure;
use harness::schema::plan::{LoadPoint, Plan};
use harness::schema::summary::{MetricValue, RunSummary};
use harness::schema::traffic::{Ramp, Traffic, Until};
use harness::schema::verdict::Verdict;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const DRIFT: f64 = 0.06;
const NOISE: f64 = 0.02;
const REQUESTS: usize = 100;
/// Standard deviation of a request's logarithm.
const REQUEST_NOISE: f64 = 0.3;
const CORRELATIONS: [f64; 3] = [0.0, 0.5, 0.8];

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    // cargo test runs benchmarks too, without --bench: then it only has to build.
    if !quick && !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let trials = if quick { 200 } else { 2_000 };
    println!("drift 6 %, noise 2 % a run, 100 requests a run, order A B, B A, B A, A B\n");
    // So many that chance moves a share of 5 % by half a percent at most.
    one_figure(4 * trials);
    whole_family(trials);
    until_sure(trials / 2);
}

/// The machine over a comparison: each run's level follows the last one's.
struct Machine {
    random: ChaCha8Rng,
    correlation: f64,
    level: f64,
}

impl Machine {
    fn new(seed: u64, correlation: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let level = StandardNormal.sample(&mut random);
        Machine { random, correlation, level }
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.random)
    }

    /// One run of a label that takes `slower` times as long as the others.
    fn run(
        &mut self,
        blank: &RunSummary,
        label: &str,
        round: u32,
        slower: f64,
        figures: Figures,
    ) -> RunSummary {
        let step = self.normal();
        self.level = self.correlation * self.level + (1.0 - self.correlation.powi(2)).sqrt() * step;
        let time = slower * (DRIFT * self.level + NOISE * self.normal()).exp();
        let mut samples = Samples::default();
        let mut sum = 0.0;
        for _ in 0..REQUESTS {
            let request = time * (REQUEST_NOISE * self.normal()).exp();
            sum += request;
            samples.add(100.0 * request);
        }
        let mut run = blank.clone();
        run.key.label = label.to_owned();
        run.key.round = round;
        run.metrics.insert(figure::OUTPUT_TPS.to_owned(), MetricValue::Scalar(1e5 / sum));
        if figures == Figures::All {
            let held = MetricValue::Distribution(samples.distribution().expect("requests"));
            for name in [figure::TTFT, figure::TPOT, figure::E2E] {
                run.metrics.insert(name.to_owned(), held.clone());
            }
        }
        run
    }

    /// Rounds of labels in alternating order.
    fn rounds(&mut self, labels: &[(&str, f64)], rounds: u32, figures: Figures) -> Vec<RunSummary> {
        let blank = blank();
        let mut runs = Vec::new();
        for round in 1..=rounds {
            let mut order: Vec<&(&str, f64)> = labels.iter().collect();
            if matches!(round % 4, 2 | 3) {
                order.reverse();
            }
            for (label, slower) in order {
                runs.push(self.run(&blank, label, round, *slower, figures));
            }
        }
        runs
    }
}

/// What a run holds.
#[derive(Clone, Copy, PartialEq)]
enum Figures {
    /// Output TPS alone.
    One,
    /// All that carry a verdict.
    All,
}

/// A whole run without a figure.
fn blank() -> RunSummary {
    let counts =
        serde_json::json!({"issued": 100, "completed": 100, "failed": 0, "cancelled": 0, "dropped": 0});
    let none = serde_json::json!({"issued": 0, "completed": 0, "failed": 0, "cancelled": 0, "dropped": 0});
    serde_json::from_value(serde_json::json!({
        "label": "", "engine": "e", "model": "m", "precision": "BF16", "started_at": "2026-02-01T14:30:00Z",
        "requests": counts, "warmup": none, "duration_s": 10.0, "tokens": tokens(), "metrics": {},
        "client": client(),
    }))
    .expect("a run")
}

fn tokens() -> serde_json::Value {
    serde_json::to_value(harness::schema::summary::TokenTotals::default()).expect("totals")
}

fn client() -> serde_json::Value {
    serde_json::to_value(harness::schema::summary::ClientStats::default()).expect("figures")
}

fn plan(labels: &[&str], baseline: Option<&str>, rounds: u32) -> Plan {
    let targets = labels.iter().map(|label| url_target(label, None, "http://127.0.0.1:1", "m")).collect();
    let traffic = Traffic::Closed { slots: 1.try_into().expect("one"), ramp: Ramp::Automatic };
    let load = LoadPoint::of(traffic, Until::after_requests(100.try_into().expect("some")));
    let baseline = baseline.map(str::to_owned);
    Plan {
        baseline,
        rounds,
        ..Plan::of("2026-02-01T14:30:00Z".parse().expect("a time"), targets, vec![load])
    }
}

fn judged(plan: &Plan, runs: Vec<RunSummary>) -> Comparison {
    compare(ComparisonInput { plan, failed: &[] }, runs)
}

fn any_difference(comparison: &Comparison) -> bool {
    let ratios = comparison.pairs.iter().flat_map(|pair| pair.ratios.values());
    ratios.filter_map(|ratio| ratio.verdict).any(|verdict| verdict != Verdict::Indistinguishable)
}

fn percent(part: u32, whole: u32) -> String {
    format!("{:5.1} %", 100.0 * f64::from(part) / f64::from(whole))
}

/// One figure, the baseline named: the level of the test and the coverage of its interval.
fn one_figure(trials: u32) {
    println!(
        "{trials} comparisons a cell: one figure, A against A called different (aim 5 %) | 95 % interval holds a true ratio of 1.1"
    );
    println!("rounds   {}", CORRELATIONS.map(|rho| format!("ρ {rho:<4}            ")).concat());
    for rounds in [3, 5, 10] {
        let plan = plan(&["a", "b"], Some("a"), rounds);
        let cells = CORRELATIONS.map(|rho| {
            let (mut different, mut held) = (0, 0);
            for trial in 0..trials {
                let seed = u64::from(trial) * 1_000 + u64::from(rounds) * 10 + (rho * 10.0) as u64;
                let mut machine = Machine::new(seed, rho);
                let same = judged(&plan, machine.rounds(&[("a", 1.0), ("b", 1.0)], rounds, Figures::One));
                different += u32::from(any_difference(&same));
                let mut machine = Machine::new(seed + 500, rho);
                let other = judged(&plan, machine.rounds(&[("a", 1.1), ("b", 1.0)], rounds, Figures::One));
                let ratio = other.pairs[0].ratios[figure::OUTPUT_TPS];
                held += u32::from(ratio.low.unwrap() <= 1.1 && ratio.high.unwrap() >= 1.1);
            }
            format!("{} | {}  ", percent(different, trials), percent(held, trials))
        });
        println!("{rounds:>6}   {}", cells.concat());
    }
    println!();
}

/// Three labels, five figures, the baseline chosen by the data: any verdict at all is false.
fn whole_family(trials: u32) {
    println!(
        "{trials} comparisons a cell: three equal servers, five figures, best chosen as the baseline: any false verdict (aim ≤ 5 %)"
    );
    println!("rounds   {}", CORRELATIONS.map(|rho| format!("ρ {rho:<6}")).concat());
    for rounds in [3, 5, 10] {
        let plan = plan(&["a", "b", "c"], None, rounds);
        let cells = CORRELATIONS.map(|rho| {
            let different = (0..trials).filter(|trial| {
                let mut machine = Machine::new(u64::from(*trial) * 7_000 + u64::from(rounds), rho);
                let labels = [("a", 1.0), ("b", 1.0), ("c", 1.0)];
                any_difference(&judged(&plan, machine.rounds(&labels, rounds, Figures::All)))
            });
            format!("{} ", percent(different.count() as u32, trials))
        });
        println!("{rounds:>6}   {}", cells.concat());
    }
    println!();
}

/// What `--until-sure 5%` ends with, and after how many rounds.
#[derive(Clone, Copy, Default)]
struct Ends {
    different: u32,
    within: u32,
    rounds: u32,
    held: u32,
}

const MOST: u32 = 20;

/// Two labels, five figures, the baseline chosen by the data.
fn until_sure(trials: u32) {
    println!(
        "--until-sure 5% --rounds-max {MOST}: two servers, five figures, best chosen as the baseline. Beside it the"
    );
    println!(
        "fixed plan, looked at once, that shows a difference (of equal servers: less than 5 %) as often"
    );
    println!("   ρ    true  different  within 5 %  interval holds  mean rounds  fixed plan");
    for rho in CORRELATIONS {
        for slower in [1.0, 1.05, 1.1, 1.5] {
            let mut ends = Ends::default();
            let mut drawn = Vec::new();
            for trial in 0..trials {
                let seed = u64::from(trial) * 31_000 + (rho * 100.0) as u64;
                let runs = Machine::new(seed, rho).rounds(&[("a", slower), ("b", 1.0)], MOST, Figures::All);
                sequential(&runs, slower, &mut ends);
                drawn.push(runs);
            }
            let wanted = if slower == 1.0 { ends.within } else { ends.different };
            println!(
                "{rho:>5} {slower:>6}   {}    {}       {}       {:>5.1}        {}",
                percent(ends.different, trials),
                percent(ends.within, trials),
                percent(ends.held, trials),
                f64::from(ends.rounds) / f64::from(trials),
                fixed_plan(&drawn, slower == 1.0, wanted),
            );
        }
    }
}

fn sequential(runs: &[RunSummary], truth: f64, ends: &mut Ends) {
    let plan = Plan { until_sure_pct: Some(5.0), ..plan(&["a", "b"], None, MOST) };
    let stop = (3..=MOST).find(|rounds| sureness(&plan, runs, *rounds).is_some_and(|state| state.sure));
    let rounds = stop.unwrap_or(MOST);
    let end = judged(&plan, first(runs, rounds));
    let ratio = end.pairs[0].ratios[figure::OUTPUT_TPS];
    // Label `a` is the slower one: its throughput is one over the truth.
    let truth = if end.baseline.as_deref() == Some("a") { truth } else { 1.0 / truth };
    ends.rounds += rounds;
    ends.held += u32::from(ratio.low.unwrap() <= truth && ratio.high.unwrap() >= truth);
    match any_difference(&end) {
        true => ends.different += 1,
        false => ends.within += u32::from(stop.is_some()),
    }
}

fn first(runs: &[RunSummary], rounds: u32) -> Vec<RunSummary> {
    runs.iter().filter(|run| run.key.round <= rounds).cloned().collect()
}

/// The fewest rounds with which as many of the same comparisons show it, looked at once.
fn fixed_plan(drawn: &[Vec<RunSummary>], equal: bool, wanted: u32) -> String {
    let shown = |rounds: u32| {
        let plan = plan(&["a", "b"], None, rounds);
        drawn.iter().filter(|runs| shows(&judged(&plan, first(runs, rounds)), equal)).count() as u32
    };
    let (mut too_few, mut enough) = (2, MOST + 1);
    while enough - too_few > 1 {
        let middle = (too_few + enough) / 2;
        if shown(middle) >= wanted { enough = middle } else { too_few = middle }
    }
    if enough > MOST { format!("over {MOST}") } else { format!("{enough}") }
}

/// A difference in some figure; of equal servers an interval within 5 % in both figures that are waited for.
fn shows(end: &Comparison, equal: bool) -> bool {
    let within = |column: &str| {
        let ratio = end.pairs[0].ratios[column];
        ratio.low.unwrap() >= 1.0 / 1.05 && ratio.high.unwrap() <= 1.05
    };
    if equal { within(figure::OUTPUT_TPS) && within("ttft_ms_p50") } else { any_difference(end) }
}
