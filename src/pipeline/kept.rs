//! What was sensed during a run, kept where its samples cannot be read any more: the run's JSON holds what was made of
//! them.

use crate::results::{self, RunFiles};
use crate::schema::caveat::Caveat;
use crate::schema::figure::ENERGY_PER_TOKEN;
use crate::schema::files::RunFile;

use super::sensed::Sensed;

/// Puts what the run's JSON on disk tells of the machine into `file`, which was made again without the samples: figures,
/// series, doubts, and the energy a token. Returns what is to be said of it; none where the samples were read, or where
/// there is nothing to keep.
pub fn keep(files: &RunFiles, sensed: Option<&Sensed>, file: &mut RunFile) -> Option<String> {
    let why = match sensed {
        None => "are gone",
        Some(Sensed::Unreadable(_)) => "cannot be read",
        Some(Sensed::Read(read)) if read.broken.is_some() => "cannot be read to their end",
        Some(Sensed::Read(_)) => return None,
    };
    let old = results::read_run(&files.json()).ok().filter(has_sensed)?;
    let stem = files.stem();
    let window = |file: &RunFile| (file.summary.started_at, file.summary.duration_s);
    if old.summary.key != file.summary.key || window(&old) != window(file) {
        return Some(format!(
            "{stem}: its samples {why}, so its figures of GPUs, machine and server are lost"
        ));
    }
    put(old, file);
    Some(format!("{stem}: its samples {why}, so its figures of GPUs, machine and server stay as they were"))
}

fn has_sensed(file: &RunFile) -> bool {
    let summary = &file.summary;
    let series = [&file.server, &file.server_processes, &file.client, &file.host];
    summary.gpu.is_some()
        || summary.machine.is_some()
        || summary.served.is_some()
        || !file.gpus.is_empty()
        || series.into_iter().flatten().any(|series| series.samples > 0)
}

fn put(old: RunFile, file: &mut RunFile) {
    let (from, to) = (old.summary, &mut file.summary);
    (to.gpu, to.machine, to.served) = (from.gpu, from.machine, from.served);
    let is_energy = |metric: &str| metric == ENERGY_PER_TOKEN;
    to.metrics.extend(from.metrics.into_iter().filter(|(name, _)| is_energy(name)));
    for judged in from.objectives.into_iter().filter(|judged| is_energy(&judged.objective.metric)) {
        if let Some(now) = to.objectives.iter_mut().find(|now| now.objective == judged.objective) {
            *now = judged;
        }
    }
    to.caveats.retain(|caveat| !is_of_samples(caveat));
    to.caveats.extend(from.caveats.into_iter().filter(is_of_samples));
    file.server = old.server.or(file.server.take());
    (file.gpus, file.server_processes) = (old.gpus, old.server_processes);
    (file.client, file.host, file.phases) = (old.client, old.host, old.phases);
}

/// A doubt that comes of samples, and of nothing else.
fn is_of_samples(caveat: &Caveat) -> bool {
    use Caveat as C;
    let of_gpus = matches!(
        caveat,
        C::GpuEnergyUnsure { .. } | C::GpuVanished { .. } | C::GpuShared { .. } | C::GpuThrottled { .. }
    );
    let of_machine = matches!(
        caveat,
        C::OthersBusy { .. }
            | C::CpuStolen { .. }
            | C::Swapping { .. }
            | C::CpuQuotaReached { .. }
            | C::MemoryNearlyFull { .. }
            | C::CpuClock { .. }
    );
    of_gpus || of_machine || matches!(caveat, C::Preempted { .. } | C::OtherRequests { .. })
}
