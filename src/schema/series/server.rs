//! What a server's own metrics page shows.

use super::row::Series;
use crate::schema::sample::Source;

/// Requests that the server works on.
pub const SERVER_RUNNING: &str = "server_running";
/// Requests that wait at the server.
pub const SERVER_WAITING: &str = "server_waiting";
/// Used part of the KV cache.
pub const SERVER_KV_CACHE_USE: &str = "server_kv_cache_use";
/// Prompt tokens since the server's start.
pub const SERVER_PROMPT_TOKENS: &str = "server_prompt_tokens";
/// Generated tokens since the server's start.
pub const SERVER_GENERATED_TOKENS: &str = "server_generated_tokens";
/// Prompt tokens found in the prefix cache since the server's start.
pub const SERVER_CACHED_TOKENS: &str = "server_cached_tokens";
/// Tokens looked for in the prefix cache since the server's start, where it counts them apart.
pub const SERVER_CACHE_QUERIES: &str = "server_cache_queries";
/// Times that a request lost its place in the batch since the server's start.
pub const SERVER_PREEMPTIONS: &str = "server_preemptions";

const fn server(name: &'static str, title: &'static str, unit: &'static str, about: &'static str) -> Series {
    Series { name, title, unit, source: Source::Server, about }
}

/// Its rows.
pub const SERIES: &[Series] = &[
    server(SERVER_RUNNING, "Running", "requests", "requests that the server works on"),
    server(SERVER_WAITING, "Waiting", "requests", "requests in the server's queue"),
    server(SERVER_KV_CACHE_USE, "KV cache", "share", "used part of the KV cache, 0 to 1; mean over engines"),
    server(SERVER_PROMPT_TOKENS, "Prompt tokens", "tok", "prompt tokens since the server's start"),
    server(SERVER_GENERATED_TOKENS, "Generated tokens", "tok", "generated tokens since the server's start"),
    server(
        SERVER_CACHED_TOKENS,
        "Cached tokens",
        "tok",
        "prompt tokens found in the prefix cache since the server's start",
    ),
    server(
        SERVER_CACHE_QUERIES,
        "Cache queries",
        "tok",
        "tokens looked for in the prefix cache since the server's start",
    ),
    server(
        SERVER_PREEMPTIONS,
        "Preemptions",
        "requests",
        "times that a request lost its place in the batch since the server's start",
    ),
];
