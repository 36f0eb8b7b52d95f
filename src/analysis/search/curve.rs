//! The curve around the knee: loads of a round grid, first in large steps until one is too much, then where the curve
//! moves most between two neighbours. Pure.

/// Figures of the grid of rates, 24 a decade (E24, IEC 60063): steps of about a tenth.
const RATES: [f64; 24] = [
    1.0, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2.0, 2.2, 2.4, 2.7, 3.0, 3.3, 3.6, 3.9, 4.3, 4.7, 5.1, 5.6, 6.2, 6.8,
    7.5, 8.2, 9.1,
];
/// More requests in flight than this are not tried.
const MOST_IN_FLIGHT: f64 = 1024.0;
/// The lowest rate that is tried, requests a second.
const LOWEST_RATE: f64 = 0.01;
/// A rate is doubled or halved; requests in flight, which begin at one, are made four times as many.
const RATE_STEP: f64 = 2.0;
const IN_FLIGHT_STEP: f64 = 4.0;
/// The gap between what is carried and what is not is known well enough at this ratio.
const GAP_LEAST: f64 = 1.25;
/// A latency that moves by more than this factor (logarithm) moves no further.
const MOVE_MOST: f64 = 1.5;
/// How much more the gap at the limit is worth than another one: it is closed first.
const LIMIT_WEIGHT: f64 = 16.0;
/// What a gap of requests in flight is worth that lies wholly on one side of the knee, as a share of one that holds it.
const SIDE_WEIGHT: f64 = 0.2;
/// Throughput that grows by less than this share has stopped to grow.
const GROWTH_LEAST: f64 = 0.05;

/// One load, as played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Played {
    /// Requests a second, or in flight.
    pub load: f64,
    /// Completed requests a second.
    pub rps: f64,
    /// Medians of TTFT and E2E, ms; none where nothing completed.
    pub latencies_ms: [Option<f64>; 2],
    /// The server does not carry it.
    pub beyond: bool,
}

/// What is asked of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurveAim {
    /// The first load; it is moved to the grid.
    pub first: f64,
    /// Loads are requests in flight.
    pub whole: bool,
    /// Loads at most.
    pub points: usize,
}

/// Requests in flight at which throughput no longer grows are beyond what a server carries.
pub fn mark_stopped(played: &mut [Played]) {
    played.sort_by(|one, other| one.load.total_cmp(&other.load));
    let mut most = 0.0;
    for run in played {
        run.beyond |= most > 0.0 && run.rps < most * (1.0 + GROWTH_LEAST);
        most = f64::max(most, run.rps);
    }
}

/// The next load; none where the curve is whole. `played` is in the order of the loads.
pub fn next_point(aim: &CurveAim, played: &[Played]) -> Option<f64> {
    if played.len() >= aim.points {
        return None;
    }
    let (Some(lowest), Some(highest)) = (played.first(), played.last()) else {
        return Some(on_grid(aim, aim.first));
    };
    let step = if aim.whole { IN_FLIGHT_STEP } else { RATE_STEP };
    let least = if aim.whole { 1.0 } else { LOWEST_RATE };
    if played.iter().all(|run| !run.beyond) && (!aim.whole || highest.load < MOST_IN_FLIGHT) {
        return Some(on_grid(aim, highest.load * step));
    }
    if played.iter().all(|run| run.beyond) && lowest.load > least {
        return Some(on_grid(aim, (lowest.load / step).max(least)));
    }
    let gaps = played.windows(2).filter_map(|pair| gap(aim, pair[0], pair[1]));
    let widest = gaps.fold(None, |widest: Option<(f64, f64)>, gap| match widest {
        Some(known) if known.0 >= gap.0 => Some(known),
        Some(_) | None => Some(gap),
    });
    widest.map(|(_, middle)| middle)
}

/// How much a load between two neighbours would tell, and that load; none where there is none, or nothing to tell.
fn gap(aim: &CurveAim, low: Played, high: Played) -> Option<(f64, f64)> {
    if low.beyond {
        return None;
    }
    let middle = on_grid(aim, (low.load * high.load).sqrt());
    if middle <= low.load || middle >= high.load {
        return None;
    }
    let apart = (high.load / low.load).ln();
    if aim.whole {
        // Below the knee throughput grows as the load does, behind it not at all: in between lies what is looked for.
        let grows = if low.rps > 0.0 && high.rps > 0.0 { (high.rps / low.rps).ln() / apart } else { 0.0 };
        let grows = grows.clamp(0.0, 1.0);
        return Some((apart * (SIDE_WEIGHT + 4.0 * grows * (1.0 - grows)), middle));
    }
    if high.beyond {
        return (high.load / low.load > GAP_LEAST).then_some((LIMIT_WEIGHT * apart, middle));
    }
    let moves = low.latencies_ms.iter().zip(high.latencies_ms).filter_map(|(low, high)| {
        let (low, high) = ((*low)?, high?);
        (low > 0.0 && high > 0.0).then(|| (high / low).ln().abs().min(MOVE_MOST))
    });
    Some((apart + moves.sum::<f64>(), middle))
}

