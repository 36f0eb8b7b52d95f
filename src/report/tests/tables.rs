//! Runs side by side on the terminal.

use super::*;

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
