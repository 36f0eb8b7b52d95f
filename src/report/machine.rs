//! What the machine did: two lines of a run's block, a table of the report, the words of its doubts.

use super::number::{bytes, compact, count, fixed, one_line};
use super::rows::{self, Column, Row, View};
use crate::schema::environment::Environment;
use crate::schema::machine::{BusyProcess, MACHINE, MachineFigure, MachineSummary, MachineUnit};
use crate::schema::summary::RunSummary;

/// Busy others and stolen cores below this are not worth a word in a run's block, cores.
const SHOWN_CORES: f64 = 0.1;

/// What the table of the report holds.
pub const ABOUT: &str = "What the server's processes, this program and the whole machine did in the measured window. Memory \
     is what is resident; pages that several processes share count for each. Others are processes that are neither the \
     server's nor ours, stolen cores those that a hypervisor gave to others.";

/// `4 cores (CPU quota 4; the host has 64), 8 GiB of memory (the host has 256 GiB)`
pub fn size(environment: &Environment) -> String {
    let limits = environment.limits.as_ref();
    let quota = limits.and_then(|limits| {
        Some(format!(" (CPU quota {}; the host has {})", compact(limits.cpu_quota?), limits.host_cores))
    });
    let limit = limits.filter(|limits| limits.memory_bytes.is_some());
    let limit = limit.map(|limits| format!(" (the host has {})", bytes(limits.host_memory_bytes)));
    let (cores, memory) = (environment.cores, bytes(environment.memory_bytes));
    format!("{cores} cores{}, {memory} of memory{}", quota.unwrap_or_default(), limit.unwrap_or_default())
}

/// The server's processes and the machine as lines with their names; nothing of what was not sensed.
pub fn block_lines(run: &RunSummary) -> Vec<(&'static str, String)> {
    let Some(machine) = &run.machine else { return Vec::new() };
    let server = machine.server.map(|server| {
        format!(
            "{} cores | memory: {} | {} thread{}",
            fixed(server.cores_mean),
            bytes(server.resident_max_bytes as u64),
            count(server.threads_max as u64),
            if server.threads_max == 1.0 { "" } else { "s" }
        )
    });
    let named = |name, text: Option<String>| text.map(|text| (name, text));
    [named("Server CPU", server), named("Machine", machine_words(machine))].into_iter().flatten().collect()
}

/// `5.10 of 8 cores busy | others: 0.80 (rustc 0.60) | stolen: 0.20`
fn machine_words(machine: &MachineSummary) -> Option<String> {
    let host = machine.host?;
    let cores = machine.facts.as_ref().map_or_else(String::new, |facts| format!(" of {}", facts.cores));
    let worth = |cores: f64| cores >= SHOWN_CORES;
    let others = host.others_busy_cores.map(|others| others.mean).filter(|mean| worth(*mean)).map(|mean| {
        let name = machine.others.first().map(|busy| format!(" ({})", busy_words(busy))).unwrap_or_default();
        format!("others: {}{name}", fixed(mean))
    });
    let steal = Some(host.steal_cores.mean).filter(|mean| worth(*mean));
    let parts = [
        Some(format!("{}{cores} cores busy", fixed(host.busy_cores.mean))),
        others,
        steal.map(|mean| format!("stolen: {}", fixed(mean))),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" | "))
}

/// `rustc 0.60`, `6 × rustc 3.20`.
fn busy_words(busy: &BusyProcess) -> String {
    let times = if busy.processes > 1 { format!("{} × ", busy.processes) } else { String::new() };
    format!("{times}{} {}", one_line(&busy.name), fixed(busy.cores))
}

/// Names of busy processes with their cores, the busiest first.
pub fn busy_names(all: &[BusyProcess]) -> String {
    all.iter().map(busy_words).collect::<Vec<_>>().join(", ")
}

/// What the report shows of the machine, backends across; a figure that no run has is left out. Of several runs the
/// mean of their figures, and of maxima the largest.
pub fn figures(view: &View<'_>) -> Vec<Row> {
    let figures = MACHINE.iter().map(|figure| {
        rows::row(view, &format!("{}{}", figure.title, unit(figure)), &|column| shown(figure, column))
    });
    let busiest = rows::row(view, "Busiest others", &|column| {
        let all =
            column.runs.iter().filter_map(|run| run.machine.as_ref()).filter(|run| !run.others.is_empty());
        let cores = |machine: &MachineSummary| machine.others.iter().map(|busy| busy.cores).sum::<f64>();
        let worst = all.reduce(|one, other| if cores(other) > cores(one) { other } else { one })?;
        Some(busy_names(&worst.others))
    });
    figures.chain([busiest]).flatten().collect()
}

fn unit(figure: &MachineFigure) -> &'static str {
    match figure.unit {
        MachineUnit::Cores | MachineUnit::Bytes => "",
        MachineUnit::BytesPerSecond => " (a second)",
    }
}

