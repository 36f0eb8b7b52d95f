//! Connections whose reads carry the kernel's receive time, where Linux gives it: plain, and beneath TLS.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::load::socket::acks::{self, Acks};

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// Bytes; 0 at the end of the stream.
    pub(crate) length: usize,
    /// The kernel's stamp of the newest of them, ns of CLOCK_REALTIME; none where it gave none.
    pub(crate) realtime_ns: Option<i64>,
    /// It may be the stamp of bytes that are not among them.
    pub(crate) beyond: bool,
}

/// An open connection.
pub(crate) struct Connection {
    io: Io,
    /// It lay in the pool from then on, µs: the server may have closed it meanwhile.
    pub(crate) pooled_at_us: Option<u64>,
    /// It has carried a request.
    pub(crate) used: bool,
}

/// The bytes of a connection.
pub(crate) enum Io {
    Plain(StampedTcp),
    /// A socket in the file system: the kernel stamps nothing there.
    Unix(UnixStream),
    Tls(Box<TlsStream<StampedTcp>>),
}

impl Connection {
    pub(crate) fn plain(tcp: StampedTcp) -> Connection {
        Connection { io: Io::Plain(tcp), pooled_at_us: None, used: false }
    }

    pub(crate) fn unix(stream: UnixStream) -> Connection {
        Connection { io: Io::Unix(stream), pooled_at_us: None, used: false }
    }

    pub(crate) fn tls(stream: TlsStream<StampedTcp>) -> Connection {
        Connection { io: Io::Tls(Box::new(stream)), pooled_at_us: None, used: false }
    }

    /// The socket, where bytes may be written to it directly; none under TLS, or where it is no TCP.
    pub(crate) fn socket(&self) -> Option<Arc<TcpStream>> {
        match &self.io {
            Io::Plain(tcp) => Some(tcp.stream.clone()),
            Io::Unix(_) | Io::Tls(_) => None,
        }
    }

    /// Sets when what is received is acknowledged.
    pub(crate) fn set_acks(&self, acks: Acks) {
        if let Some(tcp) = self.io.tcp() {
            acks::set(tcp, acks);
        }
    }

    /// Segments sent on it, acknowledgements included; none where nothing counts them.
    pub(crate) fn segments_sent(&self) -> Option<u32> {
        self.io.tcp().and_then(|tcp| acks::segments_sent(tcp))
    }

