//! The bytes of requests: HTTP head and JSON body, made before they are due. Over HTTP/2 the body alone, beside a head for all.

use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use url::Url;

use crate::schema::plan::{Endpoint, HttpSettings, Sampling};
use crate::schema::target::Capabilities;
use crate::schema::unit::Request;

/// All messages are made beforehand where they take less than this; else each one shortly before it is due.
const CACHE_LIMIT_BYTES: usize = 32 << 20;

/// As the value of `user` in a protocol's body it stands for the prompt's id, by which a server's own
/// account of a request can be found.
const PROMPT_ID: &str = "{prompt_id}";

/// Makes the messages of a run.
#[derive(Debug)]
pub(crate) struct Messages {
    head: Head,
    fields: Map<String, Value>,
    endpoint: Endpoint,
    forced: bool,
    min_tokens: bool,
}

/// What all requests begin with.
#[derive(Debug)]
enum Head {
    /// Up to the length of the body.
    Http1(Vec<u8>),
    /// No part of the messages: HTTP/2 packs heads by what it has sent before.
    Http2(Box<http::Request<()>>),
}

/// The requests of a phase with their messages.
#[derive(Debug)]
pub(crate) struct Requests {
    messages: Arc<Messages>,
    requests: Arc<[Request]>,
    made: Option<Vec<Arc<[u8]>>>,
}

impl Messages {
    /// Settles all that is the same in every request. An error names the header or URL that cannot be sent.
    pub(crate) fn new(
        base_url: &Url,
        wire: &HttpSettings,
        api_key: Option<&str>,
        protocol: &Capabilities,
        sampling: &Sampling,
        close: bool,
    ) -> anyhow::Result<Messages> {
        let mut fields = protocol.body.clone();
        fields.insert("model".to_owned(), json!(protocol.request_model));
        fields.insert("stream".to_owned(), json!(true));
        fields.insert("temperature".to_owned(), json!(sampling.temperature));
        if protocol.stream_options {
            let mut options = Map::from_iter([("include_usage".to_owned(), json!(true))]);
            if sampling.exact_itl && protocol.continuous_usage {
                options.insert("continuous_usage_stats".to_owned(), json!(true));
            }
            fields.insert("stream_options".to_owned(), Value::Object(options));
        }
        let forced = sampling.ignore_eos && protocol.ignore_eos;
        if forced {
            fields.insert("ignore_eos".to_owned(), json!(true));
        }
        let headers = headers(base_url, wire, api_key)?;
        let path = path(base_url, &wire.path);
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!(
                "the path {path:?} cannot be sent: it holds a space or another character that a URL may not"
            );
        }
        let head = if wire.http2 {
            Head::Http2(Box::new(http2_head(base_url, &path, &headers)?))
        } else {
            Head::Http1(http1_head(&path, &headers, close)?)
        };
        Ok(Messages { head, fields, endpoint: wire.endpoint, forced, min_tokens: protocol.min_tokens })
    }

    /// The head of every request, but for its length; none over HTTP/1.1, where messages hold it.
    pub(crate) fn http2_head(&self) -> Option<http::Request<()>> {
        match &self.head {
            Head::Http1(_) => None,
            Head::Http2(head) => Some((**head).clone()),
        }
    }

    fn head_bytes(&self) -> usize {
        match &self.head {
            Head::Http1(head) => head.len(),
            Head::Http2(_) => 0,
        }
    }

    /// The whole message of one request.
    pub(crate) fn make(&self, request: &Request) -> Arc<[u8]> {
        let mut fields = self.fields.clone();
        match self.endpoint {
            Endpoint::Chat => {
                fields.insert("messages".to_owned(), json!([{"role": "user", "content": request.prompt}]));
            }
            Endpoint::Completions => {
                fields.insert("prompt".to_owned(), json!(request.prompt));
            }
        }
        fields.insert("max_tokens".to_owned(), json!(request.max_tokens));
        if let Some(Value::String(user)) = fields.get_mut("user")
            && user == PROMPT_ID
        {
            user.clone_from(&request.prompt_id);
        }
        if self.forced && self.min_tokens {
            fields.insert("min_tokens".to_owned(), json!(request.max_tokens));
        }
        let body = Value::Object(fields).to_string();
        let head = match &self.head {
            Head::Http1(head) => head,
            Head::Http2(_) => return body.into_bytes().into(),
        };
        let mut message = Vec::with_capacity(head.len() + body.len() + 32);
        message.extend_from_slice(head);
        message.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        message.extend_from_slice(body.as_bytes());
        message.into()
    }
}

