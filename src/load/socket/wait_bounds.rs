//! What a client thread's waits say about the bytes that it reads: they came no earlier than …
//!
//! Linux keeps one stamp for all bytes of a read, that of the newest. How much earlier the others came
//! is bounded by the thread's own waits for input: what had been there when a wait began would have
//! ended it at once, and what came while the thread slept woke it. When that was, the scheduler's
//! account tells, but for the time that an idle core takes to notice: some µs, and ms for a virtual
//! core that the host kept waiting. An allowance covers the first; the second shows in a kernel stamp
//! from before the waking, and the account of that wait is then dropped.

use std::cell::Cell;
use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::load::clock::RunClock;
use crate::load::socket::looks::{self, Looks};

/// Sockets that one wait reports at most. The argument above fails for a socket that was ready but
/// left out, so that this is more than a thread ever has.
const EVENTS_MOST: usize = 65_536;
/// A wait this short tells nothing that is worth asking the system for, µs.
const WAIT_LEAST_US: u64 = 50;
/// A thread slept where the scheduler leaves so much of the wait unaccounted for: it takes a few µs
/// to fall asleep or to find that there is no need to, µs.
const SLEEP_LEAST_US: u64 = 20;

/// An idle core notices that it has a thread to run within this time, µs; CPU time that the account leaves out is in
/// it too (its first figure lags behind what the thread has run since it was woken, where a tick came between).
const WAKING_US: u64 = 50;

/// The waits of a thread.
#[derive(Debug, Clone, Copy)]
struct Polls {
    /// When the last wait began, and looked at the sockets: what it did not report came later, µs.
    start_us: u64,
    /// When the last wait's sleep ended, and it looked again; 0 where it did not sleep, µs.
    woken_us: u64,
    /// Something came of it: it was not cut short.
    found: bool,
    /// What is ready after the last wait came no earlier, µs.
    earliest_us: u64,
    /// The same without the scheduler's account, µs.
    without_account_us: u64,
    /// Time that this thread has been ready to run and did not, ns.
    run_delay_ns: u64,
}

thread_local! {
    static POLLS: Cell<Polls> = const { Cell::new(Polls::NONE) };
    static LOOKS: Cell<Looks> = const { Cell::new(Looks::NONE) };
}

/// To be told when bytes were read: the earliest time, µs, at which they can have come where the socket had
/// been read empty before; 0 where nothing is known. `stamped` by the kernel: others bear the time of their read, and
/// are therefore never put off.
pub(crate) fn bytes_came(stamped: bool) -> u64 {
    found();
    if stamped {
        LOOKS.set(LOOKS.get().read());
    }
    POLLS.get().earliest_us
}

/// Bytes came before the time that [`bytes_came`] gave: what is known without the scheduler's account, µs.
pub(crate) fn refute() -> u64 {
    let polls = POLLS.get().refuted();
    POLLS.set(polls);
    polls.earliest_us
}

/// To be told when something else has come that ends a wait as bytes do: another thread's word, and no timer.
pub(crate) fn found() {
    POLLS.set(Polls { found: true, ..POLLS.get() });
}

/// A single-threaded runtime that keeps book of its waits, and looks at its sockets in steps while it is busy. A wait
/// begins, for the book, when the sleep before its look is over: what came in that sleep came after the look before.
pub(crate) fn runtime(clock: RunClock) -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_io_events_per_tick(EVENTS_MOST)
        .on_thread_park(move || wait(&clock))
        .on_thread_unpark(move || wake(clock.now_us()))
        .build()
}

fn wait(clock: &RunClock) {
    let mut now_us = clock.now_us();
    let (looks, pause_us) = LOOKS.get().pause(now_us);
    LOOKS.set(looks);
    if pause_us > 0 {
        looks::sleep(pause_us);
        now_us = clock.now_us();
    }
    POLLS.set(POLLS.get().wait(now_us));
}

fn wake(now_us: u64) {
    POLLS.set(POLLS.get().wake(now_us, schedule));
    LOOKS.set(LOOKS.get().looked(now_us));
}

