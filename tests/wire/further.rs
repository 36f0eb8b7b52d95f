//! Captures of further servers: Dynamo with its mocker, LiteLLM before a pretend upstream, MAX, Triton under pytriton,
//! transformers serve, llama-cpp-python, xllamacpp, and the pretend servers of guidellm and AIPerf.

use super::*;

// Streams that end well; those of transformers serve without [DONE].
capture!(aiperf_mock_chat_stream_maxcompletion, "aiperf-mock-chat-stream-maxcompletion", ask(8), 4 events, None, delivered 4, Some("stop"), Completed);
capture!(aiperf_mock_chat_stream, "aiperf-mock-chat-stream", ask(8), 8 events, None, delivered 8, Some("stop"), Completed);
capture!(dynamo_chat_annotations, "dynamo-chat-annotations", ask(8), 4 events, Some((32, 4)), delivered 4, Some("length"), Completed);
capture!(dynamo_chat_continuous_usage, "dynamo-chat-continuous-usage", ask(8), 4 events, Some((32, 4)), delivered 4, Some("length"), Completed);
capture!(dynamo_chat_ignore_eos_toplevel, "dynamo-chat-ignore-eos-toplevel", ask(8), 8 events, Some((32, 8)), delivered 8, Some("length"), Completed);
capture!(dynamo_chat_min_tokens_toplevel, "dynamo-chat-min-tokens-toplevel", ask(8), 8 events, Some((32, 8)), delivered 8, Some("length"), Completed);
capture!(dynamo_chat_slow_keepalive, "dynamo-chat-slow-keepalive", ask(8), 3 events, Some((32, 3)), delivered 3, Some("length"), Completed);
capture!(dynamo_chat_stream_nousage, "dynamo-chat-stream-nousage", ask(8), 8 events, None, delivered 8, Some("length"), Completed);
capture!(dynamo_chat_stream, "dynamo-chat-stream", ask(8), 8 events, Some((32, 8)), delivered 8, Some("length"), Completed);
capture!(dynamo_completions_stream_nousage, "dynamo-completions-stream-nousage", ask(8), 4 events, None, delivered 4, Some("length"), Completed);
capture!(dynamo_completions_stream, "dynamo-completions-stream", ask(8), 4 events, Some((2, 4)), delivered 4, Some("length"), Completed);
capture!(guidellm_mock_chat_ignoreeos, "guidellm-mock-chat-ignoreeos", ask(8), 32 events, Some((2, 32)), delivered 32, Some("stop"), Completed);
capture!(guidellm_mock_chat_stream_nousage, "guidellm-mock-chat-stream-nousage", ask(8), 4 events, None, delivered 4, Some("stop"), Completed);
capture!(guidellm_mock_chat_stream, "guidellm-mock-chat-stream", ask(8), 6 events, Some((2, 6)), delivered 6, Some("stop"), Completed);
capture!(guidellm_mock_completions_stream, "guidellm-mock-completions-stream", ask(8), 4 events, Some((2, 4)), delivered 4, Some("stop"), Completed);
capture!(guidellm_mock_wrongmodel, "guidellm-mock-wrongmodel", ask(8), 2 events, None, delivered 2, Some("stop"), Completed);
capture!(litellm_chat_stream_nousage, "litellm-chat-stream-nousage", ask(8), 4 events, None, delivered 4, Some("length"), Completed);
capture!(litellm_chat_stream, "litellm-chat-stream", ask(8), 6 events, Some((5, 6)), delivered 6, Some("length"), Completed);
capture!(litellm_completions_up, "litellm-completions-up", ask(8), 6 events, Some((5, 6)), delivered 6, Some("length"), Completed);
capture!(litellm_completions_uptext, "litellm-completions-uptext", ask(8), 6 events, Some((5, 6)), delivered 6, Some("length"), Completed);
capture!(litellm_up_comments, "litellm-up-comments", ask(8), 6 events, Some((5, 6)), delivered 6, Some("length"), Completed);
capture!(litellm_up_empty_chunk, "litellm-up-empty-chunk", ask(8), 5 events, Some((5, 6)), delivered 6, Some("length"), Completed);
capture!(litellm_up_ignore_eos, "litellm-up-ignore-eos", ask(8), 8 events, Some((5, 8)), delivered 8, Some("length"), Completed);
capture!(litellm_up_midstream_silent_end, "litellm-up-midstream-silent-end", ask(8), 3 events, Some((11, 6)), delivered 6, Some("stop"), Completed);
capture!(litellm_up_multi, "litellm-up-multi", ask(8), 2 events, Some((5, 6)), delivered 6, Some("length"), Completed);
capture!(litellm_up_usage_in_finish, "litellm-up-usage-in-finish", ask(8), 6 events, Some((5, 6)), delivered 6, Some("length"), Completed);
capture!(litellm_uphv_ignore_eos, "litellm-uphv-ignore-eos", ask(8), 8 events, Some((5, 8)), delivered 8, Some("length"), Completed);
capture!(litellm_uphv_midstream_silent_end, "litellm-uphv-midstream-silent-end", ask(8), 3 events, Some((11, 6)), delivered 6, Some("stop"), Completed);
capture!(llamacpppython_chat_stream_forced_logitbias, "llamacpppython-chat-stream-forced-logitbias", ask(16), 16 events, None, delivered 16, Some("length"), Completed);
capture!(llamacpppython_chat_stream_length_ignoreeos, "llamacpppython-chat-stream-length-ignoreeos", ask(40), 29 events, None, delivered 29, Some("stop"), Completed);
capture!(llamacpppython_chat_stream_nousage, "llamacpppython-chat-stream-nousage", ask(6), 6 events, None, delivered 6, Some("length"), Completed);
capture!(llamacpppython_chat_stream, "llamacpppython-chat-stream", ask(24), 24 events, None, delivered 24, Some("length"), Completed);
capture!(llamacpppython_completions_stream, "llamacpppython-completions-stream", ask(8), 8 events, None, delivered 8, Some("length"), Completed);
capture!(llamacpppython_wrongmodel, "llamacpppython-wrongmodel", ask(2), 2 events, None, delivered 2, Some("length"), Completed);
capture!(max_chat_stream_length_ignoreeos, "max-chat-stream-length-ignoreeos", ask(24), 19 events, Some((37, 24)), delivered 24, Some("length"), Completed);
capture!(max_chat_stream_nousage, "max-chat-stream-nousage", ask(4), 4 events, None, delivered 4, Some("length"), Completed);
capture!(max_chat_stream, "max-chat-stream", ask(12), 7 events, Some((37, 8)), delivered 7, Some("stop"), Completed);
capture!(max_completions_ids, "max-completions-ids", ask(4), 4 events, None, delivered 4, Some("length"), Completed);
capture!(max_completions_stream, "max-completions-stream", ask(8), 8 events, Some((4, 8)), delivered 8, Some("length"), Completed);
capture!(max_max_tokens_beyond_context, "max-max-tokens-beyond-context", ask(2000), 2 events, None, delivered 2, Some("stop"), Completed);
capture!(transformers_cb_chat_stream, "transformers-cb-chat-stream", ask(12), 7 events, Some((37, 8)), delivered 7, Some("stop"), Completed);
capture!(transformers_cb_sigterm_midstream, "transformers-cb-sigterm-midstream", ask(40), 40 events, Some((36, 40)), delivered 40, Some("length"), Completed);
capture!(transformers_chat_stream_firstload, "transformers-chat-stream-firstload", ask(12), 7 events, Some((37, 8)), delivered 7, Some("stop"), Completed);
capture!(transformers_chat_stream_forced, "transformers-chat-stream-forced", ask(16), 16 events, Some((37, 16)), delivered 16, Some("length"), Completed);
capture!(transformers_chat_stream_nousage, "transformers-chat-stream-nousage", ask(4), 4 events, Some((37, 4)), delivered 4, Some("length"), Completed);
capture!(transformers_chat_stream, "transformers-chat-stream", ask(12), 7 events, Some((37, 8)), delivered 7, Some("stop"), Completed);
capture!(transformers_completions_stream, "transformers-completions-stream", ask(8), 8 events, Some((4, 8)), delivered 8, Some("length"), Completed);
capture!(transformers_forcemodel_nomodel, "transformers-forcemodel-nomodel", ask(3), 3 events, Some((31, 3)), delivered 3, Some("length"), Completed);
capture!(transformers_sigterm_midstream, "transformers-sigterm-midstream", ask(30), 30 events, Some((36, 30)), delivered 30, Some("length"), Completed);
capture!(xllamacpp_chat_stream_length_ignoreeos, "xllamacpp-chat-stream-length-ignoreeos", ask(40), 40 events, Some((37, 40)), delivered 40, Some("length"), Completed);
capture!(xllamacpp_chat_stream_nousage, "xllamacpp-chat-stream-nousage", ask(24), 24 events, None, delivered 24, Some("length"), Completed);
capture!(xllamacpp_chat_stream, "xllamacpp-chat-stream", ask(24), 24 events, Some((37, 24)), delivered 24, Some("length"), Completed);
capture!(xllamacpp_completions_stream, "xllamacpp-completions-stream", ask(16), 0 events, Some((7, 1)), delivered 0, Some("stop"), Completed);

