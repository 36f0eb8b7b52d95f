//! NVIDIA's GPUs through NVML.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::schema::gpu::{GpuHead, GpuProcess, GpuReading};
use crate::schema::series::gpu::{
    GPU_CLOCK_REASONS, GPU_ENERGY, GPU_MEMORY_CLOCK, GPU_MEMORY_USED, GPU_NVLINK_RECEIVED, GPU_NVLINK_SENT,
    GPU_PCIE_RECEIVED, GPU_PCIE_SENT, GPU_POWER, GPU_POWER_AVERAGE, GPU_SM_CLOCK, GPU_TEMPERATURE,
    GPU_UTILISATION,
};

use super::choice::{Choice, Offered};
use super::energy_age::EnergyAge;
use super::library::{Absent, GpuLibrary, Pace};
use super::nvml_calls::{Board, Calls, Query, Trouble};
use super::pcie::PcieRates;
use super::processes;

/// Asked at each reading: two calls, one of which is for all fields.
const QUICK: &[Query] = &[Query::PowerInstant, Query::PowerAverage, Query::Utilisation];
/// Fields as well, but counters, some of which cost more than all else together: asked seldom beside a load.
const COUNTERS: &[Query] = &[
    Query::Energy,
    Query::PcieSentCount,
    Query::PcieReceivedCount,
    Query::NvlinkSent,
    Query::NvlinkReceived,
];
/// What changes slowly, or is a state: a call each, so not asked at each reading beside a load.
const SLOW: &[Query] =
    &[Query::MemoryUsed, Query::SmClock, Query::MemoryClock, Query::ClockReasons, Query::Temperature];

/// Between two looks at the processes: they cost a look into /proc each.
const PROCESSES_EVERY: Duration = Duration::from_secs(1);

/// The chosen GPUs of NVML.
#[derive(Debug)]
pub(super) struct NvmlLibrary {
    calls: Arc<dyn Calls>,
    gpus: Vec<Gpu>,
    /// Where a chosen one has no counter of PCIe.
    rates: Option<PcieRates>,
}

/// One that is read.
#[derive(Debug)]
struct Gpu {
    board: usize,
    about: Board,
    /// Queries that it does not have.
    lacks: BTreeSet<Query>,
    energy: EnergyAge,
    /// The last counters of PCIe, bytes sent and received, and when they were read.
    pcie: Option<(f64, f64, Instant)>,
    counters: Every,
    whole: Every,
    processes: Every,
    is_gone: bool,
}

/// What takes place at a reading once in a while.
#[derive(Debug)]
struct Every {
    period: Duration,
    due: Option<Instant>,
}

impl Every {
    fn new(period: Duration) -> Every {
        Every { period, due: None }
    }

    /// Whether its time has come, at the first reading and then once a period; readings come a little early or late.
    fn is_due(&mut self, now: Instant) -> bool {
        match self.due {
            Some(due) if now + self.period / 20 < due => false,
            due => {
                let next = due.map(|due| due + self.period).filter(|next| *next > now);
                self.due = Some(next.unwrap_or(now + self.period));
                true
            }
        }
    }
}

impl NvmlLibrary {
    /// The GPUs of a choice, to be read at this pace, and what is to be said of them.
    ///
    /// # Errors
    /// NVML shows none, or none is chosen.
    pub(super) fn new(
        calls: Arc<dyn Calls>,
        choice: &Choice,
        pace: Pace,
    ) -> Result<(NvmlLibrary, Vec<String>), Absent> {
        if calls.boards().is_empty() {
            return Err(Absent("NVML shows no GPU".into()));
        }
        let offer = |(board, about): (usize, &Board)| Offered {
            uuid: about.uuid.clone(),
            name: about.name.clone(),
            is_slice: about.is_slice,
            is_sliced: about.is_sliced,
            is_busy: calls.holders(board).ok().map(|holders| !holders.is_empty()),
        };
        let offered: Vec<Offered> = calls.boards().iter().enumerate().map(offer).collect();
        let (chosen, notes) = choice.of_nvidia(&offered);
        if chosen.is_empty() {
            return Err(Absent("the server is given none of the machine's GPUs".into()));
        }
        let gpu = |board: usize| Gpu {
            board,
            about: calls.boards()[board].clone(),
            lacks: BTreeSet::new(),
            energy: EnergyAge::default(),
            pcie: None,
            counters: Every::new(pace.counters_every),
            whole: Every::new(pace.whole_every),
            processes: Every::new(PROCESSES_EVERY),
            is_gone: false,
        };
        let gpus: Vec<Gpu> = chosen.into_iter().map(gpu).collect();
        let counts = |gpu: &Gpu| calls.ask(gpu.board, &[Query::PcieSentCount]).iter().all(Result::is_ok);
        let rates = (!gpus.iter().all(counts))
            .then(|| PcieRates::start(calls.clone(), gpus.iter().map(|gpu| gpu.board).collect()))
            .flatten();
        Ok((NvmlLibrary { calls, gpus, rates }, notes))
    }
}

