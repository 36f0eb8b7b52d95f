//! What OpenAI's two protocols share: the fields of a body, what an event says, and the message of an error.

use serde_json::{Map, Value, json};

use crate::schema::plan::Sampling;
use crate::schema::target::Capabilities;

use crate::load::http::sse::{Event, Name};
use crate::load::protocol::openai_event::{
    LAYOUT, answer_text, error_body_text, is_error, read_event, read_whole, whole_text,
};
use crate::load::protocol::page;
use crate::load::protocol::stencil;
use crate::load::protocol::terms::{Ask, Lengths, Payload, clip};

/// The data of the last event.
pub(super) const DONE: &str = "[DONE]";

/// As the value of `user` in a backend's body it stands for the unit's id, by which a server's own account of
/// a request can be found.
const PROMPT_ID: &str = "{prompt_id}";

/// The fields that all requests of a run share.
pub(super) fn shared_body(
    capabilities: &Capabilities,
    sampling: &Sampling,
    streams: bool,
) -> Map<String, Value> {
    let mut fields = capabilities.body.clone();
    fields.insert("model".to_owned(), json!(capabilities.request_model));
    fields.insert("stream".to_owned(), json!(streams));
    fields.insert("temperature".to_owned(), json!(sampling.temperature));
    // Of a reply that comes whole usage is a part, and the options are refused.
    if capabilities.stream_options && streams {
        let mut options = Map::from_iter([("include_usage".to_owned(), json!(true))]);
        if sampling.exact_itl && capabilities.continuous_usage {
            options.insert("continuous_usage_stats".to_owned(), json!(true));
        }
        fields.insert("stream_options".to_owned(), Value::Object(options));
    }
    let changes = &capabilities.fields;
    if sampling.ignore_eos {
        fields.extend(capabilities.force_length.clone());
    }
    if sampling.ignore_eos && (capabilities.ignore_eos || changes.try_ignore_eos) {
        fields.insert("ignore_eos".to_owned(), json!(true));
    }
    fields.retain(|name, _| !changes.omits(name));
    merge(&mut fields, &changes.extra);
    fields
}

