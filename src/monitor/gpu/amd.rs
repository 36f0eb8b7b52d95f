//! AMD's GPUs through amd-smi, else rocm-smi: programs that are run anew for each reading.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::programs;
use crate::schema::gpu::{GpuHead, GpuReading};
use crate::schema::series::gpu::GPU_ENERGY;

use super::amd_json::{self, Shown};
use super::choice::{Choice, Offered};
use super::library::{Absent, GpuLibrary};

/// What one run may take.
const RUN_LIMIT: Duration = Duration::from_secs(10);
/// Between two runs: each is a Python program that takes about half a second of a core.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(2);
/// A reading that is older is none.
const STALE: Duration = Duration::from_secs(15);

/// The program that reads them.
#[derive(Debug, Clone)]
struct Program {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    AmdSmi,
    RocmSmi,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::AmdSmi => "amd-smi",
            Kind::RocmSmi => "rocm-smi",
        }
    }
}

/// The chosen GPUs of AMD's.
#[derive(Debug)]
pub(super) struct AmdLibrary {
    kind: Kind,
    chosen: Vec<GpuHead>,
    latest: Arc<Mutex<Latest>>,
    /// When that was read which was given last.
    given: Option<Instant>,
}

/// What was read last, and when: halfway through the program's run.
type Latest = Option<(Instant, Vec<Shown>)>;

impl AmdLibrary {
    /// The GPUs of a choice, and what is to be said of them; none where neither program is in the directories of `path`.
    pub(super) fn open(
        path: &OsStr,
        choice: &Choice,
        interval: Duration,
    ) -> Option<Result<(AmdLibrary, Vec<String>), Absent>> {
        let kinds = [Kind::AmdSmi, Kind::RocmSmi].into_iter();
        let mut programs =
            kinds.filter_map(|kind| Some(Program { path: programs::on_path(kind.name(), path)?, kind }));
        let first = programs.next()?;
        let opened = AmdLibrary::run(first, choice, interval);
        Some(opened.or_else(|absent| {
            programs.next().map_or(Err(absent), |second| AmdLibrary::run(second, choice, interval))
        }))
    }

    fn run(
        program: Program,
        choice: &Choice,
        interval: Duration,
    ) -> Result<(AmdLibrary, Vec<String>), Absent> {
        let kind = program.kind;
        let cannot = || Absent(format!("{} shows no GPU", kind.name()));
        let began = Instant::now();
        let mut shown = program.read().filter(|shown| !shown.is_empty()).ok_or_else(cannot)?;
        let read_at = began + began.elapsed() / 2;
        program.name(&mut shown);
        let offer = |Shown { head, .. }: &Shown| Offered {
            uuid: head.uuid.clone(),
            name: head.name.clone(),
            is_slice: false,
            is_sliced: false,
            is_busy: None,
        };
        let places = choice.of_amd(&shown.iter().map(offer).collect::<Vec<_>>());
        if places.is_empty() {
            return Err(Absent("the server is given none of the machine's GPUs".into()));
        }
        let chosen = places.into_iter().map(|place| shown[place].head.clone()).collect();
        let latest = Arc::new(Mutex::new(Some((read_at, shown))));
        let shared = Arc::downgrade(&latest);
        let pause = interval.max(SHORTEST_INTERVAL);
        let work = move || follow(&program, pause, &shared);
        let failed = |error| Absent(format!("no thread for {}: {error}", kind.name()));
        std::thread::Builder::new().name("amd-gpus".into()).spawn(work).map_err(failed)?;
        let note = format!(
            "{} is run anew for each reading, so GPUs are read every {} s",
            kind.name(),
            pause.as_secs_f64()
        );
        Ok((AmdLibrary { kind, chosen, latest, given: None }, vec![note]))
    }
}

impl Program {
    fn text(&self, arguments: &[&str]) -> Option<String> {
        text(&self.path, arguments)
    }

    fn read(&self) -> Option<Vec<Shown>> {
        match self.kind {
            Kind::AmdSmi => amd_json::metric(&self.text(&["metric", "--json"])?),
            Kind::RocmSmi => amd_json::rocm(&self.text(&[
                "--showuse",
                "--showmeminfo",
                "vram",
                "--showpower",
                "--showtemp",
                "--showclocks",
                "--showproductname",
                "--showuniqueid",
                "--json",
            ])?),
        }
    }

