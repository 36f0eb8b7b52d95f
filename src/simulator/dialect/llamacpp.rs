//! llama-server's wire (captured from b11434).

use std::time::Duration;

use serde_json::{Value, json};

use super::super::http::{Framer, Reply, push_number, push_text, reason};
use super::super::parsed_request::{Endpoint, ParsedRequest, Refusal};
use super::super::settings::Settings;
use super::super::text::token_id;
use super::metrics;
use super::openai::{add_event, done};
use super::writing::{
    Dialect, Facts, Finish, HeadTime, Loading, Page, Refused, Stream, Terminate, quoted, tokenized,
};

/// llama-server.
pub struct Llamacpp;

const BUILD: &str = "b0-unknown";
const JSON: &str = "application/json; charset=utf-8";

fn finish_name(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

/// Everything of a chat chunk after `choices`, without the closing brace.
fn chat_rest(stream: &Stream) -> String {
    format!(
        r#""created":{},"id":"{}","model":{},"system_fingerprint":"{BUILD}","object":"chat.completion.chunk""#,
        stream.created, stream.id, stream.model
    )
}

fn usage(stream: &Stream) -> String {
    format!(
        r#""usage":{{"completion_tokens":{},"prompt_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":0}}}}"#,
        stream.generated,
        stream.prompt_tokens,
        stream.prompt_tokens + stream.generated
    )
}

/// `prompt_ms` runs up to the first token, the rates leave the first one out.
fn timings(stream: &Stream) -> String {
    let prompt_ms = stream.prompt_ns as f64 / 1e6;
    let predicted_ms = stream.predicted_ns as f64 / 1e6;
    let (prompt_n, n) = (f64::from(stream.prompt_tokens), stream.generated);
    let per_token = if n > 1 { predicted_ms / f64::from(n - 1) } else { 0.0 };
    let rate = |per: f64| if per > 0.0 { 1000.0 / per } else { 0.0 };
    let prompt_per_token = if prompt_n > 0.0 { prompt_ms / prompt_n } else { 0.0 };
    format!(
        r#""timings":{{"cache_n":0,"prompt_n":{prompt_n},"prompt_ms":{prompt_ms:?},"prompt_per_token_ms":{prompt_per_token:?},"prompt_per_second":{:?},"predicted_n":{n},"predicted_ms":{predicted_ms:?},"predicted_per_token_ms":{per_token:?},"predicted_per_second":{:?}}}"#,
        rate(prompt_per_token),
        rate(per_token)
    )
}

fn reply(status: u16, body: String) -> Reply {
    Reply { content_type: JSON, ..Reply::json(status, body) }
}

fn error_reply(message: &str, kind: &str, code: u16) -> Reply {
    reply(code, format!(r#"{{"error":{{"code":{code},"message":{},"type":"{kind}"}}}}"#, quoted(message)))
}

fn native_final(stream: &Stream, finish: Finish, out: &mut Vec<u8>, content: &str) {
    let stop_type = match finish {
        Finish::Stop => "eos",
        Finish::Length => "limit",
    };
    push_text(
        out,
        format_args!(
            r#"{{"index":0,"content":{},"tokens":[],"id_slot":0,"stop":true,"model":{},"tokens_predicted":{},"tokens_evaluated":{},"generation_settings":{{"max_tokens":{limit},"n_predict":{limit}}},"prompt":{},"has_new_line":false,"truncated":false,"stop_type":"{stop_type}","stopping_word":"","tokens_cached":{},{}}}"#,
            quoted(content),
            stream.model,
            stream.generated,
            stream.prompt_tokens,
            quoted(&stream.prompt),
            stream.prompt_tokens + stream.generated - 1,
            timings(stream),
            limit = stream.limit,
        ),
    );
}

impl Dialect for Llamacpp {
    fn head_time(&self) -> HeadTime {
        HeadTime::SlotStart
    }

    fn loading(&self) -> Loading {
        Loading::Unavailable
    }

    fn terminate(&self) -> Terminate {
        Terminate::SilentFor(Duration::from_secs(30))
    }

    fn keep_alive(&self) -> Option<Duration> {
        None
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        match path {
            "/v1/chat/completions" | "/chat/completions" => Some(Endpoint::Chat),
            "/v1/completions" => Some(Endpoint::Completions),
            "/completion" | "/completions" => Some(Endpoint::Native { stream: false }),
            _ => None,
        }
    }

    fn id(&self, _: Endpoint, random: u64) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut draw = super::super::random::Random::new(random, 0x1D, 0);
        let letters = (0..32).map(|_| char::from(LETTERS[(draw.next() % 62) as usize]));
        format!("chatcmpl-{}", letters.collect::<String>())
    }

    fn model<'a>(&self, settings: &'a Settings, _: &'a ParsedRequest) -> &'a str {
        &settings.model
    }

    fn prepare(&self, stream: &mut Stream) {
        let (created, id, model) = (stream.created, &stream.id, &stream.model);
        let (before, after) = match stream.endpoint {
            Endpoint::Chat => (
                r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":""#.to_owned(),
                format!(r#""}}}}],{}}}"#, chat_rest(stream)),
            ),
            Endpoint::Completions => (
                r#"{"choices":[{"text":""#.to_owned(),
                format!(
                    r#"","index":0,"logprobs":null,"finish_reason":null}}],"created":{created},"model":{model},"system_fingerprint":"{BUILD}","object":"text_completion","id":"{id}"}}"#
                ),
            ),
            Endpoint::Native { .. } => (r#"{"index":0,"content":""#.to_owned(), String::new()),
        };
        stream.before = format!("data: {before}").into_bytes();
        stream.after = format!("{after}\n\n").into_bytes();
    }

    fn stream_head(&self, _: usize, close: bool, _: i64) -> String {
        let connection = if close { "Connection: close\r\n" } else { "Keep-Alive: timeout=5, max=100\r\n" };
        format!(
            "HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nAccess-Control-Allow-Origin: \r\nX-Accel-Buffering: no\r\n\
             Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n{connection}\r\n"
        )
    }

    fn reply(&self, reply: &Reply, close: bool, _: i64) -> Vec<u8> {
        let connection = if close { "Connection: close\r\n" } else { "Keep-Alive: timeout=5, max=100\r\n" };
        let head = format!(
            "HTTP/1.1 {} {}\r\nServer: llama.cpp\r\nAccess-Control-Allow-Origin: \r\n{}Content-Type: {}\r\n\
             Content-Length: {}\r\n{connection}\r\n",
            reply.status,
            reason(reply.status),
            reply.extra,
            reply.content_type,
            reply.body.len()
        );
        [head.as_bytes(), &reply.body].concat()
    }

    fn opening(&self, stream: &Stream, framer: &mut Framer) {
        // It shares its HTTP chunk with the first token.
        if stream.endpoint == Endpoint::Chat {
            add_event(
                framer,
                format_args!(
                    r#"{{"choices":[{{"finish_reason":null,"index":0,"delta":{{"role":"assistant","content":null}}}}],{}}}"#,
                    chat_rest(stream)
                ),
            );
        }
    }

    fn chunk(&self, stream: &Stream, text: &str, framer: &mut Framer) {
        let out = framer.event();
        out.extend_from_slice(&stream.before);
        out.extend_from_slice(text.as_bytes());
        if stream.is_native() {
            let id = stream.tokens.last().map_or(2, |token| token_id(token));
            out.extend_from_slice(b"\",\"tokens\":[");
            push_number(out, if text.is_empty() { 2 } else { id });
            out.extend_from_slice(b"],\"stop\":false,\"id_slot\":-1,\"tokens_predicted\":");
            push_number(out, stream.generated);
            out.extend_from_slice(b",\"tokens_evaluated\":");
            push_number(out, stream.prompt_tokens);
            out.push(b'}');
        }
        out.extend_from_slice(&stream.after);
        framer.end_chunk();
    }

    fn last(&self, stream: &Stream, text: &str, finish: Finish, framer: &mut Framer) {
        let reason = finish_name(finish);
        if !text.is_empty() || stream.is_native() {
            self.chunk(stream, text, framer);
        }
        match stream.endpoint {
            Endpoint::Chat => {
                let rest = chat_rest(stream);
                let times =
                    if stream.include_usage { String::new() } else { format!(",{}", timings(stream)) };
                add_event(
                    framer,
                    format_args!(
                        r#"{{"choices":[{{"finish_reason":"{reason}","index":0,"delta":{{}}}}],{rest}{times}}}"#
                    ),
                );
                if !stream.include_usage {
                    framer.end_chunk();
                }
            }
            Endpoint::Completions => {
                let (created, id, model) = (stream.created, &stream.id, &stream.model);
                add_event(
                    framer,
                    format_args!(
                        r#"{{"choices":[{{"text":"","index":0,"logprobs":null,"finish_reason":"{reason}"}}],"created":{created},"model":{model},"system_fingerprint":"{BUILD}","object":"text_completion",{},"id":"{id}",{}}}"#,
                        usage(stream),
                        timings(stream)
                    ),
                );
                framer.end_chunk();
            }
            Endpoint::Native { .. } => {
                let out = framer.event();
                out.extend_from_slice(b"data: ");
                native_final(stream, finish, out, "");
                out.extend_from_slice(b"\n\n");
                framer.end_chunk();
            }
        }
    }

    fn closing(&self, stream: &Stream, framer: &mut Framer) {
        match stream.endpoint {
            Endpoint::Chat if stream.include_usage => {
                let (rest, usage, times) = (chat_rest(stream), usage(stream), timings(stream));
                add_event(framer, format_args!(r#"{{"choices":[],{rest},{usage},{times}}}"#));
                framer.end_chunk();
                done(framer);
            }
            Endpoint::Chat | Endpoint::Completions => done(framer),
            Endpoint::Native { .. } => {}
        }
    }

    fn error(&self, framer: &mut Framer) {
        add_event(
            framer,
            format_args!(r#"{{"error":{{"code":500,"message":"Compute error.","type":"server_error"}}}}"#),
        );
        framer.end_chunk();
    }

    fn whole(&self, stream: &Stream, finish: Finish) -> Reply {
        let (text, reason) = (quoted(&stream.text), finish_name(finish));
        let (created, id, model) = (stream.created, &stream.id, &stream.model);
        let (usage, times) = (usage(stream), timings(stream));
        let choice = match stream.endpoint {
            Endpoint::Chat => {
                format!(
                    r#"{{"finish_reason":"{reason}","index":0,"message":{{"role":"assistant","content":{text}}}}}"#
                )
            }
            Endpoint::Completions => {
                format!(r#"{{"text":{text},"index":0,"logprobs":null,"finish_reason":"{reason}"}}"#)
            }
            Endpoint::Native { .. } => {
                let mut out = Vec::new();
                native_final(stream, finish, &mut out, &stream.text);
                return reply(200, String::from_utf8_lossy(&out).into_owned());
            }
        };
        let kind = if stream.endpoint == Endpoint::Chat { "chat.completion" } else { "text_completion" };
        reply(
            200,
            format!(
                r#"{{"choices":[{choice}],"created":{created},"model":{model},"system_fingerprint":"{BUILD}","object":"{kind}",{usage},"id":"{id}",{times}}}"#
            ),
        )
    }

    fn refuse(&self, settings: &Settings, refusal: &Refusal, _: Endpoint, _: bool) -> Refused {
        let context = settings.context_length;
        let bad = |message: &str| error_reply(message, "invalid_request_error", 400);
        Refused::Reply(match refusal {
            Refusal::BadJson(at) => bad(&format!(
                "[json.exception.parse_error.101] parse error at line 1, column {}: syntax error while parsing value - unexpected end of input; expected '[', '{{', or a literal",
                at + 1
            )),
            Refusal::Missing(field) => bad(&format!("'{field}' is required")),
            Refusal::BadValue(message) => bad(message),
            Refusal::UnknownModel(name) => error_reply(&format!("no model {name}"), "not_found_error", 404),
            Refusal::TooLong(prompt, _) => reply(
                400,
                format!(
                    r#"{{"error":{{"code":400,"message":"request ({prompt} tokens) exceeds the available context size ({context} tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":{prompt},"n_ctx":{context}}}}}"#
                ),
            ),
            Refusal::NotFound => reply(
                404,
                r#"{"error":{"message":"File Not Found","type":"not_found_error","code":404}}"#.into(),
            ),
            Refusal::Loading => reply(
                503,
                r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#.into(),
            ),
            Refusal::Overloaded => error_reply("no slot available", "unavailable_error", 503),
            Refusal::Injected(status) => error_reply(reason(*status), "server_error", *status),
        })
    }

    fn page(&self, method: &str, path: &str, body: &[u8], facts: &Facts<'_>) -> Page {
        let settings = facts.settings;
        let model = quoted(&settings.model);
        let context = settings.context_length;
        let refused = |refusal: &Refusal| match self.refuse(settings, refusal, Endpoint::Chat, false) {
            Refused::Reply(reply) => reply,
            Refused::Stream(_) => Reply::empty(500),
        };
        if facts.loading {
            return Page::Now(refused(&Refusal::Loading));
        }
        Page::Now(match (method, path) {
            ("GET", "/health" | "/v1/health") => reply(200, r#"{"status":"ok"}"#.into()),
            ("GET", "/v1/models" | "/models") => reply(
                200,
                format!(
                    r#"{{"models":[{{"name":{model},"model":{model},"modified_at":"","size":"","digest":"","type":"model","description":"","tags":[""],"capabilities":["completion"],"parameters":"","details":{{"parent_model":"","format":"gguf","family":"","families":[""],"parameter_size":"","quantization_level":""}}}}],"object":"list","data":[{{"id":{model},"aliases":[{model}],"tags":[],"object":"model","architecture":{{"input_modalities":["text"],"output_modalities":["text"]}},"created":{},"owned_by":"llamacpp","meta":{{"vocab_type":2,"n_vocab":49152,"n_ctx":{context},"n_ctx_train":8192,"n_embd":576,"n_params":134515008,"size":96576768,"ftype":"Q4_1"}}}}]}}"#,
                    facts.now_s
                ),
            ),
            ("GET", "/props") => reply(
                200,
                json!({
                    "default_generation_settings": {"n_ctx": context},
                    "total_slots": settings.max_batch.min(1 << 20), "model_alias": settings.model,
                    "model_ftype": "Q4_1", "model_path": settings.model,
                    "modalities": {"vision": false, "video": false, "audio": false},
                    "endpoint_slots": true, "endpoint_props": false, "endpoint_metrics": true, "ui": false,
                    "chat_template": "", "bos_token": "<|im_start|>", "eos_token": "<|im_end|>",
                    "build_info": BUILD, "is_sleeping": false,
                })
                .to_string(),
            ),
            ("GET", "/slots") => {
                let slots: Vec<Value> = (0..settings.max_batch.min(256))
                    .map(|id| {
                        let busy = id < facts.counters.running;
                        json!({"id": id, "n_ctx": context, "speculative": false, "is_processing": busy})
                    })
                    .collect();
                reply(200, Value::from(slots).to_string())
            }
            ("GET", "/metrics") => Reply {
                extra: "Process-Start-Time-Unix: 1530293176\r\n".into(),
                ..Reply::text(200, "text/plain; version=0.0.4", metrics::llamacpp(facts))
            },
            ("POST", "/tokenize") => {
                let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
                let tokens = tokenized(&body, &["content"]).unwrap_or_default();
                let ids: Vec<u32> = tokens.iter().map(|token| token_id(token)).collect();
                reply(200, json!({"tokens": ids}).to_string())
            }
            (_, _) => refused(&Refusal::NotFound),
        })
    }
}