// Both drain at SIGTERM. 525 events are left out of the middle, at the ends of chunks.
capture!(dynamo_frontend_sigterm_midstream, "dynamo-frontend-sigterm-midstream", ask(600), 75 events, Some((32, 600)), delivered 600, Some("length"), Completed);
capture!(dynamo_worker_sigterm_midstream, "dynamo-worker-sigterm-midstream", ask(600), 75 events, Some((32, 600)), delivered 600, Some("length"), Completed);

// Cut in mid-text: by SIGTERM, or by a client that had waited enough.
capture!(llamacpppython_queued_behind_long, "llamacpppython-queued-behind-long", ask(3), 0 events, None, delivered 0, None, Failed(FailureKind::Truncated, "closed"));
capture!(llamacpppython_sigterm_midstream, "llamacpppython-sigterm-midstream", ask(200), 62 events, None, delivered 62, None, Failed(FailureKind::Truncated, "closed"));
capture!(max_sigterm_midstream, "max-sigterm-midstream", ask(60), 38 events, None, delivered 38, None, Failed(FailureKind::Truncated, "closed"));
capture!(xllamacpp_sigterm_midstream, "xllamacpp-sigterm-midstream", ask(300), 53 events, None, delivered 53, None, Failed(FailureKind::Truncated, "closed"));

