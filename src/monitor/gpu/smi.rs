//! NVIDIA's GPUs through nvidia-smi, where NVML cannot be loaded: one child writes a line a GPU again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::programs;
use crate::schema::gpu::{GpuHead, GpuReading};

use super::choice::{Choice, Offered};
use super::library::{Absent, GpuLibrary};
use super::smi_fields::{Fields, Line};

/// What one run may take: the driver is woken up first where nothing holds it.
const RUN_LIMIT: Duration = Duration::from_secs(10);
/// What is written less often than this is no longer read.
const SILENCE: Duration = Duration::from_secs(3);
const FORMAT: &str = "--format=csv,noheader,nounits";

/// The chosen GPUs of nvidia-smi.
#[derive(Debug)]
pub(super) struct SmiLibrary {
    chosen: Vec<GpuHead>,
    interval: Duration,
    child: Child,
    shared: Arc<Shared>,
}

/// What the child wrote last.
#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    by_index: BTreeMap<u32, (Instant, Line)>,
    has_ended: bool,
}

impl SmiLibrary {
    /// The GPUs of a choice, and what is to be said of them; none where there is no nvidia-smi in the directories of
    /// `path`.
    pub(super) fn open(
        path: &OsStr,
        choice: &Choice,
        interval: Duration,
    ) -> Option<Result<(SmiLibrary, Vec<String>), Absent>> {
        let program = programs::on_path("nvidia-smi", path)?;
        Some(SmiLibrary::run(&program, choice, interval))
    }

    fn run(program: &Path, choice: &Choice, interval: Duration) -> Result<(SmiLibrary, Vec<String>), Absent> {
        let (fields, lines) = first(program)?;
        let busy = busy(program);
        let offer = |line: &Line| Offered {
            uuid: line.head.uuid.clone(),
            name: line.head.name.clone(),
            is_slice: false,
            is_sliced: line.is_sliced,
            is_busy: busy.as_ref().map(|busy| busy.contains(&line.head.uuid)),
        };
        let (places, notes) = choice.of_nvidia(&lines.iter().map(offer).collect::<Vec<_>>());
        if places.is_empty() {
            return Err(Absent("the server is given none of the machine's GPUs".into()));
        }
        let chosen = places.into_iter().map(|place| lines[place].head.clone()).collect();
        let cannot = |error: std::io::Error| Absent(format!("nvidia-smi cannot be run: {error}"));
        let mut child = Command::new(program)
            .args([&fields.argument(), FORMAT, &format!("--loop-ms={}", interval.as_millis().max(1))])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What a person's Ctrl-C ends is the load, and the samples go on until it has ended.
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let shared = Arc::new(Shared::default());
        let out = child.stdout.take();
        let library = SmiLibrary { chosen, interval, child, shared: shared.clone() };
        let out = out.ok_or_else(|| Absent("nvidia-smi has no output".into()))?;
        let follow = move || follow(out, &fields, &shared);
        std::thread::Builder::new().name("nvidia-smi".into()).spawn(follow).map_err(cannot)?;
        Ok((library, notes))
    }
}

/// The fields that this driver knows, and the GPUs.
fn first(program: &Path) -> Result<(Fields, Vec<Line>), Absent> {
    let mut fields = Fields::wanted();
    loop {
        let mut command = Command::new(program);
        command.args([&fields.argument(), FORMAT]);
        let output = programs::output(command, RUN_LIMIT)
            .ok_or_else(|| Absent(format!("nvidia-smi gave no answer within {} s", RUN_LIMIT.as_secs())))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<Line> = text.lines().filter_map(|line| fields.parse(line)).collect();
        if !lines.is_empty() {
            return Ok((fields, lines));
        }
        let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
        if !fields.drop_unknown(&said) {
            let why = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it shows no GPU");
            return Err(Absent(format!("nvidia-smi: {}", why.trim())));
        }
    }
}

