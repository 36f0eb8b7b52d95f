//! Samples of GPUs → what they did over a run's measured window, and the energy of it.
//!
//! The counter of energy gives the energy. It changes every 100 ms only and is read every few seconds, so each of its two
//! values is moved from the time of its last change to the window's end by the power there. The integral of the sampled
//! power is the check.

use std::collections::BTreeMap;

use crate::schema::caveat::{Caveat, GpuEnergyDoubt};
use crate::schema::clock_reason::clock_reasons;
use crate::schema::figure::{self, Statistic};
use crate::schema::gpu::{GpuDevice, GpuHead, GpuSummary, GpusHead};
use crate::schema::sample::{Sample, Source};
use crate::schema::series::gpu::{
    GPU_CLOCK_REASONS, GPU_ENERGY, GPU_ENERGY_AGE, GPU_MEMORY_OF_SERVER, GPU_MEMORY_USED,
    GPU_NVLINK_RECEIVED, GPU_NVLINK_SENT, GPU_POWER, GPU_POWER_AVERAGE, GPU_UTILISATION, SERIES,
};
use crate::schema::summary::RunSummary;

use super::gpu_facts::{add_sensed, name_of};
use super::steps_of_time::Course;

/// The shortest window whose integral says anything, s: the power's own lag is 0.2 s.
const SHORTEST_INTEGRAL_S: f64 = 2.0;
/// How often the counter is read while a load is played, s.
const COUNTED_EVERY_S: f64 = 5.0;
/// How long the counter keeps a value as a rule, s: half of it is its age where nothing was seen.
const RENEWED_EVERY_S: f64 = 0.1;
/// Counter and integral that differ by more than this share of the energy are doubted.
const MOST_DIFFERENCE: f64 = 0.03;
/// The power that is read is this much late, s: at the window's two ends the integral errs by as much of a step.
const LAG_S: f64 = 0.2;
/// A pause between two samples above which the energy is not known, s, or three intervals.
const LONGEST_GAP_S: f64 = 1.0;
/// Less memory in use than this is a driver's own and a desktop's, and no model's, bytes.
const HELD_BY_A_MODEL: f64 = 1024.0 * 1024.0 * 1024.0;

/// What the GPUs of a run did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GpuFigures {
    /// Each of them, and the energy of all.
    pub summary: GpuSummary,
    /// Peak of memory in use in the window above that at the run's start, when the server was loaded, bytes: of all.
    pub memory_growth_bytes: Option<f64>,
    /// What is doubtful about them.
    pub doubts: Vec<Caveat>,
}

impl GpuFigures {
    /// Puts them to a run, whose most requests in flight are `in_flight`; its energy a token is in its metrics by now.
    pub(super) fn put(self, run: &mut RunSummary, in_flight: Option<f64>) {
        let growth = self.memory_growth_bytes.zip(in_flight.filter(|most| *most > 0.0));
        let memory_per_request_bytes = growth.map(|(bytes, most)| bytes / most);
        run.caveats.extend(self.doubts);
        run.gpu = Some(GpuSummary { memory_per_request_bytes, ..self.summary });
        put_energy_per_token(run);
    }
}

/// The energy a token, as the run's metrics have it, beside the other figures of its GPUs.
pub(super) fn put_energy_per_token(run: &mut RunSummary) {
    let per_token = run.metrics.get(figure::ENERGY_PER_TOKEN).and_then(|value| Statistic::Value.of(value));
    if let Some(gpu) = &mut run.gpu {
        gpu.energy_per_token_j = per_token;
        gpu.tokens_per_j = per_token.filter(|joules| *joules > 0.0).map(f64::recip);
    }
}

/// The GPUs over a window, µs from the run's start; sampled about every `interval_s`. One that the server was given and
/// does not use is left out; none where it uses none, as by what the driver tells of whose memory it is, or where that
/// is not known, by memory and utilisation.
pub fn gpu_figures(
    head: &GpusHead,
    samples: &[Sample],
    (from_us, to_us): (u64, u64),
    interval_s: f64,
) -> Option<GpuFigures> {
    let window = Window { from: from_us as f64 / 1e6, to: to_us as f64 / 1e6, interval_s };
    let mut read: Vec<Read> = head.devices.iter().map(|gpu| Read::of(gpu, samples, window)).collect();
    read.retain(|gpu| !gpu.is_unused());
    if read.is_empty() {
        return None;
    }
    let sum = |of: fn(&Read) -> Option<f64>| read.iter().map(of).sum::<Option<f64>>();
    let energy_j = sum(|gpu| gpu.device.energy_j);
    let energy_integrated_j = sum(|gpu| gpu.device.energy_integrated_j);
    let memory_growth_bytes = sum(|gpu| gpu.growth);
    let doubt = |gpu: &Read| Some(Caveat::GpuEnergyUnsure { gpu: gpu.device.head.index, why: gpu.doubt? });
    let doubts = read.iter().filter_map(doubt).collect();
    let devices = read.into_iter().map(|gpu| gpu.device).collect();
    let read_by = head.read_by.clone();
    let summary = GpuSummary { read_by, devices, energy_j, energy_integrated_j, ..GpuSummary::default() };
    Some(GpuFigures { summary, memory_growth_bytes, doubts })
}

