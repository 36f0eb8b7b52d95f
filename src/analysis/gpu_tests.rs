use super::*;
use crate::schema::series::gpu::GPU_MEMORY_OF_OTHERS;

const HEAD: fn() -> GpusHead = || GpusHead {
    read_by: "nvml".into(),
    devices: (0..2)
        .map(|index| GpuHead { index, name: "NVIDIA H200".into(), ..GpuHead::default() })
        .collect(),
};

/// What a GPU shows at a time, s.
type Shows = fn(f64) -> Vec<(&'static str, f64)>;

/// Samples every 100 ms of so many seconds; a reading takes no time.
fn sampled(device: u32, seconds: f64, shows: Shows) -> Vec<Sample> {
    (0..=(seconds * 10.0) as i64)
        .map(|number| Sample {
            histograms: Default::default(),
            at_us: number * 100_000,
            took_us: 0,
            source: Source::Gpu,
            device: Some(device),
            values: shows(number as f64 / 10.0)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        })
        .collect()
}

fn one() -> GpusHead {
    GpusHead { devices: HEAD().devices.into_iter().take(1).collect(), ..HEAD() }
}

fn figures(shows: Shows, window: (u64, u64)) -> GpuFigures {
    gpu_figures(&one(), &sampled(0, 12.0, shows), window, 0.1).unwrap()
}

/// 100 W up to 2 s, and 500 W from then on; the counter's value is always 70 ms old.
fn step(at: f64) -> Vec<(&'static str, f64)> {
    let energy = |at: f64| 1000.0 + 100.0 * at + 400.0 * (at - 2.0).max(0.0);
    let power = if at < 2.0 { 100.0 } else { 500.0 };
    vec![
        (GPU_POWER, power),
        (GPU_ENERGY, energy(at - 0.07)),
        (GPU_ENERGY_AGE, 0.07),
        (GPU_CLOCK_REASONS, 4.0),
    ]
}

fn close(left: f64, right: f64, within: f64) {
    assert!((left - right).abs() <= within, "{left} against {right}");
}

#[test]
fn energy_is_the_counters_difference_moved_to_the_windows_ends() {
    // Ends that lie between two samples, at different powers: 1 s at 100 W and 6.05 s at 500 W.
    let GpuFigures { summary, doubts, .. } = figures(step, (1_000_000, 8_050_000));
    close(summary.energy_j.unwrap(), 100.0 + 6.05 * 500.0, 0.5);
    // The integral sees a slope of 100 ms in place of the step.
    close(summary.energy_integrated_j.unwrap(), 100.0 + 6.05 * 500.0, 21.0);
    assert!(doubts.is_empty(), "{doubts:?}");
    let device = &summary.devices[0];
    let power = device.figures[GPU_POWER];
    assert_eq!((power.min, power.max, power.samples), (100.0, 500.0, 71));
    close(power.mean, summary.energy_integrated_j.unwrap() / 7.05, 1e-9);
    assert_eq!(device.clock_reasons.keys().collect::<Vec<_>>(), ["sw_power_cap"]);
    close(device.clock_reasons["sw_power_cap"], 1.0, 1e-9);
    assert!(!device.figures.contains_key(GPU_ENERGY), "a counter has no mean");
}

#[test]
fn a_counter_that_is_read_every_five_seconds_is_moved_by_the_power_in_between() {
    let seldom: Shows = |at| {
        let mut values = step(at);
        values.retain(|(name, _)| at % 5.0 == 0.0 || ![GPU_ENERGY, GPU_ENERGY_AGE].contains(name));
        values
    };
    let GpuFigures { summary, doubts, .. } = figures(seldom, (1_000_000, 8_050_000));
    close(summary.energy_j.unwrap(), 100.0 + 6.05 * 500.0, 0.5);
    assert!(doubts.is_empty(), "{doubts:?}");
    // A run that ends before the second reading of the counter.
    let short = gpu_figures(&one(), &sampled(0, 4.8, seldom), (2_500_000, 4_000_000), 0.1).unwrap();
    close(short.summary.energy_j.unwrap(), 750.0, 0.5);
}

#[test]
fn a_window_below_two_seconds_has_the_counter_alone() {
    let GpuFigures { summary, .. } = figures(step, (3_000_000, 4_500_000));
    close(summary.energy_j.unwrap(), 750.0, 0.5);
    assert_eq!(summary.energy_integrated_j, None);
}

#[test]
fn a_counter_that_goes_back_leaves_the_integral_and_says_so() {
    let reset: Shows = |at| {
        let mut values = step(at);
        if at > 5.0 {
            values[1].1 -= 2000.0;
        }
        values
    };
    let GpuFigures { summary, doubts, .. } = figures(reset, (3_000_000, 8_000_000));
    assert_eq!(summary.energy_j, summary.energy_integrated_j);
    close(summary.energy_j.unwrap(), 2500.0, 1e-6);
    assert_eq!(doubts, [Caveat::GpuEnergyUnsure { gpu: 0, why: GpuEnergyDoubt::CounterWentBack }]);
    // Before the window it is nobody's concern.
    assert!(figures(reset, (6_000_000, 9_000_000)).doubts.is_empty());
}

#[test]
fn counter_and_integral_that_differ_are_doubted() {
    let slow: Shows = |at| vec![(GPU_POWER, 500.0), (GPU_ENERGY, 470.0 * at), (GPU_ENERGY_AGE, 0.0)];
    let GpuFigures { summary, doubts, .. } = figures(slow, (1_000_000, 11_000_000));
    close(summary.energy_j.unwrap(), 4700.0, 1e-6);
    let integral_j = summary.energy_integrated_j.unwrap();
    close(integral_j, 5000.0, 1e-6);
    let why = GpuEnergyDoubt::Differ { counter_j: summary.energy_j.unwrap(), integral_j };
    assert_eq!(doubts, [Caveat::GpuEnergyUnsure { gpu: 0, why }]);
}

#[test]
fn without_a_counter_the_integral_of_whatever_power_there_is_stands_in() {
    let average: Shows = |_| vec![(GPU_POWER_AVERAGE, 300.0)];
    let GpuFigures { summary, doubts, .. } = figures(average, (1_000_000, 5_000_000));
    close(summary.energy_j.unwrap(), 1200.0, 1e-6);
    assert!(doubts.is_empty());
    let nothing: Shows = |_| Vec::new();
    assert_eq!(figures(nothing, (1_000_000, 5_000_000)).summary.energy_j, None);
}

#[test]
fn energy_of_several_gpus_is_their_sum_and_unknown_where_one_vanished() {
    let window = (3_000_000, 8_000_000);
    let mut samples = sampled(0, 12.0, step);
    samples.extend(sampled(1, 12.0, step));
    let both = gpu_figures(&HEAD(), &samples, window, 0.1).unwrap().summary;
    close(both.energy_j.unwrap(), 5000.0, 0.5);
    samples.retain(|sample| sample.device == Some(0) || sample.at_us < 5_000_000);
    let one = gpu_figures(&HEAD(), &samples, window, 0.1).unwrap().summary;
    assert_eq!((one.energy_j, one.devices[1].energy_j), (None, None));
    assert!(one.devices[0].energy_j.is_some() && one.devices[1].figures.contains_key(GPU_POWER));
    // Samples of a step to 500 W at 2 s: the mean is that of the part that was read, and the end is told.
    close(one.devices[1].figures[GPU_POWER].mean, 500.0, 1e-9);
    let gone = |samples: &[Sample], closed| vanished(&one, samples, window, 0.1, closed);
    let after_s = BTreeMap::from([("GPU 1 (NVIDIA H200)".to_owned(), 1.9)]);
    let Some(Caveat::GpuVanished { after_s: told }) = gone(&samples, false) else { panic!("it is told") };
    assert_eq!(told.keys().collect::<Vec<_>>(), after_s.keys().collect::<Vec<_>>());
    close(told["GPU 1 (NVIDIA H200)"], 1.9, 1e-9);
    // After a crash all samples end, which is no GPU's fault; in a file that was closed it is.
    samples.retain(|sample| sample.at_us < 5_000_000);
    assert_eq!(gone(&samples, false), None);
    assert!(matches!(gone(&samples, true), Some(Caveat::GpuVanished { after_s }) if after_s.len() == 2));
}

#[test]
fn memory_of_the_window_is_held_against_that_of_the_loaded_server() {
    let grows: Shows = |at| vec![(GPU_MEMORY_USED, if at < 4.0 { 50e9 } else { 51e9 })];
    assert_eq!(figures(grows, (3_000_000, 8_000_000)).memory_growth_bytes, Some(1e9));
    assert_eq!(figures(grows, (1_000_000, 3_000_000)).memory_growth_bytes, Some(0.0));
    assert_eq!(figures(step, (1_000_000, 3_000_000)).memory_growth_bytes, None);
}

#[test]
fn a_run_below_a_second_keeps_what_was_read_once() {
    let slow: Shows = |at| {
        let once = (at == 0.0).then_some((GPU_MEMORY_USED, 5e8));
        [(GPU_UTILISATION, 0.0), (GPU_POWER, 70.0)].into_iter().chain(once).collect()
    };
    let within = |from_us, to_us| gpu_figures(&one(), &sampled(0, 0.9, slow), (from_us, to_us), 0.1);
    assert!(within(200_000, 850_000).is_none(), "its memory is known, and that the server does not use it");
    let busy: Shows = |at| {
        let once = (at == 0.0).then_some((GPU_MEMORY_USED, 6e10));
        [(GPU_UTILISATION, 0.9)].into_iter().chain(once).collect()
    };
    let read = gpu_figures(&one(), &sampled(0, 0.9, busy), (200_000, 850_000), 0.1).unwrap();
    let memory = read.summary.devices[0].figures[GPU_MEMORY_USED];
    assert_eq!((memory.mean, memory.max, memory.samples), (6e10, 6e10, 0));
    assert_eq!(read.memory_growth_bytes, Some(0.0));
}

#[test]
fn a_gpu_that_the_server_was_given_and_does_not_use_is_left_out() {
    let held = |server: f64, others: f64| -> Vec<Sample> {
        let mut samples = sampled(1, 12.0, step);
        for sample in &mut samples {
            sample.values.insert(GPU_MEMORY_OF_SERVER.into(), server);
            sample.values.insert(GPU_MEMORY_OF_OTHERS.into(), others);
        }
        samples
    };
    let on_first = |server: f64| {
        let mut samples = held(server, 0.0);
        samples.iter_mut().for_each(|sample| sample.device = Some(0));
        samples
    };
    let read = |first: Vec<Sample>, second: Vec<Sample>| -> Vec<u32> {
        let figures = gpu_figures(&HEAD(), &[first, second].concat(), (3_000_000, 8_000_000), 0.1);
        figures.iter().flat_map(|figures| &figures.summary.devices).map(|device| device.head.index).collect()
    };
    assert_eq!(read(on_first(9.0), held(9.0, 0.0)), [0, 1]);
    assert_eq!(read(on_first(9.0), held(0.0, 5.0)), [0], "what others hold there is not the server's");
    assert_eq!(read(on_first(0.0), held(0.0, 0.0)), [0; 0], "a server without a GPU");
    assert_eq!(read(on_first(0.0), held(0.0, 5.0)), [0; 0], "somebody else's, beside a server without a GPU");
    assert_eq!(read(sampled(0, 12.0, step), sampled(1, 12.0, step)), [0, 1], "nothing is known of processes");
}

#[test]
fn where_it_is_not_known_whose_memory_it_is_an_empty_gpu_that_does_nothing_is_left_out() {
    let idle: Shows = |_| vec![(GPU_POWER, 70.0), (GPU_MEMORY_USED, 5e8), (GPU_UTILISATION, 0.0)];
    let loaded: Shows = |_| vec![(GPU_POWER, 70.0), (GPU_MEMORY_USED, 6e10), (GPU_UTILISATION, 0.0)];
    let busy: Shows = |at| {
        let share = if at < 5.0 { 0.0 } else { 0.4 };
        vec![(GPU_POWER, 90.0), (GPU_MEMORY_USED, 5e8), (GPU_UTILISATION, share)]
    };
    let silent: Shows = |_| vec![(GPU_POWER, 70.0), (GPU_MEMORY_USED, 5e8)];
    let energy = |second: Shows| {
        let samples = [sampled(0, 12.0, loaded), sampled(1, 12.0, second)].concat();
        gpu_figures(&HEAD(), &samples, (3_000_000, 8_000_000), 0.1).unwrap().summary.energy_j.unwrap()
    };
    close(energy(idle), 350.0, 1e-6);
    close(energy(loaded), 700.0, 1e-6);
    close(energy(busy), 800.0, 1e-6);
    close(energy(silent), 700.0, 1e-6);
    assert!(gpu_figures(&one(), &sampled(0, 12.0, idle), (3_000_000, 8_000_000), 0.1).is_none());
}
