//! Rows of the levelling table on what the GPUs showed around a launch. They are left out where all is as it should be.

use std::collections::BTreeMap;

use crate::schema::caveat::Caveat;
use crate::schema::fairness::row;
use crate::schema::gpu::{GpuSummary, gib};
use crate::schema::gpu_before::HeldMemory;

use super::facts::{Check, Facts, Held};

/// Nothing was held.
const NOTHING: &str = "none";
/// It is where it should be.
const AS_ASKED: &str = "yes";

/// What is levelled about a launch on GPUs.
pub(super) const ROWS: [Check; 2] = [
    Check { what: row::GPU_MEMORY_HELD, words: memory, hold: same_memory, usual: Some(NOTHING) },
    Check { what: row::GPU_ASKED, words: places, hold: as_asked, usual: Some(AS_ASKED) },
];

/// It was launched on GPUs of which nobody knows what they showed before.
fn is_unread(facts: &Facts<'_>) -> bool {
    let mut gpus = facts.runs.iter().filter_map(|run| run.gpu.as_ref()).peekable();
    let is_read = |gpus: &GpuSummary| gpus.idle_machine_w.or(gpus.idle_loaded_w).is_some();
    facts.is_launched() && gpus.peek().is_some() && !gpus.any(is_read)
}

/// The most that any of its launches found held, over all GPUs.
fn held<'a>(facts: &Facts<'a>) -> Option<&'a BTreeMap<String, HeldMemory>> {
    let of_run = facts.all.iter().flat_map(|run| &run.caveats);
    let held = of_run.filter_map(|caveat| {
        let Caveat::GpuMemoryHeld { by_gpu } = caveat else { return None };
        Some(by_gpu)
    });
    held.max_by_key(|by_gpu| sum(by_gpu))
}

fn sum(by_gpu: &BTreeMap<String, HeldMemory>) -> u64 {
    by_gpu.values().map(|held| held.above_bytes).fold(0, u64::saturating_add)
}

fn memory(facts: &Facts<'_>) -> Option<String> {
    match held(facts) {
        Some(by_gpu) => Some(gib(sum(by_gpu))),
        None => (!is_unread(facts)).then(|| NOTHING.to_owned()),
    }
}

fn same_memory(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let of = |facts: &Facts<'_>| Some((facts.label.to_owned(), gib(sum(held(facts)?))));
    let held: Vec<(String, String)> = [one, other].into_iter().filter_map(of).collect();
    match held.as_slice() {
        [] => unknown(one, other, "held memory when it was launched"),
        several => Held::differs(format!(
            "{} launched while GPU memory of before was not given back: its cache may be smaller",
            listed(several.iter().map(|(label, bytes)| format!("{label} ({bytes})"))),
        )),
    }
}

/// Where it is and where it should be, where that differs.
fn elsewhere<'a>(facts: &Facts<'a>) -> Option<(&'a [String], &'a [String])> {
    facts.all.iter().flat_map(|run| &run.caveats).find_map(|caveat| {
        let Caveat::GpuNotAsked { asked, used } = caveat else { return None };
        Some((asked.as_slice(), used.as_slice()))
    })
}

fn places(facts: &Facts<'_>) -> Option<String> {
    match elsewhere(facts) {
        Some((_, used)) => Some(format!("no: {}", used.join(", "))),
        None => (!is_unread(facts)).then(|| AS_ASKED.to_owned()),
    }
}

fn as_asked(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let of = |facts: &Facts<'_>| {
        let (asked, used) = elsewhere(facts)?;
        let asked = if asked.is_empty() { "none".to_owned() } else { asked.join(", ") };
        Some(format!("{} holds memory on {}, and was given {asked}", facts.label, used.join(", ")))
    };
    let wrong: Vec<String> = [one, other].into_iter().filter_map(of).collect();
    if wrong.is_empty() {
        unknown(one, other, "used the GPUs that it was given")
    } else {
        Held::differs(wrong.join("; "))
    }
}

/// Level where both are known.
fn unknown(one: &Facts<'_>, other: &Facts<'_>, what: &str) -> Held {
    match [one, other].into_iter().find(|facts| is_unread(facts)) {
        Some(facts) => Held::unknown(format!("whether {} {what} was not read", facts.label)),
        None => Held::level(),
    }
}

/// `a was`, `a and b were`.
fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    format!("{} {}", names.join(" and "), if names.len() > 1 { "were" } else { "was" })
}
