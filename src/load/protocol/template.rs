//! A protocol that is described and not known: bodies made from a template, answers read at a path.

use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value, json};

use crate::schema::plan::Sampling;
use crate::schema::target::Capabilities;
use crate::schema::unit::Body;
use crate::schema::wire::{BodyTemplate, ReplyFraming};

use crate::load::http::sse::Event;
use crate::load::protocol::by_path::{self, Places};
use crate::load::protocol::json_path::{self, Step};
use crate::load::protocol::openai::merge;
use crate::load::protocol::openai_chat::messages;
use crate::load::protocol::template_text::{Part, Place, parts, render};
use crate::load::protocol::terms::{Ask, Framing, Payload};

/// Templates that one process may hold.
const MOST: usize = 32;

/// They live as long as the process: an event's reader gets at its own by a number, without a lock or a count, and a
/// protocol stays a value that is copied. A run has one.
static ALL: [OnceLock<Template>; MOST] = [const { OnceLock::new() }; MOST];
static MAKING: Mutex<()> = Mutex::new(());

/// Which of the templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TemplateId(u8);

/// A template, read.
#[derive(Debug)]
struct Template {
    source: BodyTemplate,
    parts: Vec<Part>,
    text: Vec<Step>,
    tokens: Option<Vec<Step>>,
}

/// Keys of what all requests share.
const TEMPERATURE: &str = "temperature";
const MODEL: &str = "model";
const EXTRA: &str = "extra";

/// Reads a template, once.
///
/// # Errors
/// It is none: a name that nobody knows, no JSON when it is filled in, a path that is none.
pub(super) fn known(source: &BodyTemplate) -> Result<TemplateId, String> {
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, place) in ALL.iter().enumerate() {
        let id = TemplateId(number as u8);
        match place.get() {
            Some(there) if there.source == *source => return Ok(id),
            Some(_) => {}
            None => {
                let template = read_template(source)?;
                return place
                    .set(template)
                    .map(|()| id)
                    .map_err(|_| "it was read twice at a time".to_owned());
            }
        }
    }
    Err(format!("a process can hold {MOST} templates, and has them"))
}

fn read_template(source: &BodyTemplate) -> Result<Template, String> {
    let parts = parts(&source.body)?;
    let path =
        |name: &str, path: &str| json_path::parse(path).map_err(|why| format!("{name} {path:?}: {why}"));
    let text = path("the path to the text", &source.text_path)?;
    let tokens =
        source.tokens_path.as_deref().map(|tokens| path("the path to the tokens", tokens)).transpose()?;
    let template = Template { source: source.clone(), parts, text, tokens };
    // Texts that would break a body that is put together carelessly.
    for text in ["", "a \"b\" \\ {prompt} {max_tokens}\n\u{1}é"] {
        let ask =
            Ask { id: "p\"1", model: None, former: &[], body: &Body::Text(text.to_owned()), max_tokens: 7 };
        let filled = template.fill(&Map::from_iter([(MODEL.to_owned(), json!("m\"/"))]), &ask);
        serde_json::from_str::<Value>(&filled)
            .map_err(|error| format!("filled in it is no JSON ({error}): {filled}"))?;
    }
    Ok(template)
}

impl Template {
    fn fill(&self, shared: &Map<String, Value>, ask: &Ask<'_>) -> String {
        let model = || ask.model.or_else(|| shared.get(MODEL)?.as_str()).unwrap_or_default();
        let value = |place: Place| match place {
            Place::Prompt => json!(ask.text()),
            Place::Messages => messages(ask),
            Place::MaxTokens => json!(ask.max_tokens),
            Place::Model => json!(model()),
            Place::Temperature => shared.get(TEMPERATURE).cloned().unwrap_or_else(|| json!(0.0)),
            Place::Stream => json!(self.source.framing != ReplyFraming::Whole),
            Place::PromptId => json!(ask.id),
        };
        render(&self.parts, value)
    }
}

