//! GPUs of a run, from a pretend nvidia-smi: the fallback where NVML cannot be loaded.

use std::os::unix::fs::PermissionsExt;

use super::{Engine, Place, QUICK};

/// Two GPUs of 100 W and 300 W. Its driver does not know one of the fields.
const NVIDIA_SMI: &str = r#"#!/bin/sh
PATH=/bin:/usr/bin
case "$*" in *clocks_event_reasons*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2;; esac
line() { echo "$1, GPU-$1, NVIDIA PRETEND, 1024, 300.00, [N/A], 50, $2, $3, 90.0, 90.0, 60, 1000, 2000, 0x0000000000000004"; }
case "$*" in
  *compute-apps*) ;;
  *loop-ms*) while line 0 512 100 && line 1 256 300; do sleep 0.05; done;;
  *) line 0 512 100; line 1 256 300;;
esac
"#;

#[test]
fn gpus_stand_in_every_output_and_are_made_again_from_the_samples() {
    let (place, server) = (Place::new(), Engine::start("vllm", &QUICK));
    let program = place.0.path().join("nvidia-smi");
    std::fs::write(&program, NVIDIA_SMI).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = place.bench(&server, "vllm", &["--gpu-interval", "50ms"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in [
        "=== GPU METRICS (2 × NVIDIA PRETEND) ===",
        "GPU Util:       GPU 0: Mean: 50.0% | Max: 50.0%",
        "Memory:         GPU 0: Mean: 512MB | Max: 512MB / 1024MB",
        "                GPU 1: Mean: 300.0W | Max: 300.0W",
        "Temperature:    GPU 0: Mean: 60.0C | Max: 60.0C",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    let run = place.json();
    let gpu = &run["summary"]["gpu"];
    assert_eq!(
        (gpu["read_by"].as_str(), gpu["devices"][1]["uuid"].as_str()),
        (Some("nvidia-smi"), Some("GPU-1"))
    );
    let seconds = run["summary"]["duration_s"].as_f64().unwrap();
    let energy = gpu["energy_j"].as_f64().unwrap();
    assert!((energy / seconds / 400.0 - 1.0).abs() < 1e-3, "{energy} J in {seconds} s of 400 W");
    let per_token = run["summary"]["metrics"]["energy_per_token_j"].as_f64().unwrap();
    let tokens = run["summary"]["metrics"]["output_tps"].as_f64().unwrap() * seconds;
    assert!((per_token * tokens / energy - 1.0).abs() < 0.01, "{per_token} J a token of {tokens}");
    assert_eq!(gpu["energy_per_token_j"], per_token);
    assert_eq!(run["gpus"].as_array().unwrap().len(), 2);
    assert_eq!(run["gpus"][0]["series"]["gpu_power_w"][0][1], 100.0);

    let table = std::fs::read_to_string(place.ending("_gpu.csv").unwrap()).unwrap();
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let head = rows.headers().unwrap().clone();
    let [gpu_at, power_at, energy_at] =
        ["gpu", "gpu_power_w", "gpu_energy_j"].map(|name| head.iter().position(|of| of == name).unwrap());
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    let power = |row: &csv::StringRecord| if &row[gpu_at] == "0" { "100" } else { "300" }.to_owned();
    assert!(
        rows.len() > 40 && rows.iter().all(|row| row[power_at] == power(row) && row[energy_at].is_empty())
    );

    let summary = std::fs::read_to_string(place.0.path().join("results/benchmark_summary.csv")).unwrap();
    let mut summary = csv::Reader::from_reader(summary.as_bytes());
    let head = summary.headers().unwrap().clone();
    let row = summary.records().next().unwrap().unwrap();
    let cell = |name: &str| row[head.iter().position(|of| of == name).unwrap()].to_owned();
    assert_eq!(
        [cell("gpus"), cell("gpu_power_w_mean"), cell("gpu_memory_bytes_max")],
        ["2", "400", "805306368"]
    );
    assert_eq!((cell("gpu_utilisation_pct_mean"), cell("gpu_temperature_c_max")), ("50".into(), "60".into()));
    assert!((cell("energy_per_token_j").parse::<f64>().unwrap() / per_token - 1.0).abs() < 1e-3);

    // The energy is that of the window of all other figures, whichever way that is named.
    place.run(&["report", "results", "--window", "0s..", "--output", "again"]);
    let again = super::json(&place.0.path().join("again/comparison.json"));
    let again_j = again["comparison"]["runs"][0]["gpu"]["energy_j"].as_f64().unwrap();
    assert!((again_j / energy - 1.0).abs() < 1e-4, "{again_j} J is not {energy} J");

    for end in [".json", "_gpu.csv"] {
        std::fs::remove_file(place.ending(end).unwrap()).unwrap();
    }
    place.run(&["report", "results"]);
    assert_eq!(place.json(), run);
    assert_eq!(std::fs::read_to_string(place.ending("_gpu.csv").unwrap()).unwrap(), table);

    // What the samples told is not lost with them.
    std::fs::remove_file(place.ending("_samples.jsonl.zst").unwrap()).unwrap();
    let said = place.run(&["report", "results"]).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("its samples are gone"), "{said}");
    assert_eq!(place.json(), run);
}
