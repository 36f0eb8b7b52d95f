//! What `doctor` shows of the machine's state now, looked at for half a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::analysis::{Measured, machine_caveats, machine_summary};
use crate::environment::Cgroups;
use crate::monitor::{Machine, Reading, ServerProcesses};
use crate::report::caveat::sentence;
use crate::report::machine::busy_names;
use crate::report::number::{bytes, compact, fixed};
use crate::schema::caveat::Caveat;
use crate::schema::environment::{ContainerLimits, Environment};
use crate::schema::machine::{HostFigures, MachineFacts, MachineSummary};
use crate::schema::sample::{Sample, Source};

/// How long the machine is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The machine now: lines for a person, and what would spoil a measurement.
pub struct HostNow {
    /// Names and values.
    pub lines: Vec<(&'static str, String)>,
    /// Doubts, in sentences.
    pub doubts: Vec<String>,
}

/// Looks at the machine for half a second.
pub fn look(environment: &Environment) -> HostNow {
    let machine = Machine::new(ServerProcesses::Elsewhere, None);
    let began = Instant::now();
    let first = machine.host(false);
    std::thread::sleep(LOOK);
    let took = began.elapsed();
    let then = machine.host(true);
    let facts = machine.facts();
    let sample = |at: Duration, read: anyhow::Result<Reading>| {
        let values = read.map(|read| read.values).unwrap_or_default();
        Sample {
            at_us: at.as_micros() as i64,
            took_us: 0,
            source: Source::Host,
            device: None,
            values,
            histograms: BTreeMap::new(),
        }
    };
    let samples = [sample(Duration::ZERO, first), sample(took, then)];
    let window = Measured { from_s: 0.0, to_s: took.as_secs_f64() };
    let summary = machine_summary(&samples, window, Some(&facts), &machine.others()).unwrap_or_default();
    // The governor has a doubt of its own, for any that is not `performance`.
    let caveats = machine_caveats(&summary, window);
    let doubts =
        caveats.iter().filter(|caveat| !matches!(caveat, Caveat::CpuClock { .. })).map(sentence).collect();
    HostNow { lines: lines(environment, &facts, &summary), doubts }
}

fn lines(
    environment: &Environment,
    facts: &MachineFacts,
    summary: &MachineSummary,
) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    lines.extend(environment.limits.as_ref().map(|limits| ("container", container(limits))));
    let Some(host) = summary.host else { return lines };
    lines.extend(host.memory_available_min_bytes.map(|left| ("free memory", bytes(left as u64))));
    lines.push(("swap", swap(facts, &host)));
    lines.push(("CPU clock", clock(facts, &host)));
    let load = facts.load_1m.map(|load| format!("; load {} over the last minute", fixed(load)));
    let busy =
        format!("{} of {} cores{}", fixed(host.busy_cores.mean), facts.cores, load.unwrap_or_default());
    lines.push(("busy now", busy));
    if !summary.others.is_empty() {
        lines.push(("", busy_names(&summary.others)));
    }
    let stolen = 100.0 * host.steal_cores.mean / facts.cores.max(1) as f64;
    lines.push(("stolen now", format!("{} % by a hypervisor", compact(stolen))));
    lines
}

/// `4 of 64 cores, 8 GiB of 256 GiB; its CPU quota was used up in 12 periods so far`
fn container(limits: &ContainerLimits) -> String {
    let cores = limits.cpu_quota.map(|quota| format!("{} of {} cores", compact(quota), limits.host_cores));
    let of_host = || bytes(limits.host_memory_bytes);
    let memory = limits.memory_bytes.map(|limit| format!("{} of {}", bytes(limit), of_host()));
    let both: Vec<String> = [cores, memory].into_iter().flatten().collect();
    let used_up = Cgroups::own().throttled().filter(|throttled| throttled.periods > 0);
    let used_up = used_up.map(|throttled| {
        let seconds = fixed(throttled.seconds);
        format!("; held back by its quota {} times so far, {seconds} s", throttled.periods)
    });
    format!("{}{}", both.join(", "), used_up.unwrap_or_default())
}

fn swap(facts: &MachineFacts, host: &HostFigures) -> String {
    if facts.swap_total_bytes == 0 {
        return "none".to_owned();
    }
    let (used, all) = (bytes(facts.swap_used_bytes), bytes(facts.swap_total_bytes));
    format!("{used} of {all} used, {} a second now", bytes(host.swapped_bytes_s.mean as u64))
}

fn clock(facts: &MachineFacts, host: &HostFigures) -> String {
    let clock = host.cpu_clock_mhz.map(|clock| format!("{} MHz now", compact(clock)));
    let governors = (!facts.governors.is_empty()).then(|| format!("governor {}", facts.governors.join(", ")));
    let known: Vec<String> = [clock, governors].into_iter().flatten().collect();
    if known.is_empty() { "set by the host, not shown here".to_owned() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::machine::MeanAndMax;

    #[test]
    fn a_container_s_share_swap_and_clock_are_said_in_a_few_words() {
        let limits = ContainerLimits {
            host_cores: 64,
            host_memory_bytes: 256 << 30,
            cpu_quota: Some(0.5),
            memory_bytes: Some(8 << 30),
        };
        assert!(
            container(&limits).starts_with("0.500 of 64 cores, 8.00 GiB of 256 GiB"),
            "{}",
            container(&limits)
        );
        let mut facts = MachineFacts { governors: vec!["schedutil".to_owned()], ..MachineFacts::default() };
        let mut host = HostFigures { cpu_clock_mhz: Some(2400.0), ..HostFigures::default() };
        host.swapped_bytes_s = MeanAndMax { mean: 1048576.0, max: 0.0 };
        assert_eq!(clock(&facts, &host), "2,400 MHz now, governor schedutil");
        assert_eq!(swap(&facts, &host), "none");
        (facts.swap_total_bytes, facts.swap_used_bytes) = (4 << 30, 1 << 30);
        assert_eq!(swap(&facts, &host), "1.00 GiB of 4.00 GiB used, 1.00 MiB a second now");
    }
}
