//! Sends at due times from a thread of its own, so that neither tokio's 1 ms timer nor a busy worker makes a request late.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::load::clock::{RunClock, sleep_finely, thread_cpu_s};

/// The shortest turn that Linux grants, ns.
#[cfg(target_os = "linux")]
const TURN_NS: u64 = 100_000;

const PENDING: u64 = u64::MAX;
const SENDING: u64 = u64::MAX - 1;
const REVOKED: u64 = u64::MAX - 2;

/// Something to be done at a due time: a message to be written, or only a call.
#[derive(Debug)]
pub(crate) struct Ticket {
    due_us: u64,
    write: Option<(Arc<TcpStream>, Arc<[u8]>)>,
    /// When it was done, or one of the marks above.
    done_us: AtomicU64,
    /// Bytes that the socket took.
    written: AtomicU64,
    notify: Notify,
}

impl Ticket {
    pub(crate) fn new(due_us: u64, write: Option<(Arc<TcpStream>, Arc<[u8]>)>) -> Arc<Ticket> {
        Arc::new(Ticket {
            due_us,
            write,
            done_us: AtomicU64::new(PENDING),
            written: AtomicU64::new(0),
            notify: Notify::new(),
        })
    }

    /// Waits until it is done: the stamp in µs just before the write, and the bytes written.
    pub(crate) async fn done(&self) -> (u64, usize) {
        loop {
            if let Some(done_us) = self.done_us() {
                return (done_us, self.written.load(Ordering::Acquire) as usize);
            }
            self.notify.notified().await;
        }
    }

    /// Takes it back; none where that was in time, else the stamp of the send.
    pub(crate) fn revoke(&self) -> Option<u64> {
        let taken = self.done_us.compare_exchange(PENDING, REVOKED, Ordering::AcqRel, Ordering::Acquire);
        if taken.is_ok() {
            return None;
        }
        // The pacer is within its write, which does not block.
        loop {
            if let Some(done_us) = self.done_us() {
                return Some(done_us);
            }
            if self.done_us.load(Ordering::Acquire) == REVOKED {
                return None;
            }
            std::thread::yield_now();
        }
    }

    fn done_us(&self) -> Option<u64> {
        Some(self.done_us.load(Ordering::Acquire)).filter(|us| *us < REVOKED)
    }

    fn carry_out(&self, clock: &RunClock) {
        let taken = self.done_us.compare_exchange(PENDING, SENDING, Ordering::AcqRel, Ordering::Acquire);
        if taken.is_err() {
            return;
        }
        let now_us = clock.now_us();
        if let Some((socket, message)) = &self.write {
            // What it does not take, or an error, is left to the worker, which tries again.
            let written = socket.try_write(message).unwrap_or(0);
            self.written.store(written as u64, Ordering::Release);
        }
        self.done_us.store(now_us, Ordering::Release);
        self.notify.notify_one();
    }
}

/// A ticket in order of its due time, then of its arrival.
struct Queued(Reverse<(u64, u64)>, Arc<Ticket>);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// The handle of the pacer's thread, which ends when every handle's sender is gone.
pub(crate) struct Pacer {
    thread: JoinHandle<f64>,
}

/// Hands tickets to the pacer.
pub(crate) type Tickets = Sender<Arc<Ticket>>;

impl Pacer {
    /// Starts the thread.
    pub(crate) fn start(clock: RunClock) -> std::io::Result<(Pacer, Tickets)> {
        let (tickets, queue) = channel();
        let thread =
            std::thread::Builder::new().name("pacer".to_owned()).spawn(move || pace(&clock, &queue))?;
        Ok((Pacer { thread }, tickets))
    }

    /// CPU seconds that it used, once all [`Tickets`] are dropped.
    pub(crate) fn join(self) -> f64 {
        self.thread.join().unwrap_or(0.0)
    }
}

fn pace(clock: &RunClock, queue: &Receiver<Arc<Ticket>>) -> f64 {
    sleep_finely();
    take_short_turns();
    let mut waiting: BinaryHeap<Queued> = BinaryHeap::new();
    let mut count = 0;
    loop {
        let next_due_us = waiting.peek().map(|queued| queued.0.0.0);
        let now_us = clock.now_us();
        let received = match next_due_us {
            Some(due_us) if due_us <= now_us => {
                if let Some(Queued(_, ticket)) = waiting.pop() {
                    ticket.carry_out(clock);
                }
                queue.try_recv().map_err(|_| RecvTimeoutError::Timeout)
            }
            Some(due_us) => queue.recv_timeout(Duration::from_micros(due_us - now_us)),
            None => match queue.recv() {
                Ok(ticket) => Ok(ticket),
                Err(_) => return thread_cpu_s(),
            },
        };
        match received {
            Ok(ticket) => {
                count += 1;
                waiting.push(Queued(Reverse((ticket.due_us, count)), ticket));
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody waits for what is left.
            Err(RecvTimeoutError::Disconnected) => return thread_cpu_s(),
        }
    }
}

/// Asks for short turns on the core (Linux 6.12 and later), for which the scheduler lets a thread that
/// wakes interrupt another at once. It needs no privilege; where it is refused, sends may be later.
fn take_short_turns() {
    #[cfg(target_os = "linux")]
    // SAFETY: all zeros is a valid sched_attr; both calls get its true size and touch this thread only.
    unsafe {
        let mut attributes: libc::sched_attr = std::mem::zeroed();
        let size = size_of::<libc::sched_attr>() as libc::c_ulong;
        let none: libc::c_ulong = 0;
        // What is not changed, its niceness above all, is set to what it was.
        let known = libc::syscall(libc::SYS_sched_getattr, none, &raw mut attributes, size, none);
        if known == 0 && attributes.sched_policy == libc::SCHED_OTHER as u32 {
            attributes.sched_runtime = TURN_NS;
            libc::syscall(libc::SYS_sched_setattr, none, &raw const attributes, none);
        }
    }
}
