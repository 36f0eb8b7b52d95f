//! The bytes of requests: HTTP head and JSON body, made before they are due. Over HTTP/2 the body alone, beside a head for all.

use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use url::Url;

use crate::schema::plan::{HttpSettings, Sampling};
use crate::schema::target::Capabilities;
use crate::schema::unit::{Body, Content, Message, Unit, Units};

use crate::load::protocol::Protocol;
use crate::load::protocol::terms::{Ask, Framing, Lengths};
use crate::load::wire::MODEL_IN_PATH;

/// All messages are made beforehand where they take less than this; else each one shortly before it is due.
const CACHE_LIMIT_BYTES: usize = 32 << 20;

/// Makes the messages of a run.
#[derive(Debug)]
pub(crate) struct Messages {
    head: Head,
    /// Where the path names the model: the path with its place in it, and what follows the first line. A request for
    /// another model than the target's has a head of its own.
    by_model: Option<(String, Vec<u8>)>,
    /// Method and path, for a message.
    asked: String,
    protocol: Protocol,
    /// Answers come piece by piece.
    streams: bool,
    /// What all bodies share.
    body: Map<String, Value>,
    lengths: Lengths,
}

/// What all requests begin with.
#[derive(Debug)]
enum Head {
    /// Up to the length of the body.
    Http1(Vec<u8>),
    /// No part of the messages: HTTP/2 packs heads by what it has sent before.
    Http2(Box<http::Request<()>>),
}

/// The units of a phase, each with the message of its first turn.
#[derive(Debug)]
pub(crate) struct Requests {
    messages: Arc<Messages>,
    /// Of further endpoints: units are dealt out to all in turn.
    others: Vec<Arc<Messages>>,
    units: Units,
    /// The first of them for each endpoint, made beforehand where they are few; none where they are many, or made as
    /// they come.
    made: Option<Vec<Vec<First>>>,
}

/// A unit whose first turn is ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct First {
    pub(crate) unit: Arc<Unit>,
    pub(crate) message: Arc<[u8]>,
}

impl Messages {
    /// Settles all that is the same in every request. An error names the header or URL that cannot be sent.
    pub(crate) fn new(
        base_url: &Url,
        wire: &HttpSettings,
        api_key: Option<&str>,
        capabilities: &Capabilities,
        sampling: &Sampling,
    ) -> anyhow::Result<Messages> {
        let protocol = Protocol::of(wire).map_err(|why| anyhow::anyhow!("the body template: {why}"))?;
        let headers = headers(base_url, wire, protocol.framing(wire.stream), api_key)?;
        let any_path = path(base_url, &wire.path);
        let path = of_model(&any_path, &capabilities.request_model);
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!(
                "the path {path:?} cannot be sent: it holds a space or another character that a URL may not"
            );
        }
        let asked = format!("POST {path}");
        let head = if wire.http2 {
            Head::Http2(Box::new(http2_head(base_url, &path, &headers)?))
        } else {
            Head::Http1([first_line(&path).as_bytes(), &header_lines(&headers)?].concat())
        };
        let by_model = match any_path.contains(MODEL_IN_PATH) && !wire.http2 {
            true => Some((any_path, header_lines(&headers)?)),
            false => None,
        };
        let body = protocol.shared_body(capabilities, sampling, wire.stream);
        let fields = &capabilities.fields;
        let forced = sampling.ignore_eos && capabilities.min_tokens;
        let lengths = Lengths {
            limit: fields.limits().then(|| fields.limit.clone()),
            least: forced && !protocol.least().is_some_and(|place| fields.omits(place)),
        };
        Ok(Messages { head, by_model, asked, protocol, streams: wire.stream, body, lengths })
    }

    /// The head of every request, but for its length; none over HTTP/1.1, where messages hold it.
    pub(crate) fn http2_head(&self) -> Option<http::Request<()>> {
        match &self.head {
            Head::Http1(_) => None,
            Head::Http2(head) => Some((**head).clone()),
        }
    }

    /// Method and path, for a message.
    pub(crate) fn asked(&self) -> &str {
        &self.asked
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Answers come piece by piece.
    pub(crate) fn streams(&self) -> bool {
        self.streams
    }

    fn head_bytes(&self) -> usize {
        match &self.head {
            Head::Http1(head) => head.len(),
            Head::Http2(_) => 0,
        }
    }

    /// The message of a unit's first turn; none where it has no turn.
    pub(crate) fn first(&self, unit: &Unit) -> Option<Arc<[u8]>> {
        let turn = unit.turns.first()?;
        let model = unit.model.as_deref();
        let (id, body, max_tokens) = (&*unit.id, &turn.body, turn.max_tokens);
        Some(self.make(&Ask { id, model, former: &[], body, max_tokens }))
    }

    /// The whole message of one request.
    pub(crate) fn make(&self, ask: &Ask<'_>) -> Arc<[u8]> {
        let body = self.protocol.body(&self.body, ask, &self.lengths);
        let own =
            self.by_model.as_ref().zip(ask.model).map(|((path, lines), model)| {
                [first_line(&of_model(path, model)).as_bytes(), lines].concat()
            });
        let head = match (&own, &self.head) {
            (Some(own), _) => own,
            (None, Head::Http1(head)) => head,
            (None, Head::Http2(_)) => return body.into_bytes().into(),
        };
        let mut message = Vec::with_capacity(head.len() + body.len() + 32);
        message.extend_from_slice(head);
        message.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        message.extend_from_slice(body.as_bytes());
        message.into()
    }
}

