//! OpenAI's batch file: `{"custom_id", "method", "url", "body"}` a line. Some providers leave method and URL out.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::place::Wrong;
use super::row::{Context, EMPTY_PROMPT, Exchange, Parse, Parsed, Row, Text, short};
use crate::dataset::entry::{Id, WholeNumber, Written};
use crate::schema::unit::Body;

/// What a request asks for, where it says so. A text is asked for at these.
const TEXT_URLS: [&str; 2] = ["/chat/completions", "/completions"];

#[derive(Deserialize)]
struct Line<'a> {
    custom_id: Option<Id>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Asked {
    messages: Option<Vec<Written>>,
    prompt: Option<Prompt>,
    max_tokens: Option<WholeNumber>,
    max_completion_tokens: Option<WholeNumber>,
    #[serde(flatten)]
    more: std::collections::BTreeMap<String, serde::de::IgnoredAny>,
}

/// A text, or what completions take beside one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Prompt {
    Text(String),
    Texts(Vec<String>),
    Other(serde::de::IgnoredAny),
}

/// One request.
pub(super) fn row(text: &str, context: &mut Context) -> Parse {
    let line: Line<'_> = serde_json::from_str(text)?;
    if let Some(Text(method)) = line.method.as_ref().filter(|Text(method)| method != "POST") {
        return Err(format!("`method` is {}: only POST asks for a text", short(method)).into());
    }
    if let Some(Text(url)) = &line.url {
        check_url(url)?;
    }
    let Some(body) = line.body else { return Err("it has no `body`".into()) };
    let body_wrong = |error: serde_json::Error| {
        Wrong::from(format!("`body`: {}", crate::dataset::parse::clipped_message(&error)))
    };
    let asked: Asked = serde_json::from_str(body.get()).map_err(body_wrong)?;
    for name in asked.more.keys() {
        context.passed_over.add(&format!("body.{name}"));
    }
    let said = match (asked.messages, asked.prompt) {
        (Some(_), Some(_)) => return Err("`body` has both `messages` and `prompt`".into()),
        (Some(messages), None) if messages.is_empty() => return Err("`body.messages` is empty".into()),
        (Some(messages), None) => Body::Messages(messages.into_iter().map(|Written(one)| one).collect()),
        (None, Some(Prompt::Text(text))) => Body::Text(text),
        (None, Some(Prompt::Texts(texts))) => match <[String; 1]>::try_from(texts) {
            Ok([text]) => Body::Text(text),
            Err(_) => return Err("`body.prompt` holds several prompts: give each a line of its own".into()),
        },
        (None, Some(Prompt::Other(_))) => return Err("`body.prompt` is no text (tokens are not read)".into()),
        (None, None) => return Err("`body` has neither `messages` nor `prompt`".into()),
    };
    if matches!(&said, Body::Text(text) if text.trim().is_empty()) {
        return Ok(Parsed::LeftOut(EMPTY_PROMPT));
    }
    Ok(Parsed::Row(Row {
        id: line.custom_id.map(|Id(id)| id),
        category: String::new(),
        turns: vec![Exchange::of(said)],
        max_tokens: asked.max_completion_tokens.or(asked.max_tokens).map(|WholeNumber(tokens)| tokens),
    }))
}

fn check_url(url: &str) -> Result<(), Wrong> {
    let path = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
    if TEXT_URLS.iter().any(|text_url| path.ends_with(text_url)) {
        return Ok(());
    }
    let what = format!("`url` is {}: only chat/completions and completions are played", short(url));
    Err(what.into())
}
