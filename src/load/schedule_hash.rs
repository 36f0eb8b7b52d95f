//! By what those who play a load together know that it is one load.

use sha2::{Digest, Sha256};

use crate::schema::unit::Units;

use crate::load::job::Job;
use crate::load::schedule::arrivals::due_times_of;

/// Due times that go into the hash of a schedule.
const DUES_HASHED: usize = 1_000_000;
/// Units that go into it, from the first on.
const UNITS_HASHED: u64 = 200;
/// Of those behind them, the ones whose numbers double, to this one.
const LAST_UNIT_HASHED: u64 = 1 << 20;

/// SHA-256, hexadecimal, of what all who play a load together must agree on: the law, the bounds and the seed of its
/// traffic, its due times (the first million), and its units with their turns, lengths and texts (the first 200, and
/// some far behind them).
pub fn schedule_hash(job: &Job) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{:?} {} ", job.load, job.seed));
    if let Some(dues) = due_times_of(&job.load, job.seed, job.units.due_us()) {
        dues.take(DUES_HASHED).for_each(|(_, due_us)| hash.update(due_us.to_le_bytes()));
    }
    hash_units(&mut hash, &job.units);
    hash_units(&mut hash, &job.warmup);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_units(hash: &mut Sha256, units: &Units) {
    let doubled = std::iter::successors(Some(UNITS_HASHED), |k| Some(k * 2));
    let numbers = (0..UNITS_HASHED).chain(doubled.take_while(|k| *k <= LAST_UNIT_HASHED));
    // Of a list that is repeated, what comes again says nothing new.
    for k in numbers.take_while(|k| units.period().is_none_or(|period| *k < period)) {
        let Some(unit) = units.unit(k) else { break };
        hash.update(format!("{k} {unit:?} "));
    }
}
