//! One event of OpenAI's streams, read without a JSON tree: does it carry a token, a finish reason, usage, an error?

use serde_json::Value;

use crate::load::protocol::error_text::{ErrorText, NO_MESSAGE};
use crate::load::protocol::lenient::{Count, Elements, Fold, Folded, IsError, Lax, Present, Scalar, object};
use crate::load::protocol::server_times::Times;
use crate::load::protocol::stencil::Layout;
use crate::load::protocol::tame::tamed;
use crate::load::protocol::terms::{Finish, FinishKind, Payload, Usage, clip};

/// What [`Event`] reads, and where its texts stand.
pub(super) const LAYOUT: Layout = Layout {
    read: &["choices", "usage", "error", "object", "message", "code", "timings", "metrics"],
    texts: &[
        &["choices", "[]", "text"],
        &["choices", "[]", "delta", "content"],
        &["choices", "[]", "delta", "reasoning"],
        &["choices", "[]", "delta", "reasoning_content"],
    ],
};

/// Reads one event's data; an error where it is no JSON.
pub(super) fn read_event(data: &[u8]) -> Result<Payload, serde_json::Error> {
    Ok(object::<Event>(data)?.map_or_else(Payload::passed_over, payload))
}

/// Appends the text of an event that was read already. It is read a second time, so that an answer whose
/// text nobody wants pays nothing.
pub(super) fn answer_text(data: &[u8], text: &mut String) {
    if let Ok(Some(TextEvent { choices })) = object(data) {
        text.push_str(&choices.value.0);
    }
}

/// Reads a reply that comes whole; an error where it is no JSON.
pub(super) fn read_whole(data: &[u8]) -> Result<Payload, serde_json::Error> {
    Ok(object::<Reply>(data)?.map_or_else(Payload::passed_over, |reply| payload(reply.into())))
}

/// Appends the text of such a reply.
pub(super) fn whole_text(data: &[u8], text: &mut String) {
    if let Ok(Some(TextReply { choices })) = object(data) {
        text.push_str(&choices.value.0.0);
    }
}

/// True where a JSON body has an `error` member, or is a flat error object.
pub(super) fn is_error(body: &[u8]) -> bool {
    let event = first_object(body).and_then(|value| serde_json::from_value::<Event>(value).ok());
    event.is_some_and(|event| payload(event).error.is_some())
}

/// The message in a JSON body; none where it has none.
pub(super) fn error_body_text(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Body {
        error: Option<ErrorText>,
        message: Option<ErrorText>,
        detail: Option<ErrorText>,
    }
    let Body { error, message, detail } = serde_json::from_value(first_object(body)?).ok()?;
    error.filter(ErrorText::is_error).or(message).or(detail).map(|text| text.0)
}

/// The first JSON object of a body, also within a list.
fn first_object(body: &[u8]) -> Option<Value> {
    let tame = tamed(body);
    let first = serde_json::Deserializer::from_slice(&tame).into_iter::<Value>().next()?.ok()?;
    let object = match first {
        Value::Array(list) => list.into_iter().next()?,
        other => other,
    };
    object.is_object().then_some(object)
}

#[inline]
fn payload(event: Event) -> Payload {
    let Event { choices, usage, error, object, message, code, timings, metrics } = event;
    let has_choices = choices.is_some();
    let Folded { value: all, odd: no_list } = choices.unwrap_or_default();
    let Choices { token, answer, repeats, ids, finish: word, error: of_choice, odd } = all;
    let (usage, odd_counts) = counts(usage);
    let is_flat =
        object.0 || (!has_choices && message.is_some() && code.value.is_some_and(|code| code >= 400));
    let error = match error.filter(ErrorText::is_error).or(of_choice) {
        Some(error) => Some(error.0),
        None if is_flat => Some(message.map_or_else(|| NO_MESSAGE.to_owned(), |message| message.0)),
        None => None,
    };
    let passed_over = odd || no_list || odd_counts;
    let error = error.map(|error| clip(&error));
    let finish = word.and_then(finish);
    let times = timings.0.or(metrics.0);
    let foreign = !has_choices && usage.is_none() && error.is_none() && times.is_none() && !passed_over;
    let ids = (ids > 0).then_some(ids);
    let (so_far, done) = (None, false);
    Payload { token, answer, repeats, ids, finish, usage, times, so_far, error, done, passed_over, foreign }
}