/// One GPU over the window.
struct Read {
    device: GpuDevice,
    /// Peak of memory above that of the loaded server, bytes.
    growth: Option<f64>,
    doubt: Option<GpuEnergyDoubt>,
}

impl Read {
    fn of(gpu: &GpuHead, samples: &[Sample], window: Window) -> Read {
        let of_gpu = |sample: &&Sample| (sample.source, sample.device) == (Source::Gpu, Some(gpu.index));
        let own: Vec<&Sample> = samples.iter().filter(of_gpu).collect();
        let window = Window { interval_s: window.interval_s.max(spacing(&own)), ..window };
        let (device, doubt) = device(gpu, &own, window);
        Read { growth: grown(&own, &device), device, doubt }
    }

    /// The most of a series in the window; none where it was not read.
    fn most(&self, name: &str) -> Option<f64> {
        self.device.figures.get(name).map(|spread| spread.max)
    }

    /// The server holds nothing on it. Where it is not known whose memory it is: it holds no model, and did nothing.
    fn is_unused(&self) -> bool {
        match self.most(GPU_MEMORY_OF_SERVER) {
            Some(bytes) => bytes == 0.0,
            None => {
                self.most(GPU_UTILISATION) == Some(0.0)
                    && self.most(GPU_MEMORY_USED).is_some_and(|bytes| bytes < HELD_BY_A_MODEL)
            }
        }
    }
}

/// Median time between two samples of the run, s: some are read less often than they are asked for. 0 of fewer than two.
fn spacing(samples: &[&Sample]) -> f64 {
    let of_run = samples.windows(2).filter(|pair| pair[0].at_us >= 0);
    let pauses = of_run.map(|pair| pair[1].middle_s() - pair[0].middle_s());
    super::side::median(pauses.collect()).unwrap_or(0.0)
}

/// Peak of memory in the window above that of the first sample since the run's start, bytes.
fn grown(samples: &[&Sample], device: &GpuDevice) -> Option<f64> {
    let first =
        samples.iter().find(|sample| sample.at_us >= 0 && sample.values.contains_key(GPU_MEMORY_USED))?;
    Some((device.figures.get(GPU_MEMORY_USED)?.max - first.values[GPU_MEMORY_USED]).max(0.0))
}

/// Seconds from the run's start.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: f64,
    to: f64,
    interval_s: f64,
}

fn device(gpu: &GpuHead, samples: &[&Sample], window: Window) -> (GpuDevice, Option<GpuEnergyDoubt>) {
    let course = |name: &str| {
        Course::new(samples.iter().filter_map(|sample| Some((sample.middle_s(), *sample.values.get(name)?))))
    };
    let is_measure = |name: &str| {
        // Counters have no mean, and bits neither.
        ![GPU_ENERGY, GPU_ENERGY_AGE, GPU_NVLINK_SENT, GPU_NVLINK_RECEIVED, GPU_CLOCK_REASONS].contains(&name)
    };
    let figures = SERIES.iter().filter(|series| is_measure(series.name)).filter_map(|series| {
        let course = course(series.name);
        // Some sensors are read less often than others, and of a short run perhaps once.
        let spacing_s = if course.is_single() { LONGEST_GAP_S } else { course.spacing() };
        let interval_s = window.interval_s.max(spacing_s);
        Some((series.name.to_owned(), course.spread(window.from, window.to, interval_s)?))
    });
    let power = [GPU_POWER, GPU_POWER_AVERAGE].map(course).into_iter().find(|course| !course.is_empty());
    let is_long = window.to - window.from >= SHORTEST_INTEGRAL_S;
    let power = power.filter(|power| power.covers(window.from, window.to, window.longest_gap()));
    let integral =
        power.as_ref().filter(|_| is_long).and_then(|power| power.integral(window.from, window.to));
    let counted = counted(samples, power.as_ref(), window);
    let doubt = match &counted {
        Counted::WentBack => Some(GpuEnergyDoubt::CounterWentBack),
        Counted::Energy(energy) => integral.zip(power.as_ref()).and_then(|(integral, power)| {
            let spread = power.spread(window.from, window.to, window.interval_s);
            let step = spread.map_or(0.0, |spread| spread.max - spread.min);
            let difference = (integral - energy).abs();
            (difference > MOST_DIFFERENCE * energy.max(integral) + LAG_S * step)
                .then_some(GpuEnergyDoubt::Differ { counter_j: *energy, integral_j: integral })
        }),
        Counted::Nothing => None,
    };
    let mut device = GpuDevice {
        head: gpu.clone(),
        figures: figures.collect(),
        energy_j: match counted {
            Counted::Energy(energy) => Some(energy),
            Counted::WentBack | Counted::Nothing => integral,
        },
        energy_integrated_j: integral,
        clock_reasons: reasons(samples, window),
        ..GpuDevice::default()
    };
    let inside: Vec<&Sample> = samples.iter().copied().filter(|sample| window.holds(sample)).collect();
    add_sensed(&mut device, &inside);
    (device, doubt)
}

