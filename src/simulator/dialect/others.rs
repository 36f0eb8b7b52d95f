//! Wires that are no engine's own that is launched here: Triton's (captured from pytriton), those of GKE's proxies
//! and of Vertex's handler (as their sources write them), and two plain ones that a template describes.

use std::time::Duration;

use super::super::http::{Framer, Reply, http_date, push_text, reason};
use super::super::parsed_request::{Endpoint, ParsedRequest, Refusal};
use super::super::settings::{Settings, Wire};
use super::writing::{Dialect, Facts, Finish, HeadTime, Loading, Page, Refused, Stream, Terminate, quoted};

/// One of them.
pub struct Other(pub Wire);

const TRITON_MODELS: &str = "/v2/models/";

/// The dialect of a wire.
pub fn of(wire: Wire) -> &'static Other {
    match wire {
        Wire::Triton => &Other(Wire::Triton),
        Wire::Jetstream => &Other(Wire::Jetstream),
        Wire::Sax => &Other(Wire::Sax),
        Wire::NaiveTransformers => &Other(Wire::NaiveTransformers),
        Wire::Lines => &Other(Wire::Lines),
        Wire::Events => &Other(Wire::Events),
    }
}

impl Other {
    fn content_type(&self) -> &'static str {
        match self.0 {
            Wire::Triton | Wire::Events => "text/event-stream; charset=utf-8",
            Wire::Jetstream | Wire::Sax | Wire::NaiveTransformers => "application/json",
            Wire::Lines => "application/x-ndjson",
        }
    }

    /// A piece of a stream with this text, which needs no escapes.
    fn piece(&self, stream: &Stream, text: &str, out: &mut Vec<u8>) {
        let (model, id, n) = (&stream.model, &stream.id, stream.generated);
        match self.0 {
            Wire::Triton => push_text(
                out,
                format_args!(
                    "data: {{\"model_name\":{model},\"model_version\":\"1\",\"text_output\":\"{text}\"}}\n\n"
                ),
            ),
            Wire::Jetstream => push_text(
                out,
                format_args!(
                    "{{\n    \"id\": \"{id}\",\n    \"time_created\": {}.5,\n    \"text\": \"{text}\"\n}}",
                    stream.created
                ),
            ),
            Wire::Sax | Wire::NaiveTransformers => {}
            Wire::Lines => {
                push_text(out, format_args!("{{\"outputs\":[{{\"text\":\"{text}\"}}],\"n\":{n}}}\n"))
            }
            Wire::Events => {
                push_text(out, format_args!("data: {{\"outputs\":[{{\"text\":\"{text}\"}}],\"n\":{n}}}\n\n"));
            }
        }
    }

    fn health(&self) -> &'static str {
        match self.0 {
            Wire::Triton => "/v2/health/ready",
            Wire::Jetstream => "/healthcheck",
            Wire::Sax | Wire::NaiveTransformers | Wire::Lines | Wire::Events => "/health",
        }
    }
}