    /// amd-smi tells names apart from values.
    fn name(&self, shown: &mut [Shown]) {
        let names = match self.kind {
            Kind::AmdSmi => self.text(&["static", "--json"]).and_then(|text| amd_json::names(&text)),
            Kind::RocmSmi => return,
        };
        for Shown { head, .. } in shown {
            let named = names.as_ref().and_then(|names| names.get(&head.index));
            head.name = named.map_or_else(|| amd_json::UNNAMED.to_owned(), |named| named.name.clone());
            head.uuid = named.map(|named| named.uuid.clone()).unwrap_or_default();
            head.power_limit_w = named.and_then(|named| named.power_limit_w);
        }
    }
}

fn text(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = programs::output(command, RUN_LIMIT)?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads again and again until nobody holds the other end.
fn follow(program: &Program, pause: Duration, shared: &Weak<Mutex<Latest>>) {
    while shared.strong_count() > 0 {
        let began = Instant::now();
        let shown = program.read();
        let read_at = began + began.elapsed() / 2;
        if let (Some(shown), Some(latest)) = (shown, shared.upgrade()) {
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((read_at, shown));
        }
        std::thread::sleep(pause.saturating_sub(began.elapsed()));
    }
}

impl GpuLibrary for AmdLibrary {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn gpus(&self) -> Vec<GpuHead> {
        self.chosen.clone()
    }

    fn read(&mut self) -> anyhow::Result<Vec<GpuReading>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((read_at, shown)) = latest.as_ref().filter(|(at, _)| at.elapsed() < STALE) else {
            bail!("{} gave no answer for {} s", self.kind.name(), STALE.as_secs());
        };
        let is_repeated = self.given.replace(*read_at) == Some(*read_at);
        let reading = |gpu: &GpuHead| {
            let now = shown.iter().find(|shown| shown.head.index == gpu.index)?;
            Some(GpuReading {
                index: gpu.index,
                uuid: gpu.uuid.clone(),
                name: gpu.name.clone(),
                values: now.values.clone(),
                energy_age_s: now.values.contains_key(GPU_ENERGY).then(|| read_at.elapsed().as_secs_f64()),
                is_repeated,
                memory_bytes: gpu.memory_bytes,
                power_limit_w: gpu.power_limit_w,
                processes: None,
            })
        };
        let readings: Vec<GpuReading> = self.chosen.iter().filter_map(reading).collect();
        if readings.is_empty() {
            bail!("{} shows none of the server's GPUs any more", self.kind.name());
        }
        Ok(readings)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::series::gpu::GPU_POWER;

    const SCRIPT: &str = r#"#!/bin/sh
case "$1" in
  static) echo '{"gpu_data": [{"gpu": 0, "asic": {"market_name": "MI300X"}, "uuid": "u0"}]}';;
  metric) echo '{"gpu_data": [{"gpu": 0, "power": {"socket_power": {"value": 300, "unit": "W"}}, "energy": {"total_energy_consumption": {"value": 50, "unit": "J"}}}]}';;
esac
"#;

    #[test]
    fn amd_smi_is_run_for_names_and_for_values() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("amd-smi");
        std::fs::write(&program, SCRIPT).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = directory.path().as_os_str();
        let (mut library, notes) = AmdLibrary::open(path, &Choice::all(), STALE).unwrap().unwrap();
        assert!(notes[0].contains("every 15 s"), "{notes:?}");
        let head = &library.gpus()[0];
        assert_eq!((head.name.as_str(), head.uuid.as_str(), library.name()), ("MI300X", "u0", "amd-smi"));
        let read = |_| {
            std::thread::sleep(Duration::from_millis(20));
            library.read().unwrap().remove(0)
        };
        let readings: Vec<GpuReading> = (0..25).map(read).collect();
        let shown = &readings[0].values;
        assert_eq!((shown[GPU_POWER], shown[GPU_ENERGY], readings[0].is_repeated), (300.0, 50.0, false));
        // The program ran once when it was opened, and once more at most since.
        assert!(readings.iter().filter(|reading| !reading.is_repeated).count() <= 2, "{readings:?}");
        let ages = |pair: &[GpuReading]| !pair[1].is_repeated || pair[1].energy_age_s > pair[0].energy_age_s;
        assert!(readings.windows(2).all(ages), "{readings:?}");
        assert!(AmdLibrary::open(OsStr::new("/nonexistent"), &Choice::all(), STALE).is_none());
    }
}
