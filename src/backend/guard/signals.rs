//! The guard's signals and descriptors: what must not end it, and what must not leak from it.

use std::io::{self, PipeReader};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// Write end of the pipe that the signal handler wakes the loop through; -1: none yet.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Makes the signals that end a program, and the end of a child, only wake the loop: a byte comes out of the
/// pipe returned. SIGKILL alone ends the guard.
pub(super) fn wake_by_signals() -> io::Result<PipeReader> {
    let (reader, writer) = io::pipe()?;
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK)?;
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK)?;
    WAKE.store(writer.as_raw_fd(), Ordering::SeqCst);
    // Open for as long as the process lives: the handler writes to it.
    std::mem::forget(writer);
    for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGTERM, libc::SIGQUIT, libc::SIGCHLD] {
        handle(signal)?;
    }
    Ok(reader)
}

/// Sees to it that no descriptor that we were given beside our pipes reaches a server.
pub(super) fn close_on_exec_from(first: u32) {
    let flags = libc::c_int::try_from(libc::CLOSE_RANGE_CLOEXEC).unwrap_or(0);
    // SAFETY: a plain system call on numbers. It closes nothing now, so no owned descriptor is invalidated;
    // it only sets a flag that every descriptor opened by std has anyway.
    unsafe { libc::close_range(first, u32::MAX, flags) };
}

/// Lets a signal do nothing but wake the loop. A handler, and not "ignore", since only that is reset to the
/// default in the servers that we start: vLLM and llama.cpp are stopped by the SIGTERM we would make deaf.
fn handle(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: `sigaction` is a plain struct of integers for which all zeroes is a valid value (no flags, empty
    // mask); the handler has the C ABI and only does what is async-signal-safe: it loads an atomic and calls
    // write(2), and restores errno. The pointers live over the call.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = wake_loop as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn wake_loop(_signal: libc::c_int) {
    let descriptor = WAKE.load(Ordering::SeqCst);
    // SAFETY: errno is this thread's own; write(2) is async-signal-safe, gets one byte of a live buffer, and the
    // pipe is non-blocking and never closed. A full pipe is fine: the loop wakes anyway.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(descriptor, [1_u8].as_ptr().cast(), 1);
        *errno = before;
    }
}
