//! The response side of HTTP/1.1 out of bytes that come in any pieces: heads by httparse, bodies in place.

use crate::schema::gateway::Gateway;
use crate::schema::server_times::ServerTimes;

/// A head may not be longer than this.
const HEAD_LIMIT: usize = 64 << 10;
/// Nor may a chunk's size line, or a trailer.
const LINE_LIMIT: usize = 8 << 10;

/// What the next bytes of a response are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// The final head; 1xx heads are skipped.
    Head,
    /// A piece of the body.
    Body(&'a [u8]),
    /// The response is complete; bytes left in the input belong to nothing.
    End,
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Content {
    /// `text/event-stream`.
    EventStream,
    /// `application/json`.
    Json,
    /// Another type.
    Other,
    /// No `content-type`.
    #[default]
    Unstated,
}

/// The facts of a head that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) content: Content,
    /// The body has an encoding (gzip, …) that was not asked for.
    pub(crate) encoded: bool,
    /// The connection may carry another request, as far as the head says.
    pub(crate) keep_alive: bool,
    /// What stands before the server, where a header tells.
    pub(crate) gateway: Option<Gateway>,
}

/// Bytes that are not HTTP/1.1.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum HttpError {
    #[error("the response head is not HTTP/1.1: {0}")]
    Head(httparse::Error),
    #[error("the response head exceeds 64 KiB")]
    LongHead,
    #[error("the response head has a content length that is no number, or two of them")]
    Length,
    #[error("the response body is not chunked as its head says")]
    Chunk,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    ToEof,
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    Done,
}

/// Which head was taken.
enum Taken {
    /// 1xx: another follows.
    Interim,
    Final,
}

/// A push parser of one response to a POST.
#[derive(Debug, Clone)]
pub(crate) struct ResponseParser {
    state: State,
    /// The part of a head or of a line that came so far.
    held: Vec<u8>,
    head: Head,
    /// What few heads hold.
    aside: Option<Box<Aside>>,
}

/// What few heads hold: boxed where there is any, so that a live request has no room for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Aside {
    /// Of a redirect: the new address.
    pub(crate) location: Option<Box<str>>,
    /// The request's times by the server's clock.
    pub(crate) times: ServerTimes,
}

impl Aside {
    pub(crate) fn kept(mut self) -> Option<Box<Aside>> {
        // TGI tells both; one alone may be a proxy's, in whatever unit.
        if self.times.queue_us.is_none() || self.times.inference_us.is_none() {
            self.times = ServerTimes::default();
        }
        (self != Aside::default()).then(|| Box::new(self))
    }
}

impl Default for ResponseParser {
    fn default() -> Self {
        ResponseParser { state: State::Head, held: Vec::new(), head: Head::default(), aside: None }
    }
}

impl ResponseParser {
    /// The head; all zero before [`Part::Head`] was given.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Where a redirect leads, without a user or password; none where the head is none.
    pub(crate) fn location(&self) -> Option<&str> {
        self.aside.as_ref()?.location.as_deref()
    }

    /// The request's times, where the head told them.
    pub(crate) fn times(&self) -> Option<Box<ServerTimes>> {
        self.aside.as_ref()?.times.told()
    }

    /// The body ends with the connection.
    pub(crate) fn ends_with_connection(&self) -> bool {
        self.state == State::ToEof
    }

    /// Takes a head that was read elsewhere, as HTTP/2's are. [`Self::eof`] ends the body.
    pub(crate) fn take_read_head(&mut self, head: Head, aside: Option<Box<Aside>>) {
        self.head = head;
        self.aside = aside;
        self.state = State::ToEof;
    }

    /// The response is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Nothing of a further chunk has come: what was read last was the end of a chunk, or of the bytes of a plain body.
    pub(crate) fn at_seam(&self) -> bool {
        match self.state {
            State::ChunkSize => self.held.is_empty(),
            State::ChunkEnd | State::Length(_) | State::ToEof => true,
            State::Head | State::ChunkData(_) | State::Trailer | State::Done => false,
        }
    }

