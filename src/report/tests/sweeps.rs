//! Several loads, on the terminal and in report.md.

use super::*;

#[test]
fn a_sweep_is_a_table_a_backend_with_loads_down() {
    assert_snapshot!(comparison_table(&sweep(1), PLAIN), @r##"
    === COMPARISON ===
    At concurrency 1, sglang served 1.11× the tokens of vllm in 1 round, which may
      be chance.
    At concurrency 4, sglang served 1.00× the tokens of vllm in 1 round, which may
      be chance.
    At concurrency 16, sglang served 1.00× the tokens of vllm in 1 round, which may
      be chance.
    No verdict below 3 rounds, each a launch of its own: play --rounds 3 or more.


    sglang
                    output      RPS    TTFT   TTFT    TPOT  error
                       TPS      1/s     p50    p99     p50   rate
                     tok/s               ms     ms      ms      %
    ──────────────────────────────────────────────────────────────
    concurrency 1    373     1.58    38.6 *  103    11.1      0
    concurrency 4    219    0.927    65.5 *  176    18.9      0
    concurrency 16  88.8    0.375     162 *  434    46.7      0

    vllm
                    output      RPS    TTFT   TTFT    TPOT  error
                       TPS      1/s     p50    p99     p50   rate
                     tok/s               ms     ms      ms      %
    ──────────────────────────────────────────────────────────────
    concurrency 1    336     1.42    42.8    115    12.3      0
    concurrency 4    198    0.834    72.8    195    21.0      0
    concurrency 16  79.9    0.338     180    482    51.8      0

    * best value of the backends at its load, which with one run each is no verdict.

    Caveats:
      - One run of each backend: a difference may be chance, so there is no verdict.
        Run it again and see whether the order stays before you decide.
    "##);
}

#[test]
fn a_sweep_of_several_rounds_has_ranges_and_no_wider_lines() {
    let text = comparison_table(&sweep(3), PLAIN);
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    assert_snapshot!(text, @r##"
    === COMPARISON ===
    At concurrency 1, sglang serves 1.11× [1.06, 1.17] the tokens of vllm.
    At concurrency 4, vllm is indistinguishable from sglang, anything above 4.3 %
      would have been seen.
    At concurrency 16, vllm is indistinguishable from sglang, anything above 4.3 %
      would have been seen.
    At concurrency 1, vllm over sglang in latency: TTFT p50 1.11× [1.06, 1.17], TTFT
      p99 1.11× [1.06, 1.17], TPOT p50 1.11× [1.06, 1.17], E2E p50 1.11× [1.06,
      1.17].


    sglang
                       output          RPS       TTFT     TTFT       TPOT  error
                          TPS          1/s        p50      p99        p50   rate
                        tok/s                      ms       ms         ms      %
    ─────────────────────────────────────────────────────────────────────────────
    concurrency 1       366         1.54       39.3 *    105       11.3      0
                      359–373    1.52–1.58  38.6–40.1  103–107  11.1–11.5
    concurrency 4       215        0.909       66.8 *    179       19.3      0
                      211–219  0.892–0.927  65.5–68.1  176–182  18.9–19.6
    concurrency 16     87.1        0.368        165 *    442       47.6      0
                    85.5–88.8  0.361–0.375    162–168  434–451  46.7–48.5

    vllm
                       output          RPS       TTFT     TTFT       TPOT  error
                          TPS          1/s        p50      p99        p50   rate
                        tok/s                      ms       ms         ms      %
    ─────────────────────────────────────────────────────────────────────────────
    concurrency 1       329         1.39       43.7      117       12.6      0
                      323–336    1.36–1.42  42.8–44.5  115–119  12.3–12.8
    concurrency 4       194        0.818       74.3      199       21.4      0
                      190–198  0.802–0.834  72.8–75.7  195–203  21.0–21.8
    concurrency 16     78.4        0.331        183      491       52.9      0
                    76.9–79.9  0.325–0.338    180–187  482–501  51.8–53.9

    * best value of the backends at its load, where that is a verdict.
    Each figure is the median over the rounds, each a launch of its own; the lowest
      and the highest stand under it.

    Verdicts:

    concurrency 1
           figure       ratio [95 %]            verdict   seen from
    ─────────────────────────────────────────────────────────────────
    vllm   output TPS   0.900× [0.855, 0.945]   slower        4.3 %
           TTFT p50     1.11× [1.06, 1.17]      slower        4.3 %
           TTFT p99     1.11× [1.06, 1.17]      slower        4.3 %
           TPOT p50     1.11× [1.06, 1.17]      slower        4.3 %
           E2E p50      1.11× [1.06, 1.17]      slower        4.3 %

    concurrency 4
           figure       ratio [95 %]          verdict             seen from
    ─────────────────────────────────────────────────────────────────────────
    vllm   output TPS   1.00× [0.950, 1.05]   indistinguishable       4.3 %
           TTFT p50     1.00× [0.950, 1.05]   indistinguishable       4.3 %
           TTFT p99     1.00× [0.950, 1.05]   indistinguishable       4.3 %
           TPOT p50     1.00× [0.950, 1.05]   indistinguishable       4.3 %
           E2E p50      1.00× [0.950, 1.05]   indistinguishable       4.3 %

    concurrency 16
           figure       ratio [95 %]          verdict             seen from
    ─────────────────────────────────────────────────────────────────────────
    vllm   output TPS   1.00× [0.950, 1.05]   indistinguishable       4.3 %
           TTFT p50     1.00× [0.950, 1.05]   indistinguishable       4.3 %
           TTFT p99     1.00× [0.950, 1.05]   indistinguishable       4.3 %
           TPOT p50     1.00× [0.950, 1.05]   indistinguishable       4.3 %
           E2E p50      1.00× [0.950, 1.05]   indistinguishable       4.3 %
    Ratio: over sglang, the best by output TPS; one a round, Student's t on
      logarithms. Faster is better: more tokens, less time. An interval holds 95 %
      by itself; verdicts are corrected for 15 comparisons (Holm), so that the
      chance of a false one is at most 5 %. Seen from: the smallest difference that
      these rounds show in four of five tries.
    "##);
}

#[test]
fn the_report_of_a_sweep_has_a_table_a_load() {
    let mut sweep = file(sweep(1));
    sweep.plan.loads = sweep.comparison.loads.clone();
    let text = report_md(&sweep);
    let end = text.find("## What each metric means").unwrap();
    assert_snapshot!(text[..end], @r##"
    # Which server is faster for SmolLM2-135M-Instruct?

    Run `compare_20260201_143000`, planned 1970-01-01 00:00:00 (UTC), by harness 0.1.0: 2 backends measured in 6 runs with the same requests to each, one after the other.

    **At concurrency 1, sglang served 1.11× the tokens of vllm in 1 round, which may be chance.**

    - At concurrency 4, sglang served 1.00× the tokens of vllm in 1 round, which may be chance.
    - At concurrency 16, sglang served 1.00× the tokens of vllm in 1 round, which may be chance.
    - No verdict below 3 rounds, each a launch of its own: play --rounds 3 or more.

    ## Result

    ### concurrency 1

    | | sglang | vllm |
    | --- | ---: | ---: |
    | Version | 0.11.0 | 0.11.0 |
    | Precision | BF16 | BF16 |
    | Ready after (s) | 21.5 | 21.5 |
    | Completed | 18/18 | 18/18 |
    | Duration (s) | 11.4 | 12.7 |
    | output TPS (tok/s) | 373 | 336 |
    | total TPS (tok/s) | 1,462 | 1,316 |
    | TPS a user (tok/s) | 88.8 | 79.9 |
    | RPS (1/s) | 1.58 | 1.42 |
    | TTFT p50 (ms) | **38.6** | 42.8 |
    | TTFT p99 (ms) | 103 | 115 |
    | TPOT p50 (ms) | 11.1 | 12.3 |
    | TPOT p99 (ms) | 12.9 | 14.3 |
    | ITL p50 (ms) | 10.9 | 12.1 |
    | ITL p99 (ms) | 14.4 | 16.0 |
    | E2E p50 (ms) | 202 | 224 |
    | E2E p99 (ms) | 521 | 579 |
    | error rate (%) | 0 | 0 |
    | Client limited | no | no |

    **Bold**: best value of its row, which with one run each is no verdict (lower is better: TTFT).

    ### concurrency 4

    | | sglang | vllm |
    | --- | ---: | ---: |
    | Version | 0.11.0 | 0.11.0 |
    | Precision | BF16 | BF16 |
    | Ready after (s) | 21.5 | 21.5 |
    | Completed | 18/18 | 18/18 |
    | Duration (s) | 19.4 | 21.6 |
    | output TPS (tok/s) | 219 | 198 |
    | total TPS (tok/s) | 860 | 774 |
    | TPS a user (tok/s) | 52.2 | 47.0 |
    | RPS (1/s) | 0.927 | 0.834 |
    | TTFT p50 (ms) | **65.5** | 72.8 |
    | TTFT p99 (ms) | 176 | 195 |
    | TPOT p50 (ms) | 18.9 | 21.0 |
    | TPOT p99 (ms) | 21.8 | 24.3 |
    | ITL p50 (ms) | 18.6 | 20.6 |
    | ITL p99 (ms) | 24.5 | 27.2 |
    | E2E p50 (ms) | 343 | 381 |
    | E2E p99 (ms) | 886 | 985 |
    | error rate (%) | 0 | 0 |
    | Client limited | no | no |

    **Bold**: best value of its row, which with one run each is no verdict (lower is better: TTFT).

    ### concurrency 16

    | | sglang | vllm |
    | --- | ---: | ---: |
    | Version | 0.11.0 | 0.11.0 |
    | Precision | BF16 | BF16 |
    | Ready after (s) | 21.5 | 21.5 |
    | Completed | 18/18 | 18/18 |
    | Duration (s) | 48.0 | 53.3 |
    | output TPS (tok/s) | 88.8 | 79.9 |
    | total TPS (tok/s) | 348 | 313 |
    | TPS a user (tok/s) | 21.1 | 19.0 |
    | RPS (1/s) | 0.375 | 0.338 |
    | TTFT p50 (ms) | **162** | 180 |
    | TTFT p99 (ms) | 434 | 482 |
    | TPOT p50 (ms) | 46.7 | 51.8 |
    | TPOT p99 (ms) | 54.0 | 60.0 |
    | ITL p50 (ms) | 45.9 | 51.0 |
    | ITL p99 (ms) | 60.4 | 67.1 |
    | E2E p50 (ms) | 848 | 942 |
    | E2E p99 (ms) | 2,190 | 2,433 |
    | error rate (%) | 0 | 0 |
    | Client limited | no | no |

    **Bold**: best value of its row, which with one run each is no verdict (lower is better: TTFT).

    ## Caveats

    - One run of each backend: a difference may be chance, so there is no verdict. Run it again and see whether the order stays before you decide.

    ## The client itself

    What this program may have added to the numbers. Client limited: it, and not the server, set them. Send delay: its own lateness in an open loop. Slot wait: for a free slot under the cap that was asked for. Reader lag: the return of a read minus the kernel's stamp, each request's worst. Merged events: their stamps may be late by over 0.1 ms.

    ### concurrency 1

    | | sglang | vllm |
    | --- | ---: | ---: |
    | Client limited | no | no |
    | Dropped sends | 0 | 0 |
    | Reader lag p50 / p99 / max (ms) | 0.02 / 0.06 / 0.06 | 0.02 / 0.06 / 0.06 |
    | Merged events (%) | 0.00 | 0.00 |
    | Stamps | kernel (all 18) | kernel (all 18) |
    | CPU (s) | 0.10 | 0.10 |
    | CPU (% of so many threads) | 0.8 (1) | 0.8 (1) |
    | Reconnects | 0 | 0 |

    ### concurrency 4

    | | sglang | vllm |
    | --- | ---: | ---: |
    | Client limited | no | no |
    | Dropped sends | 0 | 0 |
    | Reader lag p50 / p99 / max (ms) | 0.02 / 0.06 / 0.06 | 0.02 / 0.06 / 0.06 |
    | Merged events (%) | 0.00 | 0.00 |
    | Stamps | kernel (all 18) | kernel (all 18) |
    | CPU (s) | 0.10 | 0.10 |
    | CPU (% of so many threads) | 0.8 (1) | 0.8 (1) |
    | Reconnects | 0 | 0 |

    ### concurrency 16

    | | sglang | vllm |
    | --- | ---: | ---: |
    | Client limited | no | no |
    | Dropped sends | 0 | 0 |
    | Reader lag p50 / p99 / max (ms) | 0.02 / 0.06 / 0.06 | 0.02 / 0.06 / 0.06 |
    | Merged events (%) | 0.00 | 0.00 |
    | Stamps | kernel (all 18) | kernel (all 18) |
    | CPU (s) | 0.10 | 0.10 |
    | CPU (% of so many threads) | 0.8 (1) | 0.8 (1) |
    | Reconnects | 0 | 0 |

    ## Plots

    ![Latency against output throughput, over the loads](plots/throughput_against_latency.png)

    ![Throughput and latency: who is beaten by nobody](plots/pareto.png)

    ![output TPS over the concurrency](plots/output_tps_by_load.png)

    ![TTFT p99 over the concurrency](plots/ttft_ms_p99_by_load.png)

    ![TPOT p50 over the concurrency](plots/tpot_ms_p50_by_load.png)

    The same pictures as SVG lie beside them.

    ## How it was measured

    - Dataset: benchmark\_dataset (18 prompts, built-in, SHA-256 `0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef`)
    - Load: concurrency 1, 18 requests, 8 warm-up requests before, reported apart, timeout 600 s, seed 42; concurrency 4, 18 requests, 8 warm-up requests before, reported apart, timeout 600 s, seed 42; concurrency 16, 18 requests, 8 warm-up requests before, reported apart, timeout 600 s, seed 42
    - Requests: chat to `/v1/chat/completions` over HTTP/1.1, temperature 0, exactly 128 tokens where the engine can
    - Shared settings of launched servers: 4096 tokens of context a request, 32 requests a batch
    - Machine: bench-1, AMD EPYC 9654, 16 cores, 128 GiB of memory, Linux 6.1.0 x86\_64
    - GPUs: 0 NVIDIA H200 (139 GiB), driver 570.00
    "##);
}