impl Requests {
    /// Makes the messages now that may be made beforehand, where they are few.
    /// Of several endpoints the k-th unit goes to the one of that number, in turn.
    pub(crate) fn new(messages: Arc<Messages>, others: Vec<Arc<Messages>>, units: Units) -> Requests {
        let mut room = CACHE_LIMIT_BYTES;
        let mut made_for = |messages: &Arc<Messages>| {
            let made = (0..units.beforehand()).map(|k| {
                let unit = units.unit(k)?;
                room = room.checked_sub(messages.head_bytes() + bytes(&unit) * 9 / 8 + 256)?;
                First::of(messages, unit)
            });
            made.collect::<Option<Vec<First>>>().filter(|made| !made.is_empty())
        };
        let made = std::iter::once(&messages).chain(&others).map(&mut made_for).collect();
        Requests { messages, others, units, made }
    }

    /// The k-th unit and the message of its first turn; none where there is none.
    pub(crate) fn first(&self, k: u64) -> Option<First> {
        let place = self.units.period().map_or(Some(k), |period| k.checked_rem(period));
        let of_endpoint = self.made.as_ref().and_then(|made| made.get(self.endpoint(k)));
        let made = of_endpoint.zip(place).and_then(|(made, place)| made.get(usize::try_from(place).ok()?));
        match made {
            Some(first) => Some(first.clone()),
            None => First::of(self.messages_of(k), self.units.unit(k)?),
        }
    }

    /// The endpoint of the k-th unit, from 0.
    fn endpoint(&self, k: u64) -> usize {
        (k % (self.others.len() as u64 + 1)) as usize
    }

    /// What makes the messages of the k-th unit.
    pub(crate) fn messages_of(&self, k: u64) -> &Messages {
        let other = self.endpoint(k).checked_sub(1).and_then(|place| self.others.get(place));
        other.unwrap_or(&self.messages)
    }

    pub(crate) fn messages(&self) -> &Messages {
        &self.messages
    }

    /// When each unit is due, of a trace, µs.
    pub(crate) fn due_us(&self) -> Option<&Arc<[u64]>> {
        self.units.due_us()
    }

    /// No unit has a second turn.
    pub(crate) fn single_turns(&self) -> bool {
        self.units.single_turns()
    }
}

impl First {
    fn of(messages: &Messages, unit: Unit) -> Option<First> {
        let message = messages.first(&unit)?;
        Some(First { unit: Arc::new(unit), message })
    }
}

/// Bytes of a unit's texts.
fn bytes(unit: &Unit) -> usize {
    let body = |body: &Body| match body {
        Body::Text(text) => text.len(),
        Body::Messages(messages) => messages.iter().map(size).sum(),
    };
    unit.turns.iter().map(|turn| body(&turn.body)).sum()
}

