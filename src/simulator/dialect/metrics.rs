//! The metrics pages: each engine's own names, all from the same counts.

use std::fmt::Write as _;

use super::super::counters::{Ending, Finished, Histogram, heading};
use super::writing::{Facts, quoted};

/// The part of a cache of 256 contexts that running sequences fill, 0 to 1.
fn cache_use(facts: &Facts<'_>) -> f64 {
    let capacity = f64::from(facts.settings.context_length) * 256.0;
    (facts.counters.held_tokens as f64 / capacity).min(1.0)
}

/// `/metrics` of vLLM.
pub fn vllm(facts: &Facts<'_>) -> String {
    let counters = facts.counters;
    let mut out = String::new();
    let labels = format!("engine=\"0\",model_name={}", quoted(&facts.settings.model));
    let mut value = |name: &str, kind: &str, help: &str, value: f64| {
        heading(&mut out, name, kind, help);
        let _ = writeln!(out, "{name}{{{labels}}} {value:?}");
    };
    value(
        "vllm:num_requests_running",
        "gauge",
        "Number of requests in model execution batches.",
        counters.running as f64,
    );
    value(
        "vllm:num_requests_waiting",
        "gauge",
        "Number of requests waiting to be processed.",
        counters.waiting as f64,
    );
    let used = cache_use(facts);
    value("vllm:kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", used);
    let prompt = counters.prompt_tokens as f64;
    for (name, help, count) in [
        (
            "vllm:prefix_cache_queries_total",
            "Prefix cache queries, in terms of number of queried tokens.",
            prompt,
        ),
        ("vllm:prefix_cache_hits_total", "Prefix cache hits, in terms of number of cached tokens.", 0.0),
        ("vllm:num_preemptions_total", "Cumulative number of preemption from the engine.", 0.0),
        ("vllm:prompt_tokens_total", "Number of prefill tokens processed.", prompt),
        ("vllm:prompt_tokens_cached_total", "Number of cached prompt tokens.", 0.0),
        (
            "vllm:generation_tokens_total",
            "Number of generation tokens processed.",
            counters.generated_tokens as f64,
        ),
    ] {
        value(name, "counter", help, count);
    }
    heading(&mut out, "vllm:request_success_total", "counter", "Count of successfully processed requests.");
    for (reason, ending) in [
        ("stop", Ending::Stop),
        ("length", Ending::Length),
        ("abort", Ending::Abort),
        ("error", Ending::Error),
    ] {
        let model = quoted(&facts.settings.model);
        let count = counters.ended(ending);
        let _ = writeln!(
            out,
            "vllm:request_success_total{{engine=\"0\",finished_reason=\"{reason}\",model_name={model}}} {count}.0"
        );
    }
    for (name, help, histogram) in [
        ("vllm:request_prompt_tokens", "Number of prefill tokens processed.", &counters.prompt_lengths),
        (
            "vllm:request_generation_tokens",
            "Number of generation tokens processed.",
            &counters.generated_lengths,
        ),
        (
            "vllm:request_params_max_tokens",
            "Histogram of the max_tokens request parameter.",
            &counters.limits,
        ),
        ("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", &counters.ttft),
        ("vllm:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", &counters.gap),
        ("vllm:e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", &counters.e2e),
        (
            "vllm:request_queue_time_seconds",
            "Histogram of time spent in WAITING phase for request.",
            &counters.queue,
        ),
    ] {
        histogram.page(&mut out, name, help, &labels);
    }
    out
}

/// `/metrics` of SGLang; token counts grow when a request ends.
pub fn sglang(facts: &Facts<'_>) -> String {
    let counters = facts.counters;
    let mut out = String::new();
    let model = quoted(&facts.settings.model);
    let rank =
        format!("engine_type=\"unified\",model_name={model},moe_ep_rank=\"0\",pp_rank=\"0\",tp_rank=\"0\"");
    for (name, help, value) in [
        ("sglang:num_running_reqs", "The number of running requests.", counters.running as f64),
        ("sglang:num_queue_reqs", "The number of requests in the waiting queue.", counters.waiting as f64),
        ("sglang:cache_hit_rate", "The prefix cache hit rate.", 0.0),
        ("sglang:token_usage", "The token usage.", cache_use(facts)),
    ] {
        heading(&mut out, name, "gauge", help);
        let _ = writeln!(out, "{name}{{{rank}}} {value:?}");
    }
    type Pick = fn(&Finished) -> u64;
    // These grow when a request ends, not token by token.
    let counted: [(&str, &str, Pick); 3] = [
        ("sglang:prompt_tokens_total", "Number of prefill tokens processed.", |f| f.prompt_tokens),
        ("sglang:generation_tokens_total", "Number of generation tokens processed.", |f| f.generated_tokens),
        ("sglang:num_requests_total", "Number of requests processed.", |f| f.requests),
    ];
    for (name, help, pick) in counted {
        heading(&mut out, name, "counter", help);
        for (finished, streaming) in counters.finished.iter().zip(["false", "true"]) {
            let _ = writeln!(
                out,
                "{name}{{engine_type=\"unified\",is_streaming=\"{streaming}\",model_name={model}}} {}.0",
                pick(finished)
            );
        }
    }
    heading(&mut out, "sglang:num_aborted_requests_total", "counter", "Number of requests aborted.");
    let aborted = counters.ended(Ending::Abort);
    let labels = format!("engine_type=\"unified\",model_name={model}");
    let _ = writeln!(out, "sglang:num_aborted_requests_total{{{labels}}} {aborted}.0");
    for (name, help, histogram) in [
        (
            "sglang:time_to_first_token_seconds",
            "Histogram of time to first token in seconds.",
            &counters.ttft,
        ),
        ("sglang:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", &counters.gap),
        (
            "sglang:e2e_request_latency_seconds",
            "Histogram of End-to-end request latency in seconds",
            &counters.e2e,
        ),
        ("sglang:queue_time_seconds", "Histogram of queueing time in seconds.", &counters.queue),
    ] {
        histogram.page(&mut out, name, help, &labels);
    }
    out
}

