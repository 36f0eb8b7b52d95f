//! GPUs as a sensor of the sampler: the library's calls may block, so they are made on a thread of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use anyhow::Context;
use tokio::sync::oneshot;

use crate::schema::gpu::{GpuHead, GpuReading, GpusHead};
use crate::schema::series::gpu::{GPU_ENERGY_AGE, GPU_MEMORY_OF_OTHERS, GPU_MEMORY_OF_SERVER};

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
        Ok(Gpus { head, asks, pending: None, server, lost: BTreeSet::new(), news: None })
    }

    /// Which they are.
    pub fn head(&self) -> &GpusHead {
        &self.head
    }

    /// What a reader must know since it was asked last: a GPU that vanished, said once.
    pub(in crate::monitor) fn news(&mut self) -> Option<String> {
        self.news.take()
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
        Ok(readings.into_iter().map(|reading| self.values(reading)).collect())
    }

    fn miss(&mut self, readings: &[GpuReading]) {
        for GpuHead { index, uuid, name, .. } in &self.head.devices {
            if !readings.iter().any(|reading| reading.index == *index) && self.lost.insert(*index) {
                self.news =
                    Some(format!("GPU {index} ({name}, {uuid}) vanished, and is not read from then on"));
            }
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
        Reading { device: Some(index), values, broken_lines: 0 }
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
}
