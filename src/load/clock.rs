//! The run's clock: µs on the monotonic clock since the run's start, and how kernel stamps are brought onto it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// µs 0 of a run: a point on the monotonic clock, with the wall time as its label.
#[derive(Debug, Clone, Copy)]
pub struct RunClock {
    start: Instant,
    started_at: Timestamp,
}

impl RunClock {
    /// Starts a clock: now is µs 0.
    pub fn start() -> RunClock {
        RunClock { start: Instant::now(), started_at: Timestamp::now() }
    }

    /// Wall time of µs 0; a label, never used in a duration.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// µs since the start.
    pub fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// The instant at `us` µs.
    pub(crate) fn instant(&self, us: u64) -> Instant {
        self.start + Duration::from_micros(us)
    }

    /// ns from µs 0 of this clock to the epoch of CLOCK_REALTIME, to be added to a realtime reading:
    /// the tightest of a few paired readings.
    fn measure_offset_ns(&self) -> i64 {
        let mut best = (u128::MAX, 0);
        for _ in 0..8 {
            let before = self.start.elapsed().as_nanos();
            let realtime_ns = realtime_now_ns();
            let after = self.start.elapsed().as_nanos();
            if after - before < best.0 {
                let middle = (before + after) / 2;
                best = (after - before, middle as i64 - realtime_ns);
            }
        }
        best.1
    }
}

/// The offset between CLOCK_REALTIME, in which the kernel stamps, and the run's clock. It is measured
/// again about once a second, because the wall clock is slewed.
#[derive(Debug)]
pub(crate) struct RealtimeOffset {
    ns: AtomicI64,
}

impl RealtimeOffset {
    pub(crate) fn measure(clock: &RunClock) -> RealtimeOffset {
        RealtimeOffset { ns: AtomicI64::new(clock.measure_offset_ns()) }
    }

    pub(crate) fn refresh(&self, clock: &RunClock) {
        self.ns.store(clock.measure_offset_ns(), Ordering::Relaxed);
    }

    /// µs on the run's clock of a kernel stamp in ns of CLOCK_REALTIME.
    pub(crate) fn to_run_us(&self, realtime_ns: i64) -> i64 {
        (realtime_ns + self.ns.load(Ordering::Relaxed)) / 1000
    }
}

fn realtime_now_ns() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_epoch.map_or(0, |since| since.as_nanos() as i64)
}

/// CPU seconds that this thread has used; 0 where the system does not say.
pub(crate) fn thread_cpu_s() -> f64 {
    thread_cpu_ns().map_or(0.0, |ns| ns as f64 / 1e9)
}

/// CPU time that this thread has used, ns; none where the system does not say.
pub(crate) fn thread_cpu_ns() -> Option<u64> {
    #[cfg(unix)]
    {
        // SAFETY: clock_gettime fills the struct that it is given; all zeros is a valid value of it.
        let (status, time) = unsafe {
            let mut time: libc::timespec = std::mem::zeroed();
            (libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time), time)
        };
        (status == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
    #[cfg(not(unix))]
    None
}

/// The kernel may end a sleep of this thread 50 µs late to save power, unless it is told not to: now it is.
pub(crate) fn sleep_finely() {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_TIMERSLACK takes ns and touches this thread only.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realtime_reading_comes_out_at_the_same_moment_on_the_run_clock() {
        let clock = RunClock::start();
        let offset = RealtimeOffset::measure(&clock);
        // Preemption between two readings makes the window wider, so the tightest of many is taken.
        let best = (0..1000)
            .map(|_| {
                let before = clock.now_us() as i64;
                let converted = offset.to_run_us(realtime_now_ns());
                let after = clock.now_us() as i64;
                (before - converted).max(converted - after)
            })
            .min();
        assert!(best.is_some_and(|error_us| error_us <= 1000), "{best:?} µs outside the readings around it");
    }
}
