use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prost::Message;

use super::*;
use crate::schema::gpu::GpuHead;
use crate::schema::live_counts::LiveCounts;
use crate::schema::live_page::{BackendState, LiveBackend, LiveRun};
use crate::schema::live_snapshot::{LiveLatencies, LiveSnapshot};
use crate::schema::record::FailureKind;
use crate::schema::sample::{Sample, Source};
use crate::schema::series;

const ITL_S: [f64; 5] = [0.0, 0.011, 0.012, 0.5, 9.0];

fn snapshot() -> LiveSnapshot {
    let mut latencies = LiveLatencies::default();
    latencies.ttft.histogram.add(0.1, 1);
    latencies.e2e.histogram.add(0.2, 1);
    latencies.tpot.histogram.add(0.012, 1);
    for value_s in ITL_S {
        latencies.itl.histogram.add(value_s, 2);
    }
    let gpu = |device, power_w, clock_mhz| Sample {
        histograms: BTreeMap::new(),
        at_us: 1,
        took_us: 1,
        source: Source::Gpu,
        device: Some(device),
        values: BTreeMap::from([
            ("gpu_power_w".to_owned(), power_w),
            ("gpu_sm_clock_mhz".to_owned(), clock_mhz),
            ("gpu_energy_j".to_owned(), 1e6),
        ]),
    };
    LiveSnapshot {
        counts: LiveCounts {
            issued: 9,
            in_flight: 3,
            completed: 4,
            failures: BTreeMap::from([(FailureKind::Timeout, 2)]),
            prompt_tokens: 70,
            output_tokens: 10,
            token_events: 20,
            ..LiveCounts::default()
        },
        latencies: Some(latencies),
        gpus: vec![GpuHead { uuid: "GPU-8a6c".into(), name: "NVIDIA H200".into(), ..GpuHead::default() }],
        sensed: vec![gpu(0, 312.5, 1980.0), gpu(1, 300.0, 1755.0)],
        ..LiveSnapshot::default()
    }
}

fn shown() -> LivePage {
    let backend = |label: &str, state| LiveBackend {
        label: label.to_owned(),
        model: "m\\\"\n1".to_owned(),
        engine: "vllm".to_owned(),
        state,
        closed: 1,
        failed: 0,
    };
    let run = |label: &str, loading| LiveRun {
        label: label.to_owned(),
        model: "m".to_owned(),
        point: 1,
        round: 2,
        load: "concurrency 4".to_owned(),
        loading,
        known: Arc::new(snapshot()),
    };
    LivePage {
        version: "1.0".to_owned(),
        run_id: "compare_20260201_143000".to_owned(),
        title: "compare".to_owned(),
        workers: 1,
        backends: vec![backend("a", BackendState::Done), backend("b", BackendState::Loading)],
        runs: vec![run("a", false), run("b", true)],
    }
}

fn text_of(live: &LivePage, format: Format) -> String {
    String::from_utf8(page(live, format)).unwrap()
}

/// What both text formats ask of a page: a family's lines together below its head, which names it once; names and
/// labels of the allowed letters; no series twice; buckets that grow to the count. Series by name and labels.
fn checked(text: &str, format: Format) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let mut heads = BTreeSet::new();
    let mut family = String::new();
    let mut kind = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, of) = typed.split_once(' ').unwrap();
            assert!(heads.insert(name.to_owned()), "{name} has two heads");
            (family, kind) = (name.to_owned(), of.to_owned());
            continue;
        }
        if let Some(unit) = line.strip_prefix("# UNIT ") {
            let (name, unit) = unit.split_once(' ').unwrap();
            assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.starts_with("harness_") && name.chars().all(letter), "{name}");
        let ends: &[&str] = match (kind.as_str(), format) {
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            ("counter", Format::OpenMetrics) => &["_total"],
            ("info", _) => &["_info"],
            _ => &[""],
        };
        let end = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} is below {family}"));
        assert!(ends.contains(&end), "{line} in a {kind}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        let before = values.insert(series.to_owned(), value.parse::<f64>().unwrap());
        assert_eq!(before, None, "{series} twice");
        if series.contains("le=\"+Inf\"") {
            assert!(name.ends_with("_bucket"));
        }
    }
    values
}

