//! Rows of the summary and of the requests.

use harness::schema::request_figures::Figured;

use super::*;

fn cells(header: &[String], row: &[String]) -> BTreeMap<String, String> {
    assert_eq!(header.len(), row.len(), "as many cells as columns");
    header.iter().cloned().zip(row.iter().cloned()).collect()
}

#[test]
fn a_summary_row_has_a_cell_for_every_column() {
    let run = summary(&three(), Some("interrupted"));
    let row = cells(&summary_header(), &summary_row(&SummaryRow::of_run(&plan("compare_x"), &run)));
    let expect = [
        ("timestamp", "2026-02-01T14:30:00.000Z"),
        ("run_id", "compare_x"),
        ("backend", "vllm"),
        ("engine_version", "0.2"),
        ("dataset", "benchmark_dataset"),
        ("endpoint", "chat"),
        ("http_version", "1.1"),
        ("concurrency", "20"),
        ("rate", ""),
        ("requests_issued", "3"),
        ("requests_completed", "1"),
        ("requests_failed", "1"),
        ("requests_cancelled", "1"),
        ("requests_dropped", "0"),
        ("ttft_ms_p99", "0.5"),
        ("tpot_ms_mean", "0.666667"),
        ("ttft_ms_p999", ""),
        ("ttft_from_due_ms_p50", ""),
        ("error_rate_pct", "33.333333"),
        ("slot_wait_ms_max", "0"),
        ("send_delay_ms_p50", ""),
        ("reader_lag_ms_max", "0.012"),
        ("late_sends", "0"),
        ("dropped_sends", "0"),
        ("kernel_stamps", "3"),
        ("read_stamps", "0"),
        ("client_limited", ""),
        ("caveats", "partial;failures;few_samples"),
        ("exit", "partial"),
    ];
    for (column, value) in expect {
        assert_eq!(row.get(column).map(String::as_str), Some(value), "{column}");
    }
    // 1 completed request of 5 tokens from 0 to the failed one's end at 3.6 ms.
    assert_eq!(row["output_tps"], "1388.888889");
}

#[test]
fn a_backend_without_a_result_has_a_row_without_a_figure() {
    let failed =
        FailedTarget { label: "tuned".into(), round: 1, error: "out of memory".into(), hint: "less".into() };
    let row =
        cells(&summary_header(), &summary_row(&SummaryRow::of_failure(&plan("compare_x"), &failed, at())));
    assert_eq!((row["backend"].as_str(), row["exit"].as_str()), ("tuned", "failed"));
    assert_eq!(row["model"], "tiny");
    for metric in ["output_tps", "ttft_ms_p50", "requests_issued", "caveats"] {
        assert_eq!(row[metric], "", "{metric}");
    }
    let mut none = three();
    none.remove(0);
    let row = cells(&summary_header(), &summary_row(&SummaryRow::of_run(&plan("x"), &summary(&none, None))));
    assert_eq!(row["exit"], "failed", "nothing completed");
}

#[test]
fn every_column_is_named_once() {
    let header = summary_header();
    let once: std::collections::BTreeSet<&String> = header.iter().collect();
    assert_eq!(once.len(), header.len());
    for column in ["output_tps", "rps", "error_rate_pct", "ttft_ms_mean", "itl_ms_p99", "e2e_ms_p95"] {
        assert!(header.iter().any(|name| name == column), "{column}");
    }
}

