//! `--protocol`, `--no-stream` and `--request-body-template` → how a server is spoken to.

use anyhow::Context;

use crate::cli::{EndpointArg, FramingArg, LoadArgs, ProtocolArg};
use crate::load;
use crate::schema::plan::HttpSettings;
use crate::schema::refusal::{OrRefuse, refuse};
use crate::schema::target::{ProtocolName, Target};
use crate::schema::wire::{BodyTemplate, ReplyFraming};
use crate::secrets;

/// The model that a Triton of TensorRT-LLM mostly serves.
const TRITON_MODEL: &str = "ensemble";
/// Own protocols of engines.
const OWN: [ProtocolName; 3] = [ProtocolName::Tgi, ProtocolName::Sglang, ProtocolName::Llamacpp];
/// Engines that come with the harness.
const BUILT_IN: [&str; 4] = ["vllm", "sglang", "llamacpp", "tgi"];
/// The name in outputs where neither the server nor the user names a model.
const UNNAMED: &str = "unnamed";

/// What the flags say of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The protocol, where one is named.
    pub named: Option<ProtocolName>,
    /// The flag that names it, for a message.
    pub by: String,
    /// `--no-stream`
    pub whole: bool,
    /// Bodies and answers of a protocol that is described.
    pub template: Option<BodyTemplate>,
}

/// Reads the flags.
///
/// # Errors
/// Flags that contradict each other, a template that is none.
pub fn spoken(args: &LoadArgs) -> anyhow::Result<Spoken> {
    let wire = &args.wire;
    let of_endpoint = args.endpoint.map(|asked| match asked {
        EndpointArg::Chat => (ProtocolName::OpenaiChat, "--endpoint chat"),
        EndpointArg::Completions => (ProtocolName::OpenaiCompletions, "--endpoint completions"),
    });
    let of_protocol = wire.protocol.map(name_of);
    let template = template(args)?;
    refuse_beside_native(args)?;
    if args.exact_itl && wire.no_stream {
        return refuse(
            "--exact-itl counts the tokens of an event, and --no-stream asks for an answer without events",
            "leave one of them out",
        );
    }
    let named = match (of_endpoint, of_protocol, &template) {
        (Some((endpoint, flag)), Some(protocol), _) if endpoint != protocol => {
            return refuse(
                format!("{flag} and --protocol {} contradict each other", word(protocol)),
                "leave one of them out",
            );
        }
        (Some((_, flag)), _, Some(_)) => {
            return refuse(
                format!("--request-body-template makes the bodies, and {flag} would make others"),
                "leave one of them out",
            );
        }
        (_, Some(protocol), Some(_)) => {
            return refuse(
                format!(
                    "--request-body-template makes the bodies, and --protocol {} would make others",
                    word(protocol)
                ),
                "leave one of them out",
            );
        }
        (_, None, Some(_)) => Some(ProtocolName::Template),
        (endpoint, protocol, None) => protocol.or(endpoint.map(|(endpoint, _)| endpoint)),
    };
    let by = match (of_endpoint, of_protocol) {
        (_, Some(protocol)) => format!("--protocol {}", word(protocol)),
        (Some((_, flag)), None) => flag.to_owned(),
        (None, None) => "--request-body-template".to_owned(),
    };
    Ok(Spoken { named, by, whole: wire.no_stream, template })
}

/// Each engine's own protocol has fields and a path of its own.
fn refuse_beside_native(args: &LoadArgs) -> anyhow::Result<()> {
    let given = [
        ("--endpoint", args.endpoint.is_some()),
        ("--endpoint-path", args.endpoint_path.is_some()),
        ("--extra-body", !args.extra_body.is_empty()),
        ("--omit", !args.omit.is_empty()),
        ("--max-tokens-field", args.max_tokens_field.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) if is_native(args) => refuse(
            format!("{flag} is of one protocol, and --protocol native is another for each backend"),
            format!("leave {flag} out, or name one protocol"),
        ),
        Some(_) | None => Ok(()),
    }
}

fn is_native(args: &LoadArgs) -> bool {
    args.wire.protocol == Some(ProtocolArg::Native)
}

/// `--protocol native` needs to know which engine answers at a URL.
///
/// # Errors
/// It is none that comes with the harness.
pub fn refuse_unknown_engine(args: &LoadArgs, engine: &str, url: &str) -> anyhow::Result<()> {
    if !is_native(args) || BUILT_IN.contains(&engine) {
        return Ok(());
    }
    refuse(
        format!("--protocol native: nobody knows which engine answers at {url}"),
        "name its protocol: --protocol tgi, sglang, llamacpp or openai-completions",
    )
}

