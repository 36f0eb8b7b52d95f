//! The sending half of a connection: a message goes out whole, whoever else has one.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::clock::Now;
use super::frame::{self, Frame};
use super::place::LOST_AFTER;

/// The sending half.
pub struct Link {
    stream: Mutex<TcpStream>,
    /// To end the connection while somebody sends.
    handle: TcpStream,
}

impl Link {
    /// The sending half of a connection, which is set up for small messages that go at once.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn of(stream: &TcpStream) -> io::Result<Link> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(LOST_AFTER))?;
        Ok(Link { stream: Mutex::new(stream.try_clone()?), handle: stream.try_clone()? })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The connection is gone, or takes nothing for [`LOST_AFTER`].
    pub fn send(&self, message: &impl Serialize) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        frame::write(&mut *self.held(), &Frame::Message(bytes))
    }

    /// Sends a message that bears the time at which it leaves.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub fn send_stamped<M: Serialize>(&self, now: &Now, message: impl FnOnce(i64) -> M) -> io::Result<i64> {
        // The time is read when nobody else is in the way.
        let mut stream = self.held();
        let left = now();
        let bytes = serde_json::to_vec(&message(left))?;
        frame::write(&mut *stream, &Frame::Message(bytes))?;
        Ok(left)
    }

    /// Sends a piece of a file; pings go between two.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub fn send_block(&self, bytes: Vec<u8>) -> io::Result<()> {
        frame::write(&mut *self.held(), &Frame::Block(bytes))
    }

    /// Ends the connection: the other side sees it at once.
    pub fn close(&self) {
        let _ = self.handle.shutdown(Shutdown::Both);
    }

    fn held(&self) -> MutexGuard<'_, TcpStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
