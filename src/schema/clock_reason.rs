//! Why a GPU's clocks are not higher: the driver's bits, by name.

/// One bit of [`super::series::gpu::GPU_CLOCK_REASONS`], as NVML and `nvidia-smi` number them
/// (`nvmlClocksEventReason…` in nvml.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReason {
    /// The bit.
    pub bit: u64,
    /// In words, as files and reports have it.
    pub words: &'static str,
    /// The GPU is slower than it could be, and not because nothing is to be done or because somebody set it so.
    pub throttles: bool,
}

const fn reason(bit: u64, words: &'static str, throttles: bool) -> ClockReason {
    ClockReason { bit, words, throttles }
}

/// Every bit that has a meaning.
pub const CLOCK_REASONS: [ClockReason; 9] = [
    reason(0x1, "idle", false),
    reason(0x2, "clocks set by the user", false),
    reason(0x4, "power cap", true),
    reason(0x8, "hardware slowdown", true),
    reason(0x10, "boost in step with other GPUs", false),
    reason(0x20, "heat (software slowdown)", true),
    reason(0x40, "heat (hardware slowdown)", true),
    reason(0x80, "power brake (hardware slowdown)", true),
    reason(0x100, "clocks of the display", false),
];

/// The reasons of a sample's bits; bits without a meaning are passed over.
pub fn clock_reasons(bits: u64) -> impl Iterator<Item = &'static ClockReason> {
    CLOCK_REASONS.iter().filter(move |reason| bits & reason.bit != 0)
}

/// Whether bits of a sample show a GPU that is slowed down.
pub fn is_throttled(bits: u64) -> bool {
    clock_reasons(bits).any(|reason| reason.throttles)
}

/// Whether words of [`ClockReason::words`] stand for one that slows down.
pub fn words_throttle(words: &str) -> bool {
    CLOCK_REASONS.iter().any(|reason| reason.words == words && reason.throttles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_gpu_and_clocks_that_were_set_are_no_throttling() {
        assert!(![0x0, 0x1, 0x2, 0x3, 0x10, 0x100, 0x200].into_iter().any(is_throttled));
        assert!([0x4, 0x8, 0x20, 0x40, 0x80, 0x5].into_iter().all(is_throttled));
    }

    #[test]
    fn bits_are_told_in_words_and_unknown_ones_are_passed_over() {
        let words = |bits| clock_reasons(bits).map(|reason| reason.words).collect::<Vec<_>>();
        assert_eq!(words(0x4 | 0x40 | 0x8000), ["power cap", "heat (hardware slowdown)"]);
        assert!(words_throttle("power cap") && !words_throttle("idle") && !words_throttle("no such"));
    }

    #[test]
    fn no_two_reasons_share_a_bit() {
        let all = CLOCK_REASONS.iter().fold(0, |all, reason| all | reason.bit);
        assert_eq!(all.count_ones() as usize, CLOCK_REASONS.len());
    }
}
