//! One run on the terminal.

use super::*;

#[test]
fn a_run_is_a_block() {
    assert_snapshot!(run_block(&run("vllm", 1.0), "", PLAIN), @r#"
    === RESULTS FOR vllm ===
    Total Requests: 18
    Duration:       12.45s
    System TPS:     342.50 tok/s
    TTFT (ms):      Mean: 49.05 | P99: 112.50
    E2E (ms):       Mean: 254.79 | P99: 567.89
    TPOT (ms):      12.29
    ITL P99 (ms):   15.67
    Client limited: no | CPU: 0.8 % of 1 thread
    Client stamps:  kernel (all 18) | merged: 0.00 % | reader lag P99: 0.06 ms
    "#);
}

#[test]
fn failures_are_counted_by_kind_and_a_partial_run_says_so() {
    assert_snapshot!(run_block(&failing(), "", PLAIN), @r#"
    === RESULTS FOR vllm (partial: interrupted) ===
    Total Requests: 18
    Failed:         3 (timeout 2, status 1)
                    first status: 503 Service Unavailable: busy
    Cancelled:      1 (in flight at the end)
    Dropped:        1 (due, never sent)
    Duration:       12.45s
    System TPS:     342.50 tok/s
    TTFT (ms):      Mean: 49.05 | P99: 112.50
    E2E (ms):       Mean: 254.79 | P99: 567.89
    TPOT (ms):      12.29
    ITL P99 (ms):   15.67
    Client limited: no | CPU: 0.8 % of 1 thread
    Client stamps:  kernel (all 18) | merged: 0.00 % | reader lag P99: 0.06 ms
    "#);
}

#[test]
fn a_metric_that_does_not_exist_is_a_dash_with_its_reason() {
    assert_snapshot!(run_block(&withheld(), "", PLAIN), @r#"
    === RESULTS FOR llamacpp ===
    Total Requests: 18
    Duration:       9.96s
    System TPS:     428.12 tok/s
    TTFT (ms):      Mean: 39.24 | P99: 90.00
    E2E (ms):       Mean: 203.83 | P99: 454.31
    TPOT (ms):      – (withheld: between 12.0 and 12.4 ms; see the caveats)
    ITL P99 (ms):   – (withheld; see the caveats)
    Client limited: no | CPU: 0.8 % of 1 thread
    Client stamps:  kernel (all 18) | merged: 0.00 % | reader lag P99: 0.06 ms
    "#);
    assert_snapshot!(run_block(&empty("sglang"), "", PLAIN), @r#"
    === RESULTS FOR sglang ===
    Total Requests: 18
    Failed:         18 (connect 18)
    Duration:       12.45s
    System TPS:     – (no request completed)
    TTFT (ms):      – (no request completed)
    E2E (ms):       – (no request completed)
    TPOT (ms):      – (no request completed)
    ITL P99 (ms):   – (no request completed)
    Client limited: no | CPU: 0.0 % of 1 thread
    Client stamps:  – (no answer came)
    "#);
}

#[test]
fn of_several_runs_each_block_says_which_it_is() {
    let block = run_block(&run("vllm", 1.0), "concurrency 4, round 2", PLAIN);
    assert!(block.starts_with("=== RESULTS FOR vllm, concurrency 4, round 2 ===\n"), "{block}");
}

#[test]
fn below_three_rounds_blocks_within_a_run_stand_as_what_they_are() {
    let mut runs = vec![run("a", 1.0), run("b", 2.0)];
    runs[0].bands = [(figure::OUTPUT_TPS.to_owned(), Interval { low: 330.0, high: 351.0 })].into();
    let text = comparison_table(&comparison(runs.clone()), PLAIN);
    assert!(text.contains("Within each run, by moving blocks (descriptive"), "{text}");
    assert!(text.contains("\n  a: output TPS 343 (330–351) tok/s\n"), "{text}");
    let judged = Comparison { rule: Some(RULE), ..comparison(runs) };
    assert!(!comparison_table(&judged, PLAIN).contains("descriptive"), "a verdict needs no band");
}
