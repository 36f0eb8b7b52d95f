//! `--max-tokens-field`, `--omit` and `--extra-body` → what is changed of every body.

use serde_json::{Map, Value};

use crate::cli::LoadArgs;
use crate::load;
use crate::schema::refusal::{OrRefuse, refuse};
use crate::schema::target::{BodyFields, Capabilities, ProtocolName, Target};

use crate::commands::resolve::protocol::set_by_flag;

/// Fields that the load engine sends itself, beside those of an engine's file.
const SENT: [&str; 6] = ["model", "max_tokens", "min_tokens", "temperature", "stream_options", "ignore_eos"];
/// Fields that `--extra-body` cannot set, with what does.
const SET_BY_FLAGS: [(&str, &str); 6] = [
    ("model", "--model NAME"),
    ("messages", "--dataset FILE"),
    ("prompt", "--dataset FILE"),
    ("max_tokens", "--max-tokens N"),
    ("max_completion_tokens", "--max-tokens N --max-tokens-field max_completion_tokens"),
    ("stream", "--no-stream, or its absence"),
];
/// Fields without which there is nothing to time.
const NEEDED: [&str; 3] = ["messages", "prompt", "stream"];

/// Changes the bodies of the targets as the arguments ask.
///
/// # Errors
/// A field that cannot be changed so, or that nobody sends; a label that does not take part; no JSON object.
pub fn change_bodies(targets: &mut [Target], args: &LoadArgs, protocol: ProtocolName) -> anyhow::Result<()> {
    let limit = args.max_tokens_field.as_deref();
    if let Some(limit) = limit.filter(|limit| !is_a_name(limit) || NEEDED.contains(limit)) {
        return refuse(
            format!("--max-tokens-field {limit} is no field for a limit"),
            "write --max-tokens-field max_completion_tokens",
        );
    }
    let places = load::sent_fields(protocol);
    check_omitted(targets, args, places.as_deref())?;
    let extra = args
        .extra_body
        .iter()
        .map(|text| extra_body(text, targets, protocol))
        .collect::<Result<Vec<_>, _>>()?;
    let limit = limit.map(|limit| load::limit_field(protocol, limit));
    for target in targets {
        let label = target.label.clone();
        let fields: &mut BodyFields = &mut target.capabilities.fields;
        fields.limit = limit.clone().unwrap_or_else(|| std::mem::take(&mut fields.limit));
        fields.omit.extend(args.omit.iter().map(|field| place_of(field.trim(), places.as_deref())));
        // `max_tokens` is the limit, whatever it is called.
        if fields.omits("max_tokens") && fields.limits() {
            fields.omit.push(fields.limit.clone());
        }
        // What names the label comes last, so that it overrides what is for all.
        for by_label in [false, true] {
            for (name, more) in extra.iter().filter(|(name, _)| name.is_some() == by_label) {
                if name.as_ref().is_none_or(|name| *name == label) {
                    fields.extra.extend(more.clone());
                }
            }
        }
    }
    Ok(())
}

fn is_a_name(field: &str) -> bool {
    !field.is_empty() && field.len() <= 100 && field.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
}