/// The nearest load of the grid: a rate of two figures; of requests in flight a power of two or one and a half of it.
fn on_grid(aim: &CurveAim, load: f64) -> f64 {
    if aim.whole {
        let power = load.max(1.0).log2().floor().exp2();
        let near = [power, 1.5 * power, 2.0 * power].into_iter().filter(|value| value.fract() == 0.0);
        return nearest(load.max(1.0), near).min(MOST_IN_FLIGHT);
    }
    let load = load.max(LOWEST_RATE);
    let decade = load.log10().floor() as i32;
    // Read from its figures: a product would not be the number that a person types.
    let figures =
        |decade: i32| RATES.iter().filter_map(move |rate| format!("{rate}e{decade}").parse::<f64>().ok());
    nearest(load, figures(decade).chain(figures(decade + 1)))
}

fn nearest(load: f64, values: impl Iterator<Item = f64>) -> f64 {
    let apart = |value: f64| (value / load).ln().abs();
    values.reduce(|best, value| if apart(value) < apart(best) { value } else { best }).unwrap_or(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aim(whole: bool) -> CurveAim {
        CurveAim { first: if whole { 1.0 } else { 2.87 }, whole, points: 8 }
    }

    /// The loads of a curve, in the order of play, of a server that carries so many requests a second.
    fn loads(aim: &CurveAim, server: impl Fn(f64) -> Played) -> Vec<f64> {
        let (mut played, mut order): (Vec<Played>, Vec<f64>) = (Vec::new(), Vec::new());
        while let Some(load) = next_point(aim, &played) {
            order.push(load);
            played.push(server(load));
            played.sort_by(|one, other| one.load.total_cmp(&other.load));
            if aim.whole {
                mark_stopped(&mut played);
            }
            assert!(order.len() <= aim.points, "{order:?}");
        }
        order
    }

    /// Its latency grows as that of a queue.
    fn open(capacity: f64) -> impl Fn(f64) -> Played {
        move |load| {
            let wait = 1.0 / (1.0 - (load / capacity).min(0.98));
            Played {
                load,
                rps: load.min(capacity),
                latencies_ms: [Some(20.0 * wait), Some(500.0 + 20.0 * wait)],
                beyond: load > capacity,
            }
        }
    }

    fn closed(slots: f64) -> impl Fn(f64) -> Played {
        move |load| Played {
            load,
            rps: load.min(slots),
            latencies_ms: [Some(20.0), Some(1000.0 * (load / slots).max(1.0))],
            beyond: false,
        }
    }

    #[test]
    fn a_rate_is_doubled_until_one_is_too_much_and_then_the_knee_is_filled() {
        assert_eq!(loads(&aim(false), open(12.0)), [3.0, 6.2, 12.0, 24.0, 16.0, 13.0, 8.2, 10.0]);
    }

    #[test]
    fn where_the_first_rate_is_too_much_lower_ones_follow() {
        let order = loads(&CurveAim { first: 50.0, ..aim(false) }, open(12.0));
        assert_eq!(order, [51.0, 27.0, 13.0, 6.8, 9.1, 11.0, 10.0, 8.2]);
    }

    #[test]
    fn requests_in_flight_begin_at_one_and_end_where_throughput_stops_to_grow() {
        assert_eq!(loads(&aim(true), closed(8.0)), [1.0, 4.0, 16.0, 64.0, 8.0, 2.0, 3.0, 6.0]);
    }

    #[test]
    fn a_server_that_carries_everything_is_not_asked_for_more_than_the_bound() {
        assert_eq!(loads(&aim(true), closed(1e9)).iter().copied().fold(0.0, f64::max), 1024.0);
        assert_eq!(loads(&aim(false), open(1e9)).len(), 8);
    }

    #[test]
    fn a_server_that_carries_nothing_ends_at_the_lowest_rate() {
        let order = loads(&CurveAim { points: 30, ..aim(false) }, open(0.0));
        assert_eq!(order.last(), Some(&0.01), "{order:?}");
        assert_eq!(loads(&CurveAim { points: 30, ..aim(true) }, closed(0.5)).len(), 3);
    }

    #[test]
    fn the_grid_is_of_numbers_that_a_person_types() {
        for (load, near) in [(2.87, 3.0), (0.333, 0.33), (0.0001, 0.01), (97.0, 100.0), (12.34, 12.0)] {
            assert_eq!(on_grid(&aim(false), load), near);
        }
        for (load, near) in [(0.2, 1.0), (1.4, 1.0), (5.0, 6.0), (4.8, 4.0), (23.0, 24.0), (4000.0, 1024.0)] {
            assert_eq!(on_grid(&aim(true), load), near);
        }
    }
}
