//! The requests of all workers together: each is there once.

use crate::schema::plan::LoadPoint;
use crate::schema::record::RequestRecord;
use crate::schema::refusal::refuse;
use crate::schema::traffic::Traffic;

/// Numbers that an error names at most.
const NAMED: usize = 5;

/// A measured request, by what is to be there once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Played {
    unit: u64,
    turn: u32,
    worker: u32,
    index: u64,
}

impl Played {
    pub(super) fn of(record: &RequestRecord, worker: u32) -> Played {
        Played { unit: record.unit, turn: record.turn, worker, index: record.index }
    }
}

/// Sorts them, and tells whether their indices need be given anew: those of conversations leave gaps, as each worker
/// counts for itself. Of a run that did not reach its end nobody knows what should be there.
///
/// # Errors
/// A request is there twice, is not of the load, or is missing.
pub(super) fn check(
    played: &mut [Played],
    load: Option<&LoadPoint>,
    is_partial: bool,
) -> anyhow::Result<bool> {
    played.sort_unstable();
    let pairs = || played.iter().zip(played.iter().skip(1));
    let same = pairs().filter(|(left, right)| (left.unit, left.turn) == (right.unit, right.turn));
    let doubled =
        same.map(|(left, right)| format!("{} (workers {}, {})", left.unit, left.worker, right.worker));
    fail(doubled, "in the records twice")?;
    let most = load.and_then(|load| load.until.requests()).unwrap_or(u64::MAX);
    let beyond = played.iter().filter(|one| one.unit >= most && one.turn == 0);
    fail(beyond.map(|one| format!("{} (worker {})", one.unit, one.worker)), "not of this load")?;
    if !is_partial {
        fail(missing(played, load).map(|unit| unit.to_string()), "in no worker's records")?;
    }
    Ok(has_several_turns(played) && !are_whole(played))
}

fn fail(mut numbers: impl Iterator<Item = String>, what: &str) -> anyhow::Result<()> {
    let named: Vec<String> = numbers.by_ref().take(NAMED).collect();
    if named.is_empty() {
        return Ok(());
    }
    let more = if numbers.next().is_some() { " and more" } else { "" };
    refuse(
        format!("requests {}{more} are {what}: they were lost or counted twice", named.join(", ")),
        "check that these are all parts of one run; this should not happen",
    )
}

/// Units of which a request is missing, by those behind it. What goes to a slot of a closed loop is in order there, and
/// slots end at different numbers.
fn missing<'a>(played: &'a [Played], load: Option<&LoadPoint>) -> impl Iterator<Item = u64> + 'a {
    let stride = match load.map(|load| &load.traffic) {
        Some(Traffic::Closed { slots, .. }) => u64::from(slots.get()),
        Some(Traffic::Open { .. }) | None => 1,
    };
    let is_there =
        |unit: u64, turn: u32| played.binary_search_by_key(&(unit, turn), |one| (one.unit, one.turn));
    played.iter().filter_map(move |one| {
        let before = match one.turn.checked_sub(1) {
            Some(turn) => Some((one.unit, turn)),
            None => one.unit.checked_sub(stride).map(|unit| (unit, 0)),
        };
        before.filter(|(unit, turn)| is_there(*unit, *turn).is_err()).map(|(unit, _)| unit)
    })
}

fn has_several_turns(played: &[Played]) -> bool {
    played.iter().any(|one| one.turn > 0 || one.index != one.unit)
}

/// The indices are 0, 1, 2 …, each once.
fn are_whole(played: &[Played]) -> bool {
    let mut seen = vec![false; played.len()];
    played.iter().all(|one| {
        let place = usize::try_from(one.index).ok().and_then(|index| seen.get_mut(index));
        place.is_some_and(|place| !std::mem::replace(place, true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::traffic::{Arrivals, Ramp, Until};

    fn load(slots: Option<u32>) -> LoadPoint {
        let traffic = match slots {
            Some(slots) => Traffic::Closed { slots: slots.try_into().unwrap(), ramp: Ramp::Automatic },
            None => Traffic::Open { arrivals: Arrivals::AllAtOnce, cap: None },
        };
        LoadPoint::of(traffic, Until::after_requests(10.try_into().unwrap()))
    }

    fn checked(units: &[u64], slots: Option<u32>, is_partial: bool) -> Result<bool, String> {
        let one = |unit: &u64| Played { unit: *unit, turn: 0, worker: (*unit % 3) as u32, index: *unit };
        let mut played: Vec<Played> = units.iter().map(one).collect();
        check(&mut played, Some(&load(slots)), is_partial).map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_that_is_missing_doubled_or_foreign_is_named() {
        assert_eq!(checked(&[2, 0, 1], None, false), Ok(false));
        let why = |units: &[u64], slots, is_partial| checked(units, slots, is_partial).unwrap_err();
        assert!(why(&[0, 2, 3], None, false).starts_with("requests 1 are in no worker's records"));
        assert_eq!(checked(&[0, 2, 3], None, true), Ok(false), "it may never have been offered");
        assert!(
            why(&[0, 1, 1], None, true).starts_with("requests 1 (workers 1, 1) are in the records twice")
        );
        assert!(why(&[0, 11], None, true).starts_with("requests 11 (worker 2) are not of this load"));
        // Slot 0 came further than slot 1, and slot 2 has lost one.
        assert_eq!(checked(&[0, 1, 2, 3, 6, 5], Some(3), false), Ok(false));
        assert!(why(&[0, 1, 2, 3, 6, 8], Some(3), false).starts_with("requests 5 are"));
    }

    #[test]
    fn only_indices_that_leave_gaps_are_given_anew() {
        let talk = |unit, turn, index| Played { unit, turn, worker: 0, index };
        let check = |mut played: Vec<Played>| check(&mut played, Some(&load(None)), false).unwrap();
        assert!(!check(vec![talk(0, 0, 0), talk(1, 0, 1), talk(0, 1, 2)]));
        assert!(check(vec![talk(0, 0, 0), talk(1, 0, 1), talk(0, 1, 4)]));
    }
}
