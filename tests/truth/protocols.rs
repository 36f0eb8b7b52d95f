//! Each protocol against the wire of its engine: every request in both books, each token's time the server's own.

use super::accounts::{Truth, endings, number};
use super::common::{Place, Simulator};
use super::played::Played;

const PACE: [&str; 6] = ["--ttft", "40ms", "--itl", "10ms", "--output-tokens", "10"];
const TOKENS: u64 = 6;

/// How a wire is asked: the engine of the simulator, and flags.
type Asked<'a> = (&'a str, &'a [&'a str]);

const TEMPLATE: &str =
    r#"{"input":"{prompt}","max_new_tokens":{max_tokens},"stream":{stream},"user":"{prompt_id}"}"#;
const LINES: [&str; 8] = [
    "--request-body-template",
    TEMPLATE,
    "--response-text-path",
    "$.outputs[0].text",
    "--response-framing",
    "json-stream",
    "--endpoint-path",
    "/infer",
];
const EVENTS: [&str; 8] = [
    "--request-body-template",
    TEMPLATE,
    "--response-text-path",
    "outputs.0.text",
    "--response-tokens-path",
    "$.n",
    "--endpoint-path",
    "/infer",
];

/// A run of twelve answers of six tokens, and the server's book of it.
fn played((engine, flags): Asked<'_>, more: &[&str]) -> (Played, Truth) {
    let place = Place::marked();
    let simulator = Simulator::start(engine, &PACE);
    let url = simulator.url();
    let fixed =
        ["bench", "--url", &url, "--dataset", "prompts.jsonl", "--max-tokens", "6", "--requests", "12"];
    let mark: &[&str] =
        if flags.contains(&TEMPLATE) { &[] } else { &["--extra-body", r#"{"user":"{prompt_id}"}"#] };
    let load = ["--concurrency", "3", "--warmup", "2", "--quiet"];
    let ended = place.start(&[&fixed[..], &load, flags, mark, more].concat()).wait();
    let played = Played::read(&place, "server", ended);
    let truth = Truth::of(&simulator, &played);
    assert_eq!(endings(&played.records), [("completed", 12)].into(), "{engine}: {}", played.ended.stderr);
    played.check_identity();
    for record in &played.records {
        let [line] = truth.arrivals_of(record) else { panic!("{engine}: {record:?}") };
        assert_eq!(number(&line["tokens"]), TOKENS, "{engine}");
    }
    (played, truth)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A figure of the run's summary, ms.
fn figure(played: &Played, name: &str, statistic: &str) -> Option<f64> {
    played.summary["metrics"][name][statistic].as_f64()
}

#[test]
fn every_protocol_s_stream_has_the_server_s_own_times_and_tokens() {
    let told: [Asked<'_>; 5] = [
        ("tgi", &["--protocol", "tgi"]),
        ("sglang", &["--protocol", "sglang"]),
        ("llamacpp", &["--protocol", "llamacpp"]),
        ("vllm", &["--protocol", "openai-completions"]),
        ("events", &EVENTS),
    ];
    let counted: [Asked<'_>; 3] = [
        ("triton", &["--protocol", "triton-trtllm"]),
        ("jetstream", &["--protocol", "jetstream"]),
        ("lines", &LINES),
    ];
    for (asked, source) in
        told.into_iter().map(|asked| (asked, "usage")).chain(counted.map(|asked| (asked, "chunks")))
    {
        let (played, truth) = played(asked, &[]);
        let engine = asked.0;
        for record in &played.records {
            assert_eq!((record.tokens.output, record.seen()), (Some(TOKENS), TOKENS), "{engine}: {record:?}");
            assert_eq!(record.tokens.source, source, "{engine}");
            if ["tgi", "sglang", "llamacpp"].contains(&engine) {
                let asked = number(&truth.last_of(record)["prompt_tokens"]);
                assert_eq!(record.tokens.prompt, Some(asked), "{engine}");
            }
        }
        // The loaded machine adds to single ones.
        let ttft = figure(&played, "ttft_ms", "p50").unwrap();
        let tpot = figure(&played, "tpot_ms", "p50").unwrap();
        assert!((39.0..60.0).contains(&ttft), "{engine}: TTFT {ttft} ms");
        assert!((9.0..12.0).contains(&tpot), "{engine}: TPOT {tpot} ms");
        let late =
            median(played.records.iter().map(|record| lateness_ms(record, truth.last_of(record))).collect());
        assert!(late.abs() < 1.0, "{engine}: tokens {late} ms after the server's own times");
    }
}

/// How much longer the client saw from the first token to the last than the server took.
fn lateness_ms(record: &super::played::Record, line: &serde_json::Value) -> f64 {
    let arrivals = record.arrivals();
    let seen_us = arrivals.last().unwrap().0 - arrivals[0].0;
    let writes = line["writes"].as_array().unwrap();
    // When it was written, as against when it was due.
    let at = |write: &serde_json::Value| write[1].as_i64().unwrap();
    let wrote_ns = at(writes.last().unwrap()) - at(&writes[0]);
    (seen_us * 1000 - wrote_ns) as f64 / 1e6
}

#[test]
fn a_whole_answer_has_its_end_and_its_count_and_no_first_token() {
    let asked: [(Asked<'_>, bool); 8] = [
        (("vllm", &["--protocol", "openai-chat"]), true),
        (("tgi", &["--protocol", "tgi"]), true),
        (("sglang", &["--protocol", "sglang"]), true),
        (("llamacpp", &["--protocol", "llamacpp"]), true),
        (("triton", &["--protocol", "triton-trtllm"]), false),
        (("jetstream", &["--protocol", "jetstream"]), false),
        (("sax", &["--protocol", "sax", "--model", "simulated"]), false),
        (("naive-transformers", &["--protocol", "naive-transformers"]), false),
    ];
    for (asked, counts) in asked {
        let (played, _) = played(asked, &["--no-stream"]);
        let engine = asked.0;
        for record in &played.records {
            assert_eq!(record.tokens.output, counts.then_some(TOKENS), "{engine}: {record:?}");
        }
        for absent in ["ttft_ms", "tpot_ms", "itl_ms"] {
            assert_eq!(figure(&played, absent, "p50"), None, "{engine}: {absent}");
        }
        // 40 ms to the first token, 5 gaps of 10 ms.
        let e2e = figure(&played, "e2e_ms", "p50").unwrap();
        assert!((89.0..120.0).contains(&e2e), "{engine}: E2E {e2e} ms");
        let tps = played.summary["metrics"]["output_tps"].as_f64();
        assert_eq!(tps.is_some(), counts, "{engine}: {}", played.summary);
        assert!(played.summary["caveats"].to_string().contains("asked_whole"), "{engine}");
    }
}