/// UUIDs of GPUs that hold a process; none where it is not told.
fn busy(program: &Path) -> Option<BTreeSet<String>> {
    let mut command = Command::new(program);
    command.args(["--query-compute-apps=gpu_uuid", "--format=csv,noheader"]);
    let output = programs::output(command, RUN_LIMIT).filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect())
}

fn follow(out: ChildStdout, fields: &Fields, shared: &Shared) {
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        let Some(line) = fields.parse(&line) else { continue };
        let mut lines = shared.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.by_index.insert(line.head.index, (Instant::now(), line));
        shared.came.notify_all();
    }
    shared.lines.lock().unwrap_or_else(PoisonError::into_inner).has_ended = true;
    shared.came.notify_all();
}

impl GpuLibrary for SmiLibrary {
    fn name(&self) -> &'static str {
        "nvidia-smi"
    }

    fn gpus(&self) -> Vec<GpuHead> {
        self.chosen.clone()
    }

    fn read(&mut self) -> anyhow::Result<Vec<GpuReading>> {
        let lines = self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let is_waited_for = |lines: &mut Lines| {
            !lines.has_ended && self.chosen.iter().any(|gpu| !lines.by_index.contains_key(&gpu.index))
        };
        // Only before its first answer.
        let wait = self.shared.came.wait_timeout_while(lines, SILENCE, is_waited_for);
        let (lines, _) = wait.unwrap_or_else(PoisonError::into_inner);
        if lines.has_ended {
            bail!("nvidia-smi has ended");
        }
        let now = Instant::now();
        let silence = SILENCE.max(self.interval * 3);
        let reading = |gpu: &GpuHead| {
            let (at, line) = lines.by_index.get(&gpu.index)?;
            (now.saturating_duration_since(*at) < silence).then(|| GpuReading {
                index: gpu.index,
                uuid: gpu.uuid.clone(),
                name: gpu.name.clone(),
                values: line.values.clone(),
                energy_age_s: None,
                is_repeated: false,
                memory_bytes: gpu.memory_bytes,
                power_limit_w: gpu.power_limit_w,
                processes: None,
            })
        };
        let readings: Vec<GpuReading> = self.chosen.iter().filter_map(reading).collect();
        (!readings.is_empty()).then_some(readings).context("nvidia-smi fell silent")
    }
}

impl Drop for SmiLibrary {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::series::gpu::GPU_POWER;

    /// A pretend nvidia-smi of a driver that does not know every field; its second GPU is no more after its third line.
    const SCRIPT: &str = r#"#!/bin/sh
case "$*" in *clocks_event_reasons*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2;; esac
line() { echo "$1, GPU-$1, NVIDIA X, 1024, 300.00, [N/A], 50, 512, $2, 200.0, 200.0, 60, 1000, 2000, 0x0000000000000000"; }
case "$*" in
  *compute-apps*) ;;
  *loop-ms*) n=0; while [ $n -lt 100 ]; do n=$((n+1)); line 0 $n; [ $n -gt 3 ] || line 1 7; sleep 0.02; done;;
  *) line 0 100; line 1 100;;
esac
"#;

    #[test]
    fn a_child_writes_the_lines_and_is_ended_with_the_library() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("nvidia-smi");
        std::fs::write(&program, SCRIPT).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let open = |choice: &Choice| {
            SmiLibrary::open(directory.path().as_os_str(), choice, Duration::from_millis(20)).unwrap()
        };
        let (mut library, notes) = open(&Choice::all()).unwrap();
        assert!(notes.is_empty() && library.gpus().len() == 2, "{notes:?}");
        let first = library.read().unwrap();
        assert_eq!((first.len(), first[1].values[GPU_POWER]), (2, 7.0));
        assert_eq!(first[0].memory_bytes, Some(1 << 30));
        let pid = library.child.id();
        drop(library);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        let (one, _) = open(&Choice::listed("GPU-1")).unwrap();
        assert_eq!(one.gpus()[0].index, 1);
        assert!(SmiLibrary::open(OsStr::new("/nonexistent"), &Choice::all(), SILENCE).is_none());
    }
}
