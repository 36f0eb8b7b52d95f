//! GPUs of several backends held against each other: were they the same, and did they run alike?

use std::collections::BTreeMap;

use crate::schema::caveat::Caveat;
use crate::schema::gpu::GpuSummary;
use crate::schema::summary::RunSummary;

/// Clocks that differ by more than this, %, are a doubt.
pub const CLOCKS_PCT: f64 = 3.0;

/// The doubts about a comparison that its GPUs raise.
pub fn caveats(runs: &[RunSummary]) -> Vec<Caveat> {
    [models_differ(runs), clocks_differ(runs)].into_iter().flatten().collect()
}

/// `2 × NVIDIA H200`
pub fn models(gpus: &GpuSummary) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for device in &gpus.devices {
        *counts.entry(&device.head.name).or_default() += 1;
    }
    let words = |(name, count): (&&str, &usize)| match count {
        1 => (*name).to_owned(),
        _ => format!("{count} × {name}"),
    };
    counts.iter().map(words).collect::<Vec<_>>().join(" + ")
}

fn models_differ(runs: &[RunSummary]) -> Option<Caveat> {
    let known = runs.iter().filter_map(|run| Some((run.key.label.clone(), models(run.gpu.as_ref()?))));
    let by_label: BTreeMap<String, String> = known.collect();
    let mut models = by_label.values();
    let first = models.next()?;
    models.any(|other| other != first).then_some(Caveat::GpusDiffer { by_label })
}

/// SM clock of a run's GPUs while they were busy, MHz: the mean over them of each one's median.
pub fn clock(run: &RunSummary) -> Option<f64> {
    let clocks: Vec<f64> =
        run.gpu.as_ref()?.devices.iter().filter_map(|device| device.sm_clock_busy_mhz).collect();
    (!clocks.is_empty()).then(|| clocks.iter().sum::<f64>() / clocks.len() as f64)
}

/// The round in which the clocks of two backends differ most, where that is by more than [`CLOCKS_PCT`].
fn clocks_differ(runs: &[RunSummary]) -> Option<Caveat> {
    let mut rounds: BTreeMap<(u32, u32), BTreeMap<String, Vec<f64>>> = BTreeMap::new();
    for (run, mhz) in runs.iter().filter_map(|run| Some((run, clock(run)?))) {
        let labels = rounds.entry((run.key.point, run.key.round)).or_default();
        labels.entry(run.key.label.clone()).or_default().push(mhz);
    }
    let median = |(label, clocks): (String, Vec<f64>)| Some((label, super::side::median(clocks)?));
    let rounds = rounds.into_iter().map(|(key, labels)| {
        let by_label: BTreeMap<String, f64> = labels.into_iter().filter_map(median).collect();
        (key, apart_pct(&by_label), by_label)
    });
    let ((point, round), apart, by_label) =
        rounds.reduce(|most, next| if next.1 > most.1 { next } else { most })?;
    (apart > CLOCKS_PCT).then_some(Caveat::GpuClocksDiffer { by_label, round, point })
}

/// The highest over the lowest, %.
fn apart_pct(by_label: &BTreeMap<String, f64>) -> f64 {
    let low = by_label.values().copied().reduce(f64::min).unwrap_or(0.0);
    let high = by_label.values().copied().reduce(f64::max).unwrap_or(0.0);
    if low > 0.0 { 100.0 * (high / low - 1.0) } else { 0.0 }
}
