//! What is known of a run's GPUs beside their means: how they were before the load, whether they were slowed down, and
//! whose they were; and the doubts that follow.

use std::collections::BTreeMap;

use crate::schema::caveat::Caveat;
use crate::schema::clock_reason::{clock_reason, is_throttled};
use crate::schema::curves::RunCurves;
use crate::schema::gpu::{GpuDevice, GpuHead, GpuProcess, GpuSummary, OtherOnGpu};
use crate::schema::gpu_before::{GpuBefore, GpuIdle, GpuName, GpuStanding};
use crate::schema::sample::Sample;
use crate::schema::series::gpu::{
    GPU_CLOCK_REASONS, GPU_MEMORY_OF_OTHERS, GPU_MEMORY_USED, GPU_SM_CLOCK, GPU_UTILISATION,
};
use crate::schema::summary::RunSummary;

/// A GPU that is slowed down in more of its samples than this is a doubt, share.
const THROTTLED_SHARE: f64 = 0.01;
/// A sample is of a busy GPU from this utilisation on, share.
const BUSY: f64 = 0.5;
/// Fewer busy samples than this, which are a second apart, make no median.
const BUSY_SAMPLES: usize = 3;

/// Puts in what the samples of the measured window tell of one GPU beside means.
pub fn add_sensed(device: &mut GpuDevice, samples: &[&Sample]) {
    let bits = samples.iter().filter_map(|sample| sample.values.get(GPU_CLOCK_REASONS));
    let told: Vec<bool> = bits.map(|bits| is_throttled(*bits as u64)).collect();
    let slowed = told.iter().filter(|is_slowed| **is_slowed).count();
    device.throttled_share = (!told.is_empty()).then(|| slowed as f64 / told.len() as f64);
    device.sm_clock_busy_mhz = busy_clock(samples);
    device.others_known = samples.iter().any(|sample| sample.values.contains_key(GPU_MEMORY_OF_OTHERS));
}

/// Puts in the processes that were seen on the GPUs meanwhile and are not the server's.
pub fn add_others<'a>(gpus: &mut GpuSummary, others: impl IntoIterator<Item = &'a OtherOnGpu>) {
    for OtherOnGpu { device, process } in others {
        let on = gpus.devices.iter_mut().find(|known| known.head.index == *device);
        if let Some(on) = on.filter(|on| on.others.iter().all(|known| known.pid != process.pid)) {
            on.others.push(process.clone());
        }
    }
}

/// Median SM clock over samples in which it was busy, MHz; over all where it tells no utilisation.
fn busy_clock(samples: &[&Sample]) -> Option<f64> {
    let is_busy = |sample: &&&Sample| sample.values.get(GPU_UTILISATION).is_none_or(|share| *share >= BUSY);
    let clocks = samples.iter().filter(is_busy).filter_map(|sample| sample.values.get(GPU_SM_CLOCK));
    let clocks: Vec<f64> = clocks.copied().collect();
    if clocks.len() < BUSY_SAMPLES { None } else { super::side::median(clocks) }
}

/// Completes what a run tells of its GPUs, and doubts it. `before` was read before the load; `curves` are the run's.
pub fn tell_gpus(summary: &mut RunSummary, before: Option<&GpuBefore>, curves: &RunCurves) {
    let in_flight = curves.in_flight.iter().map(|(_, requests)| requests.ceil()).reduce(f64::max);
    if let Some((gpus, before)) = summary.gpu.as_mut().zip(before) {
        add_before(gpus, before, in_flight);
    }
    summary.caveats.extend(gpu_caveats(summary.gpu.as_ref(), before));
}

/// Puts in what was read of the GPUs before the load. `in_flight` are the most requests in flight.
fn add_before(gpus: &mut GpuSummary, before: &GpuBefore, in_flight: Option<f64>) {
    gpus.idle_machine_w = idle_w(gpus, before, |standing| standing.machine);
    gpus.idle_loaded_w = idle_w(gpus, before, |standing| standing.loaded);
    // By the first sample of the run it is known already; but that holds what earlier runs on the server left.
    let above = memory_above(gpus, before).zip(in_flight.filter(|most| *most > 0.0));
    gpus.memory_per_request_bytes = above.map(|(above, most)| above / most).or(gpus.memory_per_request_bytes);
    for device in &mut gpus.devices {
        let standing = before.gpus.iter().find(|standing| standing.gpu.uuid == device.head.uuid);
        let Some(others) = standing.and_then(|standing| standing.others.as_ref()) else { continue };
        device.others_known = true;
        for process in others {
            if !device.others.iter().any(|known| known.pid == process.pid) {
                device.others.push(process.clone());
            }
        }
    }
}

