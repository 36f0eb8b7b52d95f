//! A stamp whose absence takes no room: an answer holds several, and a client holds thousands of answers.

use std::num::NonZeroU64;

/// µs from the run's start. It is kept one higher, so that an `Option` of it is no larger than its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(NonZeroU64);

impl Stamp {
    /// A stamp of so many µs.
    pub(super) fn at(us: u64) -> Stamp {
        Stamp(NonZeroU64::MIN.saturating_add(us))
    }

    /// Its µs.
    pub(super) fn us(self) -> u64 {
        self.0.get() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_gives_back_its_microseconds_and_its_absence_takes_no_room() {
        for us in [0, 1, 42, u64::MAX - 1] {
            assert_eq!(Stamp::at(us).us(), us);
        }
        assert_eq!(size_of::<Option<Stamp>>(), size_of::<u64>());
    }
}
