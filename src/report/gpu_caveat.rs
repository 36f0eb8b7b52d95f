//! Doubts about GPUs in plain words.

use std::collections::BTreeMap;

use crate::schema::clock_reason::clock_reason;
use crate::schema::gpu::{GpuProcess, gib};
use crate::schema::gpu_before::HeldMemory;

/// Processes that are named.
const NAMED: usize = 3;

/// Another process was on a GPU.
pub fn shared(by_gpu: &BTreeMap<String, Vec<GpuProcess>>, memory_bytes: Option<u64>) -> String {
    let one = |(gpu, processes): (&String, &Vec<GpuProcess>)| format!("{gpu}: {}", named(processes));
    let at_most =
        memory_bytes.map(|bytes| format!(", {} at most in the window", gib(bytes))).unwrap_or_default();
    format!(
        "Another process held memory on the server's GPU ({}{at_most}): what it took of the GPU, the server lacked. End it, \
         and measure again.",
        by_gpu.iter().map(one).collect::<Vec<_>>().join("; ")
    )
}

/// A GPU was slowed down.
pub fn throttled(by_gpu: &BTreeMap<String, BTreeMap<String, f64>>) -> String {
    let words =
        |name: &str| clock_reason(name).map_or_else(|| name.to_owned(), |reason| reason.words.to_owned());
    let reason =
        |(name, share): (&String, &f64)| format!("{} in {:.0} % of the samples", words(name), 100.0 * share);
    let one = |(gpu, reasons): (&String, &BTreeMap<String, f64>)| {
        format!("{gpu}: {}", reasons.iter().map(reason).collect::<Vec<_>>().join(", "))
    };
    let all = by_gpu.iter().map(one).collect::<Vec<_>>().join("; ");
    format!(
        "A GPU was slowed down while it was measured ({all}), so these numbers are those of a GPU that could do more. Look \
         at its power limit and cooling, or lock a clock that it holds (nvidia-smi -lgc)."
    )
}

/// The server is on another GPU than it was given.
pub fn not_asked(asked: &[String], used: &[String]) -> String {
    let asked = if asked.is_empty() { "none".to_owned() } else { asked.join(", ") };
    format!(
        "The server's processes hold memory on {}, and it was given {asked}: it was not measured where you asked for it, and \
         the GPU figures are not all of its own. Name GPUs by their UUIDs, or set CUDA_DEVICE_ORDER=PCI_BUS_ID.",
        used.join(", ")
    )
}

/// Memory of before was not given back.
pub fn memory_held(by_gpu: &BTreeMap<String, HeldMemory>) -> String {
    let one = |(gpu, held): (&String, &HeldMemory)| {
        format!("{gpu}: {} after {:.0} s: {}", gib(held.above_bytes), held.waited_s, named(&held.processes))
    };
    format!(
        "The server was launched while GPU memory of before was not given back ({}), so that it had less than the others, and \
         perhaps a smaller cache. End what holds it, and measure again.",
        by_gpu.iter().map(one).collect::<Vec<_>>().join("; ")
    )
}

/// A GPU was not read to the end.
pub fn vanished(after_s: &BTreeMap<String, f64>) -> String {
    let one = |(gpu, seconds): (&String, &f64)| format!("{gpu}: {seconds:.1} s after the first request");
    format!(
        "A GPU was read for the last time before the load was over ({}): it vanished, or its driver gave no answer. Its \
         figures are of the part that was read, and there is no energy. Look at dmesg (Xid), its power and its cooling, and \
         measure again.",
        after_s.iter().map(one).collect::<Vec<_>>().join("; ")
    )
}

fn named(processes: &[GpuProcess]) -> String {
    let words: Vec<String> = processes.iter().take(NAMED).map(GpuProcess::words).collect();
    match processes.len() {
        0 => "the driver does not say who".to_owned(),
        all if all > NAMED => format!("{} and {} more", words.join(", "), all - NAMED),
        _ => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> GpuProcess {
        GpuProcess { pid, name: Some("python3".to_owned()), memory_bytes: Some(3 << 30) }
    }

    #[test]
    fn who_else_was_on_a_gpu_is_named_with_its_memory() {
        let by_gpu = BTreeMap::from([("GPU 0 (X)".to_owned(), vec![process(7)])]);
        let text = shared(&by_gpu, Some(4 << 30));
        assert!(
            text.contains("GPU 0 (X): python3 (pid 7, 3.0 GiB), 4.0 GiB at most in the window"),
            "{text}"
        );
        let unseen = BTreeMap::from([("GPU 0 (X)".to_owned(), Vec::new())]);
        assert!(shared(&unseen, None).contains("(GPU 0 (X): the driver does not say who)"));
        let many = BTreeMap::from([("GPU 1 (X)".to_owned(), (1..6).map(process).collect())]);
        assert!(shared(&many, None).contains("and 2 more"));
    }

    #[test]
    fn what_slowed_a_gpu_down_is_said_with_its_share() {
        let reasons = BTreeMap::from([("sw_power_cap".to_owned(), 0.25)]);
        let text = throttled(&BTreeMap::from([("GPU 0 (X)".to_owned(), reasons)]));
        assert!(text.contains("(GPU 0 (X): power cap in 25 % of the samples)"), "{text}");
    }

    #[test]
    fn a_gpu_that_vanished_is_told_with_the_time_of_its_last_reading() {
        let text = vanished(&BTreeMap::from([("GPU 1 (X)".to_owned(), 12.34)]));
        assert!(text.contains("(GPU 1 (X): 12.3 s after the first request)"), "{text}");
    }

    #[test]
    fn memory_that_was_not_given_back_is_told_with_how_long_it_was_waited_for() {
        let held = HeldMemory { above_bytes: 5 << 30, waited_s: 60.0, processes: vec![process(7)] };
        let text = memory_held(&BTreeMap::from([("GPU 0 (X)".to_owned(), held)]));
        assert!(text.contains("GPU 0 (X): 5.0 GiB after 60 s: python3 (pid 7, 3.0 GiB)"), "{text}");
        assert!(not_asked(&[], &["GPU 1 (X)".to_owned()]).contains("on GPU 1 (X), and it was given none:"));
    }
}
