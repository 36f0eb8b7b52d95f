//! Samples of the machine → what it did in a run's window, and the doubts that follow.

use crate::schema::caveat::Caveat;
use crate::schema::machine::{
    BusyProcess, HostFigures, MachineFacts, MachineSummary, MeanAndMax, ProcessFigures,
};
use crate::schema::sample::{Sample, Source};
use crate::schema::series::host::{
    HOST_BUSY, HOST_CPU_CLOCK, HOST_MEMORY_AVAILABLE, HOST_OTHERS_BUSY, HOST_STEAL, HOST_SWAPPED,
    HOST_THROTTLED,
};
use crate::schema::series::processes::{CPU_TIME, PROCESSES, RESIDENT, THREADS};

/// Other processes are told from here on: this share of the machine's cores …
const OTHERS_SHARE: f64 = 0.05;
/// … and at least so many cores.
const OTHERS_CORES: f64 = 0.25;
/// Stolen time above this, % of the machine's cores.
const STEAL_PCT: f64 = 1.0;
/// Swap traffic above this on the mean, bytes a second.
const SWAPPED_BYTES_S: f64 = 1_048_576.0;
/// Less memory left than this, % of all.
const MEMORY_LEFT_PCT: f64 = 5.0;
/// Time held back by a CPU quota above this, % of what the quota allows in the window.
const THROTTLED_PCT: f64 = 1.0;
/// A clock that fell by more than this, %.
const CLOCK_FELL_PCT: f64 = 10.0;
/// The governor that keeps clocks low.
const POWERSAVE: &str = "powersave";
/// A clock is judged where at least this share of the cores is busy: idle cores are clocked down.
const CLOCK_BUSY_SHARE: f64 = 0.5;

/// The measured window, seconds from the run's start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Its begin.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
}

/// What the machine did; none where it was not sensed.
pub fn machine_summary(
    samples: &[Sample],
    window: Measured,
    facts: Option<&MachineFacts>,
    others: &[BusyProcess],
) -> Option<MachineSummary> {
    let summary = MachineSummary {
        facts: facts.cloned(),
        server: process_figures(samples, Source::ServerProcesses, window),
        client: process_figures(samples, Source::Client, window),
        host: host_figures(samples, window, facts.map_or(0, |facts| facts.cores)),
        others: others.to_vec(),
    };
    let sensed = summary.server.is_some() || summary.client.is_some() || summary.host.is_some();
    sensed.then_some(summary)
}

/// The points of a series: seconds from the run's start and value.
fn points(samples: &[Sample], source: Source, name: &str) -> Vec<(f64, f64)> {
    let own = samples.iter().filter(|sample| sample.source == source);
    own.filter_map(|sample| Some((sample.middle_s(), *sample.values.get(name)?))).collect()
}

/// Values in the window, with those next to it: a window may be shorter than the time between two readings.
fn within(points: &[(f64, f64)], window: Measured) -> Vec<f64> {
    let before = points.iter().rev().find(|(at, _)| *at <= window.from_s);
    let inside = points.iter().filter(|(at, _)| *at > window.from_s && *at < window.to_s);
    let after = points.iter().find(|(at, _)| *at >= window.to_s);
    before.into_iter().chain(inside).chain(after).map(|(_, value)| *value).collect()
}

fn most(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}

/// How much a count grew in the window, and over how many seconds of it that is known; between readings it grows
/// evenly.
fn growth(points: &[(f64, f64)], window: Measured) -> Option<(f64, f64)> {
    let (first, last) = (points.first()?, points.last()?);
    let (from, to) = (window.from_s.max(first.0), window.to_s.min(last.0));
    if to <= from {
        return None;
    }
    let at = |time: f64| {
        let next = points.iter().position(|(at, _)| *at >= time)?;
        let (next_at, next_value) = points[next];
        let (last_at, last_value) = points[next.saturating_sub(1)];
        let passed = next_at - last_at;
        let share = if passed > 0.0 { (time - last_at) / passed } else { 1.0 };
        Some(last_value + share * (next_value - last_value))
    };
    Some((at(to)? - at(from)?, to - from))
}

fn process_figures(samples: &[Sample], source: Source, window: Measured) -> Option<ProcessFigures> {
    let (cpu_s, seconds) = growth(&points(samples, source, CPU_TIME), window)?;
    let most = |name: &str| most(&within(&points(samples, source, name), window));
    Some(ProcessFigures {
        cpu_s,
        cores_mean: cpu_s / seconds,
        resident_max_bytes: most(RESIDENT)?,
        threads_max: most(THREADS)?,
        processes_max: most(PROCESSES),
    })
}