/// What usage says, and whether something in it is no count.
#[inline]
fn counts(usage: Lax<RawUsage>) -> (Option<Usage>, bool) {
    let Some(raw) = usage.value else { return (None, usage.odd) };
    let cached = raw.prompt_tokens_details.value.unwrap_or_default().cached_tokens;
    let shown = raw.completion_tokens_details.value.unwrap_or_default().reasoning_tokens;
    // Outside the details SGLang tells it.
    let reasoning = shown.value.or(raw.reasoning_tokens.value);
    let all = [raw.prompt_tokens, raw.completion_tokens, cached, shown, raw.reasoning_tokens];
    let odd = all.iter().any(|count| count.odd);
    let usage = Usage {
        prompt: raw.prompt_tokens.value.or(raw.input_tokens.value),
        completion: raw.completion_tokens.value.or(raw.output_tokens.value),
        cached: cached.value,
        reasoning,
        odd: raw.completion_tokens.odd,
    };
    (Some(usage), odd || raw.prompt_tokens_details.odd)
}

/// What a finish reason means; an empty one (TGI) is none.
pub(super) fn finish(ErrorText(word): ErrorText) -> Option<Finish> {
    let kind = match word.to_ascii_lowercase().as_str() {
        // Some write the absence of one as a word.
        "" | "false" | "0" | "null" | "none" => return None,
        "stop" | "eos_token" => FinishKind::Stopped,
        // TensorRT-LLM, mistral.rs, DeepSeek and Zhipu have words of their own for an answer that they gave up.
        "abort"
        | "aborted"
        | "error"
        | "failed"
        | "cancelled"
        | "canceled"
        | "timeout"
        | "network_error"
        | "insufficient_system_resource" => FinishKind::Failed,
        _ => FinishKind::Other,
    };
    Some(Finish { word: clip(&word), kind })
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Event {
    choices: Option<Folded<Choices>>,
    usage: Lax<RawUsage>,
    error: Option<ErrorText>,
    object: IsError,
    message: Option<ErrorText>,
    code: Count,
    /// llama.cpp's.
    timings: Times,
    /// vLLM's.
    metrics: Times,
}

#[derive(Default, Clone, Copy, serde::Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
}

#[derive(Default, Clone, Copy, serde::Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct RawUsage {
    prompt_tokens: Count,
    completion_tokens: Count,
    prompt_tokens_details: Lax<PromptDetails>,
    completion_tokens_details: Lax<CompletionDetails>,
    /// The same, where a server tells it outside the details (SGLang).
    reasoning_tokens: Count,
    /// As newer interfaces call the two: some gateways keep their names.
    input_tokens: Count,
    output_tokens: Count,
}

/// All choices of an event taken together.
#[derive(Default)]
struct Choices {
    token: bool,
    answer: bool,
    /// The text stands in a whole message that is finished, and may have come before.
    repeats: bool,
    /// Token ids beside the text.
    ids: u32,
    finish: Option<ErrorText>,
    error: Option<ErrorText>,
    odd: bool,
}

impl Fold<'_> for Choices {
    type Item = Choice;

    #[inline]
    fn take(&mut self, choice: Lax<Choice>) {
        self.odd |= choice.odd;
        let Some(choice) = choice.value else { return };
        self.odd |= choice.delta.odd;
        // A gateway that makes a stream of a whole reply may leave it as it is.
        let is_whole = choice.delta.value.is_none() && choice.message.value.is_some();
        let delta = choice.delta.value.or(choice.message.value).unwrap_or_default();
        let answer = choice.text.0 || delta.is_answer();
        let finish = choice.finish_reason.filter(|reason| !reason.0.is_empty());
        // The end of sequence has an id too, beside the finish.
        let bare_ids = choice.token_ids.0 > 0 && finish.is_none();
        self.answer |= answer;
        self.token |= answer || delta.is_reasoning() || bare_ids;
        self.repeats |= is_whole && finish.is_some();
        self.ids = self.ids.saturating_add(choice.token_ids.0);
        if self.finish.is_none() {
            self.finish = finish;
        }
        if self.error.is_none() {
            self.error = choice.error.filter(ErrorText::is_error);
        }
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Choice {
    delta: Lax<Delta>,
    message: Lax<Delta>,
    text: Present,
    token_ids: Elements,
    finish_reason: Option<ErrorText>,
    /// OpenRouter's.
    error: Option<ErrorText>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Delta {
    content: Present,
    refusal: Present,
    reasoning: Present,
    reasoning_content: Present,
    /// Copilot's name of it.
    reasoning_text: Present,
    /// Ollama's.
    thinking: Present,
    /// OpenRouter's, where a model's reasoning is no plain text.
    reasoning_details: Folded<Details>,
    tool_calls: Present,
    /// As `tool_calls` were before.
    function_call: Present,
}

impl Delta {
    #[inline]
    fn is_answer(&self) -> bool {
        self.content.0 || self.refusal.0 || self.tool_calls.0 || self.function_call.0
    }

    #[inline]
    fn is_reasoning(&self) -> bool {
        let named = self.reasoning.0 || self.reasoning_content.0 || self.reasoning_text.0;
        named || self.thinking.0 || self.reasoning_details.value.0
    }
}

/// Whether any of a list of parts shows text; one that is encrypted is no token.
#[derive(Debug, Default)]
struct Details(bool);

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Detail {
    text: Present,
    summary: Present,
}

impl Fold<'_> for Details {
    type Item = Detail;

    #[inline]
    fn take(&mut self, detail: Lax<Detail>) {
        self.0 |= detail.value.is_some_and(|detail| detail.text.0 || detail.summary.0);
    }
}

/// A reply that comes whole: a message in place of a delta, and all else as in an event.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Reply {
    choices: Option<Folded<WholeChoices>>,
    usage: Lax<RawUsage>,
    error: Option<ErrorText>,
    object: IsError,
    message: Option<ErrorText>,
    code: Count,
    timings: Times,
    metrics: Times,
}

