//! SGLang's wire (captured from 0.5.20; `/ready` as later versions have it).

use std::time::Duration;

use serde_json::{Value, json};

use super::super::http::{Framer, Reply, push_number, push_text};
use super::super::parsed_request::{Endpoint, ParsedRequest, Refusal};
use super::super::settings::Settings;
use super::super::text::token_id;
use super::metrics;
use super::openai::{done, event, push_usage, usage, uvicorn_reply, uvicorn_stream_head};
use super::writing::{
    Dialect, Facts, Finish, HeadTime, Loading, Page, Refused, Stream, Terminate, chat_count, quoted,
    tokenized,
};

/// SGLang.
pub struct Sglang;

const VERSION: &str = "0.5.20";
const SOURCE: &str = "/srv/venvs/sglang/lib/python3.11/site-packages/sglang/srt/entrypoints/http_server.py";
/// `/health` generates a token and sleeps at least a second.
const HEALTH_TIME: Duration = Duration::from_secs(1);

fn reason_and_stop(finish: Finish) -> (&'static str, &'static str) {
    match finish {
        Finish::Stop => ("stop", "2"),
        Finish::Length => ("length", "null"),
    }
}

fn chunk_start(stream: &Stream) -> String {
    let kind = if stream.endpoint == Endpoint::Chat { "chat.completion.chunk" } else { "text_completion" };
    format!(
        r#"{{"id":"{}","object":"{kind}","created":{},"model":{},"choices":["#,
        stream.id, stream.created, stream.model
    )
}

impl Sglang {
    fn push_whole_usage(stream: &Stream, out: &mut Vec<u8>) {
        out.push(b'{');
        push_usage(out, stream.prompt_tokens, stream.generated);
        if stream.endpoint == Endpoint::Chat {
            out.extend_from_slice(b",\"prompt_tokens_details\":null");
        }
        out.extend_from_slice(b",\"reasoning_tokens\":0}");
    }

    /// What follows `choices`: completions always have the key `usage`, chat only where it is asked for.
    fn continuous(stream: &Stream, out: &mut Vec<u8>) {
        if stream.continuous_usage {
            out.extend_from_slice(b",\"usage\":");
            Self::push_whole_usage(stream, out);
        } else if stream.endpoint == Endpoint::Completions {
            out.extend_from_slice(b",\"usage\":null");
        }
    }

