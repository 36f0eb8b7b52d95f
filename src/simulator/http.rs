//! Requests off the wire and answers onto it, as plain HTTP/1.1.

use std::io::Write as _;

/// Largest request head in bytes.
const HEAD_LIMIT: usize = 64 * 1024;
/// Largest request body in bytes.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// A whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// The body, de-chunked.
    pub body: Vec<u8>,
    /// The connection ends after the answer.
    pub close: bool,
    /// `x-request-id`, where the client sends one.
    pub id: Option<String>,
}

/// What is in the buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request, and how many bytes it took.
    Whole(Request, usize),
    /// More bytes are needed; the client waits for `100 Continue` where true.
    Partial {
        /// The head is there and says `expect: 100-continue`.
        expects_continue: bool,
    },
    /// Not HTTP, or too large.
    Broken,
}

/// Look for one request at the start of the buffer.
pub fn parse(buffer: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let body_start = match head.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() < HEAD_LIMIT => {
            return Parsed::Partial { expects_continue: false };
        }
        Ok(httparse::Status::Partial) | Err(_) => return Parsed::Broken,
    };
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let says =
        |name: &str, word: &str| header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word));
    let rest = &buffer[body_start..];
    let (body, used) = if says("transfer-encoding", "chunked") {
        match dechunk(rest) {
            Ok(Some(found)) => found,
            Ok(None) => return Parsed::Partial { expects_continue: says("expect", "100-continue") },
            Err(()) => return Parsed::Broken,
        }
    } else {
        match header("content-length").map_or(Ok(0), str::parse::<usize>) {
            Ok(length) if length > BODY_LIMIT => return Parsed::Broken,
            Ok(length) if rest.len() >= length => (rest[..length].to_vec(), length),
            Ok(_) => return Parsed::Partial { expects_continue: says("expect", "100-continue") },
            Err(_) => return Parsed::Broken,
        }
    };
    let target = head.path.unwrap_or("/");
    let request = Request {
        method: head.method.unwrap_or("GET").to_owned(),
        path: target.split('?').next().unwrap_or("/").to_owned(),
        body,
        close: says("connection", "close") || (head.version == Some(0) && !says("connection", "keep-alive")),
        id: header("x-request-id").map(str::to_owned),
    };
    Parsed::Whole(request, body_start + used)
}

/// The body of a chunked request and the bytes it took; none while it is not all there.
fn dechunk(mut rest: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ()> {
    let whole = rest.len();
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(()),
        };
        if size as usize > BODY_LIMIT || body.len() > BODY_LIMIT {
            return Err(());
        }
        let end = start + size as usize;
        if rest.len() < end + 2 {
            return Ok(None);
        }
        body.extend_from_slice(&rest[start..end]);
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok(Some((body, whole - rest.len())));
        }
    }
}

/// An answer that is not a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `content-type`; empty: none.
    pub content_type: &'static str,
    /// Further header lines of this answer, each with its CRLF.
    pub extra: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        let body = body.into().into_bytes();
        Self { status, content_type: "application/json", extra: String::new(), body }
    }

    /// A plain text answer.
    pub fn text(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status, content_type, extra: String::new(), body: body.into().into_bytes() }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, content_type: "", extra: String::new(), body: Vec::new() }
    }
}

/// The words after a status number.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    }
}

/// `Sat, 21 Nov 2026 21:08:48 GMT`
pub fn http_date(unix_s: i64) -> String {
    let time = jiff::Timestamp::from_second(unix_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Frames a stream's events as HTTP chunks into one buffer, which is then written at once.
#[derive(Debug, Default)]
pub struct Framer {
    /// Bytes to write.
    pub out: Vec<u8>,
    event: Vec<u8>,
    uppercase: bool,
}

impl Framer {
    /// Chunk sizes in upper-case hexadecimals, as axum writes them, or in lower-case ones.
    pub fn new(uppercase: bool) -> Self {
        Self { out: Vec::with_capacity(4096), event: Vec::with_capacity(1024), uppercase }
    }

    /// The part of the stream that becomes the next HTTP chunk.
    pub fn event(&mut self) -> &mut Vec<u8> {
        &mut self.event
    }

    /// Close the HTTP chunk.
    pub fn end_chunk(&mut self) {
        if self.event.is_empty() {
            return;
        }
        let mut size = [0u8; 16];
        let mut at = size.len();
        let mut rest = self.event.len();
        let digits: &[u8; 16] = if self.uppercase { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        while rest > 0 {
            at -= 1;
            size[at] = digits[rest & 15];
            rest >>= 4;
        }
        self.out.extend_from_slice(&size[at..]);
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(&self.event);
        self.out.extend_from_slice(b"\r\n");
        self.event.clear();
    }

    /// The end of the HTTP body.
    pub fn end_body(&mut self) {
        self.out.extend_from_slice(b"0\r\n\r\n");
    }
}

/// A number in decimals, without the machinery of `format!`: it is written for each token.
pub fn push_number(out: &mut Vec<u8>, mut number: u32) {
    let mut digits = [0u8; 10];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Text onto bytes.
pub fn push_text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"POST /a?b=c HTTP/1.1\r\nX-Request-Id: r7\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

    #[test]
    fn a_request_is_found_whole_and_only_when_its_last_byte_is_there() {
        let plain = b"POST /x HTTP/1.1\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";
        for bytes in [plain.as_slice(), CHUNKED] {
            for end in 0..bytes.len() {
                assert!(matches!(parse(&bytes[..end]), Parsed::Partial { .. }), "{end}");
            }
            let mut more = bytes.to_vec();
            more.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
            let Parsed::Whole(request, used) = parse(&more) else { panic!("not whole") };
            assert_eq!(used, bytes.len());
            assert!(request.body == b"body" || request.body == b"abcde");
        }
        let Parsed::Whole(request, _) = parse(CHUNKED) else { panic!("not whole") };
        assert_eq!((request.path.as_str(), request.id.as_deref(), request.close), ("/a", Some("r7"), false));
        assert_eq!(parse(b"\x16\x03\x01 hello\r\n\r\n"), Parsed::Broken);
    }

    #[test]
    fn chunk_sizes_and_numbers_are_written_right() {
        for (uppercase, size) in [(true, "FA"), (false, "fa")] {
            let mut framer = Framer::new(uppercase);
            framer.event().extend_from_slice(&[b'x'; 250]);
            framer.end_chunk();
            assert!(framer.out.starts_with(format!("{size}\r\nxxx").as_bytes()));
            assert_eq!(framer.out.len(), 2 + 2 + 250 + 2);
        }
        let mut out = Vec::new();
        for number in [0, 7, 10, 4_294_967_295] {
            push_number(&mut out, number);
            out.push(b' ');
        }
        assert_eq!(out, b"0 7 10 4294967295 ");
    }

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date(1_795_295_328), "Sat, 21 Nov 2026 21:08:48 GMT");
    }
}
