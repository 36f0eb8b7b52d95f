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
#[path = "openai_event_tests.rs"]
mod tests;