#[test]
fn columns_keep_their_places_so_that_old_and_new_rows_stand_in_one_file() {
    let header = summary_header();
    let before = "timestamp run_id backend point round repeat engine_version model precision dataset endpoint http_version concurrency rate \
                  requests_issued requests_completed requests_failed requests_cancelled requests_dropped ready_s duration_s \
                  steady_output_tps";
    let ttft = "ttft_ms_mean ttft_ms_std ttft_ms_min ttft_ms_p50 ttft_ms_p75 ttft_ms_p90 ttft_ms_p95 ttft_ms_p99 \
                ttft_ms_p999 ttft_ms_max";
    let after = "slot_wait_ms_p50 slot_wait_ms_p99 slot_wait_ms_max send_delay_ms_p50 send_delay_ms_p99 send_delay_ms_max \
                 reader_lag_ms_p50 reader_lag_ms_p99 reader_lag_ms_max late_sends dropped_sends achieved_rate \
                 merged_events kernel_stamps read_stamps reconnects client_cpu_s client_cpu_share client_limited gpus \
                 gpu_utilisation_pct_mean gpu_utilisation_pct_max gpu_memory_bytes_mean gpu_memory_bytes_max \
                 gpu_power_w_mean gpu_power_w_max gpu_temperature_c_mean gpu_temperature_c_max gpu_energy_j \
                 gpu_memory_per_request_bytes server_cpu_cores_mean server_rss_max_bytes client_rss_max_bytes host_busy_cores_mean \
                 host_others_busy_cores_mean host_steal_cores_max host_swapped_bytes_s_mean workers caveats exit";
    let names = |text: &'static str| text.split_whitespace().collect::<Vec<_>>();
    let first = [names(before), names(ttft)].concat();
    assert_eq!(header[..first.len()], first);
    assert_eq!(header[header.len() - names(after).len()..], names(after));
    let requests = "index prompt_id phase outcome kind detail status finish_reason due_ms ready_ms slot_ms sent_ms \
                    headers_ms first_event_ms ttft_ms first_answer_ms e2e_ms end_ms tpot_ms chunks merged_events \
                    prompt_tokens output_tokens delivered_tokens cached_tokens token_source max_tokens connect_ms \
                    reader_lag_ms_max replayed server_queue_ms server_prefill_ms server_decode_ms \
                    server_inference_ms";
    assert_eq!(requests_header(), names(requests));
}

#[test]
fn a_request_is_a_row_and_says_the_same_as_the_summary() {
    let mut bytes = RequestLines::head();
    let mut records = three();
    // Of two merged stamps one may be late by more than 0.1 ms.
    let bounds = [Some(100), Some(101), None];
    let chunks = records[1].chunks.iter().zip(bounds);
    records[1].chunks = chunks.map(|(chunk, merged_bound_us)| Chunk { merged_bound_us, ..chunk }).collect();
    records.iter().for_each(|record| RequestLines::new(true).add(&Figured::of(record), &mut bytes));
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, requests_header());
    let rows: Vec<BTreeMap<String, String>> = reader
        .records()
        .map(|row| cells(&header, &row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()))
        .collect();
    assert_eq!(rows.len(), 3);
    let expect = [
        ("prompt_id", "ask, \"1\" é"),
        ("outcome", "failed"),
        ("kind", "truncated"),
        // Of one line: a line end would act in a terminal and in many readers.
        ("detail", "closed, in the middle"),
        ("sent_ms", "1"),
        ("due_ms", ""),
        ("headers_ms", "0.4"),
        ("ttft_ms", ""),
        ("e2e_ms", ""),
        ("end_ms", "2.6"),
        ("chunks", "3"),
        ("merged_events", "1"),
        ("output_tokens", "5"),
        ("delivered_tokens", "4"),
        ("token_source", "usage"),
        ("reader_lag_ms_max", "0.012"),
        ("replayed", "false"),
    ];
    for (column, value) in expect {
        assert_eq!(rows[1][column], value, "{column}");
    }
    let run = summary(&records, None);
    for (column, name) in [("ttft_ms", figure::TTFT), ("e2e_ms", figure::E2E), ("tpot_ms", figure::TPOT)] {
        let Some(MetricValue::Distribution(held)) = run.metrics.get(name) else { panic!("{name}") };
        let cell: f64 = rows[0][column].parse().unwrap();
        assert!((cell - held.mean).abs() < 1e-6, "{column}: {cell} and {}", held.mean);
    }
}

#[test]
fn paths_of_a_run_share_its_stem() {
    let files = RunFiles::of(Path::new("results/vllm_20260201_143000_records.jsonl.zst")).unwrap();
    assert_eq!(files.json(), PathBuf::from("results/vllm_20260201_143000.json"));
    assert_eq!(files.requests_csv(), PathBuf::from("results/vllm_20260201_143000_requests.csv"));
    assert_eq!(RunFiles::of(Path::new("results/report.html")), None);
}
