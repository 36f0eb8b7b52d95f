//! The few Linux calls that the loop needs: clocks, epoll, stamped reads, raw sends, signals.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of CLOCK_REALTIME since 1970.
pub fn realtime_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the call to fill.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Realtime minus monotonic in nanoseconds: the wall clock read between two readings of the other, again
/// until nothing (a preemption, say) came between them.
pub fn clock_offset_ns() -> i64 {
    let mut best = (u64::MAX, 0i64);
    for _ in 0..10 {
        let (before, wall, after) = (monotonic_ns(), realtime_ns(), monotonic_ns());
        if after - before < best.0 {
            best = (after - before, wall as i64 - before.midpoint(after) as i64);
        }
        if best.0 < 1_000 {
            break;
        }
    }
    best.1
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// What an epoll wait reports of one file.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// The key given at registration.
    pub key: u64,
    /// Bytes, or an end, can be read.
    pub readable: bool,
    /// Bytes can be written.
    pub writable: bool,
    /// The peer is gone.
    pub broken: bool,
}

/// An epoll instance.
pub struct Poll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
    has_pwait2: bool,
}

impl Poll {
    /// A new instance that reports up to `capacity` files a wait.
    pub fn new(capacity: usize) -> io::Result<Self> {
        // SAFETY: plain system call; the descriptor that it returns is ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        // Timeouts are rounded up by the timer slack, 50 µs by default.
        // SAFETY: plain system call on this thread.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; capacity], has_pwait2: true })
    }

    /// Watch a file for reading, and for writing where `writing`.
    pub fn add(&self, fd: RawFd, key: u64, writing: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, key, writing)
    }

    /// Change whether writing is watched.
    pub fn modify(&self, fd: RawFd, key: u64, writing: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, key, writing)
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, key: u64, writing: bool) -> io::Result<()> {
        let write = if writing { libc::EPOLLOUT } else { 0 };
        let mut event =
            libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLRDHUP | write) as u32, u64: key };
        // SAFETY: `event` is valid for the call; both descriptors are open.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd, &mut event) }).map(|_| ())
    }

    /// Wait until a file is ready or the time is over (none: for ever); what is ready goes to `ready`.
    pub fn wait(&mut self, timeout_ns: Option<u64>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let count = match self.wait_raw(timeout_ns) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        for event in &self.events[..count] {
            let flags = event.events as libc::c_int;
            ready.push(Ready {
                key: event.u64,
                readable: flags & (libc::EPOLLIN | libc::EPOLLRDHUP) != 0,
                writable: flags & libc::EPOLLOUT != 0,
                broken: flags & (libc::EPOLLERR | libc::EPOLLHUP) != 0,
            });
        }
        Ok(())
    }

    fn wait_raw(&mut self, timeout_ns: Option<u64>) -> io::Result<usize> {
        let time = timeout_ns.map(|ns| libc::timespec {
            tv_sec: (ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (ns % 1_000_000_000) as libc::c_long,
        });
        let time_pointer = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        if self.has_pwait2 {
            // SAFETY: the event buffer and the timespec live through the call; the mask is null.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    self.fd.as_raw_fd(),
                    self.events.as_mut_ptr(),
                    self.events.len() as libc::c_int,
                    time_pointer,
                    std::ptr::null::<libc::sigset_t>(),
                    0usize,
                )
            };
            if result >= 0 {
                return Ok(result as usize);
            }
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::ENOSYS) {
                return Err(error);
            }
            self.has_pwait2 = false;
        }
        // Before Linux 5.11: an epoll descriptor is itself a file that ppoll waits for to the nanosecond.
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd, a timespec that lives through the call, no mask.
        check(unsafe { libc::ppoll(&mut poll, 1, time_pointer, std::ptr::null()) })?;
        // SAFETY: the event buffer lives through the call.
        let count = unsafe {
            libc::epoll_wait(
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as libc::c_int,
                0,
            )
        };
        check(count).map(|count| count as usize)
    }
}

fn set_flag(fd: RawFd, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let one: libc::c_int = 1;
    // SAFETY: `one` is valid for the call and its size is given.
    let result = unsafe {
        libc::setsockopt(fd, level, name, std::ptr::from_ref(&one).cast(), size_of::<libc::c_int>() as u32)
    };
    check(result).map(|_| ())
}

