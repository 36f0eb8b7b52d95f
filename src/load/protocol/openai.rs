//! What OpenAI's two protocols share: the fields of a body, and an event's payload, read without a JSON tree:
//! does it carry a token, a finish reason, usage, an error?

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Value, json};

use crate::schema::plan::Sampling;
use crate::schema::target::Capabilities;

use crate::load::http::sse::Event as SseEvent;
use crate::load::protocol::terms::{Ask, Finish, FinishKind, Payload, Usage, clip};

/// The data of the last event.
pub(super) const DONE: &str = "[DONE]";

/// As the value of `user` in a backend's body it stands for the unit's id, by which a server's own account of
/// a request can be found.
const PROMPT_ID: &str = "{prompt_id}";

/// The fields that all requests of a run share.
pub(super) fn shared_body(capabilities: &Capabilities, sampling: &Sampling) -> Map<String, Value> {
    let mut fields = capabilities.body.clone();
    fields.insert("model".to_owned(), json!(capabilities.request_model));
    fields.insert("stream".to_owned(), json!(true));
    fields.insert("temperature".to_owned(), json!(sampling.temperature));
    if capabilities.stream_options {
        let mut options = Map::from_iter([("include_usage".to_owned(), json!(true))]);
        if sampling.exact_itl && capabilities.continuous_usage {
            options.insert("continuous_usage_stats".to_owned(), json!(true));
        }
        fields.insert("stream_options".to_owned(), Value::Object(options));
    }
    if sampling.ignore_eos {
        fields.extend(capabilities.force_length.clone());
    }
    if sampling.ignore_eos && capabilities.ignore_eos {
        fields.insert("ignore_eos".to_owned(), json!(true));
    }
    fields
}

/// The fields of one request, but for its turns.
pub(super) fn own_body(shared: &Map<String, Value>, ask: &Ask<'_>, min_tokens: bool) -> Map<String, Value> {
    let mut fields = shared.clone();
    if let Some(model) = ask.model {
        fields.insert("model".to_owned(), json!(model));
    }
    fields.insert("max_tokens".to_owned(), json!(ask.max_tokens));
    if min_tokens {
        fields.insert("min_tokens".to_owned(), json!(ask.max_tokens));
    }
    if let Some(Value::String(user)) = fields.get_mut("user")
        && user == PROMPT_ID
    {
        ask.id.clone_into(user);
    }
    fields
}

/// What an event says; an error, in words, where it is not the protocol's JSON. The answer's text is appended
/// to `text` where that is kept.
pub(super) fn read(event: &SseEvent<'_>, text: Option<&mut String>) -> Result<Payload, String> {
    if event.data == DONE.as_bytes() {
        return Ok(Payload { done: true, ..Payload::default() });
    }
    match read_event(event.data) {
        Ok(mut payload) => {
            if event.named_error && payload.error.is_none() {
                payload.error = Some(error_message(event.data));
            }
            if let Some(text) = text
                && payload.answer
            {
                push_text(event.data, text);
            }
            Ok(payload)
        }
        Err(_) if event.named_error => {
            let error = Some(clip(&String::from_utf8_lossy(event.data)));
            Ok(Payload { error, ..Payload::default() })
        }
        Err(error) => {
            let data = String::from_utf8_lossy(&event.data[..event.data.len().min(120)]);
            Err(format!("an event is not the protocol's JSON ({error}): {data}"))
        }
    }
}

/// Appends the text of an event that was read already. It is read a second time, so that an answer whose
/// text nobody wants pays nothing.
fn push_text(data: &[u8], text: &mut String) {
    #[derive(Deserialize)]
    struct Event {
        choices: Option<Vec<Choice>>,
    }
    #[derive(Deserialize)]
    struct Choice {
        text: Option<String>,
        delta: Option<Delta>,
    }
    #[derive(Deserialize)]
    struct Delta {
        content: Option<String>,
    }
    // Content that is no text, as a list of parts, adds none.
    let Ok(Event { choices: Some(choices) }) = serde_json::from_slice(data) else { return };
    for choice in choices {
        text.extend(choice.text.or(choice.delta.and_then(|delta| delta.content)));
    }
}

/// What a finish reason means; an empty one (TGI) is none.
fn finish(word: String) -> Option<Finish> {
    let kind = match word.as_str() {
        "" => return None,
        "stop" | "eos_token" => FinishKind::Stopped,
        "abort" | "error" => FinishKind::Failed,
        _ => FinishKind::Other,
    };
    Some(Finish { word, kind })
}