impl Dialect for Other {
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
        let own = match self.0 {
            Wire::Triton => path.strip_prefix(TRITON_MODELS)?.split_once('/')?.1,
            Wire::Jetstream | Wire::Sax | Wire::NaiveTransformers => path.strip_prefix('/')?,
            Wire::Lines | Wire::Events => path.strip_prefix("/infer").filter(|rest| rest.is_empty())?,
        };
        match (self.0, own) {
            (Wire::Triton, "generate_stream") => Some(Endpoint::Native { stream: true }),
            (_, "generate" | "") => Some(Endpoint::Native { stream: false }),
            (_, _) => None,
        }
    }

    fn id(&self, _: Endpoint, random: u64) -> String {
        format!("{random:016x}")
    }

    fn model<'a>(&self, settings: &'a Settings, _: &'a ParsedRequest) -> &'a str {
        &settings.model
    }

    fn prepare(&self, _: &mut Stream) {}

    fn stream_head(&self, _: usize, close: bool, now_s: i64) -> String {
        let close = if close { "connection: close\r\n" } else { "" };
        format!(
            "HTTP/1.1 200 OK\r\ndate: {}\r\ncontent-type: {}\r\n{close}transfer-encoding: chunked\r\n\r\n",
            http_date(now_s),
            self.content_type()
        )
    }

    fn reply(&self, reply: &Reply, close: bool, now_s: i64) -> Vec<u8> {
        let close = if close { "connection: close\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {} {}\r\ndate: {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n{}{close}\r\n",
            reply.status,
            reason(reply.status),
            http_date(now_s),
            reply.content_type,
            reply.body.len(),
            reply.extra
        );
        [head.as_bytes(), &reply.body].concat()
    }

    fn opening(&self, _: &Stream, _: &mut Framer) {}

    fn chunk(&self, stream: &Stream, text: &str, framer: &mut Framer) {
        self.piece(stream, text, framer.event());
        framer.end_chunk();
    }

    fn last(&self, stream: &Stream, text: &str, _: Finish, framer: &mut Framer) {
        self.chunk(stream, text, framer);
    }

    fn closing(&self, _: &Stream, _: &mut Framer) {}

    fn error(&self, framer: &mut Framer) {
        let error = "{\"error\":\"the model failed amid its answer\"}";
        let out = framer.event();
        match self.0 {
            Wire::Triton | Wire::Events => push_text(out, format_args!("data: {error}\n\n")),
            Wire::Jetstream | Wire::Sax | Wire::NaiveTransformers | Wire::Lines => {
                push_text(out, format_args!("{error}\n"));
            }
        }
        framer.end_chunk();
    }

    fn whole(&self, stream: &Stream, _: Finish) -> Reply {
        let (model, text) = (&stream.model, quoted(&stream.text));
        let body = match self.0 {
            Wire::Triton => format!(r#"{{"model_name":{model},"model_version":"1","text_output":{text}}}"#),
            Wire::Jetstream => format!(r#"{{"response":{text}}}"#),
            Wire::Sax => format!("[[{text},-0.5]]"),
            Wire::NaiveTransformers => {
                let all = format!("Prompt:\n{}\nOutput:\n{}", stream.prompt, stream.text);
                format!(r#"{{"predictions":[{}]}}"#, quoted(&all))
            }
            Wire::Lines | Wire::Events => {
                format!(r#"{{"outputs":[{{"text":{text}}}],"n":{}}}"#, stream.generated)
            }
        };
        Reply::json(200, body)
    }

    fn refuse(&self, settings: &Settings, refusal: &Refusal, _: Endpoint, _: bool) -> Refused {
        let (status, message) = match refusal {
            Refusal::BadJson(at) => (400, format!("no JSON at {at}")),
            Refusal::Missing(field) => (422, format!("Field required: {field}")),
            Refusal::BadValue(message) => (422, message.clone()),
            Refusal::UnknownModel(name) => (404, format!("Request for unknown model: '{name}' is not found")),
            Refusal::TooLong(prompt, _) => {
                (400, format!("{prompt} tokens are more than the {} of the context", settings.context_length))
            }
            Refusal::NotFound => (404, "Not Found".to_owned()),
            Refusal::Loading => (503, "loading".to_owned()),
            Refusal::Overloaded => (503, "Exceeds maximum queue size".to_owned()),
            Refusal::Injected(status) => (*status, reason(*status).to_owned()),
        };
        let key = match self.0 {
            Wire::Triton | Wire::Lines | Wire::Events => "error",
            Wire::Jetstream | Wire::Sax | Wire::NaiveTransformers => "detail",
        };
        Refused::Reply(Reply::json(status, format!(r#"{{"{key}":{}}}"#, quoted(&message))))
    }

    fn page(&self, method: &str, path: &str, _: &[u8], _: &Facts<'_>) -> Page {
        Page::Now(if method == "GET" && path == self.health() {
            Reply::empty(200)
        } else {
            Reply::json(404, r#"{"error":"Not Found"}"#.to_owned())
        })
    }
}