    /// The connection closed. Completes a body that has no other end; false where it came too early.
    pub(crate) fn eof(&mut self) -> bool {
        if self.state == State::ToEof {
            self.state = State::Done;
        }
        self.is_done()
    }

    /// Takes the next part off `input`; none where more bytes are needed (and `input` is used up) or all is done.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Part<'a>>, HttpError> {
        loop {
            match self.state {
                State::Done => return Ok(None),
                _ if input.is_empty() => return Ok(None),
                State::Head => match self.take_head(input)? {
                    None => return Ok(None),
                    Some(Taken::Interim) => {}
                    Some(Taken::Final) => return Ok(Some(Part::Head)),
                },
                State::ToEof => return Ok(Some(Part::Body(take(input, u64::MAX)))),
                State::Length(0) => return Ok(Some(self.done())),
                State::Length(left) => {
                    let body = take(input, left);
                    self.state = State::Length(left - body.len() as u64);
                    return Ok(Some(Part::Body(body)));
                }
                State::ChunkSize => {
                    let Some(size) = self.take_line(input, begins_size, chunk_size)? else { return Ok(None) };
                    let size = size.ok_or(HttpError::Chunk)?;
                    self.state = if size == 0 { State::Trailer } else { State::ChunkData(size) };
                }
                State::ChunkData(left) => {
                    let body = take(input, left);
                    let left = left - body.len() as u64;
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    return Ok(Some(Part::Body(body)));
                }
                State::ChunkEnd => match self.take_line(input, |held| held == b"\r", <[u8]>::is_empty)? {
                    None => return Ok(None),
                    Some(true) => self.state = State::ChunkSize,
                    Some(false) => return Err(HttpError::Chunk),
                },
                State::Trailer => match self.take_line(input, |_| true, <[u8]>::is_empty)? {
                    None => return Ok(None),
                    Some(true) => return Ok(Some(self.done())),
                    Some(false) => {}
                },
            }
        }
    }

    /// After a body of known length its end comes without a further byte.
    pub(crate) fn ended_without_more(&mut self) -> bool {
        if self.state == State::Length(0) {
            self.state = State::Done;
            return true;
        }
        false
    }

    fn done<'a>(&mut self) -> Part<'a> {
        self.state = State::Done;
        Part::End
    }

    /// Reads a head; none where it is not whole yet.
    fn take_head(&mut self, input: &mut &[u8]) -> Result<Option<Taken>, HttpError> {
        let held_before = self.held.len();
        self.held.extend_from_slice(input);
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&self.held).map_err(HttpError::Head)?;
        let httparse::Status::Complete(length) = parsed else {
            *input = &[];
            return if self.held.len() > HEAD_LIMIT { Err(HttpError::LongHead) } else { Ok(None) };
        };
        if length > HEAD_LIMIT {
            return Err(HttpError::LongHead);
        }
        let interim = matches!(response.code, Some(100 | 102..=199));
        if !interim {
            (self.head, self.state) = read_head(&response)?;
            self.aside = aside(&response, self.head.status);
        }
        *input = &input[length - held_before..];
        // Not kept for the life of a stream: it is as large as the head and the first event together.
        self.held = Vec::new();
        Ok(Some(if interim { Taken::Interim } else { Taken::Final }))
    }

    /// Reads a line to its LF and gives what `read` makes of it, without the line end. A line that does not
    /// begin as `may_begin` says is none: its end need not come.
    fn take_line<T>(
        &mut self,
        input: &mut &[u8],
        may_begin: impl Fn(&[u8]) -> bool,
        read: impl Fn(&[u8]) -> T,
    ) -> Result<Option<T>, HttpError> {
        let Some(length) = memchr::memchr(b'\n', input) else {
            self.held.extend_from_slice(input);
            *input = &[];
            let is_line = self.held.len() <= LINE_LIMIT && may_begin(&self.held);
            return if is_line { Ok(None) } else { Err(HttpError::Chunk) };
        };
        let (line, rest) = (&input[..length], &input[length + 1..]);
        *input = rest;
        if self.held.is_empty() {
            return Ok(Some(read(line.strip_suffix(b"\r").unwrap_or(line))));
        }
        self.held.extend_from_slice(line);
        let value = read(self.held.strip_suffix(b"\r").unwrap_or(&self.held));
        self.held.clear();
        Ok(Some(value))
    }
}