impl Polls {
    const NONE: Polls = Polls {
        start_us: 0,
        woken_us: 0,
        found: false,
        earliest_us: 0,
        without_account_us: 0,
        run_delay_ns: 0,
    };

    /// A wait begins. What it finds ready at once came after the wait before it had looked, which did not report it.
    /// Where nothing came of that one, it may have been cut short by a signal: a process that is stopped and
    /// continued (Ctrl-Z, a debugger, a frozen container) looked for the last time before it was stopped.
    fn wait(self, now_us: u64) -> Polls {
        let looked_us = if self.found { self.start_us.max(self.woken_us) } else { self.start_us };
        Polls {
            start_us: now_us,
            woken_us: 0,
            found: false,
            earliest_us: looked_us,
            without_account_us: looked_us,
            run_delay_ns: self.run_delay_ns,
        }
    }

    /// The account was wrong about this wait.
    fn refuted(self) -> Polls {
        Polls { earliest_us: self.without_account_us, ..self }
    }

    /// The wait is over. Where the thread slept, nothing was ready until it was woken: before now by the
    /// time that it was ready without running, and by what it has run since.
    fn wake(self, now_us: u64, schedule: impl FnOnce() -> Option<Schedule>) -> Polls {
        if now_us.saturating_sub(self.start_us) < WAIT_LEAST_US {
            return self;
        }
        let Some(Schedule { run_delay_ns, since_wake_ns }) = schedule() else { return self };
        // Counted from the last look, so that it may hold the delay of shorter waits too: earlier, never later.
        let delay_ns = run_delay_ns.saturating_sub(self.run_delay_ns);
        let woken_us = now_us.saturating_sub((delay_ns + since_wake_ns).div_ceil(1000) + WAKING_US);
        let slept = woken_us >= self.start_us + SLEEP_LEAST_US;
        let polls = Polls { run_delay_ns, ..self };
        if !slept {
            return polls;
        }
        Polls { earliest_us: woken_us, woken_us, ..polls }
    }
}

/// The scheduler's account of this thread.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    /// Ready to run and not running, in all, ns.
    run_delay_ns: u64,
    /// CPU since it was last put on a core, ns.
    since_wake_ns: u64,
}