/// `/metrics` of llama-server.
pub fn llamacpp(facts: &Facts<'_>) -> String {
    let counters = facts.counters;
    let predicted: u64 = counters.finished.iter().map(|finished| finished.generated_tokens).sum();
    let rate = |count: u64, seconds: f64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let busy = if counters.steps > 0 { counters.step_sequences as f64 / counters.steps as f64 } else { 0.0 };
    let mut out = String::new();
    let mut value = |name: &str, kind: &str, help: &str, value: f64| {
        let name = format!("llamacpp:{name}");
        heading(&mut out, &name, kind, help);
        let _ = writeln!(out, "{name} {value}");
    };
    for (name, help, number) in [
        (
            "prompt_tokens_total",
            "Number of prompt tokens processed, excluding cached tokens",
            counters.prompt_tokens as f64,
        ),
        ("prompt_tokens_cached_total", "Number of prompt tokens reused from the cache", 0.0),
        ("prompt_seconds_total", "Total time spent processing prompts", counters.prompt_seconds),
        ("tokens_predicted_total", "Number of generation tokens processed", predicted as f64),
        ("tokens_predicted_seconds_total", "Total time spent generating tokens", counters.predicted_seconds),
        (
            "n_decode_total",
            "Total number of llama_decode() calls, excluding speculative decoding and multimodal decoding",
            counters.steps as f64,
        ),
        (
            "n_tokens_max",
            "Largest observed sequence length (prompt + generation)",
            f64::from(counters.longest_sequence),
        ),
    ] {
        value(name, "counter", help, number);
    }
    for (name, help, number) in [
        (
            "prompt_tokens_seconds",
            "Average prompt throughput in tokens/s",
            rate(counters.prompt_tokens, counters.prompt_seconds),
        ),
        (
            "predicted_tokens_seconds",
            "Average generation throughput in tokens/s",
            rate(predicted, counters.predicted_seconds),
        ),
        ("requests_processing", "Number of requests processing", counters.running as f64),
        ("requests_deferred", "Number of requests deferred", counters.waiting as f64),
        ("n_busy_slots_per_decode", "Average number of busy slots per llama_decode() call", busy),
    ] {
        value(name, "gauge", help, number);
    }
    out
}

/// `/metrics` of TGI.
pub fn tgi(facts: &Facts<'_>) -> String {
    let counters = facts.counters;
    let success: u64 = counters.finished.iter().map(|finished| finished.requests).sum();
    let mut out = String::new();
    for (name, kind, help, value) in [
        ("tgi_request_count", "counter", "Total number of requests", counters.received as f64),
        ("tgi_request_success", "counter", "Number of successful requests", success as f64),
        ("tgi_queue_size", "gauge", "Current queue size", counters.waiting as f64),
        ("tgi_batch_current_size", "gauge", "Current batch size", counters.running as f64),
    ] {
        heading(&mut out, name, kind, help);
        let _ = writeln!(out, "{name} {value}\n");
    }
    let _ = writeln!(out, "# TYPE tgi_request_failure counter");
    for (error, count) in [
        ("validation", counters.invalid),
        ("overloaded", counters.overloaded),
        ("dropped", counters.ended(Ending::Abort)),
    ] {
        let _ = writeln!(out, "tgi_request_failure{{err=\"{error}\"}} {count}");
    }
    let histograms: [(&str, &str, &Histogram); 5] = [
        ("tgi_request_generated_tokens", "Generated tokens per request", &counters.generated_lengths),
        ("tgi_request_input_length", "Input token length per request", &counters.prompt_lengths),
        ("tgi_request_max_new_tokens", "Maximum new tokens per request", &counters.limits),
        ("tgi_request_duration", "Request duration", &counters.e2e),
        ("tgi_request_queue_duration", "Request queue duration", &counters.queue),
    ];
    for (name, help, histogram) in histograms {
        out.push('\n');
        histogram.page(&mut out, name, help, "");
    }
    out
}