/// A TCP socket bound to the address but not yet listening, and its port: connections are refused. Others may bind the
/// same port where all do so `shared`.
pub fn bind(host: Ipv4Addr, port: u16, shared: bool) -> io::Result<(OwnedFd, u16)> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: plain system call; the descriptor that it returns is ours alone.
    let socket = unsafe { OwnedFd::from_raw_fd(check(libc::socket(libc::AF_INET, kind, 0))?) };
    set_flag(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    if shared {
        set_flag(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    }
    // Accepted sockets inherit it, so that the very first bytes of a connection carry their stamp.
    set_flag(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)?;
    let mut address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(host.octets()) },
        sin_zero: [0; 8],
    };
    let mut length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    let pointer = std::ptr::from_mut(&mut address).cast::<libc::sockaddr>();
    // SAFETY: `address` is a valid sockaddr_in of the given length for both calls.
    check(unsafe { libc::bind(socket.as_raw_fd(), pointer, length) })?;
    // SAFETY: as above; the kernel fills the address.
    check(unsafe { libc::getsockname(socket.as_raw_fd(), pointer, &mut length) })?;
    Ok((socket, u16::from_be(address.sin_port)))
}

/// Start to take connections.
pub fn listen(socket: &OwnedFd) -> io::Result<()> {
    // SAFETY: plain system call on an open socket.
    check(unsafe { libc::listen(socket.as_raw_fd(), 4096) }).map(|_| ())
}

/// The next connection, non-blocking, and without delay unless `nagle`; none when no more wait.
pub fn accept(listener: &OwnedFd, nagle: bool) -> io::Result<Option<OwnedFd>> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the peer's address is not asked for.
    let result =
        unsafe { libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags) };
    match check(result) {
        Ok(fd) => {
            // SAFETY: a new descriptor that is ours alone.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            if !nagle {
                set_flag(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
            }
            set_flag(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)?;
            Ok(Some(socket))
        }
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

/// Make the close of this socket a reset instead of an end.
pub fn reset_on_close(fd: RawFd) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: `linger` is valid for the call and its size is given.
    unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, std::ptr::from_ref(&linger).cast(), size)
    };
}

/// Read into `buffer`: the bytes read, and the kernel's receive time (CLOCK_REALTIME ns) of the newest of them.
pub fn receive(fd: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
    #[repr(align(8))]
    struct Control([u8; 128]);
    let mut control = Control([0; 128]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: an all-zero msghdr is a valid empty one.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: all buffers named in `message` live through the call.
    let count = unsafe { libc::recvmsg(fd, &mut message, libc::MSG_DONTWAIT) };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut stamp = None;
    // SAFETY: the kernel wrote well-formed control messages within `control`.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SO_TIMESTAMPNS {
                let time = libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned();
                stamp = Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    Ok((count as usize, stamp))
}

/// Write what the socket takes now: the bytes written.
pub fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the buffer is valid for its length.
    let count = unsafe {
        libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
    };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as usize) }
}

/// SIGTERM, SIGINT and SIGHUP as a file to read, so that the loop gets them in turn.
pub fn signals() -> io::Result<OwnedFd> {
    // SAFETY: a zeroed sigset_t is initialised by sigemptyset before use.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(&mut set, signal);
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()))?;
        Ok(OwnedFd::from_raw_fd(check(libc::signalfd(-1, &set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC))?))
    }
}

/// The number of the next waiting signal.
pub fn next_signal(fd: &OwnedFd) -> Option<i32> {
    // SAFETY: a zeroed signalfd_siginfo is plain data for the read to fill.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: `info` has room for `size` bytes.
    let count = unsafe { libc::read(fd.as_raw_fd(), std::ptr::from_mut(&mut info).cast(), size) };
    (count == size as isize).then_some(info.ssi_signo as i32)
}

/// Start a process in a session of its own that outlives us for a while; its pid.
pub fn spawn_orphan(lifetime_s: u32) -> io::Result<u32> {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new("sleep");
    command.arg(lifetime_s.to_string());
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    // SAFETY: only async-signal-safe calls between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            libc::signal(libc::SIGTERM, libc::SIG_DFL);
            check(libc::setsid()).map(|_| ())
        });
    }
    command.spawn().map(|child| child.id())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_shared_only_where_all_who_bind_it_say_so() {
        let here = Ipv4Addr::LOCALHOST;
        let (_first, port) = bind(here, 0, true).unwrap();
        let (_second, same) = bind(here, port, true).unwrap();
        assert_eq!(same, port);
        let (alone, other) = bind(here, 0, false).unwrap();
        listen(&alone).unwrap();
        for shared in [true, false] {
            assert_eq!(bind(here, other, shared).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
    }
}
