//! What a response still owes when its answer is over: the end of its body, after which its connection may carry
//! another request.

use std::task::{Context, Poll, ready};

use crate::load::http::http1::ResponseParser;
use crate::load::socket::stamped::Connection;

/// Bytes of one read. There is hardly more to come than the last chunk.
const BUFFER_BYTES: usize = 2 << 10;
/// A response that goes on for longer than this has no end worth waiting for.
const LIMIT_BYTES: usize = 64 << 10;

/// A connection whose answer is over, and whose response is not.
pub(crate) struct Tail {
    connection: Connection,
    response: ResponseParser,
    /// When the answer was over, µs.
    since_us: u64,
    bytes: usize,
}

impl Tail {
    pub(crate) fn new(connection: Connection, response: ResponseParser, since_us: u64) -> Tail {
        Tail { connection, response, since_us, bytes: 0 }
    }

    /// When the answer was over, µs.
    pub(crate) fn since_us(&self) -> u64 {
        self.since_us
    }

    /// Reads what has come; true where the response has ended, false where the connection can carry no other.
    pub(crate) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let mut buffer = [0; BUFFER_BYTES];
        loop {
            let length = match ready!(self.connection.poll_read(context, &mut buffer)) {
                Ok(received) => received.length,
                Err(_) => 0,
            };
            let mut input = &buffer[..length];
            self.bytes += length;
            if length == 0 || self.bytes > LIMIT_BYTES {
                return Poll::Ready(false);
            }
            loop {
                match self.response.next(&mut input) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return Poll::Ready(false),
                }
            }
            if self.response.ended_without_more() || self.response.is_done() {
                return Poll::Ready(input.is_empty());
            }
        }
    }

    /// The connection, once its response has ended.
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }
}
