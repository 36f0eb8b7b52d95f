//! Rows of the levelling table that the GPUs show. What was not read is not known, and never fine.

use std::collections::BTreeSet;

use crate::schema::fairness::row;
use crate::schema::gpu::{GpuDevice, GpuProcess};

use crate::analysis::gpu_level::{CLOCKS_PCT, clock, models};
use crate::analysis::side::median;

use super::facts::{Check, Facts, Held, is_apart};

/// What the GPUs are levelled in.
pub(super) const GPUS: [Check; 5] = [
    Check { what: row::GPU, words: gpus, hold: same_gpus, usual: None },
    Check { what: row::GPU_POWER_LIMIT, words: power_limit, hold: power_limits, usual: None },
    Check { what: row::GPU_CLOCK, words: clocks, hold: same_clocks, usual: None },
    Check { what: row::GPU_OTHERS, words: others, hold: no_others, usual: None },
    Check { what: row::GPU_THROTTLED, words: throttled, hold: same_throttled, usual: None },
];

/// Power limits that differ by more, W.
const WATTS: f64 = 1.0;
/// Shares of throttled samples that differ by more, of 1.
const THROTTLED: f64 = 0.05;
/// Beginning of a UUID that is shown: `GPU-8a6c3f21`.
const UUID_SHOWN: usize = 12;

/// All GPUs of its runs, one each time it was used.
fn devices<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a GpuDevice> {
    facts.runs.iter().filter_map(|run| run.gpu.as_ref()).flat_map(|gpus| &gpus.devices)
}

fn uuids<'a>(facts: &Facts<'a>) -> BTreeSet<&'a str> {
    devices(facts).map(|device| device.head.uuid.as_str()).collect()
}

fn names(facts: &Facts<'_>) -> Option<String> {
    facts.runs.iter().find_map(|run| run.gpu.as_ref()).map(models)
}

fn gpus(facts: &Facts<'_>) -> Option<String> {
    let short = |uuid: &str| uuid.chars().take(UUID_SHOWN).collect::<String>();
    let uuids: Vec<String> = uuids(facts).into_iter().filter(|uuid| !uuid.is_empty()).map(short).collect();
    let names = names(facts)?;
    Some(if uuids.is_empty() { names } else { format!("{names} ({})", uuids.join(", ")) })
}

fn same_gpus(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let (Some(own), Some(others)) = (names(one), names(other)) else { return not_read(one, other) };
    if own != others {
        return Held::differs(format!(
            "{} ran on {own}, {} on {others}: results of different machines",
            one.label, other.label
        ));
    }
    if uuids(one) != uuids(other) {
        return Held::differs(format!(
            "{} and {} ran on other GPUs of one model, which differ by some percent in power and clocks",
            one.label, other.label
        ));
    }
    Held::level()
}

fn not_read(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let who = if devices(one).next().is_none() { one } else { other };
    Held::unknown(format!("the GPUs of {} were not read", who.label))
}

/// Limits of power in all, W; none where one of them does not tell.
fn limit_w(facts: &Facts<'_>) -> Option<f64> {
    let gpus = facts.runs.iter().find_map(|run| run.gpu.as_ref())?;
    let limits = gpus.devices.iter().map(|device| device.head.power_limit_w).collect::<Option<Vec<f64>>>()?;
    (!limits.is_empty()).then(|| limits.into_iter().sum())
}

fn power_limit(facts: &Facts<'_>) -> Option<String> {
    limit_w(facts).map(|watts| format!("{watts:.0} W"))
}

fn power_limits(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (limit_w(one), limit_w(other)) {
        (Some(own), Some(others)) if (own - others).abs() <= WATTS => Held::level(),
        (Some(own), Some(others)) => Held::differs(format!(
            "{} may draw {own:.0} W, {} {others:.0} W: set both alike (nvidia-smi -pl)",
            one.label, other.label
        )),
        (_, _) => not_told(one, other, limit_w(one).is_none(), "power limit"),
    }
}

fn not_told(one: &Facts<'_>, other: &Facts<'_>, is_one: bool, what: &str) -> Held {
    let who = if is_one { one } else { other };
    Held::unknown(format!("the {what} of {}'s GPUs is not known", who.label))
}

/// Median over runs of the clock while busy, MHz.
fn mhz(facts: &Facts<'_>) -> Option<f64> {
    median(facts.runs.iter().filter_map(|run| clock(run)).collect())
}

fn clocks(facts: &Facts<'_>) -> Option<String> {
    mhz(facts).map(|mhz| format!("{mhz:.0} MHz"))
}

fn same_clocks(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (mhz(one), mhz(other)) {
        (Some(own), Some(others)) if is_apart(own, others, CLOCKS_PCT) => Held::differs(format!(
            "{}'s GPUs ran at {own:.0} MHz while busy, {}'s at {others:.0} MHz",
            one.label, other.label
        )),
        (Some(_), Some(_)) => Held::level(),
        (own, _) => not_told(one, other, own.is_none(), "clock"),
    }
}

/// Processes that are not the server's; none where some GPU does not tell.
fn seen_others(facts: &Facts<'_>) -> Option<Vec<String>> {
    let mut seen: Vec<&GpuProcess> = Vec::new();
    let mut any = false;
    for device in devices(facts) {
        if !device.others_known && device.others.is_empty() {
            return None;
        }
        any = true;
        seen.extend(&device.others);
    }
    let words: BTreeSet<String> = seen.into_iter().map(GpuProcess::words).collect();
    any.then(|| words.into_iter().collect())
}

fn others(facts: &Facts<'_>) -> Option<String> {
    seen_others(facts).map(|seen| if seen.is_empty() { "none".to_owned() } else { seen.join(", ") })
}

fn no_others(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (seen_others(one), seen_others(other)) {
        (Some(own), Some(others)) if own.is_empty() && others.is_empty() => Held::level(),
        (Some(own), _) if !own.is_empty() => shared(one, &own),
        (_, Some(others)) if !others.is_empty() => shared(other, &others),
        (own, _) => Held::unknown(format!(
            "whose processes are on {}'s GPUs the driver does not say",
            if own.is_none() { one.label } else { other.label }
        )),
    }
}

fn shared(facts: &Facts<'_>, seen: &[String]) -> Held {
    Held::differs(format!("{} shared its GPU with {}", facts.label, seen.join(", ")))
}

/// Share of samples in which a GPU was slowed down, at most over its runs.
fn throttled_share(facts: &Facts<'_>) -> Option<f64> {
    let shares = devices(facts).map(|device| device.throttled_share).collect::<Option<Vec<f64>>>()?;
    shares.into_iter().reduce(f64::max)
}

fn throttled(facts: &Facts<'_>) -> Option<String> {
    throttled_share(facts).map(|share| format!("{:.0} % of samples", 100.0 * share))
}

fn same_throttled(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (throttled_share(one), throttled_share(other)) {
        (Some(own), Some(others)) if (own - others).abs() > THROTTLED => Held::differs(format!(
            "{}'s GPU was slowed down in {:.0} % of samples, {}'s in {:.0} %",
            one.label,
            100.0 * own,
            other.label,
            100.0 * others
        )),
        (Some(_), Some(_)) => Held::level(),
        (own, _) => Held::unknown(format!(
            "whether {}'s GPUs were slowed down is not known",
            if own.is_none() { one.label } else { other.label }
        )),
    }
}
