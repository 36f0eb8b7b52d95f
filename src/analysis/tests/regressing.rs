//! A result against an earlier one: what is a regression, and what may be chance.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::analysis::{Matched, MaxRegression, Played, left_out, regressions};
use crate::schema::caveat::Caveat;
use crate::schema::check::{CheckRow, CheckVerdict};
use crate::schema::figure_name::figure_named;

/// Runs of as many rounds with these values of output TPS; TTFT p99 is their inverse.
fn runs(values: &[f64]) -> Vec<RunSummary> {
    let run = |(round, value): (usize, &f64)| {
        let mut input = closed();
        input.key = RunKey { round: round as u32 + 1, ..RunKey::first("vllm") };
        let mut run = summarize(input, &[completed(0, 0, &[(5, 1), (6, 1)])], Finish::default());
        run.metrics.insert("output_tps".to_owned(), MetricValue::Scalar(*value));
        let ttft = Distribution { p99: 1e3 / value, ..Distribution::default() };
        run.metrics.insert("ttft_ms".to_owned(), MetricValue::Distribution(ttft));
        run
    };
    values.iter().enumerate().map(run).collect()
}

fn played(runs: &[RunSummary]) -> Vec<Played<'_>> {
    runs.iter().map(|run| Played { run_id: "x", run }).collect()
}

/// Limits on these figures, %.
fn checked_runs(baseline: &[RunSummary], now: &[RunSummary], limits: &[(&str, f64)]) -> Vec<CheckRow> {
    let matched = Matched {
        label: "vllm".to_owned(),
        baseline_label: "vllm".to_owned(),
        load: "concurrency 2".to_owned(),
        baseline: played(baseline),
        now: played(now),
    };
    let limit = |(name, pct): &(&str, f64)| MaxRegression { figure: figure_named(name).unwrap(), pct: *pct };
    regressions(&[matched], &limits.iter().map(limit).collect::<Vec<_>>())
}

fn checked(baseline: &[f64], now: &[f64], limits: &[(&str, f64)]) -> Vec<CheckRow> {
    checked_runs(&runs(baseline), &runs(now), limits)
}

fn verdicts(baseline: &[f64], now: &[f64], limit: f64) -> [CheckVerdict; 2] {
    let rows = checked(baseline, now, &[("output_tps", limit), ("ttft_p99", limit)]);
    [rows[0].verdict, rows[1].verdict]
}

#[test]
fn a_regression_is_beyond_its_limit_and_real_in_the_figures_own_direction() {
    let then = [100.0, 101.0, 99.0];
    assert_eq!(verdicts(&then, &[80.0, 81.0, 79.0], 10.0), [CheckVerdict::Regression; 2]);
    assert_eq!(verdicts(&then, &[80.0, 81.0, 79.0], 30.0), [CheckVerdict::WithinLimit; 2]);
    assert_eq!(verdicts(&then, &[120.0, 121.0, 119.0], 10.0), [CheckVerdict::Better; 2]);
    assert_eq!(verdicts(&then, &[40.0, 160.0, 60.0], 10.0), [CheckVerdict::NotShown; 2]);
    assert_eq!(verdicts(&then, &then, 0.0), [CheckVerdict::WithinLimit; 2]);
}

#[test]
fn below_three_rounds_a_side_nothing_is_told_however_large_the_change() {
    for (then, now) in
        [(&[100.0][..], &[50.0][..]), (&[100.0, 100.0], &[50.0; 5]), (&[100.0; 5], &[50.0, 50.0])]
    {
        for row in checked(then, now, &[("output_tps", 5.0)]) {
            assert_eq!(row.verdict, CheckVerdict::CannotTell);
            let change = row.change.unwrap();
            assert!(
                (change.pct + 50.0).abs() < 1e-9 && change.low_pct.is_none() && change.p.is_none(),
                "{change:?}"
            );
        }
    }
}

#[test]
fn repeats_of_one_launch_are_no_rounds() {
    let mut now = runs(&[50.0; 6]);
    for (repeat, run) in now.iter_mut().enumerate() {
        run.key.round = 1;
        run.key.repeat = repeat as u32 + 1;
    }
    let rows = checked_runs(&runs(&[100.0, 101.0, 99.0]), &now, &[("output_tps", 5.0)]);
    assert_eq!((rows[0].now.unwrap().rounds, rows[0].verdict), (1, CheckVerdict::CannotTell));
}

