//! Due times against their laws: by the tests of Kolmogorov and Smirnov and of chi square, and to the request.

use std::num::{NonZeroU32, NonZeroU64};

use statrs::distribution::{ContinuousCDF, Gamma};

use super::arrivals::due_times;
use super::course::mean_at_end;
use crate::schema::plan::LoadPoint;
use crate::schema::rate_course::{Curve, Gaps, Piece};
use crate::schema::traffic::{Arrivals, Traffic, Until};

/// Due times, s.
fn dues(arrivals: &Arrivals, requests: Option<u64>, duration_s: Option<f64>, seed: u64) -> Vec<f64> {
    let until = Until::new(requests.and_then(NonZeroU64::new), duration_s).unwrap();
    let load = LoadPoint::of(Traffic::Open { arrivals: arrivals.clone(), cap: None }, until);
    due_times(&load, seed).unwrap().map(|(_, due_us)| due_us as f64 / 1e6).collect()
}

/// Differences, the first from 0.
fn gaps(values: &[f64]) -> Vec<f64> {
    let mut before = 0.0;
    values.iter().map(|value| value - std::mem::replace(&mut before, *value)).collect()
}

/// Values pass for ones of this distribution at the 5 % level of Kolmogorov and Smirnov (Stephens' correction).
fn follow(mut values: Vec<f64>, below: impl Fn(f64) -> f64) -> bool {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance = values.iter().enumerate().map(|(place, value)| {
        let expected = below(*value);
        (expected - place as f64 / n).max((place + 1) as f64 / n - expected)
    });
    distance.fold(0.0, f64::max) * (n.sqrt() + 0.12 + 0.11 / n.sqrt()) <= 1.358
}

fn exponential(gap: f64) -> f64 {
    -(-gap).exp_m1()
}

/// Of a hundred seeds 95 pass in the mean.
fn pass(one: impl Fn(u64) -> bool) -> bool {
    (0..100).filter(|seed| one(*seed)).count() >= 91
}

const RATE: f64 = 5.0;

#[test]
fn gamma_gaps_have_the_shape_that_was_asked_for_and_keep_the_mean_rate() {
    for burstiness in [0.25, 0.5, 1.0, 4.0] {
        let law = Arrivals::Gamma { rate: RATE, burstiness };
        let of = |burstiness: f64| Gamma::new(burstiness, burstiness).unwrap();
        let gaps_of = |seed, count| {
            let gaps = gaps(&dues(&law, Some(count), None, seed));
            gaps.into_iter().map(|gap| gap * RATE).collect::<Vec<f64>>()
        };
        assert!(pass(|seed| follow(gaps_of(seed, 1_000), |gap| of(burstiness).cdf(gap))), "{burstiness}");
        // It tells another shape, and another rate.
        assert!(!follow(gaps_of(0, 4_000), |gap| of(burstiness * 1.2).cdf(gap)), "{burstiness}");
        assert!(!follow(gaps_of(0, 4_000), |gap| of(burstiness).cdf(gap * 1.1)), "{burstiness}");
        let many = gaps_of(3, 100_000);
        let mean = many.iter().sum::<f64>() / 1e5;
        let deviation = (many.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 1e5).sqrt();
        let expected = 1.0 / burstiness.sqrt();
        assert!((mean - 1.0).abs() < 4.0 * expected / 1e5_f64.sqrt(), "mean {mean} at {burstiness}");
        assert!((deviation / expected - 1.0).abs() < 0.04, "deviation {deviation} at {burstiness}");
    }
    let poisson = |gap: f64| exponential(gap * RATE);
    let one = Arrivals::Gamma { rate: RATE, burstiness: 1.0 };
    assert!(pass(|seed| follow(gaps(&dues(&one, Some(1_000), None, seed)), poisson)), "1 is Poisson");
}

#[test]
fn bursts_come_whole_at_their_times_and_not_one_more() {
    let law = Arrivals::Bursts { size: NonZeroU32::new(3).unwrap(), every_s: 0.1 };
    assert_eq!(dues(&law, Some(8), None, 1), [0.0, 0.0, 0.0, 0.1, 0.1, 0.1, 0.2, 0.2]);
    let long = dues(&law, None, Some(60.0), 1);
    assert_eq!(long.len(), 1_800);
    assert!(long.chunks(3).enumerate().all(|(place, burst)| burst == [place as f64 / 10.0; 3]));
}

