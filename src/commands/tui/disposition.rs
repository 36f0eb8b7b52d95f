//! What a signal does to this process, kept over a handler that tokio never takes away again.

use std::io;

/// What a signal did; it does that again when this is dropped.
pub struct Disposition {
    signal: libc::c_int,
    before: libc::sigaction,
}

impl Disposition {
    /// What `signal` does now.
    ///
    /// # Errors
    /// There is no such signal.
    pub fn of(signal: libc::c_int) -> io::Result<Self> {
        // SAFETY: `sigaction` is a plain struct of integers for which all zeroes is a valid value. Without a new
        // action the call only fills it; the pointer lives over the call.
        let (result, before) = unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            (libc::sigaction(signal, std::ptr::null(), &mut before), before)
        };
        if result == 0 { Ok(Disposition { signal, before }) } else { Err(io::Error::last_os_error()) }
    }
}

impl Drop for Disposition {
    fn drop(&mut self) {
        // SAFETY: the action is what the kernel gave for this very signal; the pointer lives over the call. It
        // cannot fail for a signal whose action could be read and changed.
        unsafe { libc::sigaction(self.signal, &self.before, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(signal: libc::c_int) -> libc::sighandler_t {
        Disposition::of(signal).unwrap().before.sa_sigaction
    }

    #[test]
    fn a_signal_that_was_heard_does_again_what_it_did() {
        // Nobody else hears it, and by default it does nothing.
        let signal = libc::SIGWINCH;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let before = Disposition::of(signal).unwrap();
        let heard = runtime.block_on(async {
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())
        });
        drop(heard.unwrap());
        assert_ne!(handler(signal), libc::SIG_DFL, "tokio's handler stays");
        drop(before);
        assert_eq!(handler(signal), libc::SIG_DFL);
    }
}
