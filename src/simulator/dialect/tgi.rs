//! TGI's wire (captured from 3.3.6-dev0).

use std::time::Duration;

use serde_json::Value;

use super::super::http::{Framer, Reply, http_date, push_number, push_text, reason};
use super::super::parsed_request::{Endpoint, ParsedRequest, Refusal};
use super::super::settings::Settings;
use super::super::text::token_id;
use super::metrics;
use super::openai::{done, event};
use super::writing::{
    Dialect, Facts, Finish, HeadTime, Loading, Page, Refused, Stream, Terminate, quoted, tokenized,
};

/// TGI.
pub struct Tgi;

const VERSION: &str = "3.3.6-dev0";
const FINGERPRINT: &str = "3.3.6-dev0-native";
const CORS: &str = "vary: origin, access-control-request-method, access-control-request-headers\r\n\
                    access-control-allow-origin: *\r\n";

fn close_header(close: bool) -> &'static str {
    if close { "connection: close\r\n" } else { "" }
}

fn usage(stream: &Stream) -> String {
    let (prompt, new) = (stream.prompt_tokens, stream.generated);
    format!(r#"{{"prompt_tokens":{prompt},"completion_tokens":{new},"total_tokens":{}}}"#, prompt + new)
}

fn chat_start(stream: &Stream) -> String {
    format!(
        r#"{{"object":"chat.completion.chunk","id":"","created":{},"model":{},"system_fingerprint":"{FINGERPRINT}","choices":["#,
        stream.created, stream.model
    )
}

/// The name on a stream of completions and natively; elsewhere an end of sequence is `stop`.
fn raw_name(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "eos_token",
        Finish::Length => "length",
    }
}