/// `--protocol native`: the own protocol of each target's engine.
///
/// # Errors
/// An engine that nobody knows; a length that cannot be forced.
pub fn speak_natively(
    targets: &mut [Target],
    http: &mut HttpSettings,
    args: &LoadArgs,
) -> anyhow::Result<()> {
    if !is_native(args) {
        return Ok(());
    }
    for target in targets {
        if !target.is_launched() {
            refuse_unknown_engine(args, &target.engine, &target.endpoints().join(", "))?;
        }
        let Some(own) = OWN.into_iter().find(|one| one.engine() == Some(target.engine.as_str())) else {
            continue;
        };
        if args.ignore_eos && !load::forces_length(own) {
            return refuse(
                format!(
                    "--ignore-eos: a length cannot be forced over {}'s protocol {}",
                    target.label,
                    own.endpoint()
                ),
                "leave it out, or take --protocol openai-completions, which all speak",
            );
        }
        load::adapt(&mut target.capabilities, own);
        http.own_protocols.insert(target.label.clone(), own);
    }
    Ok(())
}

/// The word of `--protocol`.
fn word(protocol: ProtocolName) -> &'static str {
    match protocol {
        ProtocolName::OpenaiChat => "openai-chat",
        ProtocolName::OpenaiCompletions => "openai-completions",
        ProtocolName::Tgi
        | ProtocolName::Sglang
        | ProtocolName::Llamacpp
        | ProtocolName::TritonTrtllm
        | ProtocolName::Jetstream
        | ProtocolName::Sax
        | ProtocolName::NaiveTransformers
        | ProtocolName::Template => protocol.endpoint(),
    }
}

fn name_of(asked: ProtocolArg) -> ProtocolName {
    match asked {
        ProtocolArg::OpenaiChat => ProtocolName::OpenaiChat,
        // What stands behind the own protocols: of the engines that have none.
        ProtocolArg::Native | ProtocolArg::OpenaiCompletions => ProtocolName::OpenaiCompletions,
        ProtocolArg::Tgi => ProtocolName::Tgi,
        ProtocolArg::Sglang => ProtocolName::Sglang,
        ProtocolArg::Llamacpp => ProtocolName::Llamacpp,
        ProtocolArg::TritonTrtllm => ProtocolName::TritonTrtllm,
        ProtocolArg::Jetstream => ProtocolName::Jetstream,
        ProtocolArg::Sax => ProtocolName::Sax,
        ProtocolArg::NaiveTransformers => ProtocolName::NaiveTransformers,
    }
}

/// `--request-body-template` with what belongs to it.
fn template(args: &LoadArgs) -> anyhow::Result<Option<BodyTemplate>> {
    let wire = &args.wire;
    let Some(given) = &wire.request_body_template else {
        let alone = [
            ("--response-text-path", wire.response_text_path.is_some()),
            ("--response-tokens-path", wire.response_tokens_path.is_some()),
            ("--response-framing", wire.response_framing.is_some()),
        ];
        if let Some((flag, _)) = alone.iter().find(|(_, is_given)| *is_given) {
            return refuse(
                format!("{flag} says how an answer to a --request-body-template is read, and there is none"),
                "add --request-body-template, or leave it out: a known protocol is read as it is",
            );
        }
        return Ok(None);
    };
    let body = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .or_refuse(|| format!("--request-body-template @{file}"), "give a file of JSON text")?,
        None => given.clone(),
    };
    let body = body.trim().to_owned();
    if secrets::argument_with_a_secret(&["--request-body-template".to_owned(), body.clone()]).is_some()
        || secrets::holds_a_secret(&body)
    {
        return refuse(
            "--request-body-template holds a secret, which would be written into the results",
            "pass keys with --api-key-env, --api-key-file or --header",
        );
    }
    let Some(text_path) = wire.response_text_path.clone() else {
        return refuse(
            "--request-body-template needs to know where in an answer its text lies",
            "add --response-text-path, such as '$.outputs[0].text'",
        );
    };
    let framing = match (wire.response_framing, wire.no_stream) {
        (Some(FramingArg::Sse | FramingArg::JsonStream), true) => {
            return refuse(
                "--no-stream asks for whole answers, and --response-framing for others",
                "leave one of them out",
            );
        }
        (Some(FramingArg::Whole), _) | (None, true) => ReplyFraming::Whole,
        (Some(FramingArg::JsonStream), false) => ReplyFraming::JsonStream,
        (Some(FramingArg::Sse) | None, false) => ReplyFraming::Sse,
    };
    if args.max_tokens_field.is_some() || !args.omit.is_empty() {
        return refuse(
            "--request-body-template is the whole body, so --max-tokens-field and --omit change nothing in it",
            "write the fields into the template as the server wants them",
        );
    }
    Ok(Some(BodyTemplate { body, framing, text_path, tokens_path: wire.response_tokens_path.clone() }))
}

/// The path of the protocol for answers that come so; none where only the user can know it.
pub fn path(protocol: ProtocolName, streams: bool) -> Option<&'static str> {
    let path = if streams { load::default_path(protocol) } else { load::whole_path(protocol) };
    Some(path).filter(|path| !path.is_empty())
}

