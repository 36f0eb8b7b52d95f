//! What the newest samples say of GPUs, host, processes and the server's queue.

use std::collections::BTreeMap;

use crate::schema::sample::{Sample, Source};
use crate::schema::series::gpu::{GPU_MEMORY_USED, GPU_POWER, GPU_TEMPERATURE, GPU_UTILISATION};
use crate::schema::series::host::{HOST_BUSY, HOST_MEMORY_AVAILABLE};
use crate::schema::series::processes::{CPU_TIME, RESIDENT};
use crate::schema::series::server::{SERVER_KV_CACHE_USE, SERVER_RUNNING, SERVER_WAITING};

/// A machine at work; what is not sensed is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Machine {
    /// By the library's number.
    pub gpus: BTreeMap<u32, GpuNow>,
    /// Cores busy.
    pub busy_cores: Option<f64>,
    /// Memory that programs can still have, bytes.
    pub free_bytes: Option<f64>,
    /// Cores that the server's processes keep busy.
    pub server_cores: Option<f64>,
    /// Their resident memory, bytes.
    pub server_bytes: Option<f64>,
    /// Cores that this program keeps busy.
    pub client_cores: Option<f64>,
    /// Requests that the server works on.
    pub running: Option<f64>,
    /// Requests that wait at the server.
    pub waiting: Option<f64>,
    /// Used part of its KV cache, 0 to 1.
    pub kv_use: Option<f64>,
    /// CPU time by then: µs on the run's clock, seconds.
    cpu: BTreeMap<Source, (i64, f64)>,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GpuNow {
    /// 0 to 1.
    pub utilisation: Option<f64>,
    /// Bytes.
    pub memory_used: Option<f64>,
    /// W.
    pub power_w: Option<f64>,
    /// °C.
    pub temperature_c: Option<f64>,
}

impl Machine {
    /// Takes the newest samples in.
    pub fn observe(&mut self, sensed: &[Sample]) {
        for sample in sensed {
            let value = |name: &str| sample.values.get(name).copied().filter(|value| value.is_finite());
            match sample.source {
                Source::Gpu => {
                    let gpu = GpuNow {
                        utilisation: value(GPU_UTILISATION),
                        memory_used: value(GPU_MEMORY_USED),
                        power_w: value(GPU_POWER),
                        temperature_c: value(GPU_TEMPERATURE),
                    };
                    self.gpus.insert(sample.device.unwrap_or(0), gpu);
                }
                Source::Host => {
                    self.busy_cores = value(HOST_BUSY);
                    self.free_bytes = value(HOST_MEMORY_AVAILABLE);
                }
                Source::ServerProcesses => {
                    self.server_bytes = value(RESIDENT);
                    if let Some(cores) = self.cores(sample) {
                        self.server_cores = Some(cores);
                    }
                }
                Source::Client => {
                    if let Some(cores) = self.cores(sample) {
                        self.client_cores = Some(cores);
                    }
                }
                Source::Server => {
                    self.running = value(SERVER_RUNNING);
                    self.waiting = value(SERVER_WAITING);
                    self.kv_use = value(SERVER_KV_CACHE_USE);
                }
            }
        }
    }

    /// Nothing of it was sensed.
    pub fn is_unknown(&self) -> bool {
        *self == Machine::default()
    }

    /// Cores busy between the sample before and this one; none where it is the same or the first.
    fn cores(&mut self, sample: &Sample) -> Option<f64> {
        let cpu_s = sample.values.get(CPU_TIME).copied()?;
        let (at_us, before) = *self.cpu.entry(sample.source).or_insert((sample.at_us, cpu_s));
        if sample.at_us <= at_us {
            return None;
        }
        self.cpu.insert(sample.source, (sample.at_us, cpu_s));
        Some(((cpu_s - before) / ((sample.at_us - at_us) as f64 / 1e6)).max(0.0))
    }
}
