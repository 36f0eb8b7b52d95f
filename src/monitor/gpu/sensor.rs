//! GPUs as a sensor of the sampler: the library's calls may block, so they are made on a thread of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use anyhow::Context;
use tokio::sync::oneshot;

use crate::schema::gpu::{GpuHead, GpuProcess, GpuReading, GpusHead, OtherOnGpu};
use crate::schema::series::gpu::{GPU_ENERGY_AGE, GPU_MEMORY_OF_OTHERS, GPU_MEMORY_OF_SERVER};
use crate::secrets::from_outside;

use super::super::reading::Reading;
use super::library::Opened;
use super::processes;

/// Where an answer goes.
type Asked = oneshot::Sender<anyhow::Result<Vec<GpuReading>>>;
type Answer = oneshot::Receiver<anyhow::Result<Vec<GpuReading>>>;

/// The sensor of the GPUs that a server uses.
#[derive(Debug)]
pub struct Gpus {
    head: GpusHead,
    asks: mpsc::Sender<Asked>,
    /// One that still takes, where nobody waited for it any more.
    pending: Option<Answer>,
    /// The server's own process, where it is ours.
    server: Option<u32>,
    /// Those that were missed already.
    lost: BTreeSet<u32>,
    news: Option<String>,
    /// Processes by GPU and id that were looked at already.
    known: BTreeSet<(u32, u32)>,
    /// Those among them that are not the server's, and were not told of yet.
    others: Vec<OtherOnGpu>,
}

