use proptest::prelude::*;

use super::*;

const KEPT: [&str; 8] = [
    include_str!("../../tests/wire-metrics/vllm.txt"),
    include_str!("../../tests/wire-metrics/sglang.txt"),
    include_str!("../../tests/wire-metrics/llamacpp.txt"),
    include_str!("../../tests/wire-metrics/tgi.txt"),
    include_str!("../../tests/wire/vllm-metrics.txt"),
    include_str!("../../tests/wire/sglang-metrics.txt"),
    include_str!("../../tests/wire/llamacpp-metrics.txt"),
    include_str!("../../tests/wire/tgi-metrics.txt"),
];

fn page(text: &str) -> Page {
    Page::parse(text.as_bytes())
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The only value of a page of one line.
fn only(line: &str) -> (String, Labels, f64) {
    let page = page(line);
    assert_eq!((page.broken_lines, page.values.len()), (0, 1), "{line}");
    let (name, values) = page.values.first_key_value().unwrap();
    let (labels, value) = values.first_key_value().unwrap();
    (name.clone(), labels.clone(), *value)
}

#[test]
fn every_kept_page_is_read_to_its_last_line() {
    for (number, text) in KEPT.iter().enumerate().take(4) {
        let page = page(text);
        assert_eq!(page.broken_lines, 0, "page {number}");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(page.names().map(|(_, values)| values.len()).sum::<usize>(), lines, "page {number}");
    }
    assert_eq!(page(KEPT[0]).sum("vllm:num_requests_running"), Some(0.0));
    assert_eq!(page(KEPT[1]).mean("sglang:full_token_usage"), Some(0.00189208984375));
    assert_eq!(page(KEPT[2]).sum("llamacpp:prompt_tokens"), Some(58.0));
    assert_eq!(page(KEPT[3]).sum("tgi_request_input_length_sum"), Some(225.0));
}

#[test]
fn the_pages_around_which_http_was_captured_lose_only_those_lines() {
    for (number, text) in KEPT.iter().enumerate().skip(4) {
        let page = page(text);
        assert!((5..=150).contains(&page.broken_lines), "page {number}: {}", page.broken_lines);
    }
    assert_eq!(page(KEPT[4]).sum("vllm:kv_cache_usage_perc"), Some(0.0));
    assert_eq!(page(KEPT[6]).sum("llamacpp:requests_processing"), Some(0.0));
}

#[test]
fn the_gauges_that_the_backends_files_name_are_on_the_kept_pages() {
    for (text, names) in [
        (
            KEPT[0],
            &["vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"][..],
        ),
        (KEPT[1], &["sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:token_usage"]),
        (KEPT[2], &["llamacpp:requests_processing", "llamacpp:requests_deferred"]),
        (KEPT[3], &["tgi_batch_current_size", "tgi_queue_size"]),
    ] {
        for name in names {
            assert_eq!(page(text).sum(name), Some(0.0), "{name}");
        }
    }
}

#[test]
fn every_form_of_a_line_is_read() {
    let none = Labels::new();
    let value = |line| only(line).2;
    assert_eq!(only("a:b_total 5"), ("a:b_total".into(), none.clone(), 5.0));
    assert_eq!(only("  a \t 5.5e-3\t1700000000000 \r\n"), ("a".into(), none.clone(), 0.0055));
    assert_eq!(only("a{} .5 1700000000.123"), ("a".into(), none.clone(), 0.5));
    assert_eq!(only("a {x=\"1\"}7").1, labels(&[("x", "1")]));
    assert_eq!(only("a{ x = \"1\" ,\ty=\"\" , } 7").1, labels(&[("x", "1"), ("y", "")]));
    assert_eq!(
        only("a{x=\"q \\\" b \\\\ n \\n o \\d }{,=# é\"} 1").1,
        labels(&[("x", "q \" b \\ n \n o \\d }{,=# é")])
    );
    assert_eq!(only("{\"my.name\", \"a.b\"=\"c\"} 1"), ("my.name".into(), labels(&[("a.b", "c")]), 1.0));
    assert_eq!(value("a_bucket{le=\"1\"} 17 # {trace_id=\"x\"} 0.67 1520879607.789"), 17.0);
    assert_eq!(value("a 17 1520879607.789 # {} 0.67"), 17.0);
    assert_eq!((value("a +Inf"), value("a -Inf")), (f64::INFINITY, f64::NEG_INFINITY));
    assert!(value("a NaN").is_nan());
}

#[test]
fn a_broken_line_loses_itself_alone_and_is_counted() {
    let broken = [
        "a",
        "a b",
        "a{} ",
        "a{x=\"1} 3",
        "a{x=\"1\" 3",
        "a{x=1} 3",
        "a{x=\"1\"y=\"2\"} 3",
        "a{x=\"1\",x=\"2\"} 3",
        "1a 3",
        "a-b 3",
        "{} 3",
        "{x=\"1\"} 3",
        "a{\"b\"} 3",
        "a{=\"1\"} 3",
        "a 3 soon",
        "a 3 4 5",
        "<html> 3",
        "a{x=\"1\\",
        "a 0x10",
    ];
    for line in broken {
        let page = page(&format!("# HELP x about x\n# TYPE x gauge\nx 1\n\n{line}\r\n#\n# EOF\ny 2"));
        assert_eq!(page.broken_lines, 1, "{line}");
        assert_eq!((page.sum("x"), page.sum("y")), (Some(1.0), Some(2.0)), "{line}");
        assert_eq!(page.values.len(), 2, "{line}");
    }
    let page = Page::parse(b"x{a=\"\xff\xfe\"} 1\n\xff 2\ny 3");
    assert_eq!((page.broken_lines, page.sum("x"), page.sum("y")), (1, Some(1.0), Some(3.0)));
}

#[test]
fn of_two_values_with_the_same_labels_the_first_counts() {
    let page = page("a{x=\"1\",y=\"2\"} 3\na{y=\"2\",x=\"1\"} 4\na{x=\"1\"} 5\n");
    assert_eq!(page.sum("a"), Some(8.0));
}

#[test]
fn counters_are_summed_under_either_name_and_shares_are_averaged() {
    let page =
        page("a_total{e=\"0\"} 3\na_total{e=\"1\"} 4\na_created{e=\"0\"} 1e9\nb 2\nc{quantile=\"0.5\"} 9\n");
    assert_eq!((page.sum("a"), page.sum("a_total"), page.sum("b_total")), (Some(7.0), Some(7.0), Some(2.0)));
    assert_eq!((page.mean("a_total"), page.mean("a")), (Some(3.5), None));
    assert_eq!((page.sum("c"), page.sum("d")), (None, None));
}

/// Bounds 1, 2, 4 with 2, 6, 10 of 12 values up to them.
const TIMES: &str = "t_bucket{m=\"a\",le=\"2.0\"} 6\nt_bucket{m=\"a\",le=\"1\"} 2\nt_bucket{m=\"a\",le=\"4\"} 10\n\
    t_bucket{m=\"a\",le=\"+Inf\"} 12\nt_sum{m=\"a\"} 30\nt_count{m=\"a\"} 12\nt_bucket{m=\"b\",le=\"1\"} 3\n\
    t_count{m=\"b\"} 4\n";

#[test]
fn a_histogram_is_gathered_by_its_other_labels() {
    let found = page(TIMES).histograms("t");
    let a = &found[&labels(&[("m", "a")])];
    assert_eq!(a.buckets, [(1.0, 2.0), (2.0, 6.0), (4.0, 10.0), (f64::INFINITY, 12.0)]);
    assert_eq!((a.sum, a.count), (30.0, 12.0));
    let b = &found[&labels(&[("m", "b")])];
    assert_eq!(b.buckets, [(1.0, 3.0), (f64::INFINITY, 4.0)], "the last bucket is made from the count");
    assert!(b.sum.is_nan());
    let vllm = page(KEPT[4]).histograms("vllm:time_to_first_token_seconds");
    let (_, ttft) = vllm.first_key_value().unwrap();
    assert_eq!(ttft.buckets.last(), Some(&(f64::INFINITY, ttft.count)));
    assert!(ttft.count > 0.0 && ttft.sum > 0.0);
}

#[test]
fn a_summary_keeps_the_quantiles_that_the_server_computed() {
    let found = page("s{quantile=\"0.99\"} 7\ns{quantile=\"0.5\"} 3\ns_sum 40\ns_count 12\n").summaries("s");
    let summary = Summary { quantiles: vec![(0.5, 3.0), (0.99, 7.0)], sum: 40.0, count: 12.0 };
    assert_eq!(found[&Labels::new()], summary);
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

prop_compose! {
    fn any_value()(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,12}",
        labels in proptest::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,8}", ".{0,12}|[\"\\\\n\n{},=# ]{0,8}", 0..4),
        value in prop_oneof![any::<f64>(), Just(f64::INFINITY), Just(f64::NEG_INFINITY), (0u32..1000).prop_map(f64::from)],
        space in "[ \t]{0,2}",
        end in "( 17000000000[0-9]{2}(\\.5)?)?( # \\{t=\"x\"\\} 1)?[ \t]{0,2}\r?",
    ) -> (String, Labels, f64, String) {
        let pairs: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}{space}={space}\"{}\"{space}", escaped(value))).collect();
        let braces = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let number = match value {
            value if value.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            value => format!("{value:?}"),
        };
        (name.clone(), labels, value, format!("{name}{braces} {number}{end}"))
    }
}