/// Worked out apart from this program, by numerical integration of the density: t = 3.07404, 5.88310 degrees of
/// freedom, p = 0.022387, half width 0.343932.
#[test]
fn the_interval_and_the_p_value_are_those_that_another_way_gives() {
    let log = |values: &[f64]| values.iter().map(|value| value.exp()).collect::<Vec<f64>>();
    let (then, now) = (log(&[1.0, 1.2, 0.9, 1.1]), log(&[1.3, 1.6, 1.2, 1.9, 1.4]));
    let rows = checked(&then, &now, &[("output_tps", 1.0)]);
    let change = rows[0].change.unwrap();
    let log_of = |pct: Option<f64>| (pct.unwrap() / 100.0).ln_1p();
    let found =
        [change.p.unwrap(), log_of(Some(change.pct)), log_of(change.low_pct), log_of(change.high_pct)];
    for (found, expected) in found.into_iter().zip([0.022387, 0.43, 0.43 - 0.343932, 0.43 + 0.343932]) {
        assert!((found - expected).abs() < 2e-6, "{found} is not {expected}");
    }
}

#[test]
fn p_values_are_corrected_over_all_figures_that_are_checked() {
    let (then, now) = ([100.0, 103.0, 98.0, 101.0], [94.0, 97.0, 91.0, 96.0]);
    let alone = checked(&then, &now, &[("output_tps", 1.0)])[0].change.unwrap().p.unwrap();
    let both = checked(&then, &now, &[("output_tps", 1.0), ("ttft_p99", 1.0)]);
    for row in both {
        assert!((row.change.unwrap().p.unwrap() - 2.0 * alone).abs() < 1e-9);
    }
}

#[test]
fn what_one_side_lacks_has_no_value_and_a_share_is_compared_in_points() {
    let mut now = runs(&[100.0; 3]);
    for run in &mut now {
        run.metrics.remove("ttft_ms");
        run.metrics.insert("error_rate_pct".to_owned(), MetricValue::Scalar(2.0));
    }
    let rows = checked_runs(&runs(&[100.0; 3]), &now, &[("ttft_p99", 5.0), ("error_rate", 0.5)]);
    assert_eq!((rows[0].verdict, rows[0].now), (CheckVerdict::NoValue, None));
    // 0 % then: a ratio would have no value.
    assert_eq!(rows[1].change.unwrap().pct, 2.0);
    assert_eq!(rows[1].verdict, CheckVerdict::Regression);
}

#[test]
fn a_run_that_failed_enters_the_error_rate_alone() {
    let mut now = runs(&[100.0, 100.0, 100.0, 1.0]);
    now[3].caveats.push(Caveat::Failures { rate_pct: 10.0 });
    now[3].metrics.insert("error_rate_pct".to_owned(), MetricValue::Scalar(10.0));
    let rows = checked_runs(&runs(&[100.0; 3]), &now, &[("output_tps", 5.0), ("error_rate", 1.0)]);
    assert_eq!((rows[0].now.unwrap().rounds, rows[1].now.unwrap().rounds), (3, 4));
    assert_eq!(left_out(&played(&now)).len(), 1);
}

#[test]
fn rounds_too_few_for_a_limit_say_what_they_could_have_shown() {
    let few = checked(&[100.0, 110.0, 90.0], &[100.0, 108.0, 92.0], &[("output_tps", 5.0)]);
    let many =
        checked(&[100.0, 100.5, 99.5].repeat(3), &[100.0, 100.4, 99.6].repeat(3), &[("output_tps", 5.0)]);
    let detectable = |rows: &[CheckRow]| rows[0].change.unwrap().detectable_pct.unwrap();
    assert!(detectable(&few) > 15.0 && detectable(&many) < 1.0, "{} {}", detectable(&few), detectable(&many));
}

/// Nothing differs, at 3 and 5 rounds a side: at most one of twenty is called different.
#[test]
fn where_nothing_differs_a_change_is_called_real_in_at_most_one_of_twenty() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    for rounds in [3, 5] {
        let mut side = || -> Vec<f64> {
            let noise = |random: &mut ChaCha8Rng| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
            (0..rounds).map(|_| 100.0 * (0.05 * noise(&mut random)).exp()).collect()
        };
        let real = (0..2000).filter(|_| {
            let rows = checked(&side(), &side(), &[("output_tps", 0.0)]);
            rows[0].change.unwrap().p.unwrap() <= 0.05
        });
        let real = real.count();
        assert!((40..=120).contains(&real), "{real} of 2000 at {rounds} rounds");
    }
}
