//! What the GPUs of a run did, as a block of its own in the terminal.

use super::number::{compact, one_line};
use crate::schema::clock_reason::clock_reason;
use crate::schema::gpu::{GpuDevice, GpuSummary, Spread};
use crate::schema::series::gpu::{
    GPU_MEMORY_USED, GPU_POWER, GPU_POWER_AVERAGE, GPU_SM_CLOCK, GPU_TEMPERATURE, GPU_UTILISATION,
};

/// Bytes of a MiB, which nvidia-smi and everybody who reads it calls MB.
const MIB: f64 = 1024.0 * 1024.0;

/// `=== GPU METRICS (NVIDIA RTX 4090) ===`, with all that there are.
pub fn head(gpu: &GpuSummary) -> String {
    let mut names: Vec<(&str, usize)> = Vec::new();
    for device in &gpu.devices {
        match names.iter_mut().find(|(name, _)| *name == device.head.name) {
            Some((_, count)) => *count += 1,
            None => names.push((&device.head.name, 1)),
        }
    }
    let name = |(name, count): &(&str, usize)| match count {
        1 => one_line(name),
        many => format!("{many} × {}", one_line(name)),
    };
    format!("=== GPU METRICS ({}) ===", names.iter().map(name).collect::<Vec<_>>().join(", "))
}

/// Its lines with their names: a line a figure, and of several GPUs one a GPU in it.
pub fn block_lines(gpu: &GpuSummary) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let several = gpu.devices.len() > 1;
    let mut add = |name: &'static str, show: &dyn Fn(&GpuDevice) -> Option<String>| {
        let shown = gpu.devices.iter().filter_map(|device| Some((device.head.index, show(device)?)));
        for (place, (index, text)) in shown.enumerate() {
            let text = if several { format!("GPU {index}: {text}") } else { text };
            lines.push((if place == 0 { name } else { "" }, text));
        }
    };
    let spread =
        |device: &GpuDevice, names: &[&str]| names.iter().find_map(|name| device.figures.get(*name)).copied();
    add("GPU Util", &|device| {
        let Spread { mean, max, .. } = spread(device, &[GPU_UTILISATION])?;
        Some(format!("Mean: {:.1}% | Max: {:.1}%", 100.0 * mean, 100.0 * max))
    });
    add("Memory", &|device| {
        let Spread { mean, max, .. } = spread(device, &[GPU_MEMORY_USED])?;
        let of =
            device.head.memory_bytes.map_or_else(String::new, |all| format!(" / {:.0}MB", all as f64 / MIB));
        Some(format!("Mean: {:.0}MB | Max: {:.0}MB{of}", mean / MIB, max / MIB))
    });
    add("Power", &|device| {
        let Spread { mean, max, .. } = spread(device, &[GPU_POWER, GPU_POWER_AVERAGE])?;
        Some(format!("Mean: {mean:.1}W | Max: {max:.1}W"))
    });
    add("Temperature", &|device| {
        let Spread { mean, max, .. } = spread(device, &[GPU_TEMPERATURE])?;
        Some(format!("Mean: {mean:.1}C | Max: {max:.1}C"))
    });
    add("Clocks", &|device| throttled(device));
    lines.extend(energy(gpu).map(|text| ("Energy", text)));
    lines
}

/// The clock, where something held it down.
fn throttled(device: &GpuDevice) -> Option<String> {
    let reasons: Vec<String> = device
        .clock_reasons
        .iter()
        .filter(|(name, share)| clock_reason(name).is_none_or(|reason| reason.throttles) && **share >= 0.01)
        .map(|(name, share)| format!("{name} {:.0}% of the time", 100.0 * share))
        .collect();
    let clock = device.figures.get(GPU_SM_CLOCK).map(|clock| format!("SM mean {:.0} MHz, ", clock.mean));
    (!reasons.is_empty()).then(|| format!("{}held down by {}", clock.unwrap_or_default(), reasons.join(", ")))
}

/// `12400J | 0.123 J/token | 8.13 tok/J`
fn energy(gpu: &GpuSummary) -> Option<String> {
    let joules = format!("{:.0}J", gpu.energy_j?);
    let per_token = gpu.energy_per_token_j.map(|joules| format!("{} J/token", compact(joules)));
    let tokens = gpu.tokens_per_j.map(|tokens| format!("{} tok/J", compact(tokens)));
    Some([Some(joules), per_token, tokens].into_iter().flatten().collect::<Vec<_>>().join(" | "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::schema::gpu::GpuHead;

    fn device(index: u32) -> GpuDevice {
        let spread = |mean, max| Spread { mean, min: 0.0, max, samples: 9 };
        let figures = [
            (GPU_UTILISATION, spread(0.873, 0.99)),
            (GPU_MEMORY_USED, spread(18_432.0 * MIB, 19_200.0 * MIB)),
            (GPU_POWER, spread(312.5, 450.0)),
            (GPU_TEMPERATURE, spread(68.2, 74.0)),
        ];
        GpuDevice {
            head: GpuHead {
                index,
                name: "NVIDIA RTX 4090".into(),
                memory_bytes: Some(24_576 << 20),
                ..GpuHead::default()
            },
            figures: figures.into_iter().map(|(name, spread)| (name.to_owned(), spread)).collect(),
            ..GpuDevice::default()
        }
    }

    fn shown(gpu: &GpuSummary) -> String {
        let line = |(name, text): (&str, String)| format!("{name:12}{text}\n");
        block_lines(gpu).into_iter().fold(head(gpu) + "\n", |all, named| all + &line(named))
    }

    #[test]
    fn one_gpu_has_a_line_a_figure_and_its_energy() {
        let gpu = GpuSummary {
            devices: vec![device(0)],
            energy_j: Some(12_345.6),
            energy_per_token_j: Some(0.25),
            tokens_per_j: Some(4.0),
            ..GpuSummary::default()
        };
        insta::assert_snapshot!(shown(&gpu), @r"
        === GPU METRICS (NVIDIA RTX 4090) ===
        GPU Util    Mean: 87.3% | Max: 99.0%
        Memory      Mean: 18432MB | Max: 19200MB / 24576MB
        Power       Mean: 312.5W | Max: 450.0W
        Temperature Mean: 68.2C | Max: 74.0C
        Energy      12346J | 0.250 J/token | 4.00 tok/J
        ");
    }

    #[test]
    fn several_gpus_share_a_block_and_what_held_a_clock_down_is_said() {
        let mut second = device(1);
        second.clock_reasons = BTreeMap::from([("sw_power_cap".into(), 0.5), ("gpu_idle".into(), 0.2)]);
        second.figures.remove(GPU_TEMPERATURE);
        let gpu = GpuSummary { devices: vec![device(0), second], ..GpuSummary::default() };
        insta::assert_snapshot!(shown(&gpu), @r"
        === GPU METRICS (2 × NVIDIA RTX 4090) ===
        GPU Util    GPU 0: Mean: 87.3% | Max: 99.0%
                    GPU 1: Mean: 87.3% | Max: 99.0%
        Memory      GPU 0: Mean: 18432MB | Max: 19200MB / 24576MB
                    GPU 1: Mean: 18432MB | Max: 19200MB / 24576MB
        Power       GPU 0: Mean: 312.5W | Max: 450.0W
                    GPU 1: Mean: 312.5W | Max: 450.0W
        Temperature GPU 0: Mean: 68.2C | Max: 74.0C
        Clocks      GPU 1: held down by sw_power_cap 50% of the time
        ");
    }
}