/// Reads one event's data; an error where it is not the protocol's JSON.
fn read_event(data: &[u8]) -> Result<Payload, serde_json::Error> {
    let event: Event = serde_json::from_slice(data)?;
    let error = match event.error {
        Some(ErrorText(text)) => Some(text),
        None if event.object.0 => {
            Some(event.message.unwrap_or(Loose(String::from("error without a message"))).0)
        }
        None => None,
    };
    let Choices { token, answer, finish: word } = event.choices.unwrap_or_default();
    Ok(Payload { token, answer, finish: word.and_then(finish), usage: event.usage, error, done: false })
}

/// The message of a response body that is an error: nested `error.message`, flat `message`, string
/// `error`, `detail`, else the text itself; one line, clipped.
pub(super) fn error_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Option<ErrorText>,
        message: Option<Loose>,
        detail: Option<Loose>,
    }
    let text = match serde_json::from_slice::<Body>(body) {
        Ok(Body { error: Some(ErrorText(text)), .. }) => text,
        Ok(Body { message: Some(Loose(text)), .. }) | Ok(Body { detail: Some(Loose(text)), .. }) => text,
        Ok(Body { .. }) | Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    clip(&text)
}

/// True where a JSON body has an `error` member, or is a flat error object.
pub(super) fn is_error_body(body: &[u8]) -> bool {
    read_event(body).is_ok_and(|payload| payload.error.is_some())
}

#[derive(Deserialize)]
struct Event {
    choices: Option<Choices>,
    usage: Option<Usage>,
    error: Option<ErrorText>,
    #[serde(default)]
    object: IsError,
    message: Option<Loose>,
}

/// Whether `object` says `error`; read without a copy, since every event has it.
#[derive(Default)]
struct IsError(bool);

impl<'de> Deserialize<'de> for IsError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl Visitor<'_> for Look {
            type Value = IsError;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of an object")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<IsError, E> {
                Ok(IsError(text == "error"))
            }

            fn visit_unit<E: de::Error>(self) -> Result<IsError, E> {
                Ok(IsError(false))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// All choices of an event taken together.
#[derive(Default)]
struct Choices {
    token: bool,
    answer: bool,
    finish: Option<String>,
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fold;
        impl<'de> Visitor<'de> for Fold {
            type Value = Choices;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices, A::Error> {
                let mut all = Choices::default();
                while let Some(choice) = list.next_element::<Choice>()? {
                    let delta = choice.delta.unwrap_or_default();
                    let answer = choice.text.0 || delta.content.0 || delta.tool_calls.0;
                    all.answer |= answer;
                    all.token |= answer || delta.reasoning.0 || delta.reasoning_content.0;
                    all.finish = all
                        .finish
                        .or(choice.finish_reason.map(|reason| reason.0))
                        .filter(|reason| !reason.is_empty());
                }
                Ok(all)
            }
        }
        deserializer.deserialize_seq(Fold)
    }
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    #[serde(default)]
    text: Present,
    finish_reason: Option<Loose>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Present,
    reasoning: Present,
    reasoning_content: Present,
    tool_calls: Present,
}

