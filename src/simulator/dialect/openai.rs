//! What several wires share: events, uvicorn's heads, usage.

use super::super::http::{Framer, Reply, http_date, push_number, push_text, reason};

/// One event as an HTTP chunk of its own.
pub fn event(framer: &mut Framer, data: std::fmt::Arguments<'_>) {
    add_event(framer, data);
    framer.end_chunk();
}

/// One event that shares its HTTP chunk with the next.
pub fn add_event(framer: &mut Framer, data: std::fmt::Arguments<'_>) {
    let out = framer.event();
    out.extend_from_slice(b"data: ");
    push_text(out, data);
    out.extend_from_slice(b"\n\n");
}

/// The end marker.
pub fn done(framer: &mut Framer) {
    event(framer, format_args!("[DONE]"));
}

/// `"prompt_tokens":P,"total_tokens":T,"completion_tokens":C`, as vLLM and SGLang order them.
pub fn push_usage(out: &mut Vec<u8>, prompt: u32, completion: u32) {
    out.extend_from_slice(b"\"prompt_tokens\":");
    push_number(out, prompt);
    out.extend_from_slice(b",\"total_tokens\":");
    push_number(out, prompt + completion);
    out.extend_from_slice(b",\"completion_tokens\":");
    push_number(out, completion);
}

/// The same as text.
pub fn usage(prompt: u32, completion: u32) -> String {
    let mut out = Vec::new();
    push_usage(&mut out, prompt, completion);
    String::from_utf8(out).unwrap_or_default()
}

/// The head of a stream from uvicorn. `Title` case for the last headers is what SGLang writes.
pub fn uvicorn_stream_head(close: bool, now_s: i64, title: bool) -> String {
    let (connection, encoding) =
        if title { ("Connection", "Transfer-Encoding") } else { ("connection", "transfer-encoding") };
    let close = if close { format!("{connection}: close\r\n") } else { String::new() };
    let encoding = format!("{encoding}: chunked\r\n");
    let last = if title { encoding + &close } else { close + &encoding };
    format!(
        "HTTP/1.1 200 OK\r\ndate: {}\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
         vary: Origin\r\n{last}\r\n",
        http_date(now_s)
    )
}

/// A whole answer from uvicorn.
pub fn uvicorn_reply(reply: &Reply, close: bool, now_s: i64, title: bool) -> Vec<u8> {
    let content_type = if reply.content_type.is_empty() {
        String::new()
    } else {
        format!("content-type: {}\r\n", reply.content_type)
    };
    let connection = if title { "Connection" } else { "connection" };
    let close = if close { format!("{connection}: close\r\n") } else { String::new() };
    let head = format!(
        "HTTP/1.1 {} {}\r\ndate: {}\r\nserver: uvicorn\r\ncontent-length: {}\r\n{content_type}vary: Origin\r\n{}{close}\r\n",
        reply.status,
        reason(reply.status),
        http_date(now_s),
        reply.body.len(),
        reply.extra,
    );
    [head.as_bytes(), &reply.body].concat()
}
