//! What the terminal and report.md show, whole.

use insta::assert_snapshot;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::chart::{self, ChartContext, ChartInput, DrawnRun};
use super::fixture::{RULE, comparison, empty, file, four, rounds, run, skipped, sweep};
use super::fixture_curves::curves;
use super::markdown;
use super::terminal::{Style, comparison_table, run_block};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::figure;
use crate::schema::files::ComparisonFile;
use crate::schema::record::FailureKind;
use crate::schema::summary::{MetricValue, RunSummary};
use crate::schema::verdict::Interval;

/// The report with the charts that its comparison gives.
fn report_md(file: &ComparisonFile) -> String {
    let comparison = &file.comparison;
    let context = ChartContext::new(&file.plan, comparison);
    let curves: Vec<_> = comparison.runs.iter().map(curves).collect();
    let runs = comparison.runs.iter().zip(&curves);
    let runs: Vec<_> = runs.map(|(run, curves)| DrawnRun::bare(&run.key, curves)).collect();
    let charts = chart::specs(&ChartInput { comparison, runs: &runs, context: &context });
    markdown::report_md(file, &charts)
}

const PLAIN: Style = Style { width: 80, colour: false };

fn failing() -> RunSummary {
    let mut run = run("vllm", 1.0);
    run.requests.completed = 13;
    run.requests.failed = 3;
    run.requests.cancelled = 1;
    run.requests.dropped = 1;
    run.requests.failures = [(FailureKind::Timeout, 2), (FailureKind::Status, 1)].into();
    run.first_failures = [(FailureKind::Status, "503 Service Unavailable: busy".into())].into();
    run.partial = Some("interrupted".to_owned());
    run.metrics.insert(figure::ERROR_RATE.to_owned(), MetricValue::Scalar(16.7));
    run.caveats =
        vec![Caveat::Partial { reason: "interrupted".to_owned() }, Caveat::Failures { rate_pct: 16.7 }];
    run
}