/// Only whether a text or a list is there and not empty.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Present;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text, a list or null")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Present, E> {
                Ok(Present(!text.is_empty()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Present, E> {
                Ok(Present(false))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Present, A::Error> {
                let mut any = false;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    any = true;
                }
                Ok(Present(any))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Present, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Present(true))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// A text; anything else that is there is taken as its JSON-like form, so that an odd error stays an error.
struct Loose(String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ErrorText::deserialize(deserializer).map(|text| Loose(text.0))
    }
}

/// The message of an error member: a text, or an object with a message.
struct ErrorText(String);

impl<'de> Deserialize<'de> for ErrorText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = ErrorText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an error")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ErrorText, E> {
                Ok(ErrorText(text.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<ErrorText, E> {
                Ok(ErrorText(value.to_string()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<ErrorText, E> {
                Ok(ErrorText(value.to_string()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<ErrorText, E> {
                Ok(ErrorText(value.to_string()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<ErrorText, E> {
                Ok(ErrorText(value.to_string()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<ErrorText, E> {
                Ok(ErrorText(String::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ErrorText, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = list.next_element::<ErrorText>()? {
                    all.push(item.0);
                }
                Ok(ErrorText(all.join("; ")))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ErrorText, A::Error> {
                let (mut message, mut other) = (None, String::from("error without a message"));
                while let Some(key) = map.next_key::<Loose>()? {
                    let value = map.next_value::<Loose>()?.0;
                    match key.0.as_str() {
                        "message" | "msg" => message = Some(value),
                        "type" => other = value,
                        _ => {}
                    }
                }
                Ok(ErrorText(message.unwrap_or(other)))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &str) -> Payload {
        read_event(data.as_bytes()).unwrap()
    }

    #[test]
    fn a_role_only_empty_or_null_content_is_no_token() {
        for delta in [
            r#"{"role":"assistant"}"#,
            r#"{"role":"assistant","content":""}"#,
            r#"{"content":null}"#,
            "{}",
            "null",
        ] {
            assert_eq!(
                read(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)),
                Payload::default(),
                "{delta}"
            );
        }
        assert!(!read(r#"{"choices":[{"text":""}]}"#).token);
        assert!(!read(r#"{"choices":[{"delta":{"tool_calls":[],"reasoning_content":null}}]}"#).token);
        assert_eq!(read(r#"{"prompt_progress":{"total":4}}"#), Payload::default());
    }

    #[test]
    fn text_reasoning_and_tool_calls_are_tokens_and_reasoning_is_no_answer() {
        let both = |payload: Payload| (payload.token, payload.answer);
        assert_eq!(both(read(r#"{"choices":[{"delta":{"content":"a\n"}}]}"#)), (true, true));
        assert_eq!(both(read(r#"{"choices":[{"text":" "}]}"#)), (true, true));
        assert_eq!(both(read(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#)), (true, true));
        assert_eq!(both(read(r#"{"choices":[{"delta":{"reasoning":"a"}}]}"#)), (true, false));
        assert_eq!(both(read(r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#)), (true, false));
    }

    #[test]
    fn an_empty_finish_reason_is_none() {
        assert_eq!(read(r#"{"choices":[{"text":"a","finish_reason":""}]}"#).finish, None);
        assert_eq!(
            read(r#"{"choices":[{"text":"a","finish_reason":"length"}]}"#).finish,
            Some(Finish { word: "length".to_owned(), kind: FinishKind::Other })
        );
    }

    #[test]
    fn a_finish_reason_means_a_stop_a_failure_or_another_end() {
        let kind = |word: &str| finish(word.to_owned()).map(|finish| finish.kind);
        assert_eq!([kind("stop"), kind("eos_token")], [Some(FinishKind::Stopped); 2]);
        assert_eq!([kind("abort"), kind("error")], [Some(FinishKind::Failed); 2]);
        assert_eq!([kind("length"), kind("tool_calls")], [Some(FinishKind::Other); 2]);
        assert_eq!(kind(""), None);
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
            DONE,
        ] {
            let event = SseEvent { data: data.as_bytes(), named_error: false };
            super::read(&event, Some(&mut text)).unwrap();
        }
        assert_eq!(text, "a \"é\"\nb");
    }

    #[test]
    fn usage_is_read_beside_choices_and_without() {
        let usage = read(r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":2}}}"#).usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(3), Some(8)));
        assert_eq!(usage.prompt_tokens_details.unwrap().cached_tokens, Some(2));
        assert_eq!(read(r#"{"choices":[{"text":"a"}],"usage":null}"#).usage, None);
        assert!(
            read(r#"{"choices":[{"text":"a"}],"usage":{"prompt_tokens":1,"prompt_tokens_details":null}}"#)
                .usage
                .is_some()
        );
    }

    #[test]
    fn every_engines_error_is_an_error_with_its_message() {
        for (data, message) in [
            (r#"{"error":{"message":"m","type":"t","param":null,"code":500}}"#, "m"),
            (r#"{"error":{"object":"error","message":"m","type":"t","param":null,"code":503}}"#, "m"),
            (r#"{"error":{"code":500,"message":"m","type":"server_error"}}"#, "m"),
            (r#"{"error":{"message":"m","http_status_code":422}}"#, "m"),
            (r#"{"error":"m","error_type":"overloaded"}"#, "m"),
            (r#"{"object":"error","message":"m","code":400}"#, "m"),
            (r#"{"error":{"type":"t"}}"#, "t"),
        ] {
            assert_eq!(read(data).error.as_deref(), Some(message), "{data}");
        }
        assert_eq!(read(r#"{"error":null,"choices":[]}"#).error, None);
    }

    #[test]
    fn what_is_not_the_protocols_json_is_refused() {
        for data in ["", "hello", "{", "5", "[1]", r#"{"choices":5}"#, "\u{fffd}"] {
            assert!(read_event(data.as_bytes()).is_err(), "{data}");
        }
        assert!(read_event(b"{\"choices\":[{\"text\":\"\xff\"}]}").is_err());
    }

    #[test]
    fn the_message_of_an_error_body_is_found_and_clipped() {
        assert_eq!(error_message(br#"{"error":{"message":"a\nb"}}"#), "a b");
        assert_eq!(error_message(br#"{"object":"error","message":"a"}"#), "a");
        assert_eq!(error_message(br#"{"error":"a","error_type":"b"}"#), "a");
        assert_eq!(error_message(br#"{"detail":"Not Found"}"#), "Not Found");
        assert_eq!(error_message(b"plain"), "plain");
        assert_eq!(error_message("é".repeat(1000).as_bytes()).chars().count(), 301);
    }
}