fn plain_name(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

fn native_token(stream: &Stream, text: &str, out: &mut Vec<u8>) {
    let special = text.is_empty();
    let id = if special { 2 } else { stream.tokens.last().map_or(2, |token| token_id(token)) };
    out.extend_from_slice(b"data: {\"index\":");
    push_number(out, stream.generated);
    let text = if special { "<|im_end|>" } else { text };
    push_text(
        out,
        format_args!(
            r#","token":{{"id":{id},"text":{},"logprob":-1.1171875,"special":{special}}},"generated_text":"#,
            quoted(text)
        ),
    );
}

fn details(stream: &Stream, finish: Finish) -> String {
    format!(r#"{{"finish_reason":"{}","generated_tokens":{},"seed":null"#, raw_name(finish), stream.generated)
}

fn error_reply(message: &str, kind: &str, status: u16) -> Reply {
    Reply::json(status, format!(r#"{{"error":{},"error_type":"{kind}"}}"#, quoted(message)))
}

impl Tgi {
    fn tokenize(body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let mut start = 0;
        let tokens: Vec<String> = tokenized(&body, &["inputs"])
            .unwrap_or_default()
            .iter()
            .map(|token| {
                let from = start;
                start += token.chars().count();
                format!(
                    r#"{{"id":{},"text":{},"start":{from},"stop":{start}}}"#,
                    token_id(token),
                    quoted(token)
                )
            })
            .collect();
        Reply::json(200, format!("[{}]", tokens.join(",")))
    }
}

impl Dialect for Tgi {
    fn uppercase_sizes(&self) -> bool {
        true
    }

    fn head_time(&self) -> HeadTime {
        HeadTime::Acceptance
    }

    fn loading(&self) -> Loading {
        Loading::Refused
    }

    fn terminate(&self) -> Terminate {
        Terminate::Finish
    }

    fn keep_alive(&self) -> Option<Duration> {
        None
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        match path {
            "/v1/chat/completions" => Some(Endpoint::Chat),
            "/v1/completions" => Some(Endpoint::Completions),
            "/generate" => Some(Endpoint::Native { stream: false }),
            "/generate_stream" => Some(Endpoint::Native { stream: true }),
            _ => None,
        }
    }

    fn id(&self, _: Endpoint, _: u64) -> String {
        String::new()
    }

    fn model<'a>(&self, settings: &'a Settings, ask: &'a ParsedRequest) -> &'a str {
        match ask.endpoint {
            Endpoint::Chat => ask.model.as_deref().unwrap_or("tgi"),
            Endpoint::Completions | Endpoint::Native { .. } => &settings.model,
        }
    }

    fn prepare(&self, stream: &mut Stream) {
        let (created, model) = (stream.created, &stream.model);
        let (before, after) = match stream.endpoint {
            Endpoint::Chat => (
                format!(r#"{}{{"index":0,"delta":{{"role":"assistant","content":""#, chat_start(stream)),
                r#""},"logprobs":null,"finish_reason":null}],"usage":null}"#.to_owned(),
            ),
            Endpoint::Completions | Endpoint::Native { .. } => (
                format!(
                    r#"{{"object":"text_completion","id":"","created":{created},"choices":[{{"index":0,"text":""#
                ),
                format!(
                    r#"","logprobs":null,"finish_reason":""}}],"model":{model},"system_fingerprint":"{FINGERPRINT}"}}"#
                ),
            ),
        };
        stream.before = format!("data: {before}").into_bytes();
        stream.after = format!("{after}\n\n").into_bytes();
    }

    fn stream_head(&self, prompt_bytes: usize, close: bool, now_s: i64) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
             x-compute-type: gpu+optimized\r\nx-compute-characters: {}\r\nx-accel-buffering: no\r\n{CORS}{}\
             transfer-encoding: chunked\r\ndate: {}\r\n\r\n",
            prompt_bytes,
            close_header(close),
            http_date(now_s)
        )
    }

    fn reply(&self, reply: &Reply, close: bool, now_s: i64) -> Vec<u8> {
        let content_type = if reply.content_type.is_empty() {
            String::new()
        } else {
            format!("content-type: {}\r\n", reply.content_type)
        };
        // An empty body's length is written by another layer, after the handler's own headers.
        let (length, close) = (format!("content-length: {}\r\n", reply.body.len()), close_header(close));
        let last =
            if reply.body.is_empty() { format!("{close}{length}") } else { format!("{length}{close}") };
        let head = format!(
            "HTTP/1.1 {} {}\r\n{content_type}{}{CORS}{last}date: {}\r\n\r\n",
            reply.status,
            reason(reply.status),
            reply.extra,
            http_date(now_s)
        );
        [head.as_bytes(), &reply.body].concat()
    }

    fn opening(&self, _: &Stream, _: &mut Framer) {}

    fn chunk(&self, stream: &Stream, text: &str, framer: &mut Framer) {
        let out = framer.event();
        if stream.is_native() {
            native_token(stream, text, out);
            out.extend_from_slice(b"null,\"details\":null}\n\n");
        } else {
            out.extend_from_slice(&stream.before);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(&stream.after);
        }
        framer.end_chunk();
    }

    fn last(&self, stream: &Stream, text: &str, finish: Finish, framer: &mut Framer) {
        let out = framer.event();
        match stream.endpoint {
            Endpoint::Chat => {
                out.extend_from_slice(&stream.before);
                out.extend_from_slice(text.as_bytes());
                let name = plain_name(finish);
                push_text(
                    out,
                    format_args!(r#""}},"logprobs":null,"finish_reason":"{name}"}}],"usage":null}}"#),
                );
            }
            Endpoint::Completions => push_text(
                out,
                format_args!(
                    r#"data: {{"object":"text_completion","id":"","created":{},"model":{},"system_fingerprint":"{FINGERPRINT}","choices":[{{"index":0,"text":"{text}","logprobs":null,"finish_reason":"{}"}}],"usage":{}}}"#,
                    stream.created,
                    stream.model,
                    raw_name(finish),
                    usage(stream)
                ),
            ),
            Endpoint::Native { .. } => {
                native_token(stream, text, out);
                let details = if stream.details {
                    format!(r#"{},"input_length":{}}}"#, details(stream, finish), stream.prompt_tokens)
                } else {
                    "null".into()
                };
                push_text(out, format_args!(r#"{},"details":{details}}}"#, quoted(&stream.text)));
            }
        }
        out.extend_from_slice(b"\n\n");
        framer.end_chunk();
    }

    fn closing(&self, stream: &Stream, framer: &mut Framer) {
        if stream.endpoint == Endpoint::Chat && stream.include_usage {
            event(framer, format_args!(r#"{}],"usage":{}}}"#, chat_start(stream), usage(stream)));
        }
        if !stream.is_native() {
            done(framer);
        }
    }

    fn error(&self, framer: &mut Framer) {
        event(
            framer,
            format_args!(
                r#"{{"error":{{"message":"Request failed during generation: Server error: ","http_status_code":424}}}}"#
            ),
        );
        done(framer);
    }

    fn whole(&self, stream: &Stream, finish: Finish) -> Reply {
        let text = quoted(&stream.text);
        let (created, model) = (stream.created, &stream.model);
        let total_ns = stream.queue_ns + stream.prompt_ns + stream.predicted_ns;
        let inference_ms = (stream.prompt_ns + stream.predicted_ns) / 1_000_000;
        let body = match stream.endpoint {
            Endpoint::Chat => format!(
                r#"{{"object":"chat.completion","id":"","created":{created},"model":{model},"system_fingerprint":"{FINGERPRINT}","choices":[{{"index":0,"message":{{"role":"assistant","content":{text}}},"logprobs":null,"finish_reason":"{}"}}],"usage":{}}}"#,
                plain_name(finish),
                usage(stream)
            ),
            Endpoint::Completions => format!(
                r#"{{"object":"text_completion","id":"","created":{created},"model":{model},"system_fingerprint":"{FINGERPRINT}","choices":[{{"index":0,"text":{text},"logprobs":null,"finish_reason":"{}"}}],"usage":{}}}"#,
                plain_name(finish),
                usage(stream)
            ),
            Endpoint::Native { .. } if stream.details => {
                let tokens: Vec<String> = stream
                    .tokens
                    .iter()
                    .map(|token| {
                        let (id, text) = (token_id(token), quoted(token));
                        format!(r#"{{"id":{id},"text":{text},"logprob":-1.1171875,"special":false}}"#)
                    })
                    .collect();
                format!(
                    r#"{{"generated_text":{text},"details":{},"prefill":[],"tokens":[{}]}}}}"#,
                    details(stream, finish),
                    tokens.join(",")
                )
            }
            Endpoint::Native { .. } => format!(r#"{{"generated_text":{text}}}"#),
        };
        let extra = format!(
            "x-compute-type: gpu+optimized\r\nx-compute-time: {:?}\r\nx-compute-characters: {}\r\n\
             x-total-time: {}\r\nx-validation-time: 0\r\nx-queue-time: {}\r\nx-inference-time: {inference_ms}\r\n\
             x-time-per-token: {}\r\nx-prompt-tokens: {}\r\nx-generated-tokens: {}\r\n",
            total_ns as f64 / 1e9,
            stream.prompt.len(),
            total_ns / 1_000_000,
            stream.queue_ns / 1_000_000,
            inference_ms / u64::from(stream.generated.max(1)),
            stream.prompt_tokens,
            stream.generated
        );
        Reply { extra, ..Reply::json(200, body) }
    }

    fn refuse(&self, settings: &Settings, refusal: &Refusal, endpoint: Endpoint, stream: bool) -> Refused {
        let (message, kind, status) = match refusal {
            Refusal::BadJson(at) => {
                let message = format!(
                    "Failed to parse the request body as JSON: model: EOF while parsing a value at line 1 column {at}"
                );
                return Refused::Reply(Reply::text(400, "text/plain; charset=utf-8", message));
            }
            Refusal::Missing(field) => {
                let message = format!(
                    "Failed to deserialize the JSON body into the target type: missing field `{field}` at line 1"
                );
                return Refused::Reply(Reply::text(422, "text/plain; charset=utf-8", message));
            }
            Refusal::NotFound => return Refused::Reply(Reply::empty(404)),
            Refusal::Loading => return Refused::Reply(error_reply("unhealthy", "healthcheck", 503)),
            Refusal::Injected(status) => {
                return Refused::Reply(error_reply(reason(*status), "generation", *status));
            }
            Refusal::UnknownModel(name) => (format!("no model {name}"), "validation", 422),
            Refusal::BadValue(message) => (format!("Input validation error: {message}"), "validation", 422),
            Refusal::TooLong(prompt, new) => (
                format!(
                    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {}. Given: {prompt} `inputs` tokens and {new} `max_new_tokens`",
                    settings.context_length
                ),
                "validation",
                422,
            ),
            Refusal::Overloaded => ("Model is overloaded".to_owned(), "overloaded", 429),
        };
        if !stream {
            return Refused::Reply(error_reply(&message, kind, status));
        }
        // On a stream every error comes after HTTP 200, and the OpenAI endpoints call each one 422.
        let message = quoted(&message);
        Refused::Stream(match endpoint {
            Endpoint::Native { .. } => vec![format!(r#"{{"error":{message},"error_type":"{kind}"}}"#)],
            Endpoint::Chat | Endpoint::Completions => vec![
                format!(r#"{{"error":{{"message":{message},"http_status_code":422}}}}"#),
                "[DONE]".into(),
            ],
        })
    }

    fn page(&self, method: &str, path: &str, body: &[u8], facts: &Facts<'_>) -> Page {
        let settings = facts.settings;
        let model = quoted(&settings.model);
        let context = settings.context_length;
        Page::Now(match (method, path) {
            ("GET", "/health" | "/ping" | "/") => Reply::empty(200),
            ("GET", "/info") => Reply::json(
                200,
                format!(
                    r#"{{"model_id":{model},"model_sha":null,"model_pipeline_tag":null,"max_concurrent_requests":{},"max_best_of":2,"max_stop_sequences":4,"max_input_tokens":{},"max_total_tokens":{context},"validation_workers":2,"max_client_batch_size":4,"router":"text-generation-router","version":"{VERSION}","sha":null,"docker_label":null}}"#,
                    settings.max_in_flight.min(1 << 20),
                    context.saturating_sub(1),
                ),
            ),
            ("GET", "/v1/models") => Reply::json(
                200,
                format!(
                    r#"{{"object":"list","data":[{{"id":{model},"object":"model","created":0,"owned_by":{model}}}]}}"#
                ),
            ),
            ("GET", "/metrics") => Reply::text(200, "text/plain; charset=utf-8", metrics::tgi(facts)),
            ("POST", "/tokenize") => Self::tokenize(body),
            (_, _) => Reply::empty(404),
        })
    }
}