/// Puts `more` in; what both hold as an object is merged in turn.
pub(super) fn merge(fields: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        match (fields.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => merge(inner, more),
            (_, value) => {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The fields of one request, but for its turns.
pub(super) fn own_body(shared: &Map<String, Value>, ask: &Ask<'_>, lengths: &Lengths) -> Map<String, Value> {
    let mut fields = shared.clone();
    if let Some(model) = ask.model {
        fields.insert("model".to_owned(), json!(model));
    }
    if let Some(limit) = &lengths.limit {
        fields.insert(limit.clone(), json!(ask.max_tokens));
    }
    if lengths.least {
        fields.insert("min_tokens".to_owned(), json!(ask.max_tokens));
    }
    put_id(&mut fields, ask.id);
    fields
}

/// Marks the request with its unit's id, where the body asks for it.
pub(super) fn put_id(fields: &mut Map<String, Value>, id: &str) {
    if let Some(Value::String(user)) = fields.get_mut("user")
        && user == PROMPT_ID
    {
        id.clone_into(user);
    }
}

/// What an event says; an error, in words, where it is no JSON. The answer's text is appended to `text` where that
/// is kept.
pub(super) fn read(event: &Event<'_>, text: Option<&mut String>) -> Result<Payload, String> {
    if text.is_none()
        && event.name == Name::Message
        && let Some(payload) = stencil::known(event.data)
    {
        return Ok(payload);
    }
    read_named(event, |data| {
        let payload = read_event(data).map_err(|error| no_json(data, &error))?;
        if text.is_none() {
            stencil::learn(data, &payload, LAYOUT);
        }
        if let Some(text) = text
            && payload.answer
        {
            answer_text(data, text);
        }
        Ok(payload)
    })
}

/// The same of a reply that comes whole.
pub(super) fn read_reply(event: &Event<'_>, text: Option<&mut String>) -> Result<Payload, String> {
    read_named(event, |data| {
        if let Some(text) = text {
            whole_text(data, text);
        }
        read_whole(data).map_err(|error| no_json(data, &error))
    })
}

/// What an event says: the marker, an error by its name, else what `message` makes of its data.
pub(super) fn read_named(
    event: &Event<'_>,
    message: impl FnOnce(&[u8]) -> Result<Payload, String>,
) -> Result<Payload, String> {
    let data = event.data;
    if data.trim_ascii() == DONE.as_bytes() {
        return Ok(Payload { done: true, ..Payload::default() });
    }
    match event.name {
        Name::Message if data.trim_ascii().is_empty() => Ok(Payload::passed_over()),
        Name::Message => message(data),
        Name::Error => {
            let message = match error_message(data) {
                message if message.is_empty() => "an error event without a message".to_owned(),
                message => message,
            };
            Ok(Payload { error: Some(message), ..Payload::default() })
        }
        Name::Other => Ok(Payload::passed_over()),
        Name::Bare => Ok(Payload { error: error_of(data), ..Payload::default() }),
    }
}

/// Why an event cannot be read, in words.
#[cold]
pub(super) fn no_json(data: &[u8], error: &serde_json::Error) -> String {
    let data = String::from_utf8_lossy(&data[..data.len().min(120)]);
    format!("an event is not the protocol's JSON ({error}): {data}")
}

/// The message of a response body that is an error: nested `error.message`, flat `message`, string
/// `error`, `detail`, else the text itself; one line, clipped.
pub(super) fn error_message(body: &[u8]) -> String {
    match error_body_text(body) {
        Some(text) => clip(&text),
        None => text_of(body),
    }
}

/// The words of a web page, else the text itself; one line, clipped.
pub(super) fn text_of(body: &[u8]) -> String {
    clip(&page::words(body).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()))
}

/// The message of a JSON object, whatever else it holds.
pub(super) fn words_of(body: &[u8]) -> Option<String> {
    error_body_text(body).map(|text| clip(&text)).filter(|text| !text.is_empty())
}

/// The message of a JSON body that has an `error` member, or is a flat error object.
pub(super) fn error_of(body: &[u8]) -> Option<String> {
    is_error(body).then(|| error_message(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_named(name: Name, data: &str) -> Payload {
        read(&Event { data: data.as_bytes(), name }, None).unwrap()
    }

    #[test]
    fn text_is_kept_where_it_is_wanted_and_reasoning_is_no_part_of_it() {
        let mut text = String::new();
        for data in [
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"a \"é\""}}]}"#,
            r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
            r#"{"choices":[{"text":"\nb"}],"usage":null}"#,
            r#"{"choices":[{"delta":{"content":null,"tool_calls":[{"index":0}]}}]}"#,
            r#"{"choices":[{"delta":{"content":6}},{"delta":{"content":true}}],"choices":null}"#,
            r#"{"choices":[{"delta":{"content":7.5}},5,{"delta":"x"}]}"#,
            r#"{"choices":[{"delta":{"content":"\ud83d"}}]}"#,
            r#"{"choices":[{"delta":{"refusal":"no"}}]}"#,
            DONE,
        ] {
            let event = Event { data: data.as_bytes(), name: Name::Message };
            read(&event, Some(&mut text)).unwrap();
        }
        assert_eq!(text, "a \"é\"\nb7.5\u{fffd}no");
    }

    #[test]
    fn an_event_without_data_or_of_another_name_says_nothing() {
        for (name, data) in [
            (Name::Message, ""),
            (Name::Message, " \n"),
            (Name::Message, "null"),
            (Name::Message, "5"),
            (Name::Message, "\"keep-alive\""),
            (Name::Message, "[1]"),
            (Name::Other, ""),
            (Name::Other, r#"{"type":"ping"}"#),
            (Name::Other, "no JSON"),
        ] {
            assert_eq!(read_named(name, data), Payload::passed_over(), "{name:?} {data}");
        }
        assert!(read_named(Name::Other, DONE).done, "the marker is one, whatever the event calls itself");
        assert!(read_named(Name::Message, "[DONE] ").done);
    }

    #[test]
    fn an_event_that_calls_itself_an_error_is_one() {
        for (data, message) in [
            (r#"{"code":400,"message":"too long"}"#, "too long"),
            (r#"{"error":{"message":"m"}}"#, "m"),
            ("the engine died", "the engine died"),
            ("", "an error event without a message"),
        ] {
            assert_eq!(read_named(Name::Error, data).error.as_deref(), Some(message));
        }
    }

    #[test]
    fn a_line_of_json_is_an_error_or_nothing() {
        assert_eq!(read_named(Name::Bare, r#"{"error":{"message":"m"}}"#).error.as_deref(), Some("m"));
        for data in ["{", r#"{"choices":[{"text":"a"}]}"#, r#"{"error":null}"#] {
            assert_eq!(read_named(Name::Bare, data), Payload::default(), "{data}");
        }
    }

    #[test]
    fn the_message_of_an_error_body_is_found_and_clipped() {
        assert_eq!(error_message(br#"{"error":{"message":"a\nb"}}"#), "a b");
        assert_eq!(error_message(br#"{"object":"error","message":"a"}"#), "a");
        assert_eq!(error_message(br#"{"error":"a","error_type":"b"}"#), "a");
        assert_eq!(error_message(br#"{"detail":"Not Found"}"#), "Not Found");
        assert_eq!(error_message(br#"[{"error":{"message":"in a list"}}]"#), "in a list");
        assert_eq!(error_message(br#"{"error":"first"}{"error":"second"}"#), "first");
        assert_eq!(error_message(b"plain"), "plain");
        assert_eq!(error_message(b"{\"error\":\"cut in its mid"), "{\"error\":\"cut in its mid");
        assert_eq!(error_message("é".repeat(1000).as_bytes()).chars().count(), 301);
    }

    #[test]
    fn a_body_is_an_error_where_it_says_so() {
        for body in [
            r#"{"error":{"message":"m"}}"#,
            "{\n  \"error\": \"m\"\n}\n",
            r#"{"object":"error","message":"m"}"#,
            r#"{"message":"m","code":500}"#,
            r#"[{"error":{"message":"m"}}]"#,
        ] {
            assert_eq!(error_of(body.as_bytes()).as_deref(), Some("m"), "{body}");
        }
        for body in [
            "",
            "{}",
            "<html>",
            r#"{"error":null}"#,
            r#"{"error":false}"#,
            r#"{"choices":[],"message":"m","code":500}"#,
        ] {
            assert_eq!(error_of(body.as_bytes()), None, "{body}");
        }
    }
}