#[test]
fn both_text_pages_hold_to_their_formats() {
    for format in [Format::Classic, Format::OpenMetrics] {
        let text = text_of(&shown(), format);
        let values = checked(&text, format);
        assert_eq!(text.ends_with("# EOF\n"), format == Format::OpenMetrics);
        let run = r#"label="b",model="m",point="1",round="2""#;
        for (series, expected) in [
            (format!("harness_requests_issued_total{{{run}}}"), 9.0),
            (format!("harness_requests_in_flight{{{run}}}"), 3.0),
            (format!(r#"harness_requests_total{{{run},outcome="completed"}}"#), 4.0),
            (format!(r#"harness_requests_total{{{run},outcome="failed"}}"#), 2.0),
            (format!(r#"harness_request_failures_total{{{run},kind="timeout"}}"#), 2.0),
            (format!(r#"harness_request_failures_total{{{run},kind="connect"}}"#), 0.0),
            (format!("harness_output_tokens_total{{{run}}}"), 10.0),
            (format!("harness_ttft_seconds_sum{{{run}}}"), 0.1),
            (format!(r#"harness_ttft_seconds_bucket{{{run},le="0.1"}}"#), 1.0),
            (format!(r#"harness_ttft_seconds_bucket{{{run},le="0.075"}}"#), 0.0),
            (format!(r#"harness_itl_seconds_bucket{{{run},le="+Inf"}}"#), 10.0),
            (format!("harness_itl_seconds_count{{{run}}}"), 10.0),
            (r#"harness_gpu_power_watts{label="b",model="m",gpu="1",uuid="",gpu_name=""}"#.to_owned(), 300.0),
            (
                r#"harness_gpu_sm_clock_hertz{label="b",model="m",gpu="0",uuid="GPU-8a6c",gpu_name="NVIDIA H200"}"#
                    .to_owned(),
                1.98e9,
            ),
        ] {
            assert_eq!(values.get(&series), Some(&expected), "{series} in\n{text}");
        }
        assert!(text.contains("le=\"1.0\"}") && !text.contains("le=\"1\"}"), "{text}");
        assert!(text.contains(r#"model="m\\\"\n1",state="done"} 1"#), "escaped: {text}");
        assert!(
            !text.contains("harness_gpu_power_watts{label=\"a\""),
            "of a load that is over nothing is sensed"
        );
    }
}

#[test]
fn every_bucket_holds_at_least_what_the_one_below_it_holds() {
    let text = text_of(&shown(), Format::Classic);
    let mut last: Option<(String, f64)> = None;
    let mut seen = 0;
    for line in text.lines().filter(|line| line.contains("_bucket{")) {
        let (series, count) = line.rsplit_once(' ').unwrap();
        let (of, _) = series.split_once(",le=").unwrap();
        let count: f64 = count.parse().unwrap();
        if let Some((before, below)) = &last
            && before == of
        {
            assert!(*below <= count, "{line}");
        }
        last = Some((of.to_owned(), count));
        seen += 1;
    }
    assert!(seen > 100);
}

#[test]
fn a_pace_that_is_withheld_is_on_no_page() {
    let mut live = shown();
    for run in &mut live.runs {
        run.known = Arc::new(LiveSnapshot { pace_withheld: true, ..snapshot() });
    }
    let text = text_of(&live, Format::Classic);
    assert!(!text.contains("harness_itl_seconds") && !text.contains("harness_tpot_seconds"), "{text}");
    assert!(text.contains("harness_ttft_seconds_count") && text.contains("harness_e2e_seconds_count"));
    assert!(text.contains(r#"harness_pace_withheld{label="b",model="m",point="1",round="2"} 1"#));
}

#[test]
fn a_page_before_anything_is_planned_tells_of_the_harness_alone() {
    let text = text_of(&LivePage { version: "1.0".to_owned(), ..LivePage::default() }, Format::Classic);
    let expected = "# HELP harness_build_info The harness that measures.\n# TYPE harness_build_info gauge\n\
                    harness_build_info{version=\"1.0\"} 1\n";
    assert_eq!(text, expected);
}

#[test]
fn the_protobuf_page_holds_native_buckets_and_fixed_ones() {
    let bytes = page(&shown(), Format::Protobuf);
    let mut rest = bytes.as_slice();
    let mut families = BTreeMap::new();
    while !rest.is_empty() {
        let family = protobuf::MetricFamily::decode_length_delimited(&mut rest).unwrap();
        families.insert(family.name.clone().unwrap(), family);
    }
    assert!(families.contains_key("harness_requests_total") && families.contains_key("harness_build_info"));
    let itl = families["harness_itl_seconds"].metric[0].histogram.clone().unwrap();
    assert_eq!((itl.sample_count, itl.bucket.len()), (Some(10), 26));
    let mut buckets = BTreeMap::new();
    let (mut at, mut count) = (0, 0);
    let mut deltas = itl.positive_delta.iter();
    for span in &itl.positive_span {
        at += span.offset.unwrap();
        for _ in 0..span.length.unwrap() {
            count += deltas.next().unwrap();
            buckets.insert(at, count);
            at += 1;
        }
    }
    assert_eq!(deltas.next(), None);
    // 2^(k/16): 0.011 and 0.012 are in k = −104 and −102, 0.5 is the bound of −16, 9 in 51.
    assert_eq!(buckets, BTreeMap::from([(-104, 2), (-102, 2), (-16, 2), (51, 2)]));
}

fn unpacked(packed: &[u8]) -> remote_write::WriteRequest {
    let bytes = snap::raw::Decoder::new().decompress_vec(packed).unwrap();
    remote_write::WriteRequest::decode(bytes.as_slice()).unwrap()
}

/// Label sets of the series that a write ends.
fn ended(request: &remote_write::WriteRequest) -> BTreeSet<Vec<remote_write::Label>> {
    let is_end = |series: &&remote_write::TimeSeries| {
        series.samples.iter().all(|sample| sample.value.to_bits() == 0x7ff0_0000_0000_0002)
    };
    request.timeseries.iter().filter(is_end).map(|series| series.labels.clone()).collect()
}

#[test]
fn a_page_of_one_of_several_workers_says_so() {
    let of_four = text_of(&LivePage { workers: 4, ..shown() }, Format::Classic);
    let line = "harness_plan_info{run_id=\"compare_20260201_143000\",command=\"compare\",workers=\"4\"} 1\n";
    assert!(of_four.contains(line), "{of_four}");
    assert!(!text_of(&shown(), Format::Classic).contains("workers="));
}

#[test]
fn a_series_that_a_page_has_no_more_is_ended_once_and_all_of_them_at_the_end() {
    let mut requests = WriteRequests::new("here");
    let all = unpacked(&requests.of(&shown(), 1).unwrap());
    assert!(ended(&all).is_empty());
    let less = LivePage { runs: Vec::new(), ..shown() };
    let second = unpacked(&requests.of(&less, 2).unwrap());
    let third = unpacked(&requests.of(&less, 3).unwrap());
    let gone = ended(&second);
    assert!(gone.len() > 50 && ended(&third).is_empty());
    assert_eq!(second.timeseries.len(), all.timeseries.len());
    assert_eq!(gone.len() + third.timeseries.len(), all.timeseries.len());
    let end = unpacked(&requests.end(4).unwrap());
    assert_eq!(ended(&end), third.timeseries.iter().map(|series| series.labels.clone()).collect());
    assert!(end.timeseries.iter().all(|series| series.samples[0].timestamp == 4));
}

#[test]
fn a_remote_write_holds_each_value_once_with_its_time_and_labels_in_order() {
    let request = unpacked(&WriteRequests::new("here").of(&shown(), 1_700_000_000_123).unwrap());
    let mut seen = BTreeSet::new();
    for series in &request.timeseries {
        assert!(series.labels.is_sorted());
        let labels: Vec<(&str, &str)> =
            series.labels.iter().map(|label| (label.name.as_str(), label.value.as_str())).collect();
        assert!(labels.contains(&("job", "harness")) && labels.contains(&("instance", "here")), "{labels:?}");
        assert!(labels.iter().all(|(_, value)| !value.is_empty()), "{labels:?}");
        assert!(seen.insert(labels), "twice");
    }
    let lines = text_of(&shown(), Format::Classic).lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(request.timeseries.len(), lines);
}

#[test]
fn a_scraper_gets_the_format_that_it_asks_for_most() {
    let of = Format::accepted;
    for classic in ["", "*/*", "text/html, */*;q=0.1", "text/plain;version=0.0.4", "application/json"] {
        assert_eq!(of(classic), Format::Classic, "{classic}");
    }
    let protobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    // As Prometheus 2.42 asks, without and with native histograms, and as Prometheus 3 does.
    let text = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(of(text), Format::OpenMetrics);
    assert_eq!(of(&format!("{protobuf},{}", text.replace("1.0.0", "1.0.0;q=0.8"))), Format::Protobuf);
    let third = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    assert_eq!(of(third), Format::OpenMetrics);
    assert_eq!(of(&format!("{protobuf};q=0, text/plain")), Format::Classic);
    assert_eq!(of("application/vnd.google.protobuf"), Format::Classic, "of which message it does not say");
    assert_eq!(of(&protobuf.replace("delimited", "text")), Format::Classic);
}

/// Names of metrics in a text.
fn names_in(text: &str) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !letter(c)).filter(|word| word.starts_with("harness_"));
    words.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

#[test]
fn what_dashboard_rules_and_documentation_name_is_exported_and_all_of_a_run_is_documented() {
    let of_page = text_of(&shown(), Format::Classic);
    let typed = of_page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let of_page: BTreeSet<String> = typed.map(str::to_owned).collect();
    let sensed = series::all().map(sensed::exported);
    let sensed = sensed.map(|row| if row.grows { row.name + "_total" } else { row.name });
    let all: BTreeSet<String> = of_page.iter().cloned().chain(sensed).collect();
    let documentation = include_str!("../../../docs/live.md");
    for text in [
        include_str!("../../../deploy/grafana/harness.json"),
        include_str!("../../../deploy/prometheus/alerts.yml"),
        include_str!("../../../deploy/prometheus/alerts_test.yml"),
        documentation,
    ] {
        // `harness_gpu_…` stands for several.
        let named: Vec<String> = names_in(text).into_iter().filter(|name| !name.ends_with('_')).collect();
        assert!(named.len() >= 5);
        for name in named {
            assert!(all.contains(&name), "{name} is not exported");
        }
    }
    let documented = names_in(documentation);
    for name in of_page.iter().filter(|name| !name.starts_with("harness_gpu_")) {
        assert!(documented.contains(name), "docs/live.md says nothing of {name}");
    }
}

#[test]
fn every_series_that_can_be_sensed_has_a_name_of_its_own_that_ends_in_its_unit() {
    let mut names = BTreeSet::new();
    for row in series::all() {
        let sensed::Exported { name, unit, factor: _, grows } = sensed::exported(row);
        assert!(name.ends_with(unit), "{name}");
        assert!(!name.contains("__") && !name.ends_with("_total"), "{name}");
        let says_so = ["since the server's start", "since the driver was loaded", "so far"];
        let grew = says_so.iter().any(|words| row.about.contains(words));
        assert_eq!(
            grows, grew,
            "{name}: a series that only grows is to be in GROWING (report/prometheus/sensed.rs)"
        );
        assert!(names.insert(name.clone()), "{name} twice");
    }
    for expected in [
        "harness_gpu_power_watts",
        "harness_gpu_temperature_celsius",
        "harness_gpu_memory_used_bytes",
        "harness_gpu_energy_joules",
        "harness_gpu_utilisation_ratio",
        "harness_gpu_pcie_sent_bytes_per_second",
        "harness_server_process_cpu_seconds",
        "harness_client_resident_bytes",
        "harness_host_busy_cores",
        "harness_server_running",
    ] {
        assert!(names.contains(expected), "{expected} in {names:?}");
    }
}
