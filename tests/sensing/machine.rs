//! What a run senses of processes and machine.

use super::{Engine, Place, QUICK};

#[test]
fn the_server_s_processes_the_client_and_the_machine_are_sensed_and_told_everywhere() {
    let (place, server) = (Place::new(), Engine::start("vllm", &QUICK));
    let load = ["--concurrency", "4", "--duration", "1s", "--max-tokens", "20", "--warmup", "0"];
    let sensed = ["--scrape-interval", "0", "--host-interval", "200ms"];
    let to = ["bench", "--url", &server.url, "--backend", "mine"];
    let output = place.run(&[&to[..], &load, &sensed].concat());
    let run = place.json();
    let machine = &run["summary"]["machine"];
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(number(&machine["server"]["cpu_s"]) > 0.0, "{machine}");
    assert!(number(&machine["server"]["resident_max_bytes"]) > 1e6, "{machine}");
    assert_eq!(number(&machine["server"]["processes_max"]), 1.0, "{machine}");
    assert!(number(&machine["client"]["cores_mean"]) < number(&machine["host"]["busy_cores"]["max"]) + 0.5);
    for (source, name) in
        [("server_processes", "cpu_s"), ("client", "resident_bytes"), ("host", "host_busy_cores")]
    {
        let points = run[source]["series"][name].as_array().unwrap();
        assert!(points.len() >= 4, "{source} {name}: {points:?}");
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Server CPU:") && said.contains(" cores busy"), "{said}");
    let summary = std::fs::read_to_string(place.ending("benchmark_summary.csv").unwrap()).unwrap();
    let cell = |row: usize| {
        let column =
            summary.lines().next().unwrap().split(',').position(|name| name == "server_rss_max_bytes");
        summary.lines().nth(row).unwrap().split(',').nth(column.unwrap()).unwrap()
    };
    assert!(cell(1).parse::<f64>().unwrap() > 1e6, "{summary}");
    std::fs::remove_file(place.ending(".json").unwrap()).unwrap();
    place.run(&["report", "results"]);
    assert_eq!(place.json(), run, "the samples tell all of it again");
}