fn shown(figure: &MachineFigure, column: &Column<'_>) -> Option<String> {
    let values: Vec<f64> =
        column.runs.iter().filter_map(|run| run.machine.as_ref().and_then(figure.of)).collect();
    let of_maxima = figure.title.ends_with("max");
    let value = if of_maxima {
        values.iter().copied().reduce(f64::max)?
    } else {
        let sum: f64 = values.iter().sum();
        Some(sum / values.len() as f64).filter(|mean| mean.is_finite())?
    };
    Some(match figure.unit {
        MachineUnit::Cores => fixed(value),
        MachineUnit::Bytes | MachineUnit::BytesPerSecond => bytes(value as u64),
    })
}

/// Other processes kept cores busy: what it means and what to do.
pub(super) fn others_busy(cores: f64, of: usize, names: &[BusyProcess]) -> String {
    let who = if names.is_empty() {
        "none of which can be seen from here (another container, another user)".to_owned()
    } else {
        busy_names(names)
    };
    format!(
        "Other processes kept {} of {of} cores busy: {who}. What they take the server and the client lack. End them, or \
         measure on a machine at rest.",
        fixed(cores)
    )
}

/// The same of a hypervisor that gave cores to others.
pub(super) fn cpu_stolen(share_pct: f64) -> String {
    format!(
        "The hypervisor gave {} of this machine's CPU time to others: times are longer by what nobody here can see. \
         Measure on a machine, or in a virtual one, that has its cores for itself.",
        percent(share_pct)
    )
}

/// The same of a machine that swaps.
pub(super) fn swapping(bytes_s: f64) -> String {
    format!(
        "The machine swapped {} a second: what waits for the disk is not the server's speed. Free memory, give the server \
         less (a smaller cache or context), or turn swap off.",
        bytes(bytes_s as u64)
    )
}

/// The same of a container whose quota was used up.
pub(super) fn cpu_quota_reached(share_pct: f64, quota: Option<f64>) -> String {
    format!(
        "The container's CPU quota{} was used up: cores were kept from it for {} of what it allows, so that it stood still \
         for parts of each period. Raise the quota, or give the container whole cores (a cpuset).",
        quota.map(|cores| format!(" of {} cores", compact(cores))).unwrap_or_default(),
        percent(share_pct)
    )
}

/// The same of a machine with hardly any memory left.
pub(super) fn memory_nearly_full(left_bytes: u64, of_bytes: u64) -> String {
    format!(
        "Only {} of {} of memory were left: the machine may swap, drop files that are read again, or end a process. Free \
         memory, or give the server less.",
        bytes(left_bytes),
        bytes(of_bytes)
    )
}

/// The same of a clock that is not steady.
pub(super) fn cpu_clock(powersave: bool, fell_pct: Option<f64>) -> String {
    let governor = powersave.then(|| "the CPU governor is powersave".to_owned());
    let fell =
        fell_pct.map(|fell| format!("the clock fell by {} while as many cores were busy", percent(fell)));
    let parts: Vec<String> = [governor, fell].into_iter().flatten().collect();
    format!(
        "The CPU's clock is not steady: {}. Runs at different times may run at different clocks. Set the governor (cpupower \
         frequency-set -g performance), and look at heat and power limits.",
        parts.join("; ")
    )
}

fn percent(value: f64) -> String {
    format!("{} %", compact(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::run;
    use crate::schema::machine::{HostFigures, MachineFacts, MeanAndMax, ProcessFigures};

    fn busy(name: &str, processes: u32, cores: f64) -> BusyProcess {
        BusyProcess { name: name.to_owned(), processes, cores }
    }

    #[test]
    fn a_run_s_block_says_what_the_server_used_and_who_else_was_busy() {
        let mut run = run("vllm", 1.0);
        assert_eq!(block_lines(&run), []);
        let same = |mean| MeanAndMax { mean, max: mean };
        let server = ProcessFigures {
            cores_mean: 3.214,
            resident_max_bytes: f64::from(1 << 30) * 12.0,
            threads_max: 1084.0,
            ..ProcessFigures::default()
        };
        let host = HostFigures {
            busy_cores: same(5.1),
            steal_cores: same(0.2),
            others_busy_cores: Some(same(0.8)),
            ..HostFigures::default()
        };
        run.machine = Some(MachineSummary {
            facts: Some(MachineFacts { cores: 8, ..MachineFacts::default() }),
            server: Some(server),
            host: Some(host),
            others: vec![busy("rustc", 6, 0.6), busy("sshd", 1, 0.1)],
            ..MachineSummary::default()
        });
        let lines = block_lines(&run);
        assert_eq!(lines[0], ("Server CPU", "3.21 cores | memory: 12.0 GiB | 1,084 threads".to_owned()));
        let machine = "5.10 of 8 cores busy | others: 0.80 (6 × rustc 0.60) | stolen: 0.20";
        assert_eq!(lines[1], ("Machine", machine.to_owned()));
    }

    #[test]
    fn others_that_cannot_be_seen_are_told_without_a_name_and_odd_names_do_not_act() {
        assert!(others_busy(1.0, 2, &[]).contains("none of which can be seen"));
        let told = others_busy(1.0, 2, &[busy("a\u{1b}[2Jb", 1, 1.0)]);
        assert!(!told.contains('\u{1b}'), "{told}");
    }
}
