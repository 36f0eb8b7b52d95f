//! Why a GPU's clocks are not higher: the driver's bits, by name.

/// One bit of [`super::series::gpu::GPU_CLOCK_REASONS`], as NVML and `nvidia-smi` number them
/// (`nvmlClocksEventReason…` in nvml.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReason {
    /// The bit.
    pub bit: u64,
    /// In files: the name that `nvidia-smi --query-gpu=clocks_event_reasons.…` gives it.
    pub name: &'static str,
    /// As a person reads it.
    pub words: &'static str,
    /// The GPU is slower than it could be, and not because nothing is to be done or because somebody set it so.
    pub throttles: bool,
}

const fn reason(bit: u64, name: &'static str, words: &'static str, throttles: bool) -> ClockReason {
    ClockReason { bit, name, words, throttles }
}

/// Every bit that has a meaning.
pub const CLOCK_REASONS: [ClockReason; 9] = [
    reason(0x1, "gpu_idle", "idle", false),
    reason(0x2, "applications_clocks_setting", "clocks set by the user", false),
    reason(0x4, "sw_power_cap", "power cap", true),
    reason(0x8, "hw_slowdown", "hardware slowdown", true),
    reason(0x10, "sync_boost", "boost in step with other GPUs", false),
    reason(0x20, "sw_thermal_slowdown", "heat (software slowdown)", true),
    reason(0x40, "hw_thermal_slowdown", "heat (hardware slowdown)", true),
    reason(0x80, "hw_power_brake_slowdown", "power brake (hardware slowdown)", true),
    reason(0x100, "display_clock_setting", "clocks of the display", false),
];

/// The reasons of a sample's bits; bits without a meaning are passed over.
pub fn clock_reasons(bits: u64) -> impl Iterator<Item = &'static ClockReason> {
    CLOCK_REASONS.iter().filter(move |reason| bits & reason.bit != 0)
}

/// Whether bits of a sample show a GPU that is slowed down.
pub fn is_throttled(bits: u64) -> bool {
    clock_reasons(bits).any(|reason| reason.throttles)
}

/// The reason of a name.
pub fn clock_reason(name: &str) -> Option<&'static ClockReason> {
    CLOCK_REASONS.iter().find(|reason| reason.name == name)
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
        assert!(
            clock_reason("sw_power_cap").unwrap().throttles && !clock_reason("gpu_idle").unwrap().throttles
        );
        assert_eq!(clock_reason("no such"), None);
    }

    #[test]
    fn no_two_reasons_share_a_bit() {
        let all = CLOCK_REASONS.iter().fold(0, |all, reason| all | reason.bit);
        assert_eq!(all.count_ones() as usize, CLOCK_REASONS.len());
    }
}