// Errors, each with the server's own words.
capture!(aiperf_mock_completions, "aiperf-mock-completions", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Not Found"));
capture!(aiperf_mock_wrongmodel, "aiperf-mock-wrongmodel", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Model Not Found"));
capture!(dynamo_chat_ignore_eos_nvext, "dynamo-chat-ignore-eos-nvext", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "unknown field `ignore_eos`"));
capture!(dynamo_chat_min_tokens_nvext, "dynamo-chat-min-tokens-nvext", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "unknown field `min_tokens`"));
capture!(dynamo_chat_no_max_tokens, "dynamo-chat-no-max-tokens", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::ErrorEvent, "required by the mocker worker"));
capture!(dynamo_chat_unknown_field, "dynamo-chat-unknown-field", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Unsupported parameter(s): `no_such_field`"));
capture!(dynamo_err_badjson, "dynamo-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "EOF while parsing"));
capture!(dynamo_err_nomessages, "dynamo-err-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "missing field `messages`"));
capture!(dynamo_noworker_chat, "dynamo-noworker-chat", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "404"));
capture!(dynamo_noworker_completions, "dynamo-noworker-completions", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "404"));
capture!(dynamo_worker_sigkill_midstream, "dynamo-worker-sigkill-midstream", ask(8), 49 events, None, delivered 49, None, Failed(FailureKind::ErrorEvent, "Service temporarily unavailable"));
capture!(dynamo_wrongmodel, "dynamo-wrongmodel", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Model not found"));
capture!(guidellm_mock_badjson, "guidellm-mock-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Internal server error"));
capture!(guidellm_mock_nomessages, "guidellm-mock-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "messages Field required"));
capture!(litellm_nokey, "litellm-nokey", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Internal Server Error"));
capture!(litellm_up_500, "litellm-up-500", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "upstream boom"));
capture!(litellm_up_midstream_drop, "litellm-up-midstream-drop", ask(8), 3 events, None, delivered 3, None, Failed(FailureKind::ErrorEvent, "OpenAIException - Connection error"));
capture!(litellm_up_midstream_error_event, "litellm-up-midstream-error-event", ask(8), 3 events, None, delivered 3, None, Failed(FailureKind::ErrorEvent, "engine died"));
capture!(litellm_uphv_midstream_drop, "litellm-uphv-midstream-drop", ask(8), 3 events, None, delivered 3, None, Failed(FailureKind::ErrorEvent, "Response payload is not completed"));
capture!(litellm_uphv_midstream_error_event, "litellm-uphv-midstream-error-event", ask(8), 3 events, None, delivered 3, None, Failed(FailureKind::ErrorEvent, "engine died"));
capture!(litellm_upstream_down_chat, "litellm-upstream-down-chat", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Connection error"));
capture!(litellm_wrongmodel, "litellm-wrongmodel", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Invalid model name passed in model=nope"));
capture!(llamacpppython_completions_ids, "llamacpppython-completions-ids", ask(4), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "4 validation errors"));
capture!(llamacpppython_err_badjson, "llamacpppython-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Internal Server Error"));
capture!(llamacpppython_err_toolong_nonstream, "llamacpppython-err-toolong-nonstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "maximum context length is 2048"));
capture!(max_chat_stream_continuous_usage, "max-chat-stream-continuous-usage", ask(3), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "stream_options.continuou"));
capture!(max_err_badjson, "max-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Missing JSON"));
capture!(max_err_nomessages, "max-err-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "messages Field requir"));
capture!(max_err_toolong, "max-err-toolong", ask(4), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Prompt is too long: 1131 tokens"));
capture!(max_err_unknownfield, "max-err-unknownfield", ask(2), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "foo Extra inputs are"));
capture!(max_wrongmodel, "max-wrongmodel", ask(2), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Value error."));
capture!(transformers_chat_stream_ignoreeos, "transformers-chat-stream-ignoreeos", ask(16), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Unexpected fields in the request: {'ignore_eos'}"));
capture!(transformers_completions_ids, "transformers-completions-ids", ask(4), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "prompt must be a string"));
capture!(transformers_err_badjson, "transformers-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "JSON decode error"));
capture!(transformers_err_nomessages, "transformers-err-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Internal Server Error"));
capture!(transformers_forcemodel_othername, "transformers-forcemodel-othername", ask(3), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "pinned to 'hf'"));
capture!(transformers_nomodel, "transformers-nomodel", ask(2), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Internal Server Error"));
capture!(transformers_wrongmodel, "transformers-wrongmodel", ask(2), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Internal Server Error"));
capture!(triton_err_badjson, "triton-err-badjson", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "failed to parse the request JSON"));
capture!(triton_err_missing, "triton-err-missing", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "expected number of inputs"));
capture!(triton_generate, "triton-generate", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::ErrorEvent, "exactly 1 response"));
capture!(triton_openai, "triton-openai", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "Not Found"));
capture!(triton_stream_error_midstream, "triton-stream-error-midstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::ErrorEvent, "Traceback (most recent call last)"));
capture!(triton_wrongmodel, "triton-wrongmodel", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "unknown model: 'nope'"));
capture!(xllamacpp_err_toolong, "xllamacpp-err-toolong", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Status, "9031 tokens"));