impl TemplateId {
    fn get(self) -> Option<&'static Template> {
        ALL.get(usize::from(self.0)).and_then(OnceLock::get)
    }

    /// What all requests of a run share: no body yet.
    pub(super) fn shared_body(self, capabilities: &Capabilities, sampling: &Sampling) -> Map<String, Value> {
        let mut shared = Map::new();
        shared.insert(MODEL.to_owned(), json!(capabilities.request_model));
        shared.insert(TEMPERATURE.to_owned(), json!(sampling.temperature));
        if !capabilities.fields.extra.is_empty() {
            shared.insert(EXTRA.to_owned(), Value::Object(capabilities.fields.extra.clone()));
        }
        shared
    }

    /// The body of one request.
    pub(super) fn body(self, shared: &Map<String, Value>, ask: &Ask<'_>) -> String {
        let body = self.get().map_or_else(String::new, |template| template.fill(shared, ask));
        let Some(Value::Object(extra)) = shared.get(EXTRA) else { return body };
        match serde_json::from_str(&body) {
            Ok(Value::Object(mut fields)) => {
                merge(&mut fields, extra);
                Value::Object(fields).to_string()
            }
            Ok(_) | Err(_) => body,
        }
    }

    pub(super) fn framing(self) -> Framing {
        match self.get().map(|template| template.source.framing) {
            Some(ReplyFraming::Sse) | None => Framing::Sse,
            Some(ReplyFraming::JsonStream) => Framing::JsonStream,
            Some(ReplyFraming::Whole) => Framing::Whole,
        }
    }

    /// What an event says.
    pub(super) fn read(self, event: &Event<'_>, text: Option<&mut String>) -> Result<Payload, String> {
        let Some(template) = self.get() else { return Ok(Payload::passed_over()) };
        let places = Places { text: &[&template.text], tokens: template.tokens.as_deref() };
        by_path::read(event, places, text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::load::http::sse::Name;

    fn of(body: &str) -> BodyTemplate {
        BodyTemplate {
            body: body.to_owned(),
            framing: ReplyFraming::Sse,
            text_path: "$.outputs[0].text".to_owned(),
            tokens_path: Some("n".to_owned()),
        }
    }

    fn filled(template: &BodyTemplate, prompt: &str) -> String {
        let shared = Map::from_iter([(MODEL.to_owned(), json!("m")), (TEMPERATURE.to_owned(), json!(0.5))]);
        let body = Body::Text(prompt.to_owned());
        let ask = Ask { id: "p1", model: None, former: &[], body: &body, max_tokens: 9 };
        known(template).unwrap().body(&shared, &ask)
    }

    #[test]
    fn what_a_user_says_is_never_taken_for_a_template() {
        let template = of(
            r#"{"input":"Say: {prompt}!","n":{max_tokens},"m":"{model}","t":{temperature},"s":{stream},"all":{messages},"raw":{prompt},"id":"{prompt_id}"}"#,
        );
        let prompt = r#"{max_tokens} "{prompt}" \ {nobody}"#;
        let body: Value = serde_json::from_str(&filled(&template, prompt)).unwrap();
        let all = json!([{"role": "user", "content": prompt}]);
        let expected = json!({"input": format!("Say: {prompt}!"), "n": 9, "m": "m", "t": 0.5, "s": true, "all": all, "raw": prompt, "id": "p1"});
        assert_eq!(body, expected);
    }

    #[test]
    fn what_is_no_template_is_refused_before_anything_is_sent() {
        for (body, why) in [
            (r#"{"input":"{promt}"}"#, "{promt}"),
            (r#"{"input":"{promt}"}"#, "{prompt}, {messages}, {max_tokens}"),
            (r#"{"input":{prompt}"#, "no JSON"),
            (r#"{"input":"{prompt}",}"#, "no JSON"),
            (r#"{"input":"{messages}"}"#, "{messages}"),
            (r#"{"n":{max_tokens}}"#, "{prompt} or {messages}"),
            ("", "{prompt} or {messages}"),
        ] {
            let error = known(&of(body)).unwrap_err();
            assert!(error.contains(why), "{body}: {error}");
        }
        let text_path = BodyTemplate { text_path: "$.a[".to_owned(), ..of(r#"{"p":"{prompt}"}"#) };
        assert!(known(&text_path).unwrap_err().contains("$.a["));
        let tokens = BodyTemplate { tokens_path: Some(String::new()), ..of(r#"{"p":"{prompt}"}"#) };
        assert!(known(&tokens).unwrap_err().contains("empty"));
    }

    #[test]
    fn a_template_is_read_once() {
        let one = of(r#"{"once":"{prompt}"}"#);
        assert_eq!(known(&one).unwrap(), known(&one.clone()).unwrap());
    }

    #[test]
    fn an_event_is_read_at_its_path() {
        let id = known(&of(r#"{"events":"{prompt}"}"#)).unwrap();
        let read = |data: &str| {
            let mut text = String::new();
            let event = Event { data: data.as_bytes(), name: Name::Message };
            (id.read(&event, Some(&mut text)).unwrap(), text)
        };
        let (payload, text) = read(r#"{"outputs":[{"text":"é"}],"n":3}"#);
        assert_eq!((payload.token, payload.usage.unwrap().completion, text.as_str()), (true, Some(3), "é"));
        assert!(read(r#"{"outputs":[{"text":""}]}"#) == (Payload::default(), String::new()));
        assert!(read(r#"{"other":1}"#).0.passed_over);
        assert_eq!(read(r#"{"error":"no"}"#).0.error.as_deref(), Some("no"));
    }

    /// What templates are made of, and what breaks them.
    const WORDS: [&str; 28] = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "{prompt}",
        "\"{prompt}\"",
        "{max_tokens}",
        "{messages}",
        "{model}",
        "{temperature}",
        "{stream}",
        "{prompt_id}",
        "{nobody}",
        "\"a\":",
        "\"b\":{",
        "é",
        "\\u007b",
        "{{prompt}}",
        "1",
        "-",
        ".5",
        " ",
        "\n",
        "null",
    ];
    const PROMPTS: [&str; 14] = [
        "{prompt}",
        "{max_tokens}",
        "\"",
        "\\",
        "\n",
        "\u{0}",
        "\u{1f}",
        "é",
        "🦀",
        "\u{2028}",
        "\",\"x\":\"",
        "}",
        "MARK",
        "a",
    ];
    const VALUES: [&str; 8] = [
        "{prompt},",
        "{messages},",
        "1{max_tokens},",
        "{\"k\":{temperature}},",
        "\"{prompt_id}{prompt}\",",
        "[{stream}],",
        "\"\\u007bprompt}\",",
        "{\"{model}\":\"{prompt}{prompt}\"},",
    ];
    const MARK: &str = "MARK9876";

    fn joined(words: &[&str], most: usize, random: &mut ChaCha8Rng) -> String {
        (0..random.random_range(0..most)).map(|_| words[random.random_range(0..words.len())]).collect()
    }

    /// The value with the mark in it replaced; none where a key holds it, which two prompts may make the same.
    fn replaced(value: Value, prompt: &str) -> Option<Value> {
        Some(match value {
            Value::String(text) => Value::String(text.replace(MARK, prompt)),
            Value::Array(list) => {
                list.into_iter().map(|item| replaced(item, prompt)).collect::<Option<_>>()?
            }
            Value::Object(fields) => {
                let field = |(key, value): (String, Value)| {
                    if key.contains(MARK) { None } else { Some((key, replaced(value, prompt)?)) }
                };
                Value::Object(fields.into_iter().map(field).collect::<Option<_>>()?)
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
        })
    }

    /// One case: a template that is taken is JSON with each prompt, and holds exactly that. True where it was taken.
    fn case(random: &mut ChaCha8Rng) -> bool {
        let mut body = joined(&WORDS, 12, random);
        if random.random_bool(0.7) {
            let before = joined(&["x", "é", " ", "{model}", "\\n", "{max_tokens}"], 3, random);
            let values = joined(&VALUES, 5, random);
            let more = if random.random_bool(0.2) { body } else { "null".to_owned() };
            body = format!("{{\"in\":\"{before}{{prompt}}\",\"r\":[{values}{more}]}}");
        }
        let Ok(template) = read_template(&of(&body)) else { return false };
        let shared = Map::from_iter([(MODEL.to_owned(), json!("m")), (TEMPERATURE.to_owned(), json!(0.5))]);
        let fill = |prompt: &str, max_tokens| {
            let body = Body::Text(prompt.to_owned());
            template.fill(&shared, &Ask { id: "p1", model: None, former: &[], body: &body, max_tokens })
        };
        let prompt = joined(&PROMPTS, 10, random);
        let max_tokens = random.random_range(1..100_000);
        let marked = serde_json::from_str::<Value>(&fill(MARK, max_tokens)).expect(&body);
        let filled = fill(&prompt, max_tokens);
        let filled =
            serde_json::from_str::<Value>(&filled).unwrap_or_else(|error| panic!("{error}: {filled}"));
        if let Some(expected) = replaced(marked, &prompt) {
            assert_eq!(filled, expected, "{body}");
        }
        true
    }

    #[test]
    fn ten_thousand_templates_hold_exactly_what_is_asked() {
        let mut random = ChaCha8Rng::seed_from_u64(10);
        let taken = (0..10_000).filter(|_| case(&mut random)).count();
        assert!(taken > 500, "{taken} were templates");
    }

    /// As that of answers, in `load/tests/fuzz.rs`.
    #[test]
    #[ignore = "it runs for as long as HARNESS_FUZZ_S says"]
    #[allow(clippy::print_stderr)]
    fn for_as_long_as_was_asked_for_no_prompt_breaks_a_template() {
        let seconds = std::env::var("HARNESS_FUZZ_S").map_or(60, |text| text.parse().unwrap());
        let (seed, began) = (rand::random(), std::time::Instant::now());
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut cases, mut taken) = (0u64, 0u64);
        while began.elapsed() < std::time::Duration::from_secs(seconds) {
            cases += 1;
            taken += u64::from(case(&mut random));
        }
        eprintln!("seed {seed}: {cases} cases, {taken} of them templates");
    }

    proptest! {
        #[test]
        fn whatever_the_prompt_the_body_is_json_and_holds_it(prompt in any::<String>(), more in "[{}\"\\\\a-z_]{0,20}") {
            let template = of(r#"{"a":{"in":"<{prompt}>"},"b":[{prompt}],"n":{max_tokens}}"#);
            for prompt in [prompt, more] {
                let body: Value = serde_json::from_str(&filled(&template, &prompt)).unwrap();
                prop_assert_eq!(&body["a"]["in"], &json!(format!("<{prompt}>")));
                prop_assert_eq!(&body["b"][0], &json!(prompt));
            }
        }

        #[test]
        fn no_template_breaks_the_reader(body in "(\\{|\\}|\"|\\\\|prompt|max_tokens|messages|:|,|a| ){0,16}") {
            if let Ok(parts) = parts(&body) {
                let filled = render(&parts, |_| json!("\"x"));
                prop_assert!(filled.len() <= body.len() * 8 + 64);
            }
        }
    }
}
