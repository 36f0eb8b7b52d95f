//! `harness doctor`: what can run here, and what would spoil a measurement.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::backend::definition::{Definition, Definitions};
use crate::backend::find::Found;
use crate::backend::leftovers;
use crate::backend::managed::Build;
use crate::backend::model;
use crate::cli::DoctorArgs;
use crate::progress::print;
use crate::report::number::wrap;
use crate::schema::environment::{ContainerLimits, Environment};

use crate::commands::doctor_gpus;
use crate::commands::doctor_host;
use crate::commands::play;
use crate::commands::resolve::machine::Finder;

/// Load above this share of the cores, before anything of ours runs, disturbs a measurement.
const BUSY_SHARE: f64 = 0.25;
/// Columns of what is wrapped.
const WIDTH: usize = 80;
/// Open files that a thousand streams and a server's log need with room to spare.
const FEW_FILES: u64 = 4096;

/// Runs the command.
pub fn doctor(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let environment = play::look_at_machine();
    let definitions = Definitions::load(args.backends_dir.as_deref())?;
    let finder = Finder::new()?;
    print("Machine");
    for (name, value) in machine_lines(&environment) {
        print(&format!("  {name:<12} {value}"));
    }
    let host = doctor_host::look(&environment);
    for (name, value) in &host.lines {
        wrap(value, WIDTH, &format!("  {name:<12} "), &" ".repeat(15)).iter().for_each(|line| print(line));
    }
    let gpus = doctor_gpus::look(&environment);
    print(&gpus.title);
    for (name, value) in &gpus.lines {
        wrap(value, WIDTH, &format!("  {name:<12} "), &" ".repeat(15)).iter().for_each(|line| print(line));
    }
    print("Engines");
    let mut slower_builds = Vec::new();
    for definition in definitions.iter() {
        let line = match finder.find(definition, &BTreeMap::new())? {
            Some(found) => {
                slower_builds.extend(without_avx_512(definition, &found));
                format!("{} ({})", found.version.as_deref().unwrap_or("version unknown"), found.place)
            }
            None => format!("not installed: {}", definition.file.install.hint),
        };
        print(&format!("  {:<12} {line}", definition.name));
    }
    let tryout = model::tryout_paths(&finder.data_dir).gguf;
    let tryout = if tryout.is_file() {
        tryout.display().to_string()
    } else {
        "not installed: harness install tryout-model".into()
    };
    print(&format!("  {:<12} {tryout}", "try-out model"));
    let mut doubts = doubts(&environment)?;
    doubts.extend(gpus.doubts);
    doubts.extend(slower_builds);
    print("What would spoil a measurement");
    if doubts.is_empty() && host.doubts.is_empty() {
        print("  nothing found");
    }
    for doubt in doubts {
        print(&format!("  - {doubt}"));
    }
    for doubt in &host.doubts {
        wrap(doubt, WIDTH, "  - ", "    ").iter().for_each(|line| print(line));
    }
    Ok(ExitCode::SUCCESS)
}

/// The doubt about a prebuilt engine on a processor for which it has no code.
fn without_avx_512(definition: &Definition, found: &Found) -> Option<String> {
    let recipe = definition.file.install.prebuilt.as_ref()?;
    let older = found.build == Some(Build::Prebuilt)
        && recipe.instructions.iter().all(|name| !name.starts_with("avx512"));
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    (older && cpuinfo.split_whitespace().any(|flag| flag == "avx512f")).then(|| {
        let name = &definition.name;
        format!(
            "the prebuilt {} has no AVX-512 code, which this processor could run: harness install {name} --from source \
             compiles it, and --set LABEL.build=source|prebuilt compares the two",
            definition.title()
        )
    })
}

fn machine_lines(environment: &Environment) -> Vec<(&'static str, String)> {
    let gib = |bytes: u64| format!("{:.0} GiB", bytes as f64 / f64::from(1 << 30));
    vec![
        ("system", environment.os.clone()),
        ("processor", format!("{}, {} cores", environment.cpu, environment.cores)),
        ("memory", gib(environment.memory_bytes)),
        ("open files", format!("{} (hard limit {})", environment.open_files.0, environment.open_files.1)),
    ]
}

fn doubts(environment: &Environment) -> anyhow::Result<Vec<String>> {
    let mut doubts = Vec::new();
    for leftover in leftovers::find() {
        doubts.push(format!("a server is left over from an earlier run: {leftover} (the next run ends it)"));
    }
    for (file, why) in leftovers::disbelieved() {
        doubts.push(format!(
            "{} is not believed: {why}; remove it where it is nothing of yours",
            file.display()
        ));
    }
    doubts.extend(busy(load_average(), load_cores(environment.limits.as_ref(), environment.cores)));
    if environment.open_files.0 < FEW_FILES {
        doubts.push(format!(
            "only {} open files are allowed: ulimit -n {FEW_FILES} for more streams",
            environment.open_files.0
        ));
    }
    if environment.cores < 4 && environment.gpus.is_empty() {
        doubts.push(format!(
            "client and server share {} cores: what the client takes, the server lacks",
            environment.cores
        ));
    }
    if let Some(governor) = governor()
        && governor != "performance"
    {
        doubts.push(format!("the CPU governor is '{governor}': clocks change under load (cpupower frequency-set -g performance)"));
    }
    Ok(doubts)
}

/// Logical cores that the load average is of: the machine's, also those that a container may not use.
fn load_cores(limits: Option<&ContainerLimits>, cores: usize) -> usize {
    limits.map_or(cores, |limits| limits.host_cores)
}

fn busy(load: f64, cores: usize) -> Option<String> {
    (load > BUSY_SHARE * cores as f64).then(|| {
        format!("the machine is busy: load {load:.1} on {cores} cores; end other work, or measure later")
    })
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

fn governor() -> Option<String> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_average_is_held_against_all_cores_of_the_machine() {
        let limits = ContainerLimits {
            host_cores: 64,
            host_memory_bytes: 1 << 38,
            cpu_quota: Some(2.0),
            memory_bytes: None,
        };
        assert_eq!((load_cores(Some(&limits), 2), load_cores(None, 8)), (64, 8));
        assert_eq!(busy(6.0, 64), None);
        assert!(busy(6.0, 8).is_some_and(|doubt| doubt.contains("load 6.0 on 8 cores")));
    }
}