impl From<Reply> for Event {
    fn from(Reply { choices, usage, error, object, message, code, timings, metrics }: Reply) -> Event {
        let choices = choices.map(|all| Folded { value: all.value.0, odd: all.odd });
        Event { choices, usage, error, object, message, code, timings, metrics }
    }
}

#[derive(Default)]
struct WholeChoices(Choices);

impl Fold<'_> for WholeChoices {
    type Item = WholeChoice;

    fn take(&mut self, Lax { value, odd }: Lax<WholeChoice>) {
        let choice = |WholeChoice { message, text, finish_reason }| Choice {
            delta: message,
            text,
            finish_reason,
            ..Choice::default()
        };
        self.0.take(Lax { value: value.map(choice), odd });
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct WholeChoice {
    message: Lax<Delta>,
    text: Present,
    finish_reason: Option<ErrorText>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct TextReply {
    choices: Folded<WholeTexts>,
}

#[derive(Default)]
struct WholeTexts(Texts);

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct WholeText {
    text: Scalar,
    message: Lax<TextDelta>,
}

impl Fold<'_> for WholeTexts {
    type Item = WholeText;

    fn take(&mut self, Lax { value, odd }: Lax<WholeText>) {
        let choice =
            |WholeText { text, message }| TextChoice { text, delta: message, ..TextChoice::default() };
        self.0.take(Lax { value: value.map(choice), odd });
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct TextEvent {
    choices: Folded<Texts>,
}

/// The texts of all choices.
#[derive(Default)]
struct Texts(String);

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct TextChoice {
    text: Scalar,
    delta: Lax<TextDelta>,
    message: Lax<TextDelta>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct TextDelta {
    content: Scalar,
    refusal: Scalar,
}

impl Fold<'_> for Texts {
    type Item = TextChoice;

    fn take(&mut self, choice: Lax<TextChoice>) {
        let TextChoice { text, delta, message } = choice.value.unwrap_or_default();
        let TextDelta { content, refusal } = delta.value.or(message.value).unwrap_or_default();
        self.0.extend(text.0.or(content.0).or(refusal.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::server_times::ServerTimes;

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
        let progress = read(r#"{"prompt_progress":{"total":4}}"#);
        assert_eq!(progress, Payload { foreign: true, ..Payload::default() });
    }

    #[test]
    fn text_reasoning_and_tool_calls_are_tokens_and_reasoning_is_no_answer() {
        let both = |payload: Payload| (payload.token, payload.answer);
        assert_eq!(both(read(r#"{"choices":[{"delta":{"content":"a\n"}}]}"#)), (true, true));
        assert_eq!(both(read(r#"{"choices":[{"text":" "}]}"#)), (true, true));
        assert_eq!(both(read(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#)), (true, true));
        assert_eq!(both(read(r#"{"choices":[{"delta":{"reasoning":"a"}}]}"#)), (true, false));
        for delta in [
            r#""reasoning_content":"a""#,
            r#""reasoning_text":"a""#,
            r#""thinking":"a""#,
            r#""content":"","reasoning_details":[{"type":"reasoning.text","text":"a"}]"#,
        ] {
            let data = format!(r#"{{"choices":[{{"delta":{{{delta}}}}}]}}"#);
            assert_eq!(both(read(&data)), (true, false), "{data}");
        }
        let sealed = r#"{"choices":[{"delta":{"reasoning_details":[{"type":"encrypted","data":"a"}]}}]}"#;
        assert!(!read(sealed).token);
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
        let kind = |word: &str| finish(ErrorText(word.to_owned())).map(|finish| finish.kind);
        assert_eq!([kind("stop"), kind("eos_token")], [Some(FinishKind::Stopped); 2]);
        let gave_up = ["abort", "error", "cancelled", "CANCELED", "timeout", "insufficient_system_resource"];
        assert!(gave_up.iter().all(|word| kind(word) == Some(FinishKind::Failed)));
        assert_eq!([kind("length"), kind("tool_calls")], [Some(FinishKind::Other); 2]);
        assert_eq!([kind(""), kind("null"), kind("None")], [None, None, None]);
    }

    #[test]
    fn usage_is_read_beside_choices_and_without() {
        let usage = read(r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":2}}}"#).usage.unwrap();
        assert_eq!((usage.prompt, usage.completion), (Some(3), Some(8)));
        assert_eq!(usage.cached, Some(2));
        for reasoning in [r#""reasoning_tokens":5"#, r#""completion_tokens_details":{"reasoning_tokens":5}"#]
        {
            let usage =
                read(&format!(r#"{{"choices":[],"usage":{{"completion_tokens":8,{reasoning}}}}}"#)).usage;
            assert_eq!(usage.unwrap().reasoning, Some(5), "{reasoning}");
        }
        assert_eq!(read(r#"{"choices":[{"text":"a"}],"usage":null}"#).usage, None);
        assert!(
            read(r#"{"choices":[{"text":"a"}],"usage":{"prompt_tokens":1,"prompt_tokens_details":null}}"#)
                .usage
                .is_some()
        );
    }

    #[test]
    fn a_server_s_own_times_are_read_where_they_are_sent() {
        let told = |data: &str| read(data).times.map(|times| *times);
        let vllm = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":8},"metrics":{"time_to_first_token_ms":12.5,"generation_time_ms":70,"queue_time_ms":0.25,"mean_itl_ms":10.0,"tokens_per_second":97.0}}"#;
        let times = ServerTimes {
            queue_us: Some(250),
            prefill_us: Some(12_500),
            decode_us: Some(70_000),
            inference_us: None,
        };
        assert_eq!(told(vllm), Some(times));
        let llamacpp = r#"{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"timings":{"cache_n":0,"prompt_n":11,"prompt_ms":33.5,"predicted_ms":120.25}}"#;
        let times =
            ServerTimes { queue_us: None, decode_us: Some(120_250), prefill_us: Some(33_500), ..times };
        assert_eq!(told(llamacpp), Some(times));
        for nothing in [
            "null",
            "5",
            "-1.5",
            "true",
            r#""a""#,
            "[1]",
            "{}",
            r#"{"prompt_ms":null,"queue_time_ms":"1"}"#,
            r#"{"prompt_ms":-1,"predicted_ms":{},"queue_time_ms":[1]}"#,
            r#"{"prompt_ms":1e99}"#,
        ] {
            for field in ["timings", "metrics"] {
                let event = format!(r#"{{"choices":[{{"text":"a"}}],"{field}":{nothing}}}"#);
                assert_eq!(
                    read(&event),
                    Payload { token: true, answer: true, ..Payload::default() },
                    "{event}"
                );
            }
        }
        let whole = read_whole(vllm.as_bytes()).unwrap();
        assert_eq!(whole.times.unwrap().queue_us, Some(250));
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
            (r#"{"error":{"status":"UNAVAILABLE","message":null,"details":"m","code":14}}"#, "m"),
            (r#"{"error":{"type":"t","error":{"message":"m"}}}"#, "m"),
        ] {
            assert_eq!(read(data).error.as_deref(), Some(message), "{data}");
        }
        assert_eq!(read(r#"{"error":null,"choices":[]}"#).error, None);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for data in ["", "hello", "{", "{}}", r#"{"choices":[{"text":"a"}"#, "\u{fffd}"] {
            assert!(read_event(data.as_bytes()).is_err(), "{data}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_read_as_a_stream_of_events_is() {
        assert!(read_event(b"{\"choices\":[{\"text\":\"\xff\"}]}").unwrap().token);
        assert!(read_event(b"{\"choices\":[{\"text\":\"a\tb\n\"}]}").unwrap().token);
    }

    #[test]
    fn any_scalar_that_is_not_empty_is_a_token() {
        for field in ["content", "refusal", "reasoning", "reasoning_content"] {
            for value in
                ["6", "6.5", "-1", "0", "true", "false", r#""\ud83d""#, r#""\ude00x""#, "1e999", "NaN"]
            {
                let data = format!(r#"{{"choices":[{{"delta":{{"{field}":{value}}}}}]}}"#);
                assert!(read(&data).token, "{data}");
            }
            for value in [r#""""#, "null", "[]", "{}"] {
                let data = format!(r#"{{"choices":[{{"delta":{{"{field}":{value}}}}}]}}"#);
                assert_eq!(read(&data), Payload::default(), "{data}");
            }
        }
        assert!(read(r#"{"choices":[{"text":7}]}"#).token);
        assert!(read(r#"{"choices":[{"delta":{"function_call":{"arguments":"a"}}}]}"#).answer);
    }

    #[test]
    fn no_value_of_any_other_field_makes_a_token_unreadable() {
        let odd = [
            "null",
            "5",
            "-1.5",
            "1e999",
            "true",
            r#""text""#,
            r#""\ud83d""#,
            "[]",
            "[[1]]",
            "{}",
            r#"{"a":{}}"#,
        ];
        for value in odd {
            for field in
                ["id", "object", "created", "model", "usage", "x", "\\ud83d", "message", "code", "type"]
            {
                let data = format!(
                    r#"{{"{field}":{value},"choices":[{{"delta":{{"content":"a"}}}}],"{field}":{value}}}"#
                );
                assert!(read(&data).token && read(&data).error.is_none(), "{data}");
            }
            for field in ["index", "logprobs", "message", "x"] {
                let data = format!(
                    r#"{{"choices":[{value},{{"{field}":{value},"delta":{{"role":{value},"content":"a"}}}}]}}"#
                );
                assert!(read(&data).token && read(&data).finish.is_none(), "{data}");
            }
            for data in [
                format!(r#"{{"choices":{value}}}"#),
                format!(r#"{{"choices":[{{"delta":{value}}}]}}"#),
                format!(r#"{{"usage":{value}}}"#),
            ] {
                let payload = read(&data);
                assert!(!payload.token && payload.error.is_none(), "{data}");
            }
        }
    }

    #[test]
    fn a_count_that_is_none_is_dropped_alone_and_said() {
        for count in ["-5", "8.5", "1e999", "99999999999", "\"8\"", "true", "[8]", "{}"] {
            let data = format!(
                r#"{{"choices":[],"usage":{{"prompt_tokens":3,"completion_tokens":{count},"prompt_tokens_details":{{"cached_tokens":1}}}}}}"#
            );
            let usage =
                Usage { prompt: Some(3), completion: None, cached: Some(1), reasoning: None, odd: true };
            assert_eq!((read(&data).usage, read(&data).passed_over), (Some(usage), true), "{data}");
        }
        let missing = read(r#"{"usage":{"prompt_tokens":null,"completion_tokens":8.0}}"#);
        let usage = Usage { completion: Some(8), ..Usage::default() };
        assert_eq!((missing.usage, missing.passed_over), (Some(usage), false));
        for usage in ["[]", "5", r#""none""#] {
            let payload = read(&format!(r#"{{"usage":{usage}}}"#));
            assert_eq!(payload, Payload::passed_over(), "{usage}");
        }
    }

    #[test]
    fn a_member_that_says_no_is_no_error() {
        let nothing = r#"{"code":0,"message":"","type":null}"#;
        for error in ["null", "false", "0", r#""""#, "{}", "[]", nothing] {
            assert_eq!(read(&format!(r#"{{"error":{error},"choices":[]}}"#)).error, None, "{error}");
        }
        assert_eq!(read(r#"{"error":{"code":5}}"#).error.as_deref(), Some("error without a message"));
        assert_eq!(read(r#"{"error":true}"#).error.as_deref(), Some("true"));
    }

    #[test]
    fn kept_words_are_clipped() {
        let long = "A".repeat(1 << 20);
        let finish = read(&format!(r#"{{"choices":[{{"finish_reason":"{long}"}}]}}"#)).finish.unwrap();
        assert_eq!((finish.word.chars().count(), finish.kind), (301, FinishKind::Other));
        let error = read(&format!(r#"{{"error":"{long}"}}"#)).error.unwrap();
        assert_eq!(error.chars().count(), 301);
        for (reason, word) in [("5", "5"), ("true", "true"), (r#"{"type":"stop"}"#, "stop")] {
            let read = read(&format!(r#"{{"choices":[{{"finish_reason":{reason}}}]}}"#));
            assert_eq!(read.finish.unwrap().word, word);
        }
    }
}
