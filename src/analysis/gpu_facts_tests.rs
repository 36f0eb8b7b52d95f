//! Facts and doubts of a run's GPUs, from samples and headers made by hand.

use super::*;
use crate::schema::gpu::Spread;
use crate::schema::gpu_before::{GpuIdle, HeldMemory};
use crate::schema::sample::Source;

const GIB: u64 = 1 << 30;

fn sample(values: &[(&str, f64)]) -> Sample {
    Sample {
        histograms: Default::default(),
        at_us: 0,
        took_us: 0,
        source: Source::Gpu,
        device: Some(0),
        values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    }
}

fn device(index: u32) -> GpuDevice {
    let head = GpuHead { index, uuid: format!("GPU-{index}"), name: "X".to_owned(), ..GpuHead::default() };
    GpuDevice { head, ..GpuDevice::default() }
}

fn sensed(samples: &[Sample]) -> GpuDevice {
    let mut device = device(0);
    add_sensed(&mut device, &samples.iter().collect::<Vec<_>>());
    device
}

fn two() -> GpuSummary {
    GpuSummary { devices: vec![device(0), device(1)], ..GpuSummary::default() }
}

fn name(index: u32) -> GpuName {
    GpuName { index, uuid: format!("GPU-{index}"), name: "X".to_owned() }
}

fn idle(power_w: f64, used_gib: u64) -> Option<GpuIdle> {
    let memory_used_bytes = Some(used_gib * GIB);
    Some(GpuIdle { power_w: Some(power_w), memory_used_bytes, readings: 20, seconds: 2.0 })
}

fn standing(index: u32) -> GpuStanding {
    GpuStanding {
        gpu: name(index),
        machine: idle(77.0, 1),
        loaded: idle(121.0, 60),
        others: Some(Vec::new()),
        held: None,
    }
}

fn before() -> GpuBefore {
    let gpus = vec![standing(0), standing(1)];
    GpuBefore { read_by: "fake".to_owned(), gpus, used: Some(vec![name(0), name(1)]) }
}

fn process(pid: u32) -> GpuProcess {
    GpuProcess { pid, name: Some("python3".to_owned()), memory_bytes: Some(GIB) }
}

#[test]
fn the_clock_is_that_of_busy_samples() {
    let at = |mhz, busy| sample(&[(GPU_SM_CLOCK, mhz), (GPU_UTILISATION, busy)]);
    let mut samples = vec![at(345.0, 0.0); 20];
    samples.extend([1980.0, 1980.0, 1900.0, 1950.0, 1970.0].map(|mhz| at(mhz, 0.9)));
    assert_eq!(sensed(&samples).sm_clock_busy_mhz, Some(1970.0));
    assert_eq!(sensed(&vec![at(345.0, 0.1); 20]).sm_clock_busy_mhz, None, "it was never busy");
    let plain = vec![sample(&[(GPU_SM_CLOCK, 1500.0)]); 5];
    assert_eq!(sensed(&plain).sm_clock_busy_mhz, Some(1500.0), "a GPU without a sensor of utilisation");
}

#[test]
fn throttling_counts_what_slows_a_gpu_down_alone() {
    let bits = [1.0, 2.0, 4.0, 0x44 as f64];
    let samples: Vec<Sample> = bits.iter().map(|bits| sample(&[(GPU_CLOCK_REASONS, *bits)])).collect();
    assert_eq!(sensed(&samples).throttled_share, Some(0.5));
    let silent = sensed(&[sample(&[(GPU_SM_CLOCK, 1.0)])]);
    assert_eq!((silent.throttled_share, silent.others_known), (None, false), "not known is not fine");
    assert!(sensed(&[sample(&[(GPU_MEMORY_OF_OTHERS, 0.0)])]).others_known);
}

#[test]
fn idle_power_and_memory_a_request_are_those_of_all_gpus() {
    let mut gpus = two();
    for device in &mut gpus.devices {
        let used = Spread { max: (62 * GIB) as f64, ..Spread::default() };
        device.figures.insert(GPU_MEMORY_USED.to_owned(), used);
    }
    add_before(&mut gpus, &before(), Some(8.0));
    assert_eq!((gpus.idle_machine_w, gpus.idle_loaded_w), (Some(154.0), Some(242.0)));
    assert_eq!(gpus.memory_per_request_bytes, Some((4 * GIB) as f64 / 8.0));
    assert!(gpus.devices.iter().all(|device| device.others_known && device.others.is_empty()));
    let mut silent = before();
    silent.gpus[1].loaded = None;
    add_before(&mut gpus, &silent, Some(8.0));
    assert_eq!(gpus.idle_loaded_w, None, "one does not tell");
    let mut gpus = two();
    add_before(&mut gpus, &before(), Some(8.0));
    assert_eq!(gpus.memory_per_request_bytes, None, "no memory was read in the window");
}

