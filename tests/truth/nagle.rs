//! Engines that leave Nagle's algorithm on, on each wire: the TTFT is the server's own, and the run says that ordinary
//! clients see another.

use super::accounts::Truth;
use super::common::{Place, Simulator};
use super::on_each_wire;
use super::played::Played;

const PACE: [&str; 6] = ["--ttft", "10ms", "--itl", "20ms", "--output-tokens", "20"];
const LOAD: [&str; 8] = ["--requests", "8", "--concurrency", "1", "--max-tokens", "6", "--warmup", "3"];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Client's TTFT less the server's, of a request in the middle, ms.
fn ttft_error_ms(played: &Played, truth: &Truth) -> f64 {
    let error = |record: &super::played::Record| {
        let line = truth.last_of(record);
        let [arrival_ns, written_ns] =
            [&line["arrival_mono_ns"], &line["writes"][0][1]].map(|value| value.as_f64().unwrap());
        let first_us = record.arrivals()[0].0 as f64 - record.sent_us.unwrap() as f64;
        first_us / 1e3 - (written_ns - arrival_ns) / 1e6
    };
    median(played.records.iter().map(error).collect())
}

fn caveats(played: &Played) -> String {
    played.summary["caveats"].to_string()
}

#[test]
fn ttft_is_the_servers_own_and_nagle_is_named_where_it_is_on() {
    on_each_wire(|engine| {
        for nagle in [true, false] {
            let place = Place::marked();
            let pace = [&PACE[..], if nagle { &["--nagle"] } else { &[] }].concat();
            let simulator = Simulator::start(engine, &pace);
            let played = place.bench(engine, &simulator, &LOAD);
            let truth = Truth::of(&simulator, &played);
            played.check_against(&truth);
            let error_ms = ttft_error_ms(&played, &truth);
            assert!(error_ms < 2.0, "{engine}, Nagle {nagle}: TTFT is {error_ms} ms too long");
            #[cfg(target_os = "linux")]
            assert_eq!(caveats(&played).contains("nagle_on"), nagle, "{engine}: {}", played.summary);
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_launched_server_is_found_out_by_its_probes_alone() {
    let place = Place::marked();
    let pace = "--extra-args=vllm=--ttft 10ms --itl 5ms --output-tokens 20 --nagle";
    let fixed = ["run", "--simulate", "--backend", "vllm", "--backends-dir", "backends"];
    let load = ["--dataset", "prompts.jsonl", "--requests", "4", "--concurrency", "1", "--max-tokens", "4"];
    let ended = place.start(&[&fixed[..], &load, &["--warmup", "0", pace]].concat()).wait();
    let stdout = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        stdout.contains("Ordinary clients on this host see the first token up to 40 ms later"),
        "{stdout}"
    );
    let played = Played::read(&place, "vllm-simulated", ended);
    assert_eq!(played.summary["nagle"], serde_json::json!({"on": true, "requests": 2}));
    assert_eq!(played.header["late_acks"].as_array().unwrap().len(), 2);
}
