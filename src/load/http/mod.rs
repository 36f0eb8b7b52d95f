//! Bytes to events: HTTP/1.1, HTTP/2 and the lines of an event stream.

pub(crate) mod http1;
pub(crate) mod http1_exchange;
pub(crate) mod http2;
pub(crate) mod http2_connections;
pub(crate) mod http2_reads;
pub(crate) mod sse;