// Whole JSON bodies, and streams that are not OpenAI's or are empty.
capture!(aiperf_mock_chat_nonstream, "aiperf-mock-chat-nonstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(dynamo_chat_nonstream, "dynamo-chat-nonstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(guidellm_mock_chat_nonstream, "guidellm-mock-chat-nonstream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(llamacpppython_chat_nonstream, "llamacpppython-chat-nonstream", ask(4), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(llamacpppython_err_nomessages, "llamacpppython-err-nomessages", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(llamacpppython_err_toolong, "llamacpppython-err-toolong", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Truncated, "finish_reason"));
capture!(llamacpppython_min_tokens, "llamacpppython-min-tokens", ask(16), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(max_min_tokens, "max-min-tokens", ask(16), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(transformers_chat_nonstream, "transformers-chat-nonstream", ask(4), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(triton_generate_one, "triton-generate-one", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
capture!(triton_stream_nostreamfield, "triton-stream-nostreamfield", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Truncated, "finish_reason"));
capture!(triton_stream, "triton-stream", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Truncated, "finish_reason"));
capture!(triton_unknown_field, "triton-unknown-field", ask(8), 0 events, None, delivered 0, None, Failed(FailureKind::Truncated, "finish_reason"));
capture!(xllamacpp_wrongmodel, "xllamacpp-wrongmodel", ask(2), 0 events, None, delivered 0, None, Failed(FailureKind::Protocol, "JSON body"));