impl Window {
    fn longest_gap(self) -> f64 {
        longest_gap_s(self.interval_s)
    }

    fn holds(self, sample: &Sample) -> bool {
        (self.from..=self.to).contains(&sample.middle_s())
    }
}

/// Longer pauses between samples of which one is taken every `interval_s` are holes, s.
fn longest_gap_s(interval_s: f64) -> f64 {
    LONGEST_GAP_S.max(3.0 * interval_s)
}

/// The doubt about GPUs that are not read any more before the window ends, µs from the run's start. That is sure where the
/// samples' file was closed (`closed`), or where something else was sensed long after.
pub fn vanished(
    gpus: &GpuSummary,
    samples: &[Sample],
    (from_us, to_us): (u64, u64),
    interval_s: f64,
    closed: bool,
) -> Option<Caveat> {
    let (from, to) = (from_us as f64 / 1e6, to_us as f64 / 1e6);
    let latest = samples.iter().map(Sample::middle_s).fold(f64::NEG_INFINITY, f64::max);
    let until = if closed { to } else { to.min(latest) };
    let vanished = |device: &GpuDevice| {
        let of_gpu =
            |sample: &&Sample| (sample.source, sample.device) == (Source::Gpu, Some(device.head.index));
        let own: Vec<&Sample> = samples.iter().filter(of_gpu).collect();
        let last = own.last()?.middle_s();
        let gap = longest_gap_s(interval_s.max(spacing(&own)));
        (last + gap < until).then(|| (name_of(device).words(), (last - from).max(0.0)))
    };
    let after_s: BTreeMap<String, f64> = gpus.devices.iter().filter_map(vanished).collect();
    (!after_s.is_empty()).then_some(Caveat::GpuVanished { after_s })
}

/// What the counter of energy says.
enum Counted {
    /// J over the window.
    Energy(f64),
    /// It was set back meanwhile, as when a driver is loaded again.
    WentBack,
    /// There is none, or it was not read near the window's ends.
    Nothing,
}

/// A value of the counter and when it changed to that.
#[derive(Debug, Clone, Copy)]
struct Count {
    read_at: f64,
    changed_at: f64,
    joules: f64,
}

fn counted(samples: &[&Sample], power: Option<&Course>, window: Window) -> Counted {
    let count = |sample: &&Sample| {
        let joules = *sample.values.get(GPU_ENERGY)?;
        let age = sample.values.get(GPU_ENERGY_AGE).copied().unwrap_or(RENEWED_EVERY_S / 2.0);
        let read_at = sample.middle_s();
        Some(Count { read_at, changed_at: read_at - age, joules })
    };
    let counts: Vec<Count> = samples.iter().filter_map(count).collect();
    let (Some(from), Some(to)) = (before(&counts, window.from), before(&counts, window.to)) else {
        return Counted::Nothing;
    };
    if counts[from..=to].windows(2).any(|pair| pair[1].joules < pair[0].joules) {
        return Counted::WentBack;
    }
    // Where the power in between is known a count may be older: a short run has one alone.
    let reach = match power {
        Some(_) => window.longest_gap().max(1.5 * COUNTED_EVERY_S),
        None => window.longest_gap(),
    };
    let at = |count: Count, time: f64| {
        let is_near = (time - count.read_at).abs() <= reach;
        let moved = match power {
            Some(power) => power.integral(count.changed_at, time)?,
            None => slope(&counts)? * (time - count.changed_at),
        };
        is_near.then_some(count.joules + moved)
    };
    match at(counts[to], window.to).zip(at(counts[from], window.from)) {
        Some((end, start)) if end >= start => Counted::Energy(end - start),
        Some(_) | None => Counted::Nothing,
    }
}

/// The place of the last count that was read before a time; the first one where none was.
fn before(counts: &[Count], time: f64) -> Option<usize> {
    (!counts.is_empty()).then(|| counts.partition_point(|count| count.read_at <= time).saturating_sub(1))
}

/// Mean power by the counter, W.
fn slope(counts: &[Count]) -> Option<f64> {
    let (first, last) = (counts.first()?, counts.last()?);
    let seconds = last.changed_at - first.changed_at;
    (seconds > 0.0).then(|| (last.joules - first.joules) / seconds)
}

/// The share of the window's samples that show each reason for lower clocks.
fn reasons(samples: &[&Sample], window: Window) -> BTreeMap<String, f64> {
    let bits = |sample: &&&Sample| sample.values.get(GPU_CLOCK_REASONS).map(|bits| *bits as u64);
    let seen: Vec<u64> =
        samples.iter().filter(|sample| window.holds(sample)).filter_map(|sample| bits(&sample)).collect();
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for reason in seen.iter().flat_map(|bits| clock_reasons(*bits)) {
        *counts.entry(reason.name.to_owned()).or_default() += 1.0 / seen.len() as f64;
    }
    counts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "gpu_tests.rs"]
mod tests;