/// Idle power of those that the server uses, W; none where one of them does not tell.
fn idle_w(
    gpus: &GpuSummary,
    before: &GpuBefore,
    of: impl Fn(&GpuStanding) -> Option<GpuIdle>,
) -> Option<f64> {
    let standing = |device: &GpuDevice| before.gpus.iter().find(|known| known.gpu.uuid == device.head.uuid);
    let watts = gpus.devices.iter().map(|device| of(standing(device)?)?.power_w);
    watts.collect::<Option<Vec<f64>>>().filter(|watts| !watts.is_empty()).map(|watts| watts.into_iter().sum())
}

/// Peak of memory in use above that of the loaded server, over all of them, bytes; none where one does not tell.
fn memory_above(gpus: &GpuSummary, before: &GpuBefore) -> Option<f64> {
    let above = |device: &GpuDevice| {
        let standing = before.gpus.iter().find(|standing| standing.gpu.uuid == device.head.uuid)?;
        let loaded = standing.loaded?.memory_used_bytes? as f64;
        Some((device.figures.get(GPU_MEMORY_USED)?.max - loaded).max(0.0))
    };
    let above = gpus.devices.iter().map(above).collect::<Option<Vec<f64>>>()?;
    (!above.is_empty()).then(|| above.into_iter().sum())
}

/// The doubts about a run that its GPUs raise.
fn gpu_caveats(gpus: Option<&GpuSummary>, before: Option<&GpuBefore>) -> Vec<Caveat> {
    let of_run = gpus.into_iter().flat_map(|gpus| [shared(gpus), throttled(gpus)]);
    let of_launch = before.into_iter().flat_map(|before| [not_asked(before), memory_held(before)]);
    of_launch.chain(of_run).flatten().collect()
}

/// `GPU 0 (NVIDIA H200)`
fn words(device: &GpuDevice) -> String {
    name_of(device).words()
}

/// Which GPU it is.
pub(super) fn name_of(device: &GpuDevice) -> GpuName {
    let GpuHead { index, uuid, name, .. } = &device.head;
    GpuName { index: *index, uuid: uuid.clone(), name: name.clone() }
}

fn shared(gpus: &GpuSummary) -> Option<Caveat> {
    let most = |device: &GpuDevice| device.figures.get(GPU_MEMORY_OF_OTHERS).map(|held| held.max);
    let is_shared =
        |device: &&GpuDevice| !device.others.is_empty() || most(device).is_some_and(|bytes| bytes > 0.0);
    let by_gpu: BTreeMap<String, Vec<GpuProcess>> =
        gpus.devices.iter().filter(is_shared).map(|device| (words(device), device.others.clone())).collect();
    let told: Vec<f64> = gpus.devices.iter().filter(is_shared).filter_map(most).collect();
    let memory_bytes = (!told.is_empty()).then(|| told.into_iter().sum::<f64>() as u64);
    (!by_gpu.is_empty()).then_some(Caveat::GpuShared { by_gpu, memory_bytes })
}

fn throttled(gpus: &GpuSummary) -> Option<Caveat> {
    let slowed = || {
        gpus.devices.iter().filter_map(|device| {
            Some((device, device.throttled_share.filter(|share| *share > THROTTLED_SHARE)?))
        })
    };
    let share = slowed().map(|(_, share)| share).reduce(f64::max)?;
    let reasons = |device: &GpuDevice| {
        let slowing = device
            .clock_reasons
            .iter()
            .filter(|(name, _)| clock_reason(name).is_some_and(|reason| reason.throttles));
        slowing.map(|(name, share)| (name.clone(), *share)).collect()
    };
    let by_gpu = slowed().map(|(device, _)| (words(device), reasons(device))).collect();
    Some(Caveat::GpuThrottled { share_pct: 100.0 * share, by_gpu })
}

/// The server holds memory on a GPU that is none of those that it was given.
fn not_asked(before: &GpuBefore) -> Option<Caveat> {
    let used = before.used.as_ref()?;
    let is_given = |gpu: &GpuName| before.gpus.iter().any(|standing| standing.gpu.uuid == gpu.uuid);
    if used.iter().all(is_given) {
        return None;
    }
    let asked = before.gpus.iter().map(|standing| standing.gpu.words()).collect();
    Some(Caveat::GpuNotAsked { asked, used: used.iter().map(GpuName::words).collect() })
}

fn memory_held(before: &GpuBefore) -> Option<Caveat> {
    let is_used = |gpu: &GpuName| before.used.as_ref().is_none_or(|used| used.contains(gpu));
    let held = |standing: &GpuStanding| {
        Some((standing.gpu.words(), standing.held.clone().filter(|_| is_used(&standing.gpu))?))
    };
    let by_gpu: BTreeMap<_, _> = before.gpus.iter().filter_map(held).collect();
    (!by_gpu.is_empty()).then_some(Caveat::GpuMemoryHeld { by_gpu })
}

#[cfg(test)]
#[path = "gpu_facts_tests.rs"]
mod tests;