impl GpuLibrary for NvmlLibrary {
    fn name(&self) -> &'static str {
        "nvml"
    }

    fn gpus(&self) -> Vec<GpuHead> {
        let head = |Gpu { about, .. }: &Gpu| GpuHead {
            index: about.index,
            uuid: about.uuid.clone(),
            name: about.name.clone(),
            memory_bytes: about.memory_bytes,
            power_limit_w: about.power_limit_w,
        };
        self.gpus.iter().map(head).collect()
    }

    fn read(&mut self) -> anyhow::Result<Vec<GpuReading>> {
        let calls = &*self.calls;
        let mut readings = Vec::new();
        for (place, gpu) in self.gpus.iter_mut().enumerate() {
            let Some(mut reading) = gpu.read(calls) else { continue };
            if let Some((sent, received)) = self.rates.as_ref().and_then(|rates| rates.take(place)) {
                reading.values.entry(GPU_PCIE_SENT).or_insert(sent);
                reading.values.entry(GPU_PCIE_RECEIVED).or_insert(received);
            }
            readings.push(reading);
        }
        if readings.is_empty() {
            bail!("NVML has lost every GPU that the server uses");
        }
        Ok(readings)
    }
}

impl Gpu {
    /// None once it is lost.
    fn read(&mut self, calls: &dyn Calls) -> Option<GpuReading> {
        if self.is_gone {
            return None;
        }
        let now = Instant::now();
        let tells_all = self.whole.is_due(now);
        let counters = if self.counters.is_due(now) { COUNTERS } else { &[] };
        let slow = if tells_all { SLOW } else { &[] };
        let queries = counters.iter().chain(QUICK).chain(slow).copied();
        let queries: Vec<Query> = queries.filter(|query| !self.lacks.contains(query)).collect();
        let mut answers = BTreeMap::new();
        for (query, answer) in queries.iter().zip(calls.ask(self.board, &queries)) {
            match answer {
                Ok(value) if value.is_finite() => _ = answers.insert(*query, value),
                // Another time it may be well.
                Ok(_) | Err(Trouble::Failed(_)) => {}
                Err(Trouble::Unsupported) => _ = self.lacks.insert(*query),
                Err(Trouble::Gone) => {
                    self.is_gone = true;
                    return None;
                }
            }
        }
        let energy = answers.get(&Query::Energy).copied();
        let mut values: BTreeMap<&'static str, f64> =
            answers.iter().filter_map(|(query, value)| Some((series(*query)?, *value))).collect();
        if !counters.is_empty() {
            self.rates(&answers, now, &mut values);
        }
        Some(GpuReading {
            index: self.about.index,
            uuid: self.about.uuid.clone(),
            name: self.about.name.clone(),
            energy_age_s: energy.and_then(|joules| self.energy.read(joules, now)),
            memory_bytes: self.about.memory_bytes,
            power_limit_w: self.about.power_limit_w,
            is_repeated: false,
            processes: match tells_all && self.processes.is_due(now) {
                true => self.holders(calls, values.get(GPU_MEMORY_USED).copied()),
                false => None,
            },
            values,
        })
    }

    /// PCIe's rates from its counters. A counter that wrapped tells nothing this time.
    fn rates(
        &mut self,
        answers: &BTreeMap<Query, f64>,
        now: Instant,
        values: &mut BTreeMap<&'static str, f64>,
    ) {
        let count = |query| answers.get(&query).copied();
        let counts = count(Query::PcieSentCount).zip(count(Query::PcieReceivedCount));
        let before = std::mem::replace(&mut self.pcie, counts.map(|(sent, received)| (sent, received, now)));
        let Some(((sent, received), (sent_before, received_before, then))) = counts.zip(before) else {
            return;
        };
        let seconds = now.saturating_duration_since(then).as_secs_f64();
        if seconds > 0.0 && sent >= sent_before && received >= received_before {
            values.insert(GPU_PCIE_SENT, (sent - sent_before) / seconds);
            values.insert(GPU_PCIE_RECEIVED, (received - received_before) / seconds);
        }
    }

    /// The processes that hold memory, of which `used` bytes are in use; none where the driver does not tell.
    fn holders(&self, calls: &dyn Calls, used: Option<f64>) -> Option<Vec<GpuProcess>> {
        processes::visible(calls.holders(self.board).ok()?, used)
    }
}

/// The series that an answer is a value of.
fn series(query: Query) -> Option<&'static str> {
    match query {
        Query::Utilisation => Some(GPU_UTILISATION),
        Query::MemoryUsed => Some(GPU_MEMORY_USED),
        Query::PowerInstant => Some(GPU_POWER),
        Query::PowerAverage => Some(GPU_POWER_AVERAGE),
        Query::Energy => Some(GPU_ENERGY),
        Query::Temperature => Some(GPU_TEMPERATURE),
        Query::SmClock => Some(GPU_SM_CLOCK),
        Query::MemoryClock => Some(GPU_MEMORY_CLOCK),
        Query::ClockReasons => Some(GPU_CLOCK_REASONS),
        Query::NvlinkSent => Some(GPU_NVLINK_SENT),
        Query::NvlinkReceived => Some(GPU_NVLINK_RECEIVED),
        Query::PcieSentCount | Query::PcieReceivedCount | Query::PcieSentRate | Query::PcieReceivedRate => {
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "nvml_tests.rs"]
mod tests;
