//! When the kernel acknowledges what this client receives.
//!
//! Linux puts an acknowledgement off by 40 ms where it takes a connection for a dialogue, which it does once a request
//! follows an answer within 40 ms: each write of ours may begin that anew. A server that leaves Nagle's algorithm on
//! (no TCP_NODELAY) sends nothing more until its last small segment is acknowledged, so that its first token would
//! carry the client's delay.

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