fn ramp(gaps: Gaps, curve: Curve) -> Piece {
    Piece { to_rate_per_s: 10.0, curve, ..Piece::steady(60.0, 1.0, gaps) }
}

fn pieces(pieces: &[Piece]) -> Arrivals {
    Arrivals::Pieces { pieces: pieces.to_vec() }
}

#[test]
fn constant_gaps_under_a_ramp_make_exactly_the_requests_of_its_integral() {
    let linear = dues(&pieces(&[ramp(Gaps::Constant, Curve::Linear)]), None, Some(60.0), 1);
    assert_eq!(linear.len(), 330, "the mean of 1 and 10 a second for a minute");
    for (k, due_s) in linear.iter().enumerate() {
        // t + 9 t²/120 requests are due before t.
        assert!((due_s + 0.075 * due_s * due_s - k as f64).abs() < 1e-4, "the {k}-th at {due_s}");
    }
    let exponential = dues(&pieces(&[ramp(Gaps::Constant, Curve::Exponential)]), None, Some(60.0), 1);
    assert_eq!(exponential.len(), (9.0 * 60.0 / 10.0_f64.ln()).ceil() as usize);
    for (k, due_s) in exponential.iter().enumerate() {
        let due = 60.0 / 10.0_f64.ln() * (10.0_f64.powf(due_s / 60.0) - 1.0);
        assert!((due - k as f64).abs() < 1e-4, "the {k}-th at {due_s}");
    }
    let down = Piece { to_rate_per_s: 0.0, ..Piece::steady(10.0, 2.0, Gaps::Constant) };
    assert_eq!(dues(&pieces(&[down]), None, Some(10.0), 1).len(), 10, "to a standstill");
}

#[test]
fn a_ramp_over_so_many_requests_has_just_so_many_whatever_is_drawn() {
    let bursty = Gaps::Gamma { burstiness: 0.2 };
    for (gaps, seed) in
        [Gaps::Poisson, bursty].into_iter().flat_map(|gaps| (1..40).map(move |seed| (gaps, seed)))
    {
        for requests in [1, 2, 57] {
            let one = ramp(gaps, Curve::Linear);
            let for_s = one.for_s * mean_at_end(gaps, seed, requests) / one.requests();
            let due = dues(&pieces(&[Piece { for_s, ..one }]), Some(requests), None, seed);
            assert_eq!(due.len() as u64, requests, "{gaps} by seed {seed}");
            assert!(*due.last().unwrap() < for_s + 1e-6);
        }
    }
    let steady = Piece::steady(1.0, 1.0, Gaps::Constant);
    assert!((mean_at_end(steady.gaps, 1, 9) - 9.0).abs() < 1e-12);
}

#[test]
fn steps_of_constant_gaps_have_exactly_their_requests_and_pauses_none() {
    let step = |for_s, rate| Piece::steady(for_s, rate, Gaps::Constant);
    let dues_of = |all: &[Piece]| dues(&pieces(all), Some(10_000), None, 1);
    let dues = dues_of(&[step(0.3, 10.0), step(0.5, 0.0), step(0.2, 20.0)]);
    assert_eq!(dues, [0.0, 0.1, 0.2, 0.8, 0.85, 0.9, 0.95]);
    // Many short pieces are no more than one long one.
    assert_eq!(dues_of(&[step(0.1, 0.5); 200]).len(), 10);
    let size = NonZeroU32::new(4).unwrap();
    let bursts = dues_of(&[Piece::steady(1.0, 8.0, Gaps::Bursts { size }), step(1.0, 2.0)]);
    assert_eq!(bursts, [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.5]);
}

