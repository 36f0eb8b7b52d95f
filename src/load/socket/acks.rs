//! When the kernel acknowledges what this client receives.
//!
//! Linux puts an acknowledgement off by 40 ms where it takes a connection for a dialogue, which it does once a request
//! follows an answer within 40 ms: each write of ours may begin that anew. A server that leaves Nagle's algorithm on
//! (no TCP_NODELAY) sends nothing more until its last small segment is acknowledged, so that its first token would
//! carry the client's delay: until then all is acknowledged at once.
//!
//! Linux then acknowledges every later token too, each by itself, which was a fifth of a busy client's CPU time. Where
//! the warm-up has seen that the server does not wait for it (`SendsOn`), that ends with the first token.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpStream;

/// When bytes that were received are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acks {
    /// At once, until the next write of ours.
    Quick,
    /// 40 ms later, as on an ordinary client's kept connection.
    Delayed,
}

/// The system lets a client choose.
pub(crate) const CHOSEN: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The kernel puts an acknowledgement off by 40 ms, in ticks of up to 10 ms: until then none is due, µs.
pub(crate) const PUT_OFF_US: u64 = 30_000;

/// Sets it from now on; [`Acks::Quick`] sends an acknowledgement that is due at once. One system call. Where the system
/// has no such option nothing is set.
pub(crate) fn set(stream: &TcpStream, acks: Acks) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // It fails on a socket that is gone, which the next read tells.
        let _ = stream.set_quickack(acks == Acks::Quick);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (stream, acks);
}

/// Segments that this end has sent on a connection, acknowledgements included. None where the system does not count
/// them. One system call.
pub(crate) fn segments_sent(stream: &TcpStream) -> Option<u32> {
    /// Where `struct tcp_info` has `tcpi_segs_out` (linux/tcp.h); libc's struct ends before it.
    const SEGMENTS_OUT: usize = 136;
    tcp_info(stream, SEGMENTS_OUT)
}

/// The number at `offset` bytes of the kernel's `struct tcp_info`.
#[cfg(target_os = "linux")]
pub(crate) fn tcp_info(stream: &TcpStream, offset: usize) -> Option<u32> {
    use std::os::fd::AsRawFd;

    let mut info = [0u8; 192];
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which `info` has.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    // An old kernel's struct is shorter.
    let number = info.get(..length as usize)?.get(offset..offset + 4)?;
    number.try_into().ok().map(u32::from_ne_bytes).filter(|_| failed == 0)
}

/// No other system has it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn tcp_info(_stream: &TcpStream, _offset: usize) -> Option<u32> {
    None
}

/// Whether a server sends on while nothing that it sent is acknowledged, as requests of the warm-up have seen it: it
/// then has Nagle's algorithm off. What all threads know of one server.
#[derive(Debug, Default)]
pub(crate) struct SendsOn(AtomicU32);

impl SendsOn {
    /// A request has seen it.
    pub(crate) fn saw(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// It was seen twice.
    pub(crate) fn is_sure(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 2
    }
}