fn withheld() -> RunSummary {
    let mut run = run("llamacpp", 0.8);
    for pace in figure::PACES {
        run.metrics.remove(pace);
    }
    run.caveats = vec![Caveat::PaceWithheld { difference_pct: 3.2, low_ms: Some(12.0), high_ms: Some(12.4) }];
    run
}

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
fn one_backend_is_a_table_without_a_best() {
    assert_snapshot!(comparison_table(&comparison(vec![run("vllm", 1.0)]), PLAIN), @r#"
    === COMPARISON ===
    vllm serves 343 output tokens a second.

                           vllm
    ──────────────────────────────
    Version              0.11.0
    Precision              BF16
    Ready after (s)        21.5
    Completed             18/18
    Duration (s)           12.4
    output TPS (tok/s)      343
    total TPS (tok/s)     1,343
    TPS a user (tok/s)     81.5
    RPS (1/s)              1.45
    TTFT p50 (ms)          42.0
    TTFT p99 (ms)           113
    TPOT p50 (ms)          12.1
    TPOT p99 (ms)          14.0
    ITL p50 (ms)           11.9
    ITL p99 (ms)           15.7
    E2E p50 (ms)            220
    E2E p99 (ms)            568
    error rate (%)            0
    Client limited           no
    "#);
}

#[test]
fn two_backends_with_failures_and_withheld_paces() {
    assert_snapshot!(comparison_table(&comparison(vec![withheld(), failing()]), PLAIN), @r#"
    === COMPARISON ===
    llamacpp served 1.25× the tokens of vllm in 1 round, which may be chance.
    No verdict below 3 rounds, each a launch of its own: play --rounds 3 or more.

                         llamacpp    vllm (partial)
    ──────────────────────────────────────────────────
    Version                0.11.0            0.11.0
    Precision                BF16              BF16
    Ready after (s)          21.5              21.5
    Completed               18/18             13/18
    Duration (s)             9.96              12.4
    output TPS (tok/s)        428 *             343
    total TPS (tok/s)       1,678 *           1,343
    TPS a user (tok/s)          –              81.5
    RPS (1/s)                1.81 *            1.45
    TTFT p50 (ms)            33.6 *            42.0
    TTFT p99 (ms)            90.0               113
    TPOT p50 (ms)               –              12.1
    TPOT p99 (ms)               –              14.0
    ITL p50 (ms)                –              11.9
    ITL p99 (ms)                –              15.7
    E2E p50 (ms)              176 *             220
    E2E p99 (ms)              454               568
    error rate (%)              0              16.7
    Client limited             no                no
    * best value of its row, which with one run each is no verdict (higher is
      better: output TPS, total TPS, RPS; lower is better: TTFT, E2E).

    Caveats:
      - One run of each backend: a difference may be chance, so there is no verdict.
        Run it again and see whether the order stays before you decide.
      - llamacpp: TPOT, ITL and TPS a user are withheld: of 3.20 % of the delivered
        tokens nobody can tell whether they came between the first event of their
        answer and its last (hidden reasoning, several tokens an event, a proxy that
        holds them back). A token took between 12.0 and 12.4 ms. Read E2E, NTPOT and
        the chunk gap instead, or ask for exact counts with --exact-itl.
      - vllm: The run did not reach its end (interrupted): the numbers cover only
        the part that was measured.
      - vllm: 16.7 % of the requests failed: the latencies are those of the
        completed ones only and may look too good. Look at the kinds of failure and
        at the server's log first.
    "#);
}

#[test]
fn four_backends_stand_side_by_side_with_their_caveats() {
    assert_snapshot!(comparison_table(&four(), PLAIN), @r#"
    === COMPARISON ===
    llamacpp served 2.38× the tokens of sglang, 1.75× those of tgi and 1.25× those
      of vllm in 1 round, which may be chance.
    No verdict below 3 rounds, each a launch of its own: play --rounds 3 or more.

                         llamacpp    sglang       tgi      vllm
    ──────────────────────────────────────────────────────────────
    Version                0.11.0    0.11.0    0.11.0    0.11.0
    Precision                Q4_1      BF16      BF16      BF16
    Ready after (s)          21.5      21.5      21.5      21.5
    Completed               18/18     18/18     18/18     18/18
    Duration (s)             9.96      23.7      17.4      12.4
    output TPS (tok/s)        428 *     180       245       343
    total TPS (tok/s)       1,678 *     707       959     1,343
    TPS a user (tok/s)        102 *    42.9      58.2      81.5
    RPS (1/s)                1.81 *   0.761      1.03      1.45
    TTFT p50 (ms)            33.6 *    79.8      58.8      42.0
    TTFT p99 (ms)            90.0       214       158       113
    TPOT p50 (ms)            9.68 *    23.0      16.9      12.1
    TPOT p99 (ms)            11.2      26.6      19.6      14.0
    ITL p50 (ms)             9.52 *    22.6      16.7      11.9
    ITL p99 (ms)             12.5      29.8      21.9      15.7
    E2E p50 (ms)              176 *     418       308       220
    E2E p99 (ms)              454     1,079       795       568
    error rate (%)              0         0         0         0
    Client limited             no        no        no        no
    * best value of its row, which with one run each is no verdict (higher is
      better: output TPS, total TPS, TPS a user, RPS; lower is better: TTFT, TPOT,
      ITL, E2E).

    Caveats:
      - One run of each backend: a difference may be chance, so there is no verdict.
        Run it again and see whether the order stays before you decide.
      - The backends serve weights of different precision (llamacpp Q4_1, sglang
        BF16, tgi BF16, vllm BF16): a difference may come from the weights and not
        from the server. Give each backend a model of the same precision to compare
        the servers alone.
    "#);
}

#[test]
fn pretend_engines_share_the_last_part_of_their_labels() {
    let simulated = |label: &str| RunSummary { caveats: vec![Caveat::Simulated], ..run(label, 1.0) };
    let table = comparison_table(
        &comparison(vec![simulated("vllm-simulated"), simulated("my-fast-tgi-mock")]),
        PLAIN,
    );
    // Below the answer and a blank line.
    let heads: Vec<&str> =
        table.lines().skip_while(|line| !line.is_empty()).skip(1).take(2).map(str::trim).collect();
    assert_eq!(heads[0].split_whitespace().collect::<Vec<_>>(), ["vllm-", "my-fast-tgi-"]);
    assert_eq!(heads[1].split_whitespace().collect::<Vec<_>>(), ["simulated", "mock"]);
    let real = comparison_table(&comparison(vec![run("vllm-simulated", 1.0)]), PLAIN);
    assert!(real.lines().nth(3).is_some_and(|head| head.ends_with("vllm-simulated")), "{real}");
}

#[test]
fn five_backends_with_long_labels_fit() {
    let labels = ["llamacpp", "vllm", "vllm-chunked-prefill", "vllm-max-num-batched-8192", "sglang"];
    let runs = labels.iter().enumerate().map(|(index, label)| run(label, 1.0 + 0.1 * index as f64)).collect();
    assert_snapshot!(comparison_table(&comparison(runs), PLAIN), @r#"
    === COMPARISON ===
    llamacpp served 1.10× the tokens of vllm, 1.20× those of vllm-chunked-prefill,
      1.30× those of vllm-max-num-batched-8192 and 1.40× those of sglang in 1 round,
      which may be chance.
    No verdict below 3 rounds, each a launch of its own: play --rounds 3 or more.

                         llamacpp      vllm    vllm-chunked  vllm-max-num  sglang
                                                 -prefill    -batched-819
                                                                      2
    ────────────────────────────────────────────────────────────────────────────────
    Version                0.11.0    0.11.0        0.11.0        0.11.0    0.11.0
    Precision                BF16      BF16          BF16          BF16      BF16
    Ready after (s)          21.5      21.5          21.5          21.5      21.5
    Completed               18/18     18/18         18/18         18/18     18/18
    Duration (s)             12.4      13.7          14.9          16.2      17.4
    output TPS (tok/s)        343 *     311           285           263       245
    total TPS (tok/s)       1,343 *   1,220         1,119         1,033       959
    TPS a user (tok/s)       81.5 *    74.1          67.9          62.7      58.2
    RPS (1/s)                1.45 *    1.31          1.21          1.11      1.03
    TTFT p50 (ms)            42.0 *    46.2          50.4          54.6      58.8
    TTFT p99 (ms)             113       124           135           146       158
    TPOT p50 (ms)            12.1 *    13.3          14.5          15.7      16.9
    TPOT p99 (ms)            14.0      15.4          16.8          18.2      19.6
    ITL p50 (ms)             11.9 *    13.1          14.3          15.5      16.7
    ITL p99 (ms)             15.7      17.2          18.8          20.4      21.9
    E2E p50 (ms)              220 *     242           264           286       308
    E2E p99 (ms)              568       625           681           738       795
    error rate (%)              0         0             0             0         0
    Client limited             no        no            no            no        no
    * best value of its row, which with one run each is no verdict (higher is
      better: output TPS, total TPS, TPS a user, RPS; lower is better: TTFT, TPOT,
      ITL, E2E).

    Caveats:
      - One run of each backend: a difference may be chance, so there is no verdict.
        Run it again and see whether the order stays before you decide.
    "#);
}

#[test]
fn of_several_runs_each_block_says_which_it_is() {
    let block = run_block(&run("vllm", 1.0), "concurrency 4, round 2", PLAIN);
    assert!(block.starts_with("=== RESULTS FOR vllm, concurrency 4, round 2 ===\n"), "{block}");
}

#[test]
fn several_rounds_have_their_range_under_the_median_and_one_caveat_for_all_runs() {
    assert_snapshot!(comparison_table(&rounds(), PLAIN), @r##"
    === COMPARISON ===
    vllm serves 8.00× [7.62, 8.42] the tokens of llamacpp.
    llamacpp over vllm in latency: TTFT p50 8.00× [7.60, 8.40], TTFT p99 8.00×
      [7.60, 8.40], TPOT p50 8.00× [7.60, 8.40], E2E p50 8.00× [7.60, 8.40].

                           llamacpp            vllm
    ──────────────────────────────────────────────────
    Version                  0.11.0          0.11.0
    Precision                  BF16            BF16
    Runs                          3               3
    Rounds                        3               3
    Ready after (s)            21.5            21.5
    Completed                 54/54           54/54
    Duration (s)               9.96            1.25
    output TPS (tok/s)          428           3,425 *
                              404–441     3,231–3,531
    total TPS (tok/s)         1,678          13,425
                          1,583–1,730   12,665–13,840
    TPS a user (tok/s)          102             815
                             96.1–105         769–840
    RPS (1/s)                  1.81            14.5
                            1.71–1.86       13.6–14.9
    TTFT p50 (ms)              33.6            4.20
                            32.6–35.6       4.07–4.45
    TTFT p99 (ms)              90.0            11.2
                            87.3–95.4       10.9–11.9
    TPOT p50 (ms)              9.68            1.21
                            9.39–10.3       1.17–1.28
    TPOT p99 (ms)              11.2            1.40
                            10.9–11.9       1.36–1.48
    ITL p50 (ms)               9.52            1.19
                            9.23–10.1       1.15–1.26
    ITL p99 (ms)               12.5            1.57
                            12.2–13.3       1.52–1.66
    E2E p50 (ms)                176            22.0
                              171–187       21.3–23.3
    E2E p99 (ms)                454            56.8
                              441–482       55.1–60.2
    error rate (%)                0               0
    Client limited               no              no
    * best value of its row, where that is a verdict (higher is better: output TPS).
    Each figure is the median over the rounds, each a launch of its own; the lowest
      and the highest stand under it.

    Verdicts:
               figure       ratio [95 %]            verdict   seen from
    ─────────────────────────────────────────────────────────────────────
    llamacpp   output TPS   0.125× [0.119, 0.131]   slower        4.3 %
               TTFT p50     8.00× [7.60, 8.40]      slower        4.3 %
               TTFT p99     8.00× [7.60, 8.40]      slower        4.3 %
               TPOT p50     8.00× [7.60, 8.40]      slower        4.3 %
               E2E p50      8.00× [7.60, 8.40]      slower        4.3 %
    Ratio: over vllm, the best by output TPS; one a round, Student's t on
      logarithms. Faster is better: more tokens, less time. An interval holds 95 %
      by itself; verdicts are corrected for 5 comparisons (Holm), so that the chance
      of a false one is at most 5 %. Seen from: the smallest difference that these
      rounds show in four of five tries.

    Caveats:
      - llamacpp, vllm, at worst: 3.60 % of the token events were read together with
        later ones, so their times are somewhat too late. Run the client on a less
        busy machine; over HTTP/2, where answers share connections, try HTTP/1.1.
      - llamacpp, vllm: Only 18 requests completed, too few for a p99: it says
        little more than the slowest one. Raise --requests or --duration.
    "##);
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

fn nothing() -> Comparison {
    let mut comparison = comparison(Vec::new());
    comparison.failed.push(FailedTarget {
        round: 1,
        label: "sglang".to_owned(),
        error: "died while loading: out of memory".to_owned(),
        hint: "set mem_fraction_static lower: --set sglang.mem_fraction_static=0.7".to_owned(),
    });
    comparison.skipped.push(skipped());
    comparison
}

#[test]
fn no_result_at_all_says_why_and_what_to_do() {
    assert_snapshot!(comparison_table(&nothing(), PLAIN), @r#"
    === COMPARISON ===
    No backend gave a result.

    Failed:
      sglang: died while loading: out of memory
        hint: set mem_fraction_static lower: --set sglang.mem_fraction_static=0.7

    Not run:
      tgi: not installed
        hint: harness install tgi (needs docker)
    "#);
}

#[test]
fn colour_adds_only_escapes() {
    let coloured = comparison_table(&four(), Style { width: 80, colour: true });
    assert!(coloured.contains("\u{1b}[1m"));
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some((head, tail)) = rest.split_once('\u{1b}') {
        bare.push_str(head);
        rest = tail.split_once('m').unwrap().1;
    }
    bare.push_str(rest);
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&bare), trimmed(&comparison_table(&four(), PLAIN)));
}

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_line_is_wider_than_the_terminal(
        labels in proptest::collection::vec("[ -~äéñ漢字]{0,50}", 1..8),
        value in prop_oneof![Just(f64::NAN), Just(f64::MAX), Just(f64::MIN), Just(1e-300), 0.0..1e12],
        issued in any::<u64>(),
        width in 40usize..140,
    ) {
        let mut runs: Vec<RunSummary> = labels.iter().map(|label| run(label, 1.0)).collect();
        for run in &mut runs {
            run.duration_s = value;
            run.requests.issued = issued;
            run.requests.completed = issued;
            run.metrics.insert(figure::OUTPUT_TPS.to_owned(), MetricValue::Scalar(value));
            run.engine_version = Some(run.key.label.clone());
            run.partial = Some(run.key.label.clone());
            run.caveats = vec![Caveat::NotLevel { label: run.key.label.clone(), what: run.key.label.repeat(3) }];
        }
        let style = Style { width, colour: false };
        let block = run_block(&runs[0], "", style);
        let table = comparison_table(&comparison(runs), style);
        for line in block.lines().chain(table.lines()) {
            prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
        }
    }
}