impl Gpus {
    /// The sensor of an opened library. `server` is the id of the server's process, for whose memory is whose.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn new(opened: Opened, server: Option<u32>) -> anyhow::Result<Gpus> {
        let mut library = opened.library;
        let head = GpusHead { read_by: library.name().to_owned(), devices: library.gpus() };
        let (asks, asked) = mpsc::channel::<Asked>();
        let work = move || {
            for answer in asked {
                // Nobody waits any more where the run is over.
                let _ = answer.send(library.read());
            }
        };
        std::thread::Builder::new().name("gpus".into()).spawn(work)?;
        Ok(Gpus {
            head,
            asks,
            pending: None,
            server,
            lost: BTreeSet::new(),
            news: None,
            known: BTreeSet::new(),
            others: Vec::new(),
        })
    }

    /// Which they are.
    pub fn head(&self) -> &GpusHead {
        &self.head
    }

    /// What a reader must know since it was asked last: a GPU that vanished, said once.
    pub(in crate::monitor) fn news(&mut self) -> Option<String> {
        self.news.take()
    }

    /// Processes that are not the server's, since it was asked last; each is told of once.
    pub(in crate::monitor) fn others(&mut self) -> Vec<OtherOnGpu> {
        std::mem::take(&mut self.others)
    }

    /// One reading a GPU.
    ///
    /// # Errors
    /// None can be read any more.
    pub(in crate::monitor) async fn read(&mut self) -> anyhow::Result<Vec<Reading>> {
        let ended = "the thread that reads the GPUs has ended";
        if self.pending.is_none() {
            let (sender, receiver) = oneshot::channel();
            self.asks.send(sender).ok().context(ended)?;
            self.pending = Some(receiver);
        }
        // It stays in place where this is cut off, so that no second question queues behind one that hangs.
        let pending = self.pending.as_mut().context(ended)?;
        let answer = pending.await;
        self.pending = None;
        let readings = answer.context(ended)??;
        self.miss(&readings);
        self.meet(&readings);
        // What its library did not read anew is in an earlier sample.
        let new = readings.into_iter().filter(|reading| !reading.is_repeated);
        Ok(new.map(|reading| self.values(reading)).collect())
    }

    fn miss(&mut self, readings: &[GpuReading]) {
        for GpuHead { index, uuid, name, .. } in &self.head.devices {
            if !readings.iter().any(|reading| reading.index == *index) && self.lost.insert(*index) {
                self.news =
                    Some(format!("GPU {index} ({name}, {uuid}) vanished, and is not read from then on"));
            }
        }
    }

    fn meet(&mut self, readings: &[GpuReading]) {
        let Some(server) = self.server else { return };
        for GpuReading { index, processes, .. } in readings {
            let Some(processes) = processes else { continue };
            let is_new = |process: &&GpuProcess| self.known.insert((*index, process.pid));
            let new: Vec<GpuProcess> = processes.iter().filter(is_new).cloned().collect();
            let named = |process: &GpuProcess| OtherOnGpu {
                device: *index,
                process: GpuProcess {
                    name: process.name.as_deref().map(|name| from_outside(name).into_owned()),
                    ..process.clone()
                },
            };
            self.others.extend(processes::others(&new, server).map(named));
        }
    }

    fn values(&self, reading: GpuReading) -> Reading {
        let GpuReading { index, values, energy_age_s, processes, .. } = reading;
        let mut values: BTreeMap<String, f64> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut add =
            |name: &str, value: Option<f64>| value.map(|value| values.insert(name.to_owned(), value));
        add(GPU_ENERGY_AGE, energy_age_s);
        let shares = processes.zip(self.server).and_then(|(held, server)| processes::shares(&held, server));
        add(GPU_MEMORY_OF_SERVER, shares.map(|(server, _)| server));
        add(GPU_MEMORY_OF_OTHERS, shares.map(|(_, others)| others));
        Reading { device: Some(index), values, histograms: Default::default(), broken_lines: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::library::GpuLibrary;
    use super::*;
    use crate::schema::series::gpu::GPU_POWER;

    /// Loses its second GPU at its third reading, and hangs at its fifth.
    #[derive(Debug)]
    struct Pretend(u32);

    impl GpuLibrary for Pretend {
        fn name(&self) -> &'static str {
            "pretend"
        }

        fn gpus(&self) -> Vec<GpuHead> {
            (0..2).map(|index| GpuHead { index, name: "X".into(), ..GpuHead::default() }).collect()
        }

        fn read(&mut self) -> anyhow::Result<Vec<GpuReading>> {
            self.0 += 1;
            if self.0 == 5 {
                std::thread::sleep(Duration::from_secs(3600));
            }
            let count = if self.0 < 3 { 2 } else { 1 };
            let reading = |index| GpuReading {
                index,
                values: BTreeMap::from([(GPU_POWER, f64::from(self.0))]),
                energy_age_s: Some(0.05),
                ..GpuReading::default()
            };
            Ok((0..count).map(reading).collect())
        }
    }

    #[test]
    fn a_gpu_that_vanishes_is_said_once_and_one_that_hangs_is_not_asked_twice() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let opened = Opened { library: Box::new(Pretend(0)), notes: Vec::new() };
            let mut gpus = Gpus::new(opened, None).unwrap();
            let first = gpus.read().await.unwrap();
            assert_eq!((first.len(), first[1].device, first[1].values[GPU_POWER]), (2, Some(1), 1.0));
            assert_eq!(first[0].values[GPU_ENERGY_AGE], 0.05);
            assert_eq!((gpus.read().await.unwrap().len(), gpus.news()), (2, None));
            assert_eq!(gpus.read().await.unwrap().len(), 1);
            assert!(gpus.news().unwrap().starts_with("GPU 1 (X, ) vanished"));
            gpus.read().await.unwrap();
            assert_eq!(gpus.news(), None);
            for _ in 0..2 {
                let soon = Duration::from_millis(20);
                assert!(tokio::time::timeout(soon, gpus.read()).await.is_err());
            }
        });
    }

    #[test]
    fn a_process_that_is_not_the_servers_is_told_of_once() {
        use crate::monitor::gpu::fake::{FakeGpus, gpu, held_by};
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let own = std::process::id();
            let alone = held_by(gpu(0, 100.0, 2.0), own, "server", 1.0);
            let shared = held_by(alone.clone(), 1, "init", 1.0);
            let steps = [alone.clone(), shared.clone(), shared, alone].map(|reading| Ok(vec![reading]));
            let opened = Opened { library: Box::new(FakeGpus::scripted(steps)), notes: Vec::new() };
            let mut gpus = Gpus::new(opened, Some(own)).unwrap();
            let mut told = Vec::new();
            for _ in 0..4 {
                gpus.read().await.unwrap();
                told.push(gpus.others().iter().map(|other| other.process.pid).collect::<Vec<_>>());
            }
            assert_eq!(told, [vec![], vec![1], vec![], vec![]]);
        });
    }
}