impl Requests {
    /// Makes the messages now where they are few; `requests` are repeated in order.
    pub(crate) fn new(messages: Arc<Messages>, requests: Arc<[Request]>) -> Requests {
        let size = |request: &Request| messages.head_bytes() + request.prompt.len() * 9 / 8 + 256;
        let total: usize = requests.iter().map(size).sum();
        let made = (total <= CACHE_LIMIT_BYTES)
            .then(|| requests.iter().map(|request| messages.make(request)).collect());
        Requests { messages, requests, made }
    }

    /// The request at `index` of the run, and its message; none without any requests.
    pub(crate) fn get(&self, index: u64) -> Option<(&Request, Arc<[u8]>)> {
        let place = usize::try_from(index.checked_rem(self.requests.len() as u64)?).ok()?;
        let request = self.requests.get(place)?;
        let message = match &self.made {
            Some(made) => made.get(place)?.clone(),
            None => self.messages.make(request),
        };
        Some((request, message))
    }
}

fn headers(
    base_url: &Url,
    wire: &HttpSettings,
    api_key: Option<&str>,
) -> anyhow::Result<Vec<(String, String)>> {
    let host = base_url.host_str().with_context(|| format!("{base_url} names no host"))?;
    let host = base_url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let mut headers: Vec<(String, String)> = [
        ("Host", host.as_str()),
        ("User-Agent", concat!("harness/", env!("CARGO_PKG_VERSION"))),
        ("Accept", "text/event-stream"),
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

fn http1_head(path: &str, headers: &[(String, String)], close: bool) -> anyhow::Result<Vec<u8>> {
    let mut head = format!("POST {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !token || value.contains(['\r', '\n', '\0']) {
            bail!(
                "the header {name:?} cannot be sent: its name or value holds a character that HTTP forbids"
            );
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if close {
        head.push_str("Connection: close\r\n");
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
mod tests {
    use super::*;
    use crate::schema::plan::Header;

    fn wire(endpoint: Endpoint) -> HttpSettings {
        HttpSettings {
            endpoint,
            path: endpoint.path().to_owned(),
            headers: Vec::new(),
            api_key_env: None,
            ca_file: None,
            insecure: false,
            http2: false,
        }
    }

    fn protocol() -> Capabilities {
        Capabilities {
            request_model: "m".to_owned(),
            ignore_eos: true,
            min_tokens: true,
            stream_options: true,
            continuous_usage: true,
            eos_in_usage: true,
            done_marker: true,
            body: Map::new(),
        }
    }

    const PLAIN: Sampling =
        Sampling { temperature: 0.0, max_tokens: None, ignore_eos: false, exact_itl: false };

    fn message(wire: &HttpSettings, protocol: &Capabilities, sampling: &Sampling) -> (String, Value) {
        let url = Url::parse("http://example.org:8000").unwrap();
        let messages = Messages::new(&url, wire, Some("secret"), protocol, sampling, false).unwrap();
        let request = Request { prompt_id: "p".into(), prompt: "a \"b\"\né".into(), max_tokens: 7 };
        let text = String::from_utf8(messages.make(&request).to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn a_chat_request_asks_for_a_stream_with_usage_and_an_explicit_temperature() {
        let (head, body) = message(&wire(Endpoint::Chat), &protocol(), &PLAIN);
        assert!(
            head.starts_with("POST /v1/chat/completions HTTP/1.1\r\nHost: example.org:8000\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\nAuthorization: Bearer secret"), "{head}");
        let expected = json!({
            "model": "m", "messages": [{"role": "user", "content": "a \"b\"\né"}], "max_tokens": 7,
            "temperature": 0.0, "stream": true, "stream_options": {"include_usage": true},
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_length_is_forced_only_where_it_is_asked_for_and_taken() {
        let ask = Sampling { ignore_eos: true, exact_itl: true, ..PLAIN };
        let (_, body) = message(&wire(Endpoint::Completions), &protocol(), &ask);
        assert_eq!((&body["ignore_eos"], &body["min_tokens"]), (&json!(true), &json!(7)));
        assert_eq!(body["stream_options"]["continuous_usage_stats"], json!(true));
        assert_eq!(body["prompt"], json!("a \"b\"\né"));
        let plain = Capabilities {
            ignore_eos: false,
            min_tokens: false,
            stream_options: false,
            body: Map::from_iter([("cache_prompt".to_owned(), json!(false))]),
            ..protocol()
        };
        let (_, body) = message(&wire(Endpoint::Completions), &plain, &ask);
        for absent in ["ignore_eos", "min_tokens", "stream_options"] {
            assert_eq!(body.get(absent), None, "{absent}");
        }
        assert_eq!(body["cache_prompt"], json!(false));
    }

    #[test]
    fn a_request_bears_its_prompts_id_where_the_body_asks_for_it() {
        let with_user = |user: &str| {
            let body = Map::from_iter([("user".to_owned(), json!(user))]);
            message(&wire(Endpoint::Completions), &Capabilities { body, ..protocol() }, &PLAIN).1
        };
        assert_eq!(with_user("{prompt_id}")["user"], json!("p"));
        assert_eq!(with_user("someone")["user"], json!("someone"));
    }

    #[test]
    fn headers_of_the_user_replace_ours_and_cannot_break_the_request() {
        let header = |name: &str, value: &str| HttpSettings {
            headers: vec![Header { name: name.to_owned(), value: value.to_owned() }],
            ..wire(Endpoint::Chat)
        };
        let (head, _) = message(&header("authorization", "Basic x"), &protocol(), &PLAIN);
        assert!(head.contains("authorization: Basic x") && !head.contains("secret"), "{head}");
        let url = Url::parse("http://h").unwrap();
        for (name, value) in [("x", "a\r\nb: c"), ("x y", "a"), ("", "a"), ("Content-Length", "3")] {
            let refused = Messages::new(&url, &header(name, value), None, &protocol(), &PLAIN, false);
            assert!(refused.is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn a_base_url_with_a_path_keeps_it_and_v1_is_not_doubled() {
        let path = |base: &str| path(&Url::parse(base).unwrap(), "/v1/completions");
        assert_eq!(path("http://h"), "/v1/completions");
        assert_eq!(path("http://h/v1/"), "/v1/completions");
        assert_eq!(path("http://h/proxy"), "/proxy/v1/completions");
        assert_eq!(path("http://h/proxy/v1"), "/proxy/v1/completions");
    }

    #[test]
    fn requests_are_repeated_in_order_and_none_gives_none() {
        let url = Url::parse("http://h").unwrap();
        let messages = Messages::new(&url, &wire(Endpoint::Chat), None, &protocol(), &PLAIN, false);
        let messages = Arc::new(messages.unwrap());
        let request = |id: &str| Request { prompt_id: id.into(), prompt: id.into(), max_tokens: 1 };
        let script = Requests::new(messages.clone(), [request("a"), request("b")].into());
        assert_eq!(script.get(4).unwrap().0.prompt_id, "a");
        assert_eq!(script.get(5).unwrap().0.prompt_id, "b");
        assert!(Requests::new(messages, [].into()).get(0).is_none());
    }
}