    /// A native event repeats the whole text and all ids so far.
    fn native(stream: &Stream, finish: Option<Finish>, out: &mut Vec<u8>) {
        push_text(out, format_args!(r#"data: {{"text":{},"output_ids":["#, quoted(&stream.text)));
        for (index, token) in stream.tokens.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_number(out, token_id(token));
        }
        push_text(out, format_args!("],{}}}\n\n", Self::meta(stream, finish)));
    }

    fn meta(stream: &Stream, finish: Option<Finish>) -> String {
        let reason = match finish {
            None => "null".into(),
            Some(Finish::Stop) => r#"{"type":"stop","matched":2}"#.into(),
            Some(Finish::Length) => format!(r#"{{"type":"length","length":{}}}"#, stream.generated),
        };
        let ended = match finish {
            None => String::new(),
            Some(_) => format!(
                r#","e2e_latency":{:?}"#,
                (stream.queue_ns + stream.prompt_ns + stream.predicted_ns) as f64 / 1e9
            ),
        };
        format!(
            r#""meta_info":{{"id":"{}","finish_reason":{reason},"prompt_tokens":{},"weight_version":"default","num_retractions":0,"queue_time":{:?},"reasoning_tokens":0,"completion_tokens":{},"cached_tokens":0,"cached_tokens_details":{{"device":0,"host":0}},"dp_rank":null{ended}}}"#,
            stream.id,
            stream.prompt_tokens,
            stream.queue_ns as f64 / 1e9,
            stream.generated,
        )
    }

    fn error_reply(message: &str, kind: &str, code: u16) -> Reply {
        Reply::json(
            code,
            format!(
                r#"{{"object":"error","message":{},"type":"{kind}","param":null,"code":{code}}}"#,
                quoted(message)
            ),
        )
    }

    fn validation(detail: &str, endpoint: Endpoint) -> Reply {
        let (path, function) = match endpoint {
            Endpoint::Chat => ("/v1/chat/completions", "openai_v1_chat_completions"),
            Endpoint::Completions => ("/v1/completions", "openai_v1_completions"),
            Endpoint::Native { .. } => ("/generate", "generate_request"),
        };
        Self::error_reply(
            &format!(
                "1 validation error:\n  {detail}\n\n  File \"{SOURCE}\", line 1747, in {function}\n    POST {path} [{detail}]"
            ),
            "Bad Request",
            400,
        )
    }

    fn tokenize(body: &[u8], settings: &Settings) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let (count, tokens) = match (tokenized(&body, &["prompt"]), chat_count(&body)) {
            (Some(tokens), _) => (tokens.len() as u32, tokens.iter().map(|token| token_id(token)).collect()),
            (None, Some(count)) => (count, (0..count).collect::<Vec<u32>>()),
            (None, None) => return Self::error_reply("prompt or messages is required", "Bad Request", 400),
        };
        let tokens = serde_json::to_string(&tokens).unwrap_or_default();
        let context = settings.context_length;
        Reply::json(200, format!(r#"{{"tokens":{tokens},"count":{count},"max_model_len":{context}}}"#))
    }
}

impl Dialect for Sglang {
    fn head_time(&self) -> HeadTime {
        HeadTime::FirstChunk
    }

    fn loading(&self) -> Loading {
        Loading::RefusedThenUnhealthy
    }

    fn terminate(&self) -> Terminate {
        Terminate::Finish
    }

    fn keep_alive(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        match path {
            "/v1/chat/completions" => Some(Endpoint::Chat),
            "/v1/completions" => Some(Endpoint::Completions),
            "/generate" => Some(Endpoint::Native { stream: false }),
            _ => None,
        }
    }

    fn id(&self, _: Endpoint, random: u64) -> String {
        format!("{random:016x}{:016x}", random.rotate_left(29) ^ 0x9E37_79B9_7F4A_7C15)
    }

    fn model<'a>(&self, settings: &'a Settings, ask: &'a ParsedRequest) -> &'a str {
        ask.model.as_deref().unwrap_or(&settings.model)
    }

    fn prepare(&self, stream: &mut Stream) {
        let start = chunk_start(stream);
        let (before, after) = match stream.endpoint {
            Endpoint::Chat => (
                r#"{"index":0,"delta":{"reasoning_content":null,"content":""#,
                r#""},"logprobs":null,"finish_reason":null,"matched_stop":null}]"#,
            ),
            Endpoint::Completions | Endpoint::Native { .. } => {
                (r#"{"index":0,"text":""#, r#"","logprobs":null,"finish_reason":null,"matched_stop":null}]"#)
            }
        };
        stream.before = format!("data: {start}{before}").into_bytes();
        stream.after = after.as_bytes().to_vec();
    }

    fn stream_head(&self, _: usize, close: bool, now_s: i64) -> String {
        uvicorn_stream_head(close, now_s, true)
    }

    fn reply(&self, reply: &Reply, close: bool, now_s: i64) -> Vec<u8> {
        uvicorn_reply(reply, close, now_s, true)
    }

    fn opening(&self, stream: &Stream, framer: &mut Framer) {
        if stream.endpoint == Endpoint::Chat {
            event(
                framer,
                format_args!(
                    r#"{}{{"index":0,"delta":{{"reasoning_content":null,"role":"assistant","content":""}},"logprobs":null,"finish_reason":null,"matched_stop":null}}]}}"#,
                    chunk_start(stream)
                ),
            );
        }
    }

    fn chunk(&self, stream: &Stream, text: &str, framer: &mut Framer) {
        let out = framer.event();
        if stream.is_native() {
            Self::native(stream, None, out);
        } else {
            out.extend_from_slice(&stream.before);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(&stream.after);
            Self::continuous(stream, out);
            out.extend_from_slice(b"}\n\n");
        }
        framer.end_chunk();
    }

    fn last(&self, stream: &Stream, text: &str, finish: Finish, framer: &mut Framer) {
        let (reason, stop) = reason_and_stop(finish);
        match stream.endpoint {
            Endpoint::Chat => {
                if !text.is_empty() {
                    self.chunk(stream, text, framer);
                }
                event(
                    framer,
                    format_args!(
                        r#"{}{{"index":0,"delta":{{"reasoning_content":null}},"logprobs":null,"finish_reason":"{reason}","matched_stop":{stop}}}]}}"#,
                        chunk_start(stream)
                    ),
                );
            }
            Endpoint::Completions => {
                let out = framer.event();
                out.extend_from_slice(&stream.before);
                out.extend_from_slice(text.as_bytes());
                push_text(
                    out,
                    format_args!(r#"","logprobs":null,"finish_reason":"{reason}","matched_stop":{stop}}}]"#),
                );
                Self::continuous(stream, out);
                out.extend_from_slice(b"}\n\n");
                framer.end_chunk();
            }
            Endpoint::Native { .. } => {
                Self::native(stream, Some(finish), framer.event());
                framer.end_chunk();
            }
        }
    }

    fn closing(&self, stream: &Stream, framer: &mut Framer) {
        if stream.include_usage && !stream.is_native() {
            let mut usage = Vec::new();
            Self::push_whole_usage(stream, &mut usage);
            let usage = String::from_utf8_lossy(&usage);
            event(framer, format_args!(r#"{}],"usage":{usage}}}"#, chunk_start(stream)));
        }
        done(framer);
    }

    fn error(&self, framer: &mut Framer) {
        event(
            framer,
            format_args!(
                r#"{{"error": {{"object": "error", "message": "The request was aborted by the scheduler.", "type": "SERVICE_UNAVAILABLE", "param": null, "code": 503}}}}"#
            ),
        );
        done(framer);
    }

    fn whole(&self, stream: &Stream, finish: Finish) -> Reply {
        let (reason, stop) = reason_and_stop(finish);
        let (text, n) = (quoted(&stream.text), stream.generated);
        let (id, created, model) = (&stream.id, stream.created, &stream.model);
        let usage = usage(stream.prompt_tokens, n);
        let versions = format!(
            r#""metadata":{{"weight_version":"default","weight_versions":[{{"version":"default","start":0,"end":{n}}}]}}"#
        );
        Reply::json(
            200,
            match stream.endpoint {
                Endpoint::Chat => format!(
                    r#"{{"id":"{id}","object":"chat.completion","created":{created},"model":{model},"choices":[{{"index":0,"message":{{"role":"assistant","content":{text},"reasoning_content":null,"tool_calls":null}},"logprobs":null,"finish_reason":"{reason}","matched_stop":{stop}}}],"usage":{{{usage},"prompt_tokens_details":null,"reasoning_tokens":0}},{versions}}}"#
                ),
                Endpoint::Completions => format!(
                    r#"{{"id":"{id}","object":"text_completion","created":{created},"model":{model},"choices":[{{"index":0,"text":{text},"logprobs":null,"finish_reason":"{reason}","matched_stop":{stop}}}],"usage":{{{usage},"reasoning_tokens":0}},{versions}}}"#
                ),
                Endpoint::Native { .. } => {
                    let ids: Vec<u32> = stream.tokens.iter().map(|token| token_id(token)).collect();
                    let ids = serde_json::to_string(&ids).unwrap_or_default();
                    format!(r#"{{"text":{text},"output_ids":{ids},{}}}"#, Self::meta(stream, Some(finish)))
                }
            },
        )
    }

    fn refuse(&self, settings: &Settings, refusal: &Refusal, endpoint: Endpoint, stream: bool) -> Refused {
        let context = settings.context_length;
        let mut reply = match refusal {
            Refusal::BadJson(at) => Self::validation(
                &format!(
                    "{{'type': 'json_invalid', 'loc': ('body', {at}), 'msg': 'JSON decode error', 'input': {{}}, 'ctx': {{'error': 'unexpected end of data'}}}}"
                ),
                endpoint,
            ),
            Refusal::Missing(field) => Self::validation(
                &format!(
                    "{{'type': 'missing', 'loc': ('body', '{field}'), 'msg': 'Field required', 'input': {{}}}}"
                ),
                endpoint,
            ),
            Refusal::BadValue(message) => Self::error_reply(message, "BadRequestError", 400),
            Refusal::UnknownModel(name) => {
                Self::error_reply(&format!("no model {name}"), "NotFoundError", 404)
            }
            Refusal::TooLong(prompt, _) if *prompt >= context => Self::error_reply(
                &format!(
                    "The input ({prompt} tokens) is longer than the model's context length ({context} tokens)."
                ),
                "BadRequestError",
                400,
            ),
            Refusal::TooLong(prompt, new) => Self::error_reply(
                &format!(
                    "Requested token count exceeds the model's maximum context length of {context} tokens. You requested a total of {} tokens: {prompt} tokens from the input messages and {new} tokens for the completion. Please reduce the number of tokens in the input messages or the completion to fit within the limit.",
                    u64::from(*prompt) + u64::from(*new)
                ),
                "BadRequestError",
                400,
            ),
            Refusal::NotFound => Reply::json(404, r#"{"detail":"Not Found"}"#),
            Refusal::Overloaded if stream => {
                return Refused::Stream(vec![
                    r#"{"error": {"object": "error", "message": "The request queue is full.", "type": "SERVICE_UNAVAILABLE", "param": null, "code": 503}}"#.into(),
                    "[DONE]".into(),
                ]);
            }
            Refusal::Loading | Refusal::Overloaded => {
                Self::error_reply("The request queue is full.", "SERVICE_UNAVAILABLE", 503)
            }
            Refusal::Injected(status) => {
                Self::error_reply(super::super::http::reason(*status), "InternalServerError", *status)
            }
        };
        if matches!(endpoint, Endpoint::Native { .. }) && reply.status != 404 {
            let flat: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            reply.body = json!({"error": {"message": flat["message"]}}).to_string().into_bytes();
        }
        Refused::Reply(reply)
    }

    fn page(&self, method: &str, path: &str, body: &[u8], facts: &Facts<'_>) -> Page {
        let settings = facts.settings;
        let health = Reply::empty(if facts.loading { 503 } else { 200 });
        Page::Now(match (method, path) {
            (_, "/health" | "/health_generate") if !facts.loading => return Page::Later(health, HEALTH_TIME),
            (_, "/health" | "/health_generate" | "/ready") => health,
            (_, "/ping") => Reply::empty(200),
            ("GET", "/v1/models") => Reply::json(
                200,
                format!(
                    r#"{{"object":"list","data":[{{"id":{model},"object":"model","created":{},"owned_by":"sglang","root":{model},"parent":null,"max_model_len":{}}}]}}"#,
                    facts.now_s,
                    settings.context_length,
                    model = quoted(&settings.model),
                ),
            ),
            ("GET", "/model_info" | "/get_model_info") => Reply::json(
                200,
                format!(
                    r#"{{"model_path":{model},"served_model_name":{model},"tokenizer_path":{model},"is_generation":true,"preferred_sampling_params":null,"weight_version":"default","load_format":"auto","model_type":"llama","architectures":["LlamaForCausalLM"]}}"#,
                    model = quoted(&settings.model)
                ),
            ),
            ("GET", "/server_info" | "/get_server_info") => Reply::json(
                200,
                format!(
                    r#"{{"model_path":{model},"tokenizer_path":{model},"served_model_name":{model},"context_length":{},"dtype":"auto","max_running_requests":{},"disable_radix_cache":true,"enable_metrics":true,"internal_states":[{{"effective_max_running_requests_per_dp":{}}}],"version":"{VERSION}","kv_events":null}}"#,
                    settings.context_length,
                    settings.max_batch,
                    settings.max_batch,
                    model = quoted(&settings.model),
                ),
            ),
            ("GET", "/metrics") => {
                Reply::text(200, "text/plain; version=0.0.4; charset=utf-8", metrics::sglang(facts))
            }
            ("POST", "/tokenize" | "/v1/tokenize") => Self::tokenize(body, settings),
            (_, "/flush_cache") => Reply::text(200, "text/plain; charset=utf-8", "Cache flushed.\n"),
            (_, _) => Reply::json(404, r#"{"detail":"Not Found"}"#),
        })
    }
}
