//! vLLM's wire (captured from 0.32.0).

use std::time::Duration;

use serde_json::{Value, json};

use super::super::http::{Framer, Reply, push_text};
use super::super::parsed_request::{Endpoint, ParsedRequest, Refusal};
use super::super::settings::Settings;
use super::super::text::token_id;
use super::metrics;
use super::openai::{done, event, push_usage, usage, uvicorn_reply, uvicorn_stream_head};
use super::writing::{
    Dialect, Facts, Finish, HeadTime, Loading, Page, Refused, Stream, Terminate, chat_count, quoted,
    tokenized,
};

/// vLLM.
pub struct Vllm;

const VERSION: &str = "0.32.0";
const FINGERPRINT: &str = "vllm-0.32.0-189ca156";

fn finish_name(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

fn chunk_start(stream: &Stream) -> String {
    let kind = if stream.endpoint == Endpoint::Chat { "chat.completion.chunk" } else { "text_completion" };
    format!(
        r#"{{"id":"{}","object":"{kind}","created":{},"model":{},"choices":["#,
        stream.id, stream.created, stream.model
    )
}

impl Vllm {
    /// `,"usage":{…}` where it was asked for on each chunk.
    fn continuous(stream: &Stream, out: &mut Vec<u8>) {
        if stream.continuous_usage {
            out.extend_from_slice(b",\"usage\":{");
            push_usage(out, stream.prompt_tokens, stream.generated);
            out.extend_from_slice(b",\"completion_tokens_details\":null}");
        }
    }

    fn error_body(message: &str, kind: &str, param: Option<&str>, code: u16) -> Reply {
        let param = param.map_or("null".into(), quoted);
        Reply::json(
            code,
            format!(
                r#"{{"error":{{"message":{},"type":"{kind}","param":{param},"code":{code}}}}}"#,
                quoted(message)
            ),
        )
    }

    fn tokenize(body: &[u8], settings: &Settings) -> Reply {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Self::error_body("JSON decode error", "Bad Request", None, 400);
        };
        let (count, tokens) = match (tokenized(&body, &["prompt"]), chat_count(&body)) {
            (Some(tokens), _) => (tokens.len() as u32, tokens.iter().map(|token| token_id(token)).collect()),
            // The template's tokens have no text of their own here: ids are made up, their number is right.
            (None, Some(count)) => (count, (0..count).collect::<Vec<u32>>()),
            (None, None) => {
                return Self::error_body("Field required", "Bad Request", Some("body.prompt"), 400);
            }
        };
        let tokens = serde_json::to_string(&tokens).unwrap_or_default();
        let context = settings.context_length;
        Reply::json(
            200,
            format!(r#"{{"count":{count},"max_model_len":{context},"tokens":{tokens},"token_strs":null}}"#),
        )
    }
}

impl Dialect for Vllm {
    fn head_time(&self) -> HeadTime {
        HeadTime::Acceptance
    }

    fn loading(&self) -> Loading {
        Loading::Refused
    }

    fn terminate(&self) -> Terminate {
        Terminate::Silent
    }

    fn keep_alive(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        match path {
            "/v1/chat/completions" => Some(Endpoint::Chat),
            "/v1/completions" => Some(Endpoint::Completions),
            _ => None,
        }
    }

    fn id(&self, endpoint: Endpoint, random: u64) -> String {
        format!("{}-{random:016x}", if endpoint == Endpoint::Chat { "chatcmpl" } else { "cmpl" })
    }

    fn model<'a>(&self, settings: &'a Settings, _: &'a ParsedRequest) -> &'a str {
        &settings.model
    }

    fn prepare(&self, stream: &mut Stream) {
        let start = chunk_start(stream);
        let (before, after) = match stream.endpoint {
            Endpoint::Chat => (
                r#"{"index":0,"delta":{"content":""#,
                r#""},"logprobs":null,"finish_reason":null,"token_ids":null}]"#,
            ),
            Endpoint::Completions | Endpoint::Native { .. } => (
                r#"{"index":0,"text":""#,
                r#"","logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":null}]"#,
            ),
        };
        stream.before = format!("data: {start}{before}").into_bytes();
        stream.after = after.as_bytes().to_vec();
    }

    fn stream_head(&self, _: usize, close: bool, now_s: i64) -> String {
        uvicorn_stream_head(close, now_s, false)
    }

    fn reply(&self, reply: &Reply, close: bool, now_s: i64) -> Vec<u8> {
        uvicorn_reply(reply, close, now_s, false)
    }

    fn opening(&self, stream: &Stream, framer: &mut Framer) {
        if stream.endpoint != Endpoint::Chat {
            return;
        }
        let mut usage = Vec::new();
        let before = Stream { generated: 0, ..stream.clone() };
        Self::continuous(&before, &mut usage);
        let usage = String::from_utf8_lossy(&usage);
        event(
            framer,
            format_args!(
                r#"{}{{"index":0,"delta":{{"role":"assistant","content":""}},"logprobs":null,"finish_reason":null}}]{usage},"prompt_token_ids":null,"prompt_text":null}}"#,
                chunk_start(stream)
            ),
        );
    }

    fn chunk(&self, stream: &Stream, text: &str, framer: &mut Framer) {
        let out = framer.event();
        out.extend_from_slice(&stream.before);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(&stream.after);
        Self::continuous(stream, out);
        out.extend_from_slice(b"}\n\n");
        framer.end_chunk();
    }

    fn last(&self, stream: &Stream, text: &str, finish: Finish, framer: &mut Framer) {
        let finish = finish_name(finish);
        let out = framer.event();
        out.extend_from_slice(&stream.before);
        out.extend_from_slice(text.as_bytes());
        match stream.endpoint {
            Endpoint::Chat => push_text(
                out,
                format_args!(
                    r#""}},"logprobs":null,"finish_reason":"{finish}","stop_reason":null,"token_ids":null}}]"#
                ),
            ),
            Endpoint::Completions | Endpoint::Native { .. } => push_text(
                out,
                format_args!(
                    r#"","logprobs":null,"finish_reason":"{finish}","stop_reason":null,"prompt_token_ids":null,"token_ids":null}}]"#
                ),
            ),
        }
        Self::continuous(stream, out);
        if !stream.include_usage {
            push_text(out, format_args!(r#","system_fingerprint":"{FINGERPRINT}""#));
        }
        out.extend_from_slice(b"}\n\n");
        framer.end_chunk();
    }

    fn closing(&self, stream: &Stream, framer: &mut Framer) {
        if stream.include_usage {
            let usage = usage(stream.prompt_tokens, stream.generated);
            event(
                framer,
                format_args!(
                    r#"{}],"usage":{{{usage}}},"system_fingerprint":"{FINGERPRINT}"}}"#,
                    chunk_start(stream)
                ),
            );
        }
        done(framer);
    }

    fn error(&self, framer: &mut Framer) {
        event(
            framer,
            format_args!(
                r#"{{"error": {{"message": "EngineCore encountered an issue. See stack trace (above) for the root cause.", "type": "InternalServerError", "param": null, "code": 500}}}}"#
            ),
        );
        done(framer);
    }

    fn whole(&self, stream: &Stream, finish: Finish) -> Reply {
        let (finish, text) = (finish_name(finish), quoted(&stream.text));
        let (id, created, model) = (&stream.id, stream.created, &stream.model);
        let usage = usage(stream.prompt_tokens, stream.generated);
        let (kind, choice) = match stream.endpoint {
            Endpoint::Chat => (
                "chat.completion",
                format!(
                    r#""message":{{"role":"assistant","content":{text},"refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null}},"logprobs":null,"finish_reason":"{finish}","stop_reason":null,"token_ids":null,"routed_experts":null"#
                ),
            ),
            Endpoint::Completions | Endpoint::Native { .. } => (
                "text_completion",
                format!(
                    r#""text":{text},"logprobs":null,"finish_reason":"{finish}","stop_reason":null,"token_ids":null,"prompt_logprobs":null,"prompt_token_ids":null"#
                ),
            ),
        };
        Reply::json(
            200,
            format!(
                r#"{{"id":"{id}","object":"{kind}","created":{created},"model":{model},"choices":[{{"index":0,{choice}}}],"service_tier":null,"system_fingerprint":"{FINGERPRINT}","usage":{{{usage},"prompt_tokens_details":null,"completion_tokens_details":null}},"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}}"#
            ),
        )
    }

    fn refuse(&self, settings: &Settings, refusal: &Refusal, _: Endpoint, _: bool) -> Refused {
        let bad = |message: String, param: &str| Self::error_body(&message, "Bad Request", Some(param), 400);
        Refused::Reply(match refusal {
            Refusal::BadJson(at) => bad(
                format!(
                    "1 validation error:\n  {{'type': 'json_invalid', 'loc': 'body.{at}', 'msg': 'JSON decode error', 'input': '<dict of 0 items>', 'ctx': {{'error': 'Expecting value'}}}}"
                ),
                &format!("body.{at}"),
            ),
            Refusal::Missing(field) => bad(
                format!(
                    "1 validation error:\n  {{'type': 'missing', 'loc': 'body.{field}', 'msg': 'Field required', 'input': '<dict of 2 items>'}}"
                ),
                &format!("body.{field}"),
            ),
            Refusal::BadValue(message) => Self::error_body(message, "BadRequestError", None, 400),
            Refusal::UnknownModel(name) => Self::error_body(
                &format!("The model `{name}` does not exist. Valid aliases: {}.", settings.model),
                "NotFoundError",
                Some("model"),
                404,
            ),
            Refusal::TooLong(prompt, _) => {
                let context = settings.context_length;
                Self::error_body(
                    &format!(
                        "This model's maximum context length is {context} tokens. However, your prompt contains at least {prompt} input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value={prompt})"
                    ),
                    "BadRequestError",
                    Some("input_tokens"),
                    400,
                )
            }
            Refusal::NotFound => Reply::json(404, r#"{"detail":"Not Found"}"#),
            Refusal::Loading | Refusal::Overloaded => {
                Self::error_body("The request queue is full.", "ServiceUnavailableError", None, 503)
            }
            Refusal::Injected(status) => {
                Self::error_body(super::super::http::reason(*status), "InternalServerError", None, *status)
            }
        })
    }

    fn page(&self, method: &str, path: &str, body: &[u8], facts: &Facts<'_>) -> Page {
        let settings = facts.settings;
        Page::Now(match (method, path) {
            (_, "/health" | "/ping") => Reply::empty(200),
            ("GET", "/version") => Reply::json(200, json!({"version": VERSION}).to_string()),
            ("GET", "/v1/models") => Reply::json(
                200,
                format!(
                    r#"{{"object":"list","data":[{{"id":{model},"object":"model","created":{now},"owned_by":"vllm","root":{model},"parent":null,"max_model_len":{context},"permission":[{{"id":"modelperm-81bc85e7093337c6","object":"model_permission","created":{now},"allow_create_engine":false,"allow_sampling":true,"allow_logprobs":true,"allow_search_indices":false,"allow_view":true,"allow_fine_tuning":false,"organization":"*","group":null,"is_blocking":false}}]}}]}}"#,
                    model = quoted(&settings.model),
                    now = facts.now_s,
                    context = settings.context_length,
                ),
            ),
            ("GET", "/metrics") => {
                Reply::text(200, "text/plain; version=1.0.0; charset=utf-8", metrics::vllm(facts))
            }
            ("POST", "/tokenize") => Self::tokenize(body, settings),
            (_, _) => Reply::json(404, r#"{"detail":"Not Found"}"#),
        })
    }
}
