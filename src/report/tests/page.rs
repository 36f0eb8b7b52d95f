//! report.md, whole.

use super::*;

#[test]
fn the_report_holds_everything() {
    let mut four = four();
    four.skipped.push(skipped());
    assert_snapshot!(report_md(&file(four)), @r#"
    # Which server is faster for SmolLM2-135M-Instruct?

    Run `compare_20260201_143000`, planned 1970-01-01 00:00:00 (UTC), by harness 0.1.0: 4 backends measured with the same requests to each, one after the other.

    **llamacpp served 2.38× the tokens of sglang, 1.75× those of tgi and 1.25× those of vllm in 1 round, which may be chance.**

    - No verdict below 3 rounds, each a launch of its own: play --rounds 3 or more.

    ## Result

    | | llamacpp | sglang | tgi | vllm |
    | --- | ---: | ---: | ---: | ---: |
    | Version | 0.11.0 | 0.11.0 | 0.11.0 | 0.11.0 |
    | Precision | Q4\_1 | BF16 | BF16 | BF16 |
    | Ready after (s) | 21.5 | 21.5 | 21.5 | 21.5 |
    | Completed | 18/18 | 18/18 | 18/18 | 18/18 |
    | Duration (s) | 9.96 | 23.7 | 17.4 | 12.4 |
    | output TPS (tok/s) | **428** | 180 | 245 | 343 |
    | total TPS (tok/s) | **1,678** | 707 | 959 | 1,343 |
    | TPS a user (tok/s) | **102** | 42.9 | 58.2 | 81.5 |
    | RPS (1/s) | **1.81** | 0.761 | 1.03 | 1.45 |
    | TTFT p50 (ms) | **33.6** | 79.8 | 58.8 | 42.0 |
    | TTFT p99 (ms) | 90.0 | 214 | 158 | 113 |
    | TPOT p50 (ms) | **9.68** | 23.0 | 16.9 | 12.1 |
    | TPOT p99 (ms) | 11.2 | 26.6 | 19.6 | 14.0 |
    | ITL p50 (ms) | **9.52** | 22.6 | 16.7 | 11.9 |
    | ITL p99 (ms) | 12.5 | 29.8 | 21.9 | 15.7 |
    | E2E p50 (ms) | **176** | 418 | 308 | 220 |
    | E2E p99 (ms) | 454 | 1,079 | 795 | 568 |
    | error rate (%) | 0 | 0 | 0 | 0 |
    | Client limited | no | no | no | no |

    **Bold**: best value of its row, which with one run each is no verdict (higher is better: output TPS, total TPS, TPS a user, RPS; lower is better: TTFT, TPOT, ITL, E2E).

    ## Not run

    - **tgi**: not installed. Hint: harness install tgi (needs docker)

    ## Caveats

    - One run of each backend: a difference may be chance, so there is no verdict. Run it again and see whether the order stays before you decide.
    - The backends serve weights of different precision (llamacpp Q4\_1, sglang BF16, tgi BF16, vllm BF16): a difference may come from the weights and not from the server. Give each backend a model of the same precision to compare the servers alone.

    ## The client itself

    What this program may have added to the numbers. Client limited: it, and not the server, set them. Send delay: its own lateness in an open loop. Slot wait: for a free slot under the cap that was asked for. Reader lag: the return of a read minus the kernel's stamp, each request's worst. Merged events: their stamps may be late by over 0.1 ms.

    | | llamacpp | sglang | tgi | vllm |
    | --- | ---: | ---: | ---: | ---: |
    | Client limited | no | no | no | no |
    | Dropped sends | 0 | 0 | 0 | 0 |
    | Reader lag p50 / p99 / max (ms) | 0.02 / 0.06 / 0.06 | 0.02 / 0.06 / 0.06 | 0.02 / 0.06 / 0.06 | 0.02 / 0.06 / 0.06 |
    | Merged events (%) | 0.00 | 0.00 | 0.00 | 0.00 |
    | Stamps | kernel (all 18) | kernel (all 18) | kernel (all 18) | kernel (all 18) |
    | CPU (s) | 0.10 | 0.10 | 0.10 | 0.10 |
    | CPU (% of so many threads) | 0.8 (1) | 0.8 (1) | 0.8 (1) | 0.8 (1) |
    | Reconnects | 0 | 0 | 0 | 0 |

    ## Plots

    ![Latency and throughput by backend](plots/comparison.png)

    ![Throughput and latency: who is beaten by nobody](plots/pareto.png)

    ![Time to first token: its distribution](plots/ttft_distribution.png)

    ![Inter-token latency: its distribution](plots/itl_distribution.png)

    ![Output tokens per second over the run](plots/throughput_over_time.png)

    ![Requests in flight and waiting over the run](plots/in_flight_over_time.png)

    ![Tokens per second of a request, in the order of sending](plots/tokens_per_second_by_request.png)

    ![Latency by category of the prompts](plots/latency_by_category.png)

    ![Latency by length of the prompts, in tokens](plots/latency_by_prompt_tokens.png)

    The same pictures as SVG lie beside them.

    ## How it was measured

    - Dataset: benchmark\_dataset (18 prompts, built-in, SHA-256 `0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef`)
    - Load: concurrency 8, 18 requests, 8 warm-up requests before, reported apart, timeout 600 s, seed 42
    - Requests: chat to `/v1/chat/completions` over HTTP/1.1, temperature 0, exactly 128 tokens where the engine can
    - Shared settings of launched servers: 4096 tokens of context a request, 32 requests a batch
    - Machine: bench-1, AMD EPYC 9654, 16 cores, 128 GiB of memory, Linux 6.1.0 x86\_64
    - GPUs: 0 NVIDIA H200 (139 GiB), driver 570.00

    ## What each metric means

    - **TTFT** (`ttft_ms`, ms, lower is better): first\_token − sent
    - **E2E** (`e2e_ms`, ms, lower is better): last\_token − sent
    - **TPOT** (`tpot_ms`, ms, lower is better): (last\_token − first\_token) / (n − k); n = tokens delivered up to last\_token, k = those at first\_token, as a rule 1; none when n \< 2 or all came at one time
    - **ITL** (`itl_ms`, ms, lower is better): the gap before a chunk of k tokens counts as k gaps of gap/k: one distribution over tokens; events of one moment are one chunk
    - **output TPS** (`output_tps`, tok/s, higher is better): output tokens of completed requests / window
    - **total TPS** (`total_tps`, tok/s, higher is better): prompt and output tokens of completed requests / window
    - **TPS a user** (`user_tps`, tok/s, higher is better): mean over requests of (n − k) / (last\_token − first\_token)
    - **RPS** (`rps`, 1/s, higher is better): completed requests / window
    - **error rate** (`error_rate_pct`, %, lower is better): failed / issued

    p50 is the median: half of the requests are below it. 99 % are below p99. Failed requests enter the error rate and no latency.
    "#);
}

#[test]
fn a_report_without_results_shows_no_pictures() {
    let text = report_md(&file(nothing()));
    assert!(text.contains("No backend gave a result.") && !text.contains("!["), "{text}");
    assert!(text.contains("**tgi**: not installed. Hint: harness install tgi"), "{text}");
}

#[test]
fn text_from_outside_cannot_break_the_report() {
    let text = report_md(&file(comparison(vec![run("a|b*c\n# d", 1.0)])));
    assert!(text.contains(r"| | a\|b\*c \# d |"), "{text}");
}
