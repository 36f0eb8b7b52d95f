//! What a server's refusal asks for, as a flag: shown below the first failure of a run.

use crate::schema::record::FailureKind;
use crate::schema::summary::RunSummary;
use crate::schema::target::Target;

/// Words by which a limit is too large, and not unknown.
const TOO_LARGE: [&str; 6] =
    ["too large", "exceed", "at most", "maximum", "context length", "less than or equal"];

/// The cure of a run's first failure, where its words tell one.
pub fn hint_of(run: &RunSummary, target: Option<&Target>) -> Option<String> {
    let of_kind = |kind| run.first_failures.get(&kind).map(String::as_str);
    if let Some(refused) = of_kind(FailureKind::Status).or_else(|| of_kind(FailureKind::ErrorEvent)) {
        return hint(refused, target);
    }
    of_kind(FailureKind::Protocol).and_then(form)
}

/// The cure of an answer that comes in another form than was asked for.
fn form(words: &str) -> Option<String> {
    if words.contains("one JSON body instead of an event stream") {
        return Some(
            "the server does not stream: --no-stream asks for whole answers, which show E2E and throughput alone"
                .to_owned(),
        );
    }
    if words.contains("an event stream instead of one JSON body") {
        return Some("the server streams all the same: leave --no-stream out".to_owned());
    }
    if words.contains("the answer is compressed") {
        return Some(
            "turn compression off at the proxy for this path, or send the requests to the server itself"
                .to_owned(),
        );
    }
    if words.contains(": a web page") {
        return Some(
            "--url leads to a web page, such as a login or a user interface: give the address of the API"
                .to_owned(),
        );
    }
    words.contains("JSON lines instead of an event stream").then(|| {
        "give the server's OpenAI endpoint as --url, or describe its own with --request-body-template and \
         --response-framing json-stream"
            .to_owned()
    })
}

/// The cure that the server's words ask for.
fn hint(words: &str, target: Option<&Target>) -> Option<String> {
    let lower = words.to_lowercase();
    // Behind the method and the path, which may hold numbers too.
    let status = lower.split(": ").find_map(|part| part.split([' ', ',']).next()?.parse::<u16>().ok());
    match status {
        Some(300..=399) => {
            return Some(
                "a redirect is not followed: give the new address as --url, or its path as --endpoint-path"
                    .into(),
            );
        }
        Some(401 | 403) => return Some("give the key with --api-key-env NAME, or a --header".into()),
        Some(404 | 405) if !lower.contains("model") => {
            return Some(
                "--url takes http://HOST:PORT, with a path before /v1 where there is one, or the whole \
                         endpoint; --endpoint-path PATH names another path"
                    .into(),
            );
        }
        // Busy, or broken: no field is to blame.
        Some(429 | 500..) => return None,
        Some(_) | None => {}
    }
    field(&lower, target).or_else(|| {
        let unknown =
            ["not found", "does not exist", "not exist", "unknown", "no such", "not support", "invalid"];
        (names(&lower, "model") && unknown.iter().any(|word| lower.contains(word)))
            .then(|| "choose a model that the server lists with --model NAME".to_owned())
    })
}

/// The flag that cures the refusal of a field.
fn field(lower: &str, target: Option<&Target>) -> Option<String> {
    let is_named = |field: &&str| names(lower, field);
    let limit = ["max_tokens", "max_completion_tokens"].into_iter().find(is_named);
    if limit.is_some() && TOO_LARGE.iter().any(|words| lower.contains(words)) {
        return Some("ask for fewer tokens with --max-tokens N".to_owned());
    }
    match limit {
        Some("max_tokens") => {
            return Some("name the limit's field: --max-tokens-field max_completion_tokens".to_owned());
        }
        Some(_) => return Some("name the limit's field: --max-tokens-field max_tokens".to_owned()),
        None => {}
    }
    if names(lower, "ignore_eos") {
        return Some("leave --ignore-eos out: the server does not take ignore_eos".to_owned());
    }
    let ours = ["temperature", "stream_options", "min_tokens"].into_iter().map(str::to_owned);
    let of_engine = target.into_iter().flat_map(|target| target.capabilities.body.keys().cloned());
    let omitted = ours.chain(of_engine).find(|field| names(lower, field))?;
    Some(match omitted.as_str() {
        "stream_options" => {
            "leave the field out: --omit stream_options (tokens are then counted by events)".to_owned()
        }
        field => format!("leave the field out: --omit {field}"),
    })
}

/// The text holds this name as a word of its own.
fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_another_form_is_cured_by_the_flag_that_asks_for_that_form() {
        let whole = form("the answer is one JSON body instead of an event stream: {}").unwrap();
        assert!(whole.contains("--no-stream"), "{whole}");
        let lines = form("the answer is JSON lines instead of an event stream: {}").unwrap();
        assert!(lines.contains("--response-framing json-stream"), "{lines}");
        assert!(
            form("the answer is compressed, which was not asked for").unwrap().contains("compression off")
        );
        assert!(form("the answer is not an event stream: a web page: Sign in").unwrap().contains("the API"));
        assert_eq!(form("the answer is not an event stream: <p>"), None);
    }

    #[test]
    fn a_refused_field_is_cured_by_the_flag_that_leaves_it_out_or_names_it() {
        for (words, flag) in [
            ("400 Unexpected fields in request: 'ignore_eos'", "--ignore-eos"),
            (
                "400: Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                "--max-tokens-field max_completion_tokens",
            ),
            ("400 max_tokens is not taken by this model", "--max-tokens-field max_completion_tokens"),
            ("422 extra fields not permitted: max_completion_tokens", "--max-tokens-field max_tokens"),
            ("400 max_tokens is too large: 4096; this model's context length is 2048", "--max-tokens N"),
            ("400 temperature is not taken by this model", "--omit temperature"),
            (
                "422 [{'loc': ['body', 'stream_options'], 'msg': 'Extra inputs are not permitted'}]",
                "--omit stream_options",
            ),
            ("400 min_tokens: unknown field", "--omit min_tokens"),
            ("404 The model `m` does not exist", "--model"),
            ("400 unknown model m", "--model"),
            ("POST /v1/chat/completions: 404 Not Found", "--url"),
            (
                "POST /openai/404/chat/completions: 307 redirects to http://h/v1/chat/completions/",
                "--endpoint-path",
            ),
            ("401 Unauthorized", "--api-key-env"),
        ] {
            assert!(
                hint(words, None).is_some_and(|hint| hint.contains(flag)),
                "{words}: {:?}",
                hint(words, None)
            );
        }
        for none in ["500 Internal Server Error: temperature 90 C", "503 busy", "400 remodelled", "400 bad"] {
            assert_eq!(hint(none, None), None, "{none}");
        }
    }
}