    /// What HTTP/2 runs over.
    pub(crate) fn into_io(self) -> Io {
        self.io
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        match &mut self.io {
            Io::Plain(tcp) => {
                while !bytes.is_empty() {
                    match tcp.stream.try_write(bytes) {
                        Ok(written) => bytes = &bytes[written..],
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            tcp.stream.writable().await?
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
            Io::Unix(stream) => stream.write_all(bytes).await,
            Io::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Reads what is there into `buffer`.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<Received>> {
        match &mut self.io {
            Io::Plain(tcp) => tcp.poll_receive(context, buffer),
            Io::Unix(stream) => {
                let mut read = ReadBuf::new(buffer);
                ready!(Pin::new(stream).poll_read(context, &mut read))?;
                let length = read.filled().len();
                Poll::Ready(Ok(Received { length, realtime_ns: None, beyond: false }))
            }
            Io::Tls(stream) => {
                let mut read = ReadBuf::new(buffer);
                ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
                let length = read.filled().len();
                let tcp = stream.get_ref().0;
                Poll::Ready(Ok(Received { length, realtime_ns: tcp.newest_ns, beyond: tcp.is_beyond() }))
            }
        }
    }

    /// The server has not closed it, nor sent anything unasked.
    pub(crate) fn is_quiet(&self) -> bool {
        let (peeked, tls) = match &self.io {
            Io::Plain(tcp) => (peek(tcp.stream.as_raw_fd()), false),
            Io::Unix(stream) => (peek(stream.as_raw_fd()), false),
            Io::Tls(stream) => (peek(stream.get_ref().0.stream.as_raw_fd()), true),
        };
        match peeked {
            Ok(0) => false,
            // Session tickets may lie unread beneath TLS.
            Ok(_) => tls,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// A TCP stream that keeps the kernel's stamp of the newest bytes read.
pub(crate) struct StampedTcp {
    stream: Arc<TcpStream>,
    newest_ns: Option<i64>,
    /// The last read filled what it was given.
    filled: bool,
    /// Where TLS records end.
    records: Records,
}

/// Follows TLS records through the bytes of a connection.
#[derive(Debug, Default)]
struct Records {
    header: [u8; 5],
    held: usize,
    /// Bytes of the record's body that have not come.
    left: usize,
}

impl Records {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            let taken = (self.header.len() - self.held).min(bytes.len());
            self.header[self.held..self.held + taken].copy_from_slice(&bytes[..taken]);
            self.held += taken;
            bytes = &bytes[taken..];
            if self.held == self.header.len() {
                self.left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
                self.held = 0;
            }
        }
    }

    /// Nothing of a further record has come.
    fn at_seam(&self) -> bool {
        self.held == 0 && self.left == 0
    }
}

impl StampedTcp {
    pub(crate) fn new(stream: TcpStream) -> StampedTcp {
        StampedTcp { stream: Arc::new(stream), newest_ns: None, filled: false, records: Records::default() }
    }

    /// Beneath TLS: the newest bytes belong to a record that is not whole, or more may have come with them.
    fn is_beyond(&self) -> bool {
        self.filled || !self.records.at_seam()
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Received>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match receive(&self.stream, buffer) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(received) => {
                    self.newest_ns = received.realtime_ns;
                    return Poll::Ready(Ok(received));
                }
            }
        }
    }
}

impl AsyncRead for StampedTcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let free = buffer.initialize_unfilled();
        let received = ready!(self.poll_receive(context, free))?;
        let (filled, read) = (received.length == free.len(), &free[..received.length]);
        self.filled = filled;
        self.records.follow(read);
        buffer.advance(received.length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StampedTcp {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Dropping the stream closes it; a half-close has no use here.
        Poll::Ready(Ok(()))
    }
}

impl Io {
    /// The TCP socket, whatever runs over it.
    pub(crate) fn tcp(&self) -> Option<&Arc<TcpStream>> {
        match self {
            Io::Plain(tcp) => Some(&tcp.stream),
            Io::Unix(_) => None,
            Io::Tls(stream) => Some(&stream.get_ref().0.stream),
        }
    }

    /// Beneath TLS nothing of a further record has come.
    pub(crate) fn at_seam(&self) -> bool {
        match self {
            Io::Plain(_) | Io::Unix(_) => true,
            Io::Tls(stream) => stream.get_ref().0.records.at_seam(),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Io::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Io::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Io::Unix(stream) => Pin::new(stream).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Asks the kernel to stamp what arrives. Where it cannot, reads are stamped when they return.
pub(crate) fn ask_for_stamps(socket: &TcpSocket) {
    #[cfg(target_os = "linux")]
    {
        let on: libc::c_int = 1;
        // SAFETY: the option takes a c_int, which lives through the call.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPNS,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// One read. A short one has emptied the socket, so that tokio is told to wait for more: this saves
/// a system call a token.
#[cfg(target_os = "linux")]
fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Received> {
    let mut short = None;
    let result = stream.try_io(tokio::io::Interest::READABLE, || {
        let received = receive_message(stream, buffer)?;
        if received.length > 0 && received.length < buffer.len() {
            short = Some(received);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(received)
    });
    short.map_or(result, Ok)
}

#[cfg(not(target_os = "linux"))]
fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Received> {
    stream.try_read(buffer).map(|length| Received { length, realtime_ns: None, beyond: false })
}

/// `recvmsg` with the stamp that SO_TIMESTAMPNS adds.
#[cfg(target_os = "linux")]
fn receive_message(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Received> {
    // Room for one stamp, aligned as a control header must be.
    let mut control = [0u64; 8];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeros is a valid msghdr; it is pointed at a buffer and a control area that outlive
    // the call, with their true lengths, and the control headers are walked by libc's own macros.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let length = libc::recvmsg(stream.as_raw_fd(), &raw mut message, 0);
        let Ok(length) = usize::try_from(length) else { return Err(io::Error::last_os_error()) };
        let mut realtime_ns = None;
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_TIMESTAMPNS {
                let stamp = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::timespec>());
                realtime_ns = Some(stamp.tv_sec * 1_000_000_000 + stamp.tv_nsec);
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
        Ok(Received { length, realtime_ns, beyond: false })
    }
}

/// Looks for a byte without taking it.
fn peek(socket: RawFd) -> io::Result<usize> {
    let mut byte = 0u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: one byte is read into a byte that lives through the call.
    let length = unsafe { libc::recv(socket, (&raw mut byte).cast(), 1, flags) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_records_end_where_they_end_wherever_they_are_cut() {
        let bytes = [&[23, 3, 3, 0, 2, 9, 9][..], &[23, 3, 3, 0, 0], &[21, 3, 3, 1, 1], &[7; 257]].concat();
        let seams = [0, 7, 12, bytes.len()];
        for cut in 0..=bytes.len() {
            let mut records = Records::default();
            records.follow(&bytes[..cut]);
            assert_eq!(records.at_seam(), seams.contains(&cut), "cut at {cut}");
            records.follow(&bytes[cut..]);
            assert!(records.at_seam(), "cut at {cut}");
        }
    }
}