#[test]
fn poisson_gaps_under_a_changing_rate_are_the_poisson_process_of_that_rate() {
    for curve in [Curve::Linear, Curve::Exponential] {
        let law = pieces(&[ramp(Gaps::Poisson, curve), Piece::steady(30.0, 4.0, Gaps::Poisson)]);
        // Requests due in the mean before a time: by hand, and not by what made the due times.
        let due_before = |at_s: f64| {
            let ramp_s = at_s.min(60.0);
            let ramp = match curve {
                Curve::Linear => ramp_s + 0.075 * ramp_s * ramp_s,
                Curve::Exponential => 60.0 / 10.0_f64.ln() * (10.0_f64.powf(ramp_s / 60.0) - 1.0),
            };
            ramp + 4.0 * (at_s - ramp_s)
        };
        let of = |seed| dues(&law, None, Some(90.0), seed);
        let rescaled = |seed| gaps(&of(seed).into_iter().map(due_before).collect::<Vec<f64>>());
        assert!(pass(|seed| follow(rescaled(seed), exponential)), "{curve:?}");
        let evenly = gaps(&of(0)).into_iter().map(|gap| gap * due_before(90.0) / 90.0).collect();
        assert!(!follow(evenly, exponential), "it tells a rate that changes from one that does not");
        // Over many seeds each tenth of the time has its share, and the totals vary as a Poisson number does.
        let all: Vec<Vec<f64>> = (0..400).map(of).collect();
        let tenths = (0..10).map(|tenth| (f64::from(tenth) * 9.0, f64::from(tenth + 1) * 9.0));
        let chi_square: f64 = tenths
            .map(|(from_s, to_s)| {
                let seen = all.iter().flatten().filter(|at_s| (from_s..to_s).contains(*at_s)).count() as f64;
                let expected = 400.0 * (due_before(to_s) - due_before(from_s));
                (seen - expected).powi(2) / expected
            })
            .sum();
        assert!(chi_square < 29.6, "{chi_square} of 10 degrees of freedom, at 0.1 %: {curve:?}");
        let expected = due_before(90.0);
        let counts = all.iter().map(|dues| (dues.len() as f64 - expected).powi(2) / expected);
        let dispersion = counts.sum::<f64>() / 400.0;
        assert!((dispersion - 1.0).abs() < 4.0 * (2.0_f64 / 400.0).sqrt(), "{dispersion}");
    }
}

#[test]
fn each_piece_has_the_law_that_it_names() {
    let gamma = Gaps::Gamma { burstiness: 0.25 };
    let law = pieces(&[Piece::steady(400.0, RATE, gamma), Piece::steady(400.0, RATE, Gaps::Poisson)]);
    let all = dues(&law, None, Some(800.0), 5);
    let of = |from_s: f64, to_s: f64| {
        let within: Vec<f64> = all.iter().copied().filter(|at_s| (from_s..to_s).contains(at_s)).collect();
        gaps(&within).into_iter().skip(1).map(|gap| gap * RATE).collect::<Vec<f64>>()
    };
    let burst = Gamma::new(0.25, 0.25).unwrap();
    assert!(follow(of(0.0, 400.0), |gap| burst.cdf(gap)) && !follow(of(0.0, 400.0), exponential));
    assert!(follow(of(400.0, 800.0), exponential) && !follow(of(400.0, 800.0), |gap| burst.cdf(gap)));
}

#[test]
fn the_threads_of_a_client_share_one_schedule_of_every_law_and_a_seed_makes_it_again() {
    let size = NonZeroU32::new(7).unwrap();
    let laws = [
        Arrivals::Gamma { rate: 300.0, burstiness: 0.5 },
        Arrivals::Bursts { size, every_s: 0.05 },
        pieces(&[
            Piece::steady(1.0, 200.0, Gaps::Poisson),
            ramp(Gaps::Gamma { burstiness: 2.0 }, Curve::Linear),
        ]),
    ];
    for law in laws {
        let until = Until::new(NonZeroU64::new(500), Some(60.0)).unwrap();
        let load = LoadPoint::of(Traffic::Open { arrivals: law.clone(), cap: NonZeroU32::new(4) }, until);
        let alone: Vec<(u64, u64)> = due_times(&load, 9).unwrap().collect();
        assert!(alone.len() > 300 && alone.is_sorted_by_key(|(index, due_us)| (*index, *due_us)), "{law}");
        for threads in [1, 2, 4] {
            let share =
                |number| due_times(&load, 9).unwrap().filter(move |(index, _)| index % threads == number);
            let mut together: Vec<(u64, u64)> = (0..threads).flat_map(share).collect();
            together.sort_unstable();
            assert_eq!(together, alone, "{law} on {threads} threads");
        }
        let other: Vec<(u64, u64)> = due_times(&load, 10).unwrap().collect();
        assert_eq!(other == alone, matches!(law, Arrivals::Bursts { .. }), "chance has no part in bursts");
    }
}
