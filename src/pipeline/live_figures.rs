//! What is known of a run while it goes: fed by the recorder and the sampler, read by whoever shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::schema::record::RequestRecord;
use crate::schema::sample::{Sample, Source};
use crate::schema::unit::Phase;

/// TTFTs that the live median is taken from.
const NEWEST: usize = 512;

/// Figures of a run that goes, shared; of measured requests that have ended.
#[derive(Debug, Clone, Default)]
pub struct LiveFigures(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    newest_ttft_ms: Vec<f64>,
    sensed: BTreeMap<(Source, Option<u32>), Sample>,
}

impl LiveFigures {
    /// Adds a request that has ended.
    pub fn add(&self, record: &RequestRecord) {
        let (Some(ttft_ms), Phase::Measured) = (record.ttft_ms(), record.phase) else { return };
        let newest = &mut self.known().newest_ttft_ms;
        if newest.len() == NEWEST {
            newest.remove(0);
        }
        newest.push(ttft_ms);
    }

    /// Takes a sample in.
    pub fn sense(&self, sample: &Sample) {
        self.known().sensed.insert((sample.source, sample.device), sample.clone());
    }

    /// Median of the newest TTFTs, ms.
    pub fn ttft_p50_ms(&self) -> Option<f64> {
        let mut newest = self.known().newest_ttft_ms.clone();
        newest.sort_by(f64::total_cmp);
        newest.get(newest.len() / 2).copied()
    }

    /// The newest sample of each sensor and device.
    pub fn sensed(&self) -> Vec<Sample> {
        self.known().sensed.values().cloned().collect()
    }

    /// What a thread that panicked left is still worth showing.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
