//! Bytes to events: HTTP/1.1, HTTP/2, the lines of an event stream and the values of a JSON stream.

pub(crate) mod http1;
pub(crate) mod http1_exchange;
pub(crate) mod http2;
pub(crate) mod http2_connections;
pub(crate) mod http2_reads;
pub(crate) mod json_stream;
pub(crate) mod sse;
pub(crate) mod tail;