/// Answers come piece by piece.
pub fn streams(protocol: ProtocolName, spoken: &Spoken) -> bool {
    match &spoken.template {
        Some(template) => template.framing != ReplyFraming::Whole,
        None => !spoken.whole && load::can_stream(protocol),
    }
}

/// What is in the settings can be sent and read.
///
/// # Errors
/// A template that is none, with what is wrong.
pub fn check(http: &HttpSettings) -> anyhow::Result<()> {
    match load::check(http) {
        Ok(()) => Ok(()),
        Err(why) => refuse(
            format!("--request-body-template: {why}"),
            "write it like '{\"input\":\"{prompt}\",\"max_new_tokens\":{max_tokens}}', its text at '$.outputs[0].text'",
        ),
    }
}

/// The name of the model where the server has no list and the user gives none; none where one is needed.
pub fn unlisted_model(http: &HttpSettings) -> Option<&'static str> {
    if http.protocol == ProtocolName::TritonTrtllm {
        return Some(TRITON_MODEL);
    }
    (!load::names_model(http)).then_some(UNNAMED)
}

/// Brings what the targets' files say of OpenAI's protocols to that of the plan.
///
/// # Errors
/// An engine that does not speak it; `--ignore-eos` where it cannot be said.
pub fn adapt(targets: &mut [Target], http: &HttpSettings, args: &LoadArgs) -> anyhow::Result<()> {
    let protocol = http.protocol;
    // Over HTTP/2 all requests share the path of one head.
    let names_models = load::names_model(http) && !(http.http2 && http.path.contains(load::MODEL_IN_PATH));
    if args.conversations.models.len() > 1 && !names_models {
        return refuse(
            format!("--models: requests of the protocol {} do not name their model", protocol.endpoint()),
            "measure each model by itself, or speak another protocol",
        );
    }
    if protocol.is_openai() {
        return Ok(());
    }
    if args.ignore_eos && !load::forces_length(protocol) {
        let word = protocol.endpoint();
        return refuse(
            format!("--ignore-eos: a length cannot be forced over the protocol {word}"),
            "leave it out, or add the server's own field with --extra-body",
        );
    }
    for target in targets {
        let others = target.is_launched() && protocol.engine() != Some(target.engine.as_str());
        if others && is_of_another(protocol, &target.engine) {
            return refuse(
                format!("{} does not speak the protocol {}", target.label, protocol.endpoint()),
                cure(protocol),
            );
        }
        load::adapt(&mut target.capabilities, protocol);
    }
    Ok(())
}

/// One of the engines that come with the harness, each of which speaks OpenAI's protocols and its own alone. What a
/// further engine speaks its user knows.
fn is_of_another(protocol: ProtocolName, engine: &str) -> bool {
    BUILT_IN.contains(&engine) && protocol != ProtocolName::Template
}

fn cure(protocol: ProtocolName) -> String {
    let all = "--protocol openai-completions is spoken by all engines";
    match protocol.engine() {
        Some(engine) => format!("{all}; or --backend {engine}"),
        None => format!("{all}; a server that speaks this one is measured with harness bench --url"),
    }
}

/// What of a body would be overridden: its place, and the flag that sets it.
pub fn set_by_flag(
    protocol: ProtocolName,
    extra: &serde_json::Map<String, serde_json::Value>,
) -> Option<(&'static str, &'static str)> {
    let own = load::own_fields(protocol)?;
    let all = [
        (Some(own.prompt), "--dataset FILE"),
        (Some(own.limit), "--max-tokens N"),
        (own.model, "--model NAME"),
        (own.stream, "--no-stream, or its absence"),
    ];
    let holds = |place: &str| {
        let mut steps = place.split('.');
        let first = steps.next().and_then(|first| extra.get(first));
        let end = steps.try_fold(first?, |inside, step| {
            step.parse::<usize>().ok().map_or_else(|| inside.get(step), |index| inside.get(index))
        });
        end.map(|_| ())
    };
    all.into_iter().find_map(|(place, flag)| holds(place?).map(|()| (place.unwrap_or_default(), flag)))
}

/// The protocol of a URL's path, which may be that of whole answers or of streams.
///
/// # Errors
/// It is that of the other kind.
pub fn check_kind(protocol: ProtocolName, path: &str, streams: bool) -> anyhow::Result<()> {
    let own = path_end(protocol, streams).context("a template has no path of its own")?;
    let other = path_end(protocol, !streams).unwrap_or(own);
    if own != other && !path.ends_with(own) && path.ends_with(other) {
        let (asked, cure) = if streams {
            ("a stream", "add --no-stream")
        } else {
            ("a whole answer", "leave --no-stream out")
        };
        return refuse(
            format!("--url ends in {other}, which does not give {asked}"),
            format!("{cure}, or end it in {own}"),
        );
    }
    Ok(())
}

/// The last part of a protocol's path: what stands before it may be the model.
fn path_end(protocol: ProtocolName, streams: bool) -> Option<&'static str> {
    let path = path(protocol, streams)?;
    path.rfind('/').map(|at| &path[at..])
}