/// Of rates, each of which holds from the reading before to its own: mean weighted by the part of the window, and
/// maximum.
fn rates(samples: &[Sample], name: &str, window: Measured) -> Option<MeanAndMax> {
    let mut since = None;
    let (mut weighed, mut weights, mut max) = (0.0, 0.0, None::<f64>);
    for sample in samples.iter().filter(|sample| sample.source == Source::Host) {
        let at = sample.middle_s();
        if let (Some(value), Some(from)) = (sample.values.get(name), since) {
            let overlap = at.min(window.to_s) - window.from_s.max(from);
            if overlap > 0.0 {
                weighed += overlap * value;
                weights += overlap;
                max = Some(max.map_or(*value, |max| max.max(*value)));
            }
        }
        // A reading without a rate leaves the next one to reach back to before it.
        if since.is_none() || sample.values.contains_key(name) {
            since = Some(at);
        }
    }
    Some(MeanAndMax { mean: weighed / weights, max: max? })
}

fn host_figures(samples: &[Sample], window: Measured, cores: usize) -> Option<HostFigures> {
    let rate = |name: &str| rates(samples, name, window);
    let series = |name: &str| points(samples, Source::Host, name);
    let clocks = within(&series(HOST_CPU_CLOCK), window);
    Some(HostFigures {
        busy_cores: rate(HOST_BUSY)?,
        steal_cores: rate(HOST_STEAL)?,
        others_busy_cores: rate(HOST_OTHERS_BUSY),
        swapped_bytes_s: rate(HOST_SWAPPED).unwrap_or_default(),
        memory_available_min_bytes: within(&series(HOST_MEMORY_AVAILABLE), window)
            .into_iter()
            .reduce(f64::min),
        cpu_clock_mhz: mean(&clocks),
        cpu_clock_fell_pct: clock_fell(samples, window, cores),
        throttled_s: growth(&series(HOST_THROTTLED), window).map(|(grew, _)| grew),
    })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// By how much the clock fell from the window's first third to its last while the cores stayed as busy, %.
fn clock_fell(samples: &[Sample], window: Measured, cores: usize) -> Option<f64> {
    let third = (window.to_s - window.from_s) / 3.0;
    let parts = [
        Measured { from_s: window.from_s, to_s: window.from_s + third },
        Measured { from_s: window.to_s - third, to_s: window.to_s },
    ];
    let inside = |name: &str, part: Measured| {
        let points = points(samples, Source::Host, name);
        let inside = points.iter().filter(|(at, _)| *at > part.from_s && *at <= part.to_s);
        mean(&inside.map(|(_, value)| *value).collect::<Vec<_>>())
    };
    let [first, last] = parts.map(|part| Some((inside(HOST_CPU_CLOCK, part)?, inside(HOST_BUSY, part)?)));
    let ((clock, busy), (clock_then, busy_then)) = (first?, last?);
    let as_busy = busy >= CLOCK_BUSY_SHARE * cores as f64 && busy_then >= 0.9 * busy;
    (as_busy && clock > 0.0).then(|| 100.0 * (clock - clock_then) / clock)
}

/// The doubts that the machine raises. None of them makes a result invalid: they say what the machine did, and not how
/// much of a number is its doing, which the interval over rounds says.
pub fn machine_caveats(machine: &MachineSummary, window: Measured) -> Vec<Caveat> {
    let Some(facts) = &machine.facts else { return Vec::new() };
    let governor = facts.governors.iter().any(|governor| governor == POWERSAVE);
    let fell = machine.host.and_then(|host| host.cpu_clock_fell_pct).filter(|fell| *fell > CLOCK_FELL_PCT);
    let clock =
        (governor || fell.is_some()).then_some(Caveat::CpuClock { powersave: governor, fell_pct: fell });
    let Some(host) = machine.host else { return clock.into_iter().collect() };
    let cores = facts.cores.max(1) as f64;
    let others = host
        .others_busy_cores
        .map(|others| others.mean)
        .filter(|busy| *busy > (OTHERS_SHARE * cores).max(OTHERS_CORES));
    let share_pct = |of: f64, all: f64| if all > 0.0 { 100.0 * of / all } else { 0.0 };
    let steal_pct = share_pct(host.steal_cores.mean, cores);
    let swapped = host.swapped_bytes_s.mean;
    let allowed_s = facts.cpu_quota.unwrap_or(cores) * (window.to_s - window.from_s);
    let throttled_pct = host.throttled_s.map(|throttled| share_pct(throttled, allowed_s));
    let left = host.memory_available_min_bytes.filter(|left| {
        share_pct(*left, facts.memory_bytes as f64) < MEMORY_LEFT_PCT && facts.memory_bytes > 0
    });
    [
        others.map(|busy| Caveat::OthersBusy { cores: busy, of: facts.cores, names: machine.others.clone() }),
        (steal_pct > STEAL_PCT).then_some(Caveat::CpuStolen { share_pct: steal_pct }),
        (swapped > SWAPPED_BYTES_S).then_some(Caveat::Swapping { bytes_s: swapped }),
        throttled_pct
            .filter(|share| *share > THROTTLED_PCT)
            .map(|share_pct| Caveat::CpuQuotaReached { share_pct, quota: facts.cpu_quota }),
        left.map(|left| Caveat::MemoryNearlyFull { left_bytes: left as u64, of_bytes: facts.memory_bytes }),
        clock,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
#[path = "tests/machine.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