#[test]
fn a_gpu_of_ones_own_raises_no_doubt() {
    let mut gpus = two();
    add_before(&mut gpus, &before(), Some(8.0));
    gpus.devices[0].throttled_share = Some(0.01);
    assert_eq!(gpu_caveats(Some(&gpus), Some(&before())), []);
    assert_eq!(gpu_caveats(None, None), []);
}

#[test]
fn another_process_on_the_gpu_is_named_whether_it_was_there_before_or_came_in_the_window() {
    let mut gpus = two();
    let mut known = before();
    known.gpus[1].others = Some(vec![process(7)]);
    add_before(&mut gpus, &known, None);
    let [Caveat::GpuShared { by_gpu, memory_bytes }] = &gpu_caveats(Some(&gpus), Some(&known))[..] else {
        panic!("it is shared")
    };
    assert_eq!((by_gpu["GPU 1 (X)"].clone(), by_gpu.len(), *memory_bytes), (vec![process(7)], 1, None));
    let mut gpus = two();
    add_others(&mut gpus, &[1, 1].map(|device| OtherOnGpu { device, process: process(8) }));
    let [Caveat::GpuShared { by_gpu, .. }] = &gpu_caveats(Some(&gpus), None)[..] else {
        panic!("it is shared")
    };
    assert_eq!(by_gpu["GPU 1 (X)"], [process(8)]);
    let mut gpus = two();
    let held = Spread { max: GIB as f64, ..Spread::default() };
    gpus.devices[0].figures.insert(GPU_MEMORY_OF_OTHERS.to_owned(), held);
    let [Caveat::GpuShared { by_gpu, memory_bytes }] = &gpu_caveats(Some(&gpus), None)[..] else {
        panic!("it is shared")
    };
    assert_eq!((by_gpu["GPU 0 (X)"].len(), *memory_bytes), (0, Some(GIB)));
}

#[test]
fn a_gpu_that_was_slowed_down_is_told_with_its_reasons() {
    let mut gpus = two();
    gpus.devices[1].throttled_share = Some(0.25);
    gpus.devices[1].clock_reasons =
        BTreeMap::from([("sw_power_cap".to_owned(), 0.25), ("gpu_idle".to_owned(), 0.1)]);
    let [Caveat::GpuThrottled { share_pct, by_gpu }] = &gpu_caveats(Some(&gpus), None)[..] else {
        panic!("it was slowed down")
    };
    assert_eq!(*share_pct, 25.0);
    assert_eq!(by_gpu["GPU 1 (X)"], BTreeMap::from([("sw_power_cap".to_owned(), 0.25)]));
    assert_eq!(by_gpu.len(), 1);
}

#[test]
fn a_server_on_another_gpu_than_it_was_given_is_told() {
    let mut known = before();
    known.used = Some(vec![name(0)]);
    assert_eq!(gpu_caveats(None, Some(&known)), [], "it need not use all");
    known.used = None;
    assert_eq!(gpu_caveats(None, Some(&known)), [], "nothing is known");
    known.used = Some(vec![name(2)]);
    let asked = vec!["GPU 0 (X)".to_owned(), "GPU 1 (X)".to_owned()];
    let used = vec!["GPU 2 (X)".to_owned()];
    assert_eq!(gpu_caveats(None, Some(&known)), [Caveat::GpuNotAsked { asked, used }]);
}

#[test]
fn memory_that_was_not_given_back_is_a_doubt_about_each_run_of_the_launch() {
    let mut known = before();
    let held = HeldMemory { above_bytes: 5 * GIB, waited_s: 60.0, processes: vec![process(7)] };
    known.gpus[0].held = Some(held.clone());
    let by_gpu = BTreeMap::from([("GPU 0 (X)".to_owned(), held)]);
    assert_eq!(gpu_caveats(None, Some(&known)), [Caveat::GpuMemoryHeld { by_gpu }]);
}