/// None where the system keeps no such account.
#[cfg(target_os = "linux")]
fn schedule() -> Option<Schedule> {
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    thread_local! {
        static ACCOUNT: Option<File> = File::open("/proc/thread-self/schedstat").ok();
    }
    let mut text = [0; 80];
    let length = ACCOUNT.with(|file| file.as_ref()?.read_at(&mut text, 0).ok())?;
    let mut numbers = text[..length]
        .split(|byte| !byte.is_ascii_digit())
        .map_while(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
    // The first is the CPU time up to the last switch.
    let (until_switch_ns, run_delay_ns) = (numbers.next()?, numbers.next()?);
    let since_wake_ns = crate::load::clock::thread_cpu_ns()?.saturating_sub(until_switch_ns);
    Some(Schedule { run_delay_ns, since_wake_ns })
}

#[cfg(not(target_os = "linux"))]
fn schedule() -> Option<Schedule> {
    None
}

/// The system keeps the account that bounds are taken from.
#[cfg(test)]
pub(crate) fn has_account() -> bool {
    schedule().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(run_delay_us: u64, since_wake_us: u64) -> impl FnOnce() -> Option<Schedule> {
        move || Some(Schedule { run_delay_ns: run_delay_us * 1000, since_wake_ns: since_wake_us * 1000 })
    }

    /// Bytes were read after the wait.
    fn of_which_came(polls: Polls) -> Polls {
        Polls { found: true, ..polls }
    }

    #[test]
    fn what_a_sleeper_finds_came_no_earlier_than_it_was_woken() {
        let polls = Polls::NONE.wait(1_000).wake(21_000, account(30, 5));
        assert_eq!(polls.earliest_us, 20_915);
        // Delays of the past are not counted twice.
        assert_eq!(polls.wait(21_100).wake(41_000, account(40, 5)).earliest_us, 40_935);
    }

    #[test]
    fn an_account_that_a_stamp_refutes_is_dropped_for_its_wait_alone() {
        let polls = Polls::NONE.wait(1_000).wake(1_010, || None).wait(2_000).wake(21_000, account(30, 5));
        assert_eq!(polls.earliest_us, 20_915);
        let refuted = polls.refuted();
        assert_eq!(refuted.earliest_us, 1_000, "what the wait before it had not reported");
        let next = of_which_came(refuted).wait(21_500).wake(41_000, account(40, 5));
        assert_eq!(next.earliest_us, 40_935);
        assert_eq!(next.refuted().earliest_us, 20_915, "it ran from then on, whenever it was woken");
    }

    #[test]
    fn what_a_wait_finds_at_once_came_after_the_wait_before_it_had_looked() {
        let polls = of_which_came(Polls::NONE.wait(1_000).wake(21_000, account(0, 5)));
        let late = polls.wait(71_000).wake(71_003, || panic!("not worth a system call"));
        assert_eq!(late.earliest_us, 20_945, "50 ms of work lie between, in which all may have come");
        let again = late.wait(71_020).wake(71_023, || panic!("not worth a system call"));
        assert_eq!(again.earliest_us, 71_000);
    }

    #[test]
    fn a_wait_that_was_cut_short_has_looked_when_it_began() {
        // Stopped in its sleep, continued at 71 ms: no delay is in the account, and nothing was found.
        let stopped = Polls::NONE.wait(1_000).wake(71_000, account(0, 5));
        let after = stopped.wait(71_010).wake(71_013, || panic!("not worth a system call"));
        assert_eq!(after.earliest_us, 1_000, "all of it may have come while it was stopped");
        let again = of_which_came(after).wait(71_020).wake(71_023, || panic!("not worth a system call"));
        assert_eq!(again.earliest_us, 71_010);
    }

    #[test]
    fn a_thread_that_was_kept_off_its_core_has_not_slept() {
        let polls = Polls::NONE.wait(1_000).wake(1_002, || None).wait(2_000);
        assert_eq!(polls.wake(12_000, account(9_990, 5)).earliest_us, 1_000);
        assert_eq!(polls.wake(12_000, || None).earliest_us, 1_000, "no account, no claim");
    }

    #[test]
    fn what_comes_while_a_busy_thread_sleeps_before_its_look_came_after_the_look_before() {
        let before = of_which_came(Polls::NONE.wait(1_000).wake(1_003, || panic!("not worth a system call")));
        // It reads until 1,030, sleeps until 1,105, and finds at once what is there.
        let polls = before.wait(1_105).wake(1_110, || panic!("not worth a system call"));
        assert_eq!(polls.earliest_us, 1_000);
        // Nothing was there then: it waits on, and the sleep before its look is no part of that wait.
        let polls = of_which_came(polls).wait(1_215).wake(1_915, account(10, 5));
        assert_eq!(polls.earliest_us, 1_850);
    }

    #[test]
    fn a_thread_is_busy_by_reads_that_the_kernel_stamps_and_by_no_others() {
        let pause_us = |stamped| {
            LOOKS.set(Looks::NONE);
            (0..1_000).for_each(|_| _ = bytes_came(stamped));
            LOOKS.get().looked(20_000).pause(20_000).1
        };
        assert_eq!(pause_us(false), 0, "the time of the read is all that is known: it is not put off");
        assert!(pause_us(true) > 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_sleep_is_seen_in_the_account_of_the_scheduler() {
        // In a container that hides the account nothing can be claimed, nor tested.
        if schedule().is_none() {
            return;
        }
        let clock = RunClock::start();
        let runtime = runtime(clock).unwrap();
        // A machine under load may keep the thread waiting: the best of many.
        let best = (0..50)
            .map(|_| {
                let before_us = clock.now_us();
                runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(3)).await });
                (bytes_came(true).saturating_sub(before_us), clock.now_us() - before_us)
            })
            .map(|(woken_after_us, took_us)| {
                assert!(woken_after_us <= took_us, "woken after {woken_after_us} of {took_us} µs");
                woken_after_us
            })
            .max();
        assert!(best.is_some_and(|woken_after_us| woken_after_us >= 2_000), "{best:?} µs");
    }
}