/// Bytes of a message, about: what is no text is written out once, before the run.
fn size(message: &Message) -> usize {
    let content = match &message.content {
        Content::Text(text) => text.len(),
        Content::Json(value) => value.to_string().len(),
    };
    let more: usize = message.more.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    content + more
}

fn headers(
    base_url: &Url,
    wire: &HttpSettings,
    framing: Framing,
    api_key: Option<&str>,
) -> anyhow::Result<Vec<(String, String)>> {
    let host = base_url.host_str().with_context(|| format!("{base_url} names no host"))?;
    let host = base_url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let accept = match framing {
        Framing::Sse => "text/event-stream",
        Framing::JsonStream | Framing::Whole => "application/json",
    };
    let mut headers: Vec<(String, String)> = [
        ("Host", host.as_str()),
        ("User-Agent", concat!("harness/", env!("CARGO_PKG_VERSION"))),
        ("Accept", accept),
        ("Content-Type", "application/json"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    if let Some(key) = api_key {
        headers.push(("Authorization".to_owned(), format!("Bearer {key}")));
    }
    for header in &wire.headers {
        if ["content-length", "transfer-encoding", "connection"]
            .contains(&header.name.to_ascii_lowercase().as_str())
        {
            bail!("the header {} cannot be set: the client needs it itself", header.name);
        }
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&header.name));
        headers.push((header.name.clone(), header.value.clone()));
    }
    Ok(headers)
}

fn first_line(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\n")
}

fn header_lines(headers: &[(String, String)]) -> anyhow::Result<Vec<u8>> {
    let mut head = String::new();
    for (name, value) in headers {
        let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !token || value.contains(['\r', '\n', '\0']) {
            bail!(
                "the header {name:?} cannot be sent: its name or value holds a character that HTTP forbids"
            );
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    Ok(head.into_bytes())
}

/// The host goes where HTTP/2 has it (`:authority`), and secrets are kept out of the table that it packs heads with.
fn http2_head(base_url: &Url, path: &str, headers: &[(String, String)]) -> anyhow::Result<http::Request<()>> {
    let is_host = |name: &str| name.eq_ignore_ascii_case("host");
    let host = headers.iter().find(|(name, _)| is_host(name)).map_or("", |(_, value)| value);
    let uri = http::Uri::builder().scheme(base_url.scheme()).authority(host).path_and_query(path).build();
    let uri = uri.with_context(|| format!("the host {host:?} with the path {path:?} cannot be sent"))?;
    let mut request = http::Request::new(());
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = uri;
    for (name, value) in headers.iter().filter(|(name, _)| !is_host(name)) {
        if ["keep-alive", "proxy-connection", "upgrade", "te"].contains(&name.to_ascii_lowercase().as_str()) {
            bail!("the header {name} cannot be sent: HTTP/2 has no such header");
        }
        let refused = || {
            format!(
                "the header {name:?} cannot be sent: its name or value holds a character that HTTP forbids"
            )
        };
        let mut value = http::HeaderValue::try_from(value).with_context(refused)?;
        value.set_sensitive(name.eq_ignore_ascii_case("authorization"));
        request.headers_mut().insert(http::HeaderName::try_from(name).with_context(refused)?, value);
    }
    Ok(request)
}

/// The path with the model in its place, written as a path has it.
fn of_model(path: &str, model: &str) -> String {
    if !path.contains(MODEL_IN_PATH) {
        return path.to_owned();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let write = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.replace(MODEL_IN_PATH, &model.bytes().map(write).collect::<String>())
}

/// The endpoint's path below the server's own; a base that already ends in `/v1` does not give it twice.
fn path(base_url: &Url, endpoint: &str) -> String {
    let base = base_url.path().trim_end_matches('/');
    let base = match base.strip_suffix("/v1") {
        Some(shorter) if endpoint.starts_with("/v1/") => shorter,
        Some(_) | None => base,
    };
    let slash = if endpoint.starts_with('/') { "" } else { "/" };
    format!("{base}{slash}{endpoint}")
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