/// Up to `limit` bytes off the front of `input`.
fn take<'a>(input: &mut &'a [u8], limit: u64) -> &'a [u8] {
    let length = usize::try_from(limit).map_or(input.len(), |limit| limit.min(input.len()));
    let (front, rest) = input.split_at(length);
    *input = rest;
    front
}

/// A line that may become the size of a chunk when the rest of it comes.
fn begins_size(held: &[u8]) -> bool {
    held.trim_ascii().is_empty() || chunk_size(held).is_some()
}

/// The size of a chunk, whatever extensions follow it.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let valid = !digits.is_empty() && digits.len() <= 15 && digits.iter().all(u8::is_ascii_hexdigit);
    if valid { u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok() } else { None }
}

fn read_head(response: &httparse::Response<'_, '_>) -> Result<(Head, State), HttpError> {
    let status = response.code.unwrap_or(0);
    let mut head = Head { status, keep_alive: response.version == Some(1), ..Head::default() };
    let mut length: Option<u64> = None;
    let mut transfer: Option<bool> = None;
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value).to_ascii_lowercase();
        let value = value.trim();
        let name = header.name.to_ascii_lowercase();
        head.gateway = Gateway::prefer(head.gateway, Gateway::of_header(&name, value));
        match name.as_str() {
            "content-length" => {
                // A sign is a number to Rust, and not to HTTP.
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                let new = value.parse().ok().filter(|_| digits).ok_or(HttpError::Length)?;
                if length.is_some_and(|known| known != new) {
                    return Err(HttpError::Length);
                }
                length = Some(new);
            }
            "transfer-encoding" => {
                let mut codings = value.split(',').map(str::trim).rev();
                transfer = Some(codings.next() == Some("chunked"));
                head.encoded |= codings.any(|coding| coding != "identity");
            }
            "content-type" => head.content = content(value),
            "content-encoding" => head.encoded |= value != "identity",
            "connection" => {
                for option in value.split(',').map(str::trim) {
                    match option {
                        "close" => head.keep_alive = false,
                        "keep-alive" => head.keep_alive = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let state = match (transfer, length) {
        _ if matches!(status, 101 | 204 | 304) => State::Length(0),
        (Some(true), _) => State::ChunkSize,
        (None, Some(length)) => State::Length(length),
        (Some(false), _) | (None, None) => State::ToEof,
    };
    if state == State::ToEof {
        head.keep_alive = false;
    }
    Ok((head, state))
}

fn aside(response: &httparse::Response<'_, '_>, status: u16) -> Option<Box<Aside>> {
    let mut aside = Aside::default();
    for header in response.headers.iter() {
        let name = header.name;
        if name.eq_ignore_ascii_case("location") {
            aside.location = aside.location.or_else(|| redirect(status, header.value));
        } else if name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-")) {
            aside.times.note_header(&name.to_ascii_lowercase(), &String::from_utf8_lossy(header.value));
        }
    }
    aside.kept()
}

/// The address that a `location` beside this status holds, without a user or password.
pub(crate) fn redirect(status: u16, location: &[u8]) -> Option<Box<str>> {
    let address = String::from_utf8_lossy(location.get(..LINE_LIMIT).unwrap_or(location));
    let address = address.trim();
    if !(300..400).contains(&status) || address.is_empty() {
        return None;
    }
    // A query may hold a key.
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = address.split_once("//") else { return Some(address.into()) };
    let end = rest.find(['/', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(format!("{scheme}//{host}{path}").into())
}

/// What a `content-type` in lower case says.
pub(crate) fn content(value: &str) -> Content {
    match value.split(';').next().map(str::trim) {
        Some("text/event-stream") => Content::EventStream,
        Some("application/json" | "application/problem+json") => Content::Json,
        Some(_) | None => Content::Other,
    }
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