proptest! {
    #[test]
    fn any_rendered_page_parses_back(values in proptest::collection::vec(any_value(), 0..12), last in any::<bool>()) {
        let mut text: String = values.iter().map(|value| format!("# HELP a {}\n{}\n", value.0, value.3)).collect();
        if last {
            text.pop();
        }
        let read = page(&text);
        prop_assert_eq!(read.broken_lines, 0, "{}", text);
        let mut wanted: BTreeMap<String, BTreeMap<Labels, f64>> = BTreeMap::new();
        for (name, labels, value, _) in values {
            wanted.entry(name).or_default().entry(labels).or_insert(value);
        }
        // NaN differs from itself.
        prop_assert_eq!(format!("{:?}", read.values), format!("{:?}", wanted));
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn a_kept_page_with_bytes_changed_never_panics(
        which in 0usize..8,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut bytes = KEPT[which].as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        exercise(&bytes);
    }
}

/// Everything that can be asked of a page.
fn exercise(bytes: &[u8]) {
    let page = Page::parse(bytes);
    assert!(page.broken_lines <= bytes.iter().filter(|byte| **byte == b'\n').count() + 1);
    for (name, _) in page.names() {
        let _ = (page.sum(name), page.mean(name), page.summaries(name));
        if let Some(name) = name.strip_suffix("_bucket") {
            let _ = page.histograms(name);
        }
    }
}
