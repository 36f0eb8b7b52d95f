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
mod tests {
    use super::*;
    use crate::schema::plan::Header;
    use crate::schema::target::{BodyFields, ProtocolName};
    use serde_json::json;

    fn wire(protocol: ProtocolName) -> HttpSettings {
        HttpSettings {
            protocol,
            path: crate::load::default_path(protocol).to_owned(),
            ..HttpSettings::default()
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
            force_length: Map::new(),
            body: Map::new(),
            fields: BodyFields::default(),
        }
    }

    const PLAIN: Sampling =
        Sampling { temperature: 0.0, max_tokens: None, ignore_eos: false, exact_itl: false };

    fn message(wire: &HttpSettings, protocol: &Capabilities, sampling: &Sampling) -> (String, Value) {
        let url = Url::parse("http://example.org:8000").unwrap();
        let messages = Messages::new(&url, wire, Some("secret"), protocol, sampling).unwrap();
        let unit = Unit::single("p", "a \"b\"\né", 7);
        let text = String::from_utf8(messages.first(&unit).unwrap().to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn a_chat_request_asks_for_a_stream_with_usage_and_an_explicit_temperature() {
        let (head, body) = message(&wire(ProtocolName::OpenaiChat), &protocol(), &PLAIN);
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
        let (_, body) = message(&wire(ProtocolName::OpenaiCompletions), &protocol(), &ask);
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
        let (_, body) = message(&wire(ProtocolName::OpenaiCompletions), &plain, &ask);
        for absent in ["ignore_eos", "min_tokens", "stream_options"] {
            assert_eq!(body.get(absent), None, "{absent}");
        }
        assert_eq!(body["cache_prompt"], json!(false));
        let config = Map::from_iter([("generation_config".to_owned(), json!("{\"eos_token_id\": -1}"))]);
        let in_its_own_way = Capabilities { force_length: config, ..plain };
        let (_, body) = message(&wire(ProtocolName::OpenaiChat), &in_its_own_way, &ask);
        assert_eq!(
            (body.get("ignore_eos"), &body["generation_config"]),
            (None, &json!("{\"eos_token_id\": -1}"))
        );
        let (_, body) = message(&wire(ProtocolName::OpenaiChat), &in_its_own_way, &PLAIN);
        assert_eq!(body.get("generation_config"), None, "not asked for");
    }

    #[test]
    fn a_path_names_the_model_of_its_request() {
        let wire = wire(ProtocolName::TritonTrtllm);
        let url = Url::parse("http://h/p").unwrap();
        let messages = Messages::new(&url, &wire, None, &protocol(), &PLAIN).unwrap();
        let first = |model: Option<&str>| {
            let unit = Unit { model: model.map(Into::into), ..Unit::single("p", "a", 7) };
            let text = String::from_utf8(messages.first(&unit).unwrap().to_vec()).unwrap();
            assert!(text.contains("\r\nHost: h\r\n") && text.ends_with('}'), "{text}");
            text.lines().next().unwrap().to_owned()
        };
        assert_eq!(first(None), "POST /p/v2/models/m/generate_stream HTTP/1.1");
        assert_eq!(first(Some("a/b c")), "POST /p/v2/models/a%2Fb%20c/generate_stream HTTP/1.1");
    }

    #[test]
    fn each_protocol_s_body_has_its_fields_where_the_server_looks_for_them() {
        let forced = Sampling { ignore_eos: true, temperature: 0.5, ..PLAIN };
        let body = |name: ProtocolName, sampling: &Sampling| {
            let mut capabilities = protocol();
            crate::load::adapt(&mut capabilities, name);
            message(&wire(name), &capabilities, sampling).1
        };
        let text = "a \"b\"\né";
        let tgi = |parameters: Value| json!({"inputs": text, "parameters": parameters});
        assert_eq!(
            body(ProtocolName::Tgi, &PLAIN),
            tgi(json!({"max_new_tokens": 7, "do_sample": false, "details": true}))
        );
        assert_eq!(
            body(ProtocolName::Tgi, &forced),
            tgi(json!({"max_new_tokens": 7, "do_sample": true, "temperature": 0.5, "details": true}))
        );
        let parameters =
            json!({"max_new_tokens": 7, "temperature": 0.5, "ignore_eos": true, "min_new_tokens": 7});
        let sglang = json!({"text": text, "stream": true, "sampling_params": parameters});
        assert_eq!(body(ProtocolName::Sglang, &forced), sglang);
        let llamacpp = json!({"prompt": text, "stream": true, "n_predict": 7, "temperature": 0.5, "ignore_eos": true, "model": "m"});
        assert_eq!(body(ProtocolName::Llamacpp, &forced), llamacpp);
        let triton = json!({"text_input": text, "max_tokens": 7, "temperature": 0.0, "stream": true, "bad_words": "", "stop_words": ""});
        assert_eq!(body(ProtocolName::TritonTrtllm, &PLAIN), triton);
        assert_eq!(
            body(ProtocolName::Jetstream, &PLAIN),
            json!({"prompt": text, "max_tokens": 7, "stream": true})
        );
        let inputs = json!({"temperature": 0.0, "per_example_max_decode_steps": 7});
        assert_eq!(
            body(ProtocolName::Sax, &PLAIN),
            json!({"model": "m", "query": text, "extra_inputs": inputs})
        );
        let instances = json!([{"prompt": text, "max_tokens": 7, "temperature": 0.0}]);
        assert_eq!(body(ProtocolName::NaiveTransformers, &PLAIN), json!({"instances": instances}));
    }

    #[test]
    fn a_request_bears_its_prompts_id_where_the_body_asks_for_it() {
        let with_user = |user: &str| {
            let body = Map::from_iter([("user".to_owned(), json!(user))]);
            message(&wire(ProtocolName::OpenaiCompletions), &Capabilities { body, ..protocol() }, &PLAIN).1
        };
        assert_eq!(with_user("{prompt_id}")["user"], json!("p"));
        assert_eq!(with_user("someone")["user"], json!("someone"));
    }

    #[test]
    fn headers_of_the_user_replace_ours_and_cannot_break_the_request() {
        let header = |name: &str, value: &str| HttpSettings {
            headers: vec![Header { name: name.to_owned(), value: value.to_owned() }],
            ..wire(ProtocolName::OpenaiChat)
        };
        let (head, _) = message(&header("authorization", "Basic x"), &protocol(), &PLAIN);
        assert!(head.contains("authorization: Basic x") && !head.contains("secret"), "{head}");
        let url = Url::parse("http://h").unwrap();
        for (name, value) in [("x", "a\r\nb: c"), ("x y", "a"), ("", "a"), ("Content-Length", "3")] {
            let refused = Messages::new(&url, &header(name, value), None, &protocol(), &PLAIN);
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

    fn messages(protocol_name: ProtocolName) -> Arc<Messages> {
        let url = Url::parse("http://h").unwrap();
        Arc::new(Messages::new(&url, &wire(protocol_name), None, &protocol(), &PLAIN).unwrap())
    }

    #[test]
    fn a_further_turn_repeats_the_conversation_and_adds_to_it() {
        let said = |role: &str, content: &str| Message::text(role, content);
        let former = [said("user", "one"), said("assistant", "two")];
        let body = Body::Text("three".into());
        let ask = Ask { id: "p", model: Some("other"), former: &former, body: &body, max_tokens: 5 };
        let sent = |name| {
            let message = messages(name).make(&ask);
            let text = String::from_utf8(message.to_vec()).unwrap();
            serde_json::from_str::<Value>(text.split_once("\r\n\r\n").unwrap().1).unwrap()
        };
        let chat = sent(ProtocolName::OpenaiChat);
        let expected = json!([
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ]);
        assert_eq!((&chat["messages"], &chat["model"]), (&expected, &json!("other")));
        assert_eq!(sent(ProtocolName::OpenaiCompletions)["prompt"], json!("one\n\ntwo\n\nthree"));
    }

    #[test]
    fn messages_of_a_repeated_list_are_made_once_and_none_gives_none() {
        let messages = messages(ProtocolName::OpenaiChat);
        let list = |count: u64| {
            let unit = |k: u64| Unit::single(k.to_string(), "x", 1);
            Units::repeating(count, true, move |k| k.checked_rem(count).map(unit))
        };
        let requests = Requests::new(messages.clone(), Vec::new(), list(2));
        assert_eq!(requests.first(5).unwrap().unit.id.as_ref(), "1");
        assert!(Arc::ptr_eq(&requests.first(1).unwrap().message, &requests.first(3).unwrap().message));
        assert!(Requests::new(messages.clone(), Vec::new(), list(0)).first(0).is_none());
        let large = Units::repeating(2, true, |k| Some(Unit::single(k.to_string(), "x".repeat(20 << 20), 1)));
        let large = Requests::new(messages, Vec::new(), large);
        assert!(large.made.is_none() && large.first(2).unwrap().unit.id.as_ref() == "2");
    }

    #[test]
    fn a_million_distinct_units_leave_nothing_behind() {
        let units = Units::made_by(true, |k| Some(Unit::single(format!("p{k}"), format!("Say {k}."), 1)));
        let requests = Requests::new(messages(ProtocolName::OpenaiCompletions), Vec::new(), units);
        assert!(requests.made.is_none(), "nothing is made beforehand");
        let mut last = None;
        for k in 0..1_000_000u64 {
            let first = requests.first(k).unwrap();
            // Whoever plays it holds the only copy: it goes when the request does.
            assert_eq!((Arc::strong_count(&first.unit), Arc::strong_count(&first.message)), (1, 1));
            if k % 100_000 == 7 {
                assert_eq!(*first.unit.id, *format!("p{k}"));
                assert!(String::from_utf8_lossy(&first.message).contains(&format!("Say {k}.")));
            }
            last = Some(first);
        }
        assert_eq!(last.unwrap().unit.id.as_ref(), "p999999");
    }
}
