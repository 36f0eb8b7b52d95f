//! Workers that were lost, in words: the run is not what was asked for.

use crate::schema::workers::WorkerStats;

use super::worker_parts::Part;

/// A worker that was lost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lost {
    pub(super) worker: u32,
    of: u32,
    left: Left,
}

/// What a lost worker left.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    /// Records: the end of the last request, s after the measured phase began.
    Until(f64),
    /// Records without an answer of the measured phase.
    Nothing,
    /// No records.
    NoFile,
}

impl Lost {
    /// What came of it: `lost at 12.3 s`.
    pub(super) fn words(&self) -> String {
        match self.left {
            Left::Until(at_s) => format!("lost at {at_s:.1} s"),
            Left::Nothing => "lost before it had recorded an answer".to_owned(),
            Left::NoFile => "its records are not there".to_owned(),
        }
    }

    /// The same in its own figures: when it was lost the run may know better than its records, which are written once a
    /// second.
    pub(super) fn own_words(&self) -> String {
        match self.left {
            Left::Until(at_s) => format!("lost; its records end at {at_s:.1} s"),
            Left::Nothing | Left::NoFile => self.words(),
        }
    }

    /// What is known of a worker without records.
    pub(super) fn absent(&self) -> Option<WorkerStats> {
        (self.left == Left::NoFile).then(|| WorkerStats { worker: self.worker, ..WorkerStats::default() })
    }
}

/// The workers without an end, or without records: `ends_us` are the ends of each one's last request, µs, and `from_us`
/// the start of the measured phase.
pub(super) fn lost(parts: &[Part], ends_us: &[(u32, u64)], from_us: u64) -> Vec<Lost> {
    let of = parts.first().map_or(0, |part| part.share.of);
    let lost = (0..of).filter_map(|worker| {
        let Some(part) = parts.iter().find(|part| part.worker == worker) else {
            return Some(Lost { worker, of, left: Left::NoFile });
        };
        let end_us =
            ends_us.iter().find(|(of_worker, _)| *of_worker == worker).map_or(0, |(_, end_us)| *end_us);
        let left = match end_us.saturating_sub(from_us) {
            0 => Left::Nothing,
            until_us => Left::Until(until_us as f64 / 1e6),
        };
        part.footer.is_none().then_some(Lost { worker, of, left })
    });
    lost.collect()
}

/// `worker 2 of 4 lost at 12.3 s: a quarter of the load was not offered`; none where nobody was lost.
pub(super) fn verdict(lost: &[Lost]) -> Option<String> {
    let (there, absent): (Vec<&Lost>, Vec<&Lost>) = lost.iter().partition(|lost| lost.left != Left::NoFile);
    let of_both = [told(&there, "was not offered"), told(&absent, "is not in the records")];
    let words: Vec<String> = of_both.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn told(lost: &[&Lost], what: &str) -> Option<String> {
    let first = lost.first()?;
    let one = |lost: &&Lost| format!("worker {} of {} {}", lost.worker, lost.of, lost.words());
    let all: Vec<String> = lost.iter().map(one).collect();
    let share = share(lost.len() as u64, u64::from(first.of));
    Some(format!("{}: {share} of the load {what}", all.join(", ").replace(" its records", ": its records")))
}

fn share(lost: u64, of: u64) -> String {
    let named = [(1, 1, "all"), (1, 2, "half"), (1, 3, "a third"), (2, 3, "two thirds"), (1, 4, "a quarter")];
    let named = named.into_iter().chain([(3, 4, "three quarters")]);
    let mut of_words = named.filter(|(over, under, _)| lost * under == of * over);
    match of_words.next() {
        Some((_, _, words)) => words.to_owned(),
        None => format!("{:.0} %", 100.0 * lost as f64 / of.max(1) as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_worker_is_named_with_its_time_and_its_share_of_the_load() {
        let lost = |worker, of, left| Lost { worker, of, left };
        let cases = [
            (
                vec![lost(2, 4, Left::Until(12.34))],
                "worker 2 of 4 lost at 12.3 s: a quarter of the load was not offered",
            ),
            (
                vec![lost(3, 4, Left::Nothing)],
                "worker 3 of 4 lost before it had recorded an answer: a quarter of the load was not offered",
            ),
            (
                vec![lost(1, 2, Left::NoFile)],
                "worker 1 of 2: its records are not there: half of the load is not in the records",
            ),
            (
                vec![lost(0, 5, Left::Until(1.0)), lost(3, 5, Left::Until(2.0))],
                "worker 0 of 5 lost at 1.0 s, worker 3 of 5 lost at 2.0 s: 40 % of the load was not offered",
            ),
        ];
        for (lost, words) in cases {
            assert_eq!(verdict(&lost).unwrap(), words);
        }
        assert_eq!(verdict(&[]), None);
    }
}