/// The whole place of a field, where a protocol has it within another.
fn place_of(field: &str, places: Option<&[&'static str]>) -> String {
    let place = places.and_then(|places| places.iter().find(|place| load::is_field(place, field)));
    place.map_or(field, |place| *place).to_owned()
}

fn check_omitted(targets: &[Target], args: &LoadArgs, places: Option<&[&'static str]>) -> anyhow::Result<()> {
    // However it is called, `max_tokens` is the limit.
    let sent_here = places.unwrap_or(&SENT);
    for field in args.omit.iter().map(|field| field.trim()) {
        if NEEDED.contains(&field) {
            return refuse(format!("--omit {field}: without it there is nothing to time"), "leave it out");
        }
        let limit = args.max_tokens_field.as_deref();
        let of_engine = |capabilities: &Capabilities| capabilities.body.contains_key(field);
        let sent = sent_here.iter().any(|place| load::is_field(place, field))
            || field == "max_tokens"
            || limit == Some(field)
            || targets.iter().any(|target| of_engine(&target.capabilities));
        if !sent {
            let mut known: Vec<&str> = sent_here.to_vec();
            known.extend(
                targets.iter().flat_map(|target| target.capabilities.body.keys().map(String::as_str)),
            );
            known.dedup();
            let known = known.join(", ");
            return refuse(format!("--omit {field}: no such field is sent"), format!("sent are: {known}"));
        }
        let forces = field == "ignore_eos" || field == "max_tokens" || limit == Some(field);
        if args.ignore_eos && forces {
            return refuse(
                format!("--omit {field} and --ignore-eos contradict each other: a forced length needs it"),
                "leave one of them out",
            );
        }
        if args.exact_itl && field == "stream_options" {
            return refuse("--exact-itl is asked for in stream_options", "leave one of them out");
        }
    }
    Ok(())
}

/// `JSON` for all, `LABEL=JSON` for one.
fn extra_body(
    text: &str,
    targets: &[Target],
    protocol: ProtocolName,
) -> anyhow::Result<(Option<String>, Map<String, Value>)> {
    const FORM: &str = "write --extra-body '{\"top_k\": 1}', or LABEL='{…}' for one backend";
    let (name, json) = match text.split_once('=') {
        Some((name, json)) if !name.contains(['{', '"']) => (Some(name.trim()), json),
        Some(_) | None => (None, text),
    };
    if let Some(name) = name.filter(|name| targets.iter().all(|target| target.label != *name)) {
        let labels: Vec<&str> = targets.iter().map(|target| target.label.as_str()).collect();
        return refuse(
            format!("--extra-body names the backend '{name}', which does not take part"),
            format!("taking part: {}", labels.join(", ")),
        );
    }
    // The text is not repeated: it may hold a key.
    let fields: Map<String, Value> =
        serde_json::from_str(json).or_refuse(|| "--extra-body is no JSON object".to_owned(), FORM)?;
    let of_openai = SET_BY_FLAGS.into_iter().find(|(field, _)| fields.contains_key(*field));
    let by_flag = of_openai.filter(|_| protocol.is_openai()).or_else(|| set_by_flag(protocol, &fields));
    if let Some((field, flag)) = by_flag {
        return refuse(format!("--extra-body cannot set `{field}`"), format!("what sets it is {flag}"));
    }
    if fields.get("n").and_then(Value::as_u64).is_some_and(|n| n > 1) {
        return refuse(
            "--extra-body asks for several answers to a request (`n`), whose tokens cannot be told apart",
            "leave `n` out, and send more requests",
        );
    }
    if let Some(secret) = fields.keys().find(|name| crate::secrets::names_a_secret(name)) {
        return refuse(
            format!("--extra-body: `{secret}` would be written into the results"),
            "pass keys with --api-key-env or --header",
        );
    }
    Ok((name.map(str::to_owned), fields))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::backend::resolve::url_target;
    use crate::cli::{Cli, Command};
    use crate::schema::refusal::{cures, shown};

    fn fields(flags: &[&str], labels: &[&str]) -> anyhow::Result<Vec<BodyFields>> {
        let argv = ["harness", "bench"].iter().chain(flags);
        let args = match Cli::try_parse_from(argv).unwrap().command {
            Command::Bench(args) => args.load,
            other => panic!("{other:?}"),
        };
        let mut targets: Vec<Target> =
            labels.iter().map(|label| url_target(label, None, "http://h", "m")).collect();
        change_bodies(&mut targets, &args, ProtocolName::OpenaiChat)?;
        Ok(targets.into_iter().map(|target| target.capabilities.fields).collect())
    }

    #[test]
    fn fields_are_named_left_out_and_added() {
        let flags = ["--max-tokens-field", "max_completion_tokens", "--omit", "temperature,min_tokens"];
        let more = ["--omit", "stream_options", "--extra-body", r#"{"top_k": 1, "x": {"a": "b=c"}}"#];
        let [changed] = fields(&[&flags[..], &more].concat(), &["a"]).unwrap().try_into().unwrap();
        assert_eq!(changed.limit, "max_completion_tokens");
        assert_eq!(changed.omit, ["temperature", "min_tokens", "stream_options"]);
        assert_eq!((&changed.extra["top_k"], changed.limits()), (&Value::from(1), true));
        let flags = ["--max-tokens-field", "max_completion_tokens", "--omit", "max_tokens"];
        assert!(!fields(&flags, &["a"]).unwrap()[0].limits(), "the limit, whatever it is called");
        assert!(fields(&[], &["a"]).unwrap()[0].limits());
    }

    #[test]
    fn a_label_has_its_own_body_over_that_of_all() {
        let flags = ["--extra-body", r#"a={"top_k": 2}"#, "--extra-body", r#"{"top_k": 1, "min_p": 0}"#];
        let [a, b] = fields(&flags, &["a", "b"]).unwrap().try_into().unwrap();
        assert_eq!((&a.extra["top_k"], &b.extra["top_k"]), (&Value::from(2), &Value::from(1)));
        assert_eq!(a.extra["min_p"], 0);
    }

    #[test]
    fn what_cannot_be_changed_so_is_refused_with_its_cure() {
        let cases: [(&[&str], &str); 14] = [
            (&["--omit", "stream"], "stream"),
            (&["--omit", "messages"], "messages"),
            (&["--omit", "tempertaure"], "temperature"),
            (&["--omit", "max_tokens", "--ignore-eos"], "--ignore-eos"),
            (&["--omit", "stream_options", "--exact-itl"], "--exact-itl"),
            (&["--max-tokens-field", ""], "--max-tokens-field"),
            (&["--max-tokens-field", "prompt"], "--max-tokens-field"),
            (&["--extra-body", "sk-1"], "--extra-body"),
            (&["--extra-body", "[1]"], "JSON object"),
            (&["--extra-body", r#"{"model": "x"}"#], "--model"),
            (&["--extra-body", r#"{"stream": false}"#], "stream"),
            (&["--extra-body", r#"{"n": 2}"#], "`n`"),
            (&["--extra-body", r#"{"api_key": "sk-1"}"#], "--api-key-env"),
            (&["--extra-body", r#"other={"x": 2}"#], "taking part: a"),
        ];
        for (flags, said) in cases {
            let error = fields(flags, &["a"]).expect_err(said);
            let text = shown(&error);
            assert!(text.contains(said) && !cures(&error).is_empty() && !text.contains("sk-1"), "{text}");
        }
    }
}
