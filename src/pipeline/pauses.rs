//! Pauses between questions to a server whose counters may lag behind what it was sent: short at first, as most do not.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(20);
/// Each is twice the one before, up to this.
const LONGEST: Duration = Duration::from_millis(500);

/// Pauses that are `limit` long together.
pub fn pauses(limit: Duration) -> impl Iterator<Item = Duration> {
    let (mut left, mut next) = (limit, FIRST);
    std::iter::from_fn(move || {
        let pause = next.min(left);
        left -= pause;
        next = (next * 2).min(LONGEST);
        (!pause.is_zero()).then_some(pause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_grow_and_last_as_long_as_they_may() {
        let ms: Vec<u128> = pauses(Duration::from_secs(2)).map(|pause| pause.as_millis()).collect();
        assert_eq!(ms, [20, 40, 80, 160, 320, 500, 500, 380]);
    }
}
