//! PCIe throughput on chips without a counter of it: the call blocks for 20 ms a direction, so a thread of its own asks.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::nvml_calls::{Calls, Query, Trouble};

/// Between two rounds of questions: each holds no core, and the driver's lock for a moment only.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes/s sent and received by place; none where nothing new was read.
type Latest = Mutex<Vec<Option<(f64, f64)>>>;

/// What was read last, bytes/s sent and received, of each board asked for; it is taken once.
#[derive(Debug)]
pub(super) struct PcieRates {
    latest: Arc<Latest>,
}

impl PcieRates {
    /// Asks for these boards until it is dropped.
    pub(super) fn start(calls: Arc<dyn Calls>, boards: Vec<usize>) -> Option<PcieRates> {
        let latest = Arc::new(Mutex::new(vec![None; boards.len()]));
        let shared = Arc::downgrade(&latest);
        let work = move || follow(calls, boards, &shared);
        std::thread::Builder::new().name("gpu-pcie".into()).spawn(work).ok()?;
        Some(PcieRates { latest })
    }

    /// The newest rates of the board at this place of the list, where they were not taken before.
    pub(super) fn take(&self, place: usize) -> Option<(f64, f64)> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place)?.take()
    }
}

fn follow(calls: Arc<dyn Calls>, mut boards: Vec<usize>, shared: &Weak<Latest>) {
    let places: Vec<usize> = (0..boards.len()).collect();
    let mut asked: Vec<(usize, usize)> = places.into_iter().zip(boards.drain(..)).collect();
    while !asked.is_empty() && shared.strong_count() > 0 {
        asked.retain(|(place, board)| {
            let mut rates = calls.ask(*board, &[Query::PcieSentRate, Query::PcieReceivedRate]).into_iter();
            match (rates.next(), rates.next()) {
                (Some(Ok(sent)), Some(Ok(received))) => {
                    if let Some(latest) = shared.upgrade() {
                        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                        latest[*place] = Some((sent, received));
                    }
                    true
                }
                (Some(Err(Trouble::Unsupported | Trouble::Gone)), _) => false,
                _ => true,
            }
        });
        std::thread::sleep(PAUSE);
    }
}
